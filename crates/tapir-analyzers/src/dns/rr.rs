//! Resource records and their events.

use std::rc::Rc;

use tapir_data::value::{Addr, Value};

use super::{Msg, OP_UPDATE, Section, lower, read_name};
use crate::core::Cx;
use crate::util::cursor::Cursor;
use crate::{raise, wants};
use tapir_interface::{records, types};

const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const WKS: u16 = 11;
const PTR: u16 = 12;
const HINFO: u16 = 13;
const MX: u16 = 15;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const LOC: u16 = 29;
const SRV: u16 = 33;
const NAPTR: u16 = 35;
const A6: u16 = 38;
const OPT: u16 = 41;
const DS: u16 = 43;
const SSHFP: u16 = 44;
const RRSIG: u16 = 46;
const NSEC: u16 = 47;
const DNSKEY: u16 = 48;
const NSEC3: u16 = 50;
const NSEC3PARAM: u16 = 51;
const SVCB: u16 = 64;
const HTTPS: u16 = 65;
const SPF: u16 = 99;
const TKEY: u16 = 249;
const TSIG: u16 = 250;
const CAA: u16 = 257;
const BINDS: u16 = 65534;

const CLASS_NONE: u16 = 254;
const CLASS_ANY: u16 = 255;

/// The owner of a record: what `dns_answer` holds.
struct Owner {
    section: Section,
    name: Vec<u8>,
    ty: u16,
    class: u16,
    ttl: u32,
}

impl Owner {
    fn answer(&self, cx: &mut Cx) -> Value {
        records::DnsAnswer {
            answer_type: self.section as u64,
            query: self.query(),
            qtype: self.ty as u64,
            qclass: self.class as u64,
            TTL: self.ttl as f64,
        }
        .build(cx.q.bindings())
    }

    fn query(&self) -> Rc<[u8]> {
        lower(self.name.clone())
    }
}

/// Reads one record; `None` ends the message.
pub(crate) fn record(cx: &mut Cx, msg: &mut Msg, c: &mut Cursor, section: Section) -> Option<()> {
    let name = read_name(cx, c)?;
    if c.left() < 10 {
        cx.weird("DNS_truncated_ans_too_short", "");
        return None;
    }
    let o = Owner {
        section,
        name,
        ty: c.u16()?,
        class: c.u16()?,
        ttl: c.u32()?,
    };
    let rdlen = c.u16()? as usize;
    let update = msg.head.opcode() == OP_UPDATE && !msg.netbios;
    if rdlen > c.left() {
        cx.weird("DNS_truncated_RR_rdlength_lt_len", "");
        return None;
    }
    if rdlen == 0 && !update && o.ty != OPT {
        cx.weird("DNS_zero_rdlength", "");
        return None;
    }
    let start = c.pos();
    let end = start + rdlen;
    if msg.skip {
        return c.seek(end);
    }
    if section == Section::Prerequisite {
        if wants!(cx, dns_dynamic_update_pre) {
            let (m, a) = (msg.value(cx), o.answer(cx));
            raise!(cx, dns_dynamic_update_pre, m, a);
        }
        return c.seek(end);
    }
    if section == Section::Update && (o.class == CLASS_NONE || o.class == CLASS_ANY) {
        if wants!(cx, dns_dynamic_update_del) {
            let (m, a) = (msg.value(cx), o.answer(cx));
            raise!(cx, dns_dynamic_update_del, m, a);
        }
        return c.seek(end);
    }
    if o.ty == WKS {
        // The reference leaves the data where it is, so what follows does not parse.
        if wants!(cx, dns_wks_reply) {
            let (m, a) = (msg.value(cx), o.answer(cx));
            raise!(cx, dns_wks_reply, m, a);
        }
        return Some(());
    }
    // Compressed names may point anywhere before, so the cursor keeps the whole message up to the record's end.
    let mut r = Cursor::new(&c.whole()[..end]);
    r.seek(start)?;
    rdata(cx, msg, &o, &mut r, end)?;
    c.seek(end)
}

fn domain(cx: &mut Cx, r: &mut Cursor) -> Option<Rc<[u8]>> {
    read_name(cx, r).map(lower)
}

fn strings<'a>(r: &mut Cursor<'a>) -> Option<Vec<&'a [u8]>> {
    let mut v = Vec::new();
    while !r.is_empty() {
        v.push(r.vec8()?);
    }
    Some(v)
}

