//! The SQLite backend: a table of keys in a file.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, params};

use super::{Backend, Failure};

/// What a script says about the database.
pub(crate) struct SqliteOptions {
    pub path: String,
    pub table: String,
    pub busy_secs: f64,
    /// Run in this order when the database is opened; without a value they only ask.
    pub pragmas: Vec<(String, String)>,
    /// For how long one of those is tried while the database is busy, 0 for ever, and the pause before it is tried again.
    pub pragma_secs: f64,
    pub pragma_pause_secs: f64,
}

/// Pauses are never longer.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Whether somebody else works on the database.
fn is_busy(e: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(e.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
}

/// Runs a pragma, again while the database is busy.
fn run_pragma(db: &Connection, o: &SqliteOptions, key: &str, value: &str) -> rusqlite::Result<()> {
    let begun = Instant::now();
    let pause = Duration::try_from_secs_f64(o.pragma_pause_secs).unwrap_or(PAUSE_MAX);
    loop {
        let done = match value {
            "" => db.pragma_query(None, key, |_| Ok(())),
            value => db.pragma_update(None, key, value),
        };
        match done {
            Err(e) if is_busy(&e) && (o.pragma_secs <= 0.0 || begun.elapsed().as_secs_f64() < o.pragma_secs) => {
                std::thread::sleep(pause.clamp(Duration::from_millis(1), PAUSE_MAX));
            }
            other => return other,
        }
    }
}

/// An open table.
pub(crate) struct Sqlite {
    db: Connection,
    table: String,
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Entries whose time has passed are as good as absent.
fn over(now: f64, at: Option<f64>) -> bool {
    at.is_some_and(|t| t > 0.0 && t <= now)
}

impl Sqlite {
    /// Opens the database and makes its table.
    ///
    /// # Errors
    /// The text of SQLite's error.
    pub(crate) fn open(o: &SqliteOptions) -> Result<Self, String> {
        let table = quoted(&o.table);
        let opened = (|| -> rusqlite::Result<Connection> {
            let db = Connection::open(&o.path)?;
            db.busy_timeout(Duration::ZERO)?;
            for (k, v) in &o.pragmas {
                run_pragma(&db, o, k, v)?;
            }
            db.busy_timeout(Duration::from_secs_f64(o.busy_secs.clamp(0.0, 3600.0)))?;
            db.execute(
                &format!(
                    "create table if not exists {table} \
                     (key_str text primary key, value_str text not null, expire_time real)"
                ),
                [],
            )?;
            Ok(db)
        })();
        match opened {
            Ok(db) => Ok(Sqlite { db, table }),
            Err(e) => Err(format!("{}: {e}", o.path)),
        }
    }
}

/// Key, value and time of the end of an entry.
pub(crate) type Row = (String, String, Option<f64>);

impl Sqlite {
    /// Everything that the table holds.
    ///
    /// # Errors
    /// What SQLite says.
    pub(crate) fn all(&self) -> Result<Vec<Row>, Failure> {
        let query = format!("select key_str, value_str, expire_time from {}", self.table);
        let read = || -> rusqlite::Result<Vec<Row>> {
            let mut statement = self.db.prepare(&query)?;
            let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
            rows.collect()
        };
        read().map_err(failed)
    }

    /// Removes everything.
    ///
    /// # Errors
    /// What SQLite says.
    pub(crate) fn clear(&mut self) -> Result<(), Failure> {
        let done = self.db.execute(&format!("delete from {}", self.table), []);
        done.map(drop).map_err(failed)
    }
}

fn failed(e: rusqlite::Error) -> Failure {
    match e.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            Failure::Timeout(e.to_string())
        }
        _ => Failure::Other(e.to_string()),
    }
}

impl Backend for Sqlite {
    fn put(&mut self, key: &str, value: &str, overwrite: bool, expires: f64, now: f64) -> Result<(), Failure> {
        let at = if expires > 0.0 { now + expires } else { 0.0 };
        let table = &self.table;
        if !overwrite {
            let old: Option<Option<f64>> = self
                .db
                .query_row(
                    &format!("select expire_time from {table} where key_str = ?"),
                    [key],
                    |r| r.get(0),
                )
                .optional()
                .map_err(failed)?;
            if old.is_some_and(|t| !over(now, t)) {
                return Err(Failure::KeyExists);
            }
        }
        self.db
            .execute(
                &format!("insert or replace into {table} (key_str, value_str, expire_time) values (?, ?, ?)"),
                params![key, value, at],
            )
            .map(drop)
            .map_err(failed)
    }

    fn get(&mut self, key: &str, now: f64) -> Result<String, Failure> {
        let found: Option<(String, Option<f64>)> = self
            .db
            .query_row(
                &format!("select value_str, expire_time from {} where key_str = ?", self.table),
                [key],
                |r| Ok((r.get(0)?, r.get(1)?)),
            )
            .optional()
            .map_err(failed)?;
        match found {
            Some((text, at)) if !over(now, at) => Ok(text),
            _ => Err(Failure::KeyNotFound),
        }
    }

    fn erase(&mut self, key: &str) -> Result<(), Failure> {
        self.db
            .execute(&format!("delete from {} where key_str = ?", self.table), [key])
            .map(drop)
            .map_err(failed)
    }

    fn sweep(&mut self, now: f64) -> Result<(), Failure> {
        self.db
            .execute(
                &format!("delete from {} where expire_time > 0 and expire_time <= ?", self.table),
                [now],
            )
            .map(drop)
            .map_err(failed)
    }

    fn close(self: Box<Self>) -> Result<(), String> {
        self.db.close().map_err(|(_, e)| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_expire_and_are_swept() {
        let dir = std::env::temp_dir().join(format!("tapir-storage-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let o = SqliteOptions {
            path: dir.join("a.sqlite").to_string_lossy().into_owned(),
            table: "t\"x".into(),
            busy_secs: 1.0,
            pragmas: vec![
                ("journal_mode".into(), "WAL".into()),
                ("quick_check".into(), String::new()),
            ],
            pragma_secs: 0.5,
            pragma_pause_secs: 0.005,
        };
        let mut b = Box::new(Sqlite::open(&o).unwrap());
        b.put("k", "v", false, 10.0, 100.0).unwrap();
        assert!(matches!(b.put("k", "w", false, 0.0, 105.0), Err(Failure::KeyExists)));
        assert_eq!(b.get("k", 109.0).unwrap(), "v");
        assert!(matches!(b.get("k", 110.0), Err(Failure::KeyNotFound)));
        b.put("k", "w", false, 10.0, 110.0).unwrap();
        b.sweep(115.0).unwrap();
        assert_eq!(b.get("k", 115.0).unwrap(), "w");
        b.sweep(120.0).unwrap();
        assert!(matches!(b.get("k", 0.0), Err(Failure::KeyNotFound)));
        b.close().unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
