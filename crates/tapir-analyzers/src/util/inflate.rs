//! Bounded streaming decompression of gzip, zlib and raw deflate data.

use flate2::{Crc, Decompress, FlushDecompress, Status};

/// What the first bytes said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Unknown,
    Gzip,
    Zlib,
    Raw,
}

/// A decompressor that recognises its format.
pub struct Inflate {
    kind: Kind,
    head: Vec<u8>,
    z: Option<Decompress>,
    /// Data is corrupt; nothing more comes out.
    pub failed: bool,
    ended: bool,
    out: u64,
    /// The checksum of what came out, and the trailer that it must agree with (gzip).
    crc: Crc,
    trailer: Vec<u8>,
}

/// Length of the checksum and the size behind gzip data (RFC 1952, section 2.3.1).
const TRAILER: usize = 8;

/// No more than this is decompressed from one body.
const MAX_OUT: u64 = 4 << 30;

impl Default for Inflate {
    fn default() -> Self {
        Inflate {
            kind: Kind::Unknown,
            head: Vec::new(),
            z: None,
            failed: false,
            ended: false,
            out: 0,
            crc: Crc::new(),
            trailer: Vec::new(),
        }
    }
}

/// The length of a gzip header; `None` when more bytes are needed, `Some(0)` when it is none.
fn gzip_header(h: &[u8]) -> Option<usize> {
    if h.len() < 10 {
        return None;
    }
    let flags = h[3];
    let mut at = 10;
    if flags & 4 != 0 {
        let n = *h.get(at)? as usize | (*h.get(at + 1)? as usize) << 8;
        at += 2 + n;
    }
    for bit in [8, 16] {
        if flags & bit != 0 {
            at += h.get(at..)?.iter().position(|&b| b == 0)? + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    (h.len() >= at).then_some(at)
}

impl Inflate {
    /// Feeds compressed bytes and hands decompressed chunks to `sink`.
    pub fn feed(&mut self, data: &[u8], mut sink: impl FnMut(&[u8])) {
        if self.ended {
            self.check(data);
            return;
        }
        if self.failed || data.is_empty() {
            return;
        }
        if self.z.is_some() {
            self.run(data, &mut sink);
            return;
        }
        self.head.extend_from_slice(data);
        let h = &self.head;
        if h.len() < 2 {
            return;
        }
        let skip = if h[0] == 0x1f && h[1] == 0x8b {
            self.kind = Kind::Gzip;
            match gzip_header(h) {
                Some(n) => n,
                None if h.len() > 65_536 => {
                    self.failed = true;
                    return;
                }
                None => return,
            }
        } else if h[0] & 15 == 8 && (h[0] as u32 * 256 + h[1] as u32).is_multiple_of(31) {
            self.kind = Kind::Zlib;
            0
        } else {
            self.kind = Kind::Raw;
            0
        };
        self.z = Some(Decompress::new(self.kind == Kind::Zlib));
        let head = std::mem::take(&mut self.head);
        self.run(&head[skip..], &mut sink);
    }

    /// Takes bytes of the trailer; whether they do not fit shows when all are there.
    fn check(&mut self, data: &[u8]) {
        if self.kind != Kind::Gzip || self.trailer.len() >= TRAILER {
            return;
        }
        let n = data.len().min(TRAILER - self.trailer.len());
        self.trailer.extend_from_slice(&data[..n]);
        if let Ok(t) = <[u8; TRAILER]>::try_from(&self.trailer[..]) {
            let want = self.crc.sum() as u64 | (self.crc.amount() as u64) << 32;
            self.failed |= u64::from_le_bytes(t) != want;
        }
    }

    fn run(&mut self, mut data: &[u8], sink: &mut impl FnMut(&[u8])) {
        let Some(mut z) = self.z.take() else { return };
        // Output goes on in pieces of this size; what a piece holds when an error shows is lost with it.
        let mut buf = [0u8; 4096];
        loop {
            let (i, o) = (z.total_in(), z.total_out());
            let r = z.decompress(data, &mut buf, FlushDecompress::Sync);
            let used = (z.total_in() - i) as usize;
            let made = (z.total_out() - o) as usize;
            data = data.get(used..).unwrap_or(&[]);
            if r.is_err() {
                self.failed = true;
                break;
            }
            self.crc.update(&buf[..made]);
            if matches!(r, Ok(Status::StreamEnd)) {
                self.ended = true;
                self.check(data);
            }
            if made > 0 && !self.failed {
                self.out += made as u64;
                sink(&buf[..made]);
            }
            if self.ended {
                return;
            }
            if self.out > MAX_OUT {
                self.failed = true;
                break;
            }
            if made < buf.len() && (data.is_empty() || (used == 0 && made == 0)) {
                break;
            }
        }
        self.z = Some(z);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn all_formats_in_single_bytes() {
        let text: Vec<u8> = (0..50_000u32).map(|i| (i % 251) as u8).collect();
        let mut g = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        g.write_all(&text).unwrap();
        let mut z = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::fast());
        z.write_all(&text).unwrap();
        let mut d = flate2::write::DeflateEncoder::new(vec![], flate2::Compression::fast());
        d.write_all(&text).unwrap();
        for packed in [g.finish().unwrap(), z.finish().unwrap(), d.finish().unwrap()] {
            let mut out = vec![];
            let mut i = Inflate::default();
            for b in &packed {
                i.feed(&[*b], |x| out.extend_from_slice(x));
            }
            assert!(out == text && !i.failed);
        }
    }
}
