//! `&publish_on_change`: changes of tables go to other nodes, in batches, and theirs are applied here.
//!
//! A change is sent at once when the last sending for its table and topic is longer ago than the batch delay; otherwise it
//! waits for the delay to pass or for the batch to be full.

use std::collections::HashMap;
use std::rc::Rc;

use tapir_data::broker::convert::{nanos, to_data};
use tapir_data::broker::{Data, event::EventMessage};
use tapir_data::table::{Table, as_parts};
use tapir_data::types::Kind;
use tapir_data::value::Value;
use tapir_vm::{CallCtx, RtError, Severity};

use super::publish;
use super::receive::{is_set, is_unset};
use crate::host::of;

/// The enumerators of `TableChange`, in their order.
const CHANGES: [&str; 4] = [
    "TABLE_ELEMENT_NEW",
    "TABLE_ELEMENT_CHANGED",
    "TABLE_ELEMENT_REMOVED",
    "TABLE_ELEMENT_EXPIRED",
];

/// Changes that wait, and what is known of the tables.
#[derive(Default)]
pub struct Changes {
    /// Where changes go that another node is to pass on; empty sends them directly.
    pub forward_topic: Vec<u8>,
    /// Set while changes of another node are applied: they are not sent on.
    applying: bool,
    tables: HashMap<*const Table, Rc<Shared>>,
    waiting: HashMap<(Rc<str>, Vec<u8>), Batch>,
    next_due: Option<f64>,
}

/// A table whose changes are published.
struct Shared {
    name: Rc<str>,
    changes: [bool; 4],
    topic: Option<Value>,
    batch_max: u64,
    delay: f64,
}

struct Batch {
    infos: Vec<Data>,
    last_sent: f64,
    due: f64,
}

/// Topics per table that are remembered; functions that make topics from keys must not fill the memory.
const BATCHES_MAX: usize = 100_000;

/// The global that holds a table.
fn name_of(cx: &CallCtx<'_>, t: &Rc<Table>) -> Option<Rc<str>> {
    let program = cx.program();
    program.names.iter().find_map(|(name, ident)| match ident {
        tapir_script::hir::Ident::Global(g) => match cx.vm.global(*g) {
            Value::Table(held) if Rc::ptr_eq(held, t) => Some(Rc::from(&**name)),
            _ => None,
        },
        _ => None,
    })
}

fn field(cx: &mut CallCtx<'_>, r: &Value, name: &str) -> Result<Value, RtError> {
    crate::logs::field(cx, r, name)
}

fn describe(cx: &mut CallCtx<'_>, t: &Rc<Table>) -> Result<Option<Rc<Shared>>, RtError> {
    let key = Rc::as_ptr(t);
    if let Some(known) = of(cx)?.cluster.changes.tables.get(&key).cloned() {
        // Another table may have been made where one was that is gone.
        let held = cx.vm.global_value(&known.name);
        if matches!(held, Some(Value::Table(h)) if Rc::ptr_eq(&h, t)) {
            return Ok(Some(known));
        }
    }
    let made = read_attribute(cx, t)?.map(Rc::new);
    let tables = &mut of(cx)?.cluster.changes.tables;
    match &made {
        Some(shared) => tables.insert(key, shared.clone()),
        None => tables.remove(&key),
    };
    Ok(made)
}

fn read_attribute(cx: &mut CallCtx<'_>, t: &Rc<Table>) -> Result<Option<Shared>, RtError> {
    let Some(attr) = t.attrs().and_then(|a| a.publish_on_change.clone()) else {
        return Ok(None);
    };
    let Some(name) = name_of(cx, t) else {
        return Ok(None);
    };
    let attr = cx.vm.attr_value(cx.host, &attr)?;
    let mut changes = [false; 4];
    if let Value::Table(wanted) = field(cx, &attr, "changes")? {
        for k in wanted.keys() {
            if let Value::Enum(_, n) = k
                && let Some(slot) = changes.get_mut(n as usize)
            {
                *slot = true;
            }
        }
    }
    let topic = field(cx, &attr, "topic")?;
    let prefix = "Cluster::default_table_publish_on_change_max_batch_";
    let batch_max = match field(cx, &attr, "max_batch_size")? {
        Value::Count(n) => n,
        Value::Int(n) => n.max(0) as u64,
        _ => crate::globals::count(cx.vm, &format!("{prefix}size")).unwrap_or(10),
    };
    let delay = match field(cx, &attr, "max_batch_delay")? {
        Value::Interval(s) => s,
        _ => crate::globals::seconds(cx.vm, &format!("{prefix}delay")).unwrap_or(0.01),
    };
    Ok(Some(Shared {
        name,
        changes,
        topic: (!is_unset(&topic)).then_some(topic),
        batch_max,
        delay,
    }))
}

