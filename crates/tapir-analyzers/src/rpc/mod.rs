//! ONC RPC version 2 over UDP and TCP (RFC 5531) with the programs port mapper, mount and NFS version 3.
//!
//! Calls are kept until their replies come, at most `rpc_max_pending_calls` of them and no longer than `rpc_timeout`; a
//! program's events are raised when both are known, or the call is given up.

mod mount;
mod nfs;
mod portmap;
mod xdr;

use std::collections::VecDeque;
use std::rc::Rc;

use tapir_data::value::Value;

use crate::core::{Analyzer, Cx, Transport};
use crate::raise;
use crate::util::cursor::Cursor;
use xdr::{opaque, string, word};

/// The outcome of a call, numbered as scripts see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Success = 0,
    ProgUnavail = 1,
    ProgMismatch = 2,
    ProcUnavail = 3,
    GarbageArgs = 4,
    SystemErr = 5,
    Timeout = 6,
    VersMismatch = 7,
    AuthError = 8,
    Unknown = 9,
}

/// A record that is longer is not followed. Servers of NFS agree to as much as four megabytes of contents at a time.
const MAX_RECORD: usize = (4 << 20) + (1 << 16);
/// What is kept of a call's arguments.
const MAX_ARGS: usize = 1 << 16;

/// A call that awaits its reply.
pub(crate) struct Call {
    xid: u32,
    pub program: u64,
    pub version: u64,
    pub proc: u64,
    pub start: f64,
    /// When the last copy was seen.
    pub last: f64,
    pub len: u64,
    pub args: Vec<u8>,
    pub who: Who,
}

/// Who calls, from credentials of the flavor AUTH_SYS.
#[derive(Clone, Default)]
pub(crate) struct Who {
    pub uid: u64,
    pub gid: u64,
    pub stamp: u64,
    pub machine: Rc<[u8]>,
    pub groups: Vec<u64>,
}

/// What came of a call.
pub(crate) struct Reply<'a> {
    pub status: Status,
    pub start: f64,
    pub len: u64,
    pub body: &'a [u8],
}

/// The programs that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    PortMapper,
    Mount,
    Nfs,
}

/// The analyzer for one program.
pub struct Rpc {
    program: Program,
    calls: VecDeque<Call>,
    records: [Record; 2],
    /// A record was found, of those whose beginning nobody saw.
    found: [bool; 2],
    /// How much of file contents was told of, with `NFS3::return_data_first_only`.
    told: bool,
}

/// A record of a stream while its fragments come (RFC 5531, section 11).
#[derive(Default)]
struct Record {
    raw: Vec<u8>,
    body: Vec<u8>,
    /// Where the next record begins is not known.
    lost: bool,
}

impl Record {
    fn lost() -> Self {
        Record {
            lost: true,
            ..Record::default()
        }
    }
}

impl Rpc {
    /// For a program.
    pub fn new(program: Program) -> Self {
        Rpc {
            program,
            calls: VecDeque::new(),
            records: Default::default(),
            found: [false; 2],
            told: false,
        }
    }

    fn message(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        self.expire(cx);
        let mut c = Cursor::new(data);
        let done = match (c.u32(), c.u32()) {
            (Some(xid), Some(0)) => self.call(cx, is_orig, xid, &mut c),
            (Some(xid), Some(1)) => self.reply(cx, is_orig, xid, &mut c),
            (Some(_), Some(_)) => {
                cx.weird("bad_RPC", "");
                return;
            }
            _ => None,
        };
        if done.is_none() {
            cx.weird("partial_RPC", "");
        }
    }

    fn call(&mut self, cx: &mut Cx, is_orig: bool, xid: u32, c: &mut Cursor) -> Option<()> {
        if !is_orig {
            cx.weird("responder_RPC_call", "");
            return Some(());
        }
        let now = cx.now();
        let len = c.whole().len() as u64;
        if word(c)? != 2 {
            cx.weird("bad_RPC", "");
            return Some(());
        }
        let (program, version, proc) = (word(c)?, word(c)?, word(c)?);
        let flavor = word(c)?;
        let cred = opaque(c)?;
        word(c)?;
        opaque(c)?;
        let who = match flavor {
            1 => auth_sys(cred).unwrap_or_default(),
            _ => Who::default(),
        };
        if program != self.number() {
            cx.weird("bad_RPC_program", "");
            return Some(());
        }
        cx.confirm();
        raise!(cx, rpc_call, u64::from(xid), program, version, proc, len);
        let args = c.rest();
        let args = args[..args.len().min(MAX_ARGS)].to_vec();
        if let Some(old) = self.calls.iter_mut().find(|k| k.xid == xid) {
            if old.args != args || old.proc != proc {
                cx.weird("RPC_rexmit_inconsistency", "");
            }
            old.last = now;
            return Some(());
        }
        if self.calls.len() as u64 >= cx.sh.opts.rpc_max_pending_calls.max(1) {
            self.calls.clear();
            raise!(cx, rpc_discarded_pending_calls);
        }
        self.calls.push_back(Call {
            xid,
            program,
            version,
            proc,
            start: now,
            last: now,
            len,
            args,
            who,
        });
        Some(())
    }

