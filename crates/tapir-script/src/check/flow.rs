//! The analysis behind `-u`: locals that are assigned and never read, and locals that are read before they are set.

use super::{Checker, Frame};
use crate::diag::Diagnostic;
use crate::hir::{Expr, ExprKind, LValue, LocalId, Span, Stmt, StmtKind};

/// Whether a local has a value at a point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Set {
    No,
    Maybe,
    Yes,
}

struct Flow<'a> {
    state: Vec<Set>,
    reads: Vec<u32>,
    writes: Vec<(LocalId, Span, String)>,
    /// Reads of locals without a value: each local once.
    unset: Vec<(LocalId, Span, bool)>,
    text: &'a dyn Fn(&Expr) -> String,
    /// Nothing after a `return` or the like is reached.
    ended: bool,
}

impl Checker<'_> {
    /// Reports on one body. `parameters` of its locals have values from the start.
    pub(super) fn usage_of(&mut self, stmts: &[Stmt], frame: &Frame, parameters: usize) {
        let (unset, writes) = {
            let text = |e: &Expr| crate::render::expr(&self.program, &frame.locals, e);
            let state = frame
                .locals
                .iter()
                .zip(&frame.info)
                .enumerate()
                .map(|(i, (l, info))| {
                    let set = i < parameters || l.create_at_entry || info.captured || info.assured || info.is_loop;
                    if set { Set::Yes } else { Set::No }
                })
                .collect();
            let mut flow = Flow {
                state,
                reads: vec![0; frame.locals.len()],
                writes: Vec::new(),
                unset: Vec::new(),
                text: &text,
                ended: false,
            };
            flow.stmts(stmts);
            let reads = flow.reads;
            let writes: Vec<_> = flow
                .writes
                .into_iter()
                .filter(|w| reads[w.0.0 as usize] == 0 && !frame.info[w.0.0 as usize].assured)
                .collect();
            (flow.unset, writes)
        };
        for (local, span, value) in writes {
            let text = format!("{} = {value}", frame.locals[local.0 as usize].name);
            self.report(Diagnostic::warning(
                "unused",
                span,
                format!("assignment unused ({text})"),
            ));
        }
        for (local, span, maybe) in unset {
            let name = frame.locals[local.0 as usize].name.clone();
            let text = if maybe {
                format!("possibly used without definition ({name})")
            } else {
                format!("used without definition ({name})")
            };
            self.report(Diagnostic::warning("unset", span, text));
        }
    }
}

