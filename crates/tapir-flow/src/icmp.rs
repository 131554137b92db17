//! ICMP sessions: types with counterparts make two-way flows, all others one-way ones.

use tapir_packet::bytes::be16;
use tapir_packet::checksum::{Sum, transport_valid};

use crate::conn::Transport;
use crate::key::ConnTuple;
use crate::options::Options;
use crate::sink::{FlowSink, IcmpPacket, Packet};
use crate::table::FlowTable;

/// The type that answers a type, if there is one.
pub fn counterpart(kind: u8, v6: bool) -> Option<u8> {
    const V4: &[(u8, u8)] = &[(8, 0), (13, 14), (15, 16), (10, 9), (17, 18)];
    const V6: &[(u8, u8)] = &[(128, 129), (133, 134), (135, 136), (130, 131), (139, 140), (144, 145)];
    let pairs = if v6 { V6 } else { V4 };
    pairs.iter().find_map(|&(a, b)| match kind {
        k if k == a => Some(b),
        k if k == b => Some(a),
        _ => None,
    })
}

/// Whether the "ports" of an ICMP flow are a type and its counterpart.
pub fn is_two_way(sport: u16, dport: u16, v6: bool) -> bool {
    u8::try_from(sport)
        .ok()
        .and_then(|k| counterpart(k, v6))
        .is_some_and(|c| u16::from(c) == dport)
}

/// The flow that an ICMP header belongs to: type and counterpart, or type and code.
pub fn ports(kind: u8, code: u8, v6: bool) -> (u16, u16, bool) {
    match counterpart(kind, v6) {
        Some(other) => (u16::from(kind), u16::from(other), false),
        None => (u16::from(kind), u16::from(code), true),
    }
}

impl<X: Default> FlowTable<X> {
    pub(crate) fn icmp_in<S: FlowSink<X>>(&mut self, p: &Packet<'_>, sink: &mut S) -> bool {
        let data = p.ip.payload();
        let (min, v6) = (8, p.ip.proto == 58);
        if p.ip.payload_len() < min {
            self.flow_weird(p, "truncated_header", "", "ICMP", sink);
            return false;
        }
        if data.len() < min {
            self.flow_weird(p, "internally_truncated_header", "", "ICMP", sink);
            return false;
        }
        let (kind, code) = (data[0], data[1]);
        let (sport, dport, one_way) = ports(kind, code, v6);
        let tuple = ConnTuple {
            src: p.ip.src,
            dst: p.ip.dst,
            sport,
            dport,
            transport: Transport::Icmp,
            ip_proto: p.ip.proto,
            one_way,
            vlans: self.key_vlans(p),
        };
        let Some((mut c, is_orig)) = self.conn_for(&tuple, None, p, sink) else {
            return false;
        };
        self.common_events(&mut c, is_orig, p, 8, sink);
        if c.skip {
            self.put(c);
            return true;
        }
        if self.verify_checksums(p) && p.ip.is_complete() {
            let valid = if v6 {
                transport_valid(&p.ip.src, &p.ip.dst, 58, data)
            } else {
                Sum::default().add_bytes(data).is_valid()
            };
            if !valid {
                self.conn_weird(&mut c, "bad_ICMP_checksum", "", "ICMP", sink);
                self.put(c);
                return true;
            }
        }
        c.last_time = p.ts;
        let len = (p.ip.payload_len() - 8) as u64;
        let e = c.end_mut(is_orig);
        e.active = true;
        e.payload_bytes += len;
        if v6 {
            for (name, addl, of_conn) in crate::icmp6::oddities(data, self.wants.icmp6_nd) {
                if of_conn {
                    self.conn_weird(&mut c, name, &addl, "ICMP", sink);
                } else {
                    sink.on_net_weird(self, name, &addl, "ICMP");
                }
            }
        }
        let icmp = IcmpPacket {
            is_orig,
            v6,
            kind,
            code,
            len,
            ttl: p.ip.ttl,
            data,
        };
        // Signatures look at the header before they get the data.
        self.first_packet(&mut c, is_orig, p, sink);
        sink.on_icmp(self, &mut c, &icmp, p);
        if p.ip.is_complete() {
            self.count_packet(&mut c, is_orig, p, sink);
        }
        sink.on_packet_done(self, &mut c, is_orig, p);
        self.put(c);
        true
    }
}

/// Reads the flow that an ICMP error quotes: source and destination port, or type and counterpart.
pub fn quoted_ports(proto: u8, transport: &[u8]) -> Option<(u16, u16)> {
    match proto {
        6 | 17 => Some((be16(transport, 0)?, be16(transport, 2)?)),
        1 | 58 => {
            let (kind, code) = (*transport.first()?, *transport.get(1)?);
            let (a, b, _) = ports(kind, code, proto == 58);
            Some((a, b))
        }
        _ => Some((0, 0)),
    }
}

/// Whether checksums of packets from this source are to be looked at.
pub(crate) fn checksums_wanted(options: &Options, src: &tapir_packet::Ip) -> bool {
    !options.ignore_checksums
        && !options
            .ignore_checksums_nets
            .iter()
            .any(|(net, len)| src.in_prefix(net, *len))
}
