//! MIME entities (RFC 2045, 2046, 5322): headers, nested parts, transfer encodings. Used for mail and HTTP bodies.
//!
//! The parser is fed lines and tells a [`MimeSink`] what it finds. Depth and header size are bounded.

use super::text::{ieq, is_lws, istarts, trim, trim_lws};

/// Where the parser reports to.
pub trait MimeSink {
    /// An entity begins; `depth` is 1 for the outermost.
    fn begin_entity(&mut self, depth: usize);
    /// One complete header.
    fn header(&mut self, depth: usize, name: &[u8], value: &[u8]);
    /// All headers of an entity were seen.
    fn all_headers(&mut self, depth: usize, headers: &[(Vec<u8>, Vec<u8>)], kind: &ContentType);
    /// Decoded bytes of a leaf.
    fn data(&mut self, depth: usize, data: &[u8]);
    /// An entity ends.
    fn end_entity(&mut self, depth: usize);
    /// An anomaly.
    fn weird(&mut self, name: &'static str, addl: &str);
    /// A limit that cuts off what follows.
    fn limit(&mut self, name: &'static str, addl: &str) {
        self.weird(name, addl);
    }
    /// A format problem, as a text.
    fn illegal(&mut self, detail: &str);
    /// A header line came without its end.
    fn unterminated_header(&mut self) {}
}

/// The declared content type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentType {
    pub main: Vec<u8>,
    pub sub: Vec<u8>,
    pub boundary: Vec<u8>,
}

impl ContentType {
    /// Parses a `Content-Type` value.
    pub fn parse(v: &[u8]) -> Option<ContentType> {
        let mut parts = v.splitn(2, |&b| b == b';');
        let ty = trim(parts.next()?);
        let slash = ty.iter().position(|&b| b == b'/')?;
        let mut out = ContentType {
            main: trim(&ty[..slash]).to_ascii_lowercase(),
            sub: trim(&ty[slash + 1..]).to_ascii_lowercase(),
            boundary: Vec::new(),
        };
        if let Some(n) = out.sub.iter().position(|&b| is_lws(b)) {
            out.sub.truncate(n);
        }
        if let Some(rest) = parts.next() {
            if let Some(b) = parameter(rest, b"boundary") {
                out.boundary = b;
            }
        }
        Some(out)
    }

    /// Whether the entity has parts.
    pub fn is_multipart(&self) -> bool {
        self.main == b"multipart" && !self.boundary.is_empty()
    }

    /// Whether the entity holds a message.
    pub fn is_message(&self) -> bool {
        self.main == b"message"
    }
}

/// The value of a `name=value` parameter in a list separated by semicolons; quotes are undone.
pub fn parameter(mut s: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    loop {
        s = trim(s);
        let eq = s.iter().position(|&b| b == b'=' || b == b';')?;
        if s[eq] == b';' {
            s = &s[eq + 1..];
            continue;
        }
        let key = trim(&s[..eq]);
        let mut rest = &s[eq + 1..];
        while rest.first().is_some_and(|&b| is_lws(b)) {
            rest = &rest[1..];
        }
        let mut val = Vec::new();
        if rest.first() == Some(&b'"') {
            let mut i = 1;
            while i < rest.len() && rest[i] != b'"' {
                if rest[i] == b'\\' && i + 1 < rest.len() {
                    i += 1;
                }
                val.push(rest[i]);
                i += 1;
            }
            rest = rest.get(i + 1..).unwrap_or(&[]);
        } else {
            let n = rest.iter().position(|&b| b == b';').unwrap_or(rest.len());
            val.extend_from_slice(trim(&rest[..n]));
            rest = &rest[n..];
        }
        if ieq(key, name) {
            return Some(val);
        }
        let semi = rest.iter().position(|&b| b == b';')?;
        s = &rest[semi + 1..];
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Identity,
    Quoted,
    Base64,
}

/// Incremental Base64 (RFC 2045, section 6.8); characters outside the alphabet are skipped.
#[derive(Debug, Default)]
pub struct Base64 {
    acc: u32,
    n: u8,
    done: bool,
}

impl Base64 {
    /// Appends what `s` decodes to; says whether a character was illegal.
    pub fn feed(&mut self, s: &[u8], out: &mut Vec<u8>) -> Option<u8> {
        let mut bad = None;
        for &b in s {
            let v = match b {
                b'A'..=b'Z' => b - b'A',
                b'a'..=b'z' => b - b'a' + 26,
                b'0'..=b'9' => b - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' => {
                    self.flush(out);
                    self.done = true;
                    continue;
                }
                b'\r' | b'\n' => continue,
                _ => {
                    bad.get_or_insert(b);
                    continue;
                }
            };
            if self.done {
                continue;
            }
            self.acc = self.acc << 6 | v as u32;
            self.n += 1;
            if self.n == 4 {
                out.extend_from_slice(&self.acc.to_be_bytes()[1..]);
                self.acc = 0;
                self.n = 0;
            }
        }
        bad
    }

    /// Appends the bytes of an unfinished group.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        match self.n {
            2 => out.push((self.acc >> 4) as u8),
            3 => out.extend_from_slice(&[(self.acc >> 10) as u8, (self.acc >> 2) as u8]),
            _ => {}
        }
        self.acc = 0;
        self.n = 0;
    }
}

