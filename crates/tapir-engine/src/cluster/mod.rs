//! A node's part in its cluster: the backend, what was subscribed to, what arrives and what is to be sent.
//!
//! Scripts start it with `Cluster::Backend::__init`. The transport is a [`Backend`]: one that whoever runs the engine has
//! handed over ([`ClusterNode::offer`]), or one made from the scripts' options ([`start`]). The engine's loop calls [`poll`]
//! every so many packets and [`ClusterNode::wait`] instead of sleeping; nothing here waits for a peer.

mod changes;
mod metrics;
mod order;
mod peers;
mod receive;
mod start;
pub mod stores;
mod websocket;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tapir_cluster::websocket::Servers;
use tapir_cluster::{Backend, Incoming, Refused};
use tapir_data::broker::convert;
use tapir_data::broker::event::{EventMessage, NETWORK_TIMESTAMP};
use tapir_data::broker::{Data, event};
use tapir_data::text::RenderHost;
use tapir_data::types::{TypeId, Types};
use tapir_data::value::{Func, Record, Value};
use tapir_interface::queue::EventId;
use tapir_vm::{CallCtx, RtError, Severity};

pub use changes::{apply, publish_table, table_change};
pub use metrics::count;
pub use peers::endpoint;
pub use start::{keypair, peers, start, start_forwarder};
pub use websocket::listen;

use crate::host::{EngineHost, of};
use order::{LAST_WORDS, Moment, NOT_DUE};

/// Messages taken from the backend in one turn.
const TURN: usize = 512;
/// So many at once are no chatter, but the rest of what somebody has sent.
const BEHIND: usize = 32;
/// How long a node that is to end waits for room.
const LAST_PATIENCE: Duration = Duration::from_secs(3);
/// How long to wait before sending is tried again.
const RETRY: Duration = Duration::from_millis(2);
/// How long publishing waits for the backend's thread, which never waits for anybody, before events are dropped.
const BREATH: Duration = Duration::from_millis(200);
/// What is said when events are lost on their way out.
const TOO_FAST: &str = "the cluster does not take events as fast as they are published; some are dropped (they are counted as \
                        zeek_cluster_zeromq_xpub_drops_total, this message comes once)";

/// An event of this program as the network knows it.
struct Known {
    id: EventId,
    params: Rc<[TypeId]>,
}

/// What a node has of its cluster.
#[derive(Default)]
pub struct ClusterNode {
    backend: Option<Box<dyn Backend>>,
    /// The peerings, where the backend is one of those.
    pub peers: Option<tapir_cluster::peering::Peers>,
    /// Servers for WebSocket clients, from the first on.
    servers: Option<Servers>,
    /// A backend from outside that `Cluster::Backend::__init` will take.
    offered: Option<Box<dyn Backend>>,
    /// Whether the backend is one from outside, which delivers at once.
    from_outside: bool,
    /// The node id that scripts chose.
    node_id: String,
    /// Subscriptions (true) and their ends (false) from before the start.
    early: Vec<(bool, Vec<u8>)>,
    /// Topic prefixes that somebody subscribes to.
    seen: HashSet<Vec<u8>>,
    inbox: Vec<Incoming>,
    known: HashMap<String, Option<Known>>,
    /// The central forwarder, where this process runs it.
    forwarder: Option<tapir_cluster::zeromq::Forwarder>,
    changes: changes::Changes,
    /// What is counted about events.
    counted: metrics::Counted,
    /// Where events wait for their time.
    order: Option<order::Order>,
    /// Whether events tell others when they were sent, whatever scripts say.
    tells_times: bool,
    /// How many packets of a capture have come so far, whoever's they are.
    packet: u64,
    /// How long sending waits for room.
    patience: Duration,
    /// Whether the loss of events was told, on their way out and in; it is counted after that.
    told_full: bool,
    told_late: bool,
    /// Whether it was told that the forwarder refuses subscriptions.
    told_refused: bool,
    /// Whether it was told that the forwarder cuts connections.
    told_cut: bool,
    /// What was told last of why peers cannot be waited for.
    pub told_listen: String,
    complaints: Complaints,
    /// How many messages the last turn took.
    taken: usize,
    /// A message that ends the node.
    pub fatal: Option<String>,
}

impl ClusterNode {
    /// Gives the node a backend to use instead of one of its own making.
    pub fn offer(&mut self, backend: Box<dyn Backend>) {
        self.from_outside = true;
        self.offered = Some(backend);
    }

    /// From now on events tell other nodes of this process at which time and at which packet they were sent, and where
    /// `collects` says so those of others wait for their packet, see [`deliver`].
    pub fn keep_order(&mut self, collects: bool) {
        self.tells_times = true;
        self.order = collects.then(order::Order::default);
    }

