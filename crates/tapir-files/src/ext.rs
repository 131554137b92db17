//! Certificate extensions as text, in the layout that OpenSSL's tools made familiar.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::cert::{self, Extension, Name};
use crate::der::{self, Der, Tlv, tag};
use crate::hash::hex_upper;
use crate::{oid, sct};

/// The text of an extension; the raw octet string when its type is not known or it does not parse.
pub fn render(e: &Extension) -> Vec<u8> {
    known(e).unwrap_or_else(|| e.whole.to_vec())
}

fn known(e: &Extension) -> Option<Vec<u8>> {
    let v = e.value;
    let text = match e.oid.as_str() {
        "2.5.29.14" => colons(Der::new(v).expect(tag::OCTET_STRING)?),
        "2.5.29.15" => bit_names(v, KEY_USAGES)?,
        "2.16.840.1.113730.1.1" => bit_names(v, NETSCAPE_TYPES)?,
        "2.5.29.16" => usage_period(v)?,
        "2.5.29.17" | "2.5.29.18" | "2.5.29.29" => general_names(v)?,
        "2.5.29.19" => {
            let (ca, len) = crate::cert::basic_constraints(v)?;
            let ca = if ca { "CA:TRUE" } else { "CA:FALSE" };
            len.map_or_else(|| ca.to_string(), |n| format!("{ca}, pathlen:{n}"))
        }
        "2.5.29.20" | "2.5.29.27" | "2.5.29.54" => {
            let n = Der::new(v).expect(tag::INTEGER)?;
            // Long ones are not shown as decimal numbers.
            if der::strip_zeros(n).len() < 16 {
                der::int_decimal(n)
            } else {
                format!("0x{}", der::int_hex(n))
            }
        }
        "2.5.29.30" => name_constraints(v)?,
        "2.5.29.31" | "2.5.29.46" => distribution_points(v)?,
        "2.5.29.32" => policies(v)?,
        "2.5.29.33" => policy_mappings(v)?,
        "2.5.29.35" => authority_key(v)?,
        "2.5.29.36" => policy_constraints(v)?,
        "2.5.29.37" => {
            let ids = each(v, |t| (t.tag == tag::OID).then(|| oid::long_name(&der::oid(t.body))))?;
            ids.join(", ")
        }
        "1.3.6.1.5.5.7.1.1" | "1.3.6.1.5.5.7.1.11" => access(v)?,
        "1.3.6.1.5.5.7.1.14" => proxy(v)?,
        "1.3.6.1.5.5.7.1.24" => {
            let name = |n| match n {
                5 => "status_request".to_string(),
                17 => "status_request_v2".to_string(),
                n => n.to_string(),
            };
            each(v, |t| der::small_int(t.body).map(name))?.join(", ")
        }
        "1.3.6.1.4.1.11129.2.4.2" | "1.3.6.1.4.1.11129.2.4.5" => {
            let list = Der::new(v).expect(tag::OCTET_STRING)?;
            let (scts, complete) = sct::parse_list(list);
            if !complete {
                return None;
            }
            scts.iter().map(sct_text).collect::<Vec<_>>().join("\n")
        }
        "1.3.6.1.5.5.7.48.1.5" | "1.3.6.1.4.1.11129.2.4.3" => {
            Der::new(v).next().filter(|t| t.tag == tag::NULL)?;
            if e.oid.ends_with(".5") {
                String::new()
            } else {
                "NULL".to_string()
            }
        }
        "1.3.6.1.5.5.7.48.1.2" => hex_upper(Der::new(v).next()?.body),
        o if o.starts_with("2.16.840.1.113730.1.") && oid::lookup(o).is_some() => {
            return Some(Der::new(v).expect(0x16)?.to_vec());
        }
        _ => return None,
    };
    Some(text.into_bytes())
}

const KEY_USAGES: &[&str] = &[
    "Digital Signature",
    "Non Repudiation",
    "Key Encipherment",
    "Data Encipherment",
    "Key Agreement",
    "Certificate Sign",
    "CRL Sign",
    "Encipher Only",
    "Decipher Only",
];

const NETSCAPE_TYPES: &[&str] = &[
    "SSL Client",
    "SSL Server",
    "S/MIME",
    "Object Signing",
    "Unused",
    "SSL CA",
    "S/MIME CA",
    "Object Signing CA",
];

