//! X.509 certificates (RFC 5280) as far as they are logged and verified, and distinguished names as text (RFC 2253).

use crate::der::{self, Der, Tlv, tag};
use crate::oid;

/// A parsed certificate; slices point into its DER form.
#[derive(Clone, Debug)]
pub struct Cert<'a> {
    pub der: &'a [u8],
    /// The signed part, tag and length included.
    pub tbs: &'a [u8],
    /// As written: one more than encoded.
    pub version: u64,
    pub serial: &'a [u8],
    pub issuer: Name<'a>,
    pub subject: Name<'a>,
    pub not_before: f64,
    pub not_after: f64,
    /// SubjectPublicKeyInfo, tag and length included.
    pub spki: &'a [u8],
    /// Dotted identifier of the key's algorithm.
    pub key_oid: String,
    /// Parameters of the key's algorithm.
    pub key_params: Option<Tlv<'a>>,
    /// The key's bits.
    pub key: &'a [u8],
    /// Dotted identifier of the signature algorithm, outside and inside the signed part.
    pub sig_oid: String,
    pub tbs_sig_oid: String,
    pub sig_params: Option<Tlv<'a>>,
    pub signature: &'a [u8],
    pub extensions: Vec<Extension<'a>>,
}

/// One extension.
#[derive(Clone, Debug)]
pub struct Extension<'a> {
    pub oid: String,
    pub critical: bool,
    /// The OCTET STRING, tag and length included.
    pub whole: &'a [u8],
    /// What it holds.
    pub value: &'a [u8],
}

/// What is known of a public key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyInfo {
    pub key_type: Option<&'static str>,
    pub length: Option<u64>,
    pub exponent: Option<String>,
    pub curve: Option<String>,
}

impl<'a> Cert<'a> {
    /// Parses DER; trailing bytes are ignored.
    pub fn parse(der: &'a [u8]) -> Option<Cert<'a>> {
        let whole = Der::new(der).next().filter(|t| t.tag == tag::SEQUENCE)?;
        let mut top = whole.inner();
        let tbs = top.next().filter(|t| t.tag == tag::SEQUENCE)?;
        let (sig_oid, sig_params) = algorithm(top.expect(tag::SEQUENCE)?)?;
        let signature = der::bits(top.expect(tag::BIT_STRING)?)?;
        let mut d = tbs.inner();
        let mut version = 1;
        if let Some(mut v) = d.enter(0xa0) {
            version = der::small_int(v.expect(tag::INTEGER)?)?.saturating_add(1);
        }
        let serial = d.expect(tag::INTEGER)?;
        let (tbs_sig_oid, _) = algorithm(d.expect(tag::SEQUENCE)?)?;
        let issuer = Name(d.next().filter(|t| t.tag == tag::SEQUENCE)?.whole);
        let mut validity = d.enter(tag::SEQUENCE)?;
        let not_before = der::time(&validity.next()?).unwrap_or(0.0);
        let not_after = der::time(&validity.next()?).unwrap_or(0.0);
        let subject = Name(d.next().filter(|t| t.tag == tag::SEQUENCE)?.whole);
        let spki = d.next().filter(|t| t.tag == tag::SEQUENCE)?;
        let mut k = spki.inner();
        let (key_oid, key_params) = algorithm(k.expect(tag::SEQUENCE)?)?;
        let key = der::bits(k.expect(tag::BIT_STRING)?)?;
        let mut list = Vec::new();
        while let Some(t) = d.next() {
            if t.tag == 0xa3 {
                list = extensions(t.body)?;
            }
        }
        Some(Cert {
            der: whole.whole,
            tbs: tbs.whole,
            version,
            serial,
            issuer,
            subject,
            not_before,
            not_after,
            spki: spki.whole,
            key_oid,
            key_params,
            key,
            sig_oid,
            tbs_sig_oid,
            sig_params,
            signature,
            extensions: list,
        })
    }

    /// The extension with a dotted identifier.
    pub fn extension(&self, oid: &str) -> Option<&Extension<'a>> {
        self.extensions.iter().find(|e| e.oid == oid)
    }

    /// Basic constraints: whether it is a CA, and the path length.
    pub fn basic_constraints(&self) -> Option<(bool, Option<u64>)> {
        basic_constraints(self.extension("2.5.29.19")?.value)
    }

