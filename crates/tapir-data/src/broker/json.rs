//! The JSON form of the WebSocket API: `{"@data-type":T,"data":D}`.

use super::{DEPTH_MAX, Data, DecodeError, checked_set, checked_table};
use crate::jsonparse::{Json, Number, parse_lenient};
use crate::number::format_f;
use crate::text::subnet_text;
use crate::value::{Addr, Port, Proto, Subnet};

/// Appends `"@data-type":T,"data":D` without braces, so that callers can add members.
pub fn members(d: &Data, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"@data-type\":\"");
    out.extend_from_slice(type_name(d).as_bytes());
    out.extend_from_slice(b"\",\"data\":");
    body(d, out);
}

/// Appends the encoding of one piece of data.
pub fn encode(d: &Data, out: &mut Vec<u8>) {
    out.push(b'{');
    members(d, out);
    out.push(b'}');
}

/// The encoding of one piece of data.
pub fn to_json(d: &Data) -> Vec<u8> {
    let mut out = Vec::new();
    encode(d, &mut out);
    out
}

fn type_name(d: &Data) -> &'static str {
    match d {
        Data::None => "none",
        Data::Bool(_) => "boolean",
        Data::Count(_) => "count",
        Data::Int(_) => "integer",
        Data::Real(_) => "real",
        Data::String(_) => "string",
        Data::Addr(_) => "address",
        Data::Subnet(_) => "subnet",
        Data::Port(_) => "port",
        Data::Timestamp(_) => "timestamp",
        Data::Timespan(_) => "timespan",
        Data::Enum(_) => "enum-value",
        Data::Set(_) => "set",
        Data::Table(_) => "table",
        Data::Vector(_) => "vector",
    }
}

fn list(items: &[Data], out: &mut Vec<u8>) {
    out.push(b'[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        encode(item, out);
    }
    out.push(b']');
}

fn quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn body(d: &Data, out: &mut Vec<u8>) {
    match d {
        Data::None => out.extend_from_slice(b"{}"),
        Data::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        Data::Count(n) => out.extend_from_slice(itoa::Buffer::new().format(*n).as_bytes()),
        Data::Int(n) => out.extend_from_slice(itoa::Buffer::new().format(*n).as_bytes()),
        Data::Real(d) => out.extend_from_slice(format_f(*d, 6).as_bytes()),
        Data::String(s) => crate::json::json_quote(s, out),
        Data::Addr(a) => quoted(&a.to_string(), out),
        Data::Subnet(s) => quoted(&subnet_text(s), out),
        Data::Port(p) => {
            let proto = match p.proto {
                Proto::Tcp => "tcp",
                Proto::Udp => "udp",
                Proto::Icmp => "icmp",
                Proto::Unknown => "?",
            };
            quoted(&format!("{}/{proto}", p.num), out);
        }
        Data::Timestamp(n) => quoted(&timestamp_text(*n), out),
        Data::Timespan(n) => quoted(&timespan_text(*n), out),
        Data::Enum(name) => crate::json::json_quote(name.as_bytes(), out),
        Data::Set(items) | Data::Vector(items) => list(items, out),
        Data::Table(entries) => {
            out.push(b'[');
            for (i, (k, v)) in entries.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(b"{\"key\":");
                encode(k, out);
                out.extend_from_slice(b",\"value\":");
                encode(v, out);
                out.push(b'}');
            }
            out.push(b']');
        }
    }
}

/// Year, month and day of a number of days since 1970-01-01 (proleptic Gregorian calendar).
fn civil(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year, month as u32, (doy - (153 * mp + 2) / 5 + 1) as u32)
}

/// The number of days since 1970-01-01.
fn days(year: i64, month: u32, day: u32) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = (month as i64 + 9) % 12;
    let doy = (153 * mp + 2) / 5 + day as i64 - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// UTC with milliseconds, which are cut off.
fn timestamp_text(nanos: i64) -> String {
    let millis = nanos.div_euclid(1_000_000);
    let (seconds, ms) = (millis.div_euclid(1000), millis.rem_euclid(1000));
    let (d, s) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (y, mo, day) = civil(d);
    format!(
        "{y:04}-{mo:02}-{day:02}T{:02}:{:02}:{:02}.{ms:03}",
        s / 3600,
        s / 60 % 60,
        s % 60
    )
}

