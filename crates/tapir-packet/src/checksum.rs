//! The internet checksum (RFC 1071) and the pseudo headers of TCP, UDP and ICMPv6.

use crate::types::Ip;

/// A running ones-complement sum.
#[derive(Clone, Copy, Default)]
pub struct Sum(u64);

impl Sum {
    /// Adds bytes; an odd length is padded with a zero byte.
    pub fn add_bytes(mut self, b: &[u8]) -> Self {
        let mut chunks = b.chunks_exact(4);
        for c in &mut chunks {
            self.0 += u64::from(u32::from_be_bytes([c[0], c[1], c[2], c[3]]));
        }
        let rest = chunks.remainder();
        let mut last = [0u8; 4];
        last[..rest.len()].copy_from_slice(rest);
        self.0 += u64::from(u32::from_be_bytes(last));
        self
    }

    /// Adds a number in host order.
    pub fn add_u32(mut self, v: u32) -> Self {
        self.0 += u64::from(v);
        self
    }

    /// The folded sum; `0xffff` (or `0`) over data that holds its own checksum means that it is right.
    pub fn fold(self) -> u16 {
        let mut s = self.0;
        while s >> 16 != 0 {
            s = (s & 0xffff) + (s >> 16);
        }
        s as u16
    }

    /// Whether data that contains its checksum sums up correctly.
    pub fn is_valid(self) -> bool {
        let s = self.fold();
        s == 0xffff || s == 0
    }
}

/// The sum of a TCP, UDP or ICMPv6 pseudo header.
pub fn pseudo(src: &Ip, dst: &Ip, proto: u8, len: u32) -> Sum {
    // The v4-mapped prefix must not be added, so only the wire bytes are.
    Sum::default()
        .add_bytes(src.wire())
        .add_bytes(dst.wire())
        .add_u32(u32::from(proto))
        .add_u32(len)
}

/// Whether a transport checksum over `segment` with its pseudo header is right.
pub fn transport_valid(src: &Ip, dst: &Ip, proto: u8, segment: &[u8]) -> bool {
    pseudo(src, dst, proto, segment.len() as u32)
        .add_bytes(segment)
        .is_valid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_a_known_ipv4_header() {
        let h = [
            0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7,
        ];
        assert!(Sum::default().add_bytes(&h).is_valid());
        let mut bad = h;
        bad[3] ^= 1;
        assert!(!Sum::default().add_bytes(&bad).is_valid());
    }
}
