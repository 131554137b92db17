//! Addresses and subnets from text, as lax as the reference reads them.

use std::net::{IpAddr, Ipv6Addr};

use tapir_data::value::{Addr, Subnet};

/// An address; leading blanks and leading zeros of IPv4 parts are accepted, a NUL ends the text.
pub fn parse_addr(s: &[u8]) -> Option<Addr> {
    let s = s.split(|&b| b == 0).next().unwrap_or(s);
    let text = std::str::from_utf8(s).ok()?;
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(|a| Addr::from(IpAddr::V6(a)));
    }
    let mut bytes = [0u8; 4];
    let mut parts = text.split('.');
    for b in &mut bytes {
        *b = v4_part(parts.next()?.as_bytes())?;
    }
    parts.next().is_none().then(|| Addr::v4(bytes))
}

/// One part of an IPv4 address as C's `%d` reads it: blanks and a sign may stand before the digits.
fn v4_part(part: &[u8]) -> Option<u8> {
    let blanks = part.iter().take_while(|b| crate::convert::is_space(**b)).count();
    let part = &part[blanks..];
    let (negative, digits) = match part.first()? {
        b'-' => (true, &part[1..]),
        b'+' => (false, &part[1..]),
        _ => (false, part),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n = digits
        .iter()
        .fold(0u32, |n, b| n.saturating_mul(10).saturating_add((b - b'0') as u32));
    if negative && n != 0 { None } else { u8::try_from(n).ok() }
}

/// A subnet `ADDR/WIDTH`. The width is read as C's `atoi` does, so trailing text is ignored and nothing is zero.
pub fn parse_subnet(s: &[u8]) -> Option<Subnet> {
    let s = s.split(|&b| b == 0).next().unwrap_or(s);
    let slash = s.iter().position(|&b| b == b'/')?;
    let addr = parse_addr(&s[..slash])?;
    let rest = &s[slash + 1..];
    let skip = rest.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(rest.len());
    let rest = &rest[skip..];
    let (negative, rest) = match rest.first() {
        Some(b'-') => (true, &rest[1..]),
        Some(b'+') => (false, &rest[1..]),
        _ => (false, rest),
    };
    let mut width = 0u32;
    for b in rest.iter().take_while(|b| b.is_ascii_digit()) {
        width = width.saturating_mul(10).saturating_add((b - b'0') as u32);
    }
    if negative && width != 0 {
        return None;
    }
    // A text with a colon counts on 128 bits even if it spells an IPv4 address.
    let v4 = !s[..slash].contains(&b':');
    let max = if v4 { 32 } else { 128 };
    if width > max {
        return None;
    }
    Some(Subnet::new128(addr, (if v4 { width + 96 } else { width }) as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lax_forms() {
        assert!(parse_addr(b" 1.2.3.4").is_some());
        assert!(parse_addr(b"1.2.3.4 ").is_none());
        assert!(parse_addr(b"1. 2.+3.-0").is_some());
        assert!(parse_addr(b"1.2 .3.4").is_none());
        assert!(parse_addr(b"1.-2.3.4").is_none());
        assert!(parse_addr(b"1.2.3.4\x005").is_some());
        assert_eq!(parse_addr(b"010.001.002.003").unwrap().to_string(), "10.1.2.3");
        assert!(parse_addr(b"256.1.1.1").is_none());
        assert_eq!(parse_subnet(b"10.0.0.0/").unwrap().shown_width(), 0);
        assert_eq!(parse_subnet(b"10.0.0.0/8x").unwrap().shown_width(), 8);
        assert!(parse_subnet(b"10.0.0.0/33").is_none());
    }
}
