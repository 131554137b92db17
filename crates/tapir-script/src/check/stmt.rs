//! Statements, blocks and locals.

use std::sync::Arc;

use tapir_data::types::{Kind, TypeId, builtin};

use super::coerce::Context;
use super::{Checker, FrameKind, LocalInfo};
use crate::ast::{self, ExprKind as A, StmtKind as S};
use crate::diag::Diagnostic;
use crate::hir::{self, Attrs, BinOp, Const, Expr, ExprKind, LocalId, Span, Stmt, StmtKind};
use crate::symbol::Symbol;

impl Checker<'_> {
    /// Adds a local without looking at what else has its name.
    pub(super) fn add_local(&mut self, name: Symbol, ty: TypeId, span: Span, used: bool) -> LocalId {
        let mut shown: Arc<str> = self.text(name).clone();
        if self.module != Symbol::EMPTY {
            shown = format!("{}::{shown}", self.text(self.module)).into();
        }
        if self.frame().locals.len() == super::LOCALS_MAX {
            let text = format!(
                "a function has at most {} parameters and local variables",
                super::LOCALS_MAX
            );
            self.err("too-many", span, text);
        }
        let frame = self.frame();
        let id = LocalId(frame.locals.len() as u32);
        frame.locals.push(hir::Local {
            name: shown,
            ty,
            create_at_entry: false,
        });
        frame.info.push(LocalInfo {
            name,
            ty,
            active: true,
            span,
            constant: false,
            captured: false,
            is_loop: false,
            assured: false,
            used,
        });
        frame.vars.insert(name, id);
        id
    }

    /// Declares a local; tells when the name is taken. Loop variables may be declared again with the same type.
    pub(super) fn new_local(
        &mut self,
        name: &ast::Ident,
        ty: TypeId,
        constant: bool,
        in_loop: bool,
    ) -> Option<LocalId> {
        if let Some(&id) = self.frame().vars.get(&name.name) {
            let info = &self.frame().info[id.0 as usize];
            let (old, span, was_constant) = (info.ty, info.span, info.constant);
            if in_loop {
                if was_constant {
                    let text = format!("constant used in 'for' loop ({})", self.text(name.name));
                    self.report(Diagnostic::error("loop-variable", name.span, text).label(span, "declared here"));
                    return None;
                }
                if ty == builtin::ERROR || self.fits(old, ty) {
                    let info = &mut self.frame().info[id.0 as usize];
                    info.active = true;
                    info.used = true;
                    return Some(id);
                }
                let text = format!("type clash in iteration ({})", self.text(name.name));
                let note = format!("it was {}, and here it is {}", self.type_text(old), self.type_text(ty));
                self.report(
                    Diagnostic::error("loop-variable", name.span, text)
                        .label(span, "declared here")
                        .note(note),
                );
                return None;
            }
            let text = format!("already defined ({})", self.text(name.name));
            self.report(Diagnostic::error("redefined", name.span, text).label(span, "defined here"));
            return None;
        }
        if let Some(full) = self.find_global(name.name) {
            let (span, meaning) = match self.entity(full) {
                Some(e) => (e.span, e.meaning.clone()),
                None => (name.span, hir::Ident::Type(builtin::ERROR)),
            };
            let shown = self.text(name.name).clone();
            if in_loop {
                let constant = matches!(meaning, hir::Ident::Global(g) if self.program.globals[g.0 as usize].storage != hir::Storage::Variable);
                let text = if constant {
                    format!("constant used in 'for' loop ({shown})")
                } else {
                    format!("global variable used in 'for' loop ({shown})")
                };
                self.report(Diagnostic::error("loop-variable", name.span, text).label(span, "declared here"));
                return None;
            }
            self.report(
                Diagnostic::error(
                    "local-hides-global",
                    name.span,
                    format!("already a global identifier ({shown})"),
                )
                .label(span, "the global"),
            );
            return None;
        }
        let id = self.add_local(name.name, ty, name.span, in_loop);
        let info = &mut self.frame().info[id.0 as usize];
        info.constant = constant;
        info.is_loop = in_loop;
        Some(id)
    }

    /// Statements in a scope of their own.
    pub(super) fn block(&mut self, stmts: &[ast::Stmt]) -> Vec<Stmt> {
        let first = self.frame().info.len();
        let out = self.statements(stmts);
        let frame = self.frame();
        for info in frame.info.iter_mut().skip(first) {
            info.active &= info.outlives_block();
        }
        out
    }

    /// Statements in the scope that is current.
    pub(super) fn statements(&mut self, stmts: &[ast::Stmt]) -> Vec<Stmt> {
        stmts.iter().map(|s| self.stmt(s)).collect()
    }

    pub(super) fn stmt(&mut self, s: &ast::Stmt) -> Stmt {
        let kind = self.stmt_kind(s);
        Stmt { kind, span: s.span }
    }

    fn condition_of(&mut self, e: &ast::Expr) -> Expr {
        let c = self.value(e, None);
        match self.canonical(c.ty) {
            builtin::ERROR | builtin::BOOL => c,
            builtin::ANY => self.coerce(c, builtin::BOOL, Context::Element),
            _ => {
                let text = format!("conditional in test must be boolean ({})", self.expr_text(&c));
                let note = format!("this is {}", self.type_text(c.ty));
                let mut d = Diagnostic::error("condition", c.span, text).note(note);
                if matches!(c.kind, ExprKind::Assign(..)) {
                    d = d.suggest("comparison is written ==");
                }
                self.report(d);
                self.bad(c.span)
            }
        }
    }

    fn stmt_kind(&mut self, s: &ast::Stmt) -> StmtKind {
        match &s.kind {
            S::Null => StmtKind::Null,
            S::Block(stmts) => StmtKind::Block(self.block(stmts)),
            S::Print(args) => StmtKind::Print(args.iter().map(|a| self.value(a, None)).collect()),
            S::Expr(e) => self.expr_stmt(e),
            S::Local {
                constant,
                name,
                ty,
                init,
                attrs,
            } => self.local(*constant, name, ty.as_ref(), init.as_deref(), attrs, s.span),
            S::Event(name, args) => match self.event_target(name) {
                Some((target, sig)) => match self.arguments(args, &sig, None, s.span, "event invocation") {
                    Some(args) => StmtKind::Event(target, args),
                    None => StmtKind::Null,
                },
                None => {
                    for a in args {
                        self.value(a, None);
                    }
                    StmtKind::Null
                }
            },
            S::If(c, yes, no) => {
                let c = self.condition_of(c);
                let yes = Box::new(self.sub_stmt(yes));
                let no = no.as_ref().map(|n| Box::new(self.sub_stmt(n)));
                StmtKind::If(c, yes, no)
            }
            S::While(c, body) => {
                let c = self.condition_of(c);
                self.frame().loops += 1;
                let body = self.sub_stmt(body);
                self.frame().loops -= 1;
                StmtKind::While(c, Box::new(body))
            }
            S::For {
                keys,
                bracketed,
                value,
                over,
                body,
            } => self.for_stmt(keys, *bracketed, value.as_ref(), over, body, s.span),
            S::Switch(on, cases) => self.switch(on, cases, s.span),
            S::Next => {
                if self.frame().loops == 0 {
                    self.err("next", s.span, "next statement used outside of for or while statement.");
                }
                StmtKind::Next
            }
            S::Break => {
                let frame = self.frame();
                if frame.loops == 0 && frame.switches == 0 && frame.kind != FrameKind::Hook {
                    self.err(
                        "break",
                        s.span,
                        "break statement used outside of for, while or switch statement and not within a hook.",
                    );
                }
                StmtKind::Break
            }
            S::Fallthrough => {
                if self.frame().switches == 0 {
                    self.err(
                        "fallthrough",
                        s.span,
                        "fallthrough statement used outside of switch statement",
                    );
                }
                StmtKind::Fallthrough
            }
            S::Return(e) => self.return_stmt(e.as_ref(), s.span),
            S::When(when) => self.when(when, s.span),
            S::Assert(cond, message) => {
                let cond = self.condition_of(cond);
                let text = self.expr_text(&cond).into();
                let message = message.as_ref().map(|m| {
                    let m = self.value(m, Some(builtin::STRING));
                    if !matches!(self.canonical(m.ty), builtin::STRING | builtin::ERROR | builtin::ANY) {
                        let text = format!("message must be string ({})", self.expr_text(&m));
                        self.err("assert", m.span, text);
                    }
                    m
                });
                StmtKind::Assert(Box::new(hir::Assert { cond, message, text }))
            }
        }
    }

    /// The statement of an `if` or a loop: locals in it end with it.
    fn sub_stmt(&mut self, s: &ast::Stmt) -> Stmt {
        self.stmt(s)
    }

    fn expr_stmt(&mut self, e: &ast::Expr) -> StmtKind {
        match &e.kind {
            A::Add(target) => match self.add(target, e.span) {
                Some(l) => StmtKind::Add(l),
                None => StmtKind::Null,
            },
            A::Delete(target) => match self.delete(target, e.span) {
                Some(l) => StmtKind::Delete(l),
                None => StmtKind::Null,
            },
            _ => {
                let e = self.expr(e, None);
                if e.ty != builtin::ERROR && is_pure(&e) {
                    let text = format!("expression value ignored ({})", self.expr_text(&e));
                    self.warn("value-ignored", e.span, text);
                }
                StmtKind::Expr(e)
            }
        }
    }

    fn local(
        &mut self,
        constant: bool,
        name: &ast::Ident,
        ty: Option<&ast::Type>,
        init: Option<&ast::Expr>,
        attrs: &[ast::Attr],
        span: Span,
    ) -> StmtKind {
        let declared = ty.map(|t| self.ty(t));
        let value = init.map(|i| self.init_value(i, declared));
        let ty = match (declared, &value) {
            (Some(t), _) => t,
            (None, Some(v)) => match v.ty {
                builtin::VOID => {
                    let text = format!("can't assign void value ({})", self.expr_text(v));
                    self.err("void", span, text);
                    builtin::ERROR
                }
                t if matches!(self.kind(t), Kind::Empty) => {
                    let text = format!("empty constructor in untyped initialization ({})", self.expr_text(v));
                    let d = Diagnostic::error("empty-constructor", span, text)
                        .suggest(format!("give the type: local {}: …", self.text(name.name)));
                    self.report(d);
                    builtin::ERROR
                }
                t => t,
            },
            (None, None) => {
                let text = format!("no type given ({})", self.text(name.name));
                self.err("no-type", span, text);
                builtin::ERROR
            }
        };
        let value = value.map(|v| {
            if v.ty == builtin::VOID {
                if declared.is_some() {
                    let text = format!("can't assign void value ({})", self.expr_text(&v));
                    self.err("void", v.span, text);
                }
                self.bad(v.span)
            } else {
                self.coerce(v, ty, Context::Assign)
            }
        });
        let Some(id) = self.new_local(name, ty, constant, false) else {
            return StmtKind::Null;
        };
        let aggregate = self.is_aggregate(ty);
        let assured = |a: &ast::Attr| matches!(a.name, ast::AttrName::IsAssigned | ast::AttrName::IsUsed);
        self.frame().info[id.0 as usize].assured = attrs.iter().any(assured);
        let attrs = if attrs.is_empty() {
            Attrs::default()
        } else {
            self.value_attrs(attrs, ty)
        };
        match value {
            Some(v) if v.ty == builtin::ERROR => StmtKind::Null,
            Some(v) => StmtKind::InitLocal(id, v, attrs),
            None => {
                let frame = self.frame();
                let top = frame.kind == FrameKind::TopLevel;
                frame.locals[id.0 as usize].create_at_entry = aggregate && !top;
                let has_attrs = attrs.default.is_some()
                    || attrs.default_insert.is_some()
                    || attrs.read_expire.is_some()
                    || attrs.write_expire.is_some()
                    || attrs.create_expire.is_some()
                    || attrs.on_change.is_some()
                    || attrs.ordered;
                if !has_attrs {
                    return StmtKind::Null;
                }
                // Attributes need a value to belong to.
                let kind = match self.kind(ty) {
                    Kind::Table { yields: Some(_), .. } => ExprKind::Table(Vec::new(), Attrs::default()),
                    Kind::Table { .. } => ExprKind::Set(Vec::new(), Attrs::default()),
                    _ => return StmtKind::Null,
                };
                let empty = Expr {
                    kind,
                    ty: self.canonical(ty),
                    span,
                };
                StmtKind::InitLocal(id, empty, attrs)
            }
        }
    }

    fn for_stmt(
        &mut self,
        keys: &[ast::Ident],
        bracketed: bool,
        value: Option<&ast::Ident>,
        over: &ast::Expr,
        body: &ast::Stmt,
        span: Span,
    ) -> StmtKind {
        let over = self.value(over, None);
        let (index, yields): (Vec<TypeId>, Option<TypeId>) = match self.kind(over.ty) {
            Kind::Table { index, yields } => (index.clone(), *yields),
            Kind::Vector(t) => (vec![builtin::COUNT], Some(*t)),
            Kind::String => (vec![builtin::STRING], None),
            Kind::Error => (vec![builtin::ERROR; keys.len()], Some(builtin::ERROR)),
            // Nothing to visit, so any type does.
            Kind::Empty => match over.kind {
                ExprKind::Vector(_) => (vec![builtin::COUNT], Some(builtin::ANY)),
                _ => (vec![builtin::ANY; keys.len()], Some(builtin::ANY)),
            },
            _ => {
                let text = format!(
                    "target to iterate over must be a table, set, vector or string ({})",
                    self.expr_text(&over)
                );
                let note = format!("this is {}", self.type_text(over.ty));
                self.report(Diagnostic::error("for", over.span, text).note(note));
                (vec![builtin::ERROR; keys.len()], Some(builtin::ERROR))
            }
        };
        let blank_all = keys.len() == 1 && !bracketed && keys[0].name == Symbol::BLANK;
        let mut slots = Vec::with_capacity(index.len());
        if blank_all {
            slots = vec![None; index.len()];
        } else {
            if keys.len() != index.len() {
                let text = format!(
                    "wrong index size in iteration: {} given, {} needed",
                    super::index::count(keys.len(), "name is", "names are"),
                    index.len()
                );
                self.err("for", span, text);
            }
            for (i, k) in keys.iter().enumerate() {
                if k.name == Symbol::BLANK {
                    slots.push(None);
                    continue;
                }
                let ty = index.get(i).copied().unwrap_or(builtin::ERROR);
                slots.push(self.loop_variable(k, ty));
            }
        }
        let value = match value {
            None => None,
            Some(v) => match yields {
                Some(t) if v.name != Symbol::BLANK => self.loop_variable(v, t),
                Some(_) => None,
                None => {
                    self.err(
                        "for",
                        span,
                        "key value loops only support iteration over tables and vectors",
                    );
                    self.loop_variable(v, builtin::ERROR)
                }
            },
        };
        self.frame().loops += 1;
        let body = self.sub_stmt(body);
        self.frame().loops -= 1;
        StmtKind::For(Box::new(hir::For {
            keys: slots,
            value,
            over,
            body,
        }))
    }

    fn loop_variable(&mut self, name: &ast::Ident, ty: TypeId) -> Option<LocalId> {
        self.new_local(name, ty, false, true)
    }

    fn return_stmt(&mut self, e: Option<&ast::Expr>, span: Span) -> StmtKind {
        let (kind, yields) = match self.frames.last() {
            Some(f) => (f.kind, f.yields),
            None => (FrameKind::TopLevel, None),
        };
        match kind {
            FrameKind::Event => {
                if let Some(e) = e {
                    self.value(e, None);
                    self.err("return", span, "event handler cannot return a value");
                }
                StmtKind::Return(None)
            }
            FrameKind::Hook => {
                let Some(e) = e else {
                    return StmtKind::Return(None);
                };
                let e = self.value(e, Some(builtin::BOOL));
                self.warn(
                    "hook-return",
                    span,
                    "Returning values from a hook is deprecated; break ends the hook and makes it yield F",
                );
                // The value is evaluated and thrown away.
                StmtKind::Block(vec![
                    Stmt {
                        span,
                        kind: StmtKind::Expr(e),
                    },
                    Stmt {
                        span,
                        kind: StmtKind::Return(None),
                    },
                ])
            }
            FrameKind::TopLevel | FrameKind::Init => {
                if let Some(e) = e {
                    self.value(e, None);
                }
                self.err("return", span, "return statement outside of function/event");
                StmtKind::Null
            }
            FrameKind::Function | FrameKind::Lambda | FrameKind::When => match (e, yields) {
                (None, None | Some(builtin::VOID)) => StmtKind::Return(None),
                (None, Some(builtin::ERROR)) => StmtKind::Return(None),
                (None, Some(t)) => {
                    let note = format!("the function yields {}", self.type_text(t));
                    self.report(Diagnostic::error("return", span, "return statement needs expression").note(note));
                    StmtKind::Return(None)
                }
                (Some(e), Some(builtin::VOID)) => {
                    self.value(e, None);
                    let d = Diagnostic::error("return", span, "return statement cannot have an expression")
                        .note("the function is declared without a result");
                    self.report(d);
                    StmtKind::Return(None)
                }
                (Some(e), Some(t)) => {
                    let v = self.value(e, Some(t));
                    let from = v.ty;
                    let ok = from == builtin::ERROR
                        || self.fits(from, t)
                        || self.common_number(from, t).is_some()
                        || matches!(self.kind(from), Kind::Empty)
                        || matches!(
                            (self.kind(from), self.kind(t)),
                            (Kind::Record(_), Kind::Record(_)) | (Kind::Enum(_), Kind::Enum(_))
                        )
                        || (self.canonical(t) == builtin::TIME && super::coerce::is_zero(&v));
                    if !ok {
                        let text = format!("incompatible types for return value ({})", self.expr_text(&v));
                        let note = format!(
                            "the function yields {}, and this is {}",
                            self.type_text(t),
                            self.type_text(from)
                        );
                        self.report(Diagnostic::error("return", span, text).note(note));
                        return StmtKind::Return(None);
                    }
                    let v = self.coerce(v, t, Context::Element);
                    StmtKind::Return(Some(v))
                }
                (Some(e), None) => {
                    let v = self.value(e, None);
                    if matches!(self.kind(v.ty), Kind::Empty) {
                        let text = format!("cannot infer the result from {}", self.expr_text(&v));
                        self.err("return", span, text);
                        return StmtKind::Return(None);
                    }
                    let ty = v.ty;
                    self.frame().yields = Some(ty);
                    StmtKind::Return(Some(v))
                }
            },
        }
    }

    fn switch(&mut self, on: &ast::Expr, cases: &[ast::Case], span: Span) -> StmtKind {
        let on = self.value(on, None);
        let by_type = cases.iter().any(|c| !c.types.is_empty());
        let by_value = cases.iter().any(|c| !c.labels.is_empty());
        if by_type && by_value {
            self.err("switch", span, "cannot mix cases with expressions and types");
        }
        self.frame().switches += 1;
        let mut labels: Vec<(Const, u32)> = Vec::new();
        let mut types: Vec<(TypeId, Option<LocalId>, u32)> = Vec::new();
        let mut spans: Vec<Span> = Vec::new();
        let mut blocks = Vec::with_capacity(cases.len());
        let mut default = None;
        for (i, case) in cases.iter().enumerate() {
            let first = self.frame().info.len();
            if case.labels.is_empty() && case.types.is_empty() {
                if default.is_some() {
                    self.err("switch", case.span, "multiple default labels");
                }
                default = Some(i as u32);
            }
            for l in &case.labels {
                if let Some(c) = self.label(l, &on) {
                    if let Some(n) = labels.iter().position(|(d, _)| *d == c) {
                        let before = spans[n];
                        let text = format!("duplicate case label ({})", self.source_text(l));
                        self.report(Diagnostic::error("switch", l.span, text).label(before, "first used here"));
                    } else {
                        labels.push((c, i as u32));
                        spans.push(l.span);
                    }
                }
            }
            let mut bound = false;
            for (t, name) in &case.types {
                let ty = self.ty(t);
                if ty == builtin::ERROR || on.ty == builtin::ERROR {
                    continue;
                }
                if !self.castable(on.ty, ty) {
                    let text = format!("cannot cast switch expression to case type ({})", self.type_text(ty));
                    self.err("switch", t.span, text);
                    continue;
                }
                if types.iter().any(|(u, _, _)| self.program.types.same(*u, ty)) {
                    let text = format!("duplicate case label ({})", self.type_text(ty));
                    self.err("switch", t.span, text);
                }
                let local = match name {
                    Some(n) => {
                        bound = true;
                        self.case_local(n, ty)
                    }
                    None => None,
                };
                types.push((ty, local, i as u32));
            }
            let body = self.statements(&case.body);
            let end = case.body.last();
            if !end.is_some_and(ends) {
                let at = end.map_or(case.span, |e| e.span);
                self.report(
                    Diagnostic::error(
                        "switch",
                        at,
                        "case block must end in break/fallthrough/return statement",
                    )
                    .label(case.span, "this case"),
                );
            }
            if bound && end.is_some_and(|e| matches!(e.kind, S::Fallthrough)) {
                let at = end.map_or(case.span, |e| e.span);
                self.err("switch", at, "invalid 'fallthrough' in type-casting 'case' block");
            }
            for info in self.frame().info.iter_mut().skip(first) {
                info.active &= info.outlives_block();
            }
            blocks.push(Stmt {
                kind: StmtKind::Block(body),
                span: case.span,
            });
        }
        self.frame().switches -= 1;
        if by_type {
            return StmtKind::TypeSwitch(Box::new(hir::TypeSwitch {
                on,
                labels: types,
                blocks,
                default,
            }));
        }
        StmtKind::Switch(Box::new(hir::Switch {
            on,
            labels,
            blocks,
            default,
        }))
    }

    fn castable(&self, from: TypeId, to: TypeId) -> bool {
        self.canonical(from) == builtin::ANY
            || self.fits(from, to)
            || matches!(self.kind(from), Kind::Record(r) if self.program.types.layout(*r).name.as_deref() == Some("Broker::Data"))
    }

    /// The variable of `case type T as x`; several cases may use one name with different types.
    fn case_local(&mut self, name: &ast::Ident, ty: TypeId) -> Option<LocalId> {
        if let Some(&id) = self.frame().vars.get(&name.name) {
            if self.frame().info[id.0 as usize].active {
                let span = self.frame().info[id.0 as usize].span;
                let text = format!("already defined ({})", self.text(name.name));
                self.report(Diagnostic::error("redefined", name.span, text).label(span, "defined here"));
                return None;
            }
        }
        Some(self.add_local(name.name, ty, name.span, false))
    }

    fn label(&mut self, e: &ast::Expr, on: &Expr) -> Option<Const> {
        let label = self.value(e, Some(on.ty));
        if label.ty == builtin::ERROR || on.ty == builtin::ERROR {
            return None;
        }
        let wanted = self.canonical(on.ty);
        if self.canonical(label.ty) != wanted && wanted != builtin::ANY {
            let text = format!("case label has wrong type ({})", self.expr_text(&label));
            let note = format!(
                "the switch is over {}, and this is {}",
                self.type_text(on.ty),
                self.type_text(label.ty)
            );
            let mut d = Diagnostic::error("switch", label.span, text).note(note);
            if wanted == builtin::INT && self.canonical(label.ty) == builtin::COUNT {
                d = d.suggest(format!("+{} is an int", self.expr_text(&label)));
            }
            if on.span != label.span {
                d = d.label(on.span, "the value that is switched on");
            }
            self.report(d);
            return None;
        }
        let value = self.constant_value(&label);
        if value.is_none() {
            let text = format!("case label expression isn't constant ({})", self.expr_text(&label));
            self.err("switch", label.span, text);
        }
        value
    }
}

impl LocalInfo {
    /// Whether the local lives until the end of the function: loop variables do.
    fn outlives_block(&self) -> bool {
        self.captured || self.is_loop
    }
}

/// Whether a statement leaves its case.
fn ends(s: &ast::Stmt) -> bool {
    match &s.kind {
        S::Break | S::Fallthrough | S::Return(_) => true,
        S::When(w) => w.is_return,
        S::Block(stmts) => stmts.last().is_some_and(ends),
        S::If(_, yes, Some(no)) => ends(yes) && ends(no),
        _ => false,
    }
}

/// Whether evaluating an expression does nothing but yield its value.
fn is_pure(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Call(..)
        | ExprKind::HookCall(..)
        | ExprKind::Assign(..)
        | ExprKind::AddAssign(..)
        | ExprKind::SubAssign(..)
        | ExprKind::Incr(_)
        | ExprKind::Decr(_)
        | ExprKind::Schedule(..)
        | ExprKind::WhenLocal(..)
        | ExprKind::Binary(BinOp::SetSub, ..) => false,
        _ => {
            let mut pure = true;
            e.each_child(&mut |child| pure = pure && is_pure(child));
            pure
        }
    }
}
