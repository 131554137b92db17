//! The ASCII and configuration readers.

use tapir_data::types::Kind;
use tapir_data::value::Value;
use tapir_script::hir::Ident;
use tapir_vm::{CallCtx, RtError, Severity};

use super::values::{self, Separators};
use super::{Stream, deliver, problem};

fn separators(cx: &CallCtx<'_>, s: &Stream) -> Separators {
    let get = |key: &str| -> Vec<u8> {
        if let Some(v) = s.config.get(key) {
            return v.clone().into_bytes();
        }
        match crate::globals::get(cx, &format!("InputAscii::{key}")) {
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

/// Reads all rows of a file. False when the header does not fit, which was reported.
pub(super) fn read_rows(cx: &mut CallCtx<'_>, s: &mut Stream, text: &[u8]) -> Result<bool, RtError> {
    let sep = separators(cx, s);
    let mut rows = lines(text);
    let mut header: Option<Vec<String>> = None;
    let mut pending: Vec<&[u8]> = Vec::new();
    for line in rows.by_ref() {
        if let Some(names) = line.strip_prefix(b"#fields") {
            let names = names.strip_prefix(&sep.separator[..]).unwrap_or(names);
            header = Some(
                split(names, &sep.separator)
                    .iter()
                    .map(|f| String::from_utf8_lossy(f).into_owned())
                    .collect(),
            );
            break;
        }
        if line.first() == Some(&b'#') || line.is_empty() {
            continue;
        }
        header = Some(
            split(line, &sep.separator)
                .iter()
                .map(|f| String::from_utf8_lossy(f).into_owned())
                .collect(),
        );
        break;
    }
    pending.extend(rows);
    let Some(header) = header else {
        problem(cx, s, "could not read first line", Severity::Warning)?;
        return Ok(false);
    };
    let mut places = Vec::new();
    for c in &s.columns {
        match header.iter().position(|h| *h == c.name) {
            Some(at) => places.push(Some(at)),
            None if c.optional => places.push(None),
            None => {
                let message = format!(
                    "Did not find requested field {} in input data file {}.",
                    c.name, s.source
                );
                problem(cx, s, &message, Severity::Warning)?;
                return Ok(false);
            }
        }
    }
    for line in pending {
        if line.is_empty() || line.first() == Some(&b'#') {
            continue;
        }
        let cells = split(line, &sep.separator);
        match row(cx, s, &cells, &places, &sep) {
            Ok(values) => {
                deliver::row(cx, s, values)?;
            }
            Err(why) => {
                problem(cx, s, &why, Severity::Warning)?;
            }
        }
    }
    Ok(true)
}

fn row(
    cx: &mut CallCtx<'_>,
    s: &Stream,
    cells: &[&[u8]],
    places: &[Option<usize>],
    sep: &Separators,
) -> Result<Vec<Value>, String> {
    let mut out = Vec::with_capacity(places.len());
    for (c, place) in s.columns.iter().zip(places) {
        let Some(place) = place else {
            out.push(Value::Unset);
            continue;
        };
        let Some(cell) = cells.get(*place) else {
            return Err(format!("Not enough fields in line; field {} is missing", c.name));
        };
        // The types are needed while the host compiles a pattern, so they are held apart from the machine.
        let program = cx.vm.shared_program().ok_or("no program is loaded")?;
        let v = values::parse(&program.types, c.ty, cell, sep, &mut |t, i, sl| {
            make_pattern(cx, t, i, sl)
        })
        .map_err(|why| format!("field {}: {why}", c.name))?;
        if matches!(v, Value::Unset) && !c.optional {
            return Err(format!("field {} is unset but mandatory", c.name));
        }
        out.push(v);
    }
    Ok(out)
}

/// Reads a file of options: `NAME VALUE` per line.
pub(super) fn read_config(cx: &mut CallCtx<'_>, s: &mut Stream, text: &[u8]) -> Result<(), RtError> {
    let sep = Separators {
        separator: b"\t".to_vec(),
        set_separator: b",".to_vec(),
        empty_field: Vec::new(),
        unset_field: b"-".to_vec(),
    };
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
        let parsed = values::parse(&program.types, ty, cell, &sep, &mut |t, i, sl| {
            make_pattern(cx, t, i, sl)
        });
        match parsed {
            Ok(v) if !matches!(v, Value::Unset) => {
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
