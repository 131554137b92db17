//! Binary operators, and the folding of constants.

use tapir_data::types::{Kind, TypeId, builtin};

use super::Checker;
use super::coerce::{Context, is_zero};
use crate::ast;
use crate::hir::{BinOp, Const, Expr, ExprKind, GlobalId, Span};
use crate::symbol::FastMap;

impl Checker<'_> {
    pub(super) fn binary(&mut self, op: BinOp, a: &ast::Expr, b: &ast::Expr, span: Span) -> Expr {
        let (a, b) = (self.value(a, None), self.value(b, None));
        self.binary_of(op, a, b, span)
    }

    /// A binary operation on checked operands.
    pub(super) fn binary_of(&mut self, op: BinOp, a: Expr, b: Expr, span: Span) -> Expr {
        if a.ty == builtin::ERROR || b.ty == builtin::ERROR {
            return self.bad(span);
        }
        let elements = match (self.kind(a.ty), self.kind(b.ty)) {
            (Kind::Vector(x), Kind::Vector(y)) => Some((*x, *y)),
            (Kind::Vector(_), _) | (_, Kind::Vector(_)) => {
                let text = format!("cannot mix vector and scalar operands ({})", self.op_text(op, &a, &b));
                return self.bad_expr("vector-scalar", span, text);
            }
            _ => None,
        };
        if let Some((x, y)) = elements {
            return self.vector_op(op, a, b, x, y, span);
        }
        let Some((operand, result)) = self.scalar_op(op, &a, &b) else {
            return self.operator_error(op, a, b, span);
        };
        let (a, b, op) = match operand {
            Operand::Same(t) => (
                self.coerce(a, t, Context::Element),
                self.coerce(b, t, Context::Element),
                op,
            ),
            Operand::Right(t) => (a, self.coerce(b, t, Context::Element), op),
            Operand::Left(t) => (self.coerce(a, t, Context::Element), b, op),
            Operand::AsIs => (a, b, op),
            Operand::Op(op) => (a, b, op),
            Operand::Swap => (b, a, op),
        };
        if a.ty == builtin::ERROR || b.ty == builtin::ERROR {
            return self.bad(span);
        }
        if matches!(op, BinOp::Div | BinOp::Mod) && is_zero(&b) {
            let what = if op == BinOp::Div {
                "division by zero"
            } else {
                "modulo by zero"
            };
            let text = format!("{what} ({})", self.op_text(op, &a, &b));
            return self.bad_expr("division-by-zero", span, text);
        }
        // A constant stands first in what is shown, and evaluating it first changes nothing.
        let is_const = |e: &Expr| matches!(e.kind, ExprKind::Const(_));
        let commutes =
            matches!(op, BinOp::Eq | BinOp::Ne) || (op == BinOp::Mul && self.canonical(a.ty) == self.canonical(b.ty));
        let (a, b) = if commutes && is_const(&b) && !is_const(&a) {
            (b, a)
        } else {
            (a, b)
        };
        let e = Expr {
            kind: ExprKind::Binary(op, Box::new(a), Box::new(b)),
            ty: result,
            span,
        };
        if matches!(op, BinOp::Lt | BinOp::Le | BinOp::Eq | BinOp::Ne) {
            return e;
        }
        match &e.kind {
            ExprKind::Binary(_, a, b) if is_const(a) && is_const(b) => match fold(&e, &FastMap::default()) {
                Some(value) => Expr {
                    kind: ExprKind::Const(value),
                    ty: result,
                    span,
                },
                None => e,
            },
            _ => e,
        }
    }

    fn op_text(&self, op: BinOp, a: &Expr, b: &Expr) -> String {
        format!(
            "{} {} {}",
            self.expr_text(a),
            crate::render::op_text(op),
            self.expr_text(b)
        )
    }

    fn operator_error(&mut self, op: BinOp, a: Expr, b: Expr, span: Span) -> Expr {
        use BinOp::*;
        let text = match op {
            Lt | Le | Eq | Ne => "illegal comparison",
            BitAnd | BitOr | BitXor => "requires \"count\" or compatible \"set\" operands",
            Shl | Shr if self.canonical(b.ty) == builtin::INT => "requires \"count\" right operand",
            Shl | Shr | Mod => "requires an integral operand",
            _ => "requires arithmetic operands",
        };
        let text = format!("{text} ({})", self.op_text(op, &a, &b));
        let note = format!("the operands are {} and {}", self.type_text(a.ty), self.type_text(b.ty));
        let mut d = crate::diag::Diagnostic::error("operands", span, text).note(note);
        let (x, y) = (self.canonical(a.ty), self.canonical(b.ty));
        if op == Add && (x == builtin::STRING) != (y == builtin::STRING) {
            d = d.suggest("cat(…) or fmt(…) turns any value into a string");
        } else if x == builtin::INTERVAL && self.is_number(y) && matches!(op, Add | Sub | Lt | Le | Eq | Ne) {
            d = d.suggest("numbers get a unit: 5 sec");
        }
        self.report(d);
        self.bad(span)
    }

    fn vector_op(&mut self, op: BinOp, a: Expr, b: Expr, x: TypeId, y: TypeId, span: Span) -> Expr {
        use BinOp::*;
        let compare = matches!(op, Lt | Le | Eq | Ne);
        let fake = |ty: TypeId| Expr {
            kind: ExprKind::Vector(Vec::new()),
            ty,
            span,
        };
        let Some((operand, result)) = self.scalar_op(op, &fake(x), &fake(y)) else {
            return self.operator_error(op, a, b, span);
        };
        let (mut a, mut b) = (a, b);
        if let Operand::Same(t) = operand {
            if self.is_number(t) {
                let want = self.intern(Kind::Vector(t));
                for side in [&mut a, &mut b] {
                    if !self.fits(side.ty, want) {
                        let inner = std::mem::replace(side, fake(want));
                        *side = Expr {
                            span: inner.span,
                            kind: ExprKind::Coerce(Box::new(inner)),
                            ty: want,
                        };
                    }
                }
            }
        }
        let element = if compare { builtin::BOOL } else { result };
        let ty = self.intern(Kind::Vector(element));
        Expr {
            kind: ExprKind::Binary(op, Box::new(a), Box::new(b)),
            ty,
            span,
        }
    }

    /// How operands of a scalar operation are converted, and what it yields.
    fn scalar_op(&self, op: BinOp, a: &Expr, b: &Expr) -> Option<(Operand, TypeId)> {
        use BinOp::*;
        use builtin::*;
        let (x, y) = (self.canonical(a.ty), self.canonical(b.ty));
        let number = self.common_number(x, y);
        let integral = |t: TypeId| matches!(t, COUNT | INT);
        let is_set = |t: TypeId| matches!(self.kind(t), Kind::Table { yields: None, .. });
        let sets = is_set(x) && is_set(y) && self.fits(x, y);
        match op {
            Add => match (x, y) {
                _ if number.is_some() => number.map(|t| (Operand::Same(t), t)),
                (INTERVAL, INTERVAL) => Some((Operand::AsIs, INTERVAL)),
                (TIME, INTERVAL) | (INTERVAL, TIME) => Some((Operand::AsIs, TIME)),
                (STRING, STRING) => Some((Operand::AsIs, STRING)),
                _ => None,
            },
            Sub => match (x, y) {
                _ if number.is_some() => number.map(|t| (Operand::Same(t), t)),
                (INTERVAL, INTERVAL) | (TIME, TIME) => Some((Operand::AsIs, INTERVAL)),
                (TIME, INTERVAL) => Some((Operand::AsIs, TIME)),
                _ if sets => Some((Operand::Op(SetSub), x)),
                _ => None,
            },
            Mul => match (x, y) {
                _ if number.is_some() => number.map(|t| (Operand::Same(t), t)),
                (INTERVAL, _) if self.is_number(y) => Some((Operand::Right(DOUBLE), INTERVAL)),
                (_, INTERVAL) if self.is_number(x) => Some((Operand::Left(DOUBLE), INTERVAL)),
                _ => None,
            },
            Div => match (x, y) {
                _ if number.is_some() => number.map(|t| (Operand::Same(t), t)),
                (INTERVAL, INTERVAL) => Some((Operand::AsIs, DOUBLE)),
                (INTERVAL, _) if self.is_number(y) => Some((Operand::Right(DOUBLE), INTERVAL)),
                (ADDR, COUNT) => Some((Operand::Op(Mask), SUBNET)),
                (ADDR, INT) => Some((Operand::Op(Mask), SUBNET)),
                _ => None,
            },
            Mod => number.filter(|t| integral(*t)).map(|t| (Operand::Same(t), t)),
            Shl | Shr => (integral(x) && y == COUNT).then_some((Operand::AsIs, x)),
            BitAnd | BitOr if sets => Some((Operand::AsIs, x)),
            BitAnd | BitOr if x == PATTERN && y == PATTERN => Some((Operand::AsIs, PATTERN)),
            BitAnd | BitOr | BitXor => (x == COUNT && y == COUNT).then_some((Operand::AsIs, COUNT)),
            Lt | Le => match (x, y) {
                _ if number.is_some() => number.map(|t| (Operand::Same(t), BOOL)),
                _ if sets => Some((Operand::AsIs, BOOL)),
                (TIME, _) if is_zero(b) => Some((Operand::Right(TIME), BOOL)),
                (_, TIME) if is_zero(a) => Some((Operand::Left(TIME), BOOL)),
                _ if x == y && matches!(x, TIME | INTERVAL | STRING | PORT | ADDR) => Some((Operand::AsIs, BOOL)),
                _ => None,
            },
            Eq | Ne => match (x, y) {
                _ if number.is_some() => number.map(|t| (Operand::Same(t), BOOL)),
                _ if sets => Some((Operand::AsIs, BOOL)),
                (TIME, _) if is_zero(b) => Some((Operand::Right(TIME), BOOL)),
                (_, TIME) if is_zero(a) => Some((Operand::Left(TIME), BOOL)),
                (PATTERN, STRING) => Some((Operand::AsIs, BOOL)),
                (STRING, PATTERN) => Some((Operand::Swap, BOOL)),
                _ if x == y
                    && matches!(
                        x,
                        TIME | INTERVAL | STRING | PORT | ADDR | SUBNET | BOOL | PATTERN | ANY
                    ) =>
                {
                    Some((Operand::AsIs, BOOL))
                }
                _ => match (self.kind(x), self.kind(y)) {
                    (Kind::Enum(p), Kind::Enum(q)) if p == q => Some((Operand::AsIs, BOOL)),
                    (Kind::Enum(_), Kind::Enum(_)) => Some((Operand::Right(a.ty), BOOL)),
                    (Kind::Func(_), Kind::Func(_)) if self.fits(x, y) => Some((Operand::AsIs, BOOL)),
                    _ => None,
                },
            },
            SetSub | Mask | VecAnd | VecOr => None,
        }
    }
}

