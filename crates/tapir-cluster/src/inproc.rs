//! Nodes of one process, joined by a hub.
//!
//! Behaves as a network does that loses nothing: prefix subscriptions, nobody gets its own events, everybody is told once of
//! each prefix that has subscribers and again when the last one is gone. Log rows go to the loggers in turn.
//!
//! Must not know: sockets, encodings.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tapir_data::broker::event::EventMessage;

use crate::backend::{Backend, ClientFactory, Incoming, LogBatch, Refused};
use crate::ident::node_id;
use crate::inbox::{Inbox, InboxLimits, Overflow, add};
use crate::interest::Room;

/// `Cluster::Backend::error`'s tag for trouble with messages.
const TAG: &str = "inproc";

/// What the queues of a hub's nodes hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct HubConfig {
    pub limits: InboxLimits,
    /// How long [`Backend::ship`] waits for a logger that is behind before rows are refused. Zero never waits, as is right
    /// for live traffic; reading files, where nothing may be lost and nobody hurries, wants a long time.
    pub log_patience: Duration,
}

/// Joins nodes of one process. Clones are the same hub.
#[derive(Clone, Debug)]
pub struct Hub {
    config: HubConfig,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    nodes: BTreeMap<u64, Member>,
    next: u64,
    /// The logger that had rows last.
    last_logger: u64,
    /// Prefixes and the nodes that subscribe to them.
    subscribers: BTreeMap<Vec<u8>, BTreeSet<u64>>,
    /// The nodes that topics lead to, as far as anybody has asked since subscriptions changed.
    ways: HashMap<Vec<u8>, Arc<[u64]>>,
}

/// Topics whose nodes are kept; there may be one for each connection.
const WAYS_MAX: usize = 1024;

#[derive(Debug)]
struct Member {
    inbox: Arc<Inbox>,
    logger: bool,
    /// Whether it stands for another process. What comes from one such is for this process alone, and only what this
    /// process subscribes to is of interest to it.
    link: bool,
    /// What it subscribes to.
    room: Room,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl Hub {
    /// A hub without nodes.
    pub fn new() -> Self {
        Self::with(HubConfig::default())
    }

    /// A hub without nodes whose queues hold what `config` says.
    pub fn with(config: HubConfig) -> Self {
        Hub {
            config,
            shared: Arc::default(),
        }
    }

    /// A node that writes no logs for others.
    pub fn node(&self, name: &str) -> Box<dyn Backend> {
        Box::new(self.member(node_id("inproc", name), false, false))
    }

    /// A node that writes the others' logs.
    pub fn logger(&self, name: &str) -> Box<dyn Backend> {
        Box::new(self.member(node_id("inproc", name), true, false))
    }

    /// A node of the given id. A link stands for another process: it is told what this process subscribes to, and neither
    /// gets what other links publish nor subscribes for them.
    pub(crate) fn member(&self, id: String, logger: bool, link: bool) -> Inproc {
        Inproc {
            hub: self.clone(),
            id,
            logger,
            link,
            key: None,
            closed: false,
            early: BTreeSet::new(),
            inbox: Arc::new(Inbox::new(InboxLimits {
                overflow: if link {
                    self.config.limits.overflow
                } else {
                    Overflow::DropNewest
                },
                ..self.config.limits
            })),
        }
    }
}

impl Shared {
    /// Nodes of this process, or links.
    fn those(&self, links: bool) -> impl Iterator<Item = &Member> {
        self.nodes.values().filter(move |n| n.link == links)
    }

    /// Says to all nodes of this process that a subscription was refused.
    fn refuse(&self, prefix: &[u8], why: &str) {
        self.those(false)
            .for_each(|n| n.inbox.refuse_subscription(TAG, prefix, why));
    }

    /// Whether anybody subscribes to a prefix, and whether anybody in this process does.
    fn interest(&self, prefix: &[u8]) -> (bool, bool) {
        let here = |key: &u64| self.nodes.get(key).is_some_and(|n| !n.link);
        match self.subscribers.get(prefix) {
            Some(all) => (!all.is_empty(), all.iter().any(here)),
            None => (false, false),
        }
    }

    fn subscribe(&mut self, key: u64, prefix: &[u8]) {
        if self.subscribers.get(prefix).is_some_and(|all| all.contains(&key)) {
            return;
        }
        let behind = !self.nodes.values().all(|n| n.inbox.hears_subscriptions());
        let Some(member) = self.nodes.get_mut(&key) else { return };
        let room = match behind {
            true => Err("they change faster than nodes hear of them"),
            false => member.room.take(prefix),
        };
        if let Err(why) = room {
            self.refuse(prefix, why);
            return;
        }
        self.ways.clear();
        let before = self.interest(prefix);
        self.subscribers.entry(prefix.to_vec()).or_default().insert(key);
        let after = self.interest(prefix);
        for (news, links) in [(after.0 && !before.0, false), (after.1 && !before.1, true)] {
            if news {
                self.those(links).for_each(|n| n.inbox.subscribed(prefix));
            }
        }
    }

