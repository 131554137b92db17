//! NFS version 3 (RFC 1813).

use std::rc::Rc;

use tapir_data::value::Value;
use tapir_interface::{records, types};

use super::xdr::{flag, long, opaque, string, word};
use super::{Call, Reply, Status, info};
use crate::core::Cx;
use crate::util::cursor::Cursor;
use crate::{raise, wants};

/// The status that stands for all that the protocol does not know.
const UNKNOWN: u64 = 10_009;
/// A listing of a directory is followed so far.
const MAX_ENTRIES: usize = 4096;

/// Seconds and nanoseconds.
fn time(c: &mut Cursor) -> Option<f64> {
    Some(word(c)? as f64 + word(c)? as f64 / 1e9)
}

fn attributes(cx: &mut Cx, c: &mut Cursor) -> Option<Value> {
    let ftype = word(c)?;
    if !(1..=7).contains(&ftype) {
        cx.weird("unknown_NFS_file_type", &ftype.to_string());
        return None;
    }
    let r = records::NFS3FattrT {
        ftype: ftype as i64,
        mode: word(c)?,
        nlink: word(c)?,
        uid: word(c)?,
        gid: word(c)?,
        size: long(c)?,
        used: long(c)?,
        rdev1: word(c)?,
        rdev2: word(c)?,
        fsid: long(c)?,
        fileid: long(c)?,
        atime: time(c)?,
        mtime: time(c)?,
        ctime: time(c)?,
    };
    Some(r.build(cx.q.bindings()))
}

/// Attributes that may be left out.
fn after(cx: &mut Cx, c: &mut Cursor) -> Option<Value> {
    if flag(c)? {
        attributes(cx, c)
    } else {
        Some(Value::Unset)
    }
}

/// What is told of an object as it was before, which may be left out.
fn before(cx: &mut Cx, c: &mut Cursor) -> Option<Value> {
    if !flag(c)? {
        return Some(Value::Unset);
    }
    let r = records::NFS3WccAttrT {
        size: long(c)?,
        atime: time(c)?,
        mtime: time(c)?,
    };
    Some(r.build(cx.q.bindings()))
}

fn set_attributes(cx: &mut Cx, c: &mut Cursor) -> Option<Value> {
    let word_if = |c: &mut Cursor| Some(if flag(c)? { Some(word(c)?) } else { None });
    let (mode, uid, gid) = (word_if(c)?, word_if(c)?, word_if(c)?);
    let size = if flag(c)? { Some(long(c)?) } else { None };
    let mut how = [None; 2];
    for h in &mut how {
        *h = match word(c)? {
            n @ 0..=1 => Some(n as i64),
            2 => {
                time(c)?;
                Some(2)
            }
            n => {
                cx.weird("unknown_NFS_time_how", &n.to_string());
                return None;
            }
        };
    }
    let r = records::NFS3SattrT {
        mode,
        uid,
        gid,
        size,
        atime: how[0],
        mtime: how[1],
    };
    Some(r.build(cx.q.bindings()))
}

fn name_in_directory(cx: &mut Cx, c: &mut Cursor) -> Option<Value> {
    let r = records::NFS3DiropargsT {
        dirfh: string(c)?,
        fname: string(c)?,
    };
    Some(r.build(cx.q.bindings()))
}

/// A handle that may be left out.
fn handle(c: &mut Cursor) -> Option<Option<Rc<[u8]>>> {
    Some(if flag(c)? { Some(string(c)?) } else { None })
}

/// Contents of a file, as far as scripts want them.
fn contents(cx: &Cx, told: &mut bool, offset: u64, data: &[u8]) -> Option<Rc<[u8]>> {
    let o = &cx.sh.opts;
    if !o.nfs_return_data || (o.nfs_return_data_first_only && (offset > 0 || *told)) {
        return None;
    }
    *told = o.nfs_return_data_first_only;
    let max = match o.nfs_return_data_max {
        0 => data.len(),
        n => data.len().min(n as usize),
    };
    Some(data[..max].into())
}

fn status(cx: &mut Cx, n: u64) -> u64 {
    match n {
        0..=2 | 5 | 6 | 13 | 17..=22 | 27 | 28 | 30 | 31 | 63 | 66 | 69..=71 | 10_001..=10_008 => n,
        _ => {
            cx.weird("unknown_NFS_status", &n.to_string());
            UNKNOWN
        }
    }
}

/// A new object in a directory, or why there is none.
fn new_object(cx: &mut Cx, r: &mut Cursor, ok: bool, good: bool) -> Option<Value> {
    let mut rep = records::NFS3NewobjReplyT::default();
    if ok {
        if good {
            rep.fh = handle(r)?;
            rep.obj_attr = after(cx, r)?;
        }
        rep.dir_pre_attr = before(cx, r)?;
        rep.dir_post_attr = after(cx, r)?;
    }
    Some(rep.build(cx.q.bindings()))
}

