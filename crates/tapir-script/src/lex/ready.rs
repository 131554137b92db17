//! Tokens of scripts that come with the program, found when it was built: what is read of each is known before, so names
//! are looked up once and nobody passes over comments.
//!
//! They say the same as the text, which stays the master: where none are ready, such as in bodies that are put off, and
//! where a token is not worth writing down, the text is scanned.

use std::collections::HashMap;

use super::{Attr, Directive, Kw, Lexer, Op, Tok, Token};
use crate::symbol::{Interner, Symbol};

/// So many bytes stand for a token: where it begins (4), how long it is (2), what it is (2).
const SIZE: usize = 8;

// What a token is.
/// What lies behind here, up to `GAP_END`, has no tokens.
const GAP: u16 = 0;
const GAP_END: u16 = 1;
/// The text says what it is.
const SCAN: u16 = 2;
const STR: u16 = 3;
const TRUE: u16 = 4;
const FALSE: u16 = 5;
/// A number of decimal digits alone.
const COUNT: u16 = 6;
const OP: u16 = 16;
const KW: u16 = 64;
const ATTR: u16 = 128;
const DIRECTIVE: u16 = 160;
const NAME: u16 = 192;

const _: () = assert!(Op::WORDS.len() <= (KW - OP) as usize);
const _: () = assert!(Kw::WORDS.len() <= (ATTR - KW) as usize);
const _: () = assert!(Attr::WORDS.len() <= (DIRECTIVE - ATTR) as usize);
const _: () = assert!(Directive::WORDS.len() <= (NAME - DIRECTIVE) as usize);

/// The names in all scripts that come with the program.
#[derive(Debug)]
pub struct Names {
    /// One behind the other.
    pub text: &'static str,
    /// Where each ends (4 bytes).
    pub ends: &'static [u8],
}

impl Names {
    /// Names of scripts without tokens.
    pub const NONE: &'static Names = &Names { text: "", ends: &[] };

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len() / 4
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// A name by its number.
    pub fn get(&self, i: usize) -> &'static str {
        let end = |i: usize| {
            let bytes = self.ends.get(4 * i..).and_then(|b| b.first_chunk());
            bytes.map_or(0, |b| u32::from_le_bytes(*b) as usize)
        };
        let start = if i == 0 { 0 } else { end(i - 1) };
        self.text.get(start..end(i)).unwrap_or("")
    }
}

/// The tokens of one script, by place.
#[derive(Clone, Copy)]
pub(super) struct Ready {
    tokens: &'static [u8],
    names: &'static Names,
    /// The one that comes next, if nobody has moved.
    next: usize,
}

impl Ready {
    pub(super) const NONE: Ready = Ready {
        tokens: &[],
        names: Names::NONE,
        next: 0,
    };

    pub(super) fn new(tokens: &'static [u8], names: &'static Names) -> Self {
        Ready { tokens, names, next: 0 }
    }

    #[inline]
    fn get(&self, i: usize) -> Option<(u32, u16, u16)> {
        let bytes: &[u8; SIZE] = self.tokens.get(i * SIZE..)?.first_chunk()?;
        let word = u64::from_le_bytes(*bytes);
        Some((word as u32, (word >> 32) as u16, (word >> 48) as u16))
    }

    fn start(&self, i: usize) -> usize {
        self.get(i).map_or(usize::MAX, |t| t.0 as usize)
    }

