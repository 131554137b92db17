//! A node whose packets and clock come from another thread of the process, see [`crate::parallel`].

#[cfg(target_os = "linux")]
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tapir_cluster::Backend;
use tapir_data::value::Value;

use super::{Engine, complain};
use crate::config::Config;
use crate::feed::{Feed, Taken};
use crate::parallel::Start;
use crate::{load, script};

/// What a node does, and what its feed gives.
pub enum Part {
    /// Analyses packets of a capture; the feed also tells the times of the others' packets.
    Reads,
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
            Part::Reads => true,
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
}

/// How long a node looks for the others before it begins without them.
const SEARCH: Duration = Duration::from_secs(10);
/// How often messages are taken in before the reader is told that there were some.
const POLLS: usize = 1000;
/// How long to wait for peers before looking again; messages end the wait.
const WAIT: Duration = Duration::from_millis(1);
/// How long to wait for packets or messages, either of which ends the wait, before looking whether the run is to stop.
const REST: Duration = Duration::from_millis(100);
/// The same where time goes by itself and scripts have other inputs.
#[cfg(target_os = "linux")]
const PAUSE: Duration = Duration::from_millis(10);
/// How long to wait for packets after messages. More may come soon, and each that wakes a thread costs its sender more
/// than the message itself.
const DOZE: Duration = Duration::from_millis(2);

/// Loads, runs and ends a node among others of the same process. Gives its exit status.
pub fn run_in(config: &Config, place: Place) -> u8 {
    let Place {
        backend,
        feed,
        part,
        start,
        peers,
    } = place;
    match load::load(config).and_then(|loaded| Engine::new(config, loaded)) {
        Err(status) => status,
        Ok(mut engine) => {
            {
                let host = &mut engine.core.borrow_mut().host;
                backend.inbox().on_arrival(feed.nudge());
                host.cluster.offer(backend);
                if !part.has_packets() {
                    host.node.trace = None;
                    host.node.interface = None;
                }
            }
            // The others end when the workers have: they must hear their last words.
            engine.ends_itself = part.has_packets();
            engine.start = Some(start.clone());
            if let Err(status) = engine.start(config) {
                engine.pass_on_end();
                return engine.leave(status);
            }
            engine.meet(peers);
            #[cfg(target_os = "linux")]
            if let Part::Watches(_) = part {
                start.watch_with(engine.live_options(config));
            }
            start.ready();
            let mut status = 0;
            let done = match &part {
                Part::Reads | Part::KeepsTime => engine.feed(&feed, config),
                #[cfg(target_os = "linux")]
                Part::Watches(losses) => engine.watch(&feed, losses),
                #[cfg(target_os = "linux")]
                Part::Serves => engine.serve(&feed),
            };
            if let Err(e) = done {
                complain(&format!("fatal error: {e}"));
                status = 1;
            }
            engine.pass_on_end();
            // The reader must not wait for a node that ended early.
            drop(feed);
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
            self.start.iter().for_each(|s| s.halt());
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

    /// Processes what comes until the feed ends.
    fn feed(&mut self, feed: &Feed, config: &Config) -> Result<(), String> {
        // Packets of all workers so far.
        let mut n_all = 0u64;
        while !self.stopping() {
            if self.ends_itself {
                self.while_suspended();
            } else {
                self.pass_on_end();
            }
            let mut slice = match feed.take() {
                Taken::Slice(slice) => slice,
                Taken::End => break,
                Taken::Nothing => {
                    let busy = self.hear();
                    match if busy { feed.doze(DOZE) } else { feed.wait(REST) } {
                        Taken::Slice(slice) => slice,
                        Taken::Nothing => continue,
                        Taken::End => break,
                    }
                }
            };
            if let Some(answer) = slice.question.take() {
                let mut any = false;
                for _ in 0..POLLS {
                    if !self.hear() {
                        break;
                    }
                    any = true;
                }
                let _ = answer.send(any);
                continue;
            }
            for w in slice.weirds.drain() {
                self.weirds.push_addl(w.name, w.addl, w.source);
            }
            for (mut others, own) in slice.steps() {
                n_all += others.len() as u64;
                // Most moments are nothing but moments: only what is due makes them matter, and the slice's last one.
                while !others.is_empty() {
                    let due = self.next_due();
                    let last = others.len() - 1;
                    let Some(i) = others.iter().position(|t| *t >= due).or(own.is_none().then_some(last)) else {
                        break;
                    };
                    self.tick(others[i]);
                    others = &others[i + 1..];
                    if self.stopping() {
                        return Ok(());
                    }
                }
                let Some(raw) = own else { continue };
                n_all += 1;
                if self.is_wanted(&raw)? {
                    self.number(n_all);
                    self.keep(&raw)?;
                    self.packet(&raw);
                    if self.stopping() {
                        return Ok(());
                    }
                }
            }
            feed.recycle(slice);
            if self.poll_cluster() {
                self.drain();
            }
        }
        if !self.stopping() {
            if self.ends_itself {
                self.file_done();
                self.idle(config);
            } else if crate::globals::flag(&self.core.borrow().vm, "exit_only_after_terminate") != Some(true) {
                // What scripts read comes to its end; how long the run stays is the workers' affair.
                self.idle(config);
            }
        }
        self.hear_last_words();
        Ok(())
    }

    /// Takes in what the others said last: they have ended, or this one is a worker and says its own last words next.
    fn hear_last_words(&mut self) {
        while self.poll_cluster() {
            self.drain();
        }
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
                Taken::Slice(slice) => {
                    for raw in slice.packets() {
                        if self.is_wanted(&raw)? {
                            self.number((raw.ts() * 1e6) as u64);
                            self.keep(&raw)?;
                            self.packet(&raw);
                            if self.stopping() {
                                break;
                            }
                        }
                    }
                    feed.recycle(slice);
                    last_packet = Instant::now();
                    true
                }
                Taken::Nothing => {
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