/// Decodes a whole Base64 text leniently.
pub fn base64(s: &[u8]) -> Vec<u8> {
    let mut d = Base64::default();
    let mut out = Vec::with_capacity(s.len() * 3 / 4);
    d.feed(s, &mut out);
    d.flush(&mut out);
    out
}

struct Entity {
    in_header: bool,
    /// The header being collected, with folded lines appended.
    pending: Vec<u8>,
    has_pending: bool,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    header_bytes: usize,
    kind: ContentType,
    encoding: Encoding,
    b64: Base64,
    /// A line end that belongs to the delimiter if one follows.
    crlf_owed: bool,
    /// A child is open (multipart) or the entity's part list is over.
    over: bool,
}

impl Entity {
    fn new() -> Self {
        Entity {
            in_header: true,
            pending: Vec::new(),
            has_pending: false,
            headers: Vec::new(),
            header_bytes: 0,
            kind: ContentType::default(),
            encoding: Encoding::Identity,
            b64: Base64::default(),
            crlf_owed: false,
            over: false,
        }
    }
}

/// Parser limits and habits.
#[derive(Clone, Copy, Debug)]
pub struct MimeLimits {
    pub max_depth: usize,
    pub max_header_bytes: usize,
    /// Ask for headers as soon as they are complete even when nobody is sure that there are any (mail).
    pub first_line_may_be_body: bool,
}

/// The parser: a stack of open entities.
pub struct Mime {
    stack: Vec<Entity>,
    limits: MimeLimits,
    /// Depth of entities outside of this parser, for HTTP bodies.
    base: usize,
    /// The first entity on the stack belongs to the caller.
    outer: bool,
    told_depth: bool,
    finished: bool,
    buf: Vec<u8>,
}

impl Mime {
    /// A parser at the start of an entity's headers.
    pub fn new(limits: MimeLimits, sink: &mut dyn MimeSink) -> Self {
        let mut m = Mime {
            stack: Vec::new(),
            limits,
            base: 0,
            outer: false,
            told_depth: false,
            finished: false,
            buf: Vec::new(),
        };
        m.push(sink);
        m
    }

    /// A parser within an outer entity whose headers were parsed elsewhere.
    pub fn within(limits: MimeLimits, kind: ContentType, depth: usize, sink: &mut dyn MimeSink) -> Self {
        let message = kind.is_message();
        let mut e = Entity::new();
        e.in_header = false;
        e.kind = kind;
        let mut m = Mime {
            stack: vec![e],
            limits,
            base: depth.saturating_sub(1),
            outer: true,
            told_depth: false,
            finished: false,
            buf: Vec::new(),
        };
        if message {
            m.push(sink);
        }
        m
    }

    /// How many entities are open, with those outside of this parser.
    pub fn depth(&self) -> usize {
        self.base + self.stack.len()
    }

