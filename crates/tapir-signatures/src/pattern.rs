//! A script pattern: exact matching, searching, longest matches, and the text forms that scripts can see.
//!
//! What a pattern matches is decided by its *printed text*: `/ab+/` prints and compiles as `^?(ab+)$?`, and
//! combinations are built from the printed texts of their parts. All operations take time linear in the data once the
//! automaton's states exist.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use memchr::memmem;

pub use crate::ast::Error;
use crate::ast::{self, ByteSet, Node};
use crate::dfa::{ACCEPT, Dfa, ID, STOP, Symbol};
use crate::nfa::Nfa;

/// A compiled pattern. Cloning shares the automata.
#[derive(Clone)]
pub struct Pattern(Rc<Inner>);

struct Inner {
    text: Rc<[u8]>,
    node: Node,
    exact: OnceCell<RefCell<Exact>>,
    within: OnceCell<RefCell<Within>>,
    backward: OnceCell<RefCell<Dfa>>,
    literal: Option<memmem::Finder<'static>>,
}

/// The anchored automaton with its state behind the begin symbol.
struct Exact {
    dfa: Dfa,
    begun: u32,
    /// Bytes with which a match can begin; `None` until asked for.
    first: Option<Box<[bool; 256]>>,
}

struct Within {
    dfa: Dfa,
    begun: u32,
    /// A state that all but a few bytes stay in, and those bytes.
    idle: Option<(u32, Vec<u8>)>,
    idle_known: bool,
}

const MEMORY_MAX: usize = 8 << 20;

impl Pattern {
    /// Compiles the text between the slashes of a literal with its flags.
    pub fn compile(text: &[u8], ignore_case: bool, single_line: bool) -> Result<Pattern, Error> {
        let (full, node) = Pattern::parse(text, ignore_case, single_line)?;
        Ok(Pattern::new(&full, node))
    }

