//! DCE/RPC connection-oriented PDUs (C706, MS-RPCE), over TCP and named pipes.

use std::collections::BTreeMap;

use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::util::cursor::Cursor;
use crate::util::grammar;

const HEADER: usize = 16;

const REQUEST: u8 = 0;
const RESPONSE: u8 = 2;
const BIND: u8 = 11;
const BIND_ACK: u8 = 12;
const ALTER_CONTEXT: u8 = 14;
const ALTER_CONTEXT_RESP: u8 = 15;

/// The analyzer.
#[derive(Default)]
pub struct DceRpc {
    /// The file that the pipe stands for; 0 over TCP.
    fid: u64,
    buf: [Vec<u8>; 2],
    /// Bytes of the fragments of calls that are not complete.
    partial: [BTreeMap<u32, u64>; 2],
    /// The operation that was called last in each context: responses do not name theirs.
    called: BTreeMap<u64, u64>,
    /// A limit was reached: what was delivered already is the last that is looked at.
    stopped: bool,
}

/// Contexts beyond this are forgotten, lowest first.
const MAX_CONTEXTS: usize = 1000;

fn endian<const N: usize>(b: [u8; N], little: bool) -> u64 {
    let it = b.iter();
    if little {
        it.rev().fold(0, |n, x| n << 8 | *x as u64)
    } else {
        it.fold(0, |n, x| n << 8 | *x as u64)
    }
}

impl DceRpc {
    /// An analyzer for a named pipe.
    pub fn pipe(fid: u64) -> Self {
        DceRpc {
            fid,
            ..Default::default()
        }
    }

    fn pdu(&mut self, cx: &mut Cx, is_orig: bool, p: &[u8]) -> Option<()> {
        let mut c = Cursor::new(p);
        c.skip(2)?;
        let ptype = c.u8()?;
        let flags = c.u8()?;
        let little = c.u8()? & 0x10 != 0;
        c.skip(3)?;
        let n16 = |c: &mut Cursor| c.array::<2>().map(|b| endian(b, little));
        let n32 = |c: &mut Cursor| c.array::<4>().map(|b| endian(b, little));
        let frag_len = n16(&mut c)? as usize;
        let auth_len = n16(&mut c)? as usize;
        let call = n32(&mut c)? as u32;
        raise!(cx, dce_rpc_message, is_orig, self.fid, ptype as u64, ptype as i64);
        let body_end = if auth_len > 0 {
            frag_len.checked_sub(auth_len + 8)?
        } else {
            frag_len
        };
        // The credentials at the end are looked at first.
        if auth_len > 0 {
            self.auth(cx, is_orig, p.get(body_end..)?, little);
        }
        let body = p.get(HEADER..body_end)?;
        let (first, last) = (flags & 1 != 0, flags & 2 != 0);
        if self.reassembled(cx, is_orig, call, first, last, body) {
            self.body(cx, ptype, flags, little, body)?;
        }
        cx.confirm();
        Some(())
    }

    /// The body of the PDU that ends a call's fragments; of more fragments than one the last is what is looked at.
    fn body(&mut self, cx: &mut Cx, ptype: u8, flags: u8, little: bool, body: &[u8]) -> Option<()> {
        let mut body = Cursor::new(body);
        let n16 = |c: &mut Cursor| c.array::<2>().map(|b| endian(b, little));
        match ptype {
            BIND | ALTER_CONTEXT => {
                body.skip(8)?;
                let n = body.u8()?;
                body.skip(3)?;
                for _ in 0..n {
                    let id = n16(&mut body)?;
                    let syntaxes = body.u8()?;
                    body.u8()?;
                    let uuid = body.take(16)?;
                    let (major, minor) = (n16(&mut body)?, n16(&mut body)?);
                    body.skip(20 * syntaxes as usize)?;
                    if ptype == BIND {
                        raise!(cx, dce_rpc_bind, self.fid, id, uuid, major, minor);
                    } else {
                        raise!(cx, dce_rpc_alter_context, self.fid, id, uuid, major, minor);
                    }
                }
            }
            BIND_ACK => {
                body.skip(8)?;
                let n = n16(&mut body)? as usize;
                let addr = body.take(n)?;
                let addr = addr.strip_suffix(b"\0").unwrap_or(addr);
                raise!(cx, dce_rpc_bind_ack, self.fid, addr);
            }
            ALTER_CONTEXT_RESP => {
                raise!(cx, dce_rpc_alter_context_resp, self.fid);
            }
            REQUEST | RESPONSE => {
                body.skip(4)?;
                let ctx = n16(&mut body)?;
                let opnum = if ptype == REQUEST {
                    let op = n16(&mut body)?;
                    if flags & 0x80 != 0 {
                        body.skip(16)?;
                    }
                    op
                } else {
                    body.skip(2)?;
                    self.called.get(&ctx).copied().unwrap_or(0)
                };
                let stub = body.rest();
                self.complete(cx, ptype, ctx, opnum, stub);
            }
            _ => {}
        }
        Some(())
    }

