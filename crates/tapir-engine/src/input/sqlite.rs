//! The SQLite reader: the rows of a query.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use tapir_vm::{CallCtx, RtError, Severity};

use super::ascii::make_pattern;
use super::values;
use super::{Stream, deliver, end_of_data, problem};

/// Runs the stream's query and delivers its rows.
pub(super) fn read(cx: &mut CallCtx<'_>, s: &mut Stream) -> Result<bool, RtError> {
    let Some(query) = s.config.get("query").cloned() else {
        problem(
            cx,
            s,
            "no query specified when setting up SQLite data source",
            Severity::Error,
        )?;
        return Ok(false);
    };
    let rows = match texts(&format!("{}.sqlite", s.source), &query, s) {
        Ok(rows) => rows,
        Err(e) => {
            problem(cx, s, &e, Severity::Error)?;
            return Ok(false);
        }
    };
    let sep = super::ascii::separators(cx, s, "InputSQLite");
    s.round += 1;
    for cells in rows {
        let mut row = Vec::new();
        for (c, cell) in s.columns.iter().zip(cells) {
            let Some(program) = cx.vm.shared_program() else {
                return Ok(false);
            };
            let v = match cell {
                None => Ok(tapir_data::value::Value::Unset),
                Some(text) => values::parse(
                    &program.types,
                    c.ty,
                    &text,
                    &sep,
                    &mut |t, i, sl| make_pattern(cx, t, i, sl),
                    &mut Vec::new(),
                ),
            };
            match v {
                Ok(v) => row.push(v),
                Err(why) => {
                    problem(cx, s, &format!("column {}: {why}", c.name), Severity::Warning)?;
                    row.clear();
                    break;
                }
            }
        }
        if row.len() == s.columns.len() {
            deliver::row(cx, s, row)?;
        }
    }
    deliver::end_round(cx, s)?;
    end_of_data(cx, s);
    Ok(true)
}

/// All rows as texts in the order of the stream's columns.
fn texts(path: &str, query: &str, s: &Stream) -> Result<Vec<Vec<Option<Vec<u8>>>>, String> {
    let fail = |e: rusqlite::Error| format!("SQLite error in {path}: {e}");
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(fail)?;
    let mut stmt = db.prepare(query).map_err(fail)?;
    let names: Vec<String> = stmt.column_names().iter().map(|n| n.to_string()).collect();
    let find = |name: &str| names.iter().position(|n| n == name);
    let mut places = Vec::new();
    for c in &s.columns {
        let protocol = match &c.proto_column {
            None => None,
            Some(p) => Some(find(p).ok_or_else(|| format!("SQLite query for {path} does not give the column {p}"))?),
        };
        match find(&c.name) {
            Some(at) => places.push(Some((at, protocol))),
            None if c.optional => places.push(None),
            None => return Err(format!("SQLite query for {path} does not give the column {}", c.name)),
        }
    }
    let mut rows = stmt.query([]).map_err(fail)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next().map_err(fail)? {
        let text = |at: usize| -> Result<Option<Vec<u8>>, String> {
            Ok(match row.get_ref(at).map_err(fail)? {
                ValueRef::Null => None,
                ValueRef::Integer(n) => Some(n.to_string().into_bytes()),
                ValueRef::Real(x) => Some(format!("{x}").into_bytes()),
                ValueRef::Text(t) | ValueRef::Blob(t) => Some(t.to_vec()),
            })
        };
        let mut cells = Vec::new();
        for place in &places {
            let mut cell = match place {
                None => None,
                Some((at, _)) => text(*at)?,
            };
            // The text of a port ends with its transport.
            if let (Some(cell), Some((_, Some(protocol)))) = (&mut cell, place) {
                if let Some(protocol) = text(*protocol)? {
                    cell.push(b'/');
                    cell.extend(protocol.to_ascii_lowercase());
                }
            }
            cells.push(cell);
        }
        out.push(cells);
    }
    Ok(out)
}
