//! What an analyzer may know about its connection, and the script-visible `connection` record.

use std::rc::Rc;

use tapir_data::value::{Addr, Port, Proto, Value};

use super::hosts::ConnMatcher;
use super::Shared;
use crate::shim::EventQueue;

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
    pub state: u64,
    pub num_pkts: u64,
    pub num_bytes_ip: u64,
    pub flow_label: u64,
    pub l2: Option<[u8; 6]>,
}

/// The counters that change while a connection lives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnStats {
    pub orig: EndStats,
    pub resp: EndStats,
    pub duration: f64,
    pub history: String,
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
    pub vlan: Option<i64>,
    pub inner_vlan: Option<i64>,
    /// Whether the beginning was missed (TCP).
    pub partial: bool,
    /// Whether data of a direction is missing (originator, responder).
    pub gaps: [bool; 2],
    pub stats: ConnStats,
    /// The `connection` record, once somebody needed it.
    pub value: Option<Value>,
    /// Set when the identity changed, so that `value`'s `id` is rewritten.
    pub flipped: bool,
    /// What an analyzer asks of the flow layer; the sink takes it after each delivery.
    pub asks: Asks,
    /// The encapsulation, as the `tunnel` field of the record.
    pub tunnel: Option<Value>,
    /// Signature matching of the connection.
    pub matcher: Option<Box<dyn ConnMatcher>>,
}

/// Requests to the flow layer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Asks {
    /// Exchange originator and responder.
    pub flip: bool,
    /// Stop all analysis of this connection.
    pub skip: bool,
    /// A new inactivity timeout in seconds.
    pub inactivity: Option<f64>,
    /// Run the DNS session timer.
    pub dns_session: bool,
    /// Add `X` to the history.
    pub history_x: bool,
    /// Remove the connection now.
    pub remove: bool,
}

impl ConnInfo {
    /// A connection that has just begun.
    pub fn new(
        orig: (Addr, u16),
        resp: (Addr, u16),
        transport: Transport,
        ip_proto: u8,
        start_time: f64,
    ) -> Self {
        ConnInfo {
            orig_h: orig.0,
            orig_p: orig.1,
            resp_h: resp.0,
            resp_p: resp.1,
            transport,
            ip_proto,
            start_time,
            uid: Rc::from(""),
            vlan: None,
            inner_vlan: None,
            partial: false,
            gaps: [false; 2],
            stats: ConnStats::default(),
            value: None,
            flipped: false,
            asks: Asks::default(),
            tunnel: None,
            matcher: None,
        }
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

    /// The `connection` record, made on first use, with its native fields as they are now.
    pub fn value_now(&mut self, _q: &mut EventQueue, _sh: &mut Shared) -> Value {
        self.value.clone().unwrap_or_default()
    }
}
