//! A node whose packets and clock come from another thread of the process, see [`crate::parallel`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use tapir_cluster::Backend;
use tapir_data::value::Value;

use super::{Engine, complain};
use crate::config::Config;
use crate::feed::{Feed, Taken};
use crate::parallel::Start;
use crate::{load, script};

/// Where a node stands in a process of several.
pub struct Place {
    /// The way to the other nodes.
    pub backend: Box<dyn Backend>,
    /// Packets and the time.
    pub feed: Feed,
    /// Whether packets come from it, or only the time.
    pub has_packets: bool,
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
/// How long to wait for packets after messages. More may come soon, and each that wakes a thread costs its sender more
/// than the message itself.
const DOZE: Duration = Duration::from_millis(2);

/// Loads, runs and ends a node among others of the same process. Gives its exit status.
pub fn run_in(config: &Config, place: Place) -> u8 {
    let Place {
        backend,
        feed,
        has_packets,
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
                if !has_packets {
                    host.node.trace = None;
                }
            }
            if let Err(status) = engine.start(config) {
                return engine.leave(status);
            }
            engine.meet(peers);
            start.ready();
            let mut status = 0;
            if let Err(e) = engine.feed(&feed) {
                complain(&format!("fatal error: {e}"));
                status = 1;
            }
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

    /// Processes what comes until the feed ends.
    fn feed(&mut self, feed: &Feed) -> Result<(), String> {
        while !self.stopping() {
            let mut slice = match feed.take() {
                Taken::Slice(slice) => slice,
                Taken::End => break,
                Taken::Nothing => {
                    let busy = self.poll_cluster();
                    if busy {
                        self.drain();
                    }
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
                    if !self.poll_cluster() {
                        break;
                    }
                    any = true;
                    self.drain();
                }
                let _ = answer.send(any);
                continue;
            }
            for w in slice.weirds.drain() {
                self.weirds.push_addl(w.name, w.addl, w.source);
            }
            for (mut others, own) in slice.steps() {
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
                if self.is_wanted(&raw)? {
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
        // What the others said last: they have ended, or this one is a worker and says its own last words next.
        while self.poll_cluster() {
            self.drain();
        }
        Ok(())
    }
}