    /// Type, size and parameters of the key.
    pub fn key_info(&self) -> KeyInfo {
        let mut info = KeyInfo::default();
        if self.is_rsa_key() {
            let Some((n, e)) = self.rsa_key() else { return info };
            info.key_type = Some("rsa");
            info.length = Some(bit_length(n));
            info.exponent = Some(der::int_decimal(e));
        } else if self.key_oid == "1.2.840.10045.2.1" {
            info.key_type = Some("ecdsa");
            if let Some(p) = self.key_params.filter(|p| p.tag == tag::OID) {
                let curve = der::oid(p.body);
                info.length = curve_bits(&curve);
                info.curve = oid::lookup(&curve).map(|n| n.0.to_string());
            }
        } else if self.key_oid == "1.2.840.10040.4.1" {
            info.key_type = Some("dsa");
            let p = self.key_params.and_then(|p| p.inner().expect(tag::INTEGER));
            info.length = p.map(bit_length);
        } else if matches!(self.key_oid.as_str(), "1.3.101.112" | "1.3.101.113") {
            info.key_type = Some("unknown");
            info.length = Some(if self.key_oid == "1.3.101.112" { 253 } else { 456 });
        }
        info
    }

    fn is_rsa_key(&self) -> bool {
        self.key_oid.starts_with("1.2.840.113549.1.1.") || self.key_oid == "2.5.8.1.1"
    }

    /// Modulus and exponent of an RSA key.
    pub fn rsa_key(&self) -> Option<(&'a [u8], &'a [u8])> {
        let mut d = Der::new(self.key).enter(tag::SEQUENCE)?;
        Some((d.expect(tag::INTEGER)?, d.expect(tag::INTEGER)?))
    }
}

/// Reads the list of extensions (the body of `[3]`, or of other lists of the same form).
pub fn extensions(body: &[u8]) -> Option<Vec<Extension<'_>>> {
    let mut list = Der::new(body).enter(tag::SEQUENCE)?;
    let mut out = Vec::new();
    while !list.is_empty() {
        let mut e = list.enter(tag::SEQUENCE)?;
        let oid = der::oid(e.expect(tag::OID)?);
        let critical = e
            .expect(tag::BOOLEAN)
            .is_some_and(|b| b.first().is_some_and(|x| *x != 0));
        let t = e.next().filter(|t| t.tag == tag::OCTET_STRING)?;
        out.push(Extension {
            oid,
            critical,
            whole: t.whole,
            value: t.body,
        });
    }
    Some(out)
}

/// Basic constraints from the extension's value.
pub fn basic_constraints(value: &[u8]) -> Option<(bool, Option<u64>)> {
    let mut d = Der::new(value).enter(tag::SEQUENCE)?;
    let ca = d
        .expect(tag::BOOLEAN)
        .is_some_and(|b| b.first().is_some_and(|x| *x != 0));
    Some((ca, d.expect(tag::INTEGER).and_then(der::small_int)))
}

/// An AlgorithmIdentifier's identifier and parameters.
pub fn algorithm(body: &[u8]) -> Option<(String, Option<Tlv<'_>>)> {
    let mut d = Der::new(body);
    let oid = der::oid(d.expect(tag::OID)?);
    Some((oid, d.next()))
}

fn bit_length(n: &[u8]) -> u64 {
    let digits = der::strip_zeros(n);
    match digits.first() {
        Some(b) => digits.len() as u64 * 8 - u64::from(b.leading_zeros()),
        None => 0,
    }
}

