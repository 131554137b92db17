//! Expressions, by precedence.

use std::sync::Arc;

use tapir_data::types::Flavor;

use super::{Host, MAX_HEIGHT, Parser, Result};
use crate::ast::{AssignOp, Capture, Constructor, Expr, ExprKind, Lambda, Type, TypeKind};
use crate::diag::Diagnostic;
use crate::hir::{BinOp, Span, UnOp};
use crate::lex::{Kw, Op, Tok, split_pattern};

/// How a binary operator binds: its level, and whether the level associates.
fn binary(op: Op) -> Option<(u8, bool)> {
    Some(match op {
        Op::Lt | Op::Le | Op::Gt | Op::Ge | Op::Eq | Op::Ne => (1, false),
        Op::NotIn => (2, true),
        Op::Pipe => (3, true),
        Op::Caret => (4, true),
        Op::Amp => (5, true),
        Op::Shl | Op::Shr => (6, true),
        Op::Plus | Op::Minus => (7, true),
        Op::Star | Op::Slash | Op::Percent => (8, true),
        _ => return None,
    })
}

/// Whether a token begins an operand and cannot continue an expression.
fn begins_operand(tok: Tok) -> bool {
    match tok {
        Tok::Kw(kw) => !matches!(kw, Kw::In | Kw::As | Kw::Is | Kw::Timeout | Kw::Of),
        Tok::Op(_) | Tok::Attr(_) | Tok::Directive(_) | Tok::Eof | Tok::Bad(_) => false,
        _ => true,
    }
}

impl<H: Host> Parser<H> {
    fn make(&mut self, kind: ExprKind, start: Span, below: u16) -> Result<Expr> {
        let span = self.since(start);
        let depth = below + 1;
        if depth > MAX_HEIGHT {
            let d = Diagnostic::error("nesting", span, "too deeply nested");
            self.abandon();
            return Err(self.fail(d));
        }
        Ok(Expr { kind, span, depth })
    }

    /// Any expression, with assignments.
    pub(super) fn expr(&mut self) -> Result<Expr> {
        self.enter()?;
        let result = self.assignment();
        self.leave();
        result
    }

    fn assignment(&mut self) -> Result<Expr> {
        let start = self.peek_span();
        match self.peek() {
            Tok::Kw(kw @ (Kw::Add | Kw::Delete)) => {
                self.bump();
                let e = self.cond()?;
                let depth = e.depth;
                let kind = match kw {
                    Kw::Add => ExprKind::Add(Box::new(e)),
                    _ => ExprKind::Delete(Box::new(e)),
                };
                return self.make(kind, start, depth);
            }
            Tok::Kw(Kw::Local) => {
                self.bump();
                let name = self.ident()?;
                let ty = if self.eat(Op::Colon) {
                    Some(Box::new(self.ty()?))
                } else {
                    None
                };
                self.expect(Op::Assign)?;
                let e = self.expr()?;
                let depth = e.depth;
                return self.make(ExprKind::Local(name, ty, Box::new(e)), start, depth);
            }
            _ => {}
        }
        let left = self.cond()?;
        let op = match self.peek() {
            Tok::Op(Op::Assign) => AssignOp::Set,
            Tok::Op(Op::AddAssign) => AssignOp::Add,
            Tok::Op(Op::SubAssign) => AssignOp::Sub,
            _ => return Ok(left),
        };
        self.bump();
        let right = self.init_expr()?;
        let depth = left.depth.max(right.depth);
        self.make(ExprKind::Assign(op, Box::new(left), Box::new(right)), start, depth)
    }

    /// What may stand behind an assignment: an expression or a list in braces.
    pub(super) fn init_expr(&mut self) -> Result<Expr> {
        if self.at(Op::LBrace) { self.brace() } else { self.expr() }
    }

    pub(super) fn brace(&mut self) -> Result<Expr> {
        self.enter()?;
        let start = self.peek_span();
        self.expect(Op::LBrace)?;
        let no_pipe = std::mem::replace(&mut self.no_pipe, false);
        let mut elements = Vec::new();
        let mut depth = 0;
        while !self.at(Op::RBrace) {
            let e = self.init_expr()?;
            let e = if self.at(Op::Assign) && matches!(e.kind, ExprKind::Brace(_)) {
                self.bump();
                let value = self.init_expr()?;
                let below = e.depth.max(value.depth);
                let at = e.span;
                self.make(ExprKind::Assign(AssignOp::Set, Box::new(e), Box::new(value)), at, below)?
            } else {
                e
            };
            depth = depth.max(e.depth);
            elements.push(e);
            if !self.eat(Op::Comma) {
                break;
            }
        }
        self.expect(Op::RBrace)?;
        self.no_pipe = no_pipe;
        self.leave();
        self.make(ExprKind::Brace(elements), start, depth)
    }