    /// Whether [`compile`](Pattern::compile) takes such a literal.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(text: &[u8], ignore_case: bool, single_line: bool) -> Result<(), Error> {
        Pattern::parse(text, ignore_case, single_line).map(|_| ())
    }

    fn parse(text: &[u8], ignore_case: bool, single_line: bool) -> Result<(Vec<u8>, Node), Error> {
        // Parsed alone first: an unbalanced `)` must not close the wrapper.
        ast::parse(text, false)?;
        let mut full = wrap(text);
        let mut shift = 3;
        if ignore_case {
            full = [b"(?i:", full.as_slice(), b")"].concat();
            shift += 4;
        }
        if single_line {
            full = [b"(?s:", full.as_slice(), b")"].concat();
            shift += 4;
        }
        match ast::parse(&full, false) {
            Ok(node) => Ok((full, node)),
            Err(e) => Err(Error {
                pos: e.pos.saturating_sub(shift).min(text.len()),
                ..e
            }),
        }
    }

    /// Compiles a printed text, such as [`text`](Pattern::text) gives, as it stands.
    pub fn from_printed(text: &[u8]) -> Result<Pattern, Error> {
        let node = ast::parse(text, false)?;
        Ok(Pattern::new(text, node))
    }

    /// A pattern that matches the string and nothing else, with every byte taken literally.
    pub fn literal(s: &[u8]) -> Pattern {
        let node = Node::concat(s.iter().map(|b| Node::Set(ByteSet::one(*b))).collect());
        Pattern::new(&wrap(&escape(s)), optional_anchors(node))
    }

    /// What stands in for a pattern that does not compile: it matches everything.
    pub fn match_all(text: &[u8]) -> Pattern {
        let any = Node::Repeat(Box::new(Node::Set(ByteSet::ALL)), 0, None);
        Pattern::new(&wrap(text), optional_anchors(any))
    }

    fn new(text: &[u8], node: Node) -> Pattern {
        let literal = literal_of(&node)
            .filter(|l| !l.is_empty())
            .map(|l| memmem::Finder::new(&l).into_owned());
        Pattern(Rc::new(Inner {
            text: Rc::from(text),
            node,
            exact: OnceCell::new(),
            within: OnceCell::new(),
            backward: OnceCell::new(),
            literal,
        }))
    }

    /// `self | other`.
    pub fn or(&self, other: &Pattern) -> Pattern {
        let text = wrap(&[b"(", self.text(), b")|(", other.text(), b")"].concat());
        Pattern::new(
            &text,
            optional_anchors(Node::Alt(vec![self.0.node.clone(), other.0.node.clone()])),
        )
    }

    /// `self & other`: one behind the other.
    pub fn then(&self, other: &Pattern) -> Pattern {
        let text = wrap(&[b"(", self.text(), b")(", other.text(), b")"].concat());
        Pattern::new(
            &text,
            optional_anchors(Node::concat(vec![self.0.node.clone(), other.0.node.clone()])),
        )
    }

    /// `self += other`.
    pub fn extended_by(&self, other: &Pattern) -> Pattern {
        let text = [b"(", wrap(other.text()).as_slice(), b")|(", &wrap(self.text()), b")"].concat();
        let alt = Node::Alt(vec![other.0.node.clone(), self.0.node.clone()]);
        Pattern::new(&text, optional_anchors(alt))
    }

    /// The printed text without slashes, e.g. `^?(ab+)$?`.
    pub fn text(&self) -> &[u8] {
        &self.0.text
    }

    /// About how many bytes the automata hold.
    pub fn memory(&self) -> usize {
        self.0.exact.get().map_or(0, |e| e.borrow().dfa.memory())
            + self.0.within.get().map_or(0, |w| w.borrow().dfa.memory())
    }

    fn exact(&self) -> &RefCell<Exact> {
        self.0.exact.get_or_init(|| {
            let mut dfa = Dfa::new(Nfa::single(&self.0.node), MEMORY_MAX, false);
            let begun = begin(&mut dfa);
            RefCell::new(Exact {
                dfa,
                begun,
                first: None,
            })
        })
    }

    fn within(&self) -> &RefCell<Within> {
        self.0.within.get_or_init(|| {
            let any = Node::Repeat(Box::new(Node::Set(ByteSet::ALL)), 0, None);
            let begin_maybe = Node::Repeat(Box::new(Node::Begin), 0, Some(1));
            let node = Node::concat(vec![begin_maybe, any, without_end(&self.0.node)]);
            let mut dfa = Dfa::new(Nfa::single(&node), MEMORY_MAX, true);
            let begun = begin(&mut dfa);
            RefCell::new(Within {
                dfa,
                begun,
                idle: None,
                idle_known: false,
            })
        })
    }

    /// Whether the whole string matches.
    pub fn matches_exactly(&self, s: &[u8]) -> bool {
        if let Some(l) = &self.0.literal {
            return l.needle() == s;
        }
        let mut e = self.exact().borrow_mut();
        let Exact { dfa, begun, .. } = &mut *e;
        let mut at = *begun;
        for (i, &b) in s.iter().enumerate() {
            let mut t = dfa.lookup(at & ID, b);
            if t & STOP != 0 {
                t = match dfa.next(at, Symbol::Byte(b)) {
                    Some(t) => t,
                    None => return exact_over_sets(dfa, at, &s[i..]),
                };
                if t & STOP != 0 {
                    return false;
                }
            }
            at = t;
        }
        at & ACCEPT != 0 || accepts_end(dfa, at)
    }

    /// Whether the pattern matches anywhere. Matches count where a byte or the end of the data was consumed last, so
    /// that in the empty string only patterns that name the end are found.
    pub fn matches_within(&self, s: &[u8]) -> bool {
        if let Some(l) = &self.0.literal {
            return l.find(s).is_some();
        }
        let mut w = self.within().borrow_mut();
        if s.len() >= 64 && !w.idle_known {
            w.find_idle();
        }
        let Within { dfa, begun, idle, .. } = &mut *w;
        let mut at = *begun & ID;
        let idle_at = idle.as_ref().map_or(u32::MAX, |i| i.0);
        let mut i = 0;
        while i < s.len() {
            if at == idle_at {
                let needles = idle.as_ref().map_or(&[][..], |n| n.1.as_slice());
                match skip_to(needles, &s[i..]) {
                    Some(n) => i += n,
                    None => break,
                }
            }
            let b = s[i];
            let mut t = dfa.lookup(at, b);
            if t & (STOP | ACCEPT) != 0 {
                t = match dfa.next(at, Symbol::Byte(b)) {
                    Some(t) => t,
                    None => return within_over_sets(dfa, at, &s[i..]),
                };
                if t & ACCEPT != 0 {
                    return true;
                }
                if t & STOP != 0 {
                    return false;
                }
            }
            at = t & ID;
            i += 1;
        }
        accepts_end(dfa, at)
    }

    /// The length of the longest match that begins at the start of `s`. `at_start` says whether `^` holds there;
    /// `$` holds at the end of `s`.
    pub fn longest_prefix(&self, s: &[u8], at_start: bool) -> Option<usize> {
        let mut steps = 0;
        self.longest_counted(s, at_start, &mut steps)
    }

    /// The length of the longest match that begins at `pos`; `^` holds only at the start of `s`.
    pub fn longest_match_at(&self, s: &[u8], pos: usize) -> Option<usize> {
        self.longest_prefix(s.get(pos..)?, pos == 0)
    }

    fn longest_counted(&self, s: &[u8], at_start: bool, steps: &mut usize) -> Option<usize> {
        let mut e = self.exact().borrow_mut();
        let Exact { dfa, begun, .. } = &mut *e;
        let mut at = if at_start { *begun } else { dfa.flagged(dfa.start()) };
        let mut best = (at & ACCEPT != 0).then_some(0);
        for (i, &b) in s.iter().enumerate() {
            let mut t = dfa.lookup(at & ID, b);
            if t & STOP != 0 {
                t = match dfa.next(at, Symbol::Byte(b)) {
                    Some(t) => t,
                    None => {
                        *steps += s.len();
                        return longest_over_sets(dfa, at, s, i, best);
                    }
                };
                if t & STOP != 0 {
                    *steps += i;
                    return best;
                }
            }
            if t & ACCEPT != 0 {
                best = Some(i + 1);
            }
            at = t;
        }
        *steps += s.len();
        if accepts_end(dfa, at) { Some(s.len()) } else { best }
    }

    /// The first leftmost-longest match as a range, `^` holding only at the start of `s`.
    pub fn find(&self, s: &[u8]) -> Option<(usize, usize)> {
        self.finder(s, false).next_at(0, true)
    }

    /// Prepares for several searches in the same data. With `begin_anywhere`, `^` holds at every position tried.
    pub fn finder<'a>(&'a self, data: &'a [u8], begin_anywhere: bool) -> Finder<'a> {
        Finder {
            pattern: self,
            data,
            begin_anywhere,
            steps: 0,
            first: self.first_bytes(),
            starts: None,
        }
    }

    fn first_bytes(&self) -> Box<[bool; 256]> {
        let mut e = self.exact().borrow_mut();
        if let Some(f) = &e.first {
            return f.clone();
        }
        let Exact { dfa, begun, .. } = &mut *e;
        let mut first = Box::new([false; 256]);
        for b in 0..=255u8 {
            first[b as usize] = dfa.next(*begun, Symbol::Byte(b)).is_none_or(|t| t & STOP == 0);
        }
        e.first = Some(first.clone());
        first
    }

    /// Marks every position at which a match begins, in one pass from the end.
    fn starts(&self, data: &[u8]) -> Vec<bool> {
        let cell = self.0.backward.get_or_init(|| {
            let any = Node::Repeat(Box::new(Node::Set(ByteSet::ALL)), 0, None);
            let end_maybe = Node::Repeat(Box::new(Node::End), 0, Some(1));
            let node = Node::concat(vec![end_maybe, any, self.0.node.reversed()]);
            RefCell::new(Dfa::new(Nfa::single(&node), MEMORY_MAX, false))
        });
        let dfa = &mut *cell.borrow_mut();
        let mut starts = vec![false; data.len() + 1];
        let start = dfa.set_of(dfa.start());
        let mut set: Vec<u32> = start.to_vec();
        set.extend(dfa.step_set(&start, Symbol::End));
        set.sort_unstable();
        set.dedup();
        for i in (0..=data.len()).rev() {
            if i < data.len() {
                set = dfa.step_set(&set, Symbol::Byte(data[i]));
            }
            starts[i] = dfa.set_accepts(&set).next().is_some() || {
                let begun = dfa.step_set(&set, Symbol::Begin);
                dfa.set_accepts(&begun).next().is_some()
            };
        }
        starts
    }
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "/{}/", String::from_utf8_lossy(self.text()))
    }
}

