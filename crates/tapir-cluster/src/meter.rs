//! Counting events by what they are: topic, handler, where they come from, and how large they are.
//!
//! Names are counted as they come; who shows the figures may show several under one name. Must not know: metrics.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Kinds of events that are told apart; more are counted as one.
const FLOWS_MAX: usize = 10_000;

/// What events have in common that are counted together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// From here to the cluster.
    pub outgoing: bool,
    /// The application's name, of WebSocket clients.
    pub app: Option<String>,
    pub topic: Vec<u8>,
    /// The event's name.
    pub handler: Arc<str>,
    /// Where in a script it was published, if by one.
    pub location: Option<String>,
}

/// How many events there were, and how large.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    pub events: u64,
    /// By the meter's bounds, the last one above all.
    pub buckets: Vec<u64>,
    pub bytes: u64,
}

impl Sizes {
    /// Adds others, counted with the same bounds.
    pub fn merge(&mut self, other: &Sizes) {
        self.events += other.events;
        self.bytes += other.bytes;
        self.buckets.resize(self.buckets.len().max(other.buckets.len()), 0);
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(a, b)| *a += b);
    }
}

/// Counts events of many kinds.
#[derive(Debug)]
pub struct Meter {
    /// Upper bounds of sizes; empty when sizes do not matter.
    bounds: Vec<f64>,
    flows: Mutex<HashMap<Flow, Sizes>>,
}

impl Meter {
    /// Counts sizes up to these bounds; without any, only events.
    pub fn new(bounds: Vec<f64>) -> Self {
        Meter {
            bounds,
            flows: Mutex::default(),
        }
    }

    /// Whether sizes are counted.
    pub fn wants_sizes(&self) -> bool {
        !self.bounds.is_empty()
    }

    /// Counts one event. Its size is asked for when it matters.
    pub fn add(&self, flow: Flow, size: impl FnOnce() -> usize) {
        let size = if self.wants_sizes() { size() } else { 0 };
        let mut flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        let flow = match flows.len() >= FLOWS_MAX && !flows.contains_key(&flow) {
            true => Flow {
                topic: b"overflow".to_vec(),
                handler: "overflow".into(),
                location: None,
                app: flow.app.map(|_| "overflow".into()),
                ..flow
            },
            false => flow,
        };
        let sizes = flows.entry(flow).or_default();
        sizes.events += 1;
        if self.wants_sizes() {
            sizes.bytes += size as u64;
            sizes.buckets.resize(self.bounds.len() + 1, 0);
            let at = self.bounds.iter().position(|b| size as f64 <= *b);
            sizes.buckets[at.unwrap_or(self.bounds.len())] += 1;
        }
    }

    /// What was counted so far.
    pub fn read(&self) -> Vec<(Flow, Sizes)> {
        let flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        flows.iter().map(|(f, s)| (f.clone(), s.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_by_kind_and_size() {
        let m = Meter::new(vec![10.0, 100.0]);
        let flow = |topic: &str| Flow {
            topic: topic.into(),
            ..Flow::default()
        };
        for size in [3, 10, 11, 1000] {
            m.add(flow("a"), || size);
        }
        for i in 0..FLOWS_MAX + 5 {
            m.add(flow(&format!("t{i}")), || 1);
        }
        let all = m.read();
        assert!(all.len() <= FLOWS_MAX + 1);
        let a = &all.iter().find(|f| f.0.topic == b"a").unwrap().1;
        assert_eq!((a.events, &a.buckets[..], a.bytes), (4, &[2, 1, 1][..], 1024));
        let more = &all.iter().find(|f| f.0.topic == b"overflow").unwrap().1;
        assert_eq!(more.events, 6);
        let m = Meter::new(Vec::new());
        m.add(flow("a"), || panic!("nobody asked for the size"));
        assert_eq!(m.read()[0].1.events, 1);
    }
}
