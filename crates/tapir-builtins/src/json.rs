//! `to_json` and `from_json`.

use tapir_data::json::{JsonOptions, to_json as write_json};
use tapir_data::jsonparse::{Json, Number, parse};
use tapir_data::table::Table;
use tapir_data::text::type_text;
use tapir_data::types::{Kind, TypeId};
use tapir_data::value::{Port, Proto, Record, Value, Vector};
use tapir_vm::{CallCtx, RtError};

use crate::netparse::{parse_addr, parse_subnet};
use crate::util::*;

pub const FAMILY: Family = &[("to_json", to_json), ("from_json", from_json)];

fn to_json(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let v = a.any(0)?;
    let field_escape = match a.get(2) {
        Some(Value::Pattern(p)) => Some(p.clone()),
        _ => None,
    };
    let options = JsonOptions {
        only_loggable: a.bool(1)?,
        field_escape,
        interval_as_double: a.bool(3)?,
    };
    ctx.materialize(v)?;
    let text = write_json(&VmText(ctx.vm), v, &options);
    room(text.len())?;
    Ok(string(text))
}

/// Why a JSON value does not become a script value.
enum Failure {
    /// A text for the result's `err`.
    Text(String),
    Run(RtError),
}

impl From<RtError> for Failure {
    fn from(e: RtError) -> Self {
        Failure::Run(e)
    }
}

type Made = Result<Value, Failure>;

fn from_json(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let result = ctx.result_type;
    let invalid = [("valid", Value::Bool(false))];
    let Value::Type(ty) = a.any(1)? else {
        ctx.error("from_json() requires a type argument");
        return Ok(record(ctx.types(), result, &invalid));
    };
    let key_map = a.get(2).cloned().unwrap_or_default();
    let made = match parse(a.str(0)?) {
        Ok(j) => make(ctx, &j, *ty, &key_map),
        Err(e) => Err(Failure::Text(format!(
            "JSON parse error: {} Offset: {}",
            e.text, e.offset
        ))),
    };
    let fields = match made {
        Ok(v) => [("v", v), ("valid", Value::Bool(true))],
        Err(Failure::Text(t)) => [("err", string(t)), ("valid", Value::Bool(false))],
        Err(Failure::Run(e)) => return Err(e),
    };
    Ok(record(ctx.types(), result, &fields))
}

fn fail(text: impl Into<String>) -> Made {
    Err(Failure::Text(text.into()))
}

/// The word for a type in "cannot convert" messages.
fn type_word(ctx: &CallCtx<'_>, ty: TypeId) -> String {
    match ctx.types().kind(ty) {
        Kind::Table { .. } => "table".into(),
        Kind::Vector(_) => "vector".into(),
        Kind::Record(_) => "record".into(),
        Kind::Enum(_) => "enum".into(),
        Kind::List(_) => "types".into(),
        Kind::Func(_) => "func".into(),
        Kind::Opaque(_) => "opaque".into(),
        Kind::File => "file".into(),
        _ => type_text(ctx.types(), ty),
    }
}

fn mismatch(ctx: &CallCtx<'_>, j: &Json, ty: TypeId) -> Made {
    fail(format!(
        "cannot convert JSON type '{}' to Zeek type '{}'",
        j.kind(),
        type_word(ctx, ty)
    ))
}

fn as_double(n: Number) -> f64 {
    match n {
        Number::Int(n) => n as f64,
        Number::Double(d) => d,
    }
}

