//! MySQL client/server protocol: handshake, authentication, commands and their results.

use tapir_data::value::Value;
use tapir_interface::types;

use crate::core::Cx;
use crate::ssl::Ssl;
use crate::util::cursor::Cursor;
use crate::util::grammar;
use crate::util::units::{Step, Stream, Units};
use crate::{raise, wants};

const CLIENT_CONNECT_WITH_DB: u32 = 8;
const CLIENT_PROTOCOL_41: u32 = 0x200;
const CLIENT_SSL: u32 = 0x800;
const CLIENT_SECURE: u32 = 0x8000;
const CLIENT_PLUGIN_AUTH: u32 = 0x8_0000;
const CLIENT_LENENC_AUTH: u32 = 0x20_0000;
const CLIENT_DEPRECATE_EOF: u32 = 0x100_0000;
const CLIENT_QUERY_ATTRIBUTES: u32 = 0x800_0000;

/// How MariaDB begins to say how far it has come: with the form of an error that no error has.
const PROGRESS: &[u8] = b"\xff\xff\xff";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Greeting,
    Handshake,
    Auth,
    Command,
}

/// What the server is expected to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expect {
    #[default]
    Nothing,
    Status,
    ResultHead,
    Columns(u64),
    ColumnsEof,
    Rows,
    FieldList,
    Text,
}

/// The analyzer.
pub type Mysql = Stream<Packets>;

/// What is known of a session.
#[derive(Default)]
pub struct Packets {
    phase: Phase,
    expect: Expect,
    caps: u32,
    server_caps: u32,
    tls: bool,
    /// The server asked for the contents of a file, whose end is an empty packet.
    file: bool,
}

/// A length-encoded integer.
fn lenenc(c: &mut Cursor) -> Option<u64> {
    match c.u8()? {
        0xfc => c.n16le(),
        0xfd => c.array::<3>().map(|b| u32::from_le_bytes([b[0], b[1], b[2], 0]) as u64),
        0xfe => c.u64le(),
        0xfb | 0xff => None,
        n => Some(n as u64),
    }
}

fn lenenc_bytes<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let n = lenenc(c)?;
    c.take(usize::try_from(n).ok()?)
}

/// Bytes up to a NUL or to the end.
fn nul_or_rest<'a>(c: &mut Cursor<'a>) -> &'a [u8] {
    match c.cstr() {
        Some(s) => s,
        None => c.take_rest(),
    }
}

impl Packets {
    fn server(&mut self, cx: &mut Cx, p: &[u8]) -> Option<()> {
        let first = *p.first()?;
        let mut c = Cursor::new(p);
        c.u8();
        match self.phase {
            Phase::Greeting => {
                if first == 0xff {
                    self.error(cx, &mut c);
                    return Some(());
                }
                if first != 10 && first != 9 {
                    return None;
                }
                let version = c.cstr()?;
                raise!(cx, mysql_server_version, version);
                if first == 10 {
                    c.skip(4)?;
                    let data1 = c.take(8)?;
                    c.u8()?;
                    let low = c.u16le()? as u32;
                    if c.left() >= 15 {
                        c.skip(3)?;
                        self.server_caps = low | (c.u16le()? as u32) << 16;
                        let n = c.u8()? as usize;
                        c.skip(10)?;
                        if self.server_caps & CLIENT_PLUGIN_AUTH != 0 {
                            let data2 = c.take(n.saturating_sub(8).max(13).min(c.left()))?;
                            let name = nul_or_rest(&mut c);
                            let data = [data1, data2].concat();
                            raise!(cx, mysql_auth_plugin, false, name, data);
                        }
                    } else {
                        self.server_caps = low;
                    }
                }
                self.phase = Phase::Handshake;
            }
            Phase::Handshake | Phase::Auth => match first {
                0 => {
                    self.ok(cx, &mut c)?;
                    self.phase = Phase::Command;
                    self.expect = Expect::Nothing;
                }
                0xff => self.error(cx, &mut c),
                0xfe if p.len() > 1 => {
                    let name = nul_or_rest(&mut c);
                    let data = c.take_rest();
                    raise!(cx, mysql_auth_switch_request, name, data);
                }
                1 => {
                    raise!(cx, mysql_auth_more_data, false, c.take_rest());
                }
                _ => {}
            },
            Phase::Command => self.result(cx, first, p)?,
        }
        Some(())
    }

