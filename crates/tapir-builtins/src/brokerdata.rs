//! `Broker::Data` in scripts: wrapping values, and building and walking sets, tables, vectors and records.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use tapir_data::broker::{Data, DataHolder, convert};
use tapir_data::types::TypeId;
use tapir_data::value::{Opaque, Record, Value};
use tapir_vm::{CallCtx, RtError};

use crate::util::*;

pub const FAMILY: Family = &[
    ("Broker::__data", data),
    ("Broker::__data_type", data_type),
    ("Broker::__opaque_clone_through_serialization", |_, a| {
        Ok(tapir_data::copy::deep_copy(a.any(0)?))
    }),
    ("Broker::__set_create", |ctx, _| Ok(new(ctx, Data::Set(Vec::new())))),
    ("Broker::__set_clear", set_clear),
    ("Broker::__set_size", |_, a| {
        with(a, |d| Ok(Value::Count(items(d, SET)?.len() as u64)))
    }),
    ("Broker::__set_contains", set_contains),
    ("Broker::__set_insert", set_insert),
    ("Broker::__set_remove", set_remove),
    ("Broker::__set_iterator", |_, a| iterator(a, "Broker::SetIterator", SET)),
    ("Broker::__set_iterator_last", iterator_last),
    ("Broker::__set_iterator_next", iterator_next),
    ("Broker::__set_iterator_value", iterator_value),
    ("Broker::__table_create", |ctx, _| Ok(new(ctx, Data::Table(Vec::new())))),
    ("Broker::__table_clear", |_, a| {
        with(a, |d| {
            entries(d)?.clear();
            Ok(Value::Bool(true))
        })
    }),
    ("Broker::__table_size", |_, a| {
        with(a, |d| Ok(Value::Count(entries(d)?.len() as u64)))
    }),
    ("Broker::__table_contains", table_contains),
    ("Broker::__table_insert", table_insert),
    ("Broker::__table_remove", table_remove),
    ("Broker::__table_lookup", table_lookup),
    ("Broker::__table_iterator", |_, a| {
        iterator(a, "Broker::TableIterator", TABLE)
    }),
    ("Broker::__table_iterator_last", iterator_last),
    ("Broker::__table_iterator_next", iterator_next),
    ("Broker::__table_iterator_value", table_iterator_value),
    ("Broker::__vector_create", |ctx, _| {
        Ok(new(ctx, Data::Vector(Vec::new())))
    }),
    ("Broker::__vector_clear", |_, a| {
        with(a, |d| {
            items(d, VECTOR)?.clear();
            Ok(Value::Bool(true))
        })
    }),
    ("Broker::__vector_size", |_, a| {
        with(a, |d| Ok(Value::Count(items(d, VECTOR)?.len() as u64)))
    }),
    ("Broker::__vector_insert", vector_insert),
    ("Broker::__vector_replace", vector_replace),
    ("Broker::__vector_remove", vector_remove),
    ("Broker::__vector_lookup", vector_lookup),
    ("Broker::__vector_iterator", |_, a| {
        iterator(a, "Broker::VectorIterator", VECTOR)
    }),
    ("Broker::__vector_iterator_last", iterator_last),
    ("Broker::__vector_iterator_next", iterator_next),
    ("Broker::__vector_iterator_value", iterator_value),
    ("Broker::__record_create", record_create),
    ("Broker::__record_size", |_, a| {
        with(a, |d| Ok(Value::Count(items(d, VECTOR)?.len() as u64)))
    }),
    ("Broker::__record_assign", record_assign),
    ("Broker::__record_lookup", vector_lookup),
    ("Broker::__record_iterator", |_, a| {
        iterator(a, "Broker::RecordIterator", VECTOR)
    }),
    ("Broker::__record_iterator_last", iterator_last),
    ("Broker::__record_iterator_next", iterator_next),
    ("Broker::__record_iterator_value", iterator_value),
];

const SET: &str = "set";
const TABLE: &str = "table";
const VECTOR: &str = "vector";

fn new(ctx: &CallCtx<'_>, d: Data) -> Value {
    convert::wrap(ctx.result_type, d)
}

/// Data from any argument; `None` after a report.
fn argument(ctx: &mut CallCtx<'_>, v: &Value, what: &str) -> Result<Option<Data>, RtError> {
    ctx.materialize(v)?;
    let made = convert::to_data(&VmText(ctx.vm), v);
    Ok(match made {
        Ok(d) => Some(d),
        Err(_) => {
            ctx.error(format!("invalid Broker data conversion for {what} argument"));
            None
        }
    })
}

fn data(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let d = argument(ctx, a.any(0)?, "data")?;
    Ok(new(ctx, d.unwrap_or_default()))
}

