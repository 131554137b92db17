//! Events of ICMP, ICMPv6 and IGMP.

use tapir_data::value::{Port, Proto, Value};
use tapir_flow::icmp6::{self, NdOption, Quoted};
use tapir_flow::{IcmpPacket, Ip, Packet};
use tapir_interface::queue::{EventId, EventQueue};
use tapir_interface::{enums, events, records, types};

use super::{C, Sink, Table, bytes, headers};
use crate::net::addr;

fn be16(d: &[u8], at: usize) -> u64 {
    d.get(at..at + 2).map_or(0, |b| u64::from(b[0]) << 8 | u64::from(b[1]))
}

fn be32(d: &[u8], at: usize) -> u64 {
    be16(d, at) << 16 | be16(d, at + 2)
}

fn byte(d: &[u8], at: usize) -> u64 {
    d.get(at).copied().map_or(0, u64::from)
}

fn ip_at(d: &[u8], at: usize) -> Value {
    Value::Addr(addr(d.get(at..at + 16).map_or_else(Ip::default, Ip::from_slice)))
}

fn info(q: &EventQueue, p: &IcmpPacket<'_>) -> Value {
    records::IcmpInfo {
        v6: p.v6,
        itype: p.kind.into(),
        icode: p.code.into(),
        len: p.len,
        ttl: p.ttl.into(),
    }
    .build(q.bindings())
}

/// The packet that an error quotes, as `icmp_context`.
fn context(q: &EventQueue, quoted: &Quoted) -> Value {
    let proto = match quoted.proto {
        6 => Proto::Tcp,
        17 => Proto::Udp,
        1 | 58 => Proto::Icmp,
        _ => Proto::Unknown,
    };
    let b = q.bindings();
    let id = records::ConnId {
        orig_h: addr(quoted.src),
        orig_p: Port {
            proto,
            num: quoted.sport,
        },
        resp_h: addr(quoted.dst),
        resp_p: Port {
            proto,
            num: quoted.dport,
        },
        proto: Some(quoted.proto.into()),
        ctx: records::ConnIdCtx {}.build(b),
    };
    records::IcmpContext {
        id: id.build(b),
        len: quoted.len,
        proto: quoted.proto.into(),
        frag_offset: quoted.frag_offset,
        bad_hdr_len: quoted.bad_hdr_len,
        bad_checksum: quoted.bad_checksum,
        MF: quoted.more_fragments,
        DF: quoted.dont_fragment,
    }
    .build(b)
}

/// The events of a message.
pub(super) fn events(s: &mut Sink<'_>, t: &mut Table, c: &mut C, p: &IcmpPacket<'_>) {
    let d = p.data;
    let error = |id: EventId| (id, true);
    let (id, is_error) = match (p.v6, p.kind) {
        (false, 8) | (true, 128) => return echo(s, t, c, p, events::ICMP_ECHO_REQUEST),
        (false, 0) | (true, 129) => return echo(s, t, c, p, events::ICMP_ECHO_REPLY),
        (false, 3) | (true, 1) => error(events::ICMP_UNREACHABLE),
        (false, 11) | (true, 3) => error(events::ICMP_TIME_EXCEEDED),
        (true, 2) => error(events::ICMP_PACKET_TOO_BIG),
        (true, 4) => error(events::ICMP_PARAMETER_PROBLEM),
        (true, 133..=137) => return neighbours(s, t, c, p),
        (true, 131 | 132) => {
            let id = if p.kind == 131 {
                events::ICMPV6_MLD_REPORT_V1
            } else {
                events::ICMPV6_MLD_DONE_V1
            };
            if let Some(group) = icmp6::mld1_group(d) {
                s.raise_with(t, c, id, |_| vec![Value::Addr(addr(group))]);
            }
            return;
        }
        (true, 143) => return listeners(s, t, c, d),
        (true, k) if k < 128 => error(events::ICMP_ERROR_MESSAGE),
        _ => (events::ICMP_SENT, false),
    };
    if is_error {
        s.raise_with(t, c, id, |q| {
            let quoted = icmp6::quoted(d.get(8..).unwrap_or(&[]), p.v6);
            vec![info(q, p), Value::Count(p.code.into()), context(q, &quoted)]
        });
        return;
    }
    s.raise_with(t, c, id, |q| vec![info(q, p)]);
    s.raise_with(t, c, events::ICMP_SENT_PAYLOAD, |q| {
        vec![info(q, p), bytes(d.get(8..).unwrap_or(&[]))]
    });
}

