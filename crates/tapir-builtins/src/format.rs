//! `fmt`, `cat` and their kin.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tapir_data::localtime::LocalTime;
use tapir_data::number::{format_e, format_f, format_g};
use tapir_data::value::{File, Value};
use tapir_vm::{CallCtx, RtError};

use crate::util::*;

pub const FAMILY: Family = &[
    ("fmt", fmt),
    ("cat", cat),
    ("cat_sep", cat_sep),
    ("print_raw", print_raw),
];

/// Widths and precisions beyond this are refused.
const FIELD_MAX: usize = 128;

fn cat(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let mut out = Vec::new();
    for v in a {
        out.extend(text(ctx, v)?);
        room(out.len())?;
    }
    Ok(string(out))
}

fn cat_sep(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (sep, default) = (a.str(0)?.clone(), a.str(1)?.clone());
    let sep = c_string(ctx, &sep);
    let default = c_string(ctx, &default);
    let mut out = Vec::new();
    for (i, v) in a[2..].iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(&sep);
        }
        match v {
            Value::Str(s) if s.is_empty() => out.extend_from_slice(&default),
            v => out.extend(text(ctx, v)?),
        }
        room(out.len())?;
    }
    Ok(string(out))
}

/// Standard output as a raw file: the host keeps what goes there in step with `print`.
struct Stdout(Rc<File>);

impl Default for Stdout {
    fn default() -> Self {
        Stdout(Rc::new(File {
            name: (*b"/dev/stdout").into(),
            raw: Cell::new(true),
            sink: RefCell::new(Some(Box::new(std::io::stdout()))),
        }))
    }
}

/// Lets everything printed so far reach standard output.
pub fn sync_stdout(ctx: &mut CallCtx<'_>) {
    let out = ctx.vm.state::<Stdout>().0.clone();
    ctx.host.print(ctx.vm, Some(&out), &[]);
    if let Some(sink) = out.sink.borrow_mut().as_mut() {
        // Where standard output is gone there is nobody to tell.
        let _ = sink.flush();
    }
}

fn print_raw(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let mut bytes = Vec::new();
    for v in a {
        bytes.extend(text(ctx, v)?);
    }
    let out = ctx.vm.state::<Stdout>().0.clone();
    ctx.host.print(ctx.vm, Some(&out), &[string(bytes)]);
    Ok(Value::Bool(true))
}

fn fmt(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let Some(first) = a.first() else {
        return Ok(string(""));
    };
    let Value::Str(format) = first else {
        ctx.error("first argument to util::fmt() needs to be a format string");
        return Ok(string(""));
    };
    format_values(ctx, format, &a[1..]).map(string)
}

/// Formats values by a format string; what is wrong is reported and leaves a gap or an empty result.
pub fn format_values(ctx: &mut CallCtx<'_>, format: &[u8], values: &[Value]) -> Result<Vec<u8>, RtError> {
    // The format is a C string.
    let format = format.split(|&b| b == 0).next().unwrap_or(format);
    let mut out = Vec::with_capacity(format.len() + 16);
    let (mut i, mut used) = (0, 0);
    while i < format.len() {
        if format[i] != b'%' {
            let end = memchr::memchr(b'%', &format[i..]).map_or(format.len(), |n| i + n);
            out.extend_from_slice(&format[i..end]);
            i = end;
            continue;
        }
        if format.get(i + 1) == Some(&b'%') {
            out.push(b'%');
            i += 2;
            continue;
        }
        if used >= values.len() {
            ctx.error("too few arguments for format");
            return Ok(Vec::new());
        }
        i = directive(ctx, format, i + 1, &values[used], &mut out)?;
        used += 1;
    }
    if used < values.len() {
        ctx.error("too many arguments for format");
        return Ok(Vec::new());
    }
    Ok(out)
}

