//! Streaming search for many patterns at once.
//!
//! A [`Matcher`] is made for all patterns of a group; a [`Stream`] is what one direction of one connection keeps. Data
//! arrives in pieces of any size. Patterns are cut at their `.*` into segments ([`literals`](crate::literals)). While
//! none is under way, data only passes the [`Prefilter`], so speed hardly depends on how many patterns there are. Where
//! it finds the fixed bytes with which a segment begins, the segment's states join those of a lazy automaton, which
//! runs until they have died. Where a segment has matched, those that wait for it may begin.

use foldhash::HashMap;

use crate::ast::{ByteSet, Node};
use crate::dfa::{ACCEPT, DEAD, Dfa, ID, STOP, Symbol};
use crate::literals::{self, Crowds, Place, SEQUENCE_MAX, Sequence, Shared, admits};
use crate::nfa::{Marks, Nfa, State};
use crate::prefilter::Prefilter;

/// All patterns of one group.
#[derive(Debug)]
pub struct Matcher {
    dfa: Dfa,
    filter: Prefilter,
    segments: Vec<Segment>,
    entries: Vec<Entry>,
    /// The places of all entries, one after the other.
    places: Vec<Place>,
    /// What a state becomes when an entry's or a segment's states join it.
    joined: HashMap<(u32, u32), u32>,
    joined_max: usize,
    /// Segments that matched at the position in hand.
    found: Vec<u32>,
    /// Entries whose states join at the position in hand.
    joining: Vec<u32>,
}

/// A part of a pattern between two `.*`. Patterns share the segments with which they begin.
#[derive(Debug, Default)]
struct Segment {
    /// The patterns that have matched where the segment has.
    patterns: Vec<u32>,
    /// Whether other segments wait for it.
    awaited: bool,
    /// States that search by themselves once it has matched: those of waiting segments that begin with nothing fixed.
    search: Vec<u32>,
}

/// Fixed bytes that start a segment, or the same ones of several.
#[derive(Debug)]
struct Entry {
    /// The last places in [`Matcher::places`]; they reach back to the end of the entry before.
    places_end: u32,
    /// Segments that match here.
    matched: Box<[u32]>,
    /// States alive behind it.
    states: Box<[u32]>,
    /// The segment that must have matched before, or [`NONE`], or [`BEGIN`].
    needs: u32,
    /// Where its segment may begin: from so many bytes behind the start of the data on, and until [`NONE`] or so many.
    place: (u32, u32),
    /// The segment that it starts, when there is no more to it than that others wait for it; else [`NONE`].
    only: u32,
}

const NONE: u32 = u32::MAX;
/// In place of a segment that must have matched before: the data's true start must have been seen.
const BEGIN: u32 = u32::MAX - 2;
/// Anywhere in the data.
const ANYWHERE: (u32, u32) = (0, NONE);
/// The automaton is full: the stream keeps a set of states instead of one.
const IN_SET: u32 = u32::MAX;

/// Where one stream stands.
#[derive(Debug, Default, Clone)]
pub struct Stream {
    started: bool,
    /// Whether the data's true start was seen.
    begun: bool,
    tail_len: u8,
    /// The last bytes of the data before.
    tail: [u8; SEQUENCE_MAX - 1],
    at: u32,
    /// How much data there was.
    pos: u64,
    set: Vec<u32>,
    /// Segments that matched and are waited for, sorted, with the first position behind them.
    passed: Vec<(u32, u64)>,
}

impl Stream {
    /// Whether nothing can match any more, whatever comes, as far as states go.
    fn is_idle(&self) -> bool {
        self.at == DEAD
    }

    fn passed_at(&self, segment: u32) -> Option<u64> {
        let i = self.passed.binary_search_by_key(&segment, |a| a.0).ok()?;
        Some(self.passed[i].1)
    }
}

const MEMORY_MAX: usize = 64 << 20;

impl Matcher {
    /// Builds the automaton for patterns with the caller's numbers. A pattern is anchored at the first byte of the
    /// data unless it begins with `.*`, and is reported as soon as it matches.
    pub fn new(patterns: &[(u32, Node)]) -> Matcher {
        Matcher::with_limit(patterns, MEMORY_MAX)
    }

