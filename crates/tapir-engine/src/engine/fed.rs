//! A node whose packets and clock come from another thread of the process, see [`crate::parallel`].

#[cfg(target_os = "linux")]
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use tapir_cluster::Backend;
use tapir_data::value::Value;
use tapir_packet::together::{Reader, SharedPacket};
use tapir_vm::{Host, Severity};

use super::{Engine, Pace, complain};
use crate::config::Config;
use crate::feed::{Feed, GONE, Message, Pause, Seat, Taken};
use crate::parallel::Start;
use crate::{load, script};

/// What a node does, and what its feed gives.
pub enum Part {
    /// Reads a capture beside others and analyses its share; the feed tells when others are there that were waited for.
    Reads(Box<Seat>),
    /// Has no packets; the feed tells their times.
    KeepsTime,
    /// Analyses packets of an interface; some may be lost on the way.
    #[cfg(target_os = "linux")]
    Watches(Arc<crate::feed::Losses>),
    /// Has no packets and a clock of its own; the feed only tells when to end.
    #[cfg(target_os = "linux")]
    Serves,
}

impl Part {
    fn has_packets(&self) -> bool {
        match self {
            Part::Reads(_) => true,
            Part::KeepsTime => false,
            #[cfg(target_os = "linux")]
            Part::Watches(_) => true,
            #[cfg(target_os = "linux")]
            Part::Serves => false,
        }
    }
}

/// Where a node stands in a process of several.
pub struct Place {
    /// The way to the other nodes.
    pub backend: Box<dyn Backend>,
    /// Packets and the time.
    pub feed: Feed,
    pub part: Part,
    /// Hears when this node knows all others.
    pub start: Arc<Start>,
    /// How many others there are.
    pub peers: usize,
    /// Its place among all of them: it hears of what those before it see.
    pub rank: usize,
}

/// How long a node looks for the others before it begins without them.
const SEARCH: Duration = Duration::from_secs(10);
/// How often messages are taken in before the one who asked is told that there were some.
const POLLS: usize = 1000;
/// How often what handlers have queued themselves is handled on top of that.
const LATE: usize = 20;
/// How long a worker that replays a capture sleeps before it looks after others.
const PACE: Duration = Duration::from_millis(100);
/// How long to wait for peers before looking again; messages end the wait.
const WAIT: Duration = Duration::from_millis(1);
/// How long to wait for packets or messages, either of which ends the wait, before looking whether the run is to stop.
const REST: Duration = Duration::from_millis(100);
/// The same where time goes by itself and scripts have other inputs.
#[cfg(target_os = "linux")]
const PAUSE: Duration = Duration::from_millis(10);
/// How long to wait for nodes that are behind before taking in what others have sent meanwhile.
const BEHIND: Duration = Duration::from_millis(5);
/// How long to wait for packets after messages. More may come soon, and each that wakes a thread costs its sender more
/// than the message itself.
#[cfg(target_os = "linux")]
const DOZE: Duration = Duration::from_millis(2);
/// The same where a capture is read: nobody waits for what is said meanwhile, and who does asks.
const SLUMBER: Duration = Duration::from_millis(10);

