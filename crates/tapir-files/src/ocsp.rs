//! OCSP requests and responses (RFC 6960): parsing, and the analyzer that raises their events.

use tapir_data::value::Value;
use tapir_interface::{events, types};

use crate::analyzer::{Cx, FileAnalyzer};
use crate::cert::{self, Extension, Name};
use crate::der::{self, Der, Tlv, tag};
use crate::hash::hex_upper;
use crate::oid;
use crate::x509::{X509Value, extension_record, raise_timestamps};

/// Which certificate is asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct CertId<'a> {
    pub hash_oid: String,
    pub name_hash: &'a [u8],
    pub key_hash: &'a [u8],
    pub serial: &'a [u8],
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub version: u64,
    pub certs: Vec<CertId<'a>>,
    pub extensions: Vec<Extension<'a>>,
}

/// The state of one certificate.
#[derive(Clone, Debug)]
pub struct Single<'a> {
    pub id: CertId<'a>,
    /// 0 good, 1 revoked, 2 unknown.
    pub status: u8,
    pub revoked_at: f64,
    pub reason: Option<u64>,
    pub this_update: f64,
    pub next_update: Option<f64>,
    pub extensions: Vec<Extension<'a>>,
}

/// Who signed a response.
#[derive(Clone, Debug)]
pub enum Responder<'a> {
    Name(Name<'a>),
    KeyHash(&'a [u8]),
}

/// A basic response.
#[derive(Clone, Debug)]
pub struct Basic<'a> {
    /// The signed part.
    pub tbs: &'a [u8],
    pub version: u64,
    pub responder: Responder<'a>,
    pub produced_at: f64,
    pub singles: Vec<Single<'a>>,
    pub extensions: Vec<Extension<'a>>,
    pub sig_oid: String,
    pub signature: &'a [u8],
    pub certs: Vec<&'a [u8]>,
}

/// A response: its status and what it carries.
#[derive(Clone, Debug)]
pub struct Response<'a> {
    pub status: u64,
    pub basic: Option<Basic<'a>>,
}

/// The name of a response status.
pub fn status_name(status: u64) -> &'static str {
    match status {
        0 => "successful",
        1 => "malformedrequest",
        2 => "internalerror",
        3 => "trylater",
        5 => "sigrequired",
        6 => "unauthorized",
        _ => "(UNKNOWN)",
    }
}

/// The name of a certificate's status.
pub fn cert_status_name(status: u8) -> &'static str {
    match status {
        0 => "good",
        1 => "revoked",
        2 => "unknown",
        _ => "(UNKNOWN)",
    }
}

/// The name of a reason for revocation.
pub fn reason_name(reason: u64) -> &'static str {
    match reason {
        0 => "unspecified",
        1 => "keyCompromise",
        2 => "cACompromise",
        3 => "affiliationChanged",
        4 => "superseded",
        5 => "cessationOfOperation",
        6 => "certificateHold",
        8 => "removeFromCRL",
        9 => "privilegeWithdrawn",
        10 => "aACompromise",
        _ => "(UNKNOWN)",
    }
}

