//! What an analyzer may know about its connection, and the script-visible `connection` record.

use std::rc::Rc;

use tapir_data::value::{Addr, Port, Proto, Record, Value, unset_slots};

use super::Shared;
use super::hosts::ConnMatcher;
use tapir_interface::queue::EventQueue;
use tapir_interface::slots::{connection as slot, endpoint as end_slot};
use tapir_interface::{events, records};

/// The transport beneath an analyzer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    Tcp,
    Udp,
    Icmp,
    Other,
}

/// Counters of one side, as scripts see them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EndStats {
    pub size: u64,
    pub state: u8,
    pub num_pkts: u64,
    pub num_bytes_ip: u64,
    pub flow_label: u32,
    pub l2: Option<[u8; 6]>,
}

/// The counters that change while a connection lives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnStats {
    pub orig: EndStats,
    pub resp: EndStats,
    pub duration: f64,
    pub history: Rc<[u8]>,
}

/// Identity and state of a connection, shared by its analyzers.
pub struct ConnInfo {
    pub orig_h: Addr,
    pub orig_p: u16,
    pub resp_h: Addr,
    pub resp_p: u16,
    pub transport: Transport,
    pub ip_proto: u8,
    pub start_time: f64,
    /// The unique id; empty until somebody needs it.
    pub uid: Rc<str>,
    pub vlan: Option<u16>,
    pub inner_vlan: Option<u16>,
    /// Whether the beginning was missed (TCP).
    pub partial: bool,
    /// Whether data of a direction is missing (originator, responder).
    pub gaps: [bool; 2],
    pub stats: ConnStats,
    /// The `connection` record, once somebody needed it.
    pub value: Option<Value>,
    /// Set when the identity changed, so that `value`'s `id` is rewritten.
    pub flipped: bool,
    pub begun: Begun,
    /// What an analyzer asks of the flow layer; the sink takes it after each delivery.
    pub asks: Asks,
    /// The encapsulation, as the `tunnel` field of the record.
    pub tunnel: Option<Box<Value>>,
    /// Signature matching of the connection.
    pub matcher: Option<Box<dyn ConnMatcher>>,
    /// What was said about line ends: once per connection, whoever splits the lines.
    #[allow(clippy::box_collection, reason = "nearly all connections have none")]
    pub line_weirds: Option<Box<Vec<&'static str>>>,
}

/// Whether `new_connection` was raised for a connection. Where its handlers would do no more than begin the record of
/// conn.log, it is not, until somebody needs the `connection` record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Begun {
    /// Nothing is left to do.
    #[default]
    Yes,
    /// The event would still be waiting in the queue: it is raised once the record is made.
    Fresh,
    /// Its handlers would have run: the record is made as they would have left it.
    Owed,
}

/// Requests to the flow layer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Asks {
    /// Exchange originator and responder.
    pub flip: bool,
    /// Run the DNS session timer.
    pub dns_session: bool,
    /// Run the timer of sessions of NetBIOS over datagrams.
    pub netbios_session: bool,
    /// Add `X` to the history.
    pub history_x: bool,
}

impl ConnInfo {
    /// A connection that has just begun. Its id is empty, and there is no history.
    pub fn new(orig: (Addr, u16), resp: (Addr, u16), transport: Transport, ip_proto: u8, start_time: f64) -> Self {
        Self::with_texts(orig, resp, transport, ip_proto, start_time, Rc::from(""), Rc::default())
    }

    /// A connection with its id and its history so far.
    pub fn with_texts(
        orig: (Addr, u16),
        resp: (Addr, u16),
        transport: Transport,
        ip_proto: u8,
        start_time: f64,
        uid: Rc<str>,
        history: Rc<[u8]>,
    ) -> Self {
        ConnInfo {
            orig_h: orig.0,
            orig_p: orig.1,
            resp_h: resp.0,
            resp_p: resp.1,
            transport,
            ip_proto,
            start_time,
            uid,
            vlan: None,
            inner_vlan: None,
            partial: false,
            gaps: [false; 2],
            stats: ConnStats {
                orig: EndStats::default(),
                resp: EndStats::default(),
                duration: 0.0,
                history,
            },
            value: None,
            flipped: false,
            begun: Begun::Yes,
            asks: Asks::default(),
            tunnel: None,
            matcher: None,
            line_weirds: None,
        }
    }

    /// Whether nobody has left anything here but the matcher, and what the flow layer knows.
    pub fn is_untouched(&self) -> bool {
        let as_begun = !self.flipped && self.asks == Asks::default();
        as_begun && self.value.is_none() && self.tunnel.is_none() && self.line_weirds.is_none()
    }

    /// The script's idea of the transport.
    pub fn proto(&self) -> Proto {
        match self.transport {
            Transport::Tcp => Proto::Tcp,
            Transport::Udp => Proto::Udp,
            Transport::Icmp => Proto::Icmp,
            Transport::Other => Proto::Unknown,
        }
    }

    /// A port of this connection's transport.
    pub fn port(&self, num: u16) -> Port {
        Port {
            proto: self.proto(),
            num,
        }
    }

