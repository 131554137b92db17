//! Signatures on connections: between the rule engine, the analyzers and scripts.

use std::rc::Rc;

use tapir_analyzers::core::{ConnInfo, ConnMatcher, Enable, PatKind, Shared, SigHost, Transport as AppTransport};
use tapir_data::types::{Flavor, builtin};
use tapir_data::value::{Str, Value};
use tapir_interface::queue::{EventId, EventQueue};
use tapir_interface::{events, records};
use tapir_script::hir::{GlobalId, Ident};
use tapir_signatures::{
    Action, ConnFacts, Fire, Host, Kind, Names, PacketFacts, Rule, RuleSet, RuleState, ScriptValue, Transport,
};
use tapir_vm::Vm;

use crate::core::{SharedCore, with_queue};

/// A loaded set of rules with what its conditions and actions refer to.
pub struct Signatures {
    pub rules: RuleSet,
    /// Functions and boolean variables of `eval` conditions.
    evals: Vec<Eval>,
    /// Events of `event NAME` actions: their ids and numbers of parameters.
    custom: std::collections::HashMap<String, (EventId, usize)>,
}

/// What an `eval` condition asks.
enum Eval {
    /// A variable, as it is at that time: boolean, or a function.
    Variable(GlobalId),
    Function(Value),
}

/// Script names as the loader of signatures asks for them.
struct ScriptNames<'a> {
    vm: &'a mut Vm,
    evals: Vec<Eval>,
    known: std::collections::HashMap<String, u32>,
}

impl Names for ScriptNames<'_> {
    fn values(&self, ident: &str) -> Option<Vec<ScriptValue>> {
        fn one(v: &Value) -> Option<ScriptValue> {
            Some(match v {
                Value::Count(n) => ScriptValue::Number(*n),
                Value::Int(n) => ScriptValue::Number(*n as u64),
                Value::Bool(b) => ScriptValue::Number(u64::from(*b)),
                Value::Enum(_, n) => ScriptValue::Number(*n as u64),
                Value::Port(p) => ScriptValue::Number(u64::from(p.num)),
                Value::Addr(a) => ScriptValue::Net(a.to_ip(), if a.is_v4() { 32 } else { 128 }),
                Value::Subnet(s) => ScriptValue::Net(s.addr.to_ip(), s.shown_width()),
                Value::Str(s) => ScriptValue::Text(s.to_vec()),
                _ => return None,
            })
        }
        match self.vm.program().names.get(ident)? {
            Ident::Enumerator(_, n) => Some(vec![ScriptValue::Number(*n as u64)]),
            Ident::Global(g) => match self.vm.global(*g) {
                Value::Table(t) => t.keys().iter().map(one).collect(),
                Value::Vector(v) => v.to_vec().iter().map(one).collect(),
                v => one(v).map(|v| vec![v]),
            },
            Ident::Func(_) | Ident::Type(_) => None,
        }
    }

    fn is_known(&self, ident: &str) -> bool {
        self.vm.program().names.contains_key(ident)
    }

    fn near(&self, ident: &str) -> Option<String> {
        let mut names: Vec<&str> = self.vm.program().names.keys().map(|n| &**n).collect();
        names.sort_unstable();
        tapir_script::diag::nearest(ident, names.into_iter()).map(str::to_string)
    }

    fn eval(&mut self, ident: &str) -> Result<u32, String> {
        if let Some(n) = self.known.get(ident) {
            return Ok(*n);
        }
        let unfit =
            || format!("{ident} is neither a function of a signature_state and a string nor a boolean variable");
        let eval = match self.vm.program().names.get(ident) {
            Some(Ident::Func(f)) => {
                let f = *f;
                let sig = &self.vm.program().functions[f.0 as usize].sig;
                if sig.flavor != Flavor::Function || sig.params.len() != 2 || sig.yields != builtin::BOOL {
                    return Err(unfit());
                }
                Eval::Function(self.vm.func_value(f))
            }
            Some(Ident::Global(g)) if matches!(self.vm.global(*g), Value::Bool(_) | Value::Func(_)) => {
                Eval::Variable(*g)
            }
            Some(_) => return Err(unfit()),
            None => return Err(format!("unknown script-level identifier {ident}")),
        };
        let number = self.evals.len() as u32;
        self.evals.push(eval);
        self.known.insert(ident.to_string(), number);
        Ok(number)
    }
}

