//! What all connections of an engine share: options, port tables, expectations, counters, hosts.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use tapir_data::value::{Addr, Record, Value};

use super::hosts::{FileHandler, SigHost};
use super::{Command, Options, Tag, Transport};
use crate::registry;

/// An analyzer that is to be attached to a connection to come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expectation {
    pub tag: Tag,
    /// Network time at which it lapses.
    pub until: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ExpectKey {
    /// `None` for any originator.
    orig: Option<Addr>,
    resp: Addr,
    port: u16,
    tcp: bool,
}

/// The analyzers of the connection that is being worked on, for built-ins that run in the middle of it.
#[derive(Clone, Debug, Default)]
pub struct ShownNodes {
    /// The id of the running analyzer.
    pub running: u64,
    pub attached: Vec<(Tag, u64)>,
    /// The ids of those that scripts ended while this picture was shown: to end one again is no mistake.
    pub ended: Vec<u64>,
    /// What scripts ask of analyzers while the connection's packet is being processed.
    pub commands: Vec<(Tag, Command)>,
}

/// State that the analyzers of all connections share. One per engine.
pub struct Shared {
    pub opts: Options,
    pub files: Option<Box<dyn FileHandler>>,
    pub sigs: Option<Box<dyn SigHost>>,
    /// The current network time.
    pub now: f64,
    /// The script enum value of each tag, filled at load.
    pub tag_values: Vec<Value>,
    enabled: Vec<bool>,
    ports: HashMap<(u16, bool), Vec<Tag>, foldhash::fast::RandomState>,
    expected: HashMap<ExpectKey, Vec<Expectation>>,
    by_time: BTreeMap<u64, Vec<ExpectKey>>,
    next_id: u64,
    /// Names that scripts know methods, commands, … by are interned here on first use.
    pub uid_source: Option<Box<dyn FnMut() -> Rc<str>>>,
    /// What is attached to the connection at work; renewed before files are handed over.
    pub nodes: Rc<RefCell<ShownNodes>>,
    /// Whether any signature looks at connections.
    pub detects: bool,
    /// The detectors of TCP and of UDP.
    pub(crate) detectors: (Option<Tag>, Option<Tag>),
    /// Slots that `connection` records are made with, so that the fields every connection gets need no move.
    pub conn_slots: usize,
    /// Whether connections tell how many packets and bytes they had (`use_conn_size_analyzer`).
    pub conn_sizes: bool,
    /// Does to a new `connection` record what `new_connection` would have done, where that was not raised.
    pub begin_record: Option<Box<dyn Fn(&Record)>>,
    /// The `conn_id_ctx` of all connections, when scripts gave it no fields.
    pub empty_ctx: Option<Value>,
    /// Link-layer addresses as text.
    macs: HashMap<[u8; 6], Rc<[u8]>, foldhash::quality::RandomState>,
    /// Where `conn_id_ctx` has `vlan` and `inner_vlan`, when these tell connections apart.
    pub ctx_vlan_slots: Option<(usize, usize)>,
    /// What sampling says of a weird, by name and time, before a connection's own counters are asked.
    #[allow(clippy::type_complexity)]
    pub weird_scope: Option<Box<dyn FnMut(&str, f64) -> Option<bool>>>,
    /// Net weirds of text decoders and the like: name, addl, source.
    pub net_weirds: Vec<(&'static str, String, &'static str)>,
}

/// Link-layer addresses that are remembered as text at most.
const MAX_MACS: usize = 4096;
const MAX_EXPECTED: usize = 200_000;

impl Default for Shared {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    /// Nothing registered, all analyzers enabled.
    pub fn new() -> Self {
        let n = registry::PROTOCOLS.len();
        Shared {
            opts: Options::default(),
            files: None,
            sigs: None,
            now: 0.0,
            tag_values: vec![Value::Unset; n],
            enabled: registry::PROTOCOLS.iter().map(|p| p.enabled).collect(),
            ports: HashMap::default(),
            expected: HashMap::new(),
            by_time: BTreeMap::new(),
            next_id: 0,
            uid_source: None,
            nodes: Rc::default(),
            detects: true,
            detectors: (registry::tag("PIA_TCP"), registry::tag("PIA_UDP")),
            conn_slots: 0,
            conn_sizes: true,
            begin_record: None,
            empty_ctx: None,
            macs: HashMap::default(),
            ctx_vlan_slots: None,
            weird_scope: None,
            net_weirds: Vec::new(),
        }
    }

