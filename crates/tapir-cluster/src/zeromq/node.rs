//! The thread that owns a node's sockets.

use std::collections::VecDeque;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::config::Config;
use super::ffi::{Context, Frame, Lib, Socket, Wanted, ZmqError, event, kind, opt, poll};
use super::guard::{self, Door, Guard, Limits};
use super::zap::{self, Zap};
use super::{Command, Outbox};
use crate::backend::{Incoming, LogBatch};
use crate::inbox::{Inbox, add};
use crate::interest::{Prefixes, SUBSCRIPTIONS_MAX};
use crate::{logwire, wake};

/// `Cluster::Backend::error`'s tag for trouble with messages.
const TAG: &str = "zeromq";

/// What `debug_flags` asks for.
mod debug {
    pub const MESSAGES: u64 = 1;
    pub const SUBSCRIPTIONS: u64 = 2;
}

/// First frame of log messages.
const LOG_TOPIC: &[u8] = b"log-write";

/// A node's sockets and what belongs to them.
pub struct Node {
    lib: Arc<Lib>,
    config: Config,
    inbox: Arc<Inbox>,
    outbox: Arc<Outbox>,
    pub log_endpoint: Option<String>,
    xpub: Socket,
    xsub: Socket,
    push: Option<Socket>,
    pull: Option<Socket>,
    /// Tell of connections that were refused: of XPUB, XSUB and PUSH; and of those that others make to PULL.
    monitors: [Option<Socket>; 4],
    door: Door,
    guard: Guard,
    zap: Option<Zap>,
    frame: Frame,
    /// The frames of one message.
    parts: Vec<Vec<u8>>,
    commands: VecDeque<Command>,
    /// A log message that waits for room, with its number of rows.
    unsent: Option<(Vec<u8>, u64)>,
    /// Loggers that are there, and rows that libzmq has taken while there was none.
    n_loggers: u32,
    rows_for_nobody: u64,
    /// Prefixes that were seen to be subscribed to.
    seen: Prefixes,
    /// Topics of probes under way.
    probes: Vec<Vec<u8>>,
    n_probes: u64,
    refused: bool,
    /// When to say that there is no sign of the forwarder; `None` from its first sign on, or when that was said.
    alone_until: Option<Instant>,
}

/// How long a node waits for a sign of the forwarder before it says that there is none.
const ALONE: Duration = Duration::from_secs(30);

/// The longest message about a subscription that is taken: forwarders of other programs may let through what ours does not,
/// and it costs 32 times its length.
const MESSAGE_MAX: i64 = 4 << 20;
/// What libzmq may keep of all that others subscribe to, which comes through one connection: more than our forwarder lets
/// through.
const LIMITS: Limits = Limits {
    prefixes: 2 * SUBSCRIPTIONS_MAX,
    bytes: 32 << 20,
    bytes_of_all: 32 << 20,
};

/// What a message turned out to be.
enum Parts {
    None,
    Good,
    /// Not four frames.
    Odd(usize),
}

impl Node {
    /// Opens, binds and connects the sockets.
    ///
    /// # Errors
    /// Why not, for the user.
    pub fn open(lib: &Arc<Lib>, config: &Config, inbox: &Arc<Inbox>, outbox: &Arc<Outbox>) -> Result<Self, String> {
        let general = |e: ZmqError| format!("cannot start the cluster backend: {e}");
        let mut node = Self::sockets(lib, config, inbox, outbox).map_err(general)?;
        if let Some(pull) = &node.pull {
            let endpoint = &config.listen_log_endpoint;
            let bound = pull.bind(endpoint);
            let bound = bound.map_err(|e| format!("cannot bind the logger's PULL socket to {endpoint}: {e}"))?;
            node.log_endpoint = Some(bound);
        }
        let connect = |s: &Socket, endpoint: &str| {
            s.connect(endpoint)
                .map_err(|e| format!("cannot connect to the cluster at {endpoint}: {e}"))
        };
        connect(&node.xsub, &config.connect_xsub_endpoint)?;
        connect(&node.xpub, &config.connect_xpub_endpoint)?;
        if let Some(push) = &node.push {
            for endpoint in &config.connect_log_endpoints {
                connect(push, endpoint)?;
            }
        }
        Ok(node)
    }

