//! One HTTP message: its headers, how its body is delimited, and where the body's bytes go.

use std::rc::Rc;

use tapir_data::value::Value;
use tapir_interface::{records, types};

use super::wire::{self, ContentRange};
use crate::core::{Cx, PatKind};
use crate::util::inflate::Inflate;
use crate::util::lines::{Eol, Lines, Piece};
use crate::util::mime::{ContentType, Mime, MimeLimits, MimeSink, split_header};
use crate::util::text::{icontains, ieq, is_lws, istarts, trim, trim_lws};
use crate::{raise, wants};

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    None,
    Length(u64),
    Chunked(Chunk),
    UntilClose,
}

/// Where in the chunked coding (RFC 9112, section 7.1) the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    Size,
    Data(u64),
    DataEnd,
    Trailer,
}

/// What a reply's request implies for its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    Maybe,
    Yes,
    No,
}

/// Parts of a multipart or message body.
struct Parts {
    mime: Mime,
    lines: Lines,
    state: PartState,
}

/// What is known of the open parts.
#[derive(Default)]
struct PartState {
    files: Vec<PartFile>,
}

/// The file that a part holds.
#[derive(Default)]
struct PartFile {
    id: Option<Rc<str>>,
    /// Where the next bytes belong, if the part says so.
    offset: Option<u64>,
    /// The whole file's size, until it was told.
    total: Option<u64>,
}

/// A message while it arrives.
pub(crate) struct Message {
    pub start: f64,
    pub is_orig: bool,
    pub header_length: u64,
    pub body_length: u64,
    pub gap_length: u64,
    pub in_header: bool,
    pub body: Body,
    pub skip: bool,
    pub connection_close: bool,
    pub keep_alive: bool,
    pub upgrade: Vec<u8>,
    pending: Vec<u8>,
    has_pending: bool,
    headers: Vec<(Rc<[u8]>, Rc<[u8]>)>,
    header_bytes: usize,
    content_length: Option<u64>,
    chunked: bool,
    expect_continue: bool,
    range: Option<ContentRange>,
    inflate: Option<Inflate>,
    kind: ContentType,
    file: Option<Rc<str>>,
    offset: Option<u64>,
    sized: bool,
    parts: Option<Box<Parts>>,
    buffer: Vec<u8>,
    reply_code: u64,
    body_begun: bool,
}

impl Message {
    /// A message whose first line was read.
    pub fn new(is_orig: bool, start: f64, first_line: usize, reply_code: u64) -> Self {
        Message {
            start,
            is_orig,
            header_length: first_line as u64,
            body_length: 0,
            gap_length: 0,
            in_header: true,
            body: Body::None,
            skip: false,
            connection_close: false,
            keep_alive: false,
            upgrade: Vec::new(),
            pending: Vec::new(),
            has_pending: false,
            headers: Vec::new(),
            header_bytes: 0,
            content_length: None,
            chunked: false,
            expect_continue: false,
            range: None,
            inflate: None,
            kind: ContentType::default(),
            file: None,
            offset: None,
            sized: false,
            parts: None,
            buffer: Vec::new(),
            reply_code,
            body_begun: false,
        }
    }

    /// A line of the header section or trailer; true when the section is over.
    pub fn header_line(&mut self, cx: &mut Cx, line: &[u8]) -> bool {
        self.header_length += line.len() as u64;
        if line.is_empty() {
            self.flush_header(cx);
            return true;
        }
        if is_lws(line[0]) && self.has_pending {
            if self.header_bytes + line.len() <= cx.sh.opts.mime_max_header_bytes as usize {
                self.header_bytes += line.len();
                if let Some((name, _)) = split_header(&self.pending) {
                    let name = String::from_utf8_lossy(name).into_owned();
                    cx.weird("HTTP_obsolete_line_folding", &name);
                }
                self.pending.extend_from_slice(line);
            }
            return false;
        }
        self.flush_header(cx);
        if self.header_bytes + line.len() <= cx.sh.opts.mime_max_header_bytes as usize {
            self.header_bytes += line.len();
            self.pending.extend_from_slice(line);
            self.has_pending = true;
        }
        false
    }

