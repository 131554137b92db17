//! Where in the data a literal may end: one small table that every position is tested against.
//!
//! A window is up to four bytes with cases folded. Windows of three and four bytes are in a blocked Bloom filter (two
//! bits of one word, 256 KiB at most, so that it stays in the processor's second cache); shorter ones in exact bitmaps.
//! A position that passes is looked up exactly. With few windows, as those of the signatures that come with the program, a
//! bitmap of how they end (8 KiB, in the first cache) has nearly all positions dismissed with one look.

use foldhash::HashMap;

use crate::literals::FOLD;

const FOLD4: u32 = u32::from_le_bytes([FOLD; 4]);
const LOG_WORDS_MAX: u32 = 15;

/// Tells which entries have a window that ends at a position.
#[derive(Debug, Default)]
pub struct Prefilter {
    four: Option<Bloom>,
    three: Option<Bloom>,
    /// Exact bitmap over two bytes; single bytes are in it with everything before them.
    two: Option<Box<Pairs>>,
    /// The last two bytes of all windows, as such a bitmap, if they are few.
    ends: Option<Box<Pairs>>,
    /// Entries by width and window.
    entries: [HashMap<u32, Vec<u32>>; 4],
}

#[derive(Debug)]
struct Bloom {
    words: Box<[u64]>,
    shift: u32,
}

impl Bloom {
    fn new<'a>(keys: impl ExactSizeIterator<Item = &'a u32>) -> Option<Bloom> {
        let n = keys.len();
        if n == 0 {
            return None;
        }
        let log = n.ilog2().clamp(6, LOG_WORDS_MAX);
        let mut bloom = Bloom {
            words: vec![0; 1 << log].into(),
            shift: 64 - log,
        };
        for key in keys {
            let (word, mask) = bloom.place(*key);
            bloom.words[word] |= mask;
        }
        Some(bloom)
    }

    #[inline(always)]
    fn place(&self, key: u32) -> (usize, u64) {
        let h = u64::from(key).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mask = 1u64 << ((h >> 32) & 63) | 1u64 << ((h >> 38) & 63);
        ((h >> self.shift) as usize, mask)
    }

    #[inline(always)]
    fn has(&self, key: u32) -> bool {
        let (word, mask) = self.place(key);
        self.words[word] & mask == mask
    }
}

/// So few ends of longer windows leave nearly all positions dismissed: cases are folded, so there are 16,384 in all.
const ENDS_MAX: usize = 800;

/// A bitmap over two bytes, the last one highest.
type Pairs = [u64; 1024];

fn bitmap(pairs: impl Iterator<Item = u32>) -> Box<Pairs> {
    let mut bits = Box::new([0; 1024]);
    add(&mut bits, pairs);
    bits
}

fn add(bits: &mut Pairs, pairs: impl Iterator<Item = u32>) {
    for pair in pairs {
        bits[(pair >> 6) as usize & 1023] |= 1 << (pair & 63);
    }
}

#[inline(always)]
fn two_has(bits: &Pairs, pair: u32) -> bool {
    bits[(pair >> 6) as usize & 1023] & (1 << (pair & 63)) != 0
}

impl Prefilter {
    /// A filter for windows: width, value (first byte lowest, cases folded) and the entry it stands for.
    pub fn new(windows: &[(usize, u32, u32)]) -> Prefilter {
        let mut filter = Prefilter::default();
        for (width, key, entry) in windows {
            filter.entries[width - 1].entry(*key).or_default().push(*entry);
        }
        let [one, two, three, four] = &filter.entries;
        let pairs = one.keys().flat_map(|k| (0..256).map(move |first| k << 8 | first));
        let pairs = || two.keys().copied().chain(pairs.clone());
        if !one.is_empty() || !two.is_empty() {
            filter.two = Some(bitmap(pairs()));
        }
        let longer = three.keys().map(|k| k >> 8).chain(four.keys().map(|k| k >> 16));
        let mut ends = bitmap(pairs().map(|pair| pair & FOLD4));
        let size = |bits: &Pairs| bits.iter().map(|word| word.count_ones() as usize).sum::<usize>();
        let n_short = size(&ends);
        add(&mut ends, longer);
        // Those of short windows are found like that in any case.
        filter.ends = (size(&ends) - n_short <= ENDS_MAX).then_some(ends);
        filter.three = Bloom::new(three.keys());
        filter.four = Bloom::new(four.keys());
        filter
    }

    /// Whether there is nothing to find.
    pub fn is_empty(&self) -> bool {
        self.entries.iter().all(HashMap::is_empty)
    }

    /// About how many bytes it holds.
    pub fn memory(&self) -> usize {
        let blooms = [&self.four, &self.three].into_iter().flatten();
        let entries = self.entries.iter().flat_map(|m| m.values()).map(|v| 40 + v.len() * 4);
        blooms.map(|b| b.words.len() * 8).sum::<usize>() + entries.sum::<usize>() + 2 * 8192
    }

