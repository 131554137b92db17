//! The ZeroMQ backend: events through a central forwarder, log batches straight to the loggers, as Zeek's nodes do it.
//!
//! [`ZeroMq`] is the engine's side; its sockets live on one thread ([`node`]). [`forwarder`] is the process in the middle,
//! [`ffi`] the library. Spec: cluster protocol, "ZeroMQ backend".

pub mod config;
pub mod ffi;
pub mod forwarder;
mod guard;
mod node;
mod zap;

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tapir_data::broker::event::EventMessage;

pub use config::{Config, Curve, ForwarderConfig};
pub use ffi::Lib;
pub use forwarder::Forwarder;

use crate::backend::{Backend, ClientFactory, ForwarderCounters, LogBatch, Refused};
use crate::inbox::{Inbox, InboxLimits, add};
use crate::wake;

/// Longer than any process lives.
const FOREVER: Duration = Duration::from_secs(1 << 32);

/// A node that reaches its cluster through ZeroMQ.
#[derive(Debug)]
pub struct ZeroMq {
    config: Config,
    lib: Arc<Lib>,
    inbox: Arc<Inbox>,
    outbox: Arc<Outbox>,
    forwarder: Option<Forwarder>,
    thread: Option<JoinHandle<()>>,
    log_endpoint: Option<String>,
}

/// What waits for the backend's thread.
#[derive(Debug)]
struct Outbox {
    state: Mutex<OutState>,
    wake: OwnedFd,
}

#[derive(Debug, Default)]
struct OutState {
    commands: VecDeque<Command>,
    events: usize,
    logs: VecDeque<LogBatch>,
    log_bytes: usize,
    /// When to end although not all is sent.
    closing: Option<Instant>,
}

#[derive(Debug)]
enum Command {
    Subscribe(Vec<u8>),
    Unsubscribe(Vec<u8>),
    Event { topic: Vec<u8>, payload: Vec<u8> },
    Probe,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, OutState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn command(&self, c: Command) {
        self.lock().commands.push_back(c);
        wake::signal(&self.wake);
    }
}

impl ZeroMq {
    /// A node that is not started yet. An empty node id is replaced by a new one without a name.
    ///
    /// # Errors
    /// Why there is none, for the user: no libzmq, wrong keys.
    pub fn new(mut config: Config) -> Result<Self, String> {
        let lib = Lib::load()?;
        config.curve.check(&lib)?;
        if config.node_id.is_empty() {
            config.node_id = crate::ident::node_id("zeromq", "");
        }
        Self::with(lib, config)
    }

    fn with(lib: Arc<Lib>, config: Config) -> Result<Self, String> {
        let inbox = Inbox::new(InboxLimits {
            events: config.onloop_queue_hwm,
            log_bytes: config.log_inbox_bytes,
            ..InboxLimits::default()
        });
        let outbox = Outbox {
            state: Mutex::default(),
            wake: wake::new().map_err(|e| format!("cannot make a descriptor to wake a thread: {e}"))?,
        };
        Ok(ZeroMq {
            config,
            lib,
            inbox: Arc::new(inbox),
            outbox: Arc::new(outbox),
            forwarder: None,
            thread: None,
            log_endpoint: None,
        })
    }

    /// Where log rows of others are taken, once started.
    pub fn log_endpoint(&self) -> Option<&str> {
        self.log_endpoint.as_deref()
    }

    fn open(&self) -> bool {
        self.thread.is_some() && self.outbox.lock().closing.is_none()
    }
}

impl Backend for ZeroMq {
    fn node_id(&self) -> &str {
        &self.config.node_id
    }

    fn start(&mut self) -> Result<(), String> {
        if self.outbox.lock().closing.is_some() {
            return Err("the node has left the cluster already".into());
        }
        if self.thread.is_some() {
            return Ok(());
        }
        if let Some(forwarder) = &self.config.forwarder {
            self.forwarder = Some(Forwarder::start(&self.lib, forwarder)?);
        }
        let node = node::Node::open(&self.lib, &self.config, &self.inbox, &self.outbox)?;
        self.log_endpoint = node.log_endpoint.clone();
        let thread = std::thread::Builder::new().name("zmq-node".into());
        let spawned = thread.spawn(move || node.run());
        self.thread = Some(spawned.map_err(|e| format!("cannot start the cluster backend: {e}"))?);
        Ok(())
    }

    fn clients(&self) -> ClientFactory {
        let (lib, config) = (self.lib.clone(), self.config.clone());
        Arc::new(move |id| {
            let config = Config {
                node_id: id.into(),
                forwarder: None,
                connect_log_endpoints: Vec::new(),
                listen_log_endpoint: String::new(),
                ..config.clone()
            };
            Ok(Box::new(Self::with(lib.clone(), config)?))
        })
    }

    fn inbox(&self) -> Arc<Inbox> {
        self.inbox.clone()
    }

    fn probe(&mut self) {
        self.outbox.command(Command::Probe);
    }

    fn publish(&mut self, topic: &[u8], event: &EventMessage) -> Result<(), Refused> {
        if !self.open() {
            return Err(Refused::Closed);
        }
        if self.outbox.lock().events >= self.config.event_queue {
            add(&self.inbox.tally.event_drops, 1);
            return Err(Refused::Full);
        }
        let mut payload = Vec::with_capacity(256);
        self.config.event_serializer.encode(event, &mut payload);
        let topic = topic.to_vec();
        let mut state = self.outbox.lock();
        state.events += 1;
        state.commands.push_back(Command::Event { topic, payload });
        drop(state);
        wake::signal(&self.outbox.wake);
        Ok(())
    }

    fn subscribe(&mut self, prefix: &[u8]) {
        self.outbox.command(Command::Subscribe(prefix.to_vec()));
    }

    fn unsubscribe(&mut self, prefix: &[u8]) {
        self.outbox.command(Command::Unsubscribe(prefix.to_vec()));
    }

    fn ship(&mut self, batch: LogBatch) -> Result<(), Refused> {
        let rows = u64::from(batch.n_rows);
        if !self.open() {
            add(&self.inbox.tally.log_row_drops, rows);
            return Err(Refused::Closed);
        }
        if self.config.connect_log_endpoints.is_empty() {
            return Err(Refused::Nobody);
        }
        let mut state = self.outbox.lock();
        if state.log_bytes >= self.config.log_queue_bytes {
            drop(state);
            add(&self.inbox.tally.log_row_drops, rows);
            return Err(Refused::Full);
        }
        state.log_bytes += batch.rows.len();
        state.logs.push_back(batch);
        drop(state);
        wake::signal(&self.outbox.wake);
        Ok(())
    }

    fn forwarder_counters(&self) -> Option<ForwarderCounters> {
        self.forwarder.as_ref().map(Forwarder::counters)
    }

    fn close(&mut self) {
        // Less than nothing is for as long as it takes.
        let linger = u64::try_from(self.config.linger_ms).map_or(FOREVER, Duration::from_millis);
        self.outbox.lock().closing.get_or_insert(Instant::now() + linger);
        wake::signal(&self.outbox.wake);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // After the node: its last messages pass through.
        self.forwarder = None;
        self.inbox.close();
    }
}

impl Drop for ZeroMq {
    fn drop(&mut self) {
        self.close();
    }
}
