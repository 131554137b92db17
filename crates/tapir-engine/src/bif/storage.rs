//! `Storage::*`: key-value backends for scripts. The stores themselves are in [`crate::storage`].

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use tapir_data::broker::convert::to_data;
use tapir_data::broker::json;
use tapir_data::text::enum_text;
use tapir_data::types::TypeId;
use tapir_data::value::{Opaque, Value};
use tapir_interface::enums::storage_returncode as code;
use tapir_interface::{events, records};
use tapir_vm::{CallCtx, Registry, RtError};

use super::{seconds, text, truth};
use crate::host::of;
use crate::logs::field;
use crate::storage::{Backend, Failure, Redis, RedisOptions, Sqlite, SqliteOptions};
use crate::telemetry::{Family, Kind};

type Out = Result<Value, RtError>;

/// An open backend, as the scripts' handle.
struct Handle {
    inner: RefCell<Option<Open>>,
    forced_sync: bool,
    /// The backend's enumerator and options, for the event that tells of its loss.
    what: (Value, Value),
}

struct Open {
    store: Box<dyn Backend>,
    key_type: TypeId,
    value_type: TypeId,
    swept: f64,
}

impl Opaque for Handle {
    fn type_name(&self) -> &str {
        "Storage::BackendHandle"
    }
    fn shown_type_name(&self) -> &str {
        "Storage::Backend"
    }
    fn deep_copy(&self) -> Option<Rc<dyn Opaque>> {
        None
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// What starts every serialized text.
const PREFIX: &str = "JSONv1;";

fn result(cx: &mut CallCtx<'_>, code: i64, error: Option<String>, value: Value) -> Out {
    let r = records::StorageOperationResult {
        code,
        error_str: error.map(|e| e.into_bytes().into()),
        value,
    };
    Ok(r.build(cx.queue().bindings()))
}

fn failed(cx: &mut CallCtx<'_>, code: i64, error: impl ToString) -> Out {
    result(cx, code, Some(error.to_string()), Value::Unset)
}

fn open(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let Some(Value::Enum(ty, n)) = args.first() else {
        return failed(cx, code::OPERATION_FAILED, "no backend given");
    };
    let name = enum_text(cx.types(), *ty, *n).to_string();
    let (Some(Value::Type(key_type)), Some(Value::Type(value_type))) = (args.get(2), args.get(3)) else {
        return failed(cx, code::OPERATION_FAILED, "key and value types must be types");
    };
    let options = args.get(1).cloned().unwrap_or_default();
    let forced_sync = truth(Some(&field(cx, &options, "forced_sync")?));
    let opened = match name.as_str() {
        "Storage::STORAGE_BACKEND_SQLITE" => open_sqlite(cx, &options)?,
        "Storage::STORAGE_BACKEND_REDIS" => open_redis(cx, &options)?,
        _ => Err((
            code::INITIALIZATION_FAILED,
            format!("no storage backend implements {name}"),
        )),
    };
    let store = match opened {
        Ok(store) => store,
        Err((code, why)) => return failed(cx, code, why),
    };
    let handle = Value::Opaque(Rc::new(Handle {
        inner: RefCell::new(Some(Open {
            store,
            key_type: *key_type,
            value_type: *value_type,
            swept: cx.network_time(),
        })),
        forced_sync,
        what: (args[0].clone(), options.clone()),
    }));
    cx.raise(events::STORAGE_BACKEND_OPENED, vec![args[0].clone(), options]);
    result(cx, code::SUCCESS, None, handle)
}

type Opened = Result<Result<Box<dyn Backend>, (i64, String)>, RtError>;

fn open_sqlite(cx: &mut CallCtx<'_>, options: &Value) -> Opened {
    let sqlite = field(cx, options, "sqlite")?;
    let path = text(Some(&field(cx, &sqlite, "database_path")?));
    let table = text(Some(&field(cx, &sqlite, "table_name")?));
    let wrong = |why: &str| Ok(Err((code::INITIALIZATION_FAILED, why.to_string())));
    if path.is_empty() || table.is_empty() {
        return wrong("SQLite needs database_path and table_name");
    }
    if path == ":memory:" {
        return wrong("the database must be a file");
    }
    let mut pragmas = Vec::new();
    if let Value::Table(t) = field(cx, &sqlite, "pragma_commands")? {
        for (k, v) in t.entries() {
            pragmas.push((text(Some(&k)), text(Some(&v))));
        }
    }
    let o = SqliteOptions {
        path,
        table,
        busy_secs: seconds(Some(&field(cx, &sqlite, "busy_timeout")?)),
        pragmas,
        pragma_secs: seconds(Some(&field(cx, &sqlite, "pragma_timeout")?)),
        pragma_pause_secs: seconds(Some(&field(cx, &sqlite, "pragma_wait_on_busy")?)),
    };
    Ok(match Sqlite::open(&o) {
        Ok(b) => Ok(Box::new(b)),
        Err(e) => Err((code::INITIALIZATION_FAILED, e)),
    })
}

fn open_redis(cx: &mut CallCtx<'_>, options: &Value) -> Opened {
    let redis = field(cx, options, "redis")?;
    let given = |v: Value| match v {
        Value::Str(_) => Some(text(Some(&v))),
        _ => None,
    };
    let host = given(field(cx, &redis, "server_host")?);
    let socket = given(field(cx, &redis, "server_unix_socket")?);
    if host.is_some() == socket.is_some() {
        let why = "Redis needs either server_host or server_unix_socket";
        return Ok(Err((code::INITIALIZATION_FAILED, why.into())));
    }
    let port = match field(cx, &redis, "server_port")? {
        Value::Port(p) => p.num,
        _ => 6379,
    };
    let offline = of(cx)?.node.trace.is_some();
    let o = RedisOptions {
        server: host.map(|h| (h, port)),
        socket: socket.unwrap_or_default(),
        prefix: text(Some(&field(cx, &redis, "key_prefix")?)),
        connect_secs: seconds(Some(&field(cx, &redis, "connect_timeout")?)),
        operation_secs: seconds(Some(&field(cx, &redis, "operation_timeout")?)),
        username: given(field(cx, &redis, "username")?),
        password: given(field(cx, &redis, "password")?),
        offline,
    };
    Ok(match Redis::open(o) {
        Ok(b) => Ok(Box::new(b)),
        Err(e) => Err((code::CONNECTION_FAILED, e)),
    })
}

fn handle(args: &[Value]) -> Option<Rc<dyn Opaque>> {
    match args.first() {
        Some(Value::Opaque(o)) if o.as_any().is::<Handle>() => Some(o.clone()),
        _ => None,
    }
}

/// Tells scripts that a backend cannot be asked any more.
fn lost(cx: &mut CallCtx<'_>, h: &Handle, why: &str) {
    let (tag, options) = h.what.clone();
    let args = vec![tag, options, Value::Str(why.as_bytes().into())];
    cx.raise(events::STORAGE_BACKEND_LOST, args);
}

fn close(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let Some(h) = handle(args) else {
        return failed(cx, code::NOT_CONNECTED, "not a backend handle");
    };
    let Some(h) = h.as_any().downcast_ref::<Handle>() else {
        return Ok(Value::Unset);
    };
    match h.inner.borrow_mut().take() {
        Some(b) => match b.store.close() {
            Ok(()) => {
                lost(cx, h, "Backend closed");
                result(cx, code::SUCCESS, None, Value::Unset)
            }
            Err(e) => failed(cx, code::DISCONNECTION_FAILED, e),
        },
        None => failed(cx, code::NOT_CONNECTED, "Backend is closed"),
    }
}

fn serialize(cx: &CallCtx<'_>, v: &Value) -> Option<String> {
    let data = to_data(&*cx.vm, v).ok()?;
    Some(format!("{PREFIX}{}", String::from_utf8_lossy(&json::to_json(&data))))
}

fn deserialize(cx: &mut CallCtx<'_>, text: &str, ty: TypeId) -> Option<Value> {
    let data = json::decode(text.strip_prefix(PREFIX)?.as_bytes()).ok()?;
    cx.vm.value_from_data(cx.host, &data, ty)
}

/// Counts an operation, and how long the backend took for it.
fn count(cx: &mut CallCtx<'_>, tag: &Value, operation: &str, begun: Instant, result: &str) -> Result<(), RtError> {
    let backend = match tag {
        Value::Enum(ty, n) => enum_text(cx.types(), *ty, *n).to_string(),
        _ => String::new(),
    };
    let bounds = match crate::globals::get(cx, "Storage::latency_metric_bounds") {
        Value::Vector(v) => v.to_vec(),
        _ => Vec::new(),
    };
    let bounds = bounds.iter().filter_map(|b| match b {
        Value::Double(d) => Some(*d),
        _ => None,
    });
    let mut bounds: Vec<f64> = bounds.collect();
    bounds.sort_by(f64::total_cmp);
    let t = &mut of(cx)?.telemetry;
    let mut family = |kind, name: &str, unit: &str, help: &str, labels: &[(&str, &str)], bounds: Vec<f64>| {
        let family = t.family(Family {
            kind,
            prefix: "zeek".into(),
            name: name.into(),
            labels: labels.iter().map(|l| l.0.to_string()).collect(),
            help: help.into(),
            unit: unit.into(),
            bounds,
            metrics: RefCell::default(),
        });
        family.get_or_add(labels.iter().map(|l| l.1.to_string()).collect())
    };
    let labels = [("type", &*backend), ("operation", operation)];
    let help = "Time that storage backends took";
    let latency = family(
        Kind::Histogram,
        "storage_operation_latency",
        "seconds",
        help,
        &labels,
        bounds,
    );
    latency.observe(begun.elapsed().as_secs_f64());
    let labels = [("type", &*backend), ("operation", operation), ("result", result)];
    let help = "Operations of storage backends";
    let n = family(Kind::Counter, "storage_operations", "", help, &labels, Vec::new());
    n.value.set(n.value.get() + 1.0);
    Ok(())
}

/// Runs an operation on an open backend with the serialized key; wrong types and closed backends are answered.
fn with_key(
    cx: &mut CallCtx<'_>,
    args: &[Value],
    operation: &str,
    f: impl FnOnce(&mut CallCtx<'_>, &mut Open, String) -> Result<Result<Value, Failure>, RtError>,
) -> Out {
    let Some(h) = handle(args) else {
        return failed(cx, code::NOT_CONNECTED, "not a backend handle");
    };
    let Some(h) = h.as_any().downcast_ref::<Handle>() else {
        return Ok(Value::Unset);
    };
    // Taken out meanwhile: reading back a value may run scripts.
    let Some(mut b) = h.inner.borrow_mut().take() else {
        return failed(cx, code::NOT_CONNECTED, "Backend is closed");
    };
    let key = args.get(1).cloned().unwrap_or_default();
    if !cx.types().same(cx.type_of(&key), b.key_type) {
        *h.inner.borrow_mut() = Some(b);
        return result(cx, code::KEY_TYPE_MISMATCH, None, Value::Unset);
    }
    let begun = Instant::now();
    let done = match serialize(cx, &key) {
        Some(k) => {
            sweep(cx, &mut b);
            f(cx, &mut b, k)
        }
        None => Ok(Err(Failure::Other("the key cannot be serialized".into()))),
    };
    let result_name = match &done {
        Ok(Ok(_)) => "success",
        Ok(Err(Failure::KeyNotFound | Failure::KeyExists)) => "key",
        Ok(Err(Failure::Timeout(_))) => "timeout",
        Ok(Err(Failure::Lost(_) | Failure::Other(_))) | Err(_) => "error",
    };
    count(cx, &h.what.0, operation, begun, result_name)?;
    if let Ok(Err(Failure::Lost(why))) = &done {
        // Nothing more can be asked of this backend.
        lost(cx, h, why);
    } else {
        *h.inner.borrow_mut() = Some(b);
    }
    match done? {
        Ok(v @ Value::Record(_)) => Ok(v),
        Ok(v) => result(cx, code::SUCCESS, None, v),
        Err(Failure::KeyExists) => result(cx, code::KEY_EXISTS, None, Value::Unset),
        Err(Failure::KeyNotFound) => result(cx, code::KEY_NOT_FOUND, None, Value::Unset),
        Err(Failure::Lost(e)) => failed(cx, code::CONNECTION_LOST, e),
        Err(Failure::Timeout(e)) => failed(cx, code::TIMEOUT, e),
        Err(Failure::Other(e)) => failed(cx, code::OPERATION_FAILED, e),
    }
}

/// Removes what is over, every `Storage::expire_interval`.
fn sweep(cx: &mut CallCtx<'_>, b: &mut Open) {
    let every = match crate::globals::get(cx, "Storage::expire_interval") {
        Value::Interval(i) if i > 0.0 => i,
        _ => return,
    };
    let now = cx.network_time();
    if now - b.swept >= every {
        b.swept = now;
        if let Err(e) = b.store.sweep(now) {
            cx.warning(format!("entries of a storage backend could not be expired: {e:?}"));
        }
    }
}

fn put(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let value = args.get(2).cloned().unwrap_or_default();
    let (overwrite, expire) = (truth(args.get(3)), seconds(args.get(4)));
    with_key(cx, args, "put", |cx, b, key| {
        if !cx.types().same(cx.type_of(&value), b.value_type) {
            return result(cx, code::VAL_TYPE_MISMATCH, None, Value::Unset).map(Ok);
        }
        let Some(text) = serialize(cx, &value) else {
            return Ok(Err(Failure::Other("the value cannot be serialized".into())));
        };
        let now = cx.network_time();
        Ok(b.store.put(&key, &text, overwrite, expire, now).map(|()| Value::Unset))
    })
}

fn get(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    with_key(cx, args, "get", |cx, b, key| {
        let text = match b.store.get(&key, cx.network_time()) {
            Ok(text) => text,
            Err(e) => return Ok(Err(e)),
        };
        match deserialize(cx, &text, b.value_type) {
            Some(v) => result(cx, code::SUCCESS, None, v).map(Ok),
            None => Ok(Err(Failure::Other("the stored value cannot be read".into()))),
        }
    })
}

fn erase(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    with_key(cx, args, "erase", |_, b, key| {
        Ok(b.store.erase(&key).map(|()| Value::Unset))
    })
}

/// The asynchronous functions are for conditions of `when`, which must not wait for ever.
fn check_when(cx: &CallCtx<'_>) -> Result<(), RtError> {
    match cx.vm.condition_under_evaluation() {
        Some(true) => Ok(()),
        Some(false) => Err(RtError::new("Async Storage operations must specify a timeout block")),
        None => Err(RtError::new(
            "Asynchronous storage operations must be called via a when-condition",
        )),
    }
}

fn async_open(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    check_when(cx)?;
    open(cx, args)
}

fn async_close(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    check_when(cx)?;
    close(cx, args)
}

fn async_put(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    check_when(cx)?;
    put(cx, args)
}

fn async_get(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    check_when(cx)?;
    get(cx, args)
}

fn async_erase(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    check_when(cx)?;
    erase(cx, args)
}

fn is_open(_: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let open = handle(args)
        .and_then(|h| h.as_any().downcast_ref::<Handle>().map(|h| h.inner.borrow().is_some()))
        .unwrap_or(false);
    Ok(Value::Bool(open))
}

fn is_forced_sync(_: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let forced = handle(args)
        .and_then(|h| h.as_any().downcast_ref::<Handle>().map(|h| h.forced_sync))
        .unwrap_or(false);
    Ok(Value::Bool(forced))
}

/// Adds the built-ins. The asynchronous functions answer at once: a backend's own time limit bounds how long that takes.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("Storage::Sync::__open_backend", open),
        ("Storage::Sync::__close_backend", close),
        ("Storage::Sync::__put", put),
        ("Storage::Sync::__get", get),
        ("Storage::Sync::__erase", erase),
        ("Storage::Async::__open_backend", async_open),
        ("Storage::Async::__close_backend", async_close),
        ("Storage::Async::__put", async_put),
        ("Storage::Async::__get", async_get),
        ("Storage::Async::__erase", async_erase),
        ("Storage::is_open", is_open),
        ("Storage::is_forced_sync", is_forced_sync),
    ]);
}
