//! The SQLite writer: one table per log, created when absent.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};

use crate::row::{CellRef, RowReader};
use crate::{Column, SqliteOptions, WriterSpec, tsv};

/// A writer that inserts rows into a table of an SQLite file.
pub struct SqliteWriter {
    db: Connection,
    insert: String,
    n_columns: usize,
    options: SqliteOptions,
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
    /// Opens `DIR/PATH.sqlite` and creates the table when it is not there.
    ///
    /// # Errors
    /// The text of SQLite's error.
    pub fn open(spec: &WriterSpec, options: SqliteOptions) -> Result<Self, String> {
        let path = spec.dir.join(format!("{}.sqlite", spec.path));
        let fail = |e: rusqlite::Error| format!("{}: {e}", path.display());
        let db = Connection::open(&path).map_err(fail)?;
        for (pragma, value) in [
            ("synchronous", &options.synchronous),
            ("journal_mode", &options.journal_mode),
        ] {
            if let Some(value) = value {
                db.pragma_update(None, pragma, value).map_err(fail)?;
            }
        }
        let table = quoted(&options.table);
        let columns: Vec<_> = spec
            .columns
            .iter()
            .map(|c| format!("{} {}", quoted(&c.name), sql_type(c)))
            .collect();
        db.execute(
            &format!(
                "CREATE TABLE IF NOT EXISTS {table} (id integer primary key autoincrement, {})",
                columns.join(", ")
            ),
            [],
        )
        .map_err(fail)?;
        let names: Vec<_> = spec.columns.iter().map(|c| quoted(&c.name)).collect();
        let marks = vec!["?"; names.len()].join(",");
        Ok(SqliteWriter {
            db,
            insert: format!("INSERT INTO {table} ({}) VALUES ({marks})", names.join(",")),
            n_columns: spec.columns.len(),
            options,
        })
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

    /// Inserts the rows of a batch in one transaction.
    ///
    /// # Errors
    /// The text of SQLite's error; rows of earlier batches stay.
    pub fn write(&mut self, batch: &[u8]) -> Result<(), String> {
        let mut rows = Vec::new();
        let mut reader = RowReader::new(batch);
        while !reader.is_empty() {
            let row: Option<Vec<Sql>> = (0..self.n_columns).map(|_| self.value(&mut reader)).collect();
            rows.push(row.ok_or("malformed row")?);
        }
        let run = |db: &mut Connection, insert: &str| -> rusqlite::Result<()> {
            let tx = db.transaction()?;
            {
                let mut stmt = tx.prepare_cached(insert)?;
                for row in &rows {
                    stmt.execute(params_from_iter(row))?;
                }
            }
            tx.commit()
        };
        run(&mut self.db, &self.insert).map_err(|e| e.to_string())
    }
}
