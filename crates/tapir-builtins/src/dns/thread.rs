//! The thread that asks name servers: its sockets, its commands, its clock. One serves a whole process.
//!
//! What it does about what happens is decided in `queries.rs`.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tapir_data::value::Addr;

use super::cache::{Cache, Counts, Remembered};
use super::conf::Conf;
use super::past::News;
use super::queries::{Asker, Queries, Question, Wire, host_answer};
use super::wire::Answer;

/// Questions that a socket carries before another takes its place, with a port that nobody can have guessed.
const PER_SOCKET: u32 = 64;
/// Datagrams that are taken of a socket before others have their turn.
const AT_ONCE: usize = 64;
/// More than any reply over UDP to a question without extensions; longer ones are read as cut short.
const DATAGRAM: usize = 4096;
/// How often it is looked whether the system has other name servers by now, at most.
const CONF_EVERY: Duration = Duration::from_secs(30);
/// A look-up by the system needs little.
const HOST_STACK: usize = 256 << 10;
/// How long a script waits whose call cannot go on without the answer.
const BLOCKING: Duration = Duration::from_secs(30);

enum Command {
    Ask(Question, Asker),
    /// The system has looked for a host, for so long.
    HostFound(Arc<str>, Answer, Duration),
}

/// Wakes the thread.
struct Bell {
    wire: UnixStream,
    rung: AtomicBool,
}

impl Bell {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // It is full only when it has been rung.
            let _ = (&self.wire).write(&[1]);
        }
    }
}

/// That of the process.
static SHARED: OnceLock<Result<Resolver, String>> = OnceLock::new();

/// Asks name servers for whoever wants to know.
pub struct Resolver {
    cache: Arc<Mutex<Cache>>,
    commands: Sender<Command>,
    bell: Arc<Bell>,
}

impl Resolver {
    /// That of the process, which is started when it is first needed.
    ///
    /// # Errors
    /// Why there is none.
    pub fn shared() -> Result<&'static Resolver, &'static str> {
        let shared = SHARED.get_or_init(|| {
            let conf = Conf::load()?;
            Resolver::start(conf).map_err(|e| format!("names cannot be looked up: {e}"))
        });
        shared.as_ref().map_err(String::as_str)
    }

    /// What was asked so far, and what is remembered; nothing before somebody has asked.
    pub fn stats() -> (Counts, Remembered) {
        match SHARED.get() {
            Some(Ok(resolver)) => {
                let cache = resolver.cache.lock().unwrap_or_else(PoisonError::into_inner);
                (cache.counts, cache.remembered(Instant::now()))
            }
            _ => Default::default(),
        }
    }

    /// # Errors
    /// The system has no thread or pipe left.
    pub fn start(conf: Conf) -> io::Result<Resolver> {
        let (commands, inbox) = channel();
        let (ring, heard) = UnixStream::pair()?;
        ring.set_nonblocking(true)?;
        heard.set_nonblocking(true)?;
        let bell = Arc::new(Bell {
            wire: ring,
            rung: AtomicBool::new(false),
        });
        let cache = Arc::new(Mutex::new(Cache::default()));
        let worker = Worker {
            inbox,
            heard,
            queries: Queries::new(conf.clone(), cache.clone()),
            net: Net {
                servers: conf.servers,
                sockets: HashMap::new(),
                current: HashMap::new(),
                next: 0,
                commands: commands.clone(),
                bell: Arc::downgrade(&bell),
            },
            conf_read: Instant::now(),
        };
        let (own_bell, thread) = (Arc::downgrade(&bell), std::thread::Builder::new().name("dns".into()));
        thread.spawn(move || worker.run(&own_bell))?;
        Ok(Resolver { cache, commands, bell })
    }

    /// The answer, if it is known.
    pub fn known(&self, q: &Question) -> Option<Answer> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(q, Instant::now())
    }

    /// Gives the answer if it is known, or sends it to the asker later.
    pub fn ask(&self, q: Question, asker: Asker) -> Option<Answer> {
        let known = self.known(&q);
        if known.is_none() {
            match self.commands.send(Command::Ask(q, asker)) {
                Ok(()) => self.bell.ring(),
                // The thread is gone, which it never should be.
                Err(_) => return Some(Answer::Failed),
            }
        }
        known
    }

    /// Waits for the answer; with what has changed, if it was looked up before.
    pub fn ask_and_wait(&self, q: Question) -> (Answer, Option<Box<News>>) {
        let (sender, answers) = channel();
        if let Some(known) = self.ask(q, (sender, 0)) {
            return (known, None);
        }
        let heard = answers.recv_timeout(BLOCKING);
        heard.map_or((Answer::Failed, None), |(_, answer, news)| (answer, news))
    }
}

struct Worker {
    inbox: Receiver<Command>,
    heard: UnixStream,
    queries: Queries,
    net: Net,
    conf_read: Instant,
}

