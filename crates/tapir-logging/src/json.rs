//! Rows as JSON objects, one per line.

use std::io::Write as _;

use crate::row::{CellRef, RowReader};
use crate::{AsciiOptions, Column, tsv};

/// How times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timestamps {
    /// Seconds as a double.
    #[default]
    Epoch,
    /// Milliseconds, truncated.
    Millis,
    MillisUnsigned,
    /// `2011-03-18T19:06:07.096535Z`.
    Iso8601,
}

/// What becomes of bytes that are not valid UTF-8 and of control characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EscapePolicy {
    /// The text `\xHH`, and then for all non-ASCII bytes of the string.
    #[default]
    Hex,
    /// Private-use code points U+F00HH.
    Pua,
    /// The escaping of tab-separated logs, then that of JSON.
    Tsv,
}

/// JSON options of the ASCII writer.
#[derive(Clone, Debug, Default)]
pub struct JsonOptions {
    pub timestamps: Timestamps,
    pub include_unset_fields: bool,
    pub escape_policy: EscapePolicy,
}

/// The `"name":` prefixes of the columns, made once.
pub fn keys(columns: &[Column]) -> Vec<Vec<u8>> {
    columns
        .iter()
        .map(|c| {
            let mut key = Vec::new();
            string(&mut key, c.name.as_bytes(), &AsciiOptions::default());
            key.push(b':');
            key
        })
        .collect()
}

