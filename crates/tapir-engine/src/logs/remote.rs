//! Rows that travel: those that leave this node for the cluster's loggers, and those that other nodes send here.
//!
//! There is one buffer per stream, filter and path. It is sent when it has `Log::write_buffer_size` rows, every
//! `Log::flush_interval`, at once for streams without buffering, and at the end.

use std::collections::HashMap;
use std::path::{Component, Path};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tapir_cluster::{LogBatch, Refused};
use tapir_data::value::{Str, Value};
use tapir_logging::Column;
use tapir_script::hir::Ident;
use tapir_vm::{CallCtx, RtError, Severity};

use super::{host, writers};
use crate::host::EngineHost;

/// Rows on their way out.
pub struct Outgoing {
    buffers: Vec<Buffer>,
    /// Which of them is for a stream, a filter and a path.
    places: HashMap<(i64, Str, Str), usize, foldhash::fast::RandomState>,
    /// `Log::write_buffer_size`.
    pub rows_max: u64,
    /// `Log::flush_interval` in seconds; 0 never. It counts by the clock on the wall: captures are read faster than they
    /// were recorded, and would be sent in tiny pieces.
    pub interval: f64,
    last_flush: Instant,
    /// Whether scripts choose the topics of rows, once that is known.
    asks_topics: Option<bool>,
    /// Rows lost since the last message about it, and when that was.
    lost: u64,
    told: Option<Instant>,
}

struct Buffer {
    id: i64,
    stream: Rc<str>,
    filter: Str,
    path: Str,
    writer: Rc<str>,
    columns: Arc<[Column]>,
    /// The topic of the rows, where scripts choose it.
    topic: Option<Vec<u8>>,
    n_rows: u32,
    rows: Vec<u8>,
}

/// A buffer that is sent whatever its number of rows.
const BYTES_MAX: usize = 4 << 20;
/// The same where the logger is in the same process: sending costs hardly anything there, and memory that is used again
/// soon is still in the processor's cache.
const BYTES_NEAR: usize = 48 << 10;
/// Room for the row that makes a buffer full.
const ROOM: usize = 4 << 10;
/// Characters of a path that a complaint shows.
const SHOWN: usize = 100;
/// How often the loss of rows is told.
const TELL: Duration = Duration::from_secs(10);

impl Default for Outgoing {
    fn default() -> Self {
        Outgoing {
            buffers: Vec::new(),
            places: HashMap::default(),
            rows_max: 1000,
            interval: 1.0,
            last_flush: Instant::now(),
            asks_topics: None,
            lost: 0,
            told: None,
        }
    }
}

/// Adds a row to its buffer, and sends the buffer if it is full.
pub(super) fn ship(cx: &mut CallCtx<'_>, id: i64, i: usize, path: Str, row: &[u8]) -> Result<(), RtError> {
    let h = host(cx)?;
    let stream = h.logs.streams.get(&id);
    let buffered = stream.is_some_and(|s| s.buffered);
    let last = stream.and_then(|s| s.filters.get(i)?.last_buffer.as_ref());
    let place = match last.filter(|(last, _)| *last == path) {
        Some((_, place)) => *place,
        None => match place_for(cx, id, i, path.clone())? {
            Some(place) => place,
            None => return Ok(()),
        },
    };
    // What a script says holds for all rows that are sent together.
    let h = host(cx)?;
    let begins = h.logs.outgoing.buffers.get(place).is_some_and(|b| b.n_rows == 0);
    if begins && h.cluster.peers.is_some() && asks_topics(cx)? {
        let topic = topic(cx, id, &path)?;
        if let Some(buffer) = host(cx)?.logs.outgoing.buffers.get_mut(place) {
            buffer.topic = topic;
        }
    }
    let h = host(cx)?;
    let outgoing = &mut h.logs.outgoing;
    let Some(buffer) = outgoing.buffers.get_mut(place) else {
        return Ok(());
    };
    buffer.rows.extend_from_slice(row);
    buffer.n_rows += 1;
    let bytes_max = match h.cluster.is_in_process() && h.cluster.is_running() {
        true => BYTES_NEAR,
        false => BYTES_MAX,
    };
    let full = u64::from(buffer.n_rows) >= outgoing.rows_max || buffer.rows.len() >= bytes_max;
    if full || !buffered || h.terminating {
        send(h, place);
    }
    Ok(())
}

/// The file that declares the functions which name topics.
const TOPICS_FILE: &str = "base/frameworks/broker/main.zeek";

/// Whether scripts choose the topics of rows: with functions of their own, or by asking for no turns among the loggers.
fn asks_topics(cx: &mut CallCtx<'_>) -> Result<bool, RtError> {
    if let Some(known) = host(cx)?.logs.outgoing.asks_topics {
        return Ok(known);
    }
    let own = |name: &str| cx.vm.origin_of(name).is_some_and(|o| !o.file.ends_with(TOPICS_FILE));
    let asks = own("Broker::log_topic")
        || own("Broker::default_log_topic")
        || crate::globals::flag(cx.vm, "Cluster::enable_round_robin_logging") == Some(false);
    host(cx)?.logs.outgoing.asks_topics = Some(asks);
    Ok(asks)
}