    fn unsubscribe(&mut self, key: u64, prefix: &[u8]) {
        self.ways.clear();
        let before = self.interest(prefix);
        let Some(subscribers) = self.subscribers.get_mut(prefix) else {
            return;
        };
        if !subscribers.remove(&key) {
            return;
        }
        if subscribers.is_empty() {
            self.subscribers.remove(prefix);
        }
        if let Some(member) = self.nodes.get_mut(&key) {
            member.room.give_back(prefix);
        }
        let after = self.interest(prefix);
        for (news, links) in [(before.0 && !after.0, false), (before.1 && !after.1, true)] {
            if news {
                let message = Incoming::Unsubscribed(prefix.to_vec());
                self.those(links).for_each(|n| n.inbox.notice(message.clone()));
            }
        }
    }

    /// The nodes that subscribe to a prefix of `topic`.
    fn matching(&mut self, topic: &[u8]) -> Arc<[u64]> {
        if let Some(known) = self.ways.get(topic) {
            return known.clone();
        }
        // One look-up per prefix: topics are short.
        let found = (0..=topic.len()).filter_map(|n| self.subscribers.get(&topic[..n]));
        let nodes: BTreeSet<u64> = found.flatten().copied().collect();
        let nodes: Arc<[u64]> = nodes.into_iter().collect();
        if self.ways.len() >= WAYS_MAX {
            self.ways.clear();
        }
        self.ways.insert(topic.to_vec(), nodes.clone());
        nodes
    }

    /// The loggers, beginning with the one after the last that had rows.
    fn loggers(&self, but: u64) -> Vec<u64> {
        let all = || {
            self.nodes
                .iter()
                .filter(|(k, m)| m.logger && **k != but)
                .map(|(k, _)| *k)
        };
        let last = self.last_logger;
        all()
            .filter(|k| *k > last)
            .chain(all().filter(|k| *k <= last))
            .collect()
    }
}

impl Inproc {
    /// Makes it one of those that rows are sent to, or ends that.
    pub(crate) fn set_logger(&mut self, on: bool) {
        self.logger = on;
        let key = self.key;
        let mut shared = lock(&self.hub.shared);
        if let Some(member) = key.and_then(|k| shared.nodes.get_mut(&k)) {
            member.logger = on;
        }
    }

    /// Sends rows to all processes that subscribe to a topic.
    pub(crate) fn hand_out(&mut self, topic: &[u8], batch: &LogBatch) -> Result<(), Refused> {
        let rows = u64::from(batch.n_rows);
        let mut shared = lock(&self.hub.shared);
        let (mut taken, mut refused) = (false, false);
        for other in shared.matching(topic).iter() {
            if let Some(node) = shared.nodes.get(other).filter(|n| n.link) {
                match node.inbox.logs(batch.clone()) {
                    None => taken = true,
                    Some(_) => refused = true,
                }
            }
        }
        drop(shared);
        if taken {
            add(&self.inbox.tally.log_rows_out, rows);
        }
        if refused {
            add(&self.inbox.tally.log_row_drops, rows);
            return Err(Refused::Full);
        }
        if taken { Ok(()) } else { Err(Refused::Nobody) }
    }
}

/// A node of a [`Hub`].
#[derive(Debug)]
pub(crate) struct Inproc {
    hub: Hub,
    id: String,
    logger: bool,
    link: bool,
    /// Its key in the hub while it takes part.
    key: Option<u64>,
    closed: bool,
    /// Subscriptions made before the start.
    early: BTreeSet<Vec<u8>>,
    inbox: Arc<Inbox>,
}

impl Backend for Inproc {
    fn node_id(&self) -> &str {
        &self.id
    }

    fn start(&mut self) -> Result<(), String> {
        if self.closed {
            return Err("the node has left the cluster already".into());
        }
        if self.key.is_some() {
            return Ok(());
        }
        let mut shared = lock(&self.hub.shared);
        shared.next += 1;
        let key = shared.next;
        for prefix in shared.subscribers.keys() {
            if !self.link || shared.interest(prefix).1 {
                self.inbox.subscribed(prefix);
            }
        }
        let member = Member {
            inbox: self.inbox.clone(),
            logger: self.logger,
            link: self.link,
            room: Room::default(),
        };
        shared.nodes.insert(key, member);
        for prefix in std::mem::take(&mut self.early) {
            shared.subscribe(key, &prefix);
        }
        self.key = Some(key);
        Ok(())
    }

