//! The ASCII writer: TSV or JSON lines in a file of its own, optionally compressed.
//!
//! The file is opened at the first row, so a log without rows leaves no file. Everything that a file accepted stays in it
//! when a later write fails, and a later write can be tried: it goes on behind the last whole line, or, compressed, behind
//! the last piece that had room as a whole ([`crate::gzip`]).

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::counted::CountedFile;
use crate::gzip::GzipFile;
use crate::row::RowReader;
use crate::{AsciiOptions, Column, WriterSpec, json, tsv};
use chrono::{Local, TimeZone};

enum Sink {
    Plain(CountedFile),
    Gzip(Box<GzipFile>),
    Stdout(io::Stdout),
}

impl Sink {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Sink::Plain(f) => f.write_all(bytes),
            Sink::Gzip(f) => f.write_piece(bytes),
            Sink::Stdout(f) => f.write_all(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Plain(..) | Sink::Gzip(_) => Ok(()),
            Sink::Stdout(f) => f.flush(),
        }
    }
}

/// An ASCII writer for one log.
pub struct AsciiWriter {
    options: AsciiOptions,
    columns: std::sync::Arc<[Column]>,
    keys: Vec<Vec<u8>>,
    log_path: String,
    file_path: PathBuf,
    sink: Option<Sink>,
    /// When the open file was opened, seconds since the epoch.
    opened_at: f64,
    buffer: Vec<u8>,
    /// How many bytes at the beginning of the buffer are a header that is not in the file yet.
    header: usize,
    /// The file did not take its header.
    header_due: bool,
    /// The file is one whose rotation has failed: what is in it stays.
    keeps: bool,
    /// Lines that were lost since somebody asked.
    lost: u64,
    buffered: bool,
}

const BUFFER_BYTES: usize = 1 << 16;

/// Seconds since the epoch by the wall clock.
pub fn wall_clock() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}

/// A time in local time by a `strftime` format; the format's text where it is invalid.
pub fn local_time(format: &str, at: f64) -> String {
    let mut out = String::new();
    match Local.timestamp_opt(at.floor() as i64, 0).earliest() {
        Some(t) if write!(out, "{}", t.format(format)).is_ok() => out,
        _ => format.to_string(),
    }
}

/// Renames a file that is there already and holds something: `conn.log` becomes `conn.YYYY-MM-DD-HH-MM-SS.log`, with the
/// time of its last change. Where that fails it is written over, as it would be without.
fn keep(path: &Path) {
    let Ok(meta) = std::fs::metadata(path) else { return };
    if !meta.is_file() || meta.len() == 0 {
        return;
    }
    let changed = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    let stamp = local_time(
        "%Y-%m-%d-%H-%M-%S",
        changed.map_or_else(wall_clock, |d| d.as_secs_f64()),
    );
    let name = path
        .file_name()
        .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let (stem, extension) = name.split_once('.').unwrap_or((&name, "log"));
    for n in 1..100 {
        let more = if n == 1 { String::new() } else { format!("-{n}") };
        let to = path.with_file_name(format!("{stem}.{stamp}{more}.{extension}"));
        if !to.exists() {
            let _ = std::fs::rename(path, to);
            return;
        }
    }
}

impl AsciiWriter {
    /// A writer that will open its file at the first row.
    pub fn new(spec: &WriterSpec, options: AsciiOptions) -> Self {
        let device = spec.path.starts_with("/dev/");
        let mut name = spec.path.clone();
        if !device {
            name.push('.');
            name.push_str(&spec.extension);
            if options.gzip_level > 0 {
                name.push('.');
                name.push_str(&options.gzip_file_extension);
            }
        }
        AsciiWriter {
            keys: json::keys(&spec.columns),
            columns: spec.columns.clone(),
            log_path: spec.path.clone(),
            file_path: spec.dir.join(name),
            sink: None,
            opened_at: 0.0,
            buffer: Vec::new(),
            header: 0,
            header_due: false,
            keeps: false,
            lost: 0,
            buffered: spec.buffered,
            options,
        }
    }

    /// The file's path.
    pub fn file_path(&self) -> &Path {
        &self.file_path
    }

    /// When the open file was opened; `None` when no file is open.
    pub fn opened_at(&self) -> Option<f64> {
        self.sink.is_some().then_some(self.opened_at)
    }

