//! One client, from the handshake to its end, on a thread of its own.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Bytes, Error, Message, WebSocket};

use super::stream::Stream;
use super::{ClientEvent, ClientInfo, ServerShared, Shared, handshake, message};
use crate::backend::Incoming;
use crate::inbox::Inbox;
use crate::wake;

/// How long a client may take for its handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(3);

/// How long a client may take to answer the end.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// How often waiting for a place in the queue is counted.
const BLOCK_TIME: Duration = Duration::from_millis(100);

/// Longer messages end the connection.
const MESSAGE_MAX: usize = 16 << 20;

/// Events are turned into text while less than this waits to be written.
const OUTPUT_MAX: usize = 1 << 20;

/// Events taken at a time.
const TURN: usize = 64;

/// Serves a connection until its end.
pub fn serve(tcp: TcpStream, address: SocketAddr, server: &Arc<ServerShared>) {
    let Ok(mut stream) = Stream::new(tcp, server.tls.as_ref()) else {
        return;
    };
    let Some((request, rest)) = open(&mut stream, server) else {
        return;
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX))
        .read_buffer_size(8 << 10)
        .write_buffer_size(0);
    let mut ws = WebSocket::from_partially_read(stream, rest, Role::Server, Some(config));
    let application = match request.application() {
        Ok(a) => a.map(Into::into),
        Err((code, context)) => {
            let _ = ws.send(text(message::error(code, context)));
            end(&mut ws, server, CloseCode::Policy, context);
            return;
        }
    };
    let Ok(wake_fd) = wake::new() else {
        end(&mut ws, server, CloseCode::Away, "Internal error");
        return;
    };
    let n = server.node.clients.fetch_add(1, Ordering::Relaxed);
    let shared = Arc::new(Shared {
        info: Arc::new(ClientInfo {
            id: format!("{}-websocket-{n}", server.node.id),
            address,
            application,
        }),
        node: server.node.clone(),
        backend: Mutex::new(None),
        rejects: Default::default(),
        wake: Arc::new(wake_fd),
    });
    let now = Instant::now();
    let mut client = Client {
        server,
        shared: shared.clone(),
        ws,
        inbox: None,
        phase: Phase::New,
        early: VecDeque::new(),
        held: None,
        held_since: now,
        unwritten_since: None,
        pinged: now,
        pong: true,
        finished: None,
    };
    let (code, reason) = client.run();
    drop(client);
    // Its subscriptions are gone before the node hears of its end.
    let backend = shared.backend.lock().unwrap_or_else(PoisonError::into_inner).take();
    drop(backend);
    let client = shared.info.clone();
    server.node.inbox.notice(Incoming::ClientLost { client, code, reason });
}

fn text(s: String) -> Message {
    Message::Text(s.into())
}

/// Waits until the stream can be read or written, the server ends, or the time is over.
fn wait(
    stream: &Stream,
    more: Option<&std::os::fd::OwnedFd>,
    server: &ServerShared,
    flags: PollFlags,
    at_most: Duration,
) {
    let fd = stream.fd();
    let mut fds = vec![PollFd::from_borrowed_fd(fd, flags)];
    fds.extend(more.map(|m| PollFd::new(m, PollFlags::IN)));
    if !server.stopping.load(Ordering::Relaxed) {
        fds.push(PollFd::new(&server.stop, PollFlags::IN));
    }
    let at_most = Timespec {
        tv_sec: at_most.as_secs() as i64,
        tv_nsec: at_most.subsec_nanos().into(),
    };
    let _ = rustix::event::poll(&mut fds, Some(&at_most));
}

