//! Strings: case, classes, padding, trimming, pieces, escaping, hexdump, edit distance.

use tapir_data::text::{escape_bytes, push_hex};
use tapir_data::value::Value;
use tapir_vm::{CallCtx, RtError};

use crate::util::*;

pub const FAMILY: Family = &[
    ("string_cat", string_cat),
    ("join_string_vec", join_string_vec),
    ("join_string_set", join_string_set),
    ("edit", edit),
    ("sub_bytes", sub_bytes),
    ("to_lower", |_, a| Ok(string(a.str(0)?.to_ascii_lowercase()))),
    ("to_upper", |_, a| Ok(string(a.str(0)?.to_ascii_uppercase()))),
    ("swap_case", swap_case),
    ("to_title", to_title),
    ("is_ascii", |_, a| Ok(Value::Bool(a.str(0)?.is_ascii()))),
    ("is_num", |ctx, a| class(ctx, a, |b| b.is_ascii_digit())),
    ("is_alpha", |ctx, a| class(ctx, a, |b| b.is_ascii_alphabetic())),
    ("is_alnum", |ctx, a| class(ctx, a, |b| b.is_ascii_alphanumeric())),
    ("strip", strip),
    ("lstrip", lstrip),
    ("rstrip", rstrip),
    ("ljust", |ctx, a| justify(ctx, a, true)),
    ("rjust", |ctx, a| justify(ctx, a, false)),
    ("zfill", |_, a| Ok(string(pad(a.str(0)?, a.count(1)?, b'0', false)?))),
    ("string_fill", string_fill),
    ("reverse", |_, a| {
        Ok(string(a.str(0)?.iter().rev().copied().collect::<Vec<u8>>()))
    }),
    ("remove_prefix", remove_prefix),
    ("remove_suffix", remove_suffix),
    ("clean", |_, a| {
        room(a.str(0)?.len().saturating_mul(4))?;
        let mut out = Vec::new();
        escape_bytes(a.str(0)?, &mut out);
        Ok(string(out))
    }),
    ("escape_string", |_, a| Ok(string(escape(a.str(0)?, b"\\")?))),
    ("to_string_literal", |_, a| Ok(string(escape(a.str(0)?, b"\\\"'")?))),
    ("safe_shell_quote", safe_shell_quote),
    ("hexdump", hexdump),
    ("levenshtein_distance", levenshtein_distance),
    ("str_split_indices", str_split_indices),
    ("strcmp", strcmp),
    ("starts_with", |_, a| Ok(Value::Bool(a.str(0)?.starts_with(a.str(1)?)))),
    ("ends_with", |_, a| Ok(Value::Bool(a.str(0)?.ends_with(a.str(1)?)))),
    ("convert_for_pattern", |_, a| {
        room(a.str(0)?.len().saturating_mul(2))?;
        Ok(string(escape_pattern(a.str(0)?)))
    }),
    ("unescape_URI", unescape_uri),
    ("compress_path", compress_path),
];

fn string_cat(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let mut out = Vec::new();
    for v in a {
        match v {
            Value::Str(s) => out.extend_from_slice(s),
            _ => {
                ctx.error("string_cat() requires string arguments");
                return Ok(string(""));
            }
        }
        room(out.len())?;
    }
    Ok(string(out))
}

fn join_string_vec(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (items, sep) = (a.vector(0)?.to_vec(), a.str(1)?);
    let mut out = Vec::new();
    for (i, v) in items.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(sep);
        }
        if !matches!(v, Value::Unset) {
            out.extend(text(ctx, v)?);
        }
        room(out.len())?;
    }
    Ok(string(out))
}

fn join_string_set(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (set, sep) = (a.table(0)?, a.str(1)?);
    let mut out = Vec::new();
    for (i, key) in set.keys().iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(sep);
        }
        match key {
            Value::Str(s) => out.extend_from_slice(s),
            _ => {
                ctx.error("join_string_set() requires a string set");
                return Ok(string(""));
            }
        }
        room(out.len())?;
    }
    Ok(string(out))
}

fn edit(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (s, c) = (a.str(0)?, a.str(1)?);
    if c.len() != 1 {
        ctx.error("not exactly one edit character");
    }
    let Some(&c) = c.first() else {
        return Ok(Value::Str(s.clone()));
    };
    let mut out = Vec::with_capacity(s.len());
    for &b in s.iter() {
        if b == c {
            out.pop();
        } else {
            out.push(b);
        }
    }
    Ok(string(out))
}

fn sub_bytes(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (s, start, n) = (a.str(0)?, a.count(1)?, a.int(2)?);
    let start = start.saturating_sub(1).min(s.len() as u64) as usize;
    let rest = &s[start..];
    let n = if n < 0 {
        rest.len()
    } else {
        (n as u64).min(rest.len() as u64) as usize
    };
    Ok(string(&rest[..n]))
}

