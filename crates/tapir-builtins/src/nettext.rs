//! Text helpers of protocols that need no connection: FTP ports (RFC 959, 2428), NetBIOS names (RFC 1001),
//! Community ID flow hashes.

use sha1::Sha1;
use sha2::digest::Digest;
use tapir_data::value::{Addr, Port, Proto, Value};
use tapir_vm::CallCtx;

use crate::netparse::parse_addr;
use crate::util::*;

pub const FAMILY: Family = &[
    ("parse_ftp_port", |ctx, a| {
        let parsed = ftp_port(a.str(0)?);
        Ok(ftp_record(ctx, parsed, Addr::v4([0; 4])))
    }),
    ("parse_eftp_port", |ctx, a| {
        let (h, p) = eftp_port(a.str(0)?);
        Ok(eftp_record(ctx, h, p))
    }),
    ("parse_ftp_pasv", parse_ftp_pasv),
    ("parse_ftp_epsv", parse_ftp_epsv),
    ("fmt_ftp_port", fmt_ftp_port),
    ("decode_netbios_name", |_, a| Ok(string(netbios_name(a.str(0)?)))),
    ("decode_netbios_name_type", decode_netbios_name_type),
    ("community_id_v1", community_id_v1),
];

/// `a,b,c,d,p,q` as C reads numbers: blanks before each are skipped, what follows the sixth is ignored.
fn ftp_port(s: &[u8]) -> Option<([u8; 4], u16)> {
    let mut parts = [0u8; 6];
    let mut i = 0;
    for (n, part) in parts.iter_mut().enumerate() {
        while s.get(i).is_some_and(|b| b.is_ascii_whitespace()) {
            i += 1;
        }
        let start = i;
        let mut value = 0u32;
        while let Some(d) = s.get(i).filter(|b| b.is_ascii_digit()) {
            value = value.saturating_mul(10).saturating_add((d - b'0') as u32);
            i += 1;
        }
        *part = u8::try_from(value).ok().filter(|_| i > start)?;
        if n < 5 {
            if s.get(i) != Some(&b',') {
                return None;
            }
            i += 1;
        }
    }
    let [a, b, c, d, p, q] = parts;
    Some(([a, b, c, d], u16::from_be_bytes([p, q])))
}

fn ftp_record(ctx: &CallCtx<'_>, parsed: Option<([u8; 4], u16)>, none: Addr) -> Value {
    let (h, num) = parsed.map_or((none, 0), |(h, p)| (Addr::v4(h), p));
    let p = Port { proto: Proto::Tcp, num };
    let fields = [
        ("h", Value::Addr(h)),
        ("p", Value::Port(p)),
        ("valid", Value::Bool(parsed.is_some())),
    ];
    record(ctx.types(), ctx.result_type, &fields)
}

/// `|FAMILY|ADDRESS|PORT|` with any delimiter: the address if there is one, the port if it is valid.
fn eftp_port(s: &[u8]) -> (Addr, Option<u16>) {
    let none = Addr([0; 16]);
    let Some(&delimiter) = s.first() else {
        return (none, None);
    };
    let parts: Vec<&[u8]> = s[1..].split(|&b| b == delimiter).collect();
    if parts.len() < 3 || delimiter.is_ascii_digit() {
        return (none, None);
    }
    let h = parse_addr(parts[1]).unwrap_or(none);
    let digits: Vec<u8> = parts[2].iter().copied().take_while(u8::is_ascii_digit).collect();
    let p = std::str::from_utf8(&digits).ok().and_then(|t| t.parse::<u16>().ok());
    (h, p)
}

fn eftp_record(ctx: &CallCtx<'_>, h: Addr, p: Option<u16>) -> Value {
    let port = Port {
        proto: Proto::Tcp,
        num: p.unwrap_or(0),
    };
    let fields = [
        ("h", Value::Addr(h)),
        ("p", Value::Port(port)),
        ("valid", Value::Bool(p.is_some())),
    ];
    record(ctx.types(), ctx.result_type, &fields)
}

fn parse_ftp_pasv(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let s = a.str(0)?;
    let list = if let Some(p) = s.iter().position(|&b| b == b'(') {
        &s[p + 1..]
    } else if let Some(p) = memchr::memmem::find(s, b"PORT ") {
        &s[p + 5..]
    } else {
        // The number that ends at the first comma begins the list.
        let comma = s.iter().position(|&b| b == b',').unwrap_or(0);
        let start = s[..comma]
            .iter()
            .rposition(|b| !b.is_ascii_digit())
            .map_or(0, |p| p + 1);
        &s[start..]
    };
    let parsed = ftp_port(list);
    Ok(ftp_record(ctx, parsed, Addr::v4([0; 4])))
}

fn parse_ftp_epsv(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let s = a.str(0)?;
    let (h, p) = match s.iter().position(|&b| b == b'(') {
        Some(at) => eftp_port(&s[at + 1..]),
        None => (Addr([0; 16]), None),
    };
    Ok(eftp_record(ctx, h, p))
}

