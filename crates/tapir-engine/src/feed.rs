//! Packets on their way from the thread that reads a capture to the workers that analyse them.
//!
//! The reader cuts the capture into slices; each worker gets its share of every slice together with the times of all its
//! packets, so that every node's clock ticks as that of a single worker does, and timers run at the same moments. Queues
//! are bounded: the reader waits for the slowest worker, and no worker runs far ahead of another.
//!
//! Clocks must not run ahead of what nodes tell each other: a manager that forgets after a day must hear of the morning
//! before its evening. So a slice spans a short time only, and where time makes large steps the reader waits until all
//! nodes have done what came before, and have nothing left to say about it.

mod line;
#[cfg(target_os = "linux")]
mod live;

pub use line::{Outlet as Feed, Taken};
#[cfg(target_os = "linux")]
pub use live::{LiveDispatcher, Losses};

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tapir_packet::share::Balance;
use tapir_packet::{RawPacket, Source, SourceError, Weirds};

use crate::engine::Pace;
use line::{Inlet, line};

/// Packets of all workers in one slice.
const SLICE_PACKETS: usize = 512;
/// Bytes of all workers in one slice.
const SLICE_BYTES: usize = 128 << 10;
/// Slices that may wait for a worker: enough to bridge the stretches in which another one gets most of the packets, or has
/// no processor; few enough for the packets to stay in the processors' last cache.
const QUEUE: usize = 128;
/// Packets after which nodes are told the time that get no packets. Each time a thread must wake.
const TELL_PACKETS: usize = 4096;
/// Packets whose first bytes are fetched together.
const FETCH: usize = 16;

/// Seconds of the capture after which nodes settle what they have to say.
const SPAN: f64 = 60.0;
/// The same among the first packets, where exactness costs little: small captures are read nearly as by one worker.
const SPAN_EARLY: f64 = 0.25;
const EARLY_PACKETS: u64 = 4096;
/// How often nodes are asked at one moment whether they have more to say; scripts may go on for ever.
const ROUNDS: usize = 100;
/// How long the reader of a replay sleeps before it looks whether the run is to stop.
const PACE: Duration = Duration::from_millis(100);

/// The number of no buffer: the packet was copied.
const COPIED: u32 = u32::MAX;

/// Where a packet stands in its slice, and what is known of it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    ts_sec: i64,
    ts_usec: u32,
    len: u32,
    link_type: u32,
    /// Its buffer among those of the slice, and where it stands in it.
    buffer: u32,
    start: u32,
    end: u32,
    /// Its place among the packets of all workers.
    place: u32,
}

impl Entry {
    /// What is known of a packet before it has a place.
    fn of(raw: &RawPacket<'_>) -> Self {
        Entry {
            ts_sec: raw.ts_sec,
            ts_usec: raw.ts_usec,
            len: raw.len,
            link_type: raw.link_type,
            buffer: 0,
            start: 0,
            end: 0,
            place: 0,
        }
    }
}

/// One worker's share of a slice.
#[derive(Debug, Default)]
pub struct Slice {
    entries: Vec<Entry>,
    /// What the source gave away.
    buffers: Vec<Arc<Vec<u8>>>,
    /// Packets of sources that give no buffers away.
    copied: Vec<u8>,
    /// Oddities of the source, given to the first worker.
    pub weirds: Weirds,
    /// The times of all packets of the slice, whoever got them.
    times: Vec<f64>,
    /// No packets but a question: whether other nodes' messages waited here. The answer comes when they are handled.
    pub question: Option<Sender<bool>>,
}

impl Slice {
    /// Keeps the memory only.
    fn clear(&mut self) {
        self.entries.clear();
        self.buffers.clear();
        self.copied.clear();
        self.times.clear();
    }

    /// Adds a packet whose bytes are in a buffer of the source's.
    fn keep(&mut self, mut entry: Entry, buffer: &Arc<Vec<u8>>, start: usize, len: usize) {
        if !self.buffers.last().is_some_and(|b| Arc::ptr_eq(b, buffer)) {
            self.buffers.push(buffer.clone());
        }
        entry.buffer = self.buffers.len() as u32 - 1;
        entry.start = start as u32;
        entry.end = (start + len) as u32;
        self.entries.push(entry);
    }

