//! Timers of connections: a heap by time, cancelled lazily by generation numbers, rebuilt when mostly stale.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

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

/// All timers of a table.
#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Timer>,
    serial: u32,
    /// Timers that were left after stale ones were dropped the last time.
    kept: usize,
}

impl Timers {
    pub(crate) fn add(&mut self, time: f64, conn: ConnId, generation: u16, kind: TimerKind) {
        self.serial = self.serial.wrapping_add(1);
        self.heap.push(Timer {
            time,
            serial: self.serial,
            conn,
            generation,
            kind,
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// The next timer due at `now`.
    pub(crate) fn pop_due(&mut self, now: f64) -> Option<Timer> {
        if self.heap.peek()?.time > now {
            return None;
        }
        self.heap.pop()
    }

    /// The next timer, whenever it is due.
    pub(crate) fn pop(&mut self) -> Option<Timer> {
        self.heap.pop()
    }

    /// When the next timer is due.
    pub(crate) fn next_time(&self) -> Option<f64> {
        self.heap.peek().map(|t| t.time)
    }

    /// Whether so many were added since stale ones were dropped that looking for them pays.
    pub(crate) fn is_bloated(&self) -> bool {
        self.heap.len() > 2 * self.kept + 4096
    }

    /// Drops timers that nobody waits for.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&Timer) -> bool) {
        self.heap.retain(keep);
        self.kept = self.heap.len();
    }
}
