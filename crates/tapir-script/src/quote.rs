//! What a run-time error quotes: the normalised text of the expression that failed, found by its place in the source.
//!
//! Must not know how programs run.

use crate::hir::{Body, Expr, ExprKind, LValue, Local, Program, Span, Stmt, StmtKind};
use crate::render;

/// Which part of an expression failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Something that was read: of `++x` it is `x`, of `x += y` too.
    Read,
    /// The value that was computed: of `x -= y` it is `x - y`.
    Value,
    /// A call, with the arguments that defaults filled in.
    Call,
}

/// The text of what failed at a place within a body, strings without quotes; `None` if nothing stands there.
pub fn failed(program: &Program, body: &Body, at: Span, part: Part) -> Option<String> {
    let parts = program.parts(body).ok()?;
    let locals = &parts.locals;
    let mut finder = Finder { at, part, found: None };
    finder.stmts(&parts.stmts);
    Some(match finder.found? {
        Found::Expr(e) => match part {
            Part::Read => read_part(program, locals, e),
            Part::Value => match bare(e).map_assigned() {
                Some(v) if bare(v).span == at => render::unquoted(program, locals, bare(v)),
                _ => render::unquoted(program, locals, bare(e)),
            },
            Part::Call => render::unquoted(program, locals, bare(e)),
        },
        Found::Target(l) => render::target(program, locals, l),
    })
}

fn read_part(program: &Program, locals: &[Local], e: &Expr) -> String {
    let base = |l: &LValue| match l {
        LValue::Field(b, _) | LValue::Index(b, _) | LValue::Slice(b, ..) | LValue::Whole(b) => {
            render::unquoted(program, locals, b)
        }
        l => render::target(program, locals, l),
    };
    match &bare(e).kind {
        ExprKind::Incr(l) | ExprKind::Decr(l) | ExprKind::AddAssign(l, _) | ExprKind::SubAssign(l, _) => {
            render::target(program, locals, l)
        }
        ExprKind::Assign(l, v) => match &bare(v).kind {
            // `x += y` on numbers, which stands for `x = x + y`.
            ExprKind::Binary(_, x, _) if bare(v).span == e.span => render::unquoted(program, locals, bare(x)),
            _ => base(l),
        },
        _ => render::unquoted(program, locals, bare(e)),
    }
}

/// The expression without conversions around it.
fn bare(e: &Expr) -> &Expr {
    match &e.kind {
        ExprKind::Coerce(inner) => bare(inner),
        _ => e,
    }
}

impl Expr {
    fn map_assigned(&self) -> Option<&Expr> {
        match &self.kind {
            ExprKind::Assign(_, v) => Some(v),
            _ => None,
        }
    }
}

enum Found<'a> {
    Expr(&'a Expr),
    Target(&'a LValue),
}

struct Finder<'a> {
    at: Span,
    part: Part,
    found: Option<Found<'a>>,
}

fn holds(outer: Span, inner: Span) -> bool {
    outer.file == inner.file && outer.start <= inner.start && inner.end <= outer.end
}

impl<'a> Finder<'a> {
    fn stmts(&mut self, list: &'a [Stmt]) {
        for s in list {
            if self.found.is_some() {
                return;
            }
            self.stmt(s);
        }
    }

    fn stmt(&mut self, s: &'a Stmt) {
        match &s.kind {
            StmtKind::Block(list) => self.stmts(list),
            StmtKind::Print(args) | StmtKind::Event(_, args) => self.exprs(args),
            StmtKind::Expr(e) | StmtKind::InitLocal(_, e, _) | StmtKind::Return(Some(e)) => self.expr(e),
            StmtKind::If(e, a, b) => {
                self.expr(e);
                self.stmt(a);
                if let Some(b) = b {
                    self.stmt(b);
                }
            }
            StmtKind::While(e, a) => {
                self.expr(e);
                self.stmt(a);
            }
            StmtKind::For(f) => {
                self.expr(&f.over);
                self.stmt(&f.body);
            }
            StmtKind::Switch(x) => {
                self.expr(&x.on);
                self.stmts(&x.blocks);
            }
            StmtKind::TypeSwitch(x) => {
                self.expr(&x.on);
                self.stmts(&x.blocks);
            }
            StmtKind::Add(l) | StmtKind::Delete(l) => {
                l.each_child(&mut |e| self.expr(e));
                if self.found.is_none() && s.span == self.at {
                    self.found = Some(Found::Target(l));
                }
            }
            StmtKind::When(w) => {
                for (e, _) in &w.captures {
                    self.expr(e);
                }
                if let Some(e) = &w.timeout {
                    self.expr(e);
                }
            }
            StmtKind::Assert(a) => {
                self.expr(&a.cond);
                if let Some(m) = &a.message {
                    self.expr(m);
                }
            }
            StmtKind::Next | StmtKind::Break | StmtKind::Fallthrough | StmtKind::Return(None) | StmtKind::Null => {}
        }
    }

    fn exprs(&mut self, list: &'a [Expr]) {
        for e in list {
            self.expr(e);
        }
    }

    fn expr(&mut self, e: &'a Expr) {
        if self.found.is_some() || e.span.file == self.at.file && !holds(e.span, self.at) {
            return;
        }
        if e.span == self.at {
            let called = matches!(bare(e).kind, ExprKind::Call(..) | ExprKind::HookCall(..));
            if self.part != Part::Call || called {
                self.found = Some(Found::Expr(e));
                return;
            }
        }
        e.each_child(&mut |e| self.expr(e));
    }
}
