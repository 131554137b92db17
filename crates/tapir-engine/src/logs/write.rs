//! `Log::write`: from a record to rows.

use std::rc::Rc;

use tapir_data::text::enum_text;
use tapir_data::types::{TypeId, Types};
use tapir_data::value::{Proto, Record, Str, Value};
use tapir_logging::{CellRef, RowEncoder};
use tapir_vm::{CallCtx, RtError};

use super::{FieldPath, Limits, coerce, delay, host, remote, writers};

/// `Log::__write`.
pub fn write(cx: &mut CallCtx<'_>, id: &Value, columns: &Value) -> Result<bool, RtError> {
    let Value::Enum(_, id_num) = *id else { return Ok(false) };
    let (stream_columns, event, n_writes) = match host(cx)?.logs.streams.get(&id_num) {
        None => return Ok(false),
        Some(s) if !s.enabled => return Ok(true),
        Some(s) => (s.columns, s.event.clone(), s.n_writes.clone()),
    };
    let Some(record) = coerce(cx, columns, stream_columns) else {
        cx.error("incompatible log record type");
        return Ok(false);
    };
    if let Some(event) = event
        && crate::script::is_wanted(cx.vm, &event)
    {
        crate::script::raise_value(cx.vm, &event, vec![Value::Record(record.clone())]);
    }
    n_writes.set(n_writes.get() + 1);
    let outcome = stream_policy(cx, id, id_num, &record)?;
    match outcome {
        Policy::Delayed => Ok(true),
        Policy::Done { vetoed } => to_filters(cx, id, id_num, &record, vetoed),
    }
}

