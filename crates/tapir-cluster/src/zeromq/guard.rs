//! How much peers can make libzmq keep for them.
//!
//! An XPUB socket remembers every prefix that a connection subscribes to, in a trie with a node for each byte, and knows no
//! limit. So who reads the messages about subscriptions counts them by connection ([`Guard`]), and a connection that is too much
//! is cut: libzmq forgets then what it had of it. As long as messages come faster than they are put into the trie, libzmq
//! does not come back to who reads them; for that there is somebody else who watches ([`Door`]) whether a connection has more to
//! say while the reader is stuck. Sockets that others connect to have a number of connections, too, beyond which new ones are
//! cut at once. Must not know: what a topic means.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::RawFd;

use super::ffi::{Frame, connection, event};
use crate::interest::SUBSCRIPTIONS_MAX;

/// The longest prefix that may be subscribed to: topics are names.
pub const TOPIC_MAX: usize = 4096;
/// The longest message that the forwarder's socket for subscriptions takes: the prefix, its first byte, and what encryption
/// adds. libzmq cuts connections with longer ones.
pub const MESSAGE_MAX: i64 = TOPIC_MAX as i64 + 256;
/// Messages of one connection, and bytes in the system's buffer, that may wait to be put into the trie: when the connection is
/// cut they still are.
pub const WAITING_MESSAGES: i32 = 100;
pub const WAITING_BYTES: i32 = 64 << 10;

/// What libzmq may keep of subscriptions.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Prefixes, and their bytes, of one connection.
    pub prefixes: usize,
    pub bytes: usize,
    /// Bytes of all connections. A node of the trie takes 32 bytes of memory and more: this is 512 MB at least.
    pub bytes_of_all: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            prefixes: SUBSCRIPTIONS_MAX / 2,
            bytes: 4 << 20,
            bytes_of_all: 16 << 20,
        }
    }
}

/// What one connection subscribes to.
#[derive(Debug)]
struct Connection {
    peer: SocketAddr,
    prefixes: usize,
    bytes: usize,
    /// It has been cut; what is still on its way from it changes nothing.
    cut: bool,
}

/// Counts what the connections of an XPUB socket subscribe to.
#[derive(Debug, Default)]
pub struct Guard {
    limits: Limits,
    connections: HashMap<RawFd, Connection>,
    bytes: usize,
}

impl Guard {
    /// With other limits than those of a forwarder.
    pub fn new(limits: Limits) -> Self {
        Guard {
            limits,
            ..Guard::default()
        }
    }

    /// Takes note of a message about a subscription, and cuts the connection that is too much; gives its address.
    pub fn note(&mut self, frame: &Frame) -> Option<SocketAddr> {
        // What ends with its connection has none any more.
        let fd = frame.source()?;
        let (what, prefix) = frame.bytes().split_first()?;
        let (fd, peer) = self.count(fd, *what == 1, prefix.len(), connection::peer)?;
        connection::cut(fd);
        Some(peer)
    }

    /// As [`Guard::note`]: which connection is to be cut.
    fn count(
        &mut self,
        fd: RawFd,
        on: bool,
        len: usize,
        peer_of: impl Fn(RawFd) -> Option<SocketAddr>,
    ) -> Option<(RawFd, SocketAddr)> {
        let peer = peer_of(fd)?;
        if self.connections.get(&fd).is_some_and(|c| c.peer != peer) {
            self.forget(fd);
        }
        let c = self.connections.entry(fd).or_insert(Connection {
            peer,
            prefixes: 0,
            bytes: 0,
            cut: false,
        });
        if c.cut {
            return None;
        }
        if !on {
            let n = len.min(c.bytes);
            c.prefixes = c.prefixes.saturating_sub(1);
            c.bytes -= n;
            self.bytes -= n;
            return None;
        }
        c.prefixes += 1;
        c.bytes += len;
        self.bytes += len;
        let too_much = c.prefixes > self.limits.prefixes || c.bytes > self.limits.bytes;
        let fd = match too_much {
            true => fd,
            false if self.bytes > self.limits.bytes_of_all => self.largest(peer_of)?,
            false => return None,
        };
        let c = self.connections.get_mut(&fd)?;
        c.cut = true;
        self.bytes -= std::mem::take(&mut c.bytes);
        Some((fd, c.peer))
    }

