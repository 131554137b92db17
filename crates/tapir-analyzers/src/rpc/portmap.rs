//! The port mapper, version 2 (RFC 1833, section 3). Versions 3 and 4 share its number only: they speak of addresses as
//! texts, which no event takes.

use tapir_data::value::{Port, Proto, Value};
use tapir_interface::{records, types};

use super::xdr::{flag, opaque, word};
use super::{Call, Reply, Status};
use crate::core::Cx;
use crate::util::cursor::Cursor;
use crate::{raise, wants};

const TCP: u64 = 6;

const VERSION: u64 = 2;

/// A list of mappings is followed so far.
const MAX_MAPPINGS: u64 = 4096;

struct Mapping {
    program: u64,
    version: u64,
    protocol: u64,
    port: u64,
}

fn mapping(c: &mut Cursor) -> Option<Mapping> {
    Some(Mapping {
        program: word(c)?,
        version: word(c)?,
        protocol: word(c)?,
        port: word(c)?,
    })
}

/// A port of a protocol; what is none becomes 0, and is told of.
fn port(cx: &mut Cx, n: u64, protocol: u64) -> Port {
    let num = u16::try_from(n).unwrap_or_else(|_| {
        raise!(cx, pm_bad_port, n);
        0
    });
    let proto = if protocol == TCP { Proto::Tcp } else { Proto::Udp };
    Port { proto, num }
}

fn mapping_value(cx: &mut Cx, m: &Mapping) -> Value {
    let p = port(cx, m.port, m.protocol);
    records::PmMapping {
        program: m.program,
        version: m.version,
        p,
    }
    .build(cx.q.bindings())
}

/// Whether these are arguments of a procedure.
pub(super) fn is_valid(proc: u64, a: &mut Cursor) -> bool {
    match proc {
        1..=3 => mapping(a).is_some(),
        5 => (0..3).all(|_| word(a).is_some()) && opaque(a).is_some(),
        _ => true,
    }
}

/// A finished call; gives the bytes of arguments and results that nothing was made of.
pub(super) fn dialogue(cx: &mut Cx, call: &Call, reply: &Reply) -> Option<usize> {
    if call.version != VERSION && call.proc != 0 {
        return Some(0);
    }
    let mut a = Cursor::new(&call.args);
    let mut r = Cursor::new(reply.body);
    let ok = reply.status == Status::Success;
    let status = reply.status as i64;
    match call.proc {
        0 if ok => {
            raise!(cx, pm_request_null);
        }
        0 => {
            raise!(cx, pm_attempt_null, status);
        }
        1 | 2 => {
            let m = mapping(&mut a)?;
            let m = mapping_value(cx, &m);
            let success = if ok { flag(&mut r)? } else { false };
            match (call.proc, ok) {
                (1, true) => {
                    raise!(cx, pm_request_set, m, success);
                }
                (1, false) => {
                    raise!(cx, pm_attempt_set, status, m);
                }
                (_, true) => {
                    raise!(cx, pm_request_unset, m, success);
                }
                (_, false) => {
                    raise!(cx, pm_attempt_unset, status, m);
                }
            }
        }
        3 => {
            let m = mapping(&mut a)?;
            let wanted = records::PmPortRequest {
                program: m.program,
                version: m.version,
                is_tcp: m.protocol == TCP,
            }
            .build(cx.q.bindings());
            if ok {
                let p = word(&mut r)?;
                let p = port(cx, p, m.protocol);
                raise!(cx, pm_request_getport, wanted, p);
            } else {
                raise!(cx, pm_attempt_getport, status, wanted);
            }
        }
        4 if ok => {
            let mut list = Vec::new();
            while flag(&mut r)? {
                let m = mapping(&mut r)?;
                if list.len() as u64 >= MAX_MAPPINGS {
                    break;
                }
                list.push(mapping_value(cx, &m));
            }
            if wants!(cx, pm_request_dump) {
                let t = cx.q.bindings().table(types::PM_MAPPINGS);
                for (i, m) in list.into_iter().enumerate() {
                    t.insert(&[Value::Count(i as u64 + 1)], m, cx.sh.now);
                }
                raise!(cx, pm_request_dump, Value::Table(t));
            }
        }
        4 => {
            raise!(cx, pm_attempt_dump, status);
        }
        5 => {
            let (program, version, proc) = (word(&mut a)?, word(&mut a)?, word(&mut a)?);
            let arg_size = opaque(&mut a)?.len() as u64;
            let asked = records::PmCallitRequest {
                program,
                version,
                proc,
                arg_size,
            }
            .build(cx.q.bindings());
            if ok {
                let p = word(&mut r)?;
                opaque(&mut r)?;
                let p = port(cx, p, 17);
                raise!(cx, pm_request_callit, asked, p);
            } else {
                raise!(cx, pm_attempt_callit, status, asked);
            }
        }
        _ => return Some(0),
    }
    Some(if ok { a.left() + r.left() } else { 0 })
}
