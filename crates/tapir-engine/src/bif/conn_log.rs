//! The record behind conn.log: begun when a connection begins, filled when it ends. `base/protocols/conn` says when.
//!
//! Every connection pays for this, floods of one packet each included; scripts would take longer for it than everything
//! else together.

use std::rc::Rc;

use tapir_analyzers::core::ConnInfo;
use tapir_data::table::Table;
use tapir_data::types::TypeId;
use tapir_data::value::{Addr, Proto, Record, Str, Value, unset_slots};
use tapir_flow::TcpState;
use tapir_interface::slots::{conn_id, connection, endpoint};
use tapir_script::hir::{GlobalId, Ident};
use tapir_vm::{CallCtx, Registry, RtError, Vm};

use crate::host::of;
use crate::tags;

/// Where the fields are, and values that many records share.
pub struct Plan {
    /// `Conn::Info` and `connection`.
    pub info: TypeId,
    pub connection: TypeId,
    /// The field of `connection`.
    pub conn: usize,
    /// The number of `Conn::LOG`.
    stream: i64,
    /// What is behind each slot.
    leaves: Vec<Leaf>,
    /// The number of `transport_proto`, and its enumerators by [`Proto`].
    protos: [Value; 4],
    slots: Slots,
    /// Whether fields have defaults that the machine must fill in at once.
    defaults: bool,
    /// Whether fields that scripts have added are unset unless a script sets them.
    simple: bool,
    local_nets: Option<GlobalId>,
    states: [Str; STATES.len()],
}

macro_rules! slots {
    ($($name:ident)*) => {
        struct Slots { $($name: usize),* }

        /// A field that is filled here.
        #[allow(non_camel_case_types, reason = "the names are those of the fields")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Leaf { $($name,)* Unknown }

        impl Leaf {
            fn of(name: &str) -> Leaf {
                match name {
                    $(stringify!($name) => Leaf::$name,)*
                    _ => Leaf::Unknown,
                }
            }
        }

        impl Slots {
            fn find(vm: &Vm) -> Option<Slots> {
                Some(Slots { $($name: tags::record_slot(vm, "Conn::Info", stringify!($name))?),* })
            }
        }
    };
}

slots! {
    ts uid id proto service duration orig_bytes resp_bytes conn_state local_orig local_resp missed_bytes history
    orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes ip_proto
}

const STATES: [&str; 13] = [
    "OTH", "REJ", "RSTRH", "RSTR", "RSTO", "RSTOS0", "SF", "SH", "S2", "SHR", "S3", "S0", "S1",
];

impl Plan {
    fn make(vm: &Vm) -> Option<Plan> {
        let Some(Ident::Type(info)) = vm.program().names.get("Conn::Info") else {
            return None;
        };
        let layout = vm.types().record(*info)?;
        let ty = layout.fields[layout.slot("proto")? as usize].ty;
        let proto = |n| Value::Enum(ty, n);
        let known = layout.slot("missed_bytes");
        let stream = match vm.program().names.get("Conn::LOG") {
            Some(Ident::Enumerator(_, n)) => *n,
            _ => return None,
        };
        let Some(Ident::Type(connection)) = vm.program().names.get("connection") else {
            return None;
        };
        let leaves: Vec<Leaf> = layout.fields.iter().map(|f| Leaf::of(&f.name)).collect();
        let foreign = layout.fields.iter().zip(&leaves).filter(|f| *f.1 == Leaf::Unknown);
        let simple = foreign.into_iter().all(|(f, _)| f.optional && f.default.is_none());
        let has_default = |(i, f): (usize, &tapir_data::types::Field)| f.default.is_some() && Some(i as u32) != known;
        Some(Plan {
            info: *info,
            connection: *connection,
            stream,
            simple,
            defaults: layout.fields.iter().enumerate().any(has_default),
            leaves,
            conn: tags::record_slot(vm, "connection", "conn")?,
            protos: [proto(0), proto(1), proto(2), proto(3)],
            slots: Slots::find(vm)?,
            local_nets: vm.global_id("Site::local_nets"),
            states: STATES.map(|s| Str::from(s.as_bytes())),
        })
    }

    /// The number of the stream.
    pub fn stream(&self) -> i64 {
        self.stream
    }

    /// Whether it is this stream.
    pub fn is_stream(&self, n: i64) -> bool {
        self.stream == n
    }

    /// Whether all that a record has, unless scripts have changed it, is what is put there here.
    pub fn is_simple(&self) -> bool {
        self.simple && !self.defaults
    }

