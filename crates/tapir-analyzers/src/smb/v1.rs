//! SMB 1 messages (MS-CIFS, MS-SMB).

use std::collections::HashMap;

use tapir_data::value::Value;
use tapir_interface::records;

use super::{Smb, at, times};
use crate::core::Cx;
use crate::util::cursor::Cursor;
use crate::util::grammar;
use crate::util::text::utf16le;
use crate::{raise, wants};

pub(super) const HEADER: usize = 32;
const MORE_PROCESSING: u32 = 0xc000_0016;

/// Commands whose words and bytes are read.
const KNOWN: &[u8] = &[
    0x00, 0x04, 0x08, 0x10, 0x25, 0x26, 0x2b, 0x2e, 0x2f, 0x32, 0x33, 0x71, 0x72, 0x73, 0x74, 0x75, 0xa2, 0xa4,
];

/// Requests whose responses need them, by multiplex id.
#[derive(Default)]
pub(super) struct State {
    reads: HashMap<u16, (u64, u64)>,
    /// Sizes of open files, for the file analysis.
    sizes: HashMap<u64, u64>,
    trees: HashMap<u16, Vec<u8>>,
    trans: HashMap<u16, u64>,
    dialects: Vec<Vec<u8>>,
}

struct Head<'a> {
    value: Value,
    status: u32,
    unicode: bool,
    tid: u16,
    mid: u16,
    msg: &'a [u8],
}

/// One command's parameter words and data bytes.
struct Block<'a> {
    /// Where it begins in the message.
    at: usize,
    words: Cursor<'a>,
    word_count: u64,
    bytes: Cursor<'a>,
    /// Where the bytes begin in the message.
    bytes_at: usize,
}

/// The count of words is believed only as far as there are some: what is missing is noticed by those who read it.
fn block(m: &[u8], off: usize) -> Option<Block<'_>> {
    let mut c = Cursor::new(m);
    c.seek(off)?;
    let word_count = c.n8()?;
    let words = c.sub((word_count as usize * 2).min(c.left()))?;
    let n = c.u16le().unwrap_or(0) as usize;
    let bytes_at = c.pos();
    let bytes = Cursor::new(c.rest().get(..n.min(c.left()))?);
    Some(Block {
        at: off,
        words,
        word_count,
        bytes,
        bytes_at,
    })
}

impl Block<'_> {
    /// A string in the message's encoding, aligned as Unicode strings are.
    fn string(&mut self, h: &Head) -> Vec<u8> {
        if h.unicode {
            if (self.bytes_at + self.bytes.pos()) % 2 == 1 {
                self.bytes.u8();
            }
            let rest = self.bytes.rest();
            let n = rest
                .chunks_exact(2)
                .position(|c| c == [0, 0])
                .map_or(rest.len() & !1, |i| i * 2);
            let s = utf16le(&rest[..n]).into_bytes();
            let _ = self.bytes.skip((n + 2).min(rest.len()));
            s
        } else {
            self.ascii()
        }
    }

    fn ascii(&mut self) -> Vec<u8> {
        match self.bytes.cstr() {
            Some(s) => s.to_vec(),
            None => self.bytes.take_rest().to_vec(),
        }
    }
}