    fn flush_header(&mut self, cx: &mut Cx) {
        if !self.has_pending {
            return;
        }
        self.has_pending = false;
        let h = std::mem::take(&mut self.pending);
        let Some((name, value)) = split_header(&h) else {
            http_event(cx, "illegal format", "header field name not found");
            return;
        };
        self.note_header(cx, name, value);
        raise_header(cx, self.is_orig, name, value);
        if wants!(cx, http_all_headers) {
            self.headers.push((name.into(), value.into()));
        }
        let mut h = h;
        h.clear();
        self.pending = h;
    }

    fn note_header(&mut self, cx: &mut Cx, name: &[u8], value: &[u8]) {
        if matches!(self.body, Body::Chunked(Chunk::Trailer)) {
            return;
        }
        if ieq(name, b"content-length") {
            self.note_length(cx, value);
        } else if ieq(name, b"transfer-encoding") {
            let v = trim_lws(value);
            if istarts(v, b"chunked") {
                self.chunked = true;
                if v.len() > 7 {
                    let rest = String::from_utf8_lossy(&v[7..]).into_owned();
                    cx.weird("HTTP_chunked_multi", &rest);
                }
            } else if icontains(v, b"chunked") {
                self.chunked = true;
            }
        } else if ieq(name, b"content-encoding") {
            if ieq(value, b"gzip") || ieq(value, b"x-gzip") || ieq(value, b"deflate") {
                self.inflate = Some(Inflate::default());
            }
        } else if ieq(name, b"content-type") {
            match ContentType::parse(value) {
                Some(k) => self.kind = k,
                None => http_event(cx, "illegal format", "content type not found"),
            }
        } else if ieq(name, b"content-range") {
            match wire::content_range(value) {
                Ok(Some(r)) => self.range = Some(r),
                Ok(None) => {}
                Err(w) => {
                    let v = crate::util::text::trim(value);
                    let v = if istarts(v, b"bytes") { trim(&v[5..]) } else { v };
                    let v = String::from_utf8_lossy(v).into_owned();
                    cx.weird(w, &v);
                }
            }
        } else if ieq(name, b"connection") || ieq(name, b"proxy-connection") {
            if icontains(value, b"close") {
                self.connection_close = true;
            } else if icontains(value, b"keep-alive") {
                self.keep_alive = true;
            }
        } else if ieq(name, b"expect") {
            self.expect_continue |= istarts(value, b"100-continue");
        } else if ieq(name, b"upgrade") {
            self.upgrade = value.to_vec();
        }
    }

    fn note_length(&mut self, cx: &mut Cx, value: &[u8]) {
        let text = String::from_utf8_lossy(value).into_owned();
        let v = trim(value);
        if v.is_empty() || !v.iter().all(u8::is_ascii_digit) {
            let digits = v.iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 || v[0] == b'-' {
                cx.weird("HTTP_bad_content_length", &text);
                return;
            }
        }
        if v.len() > 1 && v[0] == b'0' {
            cx.weird("HTTP_content_length_leading_zeros", &text);
        }
        let n = v
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .try_fold(0u64, |n, b| n.checked_mul(10)?.checked_add((b - b'0') as u64));
        match n {
            Some(n) if n <= i64::MAX as u64 => self.content_length = Some(n),
            _ => cx.weird("HTTP_bad_content_length", &text),
        }
    }

