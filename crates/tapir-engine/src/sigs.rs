//! Signatures on connections: between the rule engine, the analyzers and scripts.

use std::rc::Rc;

use tapir_analyzers::core::{ConnInfo, ConnMatcher, Enable, PatKind, SigHost, Transport as AppTransport};
use tapir_data::value::{Str, Value};
use tapir_interface::queue::{EventId, EventQueue};
use tapir_interface::{events, records};
use tapir_signatures::{
    Action, ConnFacts, Fire, Host, Kind, Names, PacketFacts, Rule, RuleSet, RuleState, ScriptValue, Transport,
};
use tapir_vm::Vm;

use crate::core::{SharedCore, with_queue};

/// A loaded set of rules with what its conditions and actions refer to.
pub struct Signatures {
    pub rules: RuleSet,
    /// Functions and boolean variables of `eval` conditions, by name.
    evals: Vec<String>,
    /// Events of `event NAME` actions: their ids and numbers of parameters.
    custom: std::collections::HashMap<String, (EventId, usize)>,
}

/// Script names as the loader of signatures asks for them.
struct ScriptNames<'a> {
    vm: &'a Vm,
    evals: Vec<String>,
}

impl Names for ScriptNames<'_> {
    fn values(&self, ident: &str) -> Option<Vec<ScriptValue>> {
        fn one(v: &Value) -> Option<ScriptValue> {
            Some(match v {
                Value::Count(n) => ScriptValue::Number(*n),
                Value::Int(n) => ScriptValue::Number(*n as u64),
                Value::Port(p) => ScriptValue::Number(u64::from(p.num)),
                Value::Addr(a) => ScriptValue::Net(a.to_ip(), if a.is_v4() { 32 } else { 128 }),
                Value::Subnet(s) => ScriptValue::Net(s.addr.to_ip(), s.shown_width()),
                Value::Str(s) => ScriptValue::Text(s.to_vec()),
                _ => return None,
            })
        }
        match self.vm.global_value(ident)? {
            Value::Table(t) => Some(t.keys().iter().filter_map(one).collect()),
            Value::Vector(v) => Some(v.to_vec().iter().filter_map(one).collect()),
            v => one(&v).map(|v| vec![v]),
        }
    }

    fn eval(&mut self, ident: &str) -> Result<u32, String> {
        match self.vm.global_value(ident) {
            Some(Value::Func(_) | Value::Bool(_)) => {}
            Some(_) => return Err(format!("{ident} is neither a function nor a boolean variable")),
            None => return Err(format!("unknown script-level identifier {ident}")),
        }
        let at = self.evals.iter().position(|e| e == ident).unwrap_or_else(|| {
            self.evals.push(ident.to_string());
            self.evals.len() - 1
        });
        Ok(at as u32)
    }
}

