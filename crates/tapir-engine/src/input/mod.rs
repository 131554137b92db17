//! The input framework's native half: streams that read files, commands and databases into tables, events or file analysis.
//!
//! Scripts see it as `Input::*`. A stream is read when it is created, when an update is forced, and, in the modes for that,
//! when its source changes; the main loop polls. Readers give rows of texts ([`ascii`], [`raw`], [`sqlite`]), which become
//! values by the types of the stream's records ([`values`]).

mod ascii;
mod benchmark;
mod check;
mod deliver;
mod raw;
mod sqlite;
mod values;

use std::collections::HashMap;
use std::time::{Instant, SystemTime};

use tapir_data::text::enum_text;
use tapir_data::types::TypeId;
use tapir_data::value::{Str, Value};
use tapir_vm::{CallCtx, RtError, Severity};

use crate::host::of;
use crate::logs::field;

pub use values::{Separators, parse};

/// A column that a stream wants.
#[derive(Clone, Debug)]
pub struct Column {
    /// Flattened name, nested records joined by a dot.
    pub name: String,
    pub ty: TypeId,
    pub optional: bool,
    /// The way into the record.
    pub steps: Vec<u32>,
    /// The column that names the transport of a port.
    pub proto_column: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Manual,
    Reread,
    Stream,
}

enum Target {
    Table {
        table: Value,
        idx: TypeId,
        val: Option<TypeId>,
        n_idx: usize,
        want_record: bool,
        ev: Option<Value>,
        pred: Option<Value>,
        /// Rows of the last reading: key, hash of the value.
        known: HashMap<Vec<u8>, Known>,
    },
    Event {
        ty: TypeId,
        want_record: bool,
        ev: Value,
    },
    /// File analysis under an id.
    Analysis,
}

struct Known {
    key: Vec<Value>,
    hash: u64,
    round: u64,
}

struct Stream {
    name: Str,
    source: String,
    reader: String,
    mode: Mode,
    config: HashMap<String, String>,
    description: Value,
    error_ev: Option<Value>,
    columns: Vec<Column>,
    target: Target,
    /// A reading is due.
    pending: bool,
    round: u64,
    stamp: Option<Stamp>,
    /// How far a file that only grows was read, and where its columns are.
    tail: Option<Tail>,
    /// Rows of this turn that the benchmark reader has not given yet.
    rest: Option<benchmark::Rest>,
    raw: Option<raw::RawReader>,
    /// What a file of options said of each one when it was last read.
    options: HashMap<String, String>,
    last_poll: Option<Instant>,
    failed: bool,
    /// Goes away with the next look at the streams.
    removed: bool,
    /// Goes away when it has been read once: who removes a stream right after making it still wants what it reads.
    closing: bool,
}

impl Stream {
    /// Reads no more.
    fn take_out(&mut self) {
        self.removed = true;
        self.pending = false;
        self.rest = None;
        if let Some(raw) = &mut self.raw {
            raw.stop(self.config.contains_key("force_kill"));
        }
    }
}

/// What shows that a file is another one or has changed: time, length, inode.
type Stamp = (SystemTime, u64, u64);

fn stamp_of(m: &std::fs::Metadata) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    Some((m.modified().ok()?, m.len(), m.ino()))
}

struct Tail {
    inode: u64,
    offset: u64,
    places: Option<Vec<ascii::Place>>,
    /// The start of a line whose end is not there yet.
    partial: Vec<u8>,
}

/// All input streams of an engine.
#[derive(Default)]
pub struct Inputs {
    streams: Vec<Option<Stream>>,
    /// The stream that is being read and so not among the others. What its reading runs, such as its predicate, may ask
    /// for it.
    reading: Option<Reading>,
}

struct Reading {
    /// Its place, which stays free for it.
    at: usize,
    name: Str,
    removed: bool,
    forced: bool,
}