    fn ok(&self, cx: &mut Cx, c: &mut Cursor) -> Option<()> {
        let rows = lenenc(c)?;
        raise!(cx, mysql_ok, rows);
        Some(())
    }

    fn error(&self, cx: &mut Cx, c: &mut Cursor) {
        let Some(code) = c.n16le() else { return };
        // The state is taken to be there always.
        let _ = c.skip(6.min(c.left()));
        raise!(cx, mysql_error, code, c.take_rest());
    }

    fn no_eof(&self) -> bool {
        self.caps & self.server_caps & CLIENT_DEPRECATE_EOF != 0
    }

    fn result(&mut self, cx: &mut Cx, first: u8, p: &[u8]) -> Option<()> {
        let mut c = Cursor::new(p);
        let eof = first == 0xfe && p.len() < 9;
        if p.starts_with(PROGRESS) {
            return Some(());
        }
        if first == 0xff && !matches!(self.expect, Expect::Nothing) {
            c.u8();
            self.error(cx, &mut c);
            self.expect = Expect::Nothing;
            return Some(());
        }
        match self.expect {
            Expect::Nothing | Expect::Text => self.expect = Expect::Nothing,
            Expect::Status => {
                c.u8();
                if first == 0 || eof && self.no_eof() {
                    self.ok(cx, &mut c)?;
                } else if eof {
                    raise!(cx, mysql_eof, false);
                }
                self.expect = Expect::Nothing;
            }
            Expect::ResultHead => match first {
                0 => {
                    c.u8();
                    self.ok(cx, &mut c)?;
                    self.expect = Expect::Nothing;
                }
                0xfb => {
                    self.expect = Expect::Status;
                    self.file = true;
                }
                _ => {
                    let n = lenenc(&mut c)?;
                    self.expect = Expect::Columns(n);
                }
            },
            Expect::Columns(n) => {
                let left = n.saturating_sub(1);
                self.expect = if left > 0 {
                    Expect::Columns(left)
                } else if self.no_eof() {
                    Expect::Rows
                } else {
                    Expect::ColumnsEof
                };
            }
            Expect::ColumnsEof => {
                if eof {
                    raise!(cx, mysql_eof, true);
                }
                self.expect = Expect::Rows;
            }
            Expect::FieldList => {
                if eof {
                    c.u8();
                    if self.no_eof() {
                        self.ok(cx, &mut c)?;
                    } else {
                        raise!(cx, mysql_eof, false);
                    }
                    self.expect = Expect::Nothing;
                }
            }
            Expect::Rows => {
                if first == 0xfe && self.no_eof() && p.len() < 0xff_ffff {
                    c.u8();
                    self.ok(cx, &mut c)?;
                    self.expect = Expect::Nothing;
                } else if eof {
                    raise!(cx, mysql_eof, false);
                    self.expect = Expect::Nothing;
                } else if wants!(cx, mysql_result_row) {
                    let mut row = Vec::new();
                    while !c.is_empty() {
                        if c.peek() == Some(0xfb) {
                            c.u8();
                            row.push(Value::Str(b"NULL"[..].into()));
                        } else {
                            let Some(s) = lenenc_bytes(&mut c) else { break };
                            row.push(Value::Str(s.into()));
                        }
                    }
                    let v = cx.vector(types::STRING_VEC, row);
                    raise!(cx, mysql_result_row, v);
                }
            }
        }
        Some(())
    }

    fn client(&mut self, cx: &mut Cx, p: &[u8]) -> Option<()> {
        match self.phase {
            Phase::Greeting => None,
            Phase::Handshake => self.handshake(cx, p),
            Phase::Auth => {
                raise!(cx, mysql_auth_more_data, true, p);
                Some(())
            }
            Phase::Command if self.file => {
                self.file = !p.is_empty();
                Some(())
            }
            Phase::Command => self.command(cx, p),
        }
    }

