//! Which connections' payload scripts want as `tcp_contents` and `udp_contents`.

use std::collections::HashMap;

use tapir_data::value::Value;

/// Ports with a truth value each.
#[derive(Clone, Debug, Default)]
pub struct PortTable(HashMap<u16, bool>);

impl PortTable {
    /// From a script's `table[port] of bool` or `set[port]`.
    pub fn from_value(v: Option<Value>) -> Self {
        let Some(Value::Table(t)) = v else {
            return PortTable::default();
        };
        PortTable(
            t.entries()
                .into_iter()
                .filter_map(|(k, v)| match k {
                    Value::Port(p) => Some((p.num, !matches!(v, Value::Bool(false)))),
                    _ => None,
                })
                .collect(),
        )
    }

    /// Whether a port is listed as wanted.
    pub fn has(&self, port: u16) -> bool {
        self.0.get(&port).copied().unwrap_or(false)
    }
}

/// The choice for one transport; index 0 is the originator's direction.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    pub ports: [PortTable; 2],
    pub all: [bool; 2],
    /// Ports that count for either endpoint.
    pub any: PortTable,
}

impl Choice {
    /// Whether a direction of a connection with this deciding port is wanted.
    pub fn wants(&self, port: u16, is_orig: bool) -> bool {
        let i = usize::from(!is_orig);
        self.all[i] || self.ports[i].has(port)
    }
}

/// The choices for both transports.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    pub tcp: Choice,
    pub udp: Choice,
    /// The responder's port decides for both directions of UDP, not the destination's.
    pub udp_use_resp: bool,
}

impl Contents {
    /// Whether a UDP datagram between these ports is wanted.
    pub fn wants_udp(&self, orig_port: u16, resp_port: u16, is_orig: bool) -> bool {
        let deciding = if is_orig || self.udp_use_resp {
            resp_port
        } else {
            orig_port
        };
        self.udp.any.has(orig_port) || self.udp.any.has(resp_port) || self.udp.wants(deciding, is_orig)
    }
}
