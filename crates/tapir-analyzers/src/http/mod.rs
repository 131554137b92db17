//! HTTP/0.9 to 1.1 (RFC 9110, 9112): pipelining, chunked bodies, ranges, upgrades, CONNECT.

mod message;
mod parts;
mod wire;

use std::collections::VecDeque;
use std::rc::Rc;

use crate::core::pia::Pia;
use crate::core::{Analyzer, Command, Cx, PatKind};
use crate::util::lines::{Lines, Piece};
use crate::util::text::{hex, ieq, istarts, trim};
use crate::{raise, wants};
use message::{Body, Chunk, Expect, Message, http_event};
use tapir_interface::records;
use wire::Version;

const NORMAL: &str = "message ends normally";
const COMPLETE: &str = "message ends as connection contents are completely delivered";
const DONE: &str = "message interrupted when connection done";
const RESET: &str = "message interrupted by RST";
const GAP: &str = "message interrupted by a content gap";

/// Requests that wait for their reply; more than these are forgotten, oldest first.
const MAX_UNANSWERED: usize = 1000;

/// A line that names no version is a request only if it begins with at least this many letters.
const MIN_METHOD: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Line,
    Message,
    Nothing,
}

struct Side {
    lines: Lines,
    state: State,
    msg: Option<Box<Message>>,
    version: Option<Version>,
    skip: bool,
    count: u64,
    /// What bytes that are missing behind the last message are taken for.
    behind: Option<Behind>,
}

/// The file of a message that is over, and how many bytes were missing since.
struct Behind {
    file: Option<Rc<str>>,
    missing: u64,
}

impl Default for Side {
    fn default() -> Self {
        Side {
            lines: Lines::default().quiet_lf(),
            state: State::Line,
            msg: None,
            version: None,
            skip: false,
            count: 0,
            behind: None,
        }
    }
}

/// The analyzer.
#[derive(Default)]
pub struct Http {
    /// Reply side, request side.
    sides: [Side; 2],
    unanswered: VecDeque<Vec<u8>>,
    keep_alive: bool,
    reply_code: u64,
    raw: bool,
    zero_nine: bool,
    request_version: Version,
    reply_version: Version,
    upgrade: Option<Vec<u8>>,
    finished: bool,
}

fn text(v: Version) -> String {
    format!("{}.{}", v.0, v.1)
}

impl Http {
    fn run(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let d = is_orig as usize;
        if self.raw {
            cx.forward(is_orig, data);
            return;
        }
        if self.sides[d].skip {
            return;
        }
        if !is_orig && self.zero_nine && self.sides[0].state == State::Line && self.sides[0].msg.is_none() {
            self.begin_zero_nine_reply(cx);
        }
        let mut lines = std::mem::take(&mut self.sides[d].lines);
        let mut at = 0;
        loop {
            // How the next bytes are to be taken depends on the message.
            let plain = self.plain_wanted(is_orig);
            lines.set_plain(plain);
            let Some(piece) = lines.next(data, &mut at) else {
                break;
            };
            match piece {
                Piece::Weird(w) => cx.line_weird(w),
                Piece::Plain(a, b) => self.plain(cx, is_orig, &data[a..b]),
                Piece::Line(l) => self.line(cx, is_orig, &l),
            }
            if self.sides[d].skip {
                break;
            }
            if self.raw {
                // The bytes after the line end of an empty line are not ours any more.
                if data.get(at) == Some(&b'\n') && at > 0 && data[at - 1] == b'\r' {
                    at += 1;
                }
                let rest = &data[at.min(data.len())..];
                if !is_orig && !rest.is_empty() {
                    let n = rest.len().to_string();
                    if self.upgrade.is_some() {
                        cx.weird("protocol_data_with_HTTP_upgrade_reply", &n);
                    } else {
                        cx.weird("protocol_data_with_HTTP_CONNECT_reply", &n);
                    }
                }
                cx.forward(is_orig, rest);
                break;
            }
        }
        self.sides[d].lines = lines;
    }

    fn plain_wanted(&self, is_orig: bool) -> u64 {
        let s = &self.sides[is_orig as usize];
        match (&s.state, &s.msg) {
            (State::Message, Some(m)) if !m.in_header => match m.body {
                Body::Length(n) | Body::Chunked(Chunk::Data(n)) => n,
                Body::UntilClose => u64::MAX,
                _ => 0,
            },
            _ => 0,
        }
    }

