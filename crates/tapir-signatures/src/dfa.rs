//! A deterministic automaton made on demand from an [`Nfa`].
//!
//! States are numbered by first use and never thrown away, so a number kept by a connection stays good. When the
//! states together reach a size limit no new one is made, and matching goes on over sets of [`Nfa`] states: slower,
//! still linear in the data, and without growth.

use std::rc::Rc;

use foldhash::HashMap;

use crate::nfa::{Marks, NO_OWNER, Nfa, State};

/// The transition is not known, or leads nowhere: leave the fast loop.
pub const STOP: u32 = 1 << 31;
/// The state accepts.
pub const ACCEPT: u32 = 1 << 30;
/// Takes the flags off a state number.
pub const ID: u32 = (1 << 30) - 1;
/// The state from which nothing matches.
pub const DEAD: u32 = 0;
const UNKNOWN: u32 = u32::MAX;

/// What a step consumes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Symbol {
    Byte(u8),
    Begin,
    End,
}

#[derive(Debug)]
struct Info {
    set: Rc<[u32]>,
    accepts: Box<[u32]>,
}

/// A lazily made automaton; state numbers are offsets into its transition table.
#[derive(Debug)]
pub struct Dfa {
    nfa: Nfa,
    classes: Box<[u8; 256]>,
    /// A byte of each class.
    representatives: Vec<u8>,
    stride: usize,
    trans: Vec<u32>,
    infos: Vec<Info>,
    known: HashMap<Rc<[u32]>, u32>,
    bytes: usize,
    limit: usize,
    marks: Marks,
    scratch: Vec<u32>,
    start: u32,
    /// Whether states of an expression are dropped once it has matched (it is then known to have).
    prune: bool,
    /// Table look-ups that found or missed a transition, for statistics.
    pub misses: u64,
}

impl Dfa {
    /// An automaton that keeps at most about `limit` bytes of states.
    pub fn new(nfa: Nfa, limit: usize, prune: bool) -> Dfa {
        let (classes, representatives) = byte_classes(&nfa);
        let n = nfa.states.len();
        let stride = representatives.len() + 2;
        let mut dfa = Dfa {
            nfa,
            classes,
            representatives,
            stride,
            trans: Vec::new(),
            infos: Vec::new(),
            known: HashMap::default(),
            bytes: n * 40,
            limit,
            marks: Marks::new(n),
            scratch: Vec::new(),
            start: 0,
            prune,
            misses: 0,
        };
        dfa.add(Rc::from([]));
        dfa.trans.fill(DEAD | STOP);
        let starts = dfa.nfa.starts.clone();
        dfa.scratch.clear();
        dfa.marks.clear();
        for s in starts {
            dfa.nfa.closure(s, &mut dfa.marks, &mut dfa.scratch);
        }
        dfa.start = dfa.intern_scratch(true).unwrap_or(DEAD) & ID;
        dfa
    }

    /// The state before any symbol.
    pub fn start(&self) -> u32 {
        self.start
    }

    /// The automaton underneath.
    pub fn nfa(&self) -> &Nfa {
        &self.nfa
    }

    /// How many states there are.
    pub fn n_states(&self) -> usize {
        self.infos.len()
    }

    /// About how many bytes of memory are in use.
    pub fn memory(&self) -> usize {
        self.bytes
    }

    /// The expressions that a state accepts.
    pub fn accepts(&self, state: u32) -> &[u32] {
        &self.infos[(state & ID) as usize / self.stride].accepts
    }

    /// The flags of a state besides its number.
    pub fn flagged(&self, state: u32) -> u32 {
        let accept = if self.accepts(state).is_empty() { 0 } else { ACCEPT };
        let stop = if state & ID == DEAD { STOP } else { 0 };
        (state & ID) | accept | stop
    }

    /// The set of automaton states that a state stands for.
    pub fn set_of(&self, state: u32) -> Rc<[u32]> {
        self.infos[(state & ID) as usize / self.stride].set.clone()
    }

    /// Whether nothing but bytes decides here and the stored transition for `b` is known.
    #[inline(always)]
    pub fn lookup(&self, state: u32, b: u8) -> u32 {
        self.trans[state as usize + self.classes[b as usize] as usize]
    }

    /// The next state with flags, made if need be; `None` when the size limit forbids.
    pub fn next(&mut self, state: u32, symbol: Symbol) -> Option<u32> {
        let state = state & ID;
        let class = match symbol {
            Symbol::Byte(b) => self.classes[b as usize] as usize,
            Symbol::Begin => self.stride - 2,
            Symbol::End => self.stride - 1,
        };
        let slot = state as usize + class;
        let t = self.trans[slot];
        if t != UNKNOWN {
            return Some(t);
        }
        self.misses += 1;
        let set = self.set_of(state);
        let symbol = match symbol {
            Symbol::Byte(_) => Symbol::Byte(self.representatives[class]),
            other => other,
        };
        self.step_to_scratch(&set, symbol);
        let t = self.intern_scratch(false)?;
        self.trans[slot] = t;
        Some(t)
    }

    /// One step over a set of automaton states, for when the limit is reached.
    pub fn step_set(&mut self, set: &[u32], symbol: Symbol) -> Vec<u32> {
        self.step_to_scratch(set, symbol);
        self.tidy_scratch();
        self.scratch.clone()
    }

