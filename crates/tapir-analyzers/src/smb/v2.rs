//! SMB 2 and 3 messages (MS-SMB2).

use std::collections::HashMap;

use tapir_data::value::Value;
use tapir_interface::{records, types};

use super::{Smb, at, cursor_at, file_attrs, times};
use crate::core::Cx;
use crate::ntlm::filetime;
use crate::util::cursor::Cursor;
use crate::util::grammar;
use crate::util::text::utf16le;
use crate::{raise, wants};

pub(super) const HEADER: usize = 64;
const PIPE_TRANSCEIVE: u32 = 0x0011_c017;
const MORE_PROCESSING: u32 = 0xc000_0016;
const BUFFER_OVERFLOW: u32 = 0x8000_0005;

/// Requests whose responses need them.
#[derive(Default)]
pub(super) struct State {
    reads: HashMap<u64, (u64, u64, bool)>,
    ioctls: HashMap<u64, u64>,
    creates: HashMap<u64, Vec<u8>>,
    /// Sizes of open files, for the file analysis.
    sizes: HashMap<u64, u64>,
    trees: HashMap<u64, Vec<u8>>,
}

struct Head {
    command: u16,
    status: u32,
    message_id: u64,
    tree_id: u64,
    value: Value,
}

fn header(cx: &Cx, m: &[u8]) -> Option<(Head, u32, bool)> {
    let mut c = Cursor::new(m);
    c.skip(6)?;
    let credit_charge = c.n16le()?;
    let status = c.u32le()?;
    let command = c.u16le()?;
    let credits = c.n16le()?;
    let flags = c.u32le()?;
    let next = c.u32le()?;
    let message_id = c.u64le()?;
    let process_id = c.n32le()?;
    let tree_id = c.n32le()?;
    let session_id = c.u64le()?;
    let signature = c.take(16)?;
    let value = records::SMB2Header {
        credit_charge,
        status: status as u64,
        command: command as u64,
        credits,
        flags: flags as u64,
        message_id,
        process_id,
        tree_id,
        session_id,
        signature: signature.into(),
    }
    .build(cx.q.bindings());
    Some((
        Head {
            command,
            status,
            message_id,
            tree_id,
            value,
        },
        next,
        flags & 1 != 0,
    ))
}

/// An encrypted message: only its header can be told.
pub(super) fn transform(cx: &mut Cx, m: &[u8]) -> Option<()> {
    let mut c = Cursor::new(m);
    c.skip(4)?;
    let signature = c.take(16)?;
    let nonce = c.take(16)?;
    let orig_msg_size = c.n32le()?;
    c.u16()?;
    let flags = c.n16le()?;
    let session_id = c.u64le()?;
    if wants!(cx, smb2_transform_header) {
        let h = records::SMB2TransformHeader {
            signature: signature.into(),
            nonce: nonce.into(),
            orig_msg_size,
            flags,
            session_id,
        }
        .build(cx.q.bindings());
        raise!(cx, smb2_transform_header, h);
    }
    Some(())
}

/// A file id as a record and as one number.
fn guid(cx: &Cx, c: &mut Cursor) -> Option<(Value, u64)> {
    let persistent = c.u64le()?;
    let volatile = c.u64le()?;
    let v = records::SMB2GUID { persistent, volatile }.build(cx.q.bindings());
    Some((v, persistent.wrapping_add(volatile)))
}

fn name(m: &[u8], off: u16, len: u16) -> Option<Vec<u8>> {
    let b = at(m, off as usize, len as usize)?;
    Some(utf16le(b).into_bytes())
}

impl Smb {
    pub(super) fn v2_messages(&mut self, cx: &mut Cx, is_orig: bool, mut m: &[u8]) -> Option<()> {
        loop {
            let (h, next, response) = header(cx, m)?;
            let this = if next >= HEADER as u32 {
                m.get(..next as usize)?
            } else {
                m
            };
            // A server breaks an oplock unasked, which is no message of a request's.
            if h.message_id != u64::MAX {
                raise!(cx, smb2_message, h.value.clone(), is_orig);
            }
            let ok = if response {
                self.v2_response(cx, is_orig, &h, this)
            } else {
                self.v2_request(cx, is_orig, &h, this)
            };
            if ok.is_none() {
                cx.violation(&grammar::exception(format_args!(
                    "out_of_bound: SMB2_Message: command {}",
                    h.command
                )));
                self.lost = true;
                return Some(());
            }
            if next < HEADER as u32 {
                return Some(());
            }
            m = &m[next as usize..];
        }
    }

