//! Where messages wait until the engine's loop takes them.
//!
//! Events are limited in number and dropped beyond, log rows are limited in bytes and their sender is told to wait; notices
//! about subscriptions and errors are always taken. Must not know: where messages come from.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::backend::{Counters, Incoming, LogBatch};
use crate::interest::SUBSCRIPTIONS_MAX;

/// How much waits at most. Zero is no limit.
#[derive(Clone, Copy, Debug)]
pub struct InboxLimits {
    /// Events beyond this number are dropped.
    pub events: usize,
    /// Log batches are taken while less than this many bytes of them wait.
    pub log_bytes: usize,
    /// What becomes of events beyond `events`.
    pub overflow: Overflow,
    /// Over how long the most events that waited are told ([`Inbox::buffer`]).
    pub recently: Duration,
}

/// What happens when there is no room for an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// It is dropped.
    #[default]
    DropNewest,
    /// The one that has waited longest is dropped.
    DropOldest,
    /// Nothing is taken any more: who is behind is given up.
    Close,
}

/// Events that wait for somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BufferStats {
    pub waiting: u64,
    /// The most that waited at a time lately.
    pub most_recently: u64,
    /// How often there was no room.
    pub overflows: u64,
}

impl Default for InboxLimits {
    fn default() -> Self {
        InboxLimits {
            events: 10_000,
            log_bytes: 64 << 20,
            overflow: Overflow::default(),
            recently: Duration::from_secs(60),
        }
    }
}

/// Reports of trouble beyond this number are dropped while nobody takes any.
const ERRORS_MAX: usize = 100;

/// Subscriptions of others that may wait to be heard of.
const SUBSCRIPTIONS_WAITING: usize = 2 * SUBSCRIPTIONS_MAX;
/// Bytes of a prefix that are shown.
const SHOWN: usize = 100;

/// So many reports of trouble are let through in a while; how many more there were is told after it. Whoever sends nonsense
/// without end must not fill the disk with complaints about it.
const REPORTS_MAX: u32 = 200;
const REPORTS_WHILE: Duration = Duration::from_secs(10);

/// Messages on their way to one node.
#[derive(Debug)]
pub struct Inbox {
    limits: InboxLimits,
    state: Mutex<State>,
    arrived: Condvar,
    /// Signalled when log rows were taken.
    room: Condvar,
    pub(crate) tally: Tally,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Incoming>,
    events: usize,
    log_bytes: usize,
    errors: usize,
    subscriptions: usize,
    reports: Reports,
    /// The most events that waited since a moment, and in the while before that.
    most: usize,
    most_before: usize,
    most_since: Option<Instant>,
    overflows: u64,
    /// Nobody takes messages any more.
    closed: bool,
    /// It was closed because there was no room ([`Overflow::Close`]).
    given_up: bool,
    on_given_up: Option<Box<dyn Fn() + Send>>,
    wake: Option<Box<dyn Fn() + Send>>,
}

/// What was reported in the current while.
#[derive(Default)]
struct Reports {
    since: Option<Instant>,
    told: u32,
    untold: u64,
}

impl Reports {
    /// Begins anew when the while is over. Gives what was not told in it, if anything.
    fn turn(&mut self) -> Option<Incoming> {
        if self.since.is_some_and(|s| s.elapsed() < REPORTS_WHILE) {
            return None;
        }
        let untold = self.untold;
        *self = Reports::default();
        (untold > 0).then(|| Incoming::Error {
            tag: "overload",
            message: format!("{untold} more messages of this kind in the last seconds"),
        })
    }
}

impl State {
    /// Begins to look anew for the most events that wait when a while is over.
    fn turn_most(&mut self, recently: Duration) {
        let begun = *self.most_since.get_or_insert_with(Instant::now);
        if begun.elapsed() >= recently {
            // After more than one while nothing of it is recent.
            self.most_before = if begun.elapsed() < recently * 2 { self.most } else { 0 };
            self.most = self.events;
            self.most_since = Some(Instant::now());
        }
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("waiting", &self.queue.len())
            .field("closed", &self.closed)
            .finish()
    }
}

