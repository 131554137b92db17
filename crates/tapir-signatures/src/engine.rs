//! Matching rules against connections and files.
//!
//! A [`RuleSet`] is made once from all signature files. A connection keeps a [`RuleState`]; the engine reports the first
//! packet of each direction, feeds data by [`Kind`], and reports the end. What fires is given back in order; the
//! engine then raises events and attaches analyzers. A rule fires at most once per connection.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use crate::ast::Node;
use crate::groups::Groups;
pub use crate::header::PacketFacts;
use crate::matcher::{Matcher, Stream};
use crate::rules::{self, Action, Cmp, Condition, HeaderTest, Kind, LoadError, N_KINDS, Names, Rule, States};

/// Transport protocols as far as rules tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Udp,
    Icmp,
    Other,
}

/// What is known of the connection when conditions are tested.
#[derive(Clone, Copy, Debug)]
pub struct ConnFacts {
    pub transport: Transport,
    /// TCP: both endpoints are beyond their SYN states. UDP: both have sent.
    pub established: bool,
    pub same_ip: bool,
}

/// What conditions need from the outside.
pub trait Host {
    /// The connection as it is now.
    fn facts(&self) -> ConnFacts;
    /// Calls a script function or reads a variable given by number.
    fn eval(&mut self, eval: u32, rule: &Rule, is_orig: bool, payload_size: i64, data: &[u8]) -> bool;
}

/// A rule that fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fire {
    /// Index for [`RuleSet::rule`].
    pub rule: u32,
    pub is_orig: bool,
    pub payload_size: i64,
    /// Where the last pattern ended in the data.
    pub end_of_match: u64,
    /// The data, when it is not what was just fed.
    pub data: Option<Vec<u8>>,
}

/// All rules with their automata.
pub struct RuleSet {
    rules: Vec<Rule>,
    /// Distinct lists of header tests.
    groups: Groups,
    group_of: Vec<u32>,
    /// Rules without patterns, by group.
    pure: Vec<Vec<u32>>,
    /// Rules that depend on a rule.
    dependents: Vec<Vec<u32>>,
    /// Pattern numbers: rule and depth.
    patterns: Vec<(u32, Option<u64>)>,
    /// First pattern number of each rule; its patterns are consecutive.
    first_pattern: Vec<u32>,
    /// One per kind; payload has one for TCP, UDP and the rest.
    matchers: Vec<Option<Automaton>>,
}

/// A matcher that is built when the first data come: nodes of a cluster that see no traffic never do it, and many
/// captures have no data of some kinds.
struct Automaton {
    /// The patterns, as long as it was not built.
    patterns: RefCell<Vec<(u32, Node)>>,
    matcher: OnceCell<RefCell<Matcher>>,
}

impl Automaton {
    fn of(patterns: Vec<(u32, Node)>) -> Self {
        Automaton {
            patterns: RefCell::new(patterns),
            matcher: OnceCell::new(),
        }
    }

    fn get(&self) -> &RefCell<Matcher> {
        self.matcher
            .get_or_init(|| RefCell::new(Matcher::new(&self.patterns.take())))
    }
}

const SLOTS: usize = N_KINDS + 2;
const PENDING_DATA_MAX: usize = 4096;

/// What a connection keeps.
#[derive(Debug, Default)]
pub struct RuleState {
    directions: [Direction; 2],
}

#[derive(Debug, Default)]
struct Direction {
    seen: bool,
    /// The groups whose tests hold, sorted.
    groups: Rc<[u32]>,
    streams: Vec<(u8, Stream, u64)>,
    payload_size: Option<i64>,
    matched: Option<Box<Matched>>,
}

/// What a direction has once something matched.
#[derive(Debug, Default)]
struct Matched {
    /// Numbers of matched patterns, sorted.
    patterns: Vec<u32>,
    fired: Vec<u32>,
    /// Rules whose patterns all matched but whose conditions do not hold yet.
    pending: Vec<Pending>,
}