impl<'a> CertId<'a> {
    fn parse(d: &mut Der<'a>) -> Option<CertId<'a>> {
        let mut d = d.enter(tag::SEQUENCE)?;
        let (hash_oid, _) = cert::algorithm(d.expect(tag::SEQUENCE)?)?;
        Some(CertId {
            hash_oid,
            name_hash: d.expect(tag::OCTET_STRING)?,
            key_hash: d.expect(tag::OCTET_STRING)?,
            serial: d.expect(tag::INTEGER)?,
        })
    }

    /// The serial number as it is encoded, leading zeros of the sign apart.
    pub fn serial_text(&self) -> String {
        der::int_hex(self.serial)
    }
}

impl<'a> Request<'a> {
    /// Parses an OCSPRequest.
    pub fn parse(data: &'a [u8]) -> Option<Request<'a>> {
        let mut tbs = Der::new(data).enter(tag::SEQUENCE)?.enter(tag::SEQUENCE)?;
        let mut version = 0;
        if let Some(mut v) = tbs.enter(0xa0) {
            version = der::small_int(v.expect(tag::INTEGER)?)?;
        }
        if tbs.peek() == Some(0xa1) {
            tbs.next();
        }
        let mut list = tbs.enter(tag::SEQUENCE)?;
        let mut certs = Vec::new();
        while let Some(mut r) = list.enter(tag::SEQUENCE) {
            certs.push(CertId::parse(&mut r)?);
        }
        let extensions = tbs.expect(0xa2).and_then(cert::extensions).unwrap_or_default();
        Some(Request {
            version,
            certs,
            extensions,
        })
    }
}

impl<'a> Response<'a> {
    /// Parses an OCSPResponse.
    pub fn parse(data: &'a [u8]) -> Option<Response<'a>> {
        let mut d = Der::new(data).enter(tag::SEQUENCE)?;
        let status = der::small_int(d.expect(tag::ENUMERATED)?)?;
        let Some(mut bytes) = d.enter(0xa0) else {
            return Some(Response { status, basic: None });
        };
        let mut bytes = bytes.enter(tag::SEQUENCE)?;
        if der::oid(bytes.expect(tag::OID)?) != "1.3.6.1.5.5.7.48.1.1" {
            return Some(Response { status, basic: None });
        }
        let basic = Basic::parse(bytes.expect(tag::OCTET_STRING)?)?;
        Some(Response {
            status,
            basic: Some(basic),
        })
    }
}

impl<'a> Basic<'a> {
    fn parse(data: &'a [u8]) -> Option<Basic<'a>> {
        let mut d = Der::new(data).enter(tag::SEQUENCE)?;
        let tbs = d.next().filter(|t| t.tag == tag::SEQUENCE)?;
        let (sig_oid, _) = cert::algorithm(d.expect(tag::SEQUENCE)?)?;
        let signature = der::bits(d.expect(tag::BIT_STRING)?)?;
        let mut certs = Vec::new();
        if let Some(mut list) = d.enter(0xa0).and_then(|mut c| c.enter(tag::SEQUENCE)) {
            while let Some(c) = list.next() {
                certs.push(c.whole);
            }
        }
        let mut t = tbs.inner();
        let mut version = 0;
        if let Some(mut v) = t.enter(0xa0) {
            version = der::small_int(v.expect(tag::INTEGER)?)?;
        }
        let id = t.next()?;
        let responder = match id.tag {
            0xa1 => Responder::Name(Name(id.body)),
            0xa2 => Responder::KeyHash(id.inner().expect(tag::OCTET_STRING)?),
            _ => return None,
        };
        let produced_at = der::time(&t.next()?).unwrap_or(0.0);
        let mut list = t.enter(tag::SEQUENCE)?;
        let mut singles = Vec::new();
        while let Some(s) = list.enter(tag::SEQUENCE) {
            singles.push(Single::parse(s)?);
        }
        let extensions = t.expect(0xa1).and_then(cert::extensions).unwrap_or_default();
        Some(Basic {
            tbs: tbs.whole,
            version,
            responder,
            produced_at,
            singles,
            extensions,
            sig_oid,
            signature,
            certs,
        })
    }
}

impl<'a> Single<'a> {
    fn parse(mut d: Der<'a>) -> Option<Single<'a>> {
        let id = CertId::parse(&mut d)?;
        let status = d.next()?;
        let (mut revoked_at, mut reason) = (0.0, None);
        if status.tag & 0x1f == 1 {
            let mut r = status.inner();
            revoked_at = der::time(&r.next()?).unwrap_or(0.0);
            reason = r
                .enter(0xa0)
                .and_then(|mut x| x.expect(tag::ENUMERATED))
                .and_then(der::small_int);
        }
        let this_update = der::time(&d.next()?).unwrap_or(0.0);
        let mut next_update = None;
        let mut extensions = Vec::new();
        while let Some(t) = d.next() {
            match t.tag {
                0xa0 => next_update = t.inner().next().and_then(|t: Tlv| der::time(&t)),
                0xa1 => extensions = cert::extensions(t.body).unwrap_or_default(),
                _ => {}
            }
        }
        Some(Single {
            id,
            status: status.tag & 0x1f,
            revoked_at,
            reason,
            this_update,
            next_update,
            extensions,
        })
    }
}

/// The analyzer for both directions of the protocol.
#[derive(Debug)]
pub struct Ocsp {
    data: Vec<u8>,
    is_request: bool,
}

const SIZE_MAX: usize = 1 << 20;

impl Ocsp {
    /// For requests.
    pub fn request() -> Ocsp {
        Ocsp {
            data: Vec::new(),
            is_request: true,
        }
    }

