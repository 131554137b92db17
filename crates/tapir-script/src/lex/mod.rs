//! Bytes to tokens.
//!
//! A token is small and `Copy`; strings and patterns are decoded from their source bytes when the parser wants them.
//! Whether `/` begins a pattern depends on the grammar, so the parser asks for a pattern by [`Lexer::pattern`].
//! Spec: the language reference, sections 1.1 to 1.3.

mod literal;
pub mod ready;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use tapir_data::value::{Addr, Port, Subnet};

use crate::symbol::{Interner, Symbol};

pub use literal::{decode_string, split_pattern};
use ready::Ready;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tok {
    Eof,
    Ident(Symbol),
    Count(u64),
    Double(f64),
    Interval(f64),
    Port(Port),
    Addr(Addr),
    Subnet(Subnet),
    /// A string; the span includes the quotes.
    Str,
    /// `@DIR`, `@FILENAME`.
    AtDir,
    AtFilename,
    True,
    False,
    Attr(Attr),
    Directive(Directive),
    Kw(Kw),
    Op(Op),
    /// Something that is no token; the text says why.
    Bad(&'static str),
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($variant),* }
        impl $name {
            /// As written.
            pub fn text(self) -> &'static str {
                match self { $($name::$variant => $text),* }
            }
            /// The word with this spelling.
            pub fn find(text: &str) -> Option<$name> {
                match text { $($text => Some($name::$variant),)* _ => None }
            }
            /// All spellings.
            pub const ALL: &'static [&'static str] = &[$($text),*];
            /// All words, in the order of their spellings.
            pub const WORDS: &'static [$name] = &[$($name::$variant),*];
        }
    };
}

words! {
    /// Reserved words.
    Kw {
        Add = "add", Addr = "addr", Any = "any", As = "as", Assert = "assert", Bool = "bool", Break = "break",
        Case = "case", Option = "option", Const = "const", Copy = "copy", Count = "count", Default = "default",
        Delete = "delete", Double = "double", Else = "else", Enum = "enum", Event = "event", Export = "export",
        Fallthrough = "fallthrough", File = "file", For = "for", While = "while", Function = "function",
        Global = "global", Hook = "hook", If = "if", In = "in", Int = "int", Interval = "interval", Is = "is",
        Local = "local", Module = "module", Next = "next", Of = "of", Opaque = "opaque", Pattern = "pattern",
        Port = "port", Print = "print", Record = "record", Redef = "redef", Return = "return",
        Schedule = "schedule", Set = "set", String = "string", Subnet = "subnet", Switch = "switch",
        Table = "table", Time = "time", Timeout = "timeout", Type = "type", Vector = "vector", When = "when",
    }
}

words! {
    /// Attribute names, without the ampersand.
    Attr {
        Optional = "optional", Default = "default", DefaultInsert = "default_insert", Redef = "redef",
        AddFunc = "add_func", DeleteFunc = "delete_func", ReadExpire = "read_expire",
        WriteExpire = "write_expire", CreateExpire = "create_expire", ExpireFunc = "expire_func",
        OnChange = "on_change", Ordered = "ordered", Priority = "priority", Group = "group", Log = "log",
        ErrorHandler = "error_handler", RawOutput = "raw_output", Deprecated = "deprecated",
        IsAssigned = "is_assigned", IsUsed = "is_used", PublishOnChange = "publish_on_change",
        TypeColumn = "type_column", Backend = "backend", BrokerStore = "broker_store",
        BrokerAllowComplexType = "broker_allow_complex_type", NoZamOpt = "no_ZAM_opt",
        NoCppOpt = "no_CPP_opt",
    }
}

words! {
    /// Directives, without the at sign.
    Directive {
        Load = "load", LoadSigs = "load-sigs", LoadPlugin = "load-plugin", Unload = "unload",
        Prefixes = "prefixes", If = "if", Ifdef = "ifdef", Ifndef = "ifndef", Else = "else", Endif = "endif",
        Deprecated = "deprecated", Pragma = "pragma", Debug = "DEBUG",
    }
}