impl RuleState {
    /// The groups that hold for the one direction that was seen, if nothing else is known but the size of its payload.
    pub fn idle(&self) -> Option<Rc<[u32]>> {
        let [a, b] = &self.directions;
        let (seen, other) = if a.seen { (a, b) } else { (b, a) };
        let is_idle = |d: &Direction| d.streams.is_empty() && d.matched.is_none();
        (seen.seen && !other.seen && is_idle(seen) && is_idle(other) && other.payload_size.is_none())
            .then(|| seen.groups.clone())
    }

    /// What was [`idle`](RuleState::idle), after a payload of so many bytes.
    pub fn resumed(groups: Rc<[u32]>, is_orig: bool, len: usize) -> Self {
        let mut state = RuleState::default();
        let dir = &mut state.directions[usize::from(!is_orig)];
        dir.seen = true;
        dir.groups = groups;
        dir.payload_size = Some(len as i64);
        state
    }
}

impl Direction {
    fn has_fired(&self, rule: u32) -> bool {
        self.matched.as_ref().is_some_and(|m| m.fired.contains(&rule))
    }

    fn matched(&mut self) -> &mut Matched {
        self.matched.get_or_insert_default()
    }
}

#[derive(Debug)]
struct Pending {
    rule: u32,
    data: Vec<u8>,
    end: u64,
}

impl RuleSet {
    /// Loads files given as names with their contents. Errors are all collected; warnings are returned on success.
    pub fn load(
        files: &[(String, Vec<u8>)],
        names: &mut dyn Names,
    ) -> Result<(RuleSet, Vec<LoadError>), Vec<LoadError>> {
        let mut errors = Vec::new();
        let mut warnings = Vec::new();
        let mut rules: Vec<Rule> = Vec::new();
        let mut ids: HashMap<String, u32> = HashMap::new();
        for (name, text) in files {
            for rule in rules::parse_file(name, text, names, &mut errors, &mut warnings) {
                let place = |reason: &str| LoadError {
                    file: rule.file.clone(),
                    line: rule.line,
                    reason: format!("{reason} ({})", rule.id),
                };
                if ids.contains_key(&rule.id) {
                    errors.push(place("rule defined twice"));
                    continue;
                }
                ids.insert(rule.id.clone(), rules.len() as u32);
                rules.push(rule);
            }
        }
        let mut dependents = vec![Vec::new(); rules.len()];
        let all: Vec<&str> = ids.keys().map(String::as_str).collect();
        for (i, rule) in rules.iter_mut().enumerate() {
            for c in &mut rule.conditions {
                if let Condition::Requires { rule: name, index, .. } = c {
                    match ids.get(name.as_str()) {
                        Some(n) => {
                            *index = *n;
                            dependents[*n as usize].push(i as u32);
                        }
                        None => errors.push(LoadError {
                            file: rule.file.clone(),
                            line: rule.line,
                            reason: match rules::nearest(name, &all) {
                                Some(near) => format!("unknown rule referenced ({name}); did you mean {near}?"),
                                None => format!("unknown rule referenced ({name})"),
                            },
                        }),
                    }
                }
            }
        }
        if !errors.is_empty() {
            let order = |file: &str| files.iter().position(|f| f.0 == file);
            errors.sort_by_key(|e| (order(&e.file), e.line));
            return Err(errors);
        }
        Ok((RuleSet::build(rules, dependents), warnings))
    }

    fn build(rules: Vec<Rule>, dependents: Vec<Vec<u32>>) -> RuleSet {
        let mut set = RuleSet {
            groups: Groups::default(),
            group_of: Vec::with_capacity(rules.len()),
            pure: Vec::new(),
            dependents,
            patterns: Vec::new(),
            first_pattern: Vec::with_capacity(rules.len()),
            matchers: (0..SLOTS).map(|_| None).collect(),
            rules: Vec::new(),
        };
        let mut nodes: Vec<Vec<(u32, Node)>> = vec![Vec::new(); SLOTS];
        let mut rules = rules;
        for (i, rule) in rules.iter_mut().enumerate() {
            let group = set.groups.number(&rule.header);
            if group as usize == set.pure.len() {
                set.pure.push(Vec::new());
            }
            set.group_of.push(group);
            set.first_pattern.push(set.patterns.len() as u32);
            if !rule.active {
                continue;
            }
            if rule.patterns.is_empty() {
                set.pure[group as usize].push(i as u32);
            }
            for p in &mut rule.patterns {
                let number = set.patterns.len() as u32;
                set.patterns.push((i as u32, p.depth));
                // The automata are all that is needed of the patterns from here on.
                let node = std::mem::replace(&mut p.node, Node::Empty);
                let slots = slots_of(p.kind, &rule.header);
                if let Some((last, others)) = slots.split_last() {
                    others.iter().for_each(|slot| nodes[*slot].push((number, node.clone())));
                    nodes[*last].push((number, node));
                }
            }
        }
        set.groups.finish();
        for (slot, list) in nodes.into_iter().enumerate() {
            if !list.is_empty() {
                set.matchers[slot] = Some(Automaton::of(list));
            }
        }
        set.rules = rules;
        set
    }

