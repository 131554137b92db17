//! Packets that go from thread to thread together.

use crate::source::RawPacket;

/// Packets whose first bytes are fetched together.
const FETCH: usize = 16;

/// Where a packet stands in its batch, and what is known of it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    ts_sec: i64,
    ts_usec: u32,
    len: u32,
    link_type: u32,
    start: u32,
    end: u32,
    /// Whatever who fills the batch has to say of the packet.
    note: u16,
}

/// Packets in their order, and a number about each, which means something to those who fill and empty the batch.
#[derive(Debug, Default)]
pub struct Batch {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

impl Batch {
    /// Packets in it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no packet is in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all packets.
    pub fn n_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets all packets, and keeps the memory only.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
    }

    /// Copies a packet in. A batch is not meant for more than 4 GB.
    pub fn push(&mut self, raw: &RawPacket<'_>, note: u16) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(raw.data);
        self.entries.push(Entry {
            ts_sec: raw.ts_sec,
            ts_usec: raw.ts_usec,
            len: raw.len,
            link_type: raw.link_type,
            start,
            end: self.bytes.len() as u32,
            note,
        });
    }

    fn bytes(&self, e: &Entry) -> &[u8] {
        self.bytes.get(e.start as usize..e.end as usize).unwrap_or_default()
    }

    /// Which of some packets are somebody's, as bits from the lowest, and brings their first bytes here.
    ///
    /// The bytes were written by another processor. Asking for the headers of many packets at once takes hardly longer
    /// than asking for those of one, and has them here when their turn comes.
    #[inline]
    pub fn fetch(&self, from: usize, mut is_wanted: impl FnMut(u16) -> bool) -> u16 {
        /// What one look brings.
        const LINE: usize = 64;
        let (mut wanted, mut sum) = (0, 0u8);
        for (i, e) in self.entries.iter().skip(from).take(FETCH).enumerate() {
            if is_wanted(e.note) {
                wanted |= 1 << i;
                let bytes = self.bytes(e);
                let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
                sum ^= at(0) ^ at(LINE);
            }
        }
        std::hint::black_box(sum);
        wanted
    }

    /// After how many packets [`fetch`](Self::fetch) is to be called again.
    pub const FETCH: usize = FETCH;

    /// A packet by its place.
    #[inline]
    pub fn get(&self, i: usize) -> Option<RawPacket<'_>> {
        let e = self.entries.get(i)?;
        Some(RawPacket {
            ts_sec: e.ts_sec,
            ts_usec: e.ts_usec,
            len: e.len,
            link_type: e.link_type,
            data: self.bytes(e),
        })
    }

    /// The packets in order.
    pub fn packets(&self) -> impl Iterator<Item = RawPacket<'_>> {
        (0..self.len()).map_while(|i| {
            if i.is_multiple_of(FETCH) {
                self.fetch(i, |_| true);
            }
            self.get(i)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let mut batch = Batch::default();
        for round in 0..2 {
            for i in 0..40u8 {
                let raw = RawPacket {
                    ts_sec: i64::from(i),
                    ts_usec: 7,
                    len: 99,
                    data: &vec![i; usize::from(i)],
                    link_type: 1,
                };
                batch.push(&raw, u16::from(i) % 3);
            }
            for (i, raw) in batch.packets().enumerate() {
                assert_eq!(raw.data, vec![i as u8; i], "round {round}");
                assert_eq!((raw.ts_sec, raw.ts_usec, raw.len, raw.link_type), (i as i64, 7, 99, 1));
            }
            assert_eq!(batch.fetch(3, |note| note == 0), 0b1001_0010_0100_1001);
            assert_eq!(batch.fetch(39, |_| true), 1);
            assert_eq!(batch.fetch(40, |_| true), 0);
            batch.clear();
            assert!(batch.is_empty() && batch.n_bytes() == 0 && batch.get(0).is_none());
        }
    }
}