    /// The header section is over: the body begins. False when there is none.
    pub fn begin_body(&mut self, cx: &mut Cx, expect: Expect) -> bool {
        self.in_header = false;
        self.raise_all_headers(cx);
        if !self.kind.main.is_empty() && wants!(cx, http_content_type) {
            let (a, b) = (self.kind.main.to_ascii_uppercase(), self.kind.sub.to_ascii_uppercase());
            raise!(cx, http_content_type, self.is_orig, a, b);
        }
        if self.expect_continue && self.content_length == Some(0) {
            cx.weird("HTTP_content_length_0_and_expect_100_cont", "");
        }
        if self.chunked && self.content_length.is_some() {
            cx.weird("HTTP_content_length_and_chunked", "");
        }
        if expect == Expect::No {
            return false;
        }
        self.body = if self.chunked {
            Body::Chunked(Chunk::Size)
        } else if let Some(n) = self.content_length {
            if n == 0 {
                return false;
            }
            if let Some(r) = &self.range {
                if r.last - r.first + 1 != n {
                    cx.weird("HTTP_range_not_matching_len", "");
                }
            }
            Body::Length(n)
        } else if expect == Expect::Yes {
            Body::UntilClose
        } else {
            return false;
        };
        if let Some(r) = &self.range {
            self.offset = Some(r.first);
        }
        if self.kind.is_multipart() || self.kind.is_message() {
            let limits = MimeLimits {
                max_depth: cx.sh.opts.mime_max_depth as usize,
                max_header_bytes: cx.sh.opts.mime_max_header_bytes as usize,
                first_line_may_be_body: false,
            };
            let mut state = PartState::default();
            let mut sink = PartSink {
                cx,
                is_orig: self.is_orig,
                code: self.reply_code,
                state: &mut state,
                skip: self.skip,
            };
            let mime = Mime::within(limits, self.kind.clone(), 1, &mut sink);
            self.parts = Some(Box::new(Parts {
                mime,
                // Only CR LF ends a line here: parts may be binary.
                lines: Lines::new(Eol { cr: false, lf: false }).quiet(),
                state,
            }));
        }
        true
    }

    fn raise_all_headers(&mut self, cx: &mut Cx) {
        if !wants!(cx, http_all_headers) {
            return;
        }
        let t = cx.q.bindings().table(types::MIME_HEADER_LIST);
        for (i, (n, v)) in std::mem::take(&mut self.headers).into_iter().enumerate() {
            let rec = records::MimeHeaderRec {
                original_name: n.clone(),
                name: n.to_ascii_uppercase().into(),
                value: v,
            }
            .build(cx.q.bindings());
            t.insert(&[Value::Count(i as u64 + 1)], rec, cx.sh.now);
        }
        raise!(cx, http_all_headers, self.is_orig, Value::Table(t));
    }

    /// Bytes of the body, with the transfer coding undone.
    pub fn body_data(&mut self, cx: &mut Cx, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        if self.inflate.is_some() {
            let mut out = Vec::new();
            let mut failed = false;
            if let Some(z) = self.inflate.as_mut() {
                let was = z.failed;
                // Chunks are handed on after the decompressor is done with this piece; its output is bounded below.
                z.feed(data, |d| out.push(d.to_vec()));
                failed = z.failed && !was;
            }
            for d in out {
                self.decoded(cx, &d);
            }
            if failed {
                cx.weird_from("inflate_failed", "", "ZIP");
            }
        } else {
            self.decoded(cx, data);
        }
    }

    fn decoded(&mut self, cx: &mut Cx, data: &[u8]) {
        let first = !self.body_begun;
        self.body_begun = true;
        self.body_length += data.len() as u64;
        let kind = if self.is_orig {
            PatKind::HttpRequestBody
        } else {
            PatKind::HttpReplyBody
        };
        cx.match_text(kind, self.is_orig, data, first, false);
        if let Some(mut p) = self.parts.take() {
            let mut sink = PartSink {
                cx,
                is_orig: self.is_orig,
                code: self.reply_code,
                state: &mut p.state,
                skip: self.skip,
            };
            let mut at = 0;
            while let Some(piece) = p.lines.next(data, &mut at) {
                match piece {
                    Piece::Line(l) => p.mime.line(&mut sink, &l, true),
                    Piece::Plain(..) => {}
                    Piece::Weird(w) => sink.cx.weird_from(w, "", "CONTENTLINE"),
                }
            }
            self.parts = Some(p);
            return;
        }
        if self.skip {
            return;
        }
        self.entity_data(cx, data);
        if !self.sized {
            self.sized = true;
            let size = match &self.range {
                Some(r) => r.total,
                None if self.inflate.is_none() => self.content_length.filter(|_| !self.chunked),
                None => None,
            };
            if let Some(n) = size {
                let id = cx.file_size(self.is_orig, n, self.file.as_ref());
                self.file = id;
            }
        }
        self.file = cx.file_data(self.is_orig, data, self.offset, self.file.as_ref(), None);
        if let Some(o) = self.offset.as_mut() {
            *o += data.len() as u64;
        }
    }