impl Smb {
    pub(super) fn v1_message(&mut self, cx: &mut Cx, is_orig: bool, m: &[u8]) -> Option<()> {
        let mut c = Cursor::new(m);
        c.skip(4)?;
        let command = c.u8()?;
        let status = c.u32le()?;
        let flags = c.u8()?;
        let flags2 = c.u16le()?;
        let pid_high = c.n16le()?;
        c.skip(10)?;
        let tid = c.u16le()?;
        let pid_low = c.n16le()?;
        let uid = c.n16le()?;
        let mid = c.u16le()?;
        let value = records::SMB1Header {
            command: command as u64,
            status: status as u64,
            flags: flags as u64,
            flags2: flags2 as u64,
            tid: tid as u64,
            pid: pid_high << 16 | pid_low,
            uid,
            mid: mid as u64,
        }
        .build(cx.q.bindings());
        let h = Head {
            value,
            status,
            unicode: flags2 & 0x8000 != 0,
            tid,
            mid,
            msg: m,
        };
        raise!(cx, smb1_message, h.value.clone(), is_orig);
        if status != 0 {
            raise!(cx, smb1_error, h.value.clone(), is_orig);
        }
        let mut cmd = command;
        let mut off = HEADER;
        for depth in 0.. {
            let Some(mut b) = block(m, off) else {
                // Of commands that nothing is told of nothing needs to be there.
                return (!KNOWN.contains(&cmd)).then_some(());
            };
            let andx = matches!(cmd, 0x24 | 0x2d | 0x2e | 0x2f | 0x73 | 0x74 | 0x75 | 0xa2);
            let next = if andx && b.word_count >= 2 {
                let n = b.words.u8()?;
                b.words.u8()?;
                Some((n, b.words.u16le()? as usize))
            } else {
                None
            };
            let r = if !is_orig {
                self.v1_response(cx, is_orig, &h, cmd, &mut b)
            } else {
                self.v1_request(cx, is_orig, &h, cmd, &mut b)
            };
            if r.is_none() {
                cx.violation(&grammar::exception(format_args!("out_of_bound: SMB1 command {cmd}")));
                self.lost = true;
                return Some(());
            }
            match next {
                Some((n, at)) if n != 0xff => {
                    if at <= off {
                        cx.limit_weird("smb_andx_offset_not_advancing", "");
                        break;
                    }
                    if depth >= cx.sh.opts.smb_max_andx_depth {
                        cx.limit_weird("smb_andx_depth_exceeded", "");
                        break;
                    }
                    cmd = n;
                    off = at;
                }
                _ => break,
            }
        }
        Some(())
    }

