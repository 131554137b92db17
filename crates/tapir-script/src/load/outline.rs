//! Where the bodies of functions, events and hooks stand in scripts that come with the program, and the tokens outside of
//! them. The build finds out, so that nobody has to read a body before it is needed, or to look for the rest in the text.

use std::collections::{BTreeSet, HashSet};

use bytes::Bytes;

pub use crate::lex::ready::{Names, Writer};
use crate::lex::{Directive, Kw, Lexer, Op, Tok, Token};
use crate::symbol::Interner;

/// A script that is part of the program.
#[derive(Debug)]
pub struct Script {
    /// The path below the root of such scripts.
    pub path: &'static str,
    pub text: &'static str,
    /// The bodies that can be checked at their first use, by place.
    pub bodies: &'static [Place],
    /// What a [`Writer`] has written of the tokens outside of these.
    pub tokens: &'static [u8],
    /// The names that these mention.
    pub names: &'static Names,
}

/// A part of something that the build has written.
pub const fn part(all: &'static [u8], at: usize, len: usize) -> &'static [u8] {
    all.split_at(at).1.split_at(len).0
}

/// A body: from its opening brace up to behind the closing one.
#[derive(Debug)]
pub struct Place {
    pub start: u32,
    pub end: u32,
    /// The names of functions, events and hooks that it mentions, without modules: each has a blank before and behind it.
    pub names: &'static str,
}

impl Script {
    /// The body that begins at an offset.
    pub fn body_at(&'static self, start: u32) -> Option<&'static Place> {
        let i = self.bodies.binary_search_by(|b| b.start.cmp(&start)).ok()?;
        Some(&self.bodies[i])
    }
}

/// As a [`Place`], for who writes one down.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub start: u32,
    pub end: u32,
    /// All names in the body, without modules.
    pub names: BTreeSet<String>,
    /// Those that something is assigned to: a function that is declared without a body becomes a variable by that.
    pub assigned: BTreeSet<String>,
}

/// The bodies in a text that stand for themselves: nothing in them declares something, or depends on a condition.
/// The text is one that has no errors.
pub fn bodies(text: &'static str) -> Vec<Found> {
    let mut scan = Scan::new(text);
    let mut out = Vec::new();
    let mut depth = 0usize;
    while let Some(tok) = scan.next() {
        match tok {
            Tok::Op(Op::LBrace) => depth += 1,
            Tok::Op(Op::RBrace) => depth = depth.saturating_sub(1),
            Tok::Kw(Kw::Function | Kw::Event | Kw::Hook) if depth == 0 => {
                if scan.is_header() {
                    out.extend(scan.body());
                }
            }
            _ => {}
        }
    }
    out
}

/// The names without modules that a text declares as functions, events or hooks, or gives a body to.
pub fn callables(text: &'static str) -> HashSet<String> {
    let mut scan = Scan::new(text);
    let mut out = HashSet::new();
    let mut before = [Tok::Eof; 2];
    while let Some(tok) = scan.next() {
        match (before, tok) {
            ([Tok::Ident(name), Tok::Op(Op::Colon)], Tok::Kw(Kw::Function | Kw::Event | Kw::Hook))
            | ([_, Tok::Kw(Kw::Function | Kw::Event | Kw::Hook)], Tok::Ident(name)) => {
                out.insert(scan.plain(name));
            }
            _ => {}
        }
        before = [before[1], tok];
    }
    out
}

/// Writes the tokens of a text down, but for those in bodies that are put off.
pub fn tokens<'f>(text: &'static str, later: impl Iterator<Item = &'f Found>, to: &mut Writer) {
    let mut later = later.peekable();
    let mut scan = Scan::new(text);
    while scan.next().is_some() {
        let mut token = scan.last;
        if text.as_bytes().get(token.start as usize) == Some(&b'/') {
            // Who reads it decides whether it is a pattern.
            token.tok = Tok::Op(Op::Slash);
            token.end = token.start + 1;
        }
        to.token(token, &text[token.start as usize..token.end as usize]);
        if let Some(body) = later.next_if(|body| body.start == token.start) {
            to.gap(body.start + 1, body.end);
            scan.lexer.pos = body.end as usize;
            scan.last.tok = Tok::Op(Op::RBrace);
        }
    }
}

/// Tokens without a grammar.
struct Scan {
    lexer: Lexer,
    names: Interner,
    /// The last token.
    last: Token,
}

impl Scan {
    fn new(text: &'static str) -> Self {
        Scan {
            lexer: Lexer::new(Bytes::from_static(text.as_bytes())),
            names: Interner::new(),
            last: Token {
                tok: Tok::Eof,
                start: 0,
                end: 0,
            },
        }
    }