/// A finished call; gives the bytes of arguments and results that nothing was made of.
pub(super) fn dialogue(cx: &mut Cx, call: &Call, reply: &Reply, told: &mut bool) -> Option<usize> {
    if call.version != 3 {
        return Some(0);
    }
    let mut a = Cursor::new(&call.args);
    let mut r = Cursor::new(reply.body);
    let ok = reply.status == Status::Success;
    let mut stat = 0;
    if ok && call.proc != 0 {
        let n = word(&mut r)?;
        stat = status(cx, n);
    }
    // Whether there are results of a successful operation.
    let good = ok && stat == 0;
    let told_of = wants!(
        cx,
        nfs_reply_status
            | nfs_proc_null
            | nfs_proc_getattr
            | nfs_proc_sattr
            | nfs_proc_lookup
            | nfs_proc_readlink
            | nfs_proc_read
            | nfs_proc_write
            | nfs_proc_create
            | nfs_proc_mkdir
            | nfs_proc_symlink
            | nfs_proc_remove
            | nfs_proc_rmdir
            | nfs_proc_rename
            | nfs_proc_link
            | nfs_proc_readdir
            | nfs_proc_not_implemented
    );
    let info = if told_of {
        info!(cx, NFS3InfoT, nfs_stat = stat, call, reply)
    } else {
        Value::Unset
    };
    let shown = info.clone();
    raise!(cx, nfs_reply_status, shown);
    let (a, r) = (&mut a, &mut r);
    match call.proc {
        0 => {
            raise!(cx, nfs_proc_null, info);
        }
        1 => {
            let fh = string(a)?;
            let attrs = if good {
                attributes(cx, r)?
            } else {
                records::NFS3FattrT {
                    ftype: 1,
                    ..Default::default()
                }
                .build(cx.q.bindings())
            };
            raise!(cx, nfs_proc_getattr, info, fh, attrs);
        }
        2 => {
            let fh = string(a)?;
            let new_attributes = set_attributes(cx, a)?;
            if flag(a)? {
                time(a)?;
            }
            let req = records::NFS3SattrargsT { fh, new_attributes }.build(cx.q.bindings());
            let mut rep = records::NFS3SattrReplyT::default();
            if ok {
                rep.dir_pre_attr = before(cx, r)?;
                rep.dir_post_attr = after(cx, r)?;
            }
            let rep = rep.build(cx.q.bindings());
            raise!(cx, nfs_proc_sattr, info, req, rep);
        }
        3 => {
            let req = name_in_directory(cx, a)?;
            let mut rep = records::NFS3LookupReplyT::default();
            if good {
                rep.fh = Some(string(r)?);
                rep.obj_attr = after(cx, r)?;
            }
            if ok {
                rep.dir_attr = after(cx, r)?;
            }
            let rep = rep.build(cx.q.bindings());
            raise!(cx, nfs_proc_lookup, info, req, rep);
        }
        5 => {
            let fh = string(a)?;
            let mut rep = records::NFS3ReadlinkReplyT::default();
            if ok {
                rep.attr = after(cx, r)?;
            }
            if good {
                rep.nfspath = Some(string(r)?);
            }
            let rep = rep.build(cx.q.bindings());
            raise!(cx, nfs_proc_readlink, info, fh, rep);
        }
        6 => {
            let (fh, offset, size) = (string(a)?, long(a)?, word(a)?);
            let req = records::NFS3ReadargsT { fh, offset, size }.build(cx.q.bindings());
            let mut rep = records::NFS3ReadReplyT::default();
            if ok {
                rep.attr = after(cx, r)?;
            }
            if good {
                rep.size = Some(word(r)?);
                rep.eof = Some(flag(r)?);
                rep.data = contents(cx, told, offset, opaque(r)?);
            }
            let rep = rep.build(cx.q.bindings());
            raise!(cx, nfs_proc_read, info, req, rep);
        }
        7 => {
            let (fh, offset, size) = (string(a)?, long(a)?, word(a)?);
            let stable = stable_how(cx, a)?;
            // Long contents are not kept whole with the call.
            let data = match opaque(a) {
                Some(d) => d,
                None => a.take_rest(),
            };
            let req = records::NFS3WriteargsT {
                fh,
                offset,
                size,
                stable,
                data: contents(cx, told, offset, data),
            }
            .build(cx.q.bindings());
            let mut rep = records::NFS3WriteReplyT::default();
            if ok {
                rep.preattr = before(cx, r)?;
                rep.postattr = after(cx, r)?;
            }
            if good {
                rep.size = Some(word(r)?);
                rep.commited = Some(stable_how(cx, r)?);
                rep.verf = Some(long(r)?);
            }
            let rep = rep.build(cx.q.bindings());
            raise!(cx, nfs_proc_write, info, req, rep);
        }
        8 => {
            let req = name_in_directory(cx, a)?;
            match word(a)? {
                0 | 1 => {
                    set_attributes(cx, a)?;
                }
                2 => {
                    long(a)?;
                }
                n => {
                    cx.weird("unknown_NFS_createmode", &n.to_string());
                    return Some(0);
                }
            }
            let rep = new_object(cx, r, ok, good)?;
            raise!(cx, nfs_proc_create, info, req, rep);
        }
        9 => {
            let req = name_in_directory(cx, a)?;
            set_attributes(cx, a)?;
            let rep = new_object(cx, r, ok, good)?;
            raise!(cx, nfs_proc_mkdir, info, req, rep);
        }
        10 => {
            let link = name_in_directory(cx, a)?;
            let symlinkdata = records::NFS3SymlinkdataT {
                symlink_attributes: set_attributes(cx, a)?,
                nfspath: Some(string(a)?),
            }
            .build(cx.q.bindings());
            let req = records::NFS3SymlinkargsT { link, symlinkdata }.build(cx.q.bindings());
            let rep = new_object(cx, r, ok, good)?;
            raise!(cx, nfs_proc_symlink, info, req, rep);
        }
        12 | 13 => {
            let req = name_in_directory(cx, a)?;
            let mut rep = records::NFS3DelobjReplyT::default();
            if ok {
                rep.dir_pre_attr = before(cx, r)?;
                rep.dir_post_attr = after(cx, r)?;
            }
            let rep = rep.build(cx.q.bindings());
            if call.proc == 12 {
                raise!(cx, nfs_proc_remove, info, req, rep);
            } else {
                raise!(cx, nfs_proc_rmdir, info, req, rep);
            }
        }
        14 => {
            let req = records::NFS3RenameopargsT {
                src_dirfh: string(a)?,
                src_fname: string(a)?,
                dst_dirfh: string(a)?,
                dst_fname: string(a)?,
            }
            .build(cx.q.bindings());
            let mut rep = records::NFS3RenameobjReplyT::default();
            if ok {
                rep.src_dir_pre_attr = before(cx, r)?;
                rep.src_dir_post_attr = after(cx, r)?;
                rep.dst_dir_pre_attr = before(cx, r)?;
                rep.dst_dir_post_attr = after(cx, r)?;
            }
            let rep = rep.build(cx.q.bindings());
            raise!(cx, nfs_proc_rename, info, req, rep);
        }
        15 => {
            let fh = string(a)?;
            let link = name_in_directory(cx, a)?;
            let req = records::NFS3LinkargsT { fh, link }.build(cx.q.bindings());
            let mut rep = records::NFS3LinkReplyT::default();
            if ok {
                rep.post_attr = after(cx, r)?;
                rep.preattr = before(cx, r)?;
                rep.postattr = after(cx, r)?;
            }
            let rep = rep.build(cx.q.bindings());
            raise!(cx, nfs_proc_link, info, req, rep);
        }
        16 | 17 => {
            let plus = call.proc == 17;
            let req = records::NFS3ReaddirargsT {
                isplus: plus,
                dirfh: string(a)?,
                cookie: long(a)?,
                cookieverf: long(a)?,
                dircount: word(a)?,
                maxcount: if plus { Some(word(a)?) } else { None },
            }
            .build(cx.q.bindings());
            let rep = listing(cx, r, plus, ok, good)?;
            raise!(cx, nfs_proc_readdir, info, req, rep);
        }
        n @ (4 | 11 | 18..=21) => {
            raise!(cx, nfs_proc_not_implemented, info, n as i64);
            return Some(0);
        }
        n => {
            cx.weird("unknown_NFS_request", &n.to_string());
            return Some(0);
        }
    }
    Some(if good { a.left() + r.left() } else { 0 })
}