/// The topic for a change; `None` after a report.
fn topic_of(cx: &mut CallCtx<'_>, shared: &Shared, keys: &[Value]) -> Result<Option<Vec<u8>>, RtError> {
    Ok(match &shared.topic {
        None => Some(format!("zeek/table/{}/", shared.name).into_bytes()),
        Some(Value::Str(s)) => Some(s.to_vec()),
        Some(f @ Value::Func(_)) => match cx.call(f, keys)? {
            Value::Str(s) => Some(s.to_vec()),
            _ => None,
        },
        Some(_) => {
            let text = format!("the topic of &publish_on_change on {} is no string", shared.name);
            cx.report_plain(Severity::Error, text);
            None
        }
    })
}

/// One change as data; `None` after a report.
fn info(
    cx: &mut CallCtx<'_>,
    change: usize,
    now: f64,
    keys: &[Value],
    value: &Value,
    previous: &Value,
) -> Result<Option<Data>, RtError> {
    let mut parts = Vec::with_capacity(keys.len());
    let mut wrong = None;
    let mut convert = |cx: &mut CallCtx<'_>, v: &Value| -> Result<Data, RtError> {
        if is_unset(v) {
            return Ok(Data::None);
        }
        cx.materialize(v)?;
        Ok(to_data(&tapir_builtins::util::VmText(cx.vm), v).unwrap_or_else(|e| {
            wrong = Some(e);
            Data::None
        }))
    };
    for k in keys {
        parts.push(convert(cx, k)?);
    }
    let value = convert(cx, value)?;
    let previous = convert(cx, previous)?;
    if let Some(why) = wrong {
        cx.report_plain(Severity::Error, format!("cannot publish a change of a table: {why}"));
        return Ok(None);
    }
    Ok(Some(Data::Vector(vec![
        Data::Enum(CHANGES[change].into()),
        Data::Timestamp(nanos(now)),
        Data::Vector(parts),
        value,
        previous,
    ])))
}

/// A table with `&publish_on_change` has changed here.
///
/// # Errors
/// Those of functions that make topics.
pub fn table_change(
    cx: &mut CallCtx<'_>,
    t: &Rc<Table>,
    change: i64,
    keys: &[Value],
    old: &Value,
) -> Result<(), RtError> {
    let cluster = &of(cx)?.cluster;
    if !cluster.is_running() || cluster.changes.applying {
        return Ok(());
    }
    let Some(shared) = describe(cx, t)? else {
        return Ok(());
    };
    let change = change as usize;
    if !shared.changes.get(change).copied().unwrap_or(false) {
        return Ok(());
    }
    let Some(topic) = topic_of(cx, &shared, keys)? else {
        return Ok(());
    };
    let now = cx.network_time();
    let (value, previous) = match change {
        0 => (old.clone(), Value::Unset),
        1 => (t.get(keys).unwrap_or_default(), old.clone()),
        _ => (old.clone(), Value::Unset),
    };
    let Some(info) = info(cx, change, now, keys, &value, &previous)? else {
        return Ok(());
    };
    if shared.batch_max == 0 || shared.delay <= 0.0 {
        return send(cx, &shared.name, &topic, vec![info]);
    }
    let key = (shared.name.clone(), topic);
    let changes = &mut of(cx)?.cluster.changes;
    if changes.waiting.len() >= BATCHES_MAX && !changes.waiting.contains_key(&key) {
        changes.waiting.retain(|_, b| !b.infos.is_empty());
    }
    let batch = changes.waiting.entry(key.clone()).or_insert(Batch {
        infos: Vec::new(),
        last_sent: f64::NEG_INFINITY,
        due: f64::INFINITY,
    });
    if batch.infos.is_empty() {
        batch.due = now + shared.delay;
    }
    batch.infos.push(info);
    if batch.infos.len() as u64 >= shared.batch_max || now - batch.last_sent > shared.delay {
        batch.last_sent = now;
        batch.due = f64::INFINITY;
        let infos = std::mem::take(&mut batch.infos);
        return send(cx, &key.0, &key.1, infos);
    }
    let due = batch.due;
    changes.next_due = Some(changes.next_due.map_or(due, |d| d.min(due)));
    Ok(())
}

/// Sends the batches whose delay is over; at the end of the run, all.
pub(super) fn send_due(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    let now = cx.network_time();
    let h = of(cx)?;
    let all = h.terminating;
    let changes = &mut h.cluster.changes;
    if !changes.next_due.is_some_and(|d| d <= now || all) {
        return Ok(());
    }
    let mut due = Vec::new();
    let mut next: Option<f64> = None;
    for (key, batch) in &mut changes.waiting {
        if batch.infos.is_empty() {
            continue;
        }
        if batch.due <= now || all {
            batch.last_sent = now;
            batch.due = f64::INFINITY;
            due.push((key.clone(), std::mem::take(&mut batch.infos)));
        } else {
            next = Some(next.map_or(batch.due, |n| n.min(batch.due)));
        }
    }
    changes.next_due = next;
    for ((name, topic), infos) in due {
        send(cx, &name, &topic, infos)?;
    }
    Ok(())
}

