//! Assignments, steps, `add` and `delete`.

use tapir_data::types::{Kind, TypeId, builtin};

use super::coerce::Context;
use super::{Checker, Found};
use crate::ast::{self, AssignOp, ExprKind as A};
use crate::diag::Diagnostic;
use crate::hir::{self, BinOp, Expr, ExprKind, LValue, Span, Storage};

impl Checker<'_> {
    pub(super) fn assign(&mut self, op: AssignOp, target: &ast::Expr, value: &ast::Expr, span: Span) -> Expr {
        let Some((lvalue, ty)) = self.lvalue(target, op == AssignOp::Set) else {
            self.expr(value, None);
            return self.bad(span);
        };
        match op {
            AssignOp::Set => self.assign_set(lvalue, ty, target, value, span),
            AssignOp::Add => self.assign_add(lvalue, ty, target, value, span),
            AssignOp::Sub => self.assign_sub(lvalue, ty, target, value, span),
        }
    }

    fn assign_set(&mut self, lvalue: LValue, ty: TypeId, target: &ast::Expr, value: &ast::Expr, span: Span) -> Expr {
        let value = self.expr(value, Some(ty));
        if value.ty == builtin::VOID {
            let text = format!("can't assign void value ({})", self.expr_text(&value));
            return self.bad_expr("void", span, text);
        }
        let value = self.assigned(value, ty, target, span);
        if value.ty == builtin::ERROR {
            return value;
        }
        let ty = value.ty;
        Expr {
            kind: ExprKind::Assign(lvalue, Box::new(value)),
            ty,
            span,
        }
    }

    /// Converts a value for a target whose source is at hand for the message.
    fn assigned(&mut self, value: Expr, ty: TypeId, target: &ast::Expr, span: Span) -> Expr {
        let from = value.ty;
        let special = from == builtin::ERROR
            || self.fits(from, ty)
            || self.is_number(ty)
            || self.is_number(from)
            || matches!(self.kind(from), Kind::Empty | Kind::Enum(_) | Kind::Record(_));
        if special {
            return self.coerce(value, ty, Context::Assign);
        }
        let shown = self.source_text(target);
        let text = format!("type clash in assignment ({shown} = {})", self.expr_text(&value));
        let note = format!(
            "the target is {}, and this is {}",
            self.type_text(ty),
            self.type_text(from)
        );
        self.report(Diagnostic::error("type-clash", span, text).note(note));
        self.bad(span)
    }

    /// The source of an expression, in one line.
    pub(super) fn source_text(&self, e: &ast::Expr) -> String {
        let Some(file) = self.program.files.get(e.span.file as usize) else {
            return String::new();
        };
        let text = file.text.get(e.span.start as usize..e.span.end as usize).unwrap_or("");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn assign_add(&mut self, lvalue: LValue, ty: TypeId, target: &ast::Expr, value: &ast::Expr, span: Span) -> Expr {
        enum What {
            Number,
            Table,
            Vector(TypeId),
            Same,
            No,
        }
        let what = match self.kind(ty) {
            Kind::Count | Kind::Int | Kind::Double | Kind::Interval => What::Number,
            Kind::Table { .. } => What::Table,
            Kind::Vector(t) => What::Vector(*t),
            Kind::String | Kind::Pattern => What::Same,
            _ => What::No,
        };
        let value = match what {
            What::Number => return self.arithmetic_assign(BinOp::Add, lvalue, ty, target, value, span),
            What::Table => {
                let v = self.value(value, Some(ty));
                if v.ty != builtin::ERROR && !self.fits(v.ty, ty) && !matches!(self.kind(v.ty), Kind::Empty) {
                    let text = format!(
                        "requires values of the same type ({} += {})",
                        self.source_text(target),
                        self.expr_text(&v)
                    );
                    let d = Diagnostic::error("type-clash", span, text)
                        .suggest("single elements are added by \"add s[x];\" or \"s += { x };\"");
                    self.report(d);
                    return self.bad(span);
                }
                self.coerce(v, ty, Context::Assign)
            }
            What::Vector(element) => {
                let whole = matches!(value.kind, A::Brace(_)) || self.is_list_of(value, element);
                let v = self.value(value, Some(if whole { ty } else { element }));
                if v.ty == builtin::ERROR {
                    return v;
                }
                if matches!(self.kind(v.ty), Kind::Empty) && !self.is_aggregate(element) {
                    self.coerce(v, ty, Context::Element)
                } else if self.canonical(element) != builtin::ANY
                    && self.fits(v.ty, ty)
                    && !matches!(self.kind(v.ty), Kind::Any)
                {
                    v
                } else {
                    let from = v.ty;
                    let compatible = self.fits(from, element)
                        || self.common_number(from, element).is_some()
                        || matches!(self.kind(from), Kind::Empty)
                        || matches!(
                            (self.kind(from), self.kind(element)),
                            (Kind::Record(_), Kind::Record(_)) | (Kind::Enum(_), Kind::Enum(_))
                        );
                    if !compatible {
                        let text = format!(
                            "incompatible vector append ({} += {})",
                            self.source_text(target),
                            self.expr_text(&v)
                        );
                        let note = format!(
                            "its elements are {}, and this is {}",
                            self.type_text(element),
                            self.type_text(from)
                        );
                        self.report(Diagnostic::error("type-clash", span, text).note(note));
                        return self.bad(span);
                    }
                    let literal = matches!(v.kind, ExprKind::Record(_));
                    let other = matches!(
                        (self.kind(from), self.kind(element)),
                        (Kind::Record(_), Kind::Record(_))
                    ) && !self.fits(from, element);
                    if other && !literal {
                        // Appending does not convert records; that the type is wrong shows when it runs.
                        let at = v.span;
                        let any = self.coerce(v, builtin::ANY, Context::Element);
                        Expr {
                            kind: ExprKind::Cast(Box::new(any)),
                            ty: element,
                            span: at,
                        }
                    } else {
                        self.coerce(v, element, Context::Element)
                    }
                }
            }
            What::Same => {
                let v = self.value(value, Some(ty));
                if v.ty != builtin::ERROR && !self.fits(v.ty, ty) {
                    let text = format!(
                        "requires arithmetic operands ({} += {})",
                        self.source_text(target),
                        self.expr_text(&v)
                    );
                    return self.bad_expr("operands", span, text);
                }
                self.coerce(v, ty, Context::Assign)
            }
            What::No => {
                self.value(value, None);
                let text = format!(
                    "requires two arithmetic or two string operands ({} += …)",
                    self.source_text(target)
                );
                return self.bad_expr("operands", span, text);
            }
        };
        if value.ty == builtin::ERROR {
            return self.bad(span);
        }
        Expr {
            kind: ExprKind::AddAssign(lvalue, Box::new(value)),
            ty,
            span,
        }
    }

    /// Whether a constructor of a vector lists vectors, so that it stands for elements and not for one.
    fn is_list_of(&mut self, value: &ast::Expr, element: TypeId) -> bool {
        let A::Constructor(ast::Constructor::Vector, args, _) = &value.kind else {
            return false;
        };
        let (Some(first), Kind::Vector(inner)) = (args.first(), self.kind(element)) else {
            return false;
        };
        let (inner, ty) = (*inner, self.plain_type(first));
        match &first.kind {
            A::Constructor(ast::Constructor::Vector, ..) => {
                !matches!(self.kind(inner), Kind::Vector(_) | Kind::Any) || self.is_list_of(first, inner)
            }
            _ => ty.is_some_and(|t| self.fits(t, element) && !self.fits(t, inner)),
        }
    }

    /// The type of a plain variable.
    fn plain_type(&mut self, e: &ast::Expr) -> Option<TypeId> {
        let A::Name(name) = e.kind else {
            return None;
        };
        let frame = self.frames.last()?;
        if let Some(id) = frame.vars.get(&name) {
            return Some(frame.info[id.0 as usize].ty);
        }
        let full = self.find_global(name)?;
        match self.entity(full)?.meaning {
            hir::Ident::Global(g) => Some(self.program.globals[g.0 as usize].ty),
            _ => None,
        }
    }

    fn assign_sub(&mut self, lvalue: LValue, ty: TypeId, target: &ast::Expr, value: &ast::Expr, span: Span) -> Expr {
        match self.kind(ty) {
            Kind::Count | Kind::Int | Kind::Double | Kind::Interval => {
                return self.arithmetic_assign(BinOp::Sub, lvalue, ty, target, value, span);
            }
            Kind::Table { .. } => {}
            _ => {
                self.value(value, None);
                let text = format!("requires arithmetic operands ({} -= …)", self.source_text(target));
                return self.bad_expr("operands", span, text);
            }
        }
        let v = self.value(value, Some(ty));
        if v.ty != builtin::ERROR && !self.fits(v.ty, ty) && !matches!(self.kind(v.ty), Kind::Empty) {
            let text = format!(
                "requires values of the same type ({} -= {})",
                self.source_text(target),
                self.expr_text(&v)
            );
            let d = Diagnostic::error("type-clash", span, text)
                .suggest("single elements are removed by \"delete s[x];\" or \"s -= { x };\"");
            self.report(d);
            return self.bad(span);
        }
        let v = self.coerce(v, ty, Context::Assign);
        if v.ty == builtin::ERROR {
            return v;
        }
        Expr {
            kind: ExprKind::SubAssign(lvalue, Box::new(v)),
            ty,
            span,
        }
    }

    /// `x += y` on numbers is `x = x + y`.
    fn arithmetic_assign(
        &mut self,
        op: BinOp,
        lvalue: LValue,
        ty: TypeId,
        target: &ast::Expr,
        value: &ast::Expr,
        span: Span,
    ) -> Expr {
        let ignore = self.ignore_deprecations;
        self.ignore_deprecations += 1;
        let read = self.value(target, None);
        self.ignore_deprecations = ignore;
        let value = self.value(value, None);
        let sum = self.binary_of(op, read, value, span);
        let sum = self.coerce(sum, ty, Context::Assign);
        if sum.ty == builtin::ERROR {
            return sum;
        }
        Expr {
            kind: ExprKind::Assign(lvalue, Box::new(sum)),
            ty,
            span,
        }
    }

    /// `++x`, `--x`.
    pub(super) fn step(&mut self, target: &ast::Expr, up: bool, span: Span) -> Expr {
        let Some((lvalue, ty)) = self.lvalue(target, false) else {
            return self.bad(span);
        };
        if !matches!(self.canonical(ty), builtin::COUNT | builtin::INT) {
            let text = format!(
                "requires an integral operand ({}{})",
                if up { "++" } else { "--" },
                self.source_text(target)
            );
            return self.bad_expr("operands", span, text);
        }
        Expr {
            kind: if up {
                ExprKind::Incr(lvalue)
            } else {
                ExprKind::Decr(lvalue)
            },
            ty,
            span,
        }
    }

    /// Something that can be assigned to, with its type. `set` when it is assigned as a whole.
    pub(super) fn lvalue(&mut self, e: &ast::Expr, set: bool) -> Option<(LValue, TypeId)> {
        let span = e.span;
        match &e.kind {
            A::Paren(inner) => self.lvalue(inner, set),
            A::Name(name) => match self.resolve(*name, span) {
                Found::Nothing => None,
                Found::Local(id) => {
                    let info = &self.frame().info[id.0 as usize];
                    let (ty, constant) = (info.ty, info.constant);
                    if constant {
                        return self.not_modifiable(*name, "const", span);
                    }
                    Some((LValue::Local(id), ty))
                }
                Found::Global(hir::Ident::Global(g)) => {
                    let global = &self.program.globals[g.0 as usize];
                    let (ty, storage) = (global.ty, global.storage);
                    let aggregate = matches!(self.kind(ty), Kind::Table { .. } | Kind::Vector(_));
                    match storage {
                        // The content of a constant container may change, its name may not be assigned.
                        Storage::Const if set || !aggregate => self.not_modifiable(*name, "const", span),
                        Storage::Option => self.not_modifiable(*name, "option", span),
                        _ => Some((LValue::Global(g), ty)),
                    }
                }
                Found::Global(hir::Ident::Func(f)) => {
                    let g = self.variable_of(f, span)?;
                    let ty = self.program.globals[g.0 as usize].ty;
                    Some((LValue::Global(g), ty))
                }
                Found::Global(_) => {
                    let text = format!("cannot assign to {}", self.text(*name));
                    self.err("lvalue", span, text);
                    None
                }
            },
            A::Field(a, field) => {
                let a = self.value(a, None);
                let (slot, ty) = self.slot(&a, field, span, '$')?;
                Some((LValue::Field(Box::new(a), slot), ty))
            }
            A::Index(a, index) => {
                let base = self.value(a, None);
                if matches!(self.kind(base.ty), Kind::String) {
                    let text = format!("cannot assign to string index expression ({})", self.source_text(e));
                    let d = Diagnostic::error("lvalue", span, text).note("strings cannot be changed in place");
                    self.report(d);
                    return None;
                }
                let (index, ty) = self.indices(&base, index, span, true)?;
                Some((LValue::Index(Box::new(base), index), ty))
            }
            A::Slice(a, low, high) => {
                let base = self.value(a, None);
                let low = low.as_deref().map(|b| Box::new(self.bound(b)));
                let high = high.as_deref().map(|b| Box::new(self.bound(b)));
                match self.kind(base.ty) {
                    Kind::Error => None,
                    Kind::Vector(_) if set => {
                        let ty = self.canonical(base.ty);
                        Some((LValue::Slice(Box::new(base), low, high), ty))
                    }
                    _ => {
                        let text = format!("cannot assign to slice ({})", self.source_text(e));
                        self.err("lvalue", span, text);
                        None
                    }
                }
            }
            A::List(elements) if set && !elements.is_empty() => {
                let mut targets = Vec::with_capacity(elements.len());
                let mut types = Vec::with_capacity(elements.len());
                for e in elements {
                    let (l, t) = self.lvalue(e, true)?;
                    targets.push(l);
                    types.push(t);
                }
                let ty = self.intern(Kind::List(types));
                Some((LValue::List(targets), ty))
            }
            _ => {
                self.value(e, None);
                let text = format!("cannot assign to {}", self.source_text(e));
                self.err("lvalue", span, text);
                None
            }
        }
    }

    fn not_modifiable(&mut self, name: crate::symbol::Symbol, what: &str, span: Span) -> Option<(LValue, TypeId)> {
        let text = format!("{what} is not a modifiable lvalue ({})", self.text(name));
        let mut d = Diagnostic::error("const", span, text);
        if what == "option" {
            let name = self.text(name).clone();
            d = d.suggest(format!("options are changed by Option::set(\"{name}\", …) or redef"));
        }
        self.report(d);
        None
    }

    /// `add s[x]`.
    pub(super) fn add(&mut self, e: &ast::Expr, span: Span) -> Option<LValue> {
        let mut e = e;
        while let A::Paren(inner) = &e.kind {
            e = inner;
        }
        if let A::Index(a, index) = &e.kind {
            let base = self.value(a, None);
            let types = match self.kind(base.ty) {
                Kind::Error => return None,
                Kind::Table { index, yields: None } => Some(index.clone()),
                _ => None,
            };
            if let Some(types) = types {
                let keys = self.keys(index, &types, span, false)?;
                return Some(LValue::Index(Box::new(base), keys));
            }
        } else {
            self.value(e, None);
        }
        let text = format!("illegal add expression ({})", self.source_text(e));
        let d = Diagnostic::error("add", span, text).note("add takes an element of a set: add s[x];");
        self.report(d);
        None
    }

    /// `delete t[k]`, `delete r$f`, `delete t`.
    pub(super) fn delete(&mut self, e: &ast::Expr, span: Span) -> Option<LValue> {
        let mut e = e;
        while let A::Paren(inner) = &e.kind {
            e = inner;
        }
        match &e.kind {
            A::Index(a, index) => {
                let base = self.value(a, None);
                let types = match self.kind(base.ty) {
                    Kind::Error => return None,
                    Kind::Table { index, .. } => Some(index.clone()),
                    _ => None,
                };
                if let Some(types) = types {
                    let keys = self.keys(index, &types, span, false)?;
                    return Some(LValue::Index(Box::new(base), keys));
                }
            }
            A::Field(a, field) => {
                let a = self.value(a, None);
                let (slot, field_ty) = self.slot(&a, field, span, '$')?;
                let removable = self
                    .program
                    .types
                    .record(a.ty)
                    .is_some_and(|r| r.fields[slot as usize].optional || r.fields[slot as usize].default.is_some());
                if removable {
                    return Some(LValue::Field(Box::new(a), slot));
                }
                // A container that always exists is emptied.
                if matches!(self.kind(field_ty), Kind::Table { .. } | Kind::Vector(_)) {
                    let whole = Expr {
                        kind: ExprKind::Field(Box::new(a), slot),
                        ty: field_ty,
                        span,
                    };
                    return Some(LValue::Whole(Box::new(whole)));
                }
                let text = format!("illegal delete expression ({})", self.source_text(e));
                let d = Diagnostic::error("delete", span, text)
                    .note("only fields that are &optional or have a &default can be deleted");
                self.report(d);
                return None;
            }
            _ => {
                let whole = self.value(e, None);
                match self.kind(whole.ty) {
                    Kind::Error => return None,
                    Kind::Table { .. } | Kind::Vector(_) => return Some(LValue::Whole(Box::new(whole))),
                    _ => {}
                }
            }
        }
        let text = format!("illegal delete expression ({})", self.source_text(e));
        self.err("delete", span, text);
        None
    }
}
