//! The WebSocket API v1: programs of any language subscribe to the cluster and publish in it as JSON.
//!
//! Each client is a participant of its own in the cluster, so it sees what the node and other clients publish, never its
//! own. What clients publish goes through the node, which knows the events' types. One thread per client and one per
//! server. Must not know: script types. Spec: cluster protocol, "WebSocket API v1".

mod client;
mod handshake;
mod message;
mod queue;
mod stream;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use tapir_data::broker::event::EventMessage;

pub use stream::TlsOptions;

use crate::backend::{Backend, ClientFactory, Refused};
use crate::inbox::Inbox;
use crate::meter::{Flow, Meter};
use crate::serializer::EventSerializer;
use crate::wake;
use queue::{Place, Places};

/// Connections that a server has at most; more are closed at once.
const CLIENTS_MAX: usize = 100;

/// Where and how to listen, as `Cluster::WebSocketServerOptions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerOptions {
    pub listen_addr: IpAddr,
    /// Zero for any free port.
    pub listen_port: u16,
    /// Messages of all clients that the node has yet to handle; the clients wait beyond.
    pub max_event_queue_size: usize,
    /// `None` sends no pings.
    pub ping_interval: Option<Duration>,
    pub tls: TlsOptions,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions {
            listen_addr: IpAddr::from([127, 0, 0, 1]),
            listen_port: 27759,
            max_event_queue_size: 32,
            ping_interval: Some(Duration::from_secs(5)),
            tls: TlsOptions::default(),
        }
    }
}

/// Who a client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// The name of its endpoint: the node's id, `-websocket-`, a number.
    pub id: String,
    pub address: SocketAddr,
    /// What it calls itself in `X-Application-Name`.
    pub application: Option<String>,
}

/// An event that a client wants to publish.
#[derive(Clone, Debug)]
pub struct ClientEvent {
    pub topic: Vec<u8>,
    pub event: EventMessage,
    from: Arc<Shared>,
    /// Its place in the server's queue, free when it was handled.
    _place: Arc<Place>,
}

impl PartialEq for ClientEvent {
    fn eq(&self, other: &Self) -> bool {
        self.topic == other.topic && self.event == other.event && Arc::ptr_eq(&self.from, &other.from)
    }
}

impl ClientEvent {
    /// Whose it is.
    pub fn client(&self) -> &Arc<ClientInfo> {
        &self.from.info
    }

    /// Publishes it, in the given form, as the client's.
    ///
    /// # Errors
    /// Why it was not sent.
    pub fn accept(&self, event: &EventMessage) -> Result<(), Refused> {
        let mut backend = self.from.backend.lock().unwrap_or_else(PoisonError::into_inner);
        backend.as_mut().ok_or(Refused::Closed)?.publish(&self.topic, event)?;
        drop(backend);
        self.from.node.count(&self.from.info, |t| t.outgoing += 1);
        self.from.node.meter(&self.from.info, true, &self.topic, event);
        Ok(())
    }

    /// Tells the client that there is no such event, or not with such arguments.
    pub fn reject(&self) {
        self.from.rejects.fetch_add(1, Ordering::Relaxed);
        wake::signal(&self.from.wake);
    }
}

/// What a client's thread shares with the node.
struct Shared {
    info: Arc<ClientInfo>,
    node: Arc<Node>,
    /// The client's part in the cluster, from its subscribing to its end.
    backend: Mutex<Option<Box<dyn Backend>>>,
    /// Events that the node has rejected, of which the client is yet to hear.
    rejects: AtomicUsize,
    wake: Arc<OwnedFd>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Shared").field(&self.info).finish()
    }
}

/// What all clients of a node need.
struct Node {
    id: String,
    version: String,
    inbox: Arc<Inbox>,
    factory: ClientFactory,
    /// Clients so far.
    clients: AtomicU64,
    /// Counts events in detail, where that is wanted.
    meter: OnceLock<Arc<Meter>>,
    /// Events by the applications' names.
    traffic: Mutex<BTreeMap<String, Traffic>>,
}

/// Events of the clients of one application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From clients to the cluster.
    pub outgoing: u64,
    /// From the cluster to clients.
    pub incoming: u64,
}

/// The name of applications that give none.
const UNKNOWN: &str = "unknown";

/// Applications counted by name; more are counted as `unknown`, as those that give no name.
const APPLICATIONS_MAX: usize = 1000;

impl Node {
    /// Counts an event in detail.
    fn meter(&self, client: &ClientInfo, outgoing: bool, topic: &[u8], event: &EventMessage) {
        let Some(meter) = self.meter.get() else {
            return;
        };
        let flow = Flow {
            outgoing,
            app: Some(client.application.as_deref().unwrap_or(UNKNOWN).into()),
            topic: topic.into(),
            handler: event.name.clone(),
            location: None,
        };
        meter.add(flow, || EventSerializer::default().size(event));
    }

    fn count(&self, client: &ClientInfo, what: impl FnOnce(&mut Traffic)) {
        let mut all = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        let mut name = client.application.as_deref().unwrap_or(UNKNOWN);
        if !all.contains_key(name) {
            if all.len() >= APPLICATIONS_MAX {
                name = UNKNOWN;
            }
            all.entry(name.into()).or_default();
        }
        if let Some(t) = all.get_mut(name) {
            what(t);
        }
    }
}

