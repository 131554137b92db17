//! Expressions, one by one.

use tapir_data::types::{Flavor, Kind, TypeId, builtin};

use super::{Checker, Found, FrameKind};
use crate::ast::{self, Constructor, ExprKind as A};
use crate::hir::{self, Const, Expr, ExprKind, Span, UnOp};

/// No expression is checked deeper than this; the parser bounds what it can, lambdas within lambdas add up.
const MAX_DEPTH: u32 = 2000;

impl Checker<'_> {
    pub(super) fn node(&self, kind: ExprKind, ty: TypeId, span: Span) -> Expr {
        Expr { kind, ty, span }
    }

    pub(super) fn constant(&self, value: Const, span: Span) -> Expr {
        let ty = match &value {
            Const::Bool(_) => builtin::BOOL,
            Const::Int(_) => builtin::INT,
            Const::Count(_) => builtin::COUNT,
            Const::Double(_) => builtin::DOUBLE,
            Const::Time(_) => builtin::TIME,
            Const::Interval(_) => builtin::INTERVAL,
            Const::Enum(t, _) => *t,
            Const::Port(_) => builtin::PORT,
            Const::Addr(_) => builtin::ADDR,
            Const::Subnet(_) => builtin::SUBNET,
            Const::Str(_) => builtin::STRING,
            Const::Pattern { .. } => builtin::PATTERN,
            Const::Type(_) => builtin::TYPE,
        };
        self.node(ExprKind::Const(value), ty, span)
    }

    /// An expression with a value: calls of functions without result are errors.
    pub(super) fn value(&mut self, e: &ast::Expr, want: Option<TypeId>) -> Expr {
        let checked = self.expr(e, want);
        if checked.ty == builtin::VOID {
            let text = format!("value of type void illegal ({})", self.expr_text(&checked));
            return self.bad_expr("void", checked.span, text);
        }
        checked
    }

    /// Checks an expression. `want` is the type that the context would like; literals and constructors take it up,
    /// everything else keeps the type it has.
    pub(super) fn expr(&mut self, e: &ast::Expr, want: Option<TypeId>) -> Expr {
        self.depth += 1;
        let checked = if self.depth > MAX_DEPTH {
            self.bad_expr("nesting", e.span, "too deeply nested")
        } else {
            self.expr_kind(e, want)
        };
        self.depth -= 1;
        checked
    }

    fn expr_kind(&mut self, e: &ast::Expr, want: Option<TypeId>) -> Expr {
        let span = e.span;
        match &e.kind {
            A::Bool(v) => self.constant(Const::Bool(*v), span),
            A::Count(v) => self.constant(Const::Count(*v), span),
            A::Double(v) => self.constant(Const::Double(*v), span),
            A::Interval(v) => self.constant(Const::Interval(*v), span),
            A::Port(v) => self.constant(Const::Port(*v), span),
            A::Addr(v) => self.constant(Const::Addr(*v), span),
            A::Subnet(v) => self.constant(Const::Subnet(*v), span),
            A::Str(v) => self.constant(Const::Str(v.clone()), span),
            A::Pattern {
                text,
                ignore_case,
                single_line,
            } => {
                let problem = super::ops::pattern_problem(text).map(str::to_owned).or_else(|| {
                    let checked = tapir_signatures::Pattern::check(text, *ignore_case, *single_line);
                    checked.err().map(|e| e.reason)
                });
                if let Some(why) = problem {
                    let shown = String::from_utf8_lossy(text).into_owned();
                    return self.bad_expr("bad-pattern", span, format!("{why} in pattern /{shown}/"));
                }
                self.constant(
                    Const::Pattern {
                        text: text.clone(),
                        ignore_case: *ignore_case,
                        single_line: *single_line,
                    },
                    span,
                )
            }
            A::Name(name) => self.name(*name, span),
            A::Paren(inner) => self.expr(inner, want),
            A::Unary(op, a) => self.unary(*op, a, span),
            A::Binary(op, a, b) => self.binary(*op, a, b, span),
            A::And(a, b) => self.logical(true, a, b, span),
            A::Or(a, b) => self.logical(false, a, b, span),
            A::Cond(c, a, b) => self.conditional(c, a, b, want, span),
            A::In { needle, hay, negated } => self.membership(needle, hay, *negated, span),
            A::Assign(op, target, value) => self.assign(*op, target, value, span),
            A::Incr(a) => self.step(a, true, span),
            A::Decr(a) => self.step(a, false, span),
            A::Add(_) | A::Delete(_) => {
                self.bad_expr("add-delete", span, "add and delete are statements, they have no value")
            }
            A::Field(a, field) => self.field(a, field, span),
            A::HasField(a, field) => self.has_field(a, field, span),
            A::Index(a, index) => self.index(a, index, span),
            A::Slice(a, low, high) => self.slice(a, low.as_deref(), high.as_deref(), span),
            A::Call(callee, args) => self.call(callee, args, want, span),
            A::HookCall(call) => self.hook_call(call, span),
            A::FieldAssign(..) => {
                self.bad_expr("field-assign", span, "$field = value belongs into a record constructor")
            }
            A::List(elements) => self.list(elements, want, span),
            A::Brace(elements) => self.brace(elements, want, span),
            A::Constructor(kind, args, attrs) => self.constructor(*kind, args, attrs, want, span),
            A::Lambda(lambda) => self.lambda(lambda, span),
            A::Schedule(delay, name, args) => self.schedule(delay, name, args, span),
            A::Size(a) => self.size(a, span),
            A::Copy(a) => {
                let a = self.value(a, want);
                let ty = a.ty;
                self.node(ExprKind::Unary(UnOp::Copy, Box::new(a)), ty, span)
            }
            A::Cast(a, t) => self.cast(a, t, false, span),
            A::CanCast(a, t) => self.cast(a, t, true, span),
            A::Is(a, t) => {
                let a = self.value(a, None);
                let t = self.ty(t);
                if a.ty == builtin::ERROR || t == builtin::ERROR {
                    return self.bad(span);
                }
                self.node(ExprKind::Is(Box::new(a), t), builtin::BOOL, span)
            }
            A::Local(name, ty, value) => self.when_local(name, ty.as_deref(), value, span),
            A::Type(t) => {
                let t = self.ty(t);
                if t == builtin::ERROR {
                    return self.bad(span);
                }
                self.constant(Const::Type(t), span)
            }
        }
    }

    /// A name as a value.
    fn name(&mut self, name: crate::symbol::Symbol, span: Span) -> Expr {
        match self.resolve(name, span) {
            Found::Nothing => self.bad(span),
            Found::Local(id) => {
                let ty = self.frame().info[id.0 as usize].ty;
                self.node(ExprKind::Local(id), ty, span)
            }
            Found::Global(meaning) => match meaning {
                hir::Ident::Global(g) => {
                    let ty = self.program.globals[g.0 as usize].ty;
                    self.node(ExprKind::Global(g), ty, span)
                }
                hir::Ident::Func(f) => {
                    let ty = self.program.functions[f.0 as usize].ty;
                    self.node(ExprKind::Func(f), ty, span)
                }
                hir::Ident::Type(t) if t == builtin::ERROR => self.bad(span),
                hir::Ident::Type(t) => self.constant(Const::Type(t), span),
                hir::Ident::Enumerator(t, v) => self.constant(Const::Enum(t, v), span),
            },
        }
    }

    /// The text of a checked expression, as messages show it.
    pub(super) fn expr_text(&self, e: &Expr) -> String {
        let empty = Vec::new();
        let locals = self.frames.last().map_or(&empty, |f| &f.locals);
        crate::render::expr(&self.program, locals, e)
    }

    fn unary(&mut self, op: UnOp, a: &ast::Expr, span: Span) -> Expr {
        // The smallest int has no positive counterpart, so the sign is looked at together with the number.
        if let (UnOp::Neg | UnOp::Pos, A::Count(v)) = (op, &a.kind) {
            let value = if op == UnOp::Neg {
                if *v > 1 << 63 {
                    let text = format!("literal is outside range of 'int' values (-{v})");
                    return self.bad_expr("int-range", span, text);
                }
                (*v as i64).wrapping_neg()
            } else {
                match i64::try_from(*v) {
                    Ok(v) => v,
                    Err(_) => {
                        let text = format!("literal is outside range of 'int' values (+{v})");
                        return self.bad_expr("int-range", span, text);
                    }
                }
            };
            return self.constant(Const::Int(value), span);
        }
        let a = self.value(a, None);
        if a.ty == builtin::ERROR {
            return a;
        }
        let ty = self.canonical(a.ty);
        match op {
            UnOp::Not => {
                if !matches!(ty, builtin::BOOL | builtin::INT | builtin::COUNT) {
                    let text = format!("requires an integral or boolean operand (!{})", self.expr_text(&a));
                    return self.bad_expr("operand", span, text);
                }
                if let ExprKind::Const(Const::Bool(b)) = a.kind {
                    return self.constant(Const::Bool(!b), span);
                }
                self.node(ExprKind::Unary(op, Box::new(a)), builtin::BOOL, span)
            }
            UnOp::BitNot => {
                if ty != builtin::COUNT {
                    let text = format!("requires \"count\" operand (~{})", self.expr_text(&a));
                    return self.bad_expr("operand", span, text);
                }
                self.node(ExprKind::Unary(op, Box::new(a)), builtin::COUNT, span)
            }
            _ => self.sign(op, a, span),
        }
    }

    fn sign(&mut self, op: UnOp, a: Expr, span: Span) -> Expr {
        let element = match self.kind(a.ty) {
            Kind::Vector(t) => *t,
            _ => a.ty,
        };
        let element_ty = self.canonical(element);
        let result = match element_ty {
            builtin::COUNT | builtin::INT => builtin::INT,
            builtin::DOUBLE | builtin::INTERVAL => element_ty,
            _ => {
                let sign = if op == UnOp::Neg { "-" } else { "+" };
                let text = format!("requires an integral or double operand ({sign}{})", self.expr_text(&a));
                return self.bad_expr("operand", span, text);
            }
        };
        let negative = op == UnOp::Neg;
        match a.kind {
            ExprKind::Const(Const::Int(v)) => {
                return self.constant(Const::Int(if negative { v.wrapping_neg() } else { v }), span);
            }
            ExprKind::Const(Const::Double(v)) => {
                return self.constant(Const::Double(if negative { -v } else { v }), span);
            }
            ExprKind::Const(Const::Interval(v)) => {
                return self.constant(Const::Interval(if negative { -v } else { v }), span);
            }
            _ => {}
        }
        let ty = if element == a.ty {
            result
        } else {
            self.intern(Kind::Vector(result))
        };
        self.node(ExprKind::Unary(op, Box::new(a)), ty, span)
    }

    fn logical(&mut self, and: bool, a: &ast::Expr, b: &ast::Expr, span: Span) -> Expr {
        let (a, b) = (self.value(a, None), self.value(b, None));
        if a.ty == builtin::ERROR || b.ty == builtin::ERROR {
            return self.bad(span);
        }
        let is_bool_vector = |c: &Self, t| matches!(c.kind(t), Kind::Vector(e) if c.canonical(*e) == builtin::BOOL);
        if is_bool_vector(self, a.ty) && is_bool_vector(self, b.ty) {
            let op = if and { hir::BinOp::VecAnd } else { hir::BinOp::VecOr };
            let ty = self.canonical(a.ty);
            return self.node(ExprKind::Binary(op, Box::new(a), Box::new(b)), ty, span);
        }
        for side in [&a, &b] {
            if !matches!(self.canonical(side.ty), builtin::BOOL | builtin::ANY) {
                let text = format!(
                    "requires boolean operands ({} {} {})",
                    self.expr_text(&a),
                    if and { "&&" } else { "||" },
                    self.expr_text(&b)
                );
                return self.bad_expr("operand", span, text);
            }
        }
        let a = self.coerce(a, builtin::BOOL, super::coerce::Context::Element);
        let b = self.coerce(b, builtin::BOOL, super::coerce::Context::Element);
        let kind = if and {
            ExprKind::And(Box::new(a), Box::new(b))
        } else {
            ExprKind::Or(Box::new(a), Box::new(b))
        };
        self.node(kind, builtin::BOOL, span)
    }

    fn conditional(&mut self, c: &ast::Expr, a: &ast::Expr, b: &ast::Expr, want: Option<TypeId>, span: Span) -> Expr {
        let c = self.value(c, None);
        let (a, b) = (self.value(a, want), self.value(b, want));
        if c.ty == builtin::ERROR || a.ty == builtin::ERROR || b.ty == builtin::ERROR {
            return self.bad(span);
        }
        let vector = matches!(self.kind(c.ty), Kind::Vector(e) if self.canonical(*e) == builtin::BOOL);
        if !vector && !matches!(self.canonical(c.ty), builtin::BOOL | builtin::ANY) {
            let text = format!("requires boolean conditional ({})", self.expr_text(&c));
            return self.bad_expr("condition", c.span, text);
        }
        let c = if vector {
            c
        } else {
            self.coerce(c, builtin::BOOL, super::coerce::Context::Element)
        };
        let Some(ty) = self.join(a.ty, b.ty) else {
            let text = format!(
                "operands must be of the same type ({} ? {} : {})",
                self.expr_text(&c),
                self.expr_text(&a),
                self.expr_text(&b)
            );
            return self.bad_expr("type-clash", span, text);
        };
        let a = self.coerce(a, ty, super::coerce::Context::Element);
        let b = self.coerce(b, ty, super::coerce::Context::Element);
        if a.ty == builtin::ERROR || b.ty == builtin::ERROR {
            return self.bad(span);
        }
        self.node(ExprKind::Cond(Box::new(c), Box::new(a), Box::new(b)), ty, span)
    }

    /// The type that two branches or elements have in common.
    pub(super) fn join(&self, a: TypeId, b: TypeId) -> Option<TypeId> {
        if a == b {
            return Some(a);
        }
        if let Some(t) = self.common_number(a, b) {
            return Some(t);
        }
        match (self.kind(a), self.kind(b)) {
            (Kind::Empty, Kind::Table { .. } | Kind::Vector(_) | Kind::Record(_)) => return Some(b),
            (Kind::Table { .. } | Kind::Vector(_) | Kind::Record(_), Kind::Empty) => return Some(a),
            (Kind::Any, _) => return Some(a),
            (_, Kind::Any) => return Some(b),
            (Kind::Enum(_), Kind::Enum(_)) => return Some(a),
            _ => {}
        }
        self.fits(a, b).then_some(a)
    }

    fn field(&mut self, a: &ast::Expr, field: &ast::Ident, span: Span) -> Expr {
        let a = self.value(a, None);
        match self.slot(&a, field, span, '$') {
            Some((slot, ty)) => self.node(ExprKind::Field(Box::new(a), slot), ty, span),
            None => self.bad(span),
        }
    }

    fn has_field(&mut self, a: &ast::Expr, field: &ast::Ident, span: Span) -> Expr {
        let a = self.value(a, None);
        match self.slot(&a, field, span, '?') {
            Some((slot, _)) => self.node(ExprKind::HasField(Box::new(a), slot), builtin::BOOL, span),
            None => self.bad(span),
        }
    }

    /// Slot and type of a field of a checked expression.
    pub(super) fn slot(&mut self, a: &Expr, field: &ast::Ident, span: Span, how: char) -> Option<(u32, TypeId)> {
        if a.ty == builtin::ERROR {
            return None;
        }
        let Kind::Record(id) = *self.kind(a.ty) else {
            let text = format!("not a record ({})", self.expr_text(a));
            let note = format!("this is {}", self.type_text(a.ty));
            self.report(crate::diag::Diagnostic::error("not-a-record", a.span, text).note(note));
            return None;
        };
        let name = self.text(field.name);
        let record = self.program.types.layout(id);
        if let Some(slot) = record.slot(name) {
            let f = &record.fields[slot as usize];
            let ty = f.ty;
            if let Some(text) = f.deprecated.clone() {
                let shown = format!("{}${}", self.type_text(a.ty), f.name);
                self.warn_deprecated_text(&shown, &text, span);
            }
            return Some((slot, ty));
        }
        let op = if how == '?' { "?$" } else { "$" };
        let shown = format!("{}{op}{}", self.expr_text(a), self.text(field.name));
        self.no_such_field(a.ty, field.name, field.span, &shown);
        None
    }

    fn size(&mut self, a: &ast::Expr, span: Span) -> Expr {
        let a = self.value(a, None);
        let ty = match self.kind(a.ty) {
            Kind::Error => return a,
            Kind::Int | Kind::Count => builtin::COUNT,
            Kind::Double | Kind::Interval | Kind::Time | Kind::Subnet | Kind::File => builtin::DOUBLE,
            Kind::Enum(_) => builtin::INT,
            Kind::Any => builtin::ANY,
            Kind::Void => builtin::VOID,
            _ => builtin::COUNT,
        };
        self.node(ExprKind::Unary(UnOp::Size, Box::new(a)), ty, span)
    }

    fn cast(&mut self, a: &ast::Expr, t: &ast::Type, ask: bool, span: Span) -> Expr {
        let a = self.value(a, None);
        let to = self.ty(t);
        if a.ty == builtin::ERROR || to == builtin::ERROR {
            return self.bad(span);
        }
        if !self.can_cast(a.ty, to) {
            let text = format!("cast not supported ({} as {})", self.expr_text(&a), self.type_text(to));
            let note = format!("{} never becomes {}", self.type_text(a.ty), self.type_text(to));
            self.report(crate::diag::Diagnostic::error("cast", span, text).note(note));
            return self.bad(span);
        }
        if ask {
            self.node(ExprKind::CanCast(Box::new(a), to), builtin::BOOL, span)
        } else {
            self.node(ExprKind::Cast(Box::new(a)), to, span)
        }
    }

    fn can_cast(&self, from: TypeId, to: TypeId) -> bool {
        use builtin::*;
        if self.fits(from, to) {
            return true;
        }
        match (self.kind(from), self.kind(to)) {
            (Kind::Record(r), _) => {
                return self
                    .program
                    .types
                    .layout(*r)
                    .name
                    .as_deref()
                    .is_some_and(|n| n == "Broker::Data");
            }
            (Kind::Table { index, yields: None }, Kind::Vector(t)) => {
                return index.len() == 1 && self.fits(index[0], *t);
            }
            (Kind::Vector(t), Kind::Table { index, yields: None }) => {
                return index.len() == 1 && self.fits(index[0], *t);
            }
            (Kind::Enum(_), _) => return matches!(self.canonical(to), COUNT | INT),
            _ => {}
        }
        let (from, to) = (self.canonical(from), self.canonical(to));
        match from {
            STRING => matches!(to, DOUBLE | INT | COUNT | ADDR | SUBNET | PORT | TIME | INTERVAL),
            INT => matches!(to, COUNT | DOUBLE | TIME | INTERVAL),
            COUNT => matches!(to, INT | DOUBLE | TIME | INTERVAL | ADDR),
            DOUBLE => matches!(to, INT | COUNT | TIME | INTERVAL),
            INTERVAL | TIME => to == DOUBLE,
            ADDR => to == SUBNET || matches!(self.kind(to), Kind::Vector(t) if self.canonical(*t) == COUNT),
            SUBNET => matches!(to, ADDR | COUNT),
            PORT => to == COUNT,
            _ => false,
        }
    }

    fn schedule(&mut self, delay: &ast::Expr, name: &ast::Ident, args: &[ast::Expr], span: Span) -> Expr {
        let delay = self.value(delay, None);
        if delay.ty != builtin::ERROR
            && !matches!(
                self.canonical(delay.ty),
                builtin::INTERVAL | builtin::TIME | builtin::ANY
            )
        {
            let text = format!(
                "schedule expression requires a time interval ({})",
                self.expr_text(&delay)
            );
            self.err("schedule", delay.span, text);
        }
        let Some((target, sig)) = self.event_target(name) else {
            for a in args {
                self.value(a, None);
            }
            return self.bad(span);
        };
        let hir::EventTarget::Func(func) = target else {
            return self.bad_expr(
                "schedule",
                name.span,
                "schedule needs the name of an event, not a variable",
            );
        };
        match self.arguments(args, &sig, None, span, "event invocation") {
            Some(args) if delay.ty != builtin::ERROR => {
                self.node(ExprKind::Schedule(Box::new(delay), func, args), builtin::TIME, span)
            }
            _ => self.bad(span),
        }
    }

    fn when_local(&mut self, name: &ast::Ident, ty: Option<&ast::Type>, value: &ast::Expr, span: Span) -> Expr {
        let ty = ty.map(|t| self.ty(t));
        let value = self.value(value, ty);
        if self.frames.last().map(|f| f.kind) != Some(FrameKind::When) {
            return self.bad_expr(
                "when-local",
                span,
                "local variables can be declared in an expression only in the condition of a when statement",
            );
        }
        let ty = ty.unwrap_or(value.ty);
        let value = self.coerce(value, ty, super::coerce::Context::Assign);
        let Some(id) = self.new_local(name, ty, false, false) else {
            return self.bad(span);
        };
        if value.ty == builtin::ERROR {
            return self.bad(span);
        }
        self.node(ExprKind::WhenLocal(id, Box::new(value)), builtin::BOOL, span)
    }

    /// `table(…)`, `set(…)`, `vector(…)`, `record(…)`.
    fn constructor(
        &mut self,
        kind: Constructor,
        args: &[ast::Expr],
        attrs: &[ast::Attr],
        want: Option<TypeId>,
        span: Span,
    ) -> Expr {
        let want = want.filter(|w| {
            matches!(
                (kind, self.kind(*w)),
                (Constructor::Table, Kind::Table { yields: Some(_), .. })
                    | (Constructor::Set, Kind::Table { yields: None, .. })
                    | (Constructor::Vector, Kind::Vector(_))
                    | (Constructor::Record, Kind::Record(_))
            )
        });
        let want = want.map(|w| self.canonical(w));
        match kind {
            Constructor::Table => self.table_of(args, attrs, want, span),
            Constructor::Set => self.set_of(args, attrs, want, span),
            Constructor::Vector => self.vector_of(args, want, span),
            Constructor::Record => match want {
                Some(w) => self.record_of(args, w, span, true),
                None => self.anonymous_record(args, span),
            },
        }
    }

    /// The target of an event statement.
    pub(super) fn event_target(
        &mut self,
        name: &ast::Ident,
    ) -> Option<(hir::EventTarget, tapir_data::types::FuncType)> {
        if let Some(frame) = self.frames.last() {
            if frame.vars.contains_key(&name.name) {
                let text = format!(
                    "local identifier \"{}\" cannot be used to reference an event",
                    self.text(name.name)
                );
                self.err("event-local", name.span, text);
                return None;
            }
        }
        let Some(full) = self.find_global(name.name) else {
            let text = self.text(name.name).clone();
            let mut d = crate::diag::Diagnostic::error(
                "unknown-identifier",
                name.span,
                format!("unknown identifier {text}, at or near \"{text}\""),
            )
            .note("events are declared as \"global NAME: event(…);\" before they are raised");
            if let Some(s) = self.near_name(&text, |e| matches!(e.meaning, hir::Ident::Func(_))) {
                d = d.suggest(format!("did you mean {s}?"));
            }
            self.report(d);
            return None;
        };
        let meaning = self.visible(full, name.span)?;
        match meaning {
            hir::Ident::Func(f) => {
                let sig = &self.program.functions[f.0 as usize].sig;
                if sig.flavor == Flavor::Event {
                    return Some((hir::EventTarget::Func(f), sig.clone()));
                }
                let note = format!("it is a {}", Self::flavor_text(sig.flavor));
                let text = format!("not an event ({})", self.text(name.name));
                self.report(crate::diag::Diagnostic::error("not-an-event", name.span, text).note(note));
                None
            }
            hir::Ident::Global(g) => {
                let ty = self.program.globals[g.0 as usize].ty;
                if let Kind::Func(sig) = self.kind(ty) {
                    if sig.flavor == Flavor::Event {
                        return Some((hir::EventTarget::Global(g), sig.clone()));
                    }
                }
                let text = format!("not an event ({})", self.text(name.name));
                self.err("not-an-event", name.span, text);
                None
            }
            _ => {
                let text = format!("not an event ({})", self.text(name.name));
                self.err("not-an-event", name.span, text);
                None
            }
        }
    }
}