    /// Says which packet of the capture, of all workers', is the latest that this node has come to.
    pub fn come_to(&mut self, packet: u64) {
        self.packet = packet;
    }

    /// That packet.
    pub fn packet(&self) -> u64 {
        self.packet
    }

    /// The packet at which the first event that waits was sent.
    pub fn next_event(&self) -> Option<u64> {
        self.order.as_ref()?.first()
    }

    /// Whether the other nodes are in the same process.
    pub fn is_in_process(&self) -> bool {
        self.from_outside
    }

    /// Whether what others have sent before they ended may still be on its way.
    pub fn may_be_late(&self) -> bool {
        self.is_running() && !self.from_outside
    }

    /// Makes sending wait for a backend that is behind instead of losing what it does not take: for nodes that nobody
    /// waits for, as those that read captures.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Whether the node takes part in a cluster.
    pub fn is_running(&self) -> bool {
        self.backend.is_some()
    }

    /// Whether others may connect to this node, and whether it connects to others: reasons to go on without anything to read.
    pub fn peerings(&self) -> (bool, bool) {
        self.peers.as_ref().map_or((false, false), |p| p.any())
    }

    /// The id of this node in its cluster; empty before the start.
    pub fn node_id(&self) -> &str {
        &self.node_id
    }

    fn run(&mut self, mut backend: Box<dyn Backend>, node_id: String) -> Result<(), String> {
        for (on, prefix) in self.early.drain(..) {
            match on {
                true => backend.subscribe(&prefix),
                false => backend.unsubscribe(&prefix),
            }
        }
        backend.start()?;
        self.node_id = node_id;
        self.backend = Some(backend);
        Ok(())
    }

    /// Subscribes to a topic prefix, now or at the start.
    pub fn subscribe(&mut self, prefix: &[u8]) {
        match &mut self.backend {
            Some(b) => b.subscribe(prefix),
            None => self.early.push((true, prefix.to_vec())),
        }
    }

    /// Ends a subscription.
    pub fn unsubscribe(&mut self, prefix: &[u8]) {
        match &mut self.backend {
            Some(b) => b.unsubscribe(prefix),
            None => self.early.push((false, prefix.to_vec())),
        }
    }

    /// Sends changes of tables to a topic for another node to pass on.
    pub fn set_forward_topic(&mut self, topic: Vec<u8>) {
        self.changes.forward_topic = topic;
    }

    /// Sends rows to a logger.
    ///
    /// # Errors
    /// Why they were not sent.
    pub fn ship(&mut self, batch: tapir_cluster::LogBatch) -> Result<(), Refused> {
        match &mut self.backend {
            Some(b) if self.patience.is_zero() => b.ship(batch),
            Some(b) => {
                let begun = Instant::now();
                loop {
                    match b.ship(batch.clone()) {
                        Err(Refused::Full) if is_patient(begun, self.patience) => std::thread::sleep(RETRY),
                        other => return other,
                    }
                }
            }
            None => Err(Refused::Closed),
        }
    }

    fn send(&mut self, topic: &[u8], message: &EventMessage) -> Result<(), Refused> {
        let Some(b) = &mut self.backend else {
            return Ok(());
        };
        let patience = match self.told_full {
            true => self.patience,
            false => self.patience.max(BREATH),
        };
        let begun = Instant::now();
        loop {
            match b.publish(topic, message) {
                Err(Refused::Full) if is_patient(begun, patience) => std::thread::sleep(RETRY),
                other => return other,
            }
        }
    }

    /// Sleeps until a message may have arrived, at most for a while.
    pub fn wait(&mut self, at_most: Duration) {
        match &mut self.backend {
            Some(b) => b.wait(at_most),
            None => std::thread::sleep(at_most),
        }
    }

    /// Whether many messages waited at the last turn, more than nodes have to tell each other all the time.
    pub fn was_behind(&self) -> bool {
        self.taken >= BEHIND
    }

    /// What was sent, received and lost.
    pub fn counters(&self) -> Option<tapir_cluster::Counters> {
        self.backend.as_ref().map(|b| b.counters())
    }

    /// Sends what is left and leaves the cluster. Gives the number of rows that no logger has taken.
    pub fn close(&mut self) -> u64 {
        self.servers = None;
        self.peers = None;
        let mut lost = 0;
        if let Some(mut b) = self.backend.take() {
            let before = b.counters().log_row_drops;
            b.close();
            lost = b.counters().log_row_drops - before;
        }
        self.forwarder = None;
        lost
    }
}

/// Whether to go on waiting for room; who was asked to end does not wait for long.
fn is_patient(begun: Instant, patience: Duration) -> bool {
    let at_most = match tapir_packet::signals::stop_requested() {
        true => patience.min(LAST_PATIENCE),
        false => patience,
    };
    begun.elapsed() < at_most
}

