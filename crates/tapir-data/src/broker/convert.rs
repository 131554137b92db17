//! Script values to broker data and back, by type.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Data, DataHolder};
use crate::table::Table;
use crate::text::{RenderHost, enum_text, value_type_text};
use crate::types::{Kind, TypeId, Types};
use crate::value::{Record, Value, Vector};

/// Nesting beyond this is refused; it also ends cyclic values.
const DEPTH_MAX: usize = 100;

/// How the names of functions begin that have none in scripts.
pub const LAMBDA: &str = "lambda_<";

/// Nanoseconds of a number of seconds, cut off towards zero.
pub fn nanos(seconds: f64) -> i64 {
    (seconds * 1e9) as i64
}

/// The data behind a value of the script record `Broker::Data`: `None` when the value is another, `Data::None` when
/// the record is empty.
pub fn wrapped(types: &Types, v: &Value) -> Option<Data> {
    let Value::Record(r) = v else {
        return None;
    };
    if !is_wrapper(types, r.ty) {
        return None;
    }
    match r.get(0) {
        Value::Opaque(o) => Some(o.as_any().downcast_ref::<DataHolder>()?.0.borrow().clone()),
        _ => Some(Data::None),
    }
}

/// A value of the script record `Broker::Data`, whose type is `ty`; `Data::None` leaves it empty.
pub fn wrap(ty: TypeId, d: Data) -> Value {
    let slots = match d {
        Data::None => Vec::new(),
        d => vec![Value::Opaque(Rc::new(DataHolder(RefCell::new(d))))],
    };
    Value::Record(Record::new(ty, slots))
}

/// Data from a value.
///
/// # Errors
/// A text that names what cannot be sent.
pub fn to_data(host: &dyn RenderHost, v: &Value) -> Result<Data, String> {
    convert(host, v, 0)
}

fn convert(host: &dyn RenderHost, v: &Value, depth: usize) -> Result<Data, String> {
    if depth > DEPTH_MAX {
        return Err("the value is nested too deeply".into());
    }
    let inner = |v: &Value| match scalar(v) {
        Some(d) => Ok(d),
        None => convert(host, v, depth + 1),
    };
    if let Some(d) = scalar(v) {
        return Ok(d);
    }
    Ok(match v {
        Value::Enum(t, n) => Data::Enum(enum_text(host.types(), *t, *n).into()),
        Value::Pattern(p) => {
            let text = p.text();
            Data::Vector(vec![Data::str(&text), Data::str(anywhere(&text))])
        }
        Value::Record(r) => {
            if let Some(d) = wrapped(host.types(), v) {
                return Ok(d);
            }
            let n = host.types().record(r.ty).map_or(0, |l| l.fields.len());
            let mut fields = Vec::with_capacity(n);
            for slot in 0..n {
                let value = match r.get(slot) {
                    Value::Unset => host.field_default(r, slot),
                    value => value,
                };
                fields.push(match value {
                    Value::Unset => Data::None,
                    v => inner(&v)?,
                });
            }
            Data::Vector(fields)
        }
        Value::Vector(items) => {
            let items: Result<Vec<Data>, String> = items.to_vec().iter().map(inner).collect();
            Data::Vector(items?)
        }
        Value::List(parts) => {
            let parts: Result<Vec<Data>, String> = parts.iter().map(inner).collect();
            Data::Vector(parts?)
        }
        Value::Table(t) => {
            let is_set = matches!(host.types().kind(t.ty), Kind::Table { yields: None, .. });
            if is_set {
                let keys: Result<Vec<Data>, String> = t.keys().iter().map(inner).collect();
                match host.sorts_data() {
                    true => Data::set(keys?),
                    false => Data::Set(keys?),
                }
            } else {
                let mut entries = Vec::with_capacity(t.len());
                for (k, v) in t.entries() {
                    entries.push((inner(&k)?, inner(&v)?));
                }
                match host.sorts_data() {
                    true => Data::table(entries),
                    false => Data::Table(entries),
                }
            }
        }
        Value::Func(f) => {
            let text = host.func_text(f);
            // A qualified name has colons of its own: the name ends where the type begins, if one follows.
            let full = String::from_utf8_lossy(&text);
            let line = full.lines().next().unwrap_or_default();
            let name = line.split(": ").next().unwrap_or(line).to_string();
            let mut parts = vec![Data::str(&name)];
            if name.starts_with(LAMBDA) {
                // Functions without a name have captures, if only none.
                let held = f.captures.borrow();
                let pair = |v: &Value| {
                    let tag = Data::Int(type_tag(host.types(), v));
                    Ok(Data::Vector(vec![inner(v)?, tag]))
                };
                let pairs = held.iter().map(pair).collect::<Result<Vec<_>, String>>()?;
                parts.push(Data::Vector(match pairs.is_empty() {
                    true => Vec::new(),
                    false => vec![Data::Vector(pairs)],
                }));
            }
            Data::Vector(parts)
        }
        Value::File(f) => Data::String(f.name.to_vec()),
        Value::Opaque(o) => match o.as_any().downcast_ref::<DataHolder>() {
            Some(d) => d.0.borrow().clone(),
            None => match o.wire(host) {
                Some((name, d)) => Data::Vector(vec![Data::str(name), d]),
                None => return Err(format!("opaque of {} cannot be sent", o.type_name())),
            },
        },
        Value::Type(_) => return Err(format!("{} cannot be sent", value_type_text(host.types(), v))),
        _ => return Err("a value that is not set cannot be sent".into()),
    })
}

