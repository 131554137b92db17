//! Constructors of records, tables, sets and vectors, and lists in braces with their cross products.

use tapir_data::types::{Field, Kind, TypeId, builtin};

use super::Checker;
use super::coerce::Context;
use crate::ast::{self, AssignOp, ExprKind as A};
use crate::diag::{Diagnostic, nearest};
use crate::hir::{Attrs, BinOp, Expr, ExprKind, Span};

/// The elements of one initialiser that cross products may expand to.
const MAX_PRODUCT: usize = 100_000;

impl Checker<'_> {
    /// A record of a known type from `$f = e` arguments.
    pub(super) fn record_of(&mut self, args: &[ast::Expr], ty: TypeId, span: Span, named: bool) -> Expr {
        let mut fields: Vec<(u32, Expr)> = Vec::with_capacity(args.len());
        let mut ok = true;
        // Whether the list has exactly the record's fields, so that nothing is converted and no name is taken over.
        let mut shown = String::from("record { ");
        let mut exact = !named
            && self
                .program
                .types
                .record(ty)
                .is_some_and(|r| r.fields.len() == args.len());
        for a in args {
            let A::FieldAssign(name, value) = &a.kind else {
                self.value(a, None);
                self.err("record-constructor", a.span, "bad type in record constructor");
                ok = false;
                continue;
            };
            let text = self.text(name.name).clone();
            let slot = self.program.types.record(ty).and_then(|r| r.slot(&text));
            let Some(slot) = slot else {
                self.value(value, None);
                let shown = format!("{}${text}", self.type_text(ty));
                if named {
                    self.no_such_field(ty, name.name, name.span, &shown);
                } else {
                    let d = Diagnostic::error(
                        "orphaned-field",
                        name.span,
                        format!("orphaned field \"{text}\" in record coercion ({})", self.type_text(ty)),
                    );
                    let fields = self.program.types.record(ty).map(|r| &r.fields);
                    let near = nearest(&text, fields.into_iter().flatten().map(|f| &*f.name));
                    let d = match near {
                        Some(near) => d.suggest(format!("did you mean {near}?")),
                        None => d,
                    };
                    self.report(d);
                }
                ok = false;
                continue;
            };
            if fields.iter().any(|f| f.0 == slot) {
                let text = format!("duplicate field name in record constructor: {text}");
                self.err("duplicate-field", name.span, text);
                ok = false;
            }
            let field = self.program.types.record(ty).map(|r| &r.fields[slot as usize]);
            let plain = |f: &Field| !f.optional && !f.log && f.default.is_none() && f.deprecated.is_none();
            exact &= field.is_some_and(plain) && slot as usize == fields.len();
            let (field_ty, deprecated) = field.map_or((builtin::ERROR, None), |f| (f.ty, f.deprecated.clone()));
            if let Some(d) = deprecated {
                let shown = format!("{}${text}", self.type_text(ty));
                self.warn_deprecated_text(&shown, &d, name.span);
            }
            let checked = self.value(value, Some(field_ty));
            let (from, at) = (checked.ty, checked.span);
            exact &= self.program.types.same(from, field_ty)
                && !matches!(&value.kind, A::Constructor(_, items, _) | A::List(items) if items.is_empty());
            shown += &format!("{text}:{}; ", self.type_text(from));
            let compatible = from == builtin::ERROR
                || self.fits(from, field_ty)
                || self.common_number(from, field_ty).is_some()
                || matches!(self.kind(from), Kind::Empty)
                || matches!(
                    (self.kind(from), self.kind(field_ty)),
                    (Kind::Record(_), Kind::Record(_)) | (Kind::Enum(_), Kind::Enum(_))
                )
                || (self.canonical(field_ty) == builtin::TIME && super::coerce::is_zero(&checked));
            let checked = if compatible {
                self.coerce(checked, field_ty, Context::Element)
            } else {
                let note = format!(
                    "the field is {}, and this is {}",
                    self.type_text(field_ty),
                    self.type_text(from)
                );
                self.report(Diagnostic::error("field-type", at, format!("type clash for field \"{text}\"")).note(note));
                self.bad(at)
            };
            ok &= checked.ty != builtin::ERROR;
            fields.push((slot, checked));
        }
        let mut missing = Vec::new();
        if let Some(record) = self.program.types.record(ty) {
            for (i, f) in record.fields.iter().enumerate() {
                if !f.optional
                    && f.default.is_none()
                    && !fields.iter().any(|g| g.0 as usize == i)
                    && !self.is_aggregate(f.ty)
                {
                    missing.push(f.name.clone());
                }
            }
        }
        if ok {
            for name in missing {
                let text = format!("mandatory field \"{name}\" missing ({})", self.type_text(ty));
                self.err("missing-field", span, text);
                ok = false;
            }
        }
        if !ok {
            return self.bad(span);
        }
        let ty = if exact && !fields.is_empty() && self.program.types.record(ty).is_some_and(|r| r.name.is_some()) {
            let structure = self.canonical(ty);
            self.spelled(structure, shown + "}")
        } else {
            ty
        };
        Expr {
            kind: ExprKind::Record(fields),
            ty,
            span,
        }
    }

    /// `[$a=1]` without a target: a record type of its own.
    pub(super) fn anonymous_record(&mut self, args: &[ast::Expr], span: Span) -> Expr {
        let mut layout: Vec<Field> = Vec::with_capacity(args.len());
        let mut fields = Vec::with_capacity(args.len());
        let mut ok = true;
        for a in args {
            let A::FieldAssign(name, value) = &a.kind else {
                self.value(a, None);
                self.err("record-constructor", a.span, "bad type in record constructor");
                ok = false;
                continue;
            };
            let value = self.value(value, None);
            ok &= value.ty != builtin::ERROR;
            let text = self.text(name.name).clone();
            if layout.iter().any(|f| f.name == text) {
                let text = format!("duplicate field name in record constructor: {text}");
                self.err("duplicate-field", name.span, text);
                ok = false;
                continue;
            }
            let slot = layout.len() as u32;
            layout.push(Field {
                name: text,
                ty: value.ty,
                optional: false,
                log: false,
                default: None,
                deprecated: None,
                type_column: None,
                shown: None,
            });
            fields.push((slot, value));
        }
        if !ok {
            return self.bad(span);
        }
        let ty = match self.program.is_lent() {
            true => self.program.types.record_late(layout),
            false => {
                let (id, ty) = self.program.types.new_record(None);
                for field in layout {
                    self.program.types.add_field(id, field);
                }
                ty
            }
        };
        Expr {
            kind: ExprKind::Record(fields),
            ty,
            span,
        }
    }

    /// `[…]`: a record, an empty container or an index list.
    pub(super) fn list(&mut self, elements: &[ast::Expr], want: Option<TypeId>, span: Span) -> Expr {
        let is_record = elements.iter().any(|e| matches!(e.kind, A::FieldAssign(..)));
        let want_record = want.filter(|w| matches!(self.kind(*w), Kind::Record(_)));
        if is_record {
            return match want_record {
                Some(w) => self.record_of(elements, w, span, false),
                None => self.anonymous_record(elements, span),
            };
        }
        if elements.is_empty() {
            let empty = Expr {
                kind: ExprKind::List(Vec::new()),
                ty: builtin::EMPTY,
                span,
            };
            return match want {
                Some(w) if self.is_aggregate(w) => self.coerce(empty, w, Context::Element),
                _ => empty,
            };
        }
        let mut list = Vec::with_capacity(elements.len());
        let mut types = Vec::with_capacity(elements.len());
        for e in elements {
            let e = self.value(e, None);
            if e.ty == builtin::ERROR {
                return e;
            }
            types.push(e.ty);
            list.push(e);
        }
        let ty = self.intern(Kind::List(types));
        Expr {
            kind: ExprKind::List(list),
            ty,
            span,
        }
    }

    /// What stands behind the `=` of a variable: there a list in brackets that is no record is the list in braces.
    pub(super) fn init_value(&mut self, e: &ast::Expr, want: Option<TypeId>) -> Expr {
        if let A::List(elements) = &e.kind {
            let record = elements.iter().any(|x| matches!(x.kind, A::FieldAssign(..)));
            let container = match want.map(|w| self.kind(w)) {
                Some(kind) => matches!(kind, Kind::Table { .. } | Kind::Vector(_)),
                None => true,
            };
            if container && !record && !elements.is_empty() {
                return self.brace(elements, want, e.span);
            }
        }
        self.expr(e, want)
    }

    /// `{ … }` with the type that is wanted, or the one that follows from its elements.
    pub(super) fn brace(&mut self, elements: &[ast::Expr], want: Option<TypeId>, span: Span) -> Expr {
        let want = want.filter(|w| *w != builtin::ANY);
        match want.map(|w| self.kind(w)) {
            // Unlike what a constructor makes, the value has the name of the type it is made for.
            Some(Kind::Table { yields: Some(_), .. }) => self.table_of(elements, &[], want, span),
            Some(Kind::Table { yields: None, .. }) => self.set_of(elements, &[], want, span),
            Some(Kind::Vector(_)) => self.vector_of(elements, want, span),
            Some(Kind::Error) => self.bad(span),
            Some(_) => {
                let text = format!(
                    "a list in braces cannot initialize {}",
                    want.map_or_else(String::new, |w| self.type_text(w))
                );
                self.bad_expr("brace", span, text)
            }
            None => {
                if elements.is_empty() {
                    return self.bad_expr(
                        "empty-constructor",
                        span,
                        "empty constructor in untyped initialization ({ })",
                    );
                }
                if elements.iter().all(|e| matches!(e.kind, A::Assign(AssignOp::Set, ..))) {
                    self.table_of(elements, &[], None, span)
                } else {
                    self.set_of(elements, &[], None, span)
                }
            }
        }
    }

    /// All keys that an element of an initialiser stands for, each as its parts.
    fn product<'a>(&mut self, e: &'a ast::Expr, width: Option<usize>) -> Option<Vec<Vec<&'a ast::Expr>>> {
        let mut e = e;
        while let A::Paren(inner) = &e.kind {
            e = inner;
        }
        let parts: Vec<&ast::Expr> = match &e.kind {
            A::List(l) if !l.is_empty() && !l.iter().any(|x| matches!(x.kind, A::FieldAssign(..))) => {
                if width == Some(1) && l.len() > 1 && !l.iter().any(is_list) {
                    // `[a, b]` for a single index: left to the check of the number of keys.
                    return Some(vec![l.iter().collect()]);
                }
                l.iter().collect()
            }
            _ => vec![e],
        };
        let mut out: Vec<Vec<&ast::Expr>> = vec![Vec::with_capacity(parts.len())];
        for part in parts {
            let mut choices = Vec::new();
            alternatives(part, &mut choices);
            if out.len().saturating_mul(choices.len()) > MAX_PRODUCT {
                self.err("product", e.span, "too many elements in cross product");
                return None;
            }
            let mut next = Vec::with_capacity(out.len() * choices.len());
            for prefix in &out {
                for &choice in &choices {
                    let mut key = prefix.clone();
                    key.push(choice);
                    next.push(key);
                }
            }
            out = next;
        }
        Some(out)
    }

    /// Checks keys against their types.
    fn element_keys(&mut self, key: &[&ast::Expr], types: &[TypeId], span: Span, what: &str) -> Option<Vec<Expr>> {
        if key.len() != types.len() {
            let text = format!(
                "inconsistent type(s) in {what} constructor ({} where {} needed)",
                super::index::count(key.len(), "index", "indices"),
                types.len()
            );
            self.err("constructor", span, text);
            return None;
        }
        let mut out = Vec::with_capacity(key.len());
        for (e, &t) in key.iter().zip(types) {
            let checked = self.value(e, Some(t));
            let checked = self.element(checked, t, what);
            if checked.ty == builtin::ERROR {
                return None;
            }
            out.push(checked);
        }
        Some(out)
    }

    /// Converts an element of a constructor.
    fn element(&mut self, e: Expr, to: TypeId, what: &str) -> Expr {
        let from = e.ty;
        let ok = from == builtin::ERROR
            || self.fits(from, to)
            || self.common_number(from, to).is_some()
            || matches!(self.kind(from), Kind::Empty)
            || matches!(
                (self.kind(from), self.kind(to)),
                (Kind::Record(_), Kind::Record(_)) | (Kind::Enum(_), Kind::Enum(_))
            )
            || (self.canonical(to) == builtin::TIME && super::coerce::is_zero(&e));
        if !ok {
            let text = format!("inconsistent type(s) in {what} constructor ({})", self.expr_text(&e));
            let note = format!(
                "{} is wanted here, and this is {}",
                self.type_text(to),
                self.type_text(from)
            );
            self.report(Diagnostic::error("constructor", e.span, text).note(note));
            return self.bad(e.span);
        }
        self.coerce(e, to, Context::Element)
    }

    /// The common type of elements; `None` (after telling) when they have none.
    fn common(&mut self, elements: &[Expr], what: &str) -> Option<TypeId> {
        let mut ty = elements.first()?.ty;
        for e in elements {
            if e.ty == builtin::ERROR {
                return None;
            }
            match self.join(ty, e.ty) {
                Some(t) => ty = t,
                None => {
                    let text = format!("inconsistent type(s) in {what} constructor ({})", self.expr_text(e));
                    let note = format!(
                        "{} came before, and this is {}",
                        self.type_text(ty),
                        self.type_text(e.ty)
                    );
                    let span = e.span;
                    self.report(Diagnostic::error("constructor", span, text).note(note));
                    return None;
                }
            }
        }
        if matches!(self.kind(ty), Kind::Empty) {
            self.err(
                "empty-constructor",
                elements[0].span,
                "empty constructor in untyped initialization",
            );
            return None;
        }
        Some(self.canonical(ty))
    }

    /// `table(…)` or a list in braces for a table.
    pub(super) fn table_of(
        &mut self,
        args: &[ast::Expr],
        attrs: &[ast::Attr],
        want: Option<TypeId>,
        span: Span,
    ) -> Expr {
        let wanted = match want.map(|w| self.kind(w)) {
            Some(Kind::Table { index, yields: Some(y) }) => Some((index.clone(), *y)),
            _ => None,
        };
        let mut raw: Vec<(Vec<&ast::Expr>, &ast::Expr)> = Vec::with_capacity(args.len());
        let mut width = wanted.as_ref().map(|w| w.0.len());
        for a in args {
            let mut a = a;
            while let A::Paren(inner) = &a.kind {
                a = inner;
            }
            let A::Assign(AssignOp::Set, key, value) = &a.kind else {
                self.value(a, None);
                let text = "not a table entry: entries are written [key] = value";
                return self.bad_expr("table-constructor", a.span, text);
            };
            if wanted.is_none() && !is_list(key) {
                let text = "cannot determine type for table; ensure square brackets are around each key";
                return self.bad_expr("table-constructor", key.span, text);
            }
            let Some(mut keys) = self.product(key, width) else {
                return self.bad(span);
            };
            if wanted.is_none() {
                // Without a type that says otherwise, a set as a key stands for its elements.
                keys = keys.into_iter().flat_map(spread).collect();
            }
            width = width.or_else(|| keys.first().map(Vec::len));
            raw.extend(keys.into_iter().map(|k| (k, &**value)));
        }
        let (ty, entries) = match (wanted, want) {
            (Some((index, yields)), Some(ty)) => {
                let mut entries = Vec::with_capacity(raw.len());
                let mut ok = true;
                for (key, value) in raw {
                    let key = self.element_keys(&key, &index, value.span, "table");
                    let value = self.value(value, Some(yields));
                    let value = self.element(value, yields, "table");
                    match key {
                        Some(key) if value.ty != builtin::ERROR => entries.push((key, value)),
                        _ => ok = false,
                    }
                }
                if !ok {
                    return self.bad(span);
                }
                (ty, entries)
            }
            _ => {
                if raw.is_empty() {
                    let attrs = self.constructor_attrs(attrs, builtin::EMPTY);
                    return Expr {
                        kind: ExprKind::Table(Vec::new(), attrs),
                        ty: builtin::EMPTY,
                        span,
                    };
                }
                match self.infer_table(raw, span) {
                    Some(t) => t,
                    None => return self.bad(span),
                }
            }
        };
        let attrs = self.constructor_attrs(attrs, ty);
        Expr {
            kind: ExprKind::Table(entries, attrs),
            ty,
            span,
        }
    }

    fn infer_table(
        &mut self,
        raw: Vec<(Vec<&ast::Expr>, &ast::Expr)>,
        span: Span,
    ) -> Option<(TypeId, Vec<(Vec<Expr>, Expr)>)> {
        let mut keys = Vec::with_capacity(raw.len());
        let mut values = Vec::with_capacity(raw.len());
        for (key, value) in raw {
            keys.push(key.into_iter().map(|k| self.value(k, None)).collect::<Vec<_>>());
            values.push(self.value(value, None));
        }
        let (index, keys) = self.infer_keys(keys, span, "table")?;
        let yields = self.common(&values, "table")?;
        let ty = self.intern(Kind::Table {
            index,
            yields: Some(yields),
        });
        let values: Vec<Expr> = values.into_iter().map(|v| self.element(v, yields, "table")).collect();
        if values.iter().any(|v| v.ty == builtin::ERROR) {
            return None;
        }
        Some((ty, keys.into_iter().zip(values).collect()))
    }

    /// Index types of keys whose types are not given, and the keys converted to them.
    fn infer_keys(&mut self, keys: Vec<Vec<Expr>>, span: Span, what: &str) -> Option<(Vec<TypeId>, Vec<Vec<Expr>>)> {
        let width = keys.first()?.len();
        if keys.iter().any(|k| k.len() != width) {
            let text = format!("inconsistent type(s) in {what} constructor");
            self.err("constructor", span, text);
            return None;
        }
        let mut columns: Vec<Vec<Expr>> = (0..width).map(|_| Vec::with_capacity(keys.len())).collect();
        let rows = keys.len();
        for key in keys {
            for (column, e) in columns.iter_mut().zip(key) {
                column.push(e);
            }
        }
        let mut index = Vec::with_capacity(width);
        for column in &columns {
            index.push(self.common(column, what)?);
        }
        let mut out: Vec<Vec<Expr>> = (0..rows).map(|_| Vec::with_capacity(width)).collect();
        for (column, &t) in columns.into_iter().zip(&index) {
            for (row, e) in out.iter_mut().zip(column) {
                let e = self.element(e, t, what);
                if e.ty == builtin::ERROR {
                    return None;
                }
                row.push(e);
            }
        }
        Some((index, out))
    }

    /// `set(…)` or a list in braces for a set.
    pub(super) fn set_of(&mut self, args: &[ast::Expr], attrs: &[ast::Attr], want: Option<TypeId>, span: Span) -> Expr {
        let wanted = match want.map(|w| self.kind(w)) {
            Some(Kind::Table { index, yields: None }) => Some(index.clone()),
            _ => None,
        };
        let mut raw = Vec::with_capacity(args.len());
        let mut width = wanted.as_ref().map(Vec::len);
        let mut sets = Vec::new();
        for a in args {
            let mut flat = Vec::new();
            flatten(a, &mut flat);
            for e in flat {
                // The name of a set of the same type stands for its elements.
                if let (Some(w), A::Name(_)) = (want.filter(|_| wanted.is_some()), &e.kind) {
                    let named = self.value(e, None);
                    if named.ty == builtin::ERROR {
                        return self.bad(span);
                    }
                    if self.canonical(named.ty) == self.canonical(w) {
                        sets.push(named);
                        continue;
                    }
                }
                if matches!(e.kind, A::Assign(AssignOp::Set, ..)) {
                    let text = "a set has no values: elements are written without \"=\"";
                    return self.bad_expr("set-constructor", e.span, text);
                }
                let Some(keys) = self.product(e, width) else {
                    return self.bad(span);
                };
                width = width.or_else(|| keys.first().map(Vec::len));
                raw.extend(keys.into_iter().map(|k| (k, e.span)));
            }
        }
        let (ty, elements) = match (wanted, want) {
            (Some(index), Some(ty)) => {
                let mut elements = Vec::with_capacity(raw.len());
                let mut ok = true;
                for (key, at) in raw {
                    match self.element_keys(&key, &index, at, "set") {
                        Some(key) => elements.push(key),
                        None => ok = false,
                    }
                }
                if !ok {
                    return self.bad(span);
                }
                (ty, elements)
            }
            _ => {
                if raw.is_empty() {
                    let attrs = self.constructor_attrs(attrs, builtin::EMPTY);
                    return Expr {
                        kind: ExprKind::Set(Vec::new(), attrs),
                        ty: builtin::EMPTY,
                        span,
                    };
                }
                let keys = raw
                    .into_iter()
                    .map(|(key, _)| key.into_iter().map(|k| self.value(k, None)).collect())
                    .collect();
                let Some((index, elements)) = self.infer_keys(keys, span, "set") else {
                    return self.bad(span);
                };
                let ty = self.intern(Kind::Table { index, yields: None });
                (ty, elements)
            }
        };
        let attrs = self.constructor_attrs(attrs, ty);
        let listed = Expr {
            kind: ExprKind::Set(elements, attrs),
            ty,
            span,
        };
        sets.into_iter().fold(listed, |all, more| Expr {
            kind: ExprKind::Binary(BinOp::BitOr, Box::new(all), Box::new(more)),
            ty,
            span,
        })
    }

    fn constructor_attrs(&mut self, attrs: &[ast::Attr], ty: TypeId) -> Attrs {
        if attrs.is_empty() {
            return Attrs::default();
        }
        self.value_attrs(attrs, ty)
    }

    /// `vector(…)` or a list in braces for a vector.
    pub(super) fn vector_of(&mut self, args: &[ast::Expr], want: Option<TypeId>, span: Span) -> Expr {
        let wanted = match want.map(|w| self.kind(w)) {
            Some(Kind::Vector(t)) => Some(*t),
            _ => None,
        };
        if args.is_empty() && wanted.is_none() {
            return Expr {
                kind: ExprKind::Vector(Vec::new()),
                ty: builtin::EMPTY,
                span,
            };
        }
        let mut elements: Vec<Expr> = args.iter().map(|a| self.value(a, wanted)).collect();
        let (element, ty) = match (wanted, want) {
            (Some(t), Some(ty)) => (t, ty),
            _ => {
                let Some(t) = self.common(&elements, "vector") else {
                    return self.bad(span);
                };
                (t, self.intern(Kind::Vector(t)))
            }
        };
        elements = elements
            .into_iter()
            .map(|e| self.element(e, element, "vector"))
            .collect();
        if elements.iter().any(|e| e.ty == builtin::ERROR) {
            return self.bad(span);
        }
        Expr {
            kind: ExprKind::Vector(elements),
            ty,
            span,
        }
    }
}