fn data_type(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let d = convert::wrapped(ctx.types(), a.any(0)?).unwrap_or_default();
    let name = match d {
        Data::None => "NONE",
        Data::Bool(_) => "BOOL",
        Data::Int(_) => "INT",
        Data::Count(_) => "COUNT",
        Data::Real(_) => "DOUBLE",
        Data::String(_) => "STRING",
        Data::Addr(_) => "ADDR",
        Data::Subnet(_) => "SUBNET",
        Data::Port(_) => "PORT",
        Data::Timestamp(_) => "TIME",
        Data::Timespan(_) => "INTERVAL",
        Data::Enum(_) => "ENUM",
        Data::Set(_) => "SET",
        Data::Table(_) => "TABLE",
        Data::Vector(_) => "VECTOR",
    };
    Ok(enumerator(ctx, &format!("Broker::{name}")))
}

/// Runs `f` on the data behind the first argument, in place.
fn with(a: &[Value], f: impl FnOnce(&mut Data) -> Res) -> Res {
    let holder = match a.first() {
        Some(Value::Record(r)) => r.get(0),
        _ => Value::Unset,
    };
    match &holder {
        Value::Opaque(o) => match o.as_any().downcast_ref::<DataHolder>() {
            Some(d) => f(&mut d.0.borrow_mut()),
            None => Err(RtError::new("Broker::Data holds something else")),
        },
        _ => Err(RtError::new("Broker data has no value")),
    }
}

fn mismatch(wanted: &str) -> RtError {
    RtError::new(format!("unexpected type of Broker data: {wanted} expected"))
}

/// The elements of a set or vector.
fn items<'d>(d: &'d mut Data, kind: &str) -> Result<&'d mut Vec<Data>, RtError> {
    match d {
        Data::Set(items) if kind == SET => Ok(items),
        Data::Vector(items) if kind == VECTOR => Ok(items),
        _ => Err(mismatch(kind)),
    }
}

fn entries(d: &mut Data) -> Result<&mut Vec<(Data, Data)>, RtError> {
    match d {
        Data::Table(entries) => Ok(entries),
        _ => Err(mismatch(TABLE)),
    }
}

fn set_clear(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    with(a, |d| {
        items(d, SET)?.clear();
        Ok(Value::Bool(true))
    })
}

fn set_contains(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let Some(k) = argument(ctx, a.any(1)?, "key")? else {
        return Ok(Value::Bool(false));
    };
    with(a, |d| Ok(Value::Bool(items(d, SET)?.binary_search(&k).is_ok())))
}

fn set_insert(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let Some(k) = argument(ctx, a.any(1)?, "key")? else {
        return Ok(Value::Bool(false));
    };
    with(a, |d| {
        let items = items(d, SET)?;
        Ok(Value::Bool(match items.binary_search(&k) {
            Ok(_) => false,
            Err(at) => {
                items.insert(at, k);
                true
            }
        }))
    })
}

fn set_remove(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let Some(k) = argument(ctx, a.any(1)?, "key")? else {
        return Ok(Value::Bool(false));
    };
    with(a, |d| {
        let items = items(d, SET)?;
        let found = items.binary_search(&k);
        if let Ok(at) = found {
            items.remove(at);
        }
        Ok(Value::Bool(found.is_ok()))
    })
}

fn position(entries: &[(Data, Data)], k: &Data) -> Result<usize, usize> {
    entries.binary_search_by(|e| e.0.cmp(k))
}

fn table_contains(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let Some(k) = argument(ctx, a.any(1)?, "key")? else {
        return Ok(Value::Bool(false));
    };
    with(a, |d| Ok(Value::Bool(position(entries(d)?, &k).is_ok())))
}

fn table_insert(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let ty = ctx.result_type;
    let (Some(k), Some(v)) = (argument(ctx, a.any(1)?, "key")?, argument(ctx, a.any(2)?, "value")?) else {
        return Ok(convert::wrap(ty, Data::None));
    };
    with(a, |d| {
        let entries = entries(d)?;
        Ok(convert::wrap(
            ty,
            match position(entries, &k) {
                Ok(at) => std::mem::replace(&mut entries[at].1, v),
                Err(at) => {
                    entries.insert(at, (k, v));
                    Data::None
                }
            },
        ))
    })
}

fn table_remove(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let ty = ctx.result_type;
    let Some(k) = argument(ctx, a.any(1)?, "key")? else {
        return Ok(convert::wrap(ty, Data::None));
    };
    with(a, |d| {
        let entries = entries(d)?;
        let old = position(entries, &k).map(|at| entries.remove(at).1);
        Ok(convert::wrap(ty, old.unwrap_or_default()))
    })
}

fn table_lookup(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let ty = ctx.result_type;
    let Some(k) = argument(ctx, a.any(1)?, "key")? else {
        return Ok(convert::wrap(ty, Data::None));
    };
    with(a, |d| {
        let entries = entries(d)?;
        let found = position(entries, &k).map(|at| entries[at].1.clone());
        Ok(convert::wrap(ty, found.unwrap_or_default()))
    })
}

