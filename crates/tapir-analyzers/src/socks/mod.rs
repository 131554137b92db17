//! SOCKS 4, 4a and 5 (RFC 1928, 1929); what is proxied is analysed by dynamic detection.

use tapir_data::value::{Addr, Port, Proto, Value};
use tapir_interface::records;

use crate::core::Cx;
use crate::core::pia::Pia;
use crate::raise;
use crate::util::cursor::Cursor;
use crate::util::units::{Step, Stream, Units};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum State {
    #[default]
    Start,
    Methods,
    Password,
    PasswordReply,
    Request,
    Reply,
}

/// The analyzer.
pub type Socks = Stream<Session>;

/// How far a session has come.
#[derive(Default)]
pub struct Session {
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

impl Session {
    fn step(&mut self, cx: &mut Cx, is_orig: bool, b: &[u8]) -> Result<Step, Read> {
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
                    Ok(Step::Used(c.pos()))
                }
                5 => {
                    c.u8();
                    c.vec8().ok_or_else(more)?;
                    self.version = 5;
                    self.state = State::Methods;
                    Ok(Step::Used(c.pos()))
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
                    _ => return Ok(Step::Stop),
                };
                Ok(Step::Used(2))
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
                Ok(Step::Used(c.pos()))
            }
            (State::PasswordReply, false) => {
                c.u8().ok_or_else(more)?;
                let code = c.n8().ok_or_else(more)?;
                raise!(cx, socks_login_userpass_reply, code);
                self.state = State::Request;
                Ok(Step::Used(2))
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
                Ok(Step::Used(c.pos()))
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
                Ok(established(cx, c.pos()))
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
                Ok(established(cx, c.pos()))
            }
            _ => Err(Read::More),
        }
    }
}

/// What comes behind the first `used` bytes is proxied.
fn established(cx: &mut Cx, used: usize) -> Step {
    cx.confirm();
    cx.add_child_boxed("PIA_TCP", Box::new(Pia::inner()));
    Step::HandOver(used)
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

impl Units for Session {
    const MAX: usize = 4096;

    fn unit(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) -> Step {
        match self.step(cx, is_orig, data) {
            Ok(step) => step,
            Err(Read::More) => Step::More,
            Err(Read::Bad(why)) => Step::refuse(cx, &why),
        }
    }
}
