//! Packets of an interface on their way to the workers.
//!
//! The reader never waits for a worker, or the system would lose packets of all the others: a worker whose queue is full
//! loses its own, and they are counted. Clocks follow the one on the wall, so nobody is told the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tapir_packet::share::Balance;
use tapir_packet::{Batch, Source, SourceError, Weirds};

use super::Ends;
use super::line::{Feed, Inlet, Message, line};

/// Packets of one worker in one batch.
const BATCH_PACKETS: usize = 512;
/// Bytes of one worker in one batch; one packet may exceed it.
const BATCH_BYTES: usize = 128 << 10;
/// Batches that may wait for a worker: together with [`BATCH_BYTES`] 32 MB, what is there in case it is busy for a while.
const QUEUE: usize = 256;
/// Packets between two hand-overs while there is no end to them.
const ROUND: usize = 4096;
/// How long to wait for packets before looking whether the run is to stop.
const WAIT: Duration = Duration::from_millis(10);
/// How often the system is asked what it has lost.
const COUNT: Duration = Duration::from_secs(1);

/// Packets that one worker did not get.
#[derive(Debug, Default)]
pub struct Losses {
    /// Because its queue was full.
    queue: AtomicU64,
    /// Its part of those that the system lost before anybody knew whose they were.
    system: AtomicU64,
}

impl Losses {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.queue.load(Ordering::Relaxed) + self.system.load(Ordering::Relaxed)
    }
}

struct Worker {
    queue: Inlet,
    /// What it gets next.
    batch: Batch,
    losses: Arc<Losses>,
    gone: bool,
}

impl Worker {
    fn is_full(&self) -> bool {
        self.batch.len() >= BATCH_PACKETS || self.batch.n_bytes() >= BATCH_BYTES
    }

    /// Hands over what there is, if there is room for it.
    fn send(&mut self) {
        if !self.batch.is_empty() && !self.gone && self.queue.has_room() {
            let batch = std::mem::replace(&mut self.batch, self.queue.spare());
            self.gone = !self.queue.send(Message::Packets(batch));
        }
    }
}

/// The reader's end.
pub struct LiveDispatcher {
    balance: Balance,
    workers: Vec<Worker>,
    /// Nodes without packets.
    others: Vec<Option<Inlet>>,
    weirds: Weirds,
}

impl LiveDispatcher {
    /// Queues to `workers` workers, and to `others` nodes without packets, whose feeds only tell when to end.
    pub fn new(workers: usize, others: usize) -> (Self, Vec<(Feed, Arc<Losses>)>, Vec<Feed>) {
        let (to_workers, from_workers): (Vec<_>, Vec<_>) = (0..workers).map(|_| line(QUEUE)).unzip();
        let (to_others, from_others): (Vec<_>, Vec<_>) = (0..others).map(|_| line(1)).unzip();
        let workers: Vec<_> = to_workers
            .into_iter()
            .map(|queue| Worker {
                queue,
                batch: Batch::default(),
                losses: Arc::default(),
                gone: false,
            })
            .collect();
        let losses = workers.iter().map(|w| w.losses.clone());
        let from_workers = from_workers.into_iter().zip(losses).collect();
        let dispatcher = LiveDispatcher {
            balance: Balance::new(workers.len()),
            workers,
            others: to_others.into_iter().map(Some).collect(),
            weirds: Weirds::default(),
        };
        (dispatcher, from_workers, from_others)
    }

    /// Shares out what an interface sees, until `keep_on` says no or no worker is left.
    ///
    /// # Errors
    /// When the interface cannot be watched any more.
    pub fn run(&mut self, source: &mut dyn Source, keep_on: impl Fn() -> bool) -> Result<(), SourceError> {
        let mut last_count = Instant::now();
        while keep_on() && self.workers.iter().any(|w| !w.gone) {
            let any = self.batch(source)?;
            self.workers.iter_mut().for_each(Worker::send);
            if last_count.elapsed() >= COUNT {
                last_count = Instant::now();
                self.count(source.statistics().dropped);
            }
            if !any {
                source.wait(WAIT);
            }
        }
        Ok(())
    }

