//! Kerberos 5 over UDP, TCP and within GSSAPI (RFC 4120).

use std::rc::Rc;

use tapir_data::value::{Addr, Value};
use tapir_interface::{records, types};

use crate::core::{Analyzer, Cx, Transport};
use crate::raise;
use crate::util::ber::{self, Tlv};
use crate::util::cursor::Cursor;
use crate::util::grammar;
use crate::util::units::{Step, Stream, Units};

/// Kerberos messages in datagrams.
#[derive(Default)]
pub struct Krb {
    certs: u64,
}

type S = Rc<[u8]>;

/// The element under a context tag.
fn ctx<'a>(seq: &Tlv<'a>, n: u32) -> Option<Tlv<'a>> {
    seq.children().find(|c| c.context() == Some(n)).and_then(|c| c.inner())
}

fn string(seq: &Tlv, n: u32) -> Option<S> {
    ctx(seq, n).map(|t| t.body.into())
}

fn count(seq: &Tlv, n: u32) -> Option<u64> {
    ctx(seq, n).and_then(|t| t.uint().or_else(|| t.int().map(|v| v as u64)))
}

/// A PrincipalName with its parts joined by slashes.
fn principal(seq: &Tlv, n: u32) -> Option<S> {
    let name = ctx(seq, n)?;
    let parts = ctx(&name, 1)?;
    let list: Vec<&[u8]> = parts.children().map(|p| p.body).collect();
    Some(list.join(&b'/').into())
}

/// A KerberosTime as seconds since 1970.
fn time(seq: &Tlv, n: u32) -> Option<f64> {
    generalized_time(ctx(seq, n)?.body)
}

/// A time with its microseconds, which count as units of ten.
fn fine_time(seq: &Tlv, n: u32, usec: u32) -> Option<f64> {
    Some(time(seq, n)? + count(seq, usec).unwrap_or(0) as f64 / 100_000.0)
}

/// `YYYYMMDDHHMMSSZ` as seconds since 1970.
pub(crate) fn generalized_time(b: &[u8]) -> Option<f64> {
    if b.len() < 14 || !b[..14].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n = |r: std::ops::Range<usize>| b[r].iter().fold(0i64, |v, d| v * 10 + (d - b'0') as i64);
    let (y, m, d) = (n(0..4), n(4..6), n(6..8));
    if !(1..=12).contains(&m) || !(1..=31).contains(&d) {
        return None;
    }
    // Days from civil, proleptic Gregorian.
    let y2 = if m <= 2 { y - 1 } else { y };
    let era = y2.div_euclid(400);
    let yoe = y2 - era * 400;
    let doy = (153 * (m + if m > 2 { -3 } else { 9 }) + 2) / 5 + d - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    let days = era * 146_097 + doe - 719_468;
    Some((days * 86_400 + n(8..10) * 3600 + n(10..12) * 60 + n(12..14)) as f64)
}

impl Krb {
    fn message(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) -> Option<()> {
        let m = ber::read(&mut Cursor::new(data))?;
        let seq = m.inner();
        match m.id {
            0x6a | 0x6c => {
                cx.confirm();
                let r = self.kdc_request(cx, &seq?)?;
                if m.id == 0x6a {
                    raise!(cx, krb_as_request, r);
                } else {
                    raise!(cx, krb_tgs_request, r);
                }
            }
            0x6b | 0x6d => {
                cx.confirm();
                let r = self.kdc_response(cx, &seq?)?;
                if m.id == 0x6b {
                    raise!(cx, krb_as_response, r);
                } else {
                    raise!(cx, krb_tgs_response, r);
                }
            }
            0x6e => {
                cx.confirm();
                self.ap_request(cx, &seq?, false)?;
            }
            0x6f => {
                cx.confirm();
                raise!(cx, krb_ap_response);
            }
            0x74 => {
                cx.confirm();
                let r = safe(cx, &seq?)?;
                raise!(cx, krb_safe, is_orig, r);
            }
            0x75 => {
                cx.confirm();
                raise!(cx, krb_priv, is_orig);
            }
            0x76 => {
                cx.confirm();
                let seq = seq?;
                let list = ctx(&seq, 2)?;
                let tickets: Vec<Value> = list.children().filter_map(|t| ticket(cx, &t.inner()?)).collect();
                let v = cx.vector(types::KRB_TICKET_VECTOR, tickets);
                raise!(cx, krb_cred, is_orig, v);
            }
            0x7e => {
                cx.confirm();
                let r = error(cx, &seq?)?;
                raise!(cx, krb_error, r);
            }
            _ => {
                cx.violation(&grammar::exception(format_args!(
                    "invalid index for case: KRB_PDU: {}",
                    m.tag
                )));
            }
        }
        Some(())
    }

