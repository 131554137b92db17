//! The ASCII and configuration readers.

use tapir_data::types::Kind;
use tapir_data::value::Value;
use tapir_script::hir::Ident;
use tapir_vm::{CallCtx, RtError, Severity};

use super::values::{self, Separators};
use super::{Stream, deliver, problem};

/// The separators of a stream: those of its own configuration, else those of its reader's module.
pub(super) fn separators(cx: &CallCtx<'_>, s: &Stream, module: &str) -> Separators {
    let get = |key: &str| -> Vec<u8> {
        if let Some(v) = s.config.get(key) {
            return v.clone().into_bytes();
        }
        match crate::globals::get(cx, &format!("{module}::{key}")) {
            Value::Str(v) => v.to_vec(),
            _ => Vec::new(),
        }
    };
    let or = |v: Vec<u8>, default: &[u8]| if v.is_empty() { default.to_vec() } else { v };
    Separators {
        separator: or(get("separator"), b"\t"),
        set_separator: or(get("set_separator"), b","),
        empty_field: get("empty_field"),
        unset_field: or(get("unset_field"), b"-"),
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l))
}

fn split<'a>(line: &'a [u8], sep: &[u8]) -> Vec<&'a [u8]> {
    let mut out = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.windows(sep.len()).position(|w| w == sep) {
        out.push(&rest[..at]);
        rest = &rest[at + sep.len()..];
    }
    out.push(rest);
    out
}

/// Compiles a pattern through the host, as a value.
pub(super) fn make_pattern(cx: &mut CallCtx<'_>, text: &[u8], i: bool, s: bool) -> Result<Value, String> {
    cx.host.compile_pattern(text, i, s).map(Value::Pattern)
}

/// Where the cell of a column is, and where the transport of its port; `None` for a column that the file has not.
pub(super) type Place = Option<(usize, Option<usize>)>;

/// Finds the header, and says where the columns are and where the rows begin. `None` when it does not fit, which was
/// reported.
pub(super) fn header(cx: &mut CallCtx<'_>, s: &Stream, text: &[u8]) -> Result<Option<(Vec<Place>, usize)>, RtError> {
    let sep = separators(cx, s, "InputAscii");
    let mut names: Option<&[u8]> = None;
    let mut at = 0;
    for raw in text.split_inclusive(|b| *b == b'\n') {
        at += raw.len();
        let line = raw.strip_suffix(b"\n").unwrap_or(raw);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(rest) = line.strip_prefix(b"#fields") {
            names = Some(rest.strip_prefix(&sep.separator[..]).unwrap_or(rest));
            break;
        }
        if line.first() != Some(&b'#') && !line.is_empty() {
            names = Some(line);
            break;
        }
    }
    let Some(names) = names else {
        problem(cx, s, "could not read first line", Severity::Warning)?;
        return Ok(None);
    };
    let header: Vec<String> = split(names, &sep.separator)
        .iter()
        .map(|f| String::from_utf8_lossy(f).into_owned())
        .collect();
    let find = |name: &str| header.iter().position(|h| h == name);
    let mut places = Vec::new();
    for c in &s.columns {
        let proto = c.proto_column.as_deref().map(|p| (p, find(p)));
        if let Some((proto, None)) = proto {
            let message = format!("Could not find type column {proto} for {}.", c.name);
            problem(cx, s, &message, Severity::Warning)?;
            return Ok(None);
        }
        match find(&c.name) {
            Some(at) => places.push(Some((at, proto.and_then(|p| p.1)))),
            None if c.optional => places.push(None),
            None => {
                let message = format!(
                    "Did not find requested field {} in input data file {}.",
                    c.name, s.source
                );
                problem(cx, s, &message, Severity::Warning)?;
                return Ok(None);
            }
        }
    }
    Ok(Some((places, at)))
}