    fn full<T>(cx: &mut Cx, map: &mut HashMap<u64, T>, what: &str) {
        if map.len() as u64 >= cx.sh.opts.smb_max_pending_messages {
            map.clear();
            raise!(cx, smb2_discarded_messages_state, what);
        }
    }

    fn v2_request(&mut self, cx: &mut Cx, is_orig: bool, h: &Head, m: &[u8]) -> Option<()> {
        let mut c = cursor_at(m, HEADER)?;
        let hdr = h.value.clone();
        c.u16le()?;
        match h.command {
            0 => {
                let n = c.u16le()?;
                c.skip(32)?;
                if wants!(cx, smb2_negotiate_request) {
                    let mut d = Vec::new();
                    for _ in 0..n {
                        d.push(c.n16le()?);
                    }
                    let v = cx.counts(d);
                    raise!(cx, smb2_negotiate_request, hdr, v);
                }
            }
            1 => {
                c.u8()?;
                let security_mode = c.n8()?;
                c.skip(8)?;
                let (off, len) = (c.u16le()?, c.u16le()?);
                let blob = at(m, off as usize, len as usize)?;
                let r = records::SMB2SessionSetupRequest { security_mode }.build(cx.q.bindings());
                raise!(cx, smb2_session_setup_request, hdr, r);
                self.security(cx, is_orig, blob);
            }
            3 => {
                c.u16le()?;
                let (off, len) = (c.u16le()?, c.u16le()?);
                let path = name(m, off, len)?;
                raise!(cx, smb2_tree_connect_request, hdr, &path);
                let mut t = std::mem::take(&mut self.v2.trees);
                Self::full(cx, &mut t, "tree");
                t.insert(h.message_id, path);
                self.v2.trees = t;
            }
            4 => {
                raise!(cx, smb2_tree_disconnect_request, hdr);
            }
            5 => {
                c.skip(34)?;
                let disposition = c.n32le()?;
                let create_options = c.n32le()?;
                let (off, len) = (c.u16le()?, c.u16le()?);
                let filename = name(m, off, len)?;
                self.pipe_by_name(cx, h.tree_id, &filename);
                let mut t = std::mem::take(&mut self.v2.creates);
                Self::full(cx, &mut t, "create");
                t.insert(h.message_id, filename.clone());
                self.v2.creates = t;
                let r = records::SMB2CreateRequest {
                    filename: filename.into(),
                    disposition,
                    create_options,
                }
                .build(cx.q.bindings());
                raise!(cx, smb2_create_request, hdr, r);
            }
            6 => {
                c.skip(6)?;
                let (id, fid) = guid(cx, &mut c)?;
                raise!(cx, smb2_close_request, hdr, id);
                cx.file_end(is_orig, None);
                self.v2.sizes.remove(&fid);
                self.close_pipe(cx, fid);
            }
            8 => {
                c.skip(2)?;
                let length = c.n32le()?;
                let offset = c.u64le()?;
                let (id, fid) = guid(cx, &mut c)?;
                let pipe = self.is_pipe(h.tree_id);
                raise!(cx, smb2_read_request, hdr, id, offset, length);
                let mut t = std::mem::take(&mut self.v2.reads);
                Self::full(cx, &mut t, "read");
                t.insert(h.message_id, (offset, fid, pipe));
                self.v2.reads = t;
            }
            9 => {
                let off = c.u16le()?;
                let len = c.u32le()?;
                let offset = c.u64le()?;
                let (id, fid) = guid(cx, &mut c)?;
                let data = at(m, off as usize, len as usize)?;
                raise!(cx, smb2_write_request, hdr, id, offset, len as u64);
                if self.is_pipe(h.tree_id) {
                    self.pipe_data(cx, is_orig, fid, data);
                } else if !data.is_empty() {
                    cx.file_data(is_orig, data, Some(offset), None, None);
                }
            }
            11 => {
                c.u16le()?;
                let code = c.u32le()?;
                let (_, fid) = guid(cx, &mut c)?;
                let off = c.u32le()?;
                let len = c.u32le()?;
                if code == PIPE_TRANSCEIVE {
                    let data = at(m, off as usize, len as usize)?;
                    let mut t = std::mem::take(&mut self.v2.ioctls);
                    Self::full(cx, &mut t, "ioctl");
                    t.insert(h.message_id, fid);
                    self.v2.ioctls = t;
                    self.pipe_data(cx, is_orig, fid, data);
                }
            }
            17 => self.set_info(cx, h, m, &mut c)?,
            _ => {}
        }
        Some(())
    }

