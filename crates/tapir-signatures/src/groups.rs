//! Distinct lists of header tests, and which of them hold for a packet.
//!
//! Many signatures share their header tests, and most others differ in one port or address only. Lists that ask for a
//! few ports or addresses are found by the packet's own; only the others are tried one by one.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use foldhash::HashMap;

use crate::header::{PacketFacts, test_header};
use crate::rules::{Cmp, HeaderTest};

/// What a packet can look lists up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Port { source: bool, port: u16 },
    Address { source: bool, addr: IpAddr },
}

const KEYS_PER_GROUP_MAX: u64 = 64;
const SHARED_MAX: usize = 4096;

/// All lists of header tests, by number.
#[derive(Debug, Default)]
pub struct Groups {
    tests: Vec<Vec<HeaderTest>>,
    known: HashMap<Vec<HeaderTest>, u32>,
    keyed: HashMap<Key, Vec<u32>>,
    others: Vec<u32>,
    /// Connections in which the same lists hold share the list of them.
    shared: RefCell<HashMap<Rc<[u32]>, ()>>,
}

impl Groups {
    /// The number of a list.
    pub fn number(&mut self, tests: &[HeaderTest]) -> u32 {
        if let Some(n) = self.known.get(tests) {
            return *n;
        }
        let n = self.tests.len() as u32;
        match tests.iter().filter_map(keys).min_by_key(Vec::len) {
            Some(keys) => keys.into_iter().for_each(|k| self.keyed.entry(k).or_default().push(n)),
            None => self.others.push(n),
        }
        self.tests.push(tests.to_vec());
        self.known.insert(tests.to_vec(), n);
        n
    }

    /// The lists that hold for a packet, sorted.
    pub fn holding(&self, packet: &PacketFacts) -> Rc<[u32]> {
        let mut out: Vec<u32> = self.others.clone();
        let port = |at: usize| packet.payload.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
        let mut look = |key: Key| {
            if let Some(list) = self.keyed.get(&key) {
                out.extend_from_slice(list);
            }
        };
        if !self.keyed.is_empty() {
            for source in [true, false] {
                if let Some(port) = port(if source { 0 } else { 2 }) {
                    look(Key::Port { source, port });
                }
                let addr = if source { packet.src } else { packet.dst };
                look(Key::Address { source, addr });
            }
        }
        out.retain(|n| self.tests[*n as usize].iter().all(|t| test_header(t, packet)));
        out.sort_unstable();
        let mut shared = self.shared.borrow_mut();
        if let Some((list, ())) = shared.get_key_value(out.as_slice()) {
            return list.clone();
        }
        if shared.len() >= SHARED_MAX {
            shared.clear();
        }
        let list: Rc<[u32]> = out.into();
        shared.insert(list.clone(), ());
        list
    }
}

/// The keys one of which a packet must have for the test to hold, if they are few.
fn keys(test: &HeaderTest) -> Option<Vec<Key>> {
    match test {
        HeaderTest::Port {
            source,
            cmp: Cmp::Eq,
            values,
        } => {
            let mut ports: Vec<u16> = Vec::new();
            let mut n = 0u64;
            for (lo, hi) in values {
                n = n.saturating_add(hi.saturating_sub(*lo)).saturating_add(1);
                if n > KEYS_PER_GROUP_MAX {
                    return None;
                }
                ports.extend((*lo..=*hi).filter_map(|p| u16::try_from(p).ok()));
            }
            ports.sort_unstable();
            ports.dedup();
            let key = |port| Key::Port { source: *source, port };
            Some(ports.into_iter().map(key).collect())
        }
        HeaderTest::Address {
            source,
            negated: false,
            nets,
        } if nets.len() as u64 <= KEYS_PER_GROUP_MAX => {
            let mut addrs = Vec::with_capacity(nets.len());
            for (addr, len) in nets {
                if *len < if addr.is_ipv4() { 32 } else { 128 } {
                    return None;
                }
                if !addrs.contains(addr) {
                    addrs.push(*addr);
                }
            }
            let key = |addr| Key::Address { source: *source, addr };
            Some(addrs.into_iter().map(key).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_found_by_ports_and_addresses_hold_as_their_tests_do() {
        let port = |source, cmp, lo, hi| HeaderTest::Port {
            source,
            cmp,
            values: vec![(lo, hi)],
        };
        let addr = |source, text: &str, len| HeaderTest::Address {
            source,
            negated: false,
            nets: vec![(text.parse().unwrap(), len)],
        };
        let lists = [
            vec![],
            vec![port(false, Cmp::Eq, 80, 80)],
            vec![port(false, Cmp::Eq, 70, 90), addr(true, "10.0.0.1", 32)],
            vec![port(false, Cmp::Ne, 80, 80)],
            vec![port(false, Cmp::Eq, 0, 60000)],
            vec![addr(false, "10.0.0.2", 32), port(true, Cmp::Gt, 1023, 1023)],
            vec![addr(true, "10.0.0.0", 8)],
            vec![addr(true, "10.0.0.2", 32)],
            vec![port(false, Cmp::Eq, 65536 + 80, 65536 + 80)],
        ];
        let mut groups = Groups::default();
        for l in &lists {
            groups.number(l);
        }
        assert_eq!(groups.number(&lists[2]), 2);
        let packet = PacketFacts {
            src: "10.0.0.1".parse().unwrap(),
            dst: "10.0.0.2".parse().unwrap(),
            proto: 6,
            ip: &[],
            payload: &[0x30, 0x39, 0, 80],
        };
        assert_eq!(&*groups.holding(&packet), [0, 1, 2, 4, 5, 6]);
        assert!(Rc::ptr_eq(&groups.holding(&packet), &groups.holding(&packet)));
        let short = PacketFacts {
            payload: &[1],
            ..packet
        };
        assert_eq!(&*groups.holding(&short), [0, 6]);
    }
}