    /// A rule by index.
    pub fn rule(&self, index: u32) -> &Rule {
        &self.rules[index as usize]
    }

    /// All rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether data of a kind can match anything.
    pub fn wants(&self, kind: Kind) -> bool {
        match kind {
            Kind::Payload => [Transport::Tcp, Transport::Udp, Transport::Icmp]
                .iter()
                .any(|t| self.matchers[slot_of(kind, *t)].is_some()),
            _ => self.matchers[kind as usize].is_some(),
        }
    }

    /// Matchers, automaton states, nondeterministic states, memory and transitions made, for statistics.
    pub fn stats(&self) -> Stats {
        let mut s = Stats::default();
        for m in self.matchers.iter().flatten() {
            let m = m.get().borrow();
            s.matchers += 1;
            s.dfa_states += m.n_states() as u64;
            s.nfa_states += m.n_nfa_states() as u64;
            s.memory += m.memory() as u64;
            s.misses += m.misses();
        }
        s
    }

    /// The MIME types that the beginning of a file suggests: strongest first, ties alphabetical.
    pub fn file_magic(&self, data: &[u8]) -> Vec<(i64, &str)> {
        let mut out: Vec<(i64, &str)> = Vec::new();
        let Some(m) = &self.matchers[Kind::FileMagic as usize] else {
            return out;
        };
        let mut matched: Vec<u32> = Vec::new();
        m.get()
            .borrow_mut()
            .feed(&mut Stream::default(), data, true, false, |p, at| {
                if self.patterns[p as usize].1.is_none_or(|d| at as u64 <= d) && !matched.contains(&p) {
                    matched.push(p);
                }
            });
        matched.sort_unstable();
        for &p in &matched {
            let rule_index = self.patterns[p as usize].0;
            if self.first_pattern[rule_index as usize] != p || !self.all_matched(rule_index, &matched) {
                continue;
            }
            for action in &self.rules[rule_index as usize].actions {
                if let Action::Mime { mime, strength } = action
                    && !out.contains(&(*strength, mime))
                {
                    out.push((*strength, mime));
                }
            }
        }
        out.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        out
    }

    /// The first packet of a direction: header tests, then rules without patterns.
    pub fn begin(&self, state: &mut RuleState, is_orig: bool, packet: &PacketFacts, host: &mut dyn Host) -> Vec<Fire> {
        let mut fires = Vec::new();
        let dir = &mut state.directions[usize::from(!is_orig)];
        if dir.seen {
            return fires;
        }
        dir.seen = true;
        dir.groups = self.groups.holding(packet);
        let any_pure = dir.groups.iter().any(|g| !self.pure[*g as usize].is_empty());
        if any_pure {
            self.test_pure(state, is_orig, false, host, &mut fires);
        }
        fires
    }

    /// Whether rules about connections can do without packets that have no data: each has a pattern, and the headers
    /// that they test are the same in all packets of a direction.
    pub fn only_data_matters(&self) -> bool {
        self.pure.iter().all(Vec::is_empty) && !self.groups.any_field()
    }

    /// Whether [`begin`](RuleSet::begin) was called for the direction.
    pub fn has_begun(&self, state: &RuleState, is_orig: bool) -> bool {
        state.directions[usize::from(!is_orig)].seen
    }

    /// Whether any rule has patterns for texts of a kind other than payload.
    pub fn has_kind(&self, kind: Kind) -> bool {
        self.matchers[kind as usize].is_some()
    }

