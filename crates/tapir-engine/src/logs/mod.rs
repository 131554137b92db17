//! The logging framework's native half: streams, filters, the way of a record to its writers.
//!
//! Scripts see it as `Log::*`. A record is checked against its stream, goes through policy hooks and path functions, is
//! flattened to the filter's columns, cut to the size limits, and handed to a writer as a compact row. Writers live in
//! `tapir-logging`.

mod columns;
mod delay;
mod leftover;
mod remote;
mod rotate;
mod write;
mod writers;

pub use columns::{FieldPath, flatten};
pub use delay::{delay, delay_finish, expire_delays, queue_size, set_max_delay, set_max_queue};
pub use leftover::rotate_leftovers;
pub use remote::{Outgoing, accept, send_due, send_rows};
pub use rotate::{final_reports, reports, rotate_due, rotate_final};
pub use write::{is_plain, write, write_flat, write_print};

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use tapir_data::types::{Flavor, Kind, TypeId};
use tapir_data::value::{Func, Record, Str, Value, unset_slots};
use tapir_logging::{Logger, WriterId};
use tapir_vm::{CallCtx, RtError};

use crate::host::EngineHost;

/// All streams and writers of an engine.
pub struct Logs {
    /// By number of the enumerator, which no traffic decides.
    streams: HashMap<i64, Stream, foldhash::fast::FixedState>,
    writers: HashMap<(i64, Str), WriterSlot>,
    logger: Option<Logger>,
    /// Rows that leave this node for the cluster's loggers.
    pub outgoing: Outgoing,
    /// Writers by the id of the logging crate, for reports.
    by_id: HashMap<WriterId, (i64, Str)>,
    /// The stream being written, for `Log::delay`.
    active: Option<delay::Active>,
    delays: delay::Delays,
    /// Lines written per stream name, for telemetry.
    pub n_writes: HashMap<Rc<str>, Rc<Cell<u64>>>,
    /// What happened at each writer, by its index.
    counts: Vec<WriterCounts>,
    /// The row being made, between rows the room for the next one.
    row: Vec<u8>,
    /// Errors of writers that were not told yet: like those of the writer thread they never belong to the call at hand.
    late_errors: Vec<String>,
    /// `Log::max_log_record_size`.
    max_record: u64,
    /// When the next writer wants to rotate.
    next_rotation: f64,
    /// `Log::flush_interval`, seconds; 0 leaves rows in their batches until these are full.
    flush_interval: f64,
    flushed: std::time::Instant,
}

/// What happened at a writer, with the labels under which it is shown.
#[derive(Clone, Debug, Default)]
pub struct WriterCounts {
    /// Writer, module, stream, filter name and path.
    pub labels: Vec<String>,
    pub writes: u64,
    pub discarded: u64,
    pub cut_strings: u64,
    pub cut_containers: u64,
}

struct Stream {
    name: Rc<str>,
    columns: TypeId,
    /// The function value of the stream's event.
    event: Option<Value>,
    enabled: bool,
    buffered: bool,
    groups: Vec<Str>,
    filters: Vec<Filter>,
    limits: Limits,
    /// Records written, as in `Logs::n_writes`.
    n_writes: Rc<Cell<u64>>,
    max_delay: f64,
    max_queue: u64,
}

#[derive(Clone, Copy)]
struct Limits {
    field_string: u64,
    total_string: u64,
    field_container: u64,
    total_container: u64,
}

struct Filter {
    name: Str,
    /// The script's record, handed to policy hooks.
    value: Value,
    writer: i64,
    /// Set it with [`Filter::set_path`].
    path: Option<Str>,
    path_func: Option<Value>,
    policy: Option<Value>,
    fields: Rc<[FieldPath]>,
    /// Columns of the extension record, by slot.
    ext_fields: Rc<[FieldPath]>,
    ext_func: Option<Value>,
    columns: std::sync::Arc<[tapir_logging::Column]>,
    log_local: bool,
    log_remote: bool,
    interval: f64,
    postprocessor: Option<Value>,
    config: Vec<(Str, Str)>,
    /// The path used last and its writer, so that the steady state looks nothing up.
    last: Option<(Str, Option<WriterId>)>,
    /// The same for what goes to loggers: the path and the place of its buffer.
    last_buffer: Option<(Str, usize)>,
    /// What writing a record needs of all this, made when the first one is written.
    plan: Option<Rc<write::Plan>>,
}

impl Filter {
    fn set_path(&mut self, path: Str) {
        self.path = Some(path);
        self.plan = None;
    }
}