impl Worker {
    fn run(mut self, bell: &std::sync::Weak<Bell>) {
        loop {
            if !self.listen() {
                return;
            }
            // First this, then the commands: what comes later rings again. Without a bell nobody is left to ask.
            let Some(bell) = bell.upgrade() else { return };
            bell.rung.store(false, Ordering::Release);
            drop(bell);
            self.refresh();
            loop {
                match self.inbox.try_recv() {
                    Ok(Command::Ask(q, asker)) => self.queries.ask(q, asker, Instant::now(), &mut self.net),
                    Ok(Command::HostFound(host, answer, took)) => {
                        self.queries
                            .host_found(&host, answer, took, Instant::now(), &mut self.net);
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            self.queries.tick(Instant::now(), &mut self.net);
        }
    }

    /// Waits until something happens, and takes what servers have sent. False when nobody is left to ask.
    fn listen(&mut self) -> bool {
        let wait = self.queries.next_deadline().map(|t| {
            let d = t.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: d.as_secs() as i64,
                tv_nsec: i64::from(d.subsec_nanos()),
            }
        });
        let ready: Vec<u32> = {
            let numbers: Vec<u32> = self.net.sockets.keys().copied().collect();
            let mut fds = vec![PollFd::new(&self.heard, PollFlags::IN)];
            fds.extend(
                numbers
                    .iter()
                    .map(|n| PollFd::new(&self.net.sockets[n].socket, PollFlags::IN)),
            );
            if poll(&mut fds, wait.as_ref()).is_err() {
                // A signal.
                return true;
            }
            let ready = fds[1..].iter().zip(&numbers).filter(|(fd, _)| !fd.revents().is_empty());
            ready.map(|(_, n)| *n).collect()
        };
        let mut rings = [0; 64];
        if matches!((&self.heard).read(&mut rings), Ok(0)) {
            return false;
        }
        for number in ready {
            self.take(number);
        }
        true
    }

    fn take(&mut self, number: u32) {
        let mut buffer = [0; DATAGRAM];
        for _ in 0..AT_ONCE {
            let Some(s) = self.net.sockets.get(&number) else { return };
            let (server, got) = (s.server, s.socket.recv(&mut buffer));
            let now = Instant::now();
            match got {
                Ok(n) => self.queries.received(server, number, &buffer[..n], now, &mut self.net),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return,
                Err(_) => {
                    // What goes on with the same server does so on another socket.
                    self.net.current.retain(|_, n| *n != number);
                    self.queries.unreachable(number, now, &mut self.net);
                    self.net.sockets.remove(&number);
                    return;
                }
            }
        }
    }

    /// Sees to it that what changes in the system's configuration is noticed, between questions.
    fn refresh(&mut self) {
        if self.queries.conf().given || !self.queries.is_empty() || self.conf_read.elapsed() < CONF_EVERY {
            return;
        }
        self.conf_read = Instant::now();
        if let Ok(conf) = Conf::load()
            && conf != *self.queries.conf()
        {
            self.net.servers.clone_from(&conf.servers);
            self.net.sockets.clear();
            self.net.current.clear();
            self.queries.set_conf(conf);
        }
    }
}

struct Socket {
    socket: UdpSocket,
    server: usize,
    /// Questions that it has carried, and those of them that wait for a reply.
    carried: u32,
    open: u32,
}

/// Sockets to servers. Each is connected, so that the system takes datagrams of nobody else.
struct Net {
    servers: Vec<SocketAddr>,
    sockets: HashMap<u32, Socket>,
    /// By server.
    current: HashMap<usize, u32>,
    next: u32,
    commands: Sender<Command>,
    bell: std::sync::Weak<Bell>,
}

impl Net {
    fn connect(&mut self, server: usize) -> Option<u32> {
        let to = *self.servers.get(server)?;
        let local: SocketAddr = match to {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(local).ok()?;
        socket.connect(to).ok()?;
        socket.set_nonblocking(true).ok()?;
        self.next = self.next.wrapping_add(1);
        let s = Socket {
            socket,
            server,
            carried: 0,
            open: 0,
        };
        self.sockets.insert(self.next, s);
        if let Some(old) = self.current.insert(server, self.next)
            && self.sockets.get(&old).is_some_and(|s| s.open == 0)
        {
            self.sockets.remove(&old);
        }
        Some(self.next)
    }
}

impl Wire for Net {
    fn open(&mut self, server: usize) -> Option<u32> {
        let current = self.current.get(&server).copied();
        let usable = current.filter(|n| self.sockets.get(n).is_some_and(|s| s.carried < PER_SOCKET));
        let number = match usable {
            Some(n) => n,
            None => self.connect(server)?,
        };
        let s = self.sockets.get_mut(&number)?;
        s.carried += 1;
        s.open += 1;
        Some(number)
    }

    fn send(&mut self, socket: u32, packet: &[u8]) -> bool {
        let Some(s) = self.sockets.get(&socket) else {
            return false;
        };
        match s.socket.send(packet) {
            Ok(_) => true,
            // A full buffer is like a datagram that was lost.
            Err(e) => e.kind() == ErrorKind::WouldBlock,
        }
    }

    fn close(&mut self, socket: u32) {
        let Some(s) = self.sockets.get_mut(&socket) else { return };
        s.open = s.open.saturating_sub(1);
        if s.open == 0 && self.current.get(&s.server) != Some(&socket) {
            self.sockets.remove(&socket);
        }
    }

    fn look_for(&mut self, host: &Arc<str>) -> bool {
        let (host, commands, bell) = (host.clone(), self.commands.clone(), self.bell.clone());
        let thread = std::thread::Builder::new()
            .name("dns-host".into())
            .stack_size(HOST_STACK);
        let started = thread.spawn(move || {
            let begun = Instant::now();
            let answer = find_host(&host);
            let sent = commands.send(Command::HostFound(host, answer, begun.elapsed()));
            if let (Ok(()), Some(bell)) = (sent, bell.upgrade()) {
                bell.ring();
            }
        });
        started.is_ok()
    }
}

/// Looks for a host as the system does.
fn find_host(host: &str) -> Answer {
    match (host, 0).to_socket_addrs() {
        Ok(found) => host_answer(found.map(|s| Addr::from(s.ip())).collect()),
        Err(_) => Answer::Failed,
    }
}

#[cfg(test)]
mod tests;
