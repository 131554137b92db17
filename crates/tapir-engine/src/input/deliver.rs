//! Rows to tables, events and files.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use tapir_data::text::{Style, render};
use tapir_data::types::TypeId;
use tapir_data::value::{Record, Value};
use tapir_files::FileManager;
use tapir_files::manager::{Chunk, NoConnection};
use tapir_vm::{CallCtx, RtError};

use super::{Column, Known, Mode, Stream, Target};
use crate::files::InCall;

/// A record of a type filled from columns.
fn record(cx: &CallCtx<'_>, ty: TypeId, columns: &[Column], values: &[Value]) -> Rc<Record> {
    let types = cx.types();
    let n = types.record(ty).map_or(0, |r| r.fields.len());
    let r = Record::new(ty, vec![Value::Unset; n]);
    for (c, v) in columns.iter().zip(values) {
        let mut at = r.clone();
        let mut at_ty = ty;
        for (depth, &slot) in c.steps.iter().enumerate() {
            if depth + 1 == c.steps.len() {
                at.set(slot as usize, v.clone());
                break;
            }
            let Some(inner_ty) = types
                .record(at_ty)
                .and_then(|t| t.fields.get(slot as usize))
                .map(|f| f.ty)
            else {
                break;
            };
            let inner = match at.get(slot as usize) {
                Value::Record(inner) => inner,
                _ => {
                    let inner = Record::new(inner_ty, Vec::new());
                    at.set(slot as usize, Value::Record(inner.clone()));
                    inner
                }
            };
            at = inner;
            at_ty = inner_ty;
        }
    }
    r
}

/// The value of a column in a record.
fn cell(record: &Rc<Record>, steps: &[u32]) -> Value {
    let mut at = Value::Record(record.clone());
    for &slot in steps {
        at = match at {
            Value::Record(r) => r.get(slot as usize),
            _ => Value::Unset,
        };
    }
    at
}

fn event_kind(cx: &CallCtx<'_>, name: &str) -> Value {
    match cx.program().names.get(name) {
        Some(tapir_script::hir::Ident::Enumerator(t, n)) => Value::Enum(*t, *n),
        _ => Value::Unset,
    }
}

fn hash_of(cx: &CallCtx<'_>, values: &[Value]) -> (Vec<u8>, u64) {
    let mut text = Vec::new();
    for v in values {
        text.extend_from_slice(&render(&*cx.vm, v, Style::String));
        text.push(0);
    }
    let mut h = DefaultHasher::new();
    text.hash(&mut h);
    (text, h.finish())
}

/// Hands one row to the stream's target.
pub(super) fn row(cx: &mut CallCtx<'_>, s: &mut Stream, values: Vec<Value>) -> Result<(), RtError> {
    match &s.target {
        Target::Event { ty, want_record, ev } => {
            let mut args = vec![s.description.clone(), event_kind(cx, "Input::EVENT_NEW")];
            if *want_record {
                args.push(Value::Record(record(cx, *ty, &s.columns, &values)));
            } else {
                args.extend(values);
            }
            crate::script::raise_value(cx.vm, ev, args);
            Ok(())
        }
        Target::Table { .. } => table_row(cx, s, values),
        Target::Analysis => match values.first() {
            Some(Value::Str(text)) => super::analyse(cx, s, text),
            _ => Ok(()),
        },
    }
}