    fn v1_request(&mut self, cx: &mut Cx, is_orig: bool, h: &Head, cmd: u8, b: &mut Block) -> Option<()> {
        let hdr = h.value.clone();
        match cmd {
            0x00 => {
                let d = b.string_after_format(h);
                raise!(cx, smb1_create_directory_request, hdr, d);
            }
            0x04 => {
                let fid = b.words.n16le()?;
                raise!(cx, smb1_close_request, hdr, fid);
                cx.file_end(is_orig, None);
                self.v1.sizes.remove(&fid);
                self.close_pipe(cx, fid);
            }
            0x08 => {
                let d = b.string_after_format(h);
                raise!(cx, smb1_query_information_request, hdr, d);
            }
            0x10 => {
                let d = b.string_after_format(h);
                raise!(cx, smb1_check_directory_request, hdr, d);
            }
            0x25 => self.transaction(cx, is_orig, h, b)?,
            0x26 => {
                let w = &mut b.words;
                let (tp, td, pc, po, pd, dc, dof, dd) = (
                    w.n16le()?,
                    w.n16le()?,
                    w.n16le()?,
                    w.n16le()?,
                    w.n16le()?,
                    w.n16le()?,
                    w.n16le()?,
                    w.n16le()?,
                );
                if wants!(cx, smb1_transaction_secondary_request) {
                    let a = records::SMB1TransSecArgs {
                        total_param_count: tp,
                        total_data_count: td,
                        param_count: pc,
                        param_offset: po,
                        param_displacement: pd,
                        data_count: dc,
                        data_offset: dof,
                        data_displacement: dd,
                    }
                    .build(cx.q.bindings());
                    let p = at(h.msg, po as usize, pc as usize).unwrap_or(&[]);
                    let d = at(h.msg, dof as usize, dc as usize).unwrap_or(&[]);
                    raise!(cx, smb1_transaction_secondary_request, hdr, a, p, d);
                }
            }
            0x2b => {
                let n = b.words.n16le()?;
                raise!(cx, smb1_echo_request, n, b.bytes.take_rest());
            }
            0x2e => {
                let fid = b.words.n16le()?;
                let low = b.words.n32le()?;
                let max = b.words.n16le()?;
                b.words.u16le()?;
                let max_high = b.words.u32le()?;
                b.words.u16le()?;
                let high = if b.word_count == 12 { b.words.n32le()? } else { 0 };
                let offset = high << 32 | low;
                let length = if max_high == u32::MAX {
                    max
                } else {
                    (max_high as u64) << 16 | max
                };
                raise!(cx, smb1_read_andx_request, hdr, fid, offset, length);
                if self.v1.reads.len() < 1000 {
                    self.v1.reads.insert(h.mid, (fid, offset));
                }
            }
            0x2f => {
                let fid = b.words.n16le()?;
                let low = b.words.n32le()?;
                b.words.skip(8)?;
                let len_high = b.words.n16le()?;
                let len_low = b.words.n16le()?;
                let off = b.words.u16le()? as usize;
                let high = if b.word_count == 14 { b.words.n32le()? } else { 0 };
                let offset = high << 32 | low;
                let len = len_high << 16 | len_low;
                // The data stand behind the words, the count of bytes and what the offset leaves between.
                let begin = (2 + b.words.pos() + 1).max(off.saturating_sub(b.at));
                let room = h.msg.len() - b.at;
                let end = begin as u64 + len;
                if end > room as u64 {
                    cx.violation(&grammar::exception(format_args!(
                        "out_of_bound: SMB1_write_andx_request:data: {end} > {room}"
                    )));
                    self.lost = true;
                    return Some(());
                }
                raise!(cx, smb1_write_andx_request, hdr, fid, offset, len);
                let data = at(h.msg, off, len as usize)?;
                if self.is_pipe(h.tid as u64) {
                    self.pipe_data(cx, is_orig, fid, data);
                } else if !data.is_empty() {
                    cx.file_data(is_orig, data, Some(offset), None, None);
                }
            }
            0x32 => self.transaction2(cx, h, b)?,
            0x33 => {
                let w = &mut b.words;
                let a = records::SMB1Trans2SecArgs {
                    total_param_count: w.n16le()?,
                    total_data_count: w.n16le()?,
                    param_count: w.n16le()?,
                    param_offset: w.n16le()?,
                    param_displacement: w.n16le()?,
                    data_count: w.n16le()?,
                    data_offset: w.n16le()?,
                    data_displacement: w.n16le()?,
                    FID: w.n16le()?,
                };
                if wants!(cx, smb1_transaction2_secondary_request) {
                    let p = at(h.msg, a.param_offset as usize, a.param_count as usize).unwrap_or(&[]);
                    let d = at(h.msg, a.data_offset as usize, a.data_count as usize).unwrap_or(&[]);
                    let a = a.build(cx.q.bindings());
                    raise!(cx, smb1_transaction2_secondary_request, hdr, a, p, d);
                }
            }
            0x71 => {
                raise!(cx, smb1_tree_disconnect, hdr, is_orig);
            }
            0x72 => {
                let mut d = Vec::new();
                while b.bytes.u8() == Some(2) {
                    d.push(b.ascii());
                    if d.len() >= 1000 {
                        break;
                    }
                }
                if wants!(cx, smb1_negotiate_request) {
                    let v = cx.strings(&d);
                    raise!(cx, smb1_negotiate_request, hdr, v);
                }
                self.v1.dialects = d;
            }
            0x73 => self.session_setup_request(cx, is_orig, h, b)?,
            0x74 => {
                raise!(cx, smb1_logoff_andx, is_orig);
            }
            0x75 => {
                b.words.u16le()?;
                let n = b.words.u16le()? as usize;
                b.bytes.skip(n)?;
                let path = b.string(h);
                let service = b.ascii();
                raise!(cx, smb1_tree_connect_andx_request, hdr, &path, service);
                if self.v1.trees.len() < 1000 {
                    self.v1.trees.insert(h.mid, path);
                }
            }
            0xa2 => {
                b.words.u8()?;
                let _len = b.words.u16le()?;
                let name = b.string(h);
                raise!(cx, smb1_nt_create_andx_request, hdr, name);
            }
            0xa4 => {
                raise!(cx, smb1_nt_cancel_request, hdr);
            }
            _ => {}
        }
        Some(())
    }

