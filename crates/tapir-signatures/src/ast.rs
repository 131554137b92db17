//! The syntax tree of a regular expression and the parser for the dialect.
//!
//! The dialect is byte oriented. `^` and `$` are ordinary symbols that stand for the begin and the end of the data,
//! so they may appear anywhere. `"…"` quotes literal text, `(?i:…)` and `(?s:…)` switch a flag on until the closing
//! parenthesis (closing one ends the flag even inside another of its kind). There are no back-references,
//! look-around or lazy quantifiers.

use std::fmt;

/// A set of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ByteSet([u64; 4]);

impl ByteSet {
    /// The set with no byte.
    pub const EMPTY: ByteSet = ByteSet([0; 4]);
    /// The set with every byte.
    pub const ALL: ByteSet = ByteSet([u64::MAX; 4]);

    /// The set with one byte.
    pub fn one(b: u8) -> ByteSet {
        let mut s = ByteSet::EMPTY;
        s.add(b);
        s
    }

    /// Adds a byte.
    pub fn add(&mut self, b: u8) {
        self.0[(b >> 6) as usize] |= 1 << (b & 63);
    }

    /// Removes a byte.
    pub fn remove(&mut self, b: u8) {
        self.0[(b >> 6) as usize] &= !(1 << (b & 63));
    }

    /// Whether the byte is in the set.
    pub fn has(&self, b: u8) -> bool {
        self.0[(b >> 6) as usize] & (1 << (b & 63)) != 0
    }

    /// All bytes that are not in the set.
    pub fn negated(&self) -> ByteSet {
        ByteSet(self.0.map(|w| !w))
    }

    /// How many bytes are in the set.
    pub fn count(&self) -> u32 {
        self.0.iter().map(|w| w.count_ones()).sum()
    }

    /// The bytes in rising order.
    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.iter().enumerate().flat_map(|(i, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros();
                left &= left.wrapping_sub(1);
                (bit < 64).then(|| (i as u32 * 64 + bit) as u8)
            })
        })
    }
}

/// A regular expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    Empty,
    Set(ByteSet),
    /// The symbol before the first byte.
    Begin,
    /// The symbol behind the last byte.
    End,
    Concat(Vec<Node>),
    Alt(Vec<Node>),
    Repeat(Box<Node>, u32, Option<u32>),
}

impl Node {
    /// The expression that matches the reversed strings.
    pub fn reversed(&self) -> Node {
        match self {
            Node::Concat(v) => Node::Concat(v.iter().rev().map(Node::reversed).collect()),
            Node::Alt(v) => Node::Alt(v.iter().map(Node::reversed).collect()),
            Node::Repeat(n, min, max) => Node::Repeat(Box::new(n.reversed()), *min, *max),
            other => other.clone(),
        }
    }

    /// Concatenation that flattens.
    pub fn concat(parts: Vec<Node>) -> Node {
        let mut flat = Vec::with_capacity(parts.len());
        for p in parts {
            match p {
                Node::Empty => {}
                Node::Concat(v) => flat.extend(v),
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 => Node::Empty,
            1 => flat.remove(0),
            _ => Node::Concat(flat),
        }
    }

    /// How many automaton states the expression needs, saturating.
    pub fn size(&self) -> u64 {
        match self {
            Node::Empty => 1,
            Node::Set(_) | Node::Begin | Node::End => 1,
            Node::Concat(v) | Node::Alt(v) => v.iter().fold(1, |a: u64, n| a.saturating_add(n.size())),
            Node::Repeat(n, min, max) => {
                let times = u64::from(max.unwrap_or(*min + 1)).max(1);
                (n.size() + 1).saturating_mul(times)
            }
        }
    }
}

/// Why a pattern does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Byte position in the text that was parsed.
    pub pos: usize,
    pub reason: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at position {}", self.reason, self.pos)
    }
}

impl std::error::Error for Error {}

