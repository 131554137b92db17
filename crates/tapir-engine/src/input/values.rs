//! Texts of input files to values, by type.

use tapir_data::types::{Kind, TypeId, Types};
use tapir_data::value::{Addr, Port, Proto, Subnet, Table, Value, Vector};

/// The separators of a stream.
#[derive(Clone, Debug)]
pub struct Separators {
    pub separator: Vec<u8>,
    pub set_separator: Vec<u8>,
    pub empty_field: Vec<u8>,
    pub unset_field: Vec<u8>,
}

/// Whether values of a type can be read.
pub fn readable(types: &Types, ty: TypeId) -> bool {
    match types.kind(ty) {
        Kind::Table { index, yields: None } => index.len() == 1 && scalar(types, index[0]),
        Kind::Vector(t) => scalar(types, *t),
        _ => scalar(types, ty),
    }
}

fn scalar(types: &Types, ty: TypeId) -> bool {
    matches!(
        types.kind(ty),
        Kind::Bool
            | Kind::Int
            | Kind::Count
            | Kind::Double
            | Kind::Time
            | Kind::Interval
            | Kind::String
            | Kind::Pattern
            | Kind::Port
            | Kind::Addr
            | Kind::Subnet
            | Kind::Enum(_)
    )
}

/// Compiles the patterns that texts of type pattern stand for: source text, ignore case, single line.
pub type PatternMaker<'a> = dyn FnMut(&[u8], bool, bool) -> Result<Value, String> + 'a;

/// The value of a text; `Unset` for the unset marker.
///
/// # Errors
/// What is wrong with the text.
pub fn parse(
    types: &Types,
    ty: TypeId,
    text: &[u8],
    sep: &Separators,
    patterns: &mut PatternMaker<'_>,
) -> Result<Value, String> {
    if text == &sep.unset_field[..] {
        return Ok(Value::Unset);
    }
    match types.kind(ty) {
        Kind::Table { index, .. } => {
            let t = Table::new(ty);
            for part in parts(text, sep) {
                let v = one(types, index[0], part, patterns)?;
                t.insert(&[v], Value::Unset, 0.0);
            }
            Ok(Value::Table(t))
        }
        Kind::Vector(elem) => {
            let items: Result<Vec<_>, _> = parts(text, sep)
                .map(|p| parse(types, *elem, p, sep, patterns))
                .collect();
            Ok(Value::Vector(Vector::new(ty, items?)))
        }
        _ => one(types, ty, text, patterns),
    }
}

fn parts<'a>(text: &'a [u8], sep: &'a Separators) -> impl Iterator<Item = &'a [u8]> {
    let none = text == &sep.empty_field[..] || text.is_empty();
    let mut rest = (!none).then_some(text);
    std::iter::from_fn(move || {
        let t = rest?;
        let s = &sep.set_separator[..];
        let at = (!s.is_empty())
            .then(|| t.windows(s.len()).position(|w| w == s))
            .flatten();
        match at {
            Some(at) => {
                rest = Some(&t[at + s.len()..]);
                Some(&t[..at])
            }
            None => rest.take(),
        }
    })
}

/// Bytes with `\xHH` undone; other backslashes stay.
pub fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut i = 0;
    while i < text.len() {
        if text[i] == b'\\' && text.get(i + 1) == Some(&b'x') {
            let hex = text.get(i + 2..i + 4).and_then(|h| std::str::from_utf8(h).ok());
            if let Some(b) = hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
                out.push(b);
                i += 4;
                continue;
            }
        }
        out.push(text[i]);
        i += 1;
    }
    out
}

fn one(types: &Types, ty: TypeId, raw: &[u8], patterns: &mut PatternMaker<'_>) -> Result<Value, String> {
    let bytes = unescape(raw);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let t = text.trim();
    let bad = |what: &str| format!("'{text}' is no {what}");
    Ok(match types.kind(ty) {
        // The marker of empty containers means nothing for a string.
        Kind::String => Value::Str(bytes.into()),
        Kind::Bool => match t {
            "T" | "True" | "true" | "1" => Value::Bool(true),
            "F" | "False" | "false" | "0" => Value::Bool(false),
            _ => return Err(bad("boolean")),
        },
        Kind::Int => Value::Int(t.parse().map_err(|_| bad("int"))?),
        Kind::Count => Value::Count(t.parse().map_err(|_| bad("count"))?),
        Kind::Double => Value::Double(t.parse().map_err(|_| bad("double"))?),
        Kind::Time => Value::Time(t.parse().map_err(|_| bad("time"))?),
        Kind::Interval => Value::Interval(t.parse().map_err(|_| bad("interval"))?),
        Kind::Addr => Value::Addr(addr(t).ok_or_else(|| bad("address"))?),
        Kind::Subnet => Value::Subnet(subnet(t).ok_or_else(|| bad("subnet"))?),
        Kind::Port => Value::Port(port(t).ok_or_else(|| bad("port"))?),
        Kind::Enum(e) => {
            let e = &types.enums[e.0 as usize];
            let name = t.strip_prefix("GLOBAL::").unwrap_or(t);
            let n = e
                .by_name
                .get(name)
                .ok_or_else(|| format!("Value '{t}' for source field is not a valid enum."))?;
            Value::Enum(ty, *n)
        }
        Kind::Pattern => {
            let inner = t
                .strip_prefix('/')
                .and_then(|r| r.rsplit_once('/'))
                .ok_or_else(|| bad("pattern"))?;
            let (body, flags) = inner;
            if flags.chars().any(|c| c != 'i' && c != 's') {
                return Err(bad("pattern"));
            }
            patterns(body.as_bytes(), flags.contains('i'), flags.contains('s'))?
        }
        _ => return Err("this type cannot be read".into()),
    })
}

fn addr(t: &str) -> Option<Addr> {
    t.trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<std::net::IpAddr>()
        .ok()
        .map(Addr::from)
}

fn subnet(t: &str) -> Option<Subnet> {
    let (a, w) = t.split_once('/')?;
    let a = addr(a)?;
    let w: u8 = w.parse().ok()?;
    let limit = if a.is_v4() { 32 } else { 128 };
    (w <= limit).then(|| Subnet::new128(a, if a.is_v4() { w + 96 } else { w }))
}

fn port(t: &str) -> Option<Port> {
    let (num, proto) = match t.split_once('/') {
        Some((n, p)) => {
            let proto = match p {
                "tcp" => Proto::Tcp,
                "udp" => Proto::Udp,
                "icmp" => Proto::Icmp,
                "unknown" => Proto::Unknown,
                _ => return None,
            };
            (n, proto)
        }
        None => (t, Proto::Unknown),
    };
    Some(Port {
        num: num.trim().parse().ok()?,
        proto,
    })
}