impl Inputs {
    /// Whether anything could still deliver data.
    pub fn is_active(&self) -> bool {
        self.streams
            .iter()
            .flatten()
            .any(|s| s.pending || s.mode != Mode::Manual || s.raw.is_some())
    }

    /// Whether a reading is due or under way, so that the run must not end yet.
    pub fn is_busy(&self) -> bool {
        self.streams
            .iter()
            .flatten()
            .any(|s| s.pending || s.raw.as_ref().is_some_and(raw::RawReader::is_running))
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        self.streams
            .iter()
            .position(|s| s.as_ref().is_some_and(|s| &s.name[..] == name))
    }
}

fn mode_of(cx: &CallCtx<'_>, v: &Value) -> Mode {
    match v {
        Value::Enum(ty, n) => match enum_text(cx.types(), *ty, *n) {
            "Input::REREAD" => Mode::Reread,
            "Input::STREAM" => Mode::Stream,
            _ => Mode::Manual,
        },
        _ => Mode::Manual,
    }
}

fn func(v: Value) -> Option<Value> {
    matches!(v, Value::Func(_)).then_some(v)
}

fn type_value(v: &Value) -> Option<TypeId> {
    match v {
        Value::Type(t) => Some(*t),
        _ => None,
    }
}

/// The columns of a record type, nested records flattened.
fn columns(cx: &CallCtx<'_>, ty: TypeId, out: &mut Vec<Column>) -> Result<(), String> {
    fn walk(
        cx: &CallCtx<'_>,
        ty: TypeId,
        prefix: &str,
        steps: &mut Vec<u32>,
        out: &mut Vec<Column>,
        overlook: bool,
    ) -> Result<(), String> {
        let types = cx.types();
        let Some(layout) = types.record(ty) else {
            return Err("input stream needs record types".into());
        };
        for (slot, f) in layout.fields.iter().enumerate() {
            let name = if prefix.is_empty() {
                f.name.to_string()
            } else {
                format!("{prefix}.{}", f.name)
            };
            steps.push(slot as u32);
            if types.record(f.ty).is_some() {
                if f.optional {
                    return Err(format!(
                        "The input framework does not support optional record fields: \"{name}\""
                    ));
                }
                if steps.len() < 8 {
                    walk(cx, f.ty, &name, steps, out, overlook)?;
                }
            } else if values::readable(types, f.ty) {
                let optional = f.optional || f.default.is_some();
                out.push(Column {
                    name,
                    ty: f.ty,
                    optional,
                    steps: steps.clone(),
                    proto_column: f.type_column.as_deref().map(str::to_string),
                });
            } else if !f.optional && !overlook {
                return Err(format!("Input stream: field '{name}' has a type that cannot be read"));
            }
            steps.pop();
        }
        Ok(())
    }
    // Fields of such types stay unset then.
    let overlook = crate::globals::flag(cx.vm, "Input::accept_unsupported_types") == Some(true);
    walk(cx, ty, "", &mut Vec::new(), out, overlook)
}

/// Which kind of stream a description asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Table,
    Event,
    Analysis,
}