    fn set_info(&mut self, cx: &mut Cx, h: &Head, m: &[u8], c: &mut Cursor) -> Option<()> {
        let hdr = h.value.clone();
        let class = c.u8()?;
        let level = c.u8()?;
        let len = c.u32le()?;
        let off = c.u16le()?;
        c.skip(6)?;
        let (id, _) = guid(cx, c)?;
        let buf = at(m, off as usize, len as usize)?;
        let mut b = Cursor::new(buf);
        match (class, level) {
            (1, 4) => {
                let t = [b.u64le()?, b.u64le()?, b.u64le()?, b.u64le()?];
                let a = b.u32le()?;
                if wants!(cx, smb2_file_sattr) {
                    // Creation, access, write, change on the wire.
                    let tm = times(cx, t[2], t[1], t[0], t[3]);
                    let a = file_attrs(cx, a);
                    raise!(cx, smb2_file_sattr, hdr, id, tm, a);
                }
            }
            (1, 10) | (1, 11) => {
                b.skip(8)?;
                let root = b.u64le()?;
                let n = b.u32le()? as usize;
                let nm = utf16le(b.take(n)?).into_bytes();
                if level == 10 {
                    raise!(cx, smb2_file_rename, hdr, id, nm);
                } else {
                    raise!(cx, smb2_file_link, hdr, id, root, nm);
                }
            }
            (1, 13) => {
                let del = b.u8()? != 0;
                raise!(cx, smb2_file_delete, hdr, id, del);
            }
            (1, 14) => {
                let n = b.u64le()? as i64;
                raise!(cx, smb2_file_position, hdr, id, n);
            }
            (1, 15) => {
                if wants!(cx, smb2_file_fullea) {
                    let mut out = Vec::new();
                    loop {
                        let start = b.pos();
                        let next = b.u32le()? as usize;
                        b.u8()?;
                        let nlen = b.u8()? as usize;
                        let vlen = b.u16le()? as usize;
                        let ea_name = b.take(nlen)?;
                        b.u8()?;
                        let value = b.take(vlen)?;
                        out.push(
                            records::SMB2FileEA {
                                ea_name: ea_name.into(),
                                ea_value: value.into(),
                            }
                            .build(cx.q.bindings()),
                        );
                        if next == 0 {
                            break;
                        }
                        b.seek(start.checked_add(next)?)?;
                    }
                    let v = cx.vector(types::SMB2_FILEEAS, out);
                    raise!(cx, smb2_file_fullea, hdr, id, v);
                }
            }
            (1, 16) => {
                let n = b.n32le()?;
                raise!(cx, smb2_file_mode, hdr, id, n);
            }
            (1, 19) => {
                let n = b.u64le()? as i64;
                raise!(cx, smb2_file_allocation, hdr, id, n);
            }
            (1, 20) => {
                let n = b.u64le()? as i64;
                raise!(cx, smb2_file_endoffile, hdr, id, n);
            }
            (1, 23) => {
                let (r, cm) = (b.n32le()?, b.n32le()?);
                raise!(cx, smb2_file_pipe, hdr, id, r, cm);
            }
            (1, 39) => {
                let n = b.u64le()? as i64;
                raise!(cx, smb2_file_validdatalength, hdr, id, n);
            }
            (1, 40) => {
                let n = b.u32le()? as usize;
                let nm = utf16le(b.take(n)?).into_bytes();
                raise!(cx, smb2_file_shortname, hdr, id, nm);
            }
            (2, 6) => {
                if wants!(cx, smb2_file_fscontrol) {
                    let f = records::SMB2Fscontrol {
                        free_space_start_filtering: b.u64le()? as i64,
                        free_space_threshold: b.u64le()? as i64,
                        free_space_stop_filtering: b.u64le()? as i64,
                        delete_quota_threshold: b.u64le()?,
                        default_quota_limit: b.u64le()?,
                        fs_control_flags: b.n32le()?,
                    }
                    .build(cx.q.bindings());
                    raise!(cx, smb2_file_fscontrol, hdr, id, f);
                }
            }
            (2, 8) => {
                let (o, _) = guid(cx, &mut b)?;
                raise!(cx, smb2_file_fsobjectid, hdr, id, o, b.take_rest());
            }
            _ => {}
        }
        Some(())
    }

