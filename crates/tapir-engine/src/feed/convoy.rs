//! The workers of a capture, which read it side by side.
//!
//! Each worker goes through the whole capture and analyses its share of the pairs of hosts. Every node's clock ticks at all
//! packets, as that of a single worker does, and timers run at the same moments; to nodes that read nothing the times are
//! told.
//!
//! Clocks must not run ahead of what nodes tell each other: a manager that forgets after a day must hear of the morning
//! before its evening. So nobody goes far ahead of anybody, in packets or in time, and where time makes large steps all
//! wait until everybody has done what came before, and has nothing left to say about it.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tapir_packet::SourceError;
use tapir_packet::together::{Passed, Reader, open_together};

use super::Ends;
use super::line::{Feed, Inlet, Message, line};
use super::progress::{GONE, Progress};

/// Packets between two looks at the others.
const LOOK: u64 = 512;
/// Packets that a worker may be ahead of another. Who is ahead takes on what is new, and so falls back by itself; where nothing
/// is new, one has more to do for a while and then the other, and need not wait so often.
const AHEAD: u64 = 64 << 10;
/// Packets after which nodes are told the time that read nothing. Each time a thread must wake.
const TELL: usize = 8192;
/// Messages that may wait for a node.
const QUEUE: usize = 16;
/// Reports that may wait to be read.
const REPORTS: usize = 16;

/// Seconds of the capture that a node may be ahead of another are at most two of these. Where packets become few, less is
/// left to share out, and who has less to do than another would wait often.
const SPAN: f64 = 60.0;
/// Time that passes in larger steps makes nodes settle what they have to say.
const STEP: f64 = 30.0;
/// The same among the first packets, where exactness costs little and nodes always settle: small captures are read nearly
/// as by one worker.
const SPAN_EARLY: f64 = 0.25;
const EARLY_PACKETS: u64 = 2048;
// Between two looks it does not change what a span is.
const _: () = assert!(EARLY_PACKETS.is_multiple_of(LOOK));
/// How often nodes are asked at one moment whether they have more to say; scripts may go on for ever.
const ROUNDS: usize = 100;
/// How long a worker waits for the others before it looks after something else.
const WAIT: Duration = Duration::from_millis(5);

/// What the workers know of each other.
#[derive(Debug)]
struct Convoy {
    n: usize,
    /// How many packets each has read.
    progress: Progress,
    /// Who tells the others the time, and up to which packet it is told.
    teller: AtomicUsize,
    told: AtomicU64,
    /// The latest time of the capture, and how many packets it has, when somebody has come to its end.
    end: OnceLock<(f64, u64)>,
    /// Why the capture cannot be read on.
    failures: Mutex<HashSet<String>>,
}

/// The teller when all has been told.
const NOBODY: usize = usize::MAX;

/// What workers tell their guide.
#[derive(Debug)]
enum Report {
    /// More packets' times, up to the one of a number.
    Times(Vec<f64>, u64),
    /// This worker waits for all others.
    Arrived(usize),
    /// This one reads no more.
    Ended(usize),
}

/// What is to be done before a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    None,
    /// Look after others, and wait for those who are far behind.
    Look,
    /// Wait until all are here and have nothing more to say.
    Settle,
}

/// A worker's place among the others.
pub struct Seat {
    convoy: Arc<Convoy>,
    me: usize,
    capture: Option<Reader>,
    reports: SyncSender<Report>,
    /// Packets so far, whoever's they are.
    n: u64,
    /// When the span began, and with which packet it and the one before did.
    since: Option<f64>,
    began: u64,
    began_before: u64,
    /// The latest time so far.
    latest: f64,
    /// Times that were not told yet.
    times: Vec<f64>,
}

impl Seat {
    /// The capture, once.
    pub fn capture(&mut self) -> Option<Reader> {
        self.capture.take()
    }

    /// What is to be done before a packet of this time. All workers find the same.
    #[inline]
    pub fn before(&mut self, ts: f64) -> Pause {
        let early = self.n < EARLY_PACKETS;
        let steps = self.n > 0 && ts - self.latest >= STEP;
        let ends = self.since.is_some_and(|since| steps || ts - since >= self.span());
        let settles = ends && (early || steps);
        if ends || self.since.is_none() {
            self.since = Some(ts);
            self.began_before = std::mem::replace(&mut self.began, self.n);
        }
        if settles {
            Pause::Settle
        } else if ends || self.n > 0 && self.n.is_multiple_of(LOOK) {
            Pause::Look
        } else {
            Pause::None
        }
    }