    fn sockets(lib: &Arc<Lib>, config: &Config, inbox: &Arc<Inbox>, outbox: &Arc<Outbox>) -> Result<Self, ZmqError> {
        let context = Context::new(lib)?;
        context.set(opt::CTX_IPV6, config.ipv6.into())?;
        let zap = if config.listen_log_endpoint.is_empty() {
            None
        } else {
            Zap::new(lib, &context, &config.curve)?
        };
        let connecting = |kind: i32, hwm: (i32, i32), buffer: (i32, i32)| {
            let socket = context.socket(kind)?;
            socket.set(opt::LINGER, config.linger_ms)?;
            socket.set(hwm.0, hwm.1)?;
            socket.set(buffer.0, buffer.1)?;
            socket.set_i64(opt::MAXMSGSIZE, config.max_message_bytes)?;
            zap::connect_encrypted(&socket, &config.curve)?;
            Ok(socket)
        };
        let xpub = connecting(
            kind::XPUB,
            (opt::SNDHWM, config.xpub_sndhwm),
            (opt::SNDBUF, config.xpub_sndbuf),
        )?;
        xpub.set(opt::XPUB_VERBOSE, 1)?;
        xpub.set_i64(opt::MAXMSGSIZE, MESSAGE_MAX)?;
        xpub.set(opt::XPUB_NODROP, config.connect_xpub_nodrop.into())?;
        let xsub = connecting(
            kind::XSUB,
            (opt::RCVHWM, config.xsub_rcvhwm),
            (opt::RCVBUF, config.xsub_rcvbuf),
        )?;
        let mut push = None;
        if !config.connect_log_endpoints.is_empty() {
            let p = connecting(
                kind::PUSH,
                (opt::SNDHWM, config.log_sndhwm),
                (opt::SNDBUF, config.log_sndbuf),
            )?;
            p.set(opt::IMMEDIATE, config.log_immediate.into())?;
            push = Some(p);
        }
        let mut pull = None;
        if !config.listen_log_endpoint.is_empty() {
            let p = context.socket(kind::PULL)?;
            p.set(opt::LINGER, config.linger_ms)?;
            p.set(opt::RCVHWM, config.log_rcvhwm)?;
            p.set(opt::RCVBUF, config.log_rcvbuf)?;
            p.set_i64(opt::MAXMSGSIZE, config.max_message_bytes)?;
            zap::serve_encrypted(&p, &config.curve)?;
            pull = Some(p);
        }
        let refused =
            event::HANDSHAKE_FAILED_NO_DETAIL | event::HANDSHAKE_FAILED_PROTOCOL | event::HANDSHAKE_FAILED_AUTH;
        let watch = |socket: Option<&Socket>, name: &str, events: u16| -> Result<Option<Socket>, ZmqError> {
            let Some(socket) = socket else {
                return Ok(None);
            };
            let endpoint = format!("inproc://monitor-{name}");
            socket.monitor(&endpoint, events)?;
            let monitor = context.socket(kind::PAIR)?;
            monitor.set(opt::LINGER, 0)?;
            monitor.connect(&endpoint)?;
            Ok(Some(monitor))
        };
        let monitors = [
            watch(Some(&xpub), "xpub", refused)?,
            watch(Some(&xsub), "xsub", refused)?,
            watch(
                push.as_ref(),
                "push",
                refused | event::HANDSHAKE_SUCCEEDED | event::DISCONNECTED,
            )?,
            watch(pull.as_ref(), "pull", event::ACCEPTED)?,
        ];
        Ok(Node {
            lib: lib.clone(),
            config: config.clone(),
            inbox: inbox.clone(),
            outbox: outbox.clone(),
            log_endpoint: None,
            xpub,
            xsub,
            push,
            pull,
            monitors,
            door: Door::new(guard::connections_max()),
            guard: Guard::new(LIMITS),
            zap,
            frame: Frame::new(lib),
            parts: Vec::new(),
            commands: VecDeque::new(),
            unsent: None,
            n_loggers: 0,
            rows_for_nobody: 0,
            seen: Prefixes::default(),
            probes: Vec::new(),
            n_probes: 0,
            refused: false,
            alone_until: Some(Instant::now() + ALONE),
        })
    }

