//! Whether the parts of an input stream's description fit each other: what a script got wrong is told when the stream is
//! made, not when its first row comes.

use tapir_data::types::{Kind, TypeId};
use tapir_data::value::Value;
use tapir_vm::CallCtx;

use super::{Column, Mode};

/// What a table stream fills.
pub(super) struct TableShape<'a> {
    pub table: &'a Value,
    pub idx: TypeId,
    pub val: Option<TypeId>,
    pub want_record: bool,
    /// All columns, those of the index first.
    pub columns: &'a [Column],
    pub n_idx: usize,
}

fn params(cx: &CallCtx<'_>, f: &Value) -> Option<Vec<TypeId>> {
    let Value::Func(f) = f else { return None };
    let function = cx.vm.program().functions.get(f.id.0 as usize)?;
    Some(function.sig.params.iter().map(|p| p.ty).collect())
}

fn fits(cx: &CallCtx<'_>, wanted: TypeId, got: TypeId) -> bool {
    let any = |t| matches!(cx.types().kind(t), Kind::Any);
    any(wanted) || any(got) || cx.types().same_or_any(wanted, got)
}

/// Whether a function takes a description (if `described`), the kind of event, and values of these types.
fn takes(cx: &CallCtx<'_>, f: &Value, described: bool, rest: &[TypeId]) -> bool {
    let Some(params) = params(cx, f) else { return true };
    let before = 1 + usize::from(described);
    params.len() == before + rest.len() && params[before..].iter().zip(rest).all(|(p, t)| fits(cx, *p, *t))
}

/// Why an event cannot take the rows of an event stream, if it cannot.
pub(super) fn event(
    cx: &CallCtx<'_>,
    ev: &Value,
    record: TypeId,
    want_record: bool,
    columns: &[Column],
) -> Option<String> {
    let (rest, needs) = if want_record {
        (vec![record], "one record ($want_record is T)".to_string())
    } else {
        let each = columns.iter().map(|c| c.ty).collect();
        (each, format!("{} values ($want_record is F)", columns.len()))
    };
    (!takes(cx, ev, true, &rest))
        .then(|| format!("the event must take a description, the kind of event and {needs}, of the types of $fields"))
}

/// Why an event cannot hear of a stream's problems, if it cannot.
pub(super) fn error_event(cx: &CallCtx<'_>, ev: &Value) -> Option<String> {
    let params = params(cx, ev)?;
    let fits = params.len() == 3
        && cx.types().record(params[0]).is_some()
        && matches!(cx.types().kind(params[1]), Kind::String)
        && matches!(cx.types().kind(params[2]), Kind::Enum(_));
    (!fits).then(|| "$error_ev must take a description, a string and a Reporter::Level".to_string())
}

/// Why a table cannot take the rows of a stream, or its event or predicate cannot, if one cannot.
pub(super) fn table(cx: &CallCtx<'_>, shape: &TableShape<'_>, ev: &Value, pred: &Value) -> Option<String> {
    let Value::Table(table) = shape.table else {
        return Some("destination is not a table".into());
    };
    let Kind::Table { index, yields } = cx.types().kind(table.ty) else {
        return Some("destination is not a table".into());
    };
    let keys = &shape.columns[..shape.n_idx];
    if index.len() != keys.len() {
        return Some(format!(
            "the destination has {} indices, and $idx has {} columns",
            index.len(),
            keys.len()
        ));
    }
    if let Some(c) = keys
        .iter()
        .zip(index)
        .find(|(c, t)| !fits(cx, **t, c.ty))
        .map(|(c, _)| c)
    {
        return Some(format!(
            "the type of the column {} is not that of the destination's index",
            c.name
        ));
    }
    let value = match (shape.val, yields) {
        (None, None) => None,
        (None, Some(_)) => return Some("the destination has values, and $val is missing".into()),
        (Some(_), None) => return Some("the destination is a set, which takes no $val".into()),
        (Some(val), Some(yields)) => {
            let values = &shape.columns[shape.n_idx..];
            let value = match values {
                _ if shape.want_record => val,
                [one] => one.ty,
                _ => return Some("$val must have one column when $want_record is F".into()),
            };
            if !fits(cx, *yields, value) {
                return Some("the values of the destination are not of the type that $val gives".into());
            }
            Some(value)
        }
    };
    let rest: Vec<TypeId> = std::iter::once(shape.idx).chain(value).collect();
    let what = if value.is_some() { "$idx and a value" } else { "$idx" };
    if !takes(cx, ev, true, &rest) {
        return Some(format!(
            "the event must take a description, the kind of event, {what}, of the types of the stream"
        ));
    }
    if !takes(cx, pred, false, &rest) {
        return Some(format!(
            "the predicate must take the kind of event, {what}, of the types of the stream"
        ));
    }
    None
}

/// Why a reader cannot do what a stream wants, if it cannot.
pub(super) fn reader(
    cx: &CallCtx<'_>,
    reader: &str,
    mode: Mode,
    source: &str,
    rows: Option<&[Column]>,
) -> Option<String> {
    let kind = |c: &Column| cx.types().kind(c.ty);
    match (reader, rows) {
        ("Input::READER_BINARY", Some(_)) => Some("the binary reader only feeds file analysis".into()),
        ("Input::READER_BINARY", None) => None,
        ("Input::READER_RAW", _) if source.ends_with('|') && mode == Mode::Reread => {
            Some("the output of a command cannot be read again when it changes (mode REREAD)".into())
        }
        ("Input::READER_RAW", Some(columns)) => match columns {
            [text] if matches!(kind(text), Kind::String) => None,
            [text, is_stderr] if matches!((kind(text), kind(is_stderr)), (Kind::String, Kind::Bool)) => None,
            _ => Some("the raw reader fills one string, and a bool that may follow it".into()),
        },
        ("Input::READER_SQLITE", Some(_)) if mode != Mode::Manual => {
            Some("the SQLite reader only supports the mode MANUAL".into())
        }
        (other, None) if other != "Input::READER_RAW" => Some("this reader cannot feed file analysis".into()),
        _ => None,
    }
}