    fn v2_response(&mut self, cx: &mut Cx, is_orig: bool, h: &Head, m: &[u8]) -> Option<()> {
        let hdr = h.value.clone();
        let failed = h.status != 0 && !(h.command == 1 && h.status == MORE_PROCESSING);
        // What a pipe has more of than was asked for comes in parts, of which all but the last say so.
        let more = h.status == BUFFER_OVERFLOW && matches!(h.command, 8 | 11);
        if failed && !more && (h.status >> 30) >= 2 {
            // An error body; what was remembered of the request goes.
            self.v2.reads.remove(&h.message_id);
            self.v2.ioctls.remove(&h.message_id);
            self.v2.creates.remove(&h.message_id);
            self.v2.trees.remove(&h.message_id);
            return Some(());
        }
        if h.status == 0x103 {
            // Pending: the real answer follows.
            return Some(());
        }
        let mut c = cursor_at(m, HEADER)?;
        c.u16le()?;
        match h.command {
            0 => self.negotiate_response(cx, is_orig, hdr, m, &mut c)?,
            1 => {
                let flags = c.u16le()?;
                let (off, len) = (c.u16le()?, c.u16le()?);
                let blob = at(m, off as usize, len as usize)?;
                if wants!(cx, smb2_session_setup_response) {
                    let flags = records::SMB2SessionSetupFlags {
                        guest: flags & 1 != 0,
                        anonymous: flags & 2 != 0,
                        encrypt: flags & 4 != 0,
                    }
                    .build(cx.q.bindings());
                    let r = records::SMB2SessionSetupResponse { flags }.build(cx.q.bindings());
                    raise!(cx, smb2_session_setup_response, hdr, r);
                }
                self.security(cx, is_orig, blob);
            }
            3 => {
                let share_type = c.n8()?;
                let path = self.v2.trees.remove(&h.message_id);
                let ipc = path.is_some_and(|p| p.to_ascii_uppercase().ends_with(b"IPC$"));
                self.set_tree(h.tree_id, share_type == 2 || ipc);
                let r = records::SMB2TreeConnectResponse { share_type }.build(cx.q.bindings());
                raise!(cx, smb2_tree_connect_response, hdr, r);
            }
            4 => {
                raise!(cx, smb2_tree_disconnect_response, hdr);
            }
            5 => {
                c.u16()?;
                let create_action = c.n32le()?;
                let t = [c.u64le()?, c.u64le()?, c.u64le()?, c.u64le()?];
                c.u64le()?;
                let size = c.u64le()?;
                let a = c.u32le()?;
                c.u32le()?;
                let (file_id, fid) = guid(cx, &mut c)?;
                self.v2.creates.remove(&h.message_id);
                if !self.is_pipe(h.tree_id) {
                    let mut t = std::mem::take(&mut self.v2.sizes);
                    Self::full(cx, &mut t, "create");
                    t.insert(fid, size);
                    self.v2.sizes = t;
                }
                if wants!(cx, smb2_create_response) {
                    let r = records::SMB2CreateResponse {
                        file_id,
                        size,
                        times: times(cx, t[2], t[1], t[0], t[3]),
                        attrs: file_attrs(cx, a),
                        create_action,
                    }
                    .build(cx.q.bindings());
                    raise!(cx, smb2_create_response, hdr, r);
                }
            }
            6 => {
                c.skip(6)?;
                let t = [c.u64le()?, c.u64le()?, c.u64le()?, c.u64le()?];
                let alloc_size = c.u64le()?;
                let eof = c.u64le()?;
                let a = c.u32le()?;
                if wants!(cx, smb2_close_response) {
                    let r = records::SMB2CloseResponse {
                        alloc_size,
                        eof,
                        times: times(cx, t[2], t[1], t[0], t[3]),
                        attrs: file_attrs(cx, a),
                    }
                    .build(cx.q.bindings());
                    raise!(cx, smb2_close_response, hdr, r);
                }
            }
            8 => {
                let off = c.u8()?;
                c.u8()?;
                let len = c.u32le()?;
                let data = at(m, off as usize, len as usize)?;
                if let Some((offset, fid, pipe)) = self.v2.reads.remove(&h.message_id) {
                    if pipe {
                        self.pipe_data(cx, is_orig, fid, data);
                    } else if !data.is_empty() {
                        let size = self.v2.sizes.get(&fid).copied();
                        let id = size.and_then(|size| cx.file_size(is_orig, size, None));
                        cx.file_data(is_orig, data, Some(offset), id.as_ref(), None);
                    }
                }
            }
            9 => {
                c.u16()?;
                let n = c.n32le()?;
                raise!(cx, smb2_write_response, hdr, n);
            }
            11 => {
                c.u16le()?;
                let code = c.u32le()?;
                let (_, fid) = guid(cx, &mut c)?;
                c.skip(8)?;
                let off = c.u32le()?;
                let len = c.u32le()?;
                self.v2.ioctls.remove(&h.message_id);
                if code == PIPE_TRANSCEIVE {
                    let data = at(m, off as usize, len as usize)?;
                    self.pipe_data(cx, is_orig, fid, data);
                }
            }
            _ => {}
        }
        Some(())
    }

