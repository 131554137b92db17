//! Statements and bodies.

use super::{Host, Input, Parser, Result};
use crate::ast::{Attr, Case, Expr, ExprKind, Stmt, StmtKind, When};
use crate::diag::Diagnostic;
use crate::hir::{InitOp, Span};
use crate::lex::{Kw, Op, Tok};
use crate::load::outline::Place;
use crate::symbol::Symbol;

/// Attributes behind a constructor that is a whole initial value belong to what is declared.
pub(super) fn take_attrs(init: &mut Option<(InitOp, Expr)>, attrs: &mut Vec<Attr>) {
    if let Some((_, e)) = init {
        if let ExprKind::Constructor(_, _, inner) = &mut e.kind {
            let mut all = std::mem::take(inner);
            all.append(attrs);
            *attrs = all;
        }
    }
}

impl<H: Host> Parser<H> {
    /// Reads a body, which stands alone at a place of a text; `None` when there is an error or when it ends elsewhere.
    pub fn body_alone(host: H, input: Input, at: Span, module: Symbol) -> Option<Vec<Stmt>> {
        let mut parser = Parser::new(host);
        parser.push(input);
        parser.module = module;
        if let Some(frame) = parser.frames.last_mut() {
            frame.lexer.pos = at.start as usize;
        }
        let (stmts, span) = parser.body().ok()?;
        (!parser.broken && parser.errors == 0 && span == at).then_some(stmts)
    }

    /// Passes by a body that need not be read now.
    pub(super) fn pass_body(&mut self) -> Option<(&'static Place, Span)> {
        if !self.at(Op::LBrace) {
            return None;
        }
        let span = self.peek_span();
        let place = self.host.later(span)?;
        let frame = self.frames.last_mut().filter(|f| f.file == span.file)?;
        frame.lexer.pos = place.end as usize;
        self.ahead = None;
        let end = place.end;
        self.last = Span {
            start: end - 1,
            end,
            ..span
        };
        Some((place, Span { end, ..span }))
    }

    /// `{ statements }`.
    pub(super) fn body(&mut self) -> Result<(Vec<Stmt>, Span)> {
        let start = self.peek_span();
        self.expect(Op::LBrace)?;
        let stmts = self.stmts();
        if !self.broken && self.expect(Op::RBrace).is_err() {
            self.broken = true;
        }
        Ok((stmts, self.since(start)))
    }

    /// Statements up to a brace or label, or up to the one with a syntax error.
    fn stmts(&mut self) -> Vec<Stmt> {
        let mut stmts = Vec::new();
        while !self.broken {
            match self.peek() {
                Tok::Op(Op::RBrace) | Tok::Eof | Tok::Kw(Kw::Case | Kw::Default) => break,
                _ => match self.stmt() {
                    Ok(s) => stmts.push(s),
                    Err(_) => self.broken = true,
                },
            }
        }
        stmts
    }

    /// For what is judged as a whole, such as the captures of a lambda: half of it must not be looked at.
    pub(super) fn whole(&self) -> Result<()> {
        if self.broken { Err(super::Failed) } else { Ok(()) }
    }

    pub(super) fn stmt(&mut self) -> Result<Stmt> {
        self.enter()?;
        let start = self.peek_span();
        let kind = self.stmt_kind();
        self.leave();
        Ok(Stmt {
            kind: kind?,
            span: self.since(start),
        })
    }

    /// The statement that belongs to `if`, `for` or `while`.
    fn sub_stmt(&mut self) -> Result<Box<Stmt>> {
        let before = self.conditionals;
        self.peek();
        if self.conditionals != before {
            let span = self.peek_span();
            let d = Diagnostic::error("directive-body", span, "incorrect use of directive")
                .note("a condition can stand within a block, but cannot be the body of if, for or while");
            self.host.report(d);
        }
        Ok(Box::new(self.stmt()?))
    }

    fn paren_expr(&mut self) -> Result<Expr> {
        self.expect(Op::LParen)?;
        let e = self.expr()?;
        if self.at(Op::Assign) {
            return Err(self.unexpected("an assignment cannot stand here; comparison is written =="));
        }
        self.expect(Op::RParen)?;
        Ok(e)
    }