    fn handshake(&mut self, cx: &mut Cx, p: &[u8]) -> Option<()> {
        let mut c = Cursor::new(p);
        let low = c.u16le()? as u32;
        let user;
        if low & CLIENT_PROTOCOL_41 != 0 {
            self.caps = low | (c.u16le()? as u32) << 16;
            c.skip(28)?;
            if c.is_empty() && self.caps & CLIENT_SSL != 0 {
                raise!(cx, mysql_ssl_request);
                cx.confirm();
                self.tls = true;
                Ssl::begin(cx);
                return Some(());
            }
            user = nul_or_rest(&mut c);
            cx.confirm();
            raise!(cx, mysql_handshake, user);
            let auth = if self.caps & CLIENT_LENENC_AUTH != 0 {
                lenenc_bytes(&mut c)
            } else if self.caps & CLIENT_SECURE != 0 {
                c.vec8()
            } else {
                c.cstr()
            };
            if self.caps & CLIENT_CONNECT_WITH_DB != 0 {
                c.cstr();
            }
            if self.caps & CLIENT_PLUGIN_AUTH != 0 && !c.is_empty() {
                let name = nul_or_rest(&mut c);
                raise!(cx, mysql_auth_plugin, true, name, auth.unwrap_or(&[]));
            }
        } else {
            self.caps = low;
            c.skip(3)?;
            user = nul_or_rest(&mut c);
            cx.confirm();
            raise!(cx, mysql_handshake, user);
        }
        self.phase = Phase::Auth;
        Some(())
    }

    fn command(&mut self, cx: &mut Cx, p: &[u8]) -> Option<()> {
        let mut c = Cursor::new(p);
        let cmd = c.u8()?;
        if cmd == 3 && self.caps & self.server_caps & CLIENT_QUERY_ATTRIBUTES != 0 {
            query_attributes(&mut c)?;
        }
        let arg = c.rest();
        raise!(cx, mysql_command_request, cmd as u64, arg);
        self.expect = match cmd {
            1 => Expect::Nothing,
            3 | 23 => Expect::ResultHead,
            4 => Expect::FieldList,
            9 => Expect::Text,
            10 => Expect::ResultHead,
            17 => {
                let user = nul_or_rest(&mut c);
                raise!(cx, mysql_change_user, user);
                self.phase = Phase::Auth;
                Expect::Nothing
            }
            0x12..=0x16 | 0x18 | 0x19 | 0x1c | 0x1e => Expect::Nothing,
            _ => Expect::Status,
        };
        Some(())
    }
}

/// Passes over the attributes that stand before a query.
fn query_attributes(c: &mut Cursor) -> Option<()> {
    let count = lenenc(c)? as usize;
    let _sets = lenenc(c)?;
    if count == 0 {
        return Some(());
    }
    if count > 65_535 {
        return None;
    }
    let nulls = c.take(count.div_ceil(8))?;
    c.u8()?;
    let mut kinds = Vec::with_capacity(count);
    for _ in 0..count {
        kinds.push(c.u8()?);
        c.u8()?;
        lenenc_bytes(c)?;
    }
    for (i, k) in kinds.iter().enumerate() {
        if nulls[i / 8] >> (i % 8) & 1 != 0 {
            continue;
        }
        match k {
            0x01 => c.skip(1)?,
            0x02 | 0x0d => c.skip(2)?,
            0x03 | 0x04 | 0x09 => c.skip(4)?,
            0x05 | 0x08 => c.skip(8)?,
            0x06 => {}
            0x07 | 0x0a | 0x0b | 0x0c => {
                c.vec8()?;
            }
            _ => {
                lenenc_bytes(c)?;
            }
        }
    }
    Some(())
}

impl Units for Packets {
    const FROM_START: bool = true;

    fn unit(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) -> Step {
        let mut c = Cursor::new(data);
        let Some(h) = c.array::<4>() else {
            return Step::More;
        };
        let Some(p) = c.take(u32::from_le_bytes([h[0], h[1], h[2], 0]) as usize) else {
            return Step::More;
        };
        let r = if is_orig {
            self.client(cx, p)
        } else {
            self.server(cx, p)
        };
        if r.is_none() && !p.is_empty() {
            return Step::let_go(cx, &grammar::exception("out_of_bound: MySQL_PDU"), data);
        }
        if self.tls {
            Step::HandOver(c.pos())
        } else {
            Step::Used(c.pos())
        }
    }
}
