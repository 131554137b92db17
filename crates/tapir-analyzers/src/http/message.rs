//! One HTTP message: its headers, how its body is delimited, and where the body's bytes go.

use std::rc::Rc;

use tapir_data::value::Value;
use tapir_interface::{records, types};

use super::parts::{Parts, range_weird};
use super::wire::{self, ContentRange};
use crate::core::{Command, Cx, PatKind};
use crate::util::inflate::Inflate;
use crate::util::mime::{ContentType, ends_headers, split_header};
use crate::util::text::{icontains, ieq, is_lws, istarts, trim, trim_lws};
use crate::{raise, wants};

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    None,
    Length(u64),
    Chunked(Chunk),
    UntilClose,
    /// As `UntilClose`, but read by lines: nothing said that the connection would end with the body.
    Lines,
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

/// A content coding that is undone (RFC 9110, section 8.4.1); the decompressor finds out which it is.
pub(super) struct Coding;

impl Coding {
    /// Whether a `Content-Encoding` value is one of them.
    pub fn of(value: &[u8]) -> Option<Coding> {
        let v = trim(value);
        (ieq(v, b"gzip") || ieq(v, b"x-gzip") || ieq(v, b"deflate")).then_some(Coding)
    }
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
    /// The closing delimiter of the parts was seen.
    pub parts_over: bool,
    /// The reply began before its request was over.
    pub early: bool,
    /// The request ended while the headers of an early reply were coming.
    pub request_over: bool,
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
            parts_over: false,
            early: false,
            request_over: false,
            reply_code,
            body_begun: false,
        }
    }

    /// Whether anything but headers belongs to it.
    pub fn has_body(&self) -> bool {
        !self.in_header && self.body != Body::None
    }

    /// The file that its body is.
    pub fn file(&self) -> Option<Rc<str>> {
        self.file.clone()
    }

    /// A line of the header section or trailer; true when the section is over.
    pub fn header_line(&mut self, cx: &mut Cx, line: &[u8]) -> bool {
        self.header_length += line.len() as u64;
        if ends_headers(line) {
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
        if self.note_header(cx, name, value) {
            raise_header(cx, self.is_orig, name, value);
        }
        if self.request_over {
            cx.weird("missing_HTTP_entity", "");
        }
        if wants!(cx, http_all_headers) {
            self.headers.push((name.into(), value.into()));
        }
        let mut h = h;
        h.clear();
        self.pending = h;
    }

    /// Learns from a header; false when it is too wrong to be told.
    fn note_header(&mut self, cx: &mut Cx, name: &[u8], value: &[u8]) -> bool {
        if matches!(self.body, Body::Chunked(Chunk::Trailer)) {
            return true;
        }
        if ieq(name, b"content-length") {
            self.content_length = note_length(cx, value).or(self.content_length);
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
            if Coding::of(value).is_some() {
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
                    range_weird(cx, w, value);
                    return false;
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
        true
    }

    /// The header section is over: the body begins. False when there is none.
    /// `persistent` says that the connection may outlive the message.
    pub fn begin_body(&mut self, cx: &mut Cx, expect: Expect, persistent: bool) -> bool {
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
        } else if let Some(r) = &self.range {
            Body::Length(r.last - r.first + 1)
        } else if expect != Expect::Yes {
            return false;
        } else if self.connection_close || !persistent {
            Body::UntilClose
        } else {
            Body::Lines
        };
        if let Some(r) = &self.range {
            self.offset = Some(r.first);
        }
        if self.kind.is_multipart() || self.kind.is_message() {
            let decoded = self.inflate.is_some();
            let parts = Parts::new(cx, self.kind.clone(), self.is_orig, self.reply_code, decoded, self.skip);
            self.parts = Some(Box::new(parts));
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
        let kind = if self.is_orig {
            PatKind::HttpRequestBody
        } else {
            PatKind::HttpReplyBody
        };
        cx.match_text(kind, self.is_orig, data, first, false);
        if let Some(mut p) = self.parts.take() {
            let n = p.feed(cx, data, self.skip);
            self.body_length += n.bytes;
            self.parts_over |= n.over;
            self.parts = Some(p);
            return;
        }
        self.body_length += data.len() as u64;
        if self.skip {
            return;
        }
        if !self.sized {
            self.sized = true;
            let size = match &self.range {
                Some(r) => r.total,
                None if self.inflate.is_none() => self.content_length.filter(|_| !self.chunked),
                None => None,
            };
            if let Some(n) = size {
                self.file = cx.file_size(self.is_orig, n, self.file.as_ref());
            }
        }
        let size = (cx.sh.opts.http_entity_data_delivery_size as usize).max(1);
        for d in data.chunks(size) {
            raise!(cx, http_entity_data, self.is_orig, d.len() as u64, d);
            self.file = cx.file_data(self.is_orig, d, self.offset, self.file.as_ref(), None);
            if let Some(o) = self.offset.as_mut() {
                *o += d.len() as u64;
            }
            // Handlers that run while a file begins may ask for the rest to be skipped.
            while let Some(Command::SkipEntityData { is_orig }) = cx.take_command() {
                self.skip |= is_orig == self.is_orig;
            }
            if self.skip {
                break;
            }
        }
    }

    /// The body is as long as announced.
    pub fn full(&mut self, cx: &mut Cx) {
        if let Some(mut p) = self.parts.take() {
            self.body_length += p.flush(cx, self.skip);
            self.parts = Some(p);
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
            let inside = p.gap(cx, len, self.skip);
            self.parts = Some(p);
            if inside || fits {
                self.gap_length += len;
                return true;
            }
            return false;
        }
        if !matches!(self.body, Body::None) && !self.skip {
            let at = self.offset.unwrap_or(self.body_length);
            self.file = cx.file_gap(self.is_orig, at, len, self.file.as_ref());
            if let Some(o) = self.offset.as_mut() {
                *o += len;
            }
        }
        if fits {
            self.body_length += len;
            // A gap that ends the message is not counted with it.
            if self.body != Body::Length(0) {
                self.gap_length += len;
            }
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
            p.finish(cx, self.skip);
        }
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
pub(super) fn raise_header(cx: &mut Cx, is_orig: bool, name: &[u8], value: &[u8]) {
    if wants!(cx, http_header) {
        let upper = name.to_ascii_uppercase();
        raise!(cx, http_header, is_orig, name, upper, value);
        let kind = if is_orig {
            PatKind::HttpRequestHeader
        } else {
            PatKind::HttpReplyHeader
        };
        if cx.text_is_matched(kind) {
            let text = [name, b": ", value].concat();
            cx.match_text(kind, is_orig, &text, true, true);
        }
    }
}

/// Raises `http_event`.
pub(crate) fn http_event(cx: &mut Cx, kind: &str, detail: &str) {
    raise!(cx, http_event, kind, detail);
}

/// Reads a `Content-Length` value.
pub(super) fn note_length(cx: &mut Cx, value: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(value).into_owned();
    let v = trim(value);
    let digits = v.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        cx.weird("HTTP_bad_content_length", &text);
        return None;
    }
    if v.len() > 1 && v[0] == b'0' {
        cx.weird("HTTP_content_length_leading_zeros", &text);
    }
    let n = v[..digits]
        .iter()
        .try_fold(0u64, |n, b| n.checked_mul(10)?.checked_add((b - b'0') as u64));
    let n = n.filter(|n| *n <= i64::MAX as u64);
    if n.is_none() {
        cx.weird("HTTP_bad_content_length", &text);
    }
    n
}
