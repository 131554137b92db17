//! The archive of logs: `LOGDIR/YYYY-MM-DD/NAME.HH:MM:SS-HH:MM:SS.log.gz`, and what is done with a stopped node's files.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::NaiveDateTime;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::config::Options;
use crate::install::make_dir;

/// How rotation writes times.
const TIME: &str = "%y-%m-%d_%H.%M.%S";

/// Puts a log into the archive and removes it. Devices are left alone: the writer that keeps nothing rotates `/dev/null`.
///
/// # Errors
/// When something cannot be read or written; the log stays then.
pub fn archive(
    options: &Options,
    file: &Path,
    name: &str,
    open: &str,
    close: &str,
    suffix: &str,
) -> Result<PathBuf, String> {
    let kind = file.metadata().map(|m| m.file_type());
    if kind.is_ok_and(|k| !k.is_file()) {
        return Ok(file.to_path_buf());
    }
    let time = |text: &str| {
        NaiveDateTime::parse_from_str(text, TIME).map_err(|_| format!("'{text}' is no time such as 25-03-01_13.00.00"))
    };
    let (from, to) = (time(open)?, time(close)?);
    let dir = options.path("LogDir").join(from.format("%Y-%m-%d").to_string());
    make_dir(&dir)?;
    let suffix = if suffix.is_empty() {
        String::new()
    } else {
        format!("-{suffix}")
    };
    let stem = format!(
        "{name}.{}-{}{suffix}.log",
        from.format("%H:%M:%S"),
        to.format("%H:%M:%S")
    );
    let packed = file.extension().is_some_and(|e| e == "gz");
    let compress = options.flag("CompressLogs") && !packed;
    let extension = options.get("CompressExtension");
    let target = dir.join(match (compress, packed) {
        (true, _) => format!("{stem}.{extension}"),
        (_, true) => format!("{stem}.gz"),
        _ => stem,
    });
    let fail = |e: std::io::Error| format!("cannot archive {} as {}: {e}", file.display(), target.display());
    let command = options.get("CompressCmd");
    if compress && command != "gzip" {
        let fresh = target.with_extension("tmp");
        let status = Command::new("/bin/sh")
            .args(["-c", &command])
            .stdin(File::open(file).map_err(fail)?)
            .stdout(File::create(&fresh).map_err(fail)?)
            .status()
            .map_err(fail)?;
        if !status.success() {
            let _ = std::fs::remove_file(&fresh);
            return Err(format!(
                "cannot archive {}: CompressCmd = {command} ended with {status}",
                file.display()
            ));
        }
        std::fs::rename(&fresh, &target).map_err(fail)?;
    } else if compress {
        let fresh = target.with_extension("tmp");
        let mut source = File::open(file).map_err(fail)?;
        let mut out = GzEncoder::new(File::create(&fresh).map_err(fail)?, Compression::default());
        std::io::copy(&mut source, &mut out).map_err(fail)?;
        out.finish().and_then(|mut f| f.flush()).map_err(fail)?;
        std::fs::rename(&fresh, &target).map_err(fail)?;
    } else {
        std::fs::copy(file, &target).map_err(fail)?;
    }
    std::fs::remove_file(file).map_err(fail)?;
    Ok(target)
}

/// Runs the programs in `share/zeekctl/scripts/postprocessors`, by name, each with the arguments that rotation gives. One may
/// take the log away.
///
/// # Errors
/// The first that fails.
pub fn postprocess(options: &Options, args: &[String]) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let dir = options.path("ZeekBase").join("share/zeekctl/scripts/postprocessors");
    let mut programs: Vec<PathBuf> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .filter(|p| {
            p.metadata()
                .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        })
        .collect();
    programs.sort();
    for program in programs {
        let status = Command::new("nice").arg(&program).args(args).status();
        match status {
            Ok(s) if s.success() => {}
            Ok(s) => return Err(format!("{} ended with {s}", program.display())),
            Err(e) => return Err(format!("cannot run {}: {e}", program.display())),
        }
    }
    Ok(())
}

/// Archives what a node that has ended left in its folder. What a crash left is kept in a folder of its own as well.
///
/// # Errors
/// When the folder cannot be moved.
pub fn post_terminate(
    options: &Options,
    kind: &str,
    dir: &Path,
    suffix: &str,
    crashed: bool,
) -> Result<Vec<String>, String> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let now = chrono::Local::now();
    let mut name = format!(
        "post-terminate-{kind}-{}-{}",
        now.format("%Y-%m-%d-%H-%M-%S"),
        std::process::id()
    );
    if crashed {
        name.push_str("-crash");
    }
    let tmp = options.path("SpoolDir").join("tmp");
    make_dir(&tmp)?;
    let moved = tmp.join(name);
    std::fs::rename(dir, &moved).map_err(|e| format!("cannot move {}: {e}", dir.display()))?;
    make_dir(dir)?;
    let close = now.format(TIME).to_string();
    let startup = std::fs::read_to_string(moved.join(".startup")).unwrap_or_default();
    let open = startup.lines().nth(2).unwrap_or(&close).to_string();
    let mut failures = Vec::new();
    let entries = std::fs::read_dir(&moved).map_err(|e| format!("cannot read {}: {e}", moved.display()))?;
    for entry in entries.flatten() {
        let file = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(base) = name.strip_suffix(".log") else {
            continue;
        };
        if entry.metadata().is_ok_and(|m| m.len() == 0) {
            continue;
        }
        if let Err(e) = archive(options, &file, base, &open, &close, suffix) {
            failures.push(e);
        }
    }
    if failures.is_empty() && !crashed {
        // Everything of worth is in the archive.
        let _ = std::fs::remove_dir_all(&moved);
    }
    Ok(failures)
}