/// The bits of the order of a curve's group.
fn curve_bits(oid: &str) -> Option<u64> {
    Some(match oid {
        "1.2.840.10045.3.0.1" => 163,
        "1.2.840.10045.3.0.2" | "1.2.840.10045.3.0.3" => 162,
        "1.2.840.10045.3.0.4" => 161,
        "1.2.840.10045.3.0.5" => 191,
        "1.2.840.10045.3.0.6" => 190,
        "1.2.840.10045.3.0.7" => 189,
        "1.2.840.10045.3.0.10" => 193,
        "1.2.840.10045.3.0.11" => 238,
        "1.2.840.10045.3.0.12" => 237,
        "1.2.840.10045.3.0.13" => 236,
        "1.2.840.10045.3.0.16" => 257,
        "1.2.840.10045.3.0.17" => 289,
        "1.2.840.10045.3.0.18" | "1.2.840.10045.3.0.19" => 353,
        "1.2.840.10045.3.0.20" => 418,
        "1.2.156.10197.1.301" => 256,
        "1.3.132.0.7" => 110,
        "1.3.132.0.6" => 112,
        "1.3.132.0.4" | "1.3.132.0.5" => 113,
        "1.3.132.0.29" => 126,
        "1.3.132.0.28" => 128,
        "1.3.132.0.22" | "1.3.132.0.23" => 131,
        "1.3.36.3.3.2.8.1.1.1" | "1.3.36.3.3.2.8.1.1.2" => 160,
        "1.3.132.0.8" | "1.3.132.0.9" | "1.3.132.0.30" => 161,
        "1.3.132.0.2" => 162,
        "1.3.132.0.1" | "1.3.132.0.15" => 163,
        "1.2.840.10045.3.1.1" | "1.2.840.10045.3.1.2" | "1.2.840.10045.3.1.3" | "1.3.132.0.31" => 192,
        "1.3.36.3.3.2.8.1.1.3" | "1.3.36.3.3.2.8.1.1.4" => 192,
        "1.3.132.0.24" | "1.3.132.0.25" => 193,
        "1.3.132.0.33" | "1.3.36.3.3.2.8.1.1.5" | "1.3.36.3.3.2.8.1.1.6" => 224,
        "1.3.132.0.32" => 225,
        "1.3.132.0.26" => 232,
        "1.3.132.0.27" => 233,
        "1.3.132.0.3" => 238,
        "1.2.840.10045.3.1.4" | "1.2.840.10045.3.1.5" | "1.2.840.10045.3.1.6" => 239,
        "1.2.840.10045.3.1.7" | "1.3.132.0.10" | "1.3.36.3.3.2.8.1.1.7" | "1.3.36.3.3.2.8.1.1.8" => 256,
        "1.3.132.0.16" => 281,
        "1.3.132.0.17" => 282,
        "1.3.36.3.3.2.8.1.1.9" | "1.3.36.3.3.2.8.1.1.10" => 320,
        "1.3.132.0.34" | "1.3.36.3.3.2.8.1.1.11" | "1.3.36.3.3.2.8.1.1.12" => 384,
        "1.3.132.0.36" => 407,
        "1.3.132.0.37" => 409,
        "1.3.36.3.3.2.8.1.1.13" | "1.3.36.3.3.2.8.1.1.14" => 512,
        "1.3.132.0.35" => 521,
        "1.3.132.0.38" | "1.3.132.0.39" => 570,
        _ => return None,
    })
}

/// A distinguished name in DER, tag and length included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a>(pub &'a [u8]);

impl<'a> Name<'a> {
    /// The relative names, each a list of attribute identifier and value.
    pub fn parts(&self) -> Option<Vec<Vec<(String, Tlv<'a>)>>> {
        let mut d = Der::new(self.0).enter(tag::SEQUENCE)?;
        let mut out = Vec::new();
        while !d.is_empty() {
            out.push(relative_name(d.enter(tag::SET)?)?);
        }
        Some(out)
    }

    /// RFC 2253: last part first, special characters escaped.
    pub fn rfc2253(&self) -> String {
        let Some(parts) = self.parts() else {
            return String::new();
        };
        let rdn = |rdn: &Vec<(String, Tlv)>| {
            rdn.iter()
                .rev()
                .map(|(o, v)| attribute(o, v))
                .collect::<Vec<_>>()
                .join("+")
        };
        parts.iter().rev().map(rdn).collect::<Vec<_>>().join(",")
    }

    /// One line in the order of the parts, `C = …, O = …`; values with special characters stand in quotes.
    pub fn spaced(&self) -> String {
        let parts = self.parts().unwrap_or_default();
        parts.iter().map(|rdn| spaced(rdn)).collect::<Vec<_>>().join(", ")
    }

