//! PostgreSQL frontend/backend protocol 3.

use std::any::Any;

use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::ssl::Ssl;
use crate::util::cursor::Cursor;

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL: u32 = 80_877_102;

const MAX_MESSAGE: usize = 16 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Startup,
    /// The server's one-byte answer to a request for encryption is due.
    Asked,
    Messages,
    Tls,
}

/// The analyzer.
#[derive(Default)]
pub struct PostgreSql {
    buf: [Vec<u8>; 2],
    phase: Phase,
    stopped: bool,
}

impl PostgreSql {
    fn fail(&mut self, cx: &mut Cx, why: &str) {
        cx.violation(why);
        self.stopped = true;
        self.buf = Default::default();
    }

    fn unit(&mut self, cx: &mut Cx, is_orig: bool, b: &[u8]) -> Option<usize> {
        match self.phase {
            Phase::Startup if is_orig => self.startup(cx, b),
            // A server has nothing to say before its client has begun.
            Phase::Startup => Some(b.len()),
            Phase::Asked if !is_orig => {
                cx.confirm();
                raise!(cx, postgresql_ssl_reply, &b[..1]);
                if b[0] == b'S' {
                    self.phase = Phase::Tls;
                    cx.add_child_boxed("SSL", Box::new(Ssl::default()));
                } else {
                    self.phase = Phase::Startup;
                }
                Some(1)
            }
            Phase::Messages => {
                let n = u32::from_be_bytes(b.get(1..5)?.try_into().ok()?) as usize;
                if !(4..=MAX_MESSAGE).contains(&n) {
                    self.fail(
                        cx,
                        "error while parsing PostgreSQL: &requires failed: (self.length >= 4)",
                    );
                    return None;
                }
                let body = b.get(5..1 + n)?;
                let ok = if is_orig {
                    self.frontend(cx, b[0], body)
                } else {
                    self.backend(cx, b[0], body)
                };
                if ok.is_none() {
                    self.fail(cx, "error while parsing PostgreSQL");
                    return None;
                }
                Some(1 + n)
            }
            _ => None,
        }
    }

    fn startup(&mut self, cx: &mut Cx, b: &[u8]) -> Option<usize> {
        let n = u32::from_be_bytes(b.get(..4)?.try_into().ok()?) as usize;
        if n < 8 {
            self.fail(cx, "&requires failed: (self.length >= 8)");
            return None;
        }
        let code = u32::from_be_bytes(b.get(4..8)?.try_into().ok()?);
        match code {
            SSL_REQUEST | GSS_REQUEST => {
                if code == SSL_REQUEST {
                    raise!(cx, postgresql_ssl_request);
                }
                self.phase = Phase::Asked;
                return Some(8);
            }
            CANCEL => return b.get(..n).map(|_| n),
            _ => {}
        }
        let major = code >> 16;
        if major != 3 {
            self.fail(cx, &format!("unsupported PostgreSQL major version {major}"));
            return None;
        }
        if n > 65_536 {
            self.fail(cx, "PostgreSQL startup message too long");
            return None;
        }
        let body = b.get(8..n)?;
        let mut c = Cursor::new(body);
        while let Some(name) = c.cstr() {
            if name.is_empty() {
                break;
            }
            let Some(value) = c.cstr() else { break };
            raise!(cx, postgresql_startup_parameter, name, value);
        }
        cx.confirm();
        raise!(cx, postgresql_startup_message, major as u64, (code & 0xffff) as u64);
        self.phase = Phase::Messages;
        Some(n)
    }

    fn frontend(&mut self, cx: &mut Cx, ty: u8, body: &[u8]) -> Option<()> {
        match ty {
            b'p' => {
                raise!(cx, postgresql_authentication_response, body);
            }
            b'Q' => {
                let q = body.strip_suffix(b"\0").unwrap_or(body);
                raise!(cx, postgresql_simple_query, q);
            }
            b'X' => {
                raise!(cx, postgresql_terminate);
            }
            _ => {
                raise!(cx, postgresql_not_implemented, true, &[ty], body);
            }
        }
        Some(())
    }

    fn backend(&mut self, cx: &mut Cx, ty: u8, body: &[u8]) -> Option<()> {
        cx.confirm();
        let mut c = Cursor::new(body);
        match ty {
            b'R' => {
                let id = c.n32()?;
                if id == 0 {
                    raise!(cx, postgresql_authentication_ok);
                } else {
                    raise!(cx, postgresql_authentication_request, id, c.take_rest());
                }
            }
            b'E' => {
                while let Some(code) = c.u8().filter(|b| *b != 0) {
                    let v = c.cstr()?;
                    raise!(cx, postgresql_error_response_identified_field, &[code], v);
                }
                raise!(cx, postgresql_error_response);
            }
            b'N' => {
                while let Some(code) = c.u8().filter(|b| *b != 0) {
                    let v = c.cstr()?;
                    raise!(cx, postgresql_notice_response_identified_field, &[code], v);
                }
                raise!(cx, postgresql_notice_response);
            }
            b'S' => {
                let (n, v) = (c.cstr()?, c.cstr()?);
                raise!(cx, postgresql_parameter_status, n, v);
            }
            b'K' => {
                let (pid, key) = (c.n32()?, c.n32()?);
                raise!(cx, postgresql_backend_key_data, pid, key);
            }
            b'Z' => {
                let s = c.take(1)?;
                raise!(cx, postgresql_ready_for_query, s);
            }
            b'D' => {
                let n = c.n16()?;
                raise!(cx, postgresql_data_row, n);
            }
            _ => {
                raise!(cx, postgresql_not_implemented, false, &[ty], body);
            }
        }
        Some(())
    }
}

impl Analyzer for PostgreSql {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if self.stopped {
            return;
        }
        if self.phase == Phase::Tls {
            cx.forward(is_orig, data);
            return;
        }
        let d = is_orig as usize;
        let mut buf = std::mem::take(&mut self.buf[d]);
        buf.extend_from_slice(data);
        let mut at = 0;
        while at < buf.len() && !self.stopped {
            match self.unit(cx, is_orig, &buf[at..]) {
                Some(n) => at += n,
                None => break,
            }
            if self.phase == Phase::Tls {
                cx.forward(is_orig, &buf[at..]);
                return;
            }
        }
        if !self.stopped {
            buf.drain(..at);
            self.buf[d] = buf;
        }
    }

    fn gap(&mut self, cx: &mut Cx, is_orig: bool, seq: u64, len: u64) {
        if self.phase == Phase::Tls {
            cx.forward_gap(is_orig, seq, len);
        } else {
            self.stopped = true;
            self.buf = Default::default();
        }
    }

    fn flip(&mut self) {
        self.buf.swap(0, 1);
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}