/// Leftmost-longest matches in one piece of data, for functions that split and substitute.
pub struct Finder<'a> {
    pattern: &'a Pattern,
    data: &'a [u8],
    begin_anywhere: bool,
    steps: usize,
    first: Box<[bool; 256]>,
    starts: Option<Vec<bool>>,
}

impl Finder<'_> {
    /// The leftmost-longest match that begins at or behind `from`, which may be empty. `begin` says whether `^` holds
    /// at `from`.
    pub fn next_at(&mut self, from: usize, begin: bool) -> Option<(usize, usize)> {
        self.search(from, begin, false)
    }

    /// Like [`next_at`](Finder::next_at), but passes over empty matches.
    pub fn next_nonempty_at(&mut self, from: usize, begin: bool) -> Option<(usize, usize)> {
        self.search(from, begin, true)
    }

    fn search(&mut self, from: usize, begin: bool, nonempty: bool) -> Option<(usize, usize)> {
        let budget = self.data.len() * 8 + 4096;
        for pos in from..=self.data.len() {
            if nonempty && self.data.get(pos).is_none_or(|b| !self.first[*b as usize]) {
                continue;
            }
            if self.steps > budget && self.starts.is_none() {
                self.starts = Some(self.pattern.starts(self.data));
            }
            if self.starts.as_ref().is_some_and(|s| !s[pos]) {
                continue;
            }
            let at_begin = self.begin_anywhere || (pos == from && begin);
            let found = self
                .pattern
                .longest_counted(&self.data[pos..], at_begin, &mut self.steps);
            match found {
                Some(0) if nonempty => {}
                Some(n) => return Some((pos, pos + n)),
                None => {}
            }
        }
        None
    }
}

