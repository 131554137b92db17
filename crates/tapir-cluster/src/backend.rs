//! What a node needs of a backend, whatever carries the messages.
//!
//! A backend has threads of its own for all that can wait; none of its methods blocks, so packet processing never stands
//! still for a peer. What arrives is picked up with [`Backend::poll`] by the engine's loop.
//!
//! Must not know: the VM, script values, how logs are written.

use std::sync::Arc;
use std::time::Duration;

use crate::inbox::Inbox;
use crate::websocket::{ClientEvent, ClientInfo};
use tapir_data::broker::event::EventMessage;
use tapir_logging::Column;

/// Rows of one stream, filter and path on their way to a logger.
#[derive(Clone, Debug, PartialEq)]
pub struct LogBatch {
    /// The stream's enumerator, e.g. `Conn::LOG`.
    pub stream: String,
    /// The writer's enumerator, e.g. `Log::WRITER_ASCII`.
    pub writer: String,
    pub filter: String,
    pub path: String,
    /// The topic that scripts have chosen for it, for nodes that peer with each other; it does not travel.
    pub topic: Option<Vec<u8>>,
    pub columns: Arc<[Column]>,
    pub n_rows: u32,
    /// Rows as [`tapir_logging::RowEncoder`] writes them, one after the other.
    pub rows: Vec<u8>,
}

/// What has become of a peering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerChange {
    /// Messages go both ways.
    Added,
    /// This node has ended it.
    Removed,
    /// The connection is gone.
    Lost,
    /// The peer cannot be reached, and is not tried again.
    Unavailable,
    /// What is there speaks another protocol.
    Incompatible,
}

/// News of a peer, for nodes that connect to each other directly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerNews {
    pub change: PeerChange,
    /// The peer's node id, where it has said it.
    pub id: String,
    pub address: String,
    pub port: u16,
    /// The same for people.
    pub message: String,
}

/// What a backend hands to its node.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// An event that a peer has published on a topic that this node subscribes to.
    Event { topic: Vec<u8>, event: EventMessage },
    /// A topic prefix that somebody in the cluster (this node included) subscribes to now.
    Subscribed(Vec<u8>),
    /// The last subscriber of a topic prefix is gone.
    Unsubscribed(Vec<u8>),
    /// Log rows for this node to write.
    Logs(LogBatch),
    /// What this node publishes from now on reaches all who subscribed before [`Backend::probe`] was asked for.
    Ready,
    /// A WebSocket client takes part from now on. Subscriptions are sorted, without repetitions.
    ClientAdded {
        client: Arc<ClientInfo>,
        subscriptions: Vec<String>,
    },
    /// A WebSocket client wants to publish. The node accepts or rejects it; dropping it does neither.
    ClientEvent(ClientEvent),
    /// A WebSocket client is gone.
    ClientLost {
        client: Arc<ClientInfo>,
        code: u16,
        reason: String,
    },
    /// A peer has come or gone.
    Peer(PeerNews),
    /// Something that went wrong, for the reporter. `tag` names the kind of trouble for `Cluster::Backend::error`.
    Error { tag: &'static str, message: String },
    /// Something that may be of interest, for the reporter.
    Warning(String),
    /// What a socket tells of its connections: the number of the event, its value and the address, as libzmq has them.
    Monitoring { number: u16, value: u32, address: String },
    /// The node cannot go on, e.g. it was refused by the cluster's authentication.
    Fatal(String),
}

/// Why something was not sent. It is counted in [`Counters`] already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A queue is at its high-water mark.
    Full,
    /// Nobody to send to: no logger is configured or none subscribes.
    Nobody,
    /// The backend has ended or has not started yet.
    Closed,
}

/// What a backend has counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub events_out: u64,
    pub events_in: u64,
    /// Events dropped because the sending queue was full.
    pub event_drops: u64,
    /// Incoming events dropped because the node did not take them in time.
    pub incoming_drops: u64,
    /// Malformed messages.
    pub malformed: u64,
    /// Subscriptions of others that were not noted: too many, or too long.
    pub refused_subscriptions: u64,
    /// Log rows sent, and dropped because all loggers' queues were full.
    pub log_rows_out: u64,
    pub log_rows_in: u64,
    pub log_row_drops: u64,
}

/// What a central forwarder has counted since its start. One event counts as four messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForwarderCounters {
    /// The side that nodes publish to.
    pub frontend: SideCounters,
    /// The side that nodes subscribe at.
    pub backend: SideCounters,
    /// Subscriptions that were not passed on: too many, or too long.
    pub refused_subscriptions: u64,
    /// Connections that were cut: they subscribed to too much, or there were too many.
    pub cut_connections: u64,
}

/// One side of [`ForwarderCounters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SideCounters {
    pub messages_received: u64,
    pub bytes_received: u64,
    pub messages_sent: u64,
    pub bytes_sent: u64,
}

/// Makes one more participant for a client: its id is the given one, it has subscriptions of its own and sees what its node
/// publishes. It handles no log rows. It is not started yet. Fails with a text for the user.
pub type ClientFactory = Arc<dyn Fn(&str) -> Result<Box<dyn Backend>, String> + Send + Sync>;

/// The way of one node to its cluster.
pub trait Backend: Send {
    /// Unique per process start and stable for its life.
    fn node_id(&self) -> &str;

    /// Opens the sockets and starts to send and receive. Subscriptions made before are kept until then; events and log
    /// rows are refused as [`Refused::Closed`].
    ///
    /// # Errors
    /// Why the node cannot take part, for the user.
    fn start(&mut self) -> Result<(), String>;

    /// Makes participants for clients that this node speaks for.
    fn clients(&self) -> ClientFactory;

    /// Where incoming messages wait for [`Backend::poll`]. Others that work for the node, as the WebSocket server does,
    /// put theirs there too.
    fn inbox(&self) -> Arc<Inbox>;

    /// Asks for [`Incoming::Ready`] as soon as subscriptions of others are known here. What is published before may be
    /// lost without a trace.
    fn probe(&mut self);

    /// Sends an event to all other nodes that subscribe to a prefix of `topic`. Never blocks.
    ///
    /// # Errors
    /// Why it was not sent.
    fn publish(&mut self, topic: &[u8], event: &EventMessage) -> Result<(), Refused>;

    /// Asks for everything published by others on topics that begin with `prefix`.
    fn subscribe(&mut self, prefix: &[u8]);

    /// Takes a subscription back.
    fn unsubscribe(&mut self, prefix: &[u8]);

    /// Sends rows to one of the loggers. Never blocks.
    ///
    /// # Errors
    /// Why they were not sent; the rows are lost and counted then.
    fn ship(&mut self, batch: LogBatch) -> Result<(), Refused>;

    /// Takes at most `limit` messages that have arrived. Gives whether there may be more.
    fn poll(&mut self, limit: usize, out: &mut Vec<Incoming>) -> bool {
        self.inbox().take(limit, out)
    }

    /// Waits until [`Backend::poll`] may have something, or the time is over.
    fn wait(&mut self, at_most: Duration) {
        self.inbox().wait(at_most);
    }

    /// What was counted so far.
    fn counters(&self) -> Counters {
        self.inbox().tally.read()
    }

    /// What the central forwarder has counted, where this node runs it.
    fn forwarder_counters(&self) -> Option<ForwarderCounters> {
        None
    }

    /// Sends what is queued, for at most the backend's linger time, and ends. Later calls are refused.
    fn close(&mut self);
}
