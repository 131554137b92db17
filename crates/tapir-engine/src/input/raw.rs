//! The raw reader: lines of a file, or of a command's output.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};

use tapir_data::value::Value;
use tapir_vm::{CallCtx, RtError, Severity};

use super::{Mode, Stream, Target, deliver, end_of_data, end_of_file, path_of, problem};

/// An open source and what of it waits for its end of record.
pub(super) struct RawReader {
    child: Option<Child>,
    file: Option<std::fs::File>,
    pending: [Vec<u8>; 2],
    offset: u64,
    inode: u64,
}

impl RawReader {
    /// Ends a command that still runs: kindly, or at once.
    pub(super) fn stop(&mut self, force: bool) {
        let Some(child) = &mut self.child else { return };
        let signal = if force {
            rustix::process::Signal::KILL
        } else {
            rustix::process::Signal::TERM
        };
        if let Some(group) = rustix::process::Pid::from_raw(child.id() as i32) {
            // The command is the leader of a group of its own; it may have ended just now.
            let _ = rustix::process::kill_process_group(group, signal);
        }
        if let Some(mut child) = self.child.take() {
            // Nobody may wait for it here.
            let _ = std::thread::Builder::new().spawn(move || child.wait());
        }
    }

    /// Whether a command still runs.
    pub(super) fn is_running(&self) -> bool {
        self.child.is_some()
    }
}

/// Bytes of one record that are kept while its end is not there.
const RECORD_MAX: usize = 64 << 20;

fn separator(cx: &CallCtx<'_>) -> Vec<u8> {
    match crate::globals::get(cx, "InputRaw::record_separator") {
        Value::Str(s) if !s.is_empty() => s.to_vec(),
        _ => b"\n".to_vec(),
    }
}

fn nonblocking(fd: &impl AsFd) {
    if let Ok(flags) = rustix::fs::fcntl_getfl(fd) {
        // Without it the main loop would wait for the command; a failure shows as slowness only.
        let _ = rustix::fs::fcntl_setfl(fd, flags | rustix::fs::OFlags::NONBLOCK);
    }
}