    fn session_setup_request(&mut self, cx: &mut Cx, is_orig: bool, h: &Head, b: &mut Block) -> Option<()> {
        let wc = b.word_count;
        let w = &mut b.words;
        let mut r = records::SMB1SessionSetupAndXRequest {
            word_count: wc,
            max_buffer_size: w.n16le()?,
            max_mpx_count: w.n16le()?,
            vc_number: w.n16le()?,
            session_key: w.n32le()?,
            ..Default::default()
        };
        let caps = |cx: &Cx, c: u32| {
            records::SMB1SessionSetupAndXCapabilities {
                unicode: c & 4 != 0,
                large_files: c & 8 != 0,
                nt_smbs: c & 0x10 != 0,
                status32: c & 0x40 != 0,
                level_2_oplocks: c & 0x80 != 0,
                nt_find: c & 0x200 != 0,
            }
            .build(cx.q.bindings())
        };
        let mut blob: Vec<u8> = Vec::new();
        match wc {
            10 => {
                let n = w.u16le()? as usize;
                let pw = b.bytes.take(n)?;
                r.account_password = Some(pw.into());
                r.account_name = Some(b.string(h).into());
                r.primary_domain = Some(b.string(h).into());
                r.native_os = b.string(h).into();
                r.native_lanman = b.string(h).into();
            }
            12 => {
                let n = w.u16le()? as usize;
                w.u32le()?;
                let c = w.u32le()?;
                blob = b.bytes.take(n)?.to_vec();
                r.native_os = b.string(h).into();
                r.native_lanman = b.string(h).into();
                r.capabilities = caps(cx, c);
            }
            13 => {
                let (n1, n2) = (w.u16le()? as usize, w.u16le()? as usize);
                w.u32le()?;
                let c = w.u32le()?;
                r.case_insensitive_password = Some(b.bytes.take(n1)?.into());
                r.case_sensitive_password = Some(b.bytes.take(n2)?.into());
                r.account_name = Some(b.string(h).into());
                r.primary_domain = Some(b.string(h).into());
                r.native_os = b.string(h).into();
                r.native_lanman = b.string(h).into();
                r.capabilities = caps(cx, c);
            }
            _ => return None,
        }
        let r = r.build(cx.q.bindings());
        raise!(cx, smb1_session_setup_andx_request, h.value.clone(), r);
        self.security(cx, is_orig, &blob);
        Some(())
    }

    fn transaction(&mut self, cx: &mut Cx, is_orig: bool, h: &Head, b: &mut Block) -> Option<()> {
        // The count of words does not limit the setup words here.
        let mut w = Cursor::new(h.msg);
        w.seek(b.at + 1)?;
        w.skip(18)?;
        let pc = w.u16le()? as usize;
        let po = w.u16le()? as usize;
        let dc = w.u16le()? as usize;
        let dof = w.u16le()? as usize;
        let setup = w.u8()?;
        w.u8()?;
        let mut sub = if setup > 0 { w.n16le()? } else { 0 };
        w.skip((setup.max(1) as usize - 1) * 2)?;
        w.u16()?;
        let bytes_at = w.pos();
        let mut names = Block {
            at: b.at,
            words: Cursor::new(&[]),
            word_count: 0,
            bytes: Cursor::new(w.rest()),
            bytes_at,
        };
        let name = names.string(h);
        let fid = 0;
        if name.eq_ignore_ascii_case(b"\\PIPE\\") {
            sub = 0;
        }
        let p = at(h.msg, po, pc)?;
        let d = at(h.msg, dof, dc)?;
        let is_pipe = name.to_ascii_uppercase().starts_with(b"\\PIPE\\");
        raise!(cx, smb1_transaction_request, h.value.clone(), name, sub, p, d);
        if is_pipe && !d.is_empty() {
            if self.v1.trans.len() < 1000 {
                self.v1.trans.insert(h.mid, fid);
            }
            self.pipe_data(cx, is_orig, fid, d);
        }
        Some(())
    }

