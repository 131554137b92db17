//! The archive of logs: `LOGDIR/YYYY-MM-DD/NAME.HH:MM:SS-HH:MM:SS.log.gz`, and what is done with a stopped node's files.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use chrono::NaiveDateTime;
use flate2::Compression;
use flate2::write::GzEncoder;
use tapir_operate::files::free_name;

use crate::config::Options;
use crate::install::make_dir;

/// How rotation writes times.
const TIME: &str = "%y-%m-%d_%H.%M.%S";

/// The name of an archived log below `LogDir`, without what compression adds: what the program `MakeArchiveName` says, or
/// `YYYY-MM-DD/NAME.HH:MM:SS-HH:MM:SS[-SUFFIX].log`.
fn archive_name(
    options: &Options,
    file: &Path,
    name: &str,
    (open, close): (&str, &str),
    suffix: &str,
) -> Result<PathBuf, String> {
    let time = |text: &str| {
        NaiveDateTime::parse_from_str(text, TIME).map_err(|_| format!("'{text}' is no time such as 25-03-01_13.00.00"))
    };
    let (from, to) = (time(open)?, time(close)?);
    let program = options.path("MakeArchiveName");
    if program.is_file() {
        let fail = |why: String| format!("cannot name {}: {}: {why}", file.display(), program.display());
        let out = Command::new(&program)
            .arg(file)
            .args([name, open, close, "0", "ascii"])
            .env("ZEEK_ARG_LOG_SUFFIX", suffix)
            .stdin(std::process::Stdio::null())
            .output()
            .map_err(|e| fail(e.to_string()))?;
        let said = String::from_utf8_lossy(&out.stdout).trim().to_string();
        return match out.status.success() && !said.is_empty() {
            true => Ok(said.into()),
            false => Err(fail(format!("it ended with {} and said '{said}'", out.status))),
        };
    }
    let suffix = if suffix.is_empty() {
        String::new()
    } else {
        format!("-{suffix}")
    };
    let file = format!(
        "{name}.{}-{}{suffix}.log",
        from.format("%H:%M:%S"),
        to.format("%H:%M:%S")
    );
    Ok(Path::new(&from.format("%Y-%m-%d").to_string()).join(file))
}

/// Puts a log into the archive and removes it. Devices are left alone: the writer that keeps nothing rotates `/dev/null`.
/// What is in the archive already stays there.
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
    // A name that is absolute is where it says.
    let stem = options
        .path("LogDir")
        .join(archive_name(options, file, name, (open, close), suffix)?);
    make_dir(stem.parent().unwrap_or(Path::new("/")))?;
    let packed = file.extension().is_some_and(|e| e == "gz");
    let compress = options.flag("CompressLogs") && !packed;
    let extension = match (compress, packed) {
        (true, _) => format!(".{}", options.get("CompressExtension")),
        (_, true) => ".gz".into(),
        _ => String::new(),
    };
    // Nodes that start and end in the same second leave logs of the same name.
    let (base, log) = match stem.extension().is_some_and(|e| e == "log") {
        true => (stem.with_extension(""), ".log"),
        false => (stem, ""),
    };
    let target = free_name(&base, &format!("{log}{extension}"));
    let mut fresh = target.clone().into_os_string();
    fresh.push(".tmp");
    let fresh = PathBuf::from(fresh);
    let done = match compress {
        true => pack(options, file, &fresh),
        false => std::fs::copy(file, &fresh).map(drop).map_err(|e| e.to_string()),
    };
    let done = done.and_then(|()| std::fs::rename(&fresh, &target).map_err(|e| e.to_string()));
    if let Err(e) = done {
        // What there is of it only takes room.
        let _ = std::fs::remove_file(&fresh);
        return Err(format!(
            "cannot archive {} as {}: {e}",
            file.display(),
            target.display()
        ));
    }
    std::fs::remove_file(file).map_err(|e| {
        format!(
            "{} is archived as {}, but it cannot be removed: {e}",
            file.display(),
            target.display()
        )
    })?;
    Ok(target)
}

