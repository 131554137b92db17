//! Finding and making the writer for a filter and path, with the options that scripts set.

use std::path::PathBuf;
use std::rc::Rc;

use tapir_data::text::enum_text;
use tapir_data::value::{Str, Value};
use tapir_logging::json::{EscapePolicy, JsonOptions, Timestamps};
use tapir_logging::logger::Overload;
use tapir_logging::{AsciiOptions, Logger, SqliteOptions, WriterId, WriterKind, WriterSpec};
use tapir_vm::{CallCtx, RtError, Severity};

use super::{WriterSlot, host, rotate};

/// The writer for a path, made on first use. `None` when its configuration is invalid.
pub(super) fn writer_for(cx: &mut CallCtx<'_>, id: i64, i: usize, path: Str) -> Result<Option<WriterId>, RtError> {
    let logs = &host(cx)?.logs;
    let Some(filter) = logs.streams.get(&id).and_then(|s| s.filters.get(i)) else {
        return Ok(None);
    };
    if let Some((last, writer)) = &filter.last {
        if *last == path {
            return Ok(*writer);
        }
    }
    let (name, writer) = (filter.name.clone(), filter.writer);
    let path = free_path(cx, id, i, writer, &name, path)?;
    let logs = &host(cx)?.logs;
    let found = logs.writers.get(&(writer, path.clone())).map(|w| w.id);
    let made = match found {
        Some(w) => Some(w),
        None => make(cx, id, i, writer, path.clone())?,
    };
    if let Some(f) = host(cx)?.logs.streams.get_mut(&id).and_then(|s| s.filters.get_mut(i)) {
        f.last = Some((path, made));
    }
    Ok(made)
}

/// The path itself, or the next free `PATH-N` when another filter owns it.
fn free_path(cx: &mut CallCtx<'_>, id: i64, i: usize, writer: i64, name: &Str, path: Str) -> Result<Str, RtError> {
    let logs = &host(cx)?.logs;
    let owner = |p: &Str| {
        logs.writers
            .get(&(writer, p.clone()))
            .filter(|w| w.stream != id || w.filter != *name)
    };
    let Some(first) = owner(&path) else { return Ok(path) };
    let first = first.filter.clone();
    let mut n = 2u32;
    let free = loop {
        let candidate: Str = format!("{}-{n}", String::from_utf8_lossy(&path)).into_bytes().into();
        if owner(&candidate).is_none() {
            break candidate;
        }
        n += 1;
    };
    let text = |s: &[u8]| String::from_utf8_lossy(s).into_owned();
    let message = format!(
        "Write using filter '{}' on path '{}' changed to use new path '{}' to avoid conflict with filter '{}'",
        text(name),
        text(&path),
        text(&free),
        text(&first)
    );
    if let Some(f) = host(cx)?.logs.streams.get_mut(&id).and_then(|s| s.filters.get_mut(i)) {
        f.set_path(free.clone());
        if let Value::Record(r) = f.value.clone() {
            if let Some(slot) = cx.types().record(r.ty).and_then(|t| t.slot("path")) {
                r.set(slot as usize, Value::Str(free.clone()));
            }
        }
    }
    cx.report_plain(Severity::Warning, message);
    Ok(free)
}

/// The script's name of a filter's writer, e.g. `Log::WRITER_ASCII`.
pub(super) fn writer_name(cx: &mut CallCtx<'_>, id: i64, i: usize) -> Result<Rc<str>, RtError> {
    let writer = host(cx)?
        .logs
        .streams
        .get(&id)
        .and_then(|s| s.filters.get(i))
        .map_or(0, |f| f.writer);
    Ok(name_of(cx, writer))
}

fn name_of(cx: &mut CallCtx<'_>, writer: i64) -> Rc<str> {
    let ty = cx.queue().bindings().enum_type(tapir_interface::enums::log_writer::ID);
    enum_text(cx.types(), ty, writer).into()
}

fn bytes(cx: &mut CallCtx<'_>, name: &str, default: &[u8]) -> Vec<u8> {
    match crate::globals::get(cx, name) {
        Value::Str(s) => s.to_vec(),
        _ => default.to_vec(),
    }
}

fn flag(cx: &mut CallCtx<'_>, name: &str, default: bool) -> bool {
    match crate::globals::get(cx, name) {
        Value::Bool(b) => b,
        _ => default,
    }
}

fn enum_name(cx: &mut CallCtx<'_>, name: &str) -> String {
    match crate::globals::get(cx, name) {
        Value::Enum(ty, n) => enum_text(cx.types(), ty, n).to_string(),
        _ => String::new(),
    }
}

fn timestamps(name: &str) -> Option<Timestamps> {
    Some(match name {
        "JSON::TS_EPOCH" => Timestamps::Epoch,
        "JSON::TS_MILLIS" => Timestamps::Millis,
        "JSON::TS_MILLIS_UNSIGNED" => Timestamps::MillisUnsigned,
        "JSON::TS_ISO8601" => Timestamps::Iso8601,
        _ => return None,
    })
}

