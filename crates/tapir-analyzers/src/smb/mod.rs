//! SMB versions 1 to 3 (MS-CIFS, MS-SMB, MS-SMB2) over TCP and NetBIOS sessions.

mod v1;
mod v2;

use std::collections::HashMap;

use tapir_data::value::Value;
use tapir_interface::records;

use crate::core::tree::NodeIx;
use crate::core::{Analyzer, Cx};
use crate::dce_rpc::DceRpc;
use crate::ntlm::filetime;
use crate::raise;
use crate::util::cursor::Cursor;
use crate::util::grammar;

/// So many deliveries that begin or go on with messages say that it is SMB.
const CONFIRMING: u64 = 3;

/// The analyzer.
#[derive(Default)]
pub struct Smb {
    buf: [Vec<u8>; 2],
    deliveries: u64,
    /// A message was seen to begin, and all since could be read.
    begun: bool,
    /// A message could not be read: what is at hand is let go.
    lost: bool,
    /// After a gap in any direction: each direction is looked at again behind the next message that begins in it.
    resync: [bool; 2],
    /// Bytes of that message, which is passed over with the gaps within.
    skip: [u64; 2],
    pub(crate) pipes: HashMap<u64, NodeIx>,
    pub(crate) pipe_trees: HashMap<u64, bool>,
    v1: v1::State,
    v2: v2::State,
    gss: Option<NodeIx>,
    ntlm: Option<NodeIx>,
}

/// The four times of a file as a record; the arguments are Windows file times.
pub(crate) fn times(cx: &Cx, modified: u64, accessed: u64, created: u64, changed: u64) -> Value {
    records::SMBMACTimes {
        modified: filetime(modified),
        modified_raw: modified,
        accessed: filetime(accessed),
        accessed_raw: accessed,
        created: filetime(created),
        created_raw: created,
        changed: filetime(changed),
        changed_raw: changed,
    }
    .build(cx.q.bindings())
}

impl Smb {
    /// One message; says whether the next one may follow.
    fn message(&mut self, cx: &mut Cx, is_orig: bool, m: &[u8]) -> bool {
        let ok = match m.first() {
            Some(0xff) if m.get(1..4) == Some(b"SMB") => self.v1_message(cx, is_orig, m),
            Some(0xfe) if m.get(1..4) == Some(b"SMB") => self.v2_messages(cx, is_orig, m),
            Some(0xfd) if m.get(1..4) == Some(b"SMB") => v2::transform(cx, m),
            Some(0xfc) => Some(()),
            _ => None,
        };
        if ok.is_none() {
            let need = if m.first() == Some(&0xff) {
                v1::HEADER
            } else {
                v2::HEADER
            } - 4;
            let reason = match m.len().checked_sub(4) {
                Some(n) if n < need => format!("out_of_bound: SMB_PDU:header: {need} > {n}"),
                _ => "out_of_bound: SMB_PDU".to_string(),
            };
            cx.violation(&grammar::exception(reason));
        }
        ok.is_some() && !std::mem::take(&mut self.lost)
    }

    /// A file opened under the name of a well-known pipe makes its tree one of pipes.
    pub(crate) fn pipe_by_name(&mut self, cx: &mut Cx, tree: u64, name: &[u8]) {
        if !self.is_pipe(tree) && cx.sh.opts.smb_pipe_filenames.iter().any(|n| n.as_bytes() == name) {
            self.set_tree(tree, true);
            raise!(cx, smb_pipe_connect_heuristic);
        }
    }

    /// Hands a security token to GSSAPI or NTLM.
    pub(crate) fn security(&mut self, cx: &mut Cx, is_orig: bool, blob: &[u8]) {
        if blob.is_empty() {
            return;
        }
        let ix = if blob.starts_with(b"NTLMSSP") {
            if self.ntlm.is_none() {
                self.ntlm = cx.add_child("NTLM");
            }
            self.ntlm
        } else {
            if self.gss.is_none() {
                self.gss = cx.add_child("GSSAPI");
            }
            self.gss
        };
        if let Some(ix) = ix {
            cx.packet_to(ix, is_orig, blob);
        }
    }

    /// Data of a named pipe.
    pub(crate) fn pipe_data(&mut self, cx: &mut Cx, is_orig: bool, fid: u64, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        let ix = match self.pipes.get(&fid) {
            Some(ix) => Some(*ix),
            None => {
                if self.pipes.len() as u64 >= cx.sh.opts.smb_max_dce_rpc_analyzers {
                    raise!(cx, smb_discarded_dce_rpc_analyzers);
                    for (_, ix) in self.pipes.drain() {
                        cx.remove(ix);
                    }
                }
                let ix = cx.add_child_boxed("DCE_RPC", Box::new(DceRpc::pipe(fid)));
                if let Some(ix) = ix {
                    self.pipes.insert(fid, ix);
                }
                ix
            }
        };
        if let Some(ix) = ix {
            cx.forward_to(ix, is_orig, data);
        }
    }

