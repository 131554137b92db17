//! The X.509 file analyzer: certificate, extensions and embedded timestamps as events; certificates as script values.

use std::any::Any;
use std::rc::Rc;

use ring::digest;
use tapir_data::broker::Data;
use tapir_data::value::{Addr, Opaque, Str, Value};
use tapir_interface::bindings::Bindings;
use tapir_interface::{events, records, types};

use crate::analyzer::{Cx, FileAnalyzer};
use crate::cert::{self, Cert, Extension};
use crate::der::{self, Der, tag};
use crate::hash::hex;
use crate::{ext, oid, sct};

/// A certificate as a script value.
#[derive(Debug)]
pub struct X509Value {
    der: Rc<[u8]>,
}

impl X509Value {
    /// A value around DER that parses.
    pub fn new(der: &[u8]) -> Option<Rc<X509Value>> {
        let cert = Cert::parse(der)?;
        Some(Rc::new(X509Value { der: cert.der.into() }))
    }

    /// The DER form.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate behind a value.
    pub fn of(v: &Value) -> Option<&X509Value> {
        match v {
            Value::Opaque(o) => o.as_any().downcast_ref(),
            _ => None,
        }
    }
}

impl Opaque for X509Value {
    fn type_name(&self) -> &str {
        "x509"
    }

    fn deep_copy(&self) -> Option<Rc<dyn Opaque>> {
        Some(Rc::new(X509Value { der: self.der.clone() }))
    }

    fn render(&self) -> String {
        "<opaque of X509Val>".to_string()
    }