    fn clients(&self) -> ClientFactory {
        let hub = self.hub.clone();
        Arc::new(move |id| Ok(Box::new(hub.member(id.into(), false, false))))
    }

    fn inbox(&self) -> Arc<Inbox> {
        self.inbox.clone()
    }

    fn probe(&mut self) {
        if self.key.is_some() {
            self.inbox.notice(Incoming::Ready);
        }
    }

    fn publish(&mut self, topic: &[u8], event: &EventMessage) -> Result<(), Refused> {
        let Some(key) = self.key else {
            return Err(Refused::Closed);
        };
        let mut shared = lock(&self.hub.shared);
        for other in shared.matching(topic).iter() {
            let wants = |n: &&Member| *other != key && !(n.link && self.link);
            if let Some(node) = shared.nodes.get(other).filter(wants) {
                node.inbox.event(topic.to_vec(), event.clone());
            }
        }
        add(&self.inbox.tally.events_out, 1);
        Ok(())
    }

    fn subscribe(&mut self, prefix: &[u8]) {
        match self.key {
            Some(key) => lock(&self.hub.shared).subscribe(key, prefix),
            None => {
                self.early.insert(prefix.to_vec());
            }
        }
    }

    fn unsubscribe(&mut self, prefix: &[u8]) {
        match self.key {
            Some(key) => lock(&self.hub.shared).unsubscribe(key, prefix),
            None => {
                self.early.remove(prefix);
            }
        }
    }

    fn ship(&mut self, mut batch: LogBatch) -> Result<(), Refused> {
        let rows = u64::from(batch.n_rows);
        let drops = || add(&self.inbox.tally.log_row_drops, rows);
        let Some(key) = self.key else {
            drops();
            return Err(Refused::Closed);
        };
        let until = Instant::now() + self.hub.config.log_patience;
        loop {
            let mut shared = lock(&self.hub.shared);
            let loggers = shared.loggers(key);
            let Some(&first) = loggers.first() else {
                return Err(Refused::Nobody);
            };
            for logger in loggers {
                match shared.nodes[&logger].inbox.logs(batch) {
                    None => {
                        shared.last_logger = logger;
                        add(&self.inbox.tally.log_rows_out, rows);
                        return Ok(());
                    }
                    Some(back) => batch = back,
                }
            }
            let full = shared.nodes[&first].inbox.clone();
            drop(shared);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drops();
                return Err(Refused::Full);
            }
            // Another logger may have room or end meanwhile, so the wait is cut in pieces.
            full.wait_for_log_room(left.min(Duration::from_millis(20)));
        }
    }

    fn close(&mut self) {
        self.closed = true;
        self.inbox.close();
        let Some(key) = self.key.take() else {
            return;
        };
        let mut shared = lock(&self.hub.shared);
        let of = |s: &Shared| -> Vec<Vec<u8>> {
            let mine = s.subscribers.iter().filter(|(_, who)| who.contains(&key));
            mine.map(|(prefix, _)| prefix.clone()).collect()
        };
        // Its inbox is closed: it hears nothing of this.
        for prefix in of(&shared) {
            shared.unsubscribe(key, &prefix);
        }
        shared.nodes.remove(&key);
    }
}

impl Drop for Inproc {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interest::SUBSCRIPTIONS_MAX;

    fn taken(node: &mut Box<dyn Backend>) -> Vec<Incoming> {
        let mut out = Vec::new();
        node.poll(1000, &mut out);
        out
    }

    fn started(mut node: Box<dyn Backend>) -> Box<dyn Backend> {
        node.start().unwrap();
        node
    }

    fn rows(n: u32) -> LogBatch {
        LogBatch {
            stream: "T::LOG".into(),
            writer: "Log::WRITER_ASCII".into(),
            filter: "default".into(),
            path: "t".into(),
            topic: None,
            columns: Arc::from([]),
            n_rows: n,
            rows: vec![0; n as usize],
        }
    }