    /// Data of a kind. `begin` and `end` say that it starts or ends the unit that patterns are anchored to, `clear`
    /// forgets where the stream stood.
    pub fn feed(
        &self,
        state: &mut RuleState,
        kind: Kind,
        is_orig: bool,
        data: &[u8],
        begin: bool,
        end: bool,
        clear: bool,
        host: &mut dyn Host,
    ) -> Vec<Fire> {
        let mut fires = Vec::new();
        let facts = host.facts();
        let slot = slot_of(kind, facts.transport);
        let dir = &mut state.directions[usize::from(!is_orig)];
        if kind == Kind::Payload
            && !data.is_empty()
            && (dir.payload_size.is_none() || facts.transport == Transport::Udp)
        {
            dir.payload_size = Some(data.len() as i64);
        }
        let Some(matcher) = &self.matchers[slot] else {
            return fires;
        };
        let mut stream = match dir.streams.iter().position(|s| s.0 == slot as u8) {
            Some(i) => dir.streams.swap_remove(i),
            None => (slot as u8, Stream::default(), 0),
        };
        if clear {
            stream.1 = Stream::default();
            stream.2 = 0;
        }
        let base = stream.2;
        let mut candidates: Vec<(u32, u64)> = Vec::new();
        matcher
            .get()
            .borrow_mut()
            .feed(&mut stream.1, data, begin, end, |p, at| {
                let (rule, depth) = self.patterns[p as usize];
                if !self.group_holds(dir, rule) {
                    return;
                }
                if depth.is_some_and(|d| base + at as u64 > d) {
                    return;
                }
                let matched = dir.matched();
                if let Err(i) = matched.patterns.binary_search(&p) {
                    matched.patterns.insert(i, p);
                    if self.all_matched(rule, &matched.patterns) {
                        candidates.push((rule, at as u64));
                    }
                }
            });
        stream.2 += data.len() as u64;
        // Datagrams are matched anew, each to its end.
        if !(kind == Kind::Payload && facts.transport == Transport::Udp && end) {
            if dir.streams.is_empty() {
                // Nearly all connections have one: the payload.
                dir.streams.reserve_exact(1);
            }
            dir.streams.push(stream);
        }
        // What matched in the same piece fires in the order of the rules.
        candidates.sort_by_key(|c| c.0);
        for (rule, at) in candidates {
            if !self.try_rule(state, rule, is_orig, data, at, false, true, host, &mut fires) {
                let copy = data[..data.len().min(PENDING_DATA_MAX)].to_vec();
                state.directions[usize::from(!is_orig)].matched().pending.push(Pending {
                    rule,
                    data: copy,
                    end: at,
                });
            }
        }
        fires
    }

    /// The end of a UDP packet: rules that wait are decided, also by what is missing so far.
    pub fn end_of_packet(&self, state: &mut RuleState, is_orig: bool, host: &mut dyn Host) -> Vec<Fire> {
        let mut fires = Vec::new();
        self.test_pure(state, is_orig, true, host, &mut fires);
        self.test_pending(state, is_orig, host, &mut fires);
        fires
    }

    /// The end of the connection: patterns see the end of the data, then all waiting rules are decided.
    pub fn finish(&self, state: &mut RuleState, host: &mut dyn Host) -> Vec<Fire> {
        let mut fires = Vec::new();
        for is_orig in [true, false] {
            let d = usize::from(!is_orig);
            if !state.directions[d].seen {
                continue;
            }
            let slot = slot_of(Kind::Payload, host.facts().transport) as u8;
            if state.directions[d].streams.iter().any(|s| s.0 == slot) {
                let mut at_end = self.feed(state, Kind::Payload, is_orig, b"", false, true, false, host);
                at_end
                    .iter_mut()
                    .for_each(|f| f.data = Some(f.data.take().unwrap_or_default()));
                fires.append(&mut at_end);
            }
            self.test_pure(state, is_orig, true, host, &mut fires);
            self.test_pending(state, is_orig, host, &mut fires);
        }
        fires
    }

    fn all_matched(&self, rule: u32, matched: &[u32]) -> bool {
        let first = self.first_pattern[rule as usize];
        let n = self.rules[rule as usize].patterns.len() as u32;
        (first..first + n).all(|p| matched.binary_search(&p).is_ok())
    }