/// Loads signature files.
///
/// # Errors
/// All mistakes of all files, each with file and line.
pub fn load(vm: &mut Vm, files: &[(String, Vec<u8>)]) -> Result<(Signatures, Vec<String>), Vec<String>> {
    let mut names = ScriptNames {
        vm,
        evals: Vec::new(),
        known: std::collections::HashMap::new(),
    };
    let texts = |list: Vec<tapir_signatures::LoadError>| list.iter().map(|e| e.to_string()).collect::<Vec<_>>();
    let (rules, warnings) = RuleSet::load(files, &mut names).map_err(texts)?;
    let mut custom = std::collections::HashMap::new();
    let mut unknown = Vec::new();
    for rule in rules.rules() {
        for action in &rule.actions {
            if let Action::Custom { event, .. } = action {
                match crate::script::event_by_name(names.vm, event) {
                    Some((id, n_params)) => {
                        custom.insert(event.clone(), (id, n_params));
                    }
                    None => {
                        let near = names
                            .near(event)
                            .map_or(String::new(), |n| format!("; did you mean {n}?"));
                        unknown.push(format!(
                            "Error in signature ({}:{}): no event is called {event} (signature {}){near}",
                            rule.file, rule.line, rule.id
                        ));
                    }
                }
            }
        }
    }
    if !unknown.is_empty() {
        return Err(unknown);
    }
    Ok((
        Signatures {
            rules,
            evals: names.evals,
            custom,
        },
        texts(warnings),
    ))
}

/// Makes matchers for connections.
pub struct SigBridge {
    pub set: Rc<Signatures>,
    pub core: SharedCore,
}

impl SigHost for SigBridge {
    fn matcher(&mut self) -> Box<dyn ConnMatcher> {
        Box::new(ConnRules {
            set: self.set.clone(),
            core: self.core.clone(),
            state: RuleState::default(),
            enables: Vec::new(),
            clear: 0,
        })
    }

    fn resumed(&self, rules: Rc<[u32]>, is_orig: bool, len: usize) -> Box<dyn ConnMatcher> {
        Box::new(ConnRules {
            set: self.set.clone(),
            core: self.core.clone(),
            state: RuleState::resumed(rules, is_orig, len),
            enables: Vec::new(),
            clear: 0,
        })
    }
}

/// An IPv4 or IPv6 header followed by ports, as bytes.
fn synthetic(conn: &ConnInfo, is_orig: bool) -> Vec<u8> {
    let (src, sp, dst, dp) = if is_orig {
        (conn.orig_h, conn.orig_p, conn.resp_h, conn.resp_p)
    } else {
        (conn.resp_h, conn.resp_p, conn.orig_h, conn.orig_p)
    };
    let mut h = Vec::with_capacity(60);
    match (src.as_v4(), dst.as_v4()) {
        (Some(s), Some(d)) => {
            h.extend_from_slice(&[0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0]);
            h.extend_from_slice(&s);
            h.extend_from_slice(&d);
        }
        _ => {
            h.extend_from_slice(&[0x60, 0, 0, 0, 0, 20, 6, 64]);
            h.extend_from_slice(&src.0);
            h.extend_from_slice(&dst.0);
        }
    }
    h.extend_from_slice(&sp.to_be_bytes());
    h.extend_from_slice(&dp.to_be_bytes());
    h.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0, 0, 0, 0, 0, 0, 0]);
    h
}

/// The length of an IP header with its extension headers.
fn header_len(ip: &[u8]) -> usize {
    if ip.first().is_some_and(|b| b >> 4 == 4) {
        return usize::from(ip[0] & 15) * 4;
    }
    let mut next = ip.get(6).copied().unwrap_or(59);
    let mut at = 40;
    while let Some(&[following, len]) = ip.get(at..at + 2).and_then(|h| h.first_chunk::<2>()) {
        at += match next {
            0 | 43 | 60 | 135 | 139 | 140 => (usize::from(len) + 1) * 8,
            44 => 8,
            51 => (usize::from(len) + 2) * 4,
            _ => break,
        };
        next = following;
    }
    at
}

/// The rules' state of one connection.
struct ConnRules {
    set: Rc<Signatures>,
    core: SharedCore,
    state: RuleState,
    /// Analyzers enabled by headers alone, to attach with the first data.
    enables: Vec<Enable>,
    /// Streams to start anew with the next data, by bit.
    clear: u16,
}