    /// The older one-line form, `/C=…/O=…`.
    pub fn oneline(&self) -> String {
        let Some(parts) = self.parts() else {
            return String::new();
        };
        let mut out = String::new();
        for (o, v) in parts.iter().flatten() {
            out.push('/');
            out.push_str(&oid::short_name(o));
            out.push('=');
            for b in v.body {
                match b {
                    b'/' => out.push_str("\\/"),
                    0x20..=0x7e => out.push(char::from(*b)),
                    _ => out.push_str(&format!("\\x{b:02X}")),
                }
            }
        }
        out
    }

    /// The last common name, which is the most specific; what is not printable ASCII is shown as a dot.
    pub fn common_name(&self) -> Option<Vec<u8>> {
        let parts = self.parts()?;
        let (_, v) = parts.iter().flatten().rfind(|(o, _)| o == "2.5.4.3")?;
        let shown = |b: &u8| {
            if matches!(*b, 0x20..=0x7e | b'\n' | b'\r') {
                *b
            } else {
                b'.'
            }
        };
        Some(v.body.iter().map(shown).collect())
    }
}

fn attribute(oid: &str, value: &Tlv) -> String {
    let known = oid::lookup(oid);
    let mut out = known.map_or_else(|| oid.to_string(), |n| n.0.to_string());
    out.push('=');
    match (known, text(value)) {
        (Some(_), Some(t)) => escape_into(&mut out, &t),
        _ => {
            out.push('#');
            out.push_str(&crate::hash::hex_upper(value.whole));
        }
    }
    out
}

/// A string type's content as UTF-8 bytes.
pub fn text(v: &Tlv) -> Option<Vec<u8>> {
    let from_chars = |chars: &mut dyn Iterator<Item = u32>| {
        let s: String = chars.map(|c| char::from_u32(c).unwrap_or('\u{fffd}')).collect();
        s.into_bytes()
    };
    Some(match v.tag {
        tag::UTF8 | 0x12 | 0x13 | 0x16 | 0x1a => v.body.to_vec(),
        0x14 => from_chars(&mut v.body.iter().map(|b| u32::from(*b))),
        0x1e => {
            let units: Vec<u16> = v
                .body
                .chunks_exact(2)
                .map(|c| u16::from_be_bytes([c[0], c[1]]))
                .collect();
            String::from_utf16_lossy(&units).into_bytes()
        }
        0x1c => from_chars(
            &mut v
                .body
                .chunks_exact(4)
                .map(|c| u32::from_be_bytes([c[0], c[1], c[2], c[3]])),
        ),
        _ => return None,
    })
}

/// The attributes of a relative name, identifier and value.
pub fn relative_name(mut set: Der<'_>) -> Option<Vec<(String, Tlv<'_>)>> {
    let mut rdn = Vec::new();
    while !set.is_empty() {
        let mut a = set.enter(tag::SEQUENCE)?;
        rdn.push((der::oid(a.expect(tag::OID)?), a.next()?));
    }
    Some(rdn)
}

/// A relative name as [`Name::spaced`] shows it.
pub fn spaced(rdn: &[(String, Tlv)]) -> String {
    let shown = |(oid, v): &(String, Tlv)| {
        let value = match text(v) {
            Some(t) => quoted(&t),
            None => format!("#{}", crate::hash::hex_upper(v.whole)),
        };
        format!("{} = {value}", oid::short_name(oid))
    };
    rdn.iter().map(shown).collect::<Vec<_>>().join(" + ")
}

/// A value of [`Name::spaced`].
fn quoted(text: &[u8]) -> String {
    let edge = |b: Option<&u8>| b == Some(&b' ');
    let special = text.iter().any(|b| b",+\"\\<>;".contains(b))
        || text.first() == Some(&b'#')
        || edge(text.first())
        || edge(text.last());
    let mut out = String::new();
    for b in text {
        match b {
            0x20..=0x7e => out.push(char::from(*b)),
            _ => out.push_str(&format!("\\{b:02X}")),
        }
    }
    if special { format!("\"{out}\"") } else { out }
}

fn escape_into(out: &mut String, text: &[u8]) {
    for (i, &b) in text.iter().enumerate() {
        match b {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => {
                out.push('\\');
                out.push(char::from(b));
            }
            b'#' if i == 0 => out.push_str("\\#"),
            b' ' if i == 0 || i + 1 == text.len() => out.push_str("\\ "),
            0x20..=0x7e => out.push(char::from(b)),
            _ => out.push_str(&format!("\\{b:02X}")),
        }
    }
}
