//! Types as written to types as interned; records and enumerations and their growth.

use std::sync::Arc;

use tapir_data::types::{DefaultId, EnumId, Field, Flavor, FuncType, Kind, Param, RecordId, TypeId, builtin};

use super::{Checker, Entity};
use crate::ast::{self, AttrName, TypeKind};
use crate::diag::Diagnostic;
use crate::hir::{self, Span};
use crate::symbol::Symbol;

impl Checker<'_> {
    /// The id of a structural type.
    pub(super) fn intern(&mut self, kind: Kind) -> TypeId {
        match self.program.is_lent() {
            true => self.program.types.intern_late(kind),
            false => self.program.types.intern(kind),
        }
    }

    /// A type that shows itself by other names than its structure's.
    pub(super) fn spelled(&mut self, structure: TypeId, text: String) -> TypeId {
        match self.program.is_lent() {
            true => self.program.types.spelled_late(structure, text),
            false => self.program.types.spelled(structure, text),
        }
    }

    /// The type that was written.
    pub(super) fn ty(&mut self, t: &ast::Type) -> TypeId {
        let kind = match &t.kind {
            TypeKind::Any => return builtin::ANY,
            TypeKind::Bool => return builtin::BOOL,
            TypeKind::Int => return builtin::INT,
            TypeKind::Count => return builtin::COUNT,
            TypeKind::Double => return builtin::DOUBLE,
            TypeKind::Time => return builtin::TIME,
            TypeKind::Interval => return builtin::INTERVAL,
            TypeKind::String => return builtin::STRING,
            TypeKind::Pattern => return builtin::PATTERN,
            TypeKind::Port => return builtin::PORT,
            TypeKind::Addr => return builtin::ADDR,
            TypeKind::Subnet => return builtin::SUBNET,
            TypeKind::File => return builtin::FILE,
            TypeKind::Table(index, yields) => {
                let index = index.iter().map(|i| self.index_ty(i)).collect();
                let yields = Some(self.ty(yields));
                return self.container(Kind::Table { index, yields });
            }
            TypeKind::Set(index) => {
                let index = index.iter().map(|i| self.index_ty(i)).collect();
                return self.container(Kind::Table { index, yields: None });
            }
            TypeKind::Vector(t) => {
                let t = self.ty(t);
                return self.container(Kind::Vector(t));
            }
            TypeKind::Opaque(name) => Kind::Opaque(self.text(*name).clone()),
            TypeKind::Record(fields) => return self.record_ty(fields, None, t.span),
            TypeKind::Enum(_) => {
                self.err(
                    "enum-type",
                    t.span,
                    "an enumeration needs a name: type NAME: enum { … };",
                );
                return builtin::ERROR;
            }
            TypeKind::Func(sig) => Kind::Func(self.signature(sig)),
            TypeKind::Name(name) => return self.named_ty(*name, t.span),
        };
        self.intern(kind)
    }

    fn index_ty(&mut self, t: &ast::Type) -> TypeId {
        let ty = self.ty(t);
        if matches!(self.kind(ty), Kind::File) {
            self.err("index-type", t.span, "illegal index type");
            return builtin::ERROR;
        }
        ty
    }

    /// A container type. Values know only the unnamed types inside; the names that were written are shown.
    fn container(&mut self, written: Kind) -> TypeId {
        let unnamed = match &written {
            Kind::Table { index, yields } => Kind::Table {
                index: index.iter().map(|&t| self.canonical(t)).collect(),
                yields: yields.map(|t| self.canonical(t)),
            },
            Kind::Vector(of) => Kind::Vector(self.canonical(*of)),
            other => other.clone(),
        };
        if unnamed == written {
            return self.intern(written);
        }
        let text = tapir_data::text::kind_text(&self.program.types, &written);
        let structure = self.intern(unnamed);
        self.spelled(structure, text)
    }

    /// Attributes as the text of a type shows them: separated by commas, and a default makes optional.
    fn shown(&self, attrs: &[ast::Attr], default: Option<DefaultId>, ty: TypeId) -> Option<Arc<str>> {
        if attrs.is_empty() {
            return None;
        }
        let mut parts = Vec::new();
        for a in attrs {
            let value = match (a.name, default) {
                (AttrName::Default, Some(id)) => {
                    let e = &self.program.defaults[id.0 as usize].expr;
                    let text = crate::render::plain(&self.program, e);
                    match a.value.as_ref().map(|v| &v.kind) {
                        // A record that takes its type from here shows none.
                        Some(ast::ExprKind::List(_)) => {
                            let fields = text.find('(').map_or("", |at| &text[at + 1..]);
                            format!("=[{}]", fields.strip_suffix(')').unwrap_or(fields))
                        }
                        Some(value) if self.is_converted(value, ty) => {
                            format!("=(coerce {} to {})", text.trim_end_matches(".0"), self.type_text(ty))
                        }
                        _ => format!("={text}"),
                    }
                }
                (AttrName::Deprecated, _) if a.value.is_some() => format!("={}", crate::parse::attr_text(a)),
                _ => String::new(),
            };
            parts.push(format!("&{}{value}", a.name.text()));
        }
        if default.is_some() && !attrs.iter().any(|a| a.name == AttrName::Optional) {
            let at = attrs.iter().position(|a| a.name == AttrName::Default);
            parts.insert(at.map_or(parts.len(), |i| i + 1), "&optional".into());
        }
        Some(parts.join(", ").into())
    }

    /// Whether a default as it was written takes its type from what it is the default of.
    fn is_converted(&self, value: &ast::ExprKind, ty: TypeId) -> bool {
        match value {
            ast::ExprKind::Constructor(kind, items, attrs) => {
                *kind != ast::Constructor::Vector && items.is_empty() && attrs.is_empty()
            }
            ast::ExprKind::Count(_) => matches!(self.canonical(ty), builtin::INT | builtin::DOUBLE),
            ast::ExprKind::Unary(_, inner) => {
                matches!(inner.kind, ast::ExprKind::Count(_)) && self.canonical(ty) == builtin::DOUBLE
            }
            _ => false,
        }
    }

    fn named_ty(&mut self, name: Symbol, span: Span) -> TypeId {
        let Some(full) = self.find_global(name) else {
            let text = self.text(name).clone();
            let mut d = Diagnostic::error("unknown-type", span, format!("identifier not defined: {text}"));
            let is_type = |e: &Entity| matches!(e.meaning, hir::Ident::Type(_));
            let elsewhere = like_other_languages(&text).map(str::to_string);
            let basic = || crate::diag::nearest(&text, crate::parse::habits::TYPES.iter().copied()).map(str::to_string);
            if let Some(s) = elsewhere.or_else(basic).or_else(|| self.near_name(&text, is_type)) {
                d = d.suggest(format!("did you mean {s}?"));
            }
            self.report(d);
            return builtin::ERROR;
        };
        match self.visible(full, span) {
            Some(hir::Ident::Type(ty)) => ty,
            Some(_) => {
                let text = format!("{} is not a type", self.text(name));
                self.err("not-a-type", span, text);
                builtin::ERROR
            }
            None => builtin::ERROR,
        }
    }

    fn record_ty(&mut self, fields: &[ast::Field], name: Option<Arc<str>>, span: Span) -> TypeId {
        let (id, ty) = self.program.types.new_record(name);
        self.add_fields(id, ty, fields, false, span);
        ty
    }

    /// Adds fields to a record, at its declaration or by `redef`.
    pub(super) fn add_fields(&mut self, id: RecordId, ty: TypeId, fields: &[ast::Field], redef: bool, span: Span) {
        for f in fields {
            if self.program.types.layout(id).fields.len() >= super::FIELDS_MAX {
                let text = format!("a record has at most {} fields", super::FIELDS_MAX);
                self.err("too-many", f.name.span, text);
                return;
            }
            let name = self.text(f.name.name).clone();
            if self.program.types.layout(id).by_name.contains_key(&name) {
                let record = self.type_text(ty);
                let text = if redef {
                    format!("duplicate field name \"{name}\" in redef of record {record}")
                } else {
                    format!("duplicate field name in record ({name})")
                };
                let mut d = Diagnostic::error("duplicate-field", f.name.span, text);
                if redef {
                    d = self
                        .with_declaration(d, ty)
                        .label(end_of(span), "the redefinition ends here");
                }
                self.report(d);
                continue;
            }
            let field_ty = self.ty(&f.ty);
            let attrs = self.field_attrs(f, field_ty);
            if redef && !attrs.optional && attrs.default.is_none() {
                let text = format!("extension field must be &optional or have &default ({name})");
                let d = Diagnostic::error("redef-mandatory", f.name.span, text);
                let d = self.with_declaration(d, ty);
                self.report(d);
            }
            let shown = if self.program.types.layout(id).name.is_none() {
                self.shown(&f.attrs, attrs.default, field_ty)
            } else {
                None
            };
            self.program.types.add_field(
                id,
                Field {
                    name,
                    ty: field_ty,
                    optional: attrs.optional,
                    log: attrs.log,
                    default: attrs.default,
                    deprecated: attrs.deprecated,
                    type_column: attrs.type_column,
                    shown,
                },
            );
        }
    }

    /// Adds the place where a named type was declared.
    fn with_declaration(&self, d: Diagnostic, ty: TypeId) -> Diagnostic {
        let symbol = self.program.types.name(ty).and_then(|n| self.names.get(n));
        match symbol.and_then(|s| self.entity(s)) {
            Some(e) => d.label(e.span, "declared here"),
            None => d,
        }
    }

    /// The signature that was written.
    pub(super) fn signature(&mut self, sig: &ast::Signature) -> FuncType {
        let mut params: Vec<Param> = Vec::with_capacity(sig.params.len());
        for p in &sig.params {
            if params.len() == super::LOCALS_MAX {
                let text = format!("a function has at most {} parameters", super::LOCALS_MAX);
                self.err("too-many", p.name.span, text);
                break;
            }
            let ty = self.ty(&p.ty);
            let name = self.text(p.name.name).clone();
            if params.iter().any(|q| q.name == name) {
                let text = format!("duplicate parameter name ({name})");
                self.err("duplicate-parameter", p.name.span, text);
            }
            let mut default: Option<DefaultId> = None;
            for a in &p.attrs {
                match (a.name, &a.value) {
                    (AttrName::Default, Some(value)) => {
                        let thunk = self.thunk(|c| c.expr_as(value, ty, super::coerce::Context::Element));
                        default = Some(self.add_default(thunk));
                    }
                    (AttrName::Deprecated, _) | (AttrName::IsUsed, _) => {}
                    _ => {
                        let text = format!("&{} is not valid for parameters", a.name.text());
                        self.err("attribute", a.span, text);
                    }
                }
            }
            if default.is_none() && params.iter().any(|q| q.default.is_some()) && sig.flavor == Flavor::Function {
                let text = format!("parameter without &default follows one that has it ({name})");
                self.err("parameter-default", p.name.span, text);
            }
            let shown = self.shown(&p.attrs, default, ty);
            params.push(Param {
                name,
                ty,
                default,
                shown,
            });
        }
        let yields = match (sig.flavor, &sig.yields) {
            (Flavor::Hook, _) => builtin::BOOL,
            (_, Some(t)) => self.ty(t),
            (_, None) => builtin::VOID,
        };
        FuncType {
            flavor: sig.flavor,
            params: params.into(),
            yields,
            variadic: sig.variadic,
        }
    }

    pub(super) fn add_default(&mut self, thunk: hir::Thunk) -> DefaultId {
        let id = DefaultId(self.program.defaults.len() as u32);
        self.program.defaults.push(thunk);
        id
    }

    /// `type NAME: …;`
    pub(super) fn type_decl(&mut self, name: &ast::Ident, t: &ast::Type, attrs: &[ast::Attr]) {
        let full = self.full_name(name.name);
        if let Some(entity) = self.entity(full) {
            let (span, is_type) = (entity.span, matches!(entity.meaning, hir::Ident::Type(_)));
            let place = self.place(span);
            let text = if is_type {
                format!("Type {} has already been declared at {place}", self.text(full))
            } else {
                format!(
                    "Identifier {} has already been declared and is not a type",
                    self.text(full)
                )
            };
            self.report(
                Diagnostic::error("redeclared-type", name.span, text)
                    .label(span, "declared here")
                    .label(end_of(t.span), "the second declaration ends here"),
            );
            return;
        }
        let text = self.text(full).clone();
        let exported = self.exported;
        let ty = match &t.kind {
            TypeKind::Record(fields) => self.record_ty(fields, Some(text.clone()), t.span),
            TypeKind::Enum(items) => {
                let (id, ty) = self.program.types.new_enum(text.clone());
                self.enum_items(id, ty, items);
                ty
            }
            _ => {
                let target = self.ty(t);
                if target == builtin::ERROR {
                    target
                } else {
                    match self.kind(target) {
                        Kind::Enum(_) => {
                            let canonical = self.program.types.canonical(target);
                            self.program.types.add_alias(canonical, text.clone());
                            target
                        }
                        _ => self.program.types.alias(target, text.clone()),
                    }
                }
            }
        };
        self.define(full, hir::Ident::Type(ty), exported, name.span);
        for a in attrs {
            match a.name {
                AttrName::Log => self.log_all(ty),
                AttrName::Deprecated => {
                    let text = crate::parse::attr_text(a);
                    if let Some(e) = self.scope[full.0 as usize].as_mut() {
                        e.deprecated = Some(text.clone());
                    }
                    self.type_deprecations.insert(ty, text);
                }
                _ => {}
            }
        }
    }

    /// `&log` on a record type: every field so far.
    pub(super) fn log_all(&mut self, ty: TypeId) {
        if let Kind::Record(id) = *self.kind(ty) {
            for f in &mut self.program.types.layout_mut(id).fields {
                f.log = true;
            }
        }
    }

    pub(super) fn enum_items(&mut self, id: EnumId, ty: TypeId, items: &[ast::EnumItem]) {
        let explicit = items.iter().filter(|i| i.value.is_some()).count();
        let native = items.first().is_some_and(|i| self.is_native(i.name.span));
        if let Some(first) = items.first().filter(|_| !native) {
            let ruled = *self.explicit_enums.entry(id).or_insert(first.value.is_some());
            if let Some(i) = items.iter().find(|i| i.value.is_some() != ruled) {
                self.err(
                    "enum-mix",
                    i.name.span,
                    "cannot mix explicit enumerator assignment and implicit auto-increment",
                );
            }
        }
        // In native declarations, the item without a value among others that have one stands for "none of them".
        let unset = (native && explicit != 0).then_some(-1);
        for item in items {
            let full = self.full_name(item.name.name);
            let text = self.text(full).clone();
            if let Some(entity) = self.entity(full) {
                let span = entity.span;
                let message =
                    format!("identifier or enumerator value in enumerated type definition already exists ({text})");
                self.report(
                    Diagnostic::error("duplicate-enumerator", item.name.span, message).label(span, "defined here"),
                );
                continue;
            }
            let given = item.value.map(|v| v.0).or(unset);
            if let (Some(v), Some(span)) = (given.filter(|_| !native), item.value.map(|v| v.1)) {
                if self.program.types.enums[id.0 as usize].by_value.contains_key(&v) {
                    let message = format!("enumerator value in enumerated type definition already exists ({v})");
                    self.err("duplicate-enumerator", span, message);
                }
            }
            let value = self.program.types.add_enumerator(id, text, given);
            let exported = self.exported;
            self.define(full, hir::Ident::Enumerator(ty, value), exported, item.name.span);
            if let (Some(d), Some(e)) = (&item.deprecated, self.scope[full.0 as usize].as_mut()) {
                e.deprecated = Some(d.clone());
            }
        }
    }

    /// The meaning of a name that is redefined as a type.
    fn redef_target(&mut self, name: &ast::Ident) -> Option<TypeId> {
        let Some(full) = self.find_global(name.name) else {
            let text = self.text(name.name).clone();
            let mut d = Diagnostic::error("unknown-identifier", name.span, format!("unknown identifier {text}"));
            let is_type = |e: &Entity| matches!(e.meaning, hir::Ident::Type(_));
            if let Some(s) = self.near_name(&text, is_type) {
                d = d.suggest(format!("did you mean {s}?"));
            }
            self.report(d);
            return None;
        };
        match self.visible(full, name.span) {
            Some(hir::Ident::Type(ty)) => Some(ty),
            Some(_) => {
                let text = format!("{} is not a type", self.text(full));
                self.err("not-a-type", name.span, text);
                None
            }
            None => None,
        }
    }

    pub(super) fn redef_enum(&mut self, name: &ast::Ident, items: &[ast::EnumItem]) {
        let Some(ty) = self.redef_target(name) else {
            return;
        };
        match *self.kind(ty) {
            Kind::Enum(id) => self.enum_items(id, ty, items),
            _ => {
                let text = format!("cannot redefine {} as an enumeration", self.type_text(ty));
                self.err("redef-enum", name.span, text);
            }
        }
    }

    pub(super) fn redef_record(&mut self, name: &ast::Ident, fields: &[ast::Field], attrs: &[ast::Attr], span: Span) {
        let Some(ty) = self.redef_target(name) else {
            return;
        };
        match *self.kind(ty) {
            Kind::Record(id) => {
                let before = self.program.types.layout(id).fields.len();
                self.add_fields(id, ty, fields, true, span);
                if attrs.iter().any(|a| a.name == AttrName::Log) {
                    for f in &mut self.program.types.layout_mut(id).fields[before..] {
                        f.log = true;
                    }
                }
            }
            _ => {
                let text = format!("cannot redefine {} as a record", self.type_text(ty));
                self.err("redef-record", name.span, text);
            }
        }
    }

    pub(super) fn redef_field(&mut self, name: &ast::Ident, field: &ast::Ident, add: bool, attrs: &[ast::Attr]) {
        let Some(ty) = self.redef_target(name) else {
            return;
        };
        let Kind::Record(id) = *self.kind(ty) else {
            let text = format!("{} is not a record", self.type_text(ty));
            self.err("redef-record", name.span, text);
            return;
        };
        let field_name = self.text(field.name).clone();
        let Some(slot) = self.program.types.layout(id).slot(&field_name) else {
            self.no_such_field(ty, field.name, field.span, &field_name);
            return;
        };
        for a in attrs {
            if a.name == AttrName::Log {
                self.program.types.layout_mut(id).fields[slot as usize].log = add;
            } else {
                let text = format!("redef of field attributes knows &log only, not &{}", a.name.text());
                self.err("redef-field", a.span, text);
            }
        }
    }

    /// Reports a field that a record does not have.
    pub(super) fn no_such_field(&mut self, ty: TypeId, field: Symbol, span: Span, shown: &str) {
        let name = self.text(field).clone();
        let near = match self.program.types.record(ty) {
            Some(r) => {
                crate::diag::nearest(&name, r.fields.iter().map(|f| &*f.name)).map(|n| format!("did you mean {n}?"))
            }
            None => None,
        };
        let mut d = Diagnostic::error("no-such-field", span, format!("no such field in record ({shown})"));
        if let Some(n) = near {
            d = d.suggest(n);
        } else if let Some(r) = self.program.types.record(ty) {
            let fields: Vec<&str> = r.fields.iter().take(20).map(|f| &*f.name).collect();
            if !fields.is_empty() {
                d = d.note(format!("its fields are {}", fields.join(", ")));
            }
        }
        self.report(d);
    }

    /// A type as messages show it.
    pub(super) fn type_text(&self, ty: TypeId) -> String {
        crate::render::type_text(&self.program.types, ty)
    }

    /// `FILE:LINE` of a span.
    pub(super) fn place(&self, span: Span) -> String {
        match self.program.files.get(span.file as usize) {
            Some(f) => format!("{}:{}", f.path, f.line(span.start)),
            None => "<builtin>".into(),
        }
    }

    /// The unnamed entry of a type.
    pub(super) fn canonical(&self, ty: TypeId) -> TypeId {
        self.program.types.canonical(ty)
    }
}

/// The last byte of a span.
fn end_of(span: Span) -> Span {
    Span {
        start: span.end.saturating_sub(1).max(span.start),
        ..span
    }
}

/// What a type of another language is called here.
fn like_other_languages(name: &str) -> Option<&'static str> {
    Some(match name {
        "boolean" => "bool",
        "integer" | "long" => "int",
        "uint" | "unsigned" | "uint64" | "size_t" => "count",
        "float" => "double",
        "str" | "text" | "char" => "string",
        "list" | "array" => "vector of T",
        "map" | "dict" => "table[K] of V",
        "regex" | "regexp" => "pattern",
        "address" | "ip" => "addr",
        _ => return None,
    })
}
