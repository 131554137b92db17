//! NetBIOS session and datagram services (RFC 1002, sections 4.3 and 4.4).

use std::any::Any;

use crate::core::{Analyzer, Cx, Transport};
use crate::raise;
use crate::util::cursor::Cursor;

const MESSAGE: u8 = 0x00;
const REQUEST: u8 = 0x81;
const ACCEPTED: u8 = 0x82;
const REJECTED: u8 = 0x83;
const RETARGET: u8 = 0x84;
const KEEPALIVE: u8 = 0x85;

/// The analyzer.
#[derive(Default)]
pub struct Session {
    buf: [Vec<u8>; 2],
    stopped: bool,
}

/// Whether a message is one of SMB, which has an analyzer of its own.
fn is_smb(body: &[u8]) -> bool {
    matches!(body, [0xfc..=0xff, b'S', b'M', b'B', ..])
}

fn message(cx: &mut Cx, is_orig: bool, kind: u8, body: &[u8]) {
    raise!(cx, netbios_session_message, is_orig, u64::from(kind), body.len() as u64);
    match kind {
        MESSAGE if is_smb(body) => {}
        MESSAGE => {
            raise!(cx, netbios_session_raw_message, is_orig, body);
        }
        REQUEST => {
            raise!(cx, netbios_session_request, body);
        }
        ACCEPTED => {
            cx.confirm();
            raise!(cx, netbios_session_accepted, body);
        }
        REJECTED => {
            raise!(cx, netbios_session_rejected, body);
        }
        RETARGET => {
            raise!(cx, netbios_session_ret_arg_resp, body);
        }
        _ => {
            raise!(cx, netbios_session_keepalive, body);
        }
    }
}

impl Session {
    fn stream(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if self.stopped {
            return;
        }
        let mut buf = std::mem::take(&mut self.buf[is_orig as usize]);
        buf.extend_from_slice(data);
        let mut at = 0;
        while let Some(&[kind, flags, high, low]) = buf.get(at..at + 4) {
            if !matches!(kind, MESSAGE | REQUEST..=KEEPALIVE) {
                cx.violation("unknown NetBIOS session message type");
                self.stopped = true;
                return;
            }
            // The length has seventeen bits, so that what is kept is bounded.
            let n = usize::from(flags & 1) << 16 | usize::from(high) << 8 | usize::from(low);
            let Some(body) = buf.get(at + 4..at + 4 + n) else {
                break;
            };
            message(cx, is_orig, kind, body);
            at += 4 + n;
        }
        buf.drain(..at);
        self.buf[is_orig as usize] = buf;
    }

    /// A datagram (RFC 1002, section 4.4): both names are passed over.
    fn datagram(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) -> Option<()> {
        let mut c = Cursor::new(data);
        let kind = c.u8()?;
        if !(0x10..=0x16).contains(&kind) {
            cx.weird("unknown_netbios_type", &format!("0x{kind:x}"));
            return Some(());
        }
        c.skip(9)?;
        if kind <= 0x12 {
            c.skip(4)?;
            for _ in 0..2 {
                loop {
                    let n = c.u8()?;
                    match n {
                        0 => break,
                        1..=63 => c.skip(n as usize)?,
                        _ => {
                            c.skip(1)?;
                            break;
                        }
                    }
                }
            }
        }
        let body = c.take_rest();
        raise!(cx, netbios_session_message, is_orig, u64::from(kind), body.len() as u64);
        if !is_smb(body) {
            raise!(cx, netbios_session_raw_message, is_orig, body);
        }
        Some(())
    }
}

impl Analyzer for Session {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if cx.conn.transport == Transport::Udp {
            self.packet(cx, is_orig, data);
        } else {
            self.stream(cx, is_orig, data);
        }
    }

    fn packet(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if self.datagram(cx, is_orig, data).is_none() {
            cx.weird("truncated_netbios_datagram", "");
        }
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