/// The data from a value that has no parts and needs no names.
#[inline]
fn scalar(v: &Value) -> Option<Data> {
    Some(match v {
        Value::Bool(b) => Data::Bool(*b),
        Value::Int(n) => Data::Int(*n),
        Value::Count(n) => Data::Count(*n),
        Value::Double(d) => Data::Real(*d),
        Value::Time(d) => Data::Timestamp(nanos(*d)),
        Value::Interval(d) => Data::Timespan(nanos(*d)),
        Value::Port(p) => Data::Port(*p),
        Value::Addr(a) => Data::Addr(*a),
        Value::Subnet(s) => Data::Subnet(*s),
        Value::Str(s) => Data::String(s.to_vec()),
        _ => return None,
    })
}

/// The pattern text that matches anywhere, from the one that matches exactly.
fn anywhere(text: &[u8]) -> Vec<u8> {
    let inner = |before: &[u8], behind: &[u8]| text.strip_prefix(before)?.strip_suffix(behind);
    if let Some(inner) = inner(b"^?", b"$?") {
        return [b"^?(.|\\n)*", inner].concat();
    }
    match inner(b"(?i:^?", b"$?)") {
        Some(inner) => [b"(?i:^?(.|\\n)*", inner, b")"].concat(),
        None => text.into(),
    }
}

/// What making values needs from the program.
pub trait FromHost {
    /// The types of the program.
    fn types(&self) -> &Types;
    /// A pattern from its printed text.
    fn pattern(&mut self, text: &[u8]) -> Option<Value>;
    /// A function, event or hook by name.
    fn function(&mut self, name: &str) -> Option<Value>;
    /// The types of what a function without a name captures.
    fn captures(&mut self, _name: &str) -> Option<Vec<TypeId>> {
        None
    }
    /// Such a function with values for them.
    fn closure(&mut self, _name: &str, _captures: Vec<Value>) -> Option<Value> {
        None
    }
    /// Data as a value of the script record `Broker::Data`.
    fn wrap(&mut self, d: Data) -> Option<Value>;
    /// An opaque value from what [`crate::value::Opaque::wire`] has made of one.
    fn opaque(&mut self, _name: &str, _d: &Data) -> Option<Value> {
        None
    }
    /// The network time, for the entries of tables.
    fn now(&self) -> f64;
}

/// Whether a type is the script record `Broker::Data`.
fn is_wrapper(types: &Types, ty: TypeId) -> bool {
    let layout = types.record(ty);
    layout.is_some_and(|layout| layout.name.as_deref() == Some("Broker::Data"))
}