    fn group_holds(&self, dir: &Direction, rule: u32) -> bool {
        dir.groups.binary_search(&self.group_of[rule as usize]).is_ok()
    }

    fn test_pure(
        &self,
        state: &mut RuleState,
        is_orig: bool,
        at_end: bool,
        host: &mut dyn Host,
        fires: &mut Vec<Fire>,
    ) {
        let groups = state.directions[usize::from(!is_orig)].groups.clone();
        for g in groups.iter() {
            for &rule in &self.pure[*g as usize] {
                self.try_rule(state, rule, is_orig, b"", 0, at_end, false, host, fires);
            }
        }
    }

    fn test_pending(&self, state: &mut RuleState, is_orig: bool, host: &mut dyn Host, fires: &mut Vec<Fire>) {
        let d = usize::from(!is_orig);
        let Some(matched) = &mut state.directions[d].matched else {
            return;
        };
        let waiting = std::mem::take(&mut matched.pending);
        for p in waiting {
            if !self.try_rule(state, p.rule, is_orig, &p.data, p.end, true, false, host, fires) {
                state.directions[d].matched().pending.push(p);
            }
        }
    }

    /// Tests a rule whose patterns matched; true when it fired or had fired before. `current` says that `data` is
    /// what the caller was given.
    fn try_rule(
        &self,
        state: &mut RuleState,
        rule: u32,
        is_orig: bool,
        data: &[u8],
        end: u64,
        at_end: bool,
        current: bool,
        host: &mut dyn Host,
        fires: &mut Vec<Fire>,
    ) -> bool {
        let d = usize::from(!is_orig);
        if state.directions.iter().any(|d| d.has_fired(rule)) {
            return true;
        }
        let r = &self.rules[rule as usize];
        if !r.active {
            return false;
        }
        for c in &r.conditions {
            if !self.condition(state, c, r, is_orig, data, at_end, host) {
                return false;
            }
        }
        state.directions[d].matched().fired.push(rule);
        fires.push(Fire {
            rule,
            is_orig,
            payload_size: state.directions[d].payload_size.unwrap_or(-1),
            end_of_match: end,
            data: (!current).then(|| data.to_vec()),
        });
        // Rules that wait for this one, in either direction.
        for &dep in &self.dependents[rule as usize] {
            for side in [is_orig, !is_orig] {
                let s = usize::from(!side);
                if !self.group_holds(&state.directions[s], dep) {
                    continue;
                }
                let matched = state.directions[s].matched.as_deref_mut();
                let pending = matched.and_then(|m| {
                    let i = m.pending.iter().position(|p| p.rule == dep)?;
                    Some(m.pending.swap_remove(i))
                });
                match pending {
                    Some(p) => {
                        if !self.try_rule(state, dep, side, &p.data, p.end, at_end, false, host, fires) {
                            state.directions[s].matched().pending.push(p);
                        }
                    }
                    None if self.rules[dep as usize].patterns.is_empty() => {
                        self.try_rule(state, dep, side, b"", 0, at_end, false, host, fires);
                    }
                    None => {}
                }
            }
        }
        true
    }

    fn condition(
        &self,
        state: &RuleState,
        c: &Condition,
        rule: &Rule,
        is_orig: bool,
        data: &[u8],
        at_end: bool,
        host: &mut dyn Host,
    ) -> bool {
        let d = usize::from(!is_orig);
        match c {
            Condition::Requires {
                reverse,
                negated,
                index,
                ..
            } => {
                let side = if *reverse { 1 - d } else { d };
                let matched = state.directions[side].has_fired(*index);
                if *negated { at_end && !matched } else { matched }
            }
            Condition::Eval(n) => {
                let size = state.directions[d].payload_size.unwrap_or(-1);
                host.eval(*n, rule, is_orig, size, data)
            }
            Condition::PayloadSize(cmp, n) => match state.directions[d].payload_size {
                Some(size) => cmp.test(size as u64, *n),
                None => false,
            },
            Condition::SameIp => host.facts().same_ip,
            Condition::TcpState(s) => holds(s, &host.facts(), Transport::Tcp, is_orig),
            Condition::UdpState(s) => holds(s, &host.facts(), Transport::Udp, is_orig),
            Condition::IpOptions => false,
        }
    }
}