    fn ap_request(&mut self, cx: &mut Cx, seq: &Tlv, in_padata: bool) -> Option<()> {
        let opts = ctx(seq, 2)?;
        let bits = opts.body.get(1).copied().unwrap_or(0);
        let t = ctx(seq, 3)?;
        // [3] Ticket is itself an application-tagged element.
        // As recorded: over TCP the ticket of a request within another has an empty authentication info.
        let tk = ticket_with(cx, &t.inner()?, in_padata && cx.conn.transport == Transport::Tcp)?;
        let o = records::KRBAPOptions {
            use_session_key: bits & 0x40 != 0,
            mutual_required: bits & 0x20 != 0,
        }
        .build(cx.q.bindings());
        raise!(cx, krb_ap_request, tk, o, in_padata);
        Some(())
    }

    fn pa_data(&mut self, cx: &mut Cx, list: &Tlv, is_request: bool) -> Value {
        let mut out = Vec::new();
        for pa in list.children() {
            let (Some(ty), Some(val)) = (
                count(&pa, 1).or_else(|| count(&pa, 0)),
                ctx(&pa, 2).or_else(|| ctx(&pa, 1)),
            ) else {
                continue;
            };
            let body: S = match ty {
                1 => {
                    if let Some(seq) = ber::read(&mut Cursor::new(val.body)).and_then(|m| m.inner()) {
                        let _ = self.ap_request(cx, &seq, true);
                    }
                    continue;
                }
                2 if is_request => {
                    let cipher = ber::read(&mut Cursor::new(val.body)).and_then(|e| string(&e, 2));
                    match cipher {
                        Some(c) => c,
                        None => continue,
                    }
                }
                16 | 17 => {
                    self.certificate(cx, is_request, val.body);
                    continue;
                }
                11 | 19 => {
                    let salt = ber::read(&mut Cursor::new(val.body))
                        .and_then(|l| l.inner())
                        .and_then(|e| string(&e, 1));
                    match salt {
                        Some(s) => s,
                        None => continue,
                    }
                }
                _ if val.body.is_empty() => continue,
                _ => val.body.into(),
            };
            out.push(
                records::KRBTypeValue {
                    data_type: ty,
                    val: body,
                }
                .build(cx.q.bindings()),
            );
        }
        cx.vector(types::VECTOR_OF_KRB_TYPE_VALUE, out)
    }

    /// The signed data of PKINIT: the certificate within is handed over as a file.
    fn certificate(&mut self, cx: &mut Cx, is_orig: bool, body: &[u8]) {
        let certificate = signed_data(body, 0).and_then(|d| find_certificate(&d)).unwrap_or(&[]);
        let c = &cx.conn;
        let handle = format!(
            "Analyzer::ANALYZER_KRB{}{}{}:{} > {}:{}{}",
            crate::util::text::time(c.start_time),
            if is_orig { "T" } else { "F" },
            c.orig_h,
            c.orig_p,
            c.resp_h,
            c.resp_p,
            self.certs
        );
        self.certs += 1;
        cx.file_whole(is_orig, handle.as_bytes(), b"application/x-x509-user-cert", certificate);
    }

