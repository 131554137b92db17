//! Verifying certificate chains, OCSP responses and signed timestamps, with results worded like OpenSSL's.

use ring::digest;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};

use crate::cert::{Cert, Name};
use crate::der::{self, Der, tag};
use crate::ocsp::{self, Basic, Responder, Response};

/// The outcome of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub code: i64,
    pub text: String,
    /// DER of the chain, the first certificate first; empty unless it verified.
    pub chain: Vec<Vec<u8>>,
}

impl Outcome {
    fn fail(code: i64, text: &str) -> Outcome {
        Outcome {
            code,
            text: text.to_string(),
            chain: Vec::new(),
        }
    }
}

/// Certificates that are trusted.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    /// DER of trusted certificates.
    pub certs: Vec<Vec<u8>>,
    /// Also trust the roots of the Mozilla program.
    pub mozilla: bool,
}

const CHAIN_MAX: usize = 100;

/// Verifies a chain at a time: `certs[0]` is the certificate in question, the rest may help to reach a root.
pub fn verify_chain(certs: &[&[u8]], roots: &Roots, at: f64) -> Outcome {
    let Some(first) = certs.first() else {
        return Outcome::fail(-1, "no certificates");
    };
    let Some(leaf) = Cert::parse(first) else {
        return Outcome::fail(-1, "certificate cannot be parsed");
    };
    let untrusted: Vec<Cert> = certs[1..].iter().filter_map(|c| Cert::parse(c)).collect();
    let trusted: Vec<Cert> = roots.certs.iter().filter_map(|c| Cert::parse(c)).collect();
    let mut chain = vec![leaf];
    let mut anchor: Option<Anchor> = None;
    let anchored = loop {
        let current = &chain[chain.len() - 1];
        if trusted.iter().any(|t| t.der == current.der) {
            break true;
        }
        if let Some(root) = trusted.iter().find(|t| issued(t, current)) {
            chain.push(root.clone());
            break true;
        }
        if roots.mozilla
            && let Some(a) = mozilla_anchor(current)
        {
            anchor = Some(a);
            break true;
        }
        if is_self_signed(current) {
            let text = if chain.len() == 1 {
                return Outcome::fail(18, "self signed certificate");
            } else {
                "self-signed certificate in certificate chain"
            };
            return Outcome::fail(19, text);
        }
        let next = untrusted
            .iter()
            .find(|u| issued(u, current) && !chain.iter().any(|c| c.der == u.der));
        match next {
            Some(n) if chain.len() < CHAIN_MAX => chain.push(n.clone()),
            _ => break false,
        }
    };
    if !anchored {
        return Outcome::fail(20, "unable to get local issuer certificate");
    }
    for c in &chain[1..] {
        // Version 1 certificates carry no constraints; as roots they are let through.
        if c.version >= 3 && !c.basic_constraints().is_some_and(|b| b.0) {
            return Outcome::fail(79, "invalid CA certificate");
        }
    }
    // From the root down: signatures, then validity.
    for i in (0..chain.len()).rev() {
        let c = &chain[i];
        let key = match chain.get(i + 1) {
            Some(issuer) => Some(issuer.spki.to_vec()),
            None => anchor
                .as_ref()
                .filter(|a| !a.is_last || c.subject == c.issuer)
                .map(|a| a.spki.clone()),
        };
        if let Some(spki) = key {
            if !verify_signature(&spki, &c.sig_oid, c.tbs, c.signature) {
                return Outcome::fail(7, "certificate signature failure");
            }
        }
        if at < c.not_before {
            return Outcome::fail(9, "certificate is not yet valid");
        }
        if at > c.not_after {
            return Outcome::fail(10, "certificate has expired");
        }
    }
    let mut ders: Vec<Vec<u8>> = chain.iter().map(|c| c.der.to_vec()).collect();
    if let Some(a) = anchor.filter(|a| !a.is_last) {
        ders.push(stand_in(&a.subject, &a.spki));
    }
    Outcome {
        code: 0,
        text: "ok".to_string(),
        chain: ders,
    }
}