    /// Like [`new`](Matcher::new), with a limit for the memory of lazily made states.
    pub fn with_limit(patterns: &[(u32, Node)], limit: usize) -> Matcher {
        Builder::default().build(patterns, limit)
    }

    /// About how many bytes the automaton and the filter hold.
    pub fn memory(&self) -> usize {
        let entries = self.entries.iter().map(|e| (e.states.len() + e.matched.len()) * 4);
        self.dfa.memory()
            + self.filter.memory()
            + entries.sum::<usize>()
            + self.entries.len() * size_of::<Entry>()
            + self.places.len() * 4
            + self.segments.len() * size_of::<Segment>()
    }

    /// How many states were made so far.
    pub fn n_states(&self) -> usize {
        self.dfa.n_states()
    }

    /// How many nondeterministic states there are.
    pub fn n_nfa_states(&self) -> usize {
        self.dfa.nfa().states.len()
    }

    /// How often a transition had to be made.
    pub fn misses(&self) -> u64 {
        self.dfa.misses
    }

    /// Feeds a piece of data. `hit` receives a pattern's number and the offset in `data` behind the match; it may be
    /// called more than once for a pattern. `begin` says that the data starts here, `end` that it ends behind `data`.
    pub fn feed(&mut self, s: &mut Stream, data: &[u8], begin: bool, end: bool, mut hit: impl FnMut(u32, usize)) {
        let hit: &mut dyn FnMut(u32, usize) = &mut hit;
        if !s.started {
            s.started = true;
            s.at = self.dfa.start();
            self.found.extend_from_slice(self.dfa.accepts(s.at));
            self.settle(s, 0, hit);
        }
        if begin {
            s.begun |= s.pos == 0;
            s.tail_len = 0;
            self.symbol(s, Symbol::Begin, 0, hit);
        }
        self.run(s, data, hit);
        if end {
            self.symbol(s, Symbol::End, data.len(), hit);
        }
        remember(s, data);
    }

    fn run(&mut self, s: &mut Stream, data: &[u8], hit: &mut dyn FnMut(u32, usize)) {
        let filtered = !self.filter.is_empty();
        // The last four bytes, the latest one highest.
        let mut last4 = s.tail[..usize::from(s.tail_len)]
            .iter()
            .rev()
            .take(4)
            .rev()
            .fold(0u32, |w, b| w >> 8 | u32::from(*b) << 24);
        let mut i = 0;
        while i < data.len() {
            if s.is_idle() {
                if !filtered {
                    return;
                }
                if i >= 3 {
                    i = self.filter.next_end(data, i + 1);
                    if i > data.len() {
                        return;
                    }
                    last4 = u32::from_le_bytes([data[i - 4], data[i - 3], data[i - 2], data[i - 1]]);
                } else {
                    last4 = last4 >> 8 | u32::from(data[i]) << 24;
                    i += 1;
                    if !self.filter.may_end(last4) {
                        continue;
                    }
                }
            } else {
                let b = data[i];
                i += 1;
                last4 = last4 >> 8 | u32::from(b) << 24;
                let quiet = s.at != IN_SET && {
                    let t = self.dfa.lookup(s.at, b);
                    if t & (STOP | ACCEPT) == 0 {
                        s.at = t;
                    }
                    t & (STOP | ACCEPT) == 0
                };
                if !quiet {
                    self.step(s, Symbol::Byte(b));
                }
                if !(filtered && self.filter.may_end(last4)) {
                    if !quiet && !self.found.is_empty() {
                        self.settle(s, i, hit);
                    }
                    continue;
                }
            }
            self.windows(s, data, i, last4);
            if !self.found.is_empty() || !self.joining.is_empty() {
                self.settle(s, i, hit);
            }
        }
    }

