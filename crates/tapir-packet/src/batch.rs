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
    buffer: u32,
    start: u32,
    n: u32,
}

/// Packets in their order.
#[derive(Debug, Default)]
pub struct Batch {
    entries: Vec<Entry>,
    /// The bytes of all packets; kept when the batch is emptied.
    buffers: Vec<Vec<u8>>,
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
        match self.entries.len() {
            0 => 0,
            _ => self.buffers.iter().map(Vec::len).sum(),
        }
    }

    /// Forgets all packets, and keeps the memory only.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Copies a packet in. A batch is not meant for more than 4 GB.
    pub fn push(&mut self, raw: &RawPacket<'_>) {
        self.buffers.resize_with(1, Vec::new);
        if let Some(bytes) = self.buffers.first_mut() {
            if self.entries.is_empty() {
                bytes.clear();
            }
            let start = bytes.len();
            bytes.extend_from_slice(raw.data);
            self.refer(raw, raw.data.len(), (0, start));
        }
    }

    /// Takes note of a packet of which `n` bytes stand in one of the buffers that the batch will [have](Self::buffers).
    #[inline]
    pub(crate) fn refer(&mut self, raw: &RawPacket<'_>, n: usize, (buffer, start): (usize, usize)) {
        self.entries.push(Entry {
            ts_sec: raw.ts_sec,
            ts_usec: raw.ts_usec,
            len: raw.len,
            link_type: raw.link_type,
            buffer: buffer as u32,
            start: start as u32,
            n: n as u32,
        });
    }

    /// The buffers that the packets stand in.
    pub(crate) fn buffers(&mut self) -> &mut Vec<Vec<u8>> {
        &mut self.buffers
    }

    #[inline]
    fn bytes(&self, e: &Entry) -> &[u8] {
        bytes_in(&self.buffers, e)
    }

    /// Brings what is known of some packets here, and their first bytes if the batch has them.
    ///
    /// Another processor wrote that. Asking for the headers of many packets at once takes hardly longer
    /// than asking for those of one, and has them here when their turn comes.
    #[inline]
    pub fn fetch(&self, places: impl Iterator<Item = usize>) {
        /// What one look brings.
        const LINE: usize = 64;
        let mut sum = 0u8;
        for e in places.take(FETCH).filter_map(|i| self.entries.get(i)) {
            let bytes = self.bytes(e);
            let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
            sum ^= at(0) ^ at(LINE);
        }
        std::hint::black_box(sum);
    }

    /// How many packets [`fetch`](Self::fetch) brings at most.
    pub const FETCH: usize = FETCH;

    /// A packet by its place.
    #[inline]
    pub fn get(&self, i: usize) -> Option<RawPacket<'_>> {
        self.get_in(&self.buffers, i)
    }

    /// A packet by its place, whose bytes stand in a copy of the batch's buffers; without bytes where the copy has none.
    #[inline]
    pub(crate) fn get_in<'a>(&self, buffers: &'a [Vec<u8>], i: usize) -> Option<RawPacket<'a>> {
        let e = self.entries.get(i)?;
        Some(RawPacket {
            ts_sec: e.ts_sec,
            ts_usec: e.ts_usec,
            len: e.len,
            link_type: e.link_type,
            data: bytes_in(buffers, e),
        })
    }

    /// The packets in order.
    pub fn packets(&self) -> impl Iterator<Item = RawPacket<'_>> {
        (0..self.len()).map_while(|i| {
            if i.is_multiple_of(FETCH) {
                self.fetch(i..self.len());
            }
            self.get(i)
        })
    }
}

#[inline]
fn bytes_in<'a>(buffers: &'a [Vec<u8>], e: &Entry) -> &'a [u8] {
    let buffer = buffers.get(e.buffer as usize);
    let bytes = buffer.and_then(|b| b.get(e.start as usize..)?.get(..e.n as usize));
    bytes.unwrap_or_default()
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
                batch.push(&raw);
            }
            for (i, raw) in batch.packets().enumerate() {
                assert_eq!(raw.data, vec![i as u8; i], "round {round}");
                assert_eq!((raw.ts_sec, raw.ts_usec, raw.len, raw.link_type), (i as i64, 7, 99, 1));
            }
            // Places beyond the end are nobody's.
            batch.fetch(30..99);
            batch.clear();
            assert!(batch.is_empty() && batch.n_bytes() == 0 && batch.get(0).is_none());
        }
    }
}