impl Within {
    /// Looks for a state that is its own successor for nearly every byte.
    fn find_idle(&mut self) {
        self.idle_known = true;
        for seed in [b'\x01', b' ', b'e', b'\xf7'] {
            let Some(t) = self.dfa.next(self.begun, Symbol::Byte(seed)) else {
                return;
            };
            if t & (STOP | ACCEPT) != 0 || self.dfa.next(t, Symbol::Byte(seed)) != Some(t) {
                continue;
            }
            let mut leave = Vec::new();
            for b in 0..=255u8 {
                match self.dfa.next(t, Symbol::Byte(b)) {
                    None => return,
                    Some(to) if to != t => leave.push(b),
                    Some(_) => {}
                }
                if leave.len() > 3 {
                    return;
                }
            }
            self.idle = Some((t & ID, leave));
            return;
        }
    }
}

fn skip_to(needles: &[u8], s: &[u8]) -> Option<usize> {
    match *needles {
        [a] => memchr::memchr(a, s),
        [a, b] => memchr::memchr2(a, b, s),
        [a, b, c] => memchr::memchr3(a, b, c, s),
        _ => None,
    }
}

fn begin(dfa: &mut Dfa) -> u32 {
    let start = dfa.start();
    dfa.next(start, Symbol::Begin).unwrap_or_else(|| dfa.flagged(start))
}

fn accepts_end(dfa: &mut Dfa, at: u32) -> bool {
    match dfa.next(at, Symbol::End) {
        Some(t) => t & ACCEPT != 0,
        None => {
            let set = dfa.set_of(at);
            let set = dfa.step_set(&set, Symbol::End);
            dfa.set_accepts(&set).next().is_some()
        }
    }
}

fn exact_over_sets(dfa: &mut Dfa, at: u32, rest: &[u8]) -> bool {
    let mut set = dfa.set_of(at).to_vec();
    for &b in rest {
        set = dfa.step_set(&set, Symbol::Byte(b));
        if set.is_empty() {
            return false;
        }
    }
    if dfa.set_accepts(&set).next().is_some() {
        return true;
    }
    let end = dfa.step_set(&set, Symbol::End);
    dfa.set_accepts(&end).next().is_some()
}

fn within_over_sets(dfa: &mut Dfa, at: u32, rest: &[u8]) -> bool {
    let mut set = dfa.set_of(at).to_vec();
    for &b in rest {
        set = dfa.step_set(&set, Symbol::Byte(b));
        if dfa.set_accepts(&set).next().is_some() {
            return true;
        }
    }
    let end = dfa.step_set(&set, Symbol::End);
    dfa.set_accepts(&end).next().is_some()
}

fn longest_over_sets(dfa: &mut Dfa, at: u32, s: &[u8], from: usize, mut best: Option<usize>) -> Option<usize> {
    let mut set = dfa.set_of(at).to_vec();
    for (i, &b) in s.iter().enumerate().skip(from) {
        set = dfa.step_set(&set, Symbol::Byte(b));
        if set.is_empty() {
            return best;
        }
        if dfa.set_accepts(&set).next().is_some() {
            best = Some(i + 1);
        }
    }
    let end = dfa.step_set(&set, Symbol::End);
    if dfa.set_accepts(&end).next().is_some() {
        Some(s.len())
    } else {
        best
    }
}