    pub(crate) fn close_pipe(&mut self, cx: &mut Cx, fid: u64) {
        if let Some(ix) = self.pipes.remove(&fid) {
            cx.remove(ix);
        }
    }

    pub(crate) fn set_tree(&mut self, tree: u64, is_pipe: bool) {
        if self.pipe_trees.len() < 10_000 {
            self.pipe_trees.insert(tree, is_pipe);
        }
    }

    pub(crate) fn is_pipe(&self, tree: u64) -> bool {
        self.pipe_trees.get(&tree).copied().unwrap_or(false)
    }

    /// The messages that are complete with these bytes; says whether all of them could be read.
    fn messages(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) -> bool {
        let d = is_orig as usize;
        // Most messages come whole, with nothing before or behind them.
        let mut held = std::mem::take(&mut self.buf[d]);
        if !held.is_empty() {
            held.extend_from_slice(data);
        }
        let all = if held.is_empty() { data } else { &held[..] };
        let mut at = 0;
        while let Some(h) = all.get(at..at + 4) {
            let ty = h[0];
            let n = u32::from_be_bytes([0, h[1], h[2], h[3]]) as usize;
            let Some(m) = all.get(at + 4..at + 4 + n) else {
                break;
            };
            let good = match ty {
                0 if n > 0 => self.message(cx, is_orig, m),
                0 | 0x81..=0x85 => true,
                _ => {
                    cx.violation(&grammar::exception("invalid index for case: SMB_TCP"));
                    false
                }
            };
            if !good {
                return false;
            }
            at += 4 + n;
        }
        self.buf[d] = if held.is_empty() || at > 0 {
            all[at..].to_vec()
        } else {
            held
        };
        true
    }
}

impl Analyzer for Smb {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let d = is_orig as usize;
        let mut data = data;
        if !self.begun || self.resync[d] {
            if !matches!(data.get(4..8), Some(b"\xffSMB" | b"\xfeSMB")) {
                return;
            }
            self.begun = true;
            if std::mem::take(&mut self.resync[d]) {
                self.skip[d] = 4 + u64::from(u32::from_be_bytes([0, data[1], data[2], data[3]]));
            }
        }
        if self.skip[d] > 0 {
            let n = self.skip[d].min(data.len() as u64);
            self.skip[d] -= n;
            data = &data[n as usize..];
        }
        if !self.messages(cx, is_orig, data) {
            // Data that begin with a message are looked at again.
            self.begun = false;
            self.buf = Default::default();
            return;
        }
        self.deliveries = self.deliveries.saturating_add(1);
        if self.deliveries >= CONFIRMING {
            cx.confirm();
        }
    }

    fn gap(&mut self, _cx: &mut Cx, is_orig: bool, _seq: u64, len: u64) {
        let skip = &mut self.skip[is_orig as usize];
        if *skip >= len {
            *skip -= len;
            return;
        }
        self.resync = [true; 2];
        self.skip = [0; 2];
        self.buf = Default::default();
    }

    fn flip(&mut self) {
        self.buf.swap(0, 1);
        self.resync.swap(0, 1);
        self.skip.swap(0, 1);
    }
}

/// The file attribute bits as a record.
pub(crate) fn file_attrs(cx: &Cx, a: u32) -> Value {
    let b = |n: u32| a >> n & 1 != 0;
    records::SMB2FileAttrs {
        read_only: b(0),
        hidden: b(1),
        system: b(2),
        directory: b(4),
        archive: b(5),
        normal: b(7),
        temporary: b(8),
        sparse_file: b(9),
        reparse_point: b(10),
        compressed: b(11),
        offline: b(12),
        not_content_indexed: b(13),
        encrypted: b(14),
        integrity_stream: b(15),
        no_scrub_data: b(17),
    }
    .build(cx.q.bindings())
}

/// A stretch of a message given by offset and length.
pub(crate) fn at(m: &[u8], off: usize, len: usize) -> Option<&[u8]> {
    if len == 0 {
        return Some(&[]);
    }
    m.get(off..off.checked_add(len)?)
}

/// A cursor at an offset.
pub(crate) fn cursor_at(m: &[u8], off: usize) -> Option<Cursor<'_>> {
    let mut c = Cursor::new(m);
    c.seek(off)?;
    Some(c)
}