/// Loads, runs and ends a node among others of the same process. Gives its exit status.
pub fn run_in(config: &Config, place: Place) -> u8 {
    let Place {
        backend,
        feed,
        mut part,
        start,
        peers,
        rank,
    } = place;
    match load::load(config).and_then(|loaded| Engine::new(config, loaded)) {
        Err(status) => status,
        Ok(mut engine) => {
            {
                let host = &mut engine.core.borrow_mut().host;
                backend.inbox().on_arrival(feed.nudge());
                host.cluster.offer(backend);
                host.node.source_link_type = config.link_type;
                if !part.has_packets() {
                    host.node.interface = None;
                }
            }
            // The others end when the workers have: they must hear their last words.
            engine.ends_itself = part.has_packets();
            engine.group = Some((start.clone(), rank));
            if let Err(status) = engine.start(config) {
                engine.pass_on_end();
                return engine.leave(status);
            }
            engine.meet(peers);
            #[cfg(target_os = "linux")]
            if let Part::Watches(_) = part {
                match engine.live_options(config) {
                    Ok(options) => start.watch_with(options),
                    Err(e) => {
                        let text = format!("fatal error: {e}");
                        if engine.core.borrow_mut().host.says_first(&text) {
                            complain(&text);
                        }
                        engine.pass_on_end();
                        return engine.leave(1);
                    }
                }
            }
            start.ready();
            let mut status = 0;
            let done = match &mut part {
                Part::Reads(seat) => engine.read_along(config, &feed, seat),
                Part::KeepsTime => engine.keep_time(config, &feed),
                #[cfg(target_os = "linux")]
                Part::Watches(losses) => engine.watch(&feed, losses),
                #[cfg(target_os = "linux")]
                Part::Serves => engine.serve(&feed),
            };
            if let Err(e) = done {
                match &part {
                    // All of them find the same.
                    Part::Reads(seat) if !seat.fails_first(&e) => {}
                    Part::Reads(_) => {
                        let core = &mut *engine.core.borrow_mut();
                        core.vm.report(&mut core.host, Severity::Fatal, e, None);
                    }
                    _ => complain(&format!("fatal error: {e}")),
                }
                status = 1;
            }
            engine.pass_on_end();
            // Nobody must wait for a node that ended early.
            start.progress.reached(rank, GONE);
            drop((feed, part));
            engine.finish();
            engine.leave(status)
        }
    }
}

impl Engine {
    /// Waits until the scripts know all others.
    fn meet(&mut self, peers: usize) {
        let begun = Instant::now();
        while !self.stopping() && begun.elapsed() < SEARCH && self.n_known() < peers {
            if self.poll_cluster() {
                self.drain();
            } else {
                self.core.borrow_mut().host.cluster.wait(WAIT);
            }
        }
    }

    /// How many other nodes are up, as scripts see it.
    fn n_known(&mut self) -> usize {
        let core = &mut *self.core.borrow_mut();
        let Some(count) = script::function(&mut core.vm, "Cluster::get_active_node_count") else {
            return usize::MAX;
        };
        let kinds = [
            "Cluster::LOGGER",
            "Cluster::MANAGER",
            "Cluster::PROXY",
            "Cluster::WORKER",
        ];
        let kinds: Vec<_> = kinds.iter().filter_map(|k| script::enumerator(&core.vm, k)).collect();
        let mut n = 0;
        for kind in kinds {
            if let Some(Value::Count(up)) = core.call(&count, &[kind]) {
                n += up as usize;
            }
        }
        n
    }

    /// Somebody else's packet: time goes on here, too.
    fn tick(&mut self, now: f64) {
        self.advance(now);
        self.drain();
    }

    /// When time alone next makes something happen here.
    fn next_due(&self) -> f64 {
        let core = self.core.borrow();
        if !self.started || core.host.logs.has_delays() {
            return 0.0;
        }
        let Some(net) = &core.host.net else { return 0.0 };
        let timers = [
            core.vm.next_timer(),
            net.flow.next_timer(),
            core.host.files.manager.next_deadline(),
        ];
        let first = timers.into_iter().flatten().fold(f64::INFINITY, f64::min);
        first.min(core.host.logs.next_rotation())
    }

    /// Has all nodes end when a script of this one has ended the run.
    fn pass_on_end(&self) {
        let core = self.core.borrow();
        if core.host.stop || core.exit.is_some() {
            self.group.iter().for_each(|(start, _)| start.halt());
        }
    }

    /// Takes in what the others say, and what scripts read and ask for. Gives whether there was something.
    fn hear(&mut self) -> bool {
        let active = self.core.borrow().host.inputs.is_active();
        let busy = active && self.poll_inputs().0;
        let busy = self.poll_cluster() || busy;
        if busy {
            self.drain();
        }
        busy
    }