fn make(ctx: &mut CallCtx<'_>, j: &Json, ty: TypeId, key_map: &Value) -> Made {
    if matches!(j, Json::Null) {
        return Ok(Value::Unset);
    }
    let kind = ctx.types().kind(ty).clone();
    match (&kind, j) {
        (Kind::Bool, Json::Bool(b)) => Ok(Value::Bool(*b)),
        (Kind::Int, Json::Number(Number::Int(n))) if i64::try_from(*n).is_ok() => Ok(Value::Int(*n as i64)),
        (Kind::Count, Json::Number(Number::Int(n))) if u64::try_from(*n).is_ok() => Ok(Value::Count(*n as u64)),
        (Kind::Double, Json::Number(n)) => Ok(Value::Double(as_double(*n))),
        (Kind::Time, Json::Number(n)) => Ok(Value::Time(as_double(*n))),
        (Kind::Interval, Json::Number(n)) => Ok(Value::Interval(as_double(*n))),
        (Kind::Interval, Json::String(s)) => interval(s),
        (Kind::String, Json::String(s)) => Ok(string(s)),
        (Kind::Addr, Json::String(s)) => match parse_addr(unbracket(s)) {
            Some(a) => Ok(Value::Addr(a)),
            None => fail(format!("invalid value for addr: '{}'", lossy(s))),
        },
        (Kind::Subnet, Json::String(s)) => {
            let plain: Vec<u8> = s.iter().copied().filter(|b| !b"[]".contains(b)).collect();
            match parse_subnet(&plain) {
                Some(n) => Ok(Value::Subnet(n)),
                None => fail(format!("invalid value for subnet: '{}'", lossy(s))),
            }
        }
        (Kind::Port, Json::String(s)) => port_text(s),
        (Kind::Port, Json::Object(members)) => port_object(members),
        (Kind::Enum(id), Json::String(s)) => {
            let name = lossy(s);
            let e = &ctx.types().enums[id.0 as usize];
            match e.by_name.get(name.as_str()) {
                Some(n) => Ok(Value::Enum(ty, *n)),
                None => {
                    let of = type_text(ctx.types(), ty);
                    fail(format!("'{name}' is not a valid enum for '{of}'."))
                }
            }
        }
        (Kind::Pattern, Json::String(s)) => match ctx.host.compile_pattern(unslash(s), false, false) {
            Ok(p) => Ok(Value::Pattern(p)),
            Err(_) => {
                plain_error(ctx, format!("error compiling pattern /{}/", lossy(s)));
                fail("error compiling pattern")
            }
        },
        (Kind::Vector(of), Json::Array(items)) => {
            let made: Result<Vec<Value>, Failure> = items.iter().map(|j| make(ctx, j, *of, key_map)).collect();
            Ok(Value::Vector(Vector::new(ty, made?)))
        }
        (Kind::Table { index, yields: None }, Json::Array(items)) => {
            let t = Table::new(ty);
            for item in items {
                let key = make_key(ctx, item, index, key_map)?;
                if !key.iter().any(|v| matches!(v, Value::Unset)) {
                    t.insert(&key, Value::Unset, ctx.network_time());
                }
            }
            Ok(Value::Table(t))
        }
        (
            Kind::Table {
                index,
                yields: Some(yields),
            },
            Json::Object(members),
        ) => {
            let t = Table::new(ty);
            for (name, j) in members {
                let Some(key) = member_key(ctx, name, index, key_map)? else {
                    continue;
                };
                let v = make(ctx, j, *yields, key_map)?;
                if !matches!(v, Value::Unset) && !key.iter().any(|v| matches!(v, Value::Unset)) && !t.contains(&key) {
                    t.insert(&key, v, ctx.network_time());
                }
            }
            Ok(Value::Table(t))
        }
        (Kind::Record(_), Json::Object(members)) => make_record(ctx, members, ty, key_map),
        (Kind::Any | Kind::Func(_) | Kind::File | Kind::Opaque(_) | Kind::Type, _) => {
            let word = type_word(ctx, ty);
            fail(format!("type '{word}' unsupported"))
        }
        _ => mismatch(ctx, j, ty),
    }
}

/// The index values from one element of a set, with the defaults of their records filled in.
fn make_key(ctx: &mut CallCtx<'_>, j: &Json, index: &[TypeId], key_map: &Value) -> Result<Vec<Value>, Failure> {
    let key = match index {
        [one] => vec![make(ctx, j, *one, key_map)?],
        _ => make_parts(ctx, j, index, key_map)?,
    };
    for part in &key {
        ctx.materialize(part)?;
    }
    Ok(key)
}

/// The values of a list of index types.
fn make_parts(ctx: &mut CallCtx<'_>, j: &Json, index: &[TypeId], key_map: &Value) -> Result<Vec<Value>, Failure> {
    match j {
        Json::Array(parts) if parts.len() >= index.len() => {
            let pairs = parts.iter().zip(index);
            pairs.map(|(j, t)| make(ctx, j, *t, key_map)).collect()
        }
        Json::Array(_) => Err(Failure::Text("index type doesn't match".into())),
        _ => Err(Failure::Text(format!(
            "cannot convert JSON type '{}' to Zeek type 'types'",
            j.kind()
        ))),
    }
}

/// The index values from a member's name: the text itself for types that JSON writes as strings, otherwise JSON
/// within the text. `None` when that is no JSON: the member is dropped.
fn member_key(
    ctx: &mut CallCtx<'_>,
    name: &[u8],
    index: &[TypeId],
    key_map: &Value,
) -> Result<Option<Vec<Value>>, Failure> {
    let as_text = match index {
        [one] => matches!(
            ctx.types().kind(*one),
            Kind::String | Kind::Addr | Kind::Subnet | Kind::Enum(_) | Kind::Interval | Kind::Pattern
        ),
        _ => false,
    };
    let j = if as_text {
        Json::String(name.to_vec())
    } else {
        match parse(name) {
            Ok(j) => j,
            Err(_) => return Ok(None),
        }
    };
    make_key(ctx, &j, index, key_map).map(Some)
}