fn swap_case(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let swap = |b: &u8| if b.is_ascii_alphabetic() { b ^ 0x20 } else { *b };
    Ok(string(a.str(0)?.iter().map(swap).collect::<Vec<u8>>()))
}

fn to_title(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let mut first = true;
    let mut out = Vec::new();
    for &b in a.str(0)?.iter() {
        out.push(if first { b.to_ascii_uppercase() } else { b });
        first = b == b' ';
    }
    Ok(string(out))
}

fn class(ctx: &mut CallCtx<'_>, a: &[Value], test: fn(&u8) -> bool) -> Res {
    let s = a.str(0)?.clone();
    let s = c_string(ctx, &s);
    Ok(Value::Bool(!s.is_empty() && s.iter().all(test)))
}

fn strip(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let s = a.str(0)?;
    let blank = |b: &u8| matches!(b, b' ' | 9..=13);
    let Some(start) = s.iter().position(|b| !blank(b)) else {
        return Ok(string(""));
    };
    let end = s.iter().rposition(|b| !blank(b)).map_or(0, |e| e + 1);
    Ok(string(&s[start..end]))
}

fn lstrip(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (s, chars) = (a.str(0)?, a.str(1)?);
    let start = s.iter().position(|b| !chars.contains(b)).unwrap_or(s.len());
    Ok(string(&s[start..]))
}

fn rstrip(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (s, chars) = (a.str(0)?, a.str(1)?);
    let end = s.iter().rposition(|b| !chars.contains(b)).map_or(0, |e| e + 1);
    Ok(string(&s[..end]))
}

fn pad(s: &[u8], width: u64, fill: u8, left: bool) -> Result<Vec<u8>, RtError> {
    let width = usize::try_from(width).unwrap_or(usize::MAX);
    room(width)?;
    let mut blanks = vec![fill; width.saturating_sub(s.len())];
    if left {
        let mut out = s.to_vec();
        out.append(&mut blanks);
        Ok(out)
    } else {
        blanks.extend_from_slice(s);
        Ok(blanks)
    }
}

fn justify(ctx: &mut CallCtx<'_>, a: &[Value], left: bool) -> Res {
    let (s, width, fill) = (a.str(0)?, a.count(1)?, a.str(2)?);
    let [fill] = fill[..] else {
        plain_error(
            ctx,
            format!(
                "The fill argument to {} should be a single character.",
                if left { "ljust" } else { "rjust" }
            ),
        );
        return Ok(Value::Unset);
    };
    Ok(string(pad(s, width, fill, left)?))
}

fn string_fill(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (len, source) = (usize::try_from(a.int(0)?).unwrap_or(0), a.str(1)?);
    room(len)?;
    let mut out: Vec<u8> = source.iter().copied().cycle().take(len).collect();
    out.resize(len, 0);
    if let Some(last) = out.last_mut() {
        *last = 0;
    }
    Ok(string(out))
}

fn remove_prefix(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (mut s, sub) = (&a.str(0)?[..], a.str(1)?);
    while !sub.is_empty() && s.starts_with(sub) {
        s = &s[sub.len()..];
    }
    Ok(string(s))
}

fn remove_suffix(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (s, sub) = (&a.str(0)?[..], a.str(1)?);
    let mut rest = s;
    while !sub.is_empty() && rest.ends_with(sub) {
        rest = &rest[..rest.len() - sub.len()];
    }
    // What would remain is exactly one byte shorter than the suffix: the reference then gives the whole string.
    if rest.len() < s.len() && rest.len() + 1 == sub.len() {
        return Ok(string(s));
    }
    Ok(string(rest))
}

/// Bytes outside of printable ASCII as `\xHH`, and a backslash before each of `special`.
fn escape(s: &[u8], special: &[u8]) -> Result<Vec<u8>, RtError> {
    room(s.len().saturating_mul(4))?;
    let mut out = Vec::with_capacity(s.len());
    for &b in s {
        if special.contains(&b) {
            out.extend_from_slice(&[b'\\', b]);
        } else if (32..=126).contains(&b) {
            out.push(b);
        } else {
            push_hex(b, &mut out);
        }
    }
    Ok(out)
}

/// A backslash before everything that means something in a pattern.
pub fn escape_pattern(s: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(s.len());
    for &b in s {
        if b"^$-:\"\\/|*+?.(){}[]".contains(&b) {
            out.push(b'\\');
        }
        out.push(b);
    }
    out
}

fn safe_shell_quote(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    room(a.str(0)?.len().saturating_mul(2))?;
    let mut out = vec![b'"'];
    for &b in a.str(0)?.iter() {
        if b"`\"\\$".contains(&b) {
            out.push(b'\\');
        }
        out.push(b);
    }
    out.push(b'"');
    Ok(string(out))
}