    /// Makes the first one at or behind a place the next.
    fn go(&mut self, pos: usize) {
        if self.next > 0 && self.start(self.next - 1) >= pos {
            let (mut low, mut high) = (0, self.next);
            while low < high {
                let middle = low.midpoint(high);
                if self.start(middle) < pos {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            self.next = low;
        }
        while self.start(self.next) < pos {
            self.next += 1;
        }
    }
}

impl Lexer {
    /// The next token, if it is ready; else the place is where the text is to be scanned.
    #[inline]
    pub(super) fn take_ready(&mut self, names: &mut Interner) -> Option<Token> {
        if self.ready.tokens.is_empty() {
            return None;
        }
        self.ready.go(self.pos);
        let mut i = self.ready.next;
        let (mut start, mut len, mut what) = self.ready.get(i)?;
        if what == GAP_END && start as usize == self.pos {
            i += 1;
            (start, len, what) = self.ready.get(i)?;
        }
        if what <= GAP_END {
            return None;
        }
        let at = start as usize;
        self.ready.next = i + 1;
        self.pos = at + len as usize;
        let tok = match what {
            NAME.. => Tok::Ident(names.ready(self.ready.names, (what - NAME) as usize)),
            DIRECTIVE.. => Tok::Directive(*Directive::WORDS.get((what - DIRECTIVE) as usize)?),
            ATTR.. => Tok::Attr(*Attr::WORDS.get((what - ATTR) as usize)?),
            KW.. => Tok::Kw(*Kw::WORDS.get((what - KW) as usize)?),
            OP.. => Tok::Op(*Op::WORDS.get((what - OP) as usize)?),
            STR => Tok::Str,
            TRUE => Tok::True,
            FALSE => Tok::False,
            COUNT => {
                let digits = self.src.get(at..self.pos)?.iter();
                Tok::Count(digits.fold(0, |n, d| 10 * n + u64::from(d - b'0')))
            }
            _ => {
                self.pos = at;
                self.scan(at, names)
            }
        };
        Some(Token {
            tok,
            start,
            end: self.pos as u32,
        })
    }
}

/// Writes tokens down.
#[derive(Default)]
pub struct Writer {
    numbers: HashMap<String, u16>,
    text: String,
    ends: Vec<u8>,
    tokens: Vec<u8>,
}

impl Writer {
    fn push(&mut self, start: u32, len: u16, what: u16) {
        self.tokens.extend_from_slice(&start.to_le_bytes());
        self.tokens.extend_from_slice(&len.to_le_bytes());
        self.tokens.extend_from_slice(&what.to_le_bytes());
    }

    /// A range that has no tokens.
    pub fn gap(&mut self, start: u32, end: u32) {
        self.push(start, 0, GAP);
        self.push(end, 0, GAP_END);
    }

    /// A token, and its text.
    pub fn token(&mut self, token: Token, text: &str) {
        let what = match token.tok {
            Tok::Ident(_) => self.name(text),
            Tok::Str => STR,
            Tok::True => TRUE,
            Tok::False => FALSE,
            Tok::Count(_) if text.len() < 19 && text.bytes().all(|b| b.is_ascii_digit()) => COUNT,
            Tok::Op(op) => OP + op as u16,
            Tok::Kw(kw) => KW + kw as u16,
            Tok::Attr(attr) => ATTR + attr as u16,
            Tok::Directive(directive) => DIRECTIVE + directive as u16,
            _ => SCAN,
        };
        match u16::try_from(token.end - token.start) {
            Ok(len) if what != SCAN => self.push(token.start, len, what),
            _ => self.push(token.start, 0, SCAN),
        }
    }

    fn name(&mut self, text: &str) -> u16 {
        if let Some(&number) = self.numbers.get(text) {
            return NAME + number;
        }
        let number = self.numbers.len() as u16;
        if number >= u16::MAX - NAME {
            return SCAN;
        }
        self.numbers.insert(text.to_string(), number);
        self.text.push_str(text);
        self.ends.extend_from_slice(&(self.text.len() as u32).to_le_bytes());
        NAME + number
    }

    /// The tokens that were written since the last time.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.tokens)
    }

    /// All names, and where they end.
    pub fn names(self) -> (String, Vec<u8>) {
        (self.text, self.ends)
    }
}

impl Interner {
    /// The symbol of a name of the scripts that come with the program.
    #[inline]
    fn ready(&mut self, names: &'static Names, i: usize) -> Symbol {
        match self.known_ready(names, i) {
            Some(symbol) => symbol,
            None => {
                let symbol = self.intern(names.get(i));
                self.note_ready(names, i, symbol);
                symbol
            }
        }
    }
}