    /// A field of the record that a connection without one would have had in the end.
    fn leaf(&self, e: &Ending<'_>, path: &[(u32, bool)]) -> Value {
        let info = e.info;
        let Some(&(first, _)) = path.first() else {
            return Value::Unset;
        };
        let (orig, resp) = (&info.stats.orig, &info.stats.resp);
        let if_timed = |n: u64| {
            if info.stats.duration > 0.0 {
                Value::Count(n)
            } else {
                Value::Unset
            }
        };
        match self.leaves.get(first as usize).copied().unwrap_or(Leaf::Unknown) {
            Leaf::ts => Value::Time(info.start_time),
            Leaf::uid => Value::Str(Rc::from(info.uid.clone())),
            Leaf::id => match path.get(1).map(|s| s.0 as usize) {
                Some(conn_id::ORIG_H) => Value::Addr(info.orig_h),
                Some(conn_id::ORIG_P) => Value::Port(info.port(info.orig_p)),
                Some(conn_id::RESP_H) => Value::Addr(info.resp_h),
                Some(conn_id::RESP_P) => Value::Port(info.port(info.resp_p)),
                Some(conn_id::PROTO) => Value::Count(info.ip_proto.into()),
                _ => Value::Unset,
            },
            Leaf::proto => self.protos[info.proto() as usize].clone(),
            Leaf::duration if info.stats.duration > 0.0 => Value::Interval(info.stats.duration),
            Leaf::orig_bytes => if_timed(orig.size),
            Leaf::resp_bytes => if_timed(resp.size),
            Leaf::conn_state => Value::Str(self.states[e.state].clone()),
            Leaf::local_orig => e.local[0].map_or(Value::Unset, Value::Bool),
            Leaf::local_resp => e.local[1].map_or(Value::Unset, Value::Bool),
            Leaf::missed_bytes => Value::Count(0),
            Leaf::history if !info.stats.history.is_empty() => Value::Str(info.stats.history.clone()),
            Leaf::orig_pkts => Value::Count(orig.num_pkts),
            Leaf::orig_ip_bytes => Value::Count(orig.num_bytes_ip),
            Leaf::resp_pkts => Value::Count(resp.num_pkts),
            Leaf::resp_ip_bytes => Value::Count(resp.num_bytes_ip),
            Leaf::ip_proto => Value::Count(info.ip_proto.into()),
            // Without a record nobody has confirmed a service.
            Leaf::duration | Leaf::history | Leaf::service | Leaf::Unknown => Value::Unset,
        }
    }

    /// A record with what is known from the first packet on.
    fn begin(&self, vm: &mut Vm, c: &Record) -> Rc<Record> {
        let empty = self.defaults.then(|| vm.empty_record(self.info));
        self.begin_with(c, empty)
    }

    fn begin_with(&self, c: &Record, empty: Option<Rc<Record>>) -> Rc<Record> {
        let s = &self.slots;
        let proto = match c.get(connection::ID) {
            Value::Record(id) => match id.get(conn_id::RESP_P) {
                Value::Port(p) => p.proto,
                _ => Proto::Unknown,
            },
            _ => Proto::Unknown,
        };
        let first = [s.ts, s.uid, s.id, s.proto];
        let r = empty.unwrap_or_else(|| {
            let n = first.iter().max().map_or(0, |n| n + 1);
            Record::new(self.info, unset_slots(n))
        });
        r.set(s.ts, c.get(connection::START_TIME));
        r.set(s.uid, c.get(connection::UID));
        r.set(s.id, c.get(connection::ID));
        r.set(s.proto, self.protos[proto as usize].clone());
        c.set(self.conn, Value::Record(r.clone()));
        r
    }

