//! Conversions between numbers, strings, addresses, subnets, ports and byte strings.

use tapir_data::value::{Addr, Port, Proto, Subnet, Value};
use tapir_vm::CallCtx;

use crate::netparse::{parse_addr, parse_subnet};
use crate::util::*;

pub const FAMILY: Family = &[
    ("to_int", to_int),
    ("to_count", to_count),
    ("to_double", to_double),
    ("int_to_count", int_to_count),
    ("double_to_int", |_, a| {
        Ok(Value::Int(a.double(0)?.round_ties_even_int()))
    }),
    ("double_to_count", double_to_count),
    ("count_to_double", |_, a| Ok(Value::Double(a.double(0)?))),
    ("int_to_double", |_, a| Ok(Value::Double(a.double(0)?))),
    ("interval_to_double", |_, a| Ok(Value::Double(a.double(0)?))),
    ("time_to_double", |_, a| Ok(Value::Double(a.double(0)?))),
    ("double_to_time", |_, a| Ok(Value::Time(a.double(0)?))),
    ("double_to_interval", |_, a| Ok(Value::Interval(a.double(0)?))),
    ("enum_to_int", enum_to_int),
    ("port_to_count", |_, a| Ok(Value::Count(a.port(0)?.num as u64))),
    ("count_to_port", count_to_port),
    ("to_port", to_port),
    ("to_addr", to_addr),
    ("to_subnet", to_subnet),
    ("is_valid_ip", |_, a| Ok(Value::Bool(parse_addr(a.str(0)?).is_some()))),
    ("is_valid_subnet", |_, a| {
        Ok(Value::Bool(parse_subnet(a.str(0)?).is_some()))
    }),
    ("addr_to_subnet", |_, a| {
        Ok(Value::Subnet(Subnet::new128(a.addr(0)?, 128)))
    }),
    ("subnet_to_addr", |_, a| Ok(Value::Addr(a.subnet(0)?.addr))),
    ("subnet_width", |_, a| {
        Ok(Value::Count(a.subnet(0)?.shown_width() as u64))
    }),
    ("count_to_v4_addr", count_to_v4_addr),
    ("raw_bytes_to_v4_addr", raw_bytes_to_v4_addr),
    ("raw_bytes_to_v6_addr", raw_bytes_to_v6_addr),
    ("addr_to_counts", addr_to_counts),
    ("counts_to_addr", counts_to_addr),
    ("routing0_data_to_addrs", routing0_data_to_addrs),
    ("bytestring_to_double", bytestring_to_double),
    ("bytestring_to_float", bytestring_to_float),
    ("bytestring_to_count", bytestring_to_count),
    ("bytestring_to_hexstr", to_hex),
    ("string_to_ascii_hex", to_hex),
    ("hexstr_to_bytestring", hexstr_to_bytestring),
    ("ptr_name_to_addr", ptr_name_to_addr),
    ("addr_to_ptr_name", addr_to_ptr_name),
    ("uuid_to_string", uuid_to_string),
    ("mask_addr", mask_addr),
    ("remask_addr", remask_addr),
    ("is_v4_addr", |_, a| Ok(Value::Bool(a.addr(0)?.is_v4()))),
    ("is_v6_addr", |_, a| Ok(Value::Bool(!a.addr(0)?.is_v4()))),
    ("is_v4_subnet", |_, a| Ok(Value::Bool(a.subnet(0)?.addr.is_v4()))),
    ("is_v6_subnet", |_, a| Ok(Value::Bool(!a.subnet(0)?.addr.is_v4()))),
    ("is_tcp_port", |_, a| Ok(Value::Bool(a.port(0)?.proto == Proto::Tcp))),
    ("is_udp_port", |_, a| Ok(Value::Bool(a.port(0)?.proto == Proto::Udp))),
    ("is_icmp_port", |_, a| Ok(Value::Bool(a.port(0)?.proto == Proto::Icmp))),
    ("get_port_transport_proto", |ctx, a| {
        Ok(Value::Enum(ctx.result_type, a.port(0)?.proto as i64))
    }),
    ("file_mode", file_mode),
];

trait Nearest {
    fn round_ties_even_int(self) -> i64;
}