words! {
    /// Operators and punctuation.
    Op {
        Incr = "++", Decr = "--", AddAssign = "+=", SubAssign = "-=", Eq = "==", Ne = "!=", Le = "<=",
        Ge = ">=", AndAnd = "&&", OrOr = "||", Shl = "<<", Shr = ">>", HasField = "?$", CanCast = "?as",
        NotIn = "!in", Plus = "+", Minus = "-", Star = "*", Slash = "/", Percent = "%", Lt = "<", Gt = ">",
        Assign = "=", Not = "!", Tilde = "~", Amp = "&", Pipe = "|", Caret = "^", Question = "?",
        Colon = ":", Semi = ";", Comma = ",", Dollar = "$", LParen = "(", RParen = ")", LBrace = "{",
        RBrace = "}", LBracket = "[", RBracket = "]", Ellipsis = "...",
    }
}

/// A token and its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    pub tok: Tok,
    pub start: u32,
    pub end: u32,
}

/// A position in one file's bytes.
pub struct Lexer {
    pub src: Bytes,
    pub pos: usize,
    ready: Ready,
}

#[inline]
fn is_ident_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_'
}

/// Which bytes names consist of.
static IDENT: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = (b as u8).is_ascii_alphanumeric() || b as u8 == b'_';
        b += 1;
    }
    table
};

#[inline]
fn is_ident(b: u8) -> bool {
    IDENT[b as usize]
}

impl Lexer {
    /// A lexer at the beginning of a text.
    pub fn new(src: Bytes) -> Self {
        Lexer {
            src,
            pos: 0,
            ready: Ready::NONE,
        }
    }

    /// Of these tokens it is known where they stand.
    pub fn knows(&mut self, tokens: &'static [u8], names: &'static ready::Names) {
        self.ready = Ready::new(tokens, names);
    }

    #[inline]
    fn at(&self, i: usize) -> u8 {
        self.src.get(i).copied().unwrap_or(0)
    }

    /// The source bytes of a span as text.
    pub fn text(&self, start: u32, end: u32) -> &[u8] {
        self.src.get(start as usize..end as usize).unwrap_or(&[])
    }

    fn skip_blank(&mut self) {
        let src: &[u8] = &self.src;
        let mut i = self.pos;
        while let Some(&b) = src.get(i) {
            match b {
                b' ' | b'\t' | b'\n' | b'\r' | 0x0c => i += 1,
                b'#' => i = memchr::memchr(b'\n', &src[i..]).map_or(src.len(), |n| i + n),
                _ => break,
            }
        }
        self.pos = i;
    }

    /// The next token.
    #[inline]
    pub fn next(&mut self, names: &mut Interner) -> Token {
        match self.take_ready(names) {
            Some(token) => token,
            None => self.next_in_text(names),
        }
    }

    fn next_in_text(&mut self, names: &mut Interner) -> Token {
        self.skip_blank();
        let start = self.pos;
        let tok = if start >= self.src.len() {
            Tok::Eof
        } else {
            self.scan(start, names)
        };
        Token {
            tok,
            start: start as u32,
            end: self.pos as u32,
        }
    }

