//! `tapirctl archiver`: takes the rotated logs of a queue into the archive, with the arguments of zeek-archiver.
//!
//! Names in the queue are `NAME__OPEN__CLOSE__[KEY=VALUE__…].EXT`; in the archive they are
//! `YYYY-MM-DD/NAME.HH:MM:SS-HH:MM:SS[-SUFFIX].EXT[.gz]`, the suffix that of `log_suffix`. Spec: operations, "systemd operation".

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::NaiveDateTime;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::install::make_dir;

const USAGE: &str = "usage: tapirctl archiver [-1] [-v] [-i SECONDS] [-c EXT,COMMAND] [-d SEPARATOR] [-t FORMAT] [-z EXTS] QUEUE ARCHIVE";

/// What the command line says.
#[derive(Debug, PartialEq)]
struct Options {
    once: bool,
    verbose: bool,
    pause: Duration,
    /// What names of compressed logs end with, and the command that compresses; none stores logs as they are.
    compress: Option<(String, String)>,
    separator: String,
    format: String,
    /// Endings of what is compressed already.
    packed: Vec<String>,
    queue: PathBuf,
    archive: PathBuf,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut o = Options {
            once: false,
            verbose: false,
            pause: Duration::from_secs(30),
            compress: Some(("gz".into(), "gzip".into())),
            separator: "__".into(),
            format: "%Y-%m-%d-%H-%M-%S".into(),
            packed: vec!["gz".into()],
            queue: PathBuf::new(),
            archive: PathBuf::new(),
        };
        let mut rest = args.iter();
        let mut dirs = Vec::new();
        while let Some(arg) = rest.next() {
            let mut value = || {
                rest.next()
                    .cloned()
                    .ok_or_else(|| format!("{arg} needs a value\n{USAGE}"))
            };
            match arg.as_str() {
                "-1" => o.once = true,
                "-v" => o.verbose = true,
                "-i" => {
                    let text = value()?;
                    let seconds = text.parse().map_err(|_| format!("'{text}' is no number of seconds"))?;
                    o.pause = Duration::from_secs(seconds);
                }
                "-c" => {
                    let text = value()?;
                    o.compress = match text.split_once(',') {
                        Some((ext, command)) => Some((ext.into(), command.into())),
                        None if text.is_empty() => None,
                        None => return Err(format!("'{text}' is no ending and a command with a comma between them")),
                    };
                }
                "-d" => o.separator = value()?,
                "-t" => o.format = value()?,
                "-z" => o.packed = value()?.split(',').map(str::to_string).collect(),
                flag if flag.starts_with('-') => return Err(format!("there is no option {flag}\n{USAGE}")),
                dir => dirs.push(PathBuf::from(dir)),
            }
        }
        let [queue, archive] = <[PathBuf; 2]>::try_from(dirs).map_err(|_| USAGE.to_string())?;
        Ok(Options { queue, archive, ..o })
    }

    /// Where a log of the queue belongs, below the archive; `None` where the name is none of a rotated log.
    fn target(&self, name: &str) -> Option<PathBuf> {
        let (stem, ext) = name.rsplit_once(&*self.separator)?;
        let ext = ext.strip_prefix('.')?;
        let mut parts = stem.split(&*self.separator);
        let (base, open, close) = (parts.next()?, parts.next()?, parts.next()?);
        let time = |text: &str| NaiveDateTime::parse_from_str(text, &self.format).ok();
        let (open, close) = (time(open)?, time(close)?);
        let mut suffix = String::new();
        for part in parts {
            let (key, value) = part.split_once('=')?;
            if key == "log_suffix" && !value.is_empty() && !value.contains('/') {
                suffix = format!("-{value}");
            }
        }
        let clock = "%H:%M:%S";
        let mut file = format!("{base}.{}-{}{suffix}.{ext}", open.format(clock), close.format(clock));
        let last = ext.rsplit('.').next().unwrap_or(ext);
        if let Some((end, _)) = self
            .compress
            .as_ref()
            .filter(|_| !self.packed.iter().any(|p| p == last))
        {
            file = format!("{file}.{end}");
        }
        Some(Path::new(&open.format("%Y-%m-%d").to_string()).join(file))
    }

    /// Moves one log. What there is of the name already is replaced.
    fn store(&self, file: &Path, target: &Path) -> Result<(), String> {
        let fail = |e: std::io::Error| format!("cannot archive {} as {}: {e}", file.display(), target.display());
        if let Some(dir) = target.parent() {
            make_dir(dir)?;
        }
        let fresh = target.with_extension("tmp");
        let packs = self
            .compress
            .as_ref()
            .filter(|(ext, _)| target.extension().is_some_and(|e| *e == **ext));
        let packs = packs.filter(|_| file.extension() != target.extension());
        match packs {
            None => {
                std::fs::copy(file, &fresh).map_err(fail)?;
            }
            Some((_, command)) if command == "gzip" => {
                let mut source = File::open(file).map_err(fail)?;
                let mut out = GzEncoder::new(File::create(&fresh).map_err(fail)?, Compression::default());
                std::io::copy(&mut source, &mut out).map_err(fail)?;
                out.finish().and_then(|mut f| f.flush()).map_err(fail)?;
            }
            Some((_, command)) => {
                let done = Command::new("/bin/sh")
                    .args(["-c", command])
                    .stdin(Stdio::from(File::open(file).map_err(fail)?))
                    .stdout(Stdio::from(File::create(&fresh).map_err(fail)?))
                    .status()
                    .map_err(fail)?;
                if !done.success() {
                    return Err(fail(std::io::Error::other(format!("{command} ended with {done}"))));
                }
            }
        }
        std::fs::rename(&fresh, target).map_err(fail)?;
        std::fs::remove_file(file).map_err(fail)
    }

    /// Moves what is there. Gives whether all of it could be.
    fn pass(&self) -> bool {
        // Without a queue nothing was rotated yet.
        let entries = std::fs::read_dir(&self.queue).into_iter().flatten().flatten();
        let mut good = true;
        for entry in entries.filter(|e| e.file_type().is_ok_and(|t| t.is_file())) {
            let name = entry.file_name();
            let Some(target) = name.to_str().and_then(|n| self.target(n)) else {
                if self.verbose {
                    eprintln!("{} is no rotated log", entry.path().display());
                }
                continue;
            };
            let target = self.archive.join(target);
            match self.store(&entry.path(), &target) {
                Ok(()) if self.verbose => eprintln!("{} -> {}", entry.path().display(), target.display()),
                Ok(()) => {}
                Err(e) => {
                    eprintln!("error: {e}");
                    good = false;
                }
            }
        }
        good
    }
}

