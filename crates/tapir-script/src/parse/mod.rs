//! Tokens to syntax tree: recursive descent over the files that are being loaded.
//!
//! The parser keeps one token of look-ahead and never reads past the end of a declaration, because what follows may be
//! an `@if` that asks about it. Files that `@load` splices in are a stack of lexers; what directives mean is the
//! business of a [`Host`]. Spec: the language reference, section 2.

mod decl;
mod directive;
mod expr;
pub(crate) mod habits;
mod stmt;
#[cfg(test)]
mod tests;
mod ty;

pub(crate) use ty::attr_text;

pub mod interface;

use std::sync::Arc;

use bytes::Bytes;

use crate::ast::{self, Ident};
use crate::diag::Diagnostic;
use crate::hir::Span;
use crate::lex::{Kw, Lexer, Op, Tok, Token};
use crate::load::outline::{Place, Script};
use crate::symbol::{Interner, Symbol};

pub use interface::parse_declarations;

/// How deep statements, types and expressions may nest.
const MAX_NESTING: u32 = 150;
/// The greatest height of an expression's tree.
const MAX_HEIGHT: u16 = 400;
/// After so many syntax errors the rest is not worth reading.
const MAX_SYNTAX_ERRORS: u32 = 20;

/// A text to read next.
pub struct Input {
    /// The file's number in the program.
    pub file: u32,
    pub text: Bytes,
    /// Directory and base name for `@DIR` and `@FILENAME`.
    pub dir: Arc<str>,
    pub base: Arc<str>,
    /// The script that it is, if it comes with the program and its tokens are wanted.
    pub script: Option<&'static Script>,
}

/// Who decides what directives mean and collects what is wrong.
pub trait Host {
    fn names(&mut self) -> &mut Interner;
    fn report(&mut self, diagnostic: Diagnostic);
    /// `@load`: the text to splice in, `None` when it was loaded before or cannot be found (which is reported).
    fn load(&mut self, name: &str, span: Span) -> Option<Input>;
    fn load_signatures(&mut self, name: &str, span: Span);
    fn unload(&mut self, name: &str, span: Span);
    fn load_plugin(&mut self, name: &str, span: Span);
    /// `@prefixes = …`, or `+=` when `add`.
    fn prefixes(&mut self, list: &str, add: bool, span: Span);
    fn condition(&mut self, cond: ast::Expr, module: Symbol) -> bool;
    /// The body that begins at a place, if it need not be read now.
    fn later(&mut self, _: Span) -> Option<&'static Place> {
        None
    }
    /// Whether `@ifdef` knows the name.
    fn is_defined(&mut self, name: Symbol, module: Symbol) -> bool;
    /// `@deprecated` in the file that is being read.
    fn deprecated_file(&mut self, text: &str, span: Span);
    /// `@pragma push ignore-deprecations` and the matching pop.
    fn ignore_deprecations(&mut self, on: bool);
    /// A file has ended.
    fn end_of_file(&mut self, file: u32);
    /// True when a fatal error was reported.
    fn stopped(&self) -> bool;
}

/// One file that is being read.
struct Frame {
    lexer: Lexer,
    file: u32,
    dir: Arc<str>,
    base: Arc<str>,
    /// What is restored when the file ends.
    outer_module: Symbol,
    /// For each open conditional, whether its `@else` was seen.
    conditionals: Vec<(bool, Span)>,
    pragmas: u32,
    deprecated: bool,
}

/// A syntax error was reported; the caller unwinds to a place where reading can go on.
#[derive(Debug, Clone, Copy)]
pub struct Failed;

type Result<T> = std::result::Result<T, Failed>;

/// The parser of a whole program.
pub struct Parser<H> {
    pub host: H,
    frames: Vec<Frame>,
    /// The look-ahead, with the file it is from.
    ahead: Option<(Token, u32)>,
    /// End of the last token taken.
    last: Span,
    pub module: Symbol,
    export: Option<Span>,
    nesting: u32,
    /// Within `|…|`, where a bar ends the operand.
    no_pipe: bool,
    errors: u32,
    /// A syntax error has ended the body that is being read: what stands before it is kept, the rest is skipped.
    broken: bool,
    /// Parsing an `@if` condition: nothing behind its parenthesis may be read.
    in_directive: bool,
    /// How many `@if`, `@ifdef` and `@ifndef` were met.
    conditionals: u32,
    /// The file that is read when all others have ended (for messages at the end).
    current: (u32, Arc<str>, Arc<str>),
}

impl<H: Host> Parser<H> {
    /// A parser with nothing to read.
    pub fn new(host: H) -> Self {
        Parser {
            host,
            frames: Vec::new(),
            ahead: None,
            last: Span::default(),
            module: Symbol::EMPTY,
            export: None,
            nesting: 0,
            no_pipe: false,
            errors: 0,
            broken: false,
            conditionals: 0,
            in_directive: false,
            current: (0, "".into(), "".into()),
        }
    }

