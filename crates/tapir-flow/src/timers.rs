//! Timers of connections: unsorted portions of the future, sorted when their time comes. Timers are cancelled lazily
//! by generation numbers: stale ones are dropped when their portion is sorted, and when there are too many.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};

use crate::conn::ConnId;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimerKind {
    Attempt,
    Expire,
    Close,
    Reset,
    PartialClose,
    Inactivity,
    Status,
    App(u8),
}

impl TimerKind {
    /// Whether closing the connection cancels the timer.
    pub(crate) fn is_engine_timer(self) -> bool {
        matches!(
            self,
            TimerKind::Attempt | TimerKind::Expire | TimerKind::Close | TimerKind::Reset | TimerKind::PartialClose
        )
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    pub time: f64,
    serial: u32,
    pub conn: ConnId,
    pub generation: u16,
    pub kind: TimerKind,
}

impl PartialEq for Timer {
    fn eq(&self, o: &Self) -> bool {
        self.cmp(o) == Ordering::Equal
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, o: &Self) -> Option<Ordering> {
        Some(self.cmp(o))
    }
}

impl Ord for Timer {
    fn cmp(&self, o: &Self) -> Ordering {
        // The heap gives the greatest: earlier is greater.
        o.time.total_cmp(&self.time).then(o.serial.cmp(&self.serial))
    }
}

/// Portions in a second.
const PORTIONS: f64 = 4.0;

/// The portion that a time lies in; everything before the epoch is in the first.
fn portion(time: f64) -> u64 {
    (time * PORTIONS) as u64
}

/// All timers of a table.
///
/// A flood makes millions of timers of which few ever fire: each costs a push when it is set and its share of sorting
/// a small portion later, instead of a walk through a heap that is larger than the caches.
#[derive(Default)]
pub(crate) struct Timers {
    /// What comes after the portions that were opened.
    later: BTreeMap<u64, Vec<Timer>>,
    /// Portions below this one were opened.
    opened: u64,
    /// Timers of opened portions, the earliest last.
    ready: Vec<Timer>,
    /// Timers that were set for opened portions since.
    late: BinaryHeap<Timer>,
    len: usize,
    serial: u32,
    /// Timers that were left after stale ones were dropped the last time.
    kept: usize,
}

impl Timers {
    pub(crate) fn add(&mut self, time: f64, conn: ConnId, generation: u16, kind: TimerKind) {
        self.serial = self.serial.wrapping_add(1);
        let timer = Timer {
            time,
            serial: self.serial,
            conn,
            generation,
            kind,
        };
        self.len += 1;
        let at = portion(time);
        if at < self.opened {
            self.late.push(timer);
        } else {
            self.later.entry(at).or_default().push(timer);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Opens the next portion, if it begins at `now` or before. Timers for which `keep` says no are dropped.
    fn open(&mut self, now: f64, keep: impl FnMut(&Timer) -> bool) -> bool {
        let Some(first) = self.later.first_entry().filter(|e| *e.key() <= portion(now)) else {
            return false;
        };
        let (at, mut timers) = first.remove_entry();
        self.opened = at.saturating_add(1);
        let before = timers.len();
        timers.retain(keep);
        self.len -= before - timers.len();
        // The greatest is the earliest.
        timers.sort_unstable();
        self.ready = timers;
        true
    }

    /// The next timer due at `now`. Timers for which `keep` says no may be left out.
    pub(crate) fn pop_due(&mut self, now: f64, mut keep: impl FnMut(&Timer) -> bool) -> Option<Timer> {
        loop {
            let next = match (self.ready.last(), self.late.peek()) {
                (Some(r), Some(l)) => r.max(l),
                (Some(t), None) | (None, Some(t)) => t,
                (None, None) => {
                    if self.open(now, &mut keep) {
                        continue;
                    }
                    return None;
                }
            };
            if next.time > now {
                return None;
            }
            let from_late = self
                .late
                .peek()
                .is_some_and(|l| self.ready.last().is_none_or(|r| l > r));
            self.len -= 1;
            return if from_late { self.late.pop() } else { self.ready.pop() };
        }
    }

    /// The next timer, whenever it is due.
    pub(crate) fn pop(&mut self) -> Option<Timer> {
        self.pop_due(f64::INFINITY, |_| true)
    }

    /// When the next timer is due.
    pub(crate) fn next_time(&self) -> Option<f64> {
        let opened = self.ready.last().max(self.late.peek()).map(|t| t.time);
        opened.or_else(|| {
            let (_, first) = self.later.first_key_value()?;
            first.iter().map(|t| t.time).min_by(f64::total_cmp)
        })
    }

    /// Whether so many were added since stale ones were dropped that looking for them pays.
    pub(crate) fn is_bloated(&self) -> bool {
        self.len > 2 * self.kept + 4096
    }

    /// Drops timers that nobody waits for.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Timer) -> bool) {
        self.ready.retain(&mut keep);
        self.late.retain(&mut keep);
        let mut len = self.ready.len() + self.late.len();
        self.later.retain(|_, timers| {
            timers.retain(&mut keep);
            // What was dropped may never be needed again.
            timers.shrink_to(timers.len() + timers.len() / 4);
            len += timers.len();
            !timers.is_empty()
        });
        self.len = len;
        self.kept = len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(slot: u32) -> ConnId {
        ConnId { slot, generation: 0 }
    }

    /// Timers come in the order of their times, equal ones in the order in which they were set, whatever is added and
    /// dropped meanwhile.
    #[test]
    fn the_order_is_that_of_a_list() {
        let mut seed = 7u64;
        let mut random = |n: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % n
        };
        let mut timers = Timers::default();
        let mut list: Vec<(f64, u32)> = Vec::new();
        let (mut now, mut n) = (1000.0, 0);
        for step in 0..20_000u32 {
            match random(5) {
                0..3 => {
                    // Times before the present come at once.
                    let time = now - 1.0 + random(900) as f64 / 16.0;
                    timers.add(time, id(n), 0, TimerKind::Inactivity);
                    list.push((time, n));
                    n += 1;
                }
                3 => {
                    now += random(32) as f64 / 16.0;
                    while let Some(t) = timers.pop_due(now, |_| true) {
                        let first = list
                            .iter()
                            .enumerate()
                            .min_by(|(_, a), (_, b)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
                            .map(|(i, _)| i)
                            .unwrap();
                        assert_eq!((t.time, t.conn.slot), list.remove(first), "step {step}");
                    }
                    assert!(list.iter().all(|(time, _)| *time > now));
                }
                _ => {
                    let odd = random(7) as u32;
                    if odd == 3 {
                        timers.retain(|t| t.conn.slot % 7 != odd);
                        list.retain(|(_, slot)| slot % 7 != odd);
                    }
                }
            }
            assert_eq!(timers.len(), list.len());
            let next = list.iter().map(|(time, _)| *time).min_by(f64::total_cmp);
            assert_eq!(timers.next_time(), next);
        }
        let mut left = 0;
        while timers.pop().is_some() {
            left += 1;
        }
        assert_eq!(left, list.len());
    }

    #[test]
    fn odd_times_do_no_harm() {
        let mut timers = Timers::default();
        for (i, time) in [f64::INFINITY, -5.0, 1e300, 0.0].into_iter().enumerate() {
            timers.add(time, id(i as u32), 0, TimerKind::Status);
        }
        let order: Vec<u32> = std::iter::from_fn(|| timers.pop()).map(|t| t.conn.slot).collect();
        assert_eq!(order, [1, 3, 2, 0]);
    }
}