/// Removes archived logs that are older than the options allow; gives how many.
pub fn expire(options: &Options) -> usize {
    let minutes = options.log_expire_minutes();
    if minutes == 0 {
        return 0;
    }
    let keep: Vec<String> = options.get("KeepLogs").split_whitespace().map(str::to_string).collect();
    let mut n = 0;
    let days = std::fs::read_dir(options.path("LogDir"))
        .into_iter()
        .flatten()
        .flatten();
    for day in days.filter(|d| is_date(&d.file_name().to_string_lossy())) {
        for entry in std::fs::read_dir(day.path()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let age = entry
                .metadata()
                .and_then(|m| m.modified())
                .ok()
                .and_then(|t| t.elapsed().ok());
            let old = age.is_some_and(|a| a.as_secs() / 60 >= minutes);
            if old && !keep.iter().any(|p| matches(p, &name)) && std::fs::remove_file(entry.path()).is_ok() {
                n += 1;
            }
        }
        // Only empty ones can be removed.
        let _ = std::fs::remove_dir(day.path());
    }
    n
}

fn is_date(name: &str) -> bool {
    chrono::NaiveDate::parse_from_str(name, "%Y-%m-%d").is_ok()
}

/// A shell pattern with `*` and `?`.
fn matches(pattern: &str, name: &str) -> bool {
    let (p, n) = (pattern.as_bytes(), name.as_bytes());
    let (mut i, mut j, mut star) = (0, 0, None);
    while j < n.len() {
        if i < p.len() && (p[i] == b'?' || p[i] == n[j]) {
            i += 1;
            j += 1;
        } else if i < p.len() && p[i] == b'*' {
            star = Some((i, j));
            i += 1;
        } else if let Some((si, sj)) = star {
            i = si + 1;
            j = sj + 1;
            star = Some((si, j));
        } else {
            return false;
        }
    }
    p[i..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_go_where_their_time_says() {
        let base = std::env::temp_dir().join(format!("tapirctl-archive-{}", std::process::id()));
        make_dir(&base).unwrap();
        let options = Options::new(&base, Path::new("tapir"));
        let file = base.join("conn-1.log");
        std::fs::write(&file, "a\n").unwrap();
        let to = archive(&options, &file, "conn", "25-03-01_13.00.00", "25-03-01_14.00.00", "").unwrap();
        assert_eq!(to, base.join("logs/2025-03-01/conn.13:00:00-14:00:00.log.gz"));
        assert!(to.is_file() && !file.exists());
        assert!(archive(&options, &file, "conn", "x", "y", "").is_err());
        let _no_log = std::os::unix::net::UnixListener::bind(&file).unwrap();
        let to = archive(&options, &file, "conn", "25-03-01_13.00.00", "25-03-01_14.00.00", "").unwrap();
        assert!(to == file && file.exists());
        std::fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn commands_compress_too() {
        let base = std::env::temp_dir().join(format!("tapirctl-compress-{}", std::process::id()));
        make_dir(&base).unwrap();
        let mut options = Options::new(&base, Path::new("tapir"));
        options
            .read("CompressCmd = tr a-z A-Z\nCompressExtension = up\n", "f")
            .unwrap();
        let file = base.join("conn.log");
        let (open, close) = ("25-03-01_13.00.00", "25-03-01_14.00.00");
        std::fs::write(&file, "abc\n").unwrap();
        let to = archive(&options, &file, "conn", open, close, "").unwrap();
        assert_eq!(to, base.join("logs/2025-03-01/conn.13:00:00-14:00:00.log.up"));
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "ABC\n");
        options.read("CompressCmd = exit 3\n", "f").unwrap();
        std::fs::write(&file, "abc\n").unwrap();
        assert!(archive(&options, &file, "conn", open, close, "").is_err_and(|e| e.contains("exit 3")));
        assert!(file.exists());
        std::fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn patterns_match_as_in_a_shell() {
        assert!(matches("conn.*", "conn.1.log.gz") && matches("*a?c*", "xxabcxx"));
        assert!(!matches("conn", "conn.log") && !matches("*z", "conn"));
    }
}