    /// Puts a text before everything else; it starts in the current module.
    pub fn push(&mut self, input: Input) {
        let mut lexer = Lexer::new(input.text);
        if let Some(script) = input.script {
            lexer.knows(script.tokens, script.names);
        }
        self.frames.push(Frame {
            lexer,
            file: input.file,
            dir: input.dir,
            base: input.base,
            outer_module: self.module,
            conditionals: Vec::new(),
            pragmas: 0,
            deprecated: false,
        });
    }

    /// Whether a syntax error occurred.
    pub fn had_syntax_errors(&self) -> bool {
        self.errors > 0
    }

    fn fetch(&mut self) -> (Token, u32) {
        loop {
            if self.host.stopped() {
                self.frames.clear();
            }
            let Some(frame) = self.frames.last_mut() else {
                let end = self.last.end;
                return (
                    Token {
                        tok: Tok::Eof,
                        start: end,
                        end,
                    },
                    self.current.0,
                );
            };
            let token = frame.lexer.next(self.host.names());
            let file = frame.file;
            match token.tok {
                Tok::Eof => {
                    self.last = Span {
                        file,
                        start: token.start.saturating_sub(1),
                        end: token.start,
                    };
                    self.end_frame(token);
                }
                Tok::Directive(d) => {
                    let span = Span {
                        file,
                        start: token.start,
                        end: token.end,
                    };
                    self.directive(d, span);
                }
                _ => return (token, file),
            }
        }
    }

    #[inline]
    fn peek(&mut self) -> Tok {
        match &self.ahead {
            Some((t, _)) => t.tok,
            None => {
                let t = self.fetch();
                self.ahead = Some(t);
                t.0.tok
            }
        }
    }

    fn peek_span(&mut self) -> Span {
        self.peek();
        match self.ahead {
            Some((t, file)) => Span {
                file,
                start: t.start,
                end: t.end,
            },
            None => self.last,
        }
    }

    #[inline]
    fn bump(&mut self) -> Tok {
        self.peek();
        match self.ahead.take() {
            Some((t, file)) => {
                self.last = Span {
                    file,
                    start: t.start,
                    end: t.end,
                };
                t.tok
            }
            None => Tok::Eof,
        }
    }

    #[inline]
    fn at(&mut self, op: Op) -> bool {
        self.peek() == Tok::Op(op)
    }

    #[inline]
    fn at_kw(&mut self, kw: Kw) -> bool {
        self.peek() == Tok::Kw(kw)
    }

    #[inline]
    fn eat(&mut self, op: Op) -> bool {
        let yes = self.at(op);
        if yes {
            self.bump();
        }
        yes
    }

    #[inline]
    fn eat_kw(&mut self, kw: Kw) -> bool {
        let yes = self.at_kw(kw);
        if yes {
            self.bump();
        }
        yes
    }

    fn expect(&mut self, op: Op) -> Result<()> {
        if self.eat(op) {
            return Ok(());
        }
        let what = format!("expected \"{}\" here", op.text());
        Err(self.unexpected(&what))
    }

    fn expect_kw(&mut self, kw: Kw) -> Result<()> {
        if self.eat_kw(kw) {
            return Ok(());
        }
        let what = format!("expected \"{}\" here", kw.text());
        Err(self.unexpected(&what))
    }

    /// The `;` that ends a statement or declaration.
    fn expect_semi(&mut self) -> Result<()> {
        if self.eat(Op::Semi) {
            return Ok(());
        }
        let before = self.last;
        let here = self.peek_span();
        let tok = self.peek();
        if let Tok::Bad(_) = tok {
            return Err(self.unexpected("expected \";\" here"));
        }
        let mut d = self.syntax_error(tok, here);
        let habit = habits::behind(
            &String::from_utf8_lossy(self.source(before)),
            &String::from_utf8_lossy(self.source(here)),
        );
        if let Some(habit) = habit {
            d = d.suggest(habit);
        } else if let Some(habit) = self.foreign_operator(here) {
            d = d.suggest(habit);
        } else if starts_something(tok) {
            d = d.suggest("a \";\" seems to be missing behind what stands before");
            if !self.source(before).is_empty() {
                d.notes
                    .push(format!("the statement before ends in {}", self.quote(before)));
            }
            let between = Span {
                start: before.end,
                end: here.start,
                ..here
            };
            if tok != Tok::Eof && before.file == here.file && self.source(between).contains(&b'\n') {
                // Nothing else is wrong: reading goes on as if it were there.
                self.fail(d);
                return Ok(());
            }
        } else {
            d = d.note("expected \";\" here");
        }
        Err(self.fail(d))
    }

    fn quote(&self, span: Span) -> String {
        let text = self.source(span);
        format!("\"{}\"", String::from_utf8_lossy(text))
    }

    fn source(&self, span: Span) -> &[u8] {
        match self.frames.iter().rev().find(|f| f.file == span.file) {
            Some(f) => f.lexer.text(span.start, span.end),
            None => &[],
        }
    }

    fn ident(&mut self) -> Result<Ident> {
        match self.peek() {
            Tok::Ident(name) => {
                self.bump();
                Ok(Ident { name, span: self.last })
            }
            Tok::Kw(kw) => {
                let note = format!("\"{}\" is a reserved word and cannot be used as a name", kw.text());
                Err(self.unexpected(&note))
            }
            _ => Err(self.unexpected("expected a name here")),
        }
    }