    /// How many packets more have nothing before them that is to be done, as far as that hangs on their number.
    #[inline]
    pub fn n_free(&self) -> usize {
        match self.n % LOOK {
            0 => 0,
            since => (LOOK - since) as usize,
        }
    }

    /// Whether nothing is to be done before such packets when the latest time so far is this one.
    #[inline]
    pub fn is_free(&self, latest: f64) -> bool {
        latest - self.latest < STEP && self.since.is_some_and(|since| latest - since < self.span())
    }

    /// How long it takes until others are to be waited for.
    #[inline]
    fn span(&self) -> f64 {
        if self.n < EARLY_PACKETS { SPAN_EARLY } else { SPAN }
    }

    /// Takes note of packets that were passed at once.
    #[inline]
    pub fn passes_all(&mut self, passed: Passed) {
        self.n += passed.n as u64;
        self.latest = passed.latest;
    }

    /// Takes note of a packet by its time, whoever's it is.
    #[inline]
    pub fn passes(&mut self, ts: f64) {
        self.latest = self.latest.max(ts);
        self.n += 1;
    }

    /// Takes down the times of the last packets so far, if it is this worker that tells them to nodes that read nothing: of each
    /// its own, and the latest until then.
    pub fn note(&mut self, times: &[(f64, f64)]) {
        if self.convoy.teller.load(Ordering::Relaxed) == self.me {
            let before = self.n.saturating_sub(times.len() as u64);
            let told = self.convoy.told.load(Ordering::Relaxed).saturating_sub(before);
            let untold = times.iter().skip(told as usize);
            self.times.extend(untold.map(|(_, latest)| *latest));
        }
    }

    /// Packets so far, whoever's they are.
    pub fn n_packets(&self) -> u64 {
        self.n
    }

    /// The latest time of them.
    pub fn latest(&self) -> Option<f64> {
        (self.n > 0).then_some(self.latest)
    }

    /// Lets the others know how far this one is. Nodes that read nothing are told at once, or when it is worth it.
    pub fn announce(&mut self, at_once: bool) {
        self.convoy.progress.reached(self.me, self.n);
        if self.times.len() >= TELL || at_once && !self.times.is_empty() {
            self.convoy.told.store(self.n, Ordering::Relaxed);
            // Nobody reads reports any more when the run is over.
            let _ = self
                .reports
                .send(Report::Times(std::mem::take(&mut self.times), self.n));
        }
    }

    /// How far all others must be before this worker reads on.
    fn needed(&self) -> u64 {
        self.began_before.max(self.n.saturating_sub(AHEAD))
    }

    /// Whether this worker need not wait for others.
    pub fn is_clear(&self) -> bool {
        self.convoy.progress.has_come(self.convoy.n, self.needed())
    }

    /// Waits a while for the others to get on.
    pub fn wait(&self) {
        self.convoy.progress.wait(self.me, self.convoy.n, self.needed(), WAIT);
    }

    /// Says that this worker waits for all others. The feed tells when they are here.
    pub fn arrive(&self) {
        let _ = self.reports.send(Report::Arrived(self.me));
    }

    /// The capture cannot be read on. Gives whether no other worker has found the same.
    pub fn fails_first(&self, why: &str) -> bool {
        let mut failures = self.convoy.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.insert(why.to_string())
    }

    /// The capture was read to its end.
    pub fn finish(&mut self) {
        let _ = self.convoy.end.set((self.latest, self.n));
        self.announce(true);
        if self.convoy.told.load(Ordering::Relaxed) >= self.n {
            self.pass_telling_to(NOBODY);
        }
    }