    /// For responses.
    pub fn reply() -> Ocsp {
        Ocsp {
            data: Vec::new(),
            is_request: false,
        }
    }
}

impl FileAnalyzer for Ocsp {
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
        if self.is_request {
            match Request::parse(&data) {
                Some(r) => raise_request(cx, &r),
                None => cx.weird("openssl_ocsp_request_parse_error", ""),
            }
        } else {
            match Response::parse(&data) {
                Some(r) => raise_response(cx, &r),
                None => cx.weird("openssl_ocsp_response_parse_error", ""),
            }
        }
        false
    }
}

fn raise_request(cx: &mut Cx, r: &Request) {
    let f = cx.file_value();
    events::ocsp_request(cx.q, f.clone(), r.version);
    for id in &r.certs {
        events::ocsp_request_certificate(
            cx.q,
            f.clone(),
            oid::long_name(&id.hash_oid),
            hex_upper(id.name_hash),
            hex_upper(id.key_hash),
            id.serial_text(),
        );
    }
    raise_extensions(cx, &r.extensions, true);
}

fn raise_response(cx: &mut Cx, r: &Response) {
    let f = cx.file_value();
    let status = status_name(r.status);
    events::ocsp_response_status(cx.q, f.clone(), status);
    let Some(basic) = &r.basic else { return };
    if cx.q.wants(events::OCSP_RESPONSE_BYTES) {
        let responder = match &basic.responder {
            Responder::Name(n) => n.rfc2253(),
            Responder::KeyHash(k) => hex_upper(k),
        };
        let certs = basic
            .certs
            .iter()
            .filter_map(|c| X509Value::new(c))
            .map(|v| Value::Opaque(v))
            .collect();
        let certs = cx.q.bindings().vector(types::X509_OPAQUE_VECTOR, certs);
        let algorithm = oid::long_name(&basic.sig_oid);
        events::ocsp_response_bytes(
            cx.q,
            f.clone(),
            status,
            basic.version,
            responder,
            basic.produced_at,
            algorithm,
            certs,
        );
    }
    for s in &basic.singles {
        let reason = match (s.status, s.reason) {
            (1, Some(r)) => reason_name(r),
            (1, None) => "(UNKNOWN)",
            _ => "",
        };
        events::ocsp_response_certificate(
            cx.q,
            f.clone(),
            oid::long_name(&s.id.hash_oid),
            hex_upper(s.id.name_hash),
            hex_upper(s.id.key_hash),
            s.id.serial_text(),
            cert_status_name(s.status),
            s.revoked_at,
            reason,
            s.this_update,
            s.next_update.unwrap_or(0.0),
        );
        raise_extensions(cx, &s.extensions, false);
    }
    raise_extensions(cx, &basic.extensions, true);
}

fn raise_extensions(cx: &mut Cx, list: &[Extension], global: bool) {
    for e in list {
        if cx.q.wants(events::OCSP_EXTENSION) {
            let record = extension_record(e, cx.q.bindings());
            let f = cx.file_value();
            events::ocsp_extension(cx.q, f, record, global);
        }
        if e.oid == "1.3.6.1.4.1.11129.2.4.5" {
            raise_timestamps(cx, e.value);
        }
    }
}