/// The character strings of a record as far as they are there, and whether all are.
fn texts<'a>(cx: &mut Cx, r: &mut Cursor<'a>) -> (Vec<&'a [u8]>, bool) {
    let mut v = Vec::new();
    while !r.is_empty() {
        let Some(s) = r.vec8() else {
            cx.weird("DNS_TXT_char_str_past_rdlen", "");
            return (v, false);
        };
        v.push(s);
    }
    (v, true)
}

fn truncated(cx: &mut Cx, name: &'static str) -> Option<()> {
    cx.weird(name, "");
    None
}

fn rdata(cx: &mut Cx, msg: &mut Msg, o: &Owner, r: &mut Cursor, end: usize) -> Option<()> {
    macro_rules! reply {
        ($ev:ident $(, $arg:expr)*) => {
            if wants!(cx, $ev) {
                let (m, a) = (msg.value(cx), o.answer(cx));
                raise!(cx, $ev, m, a $(, $arg)*);
            }
        };
    }
    macro_rules! reply_rr {
        ($ev:ident, $rec:expr) => {
            if wants!(cx, $ev) {
                let (m, a) = (msg.value(cx), o.answer(cx));
                let x = $rec.build(cx.q.bindings());
                raise!(cx, $ev, m, a, x);
            }
        };
    }
    let is_query = !msg.head.qr() as u64;
    let answer_type = o.section as u64;
    match o.ty {
        A => match r.array::<4>() {
            Some(a) if r.is_empty() => reply!(dns_a_reply, Addr::v4(a)),
            _ => return truncated(cx, "DNS_RR_bad_length"),
        },
        AAAA => match r.array::<16>() {
            Some(a) if r.is_empty() => reply!(dns_aaaa_reply, Addr::v6(a)),
            _ => return truncated(cx, "DNS_RR_bad_length"),
        },
        A6 => {
            let n = r.u8()?;
            if n == 0 {
                let a = r.array::<16>()?;
                reply!(dns_a6_reply, Addr::v6(a));
            } else {
                reply!(dns_unknown_reply);
            }
        }
        NS => {
            let n = domain(cx, r)?;
            reply!(dns_ns_reply, n);
        }
        CNAME => {
            let n = domain(cx, r)?;
            reply!(dns_cname_reply, n);
        }
        PTR => {
            let n = domain(cx, r)?;
            reply!(dns_ptr_reply, n);
        }
        MX => {
            let pref = r.n16()?;
            let n = domain(cx, r)?;
            reply!(dns_mx_reply, n, pref);
        }
        SOA => {
            let mname = domain(cx, r)?;
            let rname = domain(cx, r)?;
            let f = [r.u32()?, r.u32()?, r.u32()?, r.u32()?, r.u32()?];
            reply_rr!(
                dns_soa_reply,
                records::DnsSoa {
                    mname,
                    rname,
                    serial: f[0] as u64,
                    refresh: f[1] as f64,
                    retry: f[2] as f64,
                    expire: f[3] as f64,
                    minimum: f[4] as f64,
                }
            );
        }
        // On NetBIOS the number means NBSTAT (RFC 1002, section 4.2.18), whose answer is no record for scripts.
        SRV if msg.netbios => {}
        SRV => {
            let (prio, weight, port) = (r.n16()?, r.n16()?, r.n16()?);
            let n = domain(cx, r)?;
            reply!(dns_srv_reply, n, prio, weight, port);
        }
        TXT => {
            let (s, whole) = texts(cx, r);
            let v = cx.strings(&s);
            reply!(dns_txt_reply, v);
            whole.then_some(())?;
        }
        SPF => {
            let (s, whole) = texts(cx, r);
            let v = cx.strings(&s);
            reply!(dns_spf_reply, v);
            whole.then_some(())?;
        }
        HINFO => {
            let (cpu, os) = (r.vec8()?, r.vec8()?);
            reply!(dns_hinfo_reply, cpu, os);
        }
        CAA => {
            let flags = r.n8()?;
            let Some(tag) = r.vec8() else {
                return truncated(cx, "DNS_CAA_char_str_past_rdlen");
            };
            let value = r.take_rest();
            reply!(dns_caa_reply, flags, tag, value);
        }
        NAPTR => {
            let (order, preference) = (r.u16()? as u64, r.u16()? as u64);
            let (flags, service, regexp) = (r.vec8()?, r.vec8()?, r.vec8()?);
            let replacement = domain(cx, r)?;
            reply_rr!(
                dns_naptr_reply,
                records::DnsNaptrRr {
                    order,
                    preference,
                    flags: flags.into(),
                    service: service.into(),
                    regexp: regexp.into(),
                    replacement,
                }
            );
        }
        RRSIG => {
            let Some(fixed) = r.take(18) else {
                return truncated(cx, "DNS_RRSIG_wrong_length");
            };
            let mut f = Cursor::new(fixed);
            let (type_covered, algorithm, labels) = (f.u16()?, f.u8()?, f.u8()?);
            let (ttl, exp, incep, key_tag) = (f.u32()?, f.u32()?, f.u32()?, f.u16()?);
            let signer_name = domain(cx, r)?;
            let signature = r.take_rest();
            reply_rr!(
                dns_rrsig,
                records::DnsRrsigRr {
                    query: o.query(),
                    answer_type,
                    type_covered: type_covered as u64,
                    algorithm: algorithm as u64,
                    labels: labels as u64,
                    orig_ttl: ttl as f64,
                    sig_exp: exp as f64,
                    sig_incep: incep as f64,
                    key_tag: key_tag as u64,
                    signer_name,
                    signature: signature.into(),
                    is_query,
                }
            );
        }
        DNSKEY => {
            let (flags, protocol, algorithm) = (r.u16()? as u64, r.u8()? as u64, r.u8()? as u64);
            let key = r.take_rest();
            reply_rr!(
                dns_dnskey,
                records::DnsDnskeyRr {
                    query: o.query(),
                    answer_type,
                    flags,
                    protocol,
                    algorithm,
                    public_key: key.into(),
                    is_query,
                }
            );
        }
        DS => {
            let (key_tag, algorithm, digest_type) = (r.u16()? as u64, r.u8()? as u64, r.u8()? as u64);
            let digest = r.take_rest();
            reply_rr!(
                dns_ds,
                records::DnsDsRr {
                    query: o.query(),
                    answer_type,
                    key_tag,
                    algorithm,
                    digest_type,
                    digest_val: digest.into(),
                    is_query,
                }
            );
        }
        NSEC => {
            let next = domain(cx, r)?;
            let maps = bitmaps(r);
            let v = cx.strings(&maps);
            reply!(dns_nsec, next, v);
        }
        NSEC3 => {
            let (algo, flags, iter) = (r.u8()?, r.u8()?, r.u16()?);
            let salt = r.vec8()?;
            let hash = r.vec8()?;
            let maps = bitmaps(r);
            reply_rr!(
                dns_nsec3,
                records::DnsNsec3Rr {
                    query: o.query(),
                    answer_type,
                    nsec_flags: flags as u64,
                    nsec_hash_algo: algo as u64,
                    nsec_iter: iter as u64,
                    nsec_salt_len: salt.len() as u64,
                    nsec_salt: salt.into(),
                    nsec_hlen: hash.len() as u64,
                    nsec_hash: hash.into(),
                    bitmaps: cx.strings(&maps),
                    is_query,
                }
            );
        }
        NSEC3PARAM => {
            let (algo, flags, iter) = (r.u8()?, r.u8()?, r.u16()?);
            let salt = r.vec8()?;
            reply_rr!(
                dns_nsec3param,
                records::DnsNsec3paramRr {
                    query: o.query(),
                    answer_type,
                    nsec_flags: flags as u64,
                    nsec_hash_algo: algo as u64,
                    nsec_iter: iter as u64,
                    nsec_salt_len: salt.len() as u64,
                    nsec_salt: salt.into(),
                    is_query,
                }
            );
        }
        SSHFP => {
            let (algo, fptype) = (r.n8()?, r.n8()?);
            let fp = r.take_rest();
            reply!(dns_sshfp, algo, fptype, fp);
        }
        LOC => {
            if end - r.pos() < 16 {
                cx.weird("dns_invalid_loc_length", "");
                return None;
            }
            let (version, size, horiz, vert) = (r.u8()?, r.u8()?, r.u8()?, r.u8()?);
            let (lat, long, alt) = (r.u32()?, r.u32()?, r.u32()?);
            if version != 0 {
                cx.weird("DNS_LOC_version_unrecognized", "");
                return Some(());
            }
            reply_rr!(
                dns_loc,
                records::DnsLocRr {
                    query: o.query(),
                    answer_type,
                    version: version as u64,
                    size: size as u64,
                    horiz_pre: horiz as u64,
                    vert_pre: vert as u64,
                    latitude: lat as u64,
                    longitude: long as u64,
                    altitude: alt as u64,
                    is_query,
                }
            );
        }
        BINDS => {
            let (algorithm, key_id, removal, complete) = (r.u8()?, r.u16()?, r.u8()?, r.u8()?);
            reply_rr!(
                dns_binds,
                records::DnsBindsRr {
                    query: o.query(),
                    answer_type,
                    algorithm: algorithm as u64,
                    key_id: key_id as u64,
                    removal_flag: removal as u64,
                    complete_flag: complete as u64,
                    is_query,
                }
            );
        }
        SVCB | HTTPS => {
            let v = svcb(cx, r)?;
            if o.ty == SVCB {
                reply!(dns_svcb, v);
            } else {
                reply!(dns_https, v);
            }
        }
        OPT => edns(cx, msg, o, r, is_query)?,
        TKEY => {
            let alg_name = domain(cx, r)?;
            let (inception, expiration) = (r.u32()?, r.u32()?);
            let (mode, rr_error) = (r.u16()?, r.u16()?);
            let key = r.vec16()?;
            if wants!(cx, dns_tkey) {
                let m = msg.value(cx);
                let x = records::DnsTkey {
                    query: o.query(),
                    qtype: o.ty as u64,
                    alg_name,
                    inception: inception as f64,
                    expiration: expiration as f64,
                    mode: mode as u64,
                    rr_error: rr_error as u64,
                    key_data: key.into(),
                    is_query,
                }
                .build(cx.q.bindings());
                raise!(cx, dns_tkey, m, x);
            }
        }
        TSIG => {
            let alg_name = domain(cx, r)?;
            let (hi, lo, fudge) = (r.u16()? as u64, r.u32()? as u64, r.u16()?);
            let sig = r.vec16()?;
            let (orig_id, rr_error) = (r.u16()?, r.u16()?);
            if wants!(cx, dns_tsig_addl) {
                let m = msg.value(cx);
                let x = records::DnsTsigAdditional {
                    query: o.query(),
                    qtype: o.ty as u64,
                    alg_name,
                    sig: sig.into(),
                    time_signed: (hi << 32 | lo) as f64,
                    fudge: fudge as f64,
                    orig_id: orig_id as u64,
                    rr_error: rr_error as u64,
                    is_query,
                }
                .build(cx.q.bindings());
                raise!(cx, dns_tsig_addl, m, x);
            }
        }
        ty => {
            reply!(dns_unknown_reply);
            cx.weird("DNS_RR_unknown_type", &ty.to_string());
        }
    }
    Some(())
}

