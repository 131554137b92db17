//! The parts of a multipart or message body (RFC 9110, section 14.6; RFC 2046): entities within entities.
//!
//! Parts are HTTP entities of their own: they may name a length, a range and a content coding. While a part's length
//! is known its bytes are taken as they come; otherwise the body is read by lines.

use std::rc::Rc;

use tapir_data::value::Value;
use tapir_interface::{records, types};

use super::message::{Coding, http_event, note_length, raise_header};
use super::wire;
use crate::core::Cx;
use crate::util::inflate::Inflate;
use crate::util::lines::{Eol, Lines, Piece};
use crate::util::mime::{ContentType, Mime, MimeLimits, MimeSink};
use crate::util::text::{ieq, istarts, trim};
use crate::{raise, wants};

/// The parts of one body.
pub(super) struct Parts {
    mime: Mime,
    lines: Lines,
    state: PartState,
    /// The lines come out of a decompressor: their ends are not known to be there.
    decoded: bool,
    is_orig: bool,
    code: u64,
}

/// What is known of the open parts, outermost first.
#[derive(Default)]
struct PartState {
    files: Vec<Part>,
}

/// One open part and the file that it holds.
#[derive(Default)]
struct Part {
    id: Option<Rc<str>>,
    /// Where the next bytes belong, if the part says so.
    offset: Option<u64>,
    /// The whole file's size, until it was told.
    total: Option<u64>,
    length: Option<u64>,
    range: Option<u64>,
    /// Bytes that are still to come, once the headers are over.
    left: Option<u64>,
    inflate: Option<Inflate>,
}

/// What a body is counted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub bytes: u64,
    /// The closing delimiter was seen.
    pub over: bool,
}

impl Parts {
    /// The parser of a body whose entity has the given type.
    pub fn new(cx: &mut Cx, kind: ContentType, is_orig: bool, code: u64, decoded: bool, skip: bool) -> Parts {
        let limits = MimeLimits {
            max_depth: cx.sh.opts.mime_max_depth as usize,
            max_header_bytes: cx.sh.opts.mime_max_header_bytes as usize,
            first_line_may_be_body: false,
        };
        let mut state = PartState::default();
        let mut sink = PartSink {
            cx,
            is_orig,
            code,
            state: &mut state,
            skip,
        };
        let mime = Mime::within(limits, kind, 1, &mut sink);
        // Only CR LF ends a line of an unencoded body: parts may be binary.
        let lines = if decoded {
            Lines::default().quiet()
        } else {
            Lines::new(Eol { cr: false, lf: false }).quiet()
        };
        Parts {
            mime,
            lines,
            state,
            decoded,
            is_orig,
            code,
        }
    }

    fn with_sink<R>(&mut self, cx: &mut Cx, skip: bool, f: impl FnOnce(&mut Mime, &mut PartSink) -> R) -> R {
        let mut sink = PartSink {
            cx,
            is_orig: self.is_orig,
            code: self.code,
            state: &mut self.state,
            skip,
        };
        f(&mut self.mime, &mut sink)
    }

    /// Bytes that the innermost part takes as they come.
    fn plain(&self) -> u64 {
        if !self.mime.in_plain_leaf() {
            return 0;
        }
        let at = self.mime.depth() - 1;
        self.state.files.get(at).and_then(|p| p.left).unwrap_or(0)
    }

    /// Bytes of the body.
    pub fn feed(&mut self, cx: &mut Cx, data: &[u8], skip: bool) -> Counted {
        let mut done = Counted::default();
        let mut at = 0;
        loop {
            let plain = self.plain();
            self.lines.set_plain(plain);
            let Some(piece) = self.lines.next(data, &mut at) else {
                break;
            };
            match piece {
                Piece::Line(l) => {
                    let crlf = !self.decoded;
                    done.bytes += l.len() as u64 + if crlf { 2 } else { 0 };
                    self.with_sink(cx, skip, |m, s| m.line(s, &l, crlf));
                }
                Piece::Plain(a, b) => {
                    done.bytes += (b - a) as u64;
                    self.with_sink(cx, skip, |m, s| m.plain(s, &data[a..b]));
                    self.passed((b - a) as u64);
                }
                Piece::Weird(w) => cx.line_weird(w),
            }
            self.end_full_part(cx, skip);
        }
        done.over = self.mime.is_finished();
        done
    }

    fn passed(&mut self, n: u64) {
        let at = self.mime.depth().saturating_sub(1);
        if let Some(left) = self.state.files.get_mut(at).and_then(|p| p.left.as_mut()) {
            *left = left.saturating_sub(n);
        }
    }

    /// A part ends when its announced bytes are there.
    fn end_full_part(&mut self, cx: &mut Cx, skip: bool) {
        let at = self.mime.depth().saturating_sub(1);
        if self.mime.in_plain_leaf() && self.state.files.get(at).is_some_and(|p| p.left == Some(0)) {
            self.with_sink(cx, skip, |m, s| m.end_leaf(s));
        }
    }

    /// The body's announced length is reached in the middle of a line; gives the bytes that this adds to it.
    pub fn flush(&mut self, cx: &mut Cx, skip: bool) -> u64 {
        let Some(l) = self.lines.flush() else { return 0 };
        if self.decoded {
            self.with_sink(cx, skip, |m, s| m.line(s, &l, false));
            return l.len() as u64;
        }
        // The line counts as if it were whole, but its bytes belong to nothing.
        cx.line_weird("line_terminated_without_CRLF");
        l.len() as u64 + 2
    }