/// Parses a whole expression. `dot_all` makes `.` match a line feed too.
pub fn parse(text: &[u8], dot_all: bool) -> Result<Node, Error> {
    let mut p = Parser {
        text,
        pos: 0,
        fold: false,
        dot_all,
        always_dot_all: dot_all,
        depth: 0,
    };
    let node = p.alternation()?;
    if p.pos < text.len() {
        return Err(p.error(match text[p.pos] {
            b')' => "unbalanced `)`",
            _ => "unexpected character",
        }));
    }
    if node.size() > SIZE_MAX {
        return Err(p.error("pattern is too large"));
    }
    Ok(node)
}

const SIZE_MAX: u64 = 500_000;
const DEPTH_MAX: u32 = 200;
const COUNT_MAX: u32 = 100_000;

struct Parser<'a> {
    text: &'a [u8],
    pos: usize,
    fold: bool,
    dot_all: bool,
    always_dot_all: bool,
    depth: u32,
}

impl Parser<'_> {
    fn error(&self, reason: &str) -> Error {
        Error {
            pos: self.pos,
            reason: reason.to_string(),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.pos).copied()
    }

    fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.pos + ahead).copied()
    }

    fn at_series_end(&self) -> bool {
        matches!(self.peek(), None | Some(b'|' | b')'))
    }

    /// Alternatives; only the first may be empty.
    fn alternation(&mut self) -> Result<Node, Error> {
        let mut alts = Vec::new();
        alts.push(if self.at_series_end() {
            Node::Empty
        } else {
            self.series()?
        });
        while self.peek() == Some(b'|') {
            self.pos += 1;
            if self.at_series_end() {
                return Err(self.error("empty alternative"));
            }
            alts.push(self.series()?);
        }
        Ok(if alts.len() == 1 {
            alts.remove(0)
        } else {
            Node::Alt(alts)
        })
    }

    fn series(&mut self) -> Result<Node, Error> {
        let mut parts = Vec::new();
        while !self.at_series_end() {
            let atom = self.atom()?;
            parts.push(self.quantified(atom)?);
        }
        Ok(Node::concat(parts))
    }

    fn quantified(&mut self, mut node: Node) -> Result<Node, Error> {
        loop {
            let (min, max) = match self.peek() {
                Some(b'*') => (0, None),
                Some(b'+') => (1, None),
                Some(b'?') => (0, Some(1)),
                Some(b'{') if self.peek_at(1).is_some_and(|c| c.is_ascii_digit()) => {
                    let (min, max) = self.counts()?;
                    node = match (min, max) {
                        (_, Some(0)) => Node::Empty,
                        (1, Some(1)) => node,
                        _ => Node::Repeat(Box::new(node), min, max),
                    };
                    self.check_size(&node)?;
                    continue;
                }
                _ => return Ok(node),
            };
            self.pos += 1;
            node = Node::Repeat(Box::new(node), min, max);
            self.check_depth(&node)?;
        }
    }

    fn check_size(&self, node: &Node) -> Result<(), Error> {
        self.check_depth(node)?;
        if node.size() > SIZE_MAX {
            Err(self.error("pattern is too large"))
        } else {
            Ok(())
        }
    }

    /// Bounds chains like `a????…`, which nest without parentheses.
    fn check_depth(&self, node: &Node) -> Result<(), Error> {
        let mut n = node;
        let mut depth = 0;
        while let Node::Repeat(inner, ..) = n {
            n = inner;
            depth += 1;
            if depth > 50 {
                return Err(self.error("too many quantifiers"));
            }
        }
        Ok(())
    }

    fn counts(&mut self) -> Result<(u32, Option<u32>), Error> {
        self.pos += 1;
        let min = self.number()?;
        let max = if self.peek() == Some(b',') {
            self.pos += 1;
            if self.peek() == Some(b'}') {
                None
            } else {
                Some(self.number()?)
            }
        } else {
            Some(min)
        };
        if self.peek() != Some(b'}') {
            return Err(self.error("`{` without `}`"));
        }
        self.pos += 1;
        if max.is_some_and(|m| m < min) {
            return Err(self.error("bad repetition count"));
        }
        Ok((min, max))
    }

    fn number(&mut self) -> Result<u32, Error> {
        let start = self.pos;
        let mut n: u32 = 0;
        while let Some(c) = self.peek().filter(u8::is_ascii_digit) {
            n = n.saturating_mul(10).saturating_add(u32::from(c - b'0'));
            self.pos += 1;
        }
        if start == self.pos {
            return Err(self.error("number expected"));
        }
        if n > COUNT_MAX {
            return Err(self.error("repetition count is too large"));
        }
        Ok(n)
    }

    fn atom(&mut self) -> Result<Node, Error> {
        let c = self.text[self.pos];
        match c {
            b'*' | b'+' | b'?' => Err(self.error("nothing to repeat")),
            b'{' if self.peek_at(1).is_some_and(|c| c.is_ascii_digit()) => Err(self.error("nothing to repeat")),
            b'}' => Err(self.error("unbalanced `}`")),
            b'(' => self.group(),
            b'[' => self.class().map(Node::Set),
            b'"' => self.quoted(),
            b'.' => {
                self.pos += 1;
                let mut s = ByteSet::ALL;
                if !self.dot_all {
                    s.remove(b'\n');
                }
                Ok(Node::Set(s))
            }
            b'^' => {
                self.pos += 1;
                Ok(Node::Begin)
            }
            b'$' => {
                self.pos += 1;
                Ok(Node::End)
            }
            b'\\' => {
                let b = self.escape()?;
                Ok(Node::Set(self.folded(b)))
            }
            _ => {
                self.pos += 1;
                Ok(Node::Set(self.folded(c)))
            }
        }
    }

    fn folded(&self, b: u8) -> ByteSet {
        let mut s = ByteSet::one(b);
        if self.fold && b.is_ascii_alphabetic() {
            s.add(b ^ 0x20);
        }
        s
    }

    fn group(&mut self) -> Result<Node, Error> {
        self.pos += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error("groups are nested too deeply"));
        }
        let flag = match (self.peek(), self.peek_at(1), self.peek_at(2)) {
            (Some(b'?'), Some(f @ (b'i' | b's')), Some(b':')) => {
                self.pos += 3;
                if f == b'i' {
                    self.fold = true;
                } else {
                    self.dot_all = true;
                }
                Some(f)
            }
            _ => None,
        };
        let node = self.alternation()?;
        if self.peek() != Some(b')') {
            return Err(self.error("`(` without `)`"));
        }
        self.pos += 1;
        self.depth -= 1;
        match flag {
            Some(b'i') => self.fold = false,
            Some(_) => self.dot_all = self.always_dot_all,
            None => {}
        }
        Ok(node)
    }

    fn quoted(&mut self) -> Result<Node, Error> {
        let start = self.pos;
        self.pos += 1;
        let mut parts = Vec::new();
        loop {
            match self.peek() {
                None => {
                    self.pos = start;
                    return Err(self.error("unterminated `\"`"));
                }
                Some(b'"') => {
                    self.pos += 1;
                    return Ok(Node::concat(parts));
                }
                Some(b'\\') => parts.push(Node::Set(ByteSet::one(self.escape()?))),
                Some(c) => {
                    self.pos += 1;
                    parts.push(Node::Set(ByteSet::one(c)));
                }
            }
        }
    }

    /// A backslash sequence as a byte.
    fn escape(&mut self) -> Result<u8, Error> {
        self.pos += 1;
        let Some(c) = self.peek() else {
            return Err(self.error("backslash at the end"));
        };
        self.pos += 1;
        Ok(match c {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'f' => 12,
            b'v' => 11,
            b'a' => 7,
            b'b' => 8,
            b'x' => {
                let mut v = 0u32;
                let mut n = 0;
                while n < 2 {
                    let Some(d) = self.peek().and_then(|c| (c as char).to_digit(16)) else {
                        break;
                    };
                    v = v * 16 + d;
                    self.pos += 1;
                    n += 1;
                }
                if n == 0 {
                    return Err(self.error("hexadecimal digits expected"));
                }
                v as u8
            }
            b'0'..=b'7' => {
                let mut v = u32::from(c - b'0');
                for _ in 0..2 {
                    let Some(d) = self.peek().and_then(|c| (c as char).to_digit(8)) else {
                        break;
                    };
                    v = v * 8 + d;
                    self.pos += 1;
                }
                v as u8
            }
            other => other,
        })
    }

    fn class(&mut self) -> Result<ByteSet, Error> {
        let start = self.pos;
        self.pos += 1;
        let negated = self.peek() == Some(b'^');
        if negated {
            self.pos += 1;
        }
        let mut set = ByteSet::EMPTY;
        let mut any = false;
        loop {
            match self.peek() {
                None => {
                    self.pos = start;
                    return Err(self.error("`[` without `]`"));
                }
                // The first byte of a class does not end it.
                Some(b']') if any => {
                    self.pos += 1;
                    break;
                }
                Some(b'[') if self.peek_at(1) == Some(b':') => {
                    self.named_class(&mut set)?;
                    any = true;
                    continue;
                }
                Some(_) => {}
            }
            any = true;
            let lo = self.class_byte()?;
            if self.peek() == Some(b'-') && self.peek_at(1).is_some_and(|c| c != b']') {
                self.pos += 1;
                let hi = self.class_byte()?;
                self.range(&mut set, lo, hi)?;
            } else {
                let folded = self.folded(lo);
                folded.iter().for_each(|b| set.add(b));
            }
        }
        Ok(if negated { set.negated() } else { set })
    }

    fn range(&self, set: &mut ByteSet, lo: u8, hi: u8) -> Result<(), Error> {
        if hi < lo {
            return Err(self.error("range is the wrong way round"));
        }
        if self.fold && (lo.is_ascii_alphabetic() || hi.is_ascii_alphabetic()) {
            let same = (lo.is_ascii_lowercase() && hi.is_ascii_lowercase())
                || (lo.is_ascii_uppercase() && hi.is_ascii_uppercase());
            if !same {
                return Err(self.error("ambiguous range in a case-insensitive pattern"));
            }
        }
        for b in lo..=hi {
            self.folded(b).iter().for_each(|b| set.add(b));
        }
        Ok(())
    }

    fn class_byte(&mut self) -> Result<u8, Error> {
        match self.peek() {
            None => Err(self.error("`[` without `]`")),
            Some(b'\\') => self.escape(),
            Some(c) => {
                self.pos += 1;
                Ok(c)
            }
        }
    }

    fn named_class(&mut self, set: &mut ByteSet) -> Result<(), Error> {
        let rest = &self.text[self.pos + 2..];
        let Some(end) = rest.windows(2).position(|w| w == b":]") else {
            return Err(self.error("unterminated class name"));
        };
        let test: fn(u8) -> bool = match (&rest[..end], self.fold) {
            (b"alnum", _) => |b| b.is_ascii_alphanumeric(),
            (b"alpha", _) | (b"lower" | b"upper", true) => |b| b.is_ascii_alphabetic(),
            (b"blank", _) => |b| b == b' ' || b == b'\t',
            (b"cntrl", _) => |b| b.is_ascii_control(),
            (b"digit", _) => |b| b.is_ascii_digit(),
            (b"graph", _) => |b| b.is_ascii_graphic(),
            (b"lower", _) => |b| b.is_ascii_lowercase(),
            (b"print", _) => |b| (0x20..0x7f).contains(&b),
            (b"punct", _) => |b| b.is_ascii_punctuation(),
            (b"space", _) => |b| matches!(b, b' ' | 9..=13),
            (b"upper", _) => |b| b.is_ascii_uppercase(),
            (b"xdigit", _) => |b| b.is_ascii_hexdigit(),
            _ => return Err(self.error("unknown class name")),
        };
        (0..=255u8).filter(|b| test(*b)).for_each(|b| set.add(b));
        self.pos += end + 4;
        Ok(())
    }
}