/// The largest unit that is exact.
fn timespan_text(n: i64) -> String {
    for (size, unit) in [(1_000_000_000, "s"), (1_000_000, "ms"), (1000, "us")] {
        if n % size == 0 {
            return format!("{}{unit}", n / size);
        }
    }
    format!("{n}ns")
}

/// A cursor over ASCII text.
struct Text<'a>(&'a [u8]);

impl Text<'_> {
    fn eat(&mut self, b: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[b])?;
        Some(())
    }

    /// Exactly `n` digits.
    fn digits(&mut self, n: usize) -> Option<i64> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        let digit = |v: i64, b: &u8| b.is_ascii_digit().then(|| v * 10 + (b - b'0') as i64);
        head.iter().try_fold(0, digit)
    }
}

fn parse_timestamp(s: &[u8]) -> Option<i64> {
    let mut t = Text(s);
    let y = t.digits(4)?;
    t.eat(b'-')?;
    let mo = t.digits(2)?;
    t.eat(b'-')?;
    let d = t.digits(2)?;
    t.eat(b'T').or_else(|| t.eat(b' '))?;
    let h = t.digits(2)?;
    t.eat(b':')?;
    let mi = t.digits(2)?;
    t.eat(b':')?;
    let sec = t.digits(2)?;
    if !(1..=12).contains(&mo) || !(1..=31).contains(&d) || h > 23 || mi > 59 || sec > 60 {
        return None;
    }
    let mut nanos = 0;
    if t.eat(b'.').is_some() {
        let n = t.0.iter().take_while(|b| b.is_ascii_digit()).count();
        if n > 9 {
            return None;
        }
        nanos = t.digits(n)? * 10i64.pow(9 - n as u32);
    }
    let mut offset = 0;
    match t.0.first() {
        Some(b'Z') => t.eat(b'Z')?,
        Some(&sign @ (b'+' | b'-')) => {
            t.eat(sign)?;
            let hours = t.digits(2)?;
            let _ = t.eat(b':');
            offset = (hours * 60 + t.digits(2)?) * 60;
            if sign == b'-' {
                offset = -offset;
            }
        }
        _ => {}
    }
    if !t.0.is_empty() {
        return None;
    }
    let seconds = days(y, mo as u32, d as u32) * 86_400 + h * 3600 + mi * 60 + sec - offset;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

fn parse_timespan(s: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(s).ok()?;
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let n: i64 = text[..unit_at].parse().ok()?;
    let size = match &text[unit_at..] {
        "ns" => 1,
        "us" => 1000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    n.checked_mul(size)
}

fn parse_addr(s: &[u8]) -> Option<Addr> {
    let ip: std::net::IpAddr = std::str::from_utf8(s).ok()?.parse().ok()?;
    Some(Addr::from(ip))
}

fn parse_subnet(s: &[u8]) -> Option<Subnet> {
    let slash = s.iter().position(|&b| b == b'/')?;
    let addr = parse_addr(&s[..slash])?;
    let width: u8 = std::str::from_utf8(&s[slash + 1..]).ok()?.parse().ok()?;
    let v4 = !s[..slash].contains(&b':');
    if width > if v4 { 32 } else { 128 } {
        return None;
    }
    Some(Subnet::new128(addr, if v4 { width + 96 } else { width }))
}

fn parse_port(s: &[u8]) -> Option<Port> {
    let slash = s.iter().position(|&b| b == b'/');
    let num = std::str::from_utf8(&s[..slash.unwrap_or(s.len())]).ok()?.parse().ok()?;
    let proto = match slash.map(|p| &s[p + 1..]) {
        None | Some(b"tcp") => Proto::Tcp,
        Some(b"udp") => Proto::Udp,
        Some(b"icmp") => Proto::Icmp,
        Some(_) => Proto::Unknown,
    };
    Some(Port { proto, num })
}

/// Decodes a JSON text.
///
/// # Errors
/// What is wrong with it.
pub fn decode(s: &[u8]) -> Result<Data, DecodeError> {
    from_json(&parse_lenient(s).map_err(|_| DecodeError::BadJson)?)
}

/// A member of an object.
pub fn member<'j>(j: &'j Json, name: &str) -> Option<&'j Json> {
    match j {
        Json::Object(members) => members.iter().find(|(n, _)| n == name.as_bytes()).map(|(_, j)| j),
        _ => None,
    }
}

/// Data from a JSON value with `@data-type` and `data`; other members are ignored.
///
/// # Errors
/// What is wrong with it.
pub fn from_json(j: &Json) -> Result<Data, DecodeError> {
    value(j, 0)
}

