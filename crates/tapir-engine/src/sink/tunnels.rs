//! Events of Teredo and GTPv1, with the information elements of GTPv1 (3GPP TS 29.060).

use tapir_data::value::{Addr, Port, Proto, Str, Value};
use tapir_flow::{Ip, IpPacket};
use tapir_interface::queue::EventQueue;
use tapir_interface::{events, records};
use tapir_packet::tunnel::{Gtp, Teredo};

use super::{C, Sink, Table, packets};
use crate::net::addr;
use crate::weirds;

fn be(v: &[u8]) -> u64 {
    v.iter().take(8).fold(0, |n, x| n << 8 | u64::from(*x))
}

/// The events of a Teredo packet.
pub(super) fn teredo(s: &mut Sink<'_>, t: &mut Table, outer: &mut C, h: &Teredo<'_>, inner: &IpPacket<'_>) {
    let value = |q: &EventQueue| {
        let b = q.bindings();
        let auth = h.auth.map_or(Value::Unset, |(id, value, nonce, confirm)| {
            records::TeredoAuth {
                id: id.into(),
                value: value.into(),
                nonce,
                confirm: confirm.into(),
            }
            .build(b)
        });
        let origin = h.origin.map_or(Value::Unset, |(port, ip)| {
            let p = Port {
                proto: Proto::Udp,
                num: port,
            };
            records::TeredoOrigin { p, a: addr(ip) }.build(b)
        });
        let hdr = packets::pkt_hdr(q, inner);
        vec![records::TeredoHdr { auth, origin, hdr }.build(b)]
    };
    s.raise_with(t, outer, events::TEREDO_PACKET, value);
    if h.auth.is_some() {
        s.raise_with(t, outer, events::TEREDO_AUTHENTICATION, value);
    }
    if h.origin.is_some() {
        s.raise_with(t, outer, events::TEREDO_ORIGIN_INDICATION, value);
    }
    if inner.proto == tapir_packet::ip::proto::NONE {
        s.raise_with(t, outer, events::TEREDO_BUBBLE, value);
    }
}

/// A GTPv1 header as `gtpv1_hdr`.
pub(super) fn gtp_header(q: &EventQueue, g: &Gtp<'_>) -> Value {
    records::Gtpv1Hdr {
        version: g.version.into(),
        pt_flag: g.pt_flag,
        rsv: g.reserved,
        e_flag: g.e_flag,
        s_flag: g.s_flag,
        pn_flag: g.pn_flag,
        msg_type: g.msg_type.into(),
        length: g.length.into(),
        teid: g.teid.into(),
        seq: g.seq.map(u64::from),
        n_pdu: g.n_pdu.map(u64::from),
        next_type: g.next_type.map(u64::from),
    }
    .build(q.bindings())
}

/// The events of a GTPv1 message.
pub(super) fn gtp(s: &mut Sink<'_>, t: &mut Table, c: &mut C, g: &Gtp<'_>) {
    s.raise_with(t, c, events::GTPV1_MESSAGE, |q| vec![gtp_header(q, g)]);
    let id = match g.msg_type {
        16 => events::GTPV1_CREATE_PDP_CTX_REQUEST,
        17 => events::GTPV1_CREATE_PDP_CTX_RESPONSE,
        18 => events::GTPV1_UPDATE_PDP_CTX_REQUEST,
        19 => events::GTPV1_UPDATE_PDP_CTX_RESPONSE,
        20 => events::GTPV1_DELETE_PDP_CTX_REQUEST,
        21 => events::GTPV1_DELETE_PDP_CTX_RESPONSE,
        _ => return,
    };
    s.raise_with(t, c, id, |q| vec![gtp_header(q, g), elements(q, g)]);
    if s.q.wants(id) {
        let mut list = Elements(g.body);
        list.by_ref().for_each(drop);
        // The walk ends early at an element whose length nobody knows, and at one that is cut.
        if let Some(kind) = list.0.first() {
            let addl = kind.to_string();
            weirds::raise_net(
                &mut s.sampler.borrow_mut(),
                s.q,
                "gtp_invalid_info_element",
                &addl,
                "GTPV1",
            );
        }
    }
}