struct Facts<'a> {
    facts: ConnFacts,
    set: &'a Signatures,
    core: &'a SharedCore,
    q: &'a mut EventQueue,
    conn: &'a mut ConnInfo,
    sh: &'a mut Shared,
}

impl Host for Facts<'_> {
    fn facts(&self) -> ConnFacts {
        self.facts
    }

    fn eval(&mut self, eval: u32, rule: &Rule, is_orig: bool, payload_size: i64, data: &[u8]) -> bool {
        let Some(asked) = self.set.evals.get(eval as usize) else {
            return false;
        };
        // A built-in that matches by hand holds the machine: conditions in scripts cannot be asked then.
        if self.core.try_borrow_mut().is_err() {
            return false;
        }
        let conn = self.conn.value_now(self.q, self.sh);
        let state = signature_state(self.q, rule, conn, is_orig, payload_size);
        let data = Value::Str(data.into());
        with_queue(self.core, self.q, |core| {
            let value = match asked {
                Eval::Function(f) => f.clone(),
                Eval::Variable(g) => core.vm.global(*g).clone(),
            };
            match value {
                Value::Bool(b) => b,
                f @ Value::Func(_) => matches!(core.call(&f, &[state, data]), Some(Value::Bool(true))),
                _ => false,
            }
        })
    }
}

fn signature_state(q: &EventQueue, rule: &Rule, conn: Value, is_orig: bool, payload_size: i64) -> Value {
    records::SignatureState {
        sig_id: Str::from(rule.id.as_bytes()),
        conn,
        is_orig,
        // All ones before there was any data.
        payload_size: payload_size as u64,
    }
    .build(q.bindings())
}

fn facts(conn: &ConnInfo) -> ConnFacts {
    let transport = match conn.transport {
        AppTransport::Tcp => Transport::Tcp,
        AppTransport::Udp => Transport::Udp,
        AppTransport::Icmp => Transport::Icmp,
        AppTransport::Other => Transport::Other,
    };
    let (o, r) = (conn.stats.orig.state, conn.stats.resp.state);
    // TCP states beyond the handshake count from PARTIAL on; UDP endpoints have sent when active.
    let established = match transport {
        Transport::Tcp => o >= 3 && r >= 3,
        _ => o >= 1 && r >= 1,
    };
    ConnFacts {
        transport,
        established,
        same_ip: conn.orig_h == conn.resp_h,
    }
}

impl ConnRules {
    /// Runs the rules on something and acts on what fires. `fed` is the data in hand.
    fn run(
        &mut self,
        q: &mut EventQueue,
        conn: &mut ConnInfo,
        sh: &mut Shared,
        fed: &[u8],
        enables: &mut Vec<Enable>,
        step: impl FnOnce(&RuleSet, &mut RuleState, &mut Facts<'_>) -> Vec<Fire>,
    ) {
        let mut host = Facts {
            facts: facts(conn),
            set: &self.set,
            core: &self.core,
            q: &mut *q,
            conn: &mut *conn,
            sh: &mut *sh,
        };
        let fires = step(&self.set.rules, &mut self.state, &mut host);
        if !fires.is_empty() {
            let value = conn.value_now(q, sh);
            self.act(q, value, fires, fed, enables);
        }
    }

    fn act(&self, q: &mut EventQueue, conn: Value, fires: Vec<Fire>, fed: &[u8], enables: &mut Vec<Enable>) {
        for fire in fires {
            let rule = self.set.rules.rule(fire.rule);
            let data: Str = match &fire.data {
                Some(d) => d[..].into(),
                None if rule.patterns.is_empty() => (&b""[..]).into(),
                None => fed.into(),
            };
            for action in &rule.actions {
                match action {
                    Action::Enable { parent, analyzer } => {
                        enables.push(Enable {
                            parent: parent.clone(),
                            name: analyzer.clone(),
                        });
                    }
                    Action::Mime { .. } => {}
                    Action::Match { message } => {
                        if q.wants(events::SIGNATURE_MATCH) {
                            let state = signature_state(q, rule, conn.clone(), fire.is_orig, fire.payload_size);
                            let msg = Value::Str(message.as_bytes().into());
                            let args = vec![state, msg, Value::Str(data.clone()), Value::Count(fire.end_of_match)];
                            q.push(events::SIGNATURE_MATCH, args);
                        }
                    }
                    Action::Custom { event, message } => {
                        let Some(&(id, n_params)) = self.set.custom.get(event) else {
                            continue;
                        };
                        let mut args = vec![signature_state(q, rule, conn.clone(), fire.is_orig, fire.payload_size)];
                        if let Some(m) = message {
                            args.push(Value::Str(m.as_bytes().into()));
                        }
                        args.push(Value::Str(data.clone()));
                        if args.len() < n_params {
                            args.push(Value::Count(fire.end_of_match));
                        }
                        q.push(id, args);
                    }
                }
            }
        }
    }
}

fn kind(k: PatKind) -> Kind {
    match k {
        PatKind::Payload => Kind::Payload,
        PatKind::HttpRequest => Kind::HttpRequest,
        PatKind::HttpRequestHeader => Kind::HttpRequestHeader,
        PatKind::HttpReplyHeader => Kind::HttpReplyHeader,
        PatKind::HttpRequestBody => Kind::HttpRequestBody,
        PatKind::HttpReplyBody => Kind::HttpReplyBody,
        PatKind::Ftp => Kind::Ftp,
        PatKind::Finger => Kind::Finger,
    }
}

/// The bit of a stream in `ConnRules::clear`.
fn stream_bit(pat: PatKind, is_orig: bool) -> u16 {
    1 << (pat as u16 * 2 + u16::from(is_orig))
}

impl ConnMatcher for ConnRules {
    fn wants(&self, pat: PatKind) -> bool {
        pat == PatKind::Payload || self.set.rules.has_kind(kind(pat))
    }

