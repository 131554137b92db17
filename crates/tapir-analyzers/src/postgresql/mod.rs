//! PostgreSQL frontend/backend protocol 3.

use crate::core::Cx;
use crate::raise;
use crate::ssl::Ssl;
use crate::util::cursor::Cursor;
use crate::util::grammar;
use crate::util::units::{Step, Stream, Units};

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
}

/// The analyzer.
pub type PostgreSql = Stream<Messages>;

/// How far a session has come.
#[derive(Default)]
pub struct Messages {
    phase: Phase,
}

impl Units for Messages {
    fn unit(&mut self, cx: &mut Cx, is_orig: bool, b: &[u8]) -> Step {
        let step = match self.phase {
            Phase::Startup if is_orig => self.startup(cx, b),
            // A server has nothing to say before its client has begun.
            Phase::Startup => Some(Step::Used(b.len())),
            Phase::Asked if !is_orig => {
                cx.confirm();
                raise!(cx, postgresql_ssl_reply, &b[..1]);
                if b[0] == b'S' {
                    Ssl::begin(cx);
                    return Step::HandOver(1);
                }
                self.phase = Phase::Startup;
                Some(Step::Used(1))
            }
            Phase::Asked => None,
            Phase::Messages => Self::message(cx, is_orig, b),
        };
        step.unwrap_or(Step::More)
    }
}

impl Messages {
    fn message(cx: &mut Cx, is_orig: bool, b: &[u8]) -> Option<Step> {
        let mut c = Cursor::new(b);
        let (ty, n) = (c.u8()?, c.u32()? as usize);
        if !(4..=MAX_MESSAGE).contains(&n) {
            let why = grammar::at(
                "error while parsing PostgreSQL: &requires failed: (self.length >= 4)",
                "postgresql/postgresql.spicy:261:20-261:47",
            );
            return Some(Step::refuse(cx, &why));
        }
        let body = c.take(n - 4)?;
        let ok = if is_orig {
            frontend(cx, ty, body)
        } else {
            backend(cx, ty, body)
        };
        Some(match ok {
            Some(()) => Step::Used(c.pos()),
            None => Step::refuse(cx, "error while parsing PostgreSQL"),
        })
    }

    fn startup(&mut self, cx: &mut Cx, b: &[u8]) -> Option<Step> {
        let mut c = Cursor::new(b);
        let n = c.u32()? as usize;
        if n < 8 {
            let why = grammar::at(
                "&requires failed: (self.length >= 8)",
                "postgresql/postgresql.spicy:80:20-80:47",
            );
            return Some(Step::refuse(cx, &why));
        }
        let code = c.u32()?;
        match code {
            SSL_REQUEST | GSS_REQUEST => {
                if code == SSL_REQUEST {
                    raise!(cx, postgresql_ssl_request);
                }
                self.phase = Phase::Asked;
                return Some(Step::Used(8));
            }
            CANCEL => return b.get(..n).map(|_| Step::Used(n)),
            _ => {}
        }
        let major = code >> 16;
        if major != 3 {
            let why = grammar::at(
                &format!("unsupported PostgreSQL major version {major}"),
                "postgresql/postgresql.spicy:93:17-93:72",
            );
            return Some(Step::refuse(cx, &why));
        }
        if n > 65_536 {
            return Some(Step::refuse(cx, "PostgreSQL startup message too long"));
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
        Some(Step::Used(n))
    }
}

fn frontend(cx: &mut Cx, ty: u8, body: &[u8]) -> Option<()> {
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

fn backend(cx: &mut Cx, ty: u8, body: &[u8]) -> Option<()> {
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