    fn next(&mut self) -> Option<Tok> {
        let mut token = self.lexer.next(&mut self.names);
        match token.tok {
            Tok::Eof => return None,
            Tok::Op(Op::Slash) if !self.ends_operand() => {
                if let Some(pattern) = self.lexer.pattern(token.start) {
                    token = pattern;
                }
            }
            // What follows is no script.
            Tok::Directive(
                Directive::Load
                | Directive::LoadSigs
                | Directive::LoadPlugin
                | Directive::Unload
                | Directive::Prefixes
                | Directive::Deprecated
                | Directive::Pragma,
            ) => {
                self.lexer.rest_of_line();
            }
            _ => {}
        }
        self.last = token;
        Some(token.tok)
    }

    /// Whether the last token may end an operand, behind which a slash divides.
    fn ends_operand(&self) -> bool {
        match self.last.tok {
            Tok::Ident(_) | Tok::Count(_) | Tok::Double(_) | Tok::Interval(_) | Tok::Addr(_) | Tok::Str => true,
            Tok::Op(op) => matches!(op, Op::RParen | Op::RBracket | Op::Pipe),
            _ => false,
        }
    }

    fn plain(&self, name: crate::symbol::Symbol) -> String {
        let text = self.names.text(name);
        text.rsplit("::").next().unwrap_or(text).to_string()
    }

    /// Goes on to the brace behind `function NAME(…)…`; false when something else comes.
    fn is_header(&mut self) -> bool {
        if !matches!(self.next(), Some(Tok::Ident(_))) || self.next() != Some(Tok::Op(Op::LParen)) {
            return false;
        }
        while let Some(tok) = self.next() {
            match tok {
                Tok::Op(Op::LBrace) => return true,
                Tok::Op(Op::Semi) | Tok::Directive(_) => return false,
                _ => {}
            }
        }
        false
    }

    /// The body whose brace was just read.
    fn body(&mut self) -> Option<Found> {
        let start = self.last.start;
        let mut names = BTreeSet::new();
        let mut assigned = BTreeSet::new();
        let mut before = [Tok::Eof; 2];
        let mut alone = true;
        let mut depth = 1;
        while let Some(tok) = self.next() {
            match tok {
                Tok::Op(Op::LBrace) => depth += 1,
                Tok::Op(Op::RBrace) => depth -= 1,
                Tok::Ident(name) => {
                    names.insert(self.plain(name));
                }
                Tok::Op(Op::Assign) => {
                    if let Tok::Ident(name) = before[1] {
                        assigned.insert(self.plain(name));
                    }
                }
                // `$field(parameters) = { … }` is a lambda as well; the call of a field looks like it.
                Tok::Op(Op::LParen) if matches!(before, [Tok::Op(Op::Dollar), Tok::Ident(_)]) => alone = false,
                // Lambdas, types with defaults, conditions.
                Tok::Kw(Kw::Function | Kw::Record) | Tok::Directive(_) | Tok::Bad(_) => alone = false,
                _ => {}
            }
            before = [before[1], tok];
            if depth == 0 {
                let end = self.last.end;
                return alone.then_some(Found {
                    start,
                    end,
                    names,
                    assigned,
                });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_found_and_those_left_out_that_do_not_stand_alone() {
        let text: &'static str = "@load ./a/b{\n\
            export { global f: function(a: count): count; type T: enum { A }; }\n\
            function f(a: count): count\n\t{ return |a| / 2 + M::g(\"}\"); }\n\
            event e(s: string) &priority=5 { if ( /}{/ in s ) { x = h([$f=1]); local y = 2; } }\n\
            hook h() { local x = function(a: count) { }; }\n\
            event i() { g([$f(a: count) = { return a; }]); }\n\
            function g() {\n@if ( T )\nprint 1;\n@endif\n}\n\
            event zeek_init() { }\n";
        let found = bodies(text);
        let texts: Vec<&str> = found.iter().map(|f| &text[f.start as usize..f.end as usize]).collect();
        assert_eq!(
            texts,
            [
                "{ return |a| / 2 + M::g(\"}\"); }",
                "{ if ( /}{/ in s ) { x = h([$f=1]); local y = 2; } }",
                "{ }"
            ]
        );
        assert!(found[0].names.iter().eq(["a", "g"]));
        assert!(found[1].assigned.iter().eq(["f", "x", "y"]));
        let mut names: Vec<String> = callables(text).into_iter().collect();
        names.sort();
        assert_eq!(names, ["e", "f", "g", "h", "i", "zeek_init"]);
    }
}