impl Nearest for f64 {
    /// The nearest integer, ties to even; beyond the range the smallest integer, as the conversion of C gives.
    fn round_ties_even_int(self) -> i64 {
        const TWO_63: f64 = (1u64 << 63) as f64;
        let r = self.round_ties_even();
        if (-TWO_63..TWO_63).contains(&r) {
            r as i64
        } else {
            i64::MIN
        }
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(s: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    s.iter()
        .flat_map(|b| [DIGITS[(b >> 4) as usize], DIGITS[(b & 15) as usize]])
        .collect()
}

fn to_hex(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    room(a.str(0)?.len().saturating_mul(2))?;
    Ok(string(hex(a.str(0)?)))
}

/// White space as C's `isspace` sees it.
pub fn is_space(b: u8) -> bool {
    matches!(b, b' ' | 9..=13)
}

/// What `strtoll` and `strtoull` read: sign, magnitude, whether it overflowed 64 bits. `None` for text that is no
/// number; blanks around are allowed, and only blanks is zero.
pub fn parse_integer(s: &[u8], base: u64) -> Option<(bool, u64, bool)> {
    if s.is_empty() || !(base == 0 || (2..=36).contains(&base)) {
        return None;
    }
    let mut i = 0;
    while i < s.len() && is_space(s[i]) {
        i += 1;
    }
    if i == s.len() {
        return Some((false, 0, false));
    }
    let mut negative = false;
    if s[i] == b'-' || s[i] == b'+' {
        negative = s[i] == b'-';
        i += 1;
    }
    let mut base = base as u32;
    let digit = |b: u8, base: u32| (b as char).to_digit(base);
    let prefixed = s.len() > i + 2 && s[i] == b'0' && (s[i + 1] | 32) == b'x' && digit(s[i + 2], 16).is_some();
    if (base == 0 || base == 16) && prefixed {
        base = 16;
        i += 2;
    } else if base == 0 {
        base = if s.get(i) == Some(&b'0') { 8 } else { 10 };
    }
    let start = i;
    let (mut n, mut over) = (0u64, false);
    while let Some(d) = s.get(i).and_then(|&b| digit(b, base)) {
        match n.checked_mul(base as u64).and_then(|n| n.checked_add(d as u64)) {
            Some(m) => n = m,
            None => over = true,
        }
        i += 1;
    }
    if i == start || !s[i..].iter().all(|&b| is_space(b)) {
        return None;
    }
    Some((negative, if over { u64::MAX } else { n }, over))
}

fn to_int(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (s, base) = (a.str(0)?.clone(), a.count(1)?);
    let s = c_string(ctx, &s);
    Ok(Value::Int(match parse_integer(&s, base) {
        Some((false, n, _)) => n.min(i64::MAX as u64) as i64,
        Some((true, n, _)) => 0i64.checked_sub_unsigned(n).unwrap_or(i64::MIN),
        None => {
            ctx.error(format!("bad conversion to integer ({})", lossy(&s)));
            0
        }
    }))
}

fn to_count(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (s, base) = (a.str(0)?.clone(), a.count(1)?);
    let s = c_string(ctx, &s);
    Ok(Value::Count(match parse_integer(&s, base) {
        Some((_, n, true)) => n,
        Some((false, n, _)) => n,
        Some((true, n, _)) => n.wrapping_neg(),
        None => {
            ctx.error(format!("bad conversion to count ({})", lossy(&s)));
            0
        }
    }))
}

/// What `strtod` reads when the number must reach to the end of the text; blanks are allowed before it.
pub fn parse_double(s: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(s).ok()?;
    let t = text.trim_start_matches(|c: char| c.is_ascii() && is_space(c as u8));
    let (negative, t) = match t.as_bytes().first()? {
        b'-' => (true, &t[1..]),
        b'+' => (false, &t[1..]),
        _ => (false, t),
    };
    let lower = t.to_ascii_lowercase();
    let d = if lower == "inf" || lower == "infinity" {
        f64::INFINITY
    } else if lower == "nan" || lower.strip_prefix("nan(").is_some_and(nan_payload) {
        f64::NAN
    } else if let Some(h) = lower.strip_prefix("0x") {
        hex_double(h)?
    } else {
        // Rust reads the same decimal forms, but also words, which were dealt with above.
        if !t.as_bytes().first().is_some_and(|b| b.is_ascii_digit() || *b == b'.') {
            return None;
        }
        t.parse().ok()?
    };
    Some(if negative { -d } else { d })
}

/// What may stand behind the opening parenthesis of `nan(…)`.
fn nan_payload(rest: &str) -> bool {
    rest.strip_suffix(')')
        .is_some_and(|p| p.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}

fn hex_double(h: &str) -> Option<f64> {
    let (mantissa, exp) = match h.split_once('p') {
        // Rust reads a sign as C does, one at most.
        Some((m, e)) => (m, e.parse::<i32>().ok()?),
        None => (h, 0),
    };
    let (whole, frac) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && frac.is_empty() {
        return None;
    }
    let mut d = 0.0f64;
    for c in whole.chars() {
        d = d * 16.0 + c.to_digit(16)? as f64;
    }
    let mut scale = 1.0 / 16.0;
    for c in frac.chars() {
        d += c.to_digit(16)? as f64 * scale;
        scale /= 16.0;
    }
    Some(d * 2f64.powi(exp))
}

fn to_double(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let s = a.str(0)?.clone();
    let s = c_string(ctx, &s);
    Ok(Value::Double(match parse_double(&s) {
        Some(d) => d,
        None => {
            ctx.error(format!("bad conversion to double ({})", lossy(&s)));
            0.0
        }
    }))
}

fn int_to_count(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let n = a.int(0)?;
    if n < 0 {
        ctx.error(format!("bad conversion to count ({n})"));
        return Ok(Value::Count(0));
    }
    Ok(Value::Count(n as u64))
}

fn double_to_count(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let d = a.double(0)?;
    if d < 0.0 {
        ctx.error(format!(
            "bad conversion to count ({})",
            tapir_data::number::double_text(d)
        ));
        return Ok(Value::Count(0));
    }
    Ok(Value::Count(d.round_ties_even() as u64))
}

fn enum_to_int(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    if let Value::Enum(_, n) = a.any(0)? {
        return Ok(Value::Int(*n));
    }
    ctx.error("enum_to_int() requires enum value");
    Ok(Value::Int(-1))
}

fn proto_of(n: i64) -> Proto {
    match n {
        1 => Proto::Tcp,
        2 => Proto::Udp,
        3 => Proto::Icmp,
        _ => Proto::Unknown,
    }
}

fn count_to_port(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let n = a.count(0)?;
    let proto = match a.any(1)? {
        Value::Enum(_, p) => proto_of(*p),
        _ => Proto::Unknown,
    };
    if n > 65535 {
        ctx.warning(format!("bad port number {n}"));
        return Ok(Value::Port(Port { proto, num: 0 }));
    }
    Ok(Value::Port(Port { proto, num: n as u16 }))
}

fn to_port(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let s = a.str(0)?.clone();
    let bad = Value::Port(Port {
        proto: Proto::Unknown,
        num: 0,
    });
    match port_from_text(&s, false) {
        Some((proto, n)) => match u16::try_from(n) {
            Ok(num) => Ok(Value::Port(Port { proto, num })),
            Err(_) => {
                ctx.warning(format!("bad port number {n}"));
                Ok(Value::Port(Port { proto, num: 0 }))
            }
        },
        None => {
            ctx.error("wrong port format, must be string of form /[0-9]{1,5}\\/(tcp|udp|icmp|unknown)/");
            Ok(bad)
        }
    }
}

/// A port's text as the reference reads it: up to nine bytes, a number as C's `strtol` takes it (blanks, a sign,
/// nothing at all), any one byte, and the protocol, of which `unknown` is one only
/// where the caller says so.
pub fn port_from_text(s: &[u8], unknown: bool) -> Option<(Proto, i64)> {
    if s.len() >= 10 {
        return None;
    }
    let blanks = s.iter().take_while(|b| is_space(**b)).count();
    let rest = &s[blanks..];
    let (sign, signed) = match rest.first() {
        Some(b'-') => (-1, &rest[1..]),
        Some(b'+') => (1, &rest[1..]),
        _ => (1, rest),
    };
    let digits = signed.iter().take_while(|b| b.is_ascii_digit()).count();
    // Without a digit nothing was read, not even the blanks.
    let (n, behind) = match digits {
        0 => (0, s),
        _ => (
            signed[..digits].iter().fold(0i64, |n, b| n * 10 + (b - b'0') as i64),
            &signed[digits..],
        ),
    };
    let proto = match behind.get(1..)? {
        b"tcp" => Proto::Tcp,
        b"udp" => Proto::Udp,
        b"icmp" => Proto::Icmp,
        b"unknown" if unknown => Proto::Unknown,
        _ => return None,
    };
    Some((proto, sign * n))
}

fn to_addr(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let s = a.str(0)?.clone();
    let s = c_string(ctx, &s);
    Ok(Value::Addr(match parse_addr(&s) {
        Some(addr) => addr,
        None => {
            ctx.error(format!("failed converting string to IP address ({})", lossy(&s)));
            Addr([0; 16])
        }
    }))
}

fn to_subnet(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let s = a.str(0)?.clone();
    let s = c_string(ctx, &s);
    Ok(Value::Subnet(match parse_subnet(&s) {
        Some(n) => n,
        None => {
            ctx.error(format!("failed converting string to IP prefix ({})", lossy(&s)));
            Subnet::new128(Addr([0; 16]), 0)
        }
    }))
}

fn count_to_v4_addr(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let n = a.count(0)?;
    if n > u32::MAX as u64 {
        ctx.error("conversion of non-IPv4 count to addr");
        return Ok(Value::Addr(Addr::v4([0; 4])));
    }
    Ok(Value::Addr(Addr::v4((n as u32).to_be_bytes())))
}

fn raw_bytes_to_v4_addr(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    match a.str(0)?.first_chunk::<4>() {
        Some(b) => Ok(Value::Addr(Addr::v4(*b))),
        None => {
            ctx.error("too short a string as input to raw_bytes_to_v4_addr()");
            Ok(Value::Addr(Addr::v4([0; 4])))
        }
    }
}

fn raw_bytes_to_v6_addr(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    match a.str(0)?.first_chunk::<16>() {
        Some(b) => Ok(Value::Addr(Addr(*b))),
        None => {
            ctx.error("too short a string as input to raw_bytes_to_v6_addr()");
            Ok(Value::Addr(Addr([0; 16])))
        }
    }
}

fn addr_to_counts(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let addr = a.addr(0)?;
    let words: Vec<Value> = addr
        .0
        .chunks_exact(4)
        .map(|w| Value::Count(u32::from_be_bytes([w[0], w[1], w[2], w[3]]) as u64))
        .collect();
    let words = if addr.is_v4() { vec![words[3].clone()] } else { words };
    Ok(vector(ctx, words))
}

fn counts_to_addr(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let words = a.vector(0)?.to_vec();
    let word = |v: &Value| match v {
        Value::Count(n) => (*n as u32).to_be_bytes(),
        Value::Int(n) => (*n as u32).to_be_bytes(),
        _ => [0; 4],
    };
    Ok(Value::Addr(match &words[..] {
        [one] => Addr::v4(word(one)),
        [_, _, _, _] => {
            let mut b = [0; 16];
            for (i, w) in words.iter().enumerate() {
                b[i * 4..i * 4 + 4].copy_from_slice(&word(w));
            }
            Addr(b)
        }
        _ => {
            ctx.error("invalid vector size");
            Addr([0; 16])
        }
    }))
}

fn routing0_data_to_addrs(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let s = a.str(0)?.clone();
    let body = s.get(4..).unwrap_or(&[]);
    if body.len() % 16 != 0 {
        ctx.warning(format!("Bad ip6_routing data length: {}", s.len()));
    }
    let addrs = body.as_chunks::<16>().0.iter();
    Ok(vector(ctx, addrs.map(|b| Value::Addr(Addr(*b))).collect()))
}

fn bytestring_to_double(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    match <[u8; 8]>::try_from(&a.str(0)?[..]) {
        Ok(b) => Ok(Value::Double(f64::from_be_bytes(b))),
        Err(_) => {
            ctx.error("bytes conversion to double");
            Ok(Value::Double(0.0))
        }
    }
}

fn bytestring_to_float(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    match <[u8; 4]>::try_from(&a.str(0)?[..]) {
        Ok(b) => Ok(Value::Double(f32::from_be_bytes(b) as f64)),
        Err(_) => {
            ctx.error("bytes conversion to float");
            Ok(Value::Double(0.0))
        }
    }
}

fn bytestring_to_count(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (s, little) = (a.str(0)?.clone(), a.bool(1)?);
    if s.len() > 8 {
        ctx.error("byte string of length greater than 8 to count");
        return Ok(Value::Count(0));
    }
    let fold = |n: u64, b: &u8| n << 8 | *b as u64;
    Ok(Value::Count(if little {
        s.iter().rev().fold(0, fold)
    } else {
        s.iter().fold(0, fold)
    }))
}

fn hexstr_to_bytestring(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let s = a.str(0)?.clone();
    let s = c_string(ctx, &s);
    if !s.len().is_multiple_of(2) {
        plain_error(ctx, "Hex string invalid length. Not divisible by 2");
        return Ok(string(""));
    }
    let mut out = Vec::with_capacity(s.len() / 2);
    for pair in s.as_chunks::<2>().0 {
        match hex_pair(pair) {
            Some(b) => out.push(b),
            None => {
                plain_error(ctx, "Failed to convert hex string to byte string");
                return Ok(string(""));
            }
        }
    }
    Ok(string(out))
}

/// One pair as C reads `%2x`: a sign counts as a character, reading stops at the first other one.
fn hex_pair(p: &[u8; 2]) -> Option<u8> {
    let digit = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    match (p[0], p[1]) {
        (b'+', b) => digit(b),
        (b'-', b) => digit(b).map(u8::wrapping_neg),
        (a, b) if is_space(a) => digit(b),
        (a, b) => {
            let high = digit(a)?;
            Some(digit(b).map_or(high, |low| high << 4 | low))
        }
    }
}

fn ptr_name_to_addr(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let s = a.str(0)?.clone();
    let s = c_string(ctx, &s);
    let text = lossy(&s);
    let labels: Vec<&str> = text.split('.').collect();
    // Shorter than any IPv6 name: taken for IPv4, as the zero address of a failure shows.
    if s.len() < 72 {
        let parts: Option<Vec<u8>> = labels
            .get(..4)
            .map(|l| l.iter().map(|p| p.parse::<u8>().ok()).collect::<Option<Vec<u8>>>())
            .unwrap_or(None);
        let tail = text.contains(".in-addr.arpa");
        return Ok(Value::Addr(match parts {
            Some(p) if tail && labels.get(4) == Some(&"in-addr") => Addr::v4([p[3], p[2], p[1], p[0]]),
            _ => {
                ctx.error(format!("bad PTR name: {text}"));
                Addr::v4([0; 4])
            }
        }));
    }
    let mut bytes = [0u8; 16];
    let good = labels.len() == 34
        && labels[32] == "ip6"
        && labels[33] == "arpa"
        && labels[..32].iter().enumerate().all(|(i, l)| {
            let mut chars = l.chars();
            match (chars.next().and_then(|c| c.to_digit(16)), chars.next()) {
                (Some(d), None) => {
                    let at = 31 - i;
                    bytes[at / 2] |= (d as u8) << if at % 2 == 0 { 4 } else { 0 };
                    true
                }
                _ => false,
            }
        });
    if !good {
        ctx.error(format!("bad PTR name: {text}"));
        bytes = [0; 16];
    }
    Ok(Value::Addr(Addr(bytes)))
}

fn addr_to_ptr_name(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let addr = a.addr(0)?;
    Ok(string(match addr.as_v4() {
        Some([p, q, r, s]) => format!("{s}.{r}.{q}.{p}.in-addr.arpa"),
        None => {
            let nibbles = addr.0.iter().rev().flat_map(|b| [b & 15, b >> 4]);
            let mut out: String = nibbles.map(|n| format!("{n:x}.")).collect();
            out.push_str("ip6.arpa");
            out
        }
    }))
}

fn uuid_to_string(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let Ok(u) = <[u8; 16]>::try_from(&a.str(0)?[..]) else {
        return Ok(string("<Invalid UUID>"));
    };
    let h = |idx: &[usize]| -> String { idx.iter().map(|&i| format!("{:02x}", u[i])).collect() };
    Ok(string(format!(
        "{}-{}-{}-{}-{}",
        h(&[3, 2, 1, 0]),
        h(&[5, 4]),
        h(&[7, 6]),
        h(&[8, 9]),
        h(&[10, 11, 12, 13, 14, 15])
    )))
}

fn mask_addr(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (addr, n) = (a.addr(0)?, a.count(1)?);
    let (offset, max, family) = if addr.is_v4() { (96, 32, 4) } else { (0, 128, 6) };
    if n > max {
        plain_error(ctx, format!("Bad IPAddr(v{family}) IPPrefix length : {n}"));
        return Ok(Value::Subnet(Subnet::new128(Addr([0; 16]), 0)));
    }
    Ok(Value::Subnet(Subnet::new128(addr, (n + offset) as u8)))
}

fn remask_addr(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (x, y, n) = (a.addr(0)?, a.addr(1)?, a.count(2)?);
    if n > 128 {
        // Neither address is masked then.
        plain_error(ctx, format!("Bad IPAddr mask length : {n}"));
        let both = u128::from_be_bytes(x.0) | u128::from_be_bytes(y.0);
        return Ok(Value::Addr(Addr(both.to_be_bytes())));
    }
    let n = n as u8;
    let keep = u128::from_be_bytes(x.mask(n).0);
    let rest = u128::from_be_bytes(y.0) ^ u128::from_be_bytes(y.mask(n).0);
    Ok(Value::Addr(Addr((keep | rest).to_be_bytes())))
}

fn file_mode(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let mode = a.count(0)?;
    let mut out = String::with_capacity(9);
    for (shift, special, set, unset) in [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')] {
        let bits = mode >> shift;
        out.push(if bits & 4 != 0 { 'r' } else { '-' });
        out.push(if bits & 2 != 0 { 'w' } else { '-' });
        out.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => set,
            (false, true) => unset,
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    Ok(string(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_as_c_reads_them() {
        assert_eq!(parse_integer(b"42 ", 10), Some((false, 42, false)));
        assert_eq!(parse_integer(b" ", 10), Some((false, 0, false)));
        assert_eq!(parse_integer(b"", 10), None);
        assert_eq!(parse_integer(b"0x1f", 0), Some((false, 31, false)));
        assert_eq!(parse_integer(b"017", 0), Some((false, 15, false)));
        assert_eq!(parse_integer(b"0x10", 10), None);
        assert_eq!(
            parse_integer(b"18446744073709551616", 10),
            Some((false, u64::MAX, true))
        );
        assert_eq!(parse_integer(b"5", 37), None);
    }

    #[test]
    fn ports_as_c_reads_them() {
        assert_eq!(port_from_text(b" 80/tcp", false), Some((Proto::Tcp, 80)));
        assert_eq!(port_from_text(b"/udp", false), Some((Proto::Udp, 0)));
        assert_eq!(port_from_text(b"80:tcp", false), Some((Proto::Tcp, 80)));
        assert_eq!(port_from_text(b"-1/tcp", false), Some((Proto::Tcp, -1)));
        for bad in [
            "",
            "80",
            "80/",
            "80 /tcp",
            "8x/tcp",
            "80/TCP",
            "65535/icmp",
            "80/unknown",
        ] {
            assert_eq!(port_from_text(bad.as_bytes(), false), None, "{bad}");
        }
    }

    #[test]
    fn doubles_as_c_reads_them() {
        assert_eq!(parse_double(b"0x1.8p3"), Some(12.0));
        assert_eq!(parse_double(b" 7"), Some(7.0));
        assert_eq!(parse_double(b"7 "), None);
        assert_eq!(parse_double(b"-Infinity"), Some(f64::NEG_INFINITY));
        for bad in [
            "", " ", "1e", ".", "e5", "--1", "infx", "0x1p++3", "0x1p+-3", "nan(a b)",
        ] {
            assert_eq!(parse_double(bad.as_bytes()), None, "{bad}");
        }
    }
}