    fn transaction2(&mut self, cx: &mut Cx, h: &Head, b: &mut Block) -> Option<()> {
        let hdr = h.value.clone();
        let w = &mut b.words;
        let mut a = records::SMB1Trans2Args {
            total_param_count: w.n16le()?,
            total_data_count: w.n16le()?,
            max_param_count: w.n16le()?,
            max_data_count: w.n16le()?,
            ..Default::default()
        };
        a.max_setup_count = w.n8()?;
        w.u8()?;
        a.flags = w.n16le()?;
        a.trans_timeout = w.n32le()?;
        w.u16le()?;
        a.param_count = w.n16le()?;
        a.param_offset = w.n16le()?;
        a.data_count = w.n16le()?;
        a.data_offset = w.n16le()?;
        a.setup_count = w.n8()?;
        w.u8()?;
        let sub = if a.setup_count > 0 { w.n16le()? } else { 0 };
        let p = at(h.msg, a.param_offset as usize, a.param_count as usize)?;
        let base = a.param_offset as usize;
        let av = a.build(cx.q.bindings());
        raise!(cx, smb1_transaction2_request, hdr.clone(), av, sub);
        let mut pb = Block {
            at: 0,
            words: Cursor::new(&[]),
            word_count: 0,
            bytes: Cursor::new(p),
            bytes_at: base,
        };
        match sub {
            1 => {
                let c = &mut pb.bytes;
                let mut f = records::SMB1FindFirst2RequestArgs {
                    search_attrs: c.n16le()?,
                    search_count: c.n16le()?,
                    flags: c.n16le()?,
                    info_level: c.n16le()?,
                    search_storage_type: c.n32le()?,
                    ..Default::default()
                };
                f.file_name = pb.string(h).into();
                let f = f.build(cx.q.bindings());
                raise!(cx, smb1_trans2_find_first2_request, hdr, f);
            }
            5 => {
                pb.bytes.skip(6)?;
                let name = pb.string(h);
                raise!(cx, smb1_trans2_query_path_info_request, hdr, name);
            }
            0x10 => {
                pb.bytes.u16le()?;
                let name = pb.string(h);
                raise!(cx, smb1_trans2_get_dfs_referral_request, hdr, name);
            }
            _ => {}
        }
        Some(())
    }

