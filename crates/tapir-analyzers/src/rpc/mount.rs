//! The mount protocol, version 3 (RFC 1813, appendix I).

use tapir_interface::enums::mount3_auth_flavor_t;
use tapir_interface::{records, types};

use super::xdr::{string, word};
use super::{Call, Reply, Status, info};
use crate::core::Cx;
use crate::util::cursor::Cursor;
use crate::{raise, wants};

/// The status that stands for all that the protocol does not know.
const UNKNOWN: u64 = 10_007;
/// Number of flavors that scripts have a name for.
const FLAVORS: u64 = 4;
/// A list of flavors is followed so far.
const MAX_FLAVORS: u64 = 64;

/// A finished call; gives the bytes of arguments and results that nothing was made of.
pub(super) fn dialogue(cx: &mut Cx, call: &Call, reply: &Reply) -> Option<usize> {
    if call.version != 3 {
        return Some(0);
    }
    let mut a = Cursor::new(&call.args);
    let mut r = Cursor::new(reply.body);
    let ok = reply.status == Status::Success;
    let mut stat = 0;
    if ok && call.proc == 1 {
        stat = match word(&mut r)? {
            n @ (0..=2 | 5 | 13 | 20 | 22 | 63 | 10_004 | 10_006) => n,
            _ => {
                cx.weird("unknown_mount_status", "");
                UNKNOWN
            }
        };
    }
    if !wants!(
        cx,
        mount_reply_status
            | mount_proc_null
            | mount_proc_mnt
            | mount_proc_umnt
            | mount_proc_umnt_all
            | mount_proc_not_implemented
    ) {
        return Some(0);
    }
    let info = info!(cx, MOUNT3InfoT, mnt_stat = stat, call, reply);
    let status = info.clone();
    raise!(cx, mount_reply_status, status);
    match call.proc {
        0 => {
            raise!(cx, mount_proc_null, info);
        }
        1 => {
            let req = records::MOUNT3DirmntargsT {
                dirname: string(&mut a)?,
            }
            .build(cx.q.bindings());
            let mut rep = records::MOUNT3MntReplyT::default();
            if ok && stat == 0 {
                rep.dirfh = Some(string(&mut r)?);
                let n = word(&mut r)?;
                let mut list = Vec::new();
                for _ in 0..n.min(MAX_FLAVORS) {
                    let f = word(&mut r)?;
                    if f < FLAVORS {
                        list.push(cx.q.bindings().enum_value(mount3_auth_flavor_t::ID, f as i64));
                    } else {
                        cx.weird("unknown_mount_auth_flavor", "");
                    }
                }
                rep.auth_flavors = cx.vector(types::VECTOR_OF_MOUNT3_AUTH_FLAVOR_T, list);
            }
            let rep = rep.build(cx.q.bindings());
            raise!(cx, mount_proc_mnt, info, req, rep);
        }
        3 | 4 => {
            // Some clients name a directory even where all are meant.
            let dirname = if call.proc == 3 || !a.is_empty() {
                string(&mut a)?
            } else {
                [].into()
            };
            let req = records::MOUNT3DirmntargsT { dirname }.build(cx.q.bindings());
            if call.proc == 3 {
                raise!(cx, mount_proc_umnt, info, req);
            } else {
                raise!(cx, mount_proc_umnt_all, info, req);
            }
        }
        n @ (2 | 5) => {
            raise!(cx, mount_proc_not_implemented, info, n as i64);
            return Some(0);
        }
        _ => {
            cx.weird("unknown_mount_request", &call.proc.to_string());
            return Some(0);
        }
    }
    Some(if ok && stat == 0 { a.left() + r.left() } else { 0 })
}