/// Information elements of a message: type and content. Those below 128 have a fixed length.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let kind = *self.0.first()?;
        let (start, len) = match kind {
            1 | 8 | 11 | 13 | 14 | 15 | 19 | 20 | 21 | 23 | 24 | 29 => (1, 1),
            25..=28 => (1, 2),
            12 => (1, 3),
            4 | 5 | 16 | 17 | 127 => (1, 4),
            18 => (1, 5),
            3 => (1, 6),
            2 => (1, 8),
            22 => (1, 9),
            9 => (1, 28),
            128.. => (3, be(self.0.get(1..3)?) as usize),
            // Of unknown length: nothing behind it can be found.
            _ => return None,
        };
        let value = self.0.get(start..start + len)?;
        self.0 = &self.0[start + len..];
        Some((kind, value))
    }
}

/// The elements of a message by type; of repeated ones the first and second are told apart.
struct Found<'a>(Vec<(u8, &'a [u8])>);

impl<'a> Found<'a> {
    fn nth(&self, kind: u8, n: usize) -> Option<&'a [u8]> {
        self.0.iter().filter(|(k, _)| *k == kind).nth(n).map(|(_, v)| *v)
    }

    fn raw(&self, kind: u8) -> Option<Str> {
        self.nth(kind, 0).map(Str::from)
    }

    fn number(&self, kind: u8) -> Option<u64> {
        self.nth(kind, 0).map(be)
    }

    /// The subscriber's identity: up to fifteen decimal digits, the low half of each byte first; what is none fills up.
    fn subscriber(&self) -> Option<u64> {
        let v = self.nth(2, 0)?;
        let digits = v.iter().take(8).flat_map(|b| [b & 0xf, b >> 4]);
        Some(digits.take_while(|d| *d < 10).fold(0, |n, d| n * 10 + u64::from(d)))
    }

    fn routing_area(&self, q: &EventQueue) -> Value {
        let Some([a, b, c, lac @ .., rac]) = self.nth(3, 0).filter(|v| v.len() == 6) else {
            return Value::Unset;
        };
        let digit = |v: u8| u64::from(v & 0xf);
        let mnc3 = digit(b >> 4);
        let mnc = digit(*c) * 10 + digit(c >> 4);
        records::GtpRai {
            mcc: digit(*a) * 100 + digit(a >> 4) * 10 + digit(*b),
            mnc: if mnc3 == 0xf { mnc } else { mnc * 10 + mnc3 },
            lac: be(lac),
            rac: u64::from(*rac),
        }
        .build(q.bindings())
    }

    fn end_user_addr(&self, q: &EventQueue) -> Value {
        let Some([org, num, rest @ ..]) = self.nth(128, 0) else {
            return Value::Unset;
        };
        let ip = ip_of(rest);
        records::GtpEndUserAddr {
            pdp_type_org: u64::from(org & 0xf),
            pdp_type_num: u64::from(*num),
            pdp_ip: ip,
            pdp_other_addr: (ip.is_none() && !rest.is_empty()).then(|| rest.into()),
        }
        .build(q.bindings())
    }

    fn gsn_addr(&self, q: &EventQueue, n: usize) -> Value {
        let Some(v) = self.nth(133, n) else {
            return Value::Unset;
        };
        let ip = ip_of(v);
        let other = ip.is_none().then(|| v.into());
        records::GtpGsnAddr { ip, other }.build(q.bindings())
    }

    fn quality(&self, q: &EventQueue) -> Value {
        let Some([priority, data @ ..]) = self.nth(135, 0) else {
            return Value::Unset;
        };
        let priority = u64::from(*priority);
        let data = data.into();
        records::GtpQosProfile { priority, data }.build(q.bindings())
    }

    fn extension(&self, q: &EventQueue) -> Value {
        let Some([a, b, value @ ..]) = self.nth(255, 0) else {
            return Value::Unset;
        };
        let id = be(&[*a, *b]);
        let value = value.into();
        records::GtpPrivateExtension { id, value }.build(q.bindings())
    }
}