/// Renders one row without line end. `None` when the batch is malformed.
pub fn row(out: &mut Vec<u8>, reader: &mut RowReader<'_>, keys: &[Vec<u8>], o: &AsciiOptions) -> Option<()> {
    out.push(b'{');
    let mut first = true;
    for key in keys {
        let cell = reader.cell()?;
        if cell == CellRef::Unset && !o.json.include_unset_fields {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        out.extend_from_slice(key);
        if let CellRef::List(n) = cell {
            out.push(b'[');
            for k in 0..n {
                if k > 0 {
                    out.push(b',');
                }
                value(out, reader.cell()?, o);
            }
            out.push(b']');
        } else {
            value(out, cell, o);
        }
    }
    out.push(b'}');
    Some(())
}

fn value(out: &mut Vec<u8>, cell: CellRef<'_>, o: &AsciiOptions) {
    match cell {
        CellRef::Unset => out.extend_from_slice(b"null"),
        CellRef::Bool(b) => out.extend_from_slice(if b { b"true" } else { b"false" }),
        CellRef::Int(_) | CellRef::Count(_) | CellRef::Port(..) => tsv::scalar(out, cell),
        CellRef::Double(v) | CellRef::Interval(v) => number(out, v),
        CellRef::Time(v) => time(out, v, o.json.timestamps),
        CellRef::Addr(_) | CellRef::Subnet(..) => {
            out.push(b'"');
            tsv::scalar(out, cell);
            out.push(b'"');
        }
        CellRef::Str(s) | CellRef::Name(s) => string(out, s, o),
        CellRef::List(_) => {}
    }
}

/// The shortest digits that read back as the same double.
pub fn number(out: &mut Vec<u8>, v: f64) {
    if !v.is_finite() {
        out.extend_from_slice(b"null");
    } else if v == 0.0 || (1e-6..1e21).contains(&v.abs()) {
        let start = out.len();
        let _ = write!(out, "{v}");
        if !out[start..].contains(&b'.') {
            out.extend_from_slice(b".0");
        }
    } else {
        let _ = write!(out, "{v:e}");
    }
}

fn time(out: &mut Vec<u8>, v: f64, form: Timestamps) {
    match form {
        Timestamps::Epoch => number(out, v),
        Timestamps::Millis => {
            let _ = write!(out, "{}", (v * 1000.0) as i64);
        }
        Timestamps::MillisUnsigned => {
            let _ = write!(out, "{}", (v * 1000.0) as i64 as u64);
        }
        Timestamps::Iso8601 => {
            let micros_total = (v * 1e6).round();
            let secs = (micros_total / 1e6).floor() as i64;
            let micros = (micros_total - secs as f64 * 1e6) as i64;
            let (y, mo, d, h, mi, s) = civil(secs);
            let _ = write!(out, "\"{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}.{micros:06}Z\"");
        }
    }
}

/// Seconds since the epoch as year, month, day, hour, minute, second in UTC.
pub fn civil(secs: i64) -> (i64, i64, i64, i64, i64, i64) {
    let days = secs.div_euclid(86_400);
    let rest = secs.rem_euclid(86_400);
    // Days are counted from 0000-03-01 in 400-year eras, so that the leap day ends a year.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_idx = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_idx + 2) / 5 + 1;
    let month = if month_idx < 10 { month_idx + 3 } else { month_idx - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day, rest / 3600, rest / 60 % 60, rest % 60)
}

/// A JSON string under the escape policy.
pub fn string(out: &mut Vec<u8>, s: &[u8], o: &AsciiOptions) {
    out.push(b'"');
    if s.iter().all(|b| (0x20..0x7f).contains(b) && *b != b'"' && *b != b'\\') {
        out.extend_from_slice(s);
        out.push(b'"');
        return;
    }
    match o.json.escape_policy {
        EscapePolicy::Hex => hex_policy(out, s),
        EscapePolicy::Pua => pua_policy(out, s),
        EscapePolicy::Tsv => {
            let mut text = Vec::new();
            tsv::escaped(&mut text, s, o, false);
            text.iter().for_each(|b| json_byte(out, *b));
        }
    }
    out.push(b'"');
}

fn json_byte(out: &mut Vec<u8>, b: u8) {
    match b {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        8 => out.extend_from_slice(b"\\b"),
        12 => out.extend_from_slice(b"\\f"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => out.push(b),
    }
}

fn has_short_escape(c: char) -> bool {
    matches!(c, '\u{8}' | '\u{c}' | '\n' | '\r' | '\t')
}

fn hex_policy(out: &mut Vec<u8>, s: &[u8]) {
    let clean = std::str::from_utf8(s).is_ok_and(|t| !t.chars().any(|c| tsv::unsuitable(c) && !has_short_escape(c)));
    for &b in s {
        let keep = if clean {
            true
        } else {
            (0x20..0x7f).contains(&b) || has_short_escape(b as char)
        };
        if keep {
            json_byte(out, b);
        } else {
            let _ = write!(out, "\\\\x{b:02x}");
        }
    }
}

fn pua_policy(out: &mut Vec<u8>, s: &[u8]) {
    for part in s.utf8_chunks() {
        for c in part.valid().chars() {
            if (c as u32) < 0x20 && !has_short_escape(c) || c == '\u{7f}' {
                let _ = write!(out, "\\udb80\\udc{:02x}", c as u32);
            } else {
                let mut buf = [0; 4];
                c.encode_utf8(&mut buf).bytes().for_each(|b| json_byte(out, b));
            }
        }
        for b in part.invalid() {
            let _ = write!(out, "\\udb80\\udc{b:02x}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(f: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        f(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_and_times() {
        assert_eq!(text(|o| number(o, 1.0)), "1.0");
        assert_eq!(text(|o| number(o, 1e21)), "1e21");
        assert_eq!(text(|o| number(o, 1.234e-7)), "1.234e-7");
        assert_eq!(text(|o| number(o, -0.0)), "-0.0");
        assert_eq!(
            text(|o| time(o, 1300475167.096535, Timestamps::Iso8601)),
            "\"2011-03-18T19:06:07.096535Z\""
        );
        assert_eq!(
            text(|o| time(o, -0.5, Timestamps::Iso8601)),
            "\"1969-12-31T23:59:59.500000Z\""
        );
    }

    #[test]
    fn strings() {
        let o = AsciiOptions::default();
        assert_eq!(text(|b| string(b, b"a\"\\\n\x01", &o)), "\"a\\\"\\\\\\n\\\\x01\"");
        assert_eq!(text(|b| string(b, "\u{e4}".as_bytes(), &o)), "\"\u{e4}\"");
        assert_eq!(text(|b| string(b, b"\xc3\xa4\xff", &o)), "\"\\\\xc3\\\\xa4\\\\xff\"");
    }
}