/// All WebSocket servers of a node. Dropping it ends them and their clients.
pub struct Servers {
    node: Arc<Node>,
    running: Vec<Server>,
}

impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.running.iter().map(|s| &s.options)).finish()
    }
}

struct Server {
    options: ServerOptions,
    address: SocketAddr,
    shared: Arc<ServerShared>,
    thread: Option<JoinHandle<()>>,
}

/// What a server's threads share.
struct ServerShared {
    node: Arc<Node>,
    ping_interval: Option<Duration>,
    tls: Option<Arc<rustls::ServerConfig>>,
    places: Arc<Places>,
    /// Connections now.
    connections: AtomicUsize,
    stopping: AtomicBool,
    /// Readable from the server's end on.
    stop: OwnedFd,
}

impl Servers {
    /// None yet, for a node with the given backend. `version` is what clients are told.
    pub fn new(backend: &dyn Backend, version: &str) -> Self {
        Servers {
            node: Arc::new(Node {
                id: backend.node_id().into(),
                version: version.into(),
                inbox: backend.inbox(),
                factory: backend.clients(),
                clients: AtomicU64::new(0),
                meter: OnceLock::new(),
                traffic: Mutex::default(),
            }),
            running: Vec::new(),
        }
    }

    /// Listens, and gives where. To listen again in the same way does nothing.
    ///
    /// # Errors
    /// Why not, for the user.
    pub fn listen(&mut self, options: &ServerOptions) -> Result<SocketAddr, String> {
        let wanted = SocketAddr::new(options.listen_addr, options.listen_port);
        let same = |s: &&Server| {
            let o = &s.options;
            (o.listen_addr, o.listen_port) == (options.listen_addr, options.listen_port) && o.listen_port != 0
        };
        if let Some(server) = self.running.iter().find(same) {
            if server.options == *options {
                return Ok(server.address);
            }
            return Err(format!(
                "there is a WebSocket server on {wanted} already, with other options"
            ));
        }
        let failed = |e: &dyn std::fmt::Display| format!("cannot listen for WebSocket clients on {wanted}: {e}");
        let shared = Arc::new(ServerShared {
            node: self.node.clone(),
            ping_interval: options.ping_interval,
            tls: options.tls.load()?,
            places: Arc::new(Places::new(options.max_event_queue_size)),
            connections: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            stop: wake::new().map_err(|e| failed(&e))?,
        });
        let listener = TcpListener::bind(wanted).map_err(|e| failed(&e))?;
        listener.set_nonblocking(true).map_err(|e| failed(&e))?;
        let address = listener.local_addr().map_err(|e| failed(&e))?;
        let s = shared.clone();
        let thread = std::thread::Builder::new().name("ws-accept".into());
        let thread = thread.spawn(move || accept(&listener, &s)).map_err(|e| failed(&e))?;
        self.running.push(Server {
            options: options.clone(),
            address,
            shared,
            thread: Some(thread),
        });
        Ok(address)
    }

    /// Has events to and from clients counted in detail as well, from now on.
    pub fn set_meter(&mut self, meter: Arc<Meter>) {
        // The first one stays.
        let _ = self.node.meter.set(meter);
    }

    /// Events to and from clients by the names of their applications.
    pub fn traffic(&self) -> BTreeMap<String, Traffic> {
        self.node.traffic.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For each server its name in metrics and how often a client had to wait a tenth of a second to be heard.
    pub fn blocks(&self) -> Vec<(String, u64)> {
        let one = |s: &Server| {
            let name = format!(
                "WebSocketEventDispatcher:{}:{}",
                s.options.listen_addr,
                s.address.port()
            );
            (name, s.shared.places.blocks())
        };
        self.running.iter().map(one).collect()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for server in &self.running {
            server.shared.stopping.store(true, Ordering::Relaxed);
            wake::signal(&server.shared.stop);
        }
        for server in &mut self.running {
            if let Some(thread) = server.thread.take() {
                let _ = thread.join();
            }
        }
    }
}

/// Takes connections until the server ends, and waits for its clients' ends then.
fn accept(listener: &TcpListener, shared: &Arc<ServerShared>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    while !shared.stopping.load(Ordering::Relaxed) {
        let mut fds = [
            PollFd::new(listener, PollFlags::IN),
            PollFd::new(&shared.stop, PollFlags::IN),
        ];
        let _ = rustix::event::poll(&mut fds, None);
        let Ok((tcp, address)) = listener.accept() else {
            // Out of descriptors, for instance: it may pass.
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        threads.retain(|t| !t.is_finished());
        if shared.connections.load(Ordering::Relaxed) >= CLIENTS_MAX {
            continue;
        }
        shared.connections.fetch_add(1, Ordering::Relaxed);
        let s = shared.clone();
        let thread = std::thread::Builder::new().name("ws-client".into());
        let spawned = thread.spawn(move || {
            client::serve(tcp, address, &s);
            s.connections.fetch_sub(1, Ordering::Relaxed);
        });
        match spawned {
            Ok(thread) => threads.push(thread),
            Err(_) => {
                shared.connections.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
    for thread in threads {
        let _ = thread.join();
    }
}