    fn plain(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let d = is_orig as usize;
        let Some(mut m) = self.sides[d].msg.take() else {
            return;
        };
        m.body_data(cx, data);
        let n = data.len() as u64;
        let mut over = false;
        match &mut m.body {
            Body::Length(left) => {
                *left = left.saturating_sub(n);
                over = *left == 0;
            }
            Body::UntilClose => over = m.parts_over,
            Body::Chunked(c) => {
                if let Chunk::Data(left) = c {
                    *left = left.saturating_sub(n);
                    if *left == 0 {
                        *c = Chunk::DataEnd;
                    }
                }
            }
            _ => {}
        }
        if over {
            m.full(cx);
        }
        self.sides[d].msg = Some(m);
        if over {
            self.message_over(cx, is_orig, false, NORMAL);
        }
    }

    fn line(&mut self, cx: &mut Cx, is_orig: bool, line: &[u8]) {
        match self.sides[is_orig as usize].state {
            State::Line if is_orig => self.request_line(cx, line),
            State::Line => self.reply_line(cx, line),
            State::Message => self.message_line(cx, is_orig, line),
            State::Nothing => {}
        }
    }

    fn request_line(&mut self, cx: &mut Cx, line: &[u8]) {
        if line.is_empty() && self.sides[1].count > 0 {
            // Line ends after a body that its length does not cover are common, and harmless.
            return;
        }
        let r = match wire::request_line(line) {
            Ok(r) if r.version == (0, 9) && (r.method.len() < MIN_METHOD || r.uri.is_empty()) => {
                self.set_version(cx, true, r.version);
                cx.weird("bad_HTTP_request", "");
                cx.violation("not a http request line");
                self.sides[1].state = State::Nothing;
                return;
            }
            Ok(r) => r,
            Err(w) => {
                cx.weird(w, "");
                cx.violation("not a http request line");
                self.sides[1].state = State::Nothing;
                return;
            }
        };
        for w in &r.weirds {
            cx.weird(w, "");
        }
        self.set_version(cx, true, r.version);
        let (plain_uri, weirds) = wire::unescape(r.uri);
        for w in weirds {
            cx.weird(w, "");
        }
        if self.unanswered.len() >= MAX_UNANSWERED {
            self.unanswered.pop_front();
        }
        self.unanswered.push_back(r.method.to_vec());
        self.sides[1].count += 1;
        if self.sides[1].count > 1 && !self.keep_alive {
            cx.weird("unexpected_multiple_HTTP_requests", "");
        }
        self.zero_nine = r.version == (0, 9);
        cx.confirm();
        if wants!(cx, http_request) {
            let uri = match cx.sh.opts.truncate_http_uri {
                n if n >= 0 => &r.uri[..r.uri.len().min(n as usize)],
                _ => r.uri,
            };
            raise!(cx, http_request, r.method, uri, &plain_uri, text(r.version));
        }
        cx.match_text(PatKind::HttpRequest, true, &plain_uri, true, true);
        if self.zero_nine && !ieq(r.method, b"GET") {
            let m = String::from_utf8_lossy(r.method).into_owned();
            cx.weird("invalid_http_09_request_method", &m);
        }
        raise!(cx, http_begin_entity, true);
        let now = cx.now();
        self.sides[1].behind = None;
        self.sides[1].msg = Some(Box::new(Message::new(true, now, line.len(), 0)));
        self.sides[1].state = State::Message;
        if self.zero_nine && self.sides[0].msg.is_some() {
            cx.weird("http_09_reply_before_request", "");
            self.message_over(cx, false, false, NORMAL);
        }
    }

    fn begin_zero_nine_reply(&mut self, cx: &mut Cx) {
        self.reply_version = (0, 9);
        self.set_version(cx, false, (0, 9));
        self.reply_code = 0;
        raise!(cx, http_reply, "0.9", 0, "<empty>");
        raise!(cx, http_begin_entity, false);
        let now = cx.now();
        let mut m = Message::new(false, now, 0, 0);
        m.in_header = false;
        m.body = Body::UntilClose;
        self.sides[0].behind = None;
        self.sides[0].msg = Some(Box::new(m));
        self.sides[0].state = State::Message;
    }