/// Delivers the rows of a text.
pub(super) fn rows(cx: &mut CallCtx<'_>, s: &mut Stream, text: &[u8], places: &[Place]) -> Result<(), RtError> {
    let sep = separators(cx, s, "InputAscii");
    for line in lines(text) {
        if line.is_empty() || line.first() == Some(&b'#') {
            continue;
        }
        let cells = split(line, &sep.separator);
        match row(cx, s, &cells, places, &sep) {
            Ok(values) => {
                deliver::row(cx, s, values)?;
            }
            Err(why) => {
                let fatal = crate::globals::flag(cx.vm, "InputAscii::fail_on_invalid_lines") == Some(true);
                for (i, message) in why.iter().enumerate() {
                    let last = i + 1 == why.len();
                    let severity = if fatal && last {
                        Severity::Error
                    } else {
                        Severity::Warning
                    };
                    problem(cx, s, message, severity)?;
                }
                if fatal {
                    s.removed = true;
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// The values of a row, or what is wrong with it.
fn row(
    cx: &mut CallCtx<'_>,
    s: &Stream,
    cells: &[&[u8]],
    places: &[Place],
    sep: &Separators,
) -> Result<Vec<Value>, Vec<String>> {
    let mut out = Vec::with_capacity(places.len());
    for (c, place) in s.columns.iter().zip(places) {
        let Some((place, proto)) = place else {
            out.push(Value::Unset);
            continue;
        };
        let Some(cell) = cells.get(*place) else {
            return Err(vec![format!(
                "Not enough fields in line '{}' of {}. Ignoring line.",
                shown(cells, sep),
                s.source
            )]);
        };
        let proto = proto.and_then(|p| cells.get(p));
        let with_proto;
        let cell = match proto {
            Some(proto) if *cell != &sep.unset_field[..] => {
                with_proto = [cell, &b"/"[..], &proto.to_ascii_lowercase()].concat();
                &with_proto[..]
            }
            _ => cell,
        };
        // The types are needed while the host compiles a pattern, so they are held apart from the machine.
        let Some(program) = cx.vm.shared_program() else {
            return Err(vec!["no program is loaded".into()]);
        };
        let mut notes = Vec::new();
        let v = values::parse(
            &program.types,
            c.ty,
            cell,
            sep,
            &mut |t, i, sl| make_pattern(cx, t, i, sl),
            &mut notes,
        );
        for note in notes {
            problem(cx, s, &note, Severity::Warning).map_err(|e| vec![e.to_string()])?;
        }
        let v = v.map_err(|why| {
            let line = format!(
                "Could not convert line '{}' of {} to values. Ignoring line.",
                shown(cells, sep),
                s.source
            );
            let why = if why.starts_with("Invalid value for boolean") {
                format!("Field: {} {why}", c.name)
            } else {
                why
            };
            vec![why, line]
        })?;
        if matches!(v, Value::Unset) && !c.optional {
            return Err(vec![format!(
                "Skipping input with missing non-optional value of field {}",
                c.name
            )]);
        }
        out.push(v);
    }
    Ok(out)
}

/// A line for a message.
fn shown(cells: &[&[u8]], sep: &Separators) -> String {
    const SHOWN_MAX: usize = 500;
    let line = cells.join(&sep.separator[..]);
    String::from_utf8_lossy(&line[..line.len().min(SHOWN_MAX)]).into_owned()
}

/// Reads a file of options: `NAME VALUE` per line.
pub(super) fn read_config(cx: &mut CallCtx<'_>, s: &mut Stream, text: &[u8]) -> Result<(), RtError> {
    let sep = separators(cx, s, "InputConfig");
    let before = std::mem::take(&mut s.options);
    for line in lines(text) {
        let shown = String::from_utf8_lossy(line).into_owned();
        let line = shown.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let value = value.trim();
        let global = match cx.program().names.get(name) {
            Some(Ident::Global(g)) if cx.vm.is_option(*g) => *g,
            _ => {
                let message = format!("Option '{name}' does not exist. Ignoring line.");
                problem(cx, s, &message, Severity::Warning)?;
                continue;
            }
        };
        let program = match cx.vm.shared_program() {
            Some(p) => p,
            None => continue,
        };
        let ty = program.globals[global.0 as usize].ty;
        if !values::readable(&program.types, ty) {
            problem(
                cx,
                s,
                &format!("Option '{name}' has a type that cannot be read. Ignoring line."),
                Severity::Warning,
            )?;
            continue;
        }
        let container = matches!(program.types.kind(ty), Kind::Table { .. } | Kind::Vector(_));
        let cell = if value.is_empty() && container {
            &b""[..]
        } else {
            value.as_bytes()
        };
        let mut notes = Vec::new();
        let parsed = values::parse(
            &program.types,
            ty,
            cell,
            &sep,
            &mut |t, i, sl| make_pattern(cx, t, i, sl),
            &mut notes,
        );
        for note in notes {
            problem(cx, s, &note, Severity::Warning)?;
        }
        match parsed {
            Ok(v) if !matches!(v, Value::Unset) => {
                // A line that says what it said before is no news.
                let same = before.get(name).is_some_and(|b| b == value);
                s.options.insert(name.to_string(), value.to_string());
                if same {
                    continue;
                }
                let args = vec![
                    Value::Str(s.name.clone()),
                    Value::Str(s.source.as_bytes().into()),
                    Value::Str(name.as_bytes().into()),
                    v,
                ];
                cx.vm.raise_named("InputConfig::new_value", args);
            }
            Ok(_) => {}
            Err(why) => problem(
                cx,
                s,
                &format!("Option '{name}': {why}. Ignoring line."),
                Severity::Warning,
            )?,
        }
    }
    Ok(())
}