    fn scan(&mut self, start: usize, names: &mut Interner) -> Tok {
        let b = self.at(start);
        if is_ident_start(b) || (b == b':' && self.at(start + 1) == b':' && is_ident_start(self.at(start + 2))) {
            return self.word(start, names);
        }
        if b.is_ascii_digit() || (b == b'.' && self.at(start + 1).is_ascii_digit()) {
            return self.number(start);
        }
        match b {
            b'"' => self.string(start),
            b'@' => self.directive(start),
            b'[' => match self.bracket_address(start) {
                Some(tok) => tok,
                None => self.op(Op::LBracket, 1),
            },
            b'&' => {
                if self.at(start + 1) == b'&' {
                    return self.op(Op::AndAnd, 2);
                }
                let mut end = start + 1;
                while is_ident(self.at(end)) {
                    end += 1;
                }
                let word = std::str::from_utf8(&self.src[start + 1..end]).unwrap_or("");
                match Attr::find(word) {
                    Some(attr) => {
                        self.pos = end;
                        Tok::Attr(attr)
                    }
                    None => self.op(Op::Amp, 1),
                }
            }
            b'!' => {
                if self.at(start + 1) == b'=' {
                    return self.op(Op::Ne, 2);
                }
                let mut i = start + 1;
                while matches!(self.at(i), b' ' | b'\t') {
                    i += 1;
                }
                if self.at(i) == b'i' && self.at(i + 1) == b'n' && !is_ident(self.at(i + 2)) {
                    self.pos = i + 2;
                    return Tok::Op(Op::NotIn);
                }
                self.op(Op::Not, 1)
            }
            b'?' => {
                if self.at(start + 1) == b'$' {
                    return self.op(Op::HasField, 2);
                }
                if self.at(start + 1) == b'a' && self.at(start + 2) == b's' && !is_ident(self.at(start + 3)) {
                    return self.op(Op::CanCast, 3);
                }
                self.op(Op::Question, 1)
            }
            b'+' => self.choose(Op::Plus, &[(b'+', Op::Incr), (b'=', Op::AddAssign)]),
            b'-' => self.choose(Op::Minus, &[(b'-', Op::Decr), (b'=', Op::SubAssign)]),
            b'=' => self.choose(Op::Assign, &[(b'=', Op::Eq)]),
            b'<' => self.choose(Op::Lt, &[(b'=', Op::Le), (b'<', Op::Shl)]),
            b'>' => self.choose(Op::Gt, &[(b'=', Op::Ge), (b'>', Op::Shr)]),
            b'|' => self.choose(Op::Pipe, &[(b'|', Op::OrOr)]),
            b'*' => self.op(Op::Star, 1),
            b'/' => self.op(Op::Slash, 1),
            b'%' => self.op(Op::Percent, 1),
            b'~' => self.op(Op::Tilde, 1),
            b'^' => self.op(Op::Caret, 1),
            b':' => self.op(Op::Colon, 1),
            b';' => self.op(Op::Semi, 1),
            b',' => self.op(Op::Comma, 1),
            b'$' => self.op(Op::Dollar, 1),
            b'(' => self.op(Op::LParen, 1),
            b')' => self.op(Op::RParen, 1),
            b'{' => self.op(Op::LBrace, 1),
            b'}' => self.op(Op::RBrace, 1),
            b']' => self.op(Op::RBracket, 1),
            b'.' if self.at(start + 1) == b'.' && self.at(start + 2) == b'.' => self.op(Op::Ellipsis, 3),
            _ => {
                // Keep multi-byte characters in one piece so that messages show them whole.
                self.pos = start + 1;
                while self.at(self.pos) & 0xc0 == 0x80 {
                    self.pos += 1;
                }
                Tok::Bad("unrecognized character")
            }
        }
    }

    #[inline]
    fn op(&mut self, op: Op, len: usize) -> Tok {
        self.pos += len;
        Tok::Op(op)
    }

    fn choose(&mut self, single: Op, double: &[(u8, Op)]) -> Tok {
        let second = self.at(self.pos + 1);
        match double.iter().find(|d| d.0 == second) {
            Some(d) => self.op(d.1, 2),
            None => self.op(single, 1),
        }
    }

    fn word(&mut self, start: usize, names: &mut Interner) -> Tok {
        let mut i = start;
        let mut qualified = false;
        loop {
            i += self.src[i..].iter().take_while(|b| is_ident(**b)).count();
            if self.at(i) == b':' && self.at(i + 1) == b':' && is_ident_start(self.at(i + 2)) {
                qualified = true;
                i += 2;
            } else {
                break;
            }
        }
        // A bare host name is not a literal of the language; say so instead of stumbling over its dots.
        if !qualified && self.at(i) == b'.' && is_ident(self.at(i + 1)) {
            while is_ident(self.at(i)) || matches!(self.at(i), b'.' | b'-') {
                i += 1;
            }
            self.pos = i;
            return Tok::Bad("host");
        }
        self.pos = i;
        match &self.src[start..i] {
            b"T" => Tok::True,
            b"F" => Tok::False,
            text => {
                let name = names.intern_ascii(text);
                match name.reserved() {
                    Some(kw) => Tok::Kw(kw),
                    None => Tok::Ident(name),
                }
            }
        }
    }

