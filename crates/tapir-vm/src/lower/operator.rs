//! Operators: unary, binary, concatenation, and the conditional.

use tapir_data::types::{Kind, TypeId};
use tapir_data::value::Value;
use tapir_script::hir::{BinOp, Expr, ExprKind, UnOp};

use super::{Lower, Opnd};
use crate::code::{Instr, kind};

impl<'a> Lower<'a> {
    pub(super) fn unary(
        &mut self,
        op: UnOp,
        a: &Expr,
        ty: TypeId,
        want: Option<u16>,
        span: tapir_script::hir::Span,
    ) -> Opnd {
        let k = self.kind_of(a.ty);
        let v = self.expr(a);
        let instr: fn(u16, u16, u8) -> Instr = match (op, k) {
            (UnOp::Pos, kind::INT | kind::DOUBLE | kind::INTERVAL) => {
                return self.give(v, want, ty);
            }
            (UnOp::Not, kind::BOOL) => |dst, a, _| Instr::Not { dst, a },
            (UnOp::Neg, kind::INT) => |dst, a, _| Instr::NegInt { dst, a },
            (UnOp::Neg, kind::DOUBLE | kind::INTERVAL) => |dst, a, kind| Instr::NegF { kind, dst, a },
            _ => {
                let ea = self.borrow(v);
                self.release(v);
                let dst = self.dst(want, ty);
                self.span = span;
                if k == kind::VECTOR && !matches!(op, UnOp::Size | UnOp::Copy) {
                    self.emit(Instr::UnVec { op: op as u8, dst, ea });
                    self.emit(Instr::Ext { v: ty.0 });
                    return self.result(dst, want);
                }
                self.emit(match op {
                    UnOp::Size => Instr::Size { dst, ea },
                    op => Instr::Un { op: op as u8, dst, ea },
                });
                return self.result(dst, want);
            }
        };
        let v = self.in_reg(v, a.ty);
        let r = self.reg(v);
        self.release(v);
        let dst = self.dst(want, ty);
        self.span = span;
        self.emit(instr(dst, r, k));
        self.result(dst, want)
    }