    /// Takes some packets. Gives whether there were any.
    fn batch(&mut self, source: &mut dyn Source) -> Result<bool, SourceError> {
        for n in 0..ROUND {
            let Some(raw) = source.next_packet(&mut self.weirds)? else {
                return Ok(n > 0);
            };
            let worker = &mut self.workers[self.balance.share(&raw)];
            if worker.is_full() {
                worker.send();
            }
            if worker.gone || worker.is_full() {
                worker.losses.queue.fetch_add(1, Ordering::Relaxed);
            } else {
                worker.batch.push(&raw);
            }
        }
        Ok(true)
    }

    /// Divides what the system has lost among the workers: their sum is right, and nobody knows better.
    fn count(&self, dropped: u64) {
        let n = self.workers.len() as u64;
        for (i, w) in self.workers.iter().enumerate() {
            let more = u64::from((i as u64) < dropped % n);
            w.losses.system.store(dropped / n + more, Ordering::Relaxed);
        }
    }
}

impl Ends for LiveDispatcher {
    /// What is left is handed over before, as far as there is room.
    fn end_workers(&mut self) {
        for mut w in self.workers.drain(..) {
            w.send();
            w.losses.queue.fetch_add(w.batch.len() as u64, Ordering::Relaxed);
        }
    }

    fn others(&mut self) -> &mut [Option<Inlet>] {
        &mut self.others
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tapir_packet::RawPacket;

    use super::super::Taken;
    use super::*;

    /// Packets of pairs of hosts in turn, without an end.
    struct Endless {
        frame: Vec<u8>,
        n: u32,
    }

    impl Source for Endless {
        fn next_packet(&mut self, _: &mut Weirds) -> Result<Option<RawPacket<'_>>, SourceError> {
            self.n += 1;
            self.frame[29] = (self.n % 200) as u8;
            Ok(Some(RawPacket {
                ts_sec: 1,
                ts_usec: 0,
                len: self.frame.len() as u32,
                data: &self.frame,
                link_type: 1,
            }))
        }

        fn name(&self) -> &str {
            "endless"
        }
    }

    fn endless() -> Endless {
        let mut frame = vec![0; 1000];
        frame[12] = 8;
        frame[14] = 0x45;
        Endless { frame, n: 0 }
    }

    /// Runs so many rounds.
    fn rounds(d: &mut LiveDispatcher, source: &mut Endless, n: u32) {
        let left = Cell::new(n);
        let more = || left.replace(left.get().saturating_sub(1)) > 0;
        d.run(source, more).unwrap();
    }

    #[test]
    fn a_worker_that_stands_still_loses_its_own_packets_only() {
        let (mut d, mut feeds, _) = LiveDispatcher::new(2, 0);
        let mut source = endless();
        let (busy, idle) = (feeds.remove(0), feeds.remove(0));
        let mut n_busy = 0;
        for _ in 0..40 {
            rounds(&mut d, &mut source, 1);
            while let Taken::Message(Message::Packets(s)) = busy.0.take() {
                n_busy += s.packets().count() as u64;
                busy.0.recycle(s);
            }
        }
        d.end_workers();
        while let Taken::Message(Message::Packets(s)) = busy.0.take() {
            n_busy += s.packets().count() as u64;
        }
        let mut n_idle = 0;
        while let Taken::Message(Message::Packets(s)) = idle.0.take() {
            n_idle += s.packets().count() as u64;
        }
        assert_eq!(busy.1.total(), 0);
        assert!(idle.1.total() > 0);
        assert_eq!(n_busy + n_idle + idle.1.total(), u64::from(source.n));
        // No more waits than the queue is meant to hold, and the batch that waits for room.
        assert!(n_idle <= ((QUEUE + 1) * BATCH_PACKETS) as u64, "{n_idle}");
    }

    #[test]
    fn what_the_system_lost_is_divided() {
        let (d, feeds, _) = LiveDispatcher::new(3, 1);
        d.count(11);
        d.count(14);
        assert_eq!(feeds.iter().map(|f| f.1.total()).collect::<Vec<_>>(), [5, 5, 4]);
    }

    #[test]
    fn it_ends_when_no_worker_is_left() {
        let (mut d, feeds, _) = LiveDispatcher::new(2, 1);
        drop(feeds);
        d.run(&mut endless(), || true).unwrap();
    }
}