enum Operand {
    /// Both become this type.
    Same(TypeId),
    Left(TypeId),
    Right(TypeId),
    AsIs,
    /// The operation is really another one.
    Op(BinOp),
    Swap,
}

/// The value of an expression made of literals and known constants.
pub(super) fn fold(e: &Expr, values: &FastMap<GlobalId, Const>) -> Option<Const> {
    use BinOp::*;
    match &e.kind {
        ExprKind::Const(c) => Some(c.clone()),
        ExprKind::Global(g) => values.get(g).cloned(),
        ExprKind::Unary(crate::hir::UnOp::Not, a) => match fold(a, values)? {
            Const::Bool(b) => Some(Const::Bool(!b)),
            _ => None,
        },
        ExprKind::And(a, b) => match (fold(a, values)?, fold(b, values)?) {
            (Const::Bool(x), Const::Bool(y)) => Some(Const::Bool(x && y)),
            _ => None,
        },
        ExprKind::Or(a, b) => match (fold(a, values)?, fold(b, values)?) {
            (Const::Bool(x), Const::Bool(y)) => Some(Const::Bool(x || y)),
            _ => None,
        },
        ExprKind::Coerce(a) => match (fold(a, values)?, e.ty) {
            (Const::Count(v), builtin::INT) => Some(Const::Int(i64::try_from(v).ok()?)),
            (Const::Count(v), builtin::DOUBLE) => Some(Const::Double(v as f64)),
            (Const::Int(v), builtin::DOUBLE) => Some(Const::Double(v as f64)),
            _ => None,
        },
        ExprKind::Binary(op, a, b) => {
            let (a, b) = (fold(a, values)?, fold(b, values)?);
            Some(match (op, &a, &b) {
                (Add, Const::Count(x), Const::Count(y)) => Const::Count(x.wrapping_add(*y)),
                (Mul, Const::Count(x), Const::Count(y)) => Const::Count(x.wrapping_mul(*y)),
                // A difference below zero warns when it is evaluated.
                (Sub, Const::Count(x), Const::Count(y)) => Const::Count(x.checked_sub(*y)?),
                (Div, Const::Count(x), Const::Count(y)) => Const::Count(x.checked_div(*y)?),
                (Add, Const::Int(x), Const::Int(y)) => Const::Int(x.wrapping_add(*y)),
                (Sub, Const::Int(x), Const::Int(y)) => Const::Int(x.wrapping_sub(*y)),
                (Mul, Const::Int(x), Const::Int(y)) => Const::Int(x.wrapping_mul(*y)),
                (Add, Const::Double(x), Const::Double(y)) => Const::Double(x + y),
                (Sub, Const::Double(x), Const::Double(y)) => Const::Double(x - y),
                (Mul, Const::Double(x), Const::Double(y)) => Const::Double(x * y),
                (Add, Const::Interval(x), Const::Interval(y)) => Const::Interval(x + y),
                (Sub, Const::Interval(x), Const::Interval(y)) => Const::Interval(x - y),
                (Mul, Const::Interval(x), Const::Double(y)) | (Mul, Const::Double(x), Const::Interval(y)) => {
                    Const::Interval(x * y)
                }
                (Lt, Const::Count(x), Const::Count(y)) => Const::Bool(x < y),
                (Le, Const::Count(x), Const::Count(y)) => Const::Bool(x <= y),
                (Lt, Const::Int(x), Const::Int(y)) => Const::Bool(x < y),
                (Le, Const::Int(x), Const::Int(y)) => Const::Bool(x <= y),
                (Eq, x, y) if comparable(x, y) => Const::Bool(x == y),
                (Ne, x, y) if comparable(x, y) => Const::Bool(x != y),
                _ => return None,
            })
        }
        _ => None,
    }
}