/// The topic of rows as `Broker::log_topic` says.
fn topic(cx: &mut CallCtx<'_>, id: i64, path: &[u8]) -> Result<Option<Vec<u8>>, RtError> {
    let Some(f) = cx.vm.global_value("Broker::log_topic") else {
        return Ok(None);
    };
    let Some(ty) = cx.vm.type_id("Log::ID") else {
        return Ok(None);
    };
    let args = [Value::Enum(ty, id), Value::Str(path.into())];
    Ok(match cx.call(&f, &args)? {
        Value::Str(topic) => Some(topic.to_vec()),
        _ => None,
    })
}

/// The buffer for rows of a filter with a path, made on first use. `None` when there is no such filter.
fn place_for(cx: &mut CallCtx<'_>, id: i64, i: usize, path: Str) -> Result<Option<usize>, RtError> {
    let writer = writers::writer_name(cx, id, i)?;
    let h = host(cx)?;
    let Some((s, f)) = h.logs.streams.get(&id).and_then(|s| Some((s, s.filters.get(i)?))) else {
        return Ok(None);
    };
    let key = (id, f.name.clone(), path.clone());
    let (stream, columns) = (s.name.clone(), f.columns.clone());
    let known = h.logs.outgoing.places.get(&key).copied();
    let has_same = |h: &EngineHost, place: &usize| {
        let buffer = h.logs.outgoing.buffers.get(*place);
        buffer.is_some_and(|b| Arc::ptr_eq(&b.columns, &columns))
    };
    let place = match known.filter(|place| has_same(h, place)) {
        Some(place) => place,
        None => {
            // If another filter had that name before, what it wrote has other columns.
            known.into_iter().for_each(|place| send(h, place));
            let buffers = &mut h.logs.outgoing.buffers;
            let buffer = Buffer {
                id,
                stream,
                filter: key.1.clone(),
                path: path.clone(),
                writer,
                columns,
                topic: None,
                n_rows: 0,
                rows: Vec::new(),
            };
            match known.and_then(|place| Some((place, buffers.get_mut(place).filter(|b| b.n_rows == 0)?))) {
                Some((place, old)) => {
                    *old = buffer;
                    place
                }
                None => {
                    buffers.push(buffer);
                    buffers.len() - 1
                }
            }
        }
    };
    let outgoing = &mut h.logs.outgoing;
    outgoing.places.insert(key, place);
    if let Some(f) = h.logs.streams.get_mut(&id).and_then(|s| s.filters.get_mut(i)) {
        f.last_buffer = Some((path, place));
    }
    Ok(Some(place))
}

fn send(h: &mut EngineHost, place: usize) {
    // Until the backend runs rows wait, but not without a bound.
    let waits = !h.cluster.is_running() && !h.terminating;
    let Some(b) = h.logs.outgoing.buffers.get_mut(place).filter(|b| b.n_rows > 0) else {
        return;
    };
    if waits && b.rows.len() < BYTES_MAX {
        return;
    }
    let n = std::mem::take(&mut b.n_rows);
    // Who has filled one buffer will fill the next.
    let next = match b.rows.len() {
        len @ BYTES_NEAR..BYTES_MAX => len + ROOM,
        _ => 0,
    };
    let text = |s: &[u8]| String::from_utf8_lossy(s).into_owned();
    let batch = LogBatch {
        stream: b.stream.to_string(),
        writer: b.writer.to_string(),
        filter: text(&b.filter),
        path: text(&b.path),
        topic: b.topic.clone(),
        columns: b.columns.clone(),
        n_rows: n,
        rows: std::mem::replace(&mut b.rows, Vec::with_capacity(next)),
    };
    match h.cluster.ship(batch) {
        Ok(()) | Err(Refused::Nobody) => {}
        Err(Refused::Full | Refused::Closed) => h.logs.outgoing.lost += u64::from(n),
    }
}

/// Sends the rows of all streams, or of one.
pub fn send_rows(h: &mut EngineHost, only: Option<i64>) {
    for place in 0..h.logs.outgoing.buffers.len() {
        if only.is_none_or(|id| h.logs.outgoing.buffers[place].id == id) {
            send(h, place);
        }
    }
}

/// Sends what is due, and tells what was lost.
///
/// # Errors
/// When this runs without an engine.
pub fn send_due(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    let h = host(cx)?;
    let out = &mut h.logs.outgoing;
    if out.interval > 0.0 && out.last_flush.elapsed().as_secs_f64() >= out.interval {
        out.last_flush = Instant::now();
        send_rows(h, None);
        // Where logs are written, files follow their rows at the same pace.
        h.logs.flush_all();
    }
    let out = &mut h.logs.outgoing;
    if out.lost > 0 && out.told.is_none_or(|t| t.elapsed() >= TELL) {
        let lost = std::mem::take(&mut out.lost);
        out.told = Some(Instant::now());
        let text = format!("Failed to send log write. HWM reached? {lost} rows were lost.");
        cx.report_plain(Severity::Error, text);
    }
    Ok(())
}