    fn stmt_kind(&mut self) -> Result<StmtKind> {
        let kw = match self.peek() {
            Tok::Op(Op::LBrace) => {
                let (stmts, _) = self.body()?;
                return Ok(StmtKind::Block(stmts));
            }
            Tok::Op(Op::Semi) => {
                self.bump();
                return Ok(StmtKind::Null);
            }
            Tok::Kw(kw) => kw,
            _ => return self.expr_stmt(),
        };
        match kw {
            Kw::Print => {
                self.bump();
                let mut args = vec![self.expr()?];
                while self.eat(Op::Comma) {
                    args.push(self.expr()?);
                }
                self.expect_semi()?;
                Ok(StmtKind::Print(args))
            }
            Kw::Local | Kw::Const => {
                self.bump();
                let name = self.ident()?;
                let ty = if self.eat(Op::Colon) { Some(self.ty()?) } else { None };
                let mut init = self.init()?;
                let mut attrs = self.attrs()?;
                take_attrs(&mut init, &mut attrs);
                self.expect_semi()?;
                Ok(StmtKind::Local {
                    constant: kw == Kw::Const,
                    name,
                    ty,
                    init: init.map(|(_, e)| Box::new(e)),
                    attrs,
                })
            }
            Kw::Event => {
                self.bump();
                if self.peek() == Tok::Str {
                    let span = self.peek_span();
                    let name = String::from_utf8_lossy(self.source(span)).into_owned();
                    let plain = name.trim_matches('"').to_string();
                    let d = Diagnostic::error("syntax", span, format!("syntax error, at or near {name}"))
                        .suggest(format!("events are raised by name: event {plain}(…);"));
                    return Err(self.fail(d));
                }
                let name = self.ident()?;
                self.single_colon(&name)?;
                self.expect(Op::LParen)?;
                let (args, _) = self.list(Op::RParen)?;
                self.expect_semi()?;
                Ok(StmtKind::Event(name, args))
            }
            Kw::If => {
                self.bump();
                let cond = self.paren_expr()?;
                let yes = self.sub_stmt()?;
                let no = if !self.broken && self.eat_kw(Kw::Else) {
                    Some(self.sub_stmt()?)
                } else {
                    None
                };
                Ok(StmtKind::If(cond, yes, no))
            }
            Kw::While => {
                self.bump();
                let cond = self.paren_expr()?;
                Ok(StmtKind::While(cond, self.sub_stmt()?))
            }
            Kw::For => self.for_stmt(),
            Kw::Switch => self.switch_stmt(),
            Kw::Next | Kw::Break | Kw::Fallthrough => {
                self.bump();
                self.expect_semi()?;
                Ok(match kw {
                    Kw::Next => StmtKind::Next,
                    Kw::Break => StmtKind::Break,
                    _ => StmtKind::Fallthrough,
                })
            }
            Kw::Return => {
                self.bump();
                if self.eat(Op::Semi) {
                    return Ok(StmtKind::Return(None));
                }
                if self.at_kw(Kw::When) {
                    return self.when_stmt(true);
                }
                let e = self.expr()?;
                self.expect_semi()?;
                Ok(StmtKind::Return(Some(e)))
            }
            Kw::When => self.when_stmt(false),
            Kw::Assert => {
                self.bump();
                let cond = self.expr()?;
                let message = if self.eat(Op::Comma) { Some(self.expr()?) } else { None };
                self.expect_semi()?;
                Ok(StmtKind::Assert(cond, message))
            }
            Kw::Else => Err(self.unexpected("\"else\" without an \"if\" before it")),
            Kw::Global | Kw::Option | Kw::Redef | Kw::Type | Kw::Module | Kw::Export => {
                let note = format!("\"{}\" is a declaration and cannot stand inside a function", kw.text());
                Err(self.unexpected(&note))
            }
            _ => self.expr_stmt(),
        }
    }

    /// `M:name` where `M::name` was meant.
    fn single_colon(&mut self, name: &crate::ast::Ident) -> Result<()> {
        if self.at(Op::Colon) {
            if let Tok::Ident(second) = self.raw_ahead() {
                let span = self.peek_span();
                let (first, second) = (
                    self.host.names().text(name.name).clone(),
                    self.host.names().text(second).clone(),
                );
                let d = self
                    .syntax_error(Tok::Op(Op::Colon), span)
                    .suggest(format!("a name in a module is written {first}::{second}"));
                return Err(self.fail(d));
            }
        }
        Ok(())
    }