    /// The connection that subscribes to most, if all together are too much when those that are gone are forgotten.
    fn largest(&mut self, peer_of: impl Fn(RawFd) -> Option<SocketAddr>) -> Option<RawFd> {
        let gone = |(fd, c): (&RawFd, &Connection)| (peer_of(*fd) != Some(c.peer)).then_some(*fd);
        let gone: Vec<RawFd> = self.connections.iter().filter_map(gone).collect();
        gone.into_iter().for_each(|fd| self.forget(fd));
        if self.bytes <= self.limits.bytes_of_all {
            return None;
        }
        let largest = self.connections.iter().max_by_key(|(_, c)| c.bytes);
        largest.map(|(fd, _)| *fd)
    }

    fn forget(&mut self, fd: RawFd) {
        if let Some(c) = self.connections.remove(&fd) {
            self.bytes -= c.bytes;
        }
    }
}

/// Connections that a socket of this process takes at most: three eighths of the files that it may have open, since each node
/// connects to two sockets of a forwarder and logs are files too, and no more than 4096.
pub fn connections_max() -> usize {
    const MOST: u64 = 4096;
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    files.map_or(MOST, |n| (n.saturating_mul(3) / 8).min(MOST)) as usize
}

/// Bytes beyond which a connection is one that has more to say, and for how many looks at a stuck reader it may.
const HAS_MORE: u64 = 4096;
const STRIKES: u32 = 5;

/// Counts the connections that others make to a socket.
#[derive(Debug)]
pub struct Door {
    most: usize,
    /// Their peers, and at how many looks in a row they have had more to say.
    inside: HashMap<RawFd, (SocketAddr, u32)>,
}

impl Door {
    /// For so many connections.
    pub fn new(most: usize) -> Self {
        Door {
            most,
            inside: HashMap::new(),
        }
    }

    /// Takes a message of a monitored socket about a new connection, and cuts that if it is one too many; gives its address.
    pub fn accept(&mut self, told: &Frame) -> Option<SocketAddr> {
        let fd = accepted(told.bytes())?;
        let late = self.enter(fd, connection::peer)?;
        connection::cut(fd);
        Some(late)
    }

    fn enter(&mut self, fd: RawFd, peer_of: impl Fn(RawFd) -> Option<SocketAddr>) -> Option<SocketAddr> {
        // It may be gone already, or be no connection of a network.
        let peer = peer_of(fd)?;
        self.inside.insert(fd, (peer, 0));
        if self.inside.len() <= self.most {
            return None;
        }
        self.inside.retain(|fd, (p, _)| peer_of(*fd) == Some(*p));
        if self.inside.len() <= self.most {
            return None;
        }
        self.inside.remove(&fd).map(|(peer, _)| peer)
    }

    /// A look at the connections. Cuts those that have gone on for some looks while the reader was stuck; gives their addresses.
    pub fn look(&mut self, is_stuck: bool) -> Vec<SocketAddr> {
        let endless = self.endless(is_stuck, connection::waiting, connection::peer);
        endless.iter().for_each(|(fd, _)| connection::cut(*fd));
        endless.into_iter().map(|(_, peer)| peer).collect()
    }

    fn endless(
        &mut self,
        is_stuck: bool,
        waiting: impl Fn(RawFd) -> u64,
        peer_of: impl Fn(RawFd) -> Option<SocketAddr>,
    ) -> Vec<(RawFd, SocketAddr)> {
        let mut out = Vec::new();
        for (fd, (peer, strikes)) in &mut self.inside {
            if !is_stuck {
                *strikes = 0;
                continue;
            }
            *strikes = if waiting(*fd) >= HAS_MORE { *strikes + 1 } else { 0 };
            if *strikes >= STRIKES && peer_of(*fd) == Some(*peer) {
                out.push((*fd, *peer));
            }
        }
        out.iter().for_each(|(fd, _)| {
            self.inside.remove(fd);
        });
        out
    }
}

