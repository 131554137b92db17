//! NetWare Core Protocol over TCP: each frame of the session has a signature, a length and a frame of NCP.

use crate::core::Cx;
use crate::raise;
use crate::util::cursor::Cursor;
use crate::util::units::{Step, Stream, Units};

const REQUEST: u32 = 0x446d_6454;
const REPLY: u32 = 0x744e_6350;
/// A frame of a client that asks for a service.
const SERVICE: u64 = 0x2222;

/// The analyzer.
pub type Ncp = Stream<Frames>;

/// What the reply to a request tells of it.
#[derive(Default)]
pub struct Frames {
    /// Frame type and function of the last request.
    asked: (u64, u64),
}

impl Frames {
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

impl Units for Frames {
    fn unit(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) -> Step {
        let mut c = Cursor::new(data);
        let (Some(mark), Some(len)) = (c.u32(), c.u32()) else {
            return Step::More;
        };
        // The length counts this header; requests have two words more.
        let head = match mark {
            REQUEST => 16,
            REPLY => 8,
            _ => return Step::refuse(cx, "not an NCP frame"),
        };
        let Some(n) = (len as usize).checked_sub(head) else {
            return Step::refuse(cx, "NCP frame too short");
        };
        if n as u64 > cx.sh.opts.ncp_max_frame_size {
            cx.weird("ncp_large_frame", &n.to_string());
            return Step::refuse(cx, "NCP frame too long");
        }
        let Some(body) = data.get(head..head + n) else {
            return Step::More;
        };
        if self.frame(cx, is_orig, body).is_none() {
            cx.weird("truncated_NCP", "");
        }
        Step::Used(head + n)
    }
}