/// A value of a type from data; `None` when the data does not fit, as kinds are not converted.
pub fn from_data(host: &mut dyn FromHost, d: &Data, ty: TypeId) -> Option<Value> {
    build(host, d, ty, 0)
}

fn build(host: &mut dyn FromHost, d: &Data, ty: TypeId, depth: usize) -> Option<Value> {
    if depth > DEPTH_MAX {
        return None;
    }
    if let Some(v) = build_scalar(host.types(), d, ty) {
        return Some(v);
    }
    // Most of what comes is in records.
    if let (Kind::Record(id), Data::Vector(parts)) = (host.types().kind(ty), d)
        && !is_wrapper(host.types(), ty)
    {
        let id = *id;
        let n = host.types().layout(id).fields.len();
        let mut slots = Vec::with_capacity(n);
        for (i, d) in parts.get(..n)?.iter().enumerate() {
            slots.push(match d {
                Data::None => Value::Unset,
                d => {
                    let ty = host.types().layout(id).fields[i].ty;
                    build(host, d, ty, depth + 1)?
                }
            });
        }
        return Some(Value::Record(Record::new(ty, slots)));
    }
    let kind = host.types().kind(ty).clone();
    Some(match (&kind, d) {
        // Only a field of a record can be nothing at all.
        (Kind::Any, Data::None) => return None,
        (Kind::Any, d) => host.wrap(d.clone())?,
        (Kind::Pattern, Data::Vector(parts)) => match &parts[..] {
            [Data::String(exact), Data::String(_)] => host.pattern(exact)?,
            _ => return None,
        },
        (Kind::Func(_), Data::Vector(parts)) => match build_function(host, parts, depth)? {
            // A function with other parameters must not get where it would be called with these.
            Value::Func(f) if host.types().same(f.ty, ty) => Value::Func(f),
            _ => return None,
        },
        (Kind::Opaque(name), Data::Vector(parts)) => match &parts[..] {
            [Data::String(kind), d] => match host.opaque(std::str::from_utf8(kind).ok()?, d)? {
                Value::Opaque(o) if o.type_name() == &**name => Value::Opaque(o),
                _ => return None,
            },
            _ => return None,
        },
        (Kind::Record(_), d) if is_wrapper(host.types(), ty) => wrap(ty, d.clone()),
        (Kind::Vector(of), Data::Vector(items)) => {
            let mut made = Vec::with_capacity(items.len());
            for d in items {
                made.push(build(host, d, *of, depth + 1)?);
            }
            Value::Vector(Vector::new(ty, made))
        }
        (Kind::Table { index, yields: None }, Data::Set(items)) => {
            let t = Table::new(ty);
            for d in items {
                let key = build_key(host, d, index, depth)?;
                t.insert(&key, Value::Unset, host.now());
            }
            Value::Table(t)
        }
        (Kind::Table { index, yields: Some(y) }, Data::Table(entries)) => {
            let t = Table::new(ty);
            for (k, v) in entries {
                let key = build_key(host, k, index, depth)?;
                let v = build(host, v, *y, depth + 1)?;
                t.insert(&key, v, host.now());
            }
            Value::Table(t)
        }
        _ => return None,
    })
}

/// A value that has no parts; `None` when it has some, or the data does not fit.
fn build_scalar(types: &Types, d: &Data, ty: TypeId) -> Option<Value> {
    Some(match (types.kind(ty), d) {
        (Kind::Bool, Data::Bool(b)) => Value::Bool(*b),
        (Kind::Int, Data::Int(n)) => Value::Int(*n),
        (Kind::Count, Data::Count(n)) => Value::Count(*n),
        (Kind::Double, Data::Real(d)) => Value::Double(*d),
        (Kind::Time, Data::Timestamp(n)) => Value::Time(*n as f64 / 1e9),
        (Kind::Interval, Data::Timespan(n)) => Value::Interval(*n as f64 / 1e9),
        (Kind::String, Data::String(s)) => Value::Str(s.as_slice().into()),
        (Kind::Addr, Data::Addr(a)) => Value::Addr(*a),
        (Kind::Subnet, Data::Subnet(s)) => Value::Subnet(*s),
        (Kind::Port, Data::Port(p)) => Value::Port(*p),
        (Kind::Enum(id), Data::Enum(name)) => {
            let n = types.enums[id.0 as usize].by_name.get(name.as_str())?;
            Value::Enum(ty, *n)
        }
        _ => return None,
    })
}