/// Reads the request and answers it. Gives it, and what came after it.
fn open(stream: &mut Stream, server: &ServerShared) -> Option<(handshake::Request, Vec<u8>)> {
    let until = Instant::now() + HANDSHAKE_TIME;
    let mut head = Vec::new();
    let length = loop {
        if let Some(n) = handshake::head_length(&head) {
            break n;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || head.len() > handshake::HEAD_MAX || server.stopping.load(Ordering::Relaxed) {
            return None;
        }
        let mut bytes = [0; 2048];
        match stream.read(&mut bytes) {
            Ok(0) => return None,
            Ok(n) => head.extend_from_slice(&bytes[..n]),
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                let out = if stream.wants_write() {
                    PollFlags::OUT
                } else {
                    PollFlags::empty()
                };
                wait(stream, None, server, PollFlags::IN | out, left);
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    };
    let rest = head.split_off(length);
    let request = handshake::parse(&head);
    let answer = request
        .as_ref()
        .map_or(handshake::BAD_REQUEST.into(), handshake::Request::answer);
    let mut answer = answer.as_bytes();
    while !answer.is_empty() || stream.wants_write() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        match stream.write(answer).and_then(|n| stream.flush().map(|()| n)) {
            Ok(n) => answer = &answer[n..],
            Err(e) if e.kind() == ErrorKind::WouldBlock => wait(stream, None, server, PollFlags::OUT, left),
            Err(_) => return None,
        }
    }
    request.map(|r| (r, rest))
}

/// Tells a client that it is the end and waits a little for its answer.
fn end(ws: &mut WebSocket<Stream>, server: &ServerShared, code: CloseCode, reason: &str) {
    let frame = CloseFrame {
        code,
        reason: reason.to_owned().into(),
    };
    match ws.close(Some(frame)) {
        Err(e) if !would_block(&e) => {}
        _ => drain(ws, server),
    }
}

/// Writes what is left and reads until the connection is at its end, for a short time.
fn drain(ws: &mut WebSocket<Stream>, server: &ServerShared) {
    let until = Instant::now() + CLOSE_TIME;
    loop {
        match ws.read() {
            Ok(_) => {}
            Err(e) if would_block(&e) => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return;
                }
                wait(
                    ws.get_ref(),
                    None,
                    server,
                    PollFlags::IN,
                    left.min(Duration::from_millis(50)),
                );
                let _ = ws.flush();
            }
            Err(_) => return,
        }
    }
}

/// How far a client has come.
#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// It has sent nothing.
    New,
    /// Its first message was none; all else is ignored.
    Lost,
    /// It has subscribed, which the cluster does not know everywhere yet.
    Subscribed(Vec<Vec<u8>>),
    Acked,
}

struct Client<'a> {
    server: &'a ServerShared,
    shared: Arc<Shared>,
    ws: WebSocket<Stream>,
    /// Of its part in the cluster.
    inbox: Option<Arc<Inbox>>,
    phase: Phase,
    /// Messages before the acknowledgement.
    early: VecDeque<Bytes>,
    /// A message for which the node has no place.
    held: Option<ClientEventParts>,
    /// Since when, or since when it was counted.
    held_since: Instant,
    unwritten_since: Option<Instant>,
    pinged: Instant,
    pong: bool,
    finished: Option<(u16, String)>,
}

type ClientEventParts = (Vec<u8>, tapir_data::broker::event::EventMessage);

