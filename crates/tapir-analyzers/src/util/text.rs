//! Small operations on byte strings.

/// Whether `a` equals `b` but for ASCII case.
#[inline]
pub fn ieq(a: &[u8], b: &[u8]) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Whether `s` begins with `p` but for ASCII case.
#[inline]
pub fn istarts(s: &[u8], p: &[u8]) -> bool {
    s.len() >= p.len() && s[..p.len()].eq_ignore_ascii_case(p)
}

/// Whether `p` occurs in `s` but for ASCII case.
pub fn icontains(s: &[u8], p: &[u8]) -> bool {
    s.len() >= p.len() && s.windows(p.len()).any(|w| w.eq_ignore_ascii_case(p))
}

/// The offset of `p` in `s`.
pub fn find(s: &[u8], p: &[u8]) -> Option<usize> {
    if p.is_empty() || s.len() < p.len() {
        return None;
    }
    s.windows(p.len()).position(|w| w == p)
}

/// Blank or tab.
#[inline]
pub fn is_lws(b: u8) -> bool {
    b == b' ' || b == b'\t'
}

/// White space in the C locale.
#[inline]
pub fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// `s` without leading blanks and tabs.
pub fn skip_lws(s: &[u8]) -> &[u8] {
    let n = s.iter().take_while(|&&b| is_lws(b)).count();
    &s[n..]
}

/// `s` without trailing blanks and tabs.
pub fn trim_end_lws(s: &[u8]) -> &[u8] {
    let n = s.iter().rev().take_while(|&&b| is_lws(b)).count();
    &s[..s.len() - n]
}

/// `s` without blanks and tabs at either end.
pub fn trim_lws(s: &[u8]) -> &[u8] {
    trim_end_lws(skip_lws(s))
}

/// `s` without white space at either end.
pub fn trim(s: &[u8]) -> &[u8] {
    s.trim_ascii()
}

/// Splits off the first word: the word and the rest behind the blanks after it.
pub fn word(s: &[u8]) -> (&[u8], &[u8]) {
    let s = skip_lws(s);
    let n = s.iter().take_while(|&&b| !is_space(b)).count();
    (&s[..n], skip_lws(&s[n..]))
}

/// Leading decimal digits as a number; `None` when there are none or they overflow.
pub fn digits(s: &[u8]) -> Option<(u64, usize)> {
    let n = s.iter().take_while(|b| b.is_ascii_digit()).count();
    if n == 0 {
        return None;
    }
    let mut v: u64 = 0;
    for b in &s[..n] {
        v = v.checked_mul(10)?.checked_add((b - b'0') as u64)?;
    }
    Some((v, n))
}

/// The value of a hexadecimal digit.
#[inline]
pub fn hex(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}

/// Lower-case hexadecimal text.
pub fn to_hex(s: &[u8]) -> String {
    const D: &[u8; 16] = b"0123456789abcdef";
    let mut o = String::with_capacity(s.len() * 2);
    for b in s {
        o.push(D[(b >> 4) as usize] as char);
        o.push(D[(b & 15) as usize] as char);
    }
    o
}

/// UTF-16LE as UTF-8, without a terminating zero; unpaired surrogates become the replacement character.
pub fn utf16le(s: &[u8]) -> String {
    let s = s.strip_suffix(&[0, 0]).filter(|s| s.len() % 2 == 0).unwrap_or(s);
    // An odd last byte counts as a unit of its own.
    let units = s
        .chunks(2)
        .map(|c| u16::from_le_bytes([c[0], c.get(1).copied().unwrap_or(0)]));
    char::decode_utf16(units)
        .map(|r| r.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// A time as the shortest decimal number with at most six digits after the point, as file handles contain it.
pub fn time(t: f64) -> String {
    let mut s = format!("{t:.6}");
    while s.ends_with('0') {
        s.pop();
    }
    if s.ends_with('.') {
        s.push('0');
    }
    s
}