/// `Input::__create_*_stream`.
pub fn create(cx: &mut CallCtx<'_>, description: &Value, kind: Kind) -> Result<bool, RtError> {
    let text = |v: &Value| match v {
        Value::Str(s) => s.clone(),
        _ => Str::from(&b""[..]),
    };
    let name = text(&field(cx, description, "name")?);
    let shown = String::from_utf8_lossy(&name).into_owned();
    let inputs = &of(cx)?.inputs;
    if inputs.position(&name).is_some() || inputs.reading.as_ref().is_some_and(|r| r.name == name) {
        cx.error(format!("Input stream with name '{shown}' already exists!"));
        return Ok(false);
    }
    let source = String::from_utf8_lossy(&text(&field(cx, description, "source")?)).into_owned();
    let reader = match field(cx, description, "reader")? {
        Value::Enum(ty, n) => enum_text(cx.types(), ty, n).to_string(),
        _ => String::new(),
    };
    let mode = field(cx, description, "mode")?;
    let mode = mode_of(cx, &mode);
    let config = match field(cx, description, "config")? {
        Value::Table(t) => t
            .entries()
            .iter()
            .map(|(k, v)| {
                let s = |v: &Value| String::from_utf8_lossy(&text(v)).into_owned();
                (s(k), s(v))
            })
            .collect(),
        _ => HashMap::new(),
    };
    let error_ev = if kind == Kind::Analysis {
        None
    } else {
        func(field(cx, description, "error_ev")?)
    };
    if let Some(why) = error_ev.as_ref().and_then(|ev| check::error_event(cx, ev)) {
        cx.error(format!("Input stream {shown}: {why}"));
        return Ok(false);
    }
    let mut cols = Vec::new();
    let target = match kind {
        Kind::Analysis => Target::Analysis,
        Kind::Event => {
            let Some(ty) = type_value(&field(cx, description, "fields")?) else {
                cx.error(format!("Input stream {shown}: fields is not a record type"));
                return Ok(false);
            };
            if let Err(why) = columns(cx, ty, &mut cols) {
                cx.error(why);
                return Ok(false);
            }
            let Some(ev) = func(field(cx, description, "ev")?) else {
                cx.error(format!("Input stream {shown}: stream event is not an event"));
                return Ok(false);
            };
            let want_record = matches!(field(cx, description, "want_record")?, Value::Bool(true));
            if let Some(why) = check::event(cx, &ev, ty, want_record, &cols) {
                cx.error(format!("Input stream {shown}: {why}"));
                return Ok(false);
            }
            Target::Event { ty, want_record, ev }
        }
        Kind::Table => {
            let Some(idx) = type_value(&field(cx, description, "idx")?) else {
                cx.error(format!("Input stream {shown}: idx is not a record type"));
                return Ok(false);
            };
            let val = type_value(&field(cx, description, "val")?);
            if let Err(why) = columns(cx, idx, &mut cols) {
                cx.error(why);
                return Ok(false);
            }
            let n_idx = cols.len();
            if let Some(val) = val {
                if let Err(why) = columns(cx, val, &mut cols) {
                    cx.error(why);
                    return Ok(false);
                }
            }
            let table = field(cx, description, "destination")?;
            let want_record = !matches!(field(cx, description, "want_record")?, Value::Bool(false));
            let (ev, pred) = (field(cx, description, "ev")?, field(cx, description, "pred")?);
            let shape = check::TableShape {
                table: &table,
                idx,
                val,
                want_record,
                columns: &cols,
                n_idx,
            };
            if let Some(why) = check::table(cx, &shape, &ev, &pred) {
                cx.error(format!("Input stream {shown}: {why}"));
                return Ok(false);
            }
            Target::Table {
                table,
                idx,
                val,
                n_idx,
                want_record,
                ev: func(ev),
                pred: func(pred),
                known: HashMap::new(),
            }
        }
    };
    let rows = (kind != Kind::Analysis).then_some(&cols[..]);
    if let Some(why) = check::reader(cx, &reader, mode, &source, rows) {
        cx.error(format!("Input stream {shown}: {why}"));
        return Ok(false);
    }
    let stream = Stream {
        name,
        source,
        reader,
        mode,
        config,
        description: description.clone(),
        error_ev,
        columns: cols,
        target,
        pending: true,
        round: 0,
        stamp: None,
        tail: None,
        rest: None,
        raw: None,
        options: HashMap::new(),
        last_poll: None,
        failed: false,
        removed: false,
        closing: false,
    };
    let inputs = &mut of(cx)?.inputs;
    let taken = inputs.reading.as_ref().map(|r| r.at);
    let free = inputs.streams.iter().enumerate();
    match free
        .filter(|(at, s)| s.is_none() && Some(*at) != taken)
        .map(|(at, _)| at)
        .next()
    {
        Some(free) => inputs.streams[free] = Some(stream),
        None => inputs.streams.push(Some(stream)),
    }
    Ok(true)
}