/// Whether `issuer` claims to have issued `cert`: names, and key identifiers if both have one.
fn issued(issuer: &Cert, cert: &Cert) -> bool {
    if issuer.subject != cert.issuer {
        return false;
    }
    let subject_id = issuer
        .extension("2.5.29.14")
        .and_then(|e| Der::new(e.value).expect(tag::OCTET_STRING));
    let authority_id = cert
        .extension("2.5.29.35")
        .and_then(|e| Der::new(e.value).enter(tag::SEQUENCE))
        .and_then(|mut d| d.expect(0x80));
    match (subject_id, authority_id) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    }
}

/// Whether a certificate counts as signed by itself: names and key identifiers agree, and its key can be used.
fn is_self_signed(cert: &Cert) -> bool {
    issued(cert, cert) && cert.key_info().key_type.is_some()
}

/// A stand-in for the certificate of a root of which only name and key are known: unsigned, valid for ever.
fn stand_in(subject: &[u8], spki: &[u8]) -> Vec<u8> {
    let name = sequence(subject);
    let algorithm = sequence(&element(
        tag::OID,
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b],
    ));
    let validity = sequence(
        &[
            element(tag::UTC_TIME, b"500101000000Z"),
            element(tag::GENERALIZED_TIME, b"99991231235959Z"),
        ]
        .concat(),
    );
    let constraints = sequence(
        &[
            element(tag::OID, &[0x55, 0x1d, 0x13]),
            element(tag::OCTET_STRING, &sequence(&element(tag::BOOLEAN, &[0xff]))),
        ]
        .concat(),
    );
    let tbs = [
        element(0xa0, &element(tag::INTEGER, &[2])),
        element(tag::INTEGER, &[0]),
        algorithm.clone(),
        name.clone(),
        validity,
        name,
        spki.to_vec(),
        element(0xa3, &sequence(&constraints)),
    ]
    .concat();
    sequence(&[sequence(&tbs), algorithm, element(tag::BIT_STRING, &[0])].concat())
}

/// A root of the built-in store.
struct Anchor {
    subject: Vec<u8>,
    spki: Vec<u8>,
    /// Whether the chain's last certificate is the root itself.
    is_last: bool,
}

/// The Mozilla root that issued the certificate, or is the certificate.
fn mozilla_anchor(cert: &Cert) -> Option<Anchor> {
    let body = |n: &Name| Der::new(n.0).next().map(|t| t.body.to_vec()).unwrap_or_default();
    let issuer = body(&cert.issuer);
    let subject = body(&cert.subject);
    let spki_body = Der::new(cert.spki).next().map(|t| t.body).unwrap_or_default();
    webpki_roots::TLS_SERVER_ROOTS.iter().find_map(|a| {
        let is_last = a.subject.as_ref() == subject.as_slice() && a.subject_public_key_info.as_ref() == spki_body;
        if !is_last && a.subject.as_ref() != issuer.as_slice() {
            return None;
        }
        let spki = sequence(a.subject_public_key_info.as_ref());
        // A cross-signed root is trusted for its name and key, whoever signed this certificate of it.
        let holds = (is_last && cert.subject != cert.issuer)
            || verify_signature(&spki, &cert.sig_oid, cert.tbs, cert.signature);
        holds.then(|| Anchor {
            subject: a.subject.as_ref().to_vec(),
            spki,
            is_last,
        })
    })
}

/// A DER element with tag and definite length.
fn element(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match body.len() {
        n if n < 0x80 => out.push(n as u8),
        n => {
            let bytes = (n as u32).to_be_bytes();
            let skip = bytes.iter().take_while(|b| **b == 0).count();
            out.push(0x80 | (4 - skip) as u8);
            out.extend_from_slice(&bytes[skip..]);
        }
    }
    out.extend_from_slice(body);
    out
}

fn sequence(body: &[u8]) -> Vec<u8> {
    element(tag::SEQUENCE, body)
}