    /// Takes in what others have said, and tells who asks whether there was something.
    fn answer(&mut self, asker: &Sender<bool>) {
        let mut any = false;
        let mut late = 0;
        for _ in 0..POLLS {
            if !self.hear() {
                // What handlers have queued belongs to it, unless they never come to an end.
                if late == LATE || !self.has_queued() {
                    break;
                }
                late += 1;
                self.drain();
            }
            any = true;
        }
        // Who asked may not wait any more.
        let _ = asker.send(any);
    }

    /// Lets time be that of the latest packet, and tells those who collect what this node says that all of it is there.
    fn catch_up(&mut self, seat: &Seat) {
        if let Some(latest) = seat.latest() {
            self.come_to(seat.n_packets());
            // What is due since the node's own packet, which was the last, waits for the next one.
            if self.stepped != seat.n_packets() {
                self.tick(latest);
            }
            self.reached(seat.n_packets());
        }
    }

    /// Says which packet of the capture is the latest that this node has come to, whoever's it is.
    #[inline]
    fn come_to(&self, packet: u64) {
        self.core.borrow_mut().host.cluster.come_to(packet);
    }

    /// Tells those who collect what this node says that it has said all up to a packet.
    fn reached(&self, packet: u64) {
        if let Some((start, rank)) = &self.group {
            start.progress.reached(*rank, packet);
        }
    }

    /// Waits a while until those whom this node hears have said all up to a packet. Gives whether they have.
    fn has_heard(&self, packet: u64) -> bool {
        let Some((start, rank)) = &self.group else { return true };
        start.progress.wait(*rank, *rank, packet, BEHIND)
    }

    /// Looks after the others between two packets. False when the run is over.
    fn pause(&mut self, feed: &Feed, seat: &mut Seat, pause: Pause) -> bool {
        self.catch_up(seat);
        let settles = pause == Pause::Settle;
        seat.announce(settles);
        self.hear();
        if settles {
            seat.arrive();
        }
        while !self.stopping() && !self.is_orphan() {
            if !settles {
                if seat.is_clear() {
                    return true;
                }
                if !self.hear() {
                    seat.wait();
                }
                continue;
            }
            // What comes before the question is not looked at: the answer must tell of it.
            match feed.doze(REST) {
                Taken::Message(Message::Question(asker)) => self.answer(&asker),
                Taken::Message(Message::Go) => return true,
                // A node whose time has not begun does not hear of things that happen later.
                Taken::Nothing if self.started => {
                    self.hear();
                }
                Taken::Message(_) | Taken::Nothing => {}
                Taken::End => break,
            }
        }
        false
    }

    /// Reads a capture beside the other workers, and analyses this one's share of it.
    fn read_along(&mut self, config: &Config, feed: &Feed, seat: &mut Seat) -> Result<(), String> {
        self.core.borrow_mut().host.cluster.keep_order(false);
        // All begin together.
        if !self.pause(feed, seat, Pause::Settle) {
            return Ok(());
        }
        let Some(mut capture) = seat.capture() else {
            return Err("the capture was read before".into());
        };
        let Some(ended) = self.read_share(config, feed, seat, &mut capture)? else {
            return Ok(());
        };
        self.catch_up(seat);
        seat.finish();
        ended?;
        if !self.stopping() {
            self.file_done();
            self.idle(config);
        }
        self.hear_last_words();
        Ok(())
    }