    /// A link-layer address as scripts see it.
    pub(crate) fn mac_text(&mut self, mac: [u8; 6]) -> Value {
        if let Some(text) = self.macs.get(&mac) {
            return Value::Str(text.clone());
        }
        if self.macs.len() >= MAX_MACS {
            self.macs.clear();
        }
        let text = self.macs.entry(mac).or_insert_with(|| {
            let t = mac.map(|b| format!("{b:02x}")).join(":");
            Rc::from(t.as_bytes())
        });
        Value::Str(text.clone())
    }

    /// Whether anything but the detector is attached to a new connection.
    pub fn attaches(&self, orig: Addr, resp: Addr, port: u16, transport: Transport) -> bool {
        let by_port = !self.opts.dpd_ignore_ports && self.is_server_port(port, transport == Transport::Tcp);
        by_port || !self.expected(orig, resp, port, transport).is_empty()
    }

    /// Leaves out a number, for what is an analyzer to scripts only.
    pub fn skip_id(&mut self) {
        self.next_id += 1;
    }

    /// Whether no protocol has a port and none is expected, so that new connections get no analyzers.
    pub fn attaches_nothing(&self) -> bool {
        !self.detects && self.expected.is_empty() && (self.ports.is_empty() || self.opts.dpd_ignore_ports)
    }

    /// A fresh analyzer id.
    pub fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Switches a protocol on or off; off means that it is never attached.
    pub fn set_enabled(&mut self, tag: Tag, on: bool) {
        if let Some(e) = self.enabled.get_mut(tag.0 as usize) {
            *e = on;
        }
    }

    /// Whether a protocol may be attached.
    pub fn is_enabled(&self, tag: Tag) -> bool {
        self.enabled.get(tag.0 as usize).copied().unwrap_or(false)
    }

    /// Registers a server port for a protocol (`Analyzer::register_for_port`).
    pub fn register_port(&mut self, tag: Tag, port: u16, tcp: bool) {
        let v = self.ports.entry((port, tcp)).or_default();
        if !v.contains(&tag) {
            v.push(tag);
            // Attachment goes in the order of the tags' names.
            v.sort_by_key(|t| registry::name(*t));
        }
    }

    /// Undoes [`register_port`](Self::register_port).
    pub fn unregister_port(&mut self, tag: Tag, port: u16, tcp: bool) {
        if let Some(v) = self.ports.get_mut(&(port, tcp)) {
            v.retain(|t| *t != tag);
        }
    }

    /// The protocols registered for a server port.
    pub fn port_analyzers(&self, port: u16, tcp: bool) -> &[Tag] {
        self.ports.get(&(port, tcp)).map_or(&[], |v| &v[..])
    }

    /// Whether any protocol is registered for a port.
    pub fn is_server_port(&self, port: u16, tcp: bool) -> bool {
        self.ports.get(&(port, tcp)).is_some_and(|v| !v.is_empty())
    }

    /// Expects a connection (`Analyzer::schedule_analyzer`); says whether there was room.
    pub fn expect(
        &mut self,
        orig: Option<Addr>,
        resp: Addr,
        port: u16,
        transport: Transport,
        tag: Tag,
        timeout: f64,
    ) -> bool {
        let now = self.now;
        self.expire(now);
        if self.by_time.len() >= MAX_EXPECTED {
            return false;
        }
        let key = ExpectKey {
            orig,
            resp,
            port,
            tcp: transport == Transport::Tcp,
        };
        let until = now + timeout;
        let list = self.expected.entry(key).or_default();
        match list.iter_mut().find(|e| e.tag == tag) {
            Some(e) => e.until = e.until.max(until),
            None => list.push(Expectation { tag, until }),
        }
        self.by_time.entry((until * 1e6) as u64).or_default().push(key);
        true
    }

    fn expire(&mut self, now: f64) {
        let limit = (now * 1e6) as u64;
        while let Some((&t, _)) = self.by_time.first_key_value() {
            if t > limit {
                break;
            }
            for key in self.by_time.remove(&t).unwrap_or_default() {
                if let Some(list) = self.expected.get_mut(&key) {
                    list.retain(|e| e.until > now);
                    if list.is_empty() {
                        self.expected.remove(&key);
                    }
                }
            }
        }
    }

    /// The protocols expected on a connection.
    pub fn expected(&self, orig: Addr, resp: Addr, port: u16, transport: Transport) -> Vec<Tag> {
        if self.expected.is_empty() {
            return Vec::new();
        }
        let tcp = transport == Transport::Tcp;
        let mut out = Vec::new();
        for (o, exact) in [(Some(orig), true), (None, false)] {
            let key = ExpectKey {
                orig: o,
                resp,
                port,
                tcp,
            };
            for e in self.expected.get(&key).into_iter().flatten() {
                if (exact || e.until > self.now) && !out.contains(&e.tag) {
                    out.push(e.tag);
                }
            }
        }
        out
    }
}
