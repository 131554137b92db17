//! WebSocket frames (RFC 6455); what the messages carry is handed to another analyzer.

use crate::core::pia::Pia;
use crate::core::{Analyzer, Command, Cx};
use crate::util::cursor::Cursor;
use crate::{raise, wants};

const CLOSE: u8 = 8;

#[derive(Default)]
struct Side {
    buf: Vec<u8>,
    /// Payload bytes of the current frame still to come, with the mask and its position.
    left: u64,
    mask: Option<[u8; 4]>,
    at: usize,
    opcode: u8,
    message: u8,
    fin: bool,
    close: Vec<u8>,
    effective: u8,
}

/// The analyzer.
#[derive(Default)]
pub struct WebSocket {
    sides: [Side; 2],
    told: bool,
    configured: bool,
    attached: bool,
    stopped: bool,
}

impl WebSocket {
    fn begin(&mut self, cx: &mut Cx) {
        if !self.told {
            self.told = true;
            let id = cx.id();
            raise!(cx, websocket_established, id);
        }
    }

    fn attach(&mut self, cx: &mut Cx) {
        if !self.attached {
            self.attached = true;
            if !self.configured && !cx.has_children() {
                cx.add_child_boxed("PIA_TCP", Box::new(Pia::inner()));
            }
        }
    }

    fn header(&mut self, cx: &mut Cx, is_orig: bool) -> bool {
        let d = is_orig as usize;
        let s = &mut self.sides[d];
        let mut c = Cursor::new(&s.buf);
        let r = (|| {
            let (a, b) = (c.u8()?, c.u8()?);
            let len = match b & 0x7f {
                126 => c.u16()? as u64,
                127 => c.u64()?,
                n => n as u64,
            };
            let mask = if b & 0x80 != 0 { Some(c.array::<4>()?) } else { None };
            Some((a, len, mask))
        })();
        let Some((a, len, mask)) = r else { return false };
        let used = c.pos();
        s.buf.drain(..used);
        let (fin, rsv, op) = (a & 0x80 != 0, a >> 4 & 7, a & 15);
        s.left = len;
        s.mask = mask;
        s.at = 0;
        s.opcode = op;
        s.fin = fin;
        if op != 0 && op < 8 {
            s.message = op;
        }
        s.effective = if op == 0 { s.message } else { op };
        s.close.clear();
        raise!(cx, websocket_frame, is_orig, fin, rsv as u64, op as u64, len);
        let max = cx.sh.opts.websocket_max_control_frame_size;
        if op >= 8 && len > max {
            cx.confirm();
            cx.weird("websocket_control_frame_size_exceeded", &format!("{len} > {max}"));
            self.stopped = true;
        }
        true
    }

    fn payload(&mut self, cx: &mut Cx, is_orig: bool) -> bool {
        let chunk = cx.sh.opts.websocket_payload_chunk_size.max(1);
        let s = &mut self.sides[is_orig as usize];
        let n = (s.buf.len() as u64).min(s.left).min(chunk) as usize;
        if n == 0 && s.left > 0 {
            return false;
        }
        let mut data: Vec<u8> = s.buf.drain(..n).collect();
        if let Some(m) = s.mask {
            for (i, b) in data.iter_mut().enumerate() {
                *b ^= m[(s.at + i) % 4];
            }
        }
        s.at += n;
        s.left -= n as u64;
        let (op, fin, left) = (s.effective, s.fin, s.left);
        if op == CLOSE {
            s.close.extend_from_slice(&data);
        }
        if !data.is_empty() {
            if wants!(cx, websocket_frame_data) {
                raise!(cx, websocket_frame_data, is_orig, &data);
            }
            if op < 8 {
                self.attach(cx);
                cx.forward(is_orig, &data);
            }
        }
        if left == 0 {
            // What is inside was looked at first.
            cx.confirm();
            if fin {
                raise!(cx, websocket_message, is_orig, op as u64);
            }
            if op == CLOSE {
                let close = std::mem::take(&mut self.sides[is_orig as usize].close);
                if close.len() >= 2 {
                    let status = u16::from_be_bytes([close[0], close[1]]) as u64;
                    raise!(cx, websocket_close, is_orig, status, &close[2..]);
                } else {
                    raise!(cx, websocket_close, is_orig, 0, "");
                }
            }
        }
        true
    }
}

impl Analyzer for WebSocket {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        self.begin(cx);
        if self.stopped {
            return;
        }
        let d = is_orig as usize;
        self.sides[d].buf.extend_from_slice(data);
        loop {
            let s = &self.sides[d];
            let more = if s.left > 0 {
                self.payload(cx, is_orig)
            } else if s.buf.len() >= 2 {
                let ok = self.header(cx, is_orig);
                if ok && self.sides[d].left == 0 && !self.stopped {
                    self.payload(cx, is_orig);
                }
                ok
            } else {
                false
            };
            if !more || self.stopped {
                break;
            }
        }
        if self.stopped {
            self.sides = Default::default();
        }
    }

    fn gap(&mut self, _cx: &mut Cx, _is_orig: bool, _seq: u64, _len: u64) {
        self.stopped = true;
        self.sides = Default::default();
    }

    fn eof(&mut self, cx: &mut Cx, is_orig: bool) {
        cx.forward_eof(is_orig);
    }

    fn command(&mut self, cx: &mut Cx, cmd: &Command) {
        if let Command::WebSocket(c) = cmd {
            self.configured = true;
            if let Some(t) = c.analyzer {
                cx.add_child_tag(t);
            } else if c.use_dpd {
                self.configured = false;
            }
        }
    }

    fn attached(&mut self, cx: &mut Cx) {
        self.begin(cx);
    }

    fn flip(&mut self) {
        self.sides.swap(0, 1);
    }
}