/// Takes what has arrived and queues its events. Gives whether there was something.
///
/// # Errors
/// Those of script functions that run for it.
pub fn poll(cx: &mut CallCtx<'_>) -> Result<bool, RtError> {
    let cluster = &mut of(cx)?.cluster;
    let mut inbox = std::mem::take(&mut cluster.inbox);
    if let Some(b) = &mut cluster.backend {
        b.poll(TURN, &mut inbox);
    }
    let any = !inbox.is_empty();
    cluster.taken = inbox.len();
    if any {
        tell_losses(cx)?;
    }
    tell_untold(cx)?;
    let here = of(cx)?.cluster.packet;
    for message in inbox.drain(..) {
        let order = &mut of(cx)?.cluster.order;
        match (order, message) {
            (Some(order), Incoming::Event { topic, event }) if sent_at(&event).packet > here => {
                order.keep(sent_at(&event), topic, event);
            }
            (_, message) => receive::take(cx, message)?,
        }
    }
    changes::send_due(cx)?;
    look_after(cx)?;
    let cluster = &mut of(cx)?.cluster;
    cluster.inbox = inbox;
    Ok(any)
}

/// Looks after what waits for other nodes, whether there are any or not.
///
/// # Errors
/// When this runs without an engine.
pub fn look_after(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    stores::look_after(cx)
}

/// What peers do wrong, as far as it was told lately.
#[derive(Default)]
struct Complaints {
    since: Option<Instant>,
    told: u32,
    untold: u64,
}

/// So many complaints about peers are told in a while; how many more there were is told after it.
const COMPLAINTS_MAX: u32 = 1000;
const COMPLAINTS_WHILE: Duration = Duration::from_secs(10);

/// Reports what a peer has sent that cannot be used, unless there were many of that lately.
///
/// # Errors
/// When this runs without an engine.
pub fn complain(cx: &mut CallCtx<'_>, text: String) -> Result<(), RtError> {
    tell_untold(cx)?;
    let complaints = &mut of(cx)?.cluster.complaints;
    if complaints.told >= COMPLAINTS_MAX {
        complaints.untold += 1;
        return Ok(());
    }
    complaints.since.get_or_insert_with(Instant::now);
    complaints.told += 1;
    cx.report_plain(Severity::Error, text);
    Ok(())
}

/// Says how many complaints were left out, once the while is over.
fn tell_untold(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    let complaints = &mut of(cx)?.cluster.complaints;
    if complaints.since.is_none_or(|s| s.elapsed() < COMPLAINTS_WHILE) {
        return Ok(());
    }
    let untold = std::mem::take(complaints).untold;
    if untold > 0 {
        let text = format!("cluster: {untold} more messages of peers could not be used");
        cx.report_plain(Severity::Error, text);
    }
    Ok(())
}

/// Says once that events were lost that the backend had taken, and once that some came too fast.
fn tell_losses(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    let cluster = &mut of(cx)?.cluster;
    let Some(counted) = cluster.counters() else {
        return Ok(());
    };
    let full = counted.event_drops > 0 && !std::mem::replace(&mut cluster.told_full, true);
    let late = counted.incoming_drops > 0 && !std::mem::replace(&mut cluster.told_late, true);
    let forwarded = cluster.forwarder.as_ref().map(|f| f.counters()).unwrap_or_default();
    let refused = forwarded.refused_subscriptions > 0 && !std::mem::replace(&mut cluster.told_refused, true);
    let cut = forwarded.cut_connections > 0 && !std::mem::replace(&mut cluster.told_cut, true);
    let last_cut = cluster.forwarder.as_ref().filter(|_| cut).map(|f| f.last_cut());
    if let Some(who) = last_cut {
        cx.report_plain(
            Severity::Warning,
            format!(
                "the cluster's forwarder has cut the connection of {who} (such connections are counted as \
                 zeek_cluster_zeromq_proxy_cut_connections_total, this message comes once)"
            ),
        );
    }
    if refused {
        cx.report_plain(
            Severity::Warning,
            "the cluster's forwarder does not pass on all subscriptions: there are too many, or they are too long (they are \
             counted as zeek_cluster_zeromq_proxy_refused_subscriptions_total, this message comes once)",
        );
    }
    if full {
        cx.report_plain(Severity::Warning, TOO_FAST);
    }
    if late {
        cx.report_plain(
            Severity::Warning,
            "events of other nodes come faster than they are handled; some are dropped (they are counted as \
             zeek_cluster_zeromq_onloop_drops_total, this message comes once; see \
             Cluster::Backend::ZeroMQ::onloop_queue_hwm)",
        );
    }
    Ok(())
}

