//! RFB, the protocol of VNC (RFC 6143), up to the start of the session.

use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::util::cursor::Cursor;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum State {
    #[default]
    ServerVersion,
    ClientVersion,
    SecurityTypes,
    SecurityChoice,
    Challenge,
    Response,
    ArdChallenge,
    ArdResponse,
    Result,
    ShareFlag,
    ServerInit,
    Done,
}

/// The analyzer.
#[derive(Default)]
pub struct Rfb {
    buf: [Vec<u8>; 2],
    state: State,
    minor: u32,
    /// Bytes of a key in Apple's authentication.
    ard_key: usize,
}

impl Rfb {
    fn step(&mut self, cx: &mut Cx, is_orig: bool, b: &[u8]) -> Option<usize> {
        let mut c = Cursor::new(b);
        match (self.state, is_orig) {
            (State::ServerVersion, false) | (State::ClientVersion, true) => {
                let line = c.take(12)?;
                if !line.starts_with(b"RFB ") {
                    cx.violation("invalid RFB version line");
                    self.state = State::Done;
                    return None;
                }
                let (major, minor) = (&line[4..7], &line[8..11]);
                if is_orig {
                    raise!(cx, rfb_client_version, major, minor);
                    cx.confirm();
                    let number = |b| std::str::from_utf8(b).ok().and_then(|s| s.parse().ok());
                    // Later versions (RFC 6143, section 7.1.1, leaves them to vendors) begin like 3.8.
                    let later = number(major).is_some_and(|n: u32| n > 3);
                    self.minor = if later { 8 } else { number(minor).unwrap_or(3) };
                    self.state = State::SecurityTypes;
                } else {
                    raise!(cx, rfb_server_version, major, minor);
                    self.state = State::ClientVersion;
                }
                Some(12)
            }
            (State::SecurityTypes, false) if self.minor < 7 => {
                let ty = c.n32()?;
                self.chosen(cx, ty);
                Some(4)
            }
            (State::SecurityTypes, false) => {
                let n = c.u8()? as usize;
                if n == 0 {
                    let len = c.u32()? as usize;
                    c.take(len.min(65_536))?;
                    self.state = State::Done;
                } else {
                    c.take(n)?;
                    self.state = State::SecurityChoice;
                }
                Some(c.pos())
            }
            (State::SecurityChoice, true) => {
                let ty = c.n8()?;
                self.chosen(cx, ty);
                Some(1)
            }
            (State::Challenge, false) => {
                c.take(16)?;
                self.state = State::Response;
                Some(16)
            }
            (State::Response, true) => {
                c.take(16)?;
                self.state = State::Result;
                Some(16)
            }
            (State::ArdChallenge, false) => {
                c.u16()?;
                let n = c.u16()? as usize;
                c.take(2 * n)?;
                self.ard_key = n;
                self.state = State::ArdResponse;
                Some(c.pos())
            }
            (State::ArdResponse, true) => {
                c.take(128 + self.ard_key)?;
                self.state = State::Result;
                Some(c.pos())
            }
            (State::Result, false) => {
                let r = c.u32()?;
                raise!(cx, rfb_auth_result, r != 0);
                raise!(cx, rfb_authentication_result, r == 0);
                self.state = if r == 0 { State::ShareFlag } else { State::Done };
                Some(4)
            }
            (State::ShareFlag, true) => {
                let f = c.u8()?;
                raise!(cx, rfb_share_flag, f != 0);
                self.state = State::ServerInit;
                Some(1)
            }
            (State::ServerInit, false) => {
                let (w, h) = (c.n16()?, c.n16()?);
                c.skip(16)?;
                let n = c.u32()? as usize;
                if n > 65_536 {
                    self.state = State::Done;
                    return None;
                }
                let name = c.take(n)?;
                raise!(cx, rfb_server_parameters, name, w, h);
                self.state = State::Done;
                Some(c.pos())
            }
            _ => None,
        }
    }

    fn chosen(&mut self, cx: &mut Cx, ty: u64) {
        raise!(cx, rfb_authentication_type, ty);
        self.state = match ty {
            1 if self.minor < 8 => State::ShareFlag,
            1 => State::Result,
            2 => State::Challenge,
            30 => State::ArdChallenge,
            _ => State::Done,
        };
    }
}

impl Analyzer for Rfb {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if self.state == State::Done || cx.conn.partial {
            return;
        }
        self.buf[is_orig as usize].extend_from_slice(data);
        // Each side may have sent ahead of the other.
        let mut progress = true;
        while progress && self.state != State::Done {
            progress = false;
            for side in [true, false] {
                let d = side as usize;
                let buf = std::mem::take(&mut self.buf[d]);
                let used = if buf.is_empty() {
                    None
                } else {
                    self.step(cx, side, &buf)
                };
                self.buf[d] = buf;
                if let Some(n) = used {
                    self.buf[d].drain(..n);
                    progress = true;
                }
            }
        }
        if self.state == State::Done || self.buf[0].len() + self.buf[1].len() > 1 << 18 {
            self.state = State::Done;
            self.buf = Default::default();
        }
    }

    fn gap(&mut self, _cx: &mut Cx, _is_orig: bool, _seq: u64, _len: u64) {
        self.state = State::Done;
        self.buf = Default::default();
    }

    fn flip(&mut self) {
        self.buf.swap(0, 1);
    }
}
