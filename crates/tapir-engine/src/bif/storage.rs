//! `Storage::*`: key-value backends. SQLite files are built in.

use std::cell::RefCell;
use std::rc::Rc;

use rusqlite::{Connection, OptionalExtension, params};
use tapir_data::broker::convert::to_data;
use tapir_data::broker::json;
use tapir_data::text::enum_text;
use tapir_data::types::TypeId;
use tapir_data::value::{Opaque, Value};
use tapir_interface::enums::storage_returncode as code;
use tapir_interface::{events, records};
use tapir_vm::{CallCtx, Registry, RtError};

use super::{seconds, text, truth};
use crate::logs::field;

type Out = Result<Value, RtError>;

/// An open backend, as the scripts' handle.
struct Handle {
    inner: RefCell<Option<Backend>>,
    forced_sync: bool,
}

struct Backend {
    db: Connection,
    table: String,
    key_type: TypeId,
    value_type: TypeId,
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

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn open(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let Some(Value::Enum(ty, n)) = args.first() else {
        return failed(cx, code::OPERATION_FAILED, "no backend given");
    };
    let name = enum_text(cx.types(), *ty, *n).to_string();
    if name != "Storage::STORAGE_BACKEND_SQLITE" {
        return failed(
            cx,
            code::INITIALIZATION_FAILED,
            format!("no storage backend implements {name}"),
        );
    }
    let (Some(Value::Type(key_type)), Some(Value::Type(value_type))) = (args.get(2), args.get(3)) else {
        return failed(cx, code::OPERATION_FAILED, "key and value types must be types");
    };
    let options = args.get(1).cloned().unwrap_or_default();
    let sqlite = field(cx, &options, "sqlite")?;
    let path = text(Some(&field(cx, &sqlite, "database_path")?));
    let table = text(Some(&field(cx, &sqlite, "table_name")?));
    if path.is_empty() || table.is_empty() {
        return failed(
            cx,
            code::INITIALIZATION_FAILED,
            "SQLite needs database_path and table_name",
        );
    }
    if path == ":memory:" {
        return failed(cx, code::INITIALIZATION_FAILED, "the database must be a file");
    }
    let busy = seconds(Some(&field(cx, &sqlite, "busy_timeout")?));
    let mut pragmas = Vec::new();
    if let Value::Table(t) = field(cx, &sqlite, "pragma_commands")? {
        for (k, v) in t.entries() {
            pragmas.push((text(Some(&k)), text(Some(&v))));
        }
    }
    let forced_sync = truth(Some(&field(cx, &options, "forced_sync")?));
    let opened = (|| -> rusqlite::Result<Connection> {
        let db = Connection::open(&path)?;
        db.busy_timeout(std::time::Duration::from_secs_f64(busy.clamp(0.0, 3600.0)))?;
        for (k, v) in &pragmas {
            if v.is_empty() {
                db.pragma_query(None, k, |_| Ok(()))?;
            } else {
                db.pragma_update(None, k, v)?;
            }
        }
        db.execute(
            &format!(
                "create table if not exists {} (key_str text primary key, value_str text not null, expire_time real)",
                quoted(&table)
            ),
            [],
        )?;
        Ok(db)
    })();
    let db = match opened {
        Ok(db) => db,
        Err(e) => return failed(cx, code::INITIALIZATION_FAILED, format!("{path}: {e}")),
    };
    let backend = Backend {
        db,
        table,
        key_type: *key_type,
        value_type: *value_type,
    };
    let handle = Value::Opaque(Rc::new(Handle {
        inner: RefCell::new(Some(backend)),
        forced_sync,
    }));
    cx.raise(events::STORAGE_BACKEND_OPENED, vec![args[0].clone(), options]);
    result(cx, code::SUCCESS, None, handle)
}

fn handle(args: &[Value]) -> Option<Rc<dyn Opaque>> {
    match args.first() {
        Some(Value::Opaque(o)) if o.as_any().is::<Handle>() => Some(o.clone()),
        _ => None,
    }
}

fn close(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let Some(h) = handle(args) else {
        return failed(cx, code::NOT_CONNECTED, "not a backend handle");
    };
    let Some(h) = h.as_any().downcast_ref::<Handle>() else {
        return Ok(Value::Unset);
    };
    match h.inner.borrow_mut().take() {
        Some(b) => match b.db.close() {
            Ok(()) => result(cx, code::SUCCESS, None, Value::Unset),
            Err((_, e)) => failed(cx, code::DISCONNECTION_FAILED, e),
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

/// Runs an operation on an open backend with the serialized key; wrong types and closed backends are answered.
fn with_key(cx: &mut CallCtx<'_>, args: &[Value], f: impl FnOnce(&mut CallCtx<'_>, &Backend, String) -> Out) -> Out {
    let Some(h) = handle(args) else {
        return failed(cx, code::NOT_CONNECTED, "not a backend handle");
    };
    let Some(h) = h.as_any().downcast_ref::<Handle>() else {
        return Ok(Value::Unset);
    };
    let inner = h.inner.borrow();
    let Some(b) = inner.as_ref() else {
        return failed(cx, code::NOT_CONNECTED, "Backend is closed");
    };
    let key = args.get(1).cloned().unwrap_or_default();
    if !cx.types().same(cx.type_of(&key), b.key_type) {
        return result(cx, code::KEY_TYPE_MISMATCH, None, Value::Unset);
    }
    match serialize(cx, &key) {
        Some(k) => f(cx, b, k),
        None => failed(cx, code::OPERATION_FAILED, "the key cannot be serialized"),
    }
}

/// Entries whose time has passed are as good as absent.
fn expired(now: f64, at: Option<f64>) -> bool {
    at.is_some_and(|t| t > 0.0 && t <= now)
}

fn put(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let value = args.get(2).cloned().unwrap_or_default();
    let (overwrite, expire) = (truth(args.get(3)), seconds(args.get(4)));
    with_key(cx, args, |cx, b, key| {
        if !cx.types().same(cx.type_of(&value), b.value_type) {
            return result(cx, code::VAL_TYPE_MISMATCH, None, Value::Unset);
        }
        let Some(text) = serialize(cx, &value) else {
            return failed(cx, code::OPERATION_FAILED, "the value cannot be serialized");
        };
        let now = cx.network_time();
        let at = if expire > 0.0 { now + expire } else { 0.0 };
        let table = quoted(&b.table);
        let done = (|| -> rusqlite::Result<bool> {
            if !overwrite {
                let old: Option<Option<f64>> =
                    b.db.query_row(
                        &format!("select expire_time from {table} where key_str = ?"),
                        [&key],
                        |r| r.get(0),
                    )
                    .optional()?;
                if old.is_some_and(|t| !expired(now, t)) {
                    return Ok(false);
                }
            }
            b.db.execute(
                &format!("insert or replace into {table} (key_str, value_str, expire_time) values (?, ?, ?)"),
                params![key, text, at],
            )?;
            Ok(true)
        })();
        match done {
            Ok(true) => result(cx, code::SUCCESS, None, Value::Unset),
            Ok(false) => result(cx, code::KEY_EXISTS, None, Value::Unset),
            Err(e) => failed(cx, code::OPERATION_FAILED, e),
        }
    })
}

fn get(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    with_key(cx, args, |cx, b, key| {
        let found: rusqlite::Result<Option<(String, Option<f64>)>> =
            b.db.query_row(
                &format!(
                    "select value_str, expire_time from {} where key_str = ?",
                    quoted(&b.table)
                ),
                [&key],
                |r| Ok((r.get(0)?, r.get(1)?)),
            )
            .optional();
        match found {
            Ok(Some((text, at))) if !expired(cx.network_time(), at) => match deserialize(cx, &text, b.value_type) {
                Some(v) => result(cx, code::SUCCESS, None, v),
                None => failed(cx, code::OPERATION_FAILED, "the stored value cannot be read"),
            },
            Ok(_) => result(cx, code::KEY_NOT_FOUND, None, Value::Unset),
            Err(e) => failed(cx, code::OPERATION_FAILED, e),
        }
    })
}

fn erase(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    with_key(cx, args, |cx, b, key| {
        match b
            .db
            .execute(&format!("delete from {} where key_str = ?", quoted(&b.table)), [&key])
        {
            // Nothing to erase is as good as erased.
            Ok(_) => result(cx, code::SUCCESS, None, Value::Unset),
            Err(e) => failed(cx, code::OPERATION_FAILED, e),
        }
    })
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

/// Adds the built-ins. The asynchronous functions answer at once, which is what they do when captures are read.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("Storage::Sync::__open_backend", open),
        ("Storage::Sync::__close_backend", close),
        ("Storage::Sync::__put", put),
        ("Storage::Sync::__get", get),
        ("Storage::Sync::__erase", erase),
        ("Storage::Async::__open_backend", open),
        ("Storage::Async::__close_backend", close),
        ("Storage::Async::__put", put),
        ("Storage::Async::__get", get),
        ("Storage::Async::__erase", erase),
        ("Storage::is_open", is_open),
        ("Storage::is_forced_sync", is_forced_sync),
    ]);
}