    /// Counts the fragments of calls; says whether this PDU completes its call.
    fn reassembled(&mut self, cx: &mut Cx, is_orig: bool, call: u32, first: bool, last: bool, data: &[u8]) -> bool {
        if first && last {
            return true;
        }
        let partial = &mut self.partial[is_orig as usize];
        if first {
            if !partial.contains_key(&call) && partial.len() as u64 >= cx.sh.opts.dce_rpc_max_cmd_reassembly {
                cx.weird("too_many_dce_rpc_msgs_in_reassembly", "");
                self.stopped = true;
                return false;
            }
            partial.insert(call, data.len() as u64);
            return false;
        }
        let Some(sum) = partial.get_mut(&call) else {
            return false;
        };
        *sum += data.len() as u64;
        if *sum > cx.sh.opts.dce_rpc_max_frag_data {
            partial.remove(&call);
            cx.weird("too_much_dce_rpc_fragment_data", "");
            self.stopped = true;
            return false;
        }
        if last {
            partial.remove(&call);
        }
        last
    }

    fn complete(&mut self, cx: &mut Cx, ptype: u8, ctx: u64, opnum: u64, stub: &[u8]) {
        let len = stub.len() as u64;
        if ptype == REQUEST {
            if self.called.len() >= MAX_CONTEXTS {
                self.called.pop_first();
            }
            self.called.insert(ctx, opnum);
            raise!(cx, dce_rpc_request, self.fid, ctx, opnum, len);
            raise!(cx, dce_rpc_request_stub, self.fid, ctx, opnum, stub);
        } else {
            raise!(cx, dce_rpc_response, self.fid, ctx, opnum, len);
            raise!(cx, dce_rpc_response_stub, self.fid, ctx, opnum, stub);
        }
    }

    fn auth(&mut self, cx: &mut Cx, is_orig: bool, b: &[u8], little: bool) -> Option<()> {
        let mut c = Cursor::new(b);
        let ty = c.n8()?;
        let level = c.n8()?;
        c.skip(2)?;
        let id = c.array::<4>().map(|x| endian(x, little))?;
        raise!(cx, dce_rpc_auth, is_orig, self.fid, ty, level, id);
        let token = c.take_rest();
        let name = match ty {
            9 => "GSSAPI",
            10 => "NTLM",
            16 => "KRB",
            68 => {
                cx.weird("netlogon_dce_rpc_auth_type", "68");
                return Some(());
            }
            n => {
                cx.weird("unknown_dce_rpc_auth_type", &n.to_string());
                return Some(());
            }
        };
        // Signatures on later PDUs are no messages, though they tell what is spoken.
        if name == "NTLM" && !token.starts_with(b"NTLMSSP\0") {
            if let Some(ix) = cx.child(name).or_else(|| cx.add_child(name)) {
                cx.confirm_child(ix);
            }
            return Some(());
        }
        let gss = matches!(token.first(), Some(0x60 | 0xa0 | 0xa1 | b'N'));
        if (name == "GSSAPI" && !gss) || token.len() < 8 || token[..4] == [1, 0, 0, 0] {
            return Some(());
        }
        let ix = match cx.child(name) {
            Some(ix) => Some(ix),
            None => cx.add_child(name),
        };
        if let Some(ix) = ix {
            cx.packet_to(ix, is_orig, token);
        }
        Some(())
    }
}

impl Analyzer for DceRpc {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let d = is_orig as usize;
        if self.stopped {
            return;
        }
        let mut buf = std::mem::take(&mut self.buf[d]);
        buf.extend_from_slice(data);
        let mut at = 0;
        while buf.len() - at >= HEADER {
            let h = &buf[at..];
            if h[0] != 5 {
                cx.violation(&grammar::exception("&enforce violation : DCE_RPC_Header:rpc_vers"));
                return;
            }
            let little = h[4] & 0x10 != 0;
            let len = endian([h[8], h[9]], little) as usize;
            let auth = endian([h[10], h[11]], little) as usize;
            let Some(p) = buf.get(at..at + len.max(HEADER)) else {
                break;
            };
            // After a PDU that does not parse, what is there is let go and a new one may begin.
            if self.pdu(cx, is_orig, p).is_none() {
                cx.violation(&grammar::exception(format_args!(
                    "out_of_bound: DCE_RPC_PDU:frag: {} > {}",
                    len as i64 - auth as i64 - if auth > 0 { 8 } else { 0 },
                    p.len()
                )));
                return;
            }
            at += p.len();
        }
        buf.drain(..at);
        self.buf[d] = buf;
    }

    fn gap(&mut self, _cx: &mut Cx, is_orig: bool, _seq: u64, _len: u64) {
        self.stopped = true;
        self.buf[is_orig as usize] = Vec::new();
    }

    fn flip(&mut self) {
        self.buf.swap(0, 1);
        self.partial.swap(0, 1);
    }
}
