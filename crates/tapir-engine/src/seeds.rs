//! Seeds of random numbers and keyed hashes: drawn, loaded, saved.
//!
//! A seed file holds 21 decimal 32-bit numbers, one per line: the first seeds the generator, the next twenty the hashes.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;

/// All seeds of a run.
#[derive(Clone, Debug)]
pub struct Seeds {
    pub random: u32,
    pub hashes: [u32; 20],
    /// Whether they were given, so that runs repeat.
    pub fixed: bool,
}

impl Seeds {
    /// Zero for everything.
    pub fn zero() -> Self {
        Seeds {
            random: 0,
            hashes: [0; 20],
            fixed: true,
        }
    }

    /// Fresh ones.
    pub fn fresh() -> Self {
        let state = RandomState::new();
        let draw = |i: u32| {
            let mut h = state.build_hasher();
            h.write_u32(i);
            h.finish() as u32
        };
        Seeds {
            random: draw(0),
            hashes: std::array::from_fn(|i| draw(i as u32 + 1)),
            fixed: false,
        }
    }

    /// From the text of a seed file.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<u32>, _> = text
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|t| !t.is_empty())
            .map(str::parse)
            .collect();
        let numbers = numbers.map_err(|e| format!("not a 32-bit number: {e}"))?;
        if numbers.len() != 21 {
            return Err(format!("21 numbers expected, {} found", numbers.len()));
        }
        let mut hashes = [0; 20];
        hashes.copy_from_slice(&numbers[1..]);
        Ok(Seeds {
            random: numbers[0],
            hashes,
            fixed: true,
        })
    }

    /// From a file.
    ///
    /// # Errors
    /// When it cannot be read or holds something else.
    pub fn load(path: &Path) -> Result<Self, String> {
        let fail = |e: String| format!("Could not load seeds from file '{}': {e}.", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
        Self::parse(&text).map_err(fail)
    }

    /// Writes a file that [`load`](Seeds::load) reads.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), String> {
        let mut text = format!("{}\n", self.random);
        for h in self.hashes {
            text.push_str(&format!("{h}\n"));
        }
        std::fs::write(path, text).map_err(|e| format!("Could not write seeds to file '{}': {e}.", path.display()))
    }

    /// The seeds of one of several nodes that were given the same ones: the first keeps them.
    pub fn of_node(mut self, index: u32) -> Self {
        if index > 0 {
            self.random = self.random.wrapping_add(index.wrapping_mul(0x9e37_79b9));
            for h in &mut self.hashes[16..] {
                *h = h.wrapping_add(index.wrapping_mul(0x85eb_ca6b));
            }
        }
        self
    }

    /// The key of SipHash: the last 16 of the 80 bytes.
    pub fn sip_key(&self) -> [u8; 16] {
        let mut key = [0; 16];
        for (i, w) in self.hashes[16..].iter().enumerate() {
            key[i * 4..i * 4 + 4].copy_from_slice(&w.to_le_bytes());
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let text: String = (0..21).map(|i| format!("{i}\n")).collect();
        let s = Seeds::parse(&text).unwrap();
        assert_eq!((s.random, s.hashes[0], s.hashes[19]), (0, 1, 20));
        assert!(Seeds::parse("1 2 3").unwrap_err().contains("21 numbers"));
        assert_eq!(&s.sip_key()[..4], &[17, 0, 0, 0]);
    }
}