    fn entity_data(&mut self, cx: &mut Cx, mut data: &[u8]) {
        if !wants!(cx, http_entity_data) {
            return;
        }
        let size = (cx.sh.opts.http_entity_data_delivery_size as usize).max(1);
        while !data.is_empty() {
            let n = (size - self.buffer.len().min(size)).min(data.len());
            self.buffer.extend_from_slice(&data[..n]);
            data = &data[n..];
            if self.buffer.len() >= size {
                self.flush_entity_data(cx);
            }
        }
    }

    fn flush_entity_data(&mut self, cx: &mut Cx) {
        if !self.buffer.is_empty() {
            let b = std::mem::take(&mut self.buffer);
            raise!(cx, http_entity_data, self.is_orig, b.len() as u64, b);
        }
    }

    /// `len` bytes are missing; true when they fall into the body as far as it is known.
    pub fn gap(&mut self, cx: &mut Cx, len: u64) -> bool {
        if self.in_header {
            return false;
        }
        let fits = match &mut self.body {
            Body::Length(n) | Body::Chunked(Chunk::Data(n)) if *n >= len => {
                *n -= len;
                true
            }
            _ => false,
        };
        if let Some(mut p) = self.parts.take() {
            let rest = p.lines.flush();
            let mut sink = PartSink {
                cx: &mut *cx,
                is_orig: self.is_orig,
                code: self.reply_code,
                state: &mut p.state,
                skip: self.skip,
            };
            if let Some(l) = rest {
                p.mime.line(&mut sink, &l, false);
            }
            if let Some(part) = p.state.files.last_mut()
                && let Some(at) = part.offset.as_mut()
                && !self.skip
            {
                part.id = cx.file_gap(self.is_orig, *at, len, part.id.as_ref());
                *at += len;
            }
            self.parts = Some(p);
        } else if !matches!(self.body, Body::None) && !self.skip {
            let at = self.offset.unwrap_or(self.body_length);
            self.file = cx.file_gap(self.is_orig, at, len, self.file.as_ref());
            if let Some(o) = self.offset.as_mut() {
                *o += len;
            }
        }
        if fits {
            self.body_length += len;
            self.gap_length += len;
            if self.body == Body::Chunked(Chunk::Data(0)) {
                self.body = Body::Chunked(Chunk::DataEnd);
            }
        }
        fits
    }

    /// The message is over: the entity ends, then the message.
    pub fn finish(&mut self, cx: &mut Cx, interrupted: bool, why: &str) {
        let is_orig = self.is_orig;
        if self.in_header {
            self.flush_header(cx);
            self.raise_all_headers(cx);
        }
        if let Some(mut p) = self.parts.take() {
            // A line without its end is not part of anything.
            let mut sink = PartSink {
                cx,
                is_orig,
                code: self.reply_code,
                state: &mut p.state,
                skip: self.skip,
            };
            p.mime.finish(&mut sink, false);
        }
        self.flush_entity_data(cx);
        if self.body_begun {
            let kind = if is_orig {
                PatKind::HttpRequestBody
            } else {
                PatKind::HttpReplyBody
            };
            cx.match_text(kind, is_orig, b"", false, true);
        }
        raise!(cx, http_end_entity, is_orig);
        if is_orig || self.reply_code != 206 {
            cx.file_end(is_orig, self.file.as_ref());
        }
        if wants!(cx, http_message_done) {
            let stat = records::HttpMessageStat {
                start: self.start,
                interrupted,
                finish_msg: why.as_bytes().into(),
                body_length: self.body_length,
                content_gap_length: self.gap_length,
                header_length: self.header_length,
            }
            .build(cx.q.bindings());
            raise!(cx, http_message_done, is_orig, stat);
        }
    }
}