/// Verifies a signature with the key of a SubjectPublicKeyInfo. Algorithms that are
/// not known do not verify; that one is weak is not asked here.
pub fn verify_signature(spki: &[u8], sig_oid: &str, message: &[u8], sig: &[u8]) -> bool {
    let parse = || {
        let mut d = Der::new(spki).enter(tag::SEQUENCE)?;
        let (_, params) = crate::cert::algorithm(d.expect(tag::SEQUENCE)?)?;
        let curve = params.filter(|p| p.tag == tag::OID).map(|p| der::oid(p.body));
        Some((curve, der::bits(d.expect(tag::BIT_STRING)?)?))
    };
    let Some((curve, key)) = parse() else { return false };
    let algorithm: &'static dyn VerificationAlgorithm = match (sig_oid, curve.as_deref()) {
        ("1.2.840.113549.1.1.5" | "1.3.14.3.2.29", _) => &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        ("1.2.840.113549.1.1.11", _) => &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        ("1.2.840.113549.1.1.12", _) => &signature::RSA_PKCS1_2048_8192_SHA384,
        ("1.2.840.113549.1.1.13", _) => &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        ("1.2.840.113549.1.1.10", _) => &signature::RSA_PSS_2048_8192_SHA256,
        ("1.2.840.10045.4.3.2", Some("1.2.840.10045.3.1.7")) => &signature::ECDSA_P256_SHA256_ASN1,
        ("1.2.840.10045.4.3.2", Some("1.3.132.0.34")) => &signature::ECDSA_P384_SHA256_ASN1,
        ("1.2.840.10045.4.3.3", Some("1.2.840.10045.3.1.7")) => &signature::ECDSA_P256_SHA384_ASN1,
        ("1.2.840.10045.4.3.3", Some("1.3.132.0.34")) => &signature::ECDSA_P384_SHA384_ASN1,
        ("1.3.101.112", _) => &signature::ED25519,
        _ => return crate::rsa::verify(key, sig_oid, message, sig),
    };
    UnparsedPublicKey::new(algorithm, key).verify(message, sig).is_ok()
        || crate::rsa::verify(key, sig_oid, message, sig)
}

/// The digest that scripts number 1 (MD5) to 6 (SHA-512).
pub fn digest_by_number(number: u64, data: &[u8]) -> Option<Vec<u8>> {
    use sha2::Digest;
    Some(match number {
        1 => md5::Md5::digest(data).to_vec(),
        2 => sha1::Sha1::digest(data).to_vec(),
        3 => sha2::Sha224::digest(data).to_vec(),
        4 => sha2::Sha256::digest(data).to_vec(),
        5 => sha2::Sha384::digest(data).to_vec(),
        6 => sha2::Sha512::digest(data).to_vec(),
        _ => return None,
    })
}

/// `x509_subject_name_hash`, `x509_issuer_name_hash`.
pub fn name_hash(name: &Name, number: u64) -> Option<Vec<u8>> {
    digest_by_number(number, name.0)
}

/// `x509_spki_hash`: of the whole SubjectPublicKeyInfo.
pub fn key_hash(cert: &Cert, number: u64) -> Option<Vec<u8>> {
    digest_by_number(number, cert.spki)
}