    fn begin(&mut self, q: &mut EventQueue, conn: &mut ConnInfo, sh: &mut Shared, is_orig: bool, ip_header: &[u8]) {
        if self.set.rules.has_begun(&self.state, is_orig) {
            return;
        }
        let made_up;
        let ip = if ip_header.is_empty() {
            made_up = synthetic(conn, is_orig);
            &made_up
        } else {
            ip_header
        };
        let (src, dst) = if is_orig {
            (conn.orig_h, conn.resp_h)
        } else {
            (conn.resp_h, conn.orig_h)
        };
        let packet = PacketFacts {
            src: src.to_ip(),
            dst: dst.to_ip(),
            proto: conn.ip_proto,
            ip,
            payload: ip.get(header_len(ip)..).unwrap_or(&[]),
        };
        let mut enables = std::mem::take(&mut self.enables);
        self.run(q, conn, sh, b"", &mut enables, |rules, state, host| {
            rules.begin(state, is_orig, &packet, host)
        });
        self.enables = enables;
    }

    fn feed(
        &mut self,
        q: &mut EventQueue,
        conn: &mut ConnInfo,
        sh: &mut Shared,
        pat: PatKind,
        is_orig: bool,
        data: &[u8],
        bol: bool,
        eol: bool,
        enables: &mut Vec<Enable>,
    ) {
        // Every datagram is matched anew.
        let per_packet = conn.transport == AppTransport::Udp && pat == PatKind::Payload;
        let clear = std::mem::take(&mut self.clear) & stream_bit(pat, is_orig) != 0 || per_packet;
        enables.append(&mut self.enables);
        self.run(q, conn, sh, data, enables, |rules, state, host| {
            let mut fires = rules.feed(state, kind(pat), is_orig, data, bol, eol, clear, host);
            if per_packet {
                fires.extend(rules.end_of_packet(state, is_orig, host));
            }
            fires
        });
    }

    fn reset(&mut self, pat: PatKind, is_orig: bool) {
        self.clear |= stream_bit(pat, is_orig);
    }

    fn idle(&self) -> Option<Rc<[u32]>> {
        let nothing_left = self.enables.is_empty() && self.clear == 0 && self.set.rules.only_data_matters();
        nothing_left.then(|| self.state.idle()).flatten()
    }

    fn end(&mut self, q: &mut EventQueue, conn: &mut ConnInfo, sh: &mut Shared) {
        // Analyzers are gone already: nothing can be attached any more.
        self.run(q, conn, sh, b"", &mut Vec::new(), |rules, state, host| {
            rules.finish(state, host)
        });
    }
}
