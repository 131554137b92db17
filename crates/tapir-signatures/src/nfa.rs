//! The nondeterministic automaton that every matcher starts from.
//!
//! Symbols are the 256 bytes plus *begin* and *end*. States that consume nothing exist only here; sets of states
//! kept by the automata above hold consuming and accepting states only. Several expressions can live in one
//! automaton, told apart by the number in [`State::Match`].
//!
//! Expressions of the form `.*REST` are common in signatures. They do not get a loop of their own each: one shared
//! [`State::Idle`] stands for all of them and leads into a trie of the literal text with which the RESTs begin, so
//! that the number of states alive at a time does not grow with the number of expressions.

use std::collections::BTreeMap;

use foldhash::HashMap;

use crate::ast::{ByteSet, Node};

/// A state; numbers are indices into [`Nfa::states`].
#[derive(Clone, Debug)]
pub enum State {
    Byte(u8, u32),
    /// Index into [`Nfa::sets`], then the next state.
    Set(u32, u32),
    Begin(u32),
    End(u32),
    /// Goes to all of these without consuming.
    Split(Box<[u32]>),
    Match(u32),
    /// A node of the literal trie: sorted bytes with their next states, and how many bytes lead here.
    Trie(Box<[(u8, u32)]>, u8),
    /// Stays on every byte and starts the literal trie.
    Idle,
    /// Never goes anywhere.
    Fail,
}

/// Which expression a state belongs to, when it does to one.
pub const NO_OWNER: u32 = u32::MAX;

/// An automaton for one or more expressions.
#[derive(Debug)]
pub struct Nfa {
    pub states: Vec<State>,
    pub owners: Vec<u32>,
    pub sets: Vec<ByteSet>,
    /// Where matching starts.
    pub starts: Vec<u32>,
    /// First step of the literal trie by byte; `u32::MAX` for none. Empty without an idle state.
    pub trie_first: Vec<u32>,
    /// The literals' first three bytes as a bitmap; `None` when some literal is too short for that.
    pub filter: Option<Filter>,
    set_index: HashMap<ByteSet, u32>,
    owner: u32,
}

/// A bitmap over three consecutive bytes that says where a literal may begin.
#[derive(Debug)]
pub struct Filter {
    bits: Vec<u64>,
    shift: u32,
}

impl Filter {
    fn new(n: usize) -> Filter {
        let log = ((n * 16).next_power_of_two().trailing_zeros()).clamp(12, 19);
        Filter {
            bits: vec![0; 1 << (log - 6)],
            shift: 32 - log,
        }
    }

    #[inline(always)]
    fn hash(&self, a: u8, b: u8, c: u8) -> usize {
        let w = u32::from(a) | u32::from(b) << 8 | u32::from(c) << 16;
        (w.wrapping_mul(0x9E37_79B1) >> self.shift) as usize
    }

    fn add(&mut self, a: u8, b: u8, c: u8) {
        let h = self.hash(a, b, c);
        self.bits[h >> 6] |= 1 << (h & 63);
    }

    /// Whether a literal may begin at `pos`, where three bytes must be left.
    #[inline(always)]
    pub fn test(&self, data: &[u8], pos: usize) -> bool {
        let h = self.hash(data[pos], data[pos + 1], data[pos + 2]);
        self.bits[h >> 6] & (1 << (h & 63)) != 0
    }

    /// The first position at or behind `pos` where a literal may begin, or where fewer than three bytes are left.
    #[inline]
    pub fn skip(&self, data: &[u8], pos: usize) -> usize {
        let mut i = pos;
        for w in data[pos..].windows(3) {
            let h = self.hash(w[0], w[1], w[2]);
            if self.bits[h >> 6] & (1 << (h & 63)) != 0 {
                return i;
            }
            i += 1;
        }
        i
    }
}

const LITERALS_PER_PATTERN_MAX: usize = 48;
const LITERAL_LEN_MAX: usize = 8;

impl Nfa {
    fn empty() -> Nfa {
        Nfa {
            states: vec![State::Fail],
            owners: vec![NO_OWNER],
            sets: Vec::new(),
            starts: Vec::new(),
            trie_first: Vec::new(),
            filter: None,
            set_index: HashMap::default(),
            owner: NO_OWNER,
        }
    }

    /// An automaton for one expression whose acceptance is number 0.
    pub fn single(node: &Node) -> Nfa {
        let mut nfa = Nfa::empty();
        let accept = nfa.push(State::Match(0));
        let start = nfa.build(node, accept);
        nfa.starts.push(start);
        nfa
    }

