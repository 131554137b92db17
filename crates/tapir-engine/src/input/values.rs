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

/// The value of a text; `Unset` for the unset marker. `notes` takes what was overlooked in a value that is taken all
/// the same.
///
/// # Errors
/// What is wrong with the text.
pub fn parse(
    types: &Types,
    ty: TypeId,
    text: &[u8],
    sep: &Separators,
    patterns: &mut PatternMaker<'_>,
    notes: &mut Vec<String>,
) -> Result<Value, String> {
    if text == &sep.unset_field[..] {
        return Ok(Value::Unset);
    }
    match types.kind(ty) {
        Kind::Table { index, .. } => {
            let t = Table::new(ty);
            for part in parts(text, sep) {
                let v = one(types, index[0], part, patterns, notes)?;
                t.insert(&[v], Value::Unset, 0.0);
            }
            Ok(Value::Table(t))
        }
        Kind::Vector(elem) => {
            let items: Result<Vec<_>, _> = parts(text, sep)
                .map(|p| parse(types, *elem, p, sep, patterns, notes))
                .collect();
            Ok(Value::Vector(Vector::new(ty, items?)))
        }
        _ => one(types, ty, text, patterns, notes),
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

/// A number at the beginning of a text, as C reads it: what follows it is noted and overlooked.
fn number<T>(text: &str, len: fn(&str) -> usize, notes: &mut Vec<String>) -> Result<T, String>
where
    T: std::str::FromStr,
{
    let t = text.trim_start();
    if t.is_empty() {
        return Err("Got empty string for number field".into());
    }
    let (digits, rest) = t.split_at(len(t));
    if digits.is_empty() {
        return Err(format!("String '{text}' contained no parseable number"));
    }
    if !rest.is_empty() {
        notes.push(format!(
            "Number '{text}' contained non-numeric trailing characters. Ignored trailing characters '{rest}'"
        ));
    }
    digits
        .parse()
        .map_err(|_| format!("Number '{text}' out of supported range."))
}

/// How much of a text is an integer.
fn integer_len(t: &str) -> usize {
    let sign = usize::from(t.starts_with(['-', '+']));
    let digits = t[sign..].bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 { 0 } else { sign + digits }
}

/// How much of a text is a number with fraction and exponent.
fn double_len(t: &str) -> usize {
    let digits = |from: usize| t[from..].bytes().take_while(u8::is_ascii_digit).count();
    let sign = usize::from(t.starts_with(['-', '+']));
    let word = t[sign..].to_ascii_lowercase();
    for special in ["infinity", "inf", "nan"] {
        if word.starts_with(special) {
            return sign + special.len();
        }
    }
    let whole = digits(sign);
    let mut at = sign + whole;
    let mut any = whole > 0;
    if t[at..].starts_with('.') {
        let fraction = digits(at + 1);
        any |= fraction > 0;
        if any {
            at += 1 + fraction;
        }
    }
    if !any {
        return 0;
    }
    if t[at..].starts_with(['e', 'E']) {
        let sign = usize::from(t[at + 1..].starts_with(['-', '+']));
        let exponent = digits(at + 1 + sign);
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    at
}

/// A count: a minus sign wraps around, as in C.
fn count(text: &str, notes: &mut Vec<String>) -> Result<u64, String> {
    match text.trim_start().strip_prefix('-') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => {
            Ok(number::<u64>(rest, integer_len, notes)?.wrapping_neg())
        }
        _ => number(text, integer_len, notes),
    }
}

fn one(
    types: &Types,
    ty: TypeId,
    raw: &[u8],
    patterns: &mut PatternMaker<'_>,
    notes: &mut Vec<String>,
) -> Result<Value, String> {
    let bytes = unescape(raw);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let t = text.trim();
    Ok(match types.kind(ty) {
        // The marker of empty containers means nothing for a string.
        Kind::String => Value::Str(bytes.into()),
        Kind::Bool => match t {
            "T" | "True" | "true" | "1" => Value::Bool(true),
            "F" | "False" | "false" | "0" => Value::Bool(false),
            _ => return Err(format!("Invalid value for boolean: {text}")),
        },
        Kind::Int => Value::Int(number(&text, integer_len, notes)?),
        Kind::Count => Value::Count(count(&text, notes)?),
        Kind::Double => Value::Double(number(&text, double_len, notes)?),
        Kind::Time => Value::Time(number(&text, double_len, notes)?),
        Kind::Interval => Value::Interval(number(&text, double_len, notes)?),
        Kind::Addr => Value::Addr(addr(t).ok_or_else(|| format!("Bad address: {text}"))?),
        Kind::Subnet => Value::Subnet(subnet(t).ok_or_else(|| format!("Invalid value for subnet: {text}"))?),
        Kind::Port => Value::Port(port(t, notes)?),
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
                .ok_or_else(|| format!("String '{text}' contained no parseable pattern."))?;
            let (body, flags) = inner;
            if flags.chars().any(|c| c != 'i' && c != 's') {
                return Err(format!("String '{text}' contained no parseable pattern."));
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

/// A port; one whose protocol nobody knows has none.
fn port(t: &str, notes: &mut Vec<String>) -> Result<Port, String> {
    let (num, proto) = t.split_once('/').unwrap_or((t, "unknown"));
    let proto = match proto.to_ascii_lowercase().as_str() {
        "tcp" => Proto::Tcp,
        "udp" => Proto::Udp,
        "icmp" => Proto::Icmp,
        "unknown" => Proto::Unknown,
        _ => {
            notes.push(format!("Port '{t}' contained unknown protocol '{proto}'"));
            Proto::Unknown
        }
    };
    Ok(Port {
        num: number(num, integer_len, notes)?,
        proto,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        let mut notes = Vec::new();
        assert_eq!(number::<i64>("  -42", integer_len, &mut notes), Ok(-42));
        assert_eq!(number::<f64>("-1.5e3", double_len, &mut notes), Ok(-1500.0));
        assert_eq!(number::<f64>(".5", double_len, &mut notes), Ok(0.5));
        assert_eq!(count("-1", &mut notes), Ok(u64::MAX));
        assert!(notes.is_empty());
        assert_eq!(number::<i64>("12ab", integer_len, &mut notes), Ok(12));
        assert_eq!(number::<f64>("1e", double_len, &mut notes), Ok(1.0));
        assert_eq!(notes.len(), 2);
        for (text, why) in [
            ("", "Got empty string"),
            ("ab", "no parseable"),
            ("99999999999999999999", "out of supported"),
        ] {
            let got = number::<i64>(text, integer_len, &mut notes);
            assert!(got.is_err_and(|e| e.contains(why)), "{text}");
        }
    }
}