    /// `a ? b : c` and everything that binds tighter.
    pub(super) fn cond(&mut self) -> Result<Expr> {
        let start = self.peek_span();
        let cond = self.or()?;
        if !self.at(Op::Question) {
            return Ok(cond);
        }
        self.bump();
        self.enter()?;
        let yes = self.cond()?;
        self.expect(Op::Colon)?;
        let no = self.cond()?;
        self.leave();
        let depth = cond.depth.max(yes.depth).max(no.depth);
        self.make(
            ExprKind::Cond(Box::new(cond), Box::new(yes), Box::new(no)),
            start,
            depth,
        )
    }

    fn or(&mut self) -> Result<Expr> {
        let start = self.peek_span();
        let mut left = self.and()?;
        while self.eat(Op::OrOr) {
            let right = self.and()?;
            let depth = left.depth.max(right.depth);
            left = self.make(ExprKind::Or(Box::new(left), Box::new(right)), start, depth)?;
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr> {
        let start = self.peek_span();
        let mut left = self.hook_call()?;
        while self.eat(Op::AndAnd) {
            let right = self.hook_call()?;
            let depth = left.depth.max(right.depth);
            left = self.make(ExprKind::And(Box::new(left), Box::new(right)), start, depth)?;
        }
        Ok(left)
    }

    fn hook_call(&mut self) -> Result<Expr> {
        // `local x = e` may stand behind && in the condition of a `when`.
        if self.at_kw(Kw::Local) {
            return self.expr();
        }
        if !self.at_kw(Kw::Hook) {
            return self.binary(1);
        }
        let start = self.peek_span();
        self.bump();
        let e = self.binary(1)?;
        let depth = e.depth;
        self.make(ExprKind::HookCall(Box::new(e)), start, depth)
    }

    fn binary(&mut self, min: u8) -> Result<Expr> {
        let start = self.peek_span();
        let mut left = self.unary()?;
        let mut compared = false;
        loop {
            let tok = self.peek();
            let (op, (level, associates)) = match tok {
                Tok::Kw(Kw::In) => (None, (2, true)),
                // Within bars, a bar is an operator only where what follows can be nothing but an operand.
                Tok::Op(Op::Pipe) if self.no_pipe && !begins_operand(self.raw_ahead()) => {
                    return Ok(left);
                }
                Tok::Op(op) => match binary(op) {
                    Some(b) => (Some(op), b),
                    None => return Ok(left),
                },
                _ => return Ok(left),
            };
            if level < min {
                return Ok(left);
            }
            if !associates {
                if compared {
                    return Err(self.unexpected("comparisons do not chain; join them with &&"));
                }
                compared = true;
            }
            if op == Some(Op::Amp) {
                self.check_misspelt_attribute()?;
            }
            self.bump();
            let right = self.binary(level + 1)?;
            let depth = left.depth.max(right.depth);
            let (l, r) = (Box::new(left), Box::new(right));
            let plain = |op| move |l, r| ExprKind::Binary(op, l, r);
            let kind = match op {
                None => ExprKind::In {
                    needle: l,
                    hay: r,
                    negated: false,
                },
                Some(Op::NotIn) => ExprKind::In {
                    needle: l,
                    hay: r,
                    negated: true,
                },
                Some(Op::Lt) => plain(BinOp::Lt)(l, r),
                Some(Op::Le) => plain(BinOp::Le)(l, r),
                // The language evaluates and shows these swapped.
                Some(Op::Gt) => plain(BinOp::Lt)(r, l),
                Some(Op::Ge) => plain(BinOp::Le)(r, l),
                Some(Op::Eq) => plain(BinOp::Eq)(l, r),
                Some(Op::Ne) => plain(BinOp::Ne)(l, r),
                Some(Op::Pipe) => plain(BinOp::BitOr)(l, r),
                Some(Op::Caret) => plain(BinOp::BitXor)(l, r),
                Some(Op::Amp) => plain(BinOp::BitAnd)(l, r),
                Some(Op::Shl) => plain(BinOp::Shl)(l, r),
                Some(Op::Shr) => plain(BinOp::Shr)(l, r),
                Some(Op::Plus) => plain(BinOp::Add)(l, r),
                Some(Op::Minus) => plain(BinOp::Sub)(l, r),
                Some(Op::Star) => plain(BinOp::Mul)(l, r),
                Some(Op::Slash) => plain(BinOp::Div)(l, r),
                _ => plain(BinOp::Mod)(l, r),
            };
            left = self.make(kind, start, depth)?;
        }
    }

    fn unary(&mut self) -> Result<Expr> {
        let start = self.peek_span();
        let op = match self.peek() {
            Tok::Op(op @ (Op::Not | Op::Tilde | Op::Minus | Op::Plus | Op::Incr | Op::Decr)) => op,
            _ => return self.postfix(),
        };
        self.bump();
        self.enter()?;
        let e = self.unary();
        self.leave();
        let e = e?;
        let depth = e.depth;
        let e = Box::new(e);
        let kind = match op {
            Op::Not => ExprKind::Unary(UnOp::Not, e),
            Op::Tilde => ExprKind::Unary(UnOp::BitNot, e),
            Op::Minus => ExprKind::Unary(UnOp::Neg, e),
            Op::Plus => ExprKind::Unary(UnOp::Pos, e),
            Op::Incr => ExprKind::Incr(e),
            _ => ExprKind::Decr(e),
        };
        self.make(kind, start, depth)
    }

    fn postfix(&mut self) -> Result<Expr> {
        let start = self.peek_span();
        let mut e = self.primary()?;
        loop {
            let below = e.depth;
            let (kind, depth) = match self.peek() {
                Tok::Op(Op::Dollar) => {
                    self.bump();
                    let name = self.field_name()?;
                    (ExprKind::Field(Box::new(e), name), below)
                }
                Tok::Op(Op::HasField) => {
                    self.bump();
                    let name = self.field_name()?;
                    (ExprKind::HasField(Box::new(e), name), below)
                }
                Tok::Op(Op::LBracket) => {
                    self.bump();
                    self.index(e)?
                }
                Tok::Op(Op::LParen) => {
                    self.bump();
                    let (args, d) = self.list(Op::RParen)?;
                    (ExprKind::Call(Box::new(e), args), below.max(d))
                }
                Tok::Kw(Kw::As) => {
                    self.bump();
                    let ty = Box::new(self.ty()?);
                    (ExprKind::Cast(Box::new(e), ty), below)
                }
                Tok::Op(Op::CanCast) => {
                    self.bump();
                    let ty = Box::new(self.ty()?);
                    (ExprKind::CanCast(Box::new(e), ty), below)
                }
                Tok::Kw(Kw::Is) => {
                    self.bump();
                    let ty = Box::new(self.ty()?);
                    (ExprKind::Is(Box::new(e), ty), below)
                }
                _ => return Ok(e),
            };
            e = self.make(kind, start, depth)?;
        }
    }

    fn field_name(&mut self) -> Result<crate::ast::Ident> {
        self.ident()
    }

    fn index(&mut self, e: Expr) -> Result<(ExprKind, u16)> {
        let no_pipe = std::mem::replace(&mut self.no_pipe, false);
        let mut depth = e.depth;
        let mut low = None;
        if !self.at(Op::Colon) {
            let first = self.expr()?;
            depth = depth.max(first.depth);
            if !self.at(Op::Colon) {
                let mut indices = vec![first];
                while self.eat(Op::Comma) {
                    let i = self.expr()?;
                    depth = depth.max(i.depth);
                    indices.push(i);
                }
                self.expect(Op::RBracket)?;
                self.no_pipe = no_pipe;
                return Ok((ExprKind::Index(Box::new(e), indices), depth));
            }
            low = Some(Box::new(first));
        }
        self.expect(Op::Colon)?;
        let mut high = None;
        if !self.at(Op::RBracket) {
            let h = self.expr()?;
            depth = depth.max(h.depth);
            high = Some(Box::new(h));
        }
        self.expect(Op::RBracket)?;
        self.no_pipe = no_pipe;
        Ok((ExprKind::Slice(Box::new(e), low, high), depth))
    }

    /// Comma-separated elements up to a closing token, which is taken. `$f = e` may be among them.
    pub(super) fn list(&mut self, end: Op) -> Result<(Vec<Expr>, u16)> {
        let no_pipe = std::mem::replace(&mut self.no_pipe, false);
        let mut elements = Vec::new();
        let mut depth = 0;
        while !self.at(end) {
            let e = if self.at(Op::Dollar) {
                self.field_assign()?
            } else {
                self.expr()?
            };
            depth = depth.max(e.depth);
            elements.push(e);
            if !self.eat(Op::Comma) {
                break;
            }
        }
        self.expect(end)?;
        self.no_pipe = no_pipe;
        Ok((elements, depth))
    }

    fn field_assign(&mut self) -> Result<Expr> {
        let start = self.peek_span();
        self.expect(Op::Dollar)?;
        let name = self.field_name()?;
        if self.at(Op::LParen) || self.at(Op::LBracket) {
            // `$f(args) = { body }` is short for `$f = function(args) { body }`.
            let captures = if self.at(Op::LBracket) {
                Some(self.captures()?)
            } else {
                None
            };
            let sig = self.signature(Flavor::Function)?;
            let attrs = self.attrs()?;
            self.expect(Op::Assign)?;
            let (body, body_span) = self.body()?;
            self.whole()?;
            let lambda = ExprKind::Lambda(Box::new(Lambda {
                captures,
                sig,
                attrs,
                body,
                body_span,
            }));
            let value = self.make(lambda, start, 0)?;
            return self.make(ExprKind::FieldAssign(name, Box::new(value)), start, 1);
        }
        self.expect(Op::Assign)?;
        let value = self.init_expr()?;
        let depth = value.depth;
        self.make(ExprKind::FieldAssign(name, Box::new(value)), start, depth)
    }

    pub(super) fn captures(&mut self) -> Result<Vec<Capture>> {
        self.expect(Op::LBracket)?;
        let mut captures = Vec::new();
        while !self.at(Op::RBracket) {
            let copy = self.eat_kw(Kw::Copy);
            let name = self.ident()?;
            captures.push(Capture { name, copy });
            if !self.eat(Op::Comma) {
                break;
            }
        }
        self.expect(Op::RBracket)?;
        Ok(captures)
    }

    fn constructor(&mut self, kind: Constructor, start: Span) -> Result<Expr> {
        self.expect(Op::LParen)?;
        let (args, depth) = self.list(Op::RParen)?;
        let attrs = if self.in_directive {
            Vec::new()
        } else {
            self.attr_list(true)?
        };
        self.make(ExprKind::Constructor(kind, args, attrs), start, depth)
    }

    fn type_value(&mut self) -> Result<Expr> {
        let start = self.peek_span();
        let ty = self.ty()?;
        self.make(ExprKind::Type(Box::new(ty)), start, 0)
    }

    fn primary(&mut self) -> Result<Expr> {
        let start = self.peek_span();
        let kind = match self.peek() {
            Tok::Ident(name) => ExprKind::Name(name),
            Tok::True => ExprKind::Bool(true),
            Tok::False => ExprKind::Bool(false),
            Tok::Count(v) => ExprKind::Count(v),
            Tok::Double(v) => ExprKind::Double(v),
            Tok::Interval(v) => ExprKind::Interval(v),
            Tok::Port(v) => ExprKind::Port(v),
            Tok::Addr(v) => ExprKind::Addr(v),
            Tok::Subnet(v) => ExprKind::Subnet(v),
            Tok::Str => {
                self.bump();
                let text = self.string_bytes();
                return self.make(ExprKind::Str(text), start, 0);
            }
            Tok::AtDir | Tok::AtFilename => {
                let dir = self.peek() == Tok::AtDir;
                let text = match self.frames.last() {
                    Some(f) if dir => f.dir.clone(),
                    Some(f) => f.base.clone(),
                    None if dir => self.current.2.clone(),
                    None => self.current.1.clone(),
                };
                self.bump();
                return self.make(ExprKind::Str(text.as_bytes().into()), start, 0);
            }
            Tok::Bad(why) => return self.bad_literal(why, start),
            Tok::Kw(kw) => return self.keyword_expr(kw, start),
            Tok::Op(op) => return self.operator_expr(op, start),
            _ => return Err(self.unexpected("expected an expression here")),
        };
        self.bump();
        self.make(kind, start, 0)
    }

    /// A literal that is out of range: reported, then read on with a value in range.
    fn bad_literal(&mut self, why: &'static str, start: Span) -> Result<Expr> {
        let text = String::from_utf8_lossy(self.source(start)).into_owned();
        let (message, kind) = match why {
            "port" => (
                format!("bad port number - {text}"),
                ExprKind::Port(tapir_data::value::Port {
                    proto: tapir_data::value::Proto::Tcp,
                    num: 0,
                }),
            ),
            "v4 width" | "v6 width" => {
                let width = text.rsplit('/').next().unwrap_or("").trim();
                (
                    format!(
                        "bad {} subnet prefix length: {width}",
                        if why == "v4 width" { "IPv4" } else { "IPv6" }
                    ),
                    ExprKind::Subnet(tapir_data::value::Subnet::new128(
                        tapir_data::value::Addr::v6([0; 16]),
                        0,
                    )),
                )
            }
            _ => return Err(self.unexpected("expected an expression here")),
        };
        self.bump();
        self.host.report(Diagnostic::error("bad-literal", start, message));
        self.make(kind, start, 0)
    }

    fn keyword_expr(&mut self, kw: Kw, start: Span) -> Result<Expr> {
        let constructor = match kw {
            Kw::Table => Some(Constructor::Table),
            Kw::Set => Some(Constructor::Set),
            Kw::Vector => Some(Constructor::Vector),
            Kw::Record => Some(Constructor::Record),
            _ => None,
        };
        if let Some(constructor) = constructor {
            if self.raw_ahead() == Tok::Op(Op::LParen) {
                self.bump();
                return self.constructor(constructor, start);
            }
            return self.type_value();
        }
        match kw {
            Kw::Any
            | Kw::Bool
            | Kw::Int
            | Kw::Count
            | Kw::Double
            | Kw::Time
            | Kw::Interval
            | Kw::String
            | Kw::Pattern
            | Kw::Port
            | Kw::Addr
            | Kw::Subnet
            | Kw::Enum
            | Kw::File
            | Kw::Opaque => self.type_value(),
            Kw::Event if self.raw_ahead() == Tok::Op(Op::LParen) => self.type_value(),
            Kw::Function => self.function_expr(start),
            Kw::Hook => {
                self.bump();
                let e = self.postfix()?;
                let depth = e.depth;
                self.make(ExprKind::HookCall(Box::new(e)), start, depth)
            }
            Kw::Copy => {
                self.bump();
                self.expect(Op::LParen)?;
                let no_pipe = std::mem::replace(&mut self.no_pipe, false);
                let e = self.expr()?;
                self.no_pipe = no_pipe;
                self.expect(Op::RParen)?;
                let depth = e.depth;
                self.make(ExprKind::Copy(Box::new(e)), start, depth)
            }
            Kw::Schedule => {
                self.bump();
                let delay = self.expr()?;
                if !self.at(Op::LBrace) {
                    let (tok, span) = (self.peek(), self.peek_span());
                    let d = self
                        .syntax_error(tok, span)
                        .suggest("the event stands in braces: schedule DELAY { EVENT(…) };");
                    return Err(self.fail(d));
                }
                self.expect(Op::LBrace)?;
                let name = self.ident()?;
                self.expect(Op::LParen)?;
                let (args, d) = self.list(Op::RParen)?;
                self.expect(Op::RBrace)?;
                let depth = delay.depth.max(d);
                self.make(ExprKind::Schedule(Box::new(delay), name, args), start, depth)
            }
            _ => {
                let note = format!("expected an expression here, but \"{}\" is a reserved word", kw.text());
                Err(self.unexpected(&note))
            }
        }
    }

    fn function_expr(&mut self, start: Span) -> Result<Expr> {
        self.enter()?;
        self.bump();
        let captures = if self.at(Op::LBracket) {
            Some(self.captures()?)
        } else {
            None
        };
        let sig = self.signature(Flavor::Function)?;
        let attrs = self.attrs()?;
        let result = if self.at(Op::LBrace) || captures.is_some() || !attrs.is_empty() {
            let no_pipe = std::mem::replace(&mut self.no_pipe, false);
            let (body, body_span) = self.body()?;
            self.whole()?;
            self.no_pipe = no_pipe;
            ExprKind::Lambda(Box::new(Lambda {
                captures,
                sig,
                attrs,
                body,
                body_span,
            }))
        } else {
            ExprKind::Type(Box::new(Type {
                kind: TypeKind::Func(Box::new(sig)),
                span: self.since(start),
            }))
        };
        self.leave();
        self.make(result, start, 0)
    }

    fn operator_expr(&mut self, op: Op, start: Span) -> Result<Expr> {
        match op {
            Op::LParen => {
                self.enter()?;
                self.bump();
                let no_pipe = std::mem::replace(&mut self.no_pipe, false);
                let e = self.expr()?;
                self.no_pipe = no_pipe;
                self.expect(Op::RParen)?;
                self.leave();
                let depth = e.depth;
                self.make(ExprKind::Paren(Box::new(e)), start, depth)
            }
            Op::LBracket => {
                self.enter()?;
                self.bump();
                let (elements, depth) = self.bracket_list()?;
                self.leave();
                self.make(ExprKind::List(elements), start, depth)
            }
            Op::Pipe => {
                self.enter()?;
                self.bump();
                let no_pipe = std::mem::replace(&mut self.no_pipe, true);
                let e = self.expr();
                self.no_pipe = no_pipe;
                let e = e?;
                self.expect(Op::Pipe)?;
                self.leave();
                let depth = e.depth;
                self.make(ExprKind::Size(Box::new(e)), start, depth)
            }
            Op::Slash => {
                let token = match (self.ahead, self.frames.last_mut()) {
                    (Some((t, file)), Some(frame)) if frame.file == file => {
                        frame.lexer.pattern(t.start).map(|t| (t, file))
                    }
                    _ => None,
                };
                let Some((token, file)) = token else {
                    return Err(self.unexpected("a pattern ends with a slash on the line on which it begins"));
                };
                self.ahead = None;
                self.last = Span {
                    file,
                    start: token.start,
                    end: token.end,
                };
                let (text, ignore_case, single_line) = split_pattern(self.source(self.last));
                let text: Arc<[u8]> = text.into();
                self.make(
                    ExprKind::Pattern {
                        text,
                        ignore_case,
                        single_line,
                    },
                    start,
                    0,
                )
            }
            Op::Dollar => self.field_assign(),
            _ => Err(self.unexpected("expected an expression here")),
        }
    }

    /// Elements of `[…]`; lists in braces may be among them (they stand for all their elements).
    fn bracket_list(&mut self) -> Result<(Vec<Expr>, u16)> {
        let no_pipe = std::mem::replace(&mut self.no_pipe, false);
        let mut elements = Vec::new();
        let mut depth = 0;
        while !self.at(Op::RBracket) {
            let e = if self.at(Op::Dollar) {
                self.field_assign()?
            } else {
                self.init_expr()?
            };
            depth = depth.max(e.depth);
            elements.push(e);
            if !self.eat(Op::Comma) {
                break;
            }
        }
        self.expect(Op::RBracket)?;
        self.no_pipe = no_pipe;
        Ok((elements, depth))
    }

    /// The token behind the one ahead, without acting on directives.
    pub(super) fn raw_ahead(&mut self) -> Tok {
        self.peek();
        match (self.ahead, self.frames.last_mut()) {
            (Some((_, file)), Some(frame)) if frame.file == file => {
                let pos = frame.lexer.pos;
                let tok = frame.lexer.next(self.host.names()).tok;
                if let Some(frame) = self.frames.last_mut() {
                    frame.lexer.pos = pos;
                }
                tok
            }
            _ => Tok::Eof,
        }
    }

    /// The next `n` tokens behind the one ahead, without acting on directives.
    pub(super) fn raw_tokens(&mut self, n: usize) -> Vec<Tok> {
        self.peek();
        let mut out = Vec::with_capacity(n);
        if let (Some((_, file)), Some(frame)) = (self.ahead, self.frames.last_mut()) {
            if frame.file == file {
                let pos = frame.lexer.pos;
                for _ in 0..n {
                    out.push(frame.lexer.next(self.host.names()).tok);
                }
                frame.lexer.pos = pos;
            }
        }
        out
    }
}
