//! Lower headers as records: link layer and IPv6 extension headers.

use tapir_data::value::Value;
use tapir_flow::{IpPacket, RawPacket};
use tapir_interface::queue::EventQueue;
use tapir_interface::{enums, records};
use tapir_packet::Weirds;
use tapir_packet::ip::{ExtHeader, IpOptions};
use tapir_packet::link::{self, L3, LayerStack, Link, LinkInfo};

use super::{packets, text};

/// The script's number for a link type.
pub fn link_encap(link_type: u32) -> i64 {
    match link_type {
        1 => enums::link_encap::LINK_ETHERNET,
        _ => enums::link_encap::LINK_UNKNOWN,
    }
}

fn mac(m: Option<[u8; 6]>) -> Value {
    m.map_or(Value::Unset, |m| text(&m.map(|b| format!("{b:02x}")).join(":")))
}

/// A packet with its link layer as `raw_pkt_hdr`.
pub fn raw_pkt_hdr(q: &EventQueue, raw: &RawPacket<'_>) -> records::RawPktHdr {
    let b = q.bindings();
    let mut info = LinkInfo {
        link_type: raw.link_type,
        ..LinkInfo::default()
    };
    // What is odd was reported when the packet was processed.
    let mut weirds = Weirds::default();
    let mut stack = LayerStack::new(25);
    let start = link::layer_of_link_type(raw.link_type);
    let inner = link::decode(start, raw.data, raw.len as usize, &mut info, &mut stack, &mut weirds);
    let l2 = l2_hdr(&info, raw.len, raw.data.len() as u32);
    let mut r = records::RawPktHdr {
        l2: l2.build(b),
        ..Default::default()
    };
    if let Link::Ip { data, wire } = inner {
        let options = IpOptions {
            ignore_checksums: true,
            ..IpOptions::default()
        };
        if let Some(ip) = tapir_packet::ip::decode(data, wire, options, &mut weirds) {
            (r.ip, r.ip6) = packets::ip_parts(q, &ip);
            (r.tcp, r.udp, r.icmp) = packets::transport_parts(q, &ip);
        }
    }
    r
}

fn be16(d: &[u8], at: usize) -> u64 {
    d.get(at..at + 2).map_or(0, |b| u64::from(b[0]) << 8 | u64::from(b[1]))
}

fn be32(d: &[u8], at: usize) -> u64 {
    be16(d, at) << 16 | be16(d, at + 2)
}

fn byte(d: &[u8], at: usize) -> u64 {
    d.get(at).copied().map_or(0, u64::from)
}

/// Options of a hop-by-hop or destination options header (RFC 8200, section 4.2).
fn options(q: &EventQueue, d: &[u8]) -> Value {
    let b = q.bindings();
    let mut items = Vec::new();
    let mut at = 2;
    while let Some(&kind) = d.get(at) {
        if kind == 0 {
            items.push(
                records::Ip6Option {
                    otype: 0,
                    len: 0,
                    data: (&b""[..]).into(),
                }
                .build(b),
            );
            at += 1;
            continue;
        }
        let len = byte(d, at + 1) as usize;
        let Some(data) = d.get(at + 2..at + 2 + len) else { break };
        items.push(
            records::Ip6Option {
                otype: kind.into(),
                len: len as u64,
                data: data.into(),
            }
            .build(b),
        );
        at += 2 + len;
    }
    b.vector(tapir_interface::types::VECTOR_OF_IP6_OPTION, items)
}

/// What is odd about the extension headers that records for scripts are made of: name, addl.
pub fn weirds(ip: &IpPacket<'_>) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for e in &ip.exts {
        let start = e.offset as usize;
        let d = ip.data.get(start..).unwrap_or(&[]);
        let d = &d[..d.len().min(e.len as usize)];
        let options_from = match e.id {
            0 | 60 => 2,
            135 => match byte(d, 2) {
                0 => 8,
                1 | 2 => 16,
                3 | 4 => 24,
                5 | 6 => 12,
                7 => 24,
                kind => {
                    found.push(("unknown_mobility_type", kind.to_string()));
                    continue;
                }
            },
            _ => continue,
        };
        if has_cut_option(d, options_from) {
            found.push(("truncated_IPv6_option", String::new()));
        }
    }
    found
}