/// Queues the events that were sent at a packet or before it. Gives whether there were any.
///
/// # Errors
/// Those of script functions that run for it.
pub fn deliver(cx: &mut CallCtx<'_>, until: u64) -> Result<bool, RtError> {
    let mut any = false;
    while let Some((topic, event)) = of(cx)?.cluster.order.as_mut().and_then(|o| o.take(until)) {
        any = true;
        receive::take(cx, Incoming::Event { topic, event })?;
    }
    Ok(any)
}

/// The keys under which events tell other nodes of this process at which packet they were sent, and when they were due if that
/// was another time. Scripts never see them.
const SENT_AT: u64 = 1 << 62;
const DUE: u64 = SENT_AT + 1;
/// Times that differ by less, in seconds, are the same one: nodes round those of others.
const CLOSE: f64 = 1e-6;

/// When an event was sent. One that does not tell is handled at once.
fn sent_at(event: &EventMessage) -> Moment {
    let mut sent = Moment {
        packet: 0,
        due: NOT_DUE,
    };
    for (key, d) in &event.metadata {
        match (*key, d) {
            (SENT_AT, Data::Count(packet)) => sent.packet = *packet,
            (DUE, Data::Count(due)) => sent.due = *due,
            _ => {}
        }
    }
    sent
}

/// Notes in an event when it was sent.
fn tell_when(cx: &mut CallCtx<'_>, message: &mut EventMessage) -> Result<(), RtError> {
    let host = of(cx)?;
    let packet = match host.terminating {
        true => LAST_WORDS,
        false => host.cluster.packet,
    };
    message.metadata.push((SENT_AT, Data::Count(packet)));
    let time = cx.vm.current_event().map(|e| e.0);
    if let Some(due) = time.filter(|time| (time - cx.vm.network_time()).abs() >= CLOSE) {
        message
            .metadata
            .push((DUE, Data::Count(convert::nanos(due).max(0) as u64)));
    }
    Ok(())
}

/// Sends an event on a topic to the other nodes. False when it was refused.
///
/// # Errors
/// When this runs without an engine.
pub fn publish(cx: &mut CallCtx<'_>, topic: &[u8], mut message: EventMessage) -> Result<bool, RtError> {
    let tells_times = of(cx)?.cluster.tells_times;
    let asked = crate::globals::flag(cx.vm, "EventMetadata::add_network_timestamp") == Some(true);
    if tells_times || asked {
        let event = cx.vm.current_event().filter(|_| asked);
        let now = event.map_or(cx.vm.network_time(), |e| e.0);
        message
            .metadata
            .push((NETWORK_TIMESTAMP, Data::Timestamp(convert::nanos(now))));
    }
    if tells_times {
        tell_when(cx, &mut message)?;
    }
    let sent = of(cx)?.cluster.send(topic, &message);
    if sent.is_ok() {
        metrics::event(cx, true, topic, &message)?;
    }
    let cluster = &mut of(cx)?.cluster;
    match sent {
        Ok(()) => Ok(true),
        Err(Refused::Nobody) => Ok(true),
        Err(Refused::Closed) => Ok(false),
        Err(Refused::Full) => {
            if !std::mem::replace(&mut cluster.told_full, true) {
                cx.report_plain(Severity::Warning, TOO_FAST);
            }
            Ok(false)
        }
    }
}

/// Leaves sets and tables in their order: nodes that read a capture together log them as a node alone does.
struct InOrder<'a>(tapir_builtins::util::VmText<'a>);

impl RenderHost for InOrder<'_> {
    fn types(&self) -> &Types {
        self.0.types()
    }
    fn func_text(&self, f: &Func) -> Vec<u8> {
        self.0.func_text(f)
    }
    fn field_default(&self, record: &Rc<Record>, slot: usize) -> Value {
        self.0.field_default(record, slot)
    }
    fn sorts_data(&self) -> bool {
        false
    }
}

/// An event with its arguments as data; `None` after a report.
///
/// # Errors
/// Those of field defaults that scripts compute.
pub fn message(cx: &mut CallCtx<'_>, name: Arc<str>, args: &[Value]) -> Result<Option<event::EventMessage>, RtError> {
    let mut data = Vec::with_capacity(args.len());
    let keeps_order = of(cx)?.cluster.tells_times;
    for v in args {
        cx.materialize(v)?;
        let text = tapir_builtins::util::VmText(cx.vm);
        let made = match keeps_order {
            true => convert::to_data(&InOrder(text), v),
            false => convert::to_data(&text, v),
        };
        match made {
            Ok(d) => data.push(d),
            Err(why) => {
                cx.error(format!("cannot publish event {name}: {why}"));
                return Ok(None);
            }
        }
    }
    Ok(Some(EventMessage::new(name, data)))
}

impl EngineHost {
    /// Whether events and logs have somewhere to go.
    pub fn in_cluster(&self) -> bool {
        self.cluster.is_running()
    }
}