    /// Whether the body of a leaf without transfer encoding is being read.
    pub fn in_plain_leaf(&self) -> bool {
        self.stack.len() > usize::from(self.outer)
            && self.stack.last().is_some_and(|e| {
                !e.in_header && e.encoding == Encoding::Identity && !e.kind.is_multipart() && !e.kind.is_message()
            })
    }

    /// Bytes of the innermost leaf that are not read by lines.
    pub fn plain(&mut self, sink: &mut dyn MimeSink, data: &[u8]) {
        let depth = self.depth();
        if self.in_plain_leaf() {
            sink.data(depth, data);
        }
    }

    /// The innermost leaf is over before a delimiter says so.
    pub fn end_leaf(&mut self, sink: &mut dyn MimeSink) {
        if self.stack.len() > usize::from(self.outer) {
            self.pop(sink);
        }
    }

    /// Whether the closing delimiter of the outermost entity was seen.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    fn push(&mut self, sink: &mut dyn MimeSink) {
        if self.depth() > self.limits.max_depth {
            if !self.told_depth {
                self.told_depth = true;
                sink.limit("exceeded_mime_max_depth", &self.limits.max_depth.to_string());
            }
            return;
        }
        self.stack.push(Entity::new());
        sink.begin_entity(self.depth());
    }

    /// Whether headers of the innermost entity are being read.
    pub fn in_header(&self) -> bool {
        self.stack.last().is_some_and(|e| e.in_header)
    }

    /// One line without its terminator; `crlf` says whether it had one.
    pub fn line(&mut self, sink: &mut dyn MimeSink, line: &[u8], crlf: bool) {
        if self.finished {
            return;
        }
        if line.starts_with(b"--") {
            if let Some((at, last)) = self.delimiter(line) {
                while self.stack.len() > at + 1 {
                    self.pop(sink);
                }
                if last {
                    self.stack[at].over = true;
                    if at > 0 || !self.outer {
                        // The multipart entity itself ends where its parts do.
                        self.pop(sink);
                        if self.stack.is_empty() {
                            self.finished = true;
                        }
                    } else {
                        self.finished = true;
                    }
                } else {
                    self.push(sink);
                }
                return;
            }
        }
        if self.in_header() {
            if !crlf {
                sink.unterminated_header();
            }
            self.header_line(sink, line);
        } else {
            self.body_line(sink, line, crlf);
        }
    }

    /// The entity whose delimiter a line is, and whether it is the closing one.
    fn delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        let s = trim_lws(&line[2..]);
        for (i, e) in self.stack.iter().enumerate().rev() {
            if e.kind.is_multipart() && !e.over && !e.in_header {
                let b = &e.kind.boundary[..];
                if s == b {
                    return Some((i, false));
                }
                if s.len() == b.len() + 2 && s.starts_with(b) && s.ends_with(b"--") {
                    return Some((i, true));
                }
            }
        }
        None
    }

    fn header_line(&mut self, sink: &mut dyn MimeSink, line: &[u8]) {
        if ends_headers(line) {
            self.flush_header(sink);
            self.headers_done(sink);
            return;
        }
        let max = self.limits.max_header_bytes;
        let Some(e) = self.stack.last_mut() else { return };
        if is_lws(line[0]) && e.has_pending {
            if e.header_bytes + line.len() <= max {
                e.header_bytes += line.len();
                e.pending.extend_from_slice(line);
            }
            return;
        }
        self.flush_header(sink);
        let Some(e) = self.stack.last_mut() else { return };
        if e.header_bytes + line.len() > max {
            return;
        }
        e.header_bytes += line.len();
        e.pending.extend_from_slice(line);
        e.has_pending = true;
    }

    fn flush_header(&mut self, sink: &mut dyn MimeSink) {
        let depth = self.depth();
        let Some(e) = self.stack.last_mut() else { return };
        if !e.has_pending {
            return;
        }
        e.has_pending = false;
        let h = std::mem::take(&mut e.pending);
        let Some((name, value)) = split_header(&h) else {
            sink.illegal("header field name not found");
            return;
        };
        if ieq(name, b"content-type") {
            match ContentType::parse(value) {
                Some(k) => e.kind = k,
                None => sink.illegal("content type not found"),
            }
        } else if ieq(name, b"content-transfer-encoding") {
            e.encoding = if istarts(value, b"base64") {
                Encoding::Base64
            } else if istarts(value, b"quoted-printable") {
                Encoding::Quoted
            } else {
                Encoding::Identity
            };
        }
        sink.header(depth, name, value);
        e.headers.push((name.to_vec(), value.to_vec()));
    }

    fn headers_done(&mut self, sink: &mut dyn MimeSink) {
        let depth = self.depth();
        let Some(e) = self.stack.last_mut() else { return };
        e.in_header = false;
        let headers = std::mem::take(&mut e.headers);
        let kind = e.kind.clone();
        sink.all_headers(depth, &headers, &kind);
        if kind.is_message() {
            self.push(sink);
        }
    }

    fn body_line(&mut self, sink: &mut dyn MimeSink, line: &[u8], crlf: bool) {
        let depth = self.depth();
        // Between the parts of a multipart entity the last line end belongs to the delimiter.
        let delimited = self.stack.iter().rev().nth(1).is_some_and(|p| p.kind.is_multipart());
        let Some(e) = self.stack.last_mut() else { return };
        if e.kind.is_multipart() || e.kind.is_message() {
            // Preamble, epilogue, or what is nested too deeply.
            return;
        }
        self.buf.clear();
        if std::mem::take(&mut e.crlf_owed) {
            self.buf.extend_from_slice(b"\r\n");
        }
        match e.encoding {
            Encoding::Identity => {
                self.buf.extend_from_slice(line);
                e.crlf_owed = crlf && delimited;
                if crlf && !delimited {
                    self.buf.extend_from_slice(b"\r\n");
                }
            }
            Encoding::Base64 => {
                if let Some(bad) = e.b64.feed(trim(line), &mut self.buf) {
                    let text = format!("character {bad} ignored by Base64 decoding");
                    sink.weird("base64_illegal_encoding", &text);
                }
            }
            Encoding::Quoted => {
                // As recorded: here the line end before a delimiter is part of the data.
                let soft = quoted_line(line, &mut self.buf);
                if crlf && !soft {
                    self.buf.extend_from_slice(b"\r\n");
                }
            }
        }
        if !self.buf.is_empty() {
            let buf = std::mem::take(&mut self.buf);
            sink.data(depth, &buf);
            self.buf = buf;
        }
    }

    fn pop(&mut self, sink: &mut dyn MimeSink) {
        let depth = self.depth();
        if self.in_header() {
            self.flush_header(sink);
            if let Some(e) = self.stack.last_mut() {
                e.in_header = false;
                let headers = std::mem::take(&mut e.headers);
                let kind = e.kind.clone();
                sink.all_headers(depth, &headers, &kind);
            }
        }
        let Some(mut e) = self.stack.pop() else { return };
        if e.encoding == Encoding::Base64 {
            let mut rest = Vec::new();
            e.b64.flush(&mut rest);
            if !rest.is_empty() {
                sink.data(depth, &rest);
            }
        }
        sink.end_entity(depth);
    }

    /// Ends all open entities; a final line end of a leaf that no delimiter took belongs to the data when `keep`.
    pub fn finish(&mut self, sink: &mut dyn MimeSink, keep: bool) {
        if keep {
            let depth = self.depth();
            if let Some(e) = self.stack.last_mut() {
                if std::mem::take(&mut e.crlf_owed) {
                    sink.data(depth, b"\r\n");
                }
            }
        }
        let floor = usize::from(self.outer);
        while self.stack.len() > floor {
            self.pop(sink);
        }
        self.finished = true;
    }
}