fn spawn(s: &Stream, command: &str) -> std::io::Result<Child> {
    let stderr = s.config.get("read_stderr").is_some_and(|v| v == "1" || v == "T");
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .stdin(if s.config.contains_key("stdin") {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .process_group(0)
        .stderr(if stderr { Stdio::piped() } else { Stdio::inherit() })
        .spawn()?;
    if let (Some(mut input), Some(text)) = (child.stdin.take(), s.config.get("stdin")) {
        let text = text.clone().into_bytes();
        // A command that does not read its input must not stall the engine.
        std::thread::spawn(move || input.write_all(&text));
    }
    if let Some(out) = &child.stdout {
        nonblocking(out);
    }
    if let Some(err) = &child.stderr {
        nonblocking(err);
    }
    Ok(child)
}

fn emit(cx: &mut CallCtx<'_>, s: &mut Stream, line: Vec<u8>, is_stderr: bool) -> Result<(), RtError> {
    let mut values = vec![Value::Str(line.into())];
    if s.columns.len() > 1 {
        values.push(Value::Bool(is_stderr));
    }
    deliver::row(cx, s, values)
}

/// Cuts off whole records; `all` takes the rest too.
fn records(pending: &mut Vec<u8>, sep: &[u8], all: bool) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut start = 0;
    while let Some(at) = pending[start..].windows(sep.len()).position(|w| w == sep) {
        out.push(pending[start..start + at].to_vec());
        start += at + sep.len();
    }
    pending.drain(..start);
    if (all || pending.len() > RECORD_MAX) && !pending.is_empty() {
        out.push(std::mem::take(pending));
    }
    out
}

fn drain(source: &mut impl Read, into: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut buf = [0; 16_384];
    loop {
        match source.read(&mut buf) {
            Ok(0) => return Ok(true),
            Ok(n) => into.extend_from_slice(&buf[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Reads what there is.
pub(super) fn read(cx: &mut CallCtx<'_>, s: &mut Stream) -> Result<bool, RtError> {
    match s.source.strip_suffix('|').map(|c| c.trim().to_string()) {
        Some(command) => read_command(cx, s, &command),
        None => read_file(cx, s),
    }
}

fn read_command(cx: &mut CallCtx<'_>, s: &mut Stream, command: &str) -> Result<bool, RtError> {
    if s.raw.is_none() {
        if !std::mem::take(&mut s.pending) {
            return Ok(false);
        }
        match spawn(s, command) {
            Ok(child) => {
                s.raw = Some(RawReader {
                    child: Some(child),
                    file: None,
                    pending: [Vec::new(), Vec::new()],
                    offset: 0,
                    inode: 0,
                });
            }
            Err(e) => {
                problem(cx, s, &format!("cannot run '{command}': {e}"), Severity::Error)?;
                return Ok(false);
            }
        }
    }
    let sep = separator(cx);
    let Some(mut raw) = s.raw.take() else { return Ok(false) };
    let Some(child) = &mut raw.child else { return Ok(false) };
    let mut ended = true;
    if let Some(out) = &mut child.stdout {
        ended &= drain(out, &mut raw.pending[0]).unwrap_or(true);
    }
    if let Some(err) = &mut child.stderr {
        ended &= drain(err, &mut raw.pending[1]).unwrap_or(true);
    }
    let mut any = false;
    for (i, is_stderr) in [(0, false), (1, true)] {
        for line in records(&mut raw.pending[i], &sep, ended) {
            any = true;
            emit(cx, s, line, is_stderr)?;
        }
    }
    // A command may close its outputs and go on.
    let status = if ended { child.try_wait() } else { Ok(None) };
    let status = match status {
        Ok(Some(status)) => Ok(status),
        Ok(None) => {
            s.raw = Some(raw);
            return Ok(any);
        }
        Err(e) => Err(e),
    };
    finished(cx, s)?;
    let (code, by_signal) = match status {
        Ok(st) => (st.code().or(st.signal()).unwrap_or(0), st.signal().is_some()),
        Err(_) => (1, false),
    };
    let args = vec![
        Value::Str(s.name.clone()),
        Value::Str(s.source.as_bytes().into()),
        Value::Count(code as u64),
        Value::Bool(by_signal),
    ];
    cx.vm.raise_named("InputRaw::process_finished", args);
    Ok(true)
}

fn read_file(cx: &mut CallCtx<'_>, s: &mut Stream) -> Result<bool, RtError> {
    let path = path_of(cx, s, "InputRaw::path_prefix");
    let forced = std::mem::take(&mut s.pending);
    let meta = std::fs::metadata(&path);
    let stamp = meta.as_ref().ok().and_then(super::stamp_of);
    if s.mode != Mode::Stream && !forced && stamp == s.stamp {
        return Ok(false);
    }
    s.stamp = stamp;
    // A file that was replaced or cut starts anew.
    if s.mode == Mode::Stream {
        let other = |r: &RawReader| stamp.is_some_and(|(_, len, inode)| len < r.offset || inode != r.inode);
        if s.raw.as_ref().is_some_and(other) {
            s.raw = None;
        }
    }
    if s.raw.is_none() || s.mode != Mode::Stream {
        let mut file = match std::fs::File::open(&path) {
            Ok(f) => f,
            Err(e) => {
                if !std::mem::replace(&mut s.failed, true) {
                    problem(cx, s, &format!("cannot open {path}: {e}"), Severity::Warning)?;
                }
                return Ok(false);
            }
        };
        s.failed = false;
        let len = file.metadata().map_or(0, |m| m.len()) as i64;
        let mut start = 0;
        if let Some(offset) = s.config.get("offset").and_then(|o| o.parse::<i64>().ok()) {
            // Counted from the end when negative: −1 is the end itself.
            let at = if offset < 0 { (len + offset + 1).max(0) } else { offset };
            let _ = std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(at as u64));
            start = at as u64;
        }
        s.raw = Some(RawReader {
            child: None,
            file: Some(file),
            pending: [Vec::new(), Vec::new()],
            offset: start,
            inode: stamp.map_or(0, |(_, _, inode)| inode),
        });
    }
    let sep = separator(cx);
    let Some(mut raw) = s.raw.take() else { return Ok(false) };
    if let Some(file) = &mut raw.file {
        let before = raw.pending[0].len();
        if let Err(e) = drain(file, &mut raw.pending[0]) {
            problem(cx, s, &format!("cannot read {path}: {e}"), Severity::Warning)?;
        }
        raw.offset += (raw.pending[0].len() - before) as u64;
    }
    let whole = s.mode != Mode::Stream;
    let mut any = false;
    for line in records(&mut raw.pending[0], &sep, whole) {
        any = true;
        emit(cx, s, line, false)?;
    }
    if whole {
        finished(cx, s)?;
        return Ok(true);
    }
    s.raw = Some(raw);
    Ok(any)
}

/// All of a source was read.
fn finished(cx: &mut CallCtx<'_>, s: &Stream) -> Result<(), RtError> {
    if matches!(s.target, Target::Analysis) {
        end_of_file(cx, s)?;
    }
    end_of_data(cx, s);
    Ok(())
}
