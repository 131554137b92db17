//! One connection with a peer: who it is, what it subscribes to, what goes each way.
//!
//! The thread that has the connection reads; another one writes. Must not know: how connections come about.

use std::io::{BufReader, Result, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::wire::{self, Frame};
use super::{LOOK, Link, PEERS_MAX, Shared};
use crate::backend::{Backend, Incoming, PeerChange};
use crate::inbox::Inbox;
use crate::inproc::Inproc;

/// How often a peer hears that this node is there.
const ALIVE: Duration = Duration::from_secs(5);
/// How long a peer may take to say who it is.
const GREETING: Duration = Duration::from_secs(30);
/// A peer that is silent for this long is gone.
const SILENCE: Duration = Duration::from_secs(60);
/// Why a peering ends with a peer that does not take messages as fast as they come; scripts know it by its beginning.
const BEHIND: &str = "caf::sec::backpressure_overflow: the peer is behind";
/// Messages written at a time, and bytes that are sent before more are made.
const TURN: usize = 256;
const PORTION: usize = 256 << 10;

/// Speaks with a peer until one of both ends it. Gives its id where another connection with it stays.
pub fn run(shared: &Arc<Shared>, tcp: TcpStream, address: (String, u16), outbound: bool) -> Option<String> {
    // The end of a connection is told as that; nobody could do more about its reason.
    let greeted = greet(shared, &tcp);
    if !outbound {
        shared.strangers.fetch_sub(1, Ordering::Relaxed);
    }
    let Ok(id) = greeted else {
        if outbound && !shared.stopping() {
            let why = "the peer does not answer as one";
            shared.tell(PeerChange::Incompatible, "", &address, why);
        }
        return None;
    };
    let Some(serial) = register(shared, &tcp, &id, &address, outbound) else {
        return Some(id);
    };
    let mut member = shared.hub.member(id.clone(), false, true);
    if member.start().is_ok() {
        let _ = speak(shared, &tcp, &mut member, (&id, serial), &address);
    }
    member.close();
    let _ = tcp.shutdown(Shutdown::Both);
    let given_up = member.inbox().is_given_up();
    let mut state = shared.lock();
    if given_up && (state.given_up.len() < PEERS_MAX || state.given_up.contains_key(&id)) {
        *state.given_up.entry(id.clone()).or_default() += 1;
    }
    let ended = match state.links.get(&id) {
        Some(link) if link.serial == serial => state.links.remove(&id),
        // Another one has its place.
        _ => return Some(id),
    };
    drop(state);
    if let Some(link) = ended
        && link.up
        && !link.replaced
        && !shared.stopping()
    {
        match link.removed {
            _ if given_up => shared.tell(PeerChange::Removed, &id, &address, BEHIND),
            true => shared.tell(PeerChange::Removed, &id, &address, "removed peering"),
            false => shared.tell(PeerChange::Lost, &id, &address, "lost connection to remote peer"),
        }
    }
    None
}

/// Learns who the peer is.
fn greet(shared: &Shared, tcp: &TcpStream) -> Result<String> {
    while !shared.open.load(Ordering::Relaxed) {
        if shared.stopping() {
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        std::thread::sleep(LOOK);
    }
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(GREETING))?;
    tcp.set_write_timeout(Some(SILENCE))?;
    let mut hello = wire::MAGIC.to_vec();
    wire::encode(&Frame::Hello(shared.config.node_id.clone()), &mut hello);
    let mut t = tcp;
    t.write_all(&hello)?;
    wire::read_magic(&mut t)?;
    let id = match wire::read(&mut t, &mut Vec::new())? {
        Frame::Hello(id) if id != shared.config.node_id => id,
        _ => return Err(std::io::ErrorKind::InvalidData.into()),
    };
    tcp.set_read_timeout(Some(SILENCE))?;
    Ok(id)
}

/// Takes a connection into the list; `None` where there is one with that peer already that stays. Both ends decide alike:
/// the one stays that was begun by the end whose id sorts first.
fn register(shared: &Shared, tcp: &TcpStream, id: &str, address: &(String, u16), outbound: bool) -> Option<u64> {
    let copy = tcp.try_clone().ok()?;
    let mut state = shared.lock();
    if let Some(other) = state.links.get_mut(id) {
        let preferred = (*shared.config.node_id < *id) == outbound;
        if other.outbound == outbound || !preferred {
            return None;
        }
        other.replaced = true;
        let _ = other.tcp.shutdown(Shutdown::Both);
    }
    state.serial += 1;
    let serial = state.serial;
    let link = Link {
        address: address.clone(),
        outbound,
        up: false,
        removed: false,
        replaced: false,
        serial,
        tcp: copy,
        inbox: None,
    };
    state.links.insert(id.into(), link);
    Some(serial)
}

fn frame_of(message: Incoming) -> Option<Frame> {
    match message {
        Incoming::Event { topic, event } => Some(Frame::Event { topic, event }),
        Incoming::Subscribed(prefix) => Some(Frame::Subscribe(prefix)),
        Incoming::Unsubscribed(prefix) => Some(Frame::Unsubscribe(prefix)),
        Incoming::Logs(batch) => Some(Frame::Logs(batch)),
        _ => None,
    }
}

fn speak(
    shared: &Arc<Shared>,
    tcp: &TcpStream,
    member: &mut Inproc,
    (id, serial): (&str, u64),
    address: &(String, u16),
) -> Result<()> {
    // What this node subscribes to so far comes first.
    let inbox = member.inbox();
    let closing = tcp.try_clone()?;
    inbox.when_given_up(Box::new(move || {
        // The reader sees the end then.
        let _ = closing.shutdown(Shutdown::Both);
    }));
    if let Some(link) = shared.lock().links.get_mut(id).filter(|l| l.serial == serial) {
        link.inbox = Some(inbox.clone());
    }
    let mut first = Vec::new();
    while inbox.take(TURN, &mut first) {}
    let mut out = Vec::new();
    for frame in first.into_iter().filter_map(frame_of) {
        wire::encode(&frame, &mut out);
    }
    wire::encode(&Frame::Ready, &mut out);
    let mut writing = tcp.try_clone()?;
    writing.write_all(&out)?;
    let s = shared.clone();
    shared.writing.fetch_add(1, Ordering::Relaxed);
    let thread = std::thread::Builder::new().name("peer-write".into());
    let spawned = thread.spawn(move || {
        let _ = write(&s, &mut writing, &inbox);
        let _ = writing.shutdown(Shutdown::Both);
        s.writing.fetch_sub(1, Ordering::Relaxed);
    });
    if let Err(e) = spawned {
        shared.writing.fetch_sub(1, Ordering::Relaxed);
        return Err(e);
    }
    let mut from = BufReader::new(tcp);
    let mut buffer = Vec::new();
    loop {
        match wire::read(&mut from, &mut buffer)? {
            Frame::Ready => {
                if let Some(link) = shared.lock().links.get_mut(id).filter(|l| l.serial == serial) {
                    link.up = true;
                }
                shared.tell(PeerChange::Added, id, address, "handshake successful");
            }
            Frame::Subscribe(prefix) => {
                if prefix == shared.config.logger_topic.as_bytes() {
                    member.set_logger(true);
                }
                member.subscribe(&prefix);
            }
            Frame::Unsubscribe(prefix) => {
                if prefix == shared.config.logger_topic.as_bytes() {
                    member.set_logger(false);
                }
                member.unsubscribe(&prefix);
            }
            Frame::Event { topic, event } => {
                // Who does not take it in time loses it, which is counted.
                let _ = member.publish(&topic, &event);
            }
            Frame::Logs(batch) => {
                let mut batch = Some(batch);
                // The peer waits with this node: nothing is lost here.
                while let Some(b) = batch.take() {
                    batch = shared.inbox.logs(b);
                    if batch.is_some() {
                        if shared.stopping() {
                            return Ok(());
                        }
                        shared.inbox.wait_for_log_room(LOOK);
                    }
                }
            }
            Frame::Hello(_) | Frame::Alive => {}
        }
    }
}

/// Writes what is for the peer until the connection or the node ends.
fn write(shared: &Shared, to: &mut TcpStream, inbox: &Inbox) -> Result<()> {
    let mut messages = Vec::new();
    let mut out = Vec::new();
    let mut last = Instant::now();
    loop {
        let stopping = shared.stopping();
        let more = inbox.take(TURN, &mut messages);
        for frame in messages.drain(..).filter_map(frame_of) {
            wire::encode(&frame, &mut out);
            if out.len() >= PORTION {
                to.write_all(&out)?;
                out.clear();
            }
        }
        if out.is_empty() && last.elapsed() >= ALIVE {
            wire::encode(&Frame::Alive, &mut out);
        }
        if !out.is_empty() {
            to.write_all(&out)?;
            out.clear();
            last = Instant::now();
        }
        if more {
            continue;
        }
        if stopping || inbox.is_closed() {
            return Ok(());
        }
        inbox.wait(LOOK * 10);
    }
}