    /// Sends and receives until the backend is closed.
    pub fn run(mut self) {
        if let Err(e) = self.turns() {
            self.inbox
                .notice(Incoming::Fatal(format!("the cluster backend failed: {e}")));
        }
    }

    fn turns(&mut self) -> Result<(), ZmqError> {
        loop {
            wake::clear(&self.outbox.wake);
            let closing = self.take_commands();
            self.execute()?;
            let all_sent = self.send_logs()?;
            if let Some(until) = closing {
                if all_sent || Instant::now() >= until {
                    self.read_monitors()?;
                    self.count_unsent();
                    return Ok(());
                }
            }
            // Rows that the node has not taken wait in the socket, and with it their senders.
            let room = self.inbox.has_log_room();
            let at_most = Duration::from_millis(match (closing, self.pull.is_some() && !room) {
                (Some(_), _) => 5,
                (_, true) => 10,
                _ => 60_000,
            });
            let at_most = at_most.min(self.patience());
            let monitor = |i: usize| self.monitors[i].as_ref().map_or(Wanted::Never, Wanted::In);
            let wanted = [
                Wanted::Fd(self.outbox.wake.as_raw_fd()),
                Wanted::In(&self.xsub),
                Wanted::In(&self.xpub),
                self.pull.as_ref().filter(|_| room).map_or(Wanted::Never, Wanted::In),
                self.push
                    .as_ref()
                    .filter(|_| !all_sent)
                    .map_or(Wanted::Never, Wanted::Out),
                self.zap.as_ref().map_or(Wanted::Never, |z| Wanted::In(z.socket())),
                monitor(0),
                monitor(1),
                monitor(2),
                monitor(3),
            ];
            let [_, xsub, xpub, pull, _, asked, m0, m1, m2, m3] = poll(&self.lib, wanted, at_most)?;
            if m0 || m1 || m2 || m3 {
                self.read_monitors()?;
            }
            if let Some(zap) = self.zap.as_ref().filter(|_| asked) {
                zap.serve(&mut self.frame)?;
            }
            if xpub {
                self.read_subscriptions()?;
            }
            if xsub {
                self.read_events()?;
            }
            if pull {
                self.read_logs()?;
            }
        }
    }

    fn take_commands(&mut self) -> Option<Instant> {
        let mut state = self.outbox.lock();
        std::mem::swap(&mut state.commands, &mut self.commands);
        state.events = 0;
        state.closing
    }

    fn execute(&mut self) -> Result<(), ZmqError> {
        while let Some(command) = self.commands.pop_front() {
            match command {
                Command::Subscribe(prefix) => self.change_subscription(1, &prefix)?,
                Command::Unsubscribe(prefix) => self.change_subscription(0, &prefix)?,
                Command::Event { topic, payload } => {
                    let format = self.config.event_serializer.name();
                    let parts = [&topic[..], self.config.node_id.as_bytes(), format.as_bytes(), &payload];
                    let sent = send_parts(&self.xpub, parts)?;
                    self.debug(debug::MESSAGES, || {
                        let what = if sent { "sent" } else { "dropped" };
                        format!("{what} {} bytes on topic {}", payload.len(), shown(&topic))
                    });
                    let tally = &self.inbox.tally;
                    add(if sent { &tally.events_out } else { &tally.event_drops }, 1);
                }
                Command::Probe => {
                    self.n_probes += 1;
                    let prefix = &self.config.internal_topic_prefix;
                    let topic = format!("{prefix}{}.{}.", self.config.node_id, self.n_probes).into_bytes();
                    self.change_subscription(1, &topic)?;
                    self.probes.push(topic);
                }
            }
        }
        Ok(())
    }