/// The descriptor of a new connection: the events of monitored sockets are a number of two bytes and a value of four, in the
/// order of this machine (zmq_socket_monitor(3)).
fn accepted(told: &[u8]) -> Option<RawFd> {
    let (number, rest) = told.split_first_chunk::<2>()?;
    if u16::from_ne_bytes(*number) != event::ACCEPTED {
        return None;
    }
    Some(i32::from_ne_bytes(*rest.first_chunk::<4>()?)).filter(|fd| *fd >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u16) -> Option<SocketAddr> {
        Some(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    fn limits() -> Limits {
        Limits {
            prefixes: 3,
            bytes: 100,
            bytes_of_all: 150,
        }
    }

    #[test]
    fn a_connection_with_too_much_is_cut_and_others_are_not() {
        let mut g = Guard::new(limits());
        let at = |fd: RawFd| peer(fd as u16);
        for _ in 0..3 {
            assert_eq!(g.count(1, true, 10, at), None);
            assert_eq!(g.count(2, true, 10, at), None);
        }
        assert_eq!(g.count(1, false, 10, at), None);
        assert_eq!(g.count(1, true, 10, at), None);
        assert_eq!(g.count(1, true, 1, at), Some((1, peer(1).unwrap())));
        // What was on its way.
        assert_eq!(g.count(1, true, 1000, at), None);
        assert_eq!(g.count(2, true, 1, at), Some((2, peer(2).unwrap())));
        assert_eq!((g.count(3, true, 101, at), g.bytes), (Some((3, peer(3).unwrap())), 0));
        // Another connection under the same number begins with nothing.
        assert_eq!(g.count(1, true, 100, |_| peer(99)), None);
        // Nobody is there any more.
        assert_eq!(g.count(1, true, 100, |_| None), None);
        assert_eq!(g.bytes, 100);
    }

    #[test]
    fn of_all_that_are_too_much_the_largest_is_cut() {
        let mut g = Guard::new(limits());
        let at = |fd: RawFd| peer(fd as u16);
        assert_eq!(g.count(1, true, 60, at), None);
        assert_eq!(g.count(2, true, 80, at), None);
        // The largest is gone already: there is room.
        assert_eq!(g.count(3, true, 50, |fd| at(fd).filter(|_| fd != 2)), None);
        assert_eq!(g.bytes, 110);
        assert_eq!(g.count(4, true, 45, at), Some((1, peer(1).unwrap())));
        assert_eq!(g.bytes, 95);
    }

    #[test]
    fn connections_beyond_the_number_do_not_come_in() {
        let mut d = Door::new(2);
        let at = |fd: RawFd| peer(fd as u16);
        assert_eq!(d.enter(1, at), None);
        assert_eq!(d.enter(2, at), None);
        assert_eq!(d.enter(3, at), peer(3));
        // One of those inside has gone.
        assert_eq!(d.enter(3, |fd| at(fd).filter(|_| fd != 2)), None);
        assert_eq!(d.enter(4, |_| None), None);
        // One goes on and on while the reader is stuck.
        let waiting = |fd: RawFd| if fd == 3 { HAS_MORE } else { 1 };
        for stuck in [true, true, true, true, false, true, true, true, true] {
            assert!(d.endless(stuck, waiting, at).is_empty());
        }
        assert_eq!(d.endless(true, waiting, at), [(3, peer(3).unwrap())]);
        assert!(d.endless(true, waiting, at).is_empty());
        let number = event::ACCEPTED.to_ne_bytes();
        assert_eq!(accepted(&[&number[..], &7i32.to_ne_bytes()].concat()), Some(7));
        assert_eq!(accepted(&[&number[..], &(-1i32).to_ne_bytes()].concat()), None);
        assert_eq!(accepted(&[1, 0, 7, 0, 0, 0]), None);
        assert!((1..=4096).contains(&connections_max()));
    }
}
