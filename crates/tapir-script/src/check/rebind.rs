//! Prototypes that turned out to be variables: what was checked before the first assignment still names the function,
//! and is corrected when all is loaded.

use std::sync::Arc;

use tapir_data::types::TypeId;
use tapir_data::value::FuncId;

use super::Checker;
use crate::hir::{Attrs, Callee, Content, Expr, ExprKind, FunctionKind, GlobalId, LValue, Span, Stmt, StmtKind};
use crate::symbol::FastMap;

/// Which functions became which variables, and the types of those.
struct Rebind<'a>(&'a FastMap<FuncId, (GlobalId, TypeId)>);

impl Checker<'_> {
    /// Makes mentions of functions that became variables mentions of these.
    pub(super) fn rebind(&mut self) {
        if self.variables.is_empty() {
            return;
        }
        let map = std::mem::take(&mut self.variables);
        let mut r = Rebind(&map);
        let program = &mut *self.program;
        for f in &mut program.functions {
            if let FunctionKind::Script(bodies) = &mut f.kind {
                for b in bodies {
                    // A body that the machine has taken already keeps what it had.
                    if let Some(b) = Arc::get_mut(b) {
                        r.content(&mut b.content);
                    }
                }
            }
        }
        for t in &mut program.defaults {
            r.expr(&mut t.expr);
        }
        for t in program.inits.iter_mut().filter_map(|i| i.value.as_mut()) {
            r.expr(&mut t.expr);
        }
        for g in &mut program.globals {
            r.attrs(&mut g.attrs);
        }
        r.content(&mut program.top_level.content);
    }
}