fn hexdump(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let s = a.str(0)?;
    if s.is_empty() {
        return Ok(string(format!("{:50}\n", "")));
    }
    room(s.len().saturating_mul(5))?;
    let mut out = Vec::with_capacity(s.len() / 16 * 76 + 76);
    for (i, line) in s.chunks(16).enumerate() {
        let start = out.len();
        out.extend(format!("{:04x}  ", i * 16).bytes());
        for (j, pair) in crate::convert::hex(line).as_chunks::<2>().0.iter().enumerate() {
            out.extend_from_slice(pair);
            out.extend_from_slice(if j == 7 { b"  " } else { b" " });
        }
        out.resize(out.len().max(start + 56), b' ');
        for (j, &b) in line.iter().enumerate() {
            out.push(if (32..=126).contains(&b) { b } else { b'.' });
            if j == 7 {
                out.push(b' ');
            }
        }
        out.push(b'\n');
    }
    Ok(string(out))
}

fn levenshtein_distance(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (s, t) = (a.str(0)?, a.str(1)?);
    if s.len().saturating_mul(t.len()) > 1 << 32 {
        ctx.error("strings are too long for levenshtein_distance()");
        return Ok(Value::Unset);
    }
    let mut row: Vec<u64> = (0..=t.len() as u64).collect();
    for (i, x) in s.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i as u64 + 1;
        for (j, y) in t.iter().enumerate() {
            let best = (diagonal + (x != y) as u64).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    Ok(Value::Count(row[t.len()]))
}

fn str_split_indices(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (s, idx) = (a.str(0)?.clone(), a.vector(1)?.to_vec());
    if idx.is_empty() {
        return Ok(vector(ctx, Vec::new()));
    }
    let cut = |v: &Value| match v {
        Value::Count(n) if *n < s.len() as u64 => *n as usize,
        _ => 0,
    };
    let mut all: Vec<usize> = vec![0; idx.len() + 1];
    all.extend(idx.iter().map(cut));
    all.sort_unstable();
    let mut starts = all.clone();
    starts.dedup();
    let k = starts.len();
    let mut pieces = Vec::with_capacity(k);
    for (i, &start) in starts.iter().enumerate() {
        let end = if i + 1 < k {
            starts[i + 1]
        } else {
            match all.get(k).copied().unwrap_or(0).checked_sub(start) {
                Some(len) => (start + len).min(s.len()),
                None => s.len(),
            }
        };
        pieces.push(string(&s[start..end]));
    }
    Ok(vector(ctx, pieces))
}

fn strcmp(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    Ok(Value::Int(a.str(0)?[..].cmp(&a.str(1)?[..]) as i64))
}

/// `%XX` decoded; malformed escapes stay, and `%%` loses one sign.
pub fn unescape_uri(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let s = a.str(0)?;
    let digit = |b: Option<&u8>| b.and_then(|b| (*b as char).to_digit(16)).map(|d| d as u8);
    let mut out = Vec::with_capacity(s.len());
    let mut i = 0;
    while i < s.len() {
        if s[i] != b'%' {
            out.push(s[i]);
            i += 1;
            continue;
        }
        match (digit(s.get(i + 1)), digit(s.get(i + 2))) {
            (Some(h), Some(l)) => {
                out.push(h << 4 | l);
                i += 3;
            }
            // The form of some servers for 16 bits.
            _ if s.get(i + 1) == Some(&b'u') && (2..6).all(|k| digit(s.get(i + k)).is_some()) => {
                let n = (2..6).fold(0u16, |n, k| n << 4 | digit(s.get(i + k)).unwrap_or(0) as u16);
                let [high, low] = n.to_be_bytes();
                if high != 0 {
                    out.push(high);
                }
                out.push(low);
                i += 6;
            }
            _ if s.get(i + 1) == Some(&b'%') => i += 1,
            _ => {
                out.push(b'%');
                i += 1;
            }
        }
    }
    Ok(string(out))
}

/// A path without empty and `.` parts, and with `..` resolved as far as possible. It need not be text.
pub fn normalize_path(path: &[u8]) -> Vec<u8> {
    let absolute = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" => {}
            b"." if !parts.is_empty() || absolute => {}
            b".." if parts.last().is_some_and(|p| *p != b".." && *p != b".") => {
                parts.pop();
            }
            p => parts.push(p),
        }
    }
    let mut out = if absolute { b"/".to_vec() } else { Vec::new() };
    out.extend(parts.join(&b'/'));
    out
}

fn compress_path(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    Ok(string(normalize_path(a.str(0)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_and_escapes() {
        assert_eq!(pad(b"42", 5, b'0', false).unwrap(), b"00042");
        assert_eq!(escape(b"a\\\x01'", b"\\").unwrap(), br"a\\\x01'");
        assert_eq!(escape_pattern(b"a.b/"), br"a\.b\/");
        assert_eq!(normalize_path(b"/a/./b/../c"), b"/a/c");
        assert_eq!(normalize_path(b"./\xff/../\xfe//x"), b"./\xfe/x");
    }
}