    fn expr_stmt(&mut self) -> Result<StmtKind> {
        let e = self.expr()?;
        self.expect_semi()?;
        Ok(StmtKind::Expr(e))
    }

    /// `= e`, `+= { … }` and the like behind a declared name.
    pub(super) fn init(&mut self) -> Result<Option<(InitOp, Expr)>> {
        let op = match self.peek() {
            Tok::Op(Op::Assign) => InitOp::Set,
            Tok::Op(Op::AddAssign) => InitOp::Add,
            Tok::Op(Op::SubAssign) => InitOp::Remove,
            _ => return Ok(None),
        };
        self.bump();
        Ok(Some((op, self.init_expr()?)))
    }

    fn for_stmt(&mut self) -> Result<StmtKind> {
        self.bump();
        self.expect(Op::LParen)?;
        let mut keys = Vec::new();
        let bracketed = self.eat(Op::LBracket);
        if bracketed {
            while !self.at(Op::RBracket) {
                keys.push(self.ident()?);
                if !self.eat(Op::Comma) {
                    break;
                }
            }
            self.expect(Op::RBracket)?;
        } else {
            keys.push(self.ident()?);
        }
        let value = if self.eat(Op::Comma) { Some(self.ident()?) } else { None };
        if self.at(Op::Assign) || self.at(Op::Colon) {
            let (tok, span) = (self.peek(), self.peek_span());
            let d = self.syntax_error(tok, span);
            let d = if tok == Tok::Op(Op::Assign) {
                d.note("a for loop goes over a container: for ( element in container ) …")
                    .suggest("numbers are counted with a local variable and while ( i < n ) { …; ++i; }")
            } else {
                d.suggest("a loop over a container is written for ( element in container ) …")
            };
            return Err(self.fail(d));
        }
        self.expect_kw(Kw::In)?;
        let over = Box::new(self.expr()?);
        self.expect(Op::RParen)?;
        let body = self.sub_stmt()?;
        Ok(StmtKind::For {
            keys,
            bracketed,
            value,
            over,
            body,
        })
    }

    fn switch_stmt(&mut self) -> Result<StmtKind> {
        self.bump();
        let on = self.expr()?;
        self.expect(Op::LBrace)?;
        let mut cases = Vec::new();
        loop {
            let start = self.peek_span();
            let (mut labels, mut types) = (Vec::new(), Vec::new());
            if self.eat_kw(Kw::Default) {
                self.expect(Op::Colon)?;
            } else if self.eat_kw(Kw::Case) {
                loop {
                    if self.eat_kw(Kw::Type) {
                        let ty = self.ty()?;
                        let name = if self.eat_kw(Kw::As) { Some(self.ident()?) } else { None };
                        types.push((ty, name));
                    } else {
                        labels.push(self.cond()?);
                    }
                    if !self.eat(Op::Comma) {
                        break;
                    }
                }
                self.expect(Op::Colon)?;
            } else {
                break;
            }
            let mut body = self.stmts();
            if self.broken {
                // The end of the case is not known.
                body.push(Stmt {
                    kind: StmtKind::Break,
                    span: self.since(start),
                });
            }
            cases.push(Case {
                labels,
                types,
                body,
                span: self.since(start),
            });
            if self.broken {
                return Ok(StmtKind::Switch(on, cases));
            }
        }
        self.expect(Op::RBrace)?;
        Ok(StmtKind::Switch(on, cases))
    }

    fn when_stmt(&mut self, is_return: bool) -> Result<StmtKind> {
        self.bump();
        let captures = if self.at(Op::LBracket) {
            Some(self.captures()?)
        } else {
            None
        };
        self.expect(Op::LParen)?;
        let cond = self.expr()?;
        self.expect(Op::RParen)?;
        let body = self.stmt()?;
        self.whole()?;
        let timeout = if self.eat_kw(Kw::Timeout) {
            let delay = self.expr()?;
            Some((delay, self.body()?.0))
        } else {
            None
        };
        self.whole()?;
        Ok(StmtKind::When(Box::new(When {
            captures,
            cond,
            body,
            timeout,
            is_return,
        })))
    }
}
