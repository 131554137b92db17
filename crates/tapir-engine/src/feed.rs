//! Packets on their way from the thread that reads a capture to the workers that analyse them.
//!
//! The reader cuts the capture into slices; each worker gets its share of every slice together with the times of all its
//! packets, so that every node's clock ticks as that of a single worker does, and timers run at the same moments. Queues
//! are short: the reader waits for the slowest worker, and no worker runs far ahead of another.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::time::Duration;

use tapir_packet::{RawPacket, Sharer, Source, SourceError, Weirds};

/// Packets of all workers in one slice.
const SLICE_PACKETS: usize = 1024;
/// Bytes of all workers in one slice.
const SLICE_BYTES: usize = 512 << 10;
/// Slices that may wait for a worker.
const QUEUE: usize = 8;

/// Where a packet stands in its slice, and what is known of it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    ts_sec: i64,
    ts_usec: u32,
    len: u32,
    link_type: u32,
    start: u32,
    end: u32,
    /// Its place among the packets of all workers.
    place: u32,
}

/// One worker's share of a slice.
#[derive(Debug, Default)]
pub struct Slice {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    /// Oddities of the source, given to the first worker.
    pub weirds: Weirds,
    /// The times of all packets of the slice, whoever got them.
    times: Arc<[f64]>,
}

/// What a node does next.
#[derive(Debug)]
pub enum Tick<'a> {
    /// A packet of its own.
    Packet(RawPacket<'a>),
    /// Another node's packet: only its time matters here.
    Time(f64),
}

impl Slice {
    /// Keeps the memory only.
    fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
        self.times = Arc::default();
    }

    fn push(&mut self, raw: &RawPacket<'_>, place: u32) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(raw.data);
        self.entries.push(Entry {
            ts_sec: raw.ts_sec,
            ts_usec: raw.ts_usec,
            len: raw.len,
            link_type: raw.link_type,
            start,
            end: self.bytes.len() as u32,
            place,
        });
    }

    /// The node's packets and the moments between them, in order.
    pub fn ticks(&self) -> impl Iterator<Item = Tick<'_>> {
        let mut own = self.entries.iter().peekable();
        self.times
            .iter()
            .enumerate()
            .map(move |(i, time)| match own.next_if(|e| e.place as usize == i) {
                None => Tick::Time(*time),
                Some(e) => Tick::Packet(RawPacket {
                    ts_sec: e.ts_sec,
                    ts_usec: e.ts_usec,
                    len: e.len,
                    link_type: e.link_type,
                    data: &self.bytes[e.start as usize..e.end as usize],
                }),
            })
    }
}

/// A node's end: slices come out of it until the capture has ended.
pub struct Feed {
    slices: Receiver<Slice>,
    /// Takes slices back, so that their memory is used again.
    used: Sender<Slice>,
}

impl Feed {
    /// The next slice if there is one now.
    ///
    /// # Errors
    /// When there is none, or none will ever be.
    pub fn try_recv(&self) -> Result<Slice, TryRecvError> {
        self.slices.try_recv()
    }

    /// Waits for the next slice, at most for `timeout`.
    ///
    /// # Errors
    /// When none came, or none will ever come.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Slice, RecvTimeoutError> {
        self.slices.recv_timeout(timeout)
    }

    /// Gives a slice back that is done with.
    pub fn recycle(&self, slice: Slice) {
        // Those of nodes that only keep time have no memory worth keeping; without a reader nobody needs any.
        if slice.bytes.capacity() > 0 {
            let _ = self.used.send(slice);
        }
    }
}

/// The reader's end.
pub struct Dispatcher {
    sharer: Sharer,
    workers: Vec<(SyncSender<Slice>, Slice)>,
    /// Nodes that get the time only.
    others: Vec<Option<SyncSender<Slice>>>,
    used: Receiver<Slice>,
}

impl Dispatcher {
    /// Queues to `workers` workers, and to `others` nodes that only keep time.
    pub fn new(workers: usize, others: usize) -> (Self, Vec<Feed>, Vec<Feed>) {
        let (to_workers, from_workers): (Vec<_>, Vec<Receiver<Slice>>) =
            (0..workers).map(|_| sync_channel(QUEUE)).unzip();
        let (to_others, from_others): (Vec<_>, Vec<Receiver<Slice>>) = (0..others).map(|_| sync_channel(QUEUE)).unzip();
        let (give_back, used) = channel();
        let feed = |slices| Feed {
            slices,
            used: give_back.clone(),
        };
        let from_workers = from_workers.into_iter().map(feed).collect();
        let from_others = from_others.into_iter().map(feed).collect();
        let dispatcher = Dispatcher {
            sharer: Sharer::new(workers),
            workers: to_workers.into_iter().map(|q| (q, Slice::default())).collect(),
            others: to_others.into_iter().map(Some).collect(),
            used,
        };
        (dispatcher, from_workers, from_others)
    }

    /// Reads a capture to its end and shares it out. `keep_on` is asked before every slice.
    ///
    /// # Errors
    /// Where the source breaks; everything before was shared out.
    pub fn run(&mut self, source: &mut dyn Source, keep_on: impl Fn() -> bool) -> Result<(), SourceError> {
        let mut n_bytes = 0;
        let mut times = Vec::with_capacity(SLICE_PACKETS);
        let mut weirds = Weirds::default();
        let result = loop {
            match source.next_packet(&mut weirds) {
                Ok(Some(raw)) => {
                    let to = self.sharer.share(&raw);
                    self.workers[to].1.push(&raw, times.len() as u32);
                    times.push(raw.ts());
                    n_bytes += raw.data.len();
                    if times.len() >= SLICE_PACKETS || n_bytes >= SLICE_BYTES {
                        n_bytes = 0;
                        if !keep_on() || !self.send(&mut times, &mut weirds) {
                            break Ok(());
                        }
                    }
                }
                Ok(None) => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        self.send(&mut times, &mut weirds);
        result
    }

    /// Tells the workers that nothing more comes.
    pub fn end_workers(&mut self) {
        self.workers.clear();
    }

    /// Tells one of the other nodes, by its number, that time goes no further.
    pub fn end_other(&mut self, i: usize) {
        if let Some(queue) = self.others.get_mut(i) {
            *queue = None;
        }
    }

    /// Hands the slice out; false when no worker is left.
    fn send(&mut self, times: &mut Vec<f64>, weirds: &mut Weirds) -> bool {
        let all: Arc<[f64]> = times.as_slice().into();
        times.clear();
        let mut anybody = false;
        for (queue, slice) in &mut self.workers {
            let mut next = self.used.try_recv().unwrap_or_default();
            next.clear();
            let mut slice = std::mem::replace(slice, next);
            slice.times = all.clone();
            slice.weirds = std::mem::take(weirds);
            // A worker that ended early (an error, `terminate()`) takes no more; its share is lost with it.
            anybody |= queue.send(slice).is_ok();
        }
        for queue in self.others.iter().flatten() {
            let _ = queue.send(Slice {
                times: all.clone(),
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
                let (mut n, mut last) = (0, 0.0);
                while let Ok(s) = feed.recv_timeout(Duration::from_secs(60)) {
                    for tick in s.ticks() {
                        let now = match tick {
                            Tick::Packet(p) => {
                                n += 1;
                                p.ts()
                            }
                            Tick::Time(t) => t,
                        };
                        assert!(now > last, "{now} after {last}");
                        last = now;
                    }
                }
                (n, last)
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