/// A function by its name, and what it has captured if it is one without.
fn build_function(host: &mut dyn FromHost, parts: &[Data], depth: usize) -> Option<Value> {
    let (name, captures) = match parts {
        [Data::String(name)] => (name, &[][..]),
        [Data::String(name), Data::Vector(captures)] => (name, &captures[..]),
        _ => return None,
    };
    let name = std::str::from_utf8(name).ok()?;
    match captures {
        // Only those without captures can do without.
        [] if host.captures(name).is_some_and(|c| !c.is_empty()) => None,
        [] => host.function(name),
        [Data::Vector(pairs)] => build_closure(host, name, pairs, depth),
        _ => None,
    }
}

/// A function with what it has captured, as pairs of a value and the number of its type.
fn build_closure(host: &mut dyn FromHost, name: &str, pairs: &[Data], depth: usize) -> Option<Value> {
    let types = host.captures(name)?;
    if types.len() != pairs.len() {
        return None;
    }
    let mut values = Vec::with_capacity(pairs.len());
    for (pair, ty) in pairs.iter().zip(types) {
        let Data::Vector(pair) = pair else {
            return None;
        };
        let [value, Data::Int(tag)] = &pair[..] else {
            return None;
        };
        let kind = host.types().kind(ty);
        if !matches!(kind, Kind::Any) && i64::from(kind.number()) != *tag {
            return None;
        }
        values.push(build(host, value, ty, depth + 1)?);
    }
    host.closure(name, values)
}

/// The number by which the network knows the type of a value.
fn type_tag(types: &Types, v: &Value) -> i64 {
    match v {
        Value::Unset => 0,
        Value::Bool(_) => 1,
        Value::Int(_) => 2,
        Value::Count(_) => 3,
        Value::Double(_) => 4,
        Value::Time(_) => 5,
        Value::Interval(_) => 6,
        Value::Str(_) => 7,
        Value::Pattern(_) => 8,
        Value::Enum(..) => 9,
        Value::Port(_) => 10,
        Value::Addr(_) => 11,
        Value::Subnet(_) => 12,
        Value::Table(t) => i64::from(types.kind(t.ty).number()),
        Value::Record(_) => 15,
        Value::List(_) => 16,
        Value::Func(_) => 17,
        Value::File(_) => 18,
        Value::Vector(_) => 19,
        Value::Opaque(_) => 20,
        Value::Type(_) => 21,
    }
}

/// Whether keys of a type are vectors themselves, so that a vector around one cannot be told from it.
fn is_whole(types: &Types, ty: TypeId) -> bool {
    matches!(
        types.kind(ty),
        Kind::Vector(_) | Kind::Record(_) | Kind::Func(_) | Kind::Pattern | Kind::Opaque(_)
    )
}

fn build_key(host: &mut dyn FromHost, d: &Data, index: &[TypeId], depth: usize) -> Option<Vec<Value>> {
    if let [one] = index {
        let whole = is_whole(host.types(), *one);
        return match d {
            Data::Vector(parts) if !whole => match &parts[..] {
                [d] => Some(vec![build(host, d, *one, depth + 1)?]),
                _ => None,
            },
            d => Some(vec![build(host, d, *one, depth + 1)?]),
        };
    }
    match d {
        Data::Vector(parts) if parts.len() == index.len() => {
            let pairs = parts.iter().zip(index);
            pairs.map(|(d, t)| build(host, d, *t, depth + 1)).collect()
        }
        _ => None,
    }
}