/// A key that is a single `set(…)` of single elements as one key for each.
fn spread(key: Vec<&ast::Expr>) -> Vec<Vec<&ast::Expr>> {
    match key[..] {
        [
            ast::Expr {
                kind: A::Constructor(ast::Constructor::Set, elements, _),
                ..
            },
        ] if !elements.is_empty() => elements.iter().map(|e| vec![e]).collect(),
        _ => vec![key],
    }
}

fn is_list(e: &ast::Expr) -> bool {
    matches!(e.kind, A::List(_) | A::Brace(_))
}

/// The alternatives that one part of a key stands for.
fn alternatives<'a>(e: &'a ast::Expr, out: &mut Vec<&'a ast::Expr>) {
    match &e.kind {
        A::List(l) | A::Brace(l) if !l.is_empty() && !l.iter().any(|x| matches!(x.kind, A::FieldAssign(..))) => {
            for x in l {
                alternatives(x, out);
            }
        }
        _ => out.push(e),
    }
}

/// Braces within a set's initialiser stand for their elements.
fn flatten<'a>(e: &'a ast::Expr, out: &mut Vec<&'a ast::Expr>) {
    match &e.kind {
        A::Brace(l) => {
            for x in l {
                flatten(x, out);
            }
        }
        _ => out.push(e),
    }
}