    /// Lets another worker tell the time from now on, if this one does.
    fn pass_telling_to(&self, other: usize) {
        let teller = &self.convoy.teller;
        let _ = teller.compare_exchange(self.me, other, Ordering::SeqCst, Ordering::SeqCst);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.announce(true);
        let Convoy {
            progress,
            teller,
            told,
            end,
            ..
        } = &*self.convoy;
        progress.reached(self.me, GONE);
        // Somebody else tells the time then, from where it was told last.
        if let Some(other) = progress.first_there() {
            self.pass_telling_to(other);
        }
        // Those who were ahead may all have come to the end before they were to tell anything.
        if progress.first_there().is_none()
            && teller.swap(NOBODY, Ordering::SeqCst) != NOBODY
            && let Some((latest, n)) = end.get().filter(|(_, n)| *n > told.load(Ordering::SeqCst))
        {
            let _ = self.reports.send(Report::Times(vec![*latest], *n));
        }
        let _ = self.reports.send(Report::Ended(self.me));
    }
}

/// Who keeps the workers together, and tells all other nodes the time.
pub struct Guide {
    workers: Vec<Inlet>,
    others: Vec<Option<Inlet>>,
    /// Absent when nobody reads them any more.
    reports: Option<Receiver<Report>>,
    /// The link type of the capture, if it has one for all packets.
    pub link_type: Option<u32>,
}

impl Guide {
    /// Seats for `n` workers of a capture, their feeds, and those of `others` nodes that only keep time.
    ///
    /// # Errors
    /// When it is no capture.
    pub fn new(path: &Path, n: usize, others: usize) -> Result<(Self, Vec<(Feed, Seat)>, Vec<Feed>), SourceError> {
        let n = n.min(usize::from(u16::MAX) - 1) as u16;
        let readers = open_together(path, n)?;
        Ok(Self::seat(readers, others))
    }

    /// The same for those who read a capture already.
    fn seat(readers: Vec<Reader>, others: usize) -> (Self, Vec<(Feed, Seat)>, Vec<Feed>) {
        let n = readers.len();
        let link_type = readers.first().and_then(Reader::link_type);
        let (sender, reports) = sync_channel(REPORTS);
        let convoy = Arc::new(Convoy {
            n,
            progress: Progress::new(n),
            teller: AtomicUsize::new(0),
            told: AtomicU64::new(0),
            end: OnceLock::new(),
            failures: Mutex::default(),
        });
        let (to_workers, from_guide): (Vec<_>, Vec<_>) = (0..n).map(|_| line(QUEUE)).unzip();
        let (to_others, feeds): (Vec<_>, Vec<_>) = (0..others).map(|_| line(QUEUE)).unzip();
        let seat = |(me, reader)| Seat {
            convoy: convoy.clone(),
            me,
            capture: Some(reader),
            reports: sender.clone(),
            n: 0,
            since: None,
            began: 0,
            began_before: 0,
            latest: 0.0,
            times: Vec::new(),
        };
        let seats = readers.into_iter().enumerate().map(seat);
        let workers = from_guide.into_iter().zip(seats).collect();
        let guide = Guide {
            workers: to_workers,
            others: to_others.into_iter().map(Some).collect(),
            reports: Some(reports),
            link_type,
        };
        (guide, workers, feeds)
    }

    /// Lets the workers begin, and keeps them together until none reads any more.
    pub fn run(&mut self) {
        let mut arrived: HashSet<usize> = HashSet::new();
        let mut reading = self.workers.len();
        while let Some(Ok(report)) = self.reports.as_ref().map(Receiver::recv) {
            match report {
                Report::Times(times, last) => self.tell(&times, last),
                Report::Arrived(worker) => {
                    arrived.insert(worker);
                }
                Report::Ended(worker) => {
                    arrived.remove(&worker);
                    reading -= 1;
                }
            }
            if reading == 0 {
                break;
            }
            if arrived.len() == reading {
                self.settle();
                for worker in arrived.drain() {
                    if let Some(queue) = self.workers.get(worker) {
                        queue.send(Message::Go);
                    }
                }
            }
        }
    }

    /// Waits until no message is on its way between the nodes, which all have done everything so far.
    fn settle(&mut self) {
        for _ in 0..ROUNDS {
            let (answer, answers) = channel();
            for queue in self.workers.iter().chain(self.others.iter().flatten()) {
                // A node that has ended has nothing to say.
                queue.send(Message::Question(answer.clone()));
            }
            drop(answer);
            // A node tells others only while it handles something itself, so a round of nothing is the end.
            if !answers.iter().fold(false, |any, more| any | more) {
                break;
            }
        }
    }