/// Whether data fits a type exactly, without making the value.
pub fn is_of_type(types: &Types, d: &Data, ty: TypeId) -> bool {
    match (types.kind(ty), d) {
        (Kind::Any, _)
        | (Kind::Bool, Data::Bool(_))
        | (Kind::Int, Data::Int(_))
        | (Kind::Count, Data::Count(_))
        | (Kind::Double, Data::Real(_))
        | (Kind::Time, Data::Timestamp(_))
        | (Kind::Interval, Data::Timespan(_))
        | (Kind::String, Data::String(_))
        | (Kind::Addr, Data::Addr(_))
        | (Kind::Subnet, Data::Subnet(_))
        | (Kind::Port, Data::Port(_)) => true,
        (Kind::Enum(id), Data::Enum(name)) => types.enums[id.0 as usize].by_name.contains_key(name.as_str()),
        (Kind::Pattern, Data::Vector(p)) => matches!(&p[..], [Data::String(_), Data::String(_)]),
        (Kind::Func(_), Data::Vector(p)) => matches!(&p[..], [Data::String(_)] | [Data::String(_), Data::Vector(_)]),
        (Kind::Record(id), Data::Vector(parts)) => {
            let fields = &types.layout(*id).fields;
            parts.len() >= fields.len()
                && parts
                    .iter()
                    .zip(fields)
                    .all(|(d, f)| matches!(d, Data::None) || is_of_type(types, d, f.ty))
        }
        (Kind::Vector(of), Data::Vector(items)) => items.iter().all(|d| is_of_type(types, d, *of)),
        (Kind::Table { index, yields: None }, Data::Set(items)) => items.iter().all(|d| key_fits(types, d, index)),
        (Kind::Table { index, yields: Some(y) }, Data::Table(entries)) => entries
            .iter()
            .all(|(k, v)| key_fits(types, k, index) && is_of_type(types, v, *y)),
        _ => false,
    }
}

fn key_fits(types: &Types, d: &Data, index: &[TypeId]) -> bool {
    match (index, d) {
        ([one], Data::Vector(parts)) if parts.len() == 1 && !is_whole(types, *one) => {
            is_of_type(types, &parts[0], *one)
        }
        ([one], d) => is_of_type(types, d, *one),
        (index, Data::Vector(parts)) => {
            parts.len() == index.len() && parts.iter().zip(index).all(|(d, t)| is_of_type(types, d, *t))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::PlainHost;
    use crate::types::{Field, builtin};

    struct Made(Types);

    impl FromHost for Made {
        fn types(&self) -> &Types {
            &self.0
        }
        fn pattern(&mut self, _: &[u8]) -> Option<Value> {
            None
        }
        fn function(&mut self, _: &str) -> Option<Value> {
            None
        }
        fn wrap(&mut self, _: Data) -> Option<Value> {
            None
        }
        fn now(&self) -> f64 {
            0.0
        }
    }

    #[test]
    fn records_and_composite_keys_round_trip() {
        let mut types = Types::new();
        let (id, rec) = types.new_record(Some("R".into()));
        for (name, ty) in [("a", builtin::COUNT), ("b", builtin::STRING)] {
            types.add_field(
                id,
                Field {
                    name: name.into(),
                    ty,
                    optional: true,
                    log: false,
                    default: None,
                    deprecated: None,
                    type_column: None,
                    shown: None,
                },
            );
        }
        let set = types.intern(Kind::Table {
            index: vec![builtin::COUNT, builtin::STRING],
            yields: None,
        });
        let r = Value::Record(Record::new(rec, vec![Value::Count(1)]));
        let d = to_data(&PlainHost(&types), &r).unwrap();
        assert_eq!(d, Data::Vector(vec![Data::Count(1), Data::None]));
        let t = Table::new(set);
        t.insert(&[Value::Count(1), Value::Str((*b"x").into())], Value::Unset, 0.0);
        let td = to_data(&PlainHost(&types), &Value::Table(t.clone())).unwrap();
        let mut host = Made(types);
        assert!(matches!(from_data(&mut host, &d, rec), Some(Value::Record(_))));
        assert!(from_data(&mut host, &Data::Vector(vec![Data::Count(1)]), rec).is_none());
        assert!(from_data(&mut host, &Data::Int(1), builtin::COUNT).is_none());
        let back = from_data(&mut host, &td, set).unwrap();
        assert!(crate::key::values_equal(&back, &Value::Table(t)));
    }
}