fn wrap(text: &[u8]) -> Vec<u8> {
    [b"^?(", text, b")$?"].concat()
}

fn optional_anchors(node: Node) -> Node {
    let maybe = |n| Node::Repeat(Box::new(n), 0, Some(1));
    Node::concat(vec![maybe(Node::Begin), node, maybe(Node::End)])
}

/// The expression without the optional end that its printed text adds.
fn without_end(node: &Node) -> Node {
    match node {
        Node::Concat(v) => match v.split_last() {
            Some((Node::Repeat(end, 0, Some(1)), rest)) if **end == Node::End => Node::concat(rest.to_vec()),
            _ => node.clone(),
        },
        _ => node.clone(),
    }
}

/// The one string that an expression with optional outer anchors matches, if it is that simple.
fn literal_of(node: &Node) -> Option<Vec<u8>> {
    let Node::Concat(parts) = node else {
        return None;
    };
    let maybe = |n: &Node, what: Node| matches!(n, Node::Repeat(inner, 0, Some(1)) if **inner == what);
    let (first, rest) = parts.split_first()?;
    let (last, middle) = rest.split_last()?;
    if !maybe(first, Node::Begin) || !maybe(last, Node::End) {
        return None;
    }
    middle
        .iter()
        .map(|n| match n {
            Node::Set(s) if s.count() == 1 => s.iter().next(),
            _ => None,
        })
        .collect()
}

