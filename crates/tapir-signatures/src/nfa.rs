//! The nondeterministic automaton that every matcher starts from.
//!
//! Symbols are the 256 bytes plus *begin* and *end*. States that consume nothing exist only here; sets of states
//! kept by the automata above hold consuming and accepting states only. Several expressions can live in one
//! automaton, told apart by the number in [`State::Match`]. Literal text with which many anchored expressions begin
//! is shared in a trie, so that the number of states alive at a time does not grow with the number of expressions.

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
    /// A node of a literal trie: sorted bytes with their next states.
    Trie(Box<[(u8, u32)]>),
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
    set_index: HashMap<ByteSet, u32>,
    owner: u32,
}

impl Nfa {
    /// An automaton without expressions.
    pub fn empty() -> Nfa {
        Nfa {
            states: vec![State::Fail],
            owners: vec![NO_OWNER],
            sets: Vec::new(),
            starts: Vec::new(),
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

    /// Says which expression the states made from now on belong to.
    pub fn set_owner(&mut self, owner: u32) {
        self.owner = owner;
    }

    /// Adds a state.
    pub fn push(&mut self, s: State) -> u32 {
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
    pub fn build(&mut self, node: &Node, next: u32) -> u32 {
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

    /// A trie of literals, each with the state behind it. Sorts `literals`.
    pub fn trie(&mut self, literals: &mut [(Vec<u8>, u32)]) -> u32 {
        self.owner = NO_OWNER;
        literals.sort_unstable();
        self.trie_level(literals, 0)
    }

    fn trie_level(&mut self, literals: &[(Vec<u8>, u32)], depth: usize) -> u32 {
        if let [(lit, to)] = literals
            && lit.len() == depth
        {
            return *to;
        }
        let ended = literals.iter().take_while(|l| l.0.len() == depth).count();
        let mut to: Vec<u32> = literals[..ended].iter().map(|l| l.1).collect();
        let children: Vec<(u8, u32)> = literals[ended..]
            .chunk_by(|a, b| a.0[depth] == b.0[depth])
            .map(|part| (part[0].0[depth], self.trie_level(part, depth + 1)))
            .collect();
        if !children.is_empty() {
            to.push(self.push(State::Trie(children.into())));
        }
        if let [one] = to[..] {
            one
        } else {
            self.push(State::Split(to.into()))
        }
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

    /// Makes room for `n` states.
    pub fn grow(&mut self, n: usize) {
        if self.at.len() < n {
            self.at.resize(n, 0);
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