/// [`Counters`] that several threads add to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub events_out: AtomicU64,
    pub events_in: AtomicU64,
    pub event_drops: AtomicU64,
    pub incoming_drops: AtomicU64,
    pub malformed: AtomicU64,
    pub refused_subscriptions: AtomicU64,
    pub log_rows_out: AtomicU64,
    pub log_rows_in: AtomicU64,
    pub log_row_drops: AtomicU64,
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

impl Tally {
    /// The figures now.
    pub fn read(&self) -> Counters {
        let get = |c: &AtomicU64| c.load(Ordering::Relaxed);
        Counters {
            events_out: get(&self.events_out),
            events_in: get(&self.events_in),
            event_drops: get(&self.event_drops),
            incoming_drops: get(&self.incoming_drops),
            malformed: get(&self.malformed),
            refused_subscriptions: get(&self.refused_subscriptions),
            log_rows_out: get(&self.log_rows_out),
            log_rows_in: get(&self.log_rows_in),
            log_row_drops: get(&self.log_row_drops),
        }
    }
}

impl Inbox {
    /// An empty inbox.
    pub fn new(limits: InboxLimits) -> Self {
        Inbox {
            limits,
            state: Mutex::default(),
            arrived: Condvar::new(),
            room: Condvar::new(),
            tally: Tally::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is consistent between any two statements that may panic: there are none.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `wake` called after each message that arrives; it must not block.
    pub fn on_arrival(&self, wake: Box<dyn Fn() + Send>) {
        self.lock().wake = Some(wake);
    }

    fn enter(&self, state: &mut State, message: Incoming) {
        state.queue.push_back(message);
        if let Some(wake) = &state.wake {
            wake();
        }
        self.arrived.notify_one();
    }

    /// Puts an event in. Gives false, and counts, when it is dropped.
    pub fn event(&self, topic: Vec<u8>, event: tapir_data::broker::event::EventMessage) -> bool {
        let mut state = self.lock();
        if state.closed || self.limits.events > 0 && state.events >= self.limits.events && !self.make_room(&mut state) {
            drop(state);
            add(&self.tally.incoming_drops, 1);
            return false;
        }
        state.events += 1;
        state.turn_most(self.limits.recently);
        state.most = state.most.max(state.events);
        // Before it can be taken: who has taken it finds it counted.
        add(&self.tally.events_in, 1);
        self.enter(&mut state, Incoming::Event { topic, event });
        true
    }

    /// Does what is to be done when there are too many events. Gives whether one more fits then.
    fn make_room(&self, state: &mut State) -> bool {
        state.overflows += 1;
        match self.limits.overflow {
            Overflow::DropNewest => false,
            Overflow::DropOldest => {
                let oldest = state.queue.iter().position(|m| matches!(m, Incoming::Event { .. }));
                if let Some(at) = oldest {
                    state.queue.remove(at);
                    state.events -= 1;
                    add(&self.tally.incoming_drops, 1);
                }
                oldest.is_some()
            }
            Overflow::Close => {
                state.given_up = true;
                state.closed = true;
                state.wake = None;
                if let Some(tell) = state.on_given_up.take() {
                    tell();
                }
                self.arrived.notify_all();
                self.room.notify_all();
                false
            }
        }
    }

    /// Has `tell` called when this is closed for want of room; it must not block.
    pub fn when_given_up(&self, tell: Box<dyn Fn() + Send>) {
        self.lock().on_given_up = Some(tell);
    }

    /// Whether this was closed for want of room.
    pub fn is_given_up(&self) -> bool {
        self.lock().given_up
    }

    /// How many events wait, and have waited.
    pub fn buffer(&self) -> BufferStats {
        let mut state = self.lock();
        state.turn_most(self.limits.recently);
        BufferStats {
            waiting: state.events as u64,
            most_recently: state.most.max(state.most_before) as u64,
            overflows: state.overflows,
        }
    }

    /// Puts log rows in, or gives them back when there is no room.
    pub fn logs(&self, batch: LogBatch) -> Option<LogBatch> {
        let mut state = self.lock();
        if state.closed || !self.room_in(&state) {
            return Some(batch);
        }
        state.log_bytes += batch.rows.len();
        add(&self.tally.log_rows_in, batch.n_rows.into());
        self.enter(&mut state, Incoming::Logs(batch));
        None
    }

    fn room_in(&self, state: &State) -> bool {
        self.limits.log_bytes == 0 || state.log_bytes < self.limits.log_bytes
    }

    /// Whether log rows would be taken now.
    pub fn has_log_room(&self) -> bool {
        let state = self.lock();
        !state.closed && self.room_in(&state)
    }

    /// Waits until there is room for log rows, the inbox is closed, or the time is over.
    pub fn wait_for_log_room(&self, at_most: Duration) {
        let state = self.lock();
        if !state.closed && !self.room_in(&state) {
            drop(self.room.wait_timeout(state, at_most));
        }
    }

    /// Whether the node is to hear of more subscriptions. Not while too many wait for it: somebody changes them faster than it
    /// hears of it.
    pub fn hears_subscriptions(&self) -> bool {
        self.lock().subscriptions < SUBSCRIPTIONS_WAITING
    }

    /// Puts in that somebody subscribes to a prefix.
    pub fn subscribed(&self, prefix: &[u8]) {
        let mut state = self.lock();
        if !state.closed {
            state.subscriptions += 1;
            self.enter(&mut state, Incoming::Subscribed(prefix.to_vec()));
        }
    }

    /// Says that a subscription was refused, and counts it.
    pub fn refuse_subscription(&self, tag: &'static str, prefix: &[u8], why: &str) {
        add(&self.tally.refused_subscriptions, 1);
        let prefix = String::from_utf8_lossy(&prefix[..prefix.len().min(SHOWN)]);
        self.error(tag, format!("a subscription to {prefix} was refused: {why}"));
    }

    /// Puts in what no limit applies to.
    pub fn notice(&self, message: Incoming) {
        let mut state = self.lock();
        if !state.closed {
            self.enter(&mut state, message);
        }
    }

    /// Puts in a report of trouble, unless many wait already.
    pub fn error(&self, tag: &'static str, message: String) {
        self.trouble(Incoming::Error { tag, message });
    }

    /// Puts in what is no error yet, unless many wait already.
    pub fn warning(&self, message: String) {
        self.trouble(Incoming::Warning(message));
    }

    /// Puts in what a socket tells, unless much waits already.
    pub fn monitoring(&self, number: u16, value: u32, address: String) {
        self.trouble(Incoming::Monitoring { number, value, address });
    }

    fn trouble(&self, message: Incoming) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        if let Some(summary) = state.reports.turn() {
            state.errors += 1;
            self.enter(&mut state, summary);
        }
        if state.errors >= ERRORS_MAX || state.reports.told >= REPORTS_MAX {
            state.reports.untold += 1;
            return;
        }
        state.reports.since.get_or_insert_with(Instant::now);
        state.reports.told += 1;
        state.errors += 1;
        self.enter(&mut state, message);
    }

    /// Takes at most `limit` messages. Gives whether there are more.
    pub fn take(&self, limit: usize, out: &mut Vec<Incoming>) -> bool {
        let mut state = self.lock();
        if state.reports.untold > 0
            && let Some(summary) = state.reports.turn()
        {
            state.errors += 1;
            state.queue.push_back(summary);
        }
        let n = limit.min(state.queue.len());
        let start = out.len();
        out.extend(state.queue.drain(..n));
        let mut logs = false;
        for message in &out[start..] {
            match message {
                Incoming::Event { .. } => state.events -= 1,
                Incoming::Logs(batch) => {
                    state.log_bytes -= batch.rows.len();
                    logs = true;
                }
                Incoming::Subscribed(_) => state.subscriptions -= 1,
                Incoming::Error { .. } | Incoming::Warning(_) | Incoming::Monitoring { .. } => {
                    state.errors = state.errors.saturating_sub(1);
                }
                _ => {}
            }
        }
        if logs {
            self.room.notify_all();
        }
        !state.queue.is_empty()
    }

    /// Waits until something is there, the inbox is closed, or the time is over.
    pub fn wait(&self, at_most: Duration) {
        let state = self.lock();
        if state.queue.is_empty() && !state.closed {
            drop(self.arrived.wait_timeout(state, at_most));
        }
    }

    /// Whether nothing is taken in any more.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Takes nothing in any more. What waits can still be taken out.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.wake = None;
        self.arrived.notify_all();
        self.room.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tapir_data::broker::event::EventMessage;

    use super::*;

    fn rows(n: usize) -> LogBatch {
        LogBatch {
            stream: "T::LOG".into(),
            writer: "Log::WRITER_ASCII".into(),
            filter: "default".into(),
            path: "t".into(),
            topic: None,
            columns: Arc::from([]),
            n_rows: 1,
            rows: vec![0; n],
        }
    }

    #[test]
    fn endless_trouble_is_not_told_without_end() {
        let inbox = Inbox::new(InboxLimits::default());
        let mut out = Vec::new();
        for _ in 0..1000 {
            inbox.error("t", "nonsense".into());
            inbox.take(10, &mut out);
        }
        assert_eq!(out.len(), REPORTS_MAX as usize);
        // As if the while were over.
        inbox.lock().reports.since = Some(Instant::now() - REPORTS_WHILE);
        out.clear();
        assert!(!inbox.take(10, &mut out));
        assert!(matches!(&out[..], [Incoming::Error { message, .. }] if message.starts_with("800 more")));
        inbox.warning("again".into());
        assert!(!inbox.take(10, &mut out));
        assert_eq!(out.len(), 2);
    }

    #[test]
    fn limits_hold_and_notices_pass() {
        let inbox = Inbox::new(InboxLimits {
            events: 2,
            log_bytes: 10,
            ..InboxLimits::default()
        });
        let event = || EventMessage::new("e", Vec::new());
        assert!(inbox.event(b"t".to_vec(), event()));
        assert!(inbox.event(b"t".to_vec(), event()));
        assert!(!inbox.event(b"t".to_vec(), event()));
        assert!(inbox.logs(rows(9)).is_none());
        assert!(inbox.logs(rows(9)).is_none());
        assert!(inbox.logs(rows(1)).is_some());
        inbox.notice(Incoming::Ready);
        let mut out = Vec::new();
        assert!(inbox.take(3, &mut out));
        assert!(inbox.has_log_room());
        assert!(!inbox.take(9, &mut out));
        assert_eq!(out.len(), 5);
        assert_eq!(inbox.tally.read().incoming_drops, 1);
        inbox.close();
        assert!(!inbox.event(b"t".to_vec(), event()));
        inbox.wait(Duration::from_secs(100));
    }

    #[test]
    fn what_overflows_goes_as_the_limits_say() {
        let inbox = |overflow| {
            Inbox::new(InboxLimits {
                events: 2,
                overflow,
                ..InboxLimits::default()
            })
        };
        let put = |inbox: &Inbox, topic: &[u8]| inbox.event(topic.to_vec(), EventMessage::new("e", Vec::new()));
        let topics = |inbox: &Inbox| {
            let mut out = Vec::new();
            inbox.take(9, &mut out);
            let topic = |m: &Incoming| match m {
                Incoming::Event { topic, .. } => topic[0],
                _ => b'-',
            };
            String::from_utf8(out.iter().map(topic).collect()).unwrap()
        };
        let newest = inbox(Overflow::DropNewest);
        assert!(put(&newest, b"a") && put(&newest, b"b") && !put(&newest, b"c"));
        let stats = BufferStats {
            waiting: 2,
            most_recently: 2,
            overflows: 1,
        };
        assert_eq!(newest.buffer(), stats);
        assert_eq!(topics(&newest), "ab");
        let oldest = inbox(Overflow::DropOldest);
        oldest.notice(Incoming::Ready);
        assert!(put(&oldest, b"a") && put(&oldest, b"b") && put(&oldest, b"c"));
        assert_eq!((oldest.buffer().overflows, oldest.tally.read().incoming_drops), (1, 1));
        assert_eq!(topics(&oldest), "-bc");
        assert_eq!((oldest.buffer().waiting, oldest.buffer().most_recently), (0, 2));
        let close = inbox(Overflow::Close);
        assert!(put(&close, b"a") && put(&close, b"b") && !close.is_given_up());
        assert!(!put(&close, b"c") && close.is_given_up() && close.is_closed());
    }
}