    fn reply_line(&mut self, cx: &mut Cx, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        let Some(r) = wire::reply_line(line) else {
            cx.violation("not a http reply line");
            self.sides[0].state = State::Nothing;
            return;
        };
        if r.lower {
            cx.weird("lowercase_HTTP_keyword", "");
        }
        self.set_version(cx, false, r.version);
        self.reply_version = r.version;
        self.reply_code = r.code;
        self.sides[0].count += 1;
        if self.unanswered.is_empty() {
            http_event(cx, "unmatched_HTTP_reply", "");
        }
        raise!(cx, http_reply, text(r.version), r.code, r.reason);
        raise!(cx, http_begin_entity, false);
        let now = cx.now();
        let mut m = Message::new(false, now, line.len(), r.code);
        m.early = self.sides[1].msg.is_some();
        self.sides[0].behind = None;
        self.sides[0].msg = Some(Box::new(m));
        self.sides[0].state = State::Message;
    }

    fn set_version(&mut self, cx: &mut Cx, is_orig: bool, v: Version) {
        let s = &mut self.sides[is_orig as usize];
        let changed = s.version.is_some_and(|old| old != v);
        s.version = Some(v);
        if is_orig {
            self.request_version = v;
        }
        if changed {
            cx.weird("HTTP_version_mismatch", "");
        }
        if v >= (1, 1) {
            self.keep_alive = true;
        }
    }

    fn message_line(&mut self, cx: &mut Cx, is_orig: bool, line: &[u8]) {
        let d = is_orig as usize;
        let Some(mut m) = self.sides[d].msg.take() else {
            return;
        };
        let mut over = false;
        if m.in_header {
            if m.header_line(cx, line) {
                if self.switches(&m) {
                    self.sides[d].msg = Some(m);
                    self.switch(cx);
                    return;
                }
                let expect = self.expect(&m);
                self.keep_alive |= m.keep_alive;
                over = !m.begin_body(cx, expect, self.keep_alive);
            }
        } else if m.body == Body::Lines {
            let text = [line, b"\r\n"].concat();
            m.body_data(cx, &text);
            over = m.parts_over;
        } else if let Body::Chunked(c) = m.body {
            match c {
                Chunk::Size => {
                    let n = chunk_size(line);
                    if n.is_none() {
                        let t = String::from_utf8_lossy(trim(line)).into_owned();
                        cx.weird("HTTP_bad_chunk_size", &t);
                    }
                    m.body = Body::Chunked(match n {
                        Some(n) if n > 0 => Chunk::Data(n),
                        _ => Chunk::Trailer,
                    });
                }
                Chunk::DataEnd => m.body = Body::Chunked(Chunk::Size),
                Chunk::Trailer => over = m.header_line(cx, line),
                Chunk::Data(_) => {}
            }
        }
        self.sides[d].msg = Some(m);
        if over {
            self.message_over(cx, is_orig, false, NORMAL);
        }
    }

    /// Whether a reply turns the connection into something else.
    fn switches(&self, m: &Message) -> bool {
        if m.is_orig {
            return false;
        }
        // As recorded: the beginning of the word will do.
        let connect = self.unanswered.front().is_some_and(|x| istarts(b"CONNECT", x));
        (self.reply_code == 101 && !m.upgrade.is_empty()) || (self.reply_code == 200 && connect)
    }

    fn switch(&mut self, cx: &mut Cx) {
        if self.reply_code == 101 {
            let proto = self.sides[0].msg.as_ref().map_or(Vec::new(), |m| m.upgrade.clone());
            if let Some(m) = self.sides[0].msg.as_mut() {
                m.begin_body(cx, Expect::No, true);
            }
            self.message_over(cx, false, false, NORMAL);
            let key = String::from_utf8_lossy(&proto).to_ascii_lowercase();
            let name = cx
                .sh
                .opts
                .http_upgrade_analyzers
                .iter()
                .find(|(k, _)| *k == key)
                .map(|(_, a)| a.clone());
            raise!(cx, http_connection_upgrade, &proto);
            let added = name.and_then(|n| cx.add_child(&n));
            if added.is_none() {
                cx.add_child_boxed("PIA_TCP", Box::new(Pia::inner()));
            }
            self.upgrade = Some(proto);
        } else {
            if let Some(m) = self.sides[0].msg.as_mut() {
                m.begin_body(cx, Expect::No, true);
            }
            self.unanswered.pop_front();
            cx.add_child_boxed("PIA_TCP", Box::new(Pia::inner()));
        }
        self.raw = true;
    }

    fn expect(&self, m: &Message) -> Expect {
        if m.is_orig {
            return Expect::Maybe;
        }
        let head = self.unanswered.front().is_some_and(|x| ieq(x, b"HEAD"));
        if head || self.reply_code / 100 == 1 || matches!(self.reply_code, 204 | 304) {
            Expect::No
        } else {
            Expect::Yes
        }
    }

