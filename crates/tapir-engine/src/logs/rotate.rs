//! Rotation: closing log files at their interval, naming what was closed, and handing it to post-processors.

use std::path::PathBuf;

use tapir_data::value::{Str, Value};
use tapir_interface::{enums, records, slots};
use tapir_logging::Report;
use tapir_logging::ascii::local_time;
use tapir_vm::{CallCtx, RtError, Severity};

use super::host;

/// The time of day from which intervals are counted, as seconds after local midnight; `None` counts from the epoch.
pub(super) fn base_time(cx: &mut CallCtx<'_>) -> Option<f64> {
    let Value::Str(s) = crate::globals::get(cx, "log_rotate_base_time") else {
        return None;
    };
    let text = String::from_utf8_lossy(&s).into_owned();
    let (h, m) = text.split_once(':')?;
    Some(h.parse::<f64>().ok()? * 3600.0 + m.parse::<f64>().ok()? * 60.0)
}

/// The first multiple of the interval after a time, or never.
pub(super) fn next_after(now: f64, interval: f64, base: Option<f64>) -> f64 {
    if interval <= 0.0 {
        return f64::INFINITY;
    }
    match base {
        None => (now / interval).floor() * interval + interval,
        Some(base) => {
            let field = |f: &str| local_time(f, now).parse::<f64>().unwrap_or(0.0);
            let midnight = now.floor() - (field("%H") * 3600.0 + field("%M") * 60.0 + field("%S"));
            let start = midnight + base;
            let start = if start > now { start - 86_400.0 } else { start };
            start + ((now - start) / interval).floor() * interval + interval
        }
    }
}

/// Rotates the writers whose time has come.
pub fn rotate_due(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    let now = cx.network_time();
    let base = base_time(cx);
    let due: Vec<_> = host(cx)?
        .logs
        .writers
        .iter()
        .filter(|(_, w)| w.next_rotation <= now)
        .map(|(k, _)| k.clone())
        .collect();
    for key in due {
        rotate(cx, &key, now, false)?;
        if let Some(w) = host(cx)?.logs.writers.get_mut(&key) {
            w.opened = now;
            w.next_rotation = next_after(now, w.interval, base);
        }
    }
    let logs = &mut host(cx)?.logs;
    logs.next_rotation = logs
        .writers
        .values()
        .map(|w| w.next_rotation)
        .fold(f64::INFINITY, f64::min);
    reports(cx)
}

/// Rotates everything that has an interval, at the end of the run.
pub fn rotate_final(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    let now = cx.network_time();
    let all: Vec<_> = host(cx)?
        .logs
        .writers
        .iter()
        .filter(|(_, w)| w.interval > 0.0)
        .map(|(k, _)| k.clone())
        .collect();
    for key in &all {
        rotate(cx, key, now, true)?;
    }
    if !all.is_empty() {
        if let Some(logger) = &mut host(cx)?.logs.logger {
            logger.barrier();
        }
        reports(cx)?;
    }
    Ok(())
}

/// Waits for the writers to do what was asked of them, and tells what they have to say while scripts can still hear it.
pub fn final_reports(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    let logs = &mut host(cx)?.logs;
    logs.flush_all();
    if let Some(logger) = &mut logs.logger {
        logger.barrier();
    }
    reports(cx)
}

fn rotate(cx: &mut CallCtx<'_>, key: &(i64, Str), now: f64, terminating: bool) -> Result<(), RtError> {
    let Some(w) = host(cx)?.logs.writers.get(key) else {
        return Ok(());
    };
    let (id, opened, post) = (w.id, w.opened, w.postprocessor.clone());
    let to = rotated_name(cx, key, opened, now, terminating, post)?;
    if let Some(logger) = &mut host(cx)?.logs.logger {
        logger.rotate(id, to, terminating);
    }
    Ok(())
}