    fn negotiate_response(&mut self, cx: &mut Cx, is_orig: bool, hdr: Value, m: &[u8], c: &mut Cursor) -> Option<()> {
        let security_mode = c.n16le()?;
        let dialect_revision = c.n16le()?;
        let count = c.n16le()?;
        let (server_guid, _) = guid(cx, c)?;
        c.skip(16)?;
        let system = c.u64le()?;
        let start = c.u64le()?;
        let (off, len) = (c.u16le()?, c.u16le()?);
        let ctx_off = c.u32le()? as usize;
        let blob = at(m, off as usize, len as usize)?;
        if wants!(cx, smb2_negotiate_response) {
            let mut ctxs = Vec::new();
            if dialect_revision == 0x311 {
                let mut k = cursor_at(m, ctx_off)?;
                for i in 0..count {
                    ctxs.push(negotiate_context(cx, &mut k)?);
                    if i + 1 < count {
                        let pad = (8 - k.pos() % 8) % 8;
                        k.skip(pad)?;
                    }
                }
            }
            let v = cx.vector(types::VECTOR_OF_SMB2_NEGOTIATECONTEXTVALUE, ctxs);
            let r = records::SMB2NegotiateResponse {
                dialect_revision,
                security_mode,
                server_guid,
                system_time: filetime(system),
                server_start_time: filetime(start),
                negotiate_context_count: count,
                negotiate_context_values: v,
            }
            .build(cx.q.bindings());
            raise!(cx, smb2_negotiate_response, hdr, r);
        }
        self.security(cx, is_orig, blob);
        Some(())
    }
}

fn negotiate_context(cx: &Cx, k: &mut Cursor) -> Option<Value> {
    let ty = k.n16le()?;
    let len = k.n16le()?;
    k.u32le()?;
    let mut d = k.sub(len as usize)?;
    let mut v = records::SMB2NegotiateContextValue {
        context_type: ty,
        data_length: len,
        ..Default::default()
    };
    fn list(cx: &Cx, d: &mut Cursor, n: u64) -> Option<Value> {
        let mut out = Vec::new();
        for _ in 0..n {
            out.push(Value::Count(d.n16le()?));
        }
        Some(cx.vector(types::VECTOR_OF_COUNT, out))
    }
    match ty {
        1 => {
            let n = d.n16le()?;
            let salt_length = d.n16le()?;
            let hash_alg = list(cx, &mut d, n)?;
            let salt = d.take(salt_length as usize)?;
            v.preauth_info = records::SMB2PreAuthIntegrityCapabilities {
                hash_alg_count: n,
                salt_length,
                hash_alg,
                salt: salt.into(),
            }
            .build(cx.q.bindings());
        }
        2 => {
            let n = d.n16le()?;
            v.encryption_info = records::SMB2EncryptionCapabilities {
                cipher_count: n,
                ciphers: list(cx, &mut d, n)?,
            }
            .build(cx.q.bindings());
        }
        3 => {
            let n = d.n16le()?;
            d.skip(6)?;
            v.compression_info = records::SMB2CompressionCapabilities {
                alg_count: n,
                algs: list(cx, &mut d, n)?,
            }
            .build(cx.q.bindings());
        }
        5 => v.netname = Some(utf16le(d.take_rest()).into_bytes().into()),
        _ => {}
    }
    Some(v.build(cx.q.bindings()))
}