fn stable_how(cx: &mut Cx, c: &mut Cursor) -> Option<i64> {
    match word(c)? {
        n @ 0..=2 => Some(n as i64),
        n => {
            cx.weird("unknown_NFS_stable_how", &n.to_string());
            None
        }
    }
}

fn listing(cx: &mut Cx, r: &mut Cursor, plus: bool, ok: bool, good: bool) -> Option<Value> {
    let mut rep = records::NFS3ReaddirReplyT {
        isplus: plus,
        ..Default::default()
    };
    if ok {
        rep.dir_attr = after(cx, r)?;
    }
    if good {
        rep.cookieverf = Some(long(r)?);
        let mut entries = Vec::new();
        while flag(r)? {
            if entries.len() >= MAX_ENTRIES {
                return None;
            }
            let mut e = records::NFS3DirentryT {
                fileid: long(r)?,
                fname: string(r)?,
                cookie: long(r)?,
                ..Default::default()
            };
            if plus {
                e.attr = after(cx, r)?;
                e.fh = handle(r)?;
            }
            entries.push(e.build(cx.q.bindings()));
        }
        rep.entries = cx.vector(types::VECTOR_OF_NFS3_DIRENTRY_T, entries);
        rep.eof = flag(r)?;
    }
    Some(rep.build(cx.q.bindings()))
}
