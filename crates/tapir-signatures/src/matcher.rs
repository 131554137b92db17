//! Streaming search for many patterns at once.
//!
//! A [`Matcher`] holds one lazy automaton for all patterns of a group; a [`Stream`] is the few bytes that one direction
//! of one connection keeps. Data arrives in pieces of any size. While no pattern is under way a bitmap over three bytes
//! skips ahead, so speed hardly depends on how many patterns there are.

use crate::ast::Node;
use crate::dfa::{ACCEPT, DEAD, DEPTH, DEPTH_SHIFT, Dfa, ID, IDLE, STOP, Symbol};
use crate::nfa::Nfa;

/// All patterns of one group.
#[derive(Debug)]
pub struct Matcher {
    dfa: Dfa,
}

/// Where one stream stands.
#[derive(Debug, Default, Clone)]
pub enum Stream {
    /// No data yet.
    #[default]
    Fresh,
    State(u32),
    /// The automaton is full; a set of states instead of one.
    Set(Box<[u32]>),
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
        let nfa = Nfa::many(patterns);
        let base = nfa.states.len() * 40;
        Matcher {
            dfa: Dfa::new(nfa, base + limit, true),
        }
    }

    /// About how many bytes the automaton holds.
    pub fn memory(&self) -> usize {
        self.dfa.memory()
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
    pub fn feed(&mut self, stream: &mut Stream, data: &[u8], begin: bool, end: bool, mut hit: impl FnMut(u32, usize)) {
        if let Stream::Fresh = stream {
            let start = self.dfa.start();
            self.report(start, 0, &mut hit);
            *stream = Stream::State(start);
        }
        if begin {
            self.step(stream, Symbol::Begin, 0, &mut hit);
        }
        let mut pos = 0;
        if let Stream::State(at) = stream {
            let (to, n) = self.run(*at, data, &mut hit);
            pos = n;
            *stream = to;
        }
        if let Stream::Set(set) = stream {
            let mut set = std::mem::take(set).into_vec();
            for (i, &b) in data.iter().enumerate().skip(pos) {
                if set.is_empty() {
                    break;
                }
                set = self.dfa.step_set(&set, Symbol::Byte(b));
                self.dfa.set_accepts(&set).for_each(|p| hit(p, i + 1));
            }
            *stream = if set.is_empty() {
                Stream::State(DEAD)
            } else {
                Stream::Set(set.into())
            };
        }
        if end {
            self.step(stream, Symbol::End, data.len(), &mut hit);
        }
    }

    /// Runs over known states; gives where it stands and how many bytes it took.
    fn run(&mut self, at: u32, data: &[u8], hit: &mut impl FnMut(u32, usize)) -> (Stream, usize) {
        let idle = self.dfa.idle() & ID;
        let filtered = self.dfa.nfa().filter.is_some();
        let mut at = if filtered { self.dfa.flagged(at) } else { at & ID };
        let mut i = 0;
        while i < data.len() {
            if at & DEPTH != 0
                && let Some(filter) = &self.dfa.nfa().filter
            {
                // Only the first bytes of literals are under way: look ahead before following them.
                let depth = (at & DEPTH) >> DEPTH_SHIFT;
                if depth == IDLE {
                    i = filter.skip(data, i);
                } else if i >= depth as usize && i - depth as usize + 3 <= data.len() {
                    let from = i - depth as usize;
                    if !filter.test(data, from) {
                        i = filter.skip(data, from + 1);
                        at = idle;
                    }
                }
            }
            let b = data[i];
            let mut t = self.dfa.lookup(at & ID, b);
            if t & (STOP | ACCEPT) != 0 {
                t = match self.dfa.next(at, Symbol::Byte(b)) {
                    Some(t) => t,
                    None => {
                        let set = self.dfa.set_of(at);
                        return (Stream::Set(set.iter().copied().collect()), i);
                    }
                };
                if t & ACCEPT != 0 {
                    self.report(t, i + 1, hit);
                }
                if t & STOP != 0 {
                    return (Stream::State(DEAD), data.len());
                }
            }
            at = t;
            i += 1;
        }
        (Stream::State(at & ID), i)
    }

    fn step(&mut self, stream: &mut Stream, symbol: Symbol, at: usize, hit: &mut impl FnMut(u32, usize)) {
        let set = match stream {
            Stream::Fresh => return,
            Stream::State(s) => match self.dfa.next(*s, symbol) {
                Some(t) => {
                    self.report(t, at, hit);
                    *stream = Stream::State(t & ID);
                    return;
                }
                None => self.dfa.set_of(*s).to_vec(),
            },
            Stream::Set(set) => set.to_vec(),
        };
        let set = self.dfa.step_set(&set, symbol);
        self.dfa.set_accepts(&set).for_each(|p| hit(p, at));
        *stream = Stream::Set(set.into());
    }

    fn report(&self, state: u32, at: usize, hit: &mut impl FnMut(u32, usize)) {
        self.dfa.accepts(state).iter().for_each(|p| hit(*p, at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast;

    fn matcher(texts: &[&str]) -> Vec<(u32, Node)> {
        texts
            .iter()
            .enumerate()
            .map(|(i, t)| (i as u32, ast::parse(t.as_bytes(), true).unwrap()))
            .collect()
    }

    fn hits(m: &mut Matcher, chunks: &[&[u8]]) -> Vec<(u32, usize)> {
        let mut s = Stream::Fresh;
        let mut out: Vec<(u32, usize)> = Vec::new();
        let mut base = 0;
        for (i, c) in chunks.iter().enumerate() {
            m.feed(&mut s, c, i == 0, i + 1 == chunks.len(), |p, at| {
                if !out.iter().any(|o| o.0 == p) {
                    out.push((p, base + at));
                }
            });
            base += c.len();
        }
        out
    }

    #[test]
    fn splitting_the_stream_changes_nothing() {
        let texts = [
            "GET ",
            ".*needle",
            ".*(foo|bar)+baz",
            ".*[0-9]{3}x",
            "^.*\\x00\\xff",
            ".*end$",
            ".*(?i:cAsE)[a-z]*!",
            ".*ab",
        ];
        let data = b"GET /needles/barfoobaz 123x\x00\xff some cAse! at the end";
        let whole = hits(&mut Matcher::new(&matcher(&texts)), &[data]);
        assert_eq!(whole.len(), 7, "{whole:?}");
        for limit in [0, 64 << 20] {
            let mut m = Matcher::with_limit(&matcher(&texts), limit);
            for cut in 0..=data.len() {
                let (a, b) = data.split_at(cut);
                assert_eq!(hits(&mut m, &[a, b]), whole, "cut {cut} limit {limit}");
            }
            let bytes: Vec<&[u8]> = data.chunks(1).collect();
            assert_eq!(hits(&mut m, &bytes), whole);
        }
    }

    #[test]
    fn anchored_patterns_die() {
        let mut m = Matcher::new(&matcher(&["abc", "^abd"]));
        let mut s = Stream::Fresh;
        m.feed(&mut s, b"xxabcabd", true, false, |_, _| panic!("no match expected"));
        assert!(matches!(s, Stream::State(DEAD)));
    }

    /// Throughput, compile time and memory with 10, 1,000 and 20,000 patterns.
    #[test]
    #[ignore = "a measurement"]
    fn speed() {
        use std::time::Instant;
        let mut seed = 1u64;
        let mut rnd = move || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) as usize
        };
        let words = [
            "GET", "Host", "cookie", "index", "html", "image", "login", "select", "union", "admin", "cmd", "exe",
        ];
        let mut text: Vec<u8> = Vec::new();
        while text.len() < 16 << 20 {
            text.extend_from_slice(words[rnd() % words.len()].as_bytes());
            text.extend_from_slice(&[b" /=&?.-_"[rnd() % 8], b"abcdefghijklmnop"[rnd() % 16]]);
            if rnd() % 16 == 0 {
                text.extend_from_slice(&rnd().to_le_bytes());
            }
        }
        let mut noise = Vec::with_capacity(16 << 20);
        while noise.len() < 16 << 20 {
            noise.extend_from_slice(&(rnd() as u32 >> 3).to_le_bytes()[..3]);
        }
        for n in [10, 1_000, 20_000] {
            let patterns: Vec<(u32, Node)> = (0..n)
                .map(|i| {
                    let mut s = String::from(".*");
                    s.push_str(words[rnd() % words.len()]);
                    s.push_str(&format!("[\\/=?]{}{:x}", words[rnd() % words.len()], rnd() & 0xffff));
                    if i % 3 == 0 {
                        s = format!(
                            ".*\\x{:02x}\\x{:02x}\\x{:02x}{}",
                            rnd() & 255,
                            rnd() & 255,
                            rnd() & 255,
                            words[rnd() % 12]
                        );
                    }
                    if i % 5 == 0 {
                        s.push_str(".*[0-9]+end");
                    }
                    (i as u32, ast::parse(s.as_bytes(), true).unwrap())
                })
                .collect();
            let t = Instant::now();
            let mut m = Matcher::new(&patterns);
            let compile = t.elapsed();
            for (name, data) in [("text", &text), ("noise", &noise)] {
                let t = Instant::now();
                let mut hits = 0u64;
                for conn in data.chunks(64 << 10) {
                    let mut s = Stream::Fresh;
                    for (i, c) in conn.chunks(1460).enumerate() {
                        m.feed(&mut s, c, i == 0, false, |_, _| hits += 1);
                    }
                }
                let secs = t.elapsed().as_secs_f64();
                eprintln!(
                    "{n} patterns, {name}: compile {compile:?}, {:.0} MB/s, {} states, {} KiB, {hits} hits",
                    data.len() as f64 / secs / 1e6,
                    m.n_states(),
                    m.memory() >> 10
                );
            }
        }
    }
}