    /// Looks at the windows that end before `end`; puts what they start into `found` and `joining`.
    fn windows(&mut self, s: &Stream, data: &[u8], end: usize, last4: u32) {
        let Matcher {
            filter,
            entries,
            places,
            found,
            joining,
            dfa,
            ..
        } = self;
        filter.ending(last4, |number| {
            let entry = &entries[number as usize];
            let from = number.checked_sub(1).map_or(0, |n| entries[n as usize].places_end) as usize;
            let places = &places[from..entry.places_end as usize];
            let n = places.len();
            if n > usize::from(s.tail_len) + end {
                return;
            }
            let fits = places.iter().enumerate().all(|(j, place)| {
                let b = match (end + j).checked_sub(n) {
                    Some(at) => data[at],
                    None => s.tail[usize::from(s.tail_len) + end + j - n],
                };
                admits(dfa.nfa(), *place, b)
            });
            if !fits {
                return;
            }
            let start = s.pos + end as u64 - n as u64;
            let may_begin = match entry.needs {
                NONE => true,
                BEGIN => s.begun,
                needs => s.passed_at(needs).is_some_and(|from| from <= start),
            };
            let (first, last) = entry.place;
            if !may_begin || start < u64::from(first) || last != NONE && start > u64::from(last) {
                return;
            }
            if entry.only != NONE && s.passed_at(entry.only).is_some() {
                return;
            }
            found.extend_from_slice(&entry.matched);
            if !entry.states.is_empty() {
                joining.push(number);
            }
        });
    }

    /// Reports and notes what was found before `at`, and lets states join.
    fn settle(&mut self, s: &mut Stream, at: usize, hit: &mut dyn FnMut(u32, usize)) {
        let mut round = Vec::new();
        loop {
            std::mem::swap(&mut round, &mut self.found);
            round.sort_unstable();
            round.dedup();
            for n in round.drain(..) {
                let segment = &self.segments[n as usize];
                segment.patterns.iter().for_each(|p| hit(*p, at));
                if segment.awaited
                    && let Err(i) = s.passed.binary_search_by_key(&n, |a| a.0)
                {
                    s.passed.insert(i, (n, s.pos + at as u64));
                    if !segment.search.is_empty() {
                        self.join(s, n, true);
                    }
                }
            }
            while let Some(entry) = self.joining.pop() {
                self.join(s, entry, false);
            }
            // A segment that may be empty matches where it is waited for.
            if self.found.is_empty() {
                self.found = round;
                return;
            }
        }
    }

    /// Adds the states of a segment or an entry.
    fn join(&mut self, s: &mut Stream, number: u32, segment: bool) {
        let more: &[u32] = if segment {
            &self.segments[number as usize].search
        } else {
            &self.entries[number as usize].states
        };
        if s.at == IN_SET {
            add_states(&mut s.set, more);
            if segment {
                self.found.extend(self.dfa.set_accepts(more));
            }
            return;
        }
        let key = (s.at, number | if segment { 1 << 31 } else { 0 });
        let known = self.joined.get(&key).copied();
        match known.or_else(|| self.dfa.joined(s.at, more)) {
            Some(t) => {
                if known.is_none() && self.joined.len() < self.joined_max {
                    self.joined.insert(key, t);
                }
                if segment && t & ACCEPT != 0 {
                    self.found.extend_from_slice(self.dfa.accepts(t));
                }
                s.at = t & ID;
            }
            None => {
                s.set = self.dfa.set_of(s.at).to_vec();
                s.at = IN_SET;
                add_states(&mut s.set, more);
                if segment {
                    self.found.extend(self.dfa.set_accepts(more));
                }
            }
        }
    }

    fn symbol(&mut self, s: &mut Stream, symbol: Symbol, at: usize, hit: &mut dyn FnMut(u32, usize)) {
        if !s.is_idle() {
            self.step(s, symbol);
            self.settle(s, at, hit);
        }
    }

    /// One step of the automaton; what matches goes to `found`.
    fn step(&mut self, s: &mut Stream, symbol: Symbol) {
        if s.at != IN_SET {
            match self.dfa.next(s.at, symbol) {
                Some(t) => {
                    s.at = t & ID;
                    if t & ACCEPT != 0 {
                        self.found.extend_from_slice(self.dfa.accepts(t));
                    }
                    return;
                }
                None => s.set = self.dfa.set_of(s.at).to_vec(),
            }
        }
        s.set = self.dfa.step_set(&s.set, symbol);
        self.found.extend(self.dfa.set_accepts(&s.set));
        s.at = self.dfa.known(&s.set).map_or(IN_SET, |t| t & ID);
        if s.at != IN_SET {
            s.set = Vec::new();
        }
    }
}

fn add_states(set: &mut Vec<u32>, more: &[u32]) {
    set.extend_from_slice(more);
    set.sort_unstable();
    set.dedup();
}