    fn open(&mut self) -> io::Result<()> {
        let sink = if self.options.output_to_stdout {
            Sink::Stdout(io::stdout())
        } else {
            if self.options.keep_existing && !self.keeps {
                keep(&self.file_path);
            }
            let mut how = File::options();
            how.create(true).write(true);
            match self.keeps {
                true => how.append(true),
                false => how.truncate(true),
            };
            let file = how
                .open(&self.file_path)
                .map_err(|e| io::Error::new(e.kind(), format!("cannot open {}: {e}", self.file_path.display())))?;
            let len = file.metadata().map_or(0, |m| m.len());
            if self.options.gzip_level > 0 {
                Sink::Gzip(Box::new(GzipFile::new(file, self.options.gzip_level)?))
            } else {
                Sink::Plain(CountedFile { file, len })
            }
        };
        if let Some(postprocessor) = self.options.shadow.clone() {
            self.write_shadow(&postprocessor)?;
        }
        self.sink = Some(sink);
        self.opened_at = wall_clock();
        self.header();
        Ok(())
    }

    /// Lines that were lost since the last call because they could not be written.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Whether it makes sense to write again after an error.
    pub fn can_go_on(&self) -> bool {
        match &self.sink {
            None | Some(Sink::Plain(..)) => true,
            Some(Sink::Gzip(f)) => f.can_go_on(),
            Some(Sink::Stdout(_)) => false,
        }
    }

    /// The file stays where it is and is gone on with, since it could not be rotated.
    pub fn keep_file(&mut self) {
        self.keeps = true;
    }

    /// The file is somewhere else now.
    pub fn forget_file(&mut self) {
        self.keeps = false;
    }

    fn beside(&self, prefix: &str) -> Option<PathBuf> {
        let name = self.file_path.file_name()?.to_string_lossy();
        let device = self.file_path.starts_with("/dev/") || self.options.output_to_stdout;
        (!device).then(|| self.file_path.with_file_name(format!("{prefix}{name}")))
    }

    /// What follows the log's path in the name of its file, dot included.
    pub fn suffix(&self) -> String {
        let name = self
            .file_path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let base = Path::new(&self.log_path)
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        name.strip_prefix(&base).unwrap_or("").to_string()
    }

    fn write_shadow(&self, postprocessor: &str) -> io::Result<()> {
        let (Some(draft), Some(shadow)) = (self.beside(".tmp.shadow."), self.beside(".shadow.")) else {
            return Ok(());
        };
        std::fs::write(&draft, format!("{}\n{postprocessor}\n", self.suffix()))?;
        std::fs::rename(&draft, &shadow)
    }

    /// The log was rotated, or nobody will want to rotate it.
    pub fn remove_shadow(&self) {
        if let (Some(_), Some(shadow)) = (&self.options.shadow, self.beside(".shadow.")) {
            // It may never have been written.
            let _ = std::fs::remove_file(shadow);
        }
    }

    fn header(&mut self) {
        self.make_header();
        self.header = self.buffer.len();
        self.header_due = false;
    }

    fn make_header(&mut self) {
        let o = &self.options;
        if o.use_json || !o.include_meta {
            return;
        }
        let out = &mut self.buffer;
        let sep = &o.separator[..];
        let names = |out: &mut Vec<u8>, f: &dyn Fn(&Column) -> &str| {
            for (i, c) in self.columns.iter().enumerate() {
                if i > 0 {
                    out.extend_from_slice(sep);
                }
                out.extend_from_slice(f(c).as_bytes());
            }
            out.push(b'\n');
        };
        if o.tsv {
            names(out, &|c| &c.name);
            return;
        }
        let meta = |out: &mut Vec<u8>, key: &str| {
            out.extend_from_slice(&o.meta_prefix);
            out.extend_from_slice(key.as_bytes());
        };
        meta(out, "separator ");
        for b in sep {
            out.extend_from_slice(format!("\\x{b:02x}").as_bytes());
        }
        out.push(b'\n');
        let when = local_time("%Y-%m-%d-%H-%M-%S", self.opened_at);
        for (key, value) in [
            ("set_separator", &o.set_separator[..]),
            ("empty_field", &o.empty_field),
            ("unset_field", &o.unset_field),
            ("path", self.log_path.as_bytes()),
            ("open", when.as_bytes()),
        ] {
            meta(out, key);
            out.extend_from_slice(sep);
            tsv::escaped(out, value, o, false);
            out.push(b'\n');
        }
        for (key, f) in [
            ("fields", (|c| &c.name[..]) as fn(&Column) -> &str),
            ("types", |c| &c.type_name[..]),
        ] {
            meta(out, key);
            out.extend_from_slice(sep);
            names(out, &f);
        }
    }

    /// Renders the rows of a batch.
    ///
    /// # Errors
    /// When the file cannot be opened or written; what was written before stays, the rest of the batch is lost.
    pub fn write(&mut self, batch: &[u8], n_rows: u64) -> io::Result<()> {
        let mut left = n_rows;
        let written = self.write_rows(batch, &mut left);
        if written.is_err() {
            self.lost += left;
        }
        written
    }