/// Loads signature files.
///
/// # Errors
/// All mistakes of all files, each with file and line.
pub fn load(vm: &mut Vm, files: &[(String, Vec<u8>)]) -> Result<(Signatures, Vec<String>), Vec<String>> {
    let mut names = ScriptNames { vm, evals: Vec::new() };
    let texts = |list: Vec<tapir_signatures::LoadError>| list.iter().map(|e| e.to_string()).collect::<Vec<_>>();
    let (rules, warnings) = RuleSet::load(files, &mut names).map_err(texts)?;
    let mut custom = std::collections::HashMap::new();
    let mut unknown = Vec::new();
    for rule in rules.rules() {
        for action in &rule.actions {
            if let Action::Custom { event, .. } = action {
                match crate::script::event_by_name(vm, event) {
                    Some((id, n_params)) => {
                        custom.insert(event.clone(), (id, n_params));
                    }
                    None => unknown.push(format!(
                        "Error in signature ({}:{}): unknown event {event} ({})",
                        rule.file, rule.line, rule.id
                    )),
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
    fn matcher(&mut self, conn: &ConnInfo, is_orig: bool, header: &[u8], inner: bool) -> Option<Box<dyn ConnMatcher>> {
        let mut m = ConnRules {
            set: self.set.clone(),
            core: self.core.clone(),
            state: RuleState::default(),
            early: Vec::new(),
            clear: Vec::new(),
        };
        // A stream within a proxy has no packets of its own: header tests see a made-up TCP header of the endpoints.
        let made_up = if inner || header.is_empty() {
            Some(synthetic(conn, is_orig))
        } else {
            None
        };
        let ip = made_up.as_deref().unwrap_or(header);
        m.begin_with(conn, is_orig, ip);
        if inner {
            let back = synthetic(conn, !is_orig);
            m.begin_with(conn, !is_orig, &back);
        }
        Some(Box::new(m))
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

/// The rules' state of one connection.
struct ConnRules {
    set: Rc<Signatures>,
    core: SharedCore,
    state: RuleState,
    /// Fired on headers alone, not yet acted on.
    early: Vec<Fire>,
    /// Streams to start anew with the next data.
    clear: Vec<(PatKind, bool)>,
}

struct Facts<'a> {
    facts: ConnFacts,
    set: &'a Signatures,
    core: &'a SharedCore,
    q: Option<&'a mut EventQueue>,
    conn: Value,
}

impl Host for Facts<'_> {
    fn facts(&self) -> ConnFacts {
        self.facts
    }

    fn eval(&mut self, eval: u32, rule: &Rule, is_orig: bool, payload_size: i64, data: &[u8]) -> bool {
        let Some(name) = self.set.evals.get(eval as usize) else {
            return false;
        };
        let Some(q) = self.q.as_deref_mut() else { return false };
        // A built-in that matches by hand holds the machine: conditions in scripts cannot be asked then.
        if self.core.try_borrow_mut().is_err() {
            return false;
        }
        let state = signature_state(q, rule, self.conn.clone(), is_orig, payload_size);
        let data = Value::Str(data.into());
        with_queue(self.core, q, |core| match core.vm.global_value(name) {
            Some(Value::Bool(b)) => b,
            Some(f @ Value::Func(_)) => matches!(core.call(&f, &[state, data]), Some(Value::Bool(true))),
            _ => false,
        })
    }
}

fn signature_state(q: &EventQueue, rule: &Rule, conn: Value, is_orig: bool, payload_size: i64) -> Value {
    records::SignatureState {
        sig_id: Str::from(rule.id.as_bytes()),
        conn,
        is_orig,
        payload_size: payload_size.max(0) as u64,
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
    /// Tests headers. Rules that fire here have no patterns; they are kept for the first data, as nothing is queued
    /// before `new_connection`.
    fn begin_with(&mut self, conn: &ConnInfo, is_orig: bool, ip: &[u8]) {
        let (src, dst) = if is_orig {
            (conn.orig_h, conn.resp_h)
        } else {
            (conn.resp_h, conn.orig_h)
        };
        let header_len = match ip.first().map(|b| b >> 4) {
            Some(4) => usize::from(ip[0] & 15) * 4,
            _ => 40,
        };
        let packet = PacketFacts {
            src: src.to_ip(),
            dst: dst.to_ip(),
            proto: conn.ip_proto,
            ip,
            payload: ip.get(header_len..).unwrap_or(&[]),
        };
        let mut host = Facts {
            facts: facts(conn),
            set: &self.set,
            core: &self.core,
            q: None,
            conn: Value::Unset,
        };
        let fires = self.set.rules.begin(&mut self.state, is_orig, &packet, &mut host);
        self.early.extend(fires);
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

impl ConnMatcher for ConnRules {
    fn begin(&mut self, conn: &ConnInfo, is_orig: bool, ip_header: &[u8]) {
        if !self.set.rules.has_begun(&self.state, is_orig) {
            self.begin_with(conn, is_orig, ip_header);
        }
    }

    fn feed(
        &mut self,
        q: &mut EventQueue,
        conn: &mut ConnInfo,
        pat: PatKind,
        is_orig: bool,
        data: &[u8],
        bol: bool,
        eol: bool,
        enables: &mut Vec<Enable>,
    ) {
        let set = self.set.clone();
        let value = conn.value.clone().unwrap_or_default();
        let now = facts(conn);
        let mut host = Facts {
            facts: now,
            set: &set,
            core: &self.core,
            q: Some(q),
            conn: value.clone(),
        };
        let clear = std::mem::take(&mut self.clear).contains(&(pat, is_orig));
        let mut fires = std::mem::take(&mut self.early);
        fires.extend(
            set.rules
                .feed(&mut self.state, kind(pat), is_orig, data, bol, eol, clear, &mut host),
        );
        if now.transport == Transport::Udp && pat == PatKind::Payload {
            fires.extend(set.rules.end_of_packet(&mut self.state, is_orig, &mut host));
        }
        if !fires.is_empty() {
            self.act(q, value, fires, data, enables);
        }
    }

    fn reset(&mut self, pat: PatKind, is_orig: bool) {
        self.clear.push((pat, is_orig));
    }

    fn end(&mut self, q: &mut EventQueue, conn: &mut ConnInfo) {
        let set = self.set.clone();
        let value = conn.value.clone().unwrap_or_default();
        let mut host = Facts {
            facts: facts(conn),
            set: &set,
            core: &self.core,
            q: Some(q),
            conn: value.clone(),
        };
        let mut fires = std::mem::take(&mut self.early);
        fires.extend(set.rules.finish(&mut self.state, &mut host));
        if !fires.is_empty() {
            // Analyzers are gone already: nothing can be attached any more.
            self.act(q, value, fires, b"", &mut Vec::new());
        }
    }
}
