//! Events about single packets: headers as records, ARP, unknown protocols, tunnels, packet contents.

use tapir_data::value::{Port, Proto, Value};
use tapir_flow::{IpPacket, RawPacket, Transport};
use tapir_interface::queue::EventQueue;
use tapir_interface::{events, records, types};
use tapir_packet::arp::ArpPacket;
use tapir_packet::link::Layer;

use super::{C, Discarder, Sink, Table, bytes, text};
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

/// The `ip` or `ip6` part of a packet header record.
pub(super) fn ip_parts(q: &EventQueue, ip: &IpPacket<'_>) -> (Value, Value) {
    let (b, d) = (q.bindings(), ip.data);
    if ip.version == 4 {
        let (src, dst) = ip.header_addresses();
        let r = records::Ip4Hdr {
            hl: byte(d, 0) % 16 * 4,
            tos: byte(d, 1),
            len: be16(d, 2),
            id: be16(d, 4),
            DF: byte(d, 6) & 0x40 != 0,
            MF: byte(d, 6) & 0x20 != 0,
            offset: (be16(d, 6) & 0x1fff) * 8,
            ttl: byte(d, 8),
            p: byte(d, 9),
            sum: be16(d, 10),
            src: addr(src),
            dst: addr(dst),
        };
        return (r.build(b), Value::Unset);
    }
    let (src, dst) = ip.header_addresses();
    let exts = ip.exts.iter().map(|e| super::headers::ext_header(q, ip, e)).collect();
    let r = records::Ip6Hdr {
        class: be16(d, 0) >> 4 & 0xff,
        flow: be32(d, 0) & 0xf_ffff,
        len: be16(d, 4),
        nxt: byte(d, 6),
        hlim: byte(d, 7),
        src: addr(src),
        dst: addr(dst),
        exts: b.vector(types::VECTOR_OF_IP6_EXT_HDR, exts),
    };
    (Value::Unset, r.build(b))
}

/// A packet's headers as `pkt_hdr`.
pub fn pkt_hdr(q: &EventQueue, ip: &IpPacket<'_>) -> Value {
    let (ip4, ip6) = ip_parts(q, ip);
    let (tcp, udp, icmp) = transport_parts(q, ip);
    records::PktHdr {
        ip: ip4,
        ip6,
        tcp,
        udp,
        icmp,
    }
    .build(q.bindings())
}

pub(super) fn transport_parts(q: &EventQueue, ip: &IpPacket<'_>) -> (Value, Value, Value) {
    let (b, d) = (q.bindings(), ip.payload());
    let port = |at, proto| Port {
        num: be16(d, at) as u16,
        proto,
    };
    let mut parts = (Value::Unset, Value::Unset, Value::Unset);
    match ip.proto {
        6 if d.len() >= 20 => {
            let hl = byte(d, 12) >> 4 << 2;
            let r = records::TcpHdr {
                sport: port(0, Proto::Tcp),
                dport: port(2, Proto::Tcp),
                seq: be32(d, 4),
                ack: be32(d, 8),
                hl,
                dl: (ip.payload_len() as u64).saturating_sub(hl),
                reserved: byte(d, 12) & 0x0f,
                flags: byte(d, 13),
                win: be16(d, 14),
            };
            parts.0 = r.build(b);
        }
        17 if d.len() >= 8 => {
            let r = records::UdpHdr {
                sport: port(0, Proto::Udp),
                dport: port(2, Proto::Udp),
                ulen: be16(d, 4),
            };
            parts.1 = r.build(b);
        }
        1 | 58 if !d.is_empty() => parts.2 = records::IcmpHdr { icmp_type: byte(d, 0) }.build(b),
        _ => {}
    }
    parts
}

/// `raw_packet`.
pub fn raw_packet(q: &mut EventQueue, raw: &RawPacket<'_>) {
    if q.wants(events::RAW_PACKET) {
        let v = super::headers::raw_pkt_hdr(q, raw).build(q.bindings());
        q.push(events::RAW_PACKET, vec![v]);
    }
}

/// A packet as it was captured, as `pcap_packet`.
pub fn pcap_packet(q: &EventQueue, raw: &RawPacket<'_>) -> Value {
    records::PcapPacket {
        ts_sec: raw.ts_sec as u64,
        ts_usec: raw.ts_usec.into(),
        caplen: raw.data.len() as u64,
        len: raw.len.into(),
        data: raw.data.into(),
        link_type: super::headers::link_encap(raw.link_type),
    }
    .build(q.bindings())
}

/// `packet_not_processed`.
pub fn not_processed(q: &mut EventQueue, raw: &RawPacket<'_>) {
    if q.wants(events::PACKET_NOT_PROCESSED) {
        let v = pcap_packet(q, raw);
        q.push(events::PACKET_NOT_PROCESSED, vec![v]);
    }
}

/// `unknown_protocol`.
pub fn unknown_protocol(q: &mut EventQueue, layer: Layer, id: u32, data: &[u8], layers: &[Layer]) {
    if q.wants(events::UNKNOWN_PROTOCOL) {
        let history = layers.iter().map(|l| text(l.name())).collect();
        let args = vec![
            text(layer.name()),
            Value::Count(id.into()),
            bytes(data),
            q.bindings().vector(types::STRING_VEC, history),
        ];
        q.push(events::UNKNOWN_PROTOCOL, args);
    }
}

fn mac(m: [u8; 6]) -> Value {
    text(&m.map(|b| format!("{b:02x}")).join(":"))
}