/// `x509_get_certificate_string` with `pem`.
pub fn pem(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Vec::new();
    for c in der.chunks(3) {
        let v = u32::from(c[0]) << 16
            | u32::from(c.get(1).copied().unwrap_or(0)) << 8
            | u32::from(c.get(2).copied().unwrap_or(0));
        for i in 0..4 {
            text.push(if i <= c.len() {
                DIGITS[(v >> (18 - 6 * i)) as usize & 63]
            } else {
                b'='
            });
        }
    }
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.chunks(64) {
        out.extend(line.iter().map(|b| char::from(*b)));
        out.push('\n');
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}

/// Verifies an OCSP response about `certs[0]`, issued by `certs[1]`, at a time.
pub fn verify_ocsp(certs: &[&[u8]], reply: &[u8], roots: &Roots, at: f64) -> Outcome {
    let Some(leaf) = certs.first() else {
        return Outcome::fail(-1, "no certificates");
    };
    let Some(leaf) = Cert::parse(leaf) else {
        return Outcome::fail(-1, "undefined certificate in chain");
    };
    let Some(response) = Response::parse(reply) else {
        return Outcome::fail(-1, "Could not parse OCSP response");
    };
    if response.status != 0 {
        return Outcome::fail(-2, ocsp::status_name(response.status));
    }
    let Some(basic) = &response.basic else {
        return Outcome::fail(-1, "Could not parse OCSP response");
    };
    let issuer_cert = certs[1..]
        .iter()
        .filter_map(|c| Cert::parse(c))
        .find(|c| issued(c, &leaf));
    let embedded: Vec<Cert> = basic.certs.iter().filter_map(|c| Cert::parse(c)).collect();
    let signer = embedded
        .iter()
        .chain(issuer_cert.iter())
        .find(|c| is_responder(basic, c))
        .cloned();
    let Some(signer) = signer else {
        return Outcome::fail(-1, "Could not find OCSP responder certificate");
    };
    let mut path: Vec<&[u8]> = vec![signer.der];
    path.extend(certs[1..].iter().copied().filter(|c| *c != signer.der));
    let trust = verify_chain(&path, roots, at);
    if trust.code != 0 {
        return Outcome::fail(trust.code, &trust.text);
    }
    if !verify_signature(signer.spki, &basic.sig_oid, basic.tbs, basic.signature) {
        return Outcome::fail(-1, "OCSP response signature failure");
    }
    let Some(issuer) = issuer_cert else {
        return Outcome::fail(-1, "Could not find issuer of host certificate");
    };
    let single = basic.singles.iter().find(|s| {
        let hash = |data: &[u8]| {
            let number = match s.id.hash_oid.as_str() {
                "1.2.840.113549.2.5" => 1,
                "1.3.14.3.2.26" => 2,
                "2.16.840.1.101.3.4.2.4" => 3,
                "2.16.840.1.101.3.4.2.1" => 4,
                "2.16.840.1.101.3.4.2.2" => 5,
                "2.16.840.1.101.3.4.2.3" => 6,
                _ => 0,
            };
            digest_by_number(number, data)
        };
        der::strip_zeros(s.id.serial) == der::strip_zeros(leaf.serial)
            && hash(leaf.issuer.0).as_deref() == Some(s.id.name_hash)
            && hash(issuer.key).as_deref() == Some(s.id.key_hash)
    });
    let Some(single) = single else {
        return Outcome::fail(-1, "Host and OCSP certificate serial numbers do not match");
    };
    if at < single.this_update {
        return Outcome::fail(-1, "OCSP reply specifies time in future");
    }
    if single.next_update.is_some_and(|t| at > t) {
        return Outcome::fail(-1, "OCSP reply expired");
    }
    match single.status {
        0 => Outcome {
            code: 1,
            text: "good".to_string(),
            chain: Vec::new(),
        },
        s => Outcome::fail(-1, ocsp::cert_status_name(s)),
    }
}

fn is_responder(basic: &Basic, cert: &Cert) -> bool {
    match &basic.responder {
        Responder::Name(n) => n.0 == cert.subject.0,
        Responder::KeyHash(h) => digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, cert.key).as_ref() == *h,
    }
}

/// `sct_verify`: checks a timestamp's signature over a certificate, or over its signed part without the timestamps
/// when the hash of the issuer's key is given.
pub fn verify_sct(
    cert: &Cert,
    log_key: &[u8],
    signature: &[u8],
    timestamp: u64,
    hash_algorithm: u64,
    issuer_key_hash: &[u8],
) -> bool {
    if hash_algorithm != 4 {
        return false;
    }
    let mut message = vec![0, 0];
    message.extend_from_slice(&timestamp.to_be_bytes());
    let mut entry = |kind: u16, body: &[u8]| {
        message.extend_from_slice(&kind.to_be_bytes());
        if kind == 1 {
            message.extend_from_slice(issuer_key_hash);
        }
        message.extend_from_slice(&(body.len() as u32).to_be_bytes()[1..]);
        message.extend_from_slice(body);
    };
    if issuer_key_hash.is_empty() {
        entry(0, cert.der);
    } else {
        let Some(tbs) = without_timestamps(cert.tbs) else {
            return false;
        };
        entry(1, &tbs);
    }
    message.extend_from_slice(&[0, 0]);
    let key_oid = Der::new(log_key)
        .enter(tag::SEQUENCE)
        .and_then(|mut d| d.expect(tag::SEQUENCE))
        .and_then(crate::cert::algorithm);
    // What follows the encoded pair of numbers does no harm.
    let signature = match Der::new(signature).next() {
        Some(t) if t.tag == tag::SEQUENCE => t.whole,
        _ => signature,
    };
    let sig_oid = match key_oid.as_ref().map(|k| k.0.as_str()) {
        Some("1.2.840.10045.2.1") => "1.2.840.10045.4.3.2",
        Some("1.2.840.113549.1.1.1") => "1.2.840.113549.1.1.11",
        _ => return false,
    };
    verify_signature(log_key, sig_oid, &message, signature)
}

