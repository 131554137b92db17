//! The expressions right below an expression, for who looks for something in all of them.

use super::{Callee, Expr, ExprKind, LValue};

impl Expr {
    /// Calls something with each expression right below this one, in the order in which they are evaluated. Attributes of
    /// containers and bodies of lambdas are left out.
    pub fn each_child<'a>(&'a self, f: &mut dyn FnMut(&'a Expr)) {
        match &self.kind {
            ExprKind::Const(_) | ExprKind::Local(_) | ExprKind::Global(_) | ExprKind::Func(_) | ExprKind::Lambda(_) => {
            }
            ExprKind::Unary(_, a)
            | ExprKind::Field(a, _)
            | ExprKind::HasField(a, _)
            | ExprKind::Coerce(a)
            | ExprKind::Cast(a)
            | ExprKind::CanCast(a, _)
            | ExprKind::Is(a, _)
            | ExprKind::WhenLocal(_, a) => f(a),
            ExprKind::Binary(_, a, b) | ExprKind::And(a, b) | ExprKind::Or(a, b) => {
                f(a);
                f(b);
            }
            ExprKind::Cond(a, b, c) => [a, b, c].into_iter().for_each(|e| f(e)),
            ExprKind::Index(a, list) => {
                f(a);
                list.iter().for_each(f);
            }
            ExprKind::In(list, a) => {
                list.iter().for_each(&mut *f);
                f(a);
            }
            ExprKind::Slice(a, low, high) => {
                f(a);
                [low, high].into_iter().flatten().for_each(|e| f(e));
            }
            ExprKind::Call(c, args) | ExprKind::HookCall(c, args) => {
                if let Callee::Value(v) = c {
                    f(v);
                }
                args.iter().for_each(f);
            }
            ExprKind::Assign(l, v) | ExprKind::AddAssign(l, v) | ExprKind::SubAssign(l, v) => {
                f(v);
                l.each_child(f);
            }
            ExprKind::Incr(l) | ExprKind::Decr(l) => l.each_child(f),
            ExprKind::Record(fields) => fields.iter().for_each(|(_, e)| f(e)),
            ExprKind::Table(entries, _) => {
                for (key, value) in entries {
                    key.iter().for_each(&mut *f);
                    f(value);
                }
            }
            ExprKind::Set(elements, _) => elements.iter().flatten().for_each(f),
            ExprKind::Vector(list) | ExprKind::List(list) => list.iter().for_each(f),
            ExprKind::Schedule(delay, _, args) => {
                f(delay);
                args.iter().for_each(f);
            }
        }
    }
}

impl LValue {
    /// Calls something with each expression right below this target.
    pub fn each_child<'a>(&'a self, f: &mut dyn FnMut(&'a Expr)) {
        match self {
            LValue::Local(_) | LValue::Global(_) => {}
            LValue::Field(e, _) | LValue::Whole(e) => f(e),
            LValue::Index(e, index) => {
                f(e);
                index.iter().for_each(f);
            }
            LValue::Slice(e, low, high) => {
                f(e);
                [low, high].into_iter().flatten().for_each(|e| f(e));
            }
            LValue::List(list) => list.iter().for_each(|l| l.each_child(f)),
        }
    }
}