/// Puts a backslash before everything that has a meaning in an expression.
pub fn escape(s: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(s.len());
    for &b in s {
        if b"^$-:\"\\/|*+?.(){}[]".contains(&b) {
            out.push(b'\\');
        }
        out.push(b);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(text: &str) -> Pattern {
        Pattern::compile(text.as_bytes(), false, false).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn exact_and_within_with_the_known_oddities() {
        let cases: &[(&str, &[u8], bool, bool)] = &[
            ("abc", b"abc", true, true),
            ("abc", b"xabcx", false, true),
            ("abc", b"", false, false),
            ("a*", b"", true, false),
            ("a*", b"aaa", true, true),
            ("a*", b"b", false, true),
            ("foo|bar", b"foobar", false, true),
            (".", b"\n", false, false),
            (".*", b"two\nlines", false, true),
            ("^abc", b"xabc", false, false),
            ("^abc", b"abcx", false, true),
            ("abc$", b"xabc", false, true),
            ("abc$", b"abcx", false, false),
            ("^$", b"", true, true),
            ("^", b"x", false, false),
            ("$", b"x", false, true),
            ("a^b", b"ab", false, false),
            ("a$b", b"ab", false, false),
            ("[^b]", b"\n", true, true),
            ("(|x)y", b"y", true, true),
            ("\"a.b\"", b"axb", false, false),
            ("a{2,4}", b"aaaa", true, true),
            ("a{0}", b"", true, false),
            ("(a{2}){2}", b"aaaa", true, true),
            ("]", b"]", true, true),
            ("[\"}\"]+", b"}\"", true, true),
            ("\\101\\x42", b"AB", true, true),
            ("[[:alpha:]_]+", b"x_Y", true, true),
        ];
        for (text, s, exact, within) in cases {
            let p = p(text);
            assert_eq!(p.matches_exactly(s), *exact, "{text} == {s:?}");
            assert_eq!(p.matches_within(s), *within, "{text} in {s:?}");
        }
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for bad in [
            "a(b",
            "*a",
            "[a-",
            "a{2,1}",
            "}",
            "a|b|",
            "a)",
            "[z-a]",
            "\"x",
            "(a{1000}){1000}{1000}",
        ] {
            assert!(Pattern::compile(bad.as_bytes(), false, false).is_err(), "{bad}");
        }
        assert!(Pattern::compile(b"[A-z]", true, false).is_err());
    }

    #[test]
    fn flags_and_texts() {
        let c = |t: &str, i, s| Pattern::compile(t.as_bytes(), i, s).unwrap();
        assert_eq!(c("abc", true, true).text(), b"(?s:(?i:^?(abc)$?))");
        assert!(c("[a-c]+", true, false).matches_exactly(b"aBC"));
        assert!(!c("[^a]", true, false).matches_exactly(b"A"));
        assert!(!c("\"abc\"", true, false).matches_exactly(b"ABC"));
        assert!(c("a.b", false, true).matches_exactly(b"a\nb"));
        assert!(c("a(?s:.)b", false, false).matches_exactly(b"a\nb"));
        assert!(!c("a(?s:.)b.c", false, false).matches_exactly(b"a\nb\nc"));
        let (a, b) = (p("foo"), p("bar"));
        assert_eq!(a.or(&b).text(), b"^?((^?(foo)$?)|(^?(bar)$?))$?");
        assert_eq!(a.then(&b).text(), b"^?((^?(foo)$?)(^?(bar)$?))$?");
        assert_eq!(a.extended_by(&b).text(), b"(^?(^?(bar)$?)$?)|(^?(^?(foo)$?)$?)");
        assert!(a.then(&b).matches_exactly(b"foobar") && a.extended_by(&b).matches_exactly(b"foo"));
        let anchored = p("^x").or(&p("y$"));
        let got: Vec<bool> = ["xa", "ax", "ay", "ya"]
            .iter()
            .map(|s| anchored.matches_within(s.as_bytes()))
            .collect();
        assert_eq!(got, [true, false, true, false]);
        assert!((c("ab", true, false).then(&p("cd"))).matches_exactly(b"ABcd"));
        assert_eq!(Pattern::literal(b"a.b|c").text(), b"^?(a\\.b\\|c)$?");
    }

    #[test]
    fn finds_leftmost_longest() {
        assert_eq!(p("foo|foobar").find(b"xfoobarbaz"), Some((1, 7)));
        assert_eq!(p("a|ab|abc").find(b"xxabc"), Some((2, 5)));
        assert_eq!(p("x$").find(b"xxax"), Some((3, 4)));
        assert_eq!(p("^ab").find(b"xab"), None);
        assert_eq!(p("^ab").finder(b"xab", true).next_at(0, true), Some((1, 3)));
        assert_eq!(p("-*").finder(b"a--b", false).next_nonempty_at(0, true), Some((1, 3)));
        assert_eq!(p("(abc)*").longest_prefix(b"abcabcx", true), Some(6));
    }

    #[test]
    fn quadratic_input_stays_linear() {
        let data = vec![b'a'; 200_000];
        assert_eq!(p("a.*z|b").find(&data), None);
        assert!(!p("(a|aa)*b").matches_within(&data));
    }

    #[test]
    fn search_agrees_with_trying_every_position() {
        let texts = ["a(b|c)*d", "ab?a", "(ab|ba){2}", "[^a]b+$", "^b|ca", "a.{2}b"];
        let mut seed = 7u64;
        for text in texts {
            let p = p(text);
            for len in 1..40 {
                let s: Vec<u8> = (0..len)
                    .map(|_| {
                        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                        b'a' + (seed >> 60) as u8 % 4
                    })
                    .collect();
                let tried = (0..=len).any(|i| p.longest_match_at(&s, i).is_some_and(|n| n > 0));
                assert_eq!(p.matches_within(&s), tried, "{text} {s:?}");
                assert_eq!(p.find(&s).is_some(), tried);
            }
        }
    }

    #[test]
    #[ignore = "a measurement"]
    fn speed() {
        use std::time::Instant;
        let q = p("[a-z]+\\.(exe|dll)");
        let short = b"www.example.com";
        let t = Instant::now();
        let mut n = 0;
        for _ in 0..1_000_000 {
            n += q.matches_within(std::hint::black_box(short)) as u32;
        }
        eprintln!("short search {:?} ns each ({n})", t.elapsed().as_nanos() / 1_000_000);
        let e = p("(GET|POST|PUT) .*");
        let t = Instant::now();
        for _ in 0..1_000_000 {
            n += e.matches_exactly(std::hint::black_box(b"GET /index.html")) as u32;
        }
        eprintln!("short exact {:?} ns each ({n})", t.elapsed().as_nanos() / 1_000_000);
        let long: Vec<u8> = (0..1 << 20).map(|i| b"the quick brown fox "[i % 20]).collect();
        let t = Instant::now();
        n += q.matches_within(&long) as u32;
        eprintln!("long search {:?} for 1 MiB ({n})", t.elapsed());
        let r = p("[0-9]+x");
        let t = Instant::now();
        n += r.matches_within(&long) as u32;
        eprintln!("long search 2 {:?} for 1 MiB ({n})", t.elapsed());
    }
}