    #[test]
    fn events_reach_subscribers_of_a_prefix_and_never_their_sender() {
        let hub = Hub::new();
        let mut a = hub.node("a");
        a.subscribe(b"zeek.cluster.worker");
        let event = EventMessage::new("x", Vec::new());
        assert_eq!(a.publish(b"t", &event), Err(Refused::Closed));
        a.start().unwrap();
        let mut b = started(hub.node("b"));
        assert_eq!(taken(&mut a), [Incoming::Subscribed(b"zeek.cluster.worker".to_vec())]);
        assert_eq!(taken(&mut b), [Incoming::Subscribed(b"zeek.cluster.worker".to_vec())]);
        b.subscribe(b"zeek.");
        let seen = [Incoming::Subscribed(b"zeek.".to_vec())];
        assert_eq!(taken(&mut a), seen);
        assert_eq!(taken(&mut b), seen);
        a.publish(b"zeek.cluster.worker.1", &event).unwrap();
        let got = Incoming::Event {
            topic: b"zeek.cluster.worker.1".to_vec(),
            event: event.clone(),
        };
        assert_eq!(taken(&mut a), []);
        assert_eq!(taken(&mut b), [got]);
        b.publish(b"zeek.cluster", &event).unwrap();
        assert_eq!(taken(&mut a), []);
        // A client sees what its node publishes, and the other way round.
        let mut c = started(a.clients()("a-websocket-0").unwrap());
        assert_eq!(c.node_id(), "a-websocket-0");
        c.publish(b"zeek.cluster.worker", &event).unwrap();
        assert_eq!(taken(&mut a).len(), 1);
        drop(b);
        assert_eq!(taken(&mut a), [Incoming::Unsubscribed(b"zeek.".to_vec())]);
        a.unsubscribe(b"zeek.cluster.worker");
        assert_eq!(taken(&mut a), [Incoming::Unsubscribed(b"zeek.cluster.worker".to_vec())]);
    }

    #[test]
    fn loggers_share_rows_and_take_over() {
        let hub = Hub::new();
        let mut worker = started(hub.node("worker"));
        assert_eq!(worker.ship(rows(1)), Err(Refused::Nobody));
        let mut one = started(hub.logger("logger-1"));
        let mut two = started(hub.logger("logger-2"));
        for _ in 0..6 {
            worker.ship(rows(1)).unwrap();
        }
        assert_eq!(taken(&mut one).len(), 3);
        assert_eq!(taken(&mut two).len(), 3);
        drop(one);
        for _ in 0..4 {
            worker.ship(rows(1)).unwrap();
        }
        assert_eq!(taken(&mut two).len(), 4);
        assert_eq!(worker.counters().log_rows_out, 10);
    }

    #[test]
    fn a_stalled_logger_refuses_and_a_patient_sender_waits() {
        let config = |patience| HubConfig {
            limits: InboxLimits {
                events: 10,
                log_bytes: 100,
                ..InboxLimits::default()
            },
            log_patience: Duration::from_millis(patience),
        };
        let hub = Hub::with(config(0));
        let mut worker = started(hub.node("worker"));
        let mut logger = started(hub.logger("logger"));
        let refused = (0..200).filter(|_| worker.ship(rows(1)).is_err()).count();
        assert_eq!(refused, 100);
        assert_eq!(worker.counters().log_row_drops, 100);
        assert_eq!(taken(&mut logger).len(), 100);

        let hub = Hub::with(config(60_000));
        let mut worker = started(hub.node("worker"));
        let mut logger = started(hub.logger("logger"));
        let sender = std::thread::spawn(move || (0..1000).all(|_| worker.ship(rows(1)).is_ok()));
        let mut got = 0;
        while got < 1000 {
            logger.wait(Duration::from_secs(60));
            got += taken(&mut logger)
                .iter()
                .filter(|m| matches!(m, Incoming::Logs(_)))
                .count();
        }
        assert!(sender.join().unwrap());
    }

    #[test]
    fn who_subscribes_without_end_is_refused() {
        let hub = Hub::new();
        let mut node = started(hub.node("node"));
        let mut peer = hub.member("peer".into(), false, true);
        peer.start().unwrap();
        let topic = |i: usize| format!("t/{i}").into_bytes();
        for i in 0..SUBSCRIPTIONS_MAX + 5 {
            peer.subscribe(&topic(i));
            peer.subscribe(&topic(i / 2));
        }
        let mut out = Vec::new();
        while node.poll(1000, &mut out) {}
        let heard = out.iter().filter(|m| matches!(m, Incoming::Subscribed(_))).count();
        assert_eq!(heard, SUBSCRIPTIONS_MAX);
        assert!(matches!(out.last(), Some(Incoming::Error { message, .. }) if message.contains("refused")));
        assert_eq!(node.counters().refused_subscriptions, 5);
        // What is given up makes room again, and others have room of their own.
        peer.unsubscribe(&topic(3));
        peer.subscribe(b"one more");
        let mut other = started(hub.node("other"));
        other.subscribe(b"of another");
        let heard = taken(&mut node);
        assert_eq!(heard.len(), 3, "{heard:?}");
        // Nor do changes pile up that nobody hears of.
        for _ in 0..3 * SUBSCRIPTIONS_MAX {
            peer.unsubscribe(&topic(4));
            peer.subscribe(&topic(4));
        }
        assert!(node.counters().refused_subscriptions > 5);
        peer.close();
        out.clear();
        while node.poll(1000, &mut out) {}
        assert!(out.len() < 5 * SUBSCRIPTIONS_MAX, "{}", out.len());
    }
}
