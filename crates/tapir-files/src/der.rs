//! A lenient cursor over DER (X.690): definite lengths, tags below 31, no demand for the shortest form.

/// One element.
#[derive(Clone, Copy, Debug)]
pub struct Tlv<'a> {
    pub tag: u8,
    pub body: &'a [u8],
    /// Tag, length and body.
    pub whole: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// A cursor over the body.
    pub fn inner(&self) -> Der<'a> {
        Der::new(self.body)
    }
}

/// Tags of universal types and of the constructed context-specific ones used here.
pub mod tag {
    pub const BOOLEAN: u8 = 0x01;
    pub const INTEGER: u8 = 0x02;
    pub const BIT_STRING: u8 = 0x03;
    pub const OCTET_STRING: u8 = 0x04;
    pub const NULL: u8 = 0x05;
    pub const OID: u8 = 0x06;
    pub const ENUMERATED: u8 = 0x0a;
    pub const UTF8: u8 = 0x0c;
    pub const UTC_TIME: u8 = 0x17;
    pub const GENERALIZED_TIME: u8 = 0x18;
    pub const SEQUENCE: u8 = 0x30;
    pub const SET: u8 = 0x31;
}

/// A position in DER data.
#[derive(Clone, Copy, Debug)]
pub struct Der<'a> {
    data: &'a [u8],
}

impl<'a> Der<'a> {
    /// A cursor at the start of `data`.
    pub fn new(data: &'a [u8]) -> Der<'a> {
        Der { data }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.data
    }

    /// The next element's tag.
    pub fn peek(&self) -> Option<u8> {
        self.data.first().copied()
    }

    /// The next element.
    #[allow(clippy::should_implement_trait)] // `None` is also how malformed data shows, which ends no iteration
    pub fn next(&mut self) -> Option<Tlv<'a>> {
        let tag = *self.data.first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let first = *self.data.get(1)?;
        let (len, header) = if first < 0x80 {
            (usize::from(first), 2)
        } else {
            let n = usize::from(first & 0x7f);
            if n == 0 || n > 4 {
                return None;
            }
            let len = self
                .data
                .get(2..2 + n)?
                .iter()
                .fold(0usize, |l, b| l << 8 | usize::from(*b));
            (len, 2 + n)
        };
        let end = header.checked_add(len)?;
        let whole = self.data.get(..end)?;
        self.data = &self.data[end..];
        Some(Tlv {
            tag,
            body: &whole[header..],
            whole,
        })
    }

    /// The body of the next element if it has the tag.
    pub fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.peek() != Some(tag) {
            return None;
        }
        self.next().map(|t| t.body)
    }

    /// A cursor over the body of the next element if it has the tag.
    pub fn enter(&mut self, tag: u8) -> Option<Der<'a>> {
        self.expect(tag).map(Der::new)
    }
}

/// The bits of a BIT STRING's body, without the count of unused ones.
pub fn bits(body: &[u8]) -> Option<&[u8]> {
    body.split_first().map(|(_, b)| b)
}

/// Whether a bit of a BIT STRING's body is set, counted from the first.
pub fn bit(body: &[u8], n: usize) -> bool {
    body.get(1 + n / 8).is_some_and(|b| b & (0x80 >> (n % 8)) != 0)
}

/// A small non-negative INTEGER.
pub fn small_int(body: &[u8]) -> Option<u64> {
    if body.is_empty() || body[0] & 0x80 != 0 {
        return None;
    }
    let digits = strip_zeros(body);
    (digits.len() <= 8).then(|| digits.iter().fold(0, |v, b| v << 8 | u64::from(*b)))
}

/// The bytes without leading zeros.
pub fn strip_zeros(b: &[u8]) -> &[u8] {
    &b[b.iter().take_while(|x| **x == 0).count()..]
}

/// An INTEGER as upper-case hexadecimal, two digits a byte, `-` in front of negative ones.
pub fn int_hex(body: &[u8]) -> String {
    if body.first().is_some_and(|b| b & 0x80 != 0) {
        // Two's complement.
        let mut magnitude: Vec<u8> = body.iter().map(|b| !b).collect();
        for b in magnitude.iter_mut().rev() {
            let (v, carry) = b.overflowing_add(1);
            *b = v;
            if !carry {
                break;
            }
        }
        return format!("-{}", crate::hash::hex_upper(strip_zeros(&magnitude)));
    }
    let digits = strip_zeros(body);
    if digits.is_empty() {
        "00".to_string()
    } else {
        crate::hash::hex_upper(digits)
    }
}

