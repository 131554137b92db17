//! DNS messages on the wire (RFC 1035): header and names.

use crate::util::cursor::Cursor;

/// The length of the header.
pub const HEADER: usize = 12;

/// The header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub id: u16,
    pub flags: u16,
    pub qd: u16,
    pub an: u16,
    pub ns: u16,
    pub ar: u16,
}

impl Header {
    /// Reads a header.
    pub fn parse(c: &mut Cursor) -> Option<Header> {
        Some(Header {
            id: c.u16()?,
            flags: c.u16()?,
            qd: c.u16()?,
            an: c.u16()?,
            ns: c.u16()?,
            ar: c.u16()?,
        })
    }

    pub fn qr(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    pub fn opcode(&self) -> u8 {
        (self.flags >> 11) as u8 & 15
    }

    pub fn bit(&self, mask: u16) -> bool {
        self.flags & mask != 0
    }
}

/// Why a name could not be read.
pub type NameError = &'static str;

const NAME_MAX: usize = 513;

/// Reads a name at the cursor, following compression. The name comes in its original case without the final dot.
pub fn name(c: &mut Cursor, max_chain: u64) -> Result<Vec<u8>, NameError> {
    let mut out = Vec::with_capacity(32);
    let whole = c.whole();
    let mut pos = c.pos();
    let mut after = None;
    let mut limit = whole.len();
    let mut chain = 0;
    loop {
        let Some(&len) = whole[..limit].get(pos) else {
            return Err("dns_invalid_name");
        };
        let at = pos;
        pos += 1;
        if len == 0 {
            break;
        }
        if len & 0xc0 == 0xc0 {
            let Some(&lo) = whole[..limit].get(pos) else {
                return Err("dns_invalid_name");
            };
            pos += 1;
            let target = ((len & 0x3f) as usize) << 8 | lo as usize;
            after.get_or_insert(pos);
            if target < HEADER || target >= at {
                return Err("DNS_label_forward_compress_offset");
            }
            chain += 1;
            if max_chain > 0 && chain > max_chain {
                return Err("DNS_max_compression_chain_depth_exceeded");
            }
            pos = target;
            limit = at;
            continue;
        }
        let len = len as usize;
        if len > limit - pos {
            return Err("DNS_label_len_gt_pkt");
        }
        if len > 63 {
            return Err("DNS_label_too_long");
        }
        if out.len() + len + 1 >= NAME_MAX {
            return Err("DNS_label_len_gt_name_len");
        }
        if !out.is_empty() {
            out.push(b'.');
        }
        out.extend_from_slice(&whole[pos..pos + len]);
        pos += len;
    }
    let end = after.unwrap_or(pos);
    c.seek(end).ok_or("dns_invalid_name")?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_pointers_backwards_only() {
        let mut m = vec![0u8; 12];
        m.extend_from_slice(b"\x03www\x02de\x00\x01a\xc0\x0c\xc0\x20");
        let mut c = Cursor::new(&m);
        c.skip(12);
        assert_eq!(name(&mut c, 20).unwrap(), b"www.de");
        assert_eq!(name(&mut c, 20).unwrap(), b"a.www.de");
        assert_eq!(name(&mut c, 20), Err("DNS_label_forward_compress_offset"));
    }

    #[test]
    fn broken_names_have_their_weird() {
        let mut m = vec![0u8; 12];
        m.extend_from_slice(b"\x03a");
        let mut c = Cursor::new(&m);
        c.skip(12);
        assert_eq!(name(&mut c, 20), Err("DNS_label_len_gt_pkt"));
        let mut m = vec![0u8; 12];
        m.extend_from_slice(b"\x03abc");
        let mut c = Cursor::new(&m);
        c.skip(12);
        assert_eq!(name(&mut c, 20), Err("dns_invalid_name"));
    }
}