/// `Input::__remove_stream`.
pub fn remove(cx: &mut CallCtx<'_>, name: &[u8]) -> Result<bool, RtError> {
    let inputs = &mut of(cx)?.inputs;
    if let Some(r) = inputs.reading.as_mut().filter(|r| &r.name[..] == name) {
        r.removed = true;
        return Ok(true);
    }
    match inputs.position(name) {
        Some(at) => {
            if let Some(s) = &mut inputs.streams[at] {
                let command = s.reader == "Input::READER_RAW" && s.source.ends_with('|');
                if s.pending && s.round == 0 && !command {
                    s.closing = true;
                } else {
                    s.take_out();
                }
            }
            Ok(true)
        }
        None => {
            cx.error(format!(
                "Input stream '{}' does not exist for removal!",
                String::from_utf8_lossy(name)
            ));
            Ok(false)
        }
    }
}

/// `Input::__force_update`.
pub fn force_update(cx: &mut CallCtx<'_>, name: &[u8]) -> Result<bool, RtError> {
    let inputs = &mut of(cx)?.inputs;
    if let Some(r) = inputs.reading.as_mut().filter(|r| &r.name[..] == name) {
        r.forced = true;
        return Ok(true);
    }
    match inputs.position(name).and_then(|at| inputs.streams[at].as_mut()) {
        Some(s) if s.removed || s.closing => Ok(false),
        Some(s) => {
            s.pending = true;
            Ok(true)
        }
        None => {
            cx.error(format!(
                "Input stream '{}' does not exist",
                String::from_utf8_lossy(name)
            ));
            Ok(false)
        }
    }
}

/// Reads what is due. Gives whether anything was delivered.
pub fn poll(cx: &mut CallCtx<'_>) -> Result<bool, RtError> {
    let inputs = &mut of(cx)?.inputs;
    let removed: Vec<Stream> = inputs
        .streams
        .iter_mut()
        .filter_map(|s| s.take_if(|s| s.removed))
        .collect();
    let n = inputs.streams.len();
    // Between looks at a source that may change.
    let heartbeat = crate::globals::seconds(cx.vm, "Threading::heartbeat_interval").unwrap_or(1.0);
    for s in &removed {
        if matches!(s.target, Target::Analysis) {
            end_of_file(cx, s)?;
        }
    }
    let mut any = false;
    for at in 0..n {
        let Some(stream) = of(cx)?.inputs.streams.get_mut(at) else {
            break;
        };
        let due = stream.as_ref().is_some_and(|s| {
            if let Some(rest) = &s.rest {
                return rest.is_due();
            }
            s.pending
                || s.raw.as_ref().is_some_and(raw::RawReader::is_running)
                || s.mode != Mode::Manual && s.last_poll.is_none_or(|t| t.elapsed().as_secs_f64() >= heartbeat)
        });
        if !due {
            continue;
        }
        let Some(mut s) = stream.take() else { continue };
        s.last_poll = Some(Instant::now());
        of(cx)?.inputs.reading = Some(Reading {
            at,
            name: s.name.clone(),
            removed: false,
            forced: false,
        });
        let result = read(cx, &mut s);
        if let Some(r) = of(cx)?.inputs.reading.take() {
            s.pending |= r.forced && !s.closing;
            if r.removed || s.closing {
                s.take_out();
            }
        }
        of(cx)?.inputs.streams[at] = Some(s);
        any |= result?;
    }
    Ok(any)
}

/// Tells of a problem with a stream: on standard error and through its error event.
fn problem(cx: &mut CallCtx<'_>, s: &Stream, message: &str, severity: Severity) -> Result<(), RtError> {
    cx.report_plain(severity, format!("{}/{}: {message}", s.source, s.reader));
    if let Some(ev) = &s.error_ev {
        let level = match severity {
            Severity::Info => "Reporter::INFO",
            Severity::Warning => "Reporter::WARNING",
            _ => "Reporter::ERROR",
        };
        let level = match cx.program().names.get(level) {
            Some(tapir_script::hir::Ident::Enumerator(t, n)) => Value::Enum(*t, *n),
            _ => Value::Unset,
        };
        let args = vec![s.description.clone(), Value::Str(message.as_bytes().into()), level];
        crate::script::raise_value(cx.vm, ev, args);
    }
    Ok(())
}

