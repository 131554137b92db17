//! Directives: conditionals and the loading of other files.

use super::{Frame, Host, Parser};
use crate::diag::Diagnostic;
use crate::hir::Span;
use crate::lex::{Directive, Op, Tok, Token};

impl<H: Host> Parser<H> {
    fn top(&mut self) -> Option<&mut Frame> {
        self.frames.last_mut()
    }

    fn word(&mut self) -> (String, Span) {
        let Some(frame) = self.frames.last_mut() else {
            return (String::new(), self.last);
        };
        let (start, end) = frame.lexer.directive_word();
        let span = Span {
            file: frame.file,
            start,
            end,
        };
        (String::from_utf8_lossy(frame.lexer.text(start, end)).into_owned(), span)
    }

    fn line(&mut self) -> String {
        let Some(frame) = self.frames.last_mut() else {
            return String::new();
        };
        let (start, end) = frame.lexer.rest_of_line();
        let text = String::from_utf8_lossy(frame.lexer.text(start, end)).into_owned();
        text.trim().to_string()
    }

    pub(super) fn end_frame(&mut self, eof: Token) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        let span = Span {
            file: frame.file,
            start: eof.start,
            end: eof.start,
        };
        self.current = (frame.file, frame.base.clone(), frame.dir.clone());
        self.module = frame.outer_module;
        if let Some((_, opened)) = frame.conditionals.last() {
            self.host.report(
                Diagnostic::fatal("unbalanced-if", Some(span), "unbalanced @if... @endif")
                    .label(*opened, "this conditional is not closed"),
            );
        } else if frame.pragmas > 0 {
            self.host.report(Diagnostic::fatal(
                "unbalanced-pragma",
                Some(span),
                "unbalanced @pragma push and @pragma pop",
            ));
        }
        self.host.end_of_file(frame.file);
    }

    pub(super) fn directive(&mut self, d: Directive, span: Span) {
        match d {
            Directive::Load => {
                let (name, at) = self.word();
                if name.is_empty() {
                    let e = Diagnostic::error("syntax", span, "@load needs the name of a file or package");
                    self.host.report(e);
                    return;
                }
                if name.starts_with('"') || name.ends_with(';') {
                    let plain = name.trim_matches(|c| c == '"' || c == ';');
                    let e = Diagnostic::error("syntax", at, format!("can't find {name}"))
                        .suggest(format!("names are written without quotes and semicolon: @load {plain}"));
                    self.host.report(e);
                    return;
                }
                if self.frames.len() > 500 {
                    let e = Diagnostic::fatal("load-depth", Some(at), "@load nested too deeply");
                    self.host.report(e);
                    return;
                }
                if let Some(input) = self.host.load(&name, at) {
                    self.push(input);
                }
            }
            Directive::LoadSigs => {
                let (name, at) = self.word();
                self.host.load_signatures(&name, at);
            }
            Directive::LoadPlugin => {
                let (name, at) = self.word();
                self.host.load_plugin(&name, at);
            }
            Directive::Unload => {
                let (name, at) = self.word();
                self.host.unload(&name, at);
            }
            Directive::Prefixes => {
                let line = self.line();
                match (line.strip_prefix("+="), line.strip_prefix('=')) {
                    (Some(list), _) => self.host.prefixes(list.trim(), true, span),
                    (None, Some(list)) => self.host.prefixes(list.trim(), false, span),
                    _ => {
                        let e = Diagnostic::error("syntax", span, "@prefixes is followed by = or += and a list");
                        self.host.report(e);
                    }
                }
            }
            Directive::If => {
                self.conditionals += 1;
                self.condition(span);
            }
            Directive::Ifdef | Directive::Ifndef => {
                self.conditionals += 1;
                self.ifdef(d == Directive::Ifdef, span);
            }
            Directive::Else => {
                let open = match self.top().and_then(|f| f.conditionals.last_mut()) {
                    Some(c) => !std::mem::replace(&mut c.0, true),
                    None => false,
                };
                if !open {
                    let e = Diagnostic::error("syntax", span, "@else without @if");
                    self.host.report(e);
                    return;
                }
                self.skip(false);
            }
            Directive::Endif => {
                if self.top().and_then(|f| f.conditionals.pop()).is_none() {
                    let e = Diagnostic::error("syntax", span, "@endif without @if");
                    self.host.report(e);
                }
            }
            Directive::Deprecated => {
                let text = self.line();
                if let Some(frame) = self.top() {
                    if std::mem::replace(&mut frame.deprecated, true) {
                        let e = Diagnostic::error("syntax", span, "@deprecated may stand only once in a file");
                        self.host.report(e);
                        return;
                    }
                }
                self.host.deprecated_file(&text, span);
            }
            Directive::Pragma => self.pragma(span),
            Directive::Debug => {
                self.line();
            }
        }
    }

    fn pragma(&mut self, span: Span) {
        let line = self.line();
        let mut words = line.split_whitespace();
        let (action, name) = (words.next(), words.next());
        match (action, name) {
            (Some("push"), Some("ignore-deprecations")) => {
                if let Some(frame) = self.top() {
                    frame.pragmas += 1;
                }
                self.host.ignore_deprecations(true);
            }
            (Some("pop"), None | Some("ignore-deprecations")) => {
                let ok = match self.top() {
                    Some(f) if f.pragmas > 0 => {
                        f.pragmas -= 1;
                        true
                    }
                    _ => false,
                };
                if ok {
                    self.host.ignore_deprecations(false);
                } else {
                    let e = Diagnostic::fatal("unbalanced-pragma", Some(span), "@pragma pop without @pragma push");
                    self.host.report(e);
                }
            }
            (Some("push" | "pop"), Some(other)) => {
                let w = Diagnostic::warning("unknown-pragma", span, format!("unknown pragma {other}"))
                    .note("the only pragma is ignore-deprecations");
                self.host.report(w);
            }
            _ => {
                let e = Diagnostic::error("syntax", span, "@pragma is followed by push or pop and a name");
                self.host.report(e);
            }
        }
    }

    /// Skips the branch that is not taken. `to_else` tells whether an `@else` ends it.
    fn skip(&mut self, to_else: bool) {
        loop {
            let Some(frame) = self.frames.last_mut() else {
                return;
            };
            match frame.lexer.skip_branch() {
                Some(Directive::Else) => {
                    if let Some(c) = frame.conditionals.last_mut() {
                        c.0 = true;
                    }
                    if to_else {
                        return;
                    }
                }
                Some(_) => {
                    frame.conditionals.pop();
                    return;
                }
                // The end of the file reports the open conditional.
                None => return,
            }
        }
    }

    fn condition(&mut self, span: Span) {
        let was = (self.in_directive, self.no_pipe, self.ahead.take());
        self.in_directive = true;
        self.no_pipe = false;
        let last = self.last;
        let parsed = self.condition_expr();
        let failed = parsed.is_err();
        self.in_directive = was.0;
        self.no_pipe = was.1;
        self.ahead = was.2;
        self.last = last;
        let truth = match parsed {
            Ok(expr) => self.host.condition(expr, self.module),
            Err(_) => false,
        };
        if failed && self.frames.is_empty() {
            return;
        }
        if let Some(frame) = self.top() {
            frame.conditionals.push((false, span));
        }
        if !truth {
            self.skip(true);
        }
    }

    fn condition_expr(&mut self) -> super::Result<crate::ast::Expr> {
        self.expect(Op::LParen)?;
        let expr = self.expr()?;
        // The closing parenthesis is the last token read: what follows belongs to the branch.
        self.expect(Op::RParen)?;
        Ok(expr)
    }

    fn ifdef(&mut self, wanted: bool, span: Span) {
        let saved = (self.ahead.take(), self.last);
        let parsed = (|| {
            self.expect(Op::LParen)?;
            let name = match self.peek() {
                Tok::Ident(_) => self.ident()?.name,
                // A reserved word is known, one could say, but it is nothing that a script defines.
                _ => return Err(self.unexpected("expected a name here")),
            };
            self.expect(Op::RParen)?;
            Ok(name)
        })();
        (self.ahead, self.last) = saved;
        let truth = match parsed {
            Ok(name) => self.host.is_defined(name, self.module) == wanted,
            Err(_) => false,
        };
        if let Some(frame) = self.top() {
            frame.conditionals.push((false, span));
        }
        if !truth {
            self.skip(true);
        }
    }
}