    /// Analyses this worker's packets of a capture. Gives how the capture ended; `None` when the run ended before it.
    fn read_share(
        &mut self,
        config: &Config,
        feed: &Feed,
        seat: &mut Seat,
        capture: &mut Reader,
    ) -> Result<Option<Result<(), String>>, String> {
        let mut pace = config.pseudo_realtime.map(Pace::new);
        // When time alone next makes something happen here; everything else may change it.
        let mut due = None;
        loop {
            let n_free = if pace.is_none() { seat.n_free() } else { 0 };
            // As a rule there is nothing to do until the next packet of this one.
            let own = capture.next_own(|n_others, [before, ts]| {
                n_others < n_free
                    && ts >= before
                    && seat.is_free(ts)
                    && (n_others == 0 || before < *due.get_or_insert_with(|| self.next_due()))
            });
            let raw = match own {
                Some(own) => {
                    seat.passes_all(own.passed);
                    self.come_to(seat.n_packets());
                    own.raw
                }
                None => {
                    // Moments that matter to nobody.
                    let mut is_nothing =
                        |latest| latest < *due.get_or_insert_with(|| self.next_due()) && seat.is_free(latest);
                    if n_free > 0
                        && let Some(passed) = capture.pass_over(n_free, &mut is_nothing)
                    {
                        seat.passes_all(passed);
                    }
                    seat.note(capture.passed());
                    let (ts, mine) = match capture.next_packet(&mut self.weirds) {
                        Ok(Some(SharedPacket::Mine(raw))) => (raw.ts(), Some(raw)),
                        Ok(Some(SharedPacket::Other(ts))) => (ts, None),
                        Ok(None) => return Ok(Some(Ok(()))),
                        Err(e) => return Ok(Some(Err(e.to_string()))),
                    };
                    while let Some(left) = pace.as_mut().and_then(|p| p.due(ts)) {
                        self.catch_up(seat);
                        seat.announce(true);
                        self.hear();
                        if self.stopping() {
                            return Ok(None);
                        }
                        std::thread::sleep(left.min(PACE));
                    }
                    let pause = seat.before(ts);
                    if pause != Pause::None {
                        due = None;
                        if !self.pause(feed, seat, pause) {
                            return Ok(None);
                        }
                    }
                    seat.passes(ts);
                    let Some(raw) = mine else {
                        let is_odd = !self.weirds.is_empty();
                        // The time of the capture does not go back as packets may.
                        let now = seat.latest().unwrap_or(ts);
                        // Most moments are nothing but moments: only what is due makes them matter, and each pause.
                        if is_odd || now >= *due.get_or_insert_with(|| self.next_due()) {
                            due = None;
                            self.come_to(seat.n_packets());
                            self.tick(now);
                            if is_odd {
                                self.tell_weirds();
                            }
                            if self.stopping() {
                                seat.note(capture.passed());
                                return Ok(None);
                            }
                        }
                        continue;
                    };
                    self.come_to(seat.n_packets());
                    if let Some(latest) = seat.latest().filter(|t| *t > ts) {
                        // A packet of somebody else was later, although it came before.
                        self.tick(latest);
                    }
                    raw
                }
            };
            due = None;
            if !self.is_wanted(&raw)? {
                continue;
            }
            self.number(seat.n_packets());
            self.take(&raw)?;
            self.while_suspended();
            if self.stopping() {
                seat.note(capture.passed());
                return Ok(None);
            }
        }
    }

    /// Follows the clock of the workers until the feed ends.
    fn keep_time(&mut self, config: &Config, feed: &Feed) -> Result<(), String> {
        self.core.borrow_mut().host.cluster.keep_order(true);
        while !self.stopping() {
            self.pass_on_end();
            let taken = match feed.take() {
                Taken::Nothing => {
                    let busy = self.hear();
                    if busy { feed.doze(SLUMBER) } else { feed.wait(REST) }
                }
                taken => taken,
            };
            match taken {
                Taken::Message(Message::Question(asker)) => self.answer(&asker),
                Taken::Message(Message::Times(times, last)) => {
                    self.follow(&times, last);
                    self.reached(last);
                    self.hear();
                }
                Taken::Message(_) | Taken::Nothing => {}
                Taken::End => break,
            }
        }
        if !self.stopping() && crate::globals::flag(&self.core.borrow().vm, "exit_only_after_terminate") != Some(true) {
            // What scripts read comes to its end; how long the run stays is the workers' affair.
            self.idle(config);
        }
        self.hear_last_words();
        Ok(())
    }