    pub(super) fn binary(&mut self, e: &Expr, op: BinOp, a: &Expr, b: &Expr, want: Option<u16>) -> Opnd {
        use BinOp::*;
        let ty = e.ty;
        let (ka, kb, kr) = (self.kind_of(a.ty), self.kind_of(b.ty), self.kind_of(ty));
        if ka == kind::VECTOR || kb == kind::VECTOR {
            let vals = self.operands(&[a, b]);
            let (ea, eb) = (self.borrow(vals[0]), self.borrow(vals[1]));
            self.release_all(&vals);
            let dst = self.dst(want, ty);
            self.span = e.span;
            self.emit(Instr::BinVec {
                op: op as u8,
                dst,
                ea,
                eb,
            });
            self.emit(Instr::Ext { v: ty.0 });
            return self.result(dst, want);
        }
        let is_compare = matches!(op, Lt | Le | Eq | Ne);
        if is_compare && ka == kb && (kind::BOOL..=kind::STR).contains(&ka) && self.fused(op, ka) {
            return self.bool_value(e, want);
        }
        if op == Add && kr == kind::STR {
            return self.concat(e, want);
        }
        let is_f = |k| matches!(k, kind::DOUBLE | kind::TIME | kind::INTERVAL);
        // Register forms with an optional constant second operand.
        type Make = fn(u16, u16, u16) -> Instr;
        let rr: Option<(Make, Option<Make>)> = match (op, ka, kb, kr) {
            (Add, kind::INT, kind::INT, _) => Some((
                |dst, a, b| Instr::AddInt { dst, a, b },
                Some(|dst, a, k| Instr::AddIntK { dst, a, k }),
            )),
            (Sub, kind::INT, kind::INT, _) => Some((
                |dst, a, b| Instr::SubInt { dst, a, b },
                Some(|dst, a, k| Instr::SubIntK { dst, a, k }),
            )),
            (Mul, kind::INT, kind::INT, _) => Some((
                |dst, a, b| Instr::MulInt { dst, a, b },
                Some(|dst, a, k| Instr::MulIntK { dst, a, k }),
            )),
            (Div, kind::INT, kind::INT, _) => Some((|dst, a, b| Instr::DivInt { dst, a, b }, None)),
            (Mod, kind::INT, kind::INT, _) => Some((|dst, a, b| Instr::ModInt { dst, a, b }, None)),
            (Add, kind::COUNT, kind::COUNT, _) => Some((
                |dst, a, b| Instr::AddCount { dst, a, b },
                Some(|dst, a, k| Instr::AddCountK { dst, a, k }),
            )),
            (Sub, kind::COUNT, kind::COUNT, _) => Some((
                |dst, a, b| Instr::SubCount { dst, a, b },
                Some(|dst, a, k| Instr::SubCountK { dst, a, k }),
            )),
            (Mul, kind::COUNT, kind::COUNT, _) => Some((
                |dst, a, b| Instr::MulCount { dst, a, b },
                Some(|dst, a, k| Instr::MulCountK { dst, a, k }),
            )),
            (Div, kind::COUNT, kind::COUNT, _) => Some((
                |dst, a, b| Instr::DivCount { dst, a, b },
                Some(|dst, a, k| Instr::DivCountK { dst, a, k }),
            )),
            (Mod, kind::COUNT, kind::COUNT, _) => Some((
                |dst, a, b| Instr::ModCount { dst, a, b },
                Some(|dst, a, k| Instr::ModCountK { dst, a, k }),
            )),
            (BitAnd, kind::COUNT, kind::COUNT, _) => Some((
                |dst, a, b| Instr::AndCount { dst, a, b },
                Some(|dst, a, k| Instr::AndCountK { dst, a, k }),
            )),
            (BitOr, kind::COUNT, kind::COUNT, _) => Some((|dst, a, b| Instr::OrCount { dst, a, b }, None)),
            (BitXor, kind::COUNT, kind::COUNT, _) => Some((|dst, a, b| Instr::XorCount { dst, a, b }, None)),
            (Shl, kind::COUNT, kind::COUNT, _) => Some((|dst, a, b| Instr::ShlCount { dst, a, b }, None)),
            (Shr, kind::COUNT, kind::COUNT, _) => Some((|dst, a, b| Instr::ShrCount { dst, a, b }, None)),
            (Add, kind::DOUBLE, kind::DOUBLE, kind::DOUBLE) => Some((
                |dst, a, b| Instr::AddDbl { dst, a, b },
                Some(|dst, a, k| Instr::AddDblK { dst, a, k }),
            )),
            (Sub, kind::DOUBLE, kind::DOUBLE, kind::DOUBLE) => Some((
                |dst, a, b| Instr::SubDbl { dst, a, b },
                Some(|dst, a, k| Instr::SubDblK { dst, a, k }),
            )),
            (Mul, kind::DOUBLE, kind::DOUBLE, kind::DOUBLE) => Some((
                |dst, a, b| Instr::MulDbl { dst, a, b },
                Some(|dst, a, k| Instr::MulDblK { dst, a, k }),
            )),
            (Div, kind::DOUBLE, kind::DOUBLE, kind::DOUBLE) => Some((
                |dst, a, b| Instr::DivDbl { dst, a, b },
                Some(|dst, a, k| Instr::DivDblK { dst, a, k }),
            )),
            _ => None,
        };
        if let Some((rr, mut rk)) = rr {
            // A constant on the left goes to the right where that makes no difference.
            let (a, b) = if matches!(op, Add | Mul) && rk.is_some() && self.as_const(a).is_some() {
                (b, a)
            } else {
                (a, b)
            };
            let va = self.expr(a);
            let va = self.shield(va, a.ty, &[b]);
            let va = self.in_reg(va, a.ty);
            let vb = match (rk, self.as_const(b)) {
                // Division by powers of two needs none.
                (Some(_), Some(Value::Count(n)))
                    if matches!(op, Div | Mod) && ka == kind::COUNT && n.is_power_of_two() =>
                {
                    let v = if op == Mod {
                        rk = Some(|dst, a, k| Instr::AndCountK { dst, a, k });
                        n - 1
                    } else {
                        rk = Some(|dst, a, k| Instr::ShrCountK { dst, a, k });
                        u64::from(n.trailing_zeros())
                    };
                    Opnd::Const(self.constant(Value::Count(v)))
                }
                (Some(_), Some(v)) => Opnd::Const(self.constant(v)),
                _ => self.expr_reg(b),
            };
            self.release(va);
            self.release(vb);
            let dst = self.dst(want, ty);
            self.span = e.span;
            let ra = self.reg(va);
            match (vb, rk) {
                (Opnd::Const(k), Some(rk)) => self.emit(rk(dst, ra, k)),
                (vb, _) => {
                    let rb = self.reg(vb);
                    self.emit(rr(dst, ra, rb))
                }
            };
            return self.result(dst, want);
        }
        if is_f(ka) && is_f(kb) && is_f(kr) && matches!(op, Add | Sub | Mul | Div) {
            let va = self.expr(a);
            let va = self.shield(va, a.ty, &[b]);
            let va = self.in_reg(va, a.ty);
            let vb = self.expr_reg(b);
            self.release(va);
            self.release(vb);
            let dst = self.dst(want, ty);
            self.span = e.span;
            let (a, b, kind) = (self.reg(va), self.reg(vb), kr);
            self.emit(match op {
                Add => Instr::AddF { kind, dst, a, b },
                Sub => Instr::SubF { kind, dst, a, b },
                Mul => Instr::MulF { kind, dst, a, b },
                _ => Instr::DivF { kind, dst, a, b },
            });
            return self.result(dst, want);
        }
        let vals = self.operands(&[a, b]);
        let (ea, eb) = (self.borrow(vals[0]), self.borrow(vals[1]));
        self.release_all(&vals);
        let dst = self.dst(want, ty);
        self.span = e.span;
        self.emit(Instr::Bin {
            op: op as u8,
            dst,
            ea,
            eb,
        });
        self.result(dst, want)
    }

