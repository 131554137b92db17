//! Cells as text: the value formats and escaping rules of tab-separated logs.

use std::io::Write as _;
use std::net::Ipv6Addr;

use crate::AsciiOptions;
use crate::row::{CellRef, RowReader};

/// Renders one row without line end. `None` when the batch is malformed.
pub fn row(out: &mut Vec<u8>, reader: &mut RowReader<'_>, n_columns: usize, o: &AsciiOptions) -> Option<()> {
    let start = out.len();
    for i in 0..n_columns {
        if i > 0 {
            match o.separator[..] {
                [one] => out.push(one),
                _ => out.extend_from_slice(&o.separator),
            }
        }
        let cell = reader.cell()?;
        match cell {
            CellRef::List(0) => out.extend_from_slice(&o.empty_field),
            CellRef::List(n) => {
                for k in 0..n {
                    if k > 0 {
                        out.extend_from_slice(&o.set_separator);
                    }
                    value(out, reader.cell()?, o, true);
                }
            }
            other => value(out, other, o, false),
        }
    }
    if !o.meta_prefix.is_empty() && out[start..].starts_with(&o.meta_prefix) {
        let first = out[start];
        out.splice(start..start + 1, hex(first));
    }
    Some(())
}

fn hex(b: u8) -> [u8; 4] {
    const D: &[u8; 16] = b"0123456789abcdef";
    [b'\\', b'x', D[(b >> 4) as usize], D[(b & 15) as usize]]
}

/// Renders one scalar cell; `in_container` adds the set separator to what is escaped.
pub fn value(out: &mut Vec<u8>, cell: CellRef<'_>, o: &AsciiOptions, in_container: bool) {
    match cell {
        CellRef::Unset => match o.unset_field[..] {
            [one] => out.push(one),
            _ => out.extend_from_slice(&o.unset_field),
        },
        CellRef::Str(b"") => out.extend_from_slice(&o.empty_field),
        CellRef::Str(s) => {
            if s == o.unset_field || s == o.empty_field {
                out.extend_from_slice(&hex(s[0]));
                escaped(out, &s[1..], o, in_container);
            } else {
                escaped(out, s, o, in_container);
            }
        }
        CellRef::Name(s) => escaped(out, s, o, in_container),
        other => scalar(out, other),
    }
}

/// Renders a cell that needs no escaping.
pub fn scalar(out: &mut Vec<u8>, cell: CellRef<'_>) {
    match cell {
        CellRef::Bool(b) => out.push(if b { b'T' } else { b'F' }),
        CellRef::Int(v) => out.extend_from_slice(itoa::Buffer::new().format(v).as_bytes()),
        CellRef::Count(v) => out.extend_from_slice(itoa::Buffer::new().format(v).as_bytes()),
        CellRef::Port(n, _) => out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes()),
        CellRef::Double(v) => double(out, v),
        CellRef::Time(v) | CellRef::Interval(v) => fixed6(out, v),
        CellRef::Addr(a) => addr(out, &a),
        CellRef::Subnet(a, width) => {
            addr(out, &a);
            out.push(b'/');
            out.extend_from_slice(itoa::Buffer::new().format(width).as_bytes());
        }
        CellRef::Str(s) | CellRef::Name(s) => out.extend_from_slice(s),
        CellRef::Unset | CellRef::List(_) => {}
    }
}

/// An address in standard text.
pub fn addr(out: &mut Vec<u8>, a: &[u8; 16]) {
    if a[..10] == [0; 10] && a[10..12] == [0xff, 0xff] {
        let (mut text, mut n) = ([b'.'; 16], 0);
        for b in &a[12..] {
            for (least, unit) in [(100, 100), (10, 10), (0, 1)] {
                if *b >= least {
                    text[n] = b'0' + b / unit % 10;
                    n += 1;
                }
            }
            // The array holds a point here already.
            n += 1;
        }
        out.extend_from_slice(&text[..n - 1]);
    } else {
        // Rust prints ::a.b.c.d forms of the deprecated v4-compatible range in hexadecimal groups, as wanted, and only
        // v4-mapped addresses as dotted quads, which were handled above.
        let _ = write!(out, "{}", Ipv6Addr::from(*a));
    }
}