/// Constants whose equality is equality of their representation.
fn comparable(a: &Const, b: &Const) -> bool {
    matches!(
        (a, b),
        (Const::Count(_), Const::Count(_))
            | (Const::Int(_), Const::Int(_))
            | (Const::Bool(_), Const::Bool(_))
            | (Const::Str(_), Const::Str(_))
            | (Const::Port(_), Const::Port(_))
            | (Const::Addr(_), Const::Addr(_))
            | (Const::Subnet(_), Const::Subnet(_))
    ) || matches!((a, b), (Const::Enum(s, _), Const::Enum(t, _)) if s == t)
}

/// What makes a pattern's text one that cannot be compiled, as far as this is plain from its brackets.
pub(super) fn pattern_problem(text: &[u8]) -> Option<&'static str> {
    let mut depth = 0u32;
    let mut i = 0;
    while i < text.len() {
        match text[i] {
            b'\\' => i += 1,
            b'"' => {
                i += 1;
                while i < text.len() && text[i] != b'"' {
                    i += if text[i] == b'\\' { 2 } else { 1 };
                }
                if i >= text.len() {
                    return Some("unterminated quote");
                }
            }
            b'[' => {
                i += 1;
                if text.get(i) == Some(&b'^') {
                    i += 1;
                }
                let first = i;
                loop {
                    match text.get(i) {
                        None => return Some("unterminated character class"),
                        Some(b'\\') => i += 2,
                        Some(b'[') if text.get(i + 1) == Some(&b':') => {
                            match text[i + 2..].windows(2).position(|w| w == b":]") {
                                Some(n) => i += n + 4,
                                None => i += 1,
                            }
                        }
                        Some(b']') if i > first => break,
                        Some(_) => i += 1,
                    }
                }
            }
            b'(' => depth += 1,
            b')' => {
                if depth == 0 {
                    return Some("unbalanced parenthesis");
                }
                depth -= 1;
            }
            _ => {}
        }
        i += 1;
    }
    (depth > 0).then_some("unbalanced parenthesis")
}
