//! Numbers and intervals as text: the double rule of `print`, C's `%e`, `%f`, `%g`, JSON numbers, interval words.

use std::fmt::Write;

/// A double as `print` shows it.
pub fn double_text(d: f64) -> String {
    if d.is_nan() {
        return "nan".into();
    }
    if d.is_infinite() {
        return if d > 0.0 { "inf".into() } else { "-inf".into() };
    }
    if d == 0.0 {
        return "0.0".into();
    }
    let a = d.abs();
    if a > 2147483647.0 {
        return c_exponent(&format!("{d:e}"));
    }
    if a < 1e-6 {
        return format_g(d, 6, false);
    }
    let mut s = format!("{d:.6}");
    let end = s.trim_end_matches('0').len();
    s.truncate(end);
    if s.ends_with('.') {
        s.pop();
        if (d - d.round()).abs() < 1e-9 {
            s.push_str(".0");
        }
    }
    s
}

/// Turns Rust's exponent (`1.5e9`) into C's (`1.5e+09`).
fn c_exponent(s: &str) -> String {
    let Some((mantissa, exp)) = s.split_once('e') else {
        return s.into();
    };
    let (sign, digits) = match exp.strip_prefix('-') {
        Some(d) => ('-', d),
        None => ('+', exp),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

fn non_finite(d: f64) -> Option<String> {
    if d.is_nan() {
        Some(if d.is_sign_negative() { "-nan" } else { "nan" }.into())
    } else if d.is_infinite() {
        Some(if d > 0.0 { "inf" } else { "-inf" }.into())
    } else {
        None
    }
}

/// `%.*f`.
pub fn format_f(d: f64, precision: usize) -> String {
    non_finite(d).unwrap_or_else(|| format!("{d:.precision$}"))
}

/// `%.*e`.
pub fn format_e(d: f64, precision: usize) -> String {
    non_finite(d).unwrap_or_else(|| c_exponent(&format!("{d:.precision$e}")))
}

/// `%.*g`; `keep_zeros` is the `#` flag.
pub fn format_g(d: f64, precision: usize, keep_zeros: bool) -> String {
    if let Some(s) = non_finite(d) {
        return s;
    }
    let p = precision.max(1);
    if d == 0.0 {
        return if d.is_sign_negative() { "-0" } else { "0" }.into();
    }
    let e = format!("{d:.*e}", p - 1);
    let exp: i32 = e.split_once('e').and_then(|(_, x)| x.parse().ok()).unwrap_or(0);
    let strip = |s: &str| -> String {
        if keep_zeros || !s.contains('.') {
            return s.into();
        }
        s.trim_end_matches('0').trim_end_matches('.').into()
    };
    if exp < -4 || exp >= p as i32 {
        let (mantissa, x) = e.split_once('e').unwrap_or((&e, "0"));
        c_exponent(&format!("{}e{x}", strip(mantissa)))
    } else {
        strip(&format!("{d:.*}", (p as i32 - 1 - exp).max(0) as usize))
    }
}

/// A double as a JSON number: shortest digits that read back; `null` when JSON has no such number.
pub fn double_json(d: f64) -> String {
    if !d.is_finite() {
        return "null".into();
    }
    let a = d.abs();
    if d == 0.0 {
        return if d.is_sign_negative() { "-0.0" } else { "0.0" }.into();
    }
    if !(1e-6..1e21).contains(&a) {
        return format!("{d:e}");
    }
    let s = format!("{d}");
    if s.contains('.') { s } else { s + ".0" }
}

const UNITS: [(f64, &str); 6] = [
    (86400.0, "day"),
    (3600.0, "hr"),
    (60.0, "min"),
    (1.0, "sec"),
    (1e-3, "msec"),
    (1e-6, "usec"),
];

/// An interval in words: split greedily in floating point, the smallest unit keeps the rest.
pub fn interval_text(seconds: f64) -> String {
    let mut left = seconds;
    let mut out = String::new();
    for (i, (unit, word)) in UNITS.into_iter().enumerate() {
        let last = i + 1 == UNITS.len();
        let amount = if last {
            let n = left / unit;
            if n.abs() < 1e-6 {
                break;
            }
            n
        } else {
            if left.abs() < unit {
                continue;
            }
            let n = (left / unit).trunc();
            left -= n * unit;
            n
        };
        if !out.is_empty() {
            out.push(' ');
        }
        let plural = if (amount.abs() - 1.0).abs() < 1e-6 { "" } else { "s" };
        let _ = write!(out, "{} {word}{plural}", double_text(amount));
        if !left.is_finite() {
            break;
        }
    }
    if out.is_empty() {
        out.push_str("0 secs");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles() {
        for (d, want) in [
            (1.0, "1.0"),
            (1.0000001, "1"),
            (0.00000123456789, "0.000001"),
            (0.0000009, "9e-07"),
            (3e9, "3e+09"),
            (2147483647.5, "2.1474836475e+09"),
            (12345678901234.5, "1.23456789012345e+13"),
            (f64::MIN_POSITIVE, "2.22507e-308"),
            (-1.123456789, "-1.123457"),
            (100.0, "100.0"),
        ] {
            assert_eq!(double_text(d), want);
        }
        assert_eq!(format_g(90.5, 6, false), "90.5");
        assert_eq!(format_g(1e10, 6, false), "1e+10");
        assert_eq!(format_e(90.5, 6), "9.050000e+01");
        assert_eq!(double_json(1e21), "1e21");
        assert_eq!(double_json(1e-5), "0.00001");
        assert_eq!(double_json(1e16), "10000000000000000.0");
    }

    #[test]
    fn intervals() {
        for (d, want) in [
            (0.0, "0 secs"),
            (1.001, "1.0 sec 1000.0 usecs"),
            (59.999999, "59.0 secs 999.0 msecs 999 usecs"),
            (86400.0 + 1e-6, "1.0 day 0.999993 usecs"),
            (-61.0, "-1.0 min -1.0 sec"),
            (1e-9, "0.001 usecs"),
            (2.3, "2.0 secs 299.0 msecs 1000.0 usecs"),
            (0.001001, "1.0 msec 1.0 usec"),
            (
                123456789.123456,
                "1428.0 days 21.0 hrs 33.0 mins 9.0 secs 123.0 msecs 456.001282 usecs",
            ),
        ] {
            assert_eq!(interval_text(d), want);
        }
    }
}