    /// Adds a packet whose bytes must be copied.
    fn copy(&mut self, mut entry: Entry, data: &[u8]) {
        entry.buffer = COPIED;
        entry.start = self.copied.len() as u32;
        self.copied.extend_from_slice(data);
        entry.end = self.copied.len() as u32;
        self.entries.push(entry);
    }

    fn bytes(&self, e: &Entry) -> &[u8] {
        let all = match e.buffer {
            COPIED => &self.copied,
            i => &*self.buffers[i as usize],
        };
        &all[e.start as usize..e.end as usize]
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

    /// The node's packets in order, where time goes by itself.
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

    /// The node's packets in order, each after the times of the others' packets that came before it; what comes after
    /// the last one ends the sequence without a packet.
    pub fn steps(&self) -> impl Iterator<Item = (&[f64], Option<RawPacket<'_>>)> {
        let mut passed = 0;
        let own = self.entries.iter().map(Some).chain([None]);
        own.enumerate().map(move |(i, e)| {
            if i.is_multiple_of(FETCH) {
                self.fetch(i);
            }
            let place = e.map_or(self.times.len(), |e| e.place as usize);
            let between = &self.times[passed..place];
            passed = place + 1;
            (between, e.map(|e| self.packet(e)))
        })
    }
}

/// The reader's end.
pub struct Dispatcher {
    balance: Balance,
    workers: Vec<(Inlet, Slice)>,
    /// Nodes that get the time only.
    others: Vec<Option<Inlet>>,
    /// The times of the packets of the slice that is being filled.
    times: Vec<f64>,
    /// The times that the nodes without packets do not know yet.
    untold: Vec<f64>,
    n_bytes: usize,
    n_packets: u64,
    weirds: Weirds,
    /// Where the capture is replayed at a given speed.
    pace: Option<Pace>,
}

impl Dispatcher {
    /// Queues to `workers` workers, and to `others` nodes that only keep time.
    pub fn new(workers: usize, others: usize) -> (Self, Vec<Feed>, Vec<Feed>) {
        let (to_workers, from_workers): (Vec<_>, Vec<_>) = (0..workers).map(|_| line(QUEUE)).unzip();
        let (to_others, from_others): (Vec<_>, Vec<_>) = (0..others).map(|_| line(QUEUE)).unzip();
        let dispatcher = Dispatcher {
            balance: Balance::new(workers),
            workers: to_workers.into_iter().map(|q| (q, Slice::default())).collect(),
            others: to_others.into_iter().map(Some).collect(),
            times: Vec::with_capacity(SLICE_PACKETS),
            untold: Vec::with_capacity(TELL_PACKETS + SLICE_PACKETS),
            n_bytes: 0,
            n_packets: 0,
            weirds: Weirds::default(),
            pace: None,
        };
        (dispatcher, from_workers, from_others)
    }

    /// Replays the capture at a multiple of the speed at which it was recorded.
    pub fn pace(&mut self, speed: f64) {
        self.pace = Some(Pace::new(speed));
    }