struct WriterSlot {
    id: WriterId,
    stream: i64,
    filter: Str,
    interval: f64,
    postprocessor: Option<Value>,
    opened: f64,
    next_rotation: f64,
}

impl Logs {
    /// No streams; the writer thread starts with the first writer.
    pub fn new() -> Self {
        Logs {
            streams: HashMap::default(),
            writers: HashMap::new(),
            logger: None,
            outgoing: Outgoing::default(),
            by_id: HashMap::new(),
            active: None,
            delays: delay::Delays::default(),
            n_writes: HashMap::new(),
            counts: Vec::new(),
            row: Vec::new(),
            late_errors: Vec::new(),
            max_record: 64 << 20,
            next_rotation: f64::INFINITY,
            flush_interval: 1.0,
            flushed: std::time::Instant::now(),
        }
    }

    /// Whether rows have waited long enough by the wall clock.
    pub fn wants_flush(&self) -> bool {
        (self.logger.is_some() || !self.late_errors.is_empty())
            && self.flush_interval > 0.0
            && self.flushed.elapsed().as_secs_f64() >= self.flush_interval
    }

    /// What happened at the writers so far.
    pub fn writer_counts(&self) -> &[WriterCounts] {
        &self.counts
    }

    /// Writes everything out, closes all files and gives back what went wrong.
    pub fn finish(&mut self) -> Vec<String> {
        let Some(mut logger) = self.logger.take() else {
            return Vec::new();
        };
        logger
            .finish()
            .into_iter()
            .filter_map(|r| match r {
                tapir_logging::Report::Error { message, .. } => Some(message),
                _ => None,
            })
            .collect()
    }

    /// Pushes all rows to their files.
    pub fn flush_all(&mut self) {
        if let Some(logger) = &mut self.logger {
            logger.flush_all();
        }
    }

    /// Turns a stream on or off. `None` when there is no such stream.
    pub fn set_enabled(&mut self, id: i64, on: bool) -> Option<Vec<Str>> {
        let stream = self.streams.get_mut(&id)?;
        stream.enabled = on;
        Some(stream.groups.clone())
    }

    /// Drops a stream and closes its writers.
    pub fn remove_stream(&mut self, id: i64) -> bool {
        let found = self.streams.remove(&id).is_some();
        self.close_writers(|w| w.stream == id);
        found
    }

    /// Drops a filter; true unless the stream is unknown.
    pub fn remove_filter(&mut self, id: i64, name: &[u8]) -> bool {
        let Some(stream) = self.streams.get_mut(&id) else {
            return false;
        };
        stream.filters.retain(|f| &f.name[..] != name);
        self.close_writers(|w| w.stream == id && &w.filter[..] == name);
        true
    }

    fn close_writers(&mut self, which: impl Fn(&WriterSlot) -> bool) {
        let gone: Vec<_> = self
            .writers
            .iter()
            .filter(|(_, w)| which(w))
            .map(|(k, w)| (k.clone(), w.id))
            .collect();
        for (key, id) in gone {
            self.writers.remove(&key);
            if let Some(logger) = &mut self.logger {
                logger.close(id);
            }
        }
    }

    /// Sets buffering of a stream's writers.
    pub fn set_buffered(&mut self, id: i64, buffered: bool) -> bool {
        match self.streams.get_mut(&id) {
            Some(s) => {
                s.buffered = buffered;
                if !buffered {
                    self.flush(id);
                }
                true
            }
            None => false,
        }
    }

    /// Pushes the rows of one stream to the files.
    pub fn flush(&mut self, id: i64) -> bool {
        if let Some(logger) = &mut self.logger {
            self.writers
                .values()
                .filter(|w| w.stream == id)
                .for_each(|w| logger.flush(w.id));
        }
        self.streams.contains_key(&id)
    }

    /// When the next writer wants to rotate; infinity when none does.
    pub fn next_rotation(&self) -> f64 {
        self.next_rotation
    }

    /// Whether records wait for their delay to end.
    pub fn has_delays(&self) -> bool {
        !self.delays.is_empty()
    }

    /// Whether the stream exists.
    pub fn has_stream(&self, id: i64) -> bool {
        self.streams.contains_key(&id)
    }
}

impl Default for Logs {
    fn default() -> Self {
        Self::new()
    }
}

/// Hands all rows to their files, and tells scripts what the writers had to say.
pub fn flush_tick(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    let logs = &mut host(cx)?.logs;
    logs.flushed = std::time::Instant::now();
    logs.flush_all();
    reports(cx)
}