    fn reply(&mut self, cx: &mut Cx, is_orig: bool, xid: u32, c: &mut Cursor) -> Option<()> {
        if is_orig {
            cx.weird("originator_RPC_reply", "");
            return Some(());
        }
        let len = c.whole().len() as u64;
        let status = match word(c)? {
            0 => {
                word(c)?;
                opaque(c)?;
                match word(c)? {
                    0 => Status::Success,
                    1 => Status::ProgUnavail,
                    2 => {
                        word(c)?;
                        word(c)?;
                        Status::ProgMismatch
                    }
                    3 => Status::ProcUnavail,
                    4 => Status::GarbageArgs,
                    5 => Status::SystemErr,
                    _ => {
                        cx.weird("bad_RPC", "");
                        Status::Unknown
                    }
                }
            }
            1 => match word(c)? {
                0 => {
                    word(c)?;
                    word(c)?;
                    Status::VersMismatch
                }
                1 => {
                    word(c)?;
                    Status::AuthError
                }
                _ => {
                    cx.weird("bad_RPC", "");
                    Status::Unknown
                }
            },
            _ => {
                cx.weird("bad_RPC", "");
                return Some(());
            }
        };
        raise!(cx, rpc_reply, u64::from(xid), status as i64, len);
        let Some(at) = self.calls.iter().position(|k| k.xid == xid) else {
            cx.weird("unpaired_RPC_response", "");
            return Some(());
        };
        let Some(call) = self.calls.remove(at) else {
            return Some(());
        };
        let reply = Reply {
            status,
            start: cx.now(),
            len,
            body: c.rest(),
        };
        self.finish(cx, &call, &reply);
        Some(())
    }

    /// A call with its outcome.
    fn finish(&mut self, cx: &mut Cx, call: &Call, reply: &Reply) {
        raise!(
            cx,
            rpc_dialogue,
            call.program,
            call.version,
            call.proc,
            reply.status as i64,
            call.start,
            call.len,
            reply.len
        );
        let rest = match self.program {
            Program::PortMapper => portmap::dialogue(cx, call, reply),
            Program::Mount => mount::dialogue(cx, call, reply),
            Program::Nfs => nfs::dialogue(cx, call, reply, &mut self.told),
        };
        match rest {
            None if reply.status == Status::Success && !self.is_valid(call) => {
                cx.weird("successful_RPC_reply_to_invalid_request", "");
            }
            None => cx.weird("RPC_underflow", ""),
            Some(0) => {}
            Some(_) if reply.status == Status::Success => cx.weird("excess_RPC", ""),
            Some(_) => {}
        }
    }

    /// Whether the arguments that a procedure needs were there.
    fn is_valid(&self, call: &Call) -> bool {
        let mut a = Cursor::new(&call.args);
        match self.program {
            Program::PortMapper => portmap::is_valid(call.proc, &mut a),
            // All procedures that have any begin with a directory, or a handle.
            Program::Mount => !matches!(call.proc, 1 | 3) || opaque(&mut a).is_some(),
            Program::Nfs => call.proc == 0 || opaque(&mut a).is_some(),
        }
    }

    fn expire(&mut self, cx: &mut Cx) {
        let old = cx.now() - cx.sh.opts.rpc_timeout;
        while self.calls.front().is_some_and(|k| k.start < old) {
            if let Some(k) = self.calls.pop_front() {
                self.give_up(cx, &k);
            }
        }
    }

    fn give_up(&mut self, cx: &mut Cx, call: &Call) {
        let nothing = Reply {
            status: Status::Timeout,
            start: 0.0,
            len: 0,
            body: &[],
        };
        self.finish(cx, call, &nothing);
    }

