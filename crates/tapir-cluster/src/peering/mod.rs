//! Peerings: nodes that connect to each other directly, as `Broker::listen` and `Broker::peer` say.
//!
//! A node and its WebSocket clients are joined by a [`Hub`]; each peer takes part in it as a link, which is told what this
//! process subscribes to and publishes what comes from the peer. Nothing is passed on from one peer to another. Rows go in
//! turn to the peers that subscribe to the loggers' topic. The connections speak a protocol of this project ([`wire`]);
//! they are neither encrypted nor those of Zeek's Broker. Must not know: the VM, who calls itself manager or worker.

mod link;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tapir_data::broker::event::EventMessage;

use crate::backend::{Backend, ClientFactory, Counters, Incoming, LogBatch, PeerChange, PeerNews, Refused};
use crate::inbox::{BufferStats, Inbox, InboxLimits, Overflow, add};
use crate::inproc::{Hub, HubConfig, Inproc};

/// How long a connection may take to come about.
const CONNECTING: Duration = Duration::from_secs(10);
/// How long the end waits for what is on its way to peers.
const LINGER: Duration = Duration::from_millis(500);
/// How often threads that wait look whether they are still wanted.
const LOOK: Duration = Duration::from_millis(20);
/// Peers that a node has at most.
const PEERS_MAX: usize = 4096;
/// Connections that have yet to say whose they are.
const STRANGERS_MAX: usize = 256;
/// Bytes of rows that wait for the first logger.
const PENDING_MAX: usize = 64 << 20;

/// How a node peers.
#[derive(Clone, Debug)]
pub struct Config {
    pub node_id: String,
    /// Events that wait for one peer at most; 0 for any number.
    pub peer_buffer: usize,
    /// What becomes of those beyond that, and over how long the most that waited are told.
    pub overflow: Overflow,
    pub recently: Duration,
    /// Who subscribes to this topic takes rows.
    pub logger_topic: String,
    /// Without loggers, rows go to all who subscribe to this followed by their stream.
    pub log_prefix: String,
    /// Keep rows while there is no logger: there will be one.
    pub expects_loggers: bool,
}

/// A peer as far as scripts ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Empty until it has said it.
    pub id: String,
    pub address: String,
    pub port: u16,
    pub outbound: bool,
    /// Whether messages go both ways.
    pub up: bool,
}

/// A peer that this node connects to.
struct Outbound {
    /// Which of several starts of the same peering.
    serial: u64,
}

/// A connection with a peer that has said who it is.
struct Link {
    address: (String, u16),
    outbound: bool,
    up: bool,
    /// It ends because this node wants it to.
    removed: bool,
    /// Another connection with the same peer has taken its place.
    replaced: bool,
    serial: u64,
    tcp: TcpStream,
    /// What waits for the peer, once messages go.
    inbox: Option<Arc<Inbox>>,
}

#[derive(Default)]
struct State {
    serial: u64,
    outbound: BTreeMap<(String, u16), Outbound>,
    links: BTreeMap<String, Link>,
    listening: Vec<SocketAddr>,
    /// How many peers were given up because they were behind, by their ids.
    given_up: BTreeMap<String, u64>,
}

/// What the threads of a node share.
struct Shared {
    config: Config,
    hub: Hub,
    inbox: Arc<Inbox>,
    state: Mutex<State>,
    /// Links begin when the node looks for messages: what its scripts subscribe to at their start is known then.
    open: AtomicBool,
    stopping: AtomicBool,
    /// Threads that still write.
    writing: AtomicUsize,
    /// Connections from others that have yet to say whose they are.
    strangers: AtomicUsize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn wants(&self, to: &(String, u16), serial: u64) -> bool {
        !self.stopping() && self.lock().outbound.get(to).is_some_and(|o| o.serial == serial)
    }

    fn tell(&self, change: PeerChange, id: &str, address: &(String, u16), message: &str) {
        self.inbox.notice(Incoming::Peer(PeerNews {
            change,
            id: id.into(),
            address: address.0.clone(),
            port: address.1,
            message: message.into(),
        }));
    }
}

/// A node that peers with others.
pub struct Peering {
    shared: Arc<Shared>,
    local: Inproc,
    /// Rows from before the first logger came.
    pending: VecDeque<LogBatch>,
    pending_bytes: usize,
}

impl std::fmt::Debug for Peering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Peering").field(&self.shared.config).finish()
    }
}

/// Starts and ends the peerings of a node.
#[derive(Clone)]
pub struct Peers(Arc<Shared>);

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Peers").field(&self.0.config).finish()
    }
}