    /// The state for a state's set and further states, with flags; `None` when the size limit forbids.
    pub fn joined(&mut self, state: u32, more: &[u32]) -> Option<u32> {
        let set = self.set_of(state);
        self.scratch.clear();
        self.scratch.extend_from_slice(&set);
        self.scratch.extend_from_slice(more);
        self.intern_scratch(false)
    }

    /// The state for a set, if there is one already, with flags.
    pub fn known(&self, set: &[u32]) -> Option<u32> {
        self.known.get(set).copied()
    }

    /// The expressions that a set accepts.
    pub fn set_accepts<'a>(&'a self, set: &'a [u32]) -> impl Iterator<Item = u32> + 'a {
        set.iter().filter_map(|s| match self.nfa.states[*s as usize] {
            State::Match(p) => Some(p),
            _ => None,
        })
    }

    fn step_to_scratch(&mut self, set: &[u32], symbol: Symbol) {
        self.scratch.clear();
        self.marks.clear();
        let nfa = &self.nfa;
        for &s in set {
            let to = match (&nfa.states[s as usize], symbol) {
                (State::Byte(x, to), Symbol::Byte(b)) if *x == b => *to,
                (State::Set(i, to), Symbol::Byte(b)) if nfa.sets[*i as usize].has(b) => *to,
                (State::Begin(to), Symbol::Begin) | (State::End(to), Symbol::End) => *to,
                (State::Trie(next), Symbol::Byte(b)) => match next.binary_search_by_key(&b, |e| e.0) {
                    Ok(i) => next[i].1,
                    Err(_) => continue,
                },
                _ => continue,
            };
            nfa.closure(to, &mut self.marks, &mut self.scratch);
        }
        // Anchors are optional where an expression starts: before the first byte, what need not see the begin stays.
        if symbol == Symbol::Begin {
            for &s in set {
                if !matches!(nfa.states[s as usize], State::Begin(_)) && self.marks.mark(s) {
                    self.scratch.push(s);
                }
            }
        }
    }

    fn tidy_scratch(&mut self) {
        if self.prune {
            let nfa = &self.nfa;
            let done: Vec<u32> = self
                .scratch
                .iter()
                .filter_map(|s| match nfa.states[*s as usize] {
                    State::Match(p) => Some(p),
                    _ => None,
                })
                .collect();
            if !done.is_empty() {
                self.scratch.retain(|s| {
                    let owner = nfa.owners[*s as usize];
                    matches!(nfa.states[*s as usize], State::Match(_)) || owner == NO_OWNER || !done.contains(&owner)
                });
            }
        }
        self.scratch.sort_unstable();
        self.scratch.dedup();
    }

    /// The state for the set in `scratch`, with flags.
    fn intern_scratch(&mut self, always: bool) -> Option<u32> {
        self.tidy_scratch();
        if let Some(id) = self.known.get(self.scratch.as_slice()) {
            return Some(*id);
        }
        let need = self.scratch.len() * 4 + self.stride * 4 + 120;
        if !always && (self.bytes + need > self.limit || self.trans.len() + self.stride >= ID as usize) {
            return None;
        }
        self.bytes += need;
        Some(self.add(Rc::from(self.scratch.as_slice())))
    }

    fn add(&mut self, set: Rc<[u32]>) -> u32 {
        let id = self.trans.len() as u32;
        self.trans.resize(self.trans.len() + self.stride, UNKNOWN);
        let accepts: Box<[u32]> = self.set_accepts(&set).collect();
        let mut flagged = id;
        if set.is_empty() {
            flagged |= STOP;
        }
        if !accepts.is_empty() {
            flagged |= ACCEPT;
        }
        self.known.insert(set.clone(), flagged);
        self.infos.push(Info { set, accepts });
        flagged
    }
}

/// Groups bytes that no state tells apart.
fn byte_classes(nfa: &Nfa) -> (Box<[u8; 256]>, Vec<u8>) {
    let mut singles = [false; 256];
    for s in &nfa.states {
        match s {
            State::Byte(b, _) => singles[*b as usize] = true,
            State::Trie(next) => next.iter().for_each(|(b, _)| singles[*b as usize] = true),
            _ => {}
        }
    }
    let mut class: [u32; 256] = [0; 256];
    let mut n = 1;
    let mut split = |test: &dyn Fn(u8) -> bool| {
        let mut renamed: HashMap<u32, u32> = HashMap::default();
        let mut has_out = vec![false; 512];
        for b in 0..256 {
            if !test(b as u8) {
                has_out[class[b] as usize] = true;
            }
        }
        for b in 0..256 {
            if test(b as u8) && has_out[class[b] as usize] {
                class[b] = *renamed.entry(class[b]).or_insert_with(|| {
                    n += 1;
                    n - 1
                });
            }
        }
    };
    for set in &nfa.sets {
        split(&|b| set.has(b));
    }
    for b in 0..=255u8 {
        if singles[b as usize] {
            split(&|x| x == b);
        }
    }
    let mut dense: HashMap<u32, u8> = HashMap::default();
    let mut representatives = Vec::new();
    let mut out = Box::new([0u8; 256]);
    for b in 0..256 {
        out[b] = *dense.entry(class[b]).or_insert_with(|| {
            representatives.push(b as u8);
            (representatives.len() - 1) as u8
        });
    }
    (out, representatives)
}