    fn v1_response(&mut self, cx: &mut Cx, is_orig: bool, h: &Head, cmd: u8, b: &mut Block) -> Option<()> {
        let hdr = h.value.clone();
        if b.word_count == 0 && b.bytes.is_empty() {
            match cmd {
                0x00 => {
                    raise!(cx, smb1_create_directory_response, hdr);
                }
                0x10 => {
                    raise!(cx, smb1_check_directory_response, hdr);
                }
                0x71 => {
                    raise!(cx, smb1_tree_disconnect, hdr, is_orig);
                }
                _ => {
                    raise!(cx, smb1_empty_response, hdr);
                }
            }
            return Some(());
        }
        if h.status != 0 && h.status != MORE_PROCESSING && h.status >> 30 == 3 {
            return Some(());
        }
        match cmd {
            0x25 => {
                let w = &mut b.words;
                if b.word_count < 10 {
                    return Some(());
                }
                w.skip(6)?;
                let pc = w.u16le()? as usize;
                let po = w.u16le()? as usize;
                w.u16le()?;
                let dc = w.u16le()? as usize;
                let dof = w.u16le()? as usize;
                let p = at(h.msg, po, pc)?;
                let d = at(h.msg, dof, dc)?;
                raise!(cx, smb1_transaction_response, hdr, p, d);
                if let Some(fid) = self.v1.trans.remove(&h.mid) {
                    self.pipe_data(cx, is_orig, fid, d);
                }
            }
            0x2b => {
                let n = b.words.n16le()?;
                raise!(cx, smb1_echo_response, n, b.bytes.take_rest());
            }
            0x2e => {
                if b.word_count < 12 {
                    return Some(());
                }
                b.words.skip(6)?;
                let low = b.words.n16le()?;
                let off = b.words.u16le()? as usize;
                let high = b.words.n16le()?;
                let len = high << 16 | low;
                raise!(cx, smb1_read_andx_response, hdr, len);
                let data = at(h.msg, off, len as usize)?;
                if let Some((fid, offset)) = self.v1.reads.remove(&h.mid) {
                    if self.is_pipe(h.tid as u64) {
                        self.pipe_data(cx, is_orig, fid, data);
                    } else if !data.is_empty() {
                        let size = self.v1.sizes.get(&fid).copied();
                        let id = size.and_then(|size| cx.file_size(is_orig, size, None));
                        cx.file_data(is_orig, data, Some(offset), id.as_ref(), None);
                    }
                }
            }
            0x2f => {
                if b.word_count < 6 {
                    return Some(());
                }
                let low = b.words.n16le()?;
                b.words.u16le()?;
                let high = b.words.n16le()?;
                raise!(cx, smb1_write_andx_response, hdr, high << 16 | low);
            }
            0x72 => self.negotiate_response_v1(cx, is_orig, h, b)?,
            0x73 => {
                let mut r = records::SMB1SessionSetupAndXResponse {
                    word_count: b.word_count,
                    ..Default::default()
                };
                let mut blob = Vec::new();
                if b.word_count >= 3 {
                    r.is_guest = Some(b.words.u16le()? & 1 != 0);
                }
                if b.word_count == 4 {
                    let n = b.words.u16le()? as usize;
                    blob = b.bytes.take(n)?.to_vec();
                    r.native_os = Some(b.string(h).into());
                    r.native_lanman = Some(b.string(h).into());
                } else if b.word_count == 3 {
                    r.native_os = Some(b.string(h).into());
                    r.native_lanman = Some(b.string(h).into());
                    r.primary_domain = Some(b.string(h).into());
                }
                let r = r.build(cx.q.bindings());
                raise!(cx, smb1_session_setup_andx_response, hdr, r);
                self.security(cx, is_orig, &blob);
            }
            0x74 => {
                raise!(cx, smb1_logoff_andx, is_orig);
            }
            0x75 => {
                let service = b.ascii();
                let fs = if b.bytes.is_empty() { Vec::new() } else { b.string(h) };
                let path = self.v1.trees.remove(&h.mid);
                let pipe = service == b"IPC" || path.is_some_and(|p| p.to_ascii_uppercase().ends_with(b"IPC$"));
                self.set_tree(h.tid as u64, pipe);
                raise!(cx, smb1_tree_connect_andx_response, hdr, service, fs);
            }
            0xa2 => {
                if b.word_count < 34 {
                    return Some(());
                }
                let w = &mut b.words;
                w.u8()?;
                let fid = w.n16le()?;
                w.u32le()?;
                let t = [w.u64le()?, w.u64le()?, w.u64le()?, w.u64le()?];
                w.u32le()?;
                w.u64le()?;
                let size = w.u64le()?;
                if !self.is_pipe(h.tid as u64) && self.v1.sizes.len() < 1000 {
                    self.v1.sizes.insert(fid, size);
                }
                if wants!(cx, smb1_nt_create_andx_response) {
                    let tm = times(cx, t[2], t[1], t[0], t[3]);
                    raise!(cx, smb1_nt_create_andx_response, hdr, fid, size, tm);
                }
            }
            _ => {}
        }
        Some(())
    }

