//! Request lines, reply lines, URIs and header values (RFC 9110, 9112).

use crate::util::text::{hex, is_lws, is_space, istarts};

/// A version as major and minor digit.
pub type Version = (u8, u8);

/// What a request line says.
#[derive(Debug, PartialEq, Eq)]
pub struct RequestLine<'a> {
    pub method: &'a [u8],
    pub uri: &'a [u8],
    pub version: Version,
    pub weirds: Vec<&'static str>,
}

fn is_token(b: u8) -> bool {
    b > 0x20 && b < 0x7f && !b"()<>@,;:\\\"/[]?={}".contains(&b)
}

fn is_uri(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-_.!~*'();/?:@&=+$,#%".contains(&b)
}

fn skip(s: &[u8], mut i: usize) -> usize {
    while i < s.len() && is_space(s[i]) {
        i += 1;
    }
    i
}

fn version(s: &[u8]) -> Option<Version> {
    match s {
        [a, b'.', b, ..] if a.is_ascii_digit() && b.is_ascii_digit() => Some((a - b'0', b - b'0')),
        _ => None,
    }
}

/// Reads a request line; the error is the weird's name.
pub fn request_line(s: &[u8]) -> Result<RequestLine<'_>, &'static str> {
    let m = s.iter().take_while(|&&b| is_token(b)).count();
    let rest = skip(s, m);
    // A whole version after a blank: a request whose beginning is not to be read.
    if m == 0
        && s.windows(9)
            .any(|w| is_space(w[0]) && istarts(&w[1..], b"HTTP/") && version(&w[6..]).is_some())
    {
        return Err("bad_HTTP_request_with_version");
    }
    if m == 0 || rest == m {
        return Err("bad_HTTP_request");
    }
    let mut weirds = Vec::new();
    let mut uri_end = rest;
    while uri_end < s.len() && is_uri(s[uri_end]) {
        uri_end += 1;
    }
    if uri_end == s.len() && istarts(&s[rest..], b"HTTP/") {
        weirds.push("missing_HTTP_uri");
        uri_end = rest;
    }
    let mut v = uri_end;
    let mut found = None;
    while v < s.len() {
        uri_end = v;
        let at = skip(s, v);
        if istarts(&s[at..], b"HTTP/") {
            found = Some(at);
            break;
        }
        v = at + usize::from(at == v);
        if v >= s.len() {
            uri_end = s.len();
        }
    }
    let mut ver = (0, 9);
    if let Some(at) = found {
        if s[at..].starts_with(b"http/") || !s[at..].starts_with(b"HTTP/") {
            weirds.push("lowercase_HTTP_keyword");
        }
        match version(&s[at + 5..]) {
            Some(x) => {
                ver = x;
                if skip(s, at + 8) < s.len() {
                    weirds.push("crud after HTTP version is ignored");
                }
            }
            // Neither 0.9 nor anything else: the answer will tell.
            None => ver = (0, 0),
        }
    }
    Ok(RequestLine {
        method: &s[..m],
        uri: &s[rest..uri_end.max(rest)],
        version: ver,
        weirds,
    })
}

/// What a reply line says.
#[derive(Debug, PartialEq, Eq)]
pub struct ReplyLine<'a> {
    pub version: Version,
    pub code: u64,
    pub reason: &'a [u8],
    pub lower: bool,
}

/// What stands for the reason of a line that ends with the code.
const NO_REASON: &[u8] = b"<empty>";

/// Reads a reply line.
pub fn reply_line(s: &[u8]) -> Option<ReplyLine<'_>> {
    if !istarts(s, b"HTTP/") {
        return None;
    }
    let ver = version(&s[5..]).unwrap_or((0, 0));
    let mut i = 5;
    while i < s.len() && !is_space(s[i]) {
        i += 1;
    }
    i = skip(s, i);
    let code = s.get(i..i + 3)?;
    if !code.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = code.iter().fold(0, |n, b| n * 10 + (b - b'0') as u64);
    i += 3;
    // Nothing at all behind the code is not the same as a reason without letters.
    let reason = if i == s.len() { NO_REASON } else { &s[skip(s, i)..] };
    Some(ReplyLine {
        version: ver,
        code,
        reason,
        lower: !s.starts_with(b"HTTP/"),
    })
}

/// Undoes percent escapes; the list of anomalies comes with it.
pub fn unescape(s: &[u8]) -> (Vec<u8>, Vec<&'static str>) {
    let mut out = Vec::with_capacity(s.len());
    let mut w = Vec::new();
    let mut i = 0;
    while i < s.len() {
        let b = s[i];
        if b != b'%' {
            if !is_uri(b) && b > 0x20 && b < 0x7f && !b"<>\"{}|\\^[]`".contains(&b) {
                w.push("unescaped_special_URI_char");
            }
            out.push(b);
            i += 1;
            continue;
        }
        match (s.get(i + 1).copied(), s.get(i + 2).copied()) {
            (None, _) => {
                w.push("illegal_%_at_end_of_URI");
                out.push(b);
                i += 1;
            }
            (Some(b'%'), _) => {
                w.push("double_%_in_URI");
                out.push(b'%');
                i += 2;
            }
            (Some(a), Some(c)) if hex(a).is_some() && hex(c).is_some() => {
                out.push(hex(a).unwrap_or(0) << 4 | hex(c).unwrap_or(0));
                i += 3;
            }
            (Some(a), None) if hex(a).is_some() => {
                w.push("partial_escape_at_end_of_URI");
                out.push(b);
                i += 1;
            }
            (Some(b'u'), Some(_)) if s.len() >= i + 6 && s[i + 2..i + 6].iter().all(u8::is_ascii_hexdigit) => {
                out.extend_from_slice(&s[i..i + 6]);
                i += 6;
            }
            _ => {
                w.push("unescaped_%_in_URI");
                out.push(b);
                i += 1;
            }
        }
    }
    (out, w)
}