fn fmt_ftp_port(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let port = a.port(1)?.num.to_be_bytes();
    match a.addr(0)?.as_v4() {
        Some([p, q, r, s]) => Ok(string(format!("{p},{q},{r},{s},{},{}", port[0], port[1]))),
        None => {
            ctx.error("conversion of non-IPv4 address in fmt_ftp_port");
            Ok(string(""))
        }
    }
}

/// The sixteen bytes behind 32 letters from A to P, of either case.
fn netbios_bytes(s: &[u8]) -> Option<[u8; 16]> {
    let s: &[u8; 32] = s.try_into().ok()?;
    let nibble = |b: u8| b.to_ascii_uppercase().checked_sub(b'A').filter(|n| *n < 16);
    let mut out = [0; 16];
    for (b, pair) in out.iter_mut().zip(s.as_chunks::<2>().0) {
        *b = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(out)
}

fn netbios_name(s: &[u8]) -> Vec<u8> {
    let Some(bytes) = netbios_bytes(s) else {
        return Vec::new();
    };
    let name = &bytes[..15];
    let end = name.iter().rposition(|&b| b != b' ' && b != 0).map_or(0, |e| e + 1);
    name[..end].to_vec()
}

fn decode_netbios_name_type(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    Ok(Value::Count(netbios_bytes(a.str(0)?).map_or(256, |b| b[15] as u64)))
}

/// For ICMP: the type that answers a type, where there is one.
fn icmp_answer(v6: bool, kind: u16) -> Option<u16> {
    let pairs: &[(u16, u16)] = if v6 {
        &[(128, 129), (133, 134), (135, 136), (130, 131), (144, 145)]
    } else {
        &[(8, 0), (13, 14), (15, 16), (17, 18), (10, 9)]
    };
    pairs.iter().find_map(|&(a, b)| {
        if a == kind {
            Some(b)
        } else if b == kind {
            Some(a)
        } else {
            None
        }
    })
}

fn community_id_v1(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let id = a.any(0)?.clone();
    let (seed, as_base64) = (a.count(1)?, a.bool(2)?);
    let (oh, op) = (field(ctx, &id, "orig_h")?, field(ctx, &id, "orig_p")?);
    let (rh, rp) = (field(ctx, &id, "resp_h")?, field(ctx, &id, "resp_p")?);
    let (Value::Addr(oh), Value::Port(op), Value::Addr(rh), Value::Port(rp)) = (oh, op, rh, rp) else {
        ctx.error("community_id_v1: incomplete connection id");
        return Ok(string(""));
    };
    let proto = match field(ctx, &id, "proto")? {
        Value::Count(n) if n < 256 => n as u8,
        _ => match op.proto {
            Proto::Tcp => 6,
            Proto::Udp => 17,
            Proto::Icmp if oh.is_v4() => 1,
            Proto::Icmp => 58,
            Proto::Unknown => 255,
        },
    };
    let (mut src, mut dst) = (op.num, rp.num);
    let mut one_way = false;
    if op.proto == Proto::Icmp {
        match icmp_answer(!oh.is_v4(), src) {
            Some(answer) => dst = answer,
            None => one_way = true,
        }
    }
    let bytes = |a: &Addr| match a.as_v4() {
        Some(b) => b.to_vec(),
        None => a.0.to_vec(),
    };
    let (mut from, mut to) = (bytes(&oh), bytes(&rh));
    if !one_way && (&from, src) > (&to, dst) {
        std::mem::swap(&mut from, &mut to);
        std::mem::swap(&mut src, &mut dst);
    }
    let mut d = Sha1::new();
    d.update((seed as u16).to_be_bytes());
    d.update(from);
    d.update(to);
    d.update([proto, 0]);
    let has_ports = matches!(op.proto, Proto::Tcp | Proto::Udp | Proto::Icmp) || proto == 132;
    if has_ports {
        d.update(src.to_be_bytes());
        d.update(dst.to_be_bytes());
    }
    let hash = d.finalize();
    let text = if as_base64 {
        crate::base64::encode_standard(&hash)
    } else {
        crate::convert::hex(&hash)
    };
    Ok(string([b"1:", &text[..]].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ftp_forms() {
        assert_eq!(ftp_port(b" 1, 2,3,4,5,6 trailing"), Some(([1, 2, 3, 4], 1286)));
        assert_eq!(ftp_port(b"1,2,3,4,5,256"), None);
        assert_eq!(eftp_port(b"|||6446|").1, Some(6446));
        assert_eq!(eftp_port(b"1,2,3").1, None);
    }

    #[test]
    fn names() {
        assert_eq!(netbios_name(b"FHEPFCELFDFEEBFEEJEPEOCACACACAAA"), b"WORKSTATION");
        assert_eq!(netbios_name(b"FEEI"), b"");
    }
}