    fn kdc_request(&mut self, cx: &mut Cx, seq: &Tlv) -> Option<Value> {
        let mut r = records::KRBKDCRequest {
            pvno: count(seq, 1)?,
            msg_type: count(seq, 2)?,
            ..Default::default()
        };
        if let Some(list) = ctx(seq, 3) {
            r.pa_data = self.pa_data(cx, &list, true);
        }
        let body = ctx(seq, 4)?;
        let o = ctx(&body, 0)?;
        let b = o.body.get(1..5).unwrap_or(&[0; 4]);
        let bits = u32::from_be_bytes(b.try_into().ok()?);
        let bit = |n: u32| bits >> (31 - n) & 1 != 0;
        r.kdc_options = records::KRBKDCOptions {
            forwardable: bit(1),
            forwarded: bit(2),
            proxiable: bit(3),
            proxy: bit(4),
            allow_postdate: bit(5),
            postdated: bit(6),
            renewable: bit(8),
            opt_hardware_auth: bit(11),
            disable_transited_check: bit(27),
            renewable_ok: bit(28),
            enc_tkt_in_skey: bit(29),
            renew: bit(30),
            validate: bit(31),
        }
        .build(cx.q.bindings());
        r.client_name = principal(&body, 1);
        r.service_realm = string(&body, 2);
        r.service_name = principal(&body, 3);
        r.from = time(&body, 4);
        r.till = time(&body, 5);
        r.rtime = time(&body, 6);
        r.nonce = count(&body, 7);
        if let Some(e) = ctx(&body, 8) {
            r.encryption_types = cx.counts(
                e.children()
                    .map(|t| t.body.iter().fold(0u64, |v, b| v << 8 | *b as u64)),
            );
        }
        if let Some(list) = ctx(&body, 9) {
            let v: Vec<Value> = list.children().filter_map(|a| host_address(cx, &a)).collect();
            r.host_addrs = cx.vector(types::VECTOR_OF_KRB_HOST_ADDRESS, v);
        }
        if let Some(list) = ctx(&body, 11) {
            let v: Vec<Value> = list.children().filter_map(|t| ticket(cx, &t.inner()?)).collect();
            r.additional_tickets = cx.vector(types::VECTOR_OF_KRB_TICKET, v);
        }
        Some(r.build(cx.q.bindings()))
    }

    fn kdc_response(&mut self, cx: &mut Cx, seq: &Tlv) -> Option<Value> {
        let mut r = records::KRBKDCResponse {
            pvno: count(seq, 0)?,
            msg_type: count(seq, 1)?,
            client_realm: string(seq, 3),
            client_name: principal(seq, 4)?,
            ..Default::default()
        };
        if let Some(list) = ctx(seq, 2) {
            r.pa_data = self.pa_data(cx, &list, false);
        }
        r.ticket = ticket(cx, &ctx(seq, 5)?.inner()?)?;
        r.enc_part = encrypted(cx, &ctx(seq, 6)?)?;
        Some(r.build(cx.q.bindings()))
    }
}

/// How deep signed data may stand within the fields of a message.
const MAX_DEPTH: usize = 6;

/// The CMS content that says of itself that it is signed data (1.2.840.113549.1.7.2), within elements and strings.
fn signed_data(b: &[u8], depth: usize) -> Option<Tlv<'_>> {
    const SIGNED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
    let t = ber::read(&mut Cursor::new(b))?;
    if t.id == ber::SEQUENCE
        && t.children()
            .next()
            .is_some_and(|c| c.id == ber::OID && c.body == SIGNED)
    {
        return Some(t);
    }
    if depth >= MAX_DEPTH || !(t.id & 0x20 != 0 || t.id & 0xc0 == 0x80 || t.id == ber::OCTETS) {
        return None;
    }
    signed_data(t.body, depth + 1)
}

/// The first X.509 certificate within CMS signed data.
fn find_certificate<'a>(ci: &Tlv<'a>) -> Option<&'a [u8]> {
    let content = ci.children().find(|c| c.context() == Some(0))?;
    let signed = content.inner()?;
    let certs = signed.children().find(|c| c.context() == Some(0))?;
    certs.inner().map(|c| c.raw)
}

fn encrypted(cx: &Cx, t: &Tlv) -> Option<Value> {
    Some(
        records::KRBEncryptedData {
            kvno: count(t, 1),
            cipher: count(t, 0)?,
            ciphertext: string(t, 2)?,
        }
        .build(cx.q.bindings()),
    )
}

/// `seq` is the sequence within the application tag.
fn ticket(cx: &Cx, seq: &Tlv) -> Option<Value> {
    ticket_with(cx, seq, false)
}

