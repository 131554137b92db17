//! Unique identifiers: SipHash-2-4 over a counter, written in base 62.

use std::fmt;
use std::num::NonZeroU8;

/// A unique identifier in its text form, such as `CHhAvVGS1DHFjwGM9`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid {
    /// Never zero, so that there is room to say that there is no identifier.
    len: NonZeroU8,
    text: [u8; 23],
}

impl Uid {
    /// Writes `values` in base 62 behind `prefix`; digits of a number come lowest first.
    pub fn from_values(prefix: u8, values: [u64; 2]) -> Self {
        const DIGITS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let (mut text, mut len) = ([0; 23], NonZeroU8::MIN);
        text[0] = prefix;
        for mut v in values {
            while v > 0 && usize::from(len.get()) < text.len() {
                text[usize::from(len.get())] = DIGITS[(v % 62) as usize];
                len = len.saturating_add(1);
                v /= 62;
            }
        }
        Uid { len, text }
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.len.get())]
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or("")
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes identifiers of 96 bits from a key, an instance number and a counter.
#[derive(Clone, Debug)]
pub struct UidGenerator {
    key: [u64; 2],
    instance: u64,
    counter: u64,
}

impl UidGenerator {
    /// `key` is the hash key; `instance` tells generators apart that share it.
    pub fn new(key: [u8; 16], instance: u64) -> Self {
        let word = |i: usize| {
            let mut b = [0; 8];
            b.copy_from_slice(&key[i..i + 8]);
            u64::from_le_bytes(b)
        };
        UidGenerator {
            key: [word(0), word(8)],
            instance,
            counter: 0,
        }
    }

    /// The next number.
    pub fn next_value(&mut self) -> u64 {
        self.counter += 1;
        siphash24(self.key, [self.instance, self.counter])
    }

    /// The next identifier.
    pub fn next_uid(&mut self, prefix: u8) -> Uid {
        let high = self.next_value() >> 32;
        Uid::from_values(prefix, [high, self.next_value()])
    }
}

/// SipHash-2-4 of two words in little-endian order.
pub fn siphash24(key: [u64; 2], words: [u64; 2]) -> u64 {
    let mut v = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    fn round(v: &mut [u64; 4]) {
        v[0] = v[0].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(13) ^ v[0];
        v[0] = v[0].rotate_left(32);
        v[2] = v[2].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(16) ^ v[2];
        v[0] = v[0].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(21) ^ v[0];
        v[2] = v[2].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(17) ^ v[2];
        v[2] = v[2].rotate_left(32);
    }
    for m in [words[0], words[1], 16u64 << 56] {
        v[3] ^= m;
        round(&mut v);
        round(&mut v);
        v[0] ^= m;
    }
    v[2] ^= 0xff;
    for _ in 0..4 {
        round(&mut v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_identifiers() {
        let mut key = [0; 16];
        for (i, w) in [1_462_428_821u32, 0, 2_278_350_848, 32_767].into_iter().enumerate() {
            key[i * 4..i * 4 + 4].copy_from_slice(&w.to_le_bytes());
        }
        let mut g = UidGenerator::new(key, 1);
        let got: Vec<String> = (0..4).map(|_| g.next_uid(b'C').to_string()).collect();
        assert_eq!(
            got,
            [
                "CHhAvVGS1DHFjwGM9",
                "ClEkJM2Vm5giqnMf4h",
                "C4J4Th3PJpwUYZZ6gc",
                "CtPZjS20MLrsMUOJi2"
            ]
        );
    }
}