/// Where a log goes when it is rotated, without the extension of its file.
pub(super) fn rotated_name(
    cx: &mut CallCtx<'_>,
    key: &(i64, Str),
    opened: f64,
    now: f64,
    terminating: bool,
    post: Option<Value>,
) -> Result<PathBuf, RtError> {
    let info = records::LogRotationFmtInfo {
        writer: key.0,
        path: key.1.clone(),
        open: opened,
        close: now,
        terminating,
        postprocessor: post.unwrap_or_default(),
    };
    let info = info.build(cx.queue().bindings());
    let format = crate::globals::get(cx, "Log::rotation_format_func");
    let text = |v: &Value| match v {
        Value::Str(s) => String::from_utf8_lossy(s).into_owned(),
        _ => String::new(),
    };
    let path = String::from_utf8_lossy(&key.1).into_owned();
    let (mut dir, base) = match cx.call(&format, &[info]) {
        Ok(named @ Value::Record(_)) => {
            let dir = cx.field(&named, slots::log_rotationpath::DIR)?;
            let base = cx.field(&named, slots::log_rotationpath::FILE_BASENAME)?;
            (text(&dir), text(&base))
        }
        _ => {
            cx.report_plain(
                Severity::Error,
                "Log::rotation_format_func failed; using the default name",
            );
            (
                String::new(),
                format!("{path}-{}", local_time("%y-%m-%d_%H.%M.%S", opened)),
            )
        }
    };
    if dir.is_empty() {
        dir = text(&crate::globals::get(cx, "Log::default_logdir"));
    }
    Ok(PathBuf::from(dir).join(base))
}

/// Handles what the writer thread has reported: errors become reporter errors, rotated files go to post-processors.
pub fn reports(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    for error in std::mem::take(&mut host(cx)?.logs.late_errors) {
        cx.report_plain(Severity::Error, error);
    }
    let Some(logger) = &mut host(cx)?.logs.logger else {
        return Ok(());
    };
    let (reports, dropped) = (logger.reports(), logger.take_dropped());
    if dropped > 0 {
        let text = format!("{dropped} log records were dropped because writing them took too long");
        cx.report_plain(Severity::Warning, text);
    }
    for report in reports {
        match report {
            Report::Error { message, .. } => cx.report_plain(Severity::Error, message),
            Report::NothingToRotate { .. } => {}
            Report::Rotated {
                writer,
                from: _,
                to,
                opened,
                closed,
                terminating,
            } => {
                let Some(key) = host(cx)?.logs.by_id.get(&writer).cloned() else {
                    continue;
                };
                let own = host(cx)?.logs.writers.get(&key).and_then(|w| w.postprocessor.clone());
                let done = postprocess(cx, &key, &to, opened, closed, terminating, own)?;
                // Who refuses a rotated log wants no more of it.
                if let (false, Some(logger)) = (done, &mut host(cx)?.logs.logger) {
                    logger.close(writer);
                }
            }
        }
    }
    Ok(())
}

pub(super) fn postprocess(
    cx: &mut CallCtx<'_>,
    key: &(i64, Str),
    to: &std::path::Path,
    opened: f64,
    closed: f64,
    terminating: bool,
    own: Option<Value>,
) -> Result<bool, RtError> {
    let writer = cx.queue().bindings().enum_value(enums::log_writer::ID, key.0);
    let post = match own {
        Some(f) => Some(f),
        None => match crate::globals::get(cx, "Log::default_rotation_postprocessors") {
            Value::Table(t) => t.get(&[writer]),
            _ => None,
        },
    };
    let Some(post) = post else { return Ok(true) };
    let info = records::LogRotationInfo {
        writer: key.0,
        fname: to.to_string_lossy().as_bytes().into(),
        path: key.1.clone(),
        open: opened,
        close: closed,
        terminating,
    };
    let info: Value = info.build(cx.queue().bindings());
    let done = !matches!(cx.call(&post, &[info])?, Value::Bool(false));
    if !done {
        cx.report_plain(
            Severity::Error,
            format!("rotation post-processor failed for {}", to.display()),
        );
    }
    Ok(done)
}
