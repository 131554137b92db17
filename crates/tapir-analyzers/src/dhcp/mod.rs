//! DHCP and BOOTP (RFC 2131, 2132 and option registrations).

use std::rc::Rc;

use tapir_data::value::{Addr, Value};
use tapir_interface::{records, types};

use crate::core::{Analyzer, Cx};
use crate::util::cursor::Cursor;
use crate::util::grammar;
use crate::{raise, wants};

const COOKIE: u32 = 0x6382_5363;

/// The analyzer.
#[derive(Default)]
pub struct Dhcp;

fn mac(b: &[u8]) -> Rc<[u8]> {
    let t: Vec<String> = b.iter().map(|x| format!("{x:02x}")).collect();
    t.join(":").into_bytes().into()
}

fn until_nul(b: &[u8]) -> Rc<[u8]> {
    let n = b.iter().position(|&x| x == 0).unwrap_or(b.len());
    b[..n].into()
}

fn v4(b: &[u8]) -> Option<Addr> {
    Some(Addr::v4(b.get(..4)?.try_into().ok()?))
}

fn number(b: &[u8]) -> Option<f64> {
    Cursor::new(b).u32().map(f64::from)
}

fn addrs(cx: &Cx, b: &[u8]) -> Value {
    let v = b
        .chunks_exact(4)
        .map(|c| Value::Addr(Addr::v4([c[0], c[1], c[2], c[3]])))
        .collect();
    cx.vector(types::VECTOR_OF_ADDR, v)
}

impl Dhcp {
    fn message(cx: &mut Cx, is_orig: bool, data: &[u8]) -> Option<()> {
        let mut c = Cursor::new(data);
        let op = c.n8()?;
        let _htype = c.u8()?;
        let hlen = c.u8()? as usize;
        c.u8()?;
        let xid = c.n32()?;
        let secs = c.u16()?;
        let flags = c.n16()?;
        let a = [c.array()?, c.array()?, c.array()?, c.array()?].map(Addr::v4);
        let chaddr = c.take(16)?;
        let sname = c.take(64)?;
        let file = c.take(128)?;
        let cookie = c.u32()?;
        if cookie != COOKIE {
            cx.violation(&format!("bad cookie ({cookie})"));
            return Some(());
        }
        let mut o = records::DHCPOptions::default();
        let mut m_type = 0;
        let mut codes = Vec::new();
        let mut params = None;
        let mut subs = Vec::new();
        // The list goes on until it says that it is over (RFC 2131, section 3).
        loop {
            let code = c.u8()?;
            if code == 0 {
                continue;
            }
            if code == 255 {
                break;
            }
            let v = c.vec8()?;
            codes.push(code as u64);
            option(cx, &mut o, code, v, &mut m_type, &mut params, &mut subs);
        }
        cx.confirm();
        if !wants!(cx, dhcp_message) {
            return Some(());
        }
        o.options = cx.counts(codes);
        if let Some(p) = params {
            o.param_list = cx.counts(p);
        }
        if !subs.is_empty() {
            o.sub_opt = cx.vector(types::VECTOR_OF_DHCP_SUBOPT, subs);
        }
        let msg = records::DHCPMsg {
            op,
            m_type,
            xid,
            secs: secs as f64,
            flags,
            ciaddr: a[0],
            yiaddr: a[1],
            siaddr: a[2],
            giaddr: a[3],
            chaddr: mac(&chaddr[..hlen.min(16)]),
            sname: Some(until_nul(sname)),
            file_n: Some(until_nul(file)),
        }
        .build(cx.q.bindings());
        let o = o.build(cx.q.bindings());
        raise!(cx, dhcp_message, is_orig, msg, o);
        Some(())
    }
}

fn option(
    cx: &mut Cx,
    o: &mut records::DHCPOptions,
    code: u8,
    v: &[u8],
    m_type: &mut u64,
    params: &mut Option<Vec<u64>>,
    subs: &mut Vec<Value>,
) {
    match code {
        1 => o.subnet_mask = v4(v),
        2 => o.time_offset = number(v).map(|x| x as u32 as i32 as i64),
        3 => o.routers = addrs(cx, v),
        4 => o.time_servers = addrs(cx, v),
        5 => o.name_servers = addrs(cx, v),
        6 => o.dns_servers = addrs(cx, v),
        12 => o.host_name = Some(v.into()),
        15 => o.domain_name = Some(until_nul(v)),
        19 => o.forwarding = v.first().map(|b| *b != 0),
        28 => o.broadcast = v4(v),
        42 => o.ntp_servers = addrs(cx, v),
        43 => o.vendor = Some(v.into()),
        44 => o.nbns = addrs(cx, v),
        50 => o.addr_request = v4(v),
        51 => o.lease = number(v),
        53 => *m_type = v.first().map_or(0, |b| *b as u64),
        54 => o.serv_addr = v4(v),
        55 => *params = Some(v.iter().map(|b| *b as u64).collect()),
        56 => o.message = Some(v.into()),
        57 => o.max_msg_size = Cursor::new(v).n16(),
        58 => o.renewal_time = number(v),
        59 => o.rebinding_time = number(v),
        60 => o.vendor_class = Some(v.into()),
        61 if !v.is_empty() => {
            let hwaddr = if v[0] > 0 { mac(&v[1..]) } else { v[1..].into() };
            o.client_id = records::DHCPClientID {
                hwtype: v[0] as u64,
                hwaddr,
            }
            .build(cx.q.bindings());
        }
        77 => o.user_class = Some(v.into()),
        81 if v.len() >= 3 => {
            o.client_fqdn = records::DHCPClientFQDN {
                flags: v[0] as u64,
                rcode1: v[1] as u64,
                rcode2: v[2] as u64,
                domain_name: v[3..].into(),
            }
            .build(cx.q.bindings());
        }
        82 => {
            let mut c = Cursor::new(v);
            while let (Some(code), Some(value)) = (c.u8(), c.vec8()) {
                subs.push(
                    records::DHCPSubOpt {
                        code: code as u64,
                        value: value.into(),
                    }
                    .build(cx.q.bindings()),
                );
            }
        }
        116 => o.auto_config = v.first().map(|b| *b != 0),
        252 => {
            let n = v
                .iter()
                .rposition(|b| !matches!(b, 0 | b'\n' | b'\r'))
                .map_or(0, |i| i + 1);
            o.auto_proxy_config = Some(v[..n].into());
        }
        _ => {}
    }
}

impl Analyzer for Dhcp {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if Self::message(cx, is_orig, data).is_none() {
            cx.violation(&grammar::exception("out_of_bound: DHCP_Message"));
        }
    }
}
