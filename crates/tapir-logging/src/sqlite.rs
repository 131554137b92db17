//! The SQLite writer: one table per log, created when absent.
//!
//! The database is opened at the first row, so a log without rows leaves none. Rows that a database does not take for a while,
//! because another program has locked it or the disk is full, wait here and are inserted in the order in which they came.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};

use crate::row::{CellRef, RowReader};
use crate::{Column, SqliteOptions, WriterSpec, tsv};

/// A writer that inserts rows into a table of an SQLite file.
pub struct SqliteWriter {
    path: PathBuf,
    create: String,
    insert: String,
    n_columns: usize,
    options: SqliteOptions,
    db: Option<Connection>,
    /// Batches that are not in the database yet, with their rows.
    waiting: Vec<(Vec<u8>, u64)>,
    waiting_bytes: usize,
    /// Rows that were lost since somebody asked.
    lost: u64,
    can_go_on: bool,
}

/// How much may wait for the database, in bytes of rows.
const WAITING_BYTES_MAX: usize = 8 << 20;

/// How long a lock of somebody else is waited for. Other logs wait as well then.
const BUSY_TIMEOUT: Duration = Duration::from_millis(500);

/// Whether it makes sense to try again: what is wrong is outside of the database and may pass.
fn may_pass(e: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::*;
    matches!(
        e.sqlite_error_code(),
        Some(
            DatabaseBusy
                | DatabaseLocked
                | DiskFull
                | SystemIoFailure
                | CannotOpen
                | ReadOnly
                | PermissionDenied
                | OutOfMemory
                | FileLockingProtocolFailed
        )
    )
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn sql_type(column: &Column) -> &'static str {
    match column.type_name.as_str() {
        "bool" => "boolean",
        "int" | "count" | "port" => "integer",
        "double" | "time" | "interval" => "double precision",
        _ => "text",
    }
}

impl SqliteWriter {
    /// A writer that will open `DIR/PATH.sqlite` at the first row, and create the table when it is not there.
    pub fn new(spec: &WriterSpec, options: SqliteOptions) -> Self {
        let table = quoted(&options.table);
        let columns: Vec<_> = spec
            .columns
            .iter()
            .map(|c| format!("{} {}", quoted(&c.name), sql_type(c)))
            .collect();
        let names: Vec<_> = spec.columns.iter().map(|c| quoted(&c.name)).collect();
        let marks = vec!["?"; names.len()].join(",");
        SqliteWriter {
            path: spec.dir.join(format!("{}.sqlite", spec.path)),
            create: format!(
                "CREATE TABLE IF NOT EXISTS {table} (id integer primary key autoincrement, {})",
                columns.join(", ")
            ),
            insert: format!("INSERT INTO {table} ({}) VALUES ({marks})", names.join(",")),
            n_columns: spec.columns.len(),
            options,
            db: None,
            waiting: Vec::new(),
            waiting_bytes: 0,
            lost: 0,
            can_go_on: true,
        }
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let db = Connection::open(&self.path)?;
        db.busy_timeout(BUSY_TIMEOUT)?;
        for (pragma, value) in [
            ("synchronous", &self.options.synchronous),
            ("journal_mode", &self.options.journal_mode),
        ] {
            if let Some(value) = value {
                db.pragma_update(None, pragma, value)?;
            }
        }
        db.execute(&self.create, [])?;
        Ok(db)
    }

    /// Rows that were lost since the last call.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Whether it makes sense to write again after an error.
    pub fn can_go_on(&self) -> bool {
        self.can_go_on
    }

    /// Whether rows wait for the database.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Keeps the rows of a batch for the next try; those for which there is no room are lost.
    pub fn hold(&mut self, batch: &[u8], n_rows: u64) {
        if batch.is_empty() {
            return;
        }
        if self.waiting_bytes + batch.len() > WAITING_BYTES_MAX {
            self.lost += n_rows;
            return;
        }
        self.waiting_bytes += batch.len();
        self.waiting.push((batch.to_vec(), n_rows));
    }

