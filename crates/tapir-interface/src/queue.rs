//! The event queue: raised events wait here, in order, until the engine drains them.
//!
//! An event is addressed by a small id: native events first (their ids are constants of the generated part), then
//! the events that only scripts declare. Raising an event that nobody handles costs one load and a branch.
//! The queue is bounded; what does not fit is dropped and counted.

use std::collections::VecDeque;
use std::rc::Rc;

use tapir_data::value::Value;

use crate::bindings::Bindings;

/// An event, as an index that is the same for a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub u32);

/// Key of metadata that marks an event as raised by another node; its value means nothing and scripts do not see it.
pub const REMOTE: u64 = u64::MAX - 1;

/// An event on its way to the handlers.
#[derive(Clone)]
pub struct QueuedEvent {
    pub id: EventId,
    pub args: Vec<Value>,
    /// Network time at which it was raised, or at which a scheduled event was due.
    pub time: f64,
    /// Further metadata as key and value, in the order in which it was added.
    pub metadata: Vec<(u64, Value)>,
}

/// Events in the order in which they were raised.
pub struct EventQueue {
    wanted: Vec<bool>,
    all_wanted: bool,
    changes: u32,
    events: VecDeque<QueuedEvent>,
    now: f64,
    len_max: usize,
    n_raised: u64,
    n_dropped: u64,
    bindings: Rc<Bindings>,
}

/// Far more than any capture was seen to queue at once; beyond it something feeds itself.
const DEFAULT_LEN_MAX: usize = 16_000_000;

impl Default for EventQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl EventQueue {
    /// An empty queue that wants no event.
    pub fn new() -> Self {
        EventQueue {
            wanted: Vec::new(),
            all_wanted: false,
            changes: 0,
            events: VecDeque::new(),
            now: 0.0,
            len_max: DEFAULT_LEN_MAX,
            n_raised: 0,
            n_dropped: 0,
            bindings: Rc::default(),
        }
    }

    /// Changes the number of events that may wait at once.
    pub fn set_len_max(&mut self, len_max: usize) {
        self.len_max = len_max;
    }

    /// The native types of the loaded program.
    #[inline]
    pub fn bindings(&self) -> &Bindings {
        &self.bindings
    }

    /// A shared handle on the same.
    pub fn shared_bindings(&self) -> Rc<Bindings> {
        self.bindings.clone()
    }

    /// Sets what was resolved when the program was loaded.
    pub fn set_bindings(&mut self, bindings: Bindings) {
        self.bindings = Rc::new(bindings);
    }

    /// Whether anybody would see the event. Ask before building costly arguments.
    #[inline]
    pub fn wants(&self, id: EventId) -> bool {
        match self.wanted.get(id.0 as usize) {
            Some(&w) => w,
            None => self.all_wanted,
        }
    }

    /// Says whether an event has handlers.
    pub fn set_wanted(&mut self, id: EventId, wanted: bool) {
        let i = id.0 as usize;
        if i >= self.wanted.len() {
            self.wanted.resize(i + 1, self.all_wanted);
        }
        let wanted = wanted || self.all_wanted;
        if self.wanted[i] != wanted {
            self.wanted[i] = wanted;
            self.changes = self.changes.wrapping_add(1);
        }
    }

    /// Makes every event wanted, for a handler that sees all of them.
    pub fn want_all(&mut self) {
        self.all_wanted = true;
        self.wanted.fill(true);
        self.changes = self.changes.wrapping_add(1);
    }

    /// A number that changes whenever the answer of [`EventQueue::wants`] does for some event.
    #[inline]
    pub fn changes(&self) -> u32 {
        self.changes
    }

    /// The time stamped on events that are raised from now on.
    #[inline]
    pub fn set_now(&mut self, now: f64) {
        self.now = now;
    }

    /// The current time stamp.
    #[inline]
    pub fn now(&self) -> f64 {
        self.now
    }

    /// Queues an event with the current time; does nothing if nobody wants it.
    #[inline]
    pub fn push(&mut self, id: EventId, args: Vec<Value>) {
        if self.wants(id) {
            self.push_event(QueuedEvent {
                id,
                args,
                time: self.now,
                metadata: Vec::new(),
            });
        }
    }

    /// Queues an event as given, whether or not it is wanted.
    pub fn push_event(&mut self, event: QueuedEvent) {
        if self.events.len() >= self.len_max {
            self.n_dropped += 1;
            return;
        }
        self.n_raised += 1;
        self.events.push_back(event);
    }

    /// Takes everything that waits: one generation.
    pub fn take_all(&mut self) -> VecDeque<QueuedEvent> {
        std::mem::take(&mut self.events)
    }

    /// Gives an emptied generation back so that its memory is used again.
    pub fn recycle(&mut self, mut buffer: VecDeque<QueuedEvent>) {
        if self.events.is_empty() && self.events.capacity() < buffer.capacity() {
            buffer.clear();
            self.events = buffer;
        }
    }

    /// The number of events that wait.
    #[inline]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// How many events were queued since the start.
    pub fn n_raised(&self) -> u64 {
        self.n_raised
    }

    /// Counts events that were not queued, because it was known that nothing would come of them.
    pub fn count_raised(&mut self, n: u64) {
        self.n_raised += n;
    }

    /// How many events were dropped because the queue was full.
    pub fn n_dropped(&self) -> u64 {
        self.n_dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwanted_events_are_not_queued() {
        let mut q = EventQueue::new();
        q.push(EventId(3), Vec::new());
        assert!(q.is_empty());
        q.set_wanted(EventId(3), true);
        q.set_now(7.0);
        q.push(EventId(3), vec![Value::Count(1)]);
        q.push(EventId(2), Vec::new());
        let got = q.take_all();
        assert_eq!(got.len(), 1);
        assert_eq!(got[0].time, 7.0);
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let mut q = EventQueue::new();
        q.want_all();
        q.set_len_max(2);
        for _ in 0..5 {
            q.push(EventId(0), Vec::new());
        }
        assert_eq!((q.len(), q.n_dropped()), (2, 3));
    }
}