/// Bytes as hexadecimal with colons.
pub fn colons(b: &[u8]) -> String {
    b.iter().map(|x| format!("{x:02X}")).collect::<Vec<_>>().join(":")
}

fn bit_names(v: &[u8], names: &[&str]) -> Option<String> {
    let body = Der::new(v).expect(tag::BIT_STRING)?;
    let set: Vec<&str> = names
        .iter()
        .enumerate()
        .filter(|(i, _)| der::bit(body, *i))
        .map(|(_, n)| *n)
        .collect();
    Some(if set.is_empty() {
        "<EMPTY>\n".to_string()
    } else {
        set.join(", ")
    })
}

/// Applies `f` to every element of a sequence.
fn each<T>(v: &[u8], f: impl Fn(Tlv) -> Option<T>) -> Option<Vec<T>> {
    let mut d = Der::new(v).enter(tag::SEQUENCE)?;
    let mut out = Vec::new();
    while !d.is_empty() {
        out.push(f(d.next()?)?);
    }
    Some(out)
}

/// One GeneralName as `KIND:text`; `None` for a directory name that does not parse.
pub fn general_name(t: &Tlv) -> Option<String> {
    let raw = || String::from_utf8_lossy(t.body).into_owned();
    Some(match t.tag {
        0x81 => format!("email:{}", raw()),
        0x82 => format!("DNS:{}", raw()),
        0x86 => format!("URI:{}", raw()),
        0x87 => format!("IP Address:{}", ip_text(t.body)),
        0x88 => format!("Registered ID:{}", oid::long_name(&der::oid(t.body))),
        0xa0 => other_name(t)?,
        0xa3 => "X400Name:<unsupported>".to_string(),
        0xa4 => {
            let name = Name(t.body);
            name.parts()?;
            format!("DirName:{}", name.oneline())
        }
        0xa5 => "EdiPartyName:<unsupported>".to_string(),
        _ => "<unsupported>".to_string(),
    })
}

/// One GeneralName as extensions with a layout of their own show it.
fn printed_name(t: &Tlv) -> Option<String> {
    if t.tag != 0xa4 {
        return general_name(t);
    }
    let name = Name(t.body);
    name.parts()?;
    Some(format!("DirName:{}", name.spaced()))
}

/// Text as C shows it: up to a zero.
fn until_zero(b: &[u8]) -> String {
    let n = b.iter().position(|b| *b == 0).unwrap_or(b.len());
    String::from_utf8_lossy(&b[..n]).into_owned()
}

fn other_name(t: &Tlv) -> Option<String> {
    let mut d = t.inner();
    let id = der::oid(d.expect(tag::OID)?);
    let value = d.enter(0xa0)?.next()?;
    let text = String::from_utf8_lossy(value.body);
    Some(match id.as_str() {
        "1.3.6.1.4.1.311.20.2.3" => format!("othername: UPN::{text}"),
        "1.3.6.1.5.5.7.8.5" => format!("othername: XmppAddr::{text}"),
        "1.3.6.1.5.5.7.8.7" => format!("othername: SRVName::{text}"),
        "1.3.6.1.5.5.7.8.8" => format!("othername: NAIRealm::{text}"),
        "1.3.6.1.5.5.7.8.9" => format!("othername: SmtpUTF8Mailbox::{text}"),
        other => {
            let shown = if matches!(value.tag, tag::UTF8 | 0x16) {
                &text
            } else {
                "<unsupported>"
            };
            format!("othername: {}::{shown}", oid::short_name(other))
        }
    })
}

fn ip_text(b: &[u8]) -> String {
    if let Ok(v4) = <[u8; 4]>::try_from(b) {
        Ipv4Addr::from(v4).to_string()
    } else if let Ok(v6) = <[u8; 16]>::try_from(b) {
        let groups = Ipv6Addr::from(v6).segments();
        groups.iter().map(|g| format!("{g:X}")).collect::<Vec<_>>().join(":")
    } else {
        "<invalid>".to_string()
    }
}

