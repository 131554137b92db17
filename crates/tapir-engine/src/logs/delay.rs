//! Delayed writes: records that wait for a script to say that they are complete.

use std::collections::VecDeque;
use std::rc::Rc;

use tapir_data::value::{Opaque, Record, Value};
use tapir_vm::{CallCtx, RtError};

use super::host;

/// The record that a stream policy hook or a post-delay callback is looking at.
pub(super) struct Active {
    stream: i64,
    record: Rc<Record>,
    pub(super) token: Option<u64>,
}

impl Active {
    pub(super) fn new(stream: i64, record: Rc<Record>) -> Self {
        Active {
            stream,
            record,
            token: None,
        }
    }
}

struct Delayed {
    token: u64,
    stream: i64,
    id: Value,
    record: Rc<Record>,
    references: u64,
    expires: f64,
    callbacks: Vec<Value>,
    /// False while the hook or callback that asked for the delay still runs.
    queued: bool,
}

/// All records that wait, in the order in which they were delayed.
#[derive(Default)]
pub(super) struct Delays {
    queue: VecDeque<Delayed>,
    next_token: u64,
}

impl Delays {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn cancel(&mut self, token: u64) {
        self.queue.retain(|d| d.token != token);
    }
}

/// The hook or callback that asked for a delay has ended: from now on the record waits, unless it was finished already.
pub(super) fn settle(cx: &mut CallCtx<'_>, id: i64, token: u64) -> Result<(), RtError> {
    let logs = &mut host(cx)?.logs;
    let Some(d) = logs.delays.queue.iter_mut().find(|d| d.token == token) else {
        return Ok(());
    };
    d.queued = true;
    if d.references == 0 {
        complete(cx, token)
    } else {
        enforce_queue_limit(cx, id)
    }
}

struct Token(u64);