    fn lose_waiting(&mut self) {
        self.lost += self.waiting.drain(..).map(|(_, n)| n).sum::<u64>();
        self.waiting_bytes = 0;
    }

    fn text(cell: CellRef<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        tsv::scalar(&mut out, cell);
        out
    }

    fn value(&self, reader: &mut RowReader<'_>) -> Option<Sql> {
        let as_text = |bytes: &[u8]| Sql::Text(String::from_utf8_lossy(bytes).into_owned());
        Some(match reader.cell()? {
            CellRef::Unset | CellRef::Str(b"") => Sql::Null,
            CellRef::Bool(b) => Sql::Integer(b.into()),
            CellRef::Int(v) => Sql::Integer(v),
            CellRef::Count(v) => Sql::Integer(v as i64),
            CellRef::Port(n, _) => Sql::Integer(n.into()),
            CellRef::Double(v) | CellRef::Time(v) | CellRef::Interval(v) => Sql::Real(v),
            CellRef::List(0) => as_text(&self.options.empty_field),
            CellRef::List(n) => {
                let mut joined = Vec::new();
                for k in 0..n {
                    if k > 0 {
                        joined.extend_from_slice(&self.options.set_separator);
                    }
                    match reader.cell()? {
                        CellRef::Unset => joined.extend_from_slice(&self.options.unset_field),
                        cell => joined.extend_from_slice(&Self::text(cell)),
                    }
                }
                as_text(&joined)
            }
            cell => as_text(&Self::text(cell)),
        })
    }

    fn rows(&self, batch: &[u8]) -> Option<Vec<Vec<Sql>>> {
        let mut rows = Vec::new();
        let mut reader = RowReader::new(batch);
        while !reader.is_empty() {
            let row: Option<Vec<Sql>> = (0..self.n_columns).map(|_| self.value(&mut reader)).collect();
            rows.push(row?);
        }
        Some(rows)
    }

    fn insert(&mut self, rows: &[Vec<Sql>]) -> rusqlite::Result<()> {
        let mut db = match self.db.take() {
            Some(db) => db,
            None => self.open()?,
        };
        let run = |db: &mut Connection| {
            let tx = db.transaction()?;
            {
                let mut stmt = tx.prepare_cached(&self.insert)?;
                for row in rows {
                    stmt.execute(params_from_iter(row))?;
                }
            }
            tx.commit()
        };
        let done = run(&mut db);
        self.db = Some(db);
        done
    }

    /// Inserts the rows of a batch in one transaction, after those that wait, which have one each.
    ///
    /// # Errors
    /// The file and the text of SQLite's error. Rows of earlier batches stay; these wait if it makes sense to try again, which
    /// [`Self::can_go_on`] tells, and are lost otherwise.
    pub fn write(&mut self, batch: &[u8], n_rows: u64) -> Result<(), String> {
        while let Some((held, _)) = self.waiting.first() {
            let rows = self.rows(held);
            if let Err(e) = self.write_rows(rows) {
                self.hold(batch, n_rows);
                return Err(self.failed(e));
            }
            let (held, _) = self.waiting.remove(0);
            self.waiting_bytes -= held.len();
        }
        if batch.is_empty() {
            return Ok(());
        }
        let rows = self.rows(batch);
        self.write_rows(rows).map_err(|e| {
            self.hold(batch, n_rows);
            self.failed(e)
        })
    }

    fn write_rows(&mut self, rows: Option<Vec<Vec<Sql>>>) -> Result<(), String> {
        let Some(rows) = rows else {
            self.can_go_on = false;
            return Err("malformed row".into());
        };
        self.insert(&rows).map_err(|e| {
            self.can_go_on = may_pass(&e);
            e.to_string()
        })
    }

    fn failed(&mut self, why: String) -> String {
        if !self.can_go_on {
            self.lose_waiting();
        }
        format!("{}: {why}", self.path.display())
    }