/// Keeps the last bytes.
fn remember(s: &mut Stream, data: &[u8]) {
    s.pos += data.len() as u64;
    let room = s.tail.len();
    if data.len() >= room {
        s.tail.copy_from_slice(&data[data.len() - room..]);
        s.tail_len = room as u8;
    } else {
        let have = usize::from(s.tail_len);
        let keep = have.min(room - data.len());
        s.tail.copy_within(have - keep..have, 0);
        s.tail[keep..keep + data.len()].copy_from_slice(data);
        s.tail_len = (keep + data.len()) as u8;
    }
}

/// A matcher under construction.
#[derive(Default)]
struct Builder {
    segments: Vec<Segment>,
    /// Literals at the start of the data, and behind a `^`, with the states behind them.
    literals: [Vec<(Vec<u8>, u32)>; 2],
    starts: Vec<Start>,
    /// Segments by the one before and what they match.
    known: HashMap<(u32, Node), u32>,
}

/// One way in which a segment begins.
struct Start {
    segment: u32,
    needs: u32,
    place: (u32, u32),
    sequence: Sequence,
}

/// In place of the segment before: the start of the data, and anywhere.
const ANCHORED: u32 = u32::MAX;
const FLOATING: u32 = u32::MAX - 1;

/// Longest literal that anchored patterns share.
const LITERAL_MAX: usize = 32;

impl Builder {
    fn build(mut self, patterns: &[(u32, Node)], limit: usize) -> Matcher {
        let mut nfa = Nfa::empty();
        let mut marks = Marks::new(0);
        for (number, node) in patterns {
            for parts in literals::split(node) {
                self.pattern(&mut nfa, &mut marks, *number, parts);
            }
        }
        self.known = HashMap::default();
        let [plain, behind_begin] = &mut self.literals;
        if !plain.is_empty() {
            let trie = nfa.trie(plain);
            nfa.starts.push(trie);
        }
        if !behind_begin.is_empty() {
            let trie = nfa.trie(behind_begin);
            let begin = nfa.push(State::Begin(trie));
            nfa.starts.push(begin);
        }
        let mut m = Matcher {
            dfa: Dfa::new(Nfa::empty(), 0, true),
            filter: Prefilter::default(),
            segments: self.segments,
            entries: Vec::new(),
            places: Vec::new(),
            joined: HashMap::default(),
            joined_max: limit / 256,
            found: Vec::new(),
            joining: Vec::new(),
        };
        let windows = add_entries(&mut m, &nfa, self.starts);
        m.filter = Prefilter::new(&windows);
        let base = nfa.states.len() * 40;
        m.dfa = Dfa::new(nfa, base + limit, true);
        m
    }

    fn pattern(&mut self, nfa: &mut Nfa, marks: &mut Marks, number: u32, parts: literals::Segments) {
        let anchored = parts.anchored != Node::Empty || parts.floating.is_empty();
        let mut before = FLOATING;
        if let Some(placed) = parts.placed.and_then(|p| self.placed(nfa, marks, &p)) {
            before = placed;
        } else if anchored {
            before = self.segment(nfa, marks, ANCHORED, parts.anchored);
        }
        for node in parts.floating {
            before = self.segment(nfa, marks, before, node);
        }
        self.segments[before as usize].patterns.push(number);
    }

    /// A segment behind some bytes that do not matter: to look for it costs less than to step over them. `None` when it
    /// begins with nothing that could be looked for.
    fn placed(&mut self, nfa: &mut Nfa, marks: &mut Marks, p: &literals::Placed) -> Option<u32> {
        let segment = self.segments.len() as u32;
        nfa.set_owner(segment);
        let accept = nfa.push(State::Match(segment));
        let start = nfa.build(&p.node, accept);
        let sequences = literals::sequences(nfa, start, marks);
        if !sequences.iter().all(|s| literals::has_window(nfa, &s.places)) {
            return None;
        }
        self.segments.push(Segment::default());
        let needs = if p.behind_begin { BEGIN } else { NONE };
        let with = |sequence| Start {
            segment,
            needs,
            place: p.place,
            sequence,
        };
        self.starts.extend(sequences.into_iter().map(with));
        Some(segment)
    }