impl Peering {
    /// A node without peers.
    pub fn new(config: Config) -> Self {
        let hub = Hub::with(HubConfig {
            limits: InboxLimits {
                events: config.peer_buffer,
                overflow: config.overflow,
                recently: config.recently,
                ..InboxLimits::default()
            },
            log_patience: Duration::ZERO,
        });
        let local = hub.member(config.node_id.clone(), false, false);
        Peering {
            shared: Arc::new(Shared {
                inbox: local.inbox(),
                config,
                hub,
                state: Mutex::default(),
                open: AtomicBool::new(false),
                stopping: AtomicBool::new(false),
                writing: AtomicUsize::new(0),
                strangers: AtomicUsize::new(0),
            }),
            local,
            pending: VecDeque::new(),
            pending_bytes: 0,
        }
    }

    /// For starting and ending peerings.
    pub fn peers(&self) -> Peers {
        Peers(self.shared.clone())
    }

    /// Sends rows to those who subscribe to the topic that scripts chose, or else to the loggers in turn.
    fn send_rows(&mut self, batch: &LogBatch) -> Result<(), Refused> {
        match &batch.topic {
            Some(topic) => self.local.hand_out(topic, batch),
            None => self.local.ship(batch.clone()),
        }
    }

    fn send_pending(&mut self) {
        while let Some(batch) = self.pending.pop_front() {
            let bytes = batch.rows.len();
            match self.send_rows(&batch) {
                Ok(()) => self.pending_bytes -= bytes,
                Err(_) => return self.pending.push_front(batch),
            }
        }
    }
}

impl Peers {
    /// Waits for peers; gives the port. An empty address is any.
    ///
    /// # Errors
    /// Why not, for the user.
    pub fn listen(&self, address: &str, port: u16) -> Result<u16, String> {
        let host = if address.is_empty() { "0.0.0.0" } else { address };
        let failed = |e: std::io::Error| format!("cannot listen for peers on {host}:{port}: {e}");
        let listener = TcpListener::bind((host, port)).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        self.0.lock().listening.push(bound);
        let shared = self.0.clone();
        let thread = std::thread::Builder::new().name("peer-accept".into());
        thread.spawn(move || accept(&listener, &shared)).map_err(failed)?;
        Ok(bound.port())
    }

    /// Connects to a peer, again and again where there is a pause between attempts. False where it does already.
    ///
    /// # Errors
    /// Why not, for the user.
    pub fn peer(&self, address: &str, port: u16, retry: Option<Duration>) -> Result<bool, String> {
        let to = (address.to_string(), port);
        let mut state = self.0.lock();
        if state.outbound.contains_key(&to) {
            return Ok(false);
        }
        if state.outbound.len() >= PEERS_MAX {
            return Err(format!("a node has at most {PEERS_MAX} peers"));
        }
        state.serial += 1;
        let serial = state.serial;
        state.outbound.insert(to.clone(), Outbound { serial });
        drop(state);
        let shared = self.0.clone();
        let thread = std::thread::Builder::new().name("peer-connect".into());
        let spawned = thread.spawn(move || dial(&shared, &to, retry, serial));
        spawned.map_err(|e| format!("cannot start a thread for a peer: {e}"))?;
        Ok(true)
    }

    /// Ends a peering that [`Peers::peer`] has started. Gives whether there was one.
    pub fn unpeer(&self, address: &str, port: u16) -> bool {
        let to = (address.to_string(), port);
        let mut state = self.0.lock();
        let known = state.outbound.remove(&to).is_some();
        for link in state.links.values_mut().filter(|l| l.outbound && l.address == to) {
            link.removed = true;
            // Its reader sees the end then.
            let _ = link.tcp.shutdown(std::net::Shutdown::Both);
        }
        known
    }

    /// Whether this node connects to that peer.
    pub fn is_outbound(&self, address: &str, port: u16) -> bool {
        self.0.lock().outbound.contains_key(&(address.to_string(), port))
    }

    /// All peers, and those that this node tries to reach.
    pub fn all(&self) -> Vec<PeerInfo> {
        let state = self.0.lock();
        let links = state.links.iter().map(|(id, l)| PeerInfo {
            id: id.clone(),
            address: l.address.0.clone(),
            port: l.address.1,
            outbound: l.outbound,
            up: l.up,
        });
        let linked = |to: &(String, u16)| state.links.values().any(|l| l.outbound && l.address == *to);
        let tried = state.outbound.keys().filter(|to| !linked(to)).map(|to| PeerInfo {
            id: String::new(),
            address: to.0.clone(),
            port: to.1,
            outbound: true,
            up: false,
        });
        links.chain(tried).collect()
    }

    /// What waits for each peer, by its id.
    pub fn buffers(&self) -> Vec<(String, BufferStats)> {
        let state = self.0.lock();
        let of = |(id, l): (&String, &Link)| Some((id.clone(), l.inbox.as_ref()?.buffer()));
        state.links.iter().filter_map(of).collect()
    }

    /// How often each peer was given up because it was behind.
    pub fn given_up(&self) -> Vec<(String, u64)> {
        let state = self.0.lock();
        state.given_up.iter().map(|(id, n)| (id.clone(), *n)).collect()
    }

    /// Whether this node waits for peers, or connects to some.
    pub fn any(&self) -> (bool, bool) {
        let state = self.0.lock();
        (!state.listening.is_empty(), !state.outbound.is_empty())
    }
}