fn end_of_data(cx: &mut CallCtx<'_>, s: &Stream) {
    let args = vec![Value::Str(s.name.clone()), Value::Str(s.source.as_bytes().into())];
    cx.vm.raise_named("Input::end_of_data", args);
}

fn read(cx: &mut CallCtx<'_>, s: &mut Stream) -> Result<bool, RtError> {
    match s.reader.as_str() {
        "Input::READER_ASCII" => read_file(cx, s, false),
        "Input::READER_CONFIG" => read_file(cx, s, true),
        "Input::READER_RAW" => raw::read(cx, s),
        "Input::READER_SQLITE" => {
            s.pending = false;
            sqlite::read(cx, s)
        }
        "Input::READER_BENCHMARK" => benchmark::read(cx, s),
        "Input::READER_BINARY" => read_binary(cx, s),
        other => {
            s.pending = false;
            let message = format!("no input reader implements {other}");
            problem(cx, s, &message, Severity::Error)?;
            Ok(false)
        }
    }
}

/// The path of a source below a reader's path prefix.
fn path_of(cx: &CallCtx<'_>, s: &Stream, prefix_option: &str) -> String {
    match crate::globals::get(cx, prefix_option) {
        Value::Str(p) if !p.is_empty() && !s.source.starts_with('/') => {
            format!("{}/{}", String::from_utf8_lossy(&p).trim_end_matches('/'), s.source)
        }
        _ => s.source.clone(),
    }
}

fn read_file(cx: &mut CallCtx<'_>, s: &mut Stream, config: bool) -> Result<bool, RtError> {
    let path = path_of(
        cx,
        s,
        if config {
            "InputConfig::path_prefix"
        } else {
            "InputAscii::path_prefix"
        },
    );
    let meta = std::fs::metadata(&path);
    let stamp = meta.as_ref().ok().and_then(stamp_of);
    let forced = std::mem::take(&mut s.pending);
    if !forced && stamp.is_some() && stamp == s.stamp {
        return Ok(false);
    }
    if let (Mode::Stream, false, Some((_, len, inode))) = (s.mode, config, stamp) {
        return read_tail(cx, s, &path, len, inode, stamp);
    }
    let text = match meta.and_then(|_| std::fs::read(&path)) {
        Ok(t) => t,
        Err(e) => {
            // A file that is not there is told once, and waited for in the modes that look again.
            if !s.failed {
                s.failed = true;
                let option = if config {
                    "InputConfig::fail_on_file_problem"
                } else {
                    "InputAscii::fail_on_file_problem"
                };
                let fatal = crate::globals::flag(cx.vm, option) == Some(true);
                let severity = if fatal { Severity::Error } else { Severity::Warning };
                problem(cx, s, &format!("{path}: cannot open: {e}"), severity)?;
                s.removed |= fatal;
            }
            return Ok(false);
        }
    };
    s.failed = false;
    s.stamp = stamp;
    s.round += 1;
    if config {
        ascii::read_config(cx, s, &text)?;
    } else {
        let Some(places) = ascii::header(cx, s, &text)? else {
            return Ok(false);
        };
        ascii::rows(cx, s, &text[places.1..], &places.0)?;
        if s.removed {
            return Ok(true);
        }
        deliver::end_round(cx, s)?;
    }
    end_of_data(cx, s);
    Ok(true)
}