/// `arp_request` and `arp_reply`.
pub fn arp(q: &mut EventQueue, a: &ArpPacket) {
    let id = if a.is_request {
        events::ARP_REQUEST
    } else {
        events::ARP_REPLY
    };
    if q.wants(id) {
        let args = vec![
            mac(a.mac_src),
            mac(a.mac_dst),
            Value::Addr(addr(a.sender_ip)),
            mac(a.sender_mac),
            Value::Addr(addr(a.target_ip)),
            mac(a.target_mac),
        ];
        q.push(id, args);
    }
}

/// `bad_arp`.
pub fn bad_arp(q: &mut EventQueue, a: &ArpPacket, explanation: &str) {
    if q.wants(events::BAD_ARP) {
        let args = vec![
            Value::Addr(addr(a.sender_ip)),
            mac(a.sender_mac),
            Value::Addr(addr(a.target_ip)),
            mac(a.target_mac),
            text(explanation),
        ];
        q.push(events::BAD_ARP, args);
    }
}

/// `esp_packet`.
pub fn esp(q: &mut EventQueue, ip: &IpPacket<'_>) {
    if q.wants(events::ESP_PACKET) {
        let v = pkt_hdr(q, ip);
        q.push(events::ESP_PACKET, vec![v]);
    }
}

/// `mobile_ipv6_message`.
pub fn mobile_ipv6(q: &mut EventQueue, ip: &IpPacket<'_>) {
    if q.wants(events::MOBILE_IPV6_MESSAGE) {
        let v = pkt_hdr(q, ip);
        q.push(events::MOBILE_IPV6_MESSAGE, vec![v]);
    }
}

/// Writes stream data to a contents file; says whether that went well. A full disk must not stop the analysis.
pub fn write_contents(file: &tapir_data::value::File, data: &[u8]) -> bool {
    match file.sink.borrow_mut().as_mut() {
        Some(sink) => std::io::Write::write_all(sink, data).is_ok(),
        None => true,
    }
}

/// Whether scripts asked for a direction's contents by their port tables.
pub fn delivers_contents(s: &Sink<'_>, c: &C, is_orig: bool) -> bool {
    match c.transport {
        Transport::Tcp => s.contents.tcp.wants(c.resp.port, is_orig),
        _ => s.contents.wants_udp(c.orig.port, c.resp.port, is_orig),
    }
}

pub fn tunnel_confirmed(s: &mut Sink<'_>, t: &mut Table, c: &mut C, layer: Layer) {
    if s.q.wants(events::ANALYZER_CONFIRMATION_INFO) {
        let conn = s.value(t, c);
        let info = records::AnalyzerConfirmationInfo {
            c: conn,
            ..Default::default()
        }
        .build(s.q.bindings());
        let tag = s.packet_tags.get(layer.name()).cloned().unwrap_or_default();
        s.q.push(events::ANALYZER_CONFIRMATION_INFO, vec![tag, info]);
    }
}

pub fn tunnel_violation(s: &mut Sink<'_>, t: &mut Table, c: &mut C, layer: Layer, reason: &str, data: &[u8]) {
    if s.q.wants(events::ANALYZER_VIOLATION_INFO) {
        let conn = s.value(t, c);
        let info = records::AnalyzerViolationInfo {
            reason: reason.as_bytes().into(),
            c: conn,
            data: (!data.is_empty()).then(|| data.into()),
            ..Default::default()
        }
        .build(s.q.bindings());
        let tag = s.packet_tags.get(layer.name()).cloned().unwrap_or_default();
        s.q.push(events::ANALYZER_VIOLATION_INFO, vec![tag, info]);
    }
}

/// Whether a script's discarder wants nothing to be seen of a packet: the one for all of IP first, then that of the
/// transport, which is not asked about fragments.
pub fn discarded(
    q: &mut EventQueue,
    ip: &IpPacket<'_>,
    ask: &mut dyn FnMut(&mut EventQueue, Discarder, Value, &[u8]) -> bool,
) -> bool {
    let header = pkt_hdr(q, ip);
    if ask(q, Discarder::Ip, header.clone(), &[]) {
        return true;
    }
    let data = ip.payload();
    let (which, skip) = match ip.proto {
        _ if ip.is_fragment() => return false,
        6 if data.len() >= 20 => (Discarder::Tcp, usize::from(data[12] >> 4) * 4),
        17 if data.len() >= 8 => (Discarder::Udp, 8),
        1 | 58 if data.len() >= 8 => (Discarder::Icmp, data.len()),
        _ => return false,
    };
    ask(q, which, header, data.get(skip..).unwrap_or(&[]))
}

/// Whether a dynamic filter drops a packet: that of its source or that of its destination, of which narrow networks come
/// before wide ones. What no filter is about is dropped if `by_default`. A chance is decided by the packet's own bytes, so that runs repeat.
pub fn dropped(drops: &[crate::node::DropEntry], by_default: bool, ip: &IpPacket<'_>) -> bool {
    let of_side = |source: bool| {
        let at = if source { ip.src } else { ip.dst };
        let concerned = drops
            .iter()
            .filter(move |d| d.source == source && at.in_prefix(&tapir_flow::Ip(d.net.0), d.net.1));
        concerned.max_by_key(|d| d.net.1)
    };
    let judge = |d: &crate::node::DropEntry| {
        // Segments with one of the given flags are let through.
        if d.tcp_flags != 0 && ip.proto == 6 && byte(ip.payload(), 13) & d.tcp_flags != 0 {
            return false;
        }
        if d.chance >= 1.0 {
            return true;
        }
        let mix = ip
            .data
            .iter()
            .fold(0u32, |h, b| h.wrapping_mul(16_777_619) ^ u32::from(*b));
        f64::from(mix % 10_000) / 10_000.0 < d.chance
    };
    match (of_side(true), of_side(false)) {
        (None, None) => by_default,
        (source, destination) => source.is_some_and(judge) || destination.is_some_and(judge),
    }
}
