//! Log rows and the writers that render them, on a thread of their own.
//!
//! The engine encodes each row once, compactly ([`row`]); a writer thread renders it as TSV ([`tsv`]), JSON ([`json`]) or
//! SQLite rows ([`sqlite`]) and owns the files. Must not know: scripts, values of the VM, packets.
//! A writer's failure is reported and never stops the program, rows that a file has taken stay there, and a writer is tried
//! again, as disks that are full get room again and databases that are locked are free again; how many rows were lost is
//! reported then.
#![forbid(unsafe_code)]

pub mod ascii;
mod counted;
pub mod gzip;
pub mod json;
pub mod logger;
pub mod row;
pub mod sqlite;
pub mod tsv;

pub use logger::{Logger, Report, WriterId};
pub use row::{CellRef, RowEncoder, RowReader};

use std::path::PathBuf;
use std::sync::Arc;

/// A column: its final name and the type text of the `#types` line (`set[string]`, `addr`, …).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub type_name: String,
    /// Whether the field may be unset. Writers do not ask; peers are told.
    pub optional: bool,
}

/// Everything a writer needs to start.
#[derive(Clone, Debug)]
pub struct WriterSpec {
    /// The log's path as scripts see it, e.g. `conn`.
    pub path: String,
    /// The writer's name in error messages, e.g. `Log::WRITER_ASCII`.
    pub writer_name: String,
    pub kind: WriterKind,
    pub columns: Arc<[Column]>,
    /// The directory of relative paths; empty for the working directory.
    pub dir: PathBuf,
    /// The file name's extension without dot.
    pub extension: String,
    /// False flushes after every batch (`Log::set_buf(id, F)`).
    pub buffered: bool,
}

/// Which writer, with its options.
#[derive(Clone, Debug)]
pub enum WriterKind {
    Ascii(AsciiOptions),
    Sqlite(SqliteOptions),
    None,
}

/// Options of the ASCII writer, named as the script options are.
#[derive(Clone, Debug)]
pub struct AsciiOptions {
    pub output_to_stdout: bool,
    pub separator: Vec<u8>,
    pub set_separator: Vec<u8>,
    pub empty_field: Vec<u8>,
    pub unset_field: Vec<u8>,
    pub meta_prefix: Vec<u8>,
    pub include_meta: bool,
    /// One plain header line and no other meta lines.
    pub tsv: bool,
    pub use_json: bool,
    pub json: json::JsonOptions,
    pub enable_utf_8: bool,
    /// 0 writes plain text, 1 to 9 compresses while writing.
    pub gzip_level: u32,
    pub gzip_file_extension: String,
    /// Renames a file of the same name that another process has left, instead of writing over it.
    pub keep_existing: bool,
    /// Keep a `.shadow.` file beside an open log, from which the next run learns that it was not rotated; with the name of
    /// the post-processor for it.
    pub shadow: Option<String>,
}

impl Default for AsciiOptions {
    fn default() -> Self {
        AsciiOptions {
            output_to_stdout: false,
            separator: b"\t".to_vec(),
            set_separator: b",".to_vec(),
            empty_field: b"(empty)".to_vec(),
            unset_field: b"-".to_vec(),
            meta_prefix: b"#".to_vec(),
            include_meta: true,
            tsv: false,
            use_json: false,
            json: json::JsonOptions::default(),
            enable_utf_8: true,
            gzip_level: 0,
            gzip_file_extension: "gz".into(),
            keep_existing: false,
            shadow: None,
        }
    }
}

/// Options of the SQLite writer.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    pub table: String,
    pub set_separator: Vec<u8>,
    pub empty_field: Vec<u8>,
    pub unset_field: Vec<u8>,
    /// The value of `PRAGMA synchronous`, if any.
    pub synchronous: Option<String>,
    /// The value of `PRAGMA journal_mode`, if any.
    pub journal_mode: Option<String>,
}