    fn syntax_error(&mut self, tok: Tok, span: Span) -> Diagnostic {
        let message = match tok {
            Tok::Eof => format!("syntax error, at end of file {}", self.current.1),
            _ => {
                let text = String::from_utf8_lossy(self.source(span)).into_owned();
                format!("syntax error, at or near \"{text}\"")
            }
        };
        Diagnostic::error("syntax", span, message)
    }

    /// Reports the token ahead as a syntax error.
    fn unexpected(&mut self, note: &str) -> Failed {
        let tok = self.peek();
        let span = self.peek_span();
        if let Tok::Bad(why) = tok {
            return self.bad_token(why, span);
        }
        let mut d = self.syntax_error(tok, span).note(note);
        if let Some(habit) = self.foreign_operator(span) {
            d = d.suggest(habit);
        }
        self.fail(d)
    }

    /// An operator of another language that the token ahead makes together with the one before or behind it.
    fn foreign_operator(&self, here: Span) -> Option<&'static str> {
        let with_last = Span {
            start: self.last.start,
            ..here
        };
        let longer = Span {
            end: here.end + 1,
            ..here
        };
        let adjacent = self.last.file == here.file && self.last.end == here.start;
        [(adjacent, with_last), (true, longer), (true, here)]
            .into_iter()
            .filter(|(possible, _)| *possible)
            .find_map(|(_, span)| habits::operator(std::str::from_utf8(self.source(span)).ok()?))
    }

    fn bad_token(&mut self, why: &'static str, span: Span) -> Failed {
        let text = String::from_utf8_lossy(self.source(span)).into_owned();
        let d = match why {
            "host" => {
                let d = Diagnostic::error(
                    "host-literal",
                    span,
                    format!(
                        "DNS lookup of host literal '{text}' is not supported. Replace with blocking_lookup_hostname()."
                    ),
                );
                match text.split_once('.') {
                    Some((record, field)) if !field.contains('.') => d.suggest(format!(
                        "a field of a record is written with a dollar sign: {record}${field}"
                    )),
                    _ => d,
                }
            }
            "nul" => Diagnostic::fatal(
                "nul-in-string",
                Some(span),
                "strings cannot contain NUL bytes - use a \\x00 escape sequence instead",
            ),
            "unterminated string" => {
                Diagnostic::error("syntax", span, "unterminated string").note("a string ends on the line on which it begins")
            }
            "unrecognized character" => {
                let d = Diagnostic::error("syntax", span, format!("{why} - {text}"));
                match habits::character(&text) {
                    Some(habit) => d.suggest(habit),
                    None => d,
                }
            }
            "unknown directive" => {
                let known = crate::lex::Directive::ALL.iter().copied();
                let near = crate::diag::nearest(text.trim_start_matches('@'), known);
                let d = Diagnostic::error("syntax", span, format!("unknown directive {text}"));
                match near {
                    Some(n) => d.suggest(format!("did you mean @{n}?")),
                    None => d,
                }
            }
            "bad number" => Diagnostic::error("syntax", span, format!("syntax error, at or near \"{text}\""))
                .note("this is not a number; hexadecimal numbers begin with a small 0x, and units are day, hr, min, sec, msec, usec"),
            "bad address" => Diagnostic::error("bad-address", span, format!("bad IPv4 address {text}")),
            _ => Diagnostic::error("syntax", span, format!("{why} - {text}")),
        };
        self.fail(d)
    }

    fn fail(&mut self, d: Diagnostic) -> Failed {
        if self.broken {
            // What follows from the error that ended the body.
            return Failed;
        }
        self.errors += 1;
        if self.errors <= MAX_SYNTAX_ERRORS {
            self.host.report(d);
        }
        if self.errors >= MAX_SYNTAX_ERRORS {
            self.abandon();
        }
        Failed
    }

    /// Drops everything that is still to be read.
    fn abandon(&mut self) {
        self.frames.clear();
        self.ahead = None;
        self.export = None;
    }

    fn enter(&mut self) -> Result<()> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            let span = self.peek_span();
            let d = Diagnostic::error("nesting", span, "too deeply nested");
            self.abandon();
            return Err(self.fail(d));
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.nesting -= 1;
    }

    /// The span from `start` to the last token taken.
    fn since(&self, start: Span) -> Span {
        if start.file == self.last.file && self.last.end >= start.start {
            Span {
                file: start.file,
                start: start.start,
                end: self.last.end,
            }
        } else {
            start
        }
    }
}

/// Whether a token is the beginning of a statement or declaration.
fn starts_something(tok: Tok) -> bool {
    match tok {
        Tok::Ident(_) | Tok::Eof => true,
        Tok::Op(op) => matches!(op, Op::RBrace | Op::LBrace),
        Tok::Kw(kw) => !matches!(kw, Kw::In | Kw::As | Kw::Is | Kw::Of),
        _ => false,
    }
}