/// Runs the command. Gives whether all went well.
///
/// # Errors
/// What is wrong with the arguments.
pub fn run(args: &[String]) -> Result<bool, String> {
    if args.iter().any(|a| a == "-h" || a == "--help") {
        println!("{USAGE}");
        return Ok(true);
    }
    let options = Options::parse(args)?;
    loop {
        let good = options.pass();
        if options.once {
            return Ok(good);
        }
        std::thread::sleep(options.pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(args: &[&str]) -> Result<Options, String> {
        Options::parse(&args.iter().map(|a| a.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn names_in_the_archive() {
        let o = options(&["-1", "q", "a"]).unwrap();
        for (name, target) in [
            (
                "conn__2022-06-20-10-00-00__2022-06-20-11-00-00__.log",
                Some("2022-06-20/conn.10:00:00-11:00:00.log.gz"),
            ),
            (
                "dns__2022-06-20-10-00-00__2022-06-21-00-00-00__log_suffix=logger-1__.log",
                Some("2022-06-20/dns.10:00:00-00:00:00-logger-1.log.gz"),
            ),
            (
                "x__2022-06-20-10-00-00__2022-06-21-00-00-00__.log.gz",
                Some("2022-06-20/x.10:00:00-00:00:00.log.gz"),
            ),
            ("conn.log", None),
            ("conn__2022-06-20__2022-06-20-11-00-00__.log", None),
        ] {
            assert_eq!(o.target(name).as_deref(), target.map(Path::new), "{name}");
        }
        let o = options(&["-c", "", "q", "a"]).unwrap();
        let plain = o
            .target("conn__2022-06-20-10-00-00__2022-06-20-11-00-00__.log")
            .unwrap();
        assert_eq!(plain, Path::new("2022-06-20/conn.10:00:00-11:00:00.log"));
        assert!(options(&["q"]).is_err() && options(&["-x", "q", "a"]).is_err() && options(&["q", "a", "-i"]).is_err());
    }

    #[test]
    fn logs_move() {
        let dir = std::env::temp_dir().join(format!("tapirctl-archiver-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let (queue, archive) = (dir.join("q"), dir.join("a"));
        let at = |d: &Path| d.to_string_lossy().into_owned();
        assert_eq!(run(&["-1".into(), at(&queue), at(&archive)]), Ok(true));
        std::fs::create_dir_all(&queue).unwrap();
        let name = "conn__2022-06-20-10-00-00__2022-06-20-11-00-00__.log";
        std::fs::write(queue.join(name), "rows\n").unwrap();
        std::fs::write(queue.join("other"), "stays").unwrap();
        assert_eq!(run(&["-1".into(), at(&queue), at(&archive)]), Ok(true));
        let stored = archive.join("2022-06-20/conn.10:00:00-11:00:00.log.gz");
        let mut text = String::new();
        let mut gz = flate2::read::GzDecoder::new(File::open(&stored).unwrap());
        std::io::Read::read_to_string(&mut gz, &mut text).unwrap();
        assert_eq!(text, "rows\n");
        assert!(!queue.join(name).exists() && queue.join("other").exists());
        // By a command.
        std::fs::write(queue.join(name), "rows\n").unwrap();
        let args = ["-1", "-c", "up,tr a-z A-Z"].map(String::from);
        assert_eq!(run(&[&args[..], &[at(&queue), at(&archive)]].concat()), Ok(true));
        let stored = archive.join("2022-06-20/conn.10:00:00-11:00:00.log.up");
        assert_eq!(std::fs::read_to_string(stored).unwrap(), "ROWS\n");
        let _ = std::fs::remove_dir_all(&dir);
    }
}