/// Whether the last option of a header is longer than the header has room for.
fn has_cut_option(d: &[u8], mut at: usize) -> bool {
    while let Some(&kind) = d.get(at) {
        at += match (kind, d.get(at + 1)) {
            (0, _) => 1,
            (_, None) => return true,
            (_, Some(&len)) => 2 + usize::from(len),
        };
    }
    at > d.len()
}

/// An extension header as `ip6_ext_hdr`.
pub fn ext_header(q: &EventQueue, ip: &IpPacket<'_>, e: &ExtHeader) -> Value {
    let b = q.bindings();
    let start = e.offset as usize;
    let d = ip
        .data
        .get(start..)
        .map_or(&[][..], |d| &d[..d.len().min(e.len as usize)]);
    let mut r = records::Ip6ExtHdr {
        id: e.id.into(),
        ..Default::default()
    };
    let (nxt, len) = (byte(d, 0), byte(d, 1));
    match e.id {
        0 => {
            r.hopopts = records::Ip6Hopopts {
                nxt,
                len,
                options: options(q, d),
            }
            .build(b)
        }
        60 => {
            r.dstopts = records::Ip6Dstopts {
                nxt,
                len,
                options: options(q, d),
            }
            .build(b)
        }
        43 => {
            let data = d.get(4..).unwrap_or(&[]).into();
            r.routing = records::Ip6Routing {
                nxt,
                len,
                rtype: byte(d, 2),
                segleft: byte(d, 3),
                data,
            }
            .build(b);
        }
        44 => {
            r.fragment = records::Ip6Fragment {
                nxt,
                rsv1: len,
                offset: be16(d, 2) >> 3,
                rsv2: be16(d, 2) >> 1 & 3,
                more: be16(d, 2) & 1 != 0,
                id: be32(d, 4),
            }
            .build(b);
        }
        51 => {
            r.ah = records::Ip6Ah {
                nxt,
                len,
                rsv: be16(d, 2),
                spi: be32(d, 4),
                seq: (d.len() >= 12).then(|| be32(d, 8)),
                data: d.get(12..).map(|x| x.into()),
            }
            .build(b);
        }
        50 => {
            r.esp = records::Ip6Esp {
                spi: be32(d, 0),
                seq: be32(d, 4),
            }
            .build(b)
        }
        135 => r.mobility = mobility(q, d),
        _ => {}
    }
    r.build(b)
}