    /// Time goes on by others' packets, together with what others have said at each moment: that and what is due make
    /// moments matter, and the last one. The times are those of the packets up to a number.
    fn follow(&mut self, times: &[f64], number: u64) {
        while !self.stopping() && !self.has_heard(number) {
            self.hear();
            self.pass_on_end();
        }
        // All that they have said until then is there now.
        for _ in 0..POLLS {
            if self.stopping() || !self.hear() {
                break;
            }
        }
        let before = number.saturating_sub(times.len() as u64);
        let packets = || (before + 1..).zip(times.iter().copied());
        let mut done = before;
        while done < number && !self.stopping() {
            let due = self.next_due();
            let said = self.core.borrow().host.cluster.next_event();
            let matters = |(n, t): &(u64, f64)| *t >= due || said.is_some_and(|s| *n >= s);
            let mut left = packets().skip((done - before) as usize);
            let Some((n, time)) = left.find(matters).or_else(|| packets().last()) else {
                break;
            };
            self.come_to(n);
            self.tick(time);
            self.deliver(n);
            done = n;
        }
        self.come_to(number);
    }

    /// Handles what others have said up to a packet.
    fn deliver(&mut self, until: u64) {
        let any = self.core.borrow_mut().with_cx(|cx| crate::cluster::deliver(cx, until));
        if any == Some(true) {
            self.drain();
        }
    }

    /// Takes in what the others said last: they have ended, or this one is a worker and says its own last words next.
    fn hear_last_words(&mut self) {
        while self.poll_cluster() {
            self.drain();
        }
        self.deliver(u64::MAX);
    }

    /// Lets everything but packets have its turn. Gives whether there was something.
    #[cfg(target_os = "linux")]
    fn look_around(&mut self) -> bool {
        let (busy, _) = self.poll_inputs();
        let busy = self.poll_cluster() || busy;
        self.drain();
        busy
    }

    /// Processes packets of an interface until the feed ends or the node is to stop.
    #[cfg(target_os = "linux")]
    fn watch(&mut self, feed: &Feed, losses: &crate::feed::Losses) -> Result<(), String> {
        let idle_after = self.inactivity_timeout();
        let mut last_packet = Instant::now();
        let mut next = None;
        while !self.stopping() {
            let suspended = self.core.borrow().host.node.suspended;
            // What was taken before scripts suspended processing is still processed.
            let taken = match next.take() {
                Some(taken) => taken,
                None if suspended => Taken::Nothing,
                None => feed.take(),
            };
            let any = match taken {
                Taken::Message(Message::Packets(batch)) => {
                    for raw in batch.packets() {
                        if self.is_wanted(&raw)? {
                            self.number((raw.ts() * 1e6) as u64);
                            self.take(&raw)?;
                            if self.stopping() {
                                break;
                            }
                        }
                    }
                    feed.recycle(batch);
                    last_packet = Instant::now();
                    true
                }
                Taken::Message(_) | Taken::Nothing => {
                    if last_packet.elapsed() >= idle_after {
                        // Without packets the clock on the wall tells the time.
                        self.advance(super::logs_wall_clock());
                    }
                    false
                }
                Taken::End => break,
            };
            self.core.borrow_mut().host.node.n_dropped = losses.total();
            let busy = self.look_around();
            if !any && !busy {
                let _ = self.core.borrow_mut().host.stdout.flush();
                if suspended {
                    std::thread::sleep(PAUSE);
                } else {
                    next = Some(feed.wait(PAUSE));
                }
            }
        }
        self.hear_last_words();
        Ok(())
    }

    /// Serves the other nodes until the feed ends.
    #[cfg(target_os = "linux")]
    fn serve(&mut self, feed: &Feed) -> Result<(), String> {
        while !self.stopping() {
            self.pass_on_end();
            self.advance(super::logs_wall_clock());
            let busy = self.look_around();
            self.core.borrow_mut().housekeeping();
            if !busy {
                let _ = self.core.borrow_mut().host.stdout.flush();
            }
            if let Taken::End = if busy { feed.doze(DOZE) } else { feed.wait(PAUSE) } {
                break;
            }
        }
        self.hear_last_words();
        Ok(())
    }
}