/// The kind of a column's values, without what containers hold.
fn kind(c: &Column) -> &str {
    c.type_name.split('[').next().unwrap_or(&c.type_name)
}

fn enumerator(cx: &CallCtx<'_>, name: &str, of: &str) -> Option<i64> {
    match cx.program().names.get(name)? {
        Ident::Enumerator(ty, n) => (cx.types().name(*ty).map(|t| &**t) == Some(of)).then_some(*n),
        _ => None,
    }
}

/// Whether a log's path names a file in the folder of logs or below it. What peers send must: a filter here may lead elsewhere,
/// as `/dev/stdout` does, a peer may not.
fn stays_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    parts.all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
}

/// Why rows of another node are not written; `Ok` gives the stream and the position of the filter.
fn check(cx: &mut CallCtx<'_>, batch: &LogBatch) -> Result<Result<(i64, usize), String>, RtError> {
    let Some(id) = enumerator(cx, &batch.stream, "Log::ID") else {
        return Ok(Err(format!("unknown stream {}", batch.stream)));
    };
    let Some(writer) = enumerator(cx, &batch.writer, "Log::Writer") else {
        return Ok(Err(format!("unknown writer {}", batch.writer)));
    };
    let Some(stream) = host(cx)?.logs.streams.get(&id) else {
        return Ok(Err(format!("no stream {}", batch.stream)));
    };
    let found = stream.filters.iter().position(|f| *f.name == *batch.filter.as_bytes());
    let Some(i) = found else {
        return Ok(Err(format!("stream {} has no filter {}", batch.stream, batch.filter)));
    };
    let filter = &stream.filters[i];
    let what = |text: &str| {
        Ok(Err(format!(
            "{text} (stream {}, filter {})",
            batch.stream, batch.filter
        )))
    };
    if filter.log_remote {
        return what("the filter here is remote itself");
    }
    if filter.writer != writer {
        return what("the filter here has another writer");
    }
    if filter.columns.len() != batch.columns.len() {
        return Ok(Err(format!(
            "{} fields instead of {} (stream {}, filter {})",
            batch.columns.len(),
            filter.columns.len(),
            batch.stream,
            batch.filter
        )));
    }
    let configured = filter.path.as_ref().is_some_and(|p| **p == *batch.path.as_bytes());
    if !configured && !stays_inside(&batch.path) {
        // Nodes of this process do what one node alone would do.
        if !host(cx)?.cluster.is_in_process() {
            let shown: String = batch.path.chars().take(SHOWN).collect();
            return Ok(Err(format!(
                "path {shown} leads out of the folder of logs, where only this node's own filters write (stream {}, filter {})",
                batch.stream, batch.filter
            )));
        }
    }
    let filter = &host(cx)?.logs.streams[&id].filters[i];
    let mut pairs = filter.columns.iter().zip(batch.columns.iter());
    // As a rule they are the very same.
    if let Some((mine, theirs)) = pairs.find(|(a, b)| a.type_name != b.type_name && kind(a) != kind(b)) {
        return Ok(Err(format!(
            "field {} is {} instead of {} (stream {}, filter {})",
            mine.name, theirs.type_name, mine.type_name, batch.stream, batch.filter
        )));
    }
    Ok(Ok((id, i)))
}

/// Writes rows of another node to the local log of their path.
///
/// # Errors
/// Those of script functions that name files.
pub fn accept(cx: &mut CallCtx<'_>, batch: LogBatch) -> Result<(), RtError> {
    let (id, i) = match check(cx, &batch)? {
        Ok(found) => found,
        Err(why) => {
            return crate::cluster::complain(cx, format!("Remote write failed: {why}"));
        }
    };
    let path: Str = batch.path.as_bytes().into();
    let Some(writer) = writers::writer_for(cx, id, i, path)? else {
        return Ok(());
    };
    let logs = &mut host(cx)?.logs;
    let unbuffered = logs.streams.get(&id).is_some_and(|s| !s.buffered);
    if let Some(s) = logs.streams.get(&id) {
        s.n_writes.set(s.n_writes.get() + u64::from(batch.n_rows));
    }
    if let Some(logger) = &mut logs.logger {
        logger.rows(writer, u64::from(batch.n_rows), batch.rows);
        if unbuffered {
            logger.flush(writer);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_peers_stay_in_the_folder() {
        for inside in ["conn", "a/b/conn", "./conn", "conn..x", "..conn", ""] {
            assert!(stays_inside(inside), "{inside}");
        }
        for outside in ["/etc/conn", "/dev/stdout", "../conn", "a/../../conn", "a/..", ".."] {
            assert!(!stays_inside(outside), "{outside}");
        }
    }
}