    fn change_subscription(&self, what: u8, prefix: &[u8]) -> Result<(), ZmqError> {
        if prefix.len() > guard::TOPIC_MAX {
            if what == 1 {
                self.inbox
                    .refuse_subscription(TAG, prefix, "it is too long for a topic");
            }
            return Ok(());
        }
        self.debug(debug::SUBSCRIPTIONS, || {
            let what = if what == 1 {
                "subscribing to"
            } else {
                "unsubscribing from"
            };
            format!("{what} {}", shown(prefix))
        });
        let mut message = vec![what];
        message.extend_from_slice(prefix);
        self.xsub.send(&message, false)?;
        Ok(())
    }

    /// Sends what waits. Gives whether nothing waits any more.
    fn send_logs(&mut self) -> Result<bool, ZmqError> {
        let Some(push) = &self.push else {
            return Ok(true);
        };
        loop {
            let (payload, rows) = match self.unsent.take() {
                Some(unsent) => unsent,
                None => {
                    let Some(batch) = self.next_batch() else {
                        return Ok(true);
                    };
                    let mut payload = Vec::new();
                    if let Err(e) = logwire::encode(&batch, &mut payload) {
                        self.inbox.error(TAG, format!("log {} cannot be sent: {e}", batch.path));
                        add(&self.inbox.tally.log_row_drops, batch.n_rows.into());
                        continue;
                    }
                    (payload, batch.n_rows.into())
                }
            };
            let id = self.config.node_id.as_bytes();
            if !send_parts(push, [LOG_TOPIC, id, logwire::NAME.as_bytes(), &payload])? {
                self.unsent = Some((payload, rows));
                return Ok(false);
            }
            add(&self.inbox.tally.log_rows_out, rows);
            if self.n_loggers == 0 {
                self.rows_for_nobody += rows;
            }
            self.debug(debug::MESSAGES, || format!("sent {rows} rows of a log"));
        }
    }

    /// Counts, at the end, the rows that no logger has taken.
    fn count_unsent(&mut self) {
        let mut lost = self.rows_for_nobody;
        lost += self.unsent.take().map_or(0, |(_, rows)| rows);
        while let Some(batch) = self.next_batch() {
            lost += u64::from(batch.n_rows);
        }
        add(&self.inbox.tally.log_row_drops, lost);
    }