    /// An automaton for many expressions, anchored at the first byte; the numbers are the caller's.
    pub fn many(nodes: &[(u32, Node)]) -> Nfa {
        let mut nfa = Nfa::empty();
        let mut trie = TrieBuilder::default();
        for (number, node) in nodes {
            nfa.owner = *number;
            let accept = nfa.push(State::Match(*number));
            let rest = strip_any_star(node);
            if let Some(rest) = rest {
                let start = nfa.build(&rest, accept);
                if let Some(leaves) = nfa.prefixes(start) {
                    leaves.into_iter().for_each(|(lit, set)| trie.insert(&lit, &set));
                    continue;
                }
            }
            let start = nfa.build(node, accept);
            nfa.starts.push(start);
        }
        nfa.owner = NO_OWNER;
        if !trie.nodes.is_empty() {
            nfa.filter = trie.filter();
            trie.emit(&mut nfa);
            let idle = nfa.push(State::Idle);
            nfa.starts.push(idle);
        }
        nfa
    }

    fn push(&mut self, s: State) -> u32 {
        self.states.push(s);
        self.owners.push(self.owner);
        (self.states.len() - 1) as u32
    }

    fn intern(&mut self, set: ByteSet) -> u32 {
        *self.set_index.entry(set).or_insert_with(|| {
            self.sets.push(set);
            (self.sets.len() - 1) as u32
        })
    }

    /// Builds `node` so that it continues at `next`; gives its first state.
    fn build(&mut self, node: &Node, next: u32) -> u32 {
        match node {
            Node::Empty => next,
            Node::Set(set) => {
                if set.count() == 1 {
                    let b = set.iter().next().unwrap_or(0);
                    self.push(State::Byte(b, next))
                } else {
                    let i = self.intern(*set);
                    self.push(State::Set(i, next))
                }
            }
            Node::Begin => self.push(State::Begin(next)),
            Node::End => self.push(State::End(next)),
            Node::Concat(v) => v.iter().rev().fold(next, |at, n| self.build(n, at)),
            Node::Alt(v) => {
                let to = v.iter().map(|n| self.build(n, next)).collect();
                self.push(State::Split(to))
            }
            Node::Repeat(n, min, max) => {
                let mut at = next;
                match max {
                    None => {
                        let loop_at = self.push(State::Fail);
                        let body = self.build(n, loop_at);
                        self.states[loop_at as usize] = State::Split(Box::new([body, next]));
                        at = loop_at;
                    }
                    Some(max) => {
                        for _ in *min..*max {
                            let body = self.build(n, at);
                            at = self.push(State::Split(Box::new([body, next])));
                        }
                    }
                }
                for _ in 0..*min {
                    at = self.build(n, at);
                }
                at
            }
        }
    }

    /// Follows states that consume nothing; adds the others to `out`.
    pub fn closure(&self, from: u32, seen: &mut Marks, out: &mut Vec<u32>) {
        let mut stack = vec![from];
        while let Some(s) = stack.pop() {
            if !seen.mark(s) {
                continue;
            }
            match &self.states[s as usize] {
                State::Split(to) => stack.extend(to.iter().rev()),
                State::Fail => {}
                _ => out.push(s),
            }
        }
    }

    /// The literal texts with which matches from `start` begin, each with the states alive behind it.
    fn prefixes(&self, start: u32) -> Option<Vec<(Vec<u8>, Vec<u32>)>> {
        let mut seen = Marks::new(self.states.len());
        let mut set = Vec::new();
        self.closure(start, &mut seen, &mut set);
        let mut open = vec![(Vec::new(), set)];
        let mut done: Vec<(Vec<u8>, Vec<u32>)> = Vec::new();
        while !open.is_empty() {
            let mut next = Vec::new();
            let total = open.len() + done.len();
            for (lit, set) in open {
                let mut by_byte: BTreeMap<u8, Vec<u32>> = BTreeMap::new();
                let mut stop = lit.len() >= LITERAL_LEN_MAX;
                for &s in &set {
                    match &self.states[s as usize] {
                        State::Byte(b, to) => by_byte.entry(*b).or_default().push(*to),
                        State::Set(i, to) => {
                            let bytes = &self.sets[*i as usize];
                            if bytes.count() as usize > LITERALS_PER_PATTERN_MAX {
                                stop = true;
                            } else {
                                bytes.iter().for_each(|b| by_byte.entry(b).or_default().push(*to));
                            }
                        }
                        _ => stop = true,
                    }
                }
                let grows = total + next.len() + by_byte.len() > LITERALS_PER_PATTERN_MAX;
                // A wide class is only worth following while the text is too short to filter by.
                let wide = lit.len() >= 3 && by_byte.len() > 2;
                if stop || grows || wide || by_byte.is_empty() {
                    if lit.is_empty() {
                        return None;
                    }
                    done.push((lit, set));
                    continue;
                }
                for (b, targets) in by_byte {
                    seen.clear();
                    let mut to = Vec::new();
                    targets.into_iter().for_each(|t| self.closure(t, &mut seen, &mut to));
                    let mut text = lit.clone();
                    text.push(b);
                    next.push((text, to));
                }
            }
            open = next;
        }
        Some(done)
    }
}