fn echo(s: &mut Sink<'_>, t: &mut Table, c: &mut C, p: &IcmpPacket<'_>, id: EventId) {
    let d = p.data;
    s.raise_with(t, c, id, |q| {
        vec![
            info(q, p),
            Value::Count(be16(d, 4)),
            Value::Count(be16(d, 6)),
            bytes(d.get(8..).unwrap_or(&[])),
        ]
    });
}

fn neighbours(s: &mut Sink<'_>, t: &mut Table, c: &mut C, p: &IcmpPacket<'_>) {
    let d = p.data;
    let id = match p.kind {
        133 => events::ICMP_ROUTER_SOLICITATION,
        134 => events::ICMP_ROUTER_ADVERTISEMENT,
        135 => events::ICMP_NEIGHBOR_SOLICITATION,
        136 => events::ICMP_NEIGHBOR_ADVERTISEMENT,
        _ => events::ICMP_REDIRECT,
    };
    s.raise_with(t, c, id, |q| {
        let mut args = vec![info(q, p)];
        let flags = byte(d, 5);
        match p.kind {
            134 => args.extend([
                Value::Count(byte(d, 4)),
                Value::Bool(flags & 0x80 != 0),
                Value::Bool(flags & 0x40 != 0),
                Value::Bool(flags & 0x20 != 0),
                Value::Count(flags >> 3 & 3),
                Value::Bool(flags & 4 != 0),
                Value::Count(flags & 3),
                Value::Interval(be16(d, 6) as f64),
                Value::Interval(be32(d, 8) as f64 / 1000.0),
                Value::Interval(be32(d, 12) as f64 / 1000.0),
            ]),
            135 => args.push(ip_at(d, 8)),
            136 => {
                let flags = byte(d, 4);
                args.extend([0x80, 0x40, 0x20].map(|bit| Value::Bool(flags & bit != 0)));
                args.push(ip_at(d, 8));
            }
            137 => args.extend([ip_at(d, 8), ip_at(d, 24)]),
            _ => {}
        }
        let offset = icmp6::options_offset(p.kind).unwrap_or(8);
        let options = icmp6::nd_options(d, offset).0;
        let items = options.iter().map(|o| nd_option(q, o)).collect();
        args.push(q.bindings().vector(types::ICMP6_ND_OPTIONS, items));
        args
    });
}

fn nd_option(q: &EventQueue, o: &NdOption<'_>) -> Value {
    let (b, d) = (q.bindings(), o.body);
    let mut r = records::Icmp6NdOption {
        otype: o.kind.into(),
        len: o.len.into(),
        ..Default::default()
    };
    match o.kind {
        1 | 2 => r.link_address = Some(d.into()),
        3 if d.len() >= 30 => {
            r.prefix = records::Icmp6NdPrefixInfo {
                prefix_len: byte(d, 0),
                L_flag: byte(d, 1) & 0x80 != 0,
                A_flag: byte(d, 1) & 0x40 != 0,
                valid_lifetime: be32(d, 2) as f64,
                preferred_lifetime: be32(d, 6) as f64,
                prefix: addr(Ip::from_slice(&d[14..30])),
            }
            .build(b);
        }
        4 if d.len() >= 6 => r.redirect = context(q, &icmp6::quoted(&d[6..], true)),
        5 if d.len() >= 6 => r.mtu = Some(be32(d, 2)),
        _ => r.payload = Some(d.into()),
    }
    r.build(b)
}