/// The host behind a call; every built-in of the engine runs with one.
pub(crate) fn host<'a>(cx: &'a mut CallCtx<'_>) -> Result<&'a mut EngineHost, RtError> {
    cx.host_as::<EngineHost>()
        .ok_or_else(|| RtError::new("this function needs the engine"))
}

/// A field of a record by name, with its default; `Unset` when there is none.
pub(crate) fn field(cx: &mut CallCtx<'_>, record: &Value, name: &str) -> Result<Value, RtError> {
    let Value::Record(r) = record else {
        return Ok(Value::Unset);
    };
    match cx.types().record(r.ty).and_then(|t| t.slot(name)) {
        Some(slot) => cx.field(record, slot as usize),
        None => Ok(Value::Unset),
    }
}

fn count(v: &Value) -> u64 {
    match v {
        Value::Count(n) => *n,
        _ => 0,
    }
}

fn set_function(v: Value) -> Option<Value> {
    matches!(v, Value::Func(_)).then_some(v)
}

fn string(v: &Value) -> Option<Str> {
    match v {
        Value::Str(s) => Some(s.clone()),
        _ => None,
    }
}

/// `Log::__create_stream`.
pub fn create_stream(cx: &mut CallCtx<'_>, id: &Value, stream: &Value) -> Result<bool, RtError> {
    let Value::Enum(ty, id) = *id else { return Ok(false) };
    let name: Rc<str> = tapir_data::text::enum_text(cx.types(), ty, id).into();
    let columns = match field(cx, stream, "columns")? {
        Value::Type(t) => t,
        _ => {
            cx.error("logging columns must be a record");
            return Ok(false);
        }
    };
    let Some(layout) = cx.types().record(columns).cloned() else {
        cx.error("logging columns must be a record");
        return Ok(false);
    };
    if !layout.fields.iter().any(|f| f.log) {
        cx.error("logging columns must include at least one field with &log");
        return Ok(false);
    }
    for f in layout.fields.iter().filter(|f| f.log) {
        if !columns::loggable(cx.types(), f.ty, true) {
            cx.error(format!("type of field '{}' not support for logging output", f.name));
            return Ok(false);
        }
    }
    let event = set_function(field(cx, stream, "ev")?);
    if let Some(Value::Func(f)) = &event {
        if let Err(why) = check_event(cx, f, columns) {
            cx.error(why);
            return Ok(false);
        }
    }
    let mut groups = Vec::new();
    if let Value::Table(t) = field(cx, stream, "event_groups")? {
        groups = t.keys().iter().filter_map(string).collect();
    }
    let limits = Limits {
        field_string: count(&field(cx, stream, "max_field_string_bytes")?),
        total_string: count(&field(cx, stream, "max_total_string_bytes")?),
        field_container: count(&field(cx, stream, "max_field_container_elements")?),
        total_container: count(&field(cx, stream, "max_total_container_elements")?),
    };
    let max_delay = match field(cx, stream, "max_delay_interval")? {
        Value::Interval(i) => i,
        _ => 0.2,
    };
    let max_queue = count(&field(cx, stream, "max_delay_queue_size")?);
    let max_record = crate::globals::count(cx.vm, "Log::max_log_record_size");
    let flush_interval = crate::globals::get(cx, "Log::flush_interval");
    let logs = &mut host(cx)?.logs;
    logs.max_record = max_record.unwrap_or(logs.max_record);
    if let Value::Interval(secs) = flush_interval {
        logs.flush_interval = secs;
    }
    logs.remove_stream(id);
    let n_writes = logs.n_writes.entry(name.clone()).or_default().clone();
    logs.streams.insert(
        id,
        Stream {
            name,
            columns,
            event,
            enabled: true,
            buffered: true,
            groups,
            filters: Vec::new(),
            limits,
            n_writes,
            max_delay,
            max_queue,
        },
    );
    Ok(true)
}

