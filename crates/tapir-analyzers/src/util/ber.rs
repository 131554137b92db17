//! A checked reader of BER and DER (X.690), as lenient as traffic needs.

use super::cursor::Cursor;

/// One element.
#[derive(Clone, Copy, Debug)]
pub struct Tlv<'a> {
    /// The identifier octet: class, constructed bit and low tag number.
    pub id: u8,
    /// The tag number, also of the long form.
    pub tag: u32,
    pub body: &'a [u8],
    /// The whole element with its header.
    pub raw: &'a [u8],
}

pub const BOOLEAN: u8 = 0x01;
pub const INTEGER: u8 = 0x02;
pub const OCTETS: u8 = 0x04;
pub const NULL: u8 = 0x05;
pub const OID: u8 = 0x06;
pub const ENUMERATED: u8 = 0x0a;
pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;

impl<'a> Tlv<'a> {
    /// A cursor over the content.
    pub fn cursor(&self) -> Cursor<'a> {
        Cursor::new(self.body)
    }

    /// Whether the element holds elements.
    pub fn constructed(&self) -> bool {
        self.id & 0x20 != 0
    }

    /// The context-specific tag number, if that is the class.
    pub fn context(&self) -> Option<u32> {
        (self.id & 0xc0 == 0x80).then_some(self.tag)
    }

    /// The content as a signed number of at most eight bytes.
    pub fn int(&self) -> Option<i64> {
        int(self.body)
    }

    /// The content as an unsigned number of at most eight significant bytes.
    pub fn uint(&self) -> Option<u64> {
        let b = match self.body {
            [0, rest @ ..] => rest,
            b => b,
        };
        if b.len() > 8 {
            return None;
        }
        Some(b.iter().fold(0, |n, x| n << 8 | *x as u64))
    }

    /// The first element within.
    pub fn inner(&self) -> Option<Tlv<'a>> {
        read(&mut self.cursor())
    }

    /// The elements within; stops at the first that is malformed.
    pub fn children(&self) -> impl Iterator<Item = Tlv<'a>> {
        let mut c = self.cursor();
        std::iter::from_fn(move || read(&mut c))
    }
}

/// A signed big-endian number.
pub fn int(b: &[u8]) -> Option<i64> {
    if b.is_empty() || b.len() > 8 {
        return None;
    }
    let start = if b[0] & 0x80 != 0 { -1i64 } else { 0 };
    Some(b.iter().fold(start, |n, x| n << 8 | *x as i64))
}

/// Reads one element of definite length.
pub fn read<'a>(c: &mut Cursor<'a>) -> Option<Tlv<'a>> {
    let whole = c.rest();
    let from = c.pos();
    let id = c.u8()?;
    let mut tag = (id & 0x1f) as u32;
    if tag == 0x1f {
        tag = 0;
        loop {
            let b = c.u8()?;
            tag = tag.checked_mul(128)?.checked_add((b & 0x7f) as u32)?;
            if b & 0x80 == 0 {
                break;
            }
        }
    }
    let first = c.u8()?;
    let len = if first < 0x80 {
        first as usize
    } else {
        let n = (first & 0x7f) as usize;
        if n == 0 || n > 4 {
            return None;
        }
        c.take(n)?.iter().fold(0usize, |l, b| l << 8 | *b as usize)
    };
    let body = c.take(len)?;
    Some(Tlv {
        id,
        tag,
        body,
        raw: &whole[..c.pos() - from],
    })
}

/// Reads an element that must have the given identifier octet.
pub fn expect<'a>(c: &mut Cursor<'a>, id: u8) -> Option<Tlv<'a>> {
    read(c).filter(|t| t.id == id)
}

/// A length that the basic encoding rules do not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLength;