fn bitmaps<'a>(r: &mut Cursor<'a>) -> Vec<&'a [u8]> {
    let mut v = Vec::new();
    while let (Some(_window), Some(map)) = (r.u8(), r.vec8()) {
        v.push(map);
    }
    v
}

fn edns(cx: &mut Cx, msg: &mut Msg, o: &Owner, r: &mut Cursor, is_query: u64) -> Option<()> {
    if wants!(cx, dns_edns_addl) {
        let m = msg.value(cx);
        let x = records::DnsEdnsAdditional {
            query: o.query(),
            qtype: o.ty as u64,
            t: 1,
            payload_size: o.class as u64,
            extended_rcode: (o.ttl >> 24) as u64,
            version: (o.ttl >> 16 & 0xff) as u64,
            z_field: (o.ttl & 0xffff) as u64,
            TTL: o.ttl as f64,
            is_query,
        }
        .build(cx.q.bindings());
        raise!(cx, dns_edns_addl, m, x);
    }
    while r.left() >= 4 {
        let (code, len) = (r.u16()?, r.u16()? as usize);
        let Some(mut d) = r.sub(len) else {
            cx.weird("EDNS_truncated_option", "");
            return None;
        };
        match code {
            8 => edns_ecs(cx, msg, &mut d),
            10 => {
                let n = d.left();
                if n != 8 && !(16..=40).contains(&n) {
                    cx.weird("EDNS_Cookie_invalid_cookie_len", "");
                } else if wants!(cx, dns_edns_cookie) {
                    let m = msg.value(cx);
                    let client = d.take(8).unwrap_or_default();
                    let x = records::DnsEdnsCookie {
                        client_cookie: client.into(),
                        server_cookie: (!d.is_empty()).then(|| d.take_rest().into()),
                    }
                    .build(cx.q.bindings());
                    raise!(cx, dns_edns_cookie, m, x);
                }
            }
            11 => {
                if d.left() != 0 && d.left() != 2 {
                    cx.weird("EDNS_TCP_Keepalive_invalid_len", "");
                } else if wants!(cx, dns_edns_tcp_keepalive) {
                    let m = msg.value(cx);
                    let t = d.u16();
                    let x = records::DnsEdnsTcpKeepalive {
                        keepalive_timeout_omitted: t.is_none(),
                        keepalive_timeout: t.unwrap_or(0) as u64,
                    }
                    .build(cx.q.bindings());
                    raise!(cx, dns_edns_tcp_keepalive, m, x);
                }
            }
            _ => {}
        }
    }
    Some(())
}