impl Rebind<'_> {
    fn stmts(&mut self, stmts: &mut [Stmt]) {
        for s in stmts {
            self.stmt(s);
        }
    }

    fn exprs(&mut self, list: &mut [Expr]) {
        for e in list {
            self.expr(e);
        }
    }

    fn attrs(&mut self, a: &mut Attrs) {
        if a.is_empty() {
            return;
        }
        let a = &mut **a;
        let all = [
            &mut a.default,
            &mut a.default_insert,
            &mut a.read_expire,
            &mut a.write_expire,
            &mut a.create_expire,
            &mut a.expire_func,
            &mut a.on_change,
            &mut a.add_func,
            &mut a.delete_func,
            &mut a.publish_on_change,
            &mut a.backend,
        ];
        for t in all.into_iter().flatten() {
            self.expr(&mut t.expr);
        }
    }

    fn body(&mut self, b: &mut Arc<crate::hir::Body>) {
        if let Some(b) = Arc::get_mut(b) {
            self.content(&mut b.content);
        }
    }

    /// What is checked later names the variable anyway.
    fn content(&mut self, content: &mut Content) {
        if let Some(parts) = content.done_mut() {
            self.stmts(&mut parts.stmts);
        }
    }

    fn stmt(&mut self, s: &mut Stmt) {
        match &mut s.kind {
            StmtKind::Block(b) => self.stmts(b),
            StmtKind::Print(l) | StmtKind::Event(_, l) => self.exprs(l),
            StmtKind::Expr(e) | StmtKind::Return(Some(e)) => self.expr(e),
            StmtKind::InitLocal(_, e, a) => {
                self.expr(e);
                self.attrs(a);
            }
            StmtKind::If(c, yes, no) => {
                self.expr(c);
                self.stmt(yes);
                if let Some(no) = no {
                    self.stmt(no);
                }
            }
            StmtKind::While(c, b) => {
                self.expr(c);
                self.stmt(b);
            }
            StmtKind::For(f) => {
                self.expr(&mut f.over);
                self.stmt(&mut f.body);
            }
            StmtKind::Switch(sw) => {
                self.expr(&mut sw.on);
                self.stmts(&mut sw.blocks);
            }
            StmtKind::TypeSwitch(sw) => {
                self.expr(&mut sw.on);
                self.stmts(&mut sw.blocks);
            }
            StmtKind::Add(l) | StmtKind::Delete(l) => self.lvalue(l),
            StmtKind::When(w) => {
                for (e, _) in &mut w.captures {
                    self.expr(e);
                }
                self.expr(&mut w.cond_expr);
                self.body(&mut w.body);
                if let Some(t) = &mut w.timeout {
                    self.expr(t);
                }
                if let Some(b) = &mut w.timeout_body {
                    self.body(b);
                }
            }
            StmtKind::Assert(a) => {
                self.expr(&mut a.cond);
                if let Some(m) = &mut a.message {
                    self.expr(m);
                }
            }
            StmtKind::Next | StmtKind::Break | StmtKind::Fallthrough | StmtKind::Return(None) | StmtKind::Null => {}
        }
    }

    fn lvalue(&mut self, l: &mut LValue) {
        match l {
            LValue::Local(_) | LValue::Global(_) => {}
            LValue::Field(e, _) | LValue::Whole(e) => self.expr(e),
            LValue::Index(e, index) => {
                self.expr(e);
                self.exprs(index);
            }
            LValue::Slice(e, low, high) => {
                self.expr(e);
                for b in [low, high].into_iter().flatten() {
                    self.expr(b);
                }
            }
            LValue::List(l) => l.iter_mut().for_each(|l| self.lvalue(l)),
        }
    }

    fn callee(&mut self, c: &mut Callee, span: Span) {
        match c {
            Callee::Func(f) => {
                if let Some(&(g, ty)) = self.0.get(f) {
                    *c = Callee::Value(Box::new(Expr {
                        kind: ExprKind::Global(g),
                        ty,
                        span,
                    }));
                }
            }
            Callee::Value(v) => self.expr(v),
        }
    }

    fn expr(&mut self, e: &mut Expr) {
        let span = e.span;
        match &mut e.kind {
            ExprKind::Const(_) | ExprKind::Global(_) | ExprKind::Local(_) | ExprKind::Lambda(_) => {}
            ExprKind::Func(f) => {
                if let Some(&(g, _)) = self.0.get(f) {
                    e.kind = ExprKind::Global(g);
                }
            }
            ExprKind::Unary(_, a)
            | ExprKind::Field(a, _)
            | ExprKind::HasField(a, _)
            | ExprKind::Coerce(a)
            | ExprKind::Cast(a)
            | ExprKind::CanCast(a, _)
            | ExprKind::Is(a, _)
            | ExprKind::WhenLocal(_, a) => self.expr(a),
            ExprKind::Binary(_, a, b) | ExprKind::And(a, b) | ExprKind::Or(a, b) => {
                self.expr(a);
                self.expr(b);
            }
            ExprKind::Cond(c, a, b) => {
                self.expr(c);
                self.expr(a);
                self.expr(b);
            }
            ExprKind::Index(a, l) | ExprKind::In(l, a) => {
                self.expr(a);
                self.exprs(l);
            }
            ExprKind::Slice(a, low, high) => {
                self.expr(a);
                for b in [low, high].into_iter().flatten() {
                    self.expr(b);
                }
            }
            ExprKind::Call(c, l) | ExprKind::HookCall(c, l) => {
                self.callee(c, span);
                self.exprs(l);
            }
            ExprKind::Assign(l, v) | ExprKind::AddAssign(l, v) | ExprKind::SubAssign(l, v) => {
                self.lvalue(l);
                self.expr(v);
            }
            ExprKind::Incr(l) | ExprKind::Decr(l) => self.lvalue(l),
            ExprKind::Record(l) => l.iter_mut().for_each(|f| self.expr(&mut f.1)),
            ExprKind::Table(l, a) => {
                for (k, v) in l {
                    self.exprs(k);
                    self.expr(v);
                }
                self.attrs(a);
            }
            ExprKind::Set(l, a) => {
                l.iter_mut().for_each(|k| self.exprs(k));
                self.attrs(a);
            }
            ExprKind::Vector(l) | ExprKind::List(l) => self.exprs(l),
            ExprKind::Schedule(d, _, l) => {
                self.expr(d);
                self.exprs(l);
            }
        }
    }
}
