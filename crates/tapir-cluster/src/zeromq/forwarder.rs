//! The central forwarder: what is published at its XSUB socket goes out at its XPUB socket, subscriptions go the other way.
//!
//! It never looks into messages. With `listen_xpub_nodrop` one subscriber that is behind holds all up, as the option says.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::config::ForwarderConfig;
use super::ffi::{Context, Frame, Lib, Socket, Wanted, ZmqError, kind, opt, poll};
use super::zap::{self, Zap};
use crate::backend::{ForwarderCounters, SideCounters};
use crate::inbox::add;
use crate::interest::Prefixes;
use crate::wake;

/// Messages passed on from one side before the other has its turn.
const TURN: usize = 1000;

#[derive(Debug, Default)]
struct Side {
    messages_received: AtomicU64,
    bytes_received: AtomicU64,
    messages_sent: AtomicU64,
    bytes_sent: AtomicU64,
}

impl Side {
    fn received(&self, bytes: usize) {
        add(&self.messages_received, 1);
        add(&self.bytes_received, bytes as u64);
    }

    fn sent(&self, bytes: usize) {
        add(&self.messages_sent, 1);
        add(&self.bytes_sent, bytes as u64);
    }

    fn read(&self) -> SideCounters {
        let get = |c: &AtomicU64| c.load(Ordering::Relaxed);
        SideCounters {
            messages_received: get(&self.messages_received),
            bytes_received: get(&self.bytes_received),
            messages_sent: get(&self.messages_sent),
            bytes_sent: get(&self.bytes_sent),
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    front: Side,
    back: Side,
    refused: AtomicU64,
}

/// A running forwarder; dropping it ends it.
#[derive(Debug)]
pub struct Forwarder {
    /// Where XPUB was bound: what nodes' XSUB sockets connect to.
    pub xpub_endpoint: String,
    /// Where XSUB was bound: what nodes' XPUB sockets connect to.
    pub xsub_endpoint: String,
    counts: Arc<Counts>,
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Forwarder {
    /// Binds the sockets and starts.
    ///
    /// # Errors
    /// Why not, for the user.
    pub fn start(lib: &Arc<Lib>, config: &ForwarderConfig) -> Result<Self, String> {
        config.curve.check(lib)?;
        let stop = Arc::new(wake::new().map_err(|e| format!("cannot start the cluster's forwarder: {e}"))?);
        let bind = |s: &Socket, endpoint: &str, what: &str| {
            s.bind(endpoint)
                .map_err(|e| format!("cannot bind the cluster's {what} socket to {endpoint}: {e}"))
        };
        let opened = open(lib, config).map_err(|e| format!("cannot start the cluster's forwarder: {e}"))?;
        let xpub_endpoint = bind(&opened.xpub, &config.listen_xpub_endpoint, "XPUB")?;
        let xsub_endpoint = bind(&opened.xsub, &config.listen_xsub_endpoint, "XSUB")?;
        let counts = opened.counts.clone();
        let fd = stop.clone();
        let thread = std::thread::Builder::new()
            .name("zmq-forwarder".into())
            .spawn(move || opened.run(&fd))
            .map_err(|e| format!("cannot start the cluster's forwarder: {e}"))?;
        Ok(Forwarder {
            xpub_endpoint,
            xsub_endpoint,
            counts,
            stop,
            thread: Some(thread),
        })
    }

    /// What was counted so far.
    pub fn counters(&self) -> ForwarderCounters {
        ForwarderCounters {
            frontend: self.counts.front.read(),
            backend: self.counts.back.read(),
            refused_subscriptions: self.counts.refused.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        wake::signal(&self.stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Opened {
    lib: Arc<Lib>,
    zap: Option<Zap>,
    xsub: Socket,
    xpub: Socket,
    counts: Arc<Counts>,
}

fn open(lib: &Arc<Lib>, config: &ForwarderConfig) -> Result<Opened, ZmqError> {
    let context = Context::new(lib)?;
    context.set(opt::CTX_IO_THREADS, config.proxy_io_threads)?;
    context.set(opt::CTX_IPV6, config.ipv6.into())?;
    let zap = Zap::new(lib, &context, &config.curve)?;
    let xsub = context.socket(kind::XSUB)?;
    let xpub = context.socket(kind::XPUB)?;
    for socket in [&xsub, &xpub] {
        socket.set(opt::LINGER, config.linger_ms)?;
        socket.set_i64(opt::MAXMSGSIZE, config.max_message_bytes)?;
        zap::serve_encrypted(socket, &config.curve)?;
    }
    xpub.set(opt::XPUB_VERBOSER, 1)?;
    xpub.set(opt::XPUB_NODROP, config.listen_xpub_nodrop.into())?;
    Ok(Opened {
        lib: lib.clone(),
        zap,
        xsub,
        xpub,
        counts: Arc::default(),
    })
}

impl Opened {
    fn run(self, stop: &OwnedFd) {
        // Errors are those of a context that has ended; there is nobody to tell.
        let _ = self.forward(stop);
    }

    fn forward(&self, stop: &OwnedFd) -> Result<(), ZmqError> {
        let mut event = Frame::new(&self.lib);
        let mut other = Frame::new(&self.lib);
        let mut held = false;
        let mut stopping = false;
        let mut subscribed = Prefixes::default();
        loop {
            let wanted = [
                if stopping {
                    Wanted::Never
                } else {
                    Wanted::Fd(stop.as_raw_fd())
                },
                if held { Wanted::Never } else { Wanted::In(&self.xsub) },
                Wanted::In(&self.xpub),
                self.zap.as_ref().map_or(Wanted::Never, |z| Wanted::In(z.socket())),
            ];
            // A subscriber that is behind gives no sign when it has caught up. Before the end, what nodes have just sent is
            // passed on.
            let at_most = Duration::from_millis(match (held, stopping) {
                (true, _) => 1,
                (_, true) => 50,
                _ => 60_000,
            });
            let [stopped, _, _, asked] = poll(&self.lib, wanted, at_most)?;
            if stopping && (held || !self.turn(&mut event, &mut held)?) {
                return Ok(());
            }
            stopping |= stopped;
            if let Some(zap) = self.zap.as_ref().filter(|_| asked) {
                zap.serve(&mut other)?;
            }
            for _ in 0..TURN {
                if !other.receive(&self.xpub)? {
                    break;
                }
                let (more, n) = (other.more(), other.bytes().len());
                self.counts.back.received(n);
                if !self.is_noted(&mut subscribed, other.bytes()) {
                    continue;
                }
                if other.forward(&self.xsub, more)? {
                    self.counts.front.sent(n);
                }
            }
            self.turn(&mut event, &mut held)?;
        }
    }

    /// Takes note of a message about subscriptions. Gives whether it is to be passed on: every node keeps all of them.
    fn is_noted(&self, subscribed: &mut Prefixes, message: &[u8]) -> bool {
        match message.split_first() {
            Some((1, prefix)) => {
                let noted = subscribed.add(prefix).is_ok();
                if !noted {
                    add(&self.counts.refused, 1);
                }
                noted
            }
            // Nobody knows of those that were refused.
            Some((0, prefix)) => subscribed.remove(prefix),
            _ => true,
        }
    }

    /// Passes messages on. Gives whether there were any; `held` is set when one had to stay in `frame`.
    fn turn(&self, frame: &mut Frame, held: &mut bool) -> Result<bool, ZmqError> {
        let mut any = false;
        for _ in 0..TURN {
            if !*held {
                if !frame.receive(&self.xsub)? {
                    break;
                }
                self.counts.front.received(frame.bytes().len());
            }
            let (more, n) = (frame.more(), frame.bytes().len());
            *held = !frame.forward(&self.xpub, more)?;
            if *held {
                break;
            }
            any = true;
            self.counts.back.sent(n);
        }
        Ok(any)
    }
}
