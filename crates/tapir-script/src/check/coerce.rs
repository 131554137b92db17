//! Which values may stand for which types, and the conversions this takes.

use tapir_data::types::{FuncType, Kind, TypeId, builtin};

use super::Checker;
use crate::ast;
use crate::hir::{Attrs, Const, Expr, ExprKind, Span};

/// Where a value is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Context {
    /// A variable, field or element that is assigned; numbers may be narrowed with a warning.
    Assign,
    /// An argument, constructor element, record field or result: numbers may only be widened.
    Element,
    /// The argument of a call.
    Argument,
}

/// Rank of a number type.
fn rank(ty: TypeId) -> Option<u8> {
    match ty {
        builtin::COUNT => Some(0),
        builtin::INT => Some(1),
        builtin::DOUBLE => Some(2),
        _ => None,
    }
}

impl Checker<'_> {
    /// The number type that two number types have in common.
    pub(super) fn common_number(&self, a: TypeId, b: TypeId) -> Option<TypeId> {
        let (a, b) = (self.canonical(a), self.canonical(b));
        let (x, y) = (rank(a)?, rank(b)?);
        Some(if x >= y { a } else { b })
    }

    pub(super) fn is_number(&self, ty: TypeId) -> bool {
        rank(self.canonical(ty)).is_some()
    }

    /// Whether two types are the same for assignments: `any` goes with everything, also within containers.
    pub(super) fn fits(&self, a: TypeId, b: TypeId) -> bool {
        if a == b || self.program.types.same(a, b) {
            return true;
        }
        match (self.kind(a), self.kind(b)) {
            (Kind::Error | Kind::Any, _) | (_, Kind::Error | Kind::Any) => true,
            (Kind::Vector(x), Kind::Vector(y)) => self.fits(*x, *y),
            (Kind::Table { index: i, yields: y }, Kind::Table { index: j, yields: z }) => {
                i.len() == j.len()
                    && i.iter().zip(j).all(|(a, b)| self.fits(*a, *b))
                    && match (y, z) {
                        (None, None) => true,
                        (Some(a), Some(b)) => self.fits(*a, *b),
                        _ => false,
                    }
            }
            (Kind::List(x), Kind::List(y)) => x.len() == y.len() && x.iter().zip(y).all(|(a, b)| self.fits(*a, *b)),
            (Kind::Func(f), Kind::Func(g)) => self.same_signature(f, g),
            _ => false,
        }
    }

    /// Whether two function types are interchangeable.
    pub(super) fn same_signature(&self, f: &FuncType, g: &FuncType) -> bool {
        f.flavor == g.flavor
            && (self.fits(f.yields, g.yields))
            && (f.variadic
                || g.variadic
                || (f.params.len() == g.params.len()
                    && f.params.iter().zip(g.params.iter()).all(|(p, q)| self.fits(p.ty, q.ty))))
    }

    /// Converts an expression to a type, or reports that it cannot be.
    pub(super) fn coerce(&mut self, e: Expr, to: TypeId, context: Context) -> Expr {
        let from = e.ty;
        if from == to || from == builtin::ERROR {
            return e;
        }
        if to == builtin::ERROR {
            return self.bad(e.span);
        }
        if from == builtin::VOID {
            return self.bad_expr("void", e.span, "value of type void illegal");
        }
        let (cf, ct) = (self.canonical(from), self.canonical(to));
        if ct == builtin::ANY {
            if context == Context::Assign && matches!(self.kind(from), Kind::Enum(_)) {
                return self.bad_expr("enum-any", e.span, "can't convert to/from enumerated type");
            }
            return self.converted(e, to);
        }
        if cf == builtin::ANY {
            return self.converted(e, to);
        }
        if let (Some(x), Some(y)) = (rank(cf), rank(ct)) {
            return self.coerce_number(e, x, y, to, context);
        }
        if cf == builtin::EMPTY || matches!(self.kind(from), Kind::Empty) {
            return self.coerce_empty(e, to);
        }
        if ct == builtin::TIME && is_zero(&e) {
            return Expr {
                kind: ExprKind::Const(Const::Time(0.0)),
                ty: builtin::TIME,
                span: e.span,
            };
        }
        match (self.kind(from), self.kind(to)) {
            (Kind::Enum(a), Kind::Enum(b)) => {
                // `AllAnalyzers::Tag` is the union of the tags of all kinds of analyzers.
                let all = |id: tapir_data::types::EnumId| {
                    &*self.program.types.enums[id.0 as usize].name == "AllAnalyzers::Tag"
                };
                if a != b && !all(*a) && !all(*b) {
                    let text = format!(
                        "Mixing incompatible enum types {} and {} is deprecated",
                        self.type_text(from),
                        self.type_text(to)
                    );
                    self.warn("enum-mix", e.span, text);
                }
                return e;
            }
            (Kind::Enum(_), _) if rank(ct).is_some() => {
                return self.bad_expr("enum-number", e.span, "can't convert to/from enumerated type");
            }
            (_, Kind::Enum(_)) if rank(cf).is_some() => {
                return self.bad_expr("enum-number", e.span, "can't convert to/from enumerated type");
            }
            (Kind::Record(a), Kind::Record(b)) => {
                if a == b || self.program.types.same(from, to) {
                    return e;
                }
                return self.coerce_record(e, to);
            }
            _ => {}
        }
        if self.fits(from, to) {
            return e;
        }
        self.mismatch(e, to, context)
    }

    fn converted(&mut self, e: Expr, to: TypeId) -> Expr {
        let span = e.span;
        Expr {
            kind: ExprKind::Coerce(Box::new(e)),
            ty: to,
            span,
        }
    }

    fn mismatch(&mut self, e: Expr, to: TypeId, context: Context) -> Expr {
        let (from, span) = (e.ty, e.span);
        let shown = self.expr_text(&e);
        let (ft, tt) = (self.type_text(from), self.type_text(to));
        let text = if rank(self.canonical(to)).is_some() && context == Context::Assign {
            format!("assignment of non-arithmetic value to arithmetic ({tt}/{ft})")
        } else if rank(self.canonical(from)).is_some() && context == Context::Assign {
            format!("arithmetic mixed with non-arithmetic ({tt} and {shown})")
        } else {
            match context {
                Context::Assign => format!("type clash in assignment ({tt} = {shown})"),
                Context::Argument => format!("argument type mismatch ({shown})"),
                Context::Element => format!("type mismatch ({shown})"),
            }
        };
        let mut d = crate::diag::Diagnostic::error("type-clash", span, text)
            .note(format!("{tt} is wanted here, and this is {ft}"));
        if let Some(hint) = self.conversion_hint(from, to) {
            d = d.suggest(hint);
        }
        self.report(d);
        self.bad(span)
    }

    /// Which built-in converts between two types.
    fn conversion_hint(&self, from: TypeId, to: TypeId) -> Option<String> {
        let (from, to) = (self.canonical(from), self.canonical(to));
        let f = match (from, to) {
            (builtin::STRING, builtin::COUNT) => "to_count",
            (builtin::STRING, builtin::INT) => "to_int",
            (builtin::STRING, builtin::DOUBLE) => "to_double",
            (builtin::STRING, builtin::ADDR) => "to_addr",
            (builtin::STRING, builtin::SUBNET) => "to_subnet",
            (builtin::STRING, builtin::PORT) => "to_port",
            (builtin::DOUBLE, builtin::TIME) => "double_to_time",
            (builtin::DOUBLE | builtin::COUNT | builtin::INT, builtin::INTERVAL) => "double_to_interval",
            (builtin::TIME, builtin::DOUBLE) => "time_to_double",
            (builtin::INTERVAL, builtin::DOUBLE) => "interval_to_double",
            (builtin::PORT, builtin::COUNT) => "port_to_count",
            (_, builtin::STRING) => "cat",
            _ => return None,
        };
        Some(format!("{f}(…) converts it"))
    }

    fn coerce_number(&mut self, e: Expr, from: u8, to: u8, ty: TypeId, context: Context) -> Expr {
        let span = e.span;
        if from == to {
            return e;
        }
        if let ExprKind::Const(c) = &e.kind {
            let value = match (c, to) {
                (Const::Count(v), 1) => match i64::try_from(*v) {
                    Ok(v) => Some(Const::Int(v)),
                    Err(_) => {
                        return self.bad_expr(
                            "overflow",
                            span,
                            "overflow promoting from unsigned/double to signed arithmetic value",
                        );
                    }
                },
                (Const::Count(v), 2) => Some(Const::Double(*v as f64)),
                (Const::Int(v), 2) => Some(Const::Double(*v as f64)),
                (Const::Int(v), 0) if *v >= 0 && context == Context::Assign => Some(Const::Count(*v as u64)),
                (Const::Int(v), 0) if context == Context::Assign => {
                    return self.bad_expr(
                        "overflow",
                        span,
                        format!("overflow promoting from signed/double to unsigned arithmetic value ({v})"),
                    );
                }
                _ => None,
            };
            if let Some(value) = value {
                return Expr {
                    kind: ExprKind::Const(value),
                    ty,
                    span,
                };
            }
        }
        if to > from {
            return self.converted(e, ty);
        }
        if context != Context::Assign {
            let text = format!("over-promotion of arithmetic value ({})", self.expr_text(&e));
            return self.bad_expr("over-promotion", span, text);
        }
        let what = if from == 2 {
            "dangerous assignment of double to integral"
        } else {
            "dangerous assignment of integer to count"
        };
        let text = format!("{what} ({})", self.expr_text(&e));
        self.warn("dangerous-assignment", span, text);
        self.converted(e, ty)
    }

    /// Gives an empty constructor the type that is wanted.
    fn coerce_empty(&mut self, e: Expr, to: TypeId) -> Expr {
        let span = e.span;
        let ok = match (&e.kind, self.kind(to)) {
            (ExprKind::Table(..), Kind::Table { yields, .. }) => yields.is_some(),
            (ExprKind::Set(..), Kind::Table { yields, .. }) => yields.is_none(),
            (ExprKind::Vector(_), Kind::Vector(_)) => true,
            (ExprKind::List(_), Kind::Table { .. } | Kind::Vector(_) | Kind::Record(_)) => true,
            (ExprKind::Table(..) | ExprKind::Set(..) | ExprKind::Vector(_) | ExprKind::List(_), _) => false,
            (_, Kind::Table { .. } | Kind::Vector(_) | Kind::Record(_)) => return self.converted(e, to),
            _ => false,
        };
        if !ok {
            return self.mismatch(e, to, Context::Assign);
        }
        let kind = match (e.kind, self.kind(to)) {
            (ExprKind::List(_), Kind::Record(_)) => {
                return self.record_of(&[], to, span, false);
            }
            (ExprKind::List(_), Kind::Table { yields: Some(_), .. }) => ExprKind::Table(Vec::new(), Attrs::default()),
            (ExprKind::List(_), Kind::Table { .. }) => ExprKind::Set(Vec::new(), Attrs::default()),
            (ExprKind::List(_), _) => ExprKind::Vector(Vec::new()),
            (kind, _) => kind,
        };
        Expr {
            kind,
            ty: self.canonical(to),
            span,
        }
    }

    /// One record type to another, by field name.
    fn coerce_record(&mut self, e: Expr, to: TypeId) -> Expr {
        let span = e.span;
        if self.record_fits(e.ty, to, span, 0) {
            self.converted(e, to)
        } else {
            self.bad(span)
        }
    }

    fn record_fits(&mut self, from: TypeId, to: TypeId, span: Span, depth: u32) -> bool {
        let (Some(a), Some(b)) = (self.program.types.record(from), self.program.types.record(to)) else {
            return false;
        };
        if depth > 50 {
            return true;
        }
        let mut problem = None;
        let mut nested = Vec::new();
        for f in &a.fields {
            let Some(slot) = b.slot(&f.name) else {
                problem = Some(format!("orphaned field \"{}\" in record coercion", f.name));
                break;
            };
            let target = b.fields[slot as usize].ty;
            if self.fits(f.ty, target) {
                continue;
            }
            let (cf, ct) = (self.canonical(f.ty), self.canonical(target));
            let ok = match (self.kind(f.ty), self.kind(target)) {
                (Kind::Record(_), Kind::Record(_)) => {
                    nested.push((f.ty, target));
                    true
                }
                (Kind::Empty, Kind::Table { .. } | Kind::Vector(_) | Kind::Record(_)) => true,
                _ => matches!((rank(cf), rank(ct)), (Some(x), Some(y)) if x <= y),
            };
            if !ok {
                problem = Some(format!("type clash for field \"{}\"", f.name));
                break;
            }
        }
        if problem.is_none() {
            for f in &b.fields {
                if !f.optional && f.default.is_none() && a.slot(&f.name).is_none() && !self.is_aggregate(f.ty) {
                    problem = Some(format!("non-optional field \"{}\" missing in record coercion", f.name));
                    break;
                }
            }
        }
        if let Some(text) = problem {
            self.err("record-coercion", span, text);
            return false;
        }
        nested.into_iter().all(|(f, t)| self.record_fits(f, t, span, depth + 1))
    }

    /// Whether a variable of a type is ready to use without initial value.
    pub(super) fn is_aggregate(&self, ty: TypeId) -> bool {
        matches!(self.kind(ty), Kind::Table { .. } | Kind::Vector(_) | Kind::Record(_))
    }

    /// Checks an expression that is wanted as a type.
    pub(super) fn expr_as(&mut self, e: &ast::Expr, to: TypeId, context: Context) -> Expr {
        let checked = self.expr(e, Some(to));
        self.coerce(checked, to, context)
    }

    /// A condition or operand of exactly this type.
    pub(super) fn value_as(&mut self, e: &ast::Expr, to: TypeId) -> Expr {
        let checked = self.value(e, Some(to));
        if checked.ty == builtin::ERROR || self.canonical(checked.ty) == to {
            return checked;
        }
        if self.canonical(checked.ty) == builtin::ANY {
            return self.converted(checked, to);
        }
        let text = format!("requires {} operand ({})", self.type_text(to), self.expr_text(&checked));
        let span = checked.span;
        self.bad_expr("type-clash", span, text)
    }
}

/// Whether an expression is the literal zero.
pub(super) fn is_zero(e: &Expr) -> bool {
    matches!(&e.kind, ExprKind::Const(Const::Count(0) | Const::Int(0)))
        || matches!(&e.kind, ExprKind::Const(Const::Double(d)) if *d == 0.0)
}
