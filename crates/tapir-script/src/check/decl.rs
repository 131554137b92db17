//! Declarations of variables, constants and options, their redefinition, and top-level statements.

use tapir_data::types::{FuncType, Kind, TypeId, builtin};

use super::coerce::Context;
use super::{Checker, Frame, FrameKind};
use crate::ast::{self, AssignOp, Decl, DeclKind, ExprKind as A, VarKind};
use crate::diag::Diagnostic;
use crate::hir::{self, Attrs, Expr, ExprKind, Global, GlobalId, Init, InitOp, Span, Storage, Thunk};
use crate::symbol::Symbol;

impl Checker<'_> {
    pub(super) fn declaration(&mut self, decl: Decl) {
        match decl.kind {
            DeclKind::Var {
                kind: VarKind::Redef,
                name,
                ty,
                init,
                attrs,
            } => self.redef(&name, ty.as_ref(), init.as_ref(), &attrs, decl.span),
            DeclKind::Var {
                kind,
                name,
                ty,
                init,
                attrs,
            } => self.variable(kind, &name, ty.as_ref(), init.as_ref(), &attrs, decl.span),
            DeclKind::RedefEnum { name, items } => self.redef_enum(&name, &items),
            DeclKind::RedefRecord { name, fields, attrs } => self.redef_record(&name, &fields, &attrs, decl.span),
            DeclKind::RedefField {
                name,
                field,
                add,
                attrs,
            } => self.redef_field(&name, &field, add, &attrs),
            DeclKind::Type { name, ty, attrs } => self.type_decl(&name, &ty, &attrs),
            DeclKind::Func {
                redef,
                name,
                sig,
                attrs,
                body,
                body_span,
            } => self.func_decl(redef, &name, &sig, &attrs, &body, body_span),
            DeclKind::Stmt(s) => self.top_level(&s),
        }
    }

    fn top_level(&mut self, s: &ast::Stmt) {
        self.has_statements |= !matches!(s.kind, ast::StmtKind::Null);
        let frame = self.top.take().unwrap_or_else(|| Frame::new(FrameKind::TopLevel, None));
        let (stmt, frame) = self.with_frame(frame, |c| c.stmt(s));
        self.top = Some(frame);
        self.program.top_level.content.now_mut().stmts.push(stmt);
        self.program.top_level.span = s.span;
        self.program.top_level.module = self.text(self.module).clone();
    }

    fn variable(
        &mut self,
        kind: VarKind,
        name: &ast::Ident,
        ty: Option<&ast::Type>,
        init: Option<&(InitOp, ast::Expr)>,
        attrs: &[ast::Attr],
        span: Span,
    ) {
        let full = self.full_name(name.name);
        let declared = ty.map(|t| self.ty(t));
        if let (Some(t), None, VarKind::Global) = (declared, init, kind) {
            let redef = attrs.iter().any(|a| {
                matches!(
                    a.name,
                    ast::AttrName::Redef | ast::AttrName::AddFunc | ast::AttrName::DeleteFunc
                )
            });
            if let (Kind::Func(sig), false) = (self.kind(t), redef) {
                let sig: FuncType = sig.clone();
                let defaults = match ty.map(|t| &t.kind) {
                    Some(ast::TypeKind::Func(s)) => s.params.iter().flat_map(|p| &p.attrs).map(|a| a.span).next(),
                    _ => None,
                };
                let known = self.entity(full).is_some();
                self.prototype(full, name, sig, attrs, defaults);
                if let (false, Some(hir::Ident::Func(id))) = (known, self.entity(full).map(|e| e.meaning.clone())) {
                    self.program.functions[id.0 as usize].ty = t;
                }
                return;
            }
        }
        let existing = self.entity(full).map(|e| (e.meaning.clone(), e.span));
        if let Some((meaning, first)) = existing {
            if let hir::Ident::Global(g) = meaning {
                if self.program.globals[g.0 as usize].redefinable && init.is_some() {
                    let text = format!("redefinition requires \"redef\" ({})", self.text(full));
                    self.report(Diagnostic::warning("redef", name.span, text).label(first, "defined here"));
                    self.redefine(g, name, ty, init, attrs, span);
                    return;
                }
            }
            let text = format!("already defined ({})", self.text(full));
            self.report(Diagnostic::error("redefined", name.span, text).label(first, "defined here"));
            return;
        }
        if declared.is_none() && init.is_none() {
            let text = format!("no type given ({})", self.text(name.name));
            self.err("no-type", span, text);
            return;
        }
        let value = init.map(|(_, e)| {
            self.thunk(|c| match declared {
                Some(t) => {
                    let v = c.init_value(e, Some(t));
                    c.initial(v, t, span)
                }
                None => c.init_value(e, None),
            })
        });
        let mut ty = match (declared, &value) {
            (Some(t), _) => t,
            (None, Some(v)) => v.expr.ty,
            (None, None) => builtin::ERROR,
        };
        if declared.is_none() {
            if ty == builtin::VOID {
                self.err("void", span, "can't assign void value");
                ty = builtin::ERROR;
            } else if matches!(self.kind(ty), Kind::Empty) {
                let text = format!("empty constructor in untyped initialization ({})", self.text(name.name));
                let d = Diagnostic::error("empty-constructor", span, text)
                    .suggest(format!("give the type: global {}: …", self.text(name.name)));
                self.report(d);
                ty = builtin::ERROR;
            }
        }
        let (value_attrs, flags) = self.global_attrs(attrs, ty);
        let redefinable = flags.redef || kind == VarKind::Option;
        match kind {
            VarKind::Const if value.is_none() && !redefinable => {
                let text = format!("const variable must be initialized ({})", self.text(name.name));
                self.err("const", span, text);
            }
            VarKind::Option => {
                if value.is_none() {
                    let text = format!("option variable must be initialized ({})", self.text(name.name));
                    self.err("option", span, text);
                }
                if matches!(self.kind(ty), Kind::Func(_)) {
                    let text = format!("option variable cannot have function type ({})", self.text(name.name));
                    self.err("option", span, text);
                }
            }
            _ => {}
        }
        let storage = match kind {
            VarKind::Const => Storage::Const,
            VarKind::Option => Storage::Option,
            _ => Storage::Variable,
        };
        let deprecated = flags.deprecated.clone();
        let g = self.new_global(full, ty, storage, redefinable, value_attrs, name.span);
        if let (Some(text), Some(e)) = (deprecated, self.scope[full.0 as usize].as_mut()) {
            e.deprecated = Some(text);
        }
        self.remember(g, storage, value.as_ref());
        let op = if value.is_some() { InitOp::Set } else { InitOp::Declare };
        let value = value.filter(|v| v.expr.ty != builtin::ERROR);
        self.program.inits.push(Init {
            global: g,
            op,
            value,
            redef: false,
            span,
        });
    }

    fn new_global(
        &mut self,
        full: Symbol,
        ty: TypeId,
        storage: Storage,
        redefinable: bool,
        attrs: Attrs,
        span: Span,
    ) -> GlobalId {
        let g = GlobalId(self.program.globals.len() as u32);
        let exported = self.exported;
        let name = self.text(full).clone();
        self.program.globals.push(Global {
            name,
            ty,
            storage,
            exported,
            redefinable,
            attrs,
            span,
        });
        self.define(full, hir::Ident::Global(g), exported, span);
        g
    }

    /// Keeps the value of a constant for `@if` and labels.
    fn remember(&mut self, g: GlobalId, storage: Storage, value: Option<&Thunk>) {
        if storage == Storage::Variable {
            return;
        }
        let folded = value.and_then(|v| self.fold(&v.expr));
        match folded {
            Some(c) => self.values.insert(g, c),
            None => self.values.remove(&g),
        };
    }

    /// Converts an initial value.
    fn initial(&mut self, v: Expr, ty: TypeId, span: Span) -> Expr {
        if v.ty == builtin::VOID {
            return self.bad_expr("void", span, "can't assign void value");
        }
        self.coerce(v, ty, Context::Assign)
    }

    fn redef(
        &mut self,
        name: &ast::Ident,
        ty: Option<&ast::Type>,
        init: Option<&(InitOp, ast::Expr)>,
        attrs: &[ast::Attr],
        span: Span,
    ) {
        let Some(full) = self.find_global(name.name) else {
            if let Some((_, e)) = init {
                let errors = self.errors;
                self.thunk(|c| c.expr(e, None));
                if self.errors > errors {
                    // Told already; the name is a second problem.
                }
            }
            let text = self.text(name.name).clone();
            let mut d = Diagnostic::error(
                "redef-unknown",
                name.span,
                format!("\"redef\" used but not previously defined ({text})"),
            );
            if let Some(s) = self.near_name(&text, |_| true) {
                d = d.suggest(format!("did you mean {s}?"));
            }
            self.report(d);
            return;
        };
        let Some(meaning) = self.visible(full, name.span) else {
            return;
        };
        let first = self.entity(full).map_or(name.span, |e| e.span);
        let g = match meaning {
            hir::Ident::Global(g) => g,
            hir::Ident::Type(t) => {
                let shown = self.text(name.name).clone();
                let (text, hint) = match self.kind(t) {
                    Kind::Enum(_) => (
                        format!("redef of enum type {shown} is missing enum keyword, at or near \"{shown}\""),
                        format!("redef enum {shown} += {{ … }};"),
                    ),
                    Kind::Record(_) => (
                        format!("redef of record type {shown} is missing record keyword, at or near \"{shown}\""),
                        format!("redef record {shown} += {{ … }};"),
                    ),
                    _ => (
                        format!(
                            "can not redef {} type {shown}, at or near \"{shown}\"",
                            self.type_text(t)
                        ),
                        "only variables, options, enumerations and records can be redefined".to_string(),
                    ),
                };
                self.report(Diagnostic::error("redef-type", name.span, text).suggest(hint));
                return;
            }
            hir::Ident::Func(f) => {
                // A prototype that is given a value instead of a body.
                match self.variable_of(f, name.span) {
                    Some(g) => {
                        self.redefine(g, name, ty, init, attrs, span);
                    }
                    None => {
                        if let Some((_, e)) = init {
                            self.thunk(|c| c.expr(e, None));
                        }
                    }
                }
                return;
            }
            hir::Ident::Enumerator(..) => {
                let text = format!("cannot redefine the enumerator {}", self.text(full));
                self.err("redef-type", name.span, text);
                return;
            }
        };
        if !self.program.globals[g.0 as usize].redefinable {
            if let Some((_, e)) = init {
                self.thunk(|c| c.expr(e, None));
            }
            let text = format!(
                "cannot redefine a variable not marked with &redef ({})",
                self.text(full)
            );
            self.report(Diagnostic::error("redef", name.span, text).label(first, "declared here"));
            return;
        }
        self.redefine(g, name, ty, init, attrs, span);
    }

    fn redefine(
        &mut self,
        g: GlobalId,
        name: &ast::Ident,
        ty: Option<&ast::Type>,
        init: Option<&(InitOp, ast::Expr)>,
        attrs: &[ast::Attr],
        span: Span,
    ) {
        let global_ty = self.program.globals[g.0 as usize].ty;
        if let Some(t) = ty {
            let t = self.ty(t);
            if t != builtin::ERROR && !self.fits(t, global_ty) {
                let text = format!("redefinition changes type ({})", self.text(name.name));
                let note = format!("it is {}", self.type_text(global_ty));
                self.report(Diagnostic::error("redef", span, text).note(note));
                return;
            }
        }
        let (new_attrs, flags) = self.global_attrs(attrs, global_ty);
        self.merge_attrs(g, new_attrs);
        if flags.redef {
            self.program.globals[g.0 as usize].redefinable = true;
        }
        let Some((op, e)) = init else {
            self.program.inits.push(Init {
                global: g,
                op: InitOp::Declare,
                value: None,
                redef: true,
                span,
            });
            return;
        };
        let op = *op;
        let aggregate = matches!(
            self.kind(global_ty),
            Kind::Table { .. } | Kind::Vector(_) | Kind::Record(_) | Kind::Error
        );
        if op != InitOp::Set && !aggregate {
            let has_value = self.program.inits.iter().any(|i| i.global == g && i.value.is_some());
            if !has_value {
                let sign = if op == InitOp::Add { "+=" } else { "-=" };
                let text = format!(
                    "{sign} initializer applied to ID without value ({})",
                    self.text(name.name)
                );
                self.err("redef", span, text);
            }
        }
        let value = self.thunk(|c| c.redef_value(op, e, global_ty, span));
        let storage = self.program.globals[g.0 as usize].storage;
        match op {
            InitOp::Set => self.remember(g, storage, Some(&value)),
            _ => {
                self.values.remove(&g);
            }
        }
        if value.expr.ty == builtin::ERROR {
            return;
        }
        self.program.inits.push(Init {
            global: g,
            op,
            value: Some(value),
            redef: true,
            span,
        });
    }

    /// The value of `= e`, `+= e`, `-= e` on a global.
    fn redef_value(&mut self, op: InitOp, e: &ast::Expr, ty: TypeId, span: Span) -> Expr {
        match (op, self.kind(ty)) {
            (InitOp::Remove, Kind::Table { index, yields: Some(_) }) => {
                // Entries are removed by key; the values of full entries do not count.
                let set = Kind::Table {
                    index: index.clone(),
                    yields: None,
                };
                let set = self.intern(set);
                if let A::Brace(elements) = &e.kind {
                    if !elements.iter().all(|x| matches!(x.kind, A::Assign(AssignOp::Set, ..))) {
                        return self.set_of(elements, &[], Some(set), e.span);
                    }
                }
                let v = self.value(e, Some(ty));
                if self.fits(v.ty, set) {
                    return v;
                }
                self.coerce(v, ty, Context::Assign)
            }
            (InitOp::Add, Kind::Vector(element)) => {
                let element = *element;
                if matches!(e.kind, A::Brace(_)) {
                    return self.value(e, Some(ty));
                }
                let v = self.init_value(e, Some(ty));
                if v.ty == builtin::ERROR || self.fits(v.ty, ty) || matches!(self.kind(v.ty), Kind::Empty) {
                    return self.coerce(v, ty, Context::Assign);
                }
                let v = self.coerce(v, element, Context::Element);
                if v.ty == builtin::ERROR {
                    return v;
                }
                let at = v.span;
                Expr {
                    kind: ExprKind::Vector(vec![v]),
                    ty: self.canonical(ty),
                    span: at,
                }
            }
            _ => {
                let v = self.init_value(e, Some(ty));
                self.initial(v, ty, span)
            }
        }
    }

    fn merge_attrs(&mut self, g: GlobalId, new: Attrs) {
        if new.is_empty() {
            return;
        }
        let old = &mut *self.program.globals[g.0 as usize].attrs;
        let mut new = new;
        let new = &mut *new;
        macro_rules! take {
            ($($field:ident),*) => { $(if new.$field.is_some() { old.$field = new.$field.take(); })* };
        }
        let (ordered, raw, used, handler) = (new.ordered, new.raw_output, new.is_used, new.error_handler);
        take!(
            default,
            default_insert,
            read_expire,
            write_expire,
            create_expire,
            expire_func,
            on_change,
            add_func,
            delete_func,
            publish_on_change,
            backend,
            deprecated
        );
        old.ordered |= ordered;
        old.raw_output |= raw;
        old.is_used |= used;
        old.error_handler |= handler;
    }
}