    /// Says that there is no sign of the forwarder when it is time to. Gives how long that is.
    fn patience(&mut self) -> Duration {
        let Some(until) = self.alone_until else {
            return Duration::MAX;
        };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.alone_until = None;
            self.inbox.warning(format!(
                "no sign of the cluster's forwarder at {} and {} for {} seconds; is the manager running there?",
                self.config.connect_xpub_endpoint,
                self.config.connect_xsub_endpoint,
                ALONE.as_secs()
            ));
            return Duration::MAX;
        }
        left
    }

    /// Tells on standard error, where that was asked for.
    fn debug(&self, flag: u64, text: impl FnOnce() -> String) {
        if self.config.debug_flags & flag != 0 {
            eprintln!("zeromq: {}", text());
        }
    }

    fn next_batch(&self) -> Option<LogBatch> {
        let mut state = self.outbox.lock();
        let batch = state.logs.pop_front()?;
        state.log_bytes -= batch.rows.len();
        Some(batch)
    }

    fn read_subscriptions(&mut self) -> Result<(), ZmqError> {
        for _ in 0..self.config.poll_max_messages.max(1) {
            if !self.frame.receive(&self.xpub)? {
                break;
            }
            if let Some(peer) = self.guard.note(&self.frame) {
                self.inbox.warning(format!(
                    "the connection to the cluster's forwarder at {peer} was cut: what others subscribe to is more than {} \
                     topics, or {} MB",
                    LIMITS.prefixes,
                    LIMITS.bytes_of_all >> 20
                ));
            }
            let Some((&what, prefix)) = self.frame.bytes().split_first() else {
                continue;
            };
            self.debug(debug::SUBSCRIPTIONS, || {
                let what = if what == 1 {
                    "subscribes to"
                } else {
                    "subscribes no more to"
                };
                format!("somebody {what} {}", shown(prefix))
            });
            self.alone_until = None;
            if let Some(i) = self.probes.iter().position(|p| p == prefix) {
                if what == 1 {
                    let topic = self.probes.swap_remove(i);
                    self.change_subscription(0, &topic)?;
                    self.inbox.notice(Incoming::Ready);
                }
            } else if prefix.starts_with(self.config.internal_topic_prefix.as_bytes()) {
                // Another node's probe, or the end of one.
            } else if what == 1 {
                if self.seen.contains(prefix) {
                    continue;
                }
                let noted = match self.inbox.hears_subscriptions() {
                    true => self.seen.add(prefix),
                    false => Err("they change faster than this node hears of them"),
                };
                match noted {
                    Ok(()) => self.inbox.subscribed(prefix),
                    Err(why) => self.inbox.refuse_subscription(TAG, prefix, why),
                }
            } else if what == 0 && self.seen.forget(prefix) {
                self.inbox.notice(Incoming::Unsubscribed(prefix.to_vec()));
            }
        }
        Ok(())
    }

    fn read_events(&mut self) -> Result<(), ZmqError> {
        for _ in 0..self.config.poll_max_messages.max(1) {
            match receive_parts(&mut self.frame, &self.xsub, &mut self.parts)? {
                Parts::None => break,
                Parts::Odd(n) => {
                    add(&self.inbox.tally.malformed, 1);
                    self.inbox
                        .error(TAG, format!("a message of {n} frames instead of 4 was dropped"));
                    continue;
                }
                Parts::Good => {}
            }
            if self.parts[1] == self.config.node_id.as_bytes() {
                continue;
            }
            self.debug(debug::MESSAGES, || {
                let (topic, from) = (shown(&self.parts[0]), shown(&self.parts[1]));
                format!("got {} bytes of {from} on topic {topic}", self.parts[3].len())
            });
            let wanted = self.config.event_serializer;
            if self.parts[2] != wanted.name().as_bytes() {
                let (is, from) = (shown(&self.parts[2]), shown(&self.parts[1]));
                let message = format!(
                    "an event of {from} is in the form {is}, but this node reads {}",
                    wanted.name()
                );
                add(&self.inbox.tally.malformed, 1);
                self.inbox.error(TAG, message);
                continue;
            }
            let event = match &self.parts[3] {
                p if p.len() > self.config.max_event_bytes => Err(format!("it has {} bytes", p.len())),
                p => wanted.decode(p),
            };
            match event {
                Ok(event) => {
                    self.inbox.event(std::mem::take(&mut self.parts[0]), event);
                }
                Err(e) => {
                    let (topic, from) = (shown(&self.parts[0]), shown(&self.parts[1]));
                    add(&self.inbox.tally.malformed, 1);
                    self.inbox
                        .error(TAG, format!("an event of {from} on topic {topic} cannot be read: {e}"));
                }
            }
        }
        Ok(())
    }

    fn read_logs(&mut self) -> Result<(), ZmqError> {
        let Some(pull) = &self.pull else {
            return Ok(());
        };
        for _ in 0..self.config.poll_max_messages.max(1) {
            if !self.inbox.has_log_room() {
                break;
            }
            let message = match receive_parts(&mut self.frame, pull, &mut self.parts)? {
                Parts::None => break,
                Parts::Odd(n) => format!("a log message of {n} frames instead of 4 was dropped"),
                Parts::Good if self.parts[2] != logwire::NAME.as_bytes() => {
                    "a log message in an unknown form was dropped".into()
                }
                Parts::Good => match logwire::decode(&self.parts[3]) {
                    // Refused only when the node has ended.
                    Ok(batch) => {
                        self.inbox.logs(batch);
                        continue;
                    }
                    Err(e) => format!("a log message cannot be read: {e}"),
                },
            };
            add(&self.inbox.tally.malformed, 1);
            self.inbox.error(TAG, message);
        }
        Ok(())
    }

    fn read_monitors(&mut self) -> Result<(), ZmqError> {
        for monitor in self.monitors.iter().flatten() {
            while self.frame.receive(monitor)? {
                if let Some(peer) = self.door.accept(&self.frame) {
                    self.inbox.warning(format!(
                        "a connection of {peer} to this logger was cut: there are more than {}; more need a higher limit of \
                         open files",
                        guard::connections_max()
                    ));
                }
                let told = self.frame.bytes();
                let number = told.first_chunk::<2>().map_or(0, |n| u16::from_ne_bytes(*n));
                let value = told.get(2..).and_then(|t| t.first_chunk::<4>());
                let value = value.map_or(0, |n| u32::from_ne_bytes(*n));
                let mut endpoint = String::new();
                while self.frame.more() && self.frame.receive(monitor)? {
                    endpoint = String::from_utf8_lossy(self.frame.bytes()).into_owned();
                }
                match number {
                    // What has waited goes to it now.
                    event::HANDSHAKE_SUCCEEDED => (self.n_loggers, self.rows_for_nobody) = (self.n_loggers + 1, 0),
                    event::DISCONNECTED => self.n_loggers = self.n_loggers.saturating_sub(1),
                    event::ACCEPTED => {}
                    _ => self.inbox.monitoring(number, value, endpoint.clone()),
                }
                let why = match number {
                    event::HANDSHAKE_FAILED_AUTH => "authentication failed",
                    event::HANDSHAKE_FAILED_PROTOCOL => "the handshake failed",
                    event::HANDSHAKE_FAILED_NO_DETAIL => {
                        self.inbox
                            .warning(format!("the connection to {endpoint} broke during its handshake"));
                        continue;
                    }
                    _ => continue,
                };
                if !std::mem::replace(&mut self.refused, true) {
                    self.inbox.notice(Incoming::Fatal(format!(
                        "cannot take part in the cluster: {why} at {endpoint}; check the CURVE keys of both sides"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// The beginning of what may be long or no text.
fn shown(b: &[u8]) -> String {
    String::from_utf8_lossy(&b[..b.len().min(100)]).into_owned()
}

/// Sends a message without waiting. Gives whether there was room.
fn send_parts(socket: &Socket, parts: [&[u8]; 4]) -> Result<bool, ZmqError> {
    for (i, part) in parts.into_iter().enumerate() {
        // Room is there for whole messages, so only the first frame can find none. Should a later one, it is tried until it
        // goes: half a message must not stay.
        while !socket.send(part, i < 3)? {
            if i == 0 {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(true)
}

/// Takes the frames of one message; of those beyond the fourth only the number.
fn receive_parts(frame: &mut Frame, socket: &Socket, parts: &mut Vec<Vec<u8>>) -> Result<Parts, ZmqError> {
    let mut n = 0;
    loop {
        if !frame.receive(socket)? {
            return Ok(if n == 0 { Parts::None } else { Parts::Odd(n) });
        }
        if n < 4 {
            if parts.len() == n {
                parts.push(Vec::new());
            }
            parts[n].clear();
            parts[n].extend_from_slice(frame.bytes());
        }
        n += 1;
        if !frame.more() {
            return Ok(if n == 4 { Parts::Good } else { Parts::Odd(n) });
        }
    }
}