    /// Whether a window may end with these four bytes, the last one highest.
    #[inline(always)]
    pub fn may_end(&self, last4: u32) -> bool {
        let w = last4 & FOLD4;
        if self.ends.as_ref().is_some_and(|ends| !two_has(ends, w >> 16)) {
            return false;
        }
        self.four.as_ref().is_some_and(|f| f.has(w))
            || self.three.as_ref().is_some_and(|f| f.has(w >> 8))
            || self.two.as_ref().is_some_and(|t| two_has(t, w >> 16))
    }

    /// The first position at or behind `from` (four at least) behind which a window may end, or the end of the data.
    /// Positions count the bytes before them; the result is one more than the length when there is none.
    pub fn next_end(&self, data: &[u8], from: usize) -> usize {
        if let Some(ends) = &self.ends {
            let mut from = from;
            loop {
                let end = scan(data, from, |w| two_has(ends, w >> 16));
                match data.get(end - 4..end).and_then(|last4| last4.first_chunk()) {
                    Some(last4) if !self.may_end(u32::from_le_bytes(*last4)) => from = end + 1,
                    _ => return end,
                }
            }
        }
        match (&self.four, &self.three, &self.two) {
            (Some(f), None, None) => scan(data, from, |w| f.has(w)),
            (Some(f), None, Some(t)) => scan(data, from, |w| f.has(w) | two_has(t, w >> 16)),
            (Some(f), Some(h), None) => scan(data, from, |w| f.has(w) | h.has(w >> 8)),
            (None, Some(h), None) => scan(data, from, |w| h.has(w >> 8)),
            (None, None, Some(t)) => scan(data, from, |w| two_has(t, w >> 16)),
            (None, Some(h), Some(t)) => scan(data, from, |w| h.has(w >> 8) | two_has(t, w >> 16)),
            (Some(f), Some(h), Some(t)) => scan(data, from, |w| f.has(w) | h.has(w >> 8) | two_has(t, w >> 16)),
            (None, None, None) => data.len() + 1,
        }
    }

    /// The entries whose windows end with these four bytes.
    pub fn ending(&self, last4: u32, mut each: impl FnMut(u32)) {
        let w = last4 & FOLD4;
        for (i, map) in self.entries.iter().enumerate() {
            if let Some(list) = (!map.is_empty()).then(|| map.get(&(w >> (8 * (3 - i))))).flatten() {
                list.iter().for_each(|e| each(*e));
            }
        }
    }
}

#[inline(always)]
fn scan(data: &[u8], from: usize, test: impl Fn(u32) -> bool) -> usize {
    if from > data.len() {
        return data.len() + 1;
    }
    let mut end = from;
    // Five windows lie in eight bytes; taking four at a time lets their table accesses overlap.
    for eight in data[from - 4..].windows(8).step_by(4) {
        let v = u64::from_le_bytes([
            eight[0], eight[1], eight[2], eight[3], eight[4], eight[5], eight[6], eight[7],
        ]);
        let hits = [0, 8, 16, 24].map(|s| test((v >> s) as u32 & FOLD4));
        if hits[0] | hits[1] | hits[2] | hits[3] {
            return end + hits.iter().position(|h| *h).unwrap_or(0);
        }
        end += 4;
    }
    while end <= data.len() {
        let w = u32::from_le_bytes([data[end - 4], data[end - 3], data[end - 2], data[end - 1]]);
        if test(w & FOLD4) {
            return end;
        }
        end += 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &[u8]) -> u32 {
        text.iter()
            .enumerate()
            .fold(0, |k, (i, b)| k | u32::from(b & FOLD) << (8 * i))
    }

    #[test]
    fn windows_of_all_widths_are_found_where_they_end() {
        let all = [&b"needle"[2..6], b"abc", b"\x01\x02", b"~"];
        for used in 1..16u32 {
            let windows: Vec<(usize, u32, u32)> = (0..4)
                .filter(|i| used & 1 << i != 0)
                .map(|i| (all[i].len(), key(all[i]), i as u32))
                .collect();
            let filter = Prefilter::new(&windows);
            for (_, _, i) in &windows {
                for before in 0..12 {
                    let mut data = vec![b'.'; before + 4];
                    data.extend_from_slice(all[*i as usize]);
                    let want = data.len();
                    data.extend_from_slice(b"....");
                    let end = filter.next_end(&data, 4);
                    assert_eq!(end, want, "{used} {before}");
                    let last4 = u32::from_le_bytes([data[end - 4], data[end - 3], data[end - 2], data[end - 1]]);
                    let mut got = Vec::new();
                    filter.ending(last4, |e| got.push(e));
                    assert_eq!(got, [*i]);
                    assert!(filter.may_end(last4));
                }
            }
            assert_eq!(filter.next_end(b"nothing is here", 4), 16);
        }
        assert!(Prefilter::new(&[]).is_empty());
    }
}