fn general_names(v: &[u8]) -> Option<String> {
    let names = each(v, |t| general_name(&t))?;
    Some(if names.is_empty() {
        "<EMPTY>\n".to_string()
    } else {
        names.join(", ")
    })
}

fn authority_key(v: &[u8]) -> Option<String> {
    let mut d = Der::new(v).enter(tag::SEQUENCE)?;
    let key = d.expect(0x80);
    let issuer = d.enter(0xa1);
    let serial = d.expect(0x82);
    let mut lines = Vec::new();
    if let Some(k) = key {
        let prefix = if issuer.is_some() || serial.is_some() {
            "keyid:"
        } else {
            ""
        };
        lines.push(format!("{prefix}{}", colons(k)));
    }
    if let Some(mut names) = issuer {
        while let Some(t) = names.next() {
            lines.push(general_name(&t)?);
        }
    }
    if let Some(s) = serial {
        let digits = der::strip_zeros(s);
        lines.push(format!("serial:{}", colons(if digits.is_empty() { s } else { digits })));
    }
    Some(if lines.is_empty() {
        "<EMPTY>\n".to_string()
    } else {
        lines.join("\n")
    })
}

fn access(v: &[u8]) -> Option<String> {
    let lines = each(v, |t| {
        let mut d = t.inner();
        let method = oid::long_name(&der::oid(d.expect(tag::OID)?));
        Some(format!("{method} - {}", general_name(&d.next()?)?))
    })?;
    Some(if lines.is_empty() {
        "<EMPTY>\n".to_string()
    } else {
        lines.join("\n")
    })
}

/// Names under a title, each in a line of its own.
fn titled(title: &str, mut names: Der) -> Option<String> {
    let mut out = format!("{title}:");
    while let Some(n) = names.next() {
        out.push_str("\n  ");
        out.push_str(&printed_name(&n)?);
    }
    Some(out)
}

/// As OpenSSL shows them: lists of names have no end of line, relative names and reasons have one.
fn distribution_points(v: &[u8]) -> Option<String> {
    let points = each(v, |t| {
        let mut d = t.inner();
        let mut out = String::new();
        while let Some(part) = d.next() {
            match part.tag {
                0xa0 => {
                    let name = part.inner().next()?;
                    if name.tag == 0xa0 {
                        out.push_str(&titled("Full Name", name.inner())?);
                    } else {
                        let rdn = cert::relative_name(name.inner())?;
                        out.push_str(&format!("Relative Name:\n  {}\n", cert::spaced(&rdn)));
                    }
                }
                0x81 => {
                    let set: Vec<&str> = REASONS
                        .iter()
                        .enumerate()
                        .filter(|(i, _)| der::bit(part.body, *i))
                        .map(|(_, n)| *n)
                        .collect();
                    out.push_str(&format!("Reasons:\n  {}\n", set.join(", ")));
                }
                0xa2 => out.push_str(&titled("CRL Issuer", part.inner())?),
                _ => {}
            }
        }
        Some(out)
    })?;
    Some(points.join("\n"))
}

const REASONS: &[&str] = &[
    "Unused",
    "Key Compromise",
    "CA Compromise",
    "Affiliation Changed",
    "Superseded",
    "Cessation Of Operation",
    "Certificate Hold",
    "Privilege Withdrawn",
    "AA Compromise",
];

fn policies(v: &[u8]) -> Option<String> {
    let list = each(v, |t| {
        let mut d = t.inner();
        let mut lines = vec![format!("Policy: {}", oid::long_name(&der::oid(d.expect(tag::OID)?)))];
        if let Some(mut qualifiers) = d.enter(tag::SEQUENCE) {
            while !qualifiers.is_empty() {
                let mut q = qualifiers.enter(tag::SEQUENCE)?;
                let id = der::oid(q.expect(tag::OID)?);
                let value = q.next();
                match (id.as_str(), value) {
                    ("1.3.6.1.5.5.7.2.1", Some(v)) => {
                        lines.push(format!("  CPS: {}", until_zero(v.body)));
                    }
                    ("1.3.6.1.5.5.7.2.2", Some(v)) => {
                        lines.push("  User Notice:".to_string());
                        user_notice(v, &mut lines)?;
                    }
                    (other, _) => lines.push(format!("  Unknown Qualifier: {}", oid::long_name(other))),
                }
            }
        }
        Some(lines.join("\n"))
    })?;
    Some(list.join("\n"))
}