/// `REST` of `.*REST`, where the dot is any byte.
fn strip_any_star(node: &Node) -> Option<Node> {
    let is_any_star = |n: &Node| matches!(n, Node::Repeat(inner, 0, None) if **inner == Node::Set(ByteSet::ALL));
    match node {
        Node::Concat(v) if v.len() > 1 && is_any_star(&v[0]) => {
            let skip = v.iter().take_while(|n| is_any_star(n)).count();
            Some(Node::concat(v[skip..].to_vec()))
        }
        _ => None,
    }
}

/// Which states were seen, cleared in constant time.
#[derive(Debug)]
pub struct Marks {
    at: Vec<u32>,
    generation: u32,
}

impl Marks {
    /// Marks for `n` states.
    pub fn new(n: usize) -> Marks {
        Marks {
            at: vec![0; n],
            generation: 1,
        }
    }

    /// Forgets all marks.
    pub fn clear(&mut self) {
        if self.generation == u32::MAX {
            self.at.fill(0);
            self.generation = 0;
        }
        self.generation += 1;
    }

    /// Marks a state; false when it was marked before.
    pub fn mark(&mut self, s: u32) -> bool {
        let slot = &mut self.at[s as usize];
        let fresh = *slot != self.generation;
        *slot = self.generation;
        fresh
    }
}

#[derive(Default)]
struct TrieBuilder {
    nodes: Vec<(BTreeMap<u8, usize>, Vec<u32>)>,
}

impl TrieBuilder {
    fn insert(&mut self, lit: &[u8], set: &[u32]) {
        if self.nodes.is_empty() {
            self.nodes.push(Default::default());
        }
        let mut at = 0;
        for b in lit {
            at = match self.nodes[at].0.get(b) {
                Some(n) => *n,
                None => {
                    self.nodes.push(Default::default());
                    let n = self.nodes.len() - 1;
                    self.nodes[at].0.insert(*b, n);
                    n
                }
            };
        }
        self.nodes[at].1.extend_from_slice(set);
    }

    fn filter(&self) -> Option<Filter> {
        let mut triples = Vec::new();
        for (a, n1) in &self.nodes[0].0 {
            if !self.nodes[*n1].1.is_empty() {
                return None;
            }
            for (b, n2) in &self.nodes[*n1].0 {
                if self.nodes[*n2].1.is_empty() {
                    triples.extend(self.nodes[*n2].0.keys().map(|c| (*a, *b, *c)));
                } else {
                    triples.extend((0..=255u8).map(|c| (*a, *b, c)));
                }
            }
        }
        let mut f = Filter::new(triples.len());
        triples.into_iter().for_each(|(a, b, c)| f.add(a, b, c));
        Some(f)
    }

    /// Adds the trie's states; children come after parents in `nodes`, so the order is reversed.
    fn emit(self, nfa: &mut Nfa) {
        let mut ids = vec![0u32; self.nodes.len()];
        let mut depths = vec![0u8; self.nodes.len()];
        for i in 0..self.nodes.len() {
            for child in self.nodes[i].0.values() {
                depths[*child] = depths[i] + 1;
            }
        }
        for (i, (children, leaves)) in self.nodes.iter().enumerate().rev() {
            if i == 0 {
                break;
            }
            let mut to = leaves.clone();
            if !children.is_empty() {
                let next = children.iter().map(|(b, n)| (*b, ids[*n])).collect();
                to.push(nfa.push(State::Trie(next, depths[i])));
            }
            ids[i] = if to.len() == 1 {
                to[0]
            } else {
                nfa.push(State::Split(to.into_boxed_slice()))
            };
        }
        nfa.trie_first = vec![u32::MAX; 256];
        for (b, n) in &self.nodes[0].0 {
            nfa.trie_first[*b as usize] = ids[*n];
        }
    }
}