    /// Tries once more to insert what waits; after that it is lost.
    ///
    /// # Errors
    /// As those of [`Self::write`].
    pub fn close(&mut self) -> Result<(), String> {
        let tried = self.write(&[], 0);
        self.lose_waiting();
        tried
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::RowEncoder;
    use crate::{Column, WriterKind};

    fn writer(name: &str) -> SqliteWriter {
        let dir = std::env::temp_dir().join(format!("tapir-sqlite-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let options = SqliteOptions {
            table: "t".into(),
            set_separator: b",".to_vec(),
            empty_field: b"(empty)".to_vec(),
            unset_field: b"-".to_vec(),
            synchronous: None,
            journal_mode: None,
        };
        let spec = WriterSpec {
            path: "t".into(),
            writer_name: "Log::WRITER_SQLITE".into(),
            kind: WriterKind::Sqlite(options.clone()),
            columns: std::sync::Arc::from([Column {
                name: "n".into(),
                type_name: "count".into(),
                optional: false,
            }]),
            dir,
            extension: String::new(),
            buffered: true,
        };
        SqliteWriter::new(&spec, options)
    }

    fn write(w: &mut SqliteWriter, n: u64) -> Result<(), String> {
        let mut batch = Vec::new();
        RowEncoder::new(&mut batch).cell(CellRef::Count(n));
        w.write(&batch, 1)
    }

    fn numbers(w: &SqliteWriter) -> Vec<i64> {
        let db = Connection::open(&w.path).unwrap();
        let mut all = db.prepare("select n from t order by id").unwrap();
        let rows = all.query_map([], |r| r.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn rows_wait_for_a_locked_database() {
        let mut w = writer("locked");
        write(&mut w, 1).unwrap();
        let other = Connection::open(&w.path).unwrap();
        other.execute_batch("begin exclusive").unwrap();
        let said = write(&mut w, 2).unwrap_err();
        assert!(said.ends_with("t.sqlite: database is locked"), "{said}");
        assert!(write(&mut w, 3).is_err() && w.can_go_on() && w.has_waiting());
        let big = vec![0; WAITING_BYTES_MAX];
        w.hold(&big, 7);
        other.execute_batch("commit").unwrap();
        write(&mut w, 4).unwrap();
        assert!(!w.has_waiting());
        assert_eq!((numbers(&w), w.take_lost()), (vec![1, 2, 3, 4], 7));
        other.execute_batch("begin exclusive").unwrap();
        assert!(write(&mut w, 5).is_err() && w.close().is_err());
        assert_eq!(w.take_lost(), 1);
        drop(other);
        std::fs::remove_dir_all(w.path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_database_that_is_none_is_not_tried_again() {
        let mut w = writer("none");
        std::fs::write(&w.path, "this is some text and no database, as everybody sees").unwrap();
        let said = write(&mut w, 1).unwrap_err();
        assert!(said.contains("not a database"), "{said}");
        assert_eq!((w.can_go_on(), w.has_waiting(), w.take_lost()), (false, false, 1));
        std::fs::remove_dir_all(w.path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_database_that_has_no_folder_yet_is_opened_later() {
        let mut w = writer("folder");
        let dir = w.path.parent().unwrap().to_path_buf();
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(write(&mut w, 1).is_err() && w.can_go_on());
        std::fs::create_dir_all(&dir).unwrap();
        write(&mut w, 2).unwrap();
        assert_eq!(numbers(&w), [1, 2]);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_full_database_takes_the_rows_when_it_has_room() {
        let mut w = writer("full");
        write(&mut w, 1).unwrap();
        let pages = |w: &SqliteWriter, n: u32| {
            w.db.as_ref()
                .unwrap()
                .pragma_update_and_check(None, "max_page_count", n, |_| Ok(()))
                .unwrap()
        };
        pages(&w, 1);
        // Pages that there are already have room for a while.
        let n = (2..).find(|n| write(&mut w, *n).is_err()).unwrap();
        assert!(w.can_go_on() && w.has_waiting());
        pages(&w, 1000);
        write(&mut w, n + 1).unwrap();
        assert_eq!(numbers(&w), (1..=n as i64 + 1).collect::<Vec<_>>());
        std::fs::remove_dir_all(w.path.parent().unwrap()).unwrap();
    }
}