fn table_row(cx: &mut CallCtx<'_>, s: &mut Stream, values: Vec<Value>) -> Result<(), RtError> {
    let Target::Table {
        table,
        idx,
        val,
        n_idx,
        want_record,
        ev,
        pred,
        known,
    } = &mut s.target
    else {
        return Ok(());
    };
    let Value::Table(table) = table.clone() else {
        return Ok(());
    };
    let (idx, val, n_idx, want_record) = (*idx, *val, *n_idx, *want_record);
    let (ev, pred) = (ev.clone(), pred.clone());
    let key: Vec<Value> = values[..n_idx].to_vec();
    let (key_text, _) = hash_of(cx, &key);
    let (_, hash) = hash_of(cx, &values[n_idx..]);
    let round = s.round;
    // What the same reading brought before does not count: rows are compared with the last whole reading.
    let before = known
        .get(&key_text)
        .filter(|k| k.round != round || round == 0)
        .map(|k| k.hash);
    if before == Some(hash) {
        if let Some(k) = known.get_mut(&key_text) {
            k.round = round;
        }
    }
    if before == Some(hash) && pred.is_none() {
        return Ok(());
    }
    if before == Some(hash) && table.contains(&key) {
        return Ok(());
    }
    let left = Value::Record(record(cx, idx, &s.columns[..n_idx], &key));
    let right = val.map(|ty| {
        if want_record {
            Value::Record(record(cx, ty, &s.columns[n_idx..], &values[n_idx..]))
        } else {
            values.get(n_idx).cloned().unwrap_or_default()
        }
    });
    let old = table.get(&key);
    let kind = event_kind(
        cx,
        if before.is_some() {
            "Input::EVENT_CHANGED"
        } else {
            "Input::EVENT_NEW"
        },
    );
    if let Some(pred) = &pred {
        let mut args = vec![kind.clone(), left.clone()];
        args.extend(right.clone());
        if matches!(cx.call(pred, &args)?, Value::Bool(false)) {
            return Ok(());
        }
    }
    // A predicate may have changed what it was shown.
    let key = match (&pred, &left) {
        (Some(_), Value::Record(left)) => s.columns[..n_idx].iter().map(|c| cell(left, &c.steps)).collect(),
        _ => key,
    };
    let stored = right.clone().unwrap_or_default();
    cx.vm.table_set(cx.host, &table, &key, stored)?;
    if let Target::Table { known, .. } = &mut s.target {
        known.insert(key_text, Known { key, hash, round });
    }
    if let Some(ev) = ev {
        let mut args = vec![s.description.clone(), kind, left];
        if let Some(right) = right {
            // A change is told with the value that was there before.
            args.push(if before.is_some() { old.unwrap_or(right) } else { right });
        }
        crate::script::raise_value(cx.vm, &ev, args);
    }
    Ok(())
}

/// After a whole reading: rows that are gone leave the table.
pub(super) fn end_round(cx: &mut CallCtx<'_>, s: &mut Stream) -> Result<(), RtError> {
    if s.mode == Mode::Stream {
        return Ok(());
    }
    let Target::Table {
        table,
        idx,
        val,
        n_idx,
        ev,
        pred,
        known,
        ..
    } = &mut s.target
    else {
        return Ok(());
    };
    let Value::Table(table) = table.clone() else {
        return Ok(());
    };
    let (idx, val, n_idx) = (*idx, *val, *n_idx);
    let (ev, pred) = (ev.clone(), pred.clone());
    let round = s.round;
    let gone: Vec<(Vec<u8>, Vec<Value>)> = known
        .iter()
        .filter(|(_, k)| k.round != round)
        .map(|(t, k)| (t.clone(), k.key.clone()))
        .collect();
    for (text, key) in gone {
        let old = table.get(&key);
        let left = Value::Record(record(cx, idx, &s.columns[..n_idx], &key));
        let kind = event_kind(cx, "Input::EVENT_REMOVED");
        let mut args = vec![kind, left];
        if val.is_some() {
            args.push(old.unwrap_or_default());
        }
        if let Some(pred) = &pred {
            if matches!(cx.call(pred, &args)?, Value::Bool(false)) {
                if let Target::Table { known, .. } = &mut s.target {
                    if let Some(k) = known.get_mut(&text) {
                        k.round = round;
                    }
                }
                continue;
            }
        }
        if let Some(ev) = &ev {
            args.insert(0, s.description.clone());
            crate::script::raise_value(cx.vm, ev, args);
        }
        table.remove(&key);
        cx.vm.note_change(&Value::Table(table.clone()));
        if let Target::Table { known, .. } = &mut s.target {
            known.remove(&text);
        }
    }
    Ok(())
}

/// A piece of a file for file analysis.
pub(super) fn file_piece(
    cx: &mut CallCtx<'_>,
    manager: &Rc<FileManager>,
    id: &Rc<str>,
    name: &str,
    data: &[u8],
) -> Result<(), RtError> {
    with_queue(cx, |cx, q| {
        let chunk = Chunk {
            offset: None,
            data,
            mime: None,
        };
        manager.data(q, &mut InCall::draining(cx), id, &mut NoConnection(name), chunk);
    });
    Ok(())
}

/// The end of a file for file analysis.
pub(super) fn file_end(cx: &mut CallCtx<'_>, manager: &Rc<FileManager>, id: &Rc<str>) -> Result<(), RtError> {
    with_queue(cx, |cx, q| manager.end(q, &mut InCall::draining(cx), id));
    Ok(())
}

/// Takes the queue out of the machine for the time of `f`.
fn with_queue(cx: &mut CallCtx<'_>, f: impl FnOnce(&mut CallCtx<'_>, &mut tapir_interface::queue::EventQueue)) {
    let mut q = tapir_interface::queue::EventQueue::new();
    std::mem::swap(cx.queue(), &mut q);
    f(cx, &mut q);
    std::mem::swap(cx.queue(), &mut q);
}