impl Flow<'_> {
    fn stmts(&mut self, stmts: &[Stmt]) {
        for s in stmts {
            self.stmt(s);
        }
    }

    /// Joins the state after one of several ways.
    fn join(&mut self, other: Vec<Set>, other_ended: bool) {
        match (self.ended, other_ended) {
            (true, _) => {
                self.state = other;
                self.ended = other_ended;
            }
            (false, true) => {}
            (false, false) => {
                for (a, b) in self.state.iter_mut().zip(other) {
                    if *a != b {
                        *a = Set::Maybe;
                    }
                }
            }
        }
    }

    /// Something that may run or not.
    fn optional(&mut self, f: impl FnOnce(&mut Self)) {
        let before = self.state.clone();
        f(self);
        self.join(before, false);
    }

    fn stmt(&mut self, s: &Stmt) {
        match &s.kind {
            StmtKind::Block(b) => self.stmts(b),
            StmtKind::Print(l) => l.iter().for_each(|e| self.expr(e)),
            StmtKind::Expr(e) => self.expr(e),
            StmtKind::InitLocal(id, e, _) => {
                self.expr(e);
                self.write(*id, e, s.span);
            }
            StmtKind::Event(_, l) => l.iter().for_each(|e| self.expr(e)),
            StmtKind::If(c, yes, no) => {
                self.expr(c);
                let before = self.state.clone();
                self.stmt(yes);
                let (after, ended) = (std::mem::replace(&mut self.state, before), self.ended);
                self.ended = false;
                if let Some(no) = no {
                    self.stmt(no);
                }
                self.join(after, ended);
            }
            StmtKind::While(c, b) => {
                self.expr(c);
                self.optional(|f| f.stmt(b));
            }
            StmtKind::For(f) => {
                self.expr(&f.over);
                self.optional(|flow| flow.stmt(&f.body));
            }
            StmtKind::Switch(sw) => {
                self.expr(&sw.on);
                self.cases(&sw.blocks, sw.default.is_some());
            }
            StmtKind::TypeSwitch(sw) => {
                self.expr(&sw.on);
                for id in sw.labels.iter().filter_map(|l| l.1) {
                    self.state[id.0 as usize] = Set::Yes;
                }
                self.cases(&sw.blocks, sw.default.is_some());
            }
            StmtKind::Return(e) => {
                if let Some(e) = e {
                    self.expr(e);
                }
                self.ended = true;
            }
            StmtKind::Next => self.ended = true,
            StmtKind::Add(l) | StmtKind::Delete(l) => self.target(l),
            StmtKind::When(w) => {
                for (e, _) in &w.captures {
                    self.expr(e);
                }
                if let Some(t) = &w.timeout {
                    self.expr(t);
                }
            }
            StmtKind::Assert(a) => {
                self.expr(&a.cond);
                if let Some(m) = &a.message {
                    self.expr(m);
                }
            }
            StmtKind::Break | StmtKind::Fallthrough | StmtKind::Null => {}
        }
    }

    fn cases(&mut self, blocks: &[Stmt], has_default: bool) {
        let before = self.state.clone();
        let mut out: Option<(Vec<Set>, bool)> = (!has_default).then(|| (before.clone(), false));
        for b in blocks {
            self.state = before.clone();
            self.ended = false;
            self.stmt(b);
            if let Some((state, ended)) = out.take() {
                self.join(state, ended);
            }
            out = Some((self.state.clone(), self.ended));
        }
        if let Some((state, ended)) = out {
            self.state = state;
            self.ended = ended;
        }
    }

    fn write(&mut self, id: LocalId, value: &Expr, span: Span) {
        self.state[id.0 as usize] = Set::Yes;
        self.writes.push((id, span, (self.text)(value)));
    }

    fn read(&mut self, id: LocalId, span: Span) {
        let i = id.0 as usize;
        self.reads[i] += 1;
        if self.state[i] != Set::Yes && !self.ended && !self.unset.iter().any(|u| u.0 == id) {
            self.unset.push((id, span, self.state[i] == Set::Maybe));
        }
    }

    /// What an assignment target reads.
    fn target(&mut self, l: &LValue) {
        match l {
            LValue::Local(_) | LValue::Global(_) => {}
            LValue::Field(e, _) | LValue::Whole(e) => self.base(e),
            LValue::Index(e, index) => {
                self.base(e);
                index.iter().for_each(|i| self.expr(i));
            }
            LValue::Slice(e, low, high) => {
                self.base(e);
                for b in [low, high].into_iter().flatten() {
                    self.expr(b);
                }
            }
            LValue::List(l) => l.iter().for_each(|l| self.target(l)),
        }
    }

    /// A container that is changed: storing into it gives it a value.
    fn base(&mut self, e: &Expr) {
        if let ExprKind::Local(id) = e.kind {
            self.reads[id.0 as usize] += 1;
            self.state[id.0 as usize] = Set::Yes;
            return;
        }
        self.expr(e);
    }

    fn assigned(&mut self, l: &LValue, value: &Expr, span: Span) {
        match l {
            LValue::Local(id) => self.write(*id, value, span),
            LValue::List(l) => l.iter().for_each(|l| self.assigned(l, value, span)),
            _ => {}
        }
    }

    fn expr(&mut self, e: &Expr) {
        match &e.kind {
            ExprKind::Local(id) => self.read(*id, e.span),
            ExprKind::And(a, b) | ExprKind::Or(a, b) => {
                self.expr(a);
                self.optional(|f| f.expr(b));
            }
            ExprKind::Cond(c, a, b) => {
                self.expr(c);
                let before = self.state.clone();
                self.expr(a);
                let after = std::mem::replace(&mut self.state, before);
                self.expr(b);
                self.join(after, false);
            }
            ExprKind::Assign(l, v) => {
                self.expr(v);
                self.target(l);
                self.assigned(l, v, e.span);
            }
            ExprKind::AddAssign(l, v) | ExprKind::SubAssign(l, v) => {
                self.expr(v);
                self.target(l);
                if let LValue::Local(id) = l {
                    self.read(*id, e.span);
                }
            }
            ExprKind::Incr(l) | ExprKind::Decr(l) => {
                self.target(l);
                if let LValue::Local(id) = l {
                    self.read(*id, e.span);
                }
            }
            ExprKind::Lambda(l) => {
                for (id, _) in &l.captures {
                    self.read(*id, e.span);
                }
            }
            ExprKind::WhenLocal(id, v) => {
                self.expr(v);
                self.write(*id, v, e.span);
            }
            _ => e.each_child(&mut |e| self.expr(e)),
        }
    }
}