    fn write_rows(&mut self, batch: &[u8], left: &mut u64) -> io::Result<()> {
        if self.sink.is_none() {
            self.open()?;
        } else if self.header_due {
            self.header();
        }
        let mut reader = RowReader::new(batch);
        while !reader.is_empty() {
            let done = if self.options.use_json {
                json::row(&mut self.buffer, &mut reader, &self.keys, &self.options)
            } else {
                tsv::row(&mut self.buffer, &mut reader, self.columns.len(), &self.options)
            };
            if done.is_none() {
                return Err(io::Error::other("malformed row"));
            }
            self.buffer.push(b'\n');
            *left = left.saturating_sub(1);
            if self.buffer.len() >= BUFFER_BYTES {
                self.drain()?;
            }
        }
        Ok(())
    }

    /// Hands everything to the operating system and, unless the log is buffered, waits until it is on the disk.
    ///
    /// # Errors
    /// When writing fails.
    pub fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        match &self.sink {
            // Devices and pipes have nothing to wait for and say so.
            Some(Sink::Plain(f)) if !self.buffered => f.file.sync_data().or(Ok(())),
            Some(Sink::Gzip(f)) if !self.buffered => f.sync().or(Ok(())),
            _ => Ok(()),
        }
    }

    fn drain(&mut self) -> io::Result<()> {
        if let Some(sink) = &mut self.sink {
            let before = match sink {
                Sink::Plain(f) => f.len,
                _ => 0,
            };
            let written = sink.write_all(&self.buffer);
            if written.is_err() {
                let mut whole = 0;
                // A piece of a compressed file is there or not.
                self.header_due = self.header > 0 && matches!(sink, Sink::Gzip(_));
                if let Sink::Plain(file) = &mut *sink {
                    // What a full disk took of the last line is no line: the file ends with the one before. Part of a header
                    // is none.
                    let taken = (file.len - before) as usize;
                    let last = self.buffer[..taken].iter().rposition(|b| *b == b'\n');
                    whole = last.map_or(0, |at| at + 1);
                    if whole < self.header {
                        (whole, self.header_due) = (0, true);
                    }
                    if whole < taken {
                        let _ = file.cut(before + whole as u64);
                    }
                }
                let rows = &self.buffer[whole.max(self.header)..];
                self.lost += rows.iter().filter(|b| **b == b'\n').count() as u64;
            }
            self.header = 0;
            self.buffer.clear();
            written
                .map_err(|e| io::Error::new(e.kind(), format!("error writing to {}: {e}", self.file_path.display())))?;
        }
        Ok(())
    }

    /// Hands everything to the operating system.
    ///
    /// # Errors
    /// When writing fails, e.g. because the disk is full.
    pub fn flush(&mut self) -> io::Result<()> {
        self.drain()?;
        match &mut self.sink {
            Some(sink) => sink.flush(),
            None => Ok(()),
        }
    }

    /// Writes the closing line and closes the file.
    ///
    /// # Errors
    /// When writing fails.
    pub fn close(&mut self) -> io::Result<()> {
        if self.sink.is_none() {
            return Ok(());
        }
        let o = &self.options;
        if !o.use_json && o.include_meta && !o.tsv {
            self.buffer.extend_from_slice(&o.meta_prefix);
            self.buffer.extend_from_slice(b"close");
            self.buffer.extend_from_slice(&o.separator);
            self.buffer
                .extend_from_slice(local_time("%Y-%m-%d-%H-%M-%S", wall_clock()).as_bytes());
            self.buffer.push(b'\n');
        }
        let drained = self.flush();
        match self.sink.take() {
            Some(Sink::Gzip(mut file)) => {
                let path = self.file_path.display();
                let fail = |e: io::Error| io::Error::new(e.kind(), format!("error writing to {path}: no end: {e}"));
                drained.and(file.finish().map_err(fail))
            }
            _ => drained,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_process_has_left_is_kept() {
        let dir = std::env::temp_dir().join(format!("tapir-keep-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        for text in ["one\n", "two\n", ""] {
            let file = dir.join("conn.log");
            std::fs::write(&file, text).unwrap();
            keep(&file);
        }
        let mut kept: Vec<_> = std::fs::read_dir(&dir).unwrap().flatten().map(|e| e.path()).collect();
        kept.sort();
        let texts: Vec<_> = kept.iter().map(|p| std::fs::read_to_string(p).unwrap()).collect();
        assert_eq!(texts.len(), 3, "{kept:?}");
        assert!(texts.contains(&"one\n".to_string()) && texts.contains(&"two\n".to_string()));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