fn escape_policy(name: &str) -> Option<EscapePolicy> {
    Some(match name {
        "JSON::STRING_ESCAPE_POLICY_HEX" => EscapePolicy::Hex,
        "JSON::STRING_ESCAPE_POLICY_PUA" => EscapePolicy::Pua,
        "JSON::STRING_ESCAPE_POLICY_TSV" => EscapePolicy::Tsv,
        _ => return None,
    })
}

fn ascii(cx: &mut CallCtx<'_>, config: &[(Str, Str)]) -> Result<AsciiOptions, String> {
    let level = match crate::globals::get(cx, "LogAscii::gzip_level") {
        Value::Count(n) => n.min(9) as u32,
        _ => 0,
    };
    let in_cluster = host(cx).is_ok_and(|h| h.node.in_cluster && !h.cluster.is_in_process());
    let mut o = AsciiOptions {
        // What a logger has written is never lost, also when it was killed and comes back.
        keep_existing: in_cluster || flag(cx, "LogAscii::enable_leftover_log_rotation", false),
        output_to_stdout: flag(cx, "LogAscii::output_to_stdout", false),
        separator: bytes(cx, "LogAscii::separator", b"\t"),
        set_separator: bytes(cx, "LogAscii::set_separator", b","),
        empty_field: bytes(cx, "LogAscii::empty_field", b"(empty)"),
        unset_field: bytes(cx, "LogAscii::unset_field", b"-"),
        meta_prefix: bytes(cx, "LogAscii::meta_prefix", b"#"),
        include_meta: flag(cx, "LogAscii::include_meta", true),
        tsv: false,
        use_json: flag(cx, "LogAscii::use_json", false),
        json: JsonOptions {
            timestamps: timestamps(&enum_name(cx, "LogAscii::json_timestamps")).unwrap_or_default(),
            include_unset_fields: flag(cx, "LogAscii::json_include_unset_fields", false),
            escape_policy: escape_policy(&enum_name(cx, "LogAscii::json_string_escape_policy")).unwrap_or_default(),
        },
        enable_utf_8: flag(cx, "LogAscii::enable_utf_8", true),
        gzip_level: level,
        shadow: None,
        gzip_file_extension: String::from_utf8_lossy(&bytes(cx, "LogAscii::gzip_file_extension", b"gz")).into_owned(),
    };
    for (key, value) in config {
        let key = String::from_utf8_lossy(key);
        let text = String::from_utf8_lossy(value).into_owned();
        let truth = || match &value[..] {
            b"T" => Ok(true),
            b"F" => Ok(false),
            _ => Err(format!(
                "invalid value for '{key}', must be a string and either \"T\" or \"F\""
            )),
        };
        match &*key {
            "tsv" => o.tsv = truth()?,
            "use_json" => o.use_json = truth()?,
            "output_to_stdout" => o.output_to_stdout = truth()?,
            "enable_utf_8" => o.enable_utf_8 = truth()?,
            "json_include_unset_fields" => o.json.include_unset_fields = truth()?,
            "gzip_level" => {
                o.gzip_level = text
                    .parse()
                    .ok()
                    .filter(|n| *n <= 9)
                    .ok_or_else(|| format!("invalid value for '{key}', must be a number between 0 and 9."))?;
            }
            "gzip_file_extension" => o.gzip_file_extension = text,
            "json_timestamps" => {
                o.json.timestamps =
                    timestamps(&text).ok_or_else(|| format!("Invalid JSON timestamp format: {text}"))?;
            }
            "json_string_escape_policy" => {
                o.json.escape_policy =
                    escape_policy(&text).ok_or_else(|| format!("Invalid JSON string escape policy: {text}"))?;
            }
            "separator" => o.separator = value.to_vec(),
            "set_separator" => o.set_separator = value.to_vec(),
            "empty_field" => o.empty_field = value.to_vec(),
            "unset_field" => o.unset_field = value.to_vec(),
            _ => {}
        }
    }
    Ok(o)
}

fn pragma(name: &str, prefix: &str) -> Option<String> {
    name.strip_prefix(prefix)
        .filter(|v| *v != "DEFAULT")
        .map(str::to_string)
}

fn sqlite(cx: &mut CallCtx<'_>, config: &[(Str, Str)], path: &Str) -> SqliteOptions {
    let own = |key: &[u8]| config.iter().find(|c| &c.0[..] == key).map(|c| c.1.to_vec());
    let table = own(b"tablename").unwrap_or_else(|| path.to_vec());
    SqliteOptions {
        table: String::from_utf8_lossy(&table).into_owned(),
        set_separator: own(b"set_separator").unwrap_or_else(|| bytes(cx, "LogSQLite::set_separator", b",")),
        empty_field: own(b"empty_field").unwrap_or_else(|| bytes(cx, "LogSQLite::empty_field", b"(empty)")),
        unset_field: own(b"unset_field").unwrap_or_else(|| bytes(cx, "LogSQLite::unset_field", b"-")),
        synchronous: pragma(
            &enum_name(cx, "LogSQLite::synchronous"),
            "LogSQLite::SQLITE_SYNCHRONOUS_",
        ),
        journal_mode: pragma(
            &enum_name(cx, "LogSQLite::journal_mode"),
            "LogSQLite::SQLITE_JOURNAL_MODE_",
        ),
    }
}