/// Whether a line ends a header section: an empty one does, and one that begins with NUL.
pub fn ends_headers(line: &[u8]) -> bool {
    line.first().is_none_or(|&b| b == 0)
}

/// Splits `name: value`. A name is visible ASCII (RFC 5322, section 2.2); blanks at the end of the value stay.
pub fn split_header(h: &[u8]) -> Option<(&[u8], &[u8])> {
    let h = super::text::skip_lws(h);
    let n = h.iter().take_while(|&&b| (33..127).contains(&b) && b != b':').count();
    let rest = super::text::skip_lws(&h[n..]).strip_prefix(b":")?;
    (n > 0).then(|| (&h[..n], super::text::skip_lws(rest)))
}

/// Decodes a quoted-printable line; says whether it ends in a soft line break. Blanks at the end are kept unless they
/// follow the sign of the break.
fn quoted_line(line: &[u8], out: &mut Vec<u8>) -> bool {
    let mut i = 0;
    while i < line.len() {
        if line[i] == b'=' {
            if super::text::skip_lws(&line[i + 1..]).is_empty() {
                return true;
            }
            if let (Some(a), Some(b)) = (
                line.get(i + 1).copied().and_then(super::text::hex),
                line.get(i + 2).copied().and_then(super::text::hex),
            ) {
                out.push(a << 4 | b);
                i += 3;
                continue;
            }
        }
        out.push(line[i]);
        i += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Log(Vec<String>);

    impl MimeSink for Log {
        fn begin_entity(&mut self, d: usize) {
            self.0.push(format!("begin {d}"));
        }
        fn header(&mut self, _d: usize, n: &[u8], v: &[u8]) {
            self.0.push(format!("{}={}", n.escape_ascii(), v.escape_ascii()));
        }
        fn all_headers(&mut self, _d: usize, h: &[(Vec<u8>, Vec<u8>)], _k: &ContentType) {
            self.0.push(format!("all {}", h.len()));
        }
        fn data(&mut self, _d: usize, data: &[u8]) {
            self.0.push(format!("'{}'", data.escape_ascii()));
        }
        fn end_entity(&mut self, d: usize) {
            self.0.push(format!("end {d}"));
        }
        fn weird(&mut self, n: &'static str, _a: &str) {
            self.0.push(format!("!{n}"));
        }
        fn illegal(&mut self, d: &str) {
            self.0.push(format!("?{d}"));
        }
    }

    #[test]
    fn parts_and_encodings() {
        let mut log = Log::default();
        let lim = MimeLimits {
            max_depth: 10,
            max_header_bytes: 1000,
            first_line_may_be_body: false,
        };
        let mut m = Mime::new(lim, &mut log);
        for l in [
            "Content-Type: multipart/mixed;",
            " boundary=\"b b\"",
            "",
            "pre",
            "--b b",
            "A: x",
            "",
            "one",
            "two",
            "--b b",
            "Content-Transfer-Encoding: base64",
            "",
            "aGVs",
            "bG8=",
            "--b b--",
            "post",
        ] {
            m.line(&mut log, l.as_bytes(), true);
        }
        m.finish(&mut log, false);
        assert_eq!(
            log.0,
            [
                "begin 1",
                "Content-Type=multipart/mixed; boundary=\\\"b b\\\"",
                "all 1",
                "begin 2",
                "A=x",
                "all 1",
                "'one'",
                "'\\r\\ntwo'",
                "end 2",
                "begin 2",
                "Content-Transfer-Encoding=base64",
                "all 1",
                "'hel'",
                "'lo'",
                "end 2",
                "end 1"
            ]
        );
    }

    #[test]
    fn headers() {
        assert_eq!(split_header(b"A-b : c d "), Some((&b"A-b"[..], &b"c d "[..])));
        assert_eq!(split_header(b"A\x01: c"), None);
        assert_eq!(split_header(b"A b: c"), None);
        assert_eq!(split_header(b": c"), None);
        assert!(ends_headers(b"\0x") && ends_headers(b"") && !ends_headers(b"x"));
    }

    #[test]
    fn quoted_printable() {
        let mut out = vec![];
        assert!(quoted_line(b"a=3Db=", &mut out));
        assert_eq!(out, b"a=b");
        out.clear();
        assert!(!quoted_line(b"a ", &mut out) && quoted_line(b"b= ", &mut out));
        assert_eq!(out, b"a b");
    }
}