impl Client<'_> {
    /// Serves the client. Gives why it ended.
    fn run(&mut self) -> (u16, String) {
        loop {
            if self.server.stopping.load(Ordering::Relaxed) {
                return self.close(CloseCode::Away, "Terminating");
            }
            wake::clear(&self.shared.wake);
            let more = self.write();
            if let Some(done) = self.finished.take() {
                return done;
            }
            self.read();
            if let Some(done) = self.finished.take() {
                return done;
            }
            if let Some(done) = self.ping() {
                return done;
            }
            self.pause(more);
        }
    }

    fn close(&mut self, code: CloseCode, reason: &str) -> (u16, String) {
        end(&mut self.ws, self.server, code, reason);
        (code.into(), reason.into())
    }

    /// Whether its messages have to wait.
    fn blocked(&self) -> bool {
        self.held.is_some() || self.early.len() >= self.server.places.limit()
    }

    fn pause(&self, more: bool) {
        let stream = self.ws.get_ref();
        let mut flags = PollFlags::empty();
        if !self.blocked() {
            flags |= PollFlags::IN;
        }
        if self.unwritten_since.is_some() || stream.wants_write() {
            flags |= PollFlags::OUT;
        }
        let mut at_most = self.server.ping_interval.map_or(Duration::from_secs(60), |i| {
            i.saturating_sub(self.pinged.elapsed()).max(Duration::from_millis(1))
        });
        if self.held.is_some() {
            at_most = at_most.min(BLOCK_TIME);
        }
        if more && self.unwritten_since.is_none() {
            return;
        }
        wait(stream, Some(&self.shared.wake), self.server, flags, at_most);
    }

    fn send(&mut self, message: Message) {
        let result = self.ws.write(message);
        self.written(result);
    }

    fn written(&mut self, result: Result<(), Error>) {
        match result {
            Ok(()) => {}
            // It waits in the buffer.
            Err(Error::Io(e)) if e.kind() == ErrorKind::WouldBlock => {
                self.unwritten_since.get_or_insert_with(Instant::now);
            }
            Err(e) => self.fail(&e),
        }
    }

    /// What an error means for the connection.
    fn fail(&mut self, e: &Error) {
        if self.finished.is_some() {
            return;
        }
        let (code, reason) = match e {
            Error::Utf8(_) => (CloseCode::Invalid, "Invalid UTF-8"),
            Error::Capacity(_) => (CloseCode::Size, "Message too big"),
            Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_) => {
                self.finished = Some((1006, "Connection lost".into()));
                return;
            }
            Error::Protocol(_) => (CloseCode::Protocol, "Protocol error"),
            _ => {
                self.finished = Some((1006, e.to_string()));
                return;
            }
        };
        self.finished = Some(self.close(code, reason));
    }

    /// Writes what there is for the client. Gives whether there is more.
    fn write(&mut self) -> bool {
        let result = self.ws.flush();
        if result.is_ok() {
            self.unwritten_since = None;
        }
        self.written(result);
        for _ in 0..self.shared.rejects.swap(0, Ordering::Relaxed) {
            self.error(message::NO_EVENT);
        }
        let Some(inbox) = self.inbox.clone() else {
            return false;
        };
        let mut more = true;
        let mut written = 0;
        let mut out = Vec::new();
        while more && written < OUTPUT_MAX && self.unwritten_since.is_none() && self.finished.is_none() {
            more = inbox.take(TURN, &mut out);
            for m in out.drain(..) {
                match m {
                    Incoming::Event { topic, event } if self.phase == Phase::Acked => {
                        let m = message::data_message(&topic, &event);
                        written += m.len();
                        let node = &self.server.node;
                        node.count(&self.shared.info, |t| t.incoming += 1);
                        node.meter(&self.shared.info, false, &topic, &event);
                        self.send(text(m));
                    }
                    Incoming::Ready => self.acknowledge(),
                    Incoming::Fatal(_) => {
                        self.finished =
                            Some(self.close(CloseCode::Error, "Could not subscribe. Something bad happened!"));
                    }
                    _ => {}
                }
            }
        }
        more
    }

    fn error(&mut self, (code, context): (&str, &str)) {
        self.send(text(message::error(code, context)));
    }

    fn acknowledge(&mut self) {
        let Phase::Subscribed(topics) = std::mem::replace(&mut self.phase, Phase::Acked) else {
            return;
        };
        let client = self.shared.info.clone();
        let subscriptions = topics.iter().map(|t| String::from_utf8_lossy(t).into_owned()).collect();
        self.server
            .node
            .inbox
            .notice(Incoming::ClientAdded { client, subscriptions });
        self.send(text(message::ack(&self.shared.info.id, &self.server.node.version)));
    }

    /// Reads and handles messages while there are some and the node has room for them.
    fn read(&mut self) {
        loop {
            if let Some(parts) = self.held.take() {
                self.submit(parts);
            }
            if self.phase == Phase::Acked {
                while self.held.is_none() {
                    match self.early.pop_front() {
                        Some(m) => self.event(&m),
                        None => break,
                    }
                }
            }
            if self.blocked() || self.finished.is_some() {
                return;
            }
            match self.ws.read() {
                Ok(Message::Text(t)) => self.message(t.into()),
                Ok(Message::Binary(b)) => self.message(b),
                Ok(Message::Pong(_)) => self.pong = true,
                Ok(Message::Close(frame)) => {
                    let (code, reason) = frame.map_or((1005, String::new()), |f| (f.code.into(), f.reason.to_string()));
                    drain(&mut self.ws, self.server);
                    self.finished = Some((code, reason));
                }
                Ok(_) => {}
                Err(e) if would_block(&e) => return,
                Err(e) => self.fail(&e),
            }
        }
    }

    fn message(&mut self, bytes: Bytes) {
        match self.phase {
            Phase::New => match message::subscriptions(&bytes) {
                Ok(topics) => self.subscribe(topics),
                Err(problem) => {
                    self.phase = Phase::Lost;
                    self.error(problem);
                }
            },
            Phase::Lost => {}
            Phase::Subscribed(_) => self.early.push_back(bytes),
            Phase::Acked => self.event(&bytes),
        }
    }

    fn subscribe(&mut self, topics: Vec<Vec<u8>>) {
        let joined = (self.server.node.factory)(&self.shared.info.id).and_then(|mut backend| {
            let inbox = backend.inbox();
            let fd = self.shared.wake.clone();
            inbox.on_arrival(Box::new(move || wake::signal(&fd)));
            topics.iter().for_each(|t| backend.subscribe(t));
            backend.start()?;
            backend.probe();
            Ok((backend, inbox))
        });
        match joined {
            Ok((backend, inbox)) => {
                *self.shared.backend.lock().unwrap_or_else(PoisonError::into_inner) = Some(backend);
                self.inbox = Some(inbox);
                self.phase = Phase::Subscribed(topics);
                // What arrived before the thread listened.
                wake::signal(&self.shared.wake);
            }
            Err(e) => {
                self.server
                    .node
                    .inbox
                    .error("websocket", format!("a client cannot take part: {e}"));
                self.finished = Some(self.close(CloseCode::Away, "Internal error"));
            }
        }
    }

    fn event(&mut self, bytes: &Bytes) {
        match message::event(bytes) {
            Ok(parts) => {
                self.held_since = Instant::now();
                self.submit(parts);
            }
            Err(problem) => self.error(problem),
        }
    }

    /// Hands an event to the node, or keeps it until there is room.
    fn submit(&mut self, (topic, event): ClientEventParts) {
        match self.server.places.take(&self.shared.wake) {
            Some(place) => {
                let from = self.shared.clone();
                let _place = Arc::new(place);
                let e = ClientEvent {
                    topic,
                    event,
                    from,
                    _place,
                };
                self.server.node.inbox.notice(Incoming::ClientEvent(e));
            }
            None => {
                if self.held_since.elapsed() >= BLOCK_TIME {
                    self.held_since = Instant::now();
                    self.server.places.count_block();
                }
                self.held = Some((topic, event));
            }
        }
    }

    /// Sends pings when it is time, and ends a connection that is dead.
    fn ping(&mut self) -> Option<(u16, String)> {
        let interval = self.server.ping_interval?;
        if self.unwritten_since.is_some_and(|t| t.elapsed() >= interval) {
            return Some((1006, "Send timeout".into()));
        }
        if self.pinged.elapsed() < interval {
            return None;
        }
        self.pinged = Instant::now();
        // While its messages have to wait, its pongs wait too.
        let waits = self.blocked();
        if !std::mem::replace(&mut self.pong, waits) {
            return Some(self.close(CloseCode::Error, "Ping timeout"));
        }
        self.send(Message::Ping(Bytes::new()));
        None
    }
}

fn would_block(e: &Error) -> bool {
    matches!(e, Error::Io(e) if e.kind() == ErrorKind::WouldBlock)
}
