//! Gnutella 0.4 and 0.6: a handshake of header blocks, then binary messages. A request for a file is HTTP, and only told of.

use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::util::cursor::Cursor;
use crate::util::lines::{Lines, Piece};
use crate::util::text::istarts;

/// Identifier, type, time to live, hops, length.
const HEADER: usize = 23;
/// So much of a payload is told of.
const MAX_PAYLOAD: usize = 1500;

struct Side {
    lines: Lines,
    headers: Vec<u8>,
    /// The side has agreed: what comes now is binary.
    agreed: bool,
    begun: bool,
    /// A block of headers came.
    spoke: bool,
    head: Vec<u8>,
    payload: Vec<u8>,
    /// Bytes of the payload that are still to come.
    left: u64,
}

impl Default for Side {
    fn default() -> Self {
        Side {
            lines: Lines::default().quiet(),
            headers: Vec::new(),
            agreed: false,
            begun: false,
            spoke: false,
            head: Vec::new(),
            payload: Vec::new(),
            left: 0,
        }
    }
}

/// The analyzer.
#[derive(Default)]
pub struct Gnutella {
    sides: [Side; 2],
    established: bool,
    stopped: bool,
}

impl Gnutella {
    fn stop(&mut self) {
        self.stopped = true;
        self.sides = Default::default();
    }

    fn line(&mut self, cx: &mut Cx, is_orig: bool, line: &[u8]) {
        let max = cx.sh.opts.gnutella_max_header_length as usize;
        let d = is_orig as usize;
        let s = &mut self.sides[d];
        if line.is_empty() {
            let headers = std::mem::take(&mut s.headers);
            if headers.is_empty() {
                return;
            }
            s.begun = false;
            s.spoke = true;
            let first = headers.split(|&b| b == b'\n').next().unwrap_or(b"");
            let word = first.split(|&b| b == b' ').nth(1).unwrap_or(b"");
            s.agreed |= istarts(first, b"GNUTELLA/") && word == b"200";
            // With version 0.4 there is nothing more to say than to ask, and to agree.
            s.agreed |= istarts(first, b"GNUTELLA CONNECT/0.4") || istarts(first, b"GNUTELLA OK");
            raise!(cx, gnutella_text_msg, is_orig, headers);
            // Who asked has agreed with what it answers last, who was asked with its only answer.
            if !self.established && self.sides.iter().all(|s| s.agreed) {
                self.established = true;
                for s in &mut self.sides {
                    s.agreed = true;
                }
                cx.confirm();
                raise!(cx, gnutella_establish);
            }
            return;
        }
        if !std::mem::replace(&mut s.begun, true) {
            if istarts(line, b"GET ") || istarts(line, b"HTTP/") {
                raise!(cx, gnutella_http_notify);
                self.stop();
                return;
            }
            if !istarts(line, b"GNUTELLA") {
                cx.violation("not a Gnutella handshake");
                self.stop();
                return;
            }
        }
        if s.headers.len() + line.len() + 2 > max {
            cx.weird("gnutella_max_header_length_exceeded", "");
            self.stop();
            return;
        }
        s.headers.extend_from_slice(line);
        s.headers.extend_from_slice(b"\r\n");
    }

    fn binary(&mut self, cx: &mut Cx, is_orig: bool, mut data: &[u8]) {
        let s = &mut self.sides[is_orig as usize];
        while !data.is_empty() {
            if s.head.len() < HEADER {
                let n = data.len().min(HEADER - s.head.len());
                s.head.extend_from_slice(&data[..n]);
                data = &data[n..];
                if s.head.len() < HEADER {
                    return;
                }
                let mut c = Cursor::new(&s.head);
                let len = c.skip(19).and_then(|()| c.u32le());
                s.left = len.map_or(0, u64::from);
            }
            let n = (data.len() as u64).min(s.left) as usize;
            let keep = n.min(MAX_PAYLOAD.saturating_sub(s.payload.len()));
            s.payload.extend_from_slice(&data[..keep]);
            s.left -= n as u64;
            data = &data[n..];
            if s.left == 0 {
                tell(cx, is_orig, s, true);
            }
        }
    }
}

/// A binary message, whole or as far as it came.
fn tell(cx: &mut Cx, is_orig: bool, s: &mut Side, complete: bool) {
    let head = std::mem::take(&mut s.head);
    let payload = std::mem::take(&mut s.payload);
    let left = std::mem::take(&mut s.left);
    let mut c = Cursor::new(&head);
    let Some((kind, ttl, hops, len)) = c.skip(16).and_then(|()| Some((c.n8()?, c.n8()?, c.n8()?, c.n32le()?))) else {
        return;
    };
    let trunc = (payload.len() as u64) < len - left;
    let n = payload.len() as u64;
    raise!(
        cx,
        gnutella_binary_msg,
        is_orig,
        kind,
        ttl,
        hops,
        len,
        payload,
        n,
        trunc,
        complete
    );
}

impl Analyzer for Gnutella {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let d = is_orig as usize;
        let mut at = 0;
        let max = cx.sh.opts.gnutella_max_line_length as usize;
        let mut lines = std::mem::take(&mut self.sides[d].lines);
        while !self.stopped && !self.established && at < data.len() {
            let Some(p) = lines.next(data, &mut at) else {
                break;
            };
            if let Piece::Line(l) = p {
                self.line(cx, is_orig, &l);
            }
        }
        if self.established {
            // A line feed may still belong to the handshake.
            at += lines.skip_lf(&data[at..]);
            self.binary(cx, is_orig, &data[at..]);
        } else if !self.stopped && lines.pending() > max {
            cx.weird("gnutella_max_line_length_exceeded", "");
            self.stop();
            return;
        }
        if !self.stopped {
            self.sides[d].lines = lines;
        }
    }

    fn gap(&mut self, _cx: &mut Cx, _is_orig: bool, _seq: u64, _len: u64) {
        self.stop();
    }

    fn done(&mut self, cx: &mut Cx) {
        if !self.established {
            if !self.stopped && self.sides.iter().any(|s| s.begun || s.spoke) {
                raise!(cx, gnutella_not_establish);
            }
            return;
        }
        for is_orig in [true, false] {
            let s = &mut self.sides[is_orig as usize];
            if s.head.len() == HEADER {
                tell(cx, is_orig, s, false);
            } else if !s.head.is_empty() {
                let part = std::mem::take(&mut s.head);
                let n = part.len() as u64;
                raise!(cx, gnutella_partial_binary_msg, is_orig, part, n);
            }
        }
    }

    fn flip(&mut self) {
        self.sides.swap(0, 1);
    }
}
