//! The mail within an SMTP or POP3 session: MIME events and the files of its parts.

use std::rc::Rc;

use tapir_data::value::Value;
use tapir_interface::{records, types};

use crate::core::Cx;
use crate::util::mime::{ContentType, Mime, MimeLimits, MimeSink};
use crate::{raise, wants};

/// More of an entity than this is not gathered for `mime_entity_data` and `mime_all_data`.
const GATHER_MAX: usize = 16 << 20;

/// A mail in transfer.
pub struct Mail {
    mime: Option<Mime>,
    state: State,
}

struct State {
    is_orig: bool,
    file: Option<Rc<str>>,
    /// Bytes of the open entity so far.
    length: u64,
    segment: Vec<u8>,
    entity: Vec<u8>,
    all: Vec<u8>,
}

struct Sink<'a, 'b> {
    cx: &'a mut Cx<'b>,
    s: &'a mut State,
}

impl Sink<'_, '_> {
    fn flush_segment(&mut self) {
        if !self.s.segment.is_empty() {
            let b = std::mem::take(&mut self.s.segment);
            raise!(self.cx, mime_segment_data, b.len() as u64, b);
        }
    }
}

impl MimeSink for Sink<'_, '_> {
    fn begin_entity(&mut self, _depth: usize) {
        self.s.file = None;
        self.s.length = 0;
        raise!(self.cx, mime_begin_entity);
    }

    fn header(&mut self, _depth: usize, name: &[u8], value: &[u8]) {
        if wants!(self.cx, mime_one_header) {
            let h = header_rec(self.cx, name, value);
            raise!(self.cx, mime_one_header, h);
        }
    }

    fn all_headers(&mut self, _depth: usize, headers: &[(Vec<u8>, Vec<u8>)], _k: &ContentType) {
        if wants!(self.cx, mime_all_headers) {
            let t = self.cx.q.bindings().table(types::MIME_HEADER_LIST);
            for (i, (n, v)) in headers.iter().enumerate() {
                let rec = header_rec(self.cx, n, v);
                t.insert(&[Value::Count(i as u64 + 1)], rec, self.cx.sh.now);
            }
            raise!(self.cx, mime_all_headers, Value::Table(t));
        }
    }

    fn data(&mut self, _depth: usize, data: &[u8]) {
        if wants!(self.cx, mime_segment_data) {
            let size = (self.cx.sh.opts.mime_segment_length as usize).max(1);
            let mut rest = data;
            while !rest.is_empty() {
                let n = rest.len().min(size.saturating_sub(self.s.segment.len()).max(1));
                self.s.segment.extend_from_slice(&rest[..n]);
                rest = &rest[n..];
                if self.s.segment.len() >= size {
                    self.flush_segment();
                }
            }
        }
        if wants!(self.cx, mime_entity_data) && self.s.entity.len() + data.len() <= GATHER_MAX {
            self.s.entity.extend_from_slice(data);
        }
        if wants!(self.cx, mime_all_data | mime_content_hash | mime_content_hash_sha256)
            && self.s.all.len() + data.len() <= GATHER_MAX
        {
            self.s.all.extend_from_slice(data);
        }
        self.s.length += data.len() as u64;
        let id = self.s.file.take();
        self.s.file = self.cx.file_data(self.s.is_orig, data, None, id.as_ref(), None);
    }

    fn end_entity(&mut self, _depth: usize) {
        self.flush_segment();
        if !self.s.entity.is_empty() {
            let b = std::mem::take(&mut self.s.entity);
            raise!(self.cx, mime_entity_data, b.len() as u64, b);
        }
        raise!(self.cx, mime_end_entity);
        match self.s.file.take() {
            Some(id) => self.cx.file_end(self.s.is_orig, Some(&id)),
            None => {
                self.cx.file_end(true, None);
                self.cx.file_end(false, None);
            }
        }
    }

    fn weird(&mut self, name: &'static str, addl: &str) {
        self.cx.weird(name, addl);
    }

    fn limit(&mut self, name: &'static str, addl: &str) {
        self.cx.limit_weird(name, addl);
    }

    fn illegal(&mut self, detail: &str) {
        raise!(self.cx, mime_event, "illegal format", detail);
    }
}

fn header_rec(cx: &Cx, name: &[u8], value: &[u8]) -> Value {
    records::MimeHeaderRec {
        original_name: name.into(),
        name: name.to_ascii_uppercase().into(),
        value: value.into(),
    }
    .build(cx.q.bindings())
}

impl Mail {
    /// A mail begins.
    pub fn new(cx: &mut Cx, is_orig: bool) -> Self {
        let mut state = State {
            is_orig,
            file: None,
            length: 0,
            segment: Vec::new(),
            entity: Vec::new(),
            all: Vec::new(),
        };
        let limits = MimeLimits {
            max_depth: cx.sh.opts.mime_max_depth as usize,
            max_header_bytes: cx.sh.opts.mime_max_header_bytes as usize,
            first_line_may_be_body: true,
        };
        let mime = Mime::new(limits, &mut Sink { cx, s: &mut state });
        Mail {
            mime: Some(mime),
            state,
        }
    }

    /// A line of the mail.
    pub fn line(&mut self, cx: &mut Cx, line: &[u8], crlf: bool) {
        if let Some(m) = self.mime.as_mut() {
            m.line(&mut Sink { cx, s: &mut self.state }, line, crlf);
        }
    }

    /// `len` bytes of the mail are missing.
    pub fn gap(&mut self, cx: &mut Cx, len: u64) {
        let id = self.state.file.take();
        self.state.file = cx.file_gap(self.state.is_orig, self.state.length, len, id.as_ref());
        self.state.length += len;
    }

    /// The mail ends.
    pub fn end(mut self, cx: &mut Cx) {
        if let Some(mut m) = self.mime.take() {
            m.finish(&mut Sink { cx, s: &mut self.state }, true);
        }
        if !self.state.all.is_empty() {
            let b = std::mem::take(&mut self.state.all);
            if wants!(cx, mime_content_hash) {
                use md5::{Digest, Md5};
                let h = Md5::digest(&b);
                let text = crate::util::text::to_hex(&h);
                raise!(cx, mime_content_hash, b.len() as u64, text);
            }
            if wants!(cx, mime_content_hash_sha256) {
                use sha2::{Digest, Sha256};
                let text = crate::util::text::to_hex(&Sha256::digest(&b));
                raise!(cx, mime_content_hash_sha256, b.len() as u64, text);
            }
            raise!(cx, mime_all_data, b.len() as u64, b);
        }
        cx.file_end(true, None);
        cx.file_end(false, None);
    }
}
