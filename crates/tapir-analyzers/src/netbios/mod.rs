//! NetBIOS session and datagram services (RFC 1002, sections 4.3 and 4.4).

use crate::core::Cx;
use crate::raise;
use crate::util::cursor::Cursor;
use crate::util::units::{Step, Stream, Units};

const MESSAGE: u8 = 0x00;
const REQUEST: u8 = 0x81;
const ACCEPTED: u8 = 0x82;
const REJECTED: u8 = 0x83;
const RETARGET: u8 = 0x84;
const KEEPALIVE: u8 = 0x85;

/// The analyzer.
pub type Session = Stream<Services>;

/// Both services.
#[derive(Default)]
pub struct Services {
    /// Whether the timer of datagrams runs.
    timer: bool,
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

/// A datagram (RFC 1002, section 4.4): both names are passed over.
fn datagram(cx: &mut Cx, is_orig: bool, data: &[u8]) -> Option<()> {
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
impl Units for Services {
    fn unit(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) -> Step {
        let &[kind, flags, high, low, ref rest @ ..] = data else {
            return Step::More;
        };
        if !matches!(kind, MESSAGE | REQUEST..=KEEPALIVE) {
            return Step::refuse(cx, "unknown NetBIOS session message type");
        }
        // The length has seventeen bits, so that what is kept is bounded.
        let n = usize::from(flags & 1) << 16 | usize::from(high) << 8 | usize::from(low);
        let Some(body) = rest.get(..n) else {
            return Step::More;
        };
        message(cx, is_orig, kind, body);
        Step::Used(4 + n)
    }

    fn datagram(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) -> Option<Step> {
        if !self.timer {
            self.timer = true;
            cx.conn.asks.netbios_session = true;
        }
        if datagram(cx, is_orig, data).is_none() {
            cx.weird("truncated_netbios_datagram", "");
        }
        Some(Step::Used(data.len()))
    }
}