/// Publishes changes of one table.
fn send(cx: &mut CallCtx<'_>, name: &str, topic: &[u8], infos: Vec<Data>) -> Result<(), RtError> {
    let now = nanos(cx.network_time());
    let cluster = &of(cx)?.cluster;
    let header = Data::Vector(vec![
        Data::str(name),
        Data::Timestamp(now),
        Data::str(cluster.node_id().as_bytes()),
    ]);
    let forward = cluster.changes.forward_topic.clone();
    let mut args = vec![header, Data::Vector(infos)];
    if forward.is_empty() {
        publish(cx, topic, EventMessage::new("Cluster::table_change_infos", args))?;
    } else {
        args.push(Data::String(topic.to_vec()));
        publish(
            cx,
            &forward,
            EventMessage::new("Cluster::forward_table_change_infos", args),
        )?;
    }
    Ok(())
}

/// Publishes all entries of a table as new, in batches.
///
/// # Errors
/// Those of field defaults that scripts compute.
pub fn publish_table(cx: &mut CallCtx<'_>, topic: &[u8], t: &Rc<Table>, batch_max: u64) -> Result<bool, RtError> {
    let Some(shared) = describe(cx, t)? else {
        cx.error("only a global table can be published");
        return Ok(false);
    };
    let now = cx.network_time();
    let mut infos = Vec::new();
    for (key, value) in t.entries() {
        let Some(one) = info(cx, 0, now, as_parts(&key), &value, &Value::Unset)? else {
            return Ok(false);
        };
        infos.push(one);
        if batch_max > 0 && infos.len() as u64 >= batch_max {
            send(cx, &shared.name, topic, std::mem::take(&mut infos))?;
        }
    }
    if !infos.is_empty() {
        send(cx, &shared.name, topic, infos)?;
    }
    Ok(true)
}

/// Applies what another node changed in a shared table; false when there is no such table here.
///
/// # Errors
/// Those of `&on_change` functions, and arguments of wrong types.
pub fn apply(cx: &mut CallCtx<'_>, header: &Value, changes: &Value) -> Result<bool, RtError> {
    let Value::Vector(changes) = changes else {
        return Err(RtError::new("apply_table_change_infos: wrong arguments"));
    };
    let Value::Str(id) = field(cx, header, "id")? else {
        return Ok(false);
    };
    let id = String::from_utf8_lossy(&id).into_owned();
    let Some(Value::Table(t)) = cx.vm.global_value(&id) else {
        return Ok(false);
    };
    if t.attrs().is_none_or(|a| a.publish_on_change.is_none()) {
        return Ok(false);
    }
    let outer = std::mem::replace(&mut of(cx)?.cluster.changes.applying, true);
    let result = apply_all(cx, &t, &changes.to_vec());
    of(cx)?.cluster.changes.applying = outer;
    result?;
    cx.vm.note_change(&Value::Table(t));
    Ok(true)
}

fn apply_all(cx: &mut CallCtx<'_>, t: &Rc<Table>, changes: &[Value]) -> Result<(), RtError> {
    let kind = cx.types().kind(t.ty).clone();
    let set = is_set(&kind);
    let Kind::Table { index, yields } = kind else {
        return Ok(());
    };
    for change in changes {
        let Value::Vector(given) = field(cx, change, "index")? else {
            continue;
        };
        let given = given.to_vec();
        if given.len() != index.len() {
            continue;
        }
        let mut keys = Vec::with_capacity(index.len());
        for (v, ty) in given.iter().zip(&index) {
            keys.push(cx.vm.cast(cx.host, v, *ty)?);
        }
        let value = given_field(cx, change, "value")?;
        let previous = given_field(cx, change, "previous_value")?;
        let Value::Enum(_, what) = field(cx, change, "change")? else {
            continue;
        };
        // Only a change has a previous value, and sets have no values: what is otherwise was not made by a node.
        if (what != 1 && !is_unset(&previous)) || (set && !is_unset(&value)) {
            continue;
        }
        match (what, yields) {
            (0 | 1, Some(ty)) => {
                if is_unset(&value) {
                    continue;
                }
                let v = cx.vm.cast(cx.host, &value, ty)?;
                cx.vm.table_set(cx.host, t, &keys, v)?;
            }
            (0 | 1, None) => cx.vm.add_member(cx.host, &Value::Table(t.clone()), &keys)?,
            _ => {
                if t.contains(&keys) {
                    cx.vm.delete_member(cx.host, &Value::Table(t.clone()), &keys)?;
                }
            }
        }
    }
    Ok(())
}

/// A field that may hold no data at all, which counts as unset.
fn given_field(cx: &mut CallCtx<'_>, r: &Value, name: &str) -> Result<Value, RtError> {
    let v = field(cx, r, name)?;
    Ok(match tapir_data::broker::convert::wrapped(cx.types(), &v) {
        Some(Data::None) => Value::Unset,
        _ => v,
    })
}