fn ip_of(v: &[u8]) -> Option<Addr> {
    matches!(v.len(), 4 | 16).then(|| addr(Ip::from_slice(v)))
}

fn elements(q: &EventQueue, g: &Gtp<'_>) -> Value {
    let f = Found(Elements(g.body).collect());
    let b = q.bindings();
    let nsapi = || f.number(20).unwrap_or(0) & 0xf;
    match g.msg_type {
        16 => records::GtpCreatePdpCtxRequestElements {
            imsi: f.subscriber(),
            rai: f.routing_area(q),
            recovery: f.number(14),
            select_mode: f.number(15).map(|v| v & 3),
            data1: f.number(16).unwrap_or(0),
            cp: f.number(17),
            nsapi: nsapi(),
            linked_nsapi: f.nth(20, 1).map(|v| be(v) & 0xf),
            charge_character: f.number(26),
            trace_ref: f.number(27),
            trace_type: f.number(28),
            end_user_addr: f.end_user_addr(q),
            ap_name: f.raw(131),
            opts: f.raw(132),
            signal_addr: f.gsn_addr(q, 0),
            user_addr: f.gsn_addr(q, 1),
            msisdn: f.raw(134),
            qos_prof: f.quality(q),
            tft: f.raw(137),
            trigger_id: f.raw(142),
            omc_id: f.raw(143),
            ext: f.extension(q),
        }
        .build(b),
        17 => records::GtpCreatePdpCtxResponseElements {
            cause: f.number(1).unwrap_or(0),
            reorder_req: f.number(8).map(|v| v & 1 != 0),
            recovery: f.number(14),
            data1: f.number(16),
            cp: f.number(17),
            charging_id: f.number(127),
            end_user_addr: f.end_user_addr(q),
            opts: f.raw(132),
            cp_addr: f.gsn_addr(q, 0),
            user_addr: f.gsn_addr(q, 1),
            qos_prof: f.quality(q),
            charge_gateway: f.nth(251, 0).and_then(ip_of),
            ext: f.extension(q),
        }
        .build(b),
        18 => records::GtpUpdatePdpCtxRequestElements {
            imsi: f.subscriber(),
            rai: f.routing_area(q),
            recovery: f.number(14),
            data1: f.number(16).unwrap_or(0),
            cp: f.number(17),
            nsapi: nsapi(),
            trace_ref: f.number(27),
            trace_type: f.number(28),
            cp_addr: f.gsn_addr(q, 0),
            user_addr: f.gsn_addr(q, 1),
            qos_prof: f.quality(q),
            tft: f.raw(137),
            trigger_id: f.raw(142),
            omc_id: f.raw(143),
            ext: f.extension(q),
            end_user_addr: f.end_user_addr(q),
        }
        .build(b),
        19 => records::GtpUpdatePdpCtxResponseElements {
            cause: f.number(1).unwrap_or(0),
            recovery: f.number(14),
            data1: f.number(16),
            cp: f.number(17),
            charging_id: f.number(127),
            cp_addr: f.gsn_addr(q, 0),
            user_addr: f.gsn_addr(q, 1),
            qos_prof: f.quality(q),
            charge_gateway: f.nth(251, 0).and_then(ip_of),
            ext: f.extension(q),
        }
        .build(b),
        20 => records::GtpDeletePdpCtxRequestElements {
            teardown_ind: f.number(19).map(|v| v & 1 != 0),
            nsapi: nsapi(),
            ext: f.extension(q),
        }
        .build(b),
        _ => records::GtpDeletePdpCtxResponseElements {
            cause: f.number(1).unwrap_or(0),
            ext: f.extension(q),
        }
        .build(b),
    }
}