fn make_record(ctx: &mut CallCtx<'_>, members: &[(Vec<u8>, Json)], ty: TypeId, key_map: &Value) -> Made {
    let mut by_name: Vec<(Vec<u8>, &Json)> = Vec::with_capacity(members.len());
    for (name, j) in members {
        let mapped = match key_map {
            Value::Func(_) => match ctx.call(key_map, &[string(name)])? {
                Value::Str(s) => s.to_vec(),
                _ => name.clone(),
            },
            _ => name.clone(),
        };
        by_name.push((mapped, j));
    }
    let fields = match ctx.types().record(ty) {
        Some(layout) => layout.fields.clone(),
        None => return fail("not a record type"),
    };
    let shown = type_text(ctx.types(), ty);
    let mut slots = vec![Value::Unset; fields.len()];
    for (slot, f) in fields.iter().enumerate() {
        let needed = !f.optional && f.default.is_none();
        let found = by_name.iter().find(|(n, _)| n == f.name.as_bytes());
        match found {
            None if needed => {
                return fail(format!("required field {shown}${} is missing in JSON", f.name));
            }
            Some((_, Json::Null)) if needed => {
                return fail(format!("required field {shown}${} is null in JSON", f.name));
            }
            None | Some((_, Json::Null)) => {}
            Some((_, j)) => slots[slot] = make(ctx, j, f.ty, key_map)?,
        }
    }
    Ok(Value::Record(Record::new(ty, slots)))
}

/// A pattern's text without the slashes around it, where both are there.
fn unslash(s: &[u8]) -> &[u8] {
    match s {
        [b'/', inner @ .., b'/'] if !inner.is_empty() => inner,
        _ => s,
    }
}

fn unbracket(s: &[u8]) -> &[u8] {
    s.strip_prefix(b"[").and_then(|r| r.strip_suffix(b"]")).unwrap_or(s)
}

fn proto(s: &[u8]) -> Option<Proto> {
    Some(match s {
        b"tcp" => Proto::Tcp,
        b"udp" => Proto::Udp,
        b"icmp" => Proto::Icmp,
        b"unknown" => Proto::Unknown,
        _ => return None,
    })
}

fn port_text(s: &[u8]) -> Made {
    match crate::convert::port_from_text(s, true) {
        Some((proto, n)) => Ok(port(proto, n.into())),
        None => fail("wrong port format, string must be /[0-9]{1,5}\\/(tcp|udp|icmp|unknown)/"),
    }
}

/// A port; a number beyond the range is 0.
fn port(proto: Proto, n: i128) -> Value {
    let num = u16::try_from(n).unwrap_or(0);
    Value::Port(Port { proto, num })
}

fn port_object(members: &[(Vec<u8>, Json)]) -> Made {
    let get = |name: &[u8]| members.iter().find(|(n, _)| n == name).map(|(_, j)| j);
    let (Some(number), Some(of)) = (get(b"port"), get(b"proto")) else {
        return fail("wrong port format, object must have 'port' and 'proto' members");
    };
    let Json::Number(Number::Int(n)) = number else {
        return fail("wrong port format, port must be a number");
    };
    let Json::String(of) = of else {
        return fail("wrong port format, protocol must be a string");
    };
    match proto(of) {
        Some(proto) => Ok(port(proto, *n)),
        None => fail("wrong port format, invalid protocol string"),
    }
}

fn interval(s: &[u8]) -> Made {
    let text = lossy(s);
    let words: Vec<&str> = match text.as_str() {
        "" => Vec::new(),
        t => t.split(' ').collect(),
    };
    let mut seconds = 0.0;
    for pair in words.chunks(2) {
        let [amount, unit] = pair else {
            return fail("wrong interval format, must be pairs of double with unit");
        };
        let Ok(amount) = amount.parse::<f64>() else {
            return fail(format!("wrong interval format, invalid number {amount}"));
        };
        seconds += amount
            * match unit.strip_suffix('s').unwrap_or(unit) {
                "day" => 86400.0,
                "hr" => 3600.0,
                "min" => 60.0,
                "sec" => 1.0,
                "msec" => 1e-3,
                "usec" => 1e-6,
                _ => return fail(format!("wrong interval format, invalid unit type {unit}")),
            };
    }
    Ok(Value::Interval(seconds))
}
