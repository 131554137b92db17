//! Weirds: sampling by name and scope, and the events that carry them.
//!
//! The rules: per name and scope (connection, pair of addresses, everything, file) the first
//! `Weird::sampling_threshold` pass, later ones each `Weird::sampling_rate`-th; counting starts anew after
//! `Weird::sampling_duration`. Names on the white list always pass, names on the global list count over all scopes.

use std::collections::HashSet;

use foldhash::{HashMap, HashMapExt};
use tapir_data::value::{Addr, Value};
use tapir_interface::events;
use tapir_interface::queue::EventQueue;
use tapir_vm::{CallCtx, RtError};

/// Sampling state and its options.
pub struct Sampler {
    pub threshold: u64,
    pub rate: u64,
    /// Seconds.
    pub duration: f64,
    pub whitelist: HashSet<Vec<u8>>,
    pub global_list: HashSet<Vec<u8>>,
    net: HashMap<Vec<u8>, Counter>,
    flow: HashMap<(Addr, Addr), HashMap<Vec<u8>, Counter>>,
    /// All weirds by name, for `get_reporter_stats`.
    pub by_name: HashMap<Vec<u8>, u64>,
    pub total: u64,
}

#[derive(Clone, Copy, Default)]
pub struct Counter {
    n: u64,
    since: f64,
}

/// What the options say of every counter.
#[derive(Clone, Copy)]
struct Limits {
    threshold: u64,
    rate: u64,
    duration: f64,
}

impl Limits {
    fn verdict(&self, n: u64) -> bool {
        n <= self.threshold || self.rate > 0 && (n - self.threshold).is_multiple_of(self.rate)
    }

    fn step(&self, c: &mut Counter, now: f64) -> bool {
        if c.n == 0 || now - c.since > self.duration {
            *c = Counter { n: 0, since: now };
        }
        c.n += 1;
        self.verdict(c.n)
    }
}

/// Pairs of addresses that are remembered at once; beyond it the memory is cleared.
const PAIRS_MAX: usize = 100_000;
/// Names that one scope remembers; names from traffic are few, those from scripts are not bounded by us.
const NAMES_MAX: usize = 10_000;

impl Default for Sampler {
    fn default() -> Self {
        Sampler {
            threshold: 25,
            rate: 1000,
            duration: 600.0,
            whitelist: HashSet::new(),
            global_list: HashSet::new(),
            net: HashMap::new(),
            flow: HashMap::new(),
            by_name: HashMap::new(),
            total: 0,
        }
    }
}

/// A scope's counters, kept by connections and files.
pub type Counters = Vec<(Vec<u8>, Counter)>;

impl Sampler {
    fn count(&mut self, name: &[u8]) {
        self.total += 1;
        if let Some(n) = self.by_name.get_mut(name) {
            *n += 1;
        } else if self.by_name.len() < NAMES_MAX {
            self.by_name.insert(name.to_vec(), 1);
        }
    }

    fn is_global(&self, name: &[u8]) -> bool {
        !self.global_list.is_empty() && self.global_list.contains(name)
    }

    fn is_white(&self, name: &[u8]) -> bool {
        !self.whitelist.is_empty() && self.whitelist.contains(name)
    }

    /// The verdict on a weird of a connection that its own counters have no say in, as names on both lists are.
    pub fn beyond_scopes(&mut self, name: &[u8], now: f64) -> Option<bool> {
        if self.is_global(name) {
            return Some(self.net(name, now));
        }
        self.count(name);
        self.is_white(name).then_some(true)
    }

    fn limits(&self) -> Limits {
        Limits {
            threshold: self.threshold,
            rate: self.rate,
            duration: self.duration,
        }
    }

    /// Whether a weird that concerns no flow passes.
    pub fn net(&mut self, name: &[u8], now: f64) -> bool {
        self.count(name);
        if self.is_white(name) {
            return true;
        }
        let limits = self.limits();
        if let Some(c) = self.net.get_mut(name) {
            return limits.step(c, now);
        }
        if self.net.len() >= NAMES_MAX {
            self.net.clear();
        }
        limits.step(self.net.entry(name.to_vec()).or_default(), now)
    }