    /// `a + b + c` on strings in one step.
    fn concat(&mut self, e: &Expr, want: Option<u16>) -> Opnd {
        let mut parts = Vec::new();
        fn collect<'e>(e: &'e Expr, ty: TypeId, out: &mut Vec<&'e Expr>) {
            match &e.kind {
                ExprKind::Binary(BinOp::Add, a, b) if e.ty == ty => {
                    collect(a, ty, out);
                    collect(b, ty, out);
                }
                _ => out.push(e),
            }
        }
        collect(e, e.ty, &mut parts);
        let vals = self.operands(&parts);
        let args: Vec<u16> = vals.iter().map(|&v| self.borrow(v)).collect();
        self.release_all(&vals);
        let dst = self.dst(want, e.ty);
        self.span = e.span;
        if let [ea, eb] = args[..] {
            self.emit(Instr::Concat { dst, ea, eb });
        } else {
            self.emit(Instr::ConcatN {
                dst,
                n: args.len() as u16,
            });
            self.emit_args(&args);
        }
        self.result(dst, want)
    }

    pub(super) fn conditional(&mut self, c: &Expr, a: &Expr, b: &Expr, ty: TypeId, want: Option<u16>) -> Opnd {
        if matches!(self.types().kind(c.ty), Kind::Vector(_)) {
            let vals = self.operands(&[c, a, b]);
            let dst = self.tmp(true);
            self.move_to(vals[0], dst, kind::VECTOR);
            let (ea, eb) = (self.borrow(vals[1]), self.borrow(vals[2]));
            self.release_all(&vals[1..]);
            self.emit(Instr::CondVec { dst, ea, eb });
            let v = self.temp(dst);
            return self.give(v, want, ty);
        }
        let (other, end) = (self.label(), self.label());
        // Never straight into a local that the branches may read.
        let dst = match want {
            Some(d) if (d as usize) >= self.locals.len() => d,
            _ => self.tmp_for(ty),
        };
        self.cond(c, other, false);
        let before = self.assigned.clone();
        self.expr_into(a, dst);
        self.jump(Instr::Jmp { off: 0 }, end);
        self.bind(other);
        self.assigned = before.clone();
        self.expr_into(b, dst);
        self.assigned = before;
        self.bind(end);
        if want == Some(dst) {
            return self.result(dst, want);
        }
        let v = self.temp(dst);
        self.give(v, want, ty)
    }
}