    fn wire(&self, _: &dyn tapir_data::text::RenderHost) -> Option<(&'static str, Data)> {
        Some(("X509Val", Data::String(self.der.to_vec())))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The record `X509::Certificate`.
pub fn certificate_record(c: &Cert, b: &Bindings) -> Value {
    let str_of = |s: String| Str::from(s.into_bytes());
    let key = c.key_info();
    records::X509Certificate {
        version: c.version,
        serial: str_of(der::int_hex(c.serial)),
        subject: str_of(c.subject.rfc2253()),
        issuer: str_of(c.issuer.rfc2253()),
        cn: c.subject.common_name().map(Str::from),
        not_valid_before: c.not_before,
        not_valid_after: c.not_after,
        key_alg: str_of(oid::long_name(&c.key_oid)),
        sig_alg: str_of(oid::lookup(&c.sig_oid).map_or_else(String::new, |n| n.1.to_string())),
        key_type: key.key_type.map(|t| Str::from(t.as_bytes())),
        key_length: key.length,
        exponent: key.exponent.map(str_of),
        curve: key.curve.map(str_of),
        tbs_sig_alg: str_of(oid::long_name(&c.tbs_sig_oid)),
    }
    .build(b)
}

/// The record `X509::Extension`.
pub fn extension_record(e: &Extension, b: &Bindings) -> Value {
    let names = oid::lookup(&e.oid);
    records::X509Extension {
        name: names.map_or(e.oid.as_bytes(), |n| n.1.as_bytes()).into(),
        short_name: Some(names.map_or(&b"UNDEF"[..], |n| n.0.as_bytes()).into()),
        oid: e.oid.as_bytes().into(),
        critical: e.critical,
        value: ext::render(e).into(),
    }
    .build(b)
}

/// The record `X509::SubjectAlternativeName`; `None` when the extension does not parse.
pub fn alternative_names(value: &[u8], b: &Bindings) -> Option<Value> {
    let mut names = Der::new(value).enter(tag::SEQUENCE)?;
    let (mut dns, mut uri, mut email, mut ip) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut other_fields = false;
    while let Some(t) = names.next() {
        let s = || Value::Str(t.body.into());
        match (t.tag, t.body.len()) {
            (0x82, _) => dns.push(s()),
            (0x86, _) => uri.push(s()),
            (0x81, _) => email.push(s()),
            (0x87, 4) => ip.push(Value::Addr(Addr::v4([t.body[0], t.body[1], t.body[2], t.body[3]]))),
            (0x87, 16) => ip.push(Value::Addr(Addr::v6(t.body.try_into().ok()?))),
            _ => other_fields = true,
        }
    }
    let vector = |ty, items: Vec<Value>| {
        if items.is_empty() {
            Value::Unset
        } else {
            b.vector(ty, items)
        }
    };
    let record = records::X509SubjectAlternativeName {
        dns: vector(types::STRING_VEC, dns),
        uri: vector(types::STRING_VEC, uri),
        email: vector(types::STRING_VEC, email),
        ip: vector(types::ADDR_VEC, ip),
        other_fields,
    };
    Some(record.build(b))
}

/// Raises the events for one extension of a certificate.
fn raise_extension(cx: &mut Cx, e: &Extension) {
    if cx.q.wants(events::X509_EXTENSION) {
        let record = extension_record(e, cx.q.bindings());
        let f = cx.file_value();
        events::x509_extension(cx.q, f, record);
    }
    match e.oid.as_str() {
        "2.5.29.19" => match cert::basic_constraints(e.value) {
            Some((ca, path_len)) => {
                let record = records::X509BasicConstraints { ca, path_len }.build(cx.q.bindings());
                let f = cx.file_value();
                events::x509_ext_basic_constraints(cx.q, f, record);
            }
            None => cx.weird("x509_invalid_extension", "basic constraints"),
        },
        "2.5.29.17" => {
            if cx.q.wants(events::X509_EXT_SUBJECT_ALTERNATIVE_NAME) {
                match alternative_names(e.value, cx.q.bindings()) {
                    Some(record) => {
                        let f = cx.file_value();
                        events::x509_ext_subject_alternative_name(cx.q, f, record);
                    }
                    None => cx.weird("x509_invalid_extension", "subject alternative name"),
                }
            }
        }
        "1.3.6.1.4.1.11129.2.4.2" | "1.3.6.1.4.1.11129.2.4.5" => raise_timestamps(cx, e.value),
        _ => {}
    }
}

/// Raises an event for every timestamp in an extension.
pub fn raise_timestamps(cx: &mut Cx, value: &[u8]) {
    let Some(list) = Der::new(value).expect(tag::OCTET_STRING) else {
        cx.weird("x509_invalid_extension", "signed certificate timestamps");
        return;
    };
    let (scts, complete) = sct::parse_list(list);
    for s in &scts {
        let f = cx.file_value();
        events::x509_ocsp_ext_signed_certificate_timestamp(
            cx.q,
            f,
            u64::from(s.version),
            s.log_id,
            s.timestamp,
            u64::from(s.hash_algorithm),
            u64::from(s.signature_algorithm),
            s.signature,
        );
    }
    if !complete {
        cx.weird("x509_invalid_extension", "signed certificate timestamps");
    }
}

/// Collects a certificate and raises its events at the end.
#[derive(Debug, Default)]
pub struct X509Analyzer {
    data: Vec<u8>,
}

/// Larger than any certificate seen; more is cut off and will not parse.
const SIZE_MAX: usize = 1 << 20;

impl FileAnalyzer for X509Analyzer {
    fn stream(&mut self, _: &mut Cx, data: &[u8]) -> bool {
        let room = SIZE_MAX - self.data.len();
        self.data.extend_from_slice(&data[..data.len().min(room)]);
        true
    }

    fn gap(&mut self, _: &mut Cx, _: u64, _: u64) -> bool {
        false
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        let data = std::mem::take(&mut self.data);
        if cx.host.caches_certificates() {
            let sha256 = hex(digest::digest(&digest::SHA256, &data).as_ref());
            let f = cx.file_value();
            if cx.host.cached_certificate(cx.q, f, &sha256) {
                return false;
            }
        }
        let parsed = Cert::parse(&data);
        let value = parsed.as_ref().and_then(|c| X509Value::new(c.der));
        let (Some(cert), Some(value)) = (parsed, value) else {
            cx.weird("x509_cert_parse_error", "");
            return false;
        };
        if cx.q.wants(events::X509_CERTIFICATE) {
            let record = certificate_record(&cert, cx.q.bindings());
            let f = cx.file_value();
            events::x509_certificate(cx.q, f, Value::Opaque(value), record);
        }
        for e in &cert.extensions {
            raise_extension(cx, e);
        }
        false
    }
}
