//! Packets that go from thread to thread together.

use crate::source::RawPacket;

/// Packets whose first bytes are fetched together.
pub(crate) const FETCH: usize = 16;

/// A packet but for its bytes, which stand somewhere else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    ts_sec: i64,
    ts_usec: u32,
    len: u32,
    link_type: u32,
    /// In which buffer, where it begins there, and how many bytes.
    buffer: u32,
    start: u32,
    n: u32,
}

impl Entry {
    /// A packet of which `n` bytes stand in a buffer of some number from a place on.
    #[inline]
    pub(crate) fn new(raw: &RawPacket<'_>, n: usize, (buffer, start): (usize, usize)) -> Self {
        Entry {
            ts_sec: raw.ts_sec,
            ts_usec: raw.ts_usec,
            len: raw.len,
            link_type: raw.link_type,
            buffer: buffer as u32,
            start: start as u32,
            n: n as u32,
        }
    }

    /// When the packet was seen, in seconds since the epoch.
    #[inline]
    pub(crate) fn ts(&self) -> f64 {
        self.of(&[]).ts()
    }

    /// The packet with its bytes; without them where the buffers have none.
    #[inline]
    pub(crate) fn of<'a>(&self, buffers: &'a [Vec<u8>]) -> RawPacket<'a> {
        let buffer = buffers.get(self.buffer as usize);
        let bytes = buffer.and_then(|b| b.get(self.start as usize..)?.get(..self.n as usize));
        RawPacket {
            ts_sec: self.ts_sec,
            ts_usec: self.ts_usec,
            len: self.len,
            link_type: self.link_type,
            data: bytes.unwrap_or_default(),
        }
    }
}

/// Brings the first bytes of some packets here, [`FETCH`] at most.
///
/// Another processor wrote them, or they were read long ago. Asking for the headers of many packets at once takes hardly longer
/// than asking for those of one, and has them here when their turn comes.
#[inline]
pub(crate) fn fetch<'a>(entries: impl Iterator<Item = &'a Entry>, buffers: &[Vec<u8>]) {
    /// What one look brings.
    const LINE: usize = 64;
    let mut sum = 0u8;
    for e in entries.take(FETCH) {
        let bytes = e.of(buffers).data;
        let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
        sum ^= at(0) ^ at(LINE);
    }
    std::hint::black_box(sum);
}

/// Packets in their order.
#[derive(Debug, Default)]
pub struct Batch {
    entries: Vec<Entry>,
    /// One buffer with the bytes of all packets, or none yet.
    bytes: Vec<Vec<u8>>,
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
        self.bytes.iter().map(Vec::len).sum()
    }

    /// Forgets all packets, and keeps the memory only.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes.iter_mut().for_each(Vec::clear);
    }

    /// Copies a packet in. A batch is not meant for more than 4 GB.
    pub fn push(&mut self, raw: &RawPacket<'_>) {
        self.bytes.resize_with(1, Vec::new);
        if let Some(bytes) = self.bytes.first_mut() {
            self.entries.push(Entry::new(raw, raw.data.len(), (0, bytes.len())));
            bytes.extend_from_slice(raw.data);
        }
    }

    /// The packets in order.
    pub fn packets(&self) -> impl Iterator<Item = RawPacket<'_>> {
        self.entries.iter().enumerate().map(|(i, e)| {
            if i.is_multiple_of(FETCH) {
                fetch(self.entries.iter().skip(i), &self.bytes);
            }
            e.of(&self.bytes)
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
                batch.push(&raw);
            }
            for (i, raw) in batch.packets().enumerate() {
                assert_eq!(raw.data, vec![i as u8; i], "round {round}");
                assert_eq!((raw.ts_sec, raw.ts_usec, raw.len, raw.link_type), (i as i64, 7, 99, 1));
            }
            assert_eq!((batch.len(), batch.n_bytes()), (40, 39 * 40 / 2));
            batch.clear();
            assert!(batch.is_empty() && batch.n_bytes() == 0 && batch.packets().next().is_none());
        }
    }
}
