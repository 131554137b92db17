//! Logs that the last run left behind without rotating them: a `.shadow.` file beside each tells of them.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tapir_data::value::Value;
use tapir_vm::{CallCtx, RtError, Severity};

use super::rotate::{postprocess, rotated_name};

/// Rotates what was left in the folder of logs, if scripts ask for that.
///
/// # Errors
/// What post-processors give; a log that cannot be renamed ends the process.
pub fn rotate_leftovers(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    if crate::globals::flag(cx.vm, "LogAscii::enable_leftover_log_rotation") != Some(true) {
        return Ok(());
    }
    let dir = match crate::globals::get(cx, "Log::default_logdir") {
        Value::Str(s) if !s.is_empty() => String::from_utf8_lossy(&s).into_owned(),
        _ => ".".into(),
    };
    let Ok(entries) = std::fs::read_dir(&dir) else {
        return Ok(());
    };
    let mut names: Vec<_> = entries
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .filter(|n| n.starts_with(".shadow."))
        .collect();
    names.sort();
    for name in names {
        leftover(cx, Path::new(&dir), &name)?;
    }
    Ok(())
}

fn leftover(cx: &mut CallCtx<'_>, dir: &Path, shadow_name: &str) -> Result<(), RtError> {
    let shadow = dir.join(shadow_name);
    let name = shadow_name.trim_start_matches(".shadow.");
    let log = dir.join(name);
    let (Ok(of_shadow), Ok(of_log)) = (shadow.metadata(), log.metadata()) else {
        // The log is gone: nothing to rotate.
        let _ = std::fs::remove_file(&shadow);
        return Ok(());
    };
    let text = std::fs::read_to_string(&shadow).unwrap_or_default();
    let mut lines = text.lines();
    let suffix = lines.next().unwrap_or("").to_string();
    let postprocessor = lines.next().filter(|n| !n.is_empty());
    let post = postprocessor.and_then(|n| crate::script::function(cx.vm, n));
    let path = name.strip_suffix(&suffix).unwrap_or(name);
    let writer = match cx.program().names.get("Log::WRITER_ASCII") {
        Some(tapir_script::hir::Ident::Enumerator(_, n)) => *n,
        _ => 0,
    };
    let key = (writer, path.as_bytes().into());
    let (opened, closed) = (of_shadow.ctime() as f64, of_log.mtime() as f64);
    let to = rotated_name(cx, &key, opened, closed, false, post.clone())?;
    let to = tapir_operate::files::free_name(&to, &suffix);
    if let Some(dir) = to.parent().filter(|d| !d.as_os_str().is_empty()) {
        // Where that fails, so does renaming.
        let _ = std::fs::create_dir_all(dir);
    }
    if let Err(e) = std::fs::rename(&log, &to) {
        let text = format!("cannot rename leftover log {} to {}: {e}", log.display(), to.display());
        cx.report_plain(Severity::Fatal, text);
        return Err(RtError::Exit(1));
    }
    let _ = std::fs::remove_file(&shadow);
    let text = format!("rotated leftover log {} to {}", log.display(), to.display());
    cx.report_plain(Severity::Info, text);
    postprocess(cx, &key, &to, opened, closed, false, post).map(|_| ())
}