/// Writes the compressed contents of a file into another.
fn pack(options: &Options, file: &Path, to: &Path) -> Result<(), String> {
    let fail = |e: std::io::Error| e.to_string();
    let command = options.get("CompressCmd");
    let mut source = File::open(file).map_err(fail)?;
    if command == "gzip" {
        let mut out = GzEncoder::new(File::create(to).map_err(fail)?, Compression::default());
        std::io::copy(&mut source, &mut out).map_err(fail)?;
        return out.finish().and_then(|mut f| f.flush()).map_err(fail);
    }
    let status = Command::new("/bin/sh")
        .args(["-c", &command])
        .stdin(source)
        .stdout(File::create(to).map_err(fail)?)
        .status()
        .map_err(fail)?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("CompressCmd = {command} ended with {status}")),
    }
}

/// Begins the name of a file that is there while a log of its folder is being archived; the process follows.
const RUNNING: &str = ".archive-log.running.";

/// Says, while it lives, that a log of a folder is being archived.
pub struct Running(PathBuf);

impl Running {
    /// Says so; where that is not possible, nobody waits.
    pub fn in_folder(dir: &Path) -> Self {
        let file = dir.join(format!("{RUNNING}{}.tmp", std::process::id()));
        let _ = std::fs::write(&file, "");
        Running(file)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Notes that what a node writes to a log from now on has not been archived yet.
pub fn note_rotation(dir: &Path, name: &str) {
    // Without the note the time of the node's start is taken.
    let _ = std::fs::write(
        dir.join(format!(".rotated.{name}")),
        format!("{}\n", chrono::Local::now().format(TIME)),
    );
}

/// How long those who archive may take until the folder is moved.
const PATIENCE: Duration = Duration::from_secs(60);

fn is_archiving(dir: &Path) -> bool {
    let names = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let names = names.map(|e| e.file_name().to_string_lossy().into_owned());
    let pid = |n: String| n.strip_prefix(RUNNING)?.strip_suffix(".tmp")?.parse().ok();
    names.filter_map(pid).any(crate::process::alive)
}

/// The log that a file which was not archived belongs to, and when it was begun: a time in its name says so, or a note of the
/// last rotation, or else it is `start`.
fn leftover(dir: &Path, stem: &str, start: &str, close: &str) -> (String, String) {
    // Rotation writes `conn.2025-03-01-13-00-00`, and did write `conn-25-03-01_13.00.00`.
    for (separator, format, len) in [('.', "%Y-%m-%d-%H-%M-%S", 19), ('-', TIME, 17)] {
        let Some((base, time)) = stem.len().checked_sub(len).and_then(|at| stem.split_at_checked(at)) else {
            continue;
        };
        let time = NaiveDateTime::parse_from_str(time, format).ok();
        if let Some((base, time)) = base.strip_suffix(separator).zip(time).filter(|(b, _)| !b.is_empty()) {
            return (base.into(), time.format(TIME).to_string());
        }
    }
    let noted = std::fs::read_to_string(dir.join(format!(".rotated.{stem}"))).unwrap_or_default();
    let noted = noted.trim();
    let is_time = NaiveDateTime::parse_from_str(noted, TIME).is_ok();
    // Both are written so that the later one sorts last.
    let open = if is_time { noted.min(close) } else { start };
    (stem.into(), open.into())
}

/// Whether a folder has logs with something in them.
pub fn has_logs(dir: &Path) -> bool {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    files.into_iter().any(|e| {
        e.file_name().to_string_lossy().ends_with(".log") && e.metadata().is_ok_and(|m| m.is_file() && m.len() > 0)
    })
}

/// Archives the logs of a folder in which no node is at work any more. Gives what failed.
fn archive_all(options: &Options, dir: &Path, close: &str, suffix: &str) -> Result<Vec<String>, String> {
    let startup = std::fs::read_to_string(dir.join(".startup")).unwrap_or_default();
    let start = startup.lines().nth(2).unwrap_or(close).to_string();
    let entries = std::fs::read_dir(dir).map_err(|e| format!("cannot read {}: {e}", dir.display()))?;
    let mut failures = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".log") else {
            continue;
        };
        if entry.metadata().is_ok_and(|m| m.len() == 0) {
            continue;
        }
        let (base, open) = leftover(dir, stem, &start, close);
        if let Err(e) = archive(options, &entry.path(), &base, &open, close, suffix) {
            failures.push(e);
        }
    }
    Ok(failures)
}