fn make(cx: &mut CallCtx<'_>, id: i64, i: usize, writer: i64, path: Str) -> Result<Option<WriterId>, RtError> {
    let logs = &host(cx)?.logs;
    let Some((stream, filter)) = logs.streams.get(&id).and_then(|s| Some((s, s.filters.get(i)?))) else {
        return Ok(None);
    };
    let (config, columns, buffered) = (filter.config.clone(), filter.columns.clone(), stream.buffered);
    let (filter_name, interval, postprocessor) = (filter.name.clone(), filter.interval, filter.postprocessor.clone());
    let writer_name = name_of(cx, writer);
    let path_text = String::from_utf8_lossy(&path).into_owned();
    let kind = match &*writer_name {
        "Log::WRITER_ASCII" => match ascii(cx, &config) {
            Ok(mut o) => {
                if interval > 0.0 && flag(cx, "LogAscii::enable_leftover_log_rotation", false) {
                    o.shadow = Some(match &postprocessor {
                        Some(Value::Func(f)) => cx.program().functions[f.id.0 as usize].name.to_string(),
                        _ => String::new(),
                    });
                }
                WriterKind::Ascii(o)
            }
            Err(why) => {
                let error = format!("{path_text}/{writer_name}: {why}");
                host(cx)?.logs.late_errors.push(error);
                return Ok(None);
            }
        },
        "Log::WRITER_SQLITE" => WriterKind::Sqlite(sqlite(cx, &config, &path)),
        "Log::WRITER_NONE" => {
            if flag(cx, "LogNone::debug", false) {
                describe_none(&path_text, interval, &config, &columns);
            }
            WriterKind::None
        }
        other => {
            cx.report_plain(
                Severity::Error,
                format!("no log writer implements {other} (path {path_text})"),
            );
            return Ok(None);
        }
    };
    let dir = String::from_utf8_lossy(&bytes(cx, "Log::default_logdir", b"")).into_owned();
    let spec = WriterSpec {
        path: path_text,
        writer_name: writer_name.to_string(),
        kind,
        columns,
        dir: PathBuf::from(dir),
        extension: std::env::var("ZEEK_LOG_SUFFIX").unwrap_or_else(|_| "log".into()),
        buffered,
    };
    let now = tapir_logging::ascii::wall_clock();
    let network = cx.network_time();
    let base = rotate::base_time(cx);
    let h = host(cx)?;
    let overload = if h.live { Overload::Drop } else { Overload::Wait };
    let logs = &mut h.logs;
    if logs.logger.is_none() {
        match Logger::new(overload) {
            Ok(logger) => logs.logger = Some(logger),
            Err(e) => {
                cx.report_plain(Severity::Fatal, format!("cannot start the log writer thread: {e}"));
                return Ok(None);
            }
        }
    }
    let Some(logger) = &mut logs.logger else {
        return Ok(None);
    };
    let made = logger.open(spec);
    let text = |s: &[u8]| String::from_utf8_lossy(s).into_owned();
    let stream_name = logs.streams.get(&id).map_or("", |s| &s.name);
    let (module, stream_part) = stream_name.split_once("::").unwrap_or(("", stream_name));
    logs.counts.push(super::WriterCounts {
        labels: vec![
            writer_name.rsplit("::").next().unwrap_or("").to_string(),
            module.to_string(),
            stream_part.to_string(),
            text(&filter_name),
            text(&path),
        ],
        ..Default::default()
    });
    let opened = if network > 0.0 { network } else { now };
    let next_rotation = rotate::next_after(opened, interval, base);
    logs.next_rotation = logs.next_rotation.min(next_rotation);
    logs.by_id.insert(made, (writer, path.clone()));
    logs.writers.insert(
        (writer, path),
        WriterSlot {
            id: made,
            stream: id,
            filter: filter_name,
            interval,
            postprocessor,
            opened,
            next_rotation,
        },
    );
    Ok(Some(made))
}

fn describe_none(path: &str, interval: f64, config: &[(Str, Str)], columns: &[tapir_logging::Column]) {
    println!("[logging::writer::None]");
    println!("  path={path}");
    println!("  rotation_interval={interval}");
    for (k, v) in config {
        println!(
            "  config[{}] = {}",
            String::from_utf8_lossy(k),
            String::from_utf8_lossy(v)
        );
    }
    for (i, c) in columns.iter().enumerate() {
        println!("  field {i}: {} ({})", c.name, c.type_name);
    }
    println!();
}