fn user_notice(v: Tlv, lines: &mut Vec<String>) -> Option<()> {
    let mut d = v.inner();
    while let Some(part) = d.next() {
        if part.tag == tag::SEQUENCE {
            let mut reference = part.inner();
            let organization = reference.next()?;
            lines.push(format!("    Organization: {}", until_zero(organization.body)));
            let mut numbers = reference.enter(tag::SEQUENCE)?;
            let mut shown = Vec::new();
            while let Some(n) = numbers.expect(tag::INTEGER) {
                shown.push(der::int_decimal(n));
            }
            let label = if shown.len() > 1 { "Numbers" } else { "Number" };
            lines.push(format!("    {label}: {}", shown.join(", ")));
        } else {
            // All string types are shown byte by byte: of a BMPString nothing is left.
            lines.push(format!("    Explicit Text: {}", until_zero(part.body)));
        }
    }
    Some(())
}

fn policy_mappings(v: &[u8]) -> Option<String> {
    let maps = each(v, |t| {
        let mut d = t.inner();
        let a = oid::long_name(&der::oid(d.expect(tag::OID)?));
        Some(format!("{a}:{}", oid::long_name(&der::oid(d.expect(tag::OID)?))))
    })?;
    Some(maps.join(", "))
}

fn policy_constraints(v: &[u8]) -> Option<String> {
    let mut d = Der::new(v).enter(tag::SEQUENCE)?;
    let mut out = Vec::new();
    while let Some(t) = d.next() {
        let label = match t.tag {
            0x80 => "Require Explicit Policy",
            0x81 => "Inhibit Policy Mapping",
            _ => return None,
        };
        out.push(format!("{label}:{}", der::int_decimal(t.body)));
    }
    Some(out.join(", "))
}

fn name_constraints(v: &[u8]) -> Option<String> {
    let mut d = Der::new(v).enter(tag::SEQUENCE)?;
    let mut lines = Vec::new();
    while let Some(t) = d.next() {
        lines.push(if t.tag == 0xa0 { "Permitted:" } else { "Excluded:" }.to_string());
        let mut trees = t.inner();
        while let Some(mut tree) = trees.enter(tag::SEQUENCE) {
            let name = tree.next()?;
            let text = match (name.tag, name.body.len()) {
                (0x87, 8) => {
                    let part = |b: &[u8]| b.iter().map(u8::to_string).collect::<Vec<_>>().join(".");
                    format!("IP:{}/{}", part(&name.body[..4]), part(&name.body[4..]))
                }
                (0x87, 32) => {
                    format!("IP:{}/{}", ip_text(&name.body[..16]), ip_text(&name.body[16..]))
                }
                _ => printed_name(&name)?,
            };
            lines.push(format!("  {text}"));
        }
    }
    Some(lines.join("\n"))
}

fn usage_period(v: &[u8]) -> Option<String> {
    let mut d = Der::new(v).enter(tag::SEQUENCE)?;
    let mut out = Vec::new();
    while let Some(t) = d.next() {
        let label = if t.tag == 0x80 { "Not Before" } else { "Not After" };
        let when = der::time(&Tlv {
            tag: tag::GENERALIZED_TIME,
            ..t
        })?;
        out.push(format!("{label}: {}", date_text((when * 1000.0) as u64, false)));
    }
    Some(out.join(", "))
}

fn proxy(v: &[u8]) -> Option<String> {
    let mut d = Der::new(v).enter(tag::SEQUENCE)?;
    let len = d
        .expect(tag::INTEGER)
        .map_or_else(|| "infinite".to_string(), der::int_hex);
    let mut policy = d.enter(tag::SEQUENCE)?;
    let language = oid::long_name(&der::oid(policy.expect(tag::OID)?));
    let mut out = format!("Path Length Constraint: {len}\nPolicy Language: {language}");
    if let Some(text) = policy.expect(tag::OCTET_STRING) {
        out.push_str(&format!("\nPolicy Text: {}", String::from_utf8_lossy(text)));
    }
    Some(out)
}

