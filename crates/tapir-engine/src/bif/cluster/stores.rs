//! Broker data stores for scripts: handles, changes, and queries that conditions of `when` wait for.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tapir_data::broker::{Data, convert};
use tapir_data::text::enum_text;
use tapir_data::value::{Opaque, Value};
use tapir_interface::enums::{broker_querystatus as status, broker_sqlitefailuremode as failure_mode};
use tapir_interface::records;
use tapir_vm::{CallCtx, Registry, RtError};

use super::{Out, text, truth};
use crate::cluster::stores as remote;
use crate::host::of;
use crate::logs::field;
use crate::stores::{Change, Deed, Persistent, PersistentOptions, Query, SharedStore, lock};

/// What a script holds of a store.
struct Handle {
    name: String,
    store: SharedStore,
    is_master: bool,
    closed: Rc<Cell<bool>>,
}

impl Opaque for Handle {
    fn type_name(&self) -> &str {
        "Broker::Store"
    }
    fn render(&self) -> String {
        format!("broker::store{{{}}}", self.name)
    }
    fn deep_copy(&self) -> Option<Rc<dyn Opaque>> {
        Some(Rc::new(Handle {
            name: self.name.clone(),
            store: self.store.clone(),
            is_master: self.is_master,
            closed: self.closed.clone(),
        }))
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

fn handle(args: &[Value]) -> Option<&Handle> {
    match args.first() {
        Some(Value::Opaque(o)) => o.as_any().downcast_ref::<Handle>(),
        _ => None,
    }
}

/// The store behind a handle that is not closed; `None` after a report.
fn open_store(cx: &mut CallCtx<'_>, args: &[Value]) -> Option<(SharedStore, String)> {
    match handle(args) {
        Some(h) if !h.closed.get() => Some((h.store.clone(), h.name.clone())),
        _ => {
            cx.error("invalid Broker store handle");
            None
        }
    }
}

/// The time of stores: entries end by the time of a capture while one is read, and by the clock otherwise.
pub(crate) fn now(cx: &mut CallCtx<'_>) -> Result<f64, RtError> {
    if of(cx)?.node.trace.is_some() {
        return Ok(cx.network_time());
    }
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Ok(since.map_or(0.0, |d| d.as_secs_f64()))
}

fn new_handle(name: String, store: SharedStore, is_master: bool) -> Value {
    Value::Opaque(Rc::new(Handle {
        name,
        store,
        is_master,
        closed: Rc::default(),
    }))
}

fn persistent(cx: &mut CallCtx<'_>, name: &str, options: &Value) -> Result<PersistentOptions, RtError> {
    let sqlite = field(cx, options, "sqlite")?;
    let mut path = text(Some(&field(cx, &sqlite, "path")?));
    if path.is_empty() {
        path = format!("{name}.sqlite");
    }
    let mut pragmas = Vec::new();
    if let Value::Bool(true) = field(cx, &sqlite, "integrity_check")? {
        pragmas.push(("integrity_check".to_string(), String::new()));
    }
    for (what, prefix) in [
        ("synchronous", "SQLITE_SYNCHRONOUS_"),
        ("journal_mode", "SQLITE_JOURNAL_MODE_"),
    ] {
        if let Value::Enum(ty, n) = field(cx, &sqlite, what)? {
            let name = enum_text(cx.types(), ty, n).to_string();
            if let Some((_, value)) = name.split_once(prefix) {
                pragmas.push((what.to_string(), value.to_ascii_lowercase()));
            }
        }
    }
    let replace_broken = match field(cx, &sqlite, "failure_mode")? {
        Value::Enum(_, n) => n == failure_mode::SQLITE_FAILURE_MODE_DELETE,
        _ => false,
    };
    Ok(PersistentOptions {
        path,
        pragmas,
        replace_broken,
    })
}

fn create_master(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let name = text(args.first());
    let shelf = of(cx)?.stores.clone();
    let before = lock(&shelf).get(&name).cloned();
    if before.is_some_and(|s| lock(&s).has_master()) {
        cx.error(format!(
            "could not create Broker master store '{name}': there is one already"
        ));
        return Ok(Value::Unset);
    }
    let on_disk = match args.get(1) {
        Some(Value::Enum(ty, n)) => enum_text(cx.types(), *ty, *n).ends_with("SQLITE"),
        _ => false,
    };
    let file = if on_disk {
        let options = args.get(2).cloned().unwrap_or_default();
        let options = persistent(cx, &name, &options)?;
        match Persistent::open(options) {
            Ok(found) => Some(found),
            Err(why) => {
                cx.error(format!("could not create Broker master store '{name}': {why}"));
                return Ok(Value::Unset);
            }
        }
    } else {
        None
    };
    let store = lock(&shelf).entry(name.clone()).or_default().clone();
    let taken = lock(&store).take_master(file);
    if let Err(why) = taken {
        cx.error(format!("Broker store '{name}': {why}"));
    }
    remote::add_master(cx, &name, &store)?;
    Ok(new_handle(name, store, true))
}

fn create_clone(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let name = text(args.first());
    let h = of(cx)?;
    let shared = h.cluster.is_in_process();
    let store = lock(&h.stores).entry(name.clone()).or_default().clone();
    if !shared && !lock(&store).has_master() {
        let [resync, stale, mutation_buffer] = [1, 2, 3].map(|i| match args.get(i) {
            // Negative is not at all, or never.
            Some(Value::Interval(s)) => Duration::try_from_secs_f64(*s).ok(),
            _ => None,
        });
        let patience = remote::Patience {
            resync: resync.unwrap_or(Duration::MAX),
            stale,
            mutation_buffer: mutation_buffer.unwrap_or_default(),
        };
        remote::add_clone(cx, &name, &store, patience)?;
    }
    Ok(new_handle(name, store, false))
}

fn is_closed(_: &mut CallCtx<'_>, args: &[Value]) -> Out {
    truth(handle(args).is_none_or(|h| h.closed.get()))
}

fn close(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let Some((store, name)) = open_store(cx, args) else {
        return truth(false);
    };
    if let Some(h) = handle(args) {
        h.closed.set(true);
        if h.is_master {
            lock(&of(cx)?.stores).remove(&name);
            let closed = lock(&store).close();
            if let Err(why) = closed {
                cx.error(format!("Broker store '{name}': {why}"));
            }
            remote::remove_master(cx, &name)?;
        }
    }
    truth(true)
}

fn store_name(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let name = match handle(args) {
        Some(h) => h.name.clone(),
        None => {
            cx.error("invalid Broker store handle");
            String::new()
        }
    };
    Ok(Value::Str(name.as_bytes().into()))
}

/// An argument as data; `None` after a report.
fn data(cx: &mut CallCtx<'_>, args: &[Value], i: usize, what: &str) -> Result<Option<Data>, RtError> {
    let v = args.get(i).cloned().unwrap_or_default();
    cx.materialize(&v)?;
    let made = convert::to_data(&tapir_builtins::util::VmText(cx.vm), &v);
    Ok(match made {
        Ok(d) => Some(d),
        Err(why) => {
            cx.error(format!("invalid Broker data conversion for {what} argument: {why}"));
            None
        }
    })
}

/// How many seconds an entry lives whose interval is at a position.
fn lasts(args: &[Value], i: usize) -> Option<f64> {
    match args.get(i) {
        Some(Value::Interval(s)) if *s > 0.0 => Some(*s),
        _ => None,
    }
}

// ---- queries ----

pub(crate) fn answer(cx: &mut CallCtx<'_>, found: Option<Data>) -> Result<Value, RtError> {
    let Some(ty) = cx.vm.type_id("Broker::Data") else {
        return Err(RtError::new("there is no type Broker::Data"));
    };
    let r = records::BrokerQueryResult {
        status: if found.is_some() {
            status::SUCCESS
        } else {
            status::FAILURE
        },
        result: convert::wrap(ty, found.unwrap_or_default()),
    };
    Ok(r.build(cx.queue().bindings()))
}

/// Whether queries can be made now; an error tells why not.
fn may_ask(cx: &mut CallCtx<'_>) -> bool {
    let wrong = match cx.vm.condition_under_evaluation() {
        None => "queries of Broker stores can only be called inside a when-condition",
        Some(false) => "queries of Broker stores must specify a timeout block",
        Some(true) => return true,
    };
    cx.error(wrong);
    false
}

/// Gives an answer, which the condition of a `when` finds at its next look.
fn give(cx: &mut CallCtx<'_>, name: &str, found: Result<Option<Data>, String>) -> Out {
    let found = match found {
        Ok(found) => found,
        Err(why) => {
            cx.error(format!("Broker store '{name}': {why}"));
            None
        }
    };
    let found = answer(cx, found)?;
    match cx.begin_async() {
        Some(token) => {
            cx.vm.finish_async(token, found);
            Err(RtError::Pending)
        }
        None => Ok(found),
    }
}

/// Runs a query; those of a clone wait for the entries of its master.
fn query(
    cx: &mut CallCtx<'_>,
    args: &[Value],
    make: impl FnOnce(&mut CallCtx<'_>) -> Result<Option<Query>, RtError>,
) -> Out {
    let Some((store, name)) = open_store(cx, args) else {
        return answer(cx, None);
    };
    if !may_ask(cx) {
        return answer(cx, None);
    }
    let Some(query) = make(cx)? else {
        return give(cx, &name, Ok(None));
    };
    if remote::waits(cx, &name, &store, &query)? {
        return Err(RtError::Pending);
    }
    let now = now(cx)?;
    let found = lock(&store).ask(&query, now);
    give(cx, &name, found)
}

fn exists(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    query(cx, args, |cx| Ok(data(cx, args, 1, "key")?.map(Query::Exists)))
}

fn get(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    query(cx, args, |cx| Ok(data(cx, args, 1, "key")?.map(Query::Get)))
}

fn get_index_from_value(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    query(cx, args, |cx| {
        let (key, index) = (data(cx, args, 1, "key")?, data(cx, args, 2, "index")?);
        Ok(key.zip(index).map(|(k, i)| Query::At(k, i)))
    })
}

fn keys(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    query(cx, args, |_| Ok(Some(Query::Keys)))
}

fn put_unique(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let Some((store, name)) = open_store(cx, args) else {
        return answer(cx, None);
    };
    if !may_ask(cx) {
        return answer(cx, None);
    }
    let (Some(key), Some(value)) = (data(cx, args, 1, "key")?, data(cx, args, 2, "value")?) else {
        return give(cx, &name, Ok(None));
    };
    let (entry, lasts) = ((key, value), lasts(args, 3));
    if remote::put_unique(cx, &name, &store, entry.clone(), lasts)? {
        return Err(RtError::Pending);
    }
    let new = remote::keep_unique(cx, &name, &store, entry, lasts)?;
    give(cx, &name, new.map(|new| Some(Data::Bool(new))))
}

// ---- changes ----

/// Makes a change. As the master of a store may be elsewhere, a script does not learn whether the change could be made;
/// who reads the messages does.
fn deed(
    cx: &mut CallCtx<'_>,
    args: &[Value],
    expiry: Option<usize>,
    make: impl FnOnce(&mut CallCtx<'_>) -> Result<Option<Deed>, RtError>,
) -> Out {
    let Some((store, name)) = open_store(cx, args) else {
        return truth(false);
    };
    let Some(deed) = make(cx)? else {
        return truth(false);
    };
    let lasts = expiry.and_then(|i| lasts(args, i));
    let done = remote::change(cx, &name, &store, deed, lasts)?;
    truth(done)
}

fn put(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    deed(cx, args, Some(3), |cx| {
        let (key, value) = (data(cx, args, 1, "key")?, data(cx, args, 2, "value")?);
        Ok(key.zip(value).map(|(k, v)| Deed::Put(k, v)))
    })
}

fn erase(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    deed(cx, args, None, |cx| Ok(data(cx, args, 1, "key")?.map(Deed::Erase)))
}

fn clear(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    deed(cx, args, None, |_| Ok(Some(Deed::Clear)))
}

fn change(cx: &mut CallCtx<'_>, args: &[Value], how: Option<Change>, expiry: usize) -> Out {
    deed(cx, args, Some(expiry), |cx| {
        let key = data(cx, args, 1, "key")?;
        Ok(key.zip(how).map(|(k, how)| Deed::Change(k, how)))
    })
}

fn increment(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let how = data(cx, args, 2, "amount")?.map(Change::Add);
    change(cx, args, how, 3)
}

fn decrement(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let how = data(cx, args, 2, "amount")?.map(Change::Subtract);
    change(cx, args, how, 3)
}

fn append(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let how = data(cx, args, 2, "str")?.map(Change::Append);
    change(cx, args, how, 3)
}

fn insert_into_set(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let how = data(cx, args, 2, "index")?.map(Change::Insert);
    change(cx, args, how, 3)
}

fn insert_into_table(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let (index, value) = (data(cx, args, 2, "index")?, data(cx, args, 3, "value")?);
    let how = index.zip(value).map(|(i, v)| Change::InsertEntry(i, v));
    change(cx, args, how, 4)
}

fn remove_from(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let how = data(cx, args, 2, "index")?.map(Change::Remove);
    change(cx, args, how, 3)
}

fn push(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let how = data(cx, args, 2, "value")?.map(Change::Push);
    change(cx, args, how, 3)
}

fn pop(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    change(cx, args, Some(Change::Pop), 2)
}

/// Adds the built-ins.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("Broker::__create_master", create_master),
        ("Broker::__create_clone", create_clone),
        ("Broker::__is_closed", is_closed),
        ("Broker::__close", close),
        ("Broker::__store_name", store_name),
        ("Broker::__exists", exists),
        ("Broker::__get", get),
        ("Broker::__put_unique", put_unique),
        ("Broker::__get_index_from_value", get_index_from_value),
        ("Broker::__keys", keys),
        ("Broker::__put", put),
        ("Broker::__erase", erase),
        ("Broker::__increment", increment),
        ("Broker::__decrement", decrement),
        ("Broker::__append", append),
        ("Broker::__insert_into_set", insert_into_set),
        ("Broker::__insert_into_table", insert_into_table),
        ("Broker::__remove_from", remove_from),
        ("Broker::__push", push),
        ("Broker::__pop", pop),
        ("Broker::__clear", clear),
    ]);
}