/// The signed part as the log saw it: without the extension that lists timestamps.
fn without_timestamps(tbs: &[u8]) -> Option<Vec<u8>> {
    let mut d = Der::new(tbs).enter(tag::SEQUENCE)?;
    let mut body = Vec::new();
    while let Some(t) = d.next() {
        if t.tag != 0xa3 {
            body.extend_from_slice(t.whole);
            continue;
        }
        let mut list = t.inner().enter(tag::SEQUENCE)?;
        let mut kept = Vec::new();
        while let Some(e) = list.next() {
            let oid = e.inner().expect(tag::OID).map(der::oid)?;
            if oid != "1.3.6.1.4.1.11129.2.4.2" {
                kept.extend_from_slice(e.whole);
            }
        }
        if !kept.is_empty() {
            body.extend(element(0xa3, &sequence(&kept)));
        }
    }
    Some(sequence(&body))
}

/// `x509_check_hostname`: whether a host name fits a certificate's name, which may have one wildcard in its first label.
pub fn check_hostname(host: &[u8], pattern: &[u8]) -> bool {
    let host = host.to_ascii_lowercase();
    let stars = pattern.iter().filter(|b| **b == b'*').count();
    if stars == 0 {
        return host.as_slice() == pattern;
    }
    let split = |s: &[u8]| {
        s.iter()
            .position(|b| *b == b'.')
            .map(|i| (s[..i].to_vec(), s[i..].to_vec()))
    };
    let (Some((label, rest)), Some((host_label, host_rest))) = (split(pattern), split(&host)) else {
        return false;
    };
    // The star must be the last character of the first label, and two more labels must follow.
    if stars != 1 || label.last() != Some(&b'*') || rest.iter().filter(|b| **b == b'.').count() < 2 {
        return false;
    }
    let prefix = &label[..label.len() - 1];
    rest == host_rest && host_label.starts_with(prefix) && host_label.len() >= prefix.len()
}

/// `x509_check_cert_hostname`: the name of the certificate that fits the host, or an empty string.
pub fn check_cert_hostname(cert: &Cert, host: &[u8]) -> Vec<u8> {
    let mut names: Vec<Vec<u8>> = Vec::new();
    if let Some(e) = cert.extension("2.5.29.17")
        && let Some(mut d) = Der::new(e.value).enter(tag::SEQUENCE)
    {
        while let Some(t) = d.next() {
            if t.tag == 0x82 {
                names.push(t.body.to_vec());
            }
        }
    }
    if names.is_empty() {
        names.extend(cert.subject.common_name());
    }
    names
        .into_iter()
        .find(|n| !host.is_empty() && check_hostname(host, n))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names() {
        let cases: &[(&str, &str, bool)] = &[
            ("www.example.com", "*.example.com", true),
            ("www.example.com", "w*.example.com", true),
            ("www.example.com", "www*.example.com", true),
            ("www.example.com", "x*.example.com", false),
            ("www.example.com", "w*w.example.com", false),
            ("www.example.com", "www.*.com", false),
            ("www.example.com", "*.*.com", false),
            ("www.example.com", "**.example.com", false),
            ("example.com", "*.com", false),
            ("a.b.example.com", "*.example.com", false),
            ("localhost", "*", false),
            ("a.example.com.", "*.example.com", false),
        ];
        for (host, pattern, want) in cases {
            assert_eq!(
                check_hostname(host.as_bytes(), pattern.as_bytes()),
                *want,
                "{host} {pattern}"
            );
        }
    }

    #[test]
    fn stand_ins_parse() {
        let root = &webpki_roots::TLS_SERVER_ROOTS[0];
        let der = stand_in(root.subject.as_ref(), &sequence(root.subject_public_key_info.as_ref()));
        let cert = Cert::parse(&der).expect("a certificate");
        assert_eq!(cert.basic_constraints(), Some((true, None)));
        assert_eq!(cert.subject, cert.issuer);
    }

    #[test]
    fn pem_lines() {
        let text = pem(&[0xff; 50]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[1].len(), lines[2]), (4, 64, "//8="));
    }

    #[test]
    fn a_chain_that_is_none() {
        assert_eq!(verify_chain(&[], &Roots::default(), 0.0).text, "no certificates");
        assert_eq!(verify_chain(&[b"x"], &Roots::default(), 0.0).code, -1);
    }
}