    /// Reads a capture to its end and shares it out. `keep_on` is asked before every slice.
    ///
    /// # Errors
    /// Where the source breaks; everything before was shared out.
    pub fn run(&mut self, source: &mut dyn Source, keep_on: impl Fn() -> bool) -> Result<(), SourceError> {
        let gives = source.shared().is_some();
        let mut since = None;
        let result = loop {
            match source.next_packet(&mut self.weirds) {
                Ok(Some(raw)) => {
                    let ts = raw.ts();
                    while let Some(due) = self.pace.as_mut().and_then(|p| p.due(ts)) {
                        // Nobody waits for company then.
                        if !self.times.is_empty() && !self.send() {
                            return Ok(());
                        }
                        self.tell();
                        if !keep_on() {
                            return Ok(());
                        }
                        std::thread::sleep(due.min(PACE));
                    }
                    let early = self.n_packets < EARLY_PACKETS;
                    self.n_packets += 1;
                    if since.is_none_or(|since| ts - since >= if early { SPAN_EARLY } else { SPAN }) {
                        if since.is_some() {
                            if !self.send() {
                                break Ok(());
                            }
                            self.settle();
                        }
                        since = Some(ts);
                    }
                    let slice = &mut self.workers[self.balance.share(&raw)].1;
                    let entry = Entry {
                        place: self.times.len() as u32,
                        ..Entry::of(&raw)
                    };
                    self.times.push(ts);
                    let len = raw.data.len();
                    self.n_bytes += len;
                    if gives {
                        if let Some((buffer, start)) = source.shared() {
                            slice.keep(entry, buffer, start, len);
                        }
                    } else {
                        slice.copy(entry, raw.data);
                    }
                    if self.times.len() >= SLICE_PACKETS || self.n_bytes >= SLICE_BYTES {
                        if !keep_on() || !self.send() {
                            break Ok(());
                        }
                    }
                }
                Ok(None) => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        self.send();
        self.tell();
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

    /// Waits until all nodes have done everything so far and no message is on its way between them.
    fn settle(&mut self) {
        self.tell();
        for _ in 0..ROUNDS {
            let (answer, answers) = channel();
            let ask = |queue: &Inlet| {
                // A node that has ended has nothing to say.
                queue.send(Slice {
                    question: Some(answer.clone()),
                    ..Slice::default()
                });
            };
            self.workers.iter().for_each(|(queue, _)| ask(queue));
            self.others.iter().flatten().for_each(ask);
            drop(answer);
            // A node tells others only while it handles something itself, so a round of nothing is the end.
            if !answers.iter().fold(false, |any, more| any | more) {
                break;
            }
        }
    }

    /// Hands the slice out; false when no worker is left.
    fn send(&mut self) -> bool {
        let mut anybody = false;
        for (queue, slice) in &mut self.workers {
            let mut slice = std::mem::replace(slice, queue.spare());
            slice.times.extend_from_slice(&self.times);
            slice.weirds = std::mem::take(&mut self.weirds);
            // A worker that ended early (an error, `terminate()`) takes no more; its share is lost with it.
            anybody |= queue.send(slice);
        }
        self.untold.append(&mut self.times);
        self.n_bytes = 0;
        if self.untold.len() >= TELL_PACKETS {
            self.tell();
        }
        anybody
    }

    /// Tells the nodes without packets how late it is.
    fn tell(&mut self) {
        for queue in self.others.iter().flatten() {
            let mut slice = queue.spare();
            slice.times.extend_from_slice(&self.untold);
            queue.send(slice);
        }
        self.untold.clear();
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

    fn next(feed: &Feed) -> Option<Slice> {
        loop {
            match feed.wait(Duration::from_secs(60)) {
                Taken::Slice(s) => return Some(s),
                Taken::Nothing => {}
                Taken::End => return None,
            }
        }
    }

    #[test]
    fn every_packet_goes_to_one_worker_and_the_time_to_all() {
        let (mut d, workers, others) = Dispatcher::new(3, 1);
        let read = |feed: Feed| {
            std::thread::spawn(move || {
                let (mut n, mut last) = (0, 0.0);
                while let Some(s) = next(&feed) {
                    for (others, own) in s.steps() {
                        n += usize::from(own.is_some());
                        for now in others.iter().copied().chain(own.map(|p| p.ts())) {
                            assert!(now > last, "{now} after {last}");
                            last = now;
                        }
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

    #[test]
    fn clocks_wait_for_those_who_are_behind() {
        use std::sync::atomic::{AtomicU32, Ordering};

        let (mut d, workers, others) = Dispatcher::new(1, 1);
        // The time up to which the worker has done everything.
        let done = Arc::new(AtomicU32::new(0));
        let seen = done.clone();
        let worker = std::thread::spawn(move || {
            for feed in workers {
                while let Some(s) = next(&feed) {
                    let last = s.steps().filter_map(|(_, p)| p).last().map_or(0, |p| p.ts_sec as u32);
                    std::thread::yield_now();
                    done.fetch_max(last, Ordering::SeqCst);
                    if let Some(answer) = &s.question {
                        let _ = answer.send(false);
                    }
                }
            }
        });
        let other = std::thread::spawn(move || {
            let mut n = 0;
            for feed in others {
                while let Some(s) = next(&feed) {
                    for (times, _) in s.steps() {
                        for t in times {
                            n += 1;
                            // Early packets here are a second apart, so everybody waits for each.
                            if n < EARLY_PACKETS {
                                let behind = seen.load(Ordering::SeqCst);
                                assert!(behind + 1 >= *t as u32, "at {t} the worker is at {behind}");
                            }
                        }
                    }
                }
            }
            n
        });
        d.run(&mut Counting(0), || true).unwrap();
        drop(d);
        worker.join().unwrap();
        assert_eq!(other.join().unwrap(), 5000);
    }
}
