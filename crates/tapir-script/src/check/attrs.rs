//! Attributes: where they may stand, and the types of their values.

use std::sync::Arc;

use tapir_data::types::{DefaultId, FuncType, Kind, TypeId, builtin};

use super::Checker;
use super::coerce::Context;
use crate::ast::{self, AttrName as N};
use crate::diag::Diagnostic;
use crate::hir::{Attrs, Const, Expr, Span, Thunk};
use crate::parse::attr_text;

/// What the attributes of a record field say.
pub(super) struct FieldAttrs {
    pub optional: bool,
    pub log: bool,
    pub default: Option<DefaultId>,
    pub deprecated: Option<Arc<str>>,
    pub type_column: Option<Arc<str>>,
}

/// What the attributes of a global say beside those of its value.
#[derive(Default)]
pub(super) struct GlobalFlags {
    pub redef: bool,
    pub deprecated: Option<Arc<str>>,
    pub is_used: bool,
}

/// What the attributes of a body say.
#[derive(Default)]
pub(super) struct BodyAttrs {
    pub priority: i64,
    pub groups: Vec<Arc<str>>,
    pub deprecated: Option<Arc<str>>,
    pub is_used: bool,
}

fn boxed(thunk: Thunk) -> Option<Box<Thunk>> {
    Some(Box::new(thunk))
}

