//! Indexing, slices and membership.

use tapir_data::types::{Kind, TypeId, builtin};

use super::Checker;
use crate::ast::{self, ExprKind as A};
use crate::hir::{Expr, ExprKind, Span, UnOp};

impl Checker<'_> {
    pub(super) fn index(&mut self, a: &ast::Expr, index: &[ast::Expr], span: Span) -> Expr {
        let base = self.value(a, None);
        match self.indices(&base, index, span, false) {
            Some((index, ty)) => self.node(ExprKind::Index(Box::new(base), index), ty, span),
            None => self.bad(span),
        }
    }

    /// Checks the index of a container; gives the element's type as well.
    pub(super) fn indices(
        &mut self,
        base: &Expr,
        index: &[ast::Expr],
        span: Span,
        assign: bool,
    ) -> Option<(Vec<Expr>, TypeId)> {
        enum What {
            Table(Vec<TypeId>, Option<TypeId>),
            Vector(TypeId),
            Str,
            Other,
        }
        let what = match self.kind(base.ty) {
            Kind::Error => {
                for i in index {
                    self.value(i, None);
                }
                return None;
            }
            Kind::Table { index, yields } => What::Table(index.clone(), *yields),
            Kind::Vector(t) => What::Vector(*t),
            Kind::String => What::Str,
            _ => What::Other,
        };
        match what {
            What::Table(types, Some(yields)) => {
                self.indexed_global = match base.kind {
                    ExprKind::Global(g) => Some(self.program.globals[g.0 as usize].span),
                    _ => None,
                };
                let keys = self.keys(index, &types, span, !assign)?;
                let by_pattern = matches!(types[..], [t] if self.canonical(t) == builtin::PATTERN)
                    && matches!(keys[..], [ref k] if self.canonical(k.ty) == builtin::STRING);
                let ty = if by_pattern && !assign {
                    self.intern(Kind::Vector(yields))
                } else {
                    yields
                };
                Some((keys, ty))
            }
            What::Vector(element) if index.len() == 1 => {
                let i = self.value(&index[0], None);
                match self.kind(i.ty) {
                    Kind::Error => None,
                    Kind::Count | Kind::Int | Kind::Any => Some((vec![i], element)),
                    Kind::Vector(t)
                        if !assign && matches!(self.canonical(*t), builtin::BOOL | builtin::COUNT | builtin::INT) =>
                    {
                        let ty = self.canonical(base.ty);
                        Some((vec![i], ty))
                    }
                    _ => {
                        let text = format!(
                            "index is not integral ({}[{}])",
                            self.expr_text(base),
                            self.expr_text(&i)
                        );
                        self.err("index", span, text);
                        None
                    }
                }
            }
            What::Str if index.len() == 1 && !assign => {
                let i = self.value(&index[0], None);
                match self.kind(i.ty) {
                    Kind::Error => None,
                    Kind::Count | Kind::Int | Kind::Any => Some((vec![i], builtin::STRING)),
                    _ => {
                        let text = format!(
                            "index is not integral ({}[{}])",
                            self.expr_text(base),
                            self.expr_text(&i)
                        );
                        self.err("index", span, text);
                        None
                    }
                }
            }
            _ => {
                for i in index {
                    self.value(i, None);
                }
                let text = format!("not an index type ({})", self.expr_text(base));
                let d = crate::diag::Diagnostic::error("index", span, text);
                let d = match self.kind(base.ty) {
                    Kind::Table { yields: None, .. } => {
                        d.suggest("membership in a set is asked for with \"in\", elements are added with \"add\"")
                    }
                    Kind::String => d.note("strings cannot be changed in place"),
                    _ => d.note(format!("this is {}", self.type_text(base.ty))),
                };
                self.report(d);
                None
            }
        }
    }

    /// The keys of a table or set access. `lookup` allows an address where subnets are keys, and a string where
    /// patterns are.
    pub(super) fn keys(
        &mut self,
        index: &[ast::Expr],
        types: &[TypeId],
        span: Span,
        lookup: bool,
    ) -> Option<Vec<Expr>> {
        // `t[[a, b]]` is the same as `t[a, b]`.
        if let [single] = index {
            if let (A::List(elements), true) = (&single.kind, types.len() > 1) {
                return self.keys(elements, types, span, lookup);
            }
        }
        if index.len() != types.len() {
            // A record that is the only key may be written as its fields.
            for i in index {
                self.value(i, None);
            }
            let text = format!(
                "not an index type: {} given, {} needed",
                count(index.len(), "value is", "values are"),
                types.len()
            );
            let mut d = crate::diag::Diagnostic::error("index", span, text);
            if let Some(declared) = self.indexed_global.take() {
                d = d.label(declared, "declared here");
            }
            self.report(d);
            return None;
        }
        let mut keys = Vec::with_capacity(index.len());
        let mut ok = true;
        for (i, &t) in index.iter().zip(types) {
            let key = self.value(i, Some(t));
            let (have, need) = (self.canonical(key.ty), self.canonical(t));
            let special = lookup
                && matches!(
                    (have, need),
                    (builtin::ADDR, builtin::SUBNET) | (builtin::STRING, builtin::PATTERN)
                );
            if special {
                keys.push(key);
                continue;
            }
            let key = self.coerce_key(key, t);
            ok &= key.ty != builtin::ERROR;
            keys.push(key);
        }
        ok.then_some(keys)
    }

    fn coerce_key(&mut self, key: Expr, ty: TypeId) -> Expr {
        let (have, span) = (key.ty, key.span);
        let fits = have == builtin::ERROR
            || self.fits(have, ty)
            || self.common_number(have, ty).is_some()
            || matches!(
                (self.kind(have), self.kind(ty)),
                (Kind::Record(_), Kind::Record(_)) | (Kind::Enum(_), Kind::Enum(_))
            )
            || (matches!(self.kind(have), Kind::Empty) && self.is_aggregate(ty));
        if !fits {
            let text = format!(
                "type clash in index: {} where {} is needed ({})",
                self.type_text(have),
                self.type_text(ty),
                self.expr_text(&key)
            );
            return self.bad_expr("index", span, text);
        }
        self.coerce(key, ty, super::coerce::Context::Element)
    }

    pub(super) fn slice(
        &mut self,
        a: &ast::Expr,
        low: Option<&ast::Expr>,
        high: Option<&ast::Expr>,
        span: Span,
    ) -> Expr {
        let a = self.value(a, None);
        let low = low.map(|e| Box::new(self.bound(e)));
        let high = high.map(|e| Box::new(self.bound(e)));
        let ty = match self.kind(a.ty) {
            Kind::Error => return a,
            Kind::String => builtin::STRING,
            Kind::Vector(_) => self.canonical(a.ty),
            _ => {
                let text = format!("not an index type ({})", self.expr_text(&a));
                return self.bad_expr("index", span, text);
            }
        };
        self.node(ExprKind::Slice(Box::new(a), low, high), ty, span)
    }

    pub(super) fn bound(&mut self, e: &ast::Expr) -> Expr {
        let e = self.value(e, None);
        match self.kind(e.ty) {
            Kind::Error | Kind::Count | Kind::Int | Kind::Any => e,
            _ => {
                let text = format!("index is not integral ({})", self.expr_text(&e));
                self.bad_expr("index", e.span, text)
            }
        }
    }

    pub(super) fn membership(&mut self, needle: &ast::Expr, hay: &ast::Expr, negated: bool, span: Span) -> Expr {
        let checked = self.membership_of(needle, hay, span);
        if !negated || checked.ty == builtin::ERROR {
            return checked;
        }
        self.node(ExprKind::Unary(UnOp::Not, Box::new(checked)), builtin::BOOL, span)
    }

    fn membership_of(&mut self, needle: &ast::Expr, hay: &ast::Expr, span: Span) -> Expr {
        let hay = self.value(hay, None);
        let types = match self.kind(hay.ty) {
            Kind::Table { index, .. } => Some(index.clone()),
            _ => None,
        };
        let needle = strip_parens(needle);
        if let Some(types) = types {
            let list: &[ast::Expr] = match &needle.kind {
                A::List(l) if types.len() > 1 => l,
                _ => std::slice::from_ref(needle),
            };
            if list.len() == 1 && types.len() > 1 {
                // One value for a composite key: a record, or an index list held in a variable.
                let v = self.value(&list[0], None);
                if v.ty == builtin::ERROR {
                    return v;
                }
                if let Kind::List(have) = self.kind(v.ty) {
                    if have.len() == types.len() && have.iter().zip(&types).all(|(a, b)| self.fits(*a, *b)) {
                        return self.node(ExprKind::In(vec![v], Box::new(hay)), builtin::BOOL, span);
                    }
                }
                let text = format!("not an index type ({} in {})", self.expr_text(&v), self.expr_text(&hay));
                return self.bad_expr("membership", span, text);
            }
            return match self.keys(list, &types, span, true) {
                Some(keys) => self.node(ExprKind::In(keys, Box::new(hay)), builtin::BOOL, span),
                None => self.bad(span),
            };
        }
        let needle = self.value(needle, None);
        if needle.ty == builtin::ERROR || hay.ty == builtin::ERROR {
            return self.bad(span);
        }
        let (n, h) = (self.canonical(needle.ty), self.canonical(hay.ty));
        let ok = match (n, h) {
            (builtin::STRING | builtin::PATTERN | builtin::COUNT, builtin::STRING) => true,
            (builtin::ADDR, builtin::SUBNET) => true,
            (builtin::COUNT | builtin::INT, _) if matches!(self.kind(h), Kind::Vector(_)) => true,
            _ => false,
        };
        if !ok {
            let text = format!(
                "illegal membership test ({} in {})",
                self.expr_text(&needle),
                self.expr_text(&hay)
            );
            let note = format!("{} cannot be in {}", self.type_text(needle.ty), self.type_text(hay.ty));
            self.report(crate::diag::Diagnostic::error("membership", span, text).note(note));
            return self.bad(span);
        }
        self.node(ExprKind::In(vec![needle], Box::new(hay)), builtin::BOOL, span)
    }
}

fn strip_parens(mut e: &ast::Expr) -> &ast::Expr {
    while let A::Paren(inner) = &e.kind {
        e = inner;
    }
    e
}

/// `1 value is`, `2 values are`.
pub(super) fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