    fn negotiate_response_v1(&mut self, cx: &mut Cx, is_orig: bool, h: &Head, b: &mut Block) -> Option<()> {
        let mut r = records::SMB1NegotiateResponse::default();
        let wc = b.word_count;
        let security = |cx: &Cx, m: u8, full: bool| {
            records::SMB1NegotiateResponseSecurity {
                user_level: m & 1 != 0,
                challenge_response: m & 2 != 0,
                signatures_enabled: full.then_some(m & 4 != 0),
                signatures_required: full.then_some(m & 8 != 0),
            }
            .build(cx.q.bindings())
        };
        let mut blob = Vec::new();
        match wc {
            1 => {
                r.core = records::SMB1NegotiateResponseCore {
                    dialect_index: b.words.n16le()?,
                }
                .build(cx.q.bindings());
            }
            13 => {
                let w = &mut b.words;
                let dialect_index = w.n16le()?;
                let mode = w.u16le()?;
                let max_buffer_size = w.n16le()?;
                let max_mpx_count = w.n16le()?;
                let max_number_vcs = w.n16le()?;
                let raw = w.u16le()?;
                let session_key = w.n32le()?;
                let (t, d) = (w.u16le()?, w.u16le()?);
                w.u16le()?;
                let n = w.u16le()? as usize;
                w.u16le()?;
                let key = b.bytes.take(n)?;
                // Not aligned here.
                b.bytes_at = b.bytes.pos();
                let domain = b.string(h);
                r.lanman = records::SMB1NegotiateResponseLANMAN {
                    word_count: wc,
                    dialect_index,
                    security_mode: security(cx, mode as u8, false),
                    max_buffer_size,
                    max_mpx_count,
                    max_number_vcs,
                    raw_mode: records::SMB1NegotiateRawMode {
                        read_raw: raw & 1 != 0,
                        write_raw: raw & 2 != 0,
                    }
                    .build(cx.q.bindings()),
                    session_key,
                    server_time: dos_time(d, t),
                    encryption_key: key.into(),
                    primary_domain: domain.into(),
                }
                .build(cx.q.bindings());
            }
            17 => {
                let w = &mut b.words;
                let dialect_index = w.n16le()?;
                let mode = w.u8()?;
                let max_mpx_count = w.n16le()?;
                let max_number_vcs = w.n16le()?;
                let max_buffer_size = w.n32le()?;
                let max_raw_size = w.n32le()?;
                let session_key = w.n32le()?;
                let c = w.u32le()?;
                let time = w.u64le()?;
                w.u16le()?;
                let key_len = w.u8()? as usize;
                let bit = |n: u32| c >> n & 1 != 0;
                let mut n = records::SMB1NegotiateResponseNTLM {
                    word_count: wc,
                    dialect_index,
                    security_mode: security(cx, mode, true),
                    max_buffer_size,
                    max_mpx_count,
                    max_number_vcs,
                    max_raw_size,
                    session_key,
                    capabilities: records::SMB1NegotiateCapabilities {
                        raw_mode: bit(0),
                        mpx_mode: bit(1),
                        unicode: bit(2),
                        large_files: bit(3),
                        nt_smbs: bit(4),
                        rpc_remote_apis: bit(5),
                        status32: bit(6),
                        level_2_oplocks: bit(7),
                        lock_and_read: bit(8),
                        nt_find: bit(9),
                        dfs: bit(12),
                        infolevel_passthru: bit(13),
                        large_readx: bit(14),
                        large_writex: bit(15),
                        unix: bit(23),
                        bulk_transfer: bit(29),
                        compressed_data: bit(30),
                        extended_security: bit(31),
                    }
                    .build(cx.q.bindings()),
                    server_time: crate::ntlm::filetime(time),
                    ..Default::default()
                };
                if bit(31) {
                    n.guid = Some(b.bytes.take(16)?.into());
                    // The blob itself is for the analyzers of what it holds; the record's field stays unset.
                    blob = b.bytes.take_rest().to_vec();
                } else {
                    n.encryption_key = Some(b.bytes.take(key_len)?.into());
                    n.domain_name = Some(b.string(h).into());
                }
                r.ntlm = n.build(cx.q.bindings());
            }
            _ => return None,
        }
        let r = r.build(cx.q.bindings());
        raise!(cx, smb1_negotiate_response, h.value.clone(), r);
        self.security(cx, is_orig, &blob);
        Some(())
    }
}

impl Block<'_> {
    /// A string that stands behind a buffer format byte.
    fn string_after_format(&mut self, h: &Head) -> Vec<u8> {
        self.bytes.u8();
        self.string(h)
    }
}

/// Seconds since 1970 of a DOS date and time.
fn dos_time(date: u16, time: u16) -> f64 {
    let text = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}",
        1980 + (date >> 9),
        date >> 5 & 15,
        date & 31,
        time >> 11,
        time >> 5 & 63,
        (time & 31) * 2
    );
    crate::krb::generalized_time(text.as_bytes()).unwrap_or(0.0)
}