/// A `Content-Range` of bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct ContentRange {
    pub first: u64,
    pub last: u64,
    /// `None` for `*`.
    pub total: Option<u64>,
}

/// Reads the value after `bytes`; the error is the weird's name.
pub fn content_range(v: &[u8]) -> Result<Option<ContentRange>, &'static str> {
    if !istarts(v, b"bytes") {
        return Ok(None);
    }
    let s = &v[5..];
    let n = s.iter().take_while(|&&b| is_lws(b) || b == b'=').count();
    let s = &s[n..];
    let bad = "HTTP_content_range_cannot_parse";
    let dash = s.iter().position(|&b| b == b'-').ok_or(bad)?;
    let slash = s.iter().position(|&b| b == b'/').ok_or(bad)?;
    if slash < dash {
        return Err(bad);
    }
    let num = |t: &[u8]| -> Result<i64, &'static str> {
        let t = crate::util::text::trim(t);
        let (neg, d) = match t.first() {
            Some(b'-') => (true, &t[1..]),
            _ => (false, t),
        };
        let digits = d.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return Err(bad);
        }
        let n = d[..digits]
            .iter()
            .try_fold(0i64, |n, b| n.checked_mul(10)?.checked_add((b - b'0') as i64))
            .unwrap_or(i64::MAX);
        Ok(if neg { -n } else { n })
    };
    let first = num(&s[..dash])?;
    let last = num(&s[dash + 1..slash])?;
    let total = match crate::util::text::trim(&s[slash + 1..]) {
        b"*" => None,
        t => Some(num(t)?),
    };
    if first < 0 || last < 0 {
        return Err("HTTP_content_range_invalid");
    }
    if last < first {
        return Err("HTTP_non_positive_content_range");
    }
    if last.checked_sub(first).and_then(|d| d.checked_add(1)).is_none() {
        return Err("HTTP_content_range_overflow");
    }
    Ok(Some(ContentRange {
        first: first as u64,
        last: last as u64,
        total: total.filter(|t| *t > 0).map(|t| t as u64),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_lines() {
        let r = request_line(b"GET /a b HTTP/1.1").unwrap();
        assert_eq!((r.method, r.uri, r.version), (&b"GET"[..], &b"/a b"[..], (1, 1)));
        let r = request_line(b"GET HTTP/1.1").unwrap();
        assert_eq!((r.uri, r.weirds), (&b""[..], vec!["missing_HTTP_uri"]));
        let r = request_line(b"GET /x").unwrap();
        assert_eq!((r.uri, r.version), (&b"/x"[..], (0, 9)));
        assert_eq!(request_line(b"\x16\x03"), Err("bad_HTTP_request"));
        assert_eq!(request_line(b"  HTTP/1.1"), Err("bad_HTTP_request_with_version"));
        assert_eq!(request_line(b"\xc3 / HTTP/1."), Err("bad_HTTP_request"));
        assert_eq!(request_line(b"\xc3 /HTTP/1.1"), Err("bad_HTTP_request"));
        let r = request_line(b"CONNECT h:25 / HTTP/1.0").unwrap();
        assert_eq!(r.uri, b"h:25 /");
    }

    #[test]
    fn reply_lines() {
        let reason = |s: &'static [u8]| reply_line(s).map(|r| r.reason);
        assert_eq!(reason(b"HTTP/1.1 200 OK"), Some(&b"OK"[..]));
        assert_eq!(reason(b"HTTP/1.1 200"), Some(NO_REASON));
        assert_eq!(reason(b"HTTP/1.1 200 "), Some(&b""[..]));
        assert_eq!(reason(b"HTTP/1.1 2"), None);
    }

    #[test]
    fn escapes_and_ranges() {
        assert_eq!(unescape(b"/%41%2f").0, b"/A/");
        assert_eq!(unescape(b"/%").1, ["illegal_%_at_end_of_URI"]);
        let r = content_range(b"bytes 0-4/10").unwrap().unwrap();
        assert_eq!((r.first, r.last, r.total), (0, 4, Some(10)));
        assert_eq!(content_range(b"bytes 10-5/*"), Err("HTTP_non_positive_content_range"));
        assert_eq!(
            content_range(b"bytes foo-bar/baz"),
            Err("HTTP_content_range_cannot_parse")
        );
    }
}