/// A non-negative INTEGER in decimal.
pub fn int_decimal(body: &[u8]) -> String {
    let mut digits: Vec<u8> = vec![0];
    for b in body {
        let mut carry = u32::from(*b);
        for d in digits.iter_mut() {
            carry += u32::from(*d) * 256;
            *d = (carry % 10) as u8;
            carry /= 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
    }
    digits.iter().rev().map(|d| char::from(b'0' + d)).collect()
}

/// An object identifier in dotted form.
pub fn oid(body: &[u8]) -> String {
    let mut out = String::new();
    let mut v: u64 = 0;
    let mut first = true;
    for b in body {
        v = v.saturating_mul(128).saturating_add(u64::from(b & 0x7f));
        if b & 0x80 != 0 {
            continue;
        }
        if first {
            let top = (v / 40).min(2);
            out = format!("{top}.{}", v - top * 40);
            first = false;
        } else {
            out.push('.');
            out.push_str(&v.to_string());
        }
        v = 0;
    }
    out
}

/// UTCTime or GeneralizedTime as seconds since the epoch, with its fraction.
pub fn time(tlv: &Tlv) -> Option<f64> {
    let mut s = tlv.body;
    let mut take = |n: usize| -> Option<i64> {
        let part = s.get(..n)?;
        s = &s[n..];
        part.iter()
            .try_fold(0i64, |v, b| b.is_ascii_digit().then(|| v * 10 + i64::from(b - b'0')))
    };
    let year = match tlv.tag {
        tag::UTC_TIME => {
            let y = take(2)?;
            if y < 50 { 2000 + y } else { 1900 + y }
        }
        tag::GENERALIZED_TIME => take(4)?,
        _ => return None,
    };
    let (month, day, hour, minute) = (take(2)?, take(2)?, take(2)?, take(2)?);
    let second = if s.first().is_some_and(u8::is_ascii_digit) {
        let v = s
            .get(..2)?
            .iter()
            .try_fold(0i64, |v, b| b.is_ascii_digit().then(|| v * 10 + i64::from(b - b'0')))?;
        s = &s[2..];
        v
    } else {
        0
    };
    let mut fraction = 0.0;
    if s.first() == Some(&b'.') {
        let n = s[1..].iter().take_while(|b| b.is_ascii_digit()).count();
        fraction = std::str::from_utf8(&s[..=n]).ok()?.parse().ok()?;
        s = &s[n + 1..];
    }
    let offset = match s.first() {
        Some(sign @ (b'+' | b'-')) => {
            let d = s.get(1..5)?;
            if !d.iter().all(u8::is_ascii_digit) {
                return None;
            }
            let v = |i: usize| i64::from(d[i] - b'0');
            let secs = (v(0) * 10 + v(1)) * 3600 + (v(2) * 10 + v(3)) * 60;
            if *sign == b'+' { secs } else { -secs }
        }
        _ => 0,
    };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
    Some(seconds as f64 + fraction)
}

/// Days since 1970-01-01 in the Gregorian calendar.
pub fn days_from_civil(y: i64, m: i64, d: i64) -> i64 {
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (m + if m > 2 { -3 } else { 9 }) + 2) / 5 + d - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

/// Year, month, day of a day number.
pub fn civil_from_days(z: i64) -> (i64, i64, i64) {
    let z = z + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let m = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(m <= 2), m, doy - (153 * mp + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_numbers_and_identifiers() {
        let t = |tag, s: &'static str| {
            time(&Tlv {
                tag,
                body: s.as_bytes(),
                whole: b"",
            })
        };
        assert_eq!(t(tag::UTC_TIME, "190919181653Z"), Some(1_568_917_013.0));
        assert_eq!(t(tag::UTC_TIME, "7001010000Z"), Some(0.0));
        assert_eq!(t(tag::GENERALIZED_TIME, "20380119031408.5+0000"), Some(2_147_483_648.5));
        assert_eq!(t(tag::UTC_TIME, "70010101"), None);
        assert_eq!(
            oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11]),
            "1.2.840.113549.1.1.11"
        );
        assert_eq!(oid(&[0x55, 0x1d, 0x13]), "2.5.29.19");
        assert_eq!(int_decimal(&[1, 0, 1]), "65537");
        assert_eq!(
            (int_hex(&[0, 0xff]), int_hex(&[0xff]), int_hex(&[0])),
            ("FF".into(), "-01".into(), "00".into())
        );
        assert_eq!(civil_from_days(days_from_civil(2016, 9, 26)), (2016, 9, 26));
    }

    #[test]
    fn truncated_elements_are_refused() {
        for data in [
            &b"\x30"[..],
            b"\x30\x05\x01",
            b"\x30\x80",
            b"\x30\x85\x01\x01\x01\x01\x01",
            b"\x1f\x01\x00",
        ] {
            assert!(Der::new(data).next().is_none(), "{data:?}");
        }
    }
}