fn sct_text(s: &sct::Sct) -> String {
    let block = |b: &[u8]| {
        let lines: Vec<String> = b.chunks(16).map(colons).collect();
        lines.join(":\n                ")
    };
    let version = if s.version == 0 {
        "v1 (0x0)".to_string()
    } else {
        format!("unknown (0x{:x})", s.version)
    };
    let extensions = if s.extensions.is_empty() {
        "none".to_string()
    } else {
        block(s.extensions)
    };
    let algorithm = match (s.hash_algorithm, s.signature_algorithm) {
        (4, 3) => "ecdsa-with-SHA256".to_string(),
        (4, 1) => "sha256WithRSAEncryption".to_string(),
        (h, a) => format!("unknown (0x{h:02X}{a:02X})"),
    };
    format!(
        "Signed Certificate Timestamp:\n    Version   : {version}\n    Log ID    : {}\n    Timestamp : {}\n    \
         Extensions: {extensions}\n    Signature : {algorithm}\n                {}",
        block(s.log_id),
        date_text(s.timestamp, true),
        block(s.signature)
    )
}

/// `Sep 26 22:00:30.876 2016 GMT`.
fn date_text(ms: u64, with_ms: bool) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let secs = (ms / 1000) as i64;
    let (y, m, d) = der::civil_from_days(secs.div_euclid(86400));
    let day = secs.rem_euclid(86400);
    let fraction = if with_ms {
        format!(".{:03}", ms % 1000)
    } else {
        String::new()
    };
    let month = MONTHS[(m - 1).clamp(0, 11) as usize];
    format!(
        "{month} {d:2} {:02}:{:02}:{:02}{fraction} {y} GMT",
        day / 3600,
        day / 60 % 60,
        day % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        [&[tag, body.len() as u8], &body[..]].concat()
    }

    fn attribute(last: u8, kind: u8, value: &[u8]) -> Vec<u8> {
        let oid = tlv(tag::OID, &[&[0x55, 4, last]]);
        tlv(tag::SEQUENCE, &[&oid, &tlv(kind, &[value])])
    }

    #[test]
    fn names_of_revocation_lists_are_shown_with_spaces() {
        let country = tlv(tag::SET, &[&attribute(6, 0x13, b"US")]);
        let organization = tlv(tag::SET, &[&attribute(10, tag::UTF8, "A, \u{e9}".as_bytes())]);
        let directory = tlv(0xa4, &[&tlv(tag::SEQUENCE, &[&country, &organization])]);
        let full = tlv(tag::SEQUENCE, &[&tlv(0xa0, &[&tlv(0xa0, &[&directory])])]);
        let parts = [attribute(10, tag::UTF8, b"A"), attribute(3, tag::UTF8, b"B")].concat();
        let relative = tlv(tag::SEQUENCE, &[&tlv(0xa0, &[&tlv(0xa1, &[&parts])])]);
        let reasons = tlv(tag::SEQUENCE, &[&tlv(0x81, &[&[6, 0x40]]), &tlv(0xa2, &[&directory])]);
        let name = "DirName:C = US, O = \"A, \\C3\\A9\"";
        let shown = format!(
            "Full Name:\n  {name}\nRelative Name:\n  O = A + CN = B\n\nReasons:\n  Key Compromise\nCRL Issuer:\n  {name}"
        );
        let points = tlv(tag::SEQUENCE, &[&full, &relative, &reasons]);
        assert_eq!(distribution_points(&points), Some(shown));
        // Alternative names have the older form.
        let names = general_names(&tlv(tag::SEQUENCE, &[&directory]));
        assert_eq!(names.as_deref(), Some("DirName:/C=US/O=A, \\xC3\\xA9"));
    }

    #[test]
    fn names_of_unknown_kinds_are_shown_when_they_are_text() {
        let other = |kind| {
            tlv(
                0xa0,
                &[&tlv(tag::OID, &[&[0x2a, 3]]), &tlv(0xa0, &[&tlv(kind, &[b"x"])])],
            )
        };
        let shown = |kind| general_names(&tlv(tag::SEQUENCE, &[&other(kind)])).unwrap_or_default();
        assert_eq!(shown(tag::UTF8), "othername: 1.2.3::x");
        assert_eq!(shown(tag::OCTET_STRING), "othername: 1.2.3::<unsupported>");
    }
}