/// A number with exactly six decimals, like C's `%.6f`.
pub fn fixed6(out: &mut Vec<u8>, v: f64) {
    let scaled = v * 1e6;
    let rounded = scaled.round();
    // Away from ties the rounding of the product cannot change the outcome; near them, let the exact formatter decide.
    if scaled.abs() < 9e15 && (scaled - rounded).abs() < 0.25 && (rounded != 0.0 || v == 0.0 && v.is_sign_positive()) {
        let whole = rounded.abs() as u64;
        if rounded < 0.0 {
            out.push(b'-');
        }
        out.extend_from_slice(itoa::Buffer::new().format(whole / 1_000_000).as_bytes());
        let mut frac = whole % 1_000_000;
        let mut digits = [b'0'; 7];
        digits[0] = b'.';
        for d in digits[1..].iter_mut().rev() {
            *d = b'0' + (frac % 10) as u8;
            frac /= 10;
        }
        out.extend_from_slice(&digits);
    } else if v.is_nan() {
        out.extend_from_slice(b"nan");
    } else if v.is_infinite() {
        out.extend_from_slice(if v > 0.0 { b"inf" } else { b"-inf" });
    } else {
        let _ = write!(out, "{v:.6}");
    }
}

/// A double: six decimals with trailing zeros stripped, `.0` kept for integral values, never an exponent.
pub fn double(out: &mut Vec<u8>, v: f64) {
    if !v.is_finite() {
        return fixed6(out, v);
    }
    // Only what is rounded to it keeps the sign of a negative zero.
    let v = if v == 0.0 { 0.0 } else { v };
    fixed6(out, v);
    while out.last() == Some(&b'0') {
        out.pop();
    }
    if out.last() == Some(&b'.') {
        if (v - v.round()).abs() < 1e-9 {
            out.push(b'0');
        } else {
            out.pop();
        }
    }
}

/// Whether a code point is written as escapes even in UTF-8 mode.
pub(crate) fn unsuitable(c: char) -> bool {
    let c = c as u32;
    c < 0x20
        || c == 0x7f
        || (0x80..=0x9f).contains(&c)
        || (0xe000..=0xf8ff).contains(&c)
        || (0xfff0..=0xffff).contains(&c)
}

fn plain(b: u8) -> bool {
    (0x20..0x7f).contains(&b) && b != b'\\'
}

/// Whether all bytes are plain and neither of two others.
#[inline]
fn all_plain(s: &[u8], a: u8, b: u8) -> bool {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = EACH << 7;
    // Eight bytes at once; the high bit of a byte that is zero comes out set, and perhaps ones above it.
    let zero = |x: u64| x.wrapping_sub(EACH) & !x;
    let is = |x: u64, byte: u8| zero(x ^ (EACH * u64::from(byte)));
    let odd = |bytes: &[u8; 8]| {
        let x = u64::from_le_bytes(*bytes);
        let below = x.wrapping_sub(EACH * 0x20) & !x;
        (x | below | is(x, 0x7f) | is(x, b'\\') | is(x, a) | is(x, b)) & HIGH != 0
    };
    let (words, rest) = s.as_chunks::<8>();
    match s.last_chunk::<8>() {
        // The last eight once more, instead of what is left one by one.
        Some(last) => !words.iter().any(odd) && (rest.is_empty() || !odd(last)),
        None => s.iter().all(|c| plain(*c) && *c != a && *c != b),
    }
}