    /// The segment `node` behind another.
    fn segment(&mut self, nfa: &mut Nfa, marks: &mut Marks, before: u32, node: Node) -> u32 {
        let segment = self.segments.len() as u32;
        let key = (before, node);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        self.segments.push(Segment::default());
        nfa.set_owner(segment);
        let accept = nfa.push(State::Match(segment));
        let start = nfa.build(&key.1, accept);
        self.known.insert(key, segment);
        match before {
            ANCHORED => self.anchored(nfa, start),
            FLOATING => self.floating(nfa, marks, segment, NONE, start),
            _ => {
                self.segments[before as usize].awaited = true;
                self.floating(nfa, marks, segment, before, start);
            }
        }
        segment
    }

    /// A segment at the start of the data: literal text is shared with others.
    fn anchored(&mut self, nfa: &mut Nfa, start: u32) {
        let (mut at, behind_begin) = match nfa.states[start as usize] {
            State::Begin(to) => (to, true),
            _ => (start, false),
        };
        let mut text = Vec::new();
        while let State::Byte(b, to) = nfa.states[at as usize]
            && text.len() < LITERAL_MAX
        {
            text.push(b);
            at = to;
        }
        if text.is_empty() {
            nfa.starts.push(start);
        } else {
            self.literals[usize::from(behind_begin)].push((text, at));
        }
    }

    /// A segment behind a `.*`, waiting for another unless that is [`NONE`].
    fn floating(&mut self, nfa: &mut Nfa, marks: &mut Marks, segment: u32, needs: u32, start: u32) {
        let sequences = literals::sequences(nfa, start, marks);
        if sequences.iter().all(|s| literals::has_window(nfa, &s.places)) {
            let with = |sequence| Start {
                segment,
                needs,
                place: ANYWHERE,
                sequence,
            };
            self.starts.extend(sequences.into_iter().map(with));
            return;
        }
        let any = Node::Repeat(Box::new(Node::Set(ByteSet::ALL)), 0, None);
        let search = nfa.build(&any, start);
        if needs == NONE {
            nfa.starts.push(search);
        } else {
            marks.grow(nfa.states.len());
            marks.clear();
            nfa.closure(search, marks, &mut self.segments[needs as usize].search);
        }
    }
}

/// Picks a window for each start and files them; gives width, value and entry of all windows.
fn add_entries(m: &mut Matcher, nfa: &Nfa, starts: Vec<Start>) -> Vec<(usize, u32, u32)> {
    let crowds = Crowds::of(nfa, starts.iter().map(|s| &s.sequence));
    let mut shared = Shared::default();
    let mut windows = Vec::new();
    // The segments that match at an entry's end, the states alive there, and all its segments.
    let mut pending: Vec<(Vec<u32>, Vec<u32>, Vec<u32>)> = Vec::new();
    let mut marks = Marks::new(nfa.states.len());
    for Start {
        segment,
        needs,
        place,
        sequence,
    } in starts
    {
        let Some(w) = crowds.pick(nfa, &sequence.places) else {
            continue;
        };
        let fresh = pending.len();
        let number = shared.number(needs, place, &w.places, fresh);
        if number == fresh {
            m.places.extend_from_slice(&w.places);
            m.entries.push(Entry {
                places_end: m.places.len() as u32,
                matched: Box::new([]),
                states: Box::new([]),
                needs,
                place,
                only: NONE,
            });
            pending.push((Vec::new(), Vec::new(), Vec::new()));
            windows.extend(w.keys.iter().map(|k| (w.width, *k, fresh as u32)));
        }
        let (matched, states, segments) = &mut pending[number];
        segments.push(segment);
        let behind = sequence.behind(nfa, w.places.len(), &mut marks);
        let is_match = |s: &u32| matches!(nfa.states[*s as usize], State::Match(_));
        if behind.iter().any(is_match) {
            matched.push(segment);
        } else {
            states.extend(behind);
        }
    }
    for (entry, (matched, mut states, mut segments)) in m.entries.iter_mut().zip(pending) {
        states.sort_unstable();
        states.dedup();
        segments.dedup();
        if let [one] = segments[..]
            && m.segments[one as usize].awaited
            && m.segments[one as usize].patterns.is_empty()
        {
            entry.only = one;
        }
        entry.matched = matched.into();
        entry.states = states.into();
    }
    windows
}

#[cfg(test)]
mod tests;
