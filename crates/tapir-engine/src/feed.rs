//! Packets on their way from the thread that reads a capture to the workers that analyse them.
//!
//! The reader cuts the capture into slices; each worker gets its share of every slice together with the time at which
//! the slice ends, so that all workers' clocks, and those of nodes without packets, go on together. Queues are short:
//! the reader waits for the slowest worker, and no worker runs far ahead of another.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tapir_packet::{RawPacket, Sharer, Source, SourceError, Weirds};

/// Packets of all workers in one slice.
const SLICE_PACKETS: usize = 1024;
/// Bytes of all workers in one slice.
const SLICE_BYTES: usize = 1 << 20;
/// Slices that may wait for a worker.
const QUEUE: usize = 24;

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

/// One worker's share of a slice.
#[derive(Debug, Default)]
pub struct Slice {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    /// Oddities of the source, given to the first worker.
    pub weirds: Weirds,
    /// The time of the slice's last packet, whoever got it.
    pub until: f64,
}

impl Slice {
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

    /// The packets in order.
    pub fn packets(&self) -> impl Iterator<Item = RawPacket<'_>> {
        self.entries.iter().map(|e| RawPacket {
            ts_sec: e.ts_sec,
            ts_usec: e.ts_usec,
            len: e.len,
            link_type: e.link_type,
            data: &self.bytes[e.start as usize..e.end as usize],
        })
    }
}

/// A node's end: slices come out of it until the capture has ended.
pub type Feed = Receiver<Slice>;

/// The reader's end.
pub struct Dispatcher {
    sharer: Sharer,
    workers: Vec<(SyncSender<Slice>, Slice)>,
    /// Nodes that get the time only.
    others: Vec<SyncSender<Slice>>,
}

impl Dispatcher {
    /// Queues to `workers` workers, and to `others` nodes that only keep time.
    pub fn new(workers: usize, others: usize) -> (Self, Vec<Feed>, Vec<Feed>) {
        let (to_workers, from_workers): (Vec<_>, Vec<_>) = (0..workers).map(|_| sync_channel(QUEUE)).unzip();
        let (to_others, from_others): (Vec<_>, Vec<_>) = (0..others).map(|_| sync_channel(QUEUE)).unzip();
        let dispatcher = Dispatcher {
            sharer: Sharer::new(workers),
            workers: to_workers.into_iter().map(|q| (q, Slice::default())).collect(),
            others: to_others,
        };
        (dispatcher, from_workers, from_others)
    }

    /// Reads a capture to its end and shares it out. `keep_on` is asked before every slice.
    ///
    /// # Errors
    /// Where the source breaks; everything before was shared out.
    pub fn run(&mut self, source: &mut dyn Source, keep_on: impl Fn() -> bool) -> Result<(), SourceError> {
        let (mut n_packets, mut n_bytes, mut until) = (0, 0, 0.0_f64);
        let mut weirds = Weirds::default();
        let result = loop {
            match source.next_packet(&mut weirds) {
                Ok(Some(raw)) => {
                    let to = self.sharer.share(&raw);
                    self.workers[to].1.push(&raw);
                    until = until.max(raw.ts());
                    n_packets += 1;
                    n_bytes += raw.data.len();
                    if n_packets >= SLICE_PACKETS || n_bytes >= SLICE_BYTES {
                        (n_packets, n_bytes) = (0, 0);
                        if !keep_on() || !self.send(until, &mut weirds) {
                            break Ok(());
                        }
                    }
                }
                Ok(None) => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        self.send(until, &mut weirds);
        result
    }

    /// Hands the slice out; false when no worker is left.
    fn send(&mut self, until: f64, weirds: &mut Weirds) -> bool {
        let mut anybody = false;
        for (queue, slice) in &mut self.workers {
            let mut slice = std::mem::take(slice);
            slice.until = until;
            slice.weirds = std::mem::take(weirds);
            // A worker that ended early (an error, `terminate()`) takes no more; its share is lost with it.
            anybody |= queue.send(slice).is_ok();
        }
        for queue in &self.others {
            let _ = queue.send(Slice {
                until,
                ..Slice::default()
            });
        }
        anybody
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(u32);

    impl Source for Counting {
        fn next_packet(&mut self, _: &mut Weirds) -> Result<Option<RawPacket<'_>>, SourceError> {
            const DATA: [u8; 34] = {
                let mut d = [0; 34];
                d[12] = 8;
                d[14] = 0x45;
                d
            };
            if self.0 == 5000 {
                return Ok(None);
            }
            self.0 += 1;
            Ok(Some(RawPacket {
                ts_sec: i64::from(self.0),
                ts_usec: 0,
                len: 34,
                data: &DATA,
                link_type: 1,
            }))
        }

        fn name(&self) -> &str {
            "counting"
        }
    }

    #[test]
    fn every_packet_goes_to_one_worker_and_the_time_to_all() {
        let (mut d, workers, others) = Dispatcher::new(3, 1);
        let read = |feed: Feed| {
            std::thread::spawn(move || {
                feed.iter().fold((0, 0.0_f64), |(n, t), s| {
                    assert!(s.until >= t);
                    (n + s.packets().count(), s.until)
                })
            })
        };
        let threads: Vec<_> = workers.into_iter().chain(others).map(read).collect();
        d.run(&mut Counting(0), || true).unwrap();
        drop(d);
        let seen: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        assert_eq!(seen.iter().map(|s| s.0).sum::<usize>(), 5000);
        assert_eq!(seen[3].0, 0);
        assert!(seen.iter().all(|s| s.1 == 5000.0), "{seen:?}");
    }
}