fn vector_insert(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let at = a.count(1)?;
    let Some(item) = argument(ctx, a.any(2)?, "item")? else {
        return Ok(Value::Bool(false));
    };
    with(a, |d| {
        let items = items(d, VECTOR)?;
        items.insert(at.min(items.len() as u64) as usize, item);
        Ok(Value::Bool(true))
    })
}

fn vector_replace(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (ty, at) = (ctx.result_type, a.count(1)? as usize);
    let Some(item) = argument(ctx, a.any(2)?, "item")? else {
        return Ok(convert::wrap(ty, Data::None));
    };
    with(a, |d| {
        let old = items(d, VECTOR)?.get_mut(at).map(|slot| std::mem::replace(slot, item));
        Ok(convert::wrap(ty, old.unwrap_or_default()))
    })
}

fn vector_remove(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (ty, at) = (ctx.result_type, a.count(1)? as usize);
    with(a, |d| {
        let items = items(d, VECTOR)?;
        let old = (at < items.len()).then(|| items.remove(at));
        Ok(convert::wrap(ty, old.unwrap_or_default()))
    })
}

fn vector_lookup(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (ty, at) = (ctx.result_type, a.count(1)? as usize);
    with(a, |d| {
        let found = items(d, VECTOR)?.get(at).cloned();
        Ok(convert::wrap(ty, found.unwrap_or_default()))
    })
}

/// Records that scripts build are no longer than this.
const RECORD_LEN_MAX: u64 = 1 << 16;

fn record_create(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let n = a.count(0)?.min(RECORD_LEN_MAX);
    Ok(new(ctx, Data::Vector(vec![Data::None; n as usize])))
}

fn record_assign(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let at = a.count(1)? as usize;
    let Some(item) = argument(ctx, a.any(2)?, "item")? else {
        return Ok(Value::Bool(false));
    };
    with(a, |d| {
        let slot = items(d, VECTOR)?.get_mut(at);
        Ok(Value::Bool(slot.map(|s| *s = item).is_some()))
    })
}

/// A walk over the elements that were there when it began; tables give key and value.
struct Walk {
    name: &'static str,
    items: Vec<(Data, Data)>,
    at: RefCell<usize>,
}

impl Opaque for Walk {
    fn type_name(&self) -> &str {
        self.name
    }
    fn deep_copy(&self) -> Option<Rc<dyn Opaque>> {
        Some(Rc::new(Walk {
            name: self.name,
            items: self.items.clone(),
            at: self.at.clone(),
        }))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn iterator(a: &[Value], name: &'static str, kind: &str) -> Res {
    with(a, |d| {
        let items = if kind == TABLE {
            entries(d)?.clone()
        } else {
            items(d, kind)?.iter().map(|d| (d.clone(), Data::None)).collect()
        };
        Ok(Value::Opaque(Rc::new(Walk {
            name,
            items,
            at: RefCell::new(0),
        })))
    })
}

fn walk(a: &[Value]) -> Result<&Walk, RtError> {
    match a.first() {
        Some(Value::Opaque(o)) => o.as_any().downcast_ref::<Walk>(),
        _ => None,
    }
    .ok_or_else(|| RtError::new("built-in called with wrong argument: Broker iterator expected"))
}

fn iterator_last(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let w = walk(a)?;
    Ok(Value::Bool(*w.at.borrow() >= w.items.len()))
}

fn iterator_next(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let w = walk(a)?;
    let mut at = w.at.borrow_mut();
    *at = (*at + 1).min(w.items.len());
    Ok(Value::Bool(*at < w.items.len()))
}

/// The present element; reports one past the end.
fn current(ctx: &mut CallCtx<'_>, a: &[Value]) -> Result<(Data, Data), RtError> {
    let w = walk(a)?;
    let found = w.items.get(*w.at.borrow()).cloned();
    if found.is_none() {
        ctx.error(format!("attempt to retrieve value of invalid {} iterator", w.name));
    }
    Ok(found.unwrap_or_default())
}

fn iterator_value(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let d = current(ctx, a)?.0;
    Ok(new(ctx, d))
}

fn table_iterator_value(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (k, v) = current(ctx, a)?;
    let ty = ctx.result_type;
    let types: Vec<TypeId> = match ctx.types().record(ty) {
        Some(layout) => layout.fields.iter().map(|f| f.ty).collect(),
        None => return Err(RtError::new("Broker::TableItem is no record")),
    };
    let slots = types.iter().zip([k, v]).map(|(t, d)| convert::wrap(*t, d)).collect();
    Ok(Value::Record(Record::new(ty, slots)))
}