/// Tries once more to archive what could not be archived before: rotated logs in a node's folder, and folders of nodes that
/// have ended, which are not younger than a minute. Gives what failed again.
pub fn retry(options: &Options, folders: &[(PathBuf, String)]) -> Vec<String> {
    let old = |m: &std::fs::Metadata| {
        let age = m.modified().ok().and_then(|t| t.elapsed().ok());
        age.is_some_and(|a| a >= Duration::from_secs(60))
    };
    let mut failures = Vec::new();
    for (dir, suffix) in folders {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let stem = name.strip_suffix(".log").unwrap_or_default();
            let (base, open) = leftover(dir, stem, "", "");
            // Those without a time in their name are being written.
            if base == stem || is_archiving(dir) {
                continue;
            }
            let Ok(meta) = entry.metadata() else { continue };
            let close = meta.modified().map(chrono::DateTime::<chrono::Local>::from);
            let (true, Ok(close)) = (old(&meta), close) else {
                continue;
            };
            let close = close.format(TIME).to_string();
            failures.extend(archive(options, &entry.path(), &base, &open, &close, suffix).err());
        }
    }
    let tmp = options.path("SpoolDir").join("tmp");
    for entry in std::fs::read_dir(tmp).into_iter().flatten().flatten() {
        let (name, dir) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        let is_left = name.starts_with("post-terminate-") && !name.ends_with("-crash");
        let Some(meta) = entry.metadata().ok().filter(|m| is_left && m.is_dir() && old(m)) else {
            continue;
        };
        let close = meta.modified().map(chrono::DateTime::<chrono::Local>::from);
        let Ok(close) = close else { continue };
        let suffix = std::fs::read_to_string(dir.join(SUFFIX)).unwrap_or_default();
        match archive_all(options, &dir, &close.format(TIME).to_string(), suffix.trim()) {
            Ok(again) if again.is_empty() => {
                let _ = std::fs::remove_dir_all(&dir);
            }
            Ok(again) => failures.extend(again),
            Err(e) => failures.push(e),
        }
    }
    failures
}