    /// Exchanges originator and responder.
    pub fn flip(&mut self) {
        std::mem::swap(&mut self.orig_h, &mut self.resp_h);
        std::mem::swap(&mut self.orig_p, &mut self.resp_p);
        std::mem::swap(&mut self.stats.orig, &mut self.stats.resp);
        self.gaps.swap(0, 1);
        self.flipped = true;
    }

    fn endpoint(&self, is_orig: bool) -> EndStats {
        if is_orig { self.stats.orig } else { self.stats.resp }
    }

    fn id_value(&self, q: &EventQueue, sh: &Shared) -> Value {
        let ctx = match &sh.empty_ctx {
            Some(ctx) => ctx.clone(),
            None => records::ConnIdCtx {}.build(q.bindings()),
        };
        if let (Some((outer, inner)), Value::Record(r)) = (sh.ctx_vlan_slots, &ctx) {
            for (at, id) in [(outer, self.vlan), (inner, self.inner_vlan)] {
                if let Some(id) = id {
                    r.set(at, Value::Int(id.into()));
                }
            }
        }
        records::ConnId {
            orig_h: self.orig_h,
            orig_p: self.port(self.orig_p),
            resp_h: self.resp_h,
            resp_p: self.port(self.resp_p),
            proto: Some(self.ip_proto as u64),
            ctx,
        }
        .build(q.bindings())
    }

    /// The `connection` record, made on first use, with its native fields as they are now.
    pub fn value_now(&mut self, q: &mut EventQueue, sh: &mut Shared) -> Value {
        if self.uid.is_empty() {
            if let Some(f) = sh.uid_source.as_mut() {
                self.uid = f();
            }
        }
        if let Some(Value::Record(c)) = &self.value {
            let c = c.clone();
            let flipped = std::mem::take(&mut self.flipped);
            if flipped {
                c.set(slot::ID, self.id_value(q, sh));
            }
            for (is_orig, at) in [(true, slot::ORIG), (false, slot::RESP)] {
                if let Value::Record(r) = c.get(at) {
                    let e = self.endpoint(is_orig);
                    r.set(end_slot::SIZE, Value::Count(e.size));
                    r.set(end_slot::STATE, Value::Count(e.state.into()));
                    if sh.conn_sizes {
                        r.set(end_slot::NUM_PKTS, Value::Count(e.num_pkts));
                        r.set(end_slot::NUM_BYTES_IP, Value::Count(e.num_bytes_ip));
                    }
                    r.set(end_slot::FLOW_LABEL, Value::Count(e.flow_label.into()));
                    if let (Some(mac), true) = (e.l2, flipped || !r.has(end_slot::L2_ADDR)) {
                        r.set(end_slot::L2_ADDR, sh.mac_text(mac));
                    }
                }
            }
            c.set(slot::DURATION, Value::Interval(self.stats.duration));
            let same = c.with(
                slot::HISTORY,
                |h| matches!(h, Value::Str(s) if *s == self.stats.history),
            );
            if !same {
                c.set(slot::HISTORY, Value::Str(self.stats.history.clone()));
            }
            if let Some(t) = self.tunnel.take() {
                c.set(slot::TUNNEL, *t);
            }
            return Value::Record(c);
        }
        let b = q.bindings();
        let ends = [true, false].map(|is_orig| {
            let e = self.endpoint(is_orig);
            let v = records::Endpoint {
                size: e.size,
                state: e.state.into(),
                num_pkts: sh.conn_sizes.then_some(e.num_pkts),
                num_bytes_ip: sh.conn_sizes.then_some(e.num_bytes_ip),
                flow_label: e.flow_label.into(),
                l2_addr: None,
            }
            .build(b);
            if let (Some(mac), Value::Record(r)) = (e.l2, &v) {
                r.set(end_slot::L2_ADDR, sh.mac_text(mac));
            }
            v
        });
        let [orig, resp] = ends;
        self.flipped = false;
        // With room for what scripts add to every connection.
        let mut slots = unset_slots(sh.conn_slots.max(slot::INNER_VLAN + 1));
        slots[slot::ID] = self.id_value(q, sh);
        slots[slot::ORIG] = orig;
        slots[slot::RESP] = resp;
        slots[slot::START_TIME] = Value::Time(self.start_time);
        slots[slot::DURATION] = Value::Interval(self.stats.duration);
        // Most connections never have a service: the set is made when it is first read.
        slots[slot::HISTORY] = Value::Str(self.stats.history.clone());
        slots[slot::UID] = Value::Str(Rc::from(self.uid.clone()));
        slots[slot::TUNNEL] = self.tunnel.take().map(|t| *t).unwrap_or_default();
        slots[slot::VLAN] = self.vlan.map_or(Value::Unset, |v| Value::Int(v.into()));
        slots[slot::INNER_VLAN] = self.inner_vlan.map_or(Value::Unset, |v| Value::Int(v.into()));
        let v = Value::Record(Record::new(b.record(records::ID_CONNECTION), slots));
        self.value = Some(v.clone());
        match (std::mem::take(&mut self.begun), &sh.begin_record, &v) {
            (Begun::Fresh, ..) => q.push(events::NEW_CONNECTION, vec![v.clone()]),
            (Begun::Owed, Some(begin), Value::Record(c)) => begin(c),
            _ => {}
        }
        v
    }
}