    /// Fills in what the end shows.
    fn finish(&self, vm: &mut Vm, c: &Record) {
        let s = &self.slots;
        let r = match c.get(self.conn) {
            Value::Record(r) => r,
            _ => self.begin(vm, c),
        };
        let Value::Record(id) = c.get(connection::ID) else {
            return;
        };
        // The last field first, so that the record grows once.
        let ip_proto = id.get(conn_id::PROTO);
        if !matches!(ip_proto, Value::Unset) {
            r.set(s.ip_proto, ip_proto);
        }
        r.set(s.id, Value::Record(id.clone()));
        if !r.has(s.missed_bytes) {
            // Its default: a row whose fields are all there is written without the machine.
            r.set(s.missed_bytes, Value::Count(0));
        }
        let nets = self.local_nets.map(|g| vm.global(g).clone());
        if let Some(Value::Table(nets)) = nets
            && !nets.is_empty()
        {
            for (host, slot) in [(conn_id::ORIG_H, s.local_orig), (conn_id::RESP_H, s.local_resp)] {
                if let Value::Addr(a) = id.get(host) {
                    r.set(slot, Value::Bool(is_in(&nets, &a)));
                }
            }
        }
        let (Value::Record(orig), Value::Record(resp)) = (c.get(connection::ORIG), c.get(connection::RESP)) else {
            return;
        };
        if let Value::Interval(d) = c.get(connection::DURATION)
            && d > 0.0
        {
            r.set(s.duration, Value::Interval(d));
            r.set(s.orig_bytes, orig.get(endpoint::SIZE));
            r.set(s.resp_bytes, resp.get(endpoint::SIZE));
        }
        if orig.has(endpoint::NUM_PKTS) {
            r.set(s.orig_pkts, orig.get(endpoint::NUM_PKTS));
            r.set(s.orig_ip_bytes, orig.get(endpoint::NUM_BYTES_IP));
            r.set(s.resp_pkts, resp.get(endpoint::NUM_PKTS));
            r.set(s.resp_ip_bytes, resp.get(endpoint::NUM_BYTES_IP));
        }
        if let Value::Table(services) = c.get(connection::SERVICE)
            && !services.is_empty()
        {
            r.set(s.service, Value::Str(joined(&services)));
        }
        let history = match c.get(connection::HISTORY) {
            Value::Str(h) => h,
            _ => Str::from(&b""[..]),
        };
        let (os, rs) = (count(&orig, endpoint::STATE), count(&resp, endpoint::STATE));
        let proto = match r.get(s.proto) {
            Value::Enum(_, n) => n,
            _ => Proto::Unknown as i64,
        };
        let silent = count(&orig, endpoint::SIZE) == 0 && count(&resp, endpoint::SIZE) == 0;
        let state = state(proto, (os, rs), silent, &history);
        r.set(s.conn_state, Value::Str(self.states[state].clone()));
        if !history.is_empty() {
            r.set(s.history, Value::Str(history));
        }
    }
}

/// A connection without a record that has ended, with what its row says beyond its own facts.
struct Ending<'a> {
    info: &'a ConnInfo,
    /// A number of [`STATES`].
    state: usize,
    /// Whether originator and responder are local, where that is known.
    local: [Option<bool>; 2],
}

/// Writes the row of a connection that has ended and has no record, as [`Plan::finish`] and `Log::write` would.
///
/// # Errors
/// Those of the writers.
pub fn write_ended(cx: &mut CallCtx<'_>, plan: &Plan, info: &ConnInfo) -> Result<(), RtError> {
    let (orig, resp) = (&info.stats.orig, &info.stats.resp);
    let nets = plan.local_nets.map(|g| cx.vm.global(g).clone());
    let local = match nets {
        Some(Value::Table(nets)) if !nets.is_empty() => [info.orig_h, info.resp_h].map(|a| Some(is_in(&nets, &a))),
        _ => [None; 2],
    };
    let states = (orig.state.into(), resp.state.into());
    let silent = orig.size == 0 && resp.size == 0;
    let ending = Ending {
        info,
        state: state(info.proto() as i64, states, silent, &info.stats.history),
        local,
    };
    crate::logs::write_flat(cx, plan.stream, &|path| plan.leaf(&ending, &path.steps))
}

/// What a connection without a record owes to it when it is made after all.
pub fn beginner(plan: Rc<Plan>) -> Option<Box<dyn Fn(&Record)>> {
    (!plan.defaults).then(|| {
        Box::new(move |c: &Record| {
            plan.begin_with(c, None);
        }) as Box<dyn Fn(&Record)>
    })
}

/// The plan of a program, if it has loaded what this is for.
pub fn plan_of(vm: &Vm) -> Option<Rc<Plan>> {
    Plan::make(vm).map(Rc::new)
}

/// The number of the summary in [`STATES`], of a protocol with the states of the endpoints.
fn state(proto: i64, (os, rs): (u64, u64), silent: bool, history: &[u8]) -> usize {
    let state = if proto == Proto::Tcp as i64 {
        tcp_state(os, rs, silent, history)
    } else if proto == Proto::Udp as i64 {
        udp_state(os != 0, rs != 0)
    } else {
        "OTH"
    };
    STATES.iter().position(|t| *t == state).unwrap_or(0)
}

fn count(r: &Record, slot: usize) -> u64 {
    match r.get(slot) {
        Value::Count(n) => n,
        _ => 0,
    }
}

fn is_in(nets: &Table, a: &Addr) -> bool {
    nets.longest_match_addr(a).is_some()
}

/// The names in the order in which they were added, in lower case.
fn joined(services: &Table) -> Str {
    let mut out = Vec::new();
    for (i, k) in services.keys().iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        if let Value::Str(s) = k {
            out.extend(s.iter().map(u8::to_ascii_lowercase));
        }
    }
    Str::from(out)
}