/// A ticket, with an empty authentication info where asked for.
fn ticket_with(cx: &Cx, seq: &Tlv, info: bool) -> Option<Value> {
    let enc = ctx(seq, 3)?;
    Some(
        records::KRBTicket {
            pvno: count(seq, 0)?,
            realm: string(seq, 1)?,
            service_name: principal(seq, 2)?,
            cipher: count(&enc, 0)?,
            ciphertext: string(&enc, 2),
            authenticationinfo: info.then(|| Rc::from(&b""[..])),
        }
        .build(cx.q.bindings()),
    )
}

fn host_address(cx: &Cx, a: &Tlv) -> Option<Value> {
    let ty = count(a, 0)?;
    let v = ctx(a, 1)?.body;
    let mut h = records::KRBHostAddress::default();
    match ty {
        2 => h.ip = v.try_into().ok().map(Addr::v4),
        24 => h.ip = v.try_into().ok().map(Addr::v6),
        20 => h.netbios = Some(v.into()),
        _ => {
            h.unknown = records::KRBTypeValue {
                data_type: ty,
                val: v.into(),
            }
            .build(cx.q.bindings());
        }
    }
    Some(h.build(cx.q.bindings()))
}

fn safe(cx: &Cx, seq: &Tlv) -> Option<Value> {
    let body = ctx(seq, 2)?;
    let mut m = records::KRBSAFEMsg {
        pvno: count(seq, 0)?,
        msg_type: count(seq, 1)?,
        data: string(&body, 0)?,
        timestamp: time(&body, 1),
        seq: count(&body, 3),
        ..Default::default()
    };
    if let Some(a) = ctx(&body, 4) {
        m.sender = host_address(cx, &a).unwrap_or_default();
    }
    if let Some(a) = ctx(&body, 5) {
        m.recipient = host_address(cx, &a).unwrap_or_default();
    }
    Some(m.build(cx.q.bindings()))
}

fn error(cx: &mut Cx, seq: &Tlv) -> Option<Value> {
    let mut e = records::KRBErrorMsg {
        pvno: count(seq, 0),
        msg_type: count(seq, 1),
        client_time: fine_time(seq, 2, 3),
        server_time: fine_time(seq, 4, 5),
        error_code: count(seq, 6)?,
        client_realm: string(seq, 7),
        client_name: principal(seq, 8),
        service_realm: string(seq, 9),
        service_name: principal(seq, 10),
        error_text: string(seq, 11),
        ..Default::default()
    };
    if e.error_code == 25 {
        if let Some(data) = ctx(seq, 12) {
            // As recorded: the list is looked for in the field itself, not in an octet string within.
            let mut out = Vec::new();
            for pa in data.children() {
                if let Some(ty) = count(&pa, 1).or_else(|| count(&pa, 0)) {
                    let v = string(&pa, 2).unwrap_or_default();
                    out.push(records::KRBTypeValue { data_type: ty, val: v }.build(cx.q.bindings()));
                }
            }
            e.pa_data = cx.vector(types::VECTOR_OF_KRB_TYPE_VALUE, out);
        }
    }
    Some(e.build(cx.q.bindings()))
}

impl Analyzer for Krb {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if self.message(cx, is_orig, data).is_none() {
            cx.violation(&grammar::exception("out_of_bound: KRB_PDU"));
        }
    }
}

/// Kerberos messages with a length before each.
pub type KrbTcp = Stream<Krb>;

const MAX_MESSAGE: usize = 1 << 20;

impl Units for Krb {
    const FROM_START: bool = true;

    fn unit(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) -> Step {
        let mut c = Cursor::new(data);
        let Some(n) = c.u32().map(|n| n as usize) else {
            return Step::More;
        };
        if n > MAX_MESSAGE {
            let why = &grammar::exception("out_of_bound: KRB_PDU_TCP");
            return Step::let_go(cx, why, data);
        }
        let Some(m) = c.take(n) else {
            return Step::More;
        };
        self.deliver(cx, is_orig, m);
        Step::Used(c.pos())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn times() {
        assert_eq!(super::generalized_time(b"20150119225459Z"), Some(1_421_708_099.0));
        assert_eq!(super::generalized_time(b"19700101000000Z"), Some(0.0));
    }
}
