//! The ASCII writer: TSV or JSON lines in a file of its own, optionally compressed.
//!
//! The file is opened at the first row, so a log without rows leaves no file. Everything that a file accepted stays in it
//! when a later write fails.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::row::RowReader;
use crate::{AsciiOptions, Column, WriterSpec, json, tsv};

enum Sink {
    Plain(File),
    Gzip(Box<GzEncoder<File>>),
    Stdout(io::Stdout),
}

impl Write for Sink {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Plain(f) => f.write(buf),
            Sink::Gzip(f) => f.write(buf),
            Sink::Stdout(f) => f.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Plain(f) => f.flush(),
            Sink::Gzip(f) => f.flush(),
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
    buffered: bool,
}

const BUFFER_BYTES: usize = 1 << 18;

/// Seconds since the epoch by the wall clock.
pub fn wall_clock() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}

/// A wall-clock time in local time by a `strftime` format.
pub fn local_time(format: &str, at: f64) -> String {
    // Local time needs the zone rules of the system; the offset is asked for per call because it changes over the year.
    let secs = at.floor() as i64;
    let (y, mo, d, h, mi, s) = json::civil(secs + local_offset(secs));
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('Y') => out.push_str(&format!("{y:04}")),
            Some('y') => out.push_str(&format!("{:02}", y.rem_euclid(100))),
            Some('m') => out.push_str(&format!("{mo:02}")),
            Some('d') => out.push_str(&format!("{d:02}")),
            Some('H') => out.push_str(&format!("{h:02}")),
            Some('M') => out.push_str(&format!("{mi:02}")),
            Some('S') => out.push_str(&format!("{s:02}")),
            Some(other) => {
                out.push('%');
                out.push(other);
            }
            None => out.push('%'),
        }
    }
    out
}

/// The offset of local time from UTC in seconds, for UTC unless `TZ` or the system says otherwise.
fn local_offset(secs: i64) -> i64 {
    zone::offset(secs)
}

mod zone {
    //! Reads the zone file (RFC 8536) that `TZ` or the system names, without calling into C.

    use std::sync::OnceLock;

    struct Zone {
        transitions: Vec<(i64, i64)>,
        first: i64,
    }

    static ZONE: OnceLock<Option<Zone>> = OnceLock::new();

    pub fn offset(secs: i64) -> i64 {
        match ZONE.get_or_init(load) {
            Some(zone) => match zone.transitions.partition_point(|t| t.0 <= secs) {
                0 => zone.first,
                n => zone.transitions[n - 1].1,
            },
            None => 0,
        }
    }

    fn load() -> Option<Zone> {
        let path = match std::env::var("TZ") {
            Ok(tz) if tz.is_empty() || tz == "UTC" => return None,
            Ok(tz) => {
                let tz = tz.trim_start_matches(':').to_string();
                if tz.starts_with('/') {
                    tz
                } else {
                    format!("/usr/share/zoneinfo/{tz}")
                }
            }
            Err(_) => "/etc/localtime".to_string(),
        };
        parse(&std::fs::read(path).ok()?)
    }

    fn parse(data: &[u8]) -> Option<Zone> {
        let be = |at: usize| Some(u32::from_be_bytes(data.get(at..at + 4)?.try_into().ok()?) as usize);
        if data.get(..4)? != b"TZif" {
            return None;
        }
        let sizes = |at: usize| -> Option<[usize; 6]> {
            Some([
                be(at + 20)?,
                be(at + 24)?,
                be(at + 28)?,
                be(at + 32)?,
                be(at + 36)?,
                be(at + 40)?,
            ])
        };
        let [isut, isstd, leap, times, types, chars] = sizes(0)?;
        // Version 2 and later repeat everything with 64-bit times after the 32-bit part.
        let (base, width) = if *data.get(4)? >= b'2' {
            (44 + times * 5 + types * 6 + chars + leap * 8 + isstd + isut, 8)
        } else {
            (0, 4)
        };
        let [_, _, _, times, types, _] = sizes(base)?;
        let at = base + 44;
        let index_at = at + times * width;
        let types_at = index_at + times;
        let utc_offset = |i: usize| -> Option<i64> {
            (i < types).then_some(())?;
            Some(be(types_at + i * 6)? as u32 as i32 as i64)
        };
        let mut transitions = Vec::new();
        for i in 0..times {
            let when = if width == 8 {
                i64::from_be_bytes(data.get(at + i * 8..at + i * 8 + 8)?.try_into().ok()?)
            } else {
                be(at + i * 4)? as u32 as i32 as i64
            };
            transitions.push((when, utc_offset(*data.get(index_at + i)? as usize)?));
        }
        Some(Zone {
            transitions,
            first: utc_offset(0)?,
        })
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
            let file = File::create(&self.file_path)
                .map_err(|e| io::Error::new(e.kind(), format!("cannot open {}: {e}", self.file_path.display())))?;
            if self.options.gzip_level > 0 {
                Sink::Gzip(Box::new(GzEncoder::new(
                    file,
                    Compression::new(self.options.gzip_level),
                )))
            } else {
                Sink::Plain(file)
            }
        };
        self.sink = Some(sink);
        self.opened_at = wall_clock();
        self.header();
        Ok(())
    }

    fn header(&mut self) {
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
    /// When the file cannot be opened or written; what was written before stays.
    pub fn write(&mut self, batch: &[u8]) -> io::Result<()> {
        if self.sink.is_none() {
            self.open()?;
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
            if self.buffer.len() >= BUFFER_BYTES {
                self.drain()?;
            }
        }
        if !self.buffered {
            self.flush()?;
        }
        Ok(())
    }

    fn drain(&mut self) -> io::Result<()> {
        if let Some(sink) = &mut self.sink {
            let written = sink.write_all(&self.buffer);
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
            Some(Sink::Gzip(encoder)) => encoder.finish().map(drop).and(drained),
            _ => drained,
        }
    }
}