    fn number(&self) -> u64 {
        match self.program {
            Program::PortMapper => 100_000,
            Program::Nfs => 100_003,
            Program::Mount => 100_005,
        }
    }

    fn stream(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let d = is_orig as usize;
        let mut r = std::mem::take(&mut self.records[d]);
        if r.lost || (cx.conn.partial && !self.found[d]) {
            // Messages begin with segments more often than not.
            r.lost = !self.is_record(is_orig, data);
        }
        if r.lost {
            self.records[d] = r;
            return;
        }
        self.found[d] = true;
        r.raw.extend_from_slice(data);
        let mut at = 0;
        while let Some(h) = r.raw.get(at..at + 4) {
            let h = u32::from_be_bytes([h[0], h[1], h[2], h[3]]);
            let n = (h & 0x7fff_ffff) as usize;
            if n + r.body.len() > MAX_RECORD {
                cx.violation("RPC record too long");
                r = Record::lost();
                at = 0;
                break;
            }
            let Some(part) = r.raw.get(at + 4..at + 4 + n) else {
                break;
            };
            r.body.extend_from_slice(part);
            at += 4 + n;
            if h >> 31 != 0 {
                let body = std::mem::take(&mut r.body);
                self.message(cx, is_orig, &body);
            }
        }
        r.raw.drain(..at);
        self.records[d] = r;
    }

    /// Whether bytes look like the start of a record with a call of the program, or with a reply.
    fn is_record(&self, is_orig: bool, data: &[u8]) -> bool {
        let mut c = Cursor::new(data);
        let mut head = || Some((c.u32()? & 0x7fff_ffff, c.u32()?, c.u32()?, c.u32()?));
        let Some((len, _xid, kind, first)) = head() else {
            return false;
        };
        let fits = (16..=MAX_RECORD).contains(&(len as usize));
        match (is_orig, kind, first) {
            (true, 0, 2) => fits && c.n32() == Some(self.number()),
            (false, 1, 0 | 1) => fits,
            _ => false,
        }
    }
}

/// The body of AUTH_SYS credentials (RFC 5531, appendix A).
fn auth_sys(body: &[u8]) -> Option<Who> {
    let mut c = Cursor::new(body);
    let stamp = word(&mut c)?;
    let machine = string(&mut c)?;
    let (uid, gid) = (word(&mut c)?, word(&mut c)?);
    let n = word(&mut c)?.min(16);
    let groups = (0..n).map_while(|_| word(&mut c)).collect();
    Some(Who {
        uid,
        gid,
        stamp,
        machine,
        groups,
    })
}

/// What scripts are told of any finished call of mount or NFS: `$record` with the result `$stat` of the operation itself.
macro_rules! info {
    ($cx:expr, $record:ident, $stat:ident = $value:expr, $call:expr, $reply:expr) => {
        tapir_interface::records::$record {
            rpc_stat: $reply.status as i64,
            $stat: $value as i64,
            req_start: $call.start,
            req_dur: $call.last - $call.start,
            req_len: $call.len,
            rep_start: $reply.start,
            rep_dur: 0.0,
            rep_len: $reply.len,
            rpc_uid: $call.who.uid,
            rpc_gid: $call.who.gid,
            rpc_stamp: $call.who.stamp,
            rpc_machine_name: $call.who.machine.clone(),
            rpc_auxgids: $crate::rpc::groups($cx, &$call.who),
        }
        .build($cx.q.bindings())
    };
}
use info;

/// The groups of a caller as scripts see them.
fn groups(cx: &Cx, who: &Who) -> Value {
    let list = who.groups.iter().map(|g| Value::Count(*g)).collect();
    cx.vector(tapir_interface::types::VECTOR_OF_COUNT, list)
}

impl Analyzer for Rpc {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if cx.conn.transport == Transport::Udp {
            self.message(cx, is_orig, data);
        } else {
            self.stream(cx, is_orig, data);
        }
    }

    fn packet(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        self.message(cx, is_orig, data);
    }

    fn gap(&mut self, _cx: &mut Cx, is_orig: bool, _seq: u64, _len: u64) {
        self.records[is_orig as usize] = Record::lost();
    }

    fn done(&mut self, cx: &mut Cx) {
        for k in std::mem::take(&mut self.calls) {
            self.give_up(cx, &k);
        }
    }

    fn flip(&mut self) {
        self.records.swap(0, 1);
        self.found.swap(0, 1);
    }
}
