//! NetWare Core Protocol over TCP: each frame of the session has a signature, a length and a frame of NCP.

use std::any::Any;

use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::util::cursor::Cursor;

const REQUEST: u32 = 0x446d_6454;
const REPLY: u32 = 0x744e_6350;
/// A frame of a client that asks for a service.
const SERVICE: u64 = 0x2222;

/// The analyzer.
#[derive(Default)]
pub struct Ncp {
    buf: [Vec<u8>; 2],
    /// Frame type and function of the last request.
    asked: (u64, u64),
    stopped: bool,
}

impl Ncp {
    fn stop(&mut self, cx: &mut Cx, why: &str) {
        cx.violation(why);
        self.stopped = true;
        self.buf = Default::default();
    }

    fn frame(&mut self, cx: &mut Cx, is_orig: bool, body: &[u8]) -> Option<()> {
        let len = body.len() as u64;
        let mut c = Cursor::new(body);
        let kind = c.n16()?;
        // Sequence, low byte of the connection, task, high byte of the connection.
        c.skip(4)?;
        cx.confirm();
        if is_orig {
            let func = if kind == SERVICE { c.n8()? } else { 0 };
            self.asked = (kind, func);
            raise!(cx, ncp_request, kind, len, func);
        } else {
            let code = c.n8()?;
            raise!(cx, ncp_reply, kind, len, self.asked.0, self.asked.1, code);
        }
        Some(())
    }
}

impl Analyzer for Ncp {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if self.stopped {
            return;
        }
        let max = cx.sh.opts.ncp_max_frame_size;
        let mut buf = std::mem::take(&mut self.buf[is_orig as usize]);
        buf.extend_from_slice(data);
        let mut used = 0;
        loop {
            let mut c = Cursor::new(&buf[used..]);
            let (Some(mark), Some(len)) = (c.u32(), c.u32()) else {
                break;
            };
            // The length counts this header; requests have two words more.
            let head = match mark {
                REQUEST => 16,
                REPLY => 8,
                _ => return self.stop(cx, "not an NCP frame"),
            };
            let Some(n) = (len as usize).checked_sub(head) else {
                return self.stop(cx, "NCP frame too short");
            };
            if n as u64 > max {
                cx.weird("ncp_large_frame", &n.to_string());
                return self.stop(cx, "NCP frame too long");
            }
            let Some(body) = buf.get(used + head..used + head + n) else {
                break;
            };
            if self.frame(cx, is_orig, body).is_none() {
                cx.weird("truncated_NCP", "");
            }
            used += head + n;
        }
        buf.drain(..used);
        self.buf[is_orig as usize] = buf;
    }

    fn gap(&mut self, _cx: &mut Cx, _is_orig: bool, _seq: u64, _len: u64) {
        self.stopped = true;
        self.buf = Default::default();
    }

    fn flip(&mut self) {
        self.buf.swap(0, 1);
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}