/// Raises `http_header` and matches it against signatures.
fn raise_header(cx: &mut Cx, is_orig: bool, name: &[u8], value: &[u8]) {
    if wants!(cx, http_header) {
        let upper = name.to_ascii_uppercase();
        raise!(cx, http_header, is_orig, name, upper, value);
        if cx.conn.matcher.is_some() {
            let kind = if is_orig {
                PatKind::HttpRequestHeader
            } else {
                PatKind::HttpReplyHeader
            };
            let text = [name, b": ", value].concat();
            cx.match_text(kind, is_orig, &text, true, true);
        }
    }
}

/// Raises `http_event`.
pub(crate) fn http_event(cx: &mut Cx, kind: &str, detail: &str) {
    raise!(cx, http_event, kind, detail);
}

struct PartSink<'a, 'b> {
    cx: &'a mut Cx<'b>,
    is_orig: bool,
    code: u64,
    state: &'a mut PartState,
    skip: bool,
}

impl MimeSink for PartSink<'_, '_> {
    fn begin_entity(&mut self, depth: usize) {
        self.state.files.resize_with(depth.saturating_sub(1), PartFile::default);
        self.state.files.push(PartFile::default());
        raise!(self.cx, http_begin_entity, self.is_orig);
    }

    fn header(&mut self, depth: usize, name: &[u8], value: &[u8]) {
        if ieq(name, b"transfer-encoding") {
            self.cx.weird("HTTP_nested_transfer_encoding_header", "");
        } else if ieq(name, b"content-range")
            && let Ok(Some(r)) = wire::content_range(value)
            && let Some(part) = self.state.files.get_mut(depth.saturating_sub(1))
        {
            part.offset = Some(r.first);
            part.total = r.total;
        }
        raise_header(self.cx, self.is_orig, name, value);
    }

    fn all_headers(&mut self, depth: usize, headers: &[(Vec<u8>, Vec<u8>)], _kind: &ContentType) {
        if wants!(self.cx, http_all_headers) {
            let t = self.cx.q.bindings().table(types::MIME_HEADER_LIST);
            for (i, (n, v)) in headers.iter().enumerate() {
                let rec = records::MimeHeaderRec {
                    original_name: n[..].into(),
                    name: n.to_ascii_uppercase().into(),
                    value: v[..].into(),
                }
                .build(self.cx.q.bindings());
                t.insert(&[Value::Count(i as u64 + 1)], rec, self.cx.sh.now);
            }
            raise!(self.cx, http_all_headers, self.is_orig, Value::Table(t));
        }
        // A part that names its range begins a file before it has data.
        if !self.skip
            && let Some(part) = self.state.files.get_mut(depth.saturating_sub(1))
            && let Some(n) = part.total.take()
        {
            part.id = self.cx.file_size(self.is_orig, n, part.id.as_ref());
        }
    }

    fn data(&mut self, depth: usize, data: &[u8]) {
        if self.skip {
            return;
        }
        raise!(self.cx, http_entity_data, self.is_orig, data.len() as u64, data);
        let at = depth.saturating_sub(1);
        if self.state.files.len() <= at {
            self.state.files.resize_with(at + 1, PartFile::default);
        }
        let part = &mut self.state.files[at];
        part.id = self
            .cx
            .file_data(self.is_orig, data, part.offset, part.id.as_ref(), None);
        if let Some(o) = part.offset.as_mut() {
            *o += data.len() as u64;
        }
    }

    fn end_entity(&mut self, depth: usize) {
        raise!(self.cx, http_end_entity, self.is_orig);
        let id = self
            .state
            .files
            .get_mut(depth.saturating_sub(1))
            .and_then(|p| p.id.take());
        if self.is_orig || self.code != 206 {
            if let Some(id) = id {
                self.cx.file_end(self.is_orig, Some(&id));
            }
        }
    }

    fn weird(&mut self, name: &'static str, addl: &str) {
        self.cx.weird(name, addl);
    }

    fn illegal(&mut self, detail: &str) {
        http_event(self.cx, "illegal format", detail);
    }
}