    /// Whether a weird of a pair of addresses passes.
    pub fn flow(&mut self, name: &[u8], pair: (Addr, Addr), now: f64) -> bool {
        if self.is_global(name) {
            return self.net(name, now);
        }
        self.count(name);
        if self.is_white(name) {
            return true;
        }
        if self.flow.len() >= PAIRS_MAX && !self.flow.contains_key(&pair) {
            self.flow.clear();
        }
        let limits = self.limits();
        let names = self.flow.entry(pair).or_default();
        if let Some(c) = names.get_mut(name) {
            return limits.step(c, now);
        }
        if names.len() >= NAMES_MAX {
            return limits.step(&mut Counter::default(), now);
        }
        limits.step(names.entry(name.to_vec()).or_default(), now)
    }

    /// Whether a weird of a connection or file passes; `counters` is the scope's memory.
    pub fn scoped(&mut self, name: &[u8], counters: &mut Counters, now: f64) -> bool {
        if let Some(verdict) = self.beyond_scopes(name, now) {
            return verdict;
        }
        let at = match counters.iter().position(|c| c.0 == name) {
            Some(at) => at,
            None if counters.len() < NAMES_MAX => {
                counters.push((name.to_vec(), Counter::default()));
                counters.len() - 1
            }
            None => return false,
        };
        let c = &mut counters[at].1;
        // Connections and files measure the duration from the moment the threshold was exceeded.
        if c.n > self.threshold && now - c.since > self.duration {
            *c = Counter::default();
        }
        c.n += 1;
        if c.n == self.threshold + 1 {
            c.since = now;
        }
        let n = c.n;
        self.limits().verdict(n)
    }
}

fn text(s: &str) -> Value {
    Value::Str(s.as_bytes().into())
}

/// Raises `net_weird` from native code, subject to sampling.
pub fn raise_net(s: &mut Sampler, q: &mut EventQueue, name: &str, addl: &str, source: &str) {
    if s.net(name.as_bytes(), q.now()) && q.wants(events::NET_WEIRD) {
        q.push(events::NET_WEIRD, vec![text(name), text(addl), text(source)]);
    }
}

/// Raises `flow_weird` from native code, subject to sampling.
pub fn raise_flow(s: &mut Sampler, q: &mut EventQueue, name: &str, pair: (Addr, Addr), addl: &str, source: &str) {
    if s.flow(name.as_bytes(), pair, q.now()) && q.wants(events::FLOW_WEIRD) {
        let args = vec![
            text(name),
            Value::Addr(pair.0),
            Value::Addr(pair.1),
            text(addl),
            text(source),
        ];
        q.push(events::FLOW_WEIRD, args);
    }
}

/// Raises `net_weird` from a built-in.
///
/// # Errors
/// When the built-in runs without the engine.
pub fn net_weird(cx: &mut CallCtx<'_>, name: &str, addl: &str, source: &str) -> Result<(), RtError> {
    let now = cx.network_time();
    let host = crate::host::of(cx)?;
    if host.sampler.borrow_mut().net(name.as_bytes(), now) {
        cx.raise(events::NET_WEIRD, vec![text(name), text(addl), text(source)]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pass_then_one_in_a_thousand() {
        let mut s = Sampler::default();
        let passed = (0..3025).filter(|_| s.net(b"x", 1.0)).count();
        assert_eq!(passed, 25 + 3);
        assert!(s.net(b"x", 700.0));
    }

    #[test]
    fn scopes_are_independent() {
        let mut s = Sampler {
            threshold: 1,
            rate: 0,
            ..Sampler::default()
        };
        let (mut a, mut b) = (Counters::new(), Counters::new());
        assert!(s.scoped(b"x", &mut a, 1.0) && s.scoped(b"x", &mut b, 1.0));
        assert!(!s.scoped(b"x", &mut a, 1.0));
        assert!(s.flow(b"x", (Addr::default(), Addr::v4([1, 2, 3, 4])), 1.0));
    }
}