struct Spec {
    left: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

fn number(format: &[u8], i: &mut usize) -> Option<usize> {
    let start = *i;
    let mut n = 0usize;
    while let Some(d) = format.get(*i).filter(|b| b.is_ascii_digit()) {
        n = n.saturating_mul(10).saturating_add((d - b'0') as usize);
        *i += 1;
    }
    (*i > start).then_some(n)
}

/// Handles what follows a percent sign and gives the position behind it.
fn directive(
    ctx: &mut CallCtx<'_>,
    format: &[u8],
    mut i: usize,
    v: &Value,
    out: &mut Vec<u8>,
) -> Result<usize, RtError> {
    let mut spec = Spec {
        left: false,
        zero: false,
        width: None,
        precision: None,
    };
    if format.get(i) == Some(&b'-') {
        spec.left = true;
        i += 1;
    }
    if format.get(i) == Some(&b'0') {
        spec.zero = true;
        i += 1;
    }
    spec.width = number(format, &mut i);
    if format.get(i) == Some(&b'.') {
        i += 1;
        spec.precision = Some(number(format, &mut i).unwrap_or(0));
    }
    if spec.width.is_some_and(|w| w > FIELD_MAX) || spec.precision.is_some_and(|p| p > FIELD_MAX) {
        ctx.error("excessive field width or precision");
        return Ok(i);
    }
    let Some(&verb) = format.get(i) else {
        ctx.error("bad format");
        return Ok(i);
    };
    if spec.precision.is_some() && !matches!(verb, b'e' | b'f' | b'g') {
        ctx.error("precision specified for non-floating point");
    }
    let i = i + 1;
    match verb {
        b'd' | b'x' => integer(ctx, verb, &spec, v, out),
        b's' => {
            let s = text(ctx, v)?;
            place(&s, &spec, false, out);
        }
        // What cannot be formatted leaves a field of blanks where a width was asked for.
        b'e' | b'f' | b'g' => match v {
            Value::Double(d) | Value::Time(d) | Value::Interval(d) => {
                let p = spec.precision.unwrap_or(6);
                let s = match verb {
                    b'e' => format_e(*d, p),
                    b'f' => format_f(*d, p),
                    _ => format_g(*d, p, false),
                };
                place(s.as_bytes(), &spec, d.is_finite(), out);
            }
            _ => {
                ctx.error("bad type for floating-point format");
                place(b"", &spec, false, out);
            }
        },
        b'D' | b'T' => match v {
            Value::Time(t) => {
                let s = date(*t, verb == b'T');
                place(s.as_bytes(), &spec, false, out);
            }
            _ => {
                ctx.error("bad type for Date/Time format");
                place(b"", &spec, false, out);
            }
        },
        _ => {
            ctx.error("bad format");
            place(b"", &spec, false, out);
        }
    }
    Ok(i)
}

/// `YYYY-MM-DD-HH:MM:SS`, with nine decimals if asked for.
fn date(t: f64, fraction: bool) -> String {
    // Seconds as C converts them: towards zero.
    let Some(local) = LocalTime::from_unix(t.trunc() as i64) else {
        return "<invalid date>".into();
    };
    if !fraction {
        return format!("{local:?}");
    }
    let (y, mo, d, h, mi, s) = local.parts();
    let seconds = s as f64 + t.fract();
    format!("{y:04}-{mo:02}-{d:02}-{h:02}:{mi:02}:{seconds:012.9}")
}

fn integer(ctx: &mut CallCtx<'_>, verb: u8, spec: &Spec, v: &Value, out: &mut Vec<u8>) {
    let hex = verb == b'x';
    let digits = |n: u64, negative: bool| -> String {
        let p = spec.precision.unwrap_or(0);
        if hex {
            format!("{n:0>p$x}")
        } else {
            format!("{}{n:0>p$}", if negative { "-" } else { "" })
        }
    };
    let s = match v {
        Value::Bool(b) => digits(*b as u64, false),
        Value::Count(n) => digits(*n, false),
        Value::Int(n) | Value::Enum(_, n) => {
            if hex {
                digits(*n as u64, false)
            } else {
                digits(n.unsigned_abs(), *n < 0)
            }
        }
        Value::Port(p) => digits(p.num as u64, false),
        Value::Subnet(_) => digits(0, false),
        Value::Addr(a) if hex => {
            let h = match a.as_v4() {
                Some(b) => crate::convert::hex(&b),
                None => crate::convert::hex(&a.0),
            };
            return place(&h, spec, false, out);
        }
        _ => {
            ctx.error("bad type for %d/%x format");
            return place(b"", spec, false, out);
        }
    };
    // As in C, digits that a precision asks for leave no room for zeros of the width.
    place(s.as_bytes(), spec, spec.precision.is_none(), out);
}

/// Appends text padded to the width. Padding on the left counts the bytes up to the first NUL only.
fn place(s: &[u8], spec: &Spec, numeric: bool, out: &mut Vec<u8>) {
    let width = spec.width.unwrap_or(0);
    if spec.left {
        out.extend_from_slice(s);
        out.resize(out.len() + width.saturating_sub(s.len()), b' ');
        return;
    }
    let seen = memchr::memchr(0, s).unwrap_or(s.len());
    let fill = width.saturating_sub(seen);
    if spec.zero && numeric {
        let sign = usize::from(s.first() == Some(&b'-'));
        out.extend_from_slice(&s[..sign]);
        out.resize(out.len() + fill, b'0');
        out.extend_from_slice(&s[sign..]);
    } else {
        out.resize(out.len() + fill, b' ');
        out.extend_from_slice(s);
    }
}