    /// `len` bytes are missing; true when they are known to belong to a part.
    pub fn gap(&mut self, cx: &mut Cx, len: u64, skip: bool) -> bool {
        let inside = self.plain() >= len;
        if let Some(l) = self.lines.flush() {
            self.with_sink(cx, skip, |m, s| m.line(s, &l, false));
        }
        if let Some(part) = self.state.files.last_mut()
            && let Some(at) = part.offset.as_mut()
        {
            let from = *at;
            *at += len;
            if !skip {
                part.id = cx.file_gap(self.is_orig, from, len, part.id.as_ref());
            }
        }
        if inside {
            self.passed(len);
            self.end_full_part(cx, skip);
        }
        inside
    }

    /// The body is over.
    pub fn finish(&mut self, cx: &mut Cx, skip: bool) {
        // A line without its end is not part of anything.
        self.with_sink(cx, skip, |m, s| m.finish(s, false));
    }
}

struct PartSink<'a, 'b> {
    cx: &'a mut Cx<'b>,
    is_orig: bool,
    code: u64,
    state: &'a mut PartState,
    skip: bool,
}

impl PartSink<'_, '_> {
    fn part(&mut self, depth: usize) -> Option<&mut Part> {
        self.state.files.get_mut(depth.saturating_sub(1))
    }

    fn decoded(&mut self, depth: usize, data: &[u8]) {
        let size = (self.cx.sh.opts.http_entity_data_delivery_size as usize).max(1);
        let at = depth.saturating_sub(1);
        if self.state.files.len() <= at {
            self.state.files.resize_with(at + 1, Part::default);
        }
        let part = &mut self.state.files[at];
        if let Some(n) = part.total.take() {
            part.id = self.cx.file_size(self.is_orig, n, part.id.as_ref());
        }
        for d in data.chunks(size) {
            raise!(self.cx, http_entity_data, self.is_orig, d.len() as u64, d);
            part.id = self.cx.file_data(self.is_orig, d, part.offset, part.id.as_ref(), None);
            if let Some(o) = part.offset.as_mut() {
                *o += d.len() as u64;
            }
        }
    }
}

impl MimeSink for PartSink<'_, '_> {
    fn begin_entity(&mut self, depth: usize) {
        self.state.files.resize_with(depth.saturating_sub(1), Part::default);
        self.state.files.push(Part::default());
        raise!(self.cx, http_begin_entity, self.is_orig);
    }

    fn header(&mut self, depth: usize, name: &[u8], value: &[u8]) {
        if ieq(name, b"transfer-encoding") {
            self.cx.weird("HTTP_nested_transfer_encoding_header", "");
        } else if ieq(name, b"content-length") {
            let n = note_length(self.cx, value);
            if let Some(p) = self.part(depth) {
                p.length = n.or(p.length);
            }
        } else if ieq(name, b"content-encoding") {
            if Coding::of(value).is_some()
                && let Some(p) = self.part(depth)
            {
                p.inflate = Some(Inflate::default());
            }
        } else if ieq(name, b"content-range") {
            match wire::content_range(value) {
                Ok(Some(r)) => {
                    if let Some(p) = self.part(depth) {
                        p.offset = Some(r.first);
                        p.total = r.total;
                        p.range = Some(r.last - r.first + 1);
                    }
                }
                Ok(None) => {}
                Err(w) => {
                    range_weird(self.cx, w, value);
                    return;
                }
            }
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
        let Some(p) = self.part(depth) else { return };
        p.left = p.length.or(p.range);
        if p.total.is_none() && p.range.is_none() && p.inflate.is_none() {
            p.total = p.length;
        }
        if let (Some(n), Some(r)) = (p.length, p.range)
            && n != r
        {
            self.cx.weird("HTTP_range_not_matching_len", "");
        }
    }

    fn data(&mut self, depth: usize, data: &[u8]) {
        if self.skip {
            return;
        }
        if let Some(p) = self.part(depth)
            && let Some(z) = p.inflate.as_mut()
        {
            let was = z.failed;
            let mut out = Vec::new();
            z.feed(data, |d| out.push(d.to_vec()));
            let failed = z.failed && !was;
            for d in out {
                self.decoded(depth, &d);
            }
            if failed {
                self.cx.weird_from("inflate_failed", "", "ZIP");
            }
            return;
        }
        self.decoded(depth, data);
    }

    fn end_entity(&mut self, depth: usize) {
        raise!(self.cx, http_end_entity, self.is_orig);
        let id = self.part(depth).and_then(|p| p.id.take());
        if self.is_orig || self.code != 206 {
            self.cx.file_end(self.is_orig, id.as_ref());
        }
    }

    fn weird(&mut self, name: &'static str, addl: &str) {
        self.cx.weird(name, addl);
    }

    fn limit(&mut self, name: &'static str, addl: &str) {
        self.cx.limit_weird(name, addl);
    }

    fn illegal(&mut self, detail: &str) {
        http_event(self.cx, "illegal format", detail);
    }

    fn unterminated_header(&mut self) {
        self.cx.weird("http_no_crlf_in_header_list", "");
    }
}

/// The weird of a range that cannot be; its text is what follows the unit.
pub(super) fn range_weird(cx: &mut Cx, name: &'static str, value: &[u8]) {
    let v = trim(value);
    let v = if istarts(v, b"bytes") { trim(&v[5..]) } else { v };
    let v = String::from_utf8_lossy(v).into_owned();
    cx.weird(name, &v);
}