impl Checker<'_> {
    fn duplicate(&mut self, attrs: &[ast::Attr]) {
        for (i, a) in attrs.iter().enumerate() {
            if a.name != N::Group && attrs[..i].iter().any(|b| b.name == a.name) {
                let text = format!("Duplicate &{} attribute is ambiguous", a.name.text());
                self.err("attribute", a.span, text);
            }
        }
    }

    fn misplaced(&mut self, a: &ast::Attr, place: &str) {
        let text = match a.name {
            N::Optional => "&optional is only valid for record fields".to_string(),
            name => format!("&{} is not valid for {place}", name.text()),
        };
        self.err("attribute", a.span, text);
    }

    /// Attributes of a record field.
    pub(super) fn field_attrs(&mut self, f: &ast::Field, ty: TypeId) -> FieldAttrs {
        let mut out = FieldAttrs {
            optional: false,
            log: false,
            default: None,
            deprecated: None,
            type_column: None,
        };
        self.duplicate(&f.attrs);
        let mut of_value = Vec::new();
        for a in &f.attrs {
            match a.name {
                N::Optional => out.optional = true,
                N::Log => out.log = true,
                N::Deprecated => out.deprecated = Some(attr_text(a)),
                N::Default => {
                    let Some(value) = &a.value else {
                        self.err("attribute", a.span, "&default needs a value");
                        continue;
                    };
                    let thunk = self.thunk(|c| {
                        let v = c.value(value, Some(ty));
                        c.field_default(v, ty)
                    });
                    out.default = Some(self.add_default(thunk));
                }
                N::TypeColumn => out.type_column = Some(attr_text(a)),
                N::IsUsed | N::IsAssigned => {}
                N::ReadExpire
                | N::WriteExpire
                | N::CreateExpire
                | N::ExpireFunc
                | N::OnChange
                | N::DefaultInsert
                | N::Ordered
                | N::BrokerAllowComplexType => {
                    if matches!(self.kind(ty), Kind::Table { .. }) {
                        of_value.push(a);
                    } else if ty != builtin::ERROR {
                        self.only_tables(a);
                    }
                }
                _ => self.misplaced(a, "record fields"),
            }
        }
        if !of_value.is_empty() && out.default.is_none() && !out.optional {
            // The empty table that such a field starts with carries the attributes.
            let span = f.name.span;
            let attrs = self.table_attrs(of_value.into_iter(), ty);
            let is_set = matches!(self.kind(ty), Kind::Table { yields: None, .. });
            let kind = if is_set {
                crate::hir::ExprKind::Set(Vec::new(), attrs)
            } else {
                crate::hir::ExprKind::Table(Vec::new(), attrs)
            };
            let expr = Expr { kind, ty, span };
            out.default = Some(self.add_default(Thunk { expr, n_slots: 0 }));
        }
        out
    }

    fn field_default(&mut self, v: Expr, ty: TypeId) -> Expr {
        let from = v.ty;
        let ok = from == builtin::ERROR
            || self.fits(from, ty)
            || self.common_number(from, ty).is_some()
            || matches!(self.kind(from), Kind::Empty)
            || matches!(
                (self.kind(from), self.kind(ty)),
                (Kind::Record(_), Kind::Record(_)) | (Kind::Enum(_), Kind::Enum(_))
            )
            || (self.canonical(ty) == builtin::TIME && super::coerce::is_zero(&v));
        if ok {
            return self.coerce(v, ty, Context::Element);
        }
        let text = format!("&default value has inconsistent type ({})", self.expr_text(&v));
        let note = format!(
            "the field is {}, and this is {}",
            self.type_text(ty),
            self.type_text(from)
        );
        self.report(Diagnostic::error("attribute-value", v.span, text).note(note));
        self.bad(v.span)
    }

    fn only_tables(&mut self, a: &ast::Attr) {
        let text = match a.name {
            N::Default | N::DefaultInsert => {
                format!("&{} is not valid for global variables except for tables", a.name.text())
            }
            name => format!("&{} only applicable to tables", name.text()),
        };
        self.err("attribute", a.span, text);
    }

    /// Attributes of a constructor or a local.
    pub(super) fn value_attrs(&mut self, attrs: &[ast::Attr], ty: TypeId) -> Attrs {
        self.duplicate(attrs);
        let mut of_value = Vec::new();
        for a in attrs {
            match a.name {
                // Others' scripts write &redef on locals, where it means nothing.
                N::Deprecated | N::IsUsed | N::IsAssigned | N::NoZamOpt | N::NoCppOpt | N::Redef => {}
                N::Optional | N::Log | N::Priority | N::Group | N::ErrorHandler => {
                    self.misplaced(a, "local values");
                }
                _ => of_value.push(a),
            }
        }
        self.table_attrs(of_value.into_iter(), ty)
    }

    /// Attributes of a global.
    pub(super) fn global_attrs(&mut self, attrs: &[ast::Attr], ty: TypeId) -> (Attrs, GlobalFlags) {
        self.duplicate(attrs);
        let mut flags = GlobalFlags::default();
        let mut of_value = Vec::new();
        for a in attrs {
            match a.name {
                N::Redef => flags.redef = true,
                N::Deprecated => flags.deprecated = Some(attr_text(a)),
                N::IsUsed | N::IsAssigned => flags.is_used = true,
                N::NoZamOpt | N::NoCppOpt => {}
                N::Optional | N::Log | N::Priority | N::Group => self.misplaced(a, "globals"),
                _ => of_value.push(a),
            }
        }
        let mut out = self.table_attrs(of_value.into_iter(), ty);
        flags.redef |= out.add_func.is_some() || out.delete_func.is_some();
        if flags.deprecated.is_some() {
            out.deprecated = flags.deprecated.clone();
        }
        if flags.is_used {
            out.is_used = true;
        }
        (out, flags)
    }

    /// Attributes that belong to a value.
    fn table_attrs<'a>(&mut self, attrs: impl Iterator<Item = &'a ast::Attr>, ty: TypeId) -> Attrs {
        let mut out = Attrs::default();
        let (table, index, yields) = match self.kind(ty) {
            Kind::Table { index, yields } => (true, index.clone(), *yields),
            Kind::Error | Kind::Empty => (true, Vec::new(), Some(builtin::ERROR)),
            _ => (false, Vec::new(), None),
        };
        let mut expiries = 0;
        for a in attrs {
            let needs_table = matches!(
                a.name,
                N::Default
                    | N::DefaultInsert
                    | N::ReadExpire
                    | N::WriteExpire
                    | N::CreateExpire
                    | N::ExpireFunc
                    | N::OnChange
                    | N::Ordered
                    | N::Backend
                    | N::BrokerStore
                    | N::PublishOnChange
            );
            if needs_table && !table {
                if let Some(v) = &a.value {
                    self.thunk(|c| c.value(v, None));
                }
                self.only_tables(a);
                continue;
            }
            match a.name {
                N::Ordered => out.ordered = true,
                N::RawOutput => out.raw_output = true,
                N::ErrorHandler => out.error_handler = true,
                N::BrokerAllowComplexType | N::TypeColumn => {
                    if let Some(v) = &a.value {
                        self.thunk(|c| c.value(v, None));
                    }
                }
                _ => {
                    let Some(value) = &a.value else {
                        let text = format!("&{} needs a value", a.name.text());
                        self.err("attribute", a.span, text);
                        continue;
                    };
                    match a.name {
                        N::Default | N::DefaultInsert => {
                            let thunk = self.thunk(|c| c.table_default(value, ty, &index, yields, a.span));
                            if a.name == N::Default {
                                out.default = boxed(thunk);
                            } else {
                                out.default_insert = boxed(thunk);
                            }
                        }
                        N::ReadExpire | N::WriteExpire | N::CreateExpire => {
                            expiries += 1;
                            if expiries > 1 {
                                self.err(
                                    "attribute",
                                    a.span,
                                    "set/table can only have one of &read_expire, &write_expire, &create_expire",
                                );
                            }
                            let thunk = self.thunk(|c| {
                                let v = c.value(value, Some(builtin::INTERVAL));
                                if matches!(c.canonical(v.ty), builtin::INTERVAL | builtin::ERROR) {
                                    return v;
                                }
                                let text = format!("expiration interval has wrong type ({})", c.expr_text(&v));
                                c.bad_expr("attribute-value", v.span, text)
                            });
                            match a.name {
                                N::ReadExpire => out.read_expire = boxed(thunk),
                                N::WriteExpire => out.write_expire = boxed(thunk),
                                _ => out.create_expire = boxed(thunk),
                            }
                        }
                        N::ExpireFunc => {
                            out.expire_func = boxed(self.thunk(|c| {
                                let v = c.value(value, None);
                                c.check_expire_func(v, ty, &index)
                            }));
                        }
                        N::OnChange => {
                            out.on_change = boxed(self.thunk(|c| {
                                let v = c.value(value, None);
                                c.check_on_change(v, ty, &index, yields)
                            }));
                        }
                        N::AddFunc => out.add_func = boxed(self.thunk(|c| c.value(value, None))),
                        N::DeleteFunc => out.delete_func = boxed(self.thunk(|c| c.value(value, None))),
                        N::PublishOnChange => out.publish_on_change = boxed(self.thunk(|c| c.value(value, None))),
                        N::Backend => {
                            self.warn_deprecated_text("&backend", "", a.span);
                            out.backend = boxed(self.thunk(|c| c.value(value, None)));
                        }
                        N::BrokerStore => {
                            self.warn_deprecated_text("&broker_store", "", a.span);
                            self.thunk(|c| c.value(value, None));
                        }
                        _ => self.misplaced(a, "this"),
                    }
                }
            }
        }
        if out.default.is_some() && out.default_insert.is_some() {
            let span = out.default.as_ref().map_or(Span::default(), |t| t.expr.span);
            self.err(
                "attribute",
                span,
                "&default and &default_insert cannot be used together",
            );
        }
        out
    }

    /// `&default` of a table: a value, or a function of the index.
    fn table_default(
        &mut self,
        value: &ast::Expr,
        ty: TypeId,
        index: &[TypeId],
        yields: Option<TypeId>,
        span: Span,
    ) -> Expr {
        let Some(yields) = yields else {
            self.value(value, None);
            return self.bad_expr("attribute", span, "&default is not valid for sets");
        };
        let v = self.value(value, Some(yields));
        let from = v.ty;
        if from == builtin::ERROR || yields == builtin::ERROR || self.fits(from, yields) {
            return self.coerce(v, yields, Context::Element);
        }
        if let Kind::Func(f) = self.kind(from) {
            let f: FuncType = f.clone();
            let params = f.params.len() == index.len() && f.params.iter().zip(index).all(|(p, &i)| self.fits(p.ty, i))
                || matches!(&f.params[..], [p] if p.ty == builtin::ANY);
            if params && self.fits(f.yields, yields) {
                return v;
            }
            let text = format!("&default function type clash ({})", self.expr_text(&v));
            let note = format!(
                "the table is {}, and the function {}",
                self.type_text(ty),
                self.type_text(from)
            );
            self.report(Diagnostic::error("attribute-value", v.span, text).note(note));
            return self.bad(v.span);
        }
        let ok = self.common_number(from, yields).is_some()
            || matches!(self.kind(from), Kind::Empty)
            || matches!(
                (self.kind(from), self.kind(yields)),
                (Kind::Record(_), Kind::Record(_)) | (Kind::Enum(_), Kind::Enum(_))
            );
        if ok {
            return self.coerce(v, yields, Context::Element);
        }
        let text = format!("&default value has inconsistent type ({})", self.expr_text(&v));
        let note = format!(
            "the table yields {}, and this is {}",
            self.type_text(yields),
            self.type_text(from)
        );
        self.report(Diagnostic::error("attribute-value", v.span, text).note(note));
        self.bad(v.span)
    }

    fn check_expire_func(&mut self, v: Expr, ty: TypeId, index: &[TypeId]) -> Expr {
        let f = match self.kind(v.ty) {
            Kind::Error => return v,
            Kind::Func(f) => f.clone(),
            _ => return self.bad_expr("attribute-value", v.span, "&expire_func attribute is not a function"),
        };
        if self.canonical(f.yields) != builtin::INTERVAL {
            let text = "&expire_func attribute must yield a value of type interval";
            return self.bad_expr("attribute-value", v.span, text);
        }
        if ty == builtin::ERROR {
            return v;
        }
        let table = f.params.first().is_some_and(|p| self.fits(p.ty, ty));
        let rest = f.params.get(1..).unwrap_or(&[]);
        let whole = matches!(rest, [p] if p.ty == builtin::ANY);
        let each = rest.len() == index.len() && rest.iter().zip(index).all(|(p, &i)| self.fits(p.ty, i));
        if table && (whole || each) {
            return v;
        }
        self.bad_expr("attribute-value", v.span, "&expire_func argument type clash")
    }

    fn check_on_change(&mut self, v: Expr, ty: TypeId, index: &[TypeId], yields: Option<TypeId>) -> Expr {
        let f = match self.kind(v.ty) {
            Kind::Error => return v,
            Kind::Func(f) => f.clone(),
            _ => return self.bad_expr("attribute-value", v.span, "&on_change attribute is not a function"),
        };
        if ty == builtin::ERROR {
            return v;
        }
        let wanted = 2 + index.len() + usize::from(yields.is_some());
        let mut ok = f.params.len() == wanted && self.fits(f.params[0].ty, ty);
        if ok {
            ok = f.params[2..].iter().zip(index).all(|(p, &i)| self.fits(p.ty, i));
            if let (Some(y), Some(last)) = (yields, f.params.last()) {
                ok &= self.fits(last.ty, y);
            }
        }
        if ok {
            return v;
        }
        self.bad_expr("attribute-value", v.span, "&on_change function does not fit the table")
    }

    /// Attributes of a function, event or hook body.
    pub(super) fn body_attrs(&mut self, attrs: &[ast::Attr]) -> BodyAttrs {
        self.duplicate(attrs);
        let mut out = BodyAttrs::default();
        for a in attrs {
            match (a.name, &a.value) {
                (N::Priority, Some(value)) => {
                    let thunk = self.thunk(|c| c.value(value, None));
                    match self.fold(&thunk.expr) {
                        Some(Const::Int(v)) => out.priority = v,
                        Some(Const::Count(v)) => out.priority = v.min(i64::MAX as u64) as i64,
                        _ if thunk.expr.ty == builtin::ERROR => {}
                        _ => self.err("attribute-value", a.span, "&priority needs a constant number"),
                    }
                }
                (N::Group, Some(value)) => {
                    let thunk = self.thunk(|c| c.value(value, None));
                    match self.fold(&thunk.expr) {
                        Some(Const::Str(s)) => out.groups.push(String::from_utf8_lossy(&s).into()),
                        _ if thunk.expr.ty == builtin::ERROR => {}
                        _ => self.err("attribute-value", a.span, "&group needs a string literal"),
                    }
                }
                (N::Priority | N::Group, None) => {
                    let text = format!("&{} needs a value", a.name.text());
                    self.err("attribute", a.span, text);
                }
                (N::Deprecated, _) => out.deprecated = Some(attr_text(a)),
                (N::IsUsed, _) => out.is_used = true,
                (N::NoZamOpt | N::NoCppOpt | N::IsAssigned, _) => {}
                _ => self.misplaced(a, "bodies of functions, events and hooks"),
            }
        }
        out
    }
}
