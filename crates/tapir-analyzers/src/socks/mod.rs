//! SOCKS 4, 4a and 5 (RFC 1928, 1929); what is proxied is analysed by dynamic detection.

use std::any::Any;

use tapir_data::value::{Addr, Port, Proto, Value};
use tapir_interface::records;

use crate::core::pia::Pia;
use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::util::cursor::Cursor;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum State {
    #[default]
    Start,
    Methods,
    Password,
    PasswordReply,
    Request,
    Reply,
    Proxying,
    Dead,
}

/// The analyzer.
#[derive(Default)]
pub struct Socks {
    buf: [Vec<u8>; 2],
    state: State,
    version: u8,
    kind: u64,
}

fn tcp(num: u16) -> Port {
    Port { proto: Proto::Tcp, num }
}

fn address(cx: &Cx, host: Option<Addr>, name: Option<&[u8]>) -> Value {
    records::SOCKSAddress {
        host,
        name: name.map(Into::into),
    }
    .build(cx.q.bindings())
}

/// What came of a try to read a message.
enum Read {
    More,
    Bad(String),
}

impl Socks {
    fn step(&mut self, cx: &mut Cx, is_orig: bool, b: &[u8]) -> Result<usize, Read> {
        let mut c = Cursor::new(b);
        let more = || Read::More;
        match (self.state, is_orig) {
            (State::Start, true) => match b[0] {
                4 => {
                    let kind = c.skip(1).and_then(|()| c.n8()).ok_or_else(more)?;
                    let port = c.u16().ok_or_else(more)?;
                    let ip = c.array::<4>().ok_or_else(more)?;
                    let user = c.cstr().ok_or_else(|| limit(b))?;
                    let named = ip[..3] == [0, 0, 0] && ip[3] != 0;
                    let name = if named {
                        Some(c.cstr().ok_or_else(|| limit(b))?)
                    } else {
                        None
                    };
                    self.version = 4;
                    self.kind = kind;
                    self.state = State::Reply;
                    let a = address(cx, (!named).then(|| Addr::v4(ip)), name);
                    raise!(cx, socks_request, 4, kind, a, tcp(port), user);
                    Ok(c.pos())
                }
                5 => {
                    c.u8();
                    c.vec8().ok_or_else(more)?;
                    self.version = 5;
                    self.state = State::Methods;
                    Ok(c.pos())
                }
                v => Err(Read::Bad(format!("unsupported/unknown SOCKS version {v}"))),
            },
            (State::Methods, false) => {
                let v = c.u8().ok_or_else(more)?;
                let m = c.u8().ok_or_else(more)?;
                if v != 5 {
                    return Err(Read::Bad(format!("unsupported/unknown SOCKS version {v}")));
                }
                self.state = match m {
                    0 => State::Request,
                    2 => State::Password,
                    _ => State::Dead,
                };
                Ok(2)
            }
            (State::Password, true) => {
                let v = c.u8().ok_or_else(more)?;
                if v != 1 {
                    return Err(Read::Bad(format!("unsupported/unknown SOCKS auth version {v}")));
                }
                let user = c.vec8().ok_or_else(more)?;
                let pass = c.vec8().ok_or_else(more)?;
                raise!(cx, socks_login_userpass_request, user, pass);
                self.state = State::PasswordReply;
                Ok(c.pos())
            }
            (State::PasswordReply, false) => {
                c.u8().ok_or_else(more)?;
                let code = c.n8().ok_or_else(more)?;
                raise!(cx, socks_login_userpass_reply, code);
                self.state = State::Request;
                Ok(2)
            }
            (State::Request, true) => {
                let v = c.u8().ok_or_else(more)?;
                if v != 5 {
                    return Err(Read::Bad(format!("unsupported/unknown SOCKS version {v}")));
                }
                let kind = c.n8().ok_or_else(more)?;
                c.u8().ok_or_else(more)?;
                let (host, name) = v5_address(&mut c)?;
                let port = c.u16().ok_or_else(more)?;
                self.kind = kind;
                self.state = State::Reply;
                let a = address(cx, host, name);
                raise!(cx, socks_request, 5, kind, a, tcp(port), "");
                Ok(c.pos())
            }
            (State::Reply, false) if self.version == 4 => {
                // As recorded: the version is asked for here too, though servers are to send 0.
                let v = c.u8().ok_or_else(more)?;
                if v != 4 {
                    return Err(Read::Bad(format!("unsupported/unknown SOCKS version {v}")));
                }
                let code = c.n8().ok_or_else(more)?;
                let port = c.u16().ok_or_else(more)?;
                let ip = c.array::<4>().ok_or_else(more)?;
                let a = address(cx, Some(Addr::v4(ip)), None);
                raise!(cx, socks_reply, 4, code, a, tcp(port));
                self.established(cx);
                Ok(8)
            }
            (State::Reply, false) => {
                let v = c.u8().ok_or_else(more)?;
                if v != 5 {
                    return Err(Read::Bad(format!("unsupported/unknown SOCKS version {v}")));
                }
                let code = c.n8().ok_or_else(more)?;
                c.u8().ok_or_else(more)?;
                let (host, name) = v5_address(&mut c)?;
                let port = c.u16().ok_or_else(more)?;
                let a = address(cx, host, name);
                raise!(cx, socks_reply, 5, code, a, tcp(port));
                self.established(cx);
                Ok(c.pos())
            }
            _ => Err(Read::More),
        }
    }