fn edns_ecs(cx: &mut Cx, msg: &mut Msg, d: &mut Cursor) {
    let (Some(family), Some(source), Some(scope)) = (d.u16(), d.u8(), d.u8()) else {
        cx.weird("EDNS_ECS_invalid_option_len", "");
        return;
    };
    let want = (source as usize).div_ceil(8);
    if want != d.left() {
        cx.weird("EDNS_ECS_invalid_addr_len", "");
        return;
    }
    let bytes = d.take_rest();
    let (name, address) = match family {
        1 if source <= 32 => {
            let mut a = [0; 4];
            a[..want].copy_from_slice(bytes);
            ("v4", Addr::v4(a))
        }
        2 if source <= 128 => {
            let mut a = [0; 16];
            a[..want].copy_from_slice(bytes);
            ("v6", Addr::v6(a))
        }
        1 => {
            cx.weird("EDNS_ECS_invalid_addr_v4_prefix", "");
            return;
        }
        2 => {
            cx.weird("EDNS_ECS_invalid_addr_v6_prefix", "");
            return;
        }
        _ => {
            cx.weird("EDNS_ECS_invalid_addr_family", "");
            return;
        }
    };
    if wants!(cx, dns_edns_ecs) {
        let m = msg.value(cx);
        let x = records::DnsEdnsEcs {
            family: name.as_bytes().into(),
            source_prefix_len: source as u64,
            scope_prefix_len: scope as u64,
            address,
        }
        .build(cx.q.bindings());
        raise!(cx, dns_edns_ecs, m, x);
    }
}