/// The summary of a TCP connection: states of the endpoints as numbers, whether neither sent data, the history.
fn tcp_state(os: u64, rs: u64, no_data: bool, history: &[u8]) -> &'static str {
    let is = |n: u64, s: TcpState| n == s as u64;
    // An endpoint that sent nothing yet, or that was picked up in the middle.
    let silent = |n: u64| is(n, TcpState::Inactive) || is(n, TcpState::Partial);
    if is(rs, TcpState::Reset) {
        let refused = is(os, TcpState::SynSent) || is(os, TcpState::SynAckSent);
        return if refused || (is(os, TcpState::Reset) && no_data) {
            "REJ"
        } else if silent(os) {
            "RSTRH"
        } else {
            "RSTR"
        };
    }
    if is(os, TcpState::Reset) {
        return if !silent(rs) {
            "RSTO"
        } else if is_lone_syn(history) {
            "RSTOS0"
        } else {
            "OTH"
        };
    }
    let (orig_closed, resp_closed) = (is(os, TcpState::Closed), is(rs, TcpState::Closed));
    match (orig_closed, resp_closed) {
        (true, true) => "SF",
        (true, false) if silent(rs) => "SH",
        (true, false) => "S2",
        (false, true) if silent(os) => "SHR",
        (false, true) => "S3",
        (false, false) if is(os, TcpState::SynSent) && is(rs, TcpState::Inactive) => "S0",
        (false, false) if is(os, TcpState::Established) && is(rs, TcpState::Established) => "S1",
        (false, false) => "OTH",
    }
}

/// Whether a history tells of a SYN followed by nothing of substance before the reset.
fn is_lone_syn(history: &[u8]) -> bool {
    let rest = history.strip_prefix(b"^").unwrap_or(history);
    let Some(rest) = rest.strip_prefix(b"S") else {
        return false;
    };
    let substance = rest.iter().position(|c| b"HAFGIQ".contains(c)).unwrap_or(rest.len());
    rest[..substance].contains(&b'R')
}

fn udp_state(orig: bool, resp: bool) -> &'static str {
    match (orig, resp) {
        (true, true) => "SF",
        (true, false) => "S0",
        (false, true) => "SHR",
        (false, false) => "OTH",
    }
}

fn plan(cx: &mut CallCtx<'_>) -> Result<Rc<Plan>, RtError> {
    if let Some(plan) = &of(cx)?.conn_log {
        return Ok(plan.clone());
    }
    let plan = plan_of(cx.vm).ok_or_else(|| RtError::new("this function needs base/protocols/conn"))?;
    of(cx)?.conn_log = Some(plan.clone());
    Ok(plan)
}

fn begin(cx: &mut CallCtx<'_>, args: &[Value]) -> Result<Value, RtError> {
    let plan = plan(cx)?;
    if let Some(Value::Record(c)) = args.first()
        && !c.has(plan.conn)
    {
        plan.begin(cx.vm, c);
    }
    Ok(Value::Unset)
}

fn finish(cx: &mut CallCtx<'_>, args: &[Value]) -> Result<Value, RtError> {
    let plan = plan(cx)?;
    if let Some(Value::Record(c)) = args.first() {
        plan.finish(cx.vm, c);
    }
    Ok(Value::Unset)
}

/// Adds the built-ins.
pub fn register(r: &mut Registry) {
    r.add_all(&[("Conn::__begin_record", begin), ("Conn::__finish_record", finish)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_tcp() {
        use TcpState::{Closed, Established, Inactive, Partial, Reset, SynAckSent, SynSent};
        let cases = [
            (SynSent, Reset, "Sr", "REJ"),
            (SynAckSent, Reset, "Hr", "REJ"),
            (Reset, Reset, "SrR", "REJ"),
            (Inactive, Reset, "r", "RSTRH"),
            (Partial, Reset, "Dr", "RSTRH"),
            (Established, Reset, "ShADadr", "RSTR"),
            (Reset, Established, "ShADadR", "RSTO"),
            (Reset, Inactive, "SR", "RSTOS0"),
            (Reset, Inactive, "^SR", "RSTOS0"),
            (Reset, Partial, "SaR", "RSTOS0"),
            (Reset, Partial, "SaFR", "OTH"),
            (Reset, Inactive, "R", "OTH"),
            (Reset, Inactive, "SRF", "RSTOS0"),
            (Closed, Closed, "ShADadFf", "SF"),
            (Closed, Inactive, "SF", "SH"),
            (Closed, Established, "ShADF", "S2"),
            (Inactive, Closed, "hf", "SHR"),
            (Established, Closed, "ShADf", "S3"),
            (SynSent, Inactive, "S", "S0"),
            (Established, Established, "ShA", "S1"),
            (Partial, Partial, "DdA", "OTH"),
        ];
        for (os, rs, history, want) in cases {
            assert_eq!(
                tcp_state(os as u64, rs as u64, true, history.as_bytes()),
                want,
                "{os:?} {rs:?} {history}"
            );
        }
        assert_eq!(tcp_state(Reset as u64, Reset as u64, false, b"ShADR"), "RSTR");
    }
}