/// The length of the element at the start of `b` with its header; `Ok(None)` when more bytes are needed to tell.
///
/// # Errors
/// When the length is of the indefinite form or longer than four bytes.
pub fn frame(b: &[u8]) -> Result<Option<usize>, BadLength> {
    let Some(&l) = b.get(1) else { return Ok(None) };
    if l < 0x80 {
        return Ok(Some(2 + l as usize));
    }
    let n = (l & 0x7f) as usize;
    if n == 0 || n > 4 {
        return Err(BadLength);
    }
    let Some(bytes) = b.get(2..2 + n) else {
        return Ok(None);
    };
    Ok(Some(2 + n + bytes.iter().fold(0usize, |v, x| v << 8 | *x as usize)))
}

/// How far an element that is still coming in has been looked at for elements within elements.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    at: usize,
    /// Where the elements around this place end.
    ends: Vec<usize>,
}

impl Walk {
    /// Goes on to the end of `b`, which begins with the outermost element. False if more than `max` sequences, sets and
    /// constructed elements of applications stand within each other.
    pub fn go_on(&mut self, b: &[u8], max: usize) -> bool {
        loop {
            while self.ends.last().is_some_and(|e| self.at >= *e) {
                self.ends.pop();
            }
            let Some(rest) = b.get(self.at..).filter(|r| !r.is_empty()) else {
                return true;
            };
            let len = match frame(rest) {
                Ok(Some(n)) if rest[0] & 0x1f != 0x1f => n,
                Ok(None) => return true,
                // What is wrong with it is said when all of it is there.
                _ => {
                    self.at = usize::MAX;
                    return true;
                }
            };
            if rest[0] & 0xa0 == 0x20 {
                if self.ends.len() == max {
                    return false;
                }
                self.ends.push(self.at.saturating_add(len));
                self.at += 2 + if rest[1] < 0x80 { 0 } else { (rest[1] & 0x7f) as usize };
            } else {
                self.at = self.at.saturating_add(len);
            }
        }
    }
}

/// An object identifier in dotted form; `None` when a component is too long.
pub fn oid(b: &[u8]) -> Option<String> {
    use std::fmt::Write as _;
    let mut out = String::new();
    let mut n: u64 = 0;
    let mut first = true;
    let mut run = 0;
    for &x in b {
        run = if x & 0x80 == 0 { 0 } else { run + 1 };
        if run >= 5 {
            return None;
        }
        n = n.checked_mul(128)?.checked_add((x & 0x7f) as u64)?;
        if n > u32::MAX as u64 {
            return None;
        }
        if x & 0x80 == 0 {
            if first {
                let a = (n / 40).min(2);
                let _ = write!(out, "{a}.{}", n - a * 40);
                first = false;
            } else {
                let _ = write!(out, ".{n}");
            }
            n = 0;
        }
    }
    (b.is_empty() || b[b.len() - 1] & 0x80 == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements() {
        let b = [0x30, 0x07, 0x02, 0x01, 0xff, 0x04, 0x02, b'h', b'i'];
        let t = read(&mut Cursor::new(&b)).unwrap();
        let v: Vec<_> = t.children().collect();
        assert_eq!((v[0].int(), v[1].body, frame(&b)), (Some(-1), &b"hi"[..], Ok(Some(9))));
        let mut deep = vec![0x30, 0x82, 0x10, 0x00];
        for n in 1..=20u8 {
            deep.extend([0x30, 0x82, 0x0f, 0xff - n]);
        }
        for step in [1, 3, deep.len()] {
            let (mut high, mut low) = (Walk::default(), Walk::default());
            let parts: Vec<usize> = (0..deep.len()).step_by(step).chain([deep.len()]).collect();
            assert!(parts.iter().all(|n| high.go_on(&deep[..*n], 21)));
            assert!(!parts.iter().all(|n| low.go_on(&deep[..*n], 20)));
        }
        assert_eq!(oid(&[0x2b, 6, 1, 4, 1, 0x8f, 0x51]).unwrap(), "1.3.6.1.4.1.2001");
    }
}