/// Figures about all matchers.
#[derive(Debug, Default, Clone, Copy)]
pub struct Stats {
    pub matchers: u64,
    pub nfa_states: u64,
    pub dfa_states: u64,
    pub memory: u64,
    pub misses: u64,
}

fn holds(s: &States, facts: &ConnFacts, transport: Transport, is_orig: bool) -> bool {
    facts.transport == transport
        && (s.stateless
            || ((!s.established || facts.established) && (!s.originator || is_orig) && (!s.responder || !is_orig)))
}

fn slot_of(kind: Kind, transport: Transport) -> usize {
    match (kind, transport) {
        (Kind::Payload, Transport::Udp) => N_KINDS,
        (Kind::Payload, Transport::Icmp | Transport::Other) => N_KINDS + 1,
        _ => kind as usize,
    }
}

/// The matchers that a rule's patterns go into: payload rules for one transport protocol only into that one.
fn slots_of(kind: Kind, header: &[HeaderTest]) -> Vec<usize> {
    if kind != Kind::Payload {
        return vec![kind as usize];
    }
    let mut tcp = true;
    let mut udp = true;
    let mut other = true;
    for t in header {
        if let HeaderTest::IpProto { cmp: Cmp::Eq, values } = t {
            let has = |n: u64| values.iter().any(|v| v.0 <= n && n <= v.1);
            tcp &= has(6);
            udp &= has(17);
            other &= values.iter().any(|v| (v.0..=v.1).any(|n| n != 6 && n != 17));
        }
    }
    let all = [(tcp, Transport::Tcp), (udp, Transport::Udp), (other, Transport::Other)];
    all.iter().filter(|a| a.0).map(|a| slot_of(kind, a.1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::NoNames;
    use std::net::IpAddr;

    struct Conn(ConnFacts);

    impl Host for Conn {
        fn facts(&self) -> ConnFacts {
            self.0
        }
        fn eval(&mut self, _: u32, _: &Rule, _: bool, _: i64, _: &[u8]) -> bool {
            true
        }
    }

    fn tcp() -> Conn {
        Conn(ConnFacts {
            transport: Transport::Tcp,
            established: true,
            same_ip: false,
        })
    }

    fn load(text: &str) -> RuleSet {
        match RuleSet::load(&[("t.sig".into(), text.as_bytes().to_vec())], &mut NoNames) {
            Ok((set, _)) => set,
            Err(e) => panic!("{e:?}"),
        }
    }

    fn packet(is_orig: bool, proto: u8) -> PacketFacts<'static> {
        let (a, b): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let (src, dst) = if is_orig { (a, b) } else { (b, a) };
        let ports: &[u8] = if is_orig {
            &[0x30, 0x39, 0, 80]
        } else {
            &[0, 80, 0x30, 0x39]
        };
        PacketFacts {
            src,
            dst,
            proto,
            ip: &[0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6],
            payload: ports,
        }
    }

    #[test]
    fn rules_with_dependencies_and_states() {
        let set = load(
            r#"
            # A request and its answer.
            signature req {
                ip-proto == tcp
                dst-port == 80, 8000-8080
                src-ip == 10.0.0.0/8
                header ip[8:1] == 64
                payload /GET .*HTTP\/1\.1/
                tcp-state originator
                event "a request"
            }
            signature resp {
                ip-proto == tcp
                payload /HTTP\/1\.1 200/
                tcp-state responder,established
                requires-reverse-signature req
                event "a response"
                enable "http"
            }
            signature absent { ip-proto == tcp
                payload /.*x/
                requires-signature ! resp
                event found "msg" }
            signature off { payload /./
                active false
                event "never" }
            "#,
        );
        let mut state = RuleState::default();
        let mut host = tcp();
        assert!(set.begin(&mut state, true, &packet(true, 6), &mut host).is_empty());
        assert!(set.begin(&mut state, false, &packet(false, 6), &mut host).is_empty());
        // The answer first: it must wait for the request.
        let f = set.feed(
            &mut state,
            Kind::Payload,
            false,
            b"HTTP/1.1 200 OK",
            true,
            false,
            false,
            &mut host,
        );
        assert!(f.is_empty());
        let f = set.feed(
            &mut state,
            Kind::Payload,
            true,
            b"GET /x HT",
            true,
            false,
            false,
            &mut host,
        );
        assert!(f.is_empty(), "{f:?}");
        let f = set.feed(
            &mut state,
            Kind::Payload,
            true,
            b"TP/1.1 more",
            false,
            false,
            false,
            &mut host,
        );
        let names: Vec<&str> = f.iter().map(|f| set.rule(f.rule).id.as_str()).collect();
        assert_eq!(names, ["req", "resp"]);
        assert_eq!(
            (f[0].end_of_match, f[0].payload_size, f[0].data.is_none()),
            (6, 9, true)
        );
        assert_eq!(f[1].data.as_deref(), Some(&b"HTTP/1.1 200 OK"[..]));
        let f = set.finish(&mut state, &mut host);
        assert_eq!(f.len(), 1);
        assert_eq!(set.rule(f[0].rule).id, "absent");
    }

    #[test]
    fn errors_are_all_reported_with_their_lines() {
        let text = "signature a {\n payload /(/\n bogus x\n}\nsignature a {\n requires-signature nope\n}\nsignature b { disable \"x\"\n}";
        let Err(errors) = RuleSet::load(&[("f.sig".into(), text.as_bytes().to_vec())], &mut NoNames) else {
            panic!("must not load");
        };
        let lines: Vec<u32> = errors.iter().map(|e| e.line).collect();
        assert_eq!(lines, [2, 3, 5, 8], "{errors:?}");
        assert!(errors[0].to_string().starts_with("Error in signature (f.sig:2): "));
        let text = "signature z {\n header ip[0] & 1 == 1,2\n ip-proto ~ 3\n payload-size <\n ;\n event\n payload /x/\n same-ip }";
        let Err(errors) = RuleSet::load(&[("f.sig".into(), text.as_bytes().to_vec())], &mut NoNames) else {
            panic!("must not load");
        };
        let lines: Vec<u32> = errors.iter().map(|e| e.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6], "{errors:?}");
        let text = "signature one { pay_load /x/\n requires-signature oen\n}";
        let Err(errors) = RuleSet::load(&[("f.sig".into(), text.as_bytes().to_vec())], &mut NoNames) else {
            panic!("must not load");
        };
        assert!(errors[0].reason.ends_with("did you mean payload?"), "{errors:?}");
    }

    #[test]
    fn magic_comes_strongest_first() {
        let set = load(
            "signature a { file-magic /GIF8/\n file-mime \"image/gif\", 70 }\n\
             signature b { file-magic /[[:print:]]+/\n file-mime \"text/plain\", -20 }\n\
             signature c { file-magic /.{4}9a$/\n file-mime \"never/this\", 99 }\n\
             signature d { file-magic /.*9a/\n file-magic /G/\n file-mime \"b/z\", 70 }",
        );
        assert_eq!(
            set.file_magic(b"GIF89a\x01"),
            [(70, "b/z"), (70, "image/gif"), (-20, "text/plain")]
        );
        assert_eq!(set.file_magic(b""), []);
    }

    #[test]
    fn udp_packets_start_anew_and_headers_must_fit() {
        let set = load(
            "signature dns { ip-proto == udp\n dst-port != 1-79\n payload-size == 3\n payload /ab./\n event \"m\" }\n\
             signature only6 { ip-proto == udp\n src-ip == [2001:db8::]/32\n payload /ab./\n event \"m\" }",
        );
        let mut state = RuleState::default();
        let mut host = Conn(ConnFacts {
            transport: Transport::Udp,
            established: false,
            same_ip: false,
        });
        set.begin(&mut state, true, &packet(true, 17), &mut host);
        let mut fired = 0;
        for data in [&b"a"[..], b"abc", b"abc"] {
            fired += set
                .feed(&mut state, Kind::Payload, true, data, true, true, true, &mut host)
                .len();
            fired += set.end_of_packet(&mut state, true, &mut host).len();
        }
        assert_eq!(fired, 1);
    }
}