/// Text with the escaping of tab-separated logs.
pub fn escaped(out: &mut Vec<u8>, s: &[u8], o: &AsciiOptions, in_container: bool) {
    let sep = &o.separator[..];
    let set_sep = if in_container { &o.set_separator[..] } else { &[] };
    let is_plain = match (sep, set_sep) {
        ([a], []) => all_plain(s, *a, *a),
        ([a], [b]) => all_plain(s, *a, *b),
        _ => s.iter().all(|b| plain(*b) && !sep.contains(b) && !set_sep.contains(b)),
    };
    if is_plain {
        out.extend_from_slice(s);
        return;
    }
    let mut chunk_start = 0;
    let mut i = 0;
    while i < s.len() {
        let rest = &s[i..];
        let cut = if s[i] == b'\\' {
            1
        } else if !sep.is_empty() && rest.starts_with(sep) {
            sep.len()
        } else if !set_sep.is_empty() && rest.starts_with(set_sep) {
            set_sep.len()
        } else {
            i += 1;
            continue;
        };
        chunk(out, &s[chunk_start..i], o);
        if s[i] == b'\\' {
            out.extend_from_slice(b"\\\\");
        } else {
            rest[..cut].iter().for_each(|b| out.extend_from_slice(&hex(*b)));
        }
        i += cut;
        chunk_start = i;
    }
    chunk(out, &s[chunk_start..], o);
}

fn chunk(out: &mut Vec<u8>, s: &[u8], o: &AsciiOptions) {
    if o.enable_utf_8 {
        if let Ok(text) = std::str::from_utf8(s) {
            if !text.chars().any(unsuitable) {
                out.extend_from_slice(s);
                return;
            }
        }
    }
    for &b in s {
        if (0x20..0x7f).contains(&b) {
            out.push(b);
        } else {
            out.extend_from_slice(&hex(b));
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
    fn doubles() {
        for (v, want) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e-7, "0"),
            (2.2e-308, "0.0"),
            (-2.2e-308, "-0.0"),
            (-0.0, "0.0"),
            (0.0, "0.0"),
            (1300475167.096535, "1300475167.096535"),
            (-1.5, "-1.5"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(text(|o| double(o, v)), want, "{v}");
        }
        assert_eq!(text(|o| double(o, 1.79e308)).len(), 311);
    }

    #[test]
    fn fixed_matches_the_exact_formatter() {
        for v in [
            0.0,
            1.0,
            1300475167.096535,
            0.0000005,
            0.0000015,
            123.4567895,
            -0.25,
            1e12,
            4e15,
        ] {
            assert_eq!(text(|o| fixed6(o, v)), format!("{v:.6}"), "{v}");
        }
    }

    #[test]
    fn bytes_that_are_not_plain_are_found_wherever_they_stand() {
        for len in 0..30 {
            let mut s = vec![b'~'; len];
            assert!(all_plain(&s, b'\t', b','));
            for at in 0..len {
                for byte in 0..=255 {
                    s[at] = byte;
                    let wanted = (0x20..0x7f).contains(&byte) && !b"\\,;".contains(&byte);
                    assert_eq!(all_plain(&s, b',', b';'), wanted, "{byte} at {at} of {len}");
                }
                s[at] = b' ';
            }
        }
    }

    #[test]
    fn addresses() {
        let v4 = |a: [u8; 4]| std::net::Ipv4Addr::from(a);
        for a in [[0, 9, 10, 99], [100, 109, 110, 199], [200, 255, 1, 0]] {
            assert_eq!(text(|o| addr(o, &v4(a).to_ipv6_mapped().octets())), v4(a).to_string());
        }
    }

    #[test]
    fn escapes() {
        let o = AsciiOptions::default();
        assert_eq!(text(|b| value(b, CellRef::Str(b"a\tb\\c"), &o, false)), "a\\x09b\\\\c");
        assert_eq!(text(|b| value(b, CellRef::Str(b"-"), &o, false)), "\\x2d");
        assert_eq!(text(|b| value(b, CellRef::Str(b"(empty)"), &o, false)), "\\x28empty)");
        assert_eq!(text(|b| value(b, CellRef::Str(b"a,b"), &o, true)), "a\\x2cb");
        assert_eq!(
            text(|b| value(b, CellRef::Str("\u{e4}".as_bytes()), &o, false)),
            "\u{e4}"
        );
        assert_eq!(
            text(|b| value(b, CellRef::Str(b"\xc3\xa4\xff"), &o, false)),
            "\\xc3\\xa4\\xff"
        );
    }
}