    fn message_over(&mut self, cx: &mut Cx, is_orig: bool, interrupted: bool, why: &str) {
        let d = is_orig as usize;
        let Some(mut m) = self.sides[d].msg.take() else {
            return;
        };
        m.finish(cx, interrupted, why);
        self.sides[d].behind = m.has_body().then(|| Behind {
            file: m.file(),
            missing: 0,
        });
        self.sides[d].state = State::Line;
        if is_orig && let Some(reply) = self.sides[0].msg.as_mut() {
            reply.request_over = reply.early;
        }
        if !is_orig && self.reply_code / 100 != 1 {
            self.unanswered.pop_front();
        }
    }

    fn end_all(&mut self, cx: &mut Cx, interrupted: bool, why: &str) {
        self.message_over(cx, true, interrupted, why);
        self.message_over(cx, false, interrupted, why);
    }
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let s = trim(line);
    let n = s.iter().take_while(|&&b| hex(b).is_some()).count();
    if n == 0 {
        return None;
    }
    s[..n].iter().try_fold(0u64, |v, b| {
        let v = v.checked_mul(16)?.checked_add(hex(*b)? as u64)?;
        (v <= i64::MAX as u64).then_some(v)
    })
}

impl Analyzer for Http {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        // Nobody knows where a connection that was joined in the middle stands: what the client says is only looked at
        // as lines.
        if !cx.conn.partial {
            self.run(cx, is_orig, data);
        } else if is_orig && !self.raw && !self.sides[1].skip {
            let lines = &mut self.sides[1].lines;
            let mut at = 0;
            while let Some(piece) = lines.next(data, &mut at) {
                if let Piece::Weird(w) = piece {
                    cx.line_weird(w);
                }
            }
        }
    }

    fn gap(&mut self, cx: &mut Cx, is_orig: bool, seq: u64, len: u64) {
        if self.raw {
            cx.forward_gap(is_orig, seq, len);
            return;
        }
        let d = is_orig as usize;
        if let Some(mut m) = self.sides[d].msg.take() {
            let inside = m.gap(cx, len);
            let over = m.body == Body::Length(0);
            self.sides[d].msg = Some(m);
            if inside {
                if over {
                    self.message_over(cx, is_orig, false, NORMAL);
                }
                return;
            }
        } else if let Some(b) = &mut self.sides[d].behind {
            // As recorded: they go to a file of the message that may have been there, and nobody knows its size.
            b.file = cx.file_gap(is_orig, b.missing, len, b.file.as_ref());
            b.missing += len;
        }
        self.message_over(cx, is_orig, true, GAP);
        self.sides[d].skip = true;
    }

    fn eof(&mut self, cx: &mut Cx, is_orig: bool) {
        if self.raw {
            cx.forward_eof(is_orig);
        }
        let d = is_orig as usize;
        if !self.raw && !self.sides[d].skip {
            let mut lines = std::mem::take(&mut self.sides[d].lines);
            if let Some(l) = lines.flush()
                && !cx.conn.partial
            {
                self.line(cx, is_orig, &l);
            }
            self.sides[d].lines = lines;
        }
        self.message_over(cx, is_orig, false, COMPLETE);
    }

    fn reset(&mut self, cx: &mut Cx) {
        self.end_all(cx, true, RESET);
    }

    fn done(&mut self, cx: &mut Cx) {
        if self.finished {
            return;
        }
        self.finished = true;
        self.end_all(cx, true, DONE);
        if wants!(cx, http_stats) {
            let s = records::HttpStatsRec {
                num_requests: self.sides[1].count,
                num_replies: self.sides[0].count,
                request_version: self.request_version.0 as f64 + self.request_version.1 as f64 / 10.0,
                reply_version: self.reply_version.0 as f64 + self.reply_version.1 as f64 / 10.0,
            }
            .build(cx.q.bindings());
            raise!(cx, http_stats, s);
        }
        cx.file_end(true, None);
    }

    fn command(&mut self, _cx: &mut Cx, cmd: &Command) {
        if let Command::SkipEntityData { is_orig } = cmd {
            if let Some(m) = self.sides[*is_orig as usize].msg.as_mut() {
                m.skip = true;
            }
        }
    }

    fn flip(&mut self) {
        self.sides.swap(0, 1);
    }
}