/// Reads what a file has grown by; a file that was replaced or cut starts anew.
fn read_tail(
    cx: &mut CallCtx<'_>,
    s: &mut Stream,
    path: &str,
    len: u64,
    inode: u64,
    stamp: Option<Stamp>,
) -> Result<bool, RtError> {
    use std::io::{Read, Seek};
    s.stamp = stamp;
    s.failed = false;
    let mut tail = match s.tail.take() {
        Some(t) if t.inode == inode && t.offset <= len => t,
        _ => Tail {
            inode,
            offset: 0,
            places: None,
            partial: Vec::new(),
        },
    };
    let mut text = std::mem::take(&mut tail.partial);
    let before = text.len();
    let got = std::fs::File::open(path).and_then(|mut f| {
        f.seek(std::io::SeekFrom::Start(tail.offset))?;
        f.read_to_end(&mut text)
    });
    if let Err(e) = got {
        problem(cx, s, &format!("{path}: cannot read: {e}"), Severity::Warning)?;
    }
    tail.offset += (text.len() - before) as u64;
    let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    tail.partial = text.split_off(whole);
    s.round += 1;
    let mut start = 0;
    if tail.places.is_none() && !text.is_empty() {
        if let Some((places, at)) = ascii::header(cx, s, &text)? {
            tail.places = Some(places);
            start = at;
        }
    }
    if let Some(places) = &tail.places {
        ascii::rows(cx, s, &text[start..], places)?;
    }
    s.tail = Some(tail);
    Ok(!text.is_empty())
}

/// Feeds a file to file analysis: once, again whenever it changes, or what it grows by.
fn read_binary(cx: &mut CallCtx<'_>, s: &mut Stream) -> Result<bool, RtError> {
    use std::io::{Read, Seek};
    let path = path_of(cx, s, "InputBinary::path_prefix");
    let forced = std::mem::take(&mut s.pending);
    let follow = s.mode == Mode::Stream;
    let stamp = std::fs::metadata(&path).ok().as_ref().and_then(stamp_of);
    if !forced && (stamp.is_none() || stamp == s.stamp) {
        return Ok(false);
    }
    let inode = stamp.map_or(0, |(_, _, inode)| inode);
    let start = match &s.tail {
        Some(t) if follow && t.inode == inode && stamp.is_some_and(|(_, len, _)| t.offset <= len) => t.offset,
        _ => 0,
    };
    if follow && start == 0 && s.tail.is_some() {
        // Another file has taken the place of the one that was followed.
        end_of_file(cx, s)?;
    }
    let mut data = Vec::new();
    let read = std::fs::File::open(&path).and_then(|mut f| {
        f.seek(std::io::SeekFrom::Start(start))?;
        f.read_to_end(&mut data)
    });
    if let Err(e) = read {
        problem(cx, s, &format!("{path}: cannot open: {e}"), Severity::Error)?;
        s.removed = true;
        return Ok(false);
    }
    s.stamp = stamp;
    if follow {
        s.tail = Some(Tail {
            inode,
            offset: start + data.len() as u64,
            places: None,
            partial: Vec::new(),
        });
    }
    let chunk = crate::globals::count(cx.vm, "InputBinary::chunk_size")
        .unwrap_or(1024)
        .max(1) as usize;
    for piece in data.chunks(chunk) {
        analyse(cx, s, piece)?;
    }
    if !follow {
        end_of_file(cx, s)?;
        end_of_data(cx, s);
    }
    Ok(true)
}

/// Gives a piece of the file that the stream stands for to file analysis.
fn analyse(cx: &mut CallCtx<'_>, s: &Stream, piece: &[u8]) -> Result<(), RtError> {
    let host = of(cx)?;
    let (manager, id) = (host.files.manager.clone(), host.files.id(&s.name));
    let name = String::from_utf8_lossy(&s.name).into_owned();
    deliver::file_piece(cx, &manager, &id, &name, piece)
}

/// The file that the stream stands for is over.
fn end_of_file(cx: &mut CallCtx<'_>, s: &Stream) -> Result<(), RtError> {
    let host = of(cx)?;
    let (manager, id) = (host.files.manager.clone(), host.files.id(&s.name));
    deliver::file_end(cx, &manager, &id)
}
