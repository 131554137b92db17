//! What the threads of one process hand to their nodes: packets of an interface, the time, and when to go on.
//!
//! Workers of a capture read it themselves, side by side ([`convoy`]); packets of an interface come from one thread that
//! watches it ([`live`]).

mod convoy;
mod line;
#[cfg(target_os = "linux")]
mod live;
mod progress;

pub use convoy::{Guide, Pause, Seat};
pub use line::{Feed, Message, Taken};
#[cfg(target_os = "linux")]
pub use live::{LiveDispatcher, Losses};
pub use progress::{GONE, Progress, mark_of};

use tapir_packet::RawPacket;

use line::Inlet;

/// Who leads the nodes of a process, as far as their ends go.
pub trait Ends {
    /// Tells the workers that nothing more comes.
    fn end_workers(&mut self);

    /// The ways to the other nodes.
    fn others(&mut self) -> &mut [Option<Inlet>];

    /// Tells one of the other nodes, by its number, that nothing more comes.
    fn end_other(&mut self, i: usize) {
        if let Some(queue) = self.others().get_mut(i) {
            *queue = None;
        }
    }
}

/// Packets whose first bytes are fetched together.
const FETCH: usize = 16;

/// Where a packet stands in its slice, and what is known of it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    ts_sec: i64,
    ts_usec: u32,
    len: u32,
    link_type: u32,
    start: u32,
    end: u32,
}

/// Packets for one worker.
#[derive(Debug, Default)]
pub struct Slice {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

impl Slice {
    /// Keeps the memory only.
    fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
    }

    #[cfg(target_os = "linux")]
    fn push(&mut self, raw: &RawPacket<'_>) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(raw.data);
        self.entries.push(Entry {
            ts_sec: raw.ts_sec,
            ts_usec: raw.ts_usec,
            len: raw.len,
            link_type: raw.link_type,
            start,
            end: self.bytes.len() as u32,
        });
    }

    fn bytes(&self, e: &Entry) -> &[u8] {
        &self.bytes[e.start as usize..e.end as usize]
    }

    /// The bytes were written by another processor. Asking for the headers of many packets at once takes hardly longer
    /// than asking for those of one, and has them here when their turn comes.
    fn fetch(&self, from: usize) {
        /// What one look brings.
        const LINE: usize = 64;
        let coming = self.entries.iter().skip(from).take(FETCH);
        let sum = coming.fold(0u8, |sum, e| {
            let bytes = self.bytes(e);
            let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
            sum ^ at(0) ^ at(LINE)
        });
        std::hint::black_box(sum);
    }

    /// The packets in order.
    pub fn packets(&self) -> impl Iterator<Item = RawPacket<'_>> {
        self.entries.iter().enumerate().map(|(i, e)| {
            if i.is_multiple_of(FETCH) {
                self.fetch(i);
            }
            self.packet(e)
        })
    }

    fn packet(&self, e: &Entry) -> RawPacket<'_> {
        RawPacket {
            ts_sec: e.ts_sec,
            ts_usec: e.ts_usec,
            len: e.len,
            link_type: e.link_type,
            data: self.bytes(e),
        }
    }
}