fn check_event(cx: &CallCtx<'_>, f: &Func, columns: TypeId) -> Result<(), &'static str> {
    let Kind::Func(sig) = cx.types().kind(f.ty) else {
        return Err("stream event is not an event");
    };
    if sig.flavor != Flavor::Event {
        return Err("stream event is a function, not an event");
    }
    match &sig.params[..] {
        [p] if cx.types().same(p.ty, columns) => Ok(()),
        [_] => Err("stream event's argument type does not match columns"),
        _ => Err("stream event must take a single argument"),
    }
}

/// `Log::__add_filter`.
pub fn add_filter(cx: &mut CallCtx<'_>, id: &Value, filter: &Value) -> Result<bool, RtError> {
    let Value::Enum(_, id) = *id else { return Ok(false) };
    let Some(stream_columns) = host(cx)?.logs.streams.get(&id).map(|s| s.columns) else {
        return Ok(false);
    };
    let Value::Record(record) = filter else {
        return Ok(false);
    };
    let name = string(&field(cx, filter, "name")?).unwrap_or_else(|| b"default"[..].into());
    let writer = match field(cx, filter, "writer")? {
        Value::Enum(_, w) => w,
        _ => 0,
    };
    let names = |v: Value| match v {
        Value::Table(t) => Some(t.keys().iter().filter_map(string).collect::<Vec<_>>()),
        _ => None,
    };
    let include = names(field(cx, filter, "include")?);
    let exclude = names(field(cx, filter, "exclude")?);
    let scope_sep = string(&field(cx, filter, "scope_sep")?).unwrap_or_else(|| b"."[..].into());
    let ext_prefix = string(&field(cx, filter, "ext_prefix")?).unwrap_or_else(|| b"_"[..].into());
    let pairs = |v: Value| match v {
        Value::Table(t) => t
            .entries()
            .iter()
            .filter_map(|(k, v)| Some((string(k)?, string(v)?)))
            .collect::<Vec<_>>(),
        _ => Vec::new(),
    };
    let name_map = pairs(field(cx, filter, "field_name_map")?);
    let config = pairs(field(cx, filter, "config")?);
    let ext_func = set_function(field(cx, filter, "ext_func")?);
    let flat = match columns::flatten_filter(
        cx.types(),
        stream_columns,
        ext_func.as_ref(),
        include.as_deref(),
        exclude.as_deref(),
        &scope_sep,
        &ext_prefix,
        &name_map,
    ) {
        Ok(flat) => flat,
        Err(why) => {
            cx.error(why);
            return Ok(false);
        }
    };
    let truth = |v: Value| matches!(v, Value::Bool(true));
    let made = Filter {
        value: Value::Record(Rc::clone(record)),
        writer,
        path: string(&field(cx, filter, "path")?),
        path_func: set_function(field(cx, filter, "path_func")?),
        policy: set_function(field(cx, filter, "policy")?),
        ext_func: ext_func.filter(|_| !flat.ext.is_empty()),
        fields: flat.fields.into(),
        ext_fields: flat.ext.into(),
        columns: flat.columns.into(),
        log_local: truth(field(cx, filter, "log_local")?),
        log_remote: truth(field(cx, filter, "log_remote")?),
        interval: match field(cx, filter, "interv")? {
            Value::Interval(i) => i,
            _ => 0.0,
        },
        postprocessor: set_function(field(cx, filter, "postprocessor")?),
        config,
        last: None,
        last_buffer: None,
        plan: None,
        name: name.clone(),
    };
    let logs = &mut host(cx)?.logs;
    logs.remove_filter(id, &name);
    if let Some(stream) = logs.streams.get_mut(&id) {
        stream.filters.push(made);
    }
    Ok(true)
}

/// The record as the stream's columns: itself, or a new record with the fields of the same names.
fn coerce(cx: &CallCtx<'_>, value: &Value, columns: TypeId) -> Option<Rc<Record>> {
    let Value::Record(r) = value else { return None };
    let types = cx.types();
    if r.ty == columns || types.same(r.ty, columns) {
        return Some(r.clone());
    }
    let (from, to) = (types.record(r.ty)?, types.record(columns)?);
    let mut slots = unset_slots(to.fields.len());
    for (i, f) in from.fields.iter().enumerate() {
        let v = r.get(i);
        match to.slot(&f.name) {
            Some(slot) => slots[slot as usize] = convert(v, types.kind(to.fields[slot as usize].ty)),
            None if matches!(v, Value::Unset) => {}
            None => return None,
        }
    }
    let complete = to
        .fields
        .iter()
        .zip(&slots)
        .all(|(f, v)| f.optional || f.default.is_some() || !matches!(v, Value::Unset));
    complete.then(|| Record::new(columns, slots))
}

fn convert(v: Value, to: &Kind) -> Value {
    match (v, to) {
        (Value::Count(n), Kind::Int) => Value::Int(n as i64),
        (Value::Count(n), Kind::Double) => Value::Double(n as f64),
        (Value::Int(n), Kind::Double) => Value::Double(n as f64),
        (v, _) => v,
    }
}