fn listeners(s: &mut Sink<'_>, t: &mut Table, c: &mut C, d: &[u8]) {
    let (groups, weird) = icmp6::mld2_records(d);
    if weird.is_some() {
        return;
    }
    s.raise_with(t, c, events::ICMPV6_MLD_REPORT_V2, |q| {
        let b = q.bindings();
        let items = groups
            .into_iter()
            .map(|g| {
                let sources = g.sources.iter().map(|a| Value::Addr(addr(*a))).collect();
                records::Icmp6Mldv2Mar {
                    group_type: g.kind.into(),
                    aux_data_len: g.aux_len.into(),
                    num_sources: g.n_sources.into(),
                    multicast_addr: addr(g.group),
                    sources: b.vector(types::VECTOR_OF_ADDR, sources),
                    aux_data: (!g.aux.is_empty()).then(|| g.aux.into()),
                }
                .build(b)
            })
            .collect();
        vec![b.vector(types::ICMP6_MLDV2_MAR_VEC, items)]
    });
}

/// The events of an IGMP packet (RFC 1112, 2236, 3376).
pub(super) fn igmp(q: &mut EventQueue, p: &Packet<'_>, valid: bool, lengths: (u32, u32)) {
    use enums::igmp_messagetype as kinds;
    let d = p.ip.payload();
    let Some(&kind) = d.first() else { return };
    let kind = if valid { i64::from(kind) } else { kinds::BAD_CHECKSUM };
    let id = match kind {
        kinds::MEMBERSHIP_QUERY => events::IGMP_MEMBERSHIP_QUERY,
        kinds::MEMBERSHIP_REPORT_V1 => events::IGMP_MEMBERSHIP_REPORT_V1,
        kinds::MEMBERSHIP_REPORT_V2 => events::IGMP_MEMBERSHIP_REPORT_V2,
        kinds::LEAVE_GROUP => events::IGMP_LEAVE_GROUP,
        kinds::MEMBERSHIP_REPORT_V3 => events::IGMP_MEMBERSHIP_REPORT_V3,
        kinds::BAD_CHECKSUM => events::IGMP_MESSAGE,
        _ => return,
    };
    if q.wants(events::IGMP_MESSAGE) {
        let header = headers::decoded_pkt_hdr(q, p, lengths);
        let kind = q.bindings().enum_value(kinds::ID, kind);
        q.push(events::IGMP_MESSAGE, vec![header, kind]);
    }
    if kind == kinds::BAD_CHECKSUM || !q.wants(id) {
        return;
    }
    let source = Value::Addr(addr(p.ip.src));
    let v4 = |at: usize| addr(d.get(at..at + 4).map_or_else(|| Ip::v4([0; 4]), Ip::from_slice));
    if kind != kinds::MEMBERSHIP_REPORT_V3 {
        q.push(id, vec![source, Value::Addr(v4(4))]);
        return;
    }
    let b = q.bindings();
    let mut groups = Vec::new();
    let mut at = 8;
    for _ in 0..be16(d, 6) {
        let n_sources = be16(d, at + 2);
        let sources_at = at + 8;
        let aux_at = sources_at + n_sources as usize * 4;
        let end = aux_at + byte(d, at + 1) as usize * 4;
        let Some(aux) = d.get(aux_at..end) else { break };
        let sources = (sources_at..aux_at).step_by(4).map(|at| Value::Addr(v4(at))).collect();
        let group = records::IGMPGroup {
            group_type: byte(d, at) as i64,
            aux_data_len: byte(d, at + 1),
            num_sources: n_sources,
            multicast_addr: v4(at + 4),
            sources: b.vector(types::VECTOR_OF_ADDR, sources),
            aux_data: aux.into(),
        };
        groups.push(group.build(b));
        at = end;
    }
    let groups = b.vector(types::VECTOR_OF_IGMP_GROUP, groups);
    q.push(id, vec![source, groups]);
}
