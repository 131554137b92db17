//! Distinct lists of header tests, and which of them hold for a packet.
//!
//! Many signatures share some or all of their header tests. The lists are the paths of a tree, with the tests that most
//! lists have nearest to the root, so that one that fails rules out all lists below it. Of many tests in one place that
//! each ask for a few ports or addresses, those that can hold are found by the packet's own.

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

const KEYS_PER_TEST_MAX: u64 = 64;
const SHARED_MAX: usize = 4096;

/// All lists of header tests, by number.
#[derive(Debug, Default)]
pub struct Groups {
    tests: Vec<HeaderTest>,
    test_numbers: HashMap<HeaderTest, u32>,
    /// Numbers of tests, sorted, by list.
    lists: Vec<Vec<u32>>,
    known: HashMap<Vec<u32>, u32>,
    branches: Vec<Branch>,
    /// Connections in which the same lists hold share the list of them.
    shared: RefCell<HashMap<Rc<[u32]>, ()>>,
}

/// A place in the tree; edges are tests with the branches behind them.
#[derive(Debug, Default)]
struct Branch {
    /// Lists that hold here.
    lists: Vec<u32>,
    keyed: HashMap<Key, Vec<(u32, u32)>>,
    others: Vec<(u32, u32)>,
}

impl Groups {
    /// Whether a test looks at more than addresses, ports and the protocol.
    pub fn any_field(&self) -> bool {
        self.tests.iter().any(|t| matches!(t, HeaderTest::Field { .. }))
    }

    /// The number of a list.
    pub fn number(&mut self, tests: &[HeaderTest]) -> u32 {
        let mut list: Vec<u32> = Vec::with_capacity(tests.len());
        for test in tests {
            let fresh = self.tests.len() as u32;
            let n = *self.test_numbers.entry(test.clone()).or_insert(fresh);
            if n == fresh {
                self.tests.push(test.clone());
            }
            list.push(n);
        }
        list.sort_unstable();
        list.dedup();
        let fresh = self.lists.len() as u32;
        let n = *self.known.entry(list.clone()).or_insert(fresh);
        if n == fresh {
            self.lists.push(list);
        }
        n
    }

    /// Makes the tree, when all lists are known.
    pub fn finish(&mut self) {
        self.known = HashMap::default();
        self.test_numbers = HashMap::default();
        let mut popularity = vec![0u32; self.tests.len()];
        self.lists.iter().flatten().for_each(|t| popularity[*t as usize] += 1);
        let mut edges: HashMap<(u32, u32), u32> = HashMap::default();
        self.branches = vec![Branch::default()];
        for (n, mut list) in std::mem::take(&mut self.lists).into_iter().enumerate() {
            list.sort_by_key(|t| (std::cmp::Reverse(popularity[*t as usize]), *t));
            let mut at = 0u32;
            for test in list {
                let fresh = self.branches.len() as u32;
                let to = *edges.entry((at, test)).or_insert(fresh);
                if to == fresh {
                    self.branches.push(Branch::default());
                    let from = &mut self.branches[at as usize];
                    match keys(&self.tests[test as usize]) {
                        Some(keys) => keys
                            .into_iter()
                            .for_each(|k| from.keyed.entry(k).or_default().push((test, to))),
                        None => from.others.push((test, to)),
                    }
                }
                at = to;
            }
            self.branches[at as usize].lists.push(n as u32);
        }
    }

    /// The lists that hold for a packet, sorted.
    pub fn holding(&self, packet: &PacketFacts) -> Rc<[u32]> {
        let port = |at: usize| packet.payload.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
        let port_key = |source: bool| {
            Some(Key::Port {
                source,
                port: port(if source { 0 } else { 2 })?,
            })
        };
        let address_key = |source, addr| Some(Key::Address { source, addr });
        let own = [
            port_key(true),
            port_key(false),
            address_key(true, packet.src),
            address_key(false, packet.dst),
        ];
        let mut out: Vec<u32> = Vec::new();
        let mut open: Vec<u32> = if self.branches.is_empty() { Vec::new() } else { vec![0] };
        while let Some(at) = open.pop() {
            let branch = &self.branches[at as usize];
            out.extend_from_slice(&branch.lists);
            let mut follow = |edges: &[(u32, u32)]| {
                let holds = edges.iter().filter(|e| test_header(&self.tests[e.0 as usize], packet));
                open.extend(holds.map(|e| e.1));
            };
            follow(&branch.others);
            if !branch.keyed.is_empty() {
                own.iter()
                    .flatten()
                    .filter_map(|k| branch.keyed.get(k))
                    .for_each(|e| follow(e));
            }
        }
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
                if n > KEYS_PER_TEST_MAX {
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
        } if nets.len() as u64 <= KEYS_PER_TEST_MAX => {
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
        groups.finish();
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