    /// Tells the nodes that read nothing how late it is.
    fn tell(&mut self, times: &[f64], last: u64) {
        for queue in self.others.iter().flatten() {
            queue.send(Message::Times(times.to_vec(), last));
        }
    }
}

impl Ends for Guide {
    /// Nor are they to wait for anything any more.
    fn end_workers(&mut self) {
        self.workers.clear();
        self.reports = None;
    }

    fn others(&mut self) -> &mut [Option<Inlet>] {
        &mut self.others
    }
}

#[cfg(test)]
mod tests {
    use tapir_packet::together::{SharedPacket, read_together};

    use super::super::line::Taken;
    use super::*;

    /// Packets of a capture of one-second steps, or of steps of a hundredth.
    const PACKETS: u32 = 30_000;

    /// A capture of Ethernet frames between 200 hosts and one, `per_second` of them in a second.
    fn capture(n: u32, per_second: u32) -> Vec<u8> {
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65535, 1] {
            file.extend(word.to_le_bytes());
        }
        for i in 1..=n {
            let mut frame = [0; 34];
            (frame[12], frame[14], frame[29]) = (8, 0x45, (i % 200) as u8);
            let micros = i % per_second * (1_000_000 / per_second);
            for word in [i / per_second, micros, 34, 34] {
                file.extend(word.to_le_bytes());
            }
            file.extend(frame);
        }
        file
    }

    fn seated(per_second: u32, workers: u16, others: usize) -> (Guide, Vec<(Feed, Seat)>, Vec<Feed>) {
        seated_at(PACKETS, per_second, workers, others)
    }

    fn seated_at(n: u32, per_second: u32, workers: u16, others: usize) -> (Guide, Vec<(Feed, Seat)>, Vec<Feed>) {
        let input = Box::new(std::io::Cursor::new(capture(n, per_second)));
        Guide::seat(read_together(input, "numbers".into(), workers).unwrap(), others)
    }

    /// Waits as a node does. False when it is to wait no more.
    fn pause(feed: &Feed, seat: &mut Seat, pause: Pause, handled: &dyn Fn()) -> bool {
        seat.announce(pause == Pause::Settle);
        if pause != Pause::Settle {
            while !seat.is_clear() {
                seat.wait();
            }
            return true;
        }
        seat.arrive();
        loop {
            match feed.wait(Duration::from_secs(60)) {
                Taken::Message(Message::Question(asker)) => {
                    handled();
                    let _ = asker.send(false);
                }
                Taken::Message(Message::Go) => return true,
                Taken::End => return false,
                _ => {}
            }
        }
    }

    /// Runs each worker on a thread of its own; gives what they give.
    fn on_threads<T: Send + 'static>(
        workers: Vec<(Feed, Seat)>,
        work: impl Fn(usize, Feed, Seat) -> T + Send + Sync + 'static,
    ) -> Vec<std::thread::JoinHandle<T>> {
        let work = Arc::new(work);
        let start = |(i, (feed, seat))| {
            let work = work.clone();
            std::thread::spawn(move || work(i, feed, seat))
        };
        workers.into_iter().enumerate().map(start).collect()
    }

    /// Reads as a worker does, up to a packet. Gives the numbers of its own packets.
    fn read(feed: Feed, mut seat: Seat, until: u64, seen: &dyn Fn(&Seat)) -> Vec<u64> {
        let mut capture = seat.capture().unwrap();
        let mut mine = Vec::new();
        let mut weirds = tapir_packet::Weirds::default();
        assert!(pause(&feed, &mut seat, Pause::Settle, &|| {}));
        loop {
            seat.note(capture.passed());
            let Some(packet) = capture.next_packet(&mut weirds).unwrap() else {
                break;
            };
            let (ts, is_mine) = match packet {
                SharedPacket::Mine(raw) => (raw.ts(), true),
                SharedPacket::Other(ts) => (ts, false),
            };
            match seat.before(ts) {
                Pause::None => {}
                what => assert!(pause(&feed, &mut seat, what, &|| {})),
            }
            seat.passes(ts);
            if is_mine {
                mine.push(seat.n_packets());
            }
            seen(&seat);
            if seat.n_packets() == until {
                seat.note(capture.passed());
                return mine;
            }
        }
        seat.finish();
        mine
    }

    /// Notes the times that a node is told.
    fn follow(feed: &Feed, seen: &dyn Fn(f64)) {
        loop {
            match feed.wait(Duration::from_secs(60)) {
                Taken::Message(Message::Times(times, _)) => times.into_iter().for_each(seen),
                Taken::Message(Message::Question(asker)) => {
                    let _ = asker.send(false);
                }
                Taken::End => return,
                _ => {}
            }
        }
    }

    #[test]
    fn every_packet_is_one_workers_and_the_time_is_told_once() {
        // Now and then the one that tells the time ends early.
        for ends in [u64::MAX, 20_000] {
            let (mut guide, workers, others) = seated(100, 3, 1);
            let threads = on_threads(workers, move |i, feed, seat| {
                let until = if i == 0 { ends } else { u64::MAX };
                read(feed, seat, until, &|_| {})
            });
            let times = std::thread::spawn(move || {
                let times = std::cell::RefCell::new(Vec::new());
                for feed in others {
                    follow(&feed, &|t| times.borrow_mut().push(t));
                }
                times.into_inner()
            });
            guide.run();
            let mut mine: Vec<_> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
            drop(guide);
            mine.sort_unstable();
            let times = times.join().unwrap();
            assert!(times.is_sorted_by(|a, b| a < b));
            assert_eq!(*times.last().unwrap(), f64::from(PACKETS) / 100.0);
            if ends == u64::MAX {
                assert_eq!(mine, (1..=u64::from(PACKETS)).collect::<Vec<_>>());
                assert_eq!(times.len(), PACKETS as usize);
            } else {
                assert!(mine.is_sorted_by(|a, b| a < b), "a packet has two owners");
            }
        }
    }

    #[test]
    fn nobody_runs_away() {
        for (n, per_second) in [(PACKETS, 1), (2 * AHEAD as u32, 2000)] {
            let (mut guide, workers, _) = seated_at(n, per_second, 2, 0);
            let at: Arc<[AtomicU64; 2]> = Arc::default();
            let threads = on_threads(workers, move |i, feed, seat| {
                read(feed, seat, u64::MAX, &|seat| {
                    at[i].store(seat.n_packets(), Ordering::SeqCst);
                    if i == 0 && seat.n_packets().is_multiple_of(1000) {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    let ahead = seat.n_packets().saturating_sub(at[1 - i].load(Ordering::SeqCst));
                    // At one packet in a second two spans are the limit; the other one may not have noted its last look.
                    let spans = 2 * SPAN as u64 * u64::from(per_second) + LOOK;
                    assert!(ahead <= (AHEAD + LOOK).min(spans), "{ahead} ahead");
                })
            });
            guide.run();
            let n_read: usize = threads.into_iter().map(|t| t.join().unwrap().len()).sum();
            assert_eq!(n_read, n as usize);
        }
    }

    #[test]
    fn steps_of_time_wait_for_all_and_their_last_words() {
        let (mut guide, workers, others) = seated(1, 2, 1);
        // How far each worker has come; nobody who keeps time may be told of later packets than both have seen.
        let at: Arc<[AtomicU64; 2]> = Arc::default();
        let noted = at.clone();
        let threads = on_threads(workers, move |i, feed, seat| {
            read(feed, seat, EARLY_PACKETS, &|seat| {
                noted[i].store(seat.n_packets(), Ordering::SeqCst);
            })
        });
        let clock = std::thread::spawn(move || {
            for feed in others {
                follow(&feed, &|t| {
                    if t < EARLY_PACKETS as f64 {
                        let slowest = at.iter().map(|a| a.load(Ordering::SeqCst)).min().unwrap();
                        assert!(slowest + 1 >= t as u64, "at {t} a worker is at {slowest}");
                    }
                });
            }
        });
        guide.run();
        threads.into_iter().for_each(|t| drop(t.join().unwrap()));
        drop(guide);
        clock.join().unwrap();
    }

    #[test]
    fn one_that_is_not_started_holds_nobody_up() {
        let (mut guide, workers, _) = seated(1, 40, 0);
        // All wait to begin, and nobody lets them.
        let threads = on_threads(workers, |_, feed, mut seat| {
            pause(&feed, &mut seat, Pause::Settle, &|| {})
        });
        guide.end_workers();
        assert!(threads.into_iter().all(|t| !t.join().unwrap()));
    }
}
