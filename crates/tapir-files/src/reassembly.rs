//! Out-of-order pieces of a file, kept until what lies before them has come.

use std::collections::BTreeMap;

/// Pieces by offset; never overlapping, never before the stream's position.
#[derive(Debug, Default)]
pub struct Reassembler {
    blocks: BTreeMap<u64, Vec<u8>>,
    size: u64,
}

impl Reassembler {
    /// Keeps a piece that begins behind `position`, without what is there already.
    pub fn add(&mut self, position: u64, mut offset: u64, mut data: &[u8]) {
        if offset < position {
            let skip = (position - offset).min(data.len() as u64);
            data = &data[skip as usize..];
            offset += skip;
        }
        if let Some((at, block)) = self.blocks.range(..=offset).next_back() {
            let end = at + block.len() as u64;
            if end > offset {
                let skip = (end - offset).min(data.len() as u64);
                data = &data[skip as usize..];
                offset += skip;
            }
        }
        while !data.is_empty() {
            let next = self.blocks.range(offset..).next().map(|(at, b)| (*at, b.len() as u64));
            let room = next.map_or(u64::MAX, |n| n.0 - offset);
            let n = room.min(data.len() as u64) as usize;
            if n > 0 {
                self.blocks.insert(offset, data[..n].to_vec());
                self.size += n as u64;
            }
            match next {
                Some((at, len)) if (data.len() as u64) > room + len => {
                    data = &data[(room + len) as usize..];
                    offset = at + len;
                }
                _ => break,
            }
        }
    }

    /// Takes the piece at `position`, if it is there.
    pub fn take(&mut self, position: u64) -> Option<Vec<u8>> {
        let block = self.blocks.remove(&position)?;
        self.size -= block.len() as u64;
        Some(block)
    }

    /// The offset of the first piece.
    pub fn first(&self) -> Option<u64> {
        self.blocks.keys().next().copied()
    }

    /// How many bytes are kept.
    pub fn size(&self) -> u64 {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps_keep_the_first_copy() {
        let mut r = Reassembler::default();
        r.add(0, 10, b"KLM");
        r.add(0, 5, b"fghij-----nop");
        r.add(0, 2, b"cdefg");
        r.add(4, 0, b"xxxx");
        let mut got = Vec::new();
        let mut at = 2;
        while let Some(b) = r.take(at) {
            at += b.len() as u64;
            got.extend(b);
        }
        assert_eq!(got, b"cdefghijKLM--nop");
        assert_eq!((r.size(), r.first()), (0, None));
    }
}