    fn established(&mut self, cx: &mut Cx) {
        cx.confirm();
        cx.add_child_boxed("PIA_TCP", Box::new(Pia::inner()));
        self.state = State::Proxying;
    }
}

/// An unterminated string: more bytes, unless there are too many already.
fn limit(b: &[u8]) -> Read {
    if b.len() > 1024 {
        Read::Bad("SOCKS string too long".into())
    } else {
        Read::More
    }
}

fn v5_address<'a>(c: &mut Cursor<'a>) -> Result<(Option<Addr>, Option<&'a [u8]>), Read> {
    match c.u8().ok_or(Read::More)? {
        1 => Ok((Some(Addr::v4(c.array().ok_or(Read::More)?)), None)),
        3 => Ok((None, Some(c.vec8().ok_or(Read::More)?))),
        4 => Ok((Some(Addr::v6(c.array().ok_or(Read::More)?)), None)),
        t => Err(Read::Bad(format!("invalid SOCKSv5 addr type {t}"))),
    }
}

impl Analyzer for Socks {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        match self.state {
            State::Proxying => return cx.forward(is_orig, data),
            State::Dead => return,
            _ => {}
        }
        let d = is_orig as usize;
        let mut buf = std::mem::take(&mut self.buf[d]);
        buf.extend_from_slice(data);
        let mut at = 0;
        while at < buf.len() {
            if self.state == State::Proxying {
                let rest = buf.split_off(at);
                cx.forward(is_orig, &rest);
                return;
            }
            match self.step(cx, is_orig, &buf[at..]) {
                Ok(n) => at += n,
                Err(Read::More) => break,
                Err(Read::Bad(why)) => {
                    cx.violation(&why);
                    self.state = State::Dead;
                    return;
                }
            }
        }
        buf.drain(..at);
        if buf.len() > 4096 {
            self.state = State::Dead;
            buf.clear();
        }
        self.buf[d] = buf;
    }

    fn gap(&mut self, cx: &mut Cx, is_orig: bool, seq: u64, len: u64) {
        if self.state == State::Proxying {
            cx.forward_gap(is_orig, seq, len);
        } else {
            self.state = State::Dead;
        }
    }

    fn eof(&mut self, cx: &mut Cx, is_orig: bool) {
        cx.forward_eof(is_orig);
    }

    fn flip(&mut self) {
        self.buf.swap(0, 1);
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}