/// The file in a node's folder that tells what its archived logs have in their names.
const SUFFIX: &str = ".log_suffix";

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
    let begun = Instant::now();
    while is_archiving(dir) && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(50));
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
    let mut moved = tmp.join(&name);
    let mut n = 2u32;
    while moved.exists() {
        // Several nodes of a kind end together.
        moved = tmp.join(name.replacen("-", &format!("-{n}-"), 1));
        n += 1;
    }
    std::fs::rename(dir, &moved).map_err(|e| format!("cannot move {}: {e}", dir.display()))?;
    make_dir(dir)?;
    if !suffix.is_empty() {
        // For who tries again later.
        let _ = std::fs::write(moved.join(SUFFIX), suffix);
    }
    let failures = archive_all(options, &moved, &now.format(TIME).to_string(), suffix)?;
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
        // One with the same name goes beside it.
        std::fs::write(&file, "b\n").unwrap();
        let to = archive(&options, &file, "conn", "25-03-01_13.00.00", "25-03-01_14.00.00", "").unwrap();
        assert_eq!(to, base.join("logs/2025-03-01/conn.13:00:00-14:00:00-2.log.gz"));
        // Where there is no way, nothing is lost and nothing left.
        std::fs::write(&file, "c\n").unwrap();
        let day = base.join("logs/2025-03-02");
        std::fs::write(&day, "in the way").unwrap();
        assert!(archive(&options, &file, "conn", "25-03-02_13.00.00", "25-03-02_14.00.00", "").is_err());
        assert!(file.exists());
        std::fs::remove_file(&file).unwrap();
        assert!(archive(&options, &file, "conn", "x", "y", "").is_err());
        let _no_log = std::os::unix::net::UnixListener::bind(&file).unwrap();
        let to = archive(&options, &file, "conn", "25-03-01_13.00.00", "25-03-01_14.00.00", "").unwrap();
        assert!(to == file && file.exists());
        std::fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn names_of_leftovers_tell_their_time() {
        let base = std::env::temp_dir().join(format!("tapirctl-leftover-{}", std::process::id()));
        make_dir(&base).unwrap();
        let of = |stem: &str| leftover(&base, stem, "25-01-01_00.00.00", "25-03-01_14.00.00");
        let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
        assert_eq!(of("conn.2025-03-01-13-00-00"), pair("conn", "25-03-01_13.00.00"));
        assert_eq!(of("a-b-25-03-01_13.00.00"), pair("a-b", "25-03-01_13.00.00"));
        assert_eq!(of("conn"), pair("conn", "25-01-01_00.00.00"));
        std::fs::write(base.join(".rotated.conn"), "25-03-01_12.00.00\n").unwrap();
        assert_eq!(of("conn"), pair("conn", "25-03-01_12.00.00"));
        // The clock was set back since.
        std::fs::write(base.join(".rotated.conn"), "26-03-01_12.00.00\n").unwrap();
        assert_eq!(of("conn"), pair("conn", "25-03-01_14.00.00"));
        note_rotation(&base, "dns");
        assert!(of("dns").1.as_str() <= "25-03-01_14.00.00");
        std::fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn what_could_not_be_archived_is_tried_again() {
        let base = std::env::temp_dir().join(format!("tapirctl-retry-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&base);
        let (node, ended) = (
            base.join("spool/logger-1"),
            base.join("spool/tmp/post-terminate-logger-1"),
        );
        make_dir(&node).unwrap();
        make_dir(&ended).unwrap();
        let options = Options::new(&base, Path::new("tapir"));
        let old = std::time::SystemTime::now() - Duration::from_secs(3600);
        let write = |file: PathBuf| {
            std::fs::write(&file, "a\n").unwrap();
            File::options()
                .write(true)
                .open(&file)
                .unwrap()
                .set_modified(old)
                .unwrap();
        };
        write(node.join("conn.2025-03-01-13-00-00.log"));
        write(node.join("conn.log"));
        write(ended.join("dns.log"));
        std::fs::write(ended.join(SUFFIX), "logger-1").unwrap();
        std::fs::write(node.join("dns.2025-03-01-13-00-00.log"), "too young\n").unwrap();
        File::open(&ended).unwrap().set_modified(old).unwrap();
        let folders = [(node.clone(), String::new())];
        // A file where the archive should be.
        std::fs::write(base.join("logs"), "").unwrap();
        assert_eq!(retry(&options, &folders).len(), 2);
        std::fs::remove_file(base.join("logs")).unwrap();
        assert_eq!(retry(&options, &folders), Vec::<String>::new());
        assert!(node.join("conn.log").exists() && node.join("dns.2025-03-01-13-00-00.log").exists());
        assert!(!ended.exists() && !node.join("conn.2025-03-01-13-00-00.log").exists());
        let day = std::fs::read_dir(base.join("logs/2025-03-01"))
            .unwrap()
            .flatten()
            .next()
            .unwrap();
        assert!(day.file_name().to_string_lossy().starts_with("conn.13:00:00-"));
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