impl Backend for Peering {
    fn node_id(&self) -> &str {
        &self.shared.config.node_id
    }

    fn start(&mut self) -> Result<(), String> {
        self.local.start()
    }

    fn clients(&self) -> ClientFactory {
        self.local.clients()
    }

    fn inbox(&self) -> Arc<Inbox> {
        self.shared.inbox.clone()
    }

    fn probe(&mut self) {
        self.local.probe();
    }

    fn publish(&mut self, topic: &[u8], event: &EventMessage) -> Result<(), Refused> {
        self.local.publish(topic, event)
    }

    fn subscribe(&mut self, prefix: &[u8]) {
        self.local.subscribe(prefix);
    }

    fn unsubscribe(&mut self, prefix: &[u8]) {
        self.local.unsubscribe(prefix);
    }

    fn ship(&mut self, batch: LogBatch) -> Result<(), Refused> {
        self.send_pending();
        if !self.shared.config.expects_loggers {
            let topic = format!("{}{}", self.shared.config.log_prefix, batch.stream);
            if batch.topic.is_some() {
                return self.send_rows(&batch);
            }
            return match self.local.ship(batch.clone()) {
                Err(Refused::Nobody) => self.local.hand_out(topic.as_bytes(), &batch),
                other => other,
            };
        }
        if self.pending.is_empty() {
            match self.send_rows(&batch) {
                Err(Refused::Nobody) => {}
                other => return other,
            }
        }
        if self.pending_bytes + batch.rows.len() > PENDING_MAX {
            add(&self.shared.inbox.tally.log_row_drops, batch.n_rows.into());
            return Err(Refused::Full);
        }
        self.pending_bytes += batch.rows.len();
        self.pending.push_back(batch);
        Ok(())
    }

    fn poll(&mut self, limit: usize, out: &mut Vec<Incoming>) -> bool {
        self.shared.open.store(true, Ordering::Relaxed);
        self.send_pending();
        self.shared.inbox.take(limit, out)
    }

    fn counters(&self) -> Counters {
        self.local.counters()
    }

    fn close(&mut self) {
        if self.shared.stopping.swap(true, Ordering::Relaxed) {
            return;
        }
        let until = Instant::now() + LINGER;
        while self.shared.writing.load(Ordering::Relaxed) > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        for link in self.shared.lock().links.values() {
            let _ = link.tcp.shutdown(std::net::Shutdown::Both);
        }
        self.local.close();
        let lost = self.pending.drain(..).map(|b| u64::from(b.n_rows)).sum();
        add(&self.shared.inbox.tally.log_row_drops, lost);
    }
}

impl Drop for Peering {
    fn drop(&mut self) {
        self.close();
    }
}

/// Takes connections until the node ends.
fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while !shared.stopping() {
        let Ok((tcp, from)) = listener.accept() else {
            std::thread::sleep(LOOK);
            continue;
        };
        let full = shared.lock().links.len() >= PEERS_MAX || shared.strangers.load(Ordering::Relaxed) >= STRANGERS_MAX;
        if full || tcp.set_nonblocking(false).is_err() {
            continue;
        }
        shared.strangers.fetch_add(1, Ordering::Relaxed);
        let s = shared.clone();
        let thread = std::thread::Builder::new().name("peer".into());
        let spawned = thread.spawn(move || link::run(&s, tcp, (from.ip().to_string(), from.port()), false));
        if spawned.is_err() {
            // Out of threads: the peer sees the connection's end and tries again.
            shared.strangers.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn connect(to: &(String, u16)) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::other("the name has no address");
    for address in (to.0.as_str(), to.1).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECTING) {
            Ok(tcp) => return Ok(tcp),
            Err(e) => last = e,
        }
    }
    Err(last)
}

/// Keeps up a peering that this node has started.
fn dial(shared: &Arc<Shared>, to: &(String, u16), retry: Option<Duration>, serial: u64) {
    while shared.wants(to, serial) {
        match connect(to) {
            Ok(tcp) => {
                let twin = link::run(shared, tcp, to.clone(), true);
                // Where the peer has connected to this node meanwhile there is nothing to do until that ends.
                while let Some(id) = &twin
                    && shared.wants(to, serial)
                    && shared.lock().links.contains_key(id)
                {
                    std::thread::sleep(LOOK);
                }
            }
            Err(e) if retry.is_none() => {
                shared.lock().outbound.remove(to);
                let why = format!("cannot connect to {}:{}: {e}", to.0, to.1);
                shared.tell(PeerChange::Unavailable, "", to, &why);
            }
            Err(_) => {}
        }
        let Some(retry) = retry else {
            shared.lock().outbound.remove(to);
            return;
        };
        let again = Instant::now() + retry.max(LOOK);
        while Instant::now() < again && shared.wants(to, serial) {
            std::thread::sleep(LOOK);
        }
    }
}

#[cfg(test)]
mod tests;