    fn string(&mut self, start: usize) -> Tok {
        let src: &[u8] = &self.src;
        let mut i = start + 1;
        loop {
            match src.get(i) {
                Some(b'"') => {
                    self.pos = i + 1;
                    return Tok::Str;
                }
                Some(b'\\') if src.get(i + 1).is_some_and(|&b| b != b'\n') => i += 2,
                Some(0) => {
                    self.pos = i + 1;
                    return Tok::Bad("nul");
                }
                None | Some(b'\n') => {
                    self.pos = i;
                    return Tok::Bad("unterminated string");
                }
                Some(_) => i += 1,
            }
        }
    }

    fn directive(&mut self, start: usize) -> Tok {
        let mut i = start + 1;
        while is_ident(self.at(i)) || self.at(i) == b'-' {
            i += 1;
        }
        self.pos = i.max(start + 1);
        match std::str::from_utf8(&self.src[start + 1..i]).unwrap_or("") {
            "DIR" => Tok::AtDir,
            "FILENAME" => Tok::AtFilename,
            word => match Directive::find(word) {
                Some(d) => Tok::Directive(d),
                None => Tok::Bad("unknown directive"),
            },
        }
    }

    /// The pattern whose opening slash is at `start`, with its flags; `None` when it does not end on its line.
    pub fn pattern(&mut self, start: u32) -> Option<Token> {
        let mut i = start as usize + 1;
        loop {
            match self.src.get(i)? {
                b'\\' if self.src.get(i + 1).is_some_and(|&b| b != b'\n') => i += 2,
                b'/' => break,
                b'\n' => return None,
                _ => i += 1,
            }
        }
        i += 1;
        let mut seen = [false; 2];
        loop {
            let flag = match self.at(i) {
                b'i' => 0,
                b's' => 1,
                _ => break,
            };
            if seen[flag] {
                break;
            }
            seen[flag] = true;
            i += 1;
        }
        self.pos = i;
        Some(Token {
            tok: Tok::Str,
            start,
            end: i as u32,
        })
    }

    /// The run of non-blank characters after a directive on the same line; empty when there is none.
    pub fn directive_word(&mut self) -> (u32, u32) {
        while matches!(self.at(self.pos), b' ' | b'\t') {
            self.pos += 1;
        }
        let start = self.pos;
        while self.pos < self.src.len() && !self.src[self.pos].is_ascii_whitespace() {
            self.pos += 1;
        }
        (start as u32, self.pos as u32)
    }

    /// The rest of the line.
    pub fn rest_of_line(&mut self) -> (u32, u32) {
        let start = self.pos;
        while self.pos < self.src.len() && self.src[self.pos] != b'\n' {
            self.pos += 1;
        }
        (start as u32, self.pos as u32)
    }

    /// Skips a branch that is not taken: to the `@else` (if wanted) or `@endif` of this level. Looks for nothing but
    /// directives, also within comments and strings. Gives back what ended it.
    pub fn skip_branch(&mut self) -> Option<Directive> {
        let mut depth = 0;
        loop {
            while self.pos < self.src.len() && self.src[self.pos] != b'@' {
                self.pos += 1;
            }
            if self.pos >= self.src.len() {
                return None;
            }
            let mut end = self.pos + 1;
            while is_ident(self.at(end)) {
                end += 1;
            }
            let word = std::str::from_utf8(&self.src[self.pos + 1..end]).unwrap_or("");
            let directive = Directive::find(word);
            self.pos = end;
            match directive {
                Some(Directive::If | Directive::Ifdef | Directive::Ifndef) => depth += 1,
                Some(Directive::Endif) if depth == 0 => return Some(Directive::Endif),
                Some(Directive::Endif) => depth -= 1,
                Some(Directive::Else) if depth == 0 => return Some(Directive::Else),
                _ => {}
            }
        }
    }
}