/// A mobility header (RFC 6275, section 6.1) with the message that its type names.
fn mobility(q: &EventQueue, d: &[u8]) -> Value {
    let b = q.bindings();
    let kind = byte(d, 2);
    let m = d.get(6..).unwrap_or(&[]);
    let after = |at: usize| -> &[u8] { d.get(6 + at..).unwrap_or(&[]) };
    let opts = |at: usize| {
        let mut padded = vec![0, 0];
        padded.extend_from_slice(after(at));
        options(q, &padded)
    };
    let be64 = |at: usize| be32(m, at) << 32 | be32(m, at + 4);
    let mut msg = records::Ip6MobilityMsg {
        id: kind,
        ..Default::default()
    };
    match kind {
        0 => {
            msg.brr = records::Ip6MobilityBrr {
                rsv: be16(m, 0),
                options: opts(2),
            }
            .build(b)
        }
        1 => {
            msg.hoti = records::Ip6MobilityHoti {
                rsv: be16(m, 0),
                cookie: be64(2),
                options: opts(10),
            }
            .build(b)
        }
        2 => {
            msg.coti = records::Ip6MobilityCoti {
                rsv: be16(m, 0),
                cookie: be64(2),
                options: opts(10),
            }
            .build(b)
        }
        3 => {
            msg.hot = records::Ip6MobilityHot {
                nonce_idx: be16(m, 0),
                cookie: be64(2),
                token: be64(10),
                options: opts(18),
            }
            .build(b);
        }
        4 => {
            msg.cot = records::Ip6MobilityCot {
                nonce_idx: be16(m, 0),
                cookie: be64(2),
                token: be64(10),
                options: opts(18),
            }
            .build(b);
        }
        5 => {
            let flags = be16(m, 2);
            msg.bu = records::Ip6MobilityBu {
                seq: be16(m, 0),
                a: flags & 0x8000 != 0,
                h: flags & 0x4000 != 0,
                l: flags & 0x2000 != 0,
                k: flags & 0x1000 != 0,
                life: be16(m, 4),
                options: opts(6),
            }
            .build(b);
        }
        6 => {
            msg.back = records::Ip6MobilityBack {
                status: byte(m, 0),
                k: byte(m, 1) & 0x80 != 0,
                seq: be16(m, 2),
                life: be16(m, 4),
                options: opts(6),
            }
            .build(b);
        }
        7 => {
            let hoa = m
                .get(2..18)
                .and_then(|x| x.try_into().ok())
                .map(tapir_data::value::Addr)
                .unwrap_or_default();
            msg.be = records::Ip6MobilityBe {
                status: byte(m, 0),
                hoa,
                options: opts(18),
            }
            .build(b);
        }
        _ => {}
    }
    records::Ip6MobilityHdr {
        nxt: byte(d, 0),
        len: byte(d, 1),
        mh_type: kind,
        rsv: byte(d, 3),
        chksum: be16(d, 4),
        msg: msg.build(b),
    }
    .build(b)
}

/// What the link layer says as `l2_hdr`, not yet built.
fn l2_hdr(info: &LinkInfo, len: u32, cap_len: u32) -> records::L2Hdr {
    let s = |v: Value| match v {
        Value::Str(s) => Some(s),
        _ => None,
    };
    records::L2Hdr {
        encap: link_encap(info.link_type),
        len: len.into(),
        cap_len: cap_len.into(),
        src: s(mac(info.src)),
        dst: s(mac(info.dst)),
        vlan: info.vlan.map(|v| v.id.into()),
        vlan_pcp: info.vlan.map(|v| v.priority.into()),
        vlan_dei: info.vlan.map(|v| v.drop_eligible),
        inner_vlan: info.inner_vlan.map(|v| v.id.into()),
        inner_vlan_pcp: info.inner_vlan.map(|v| v.priority.into()),
        inner_vlan_dei: info.inner_vlan.map(|v| v.drop_eligible),
        eth_type: info.eth_type.map(u64::from),
        proto: match info.l3 {
            L3::Unknown => enums::layer3_proto::L3_UNKNOWN,
            L3::V4 => enums::layer3_proto::L3_IPV4,
            L3::V6 => enums::layer3_proto::L3_IPV6,
            L3::Arp => enums::layer3_proto::L3_ARP,
        },
    }
}

/// A decoded packet as `raw_pkt_hdr`.
pub(super) fn decoded_pkt_hdr(q: &EventQueue, p: &tapir_flow::Packet<'_>, (len, cap_len): (u32, u32)) -> Value {
    let (ip, ip6) = packets::ip_parts(q, p.ip);
    let (tcp, udp, icmp) = packets::transport_parts(q, p.ip);
    records::RawPktHdr {
        l2: l2_hdr(p.link, len, cap_len).build(q.bindings()),
        ip,
        ip6,
        tcp,
        udp,
        icmp,
    }
    .build(q.bindings())
}

#[cfg(test)]
mod tests {
    use super::has_cut_option;

    #[test]
    fn options_end_within_their_header() {
        for (header, cut) in [
            (&[0u8, 0, 1, 4, 0, 0, 0, 0][..], false),
            (&[0, 0, 0, 0, 0, 0, 0, 0], false),
            (&[0, 0, 5, 2, 0, 0, 1, 0], false),
            (&[0, 0, 1, 5, 0, 0, 0, 0], true),
            (&[0, 0, 0, 0, 0, 0, 0, 7], true),
        ] {
            assert_eq!(has_cut_option(header, 2), cut, "{header:?}");
        }
    }
}