/// Whether nobody but writers sees what is written to a stream, whose records are of the given type.
pub fn is_plain(cx: &mut CallCtx<'_>, id: i64, columns: TypeId) -> Result<bool, RtError> {
    let event = match host(cx)?.logs.streams.get(&id) {
        // What is written goes nowhere.
        None => return Ok(true),
        Some(s) if s.columns != columns => return Ok(false),
        Some(s) => s.event.clone(),
    };
    let stream_policy = host(cx)?.stream_policy.clone();
    if event.is_some_and(|e| crate::script::is_wanted(cx.vm, &e))
        || stream_policy.is_some_and(|h| crate::script::has_bodies(cx.vm, &h))
    {
        return Ok(false);
    }
    let n = host(cx)?.logs.streams.get(&id).map_or(0, |s| s.filters.len());
    for i in 0..n {
        let Some(plan) = plan(cx, id, i)? else { break };
        let has_policy = plan
            .policy
            .as_ref()
            .is_some_and(|p| crate::script::has_bodies(cx.vm, p));
        if has_policy || plan.path_func.is_some() || plan.ext_func.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes what stands for a record to a stream that [`is_plain`], leaf by leaf.
///
/// # Errors
/// Those of the writers.
pub fn write_flat(cx: &mut CallCtx<'_>, id: i64, leaf: &dyn Fn(&FieldPath) -> Value) -> Result<(), RtError> {
    let (n, n_writes) = match host(cx)?.logs.streams.get(&id) {
        Some(s) if s.enabled => (s.filters.len(), s.n_writes.clone()),
        _ => return Ok(()),
    };
    n_writes.set(n_writes.get() + 1);
    for i in 0..n {
        let Some(plan) = plan(cx, id, i)? else { break };
        let path = plan.path.clone().unwrap_or_else(|| Str::from(&b""[..]));
        emit(cx, id, i, &plan, From::Leaves(leaf), path)?;
    }
    Ok(())
}

/// Where the cells of a row come from.
#[derive(Clone, Copy)]
enum From<'a> {
    Record(&'a Rc<Record>),
    Leaves(&'a dyn Fn(&FieldPath) -> Value),
}

pub(super) enum Policy {
    Delayed,
    Done { vetoed: bool },
}

fn stream_policy(cx: &mut CallCtx<'_>, id: &Value, id_num: i64, record: &Rc<Record>) -> Result<Policy, RtError> {
    let Some(hook) = host(cx)?.stream_policy.clone() else {
        return Ok(Policy::Done { vetoed: false });
    };
    if !crate::script::has_bodies(cx.vm, &hook) {
        return Ok(Policy::Done { vetoed: false });
    }
    let outer = host(cx)?
        .logs
        .active
        .replace(delay::Active::new(id_num, record.clone()));
    let verdict = cx.call(&hook, &[Value::Record(record.clone()), id.clone()]);
    let logs = &mut host(cx)?.logs;
    let active = std::mem::replace(&mut logs.active, outer);
    let vetoed = matches!(verdict?, Value::Bool(false));
    match active.and_then(|a| a.token) {
        Some(token) if vetoed => {
            logs.delays.cancel(token);
            Ok(Policy::Done { vetoed })
        }
        Some(token) => {
            delay::settle(cx, id_num, token)?;
            Ok(Policy::Delayed)
        }
        None => Ok(Policy::Done { vetoed }),
    }
}

/// Runs the filters of a stream over a record.
pub(super) fn to_filters(
    cx: &mut CallCtx<'_>,
    id: &Value,
    id_num: i64,
    record: &Rc<Record>,
    vetoed: bool,
) -> Result<bool, RtError> {
    let n = host(cx)?.logs.streams.get(&id_num).map_or(0, |s| s.filters.len());
    for i in 0..n {
        let Some(plan) = plan(cx, id_num, i)? else { break };
        if let Some(policy) = plan.policy.as_ref().filter(|p| crate::script::has_bodies(cx.vm, p)) {
            let args = [Value::Record(record.clone()), id.clone(), plan.value.clone()];
            if matches!(cx.call(policy, &args)?, Value::Bool(false)) {
                continue;
            }
        }
        if vetoed {
            continue;
        }
        let path = match &plan.path_func {
            None => plan.path.clone().unwrap_or_else(|| Str::from(&b""[..])),
            Some(f) => {
                let suggested = plan.path.clone().unwrap_or_else(|| Str::from(&b""[..]));
                let shown = as_parameter(cx, f, record)?;
                match cx.call(f, &[id.clone(), Value::Str(suggested), shown]) {
                    Ok(Value::Str(path)) => {
                        if plan.path.is_none() {
                            if let Some(f) = host(cx)?
                                .logs
                                .streams
                                .get_mut(&id_num)
                                .and_then(|s| s.filters.get_mut(i))
                            {
                                f.set_path(path.clone());
                            }
                        }
                        path
                    }
                    Ok(_) => return Ok(false),
                    Err(RtError::Exit(code)) => return Err(RtError::Exit(code)),
                    Err(RtError::Fail(e)) => {
                        cx.report_plain(e.severity, e.text);
                        return Ok(false);
                    }
                    Err(_) => return Ok(false),
                }
            }
        };
        emit(cx, id_num, i, &plan, From::Record(record), path)?;
    }
    Ok(true)
}

/// A row as the path function of its filter wants it: functions that serve several streams name only the fields that
/// these have in common.
fn as_parameter(cx: &mut CallCtx<'_>, f: &Value, record: &Rc<Record>) -> Result<Value, RtError> {
    let value = Value::Record(record.clone());
    let Value::Func(f) = f else { return Ok(value) };
    let function = cx.vm.program().functions.get(f.id.0 as usize);
    match function.and_then(|f| f.sig.params.get(2)).map(|p| p.ty) {
        Some(ty) if ty != record.ty && cx.types().record(ty).is_some() => cx.vm.coerce(cx.host, &value, ty),
        _ => Ok(value),
    }
}

/// What one filter needs for one record, cloned out so that scripts may change the filters meanwhile.
pub(super) struct Plan {
    stream: Rc<str>,
    policy: Option<Value>,
    value: Value,
    path: Option<Str>,
    path_func: Option<Value>,
    ext_func: Option<Value>,
    fields: Rc<[FieldPath]>,
    ext_fields: Rc<[FieldPath]>,
    limits: Limits,
    log_local: bool,
    log_remote: bool,
}

fn plan(cx: &mut CallCtx<'_>, id: i64, i: usize) -> Result<Option<Rc<Plan>>, RtError> {
    let logs = &mut host(cx)?.logs;
    Ok(logs.streams.get_mut(&id).and_then(|s| {
        let f = s.filters.get_mut(i)?;
        if let Some(plan) = &f.plan {
            return Some(plan.clone());
        }
        let plan = Rc::new(Plan {
            stream: s.name.clone(),
            policy: f.policy.clone(),
            value: f.value.clone(),
            path: f.path.clone(),
            path_func: f.path_func.clone(),
            ext_func: f.ext_func.clone(),
            fields: f.fields.clone(),
            ext_fields: f.ext_fields.clone(),
            limits: s.limits,
            log_local: f.log_local,
            log_remote: f.log_remote,
        });
        f.plan = Some(plan.clone());
        Some(plan)
    }))
}

/// The value at a path of fields; `None` where a default has yet to be filled in.
fn plain_leaf(record: &Record, path: &FieldPath) -> Option<Value> {
    let Some((first, rest)) = path.steps.split_first() else {
        return Some(Value::Unset);
    };
    let mut v = record.get(first.0 as usize);
    let mut defaulted = first.1;
    for step in rest {
        v = match v {
            Value::Record(r) => r.get(step.0 as usize),
            Value::Unset if defaulted => return None,
            _ => return Some(Value::Unset),
        };
        defaulted = step.1;
    }
    (!defaulted || !matches!(v, Value::Unset)).then_some(v)
}

fn leaf(cx: &mut CallCtx<'_>, record: &Rc<Record>, path: &FieldPath) -> Result<Value, RtError> {
    if let Some(v) = plain_leaf(record, path) {
        return Ok(v);
    }
    let mut at = record.clone();
    let last = path.steps.len() - 1;
    for (i, &(slot, defaulted)) in path.steps.iter().enumerate() {
        let mut v = at.get(slot as usize);
        if defaulted && matches!(v, Value::Unset) {
            v = cx.field(&Value::Record(at.clone()), slot as usize)?;
        }
        if i == last {
            return Ok(v);
        }
        match v {
            Value::Record(r) => at = r,
            _ => return Ok(Value::Unset),
        }
    }
    Ok(Value::Unset)
}

/// The values of a row, those of the extension first.
fn leaves(cx: &mut CallCtx<'_>, plan: &Plan, record: &Rc<Record>, path: &Str) -> Result<Vec<Value>, RtError> {
    let mut leaves = Vec::with_capacity(plan.ext_fields.len() + plan.fields.len());
    if let Some(f) = &plan.ext_func {
        match cx.call(f, &[Value::Str(path.clone())])? {
            Value::Record(ext) => {
                for p in plan.ext_fields.iter() {
                    leaves.push(leaf(cx, &ext, p)?);
                }
            }
            _ => leaves.resize(plan.ext_fields.len(), Value::Unset),
        }
    }
    for p in plan.fields.iter() {
        leaves.push(leaf(cx, record, p)?);
    }
    // Rendering of function values needs the machine; everything else needs the types only.
    for v in leaves.iter_mut() {
        if matches!(v, Value::Func(_)) {
            let s = tapir_data::text::render(cx.vm, v, tapir_data::text::Style::String);
            *v = Value::Str(s.into());
        }
    }
    Ok(leaves)
}

/// Writes a row straight from its record; false when there is something in it that needs the machine.
fn encode_plain(types: &Types, plan: &Plan, record: &Record, row: &mut Vec<u8>, cut: &mut Cut) -> bool {
    let mut enc = RowEncoder::new(row);
    for p in plan.fields.iter() {
        match plain_leaf(record, p) {
            None | Some(Value::Func(_)) => return false,
            Some(v) => cell(types, &mut enc, &v, cut),
        }
    }
    true
}

fn emit(cx: &mut CallCtx<'_>, id: i64, i: usize, plan: &Plan, from: From<'_>, path: Str) -> Result<(), RtError> {
    let extended = match (&plan.ext_func, from) {
        (Some(_), From::Record(record)) => Some(leaves(cx, plan, record, &path)?),
        _ => None,
    };
    let writer = if plan.log_local {
        writers::writer_for(cx, id, i, path.clone())?
    } else {
        None
    };
    let mut cut = Cut::new(plan.limits);
    let too_large = host(cx)?.logs.max_record;
    let mut row = std::mem::take(&mut host(cx)?.logs.row);
    row.clear();
    let whole = match from {
        From::Record(record) => extended.is_none() && encode_plain(cx.types(), plan, record, &mut row, &mut cut),
        From::Leaves(leaf) => {
            let types = cx.types();
            let mut enc = RowEncoder::new(&mut row);
            for p in plan.fields.iter() {
                cell(types, &mut enc, &leaf(p), &mut cut);
            }
            true
        }
    };
    if let (false, From::Record(record)) = (whole, from) {
        let leaves = match extended {
            Some(l) => l,
            None => leaves(cx, plan, record, &path)?,
        };
        row.clear();
        cut = Cut::new(plan.limits);
        let types = cx.types();
        let mut enc = RowEncoder::new(&mut row);
        for v in &leaves {
            cell(types, &mut enc, v, &mut cut);
        }
    }
    let size = row.len() as u64;
    let logs = &mut host(cx)?.logs;
    if let Some(counts) = writer.and_then(|w| logs.counts.get_mut(w.index())) {
        counts.writes += u64::from(size <= too_large);
        counts.discarded += u64::from(size > too_large);
        counts.cut_strings += u64::from(cut.n_strings);
        counts.cut_containers += u64::from(cut.n_containers);
    }
    for (n, weird) in [
        (cut.n_strings, "log_string_field_truncated"),
        (cut.n_containers, "log_container_field_truncated"),
    ] {
        for _ in 0..n {
            crate::weirds::net_weird(cx, weird, &plan.stream, "")?;
        }
    }
    if size > too_large {
        crate::weirds::net_weird(cx, "log_record_too_large", &plan.stream, "")?;
    } else {
        let logs = &mut host(cx)?.logs;
        if let (Some(w), Some(logger)) = (writer, &mut logs.logger) {
            logger.row(w, |enc| enc.raw(&row));
            let unbuffered = logs.streams.get(&id).is_some_and(|s| !s.buffered);
            if unbuffered {
                logger.flush(w);
            }
        }
        if plan.log_remote && host(cx)?.ships_logs {
            remote::ship(cx, id, i, path, &row)?;
        }
    }
    let logs = &mut host(cx)?.logs;
    if row.capacity() <= ROW_KEPT {
        logs.row = row;
    }
    Ok(())
}

/// Buffers for rows larger than this are not kept.
const ROW_KEPT: usize = 64 << 10;

struct Cut {
    limits: Limits,
    strings_left: u64,
    elements_left: u64,
    n_strings: u32,
    n_containers: u32,
}

impl Cut {
    fn new(limits: Limits) -> Self {
        Cut {
            limits,
            strings_left: limits.total_string,
            elements_left: limits.total_container,
            n_strings: 0,
            n_containers: 0,
        }
    }

    fn string<'a>(&mut self, s: &'a [u8]) -> &'a [u8] {
        let mut keep = s.len() as u64;
        if self.limits.field_string > 0 {
            keep = keep.min(self.limits.field_string);
        }
        if self.limits.total_string > 0 {
            keep = keep.min(self.strings_left);
            self.strings_left -= keep;
        }
        if keep < s.len() as u64 {
            self.n_strings += 1;
        }
        &s[..keep as usize]
    }

    fn elements(&mut self, n: usize) -> usize {
        let mut keep = n as u64;
        if self.limits.field_container > 0 {
            keep = keep.min(self.limits.field_container);
        }
        if self.limits.total_container > 0 {
            keep = keep.min(self.elements_left);
            self.elements_left -= keep;
        }
        if keep < n as u64 {
            self.n_containers += 1;
        }
        keep as usize
    }
}

fn protocol(p: Proto) -> u8 {
    match p {
        Proto::Tcp => 6,
        Proto::Udp => 17,
        Proto::Icmp => 1,
        Proto::Unknown => 0,
    }
}

fn cell(types: &Types, enc: &mut RowEncoder<'_>, v: &Value, cut: &mut Cut) {
    match v {
        Value::Vector(items) => {
            let n = cut.elements(items.len());
            enc.cell(CellRef::List(n as u32));
            for i in 0..n {
                scalar(types, enc, &items.get(i), cut);
            }
        }
        Value::Table(t) => {
            let n = cut.elements(t.len());
            enc.cell(CellRef::List(n as u32));
            for k in t.keys().iter().take(n) {
                scalar(types, enc, k, cut);
            }
        }
        other => scalar(types, enc, other, cut),
    }
}

fn scalar(types: &Types, enc: &mut RowEncoder<'_>, v: &Value, cut: &mut Cut) {
    match v {
        Value::Bool(b) => enc.cell(CellRef::Bool(*b)),
        Value::Int(i) => enc.cell(CellRef::Int(*i)),
        Value::Count(c) => enc.cell(CellRef::Count(*c)),
        Value::Double(d) => enc.cell(CellRef::Double(*d)),
        Value::Time(t) => enc.cell(CellRef::Time(*t)),
        Value::Interval(i) => enc.cell(CellRef::Interval(*i)),
        Value::Port(p) => enc.cell(CellRef::Port(p.num, protocol(p.proto))),
        Value::Addr(a) => enc.cell(CellRef::Addr(a.0)),
        Value::Subnet(s) => enc.cell(CellRef::Subnet(s.addr.0, s.shown_width())),
        Value::Str(s) => enc.cell(CellRef::Str(cut.string(s))),
        Value::Enum(ty, n) => enc.cell(CellRef::Name(enum_text(types, *ty, *n).as_bytes())),
        Value::File(f) => enc.cell(CellRef::Name(&f.name)),
        _ => enc.cell(CellRef::Unset),
    }
}

/// `print` turned into a record of `Log::PRINTLOG`.
///
/// # Errors
/// What running the stream's hooks gives.
pub fn write_print(cx: &mut CallCtx<'_>, values: Vec<Str>) -> Result<bool, RtError> {
    use tapir_script::hir::Ident;
    let names = &cx.program().names;
    let (Some(Ident::Type(record_type)), Some(Ident::Enumerator(ty, n))) =
        (names.get("Log::PrintLogInfo"), names.get("Log::PRINTLOG"))
    else {
        return Ok(false);
    };
    let (record_type, id) = (*record_type, Value::Enum(*ty, *n));
    let Some(layout) = cx.types().record(record_type) else {
        return Ok(false);
    };
    let Some(slot) = layout.slot("vals") else {
        return Ok(false);
    };
    let vector = layout.fields[slot as usize].ty;
    let ts = layout.slot("ts");
    let mut slots = vec![Value::Unset; layout.fields.len()];
    if let Some(ts) = ts {
        slots[ts as usize] = Value::Time(tapir_logging::ascii::wall_clock());
    }
    slots[slot as usize] = Value::Vector(tapir_data::value::Vector::new(
        vector,
        values.into_iter().map(Value::Str).collect(),
    ));
    write(cx, &id, &Value::Record(Record::new(record_type, slots)))
}
