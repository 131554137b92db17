//! The central forwarder: what is published at its XSUB socket goes out at its XPUB socket, subscriptions go the other way.
//!
//! It never looks into messages. With `listen_xpub_nodrop` one subscriber that is behind holds all up, as the option says.
//! Connections that subscribe to too much are cut, and new ones when there are too many ([`guard`]).

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::config::ForwarderConfig;
use super::ffi::{Context, Frame, Lib, Socket, Wanted, ZmqError, event, kind, opt, poll};
use super::guard::{self, Door, Guard};
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
    cut: AtomicU64,
    /// How often the forwarder has come out of libzmq.
    turns: AtomicU64,
    /// What was cut last, and why.
    last_cut: Mutex<String>,
}

impl Counts {
    fn cut(&self, peer: SocketAddr, why: &str) {
        add(&self.cut, 1);
        *self.last_cut.lock().unwrap_or_else(PoisonError::into_inner) = format!("{peer}: {why}");
    }
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
    threads: Vec<JoinHandle<()>>,
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
        let xpub_endpoint = bind(&opened.opened.xpub, &config.listen_xpub_endpoint, "XPUB")?;
        let xsub_endpoint = bind(&opened.opened.xsub, &config.listen_xsub_endpoint, "XSUB")?;
        let Parts { opened, watch } = opened;
        let counts = opened.counts.clone();
        let mut started = Forwarder {
            xpub_endpoint,
            xsub_endpoint,
            counts,
            stop,
            threads: Vec::new(),
        };
        let fds = [started.stop.clone(), started.stop.clone()];
        let [forwards, watches] = fds;
        started.spawn("zmq-forwarder", move || opened.run(&forwards))?;
        started.spawn("zmq-door", move || watch.run(&watches))?;
        Ok(started)
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), String> {
        let thread = std::thread::Builder::new().name(name.into()).spawn(work);
        let thread = thread.map_err(|e| format!("cannot start the cluster's forwarder: {e}"))?;
        self.threads.push(thread);
        Ok(())
    }

    /// What was counted so far.
    pub fn counters(&self) -> ForwarderCounters {
        ForwarderCounters {
            frontend: self.counts.front.read(),
            backend: self.counts.back.read(),
            refused_subscriptions: self.counts.refused.load(Ordering::Relaxed),
            cut_connections: self.counts.cut.load(Ordering::Relaxed),
        }
    }

    /// The peer whose connection was cut last, and why; empty before the first.
    pub fn last_cut(&self) -> String {
        let last = self.counts.last_cut.lock();
        last.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        wake::signal(&self.stop);
        for thread in self.threads.drain(..) {
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

/// What the two threads of a forwarder have.
struct Parts {
    opened: Opened,
    watch: Watch,
}

/// Who looks at connections while the forwarder forwards.
struct Watch {
    lib: Arc<Lib>,
    /// Tell of new connections, of XSUB and XPUB.
    monitors: [Socket; 2],
    max_connections: usize,
    counts: Arc<Counts>,
}

/// Has a socket tell of new connections.
fn watched(context: &Arc<Context>, socket: &Socket, name: &str) -> Result<Socket, ZmqError> {
    let endpoint = format!("inproc://accepted-{name}");
    socket.monitor(&endpoint, event::ACCEPTED)?;
    let monitor = context.socket(kind::PAIR)?;
    monitor.set(opt::LINGER, 0)?;
    monitor.connect(&endpoint)?;
    Ok(monitor)
}

fn open(lib: &Arc<Lib>, config: &ForwarderConfig) -> Result<Parts, ZmqError> {
    let context = Context::new(lib)?;
    context.set(opt::CTX_IO_THREADS, config.proxy_io_threads)?;
    context.set(opt::CTX_IPV6, config.ipv6.into())?;
    let zap = Zap::new(lib, &context, &config.curve)?;
    let xsub = context.socket(kind::XSUB)?;
    let xpub = context.socket(kind::XPUB)?;
    for socket in [&xsub, &xpub] {
        socket.set(opt::LINGER, config.linger_ms)?;
        zap::serve_encrypted(socket, &config.curve)?;
    }
    xsub.set_i64(opt::MAXMSGSIZE, config.max_message_bytes)?;
    // Nothing but subscriptions comes here.
    xpub.set_i64(opt::MAXMSGSIZE, guard::MESSAGE_MAX)?;
    xpub.set(opt::RCVHWM, guard::WAITING_MESSAGES)?;
    xpub.set(opt::RCVBUF, guard::WAITING_BYTES)?;
    xpub.set(opt::XPUB_VERBOSER, 1)?;
    xpub.set(opt::XPUB_NODROP, config.listen_xpub_nodrop.into())?;
    let monitors = [watched(&context, &xsub, "xsub")?, watched(&context, &xpub, "xpub")?];
    let opened = Opened {
        lib: lib.clone(),
        zap,
        xsub,
        xpub,
        counts: Arc::default(),
    };
    let watch = Watch {
        lib: lib.clone(),
        monitors,
        max_connections: config.max_connections,
        counts: opened.counts.clone(),
    };
    Ok(Parts { opened, watch })
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
        let mut guard = Guard::default();
        loop {
            self.counts.turns.fetch_add(1, Ordering::Relaxed);
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
                if let Some(peer) = guard.note(&other) {
                    self.counts.cut(peer, "it subscribes to too much");
                }
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
            // Nodes would not know what it is.
            _ => false,
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

/// How often the connections are looked at.
const LOOK: Duration = Duration::from_millis(100);

impl Watch {
    fn run(self, stop: &OwnedFd) {
        // Errors are those of a context that has ended; there is nobody to tell.
        let _ = self.watch(stop);
    }

    fn watch(&self, stop: &OwnedFd) -> Result<(), ZmqError> {
        let mut frame = Frame::new(&self.lib);
        let mut doors = [(); 2].map(|()| Door::new(self.max_connections));
        let (mut turns, mut looked) = (0, Instant::now());
        loop {
            let [xsub, xpub] = &self.monitors;
            let wanted = [Wanted::Fd(stop.as_raw_fd()), Wanted::In(xsub), Wanted::In(xpub)];
            let [stopped, ..] = poll(&self.lib, wanted, LOOK)?;
            if stopped {
                return Ok(());
            }
            for (door, monitor) in doors.iter_mut().zip(&self.monitors) {
                while frame.receive(monitor)? {
                    if let Some(peer) = door.accept(&frame) {
                        let n = self.max_connections;
                        let why =
                            format!("there are more than {n} connections; more need a higher limit of open files");
                        self.counts.cut(peer, &why);
                    }
                    // The endpoint follows.
                    while frame.more() && frame.receive(monitor)? {}
                }
            }
            if looked.elapsed() < LOOK {
                continue;
            }
            looked = Instant::now();
            let now = self.counts.turns.load(Ordering::Relaxed);
            let is_stuck = std::mem::replace(&mut turns, now) == now;
            for peer in doors[1].look(is_stuck) {
                self.counts.cut(peer, "it subscribes without end");
            }
        }
    }
}