impl Opaque for Token {
    fn type_name(&self) -> &str {
        "LogDelayToken"
    }
    fn deep_copy(&self) -> Option<Rc<dyn Opaque>> {
        Some(Rc::new(Token(self.0)))
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// `Log::__delay`.
pub fn delay(cx: &mut CallCtx<'_>, id: &Value, record: &Value, callback: &Value) -> Result<Value, RtError> {
    let Value::Enum(_, id_num) = *id else {
        return Ok(Value::Unset);
    };
    let now = cx.network_time();
    let logs = &mut host(cx)?.logs;
    let Some(active) = &mut logs.active else {
        cx.error("invalid Log::delay() call: outside of active Log::write()");
        return Ok(Value::Unset);
    };
    let same = matches!(record, Value::Record(r) if Rc::ptr_eq(r, &active.record));
    if active.stream != id_num || !same {
        cx.error("invalid Log::delay() call: argument mismatch with active Log::write()");
        return Ok(Value::Unset);
    }
    let max_delay = logs.streams.get(&id_num).map_or(0.2, |s| s.max_delay);
    let token = match active.token {
        Some(t) => {
            if let Some(d) = logs.delays.queue.iter_mut().find(|d| d.token == t) {
                d.references += 1;
            }
            t
        }
        None => {
            logs.delays.next_token += 1;
            let token = logs.delays.next_token;
            active.token = Some(token);
            logs.delays.queue.push_back(Delayed {
                token,
                stream: id_num,
                id: id.clone(),
                record: active.record.clone(),
                references: 1,
                expires: now + max_delay,
                callbacks: Vec::new(),
                queued: false,
            });
            token
        }
    };
    if matches!(callback, Value::Func(_)) {
        if let Some(d) = logs.delays.queue.iter_mut().find(|d| d.token == token) {
            d.callbacks.push(callback.clone());
        }
    }
    Ok(Value::Opaque(Rc::new(Token(token))))
}

/// `Log::__delay_finish`.
pub fn delay_finish(cx: &mut CallCtx<'_>, id: &Value, record: &Value, token: &Value) -> Result<bool, RtError> {
    let token = match token {
        Value::Opaque(o) => o.as_any().downcast_ref::<Token>().map(|t| t.0),
        _ => None,
    };
    let (Some(token), Value::Enum(_, id_num)) = (token, id) else {
        cx.error("invalid Log::delay_finish() call: invalid token");
        return Ok(false);
    };
    let logs = &mut host(cx)?.logs;
    let Some(at) = logs
        .delays
        .queue
        .iter()
        .position(|d| d.token == token && d.stream == *id_num)
    else {
        cx.error("invalid Log::delay_finish() call: non-existing log record");
        return Ok(false);
    };
    let delayed = &mut logs.delays.queue[at];
    if !matches!(record, Value::Record(r) if Rc::ptr_eq(r, &delayed.record)) {
        cx.error("invalid Log::delay_finish() call: record mismatch");
        return Ok(false);
    }
    if delayed.references == 0 {
        cx.error("invalid Log::delay_finish() call: reference count underflow");
        return Ok(false);
    }
    delayed.references -= 1;
    if delayed.references == 0 && delayed.queued {
        complete(cx, token)?;
    }
    Ok(true)
}

fn complete(cx: &mut CallCtx<'_>, token: u64) -> Result<(), RtError> {
    let logs = &mut host(cx)?.logs;
    let Some(at) = logs.delays.queue.iter().position(|d| d.token == token) else {
        return Ok(());
    };
    let Some(delayed) = logs.delays.queue.remove(at) else {
        return Ok(());
    };
    let outer = logs.active.replace(Active::new(delayed.stream, delayed.record.clone()));
    let mut keep = true;
    for callback in &delayed.callbacks {
        let verdict = cx.call(callback, &[Value::Record(delayed.record.clone()), delayed.id.clone()]);
        match verdict {
            Ok(v) => keep &= !matches!(v, Value::Bool(false)),
            Err(RtError::Exit(code)) => return Err(RtError::Exit(code)),
            Err(_) => keep = false,
        }
    }
    let logs = &mut host(cx)?.logs;
    let active = std::mem::replace(&mut logs.active, outer);
    if let Some(again) = active.and_then(|a| a.token) {
        if keep {
            return settle(cx, delayed.stream, again);
        }
        host(cx)?.logs.delays.cancel(again);
    }
    if keep {
        super::write::to_filters(cx, &delayed.id, delayed.stream, &delayed.record, false)?;
    }
    Ok(())
}

/// Completes what has waited long enough; `everything` at the end of the run.
pub fn expire_delays(cx: &mut CallCtx<'_>, everything: bool) -> Result<(), RtError> {
    let now = cx.network_time();
    // A callback may delay its record again; at the end of the run each record gets a bounded number of chances.
    let mut budget = host(cx)?.logs.delays.queue.len() * 4;
    loop {
        let due = host(cx)?
            .logs
            .delays
            .queue
            .iter()
            .find(|d| d.queued && (everything || d.expires <= now))
            .map(|d| d.token);
        match due {
            Some(token) if budget > 0 => complete(cx, token)?,
            _ => return Ok(()),
        }
        budget -= 1;
    }
}

/// Completes the oldest records of a stream until its queue fits.
pub(super) fn enforce_queue_limit(cx: &mut CallCtx<'_>, id: i64) -> Result<(), RtError> {
    let logs = &host(cx)?.logs;
    let max = logs.streams.get(&id).map_or(u64::MAX, |s| s.max_queue);
    let mut waiting: VecDeque<_> = logs
        .delays
        .queue
        .iter()
        .filter(|d| d.stream == id && d.queued)
        .map(|d| d.token)
        .collect();
    let before = waiting.len() as u64;
    let mut excess = before.saturating_sub(max);
    while excess > 0 {
        let Some(token) = waiting.pop_front() else { break };
        complete(cx, token)?;
        excess -= 1;
    }
    if before > max && queue_size(cx, id)? as u64 >= before {
        cx.warning("Log::delay() queue is full and no record could be evicted");
    }
    Ok(())
}

/// The number of records of a stream that wait; −1 for an unknown stream.
pub fn queue_size(cx: &mut CallCtx<'_>, id: i64) -> Result<i64, RtError> {
    let logs = &host(cx)?.logs;
    if !logs.has_stream(id) {
        return Ok(-1);
    }
    Ok(logs.delays.queue.iter().filter(|d| d.stream == id && d.queued).count() as i64)
}

/// Lengthens a stream's longest delay; shorter values are refused.
pub fn set_max_delay(cx: &mut CallCtx<'_>, id: i64, interval: f64) -> Result<bool, RtError> {
    let Some(stream) = host(cx)?.logs.streams.get_mut(&id) else {
        return Ok(false);
    };
    if interval < stream.max_delay {
        cx.warning("Log::set_max_delay_interval() cannot shorten the delays of a stream");
        return Ok(false);
    }
    stream.max_delay = interval;
    Ok(true)
}

/// Sets how many records of a stream may wait.
pub fn set_max_queue(cx: &mut CallCtx<'_>, id: i64, n: u64) -> Result<bool, RtError> {
    let known = host(cx)?.logs.streams.get_mut(&id).map(|s| s.max_queue = n).is_some();
    if known {
        enforce_queue_limit(cx, id)?;
    }
    Ok(known)
}