fn svcb(cx: &mut Cx, r: &mut Cursor) -> Option<Value> {
    if r.left() < 3 {
        cx.weird("DNS_SVCB_wrong_length", "");
        return None;
    }
    let priority = r.u16()?;
    let mut target = read_name(cx, r)?;
    target.make_ascii_lowercase();
    if target.is_empty() {
        target.push(b'.');
    }
    let mut params = Vec::new();
    while !r.is_empty() {
        let (Some(key), Some(value)) = (r.u16(), r.vec16()) else {
            cx.weird("DNS_SVCB_wrong_length", "");
            return None;
        };
        params.push(svcb_param(cx, key, value));
    }
    let svc_params = if params.is_empty() {
        Value::Unset
    } else {
        cx.vector(types::VECTOR_OF_DNS_SVCB_PARAM, params)
    };
    Some(
        records::DnsSvcbRr {
            svc_priority: priority as u64,
            target_name: target.into(),
            svc_params,
        }
        .build(cx.q.bindings()),
    )
}

fn svcb_param(cx: &mut Cx, key: u16, value: &[u8]) -> Value {
    let mut p = records::DnsSvcbParam {
        key: key as u64,
        ..Default::default()
    };
    let mut v = Cursor::new(value);
    match key {
        0 if value.len().is_multiple_of(2) && !value.is_empty() => {
            let keys: Vec<u64> = value
                .chunks_exact(2)
                .map(|c| u16::from_be_bytes([c[0], c[1]]) as u64)
                .collect();
            p.mandatory = cx.counts(keys);
        }
        1 => match strings(&mut v) {
            Some(s) if !s.is_empty() && s.iter().all(|x| !x.is_empty()) => {
                p.alpn = cx.strings(&s);
            }
            _ => {
                cx.weird("DNS_SVCB_alpn_length_invalid", "");
                p.raw = Some(value.into());
            }
        },
        3 if value.len() == 2 => p.p = v.u16().map(|x| x as u64),
        3 => {
            cx.weird("DNS_SVCB_port_length_invalid", "");
            p.raw = Some(value.into());
        }
        4 if value.len().is_multiple_of(4) && !value.is_empty() => {
            let a = value
                .chunks_exact(4)
                .map(|c| Value::Addr(Addr::v4([c[0], c[1], c[2], c[3]])))
                .collect();
            p.hint = cx.vector(types::ADDR_VEC, a);
        }
        6 if value.len().is_multiple_of(16) && !value.is_empty() => {
            let a = value
                .chunks_exact(16)
                .map(|c| Value::Addr(Addr::v6(c.try_into().unwrap_or([0; 16]))))
                .collect();
            p.hint = cx.vector(types::ADDR_VEC, a);
        }
        5 => {
            use base64::Engine as _;
            let text = base64::engine::general_purpose::STANDARD.encode(value);
            p.ech = Some(text.into_bytes().into());
        }
        _ => p.raw = Some(value.into()),
    }
    p.build(cx.q.bindings())
}