fn value(j: &Json, depth: usize) -> Result<Data, DecodeError> {
    if depth > DEPTH_MAX {
        return Err(DecodeError::TooDeep);
    }
    let Some(Json::String(ty)) = member(j, "@data-type") else {
        return Err(DecodeError::UnknownKind);
    };
    let data = member(j, "data").ok_or(DecodeError::BadValue)?;
    let items = |j: &Json| -> Result<Vec<Data>, DecodeError> {
        match j {
            Json::Array(items) => items.iter().map(|j| value(j, depth + 1)).collect(),
            _ => Err(DecodeError::BadValue),
        }
    };
    let found = match (&ty[..], data) {
        (b"none", _) => Some(Data::None),
        (b"boolean", Json::Bool(b)) => Some(Data::Bool(*b)),
        (b"count", Json::Number(Number::Int(n))) => u64::try_from(*n).ok().map(Data::Count),
        (b"integer", Json::Number(Number::Int(n))) => i64::try_from(*n).ok().map(Data::Int),
        (b"real", Json::Number(Number::Double(d))) => Some(Data::Real(*d)),
        (b"string", Json::String(s)) => Some(Data::String(s.clone())),
        (b"address", Json::String(s)) => parse_addr(s).map(Data::Addr),
        (b"subnet", Json::String(s)) => parse_subnet(s).map(Data::Subnet),
        (b"port", Json::String(s)) => parse_port(s).map(Data::Port),
        (b"timestamp", Json::String(s)) => parse_timestamp(s).map(Data::Timestamp),
        (b"timespan", Json::String(s)) => parse_timespan(s).map(Data::Timespan),
        (b"enum-value", Json::String(s)) => String::from_utf8(s.clone()).ok().map(Data::Enum),
        (b"set", j) => Some(checked_set(items(j)?)?),
        (b"vector", j) => Some(Data::Vector(items(j)?)),
        (b"table", Json::Array(entries)) => {
            let mut all = Vec::with_capacity(entries.len());
            for e in entries {
                match (member(e, "key"), member(e, "value")) {
                    (Some(k), Some(v)) => all.push((value(k, depth + 1)?, value(v, depth + 1)?)),
                    _ => return Err(DecodeError::BadValue),
                }
            }
            Some(checked_table(all)?)
        }
        (
            b"boolean" | b"count" | b"integer" | b"real" | b"string" | b"address" | b"subnet" | b"port" | b"timestamp"
            | b"timespan" | b"enum-value" | b"table",
            _,
        ) => None,
        _ => return Err(DecodeError::UnknownKind),
    };
    found.ok_or(DecodeError::BadValue)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms() {
        let j = |d: &Data| String::from_utf8(to_json(d)).unwrap();
        assert_eq!(j(&Data::Real(1.5)), r#"{"@data-type":"real","data":1.500000}"#);
        assert_eq!(
            j(&Data::Timestamp(1_700_000_000_500_900_000)),
            r#"{"@data-type":"timestamp","data":"2023-11-14T22:13:20.500"}"#
        );
        assert_eq!(j(&Data::Timespan(0)), r#"{"@data-type":"timespan","data":"0s"}"#);
        assert_eq!(
            j(&Data::Timespan(-1500)),
            r#"{"@data-type":"timespan","data":"-1500ns"}"#
        );
        let read = |ty: &str, data: &str| decode(format!(r#"{{"@data-type":"{ty}","data":{data}}}"#).as_bytes());
        assert_eq!(read("real", "4"), Err(DecodeError::BadValue));
        assert_eq!(read("count", "1.0"), Err(DecodeError::BadValue));
        assert_eq!(read("odd", "1"), Err(DecodeError::UnknownKind));
        assert_eq!(read("timespan", "\"2min\""), Ok(Data::Timespan(120_000_000_000)));
        assert_eq!(
            read("timestamp", "\"2023-11-14T23:13:20.5+01:00\""),
            Ok(Data::Timestamp(1_700_000_000_500_000_000))
        );
        assert_eq!(decode(b"{"), Err(DecodeError::BadJson));
    }

    #[test]
    fn every_kind_as_it_is_written_and_what_else_is_read() {
        let wrong = "";
        // What comes in, and how it would go out.
        for (ty, given, written) in [
            ("none", "{}", "{}"),
            ("none", "17", "{}"),
            ("boolean", "true", "true"),
            ("boolean", "1", wrong),
            ("count", "18446744073709551615", "18446744073709551615"),
            ("count", "-1", wrong),
            ("count", "\"1\"", wrong),
            ("integer", "-9223372036854775808", "-9223372036854775808"),
            ("integer", "9223372036854775808", wrong),
            ("real", "1e3", "1000.000000"),
            ("real", "-0.25", "-0.250000"),
            ("string", r#""a\u00e9\v\n""#, "\"a\u{e9}\\u000b\\n\""),
            ("address", "\"10.1.2.3\"", "\"10.1.2.3\""),
            ("address", "\"2001:db8::1\"", "\"2001:db8::1\""),
            ("address", "\"10.1.2\"", wrong),
            ("subnet", "\"10.1.2.3/16\"", "\"10.1.0.0/16\""),
            ("subnet", "\"10.1.0.0/33\"", wrong),
            ("subnet", "\"2001:db8::1/32\"", "\"2001:db8::/32\""),
            ("port", "\"443/tcp\"", "\"443/tcp\""),
            ("port", "\"53/udp\"", "\"53/udp\""),
            ("port", "\"8/icmp\"", "\"8/icmp\""),
            ("port", "\"7\"", "\"7/tcp\""),
            ("port", "\"7/sctp\"", "\"7/?\""),
            ("port", "\"70000/tcp\"", wrong),
            ("timestamp", "\"2023-11-14T22:13:20\"", "\"2023-11-14T22:13:20.000\""),
            (
                "timestamp",
                "\"2023-11-14T22:13:20.123456789Z\"",
                "\"2023-11-14T22:13:20.123\"",
            ),
            (
                "timestamp",
                "\"2023-11-14T22:13:20-0230\"",
                "\"2023-11-15T00:43:20.000\"",
            ),
            ("timestamp", "\"2023-11-14\"", wrong),
            ("timespan", "\"1h\"", "\"3600s\""),
            ("timespan", "\"-5ms\"", "\"-5ms\""),
            ("timespan", "\"1500us\"", "\"1500us\""),
            ("timespan", "\"1\"", wrong),
            ("timespan", "\"1.5s\"", wrong),
            ("enum-value", "\"Notice::LOG\"", "\"Notice::LOG\""),
            (
                "set",
                r#"[{"@data-type":"count","data":2},{"@data-type":"count","data":1}]"#,
                r#"[{"@data-type":"count","data":1},{"@data-type":"count","data":2}]"#,
            ),
            (
                "set",
                r#"[{"@data-type":"count","data":1},{"@data-type":"count","data":1}]"#,
                wrong,
            ),
            (
                "table",
                r#"[{"key":{"@data-type":"count","data":1},"value":{"@data-type":"boolean","data":false}}]"#,
                r#"[{"key":{"@data-type":"count","data":1},"value":{"@data-type":"boolean","data":false}}]"#,
            ),
            ("table", r#"[{"key":{"@data-type":"count","data":1}}]"#, wrong),
        ] {
            let text = format!(r#"{{"x":1,"@data-type":"{ty}","data":{given}}}"#);
            match decode(text.as_bytes()) {
                Ok(d) => {
                    let out = String::from_utf8(to_json(&d)).unwrap();
                    assert_eq!(out, format!(r#"{{"@data-type":"{ty}","data":{written}}}"#), "{text}");
                }
                Err(_) => assert_eq!(written, wrong, "{text}"),
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(s in "[\\[\\]{}\",:a-z0-9@ -]{0,80}") {
            let _ = decode(s.as_bytes());
        }

        #[test]
        fn spans_and_seconds_round_trip(n in any::<i64>(), s in -60_000_000_000i64..250_000_000_000) {
            prop_assert_eq!(decode(&to_json(&Data::Timespan(n))), Ok(Data::Timespan(n)));
            // Milliseconds survive.
            if let Some(n) = s.checked_mul(1_000_000) {
                prop_assert_eq!(decode(&to_json(&Data::Timestamp(n))), Ok(Data::Timestamp(n)));
            }
        }

        #[test]
        fn strings_and_containers_round_trip(s in prop::collection::vec(any::<u8>(), 0..20), n in any::<u64>()) {
            let d = Data::Vector(vec![
                Data::String(s.clone()),
                Data::set(vec![Data::Count(n), Data::str("x")]),
                Data::table(vec![(Data::String(s), Data::None)]),
            ]);
            prop_assert_eq!(decode(&to_json(&d)), Ok(d));
        }
    }
}
