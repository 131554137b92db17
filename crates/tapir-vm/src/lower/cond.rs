//! Conditions: comparisons fused with their jumps, short circuits.

use tapir_data::types::Kind;
use tapir_data::value::Value;
use tapir_script::hir::{BinOp, Const, Expr, ExprKind, UnOp};

use super::expr::key_parts;
use super::{Label, Lower, Opnd};
use crate::code::{Instr, kind};

impl Lower<'_> {
    /// Whether a comparison of two values of a kind is fused with its jump.
    pub(super) fn fused(&self, op: BinOp, k: u8) -> bool {
        match k {
            kind::INT | kind::COUNT | kind::DOUBLE | kind::TIME | kind::INTERVAL => true,
            kind::ENUM | kind::BOOL | kind::STR | kind::ADDR | kind::PORT | kind::SUBNET => {
                matches!(op, BinOp::Eq | BinOp::Ne)
            }
            _ => false,
        }
    }

    /// A condition as a value.
    pub(super) fn bool_value(&mut self, e: &Expr, want: Option<u16>) -> Opnd {
        let (yes, end) = (self.label(), self.label());
        let dst = match want {
            Some(d) => d,
            None => self.tmp(false),
        };
        self.cond(e, yes, true);
        let managed = self.managed[dst as usize];
        for (v, last) in [(false, false), (true, true)] {
            if last {
                self.bind(yes);
            }
            if managed {
                let k = self.constant(Value::Bool(v));
                self.emit(Instr::LoadKM { dst, k });
            } else {
                self.emit(Instr::LoadBool { v, dst });
            }
            if !last {
                self.jump(Instr::Jmp { off: 0 }, end);
            }
        }
        self.bind(end);
        Opnd::Reg {
            r: dst,
            managed,
            temp: want.is_none(),
        }
    }

    /// Jumps to `to` if the condition's value is `sense`, falls through otherwise.
    pub(super) fn cond(&mut self, e: &Expr, to: Label, sense: bool) {
        let outer = self.span;
        self.span = e.span;
        self.cond_kind(e, to, sense);
        self.span = outer;
    }

    fn cond_kind(&mut self, e: &Expr, to: Label, sense: bool) {
        match &e.kind {
            ExprKind::Const(Const::Bool(b)) => {
                if *b == sense {
                    self.jump(Instr::Jmp { off: 0 }, to);
                }
            }
            ExprKind::Unary(UnOp::Not, a) if self.kind_of(a.ty) == kind::BOOL => {
                self.cond(a, to, !sense);
            }
            ExprKind::And(a, b) | ExprKind::Or(a, b) => {
                // What decides early: false for `&&`, true for `||`.
                let early = matches!(e.kind, ExprKind::Or(..));
                if early == sense {
                    self.cond(a, to, sense);
                    let before = self.assigned.clone();
                    self.cond(b, to, sense);
                    self.assigned = before;
                } else {
                    let skip = self.label();
                    self.cond(a, skip, early);
                    let before = self.assigned.clone();
                    self.cond(b, to, sense);
                    self.assigned = before;
                    self.bind(skip);
                }
            }
            ExprKind::Binary(op @ (BinOp::Lt | BinOp::Le | BinOp::Eq | BinOp::Ne), a, b)
                if self.kind_of(a.ty) == self.kind_of(b.ty) && self.fused(*op, self.kind_of(a.ty)) =>
            {
                self.compare(*op, a, b, to, sense, e);
            }
            ExprKind::HasField(a, slot) => {
                let base = self.container(a);
                let erec = self.borrow(base);
                self.release(base);
                self.span = e.span;
                self.jump(
                    Instr::JHas {
                        sense,
                        erec,
                        slot: *slot as u16,
                        off: 0,
                    },
                    to,
                );
            }
            ExprKind::In(idx, c) if key_parts(idx).len() == 1 => {
                let key = key_parts(idx)[0];
                let k = self.expr(key);
                let k = self.shield_one(k, key, c);
                let base = self.container(c);
                let (et, ek) = (self.borrow(base), self.borrow(k));
                self.release(base);
                self.release(k);
                self.span = e.span;
                self.jump(Instr::JIn1 { sense, et, ek, off: 0 }, to);
            }
            ExprKind::Index(a, idx)
                if self.is_vector(a.ty)
                    && self.kind_of(e.ty) == kind::BOOL
                    && matches!(self.kind_of(idx[0].ty), kind::COUNT | kind::INT)
                    && !self.in_condition =>
            {
                let base = self.container(a);
                let base = self.shield_one(base, a, &idx[0]);
                let i = self.expr_reg(&idx[0]);
                let (ev, i) = (self.borrow(base), {
                    let r = self.reg(i);
                    self.release(i);
                    r
                });
                self.release(base);
                self.span = e.span;
                self.jump(Instr::JVBool { sense, ev, i, off: 0 }, to);
            }
            _ => {
                let v = self.expr(e);
                let v = self.in_reg(v, e.ty);
                let a = self.reg(v);
                let v = if self.is_managed(v) {
                    self.emit(Instr::CheckKind {
                        kind: kind::BOOL,
                        src: a,
                    });
                    v
                } else {
                    v
                };
                self.release(v);
                self.jump(Instr::JBool { sense, a, off: 0 }, to);
            }
        }
    }

    fn shield_one(&mut self, v: Opnd, e: &Expr, later: &Expr) -> Opnd {
        if let Opnd::Reg { temp: false, .. } = v
            && super::expr::assigns(later)
        {
            let dst = self.tmp_for(e.ty);
            self.move_to(v, dst, kind::ANY);
            return self.temp(dst);
        }
        v
    }

    fn compare(&mut self, op: BinOp, a: &Expr, b: &Expr, to: Label, sense: bool, e: &Expr) {
        let k = self.kind_of(a.ty);
        let sense = if op == BinOp::Ne { !sense } else { sense };
        let op = if op == BinOp::Ne { BinOp::Eq } else { op };
        if matches!(k, kind::STR | kind::ADDR | kind::PORT | kind::SUBNET | kind::BOOL) {
            let vals = self.operands(&[a, b]);
            let (ea, eb) = (self.borrow(vals[0]), self.borrow(vals[1]));
            for v in vals {
                self.release(v);
            }
            self.span = e.span;
            self.jump(Instr::JEqVal { sense, ea, eb, off: 0 }, to);
            return;
        }
        let int_like = matches!(k, kind::INT | kind::COUNT | kind::ENUM);
        let (ca, cb) = (self.as_const(a), self.as_const(b));
        if !int_like && (ca.is_some() != cb.is_some()) {
            let (c, left, x) = match (ca, cb) {
                (Some(c), _) => (c, true, b),
                (_, Some(c)) => (c, false, a),
                _ => return,
            };
            let k = self.constant(c);
            let v = self.expr_reg(x);
            let a = self.reg(v);
            self.release(v);
            self.span = e.span;
            let off = 0;
            self.jump(
                match (op, left) {
                    (BinOp::Lt, false) => Instr::JLtFK { sense, a, k, off },
                    (BinOp::Le, false) => Instr::JLeFK { sense, a, k, off },
                    (BinOp::Lt, true) => Instr::JGtFK { sense, a, k, off },
                    (BinOp::Le, true) => Instr::JGeFK { sense, a, k, off },
                    _ => Instr::JEqFK { sense, a, k, off },
                },
                to,
            );
            return;
        }
        let (ca, cb) = if int_like { (ca, cb) } else { (None, None) };
        // `x % 2^n == v` looks at the low bits.
        if op == BinOp::Eq
            && let (None, Some(Value::Count(v))) = (&ca, &cb)
            && let ExprKind::Binary(BinOp::Mod, x, m) = &a.kind
            && self.kind_of(x.ty) == kind::COUNT
            && let Some(Value::Count(m)) = self.as_const(m)
            && m.is_power_of_two()
        {
            let k = self.constant_pair(Value::Count(m - 1), Value::Count(*v));
            let x = self.expr_reg(x);
            let a = self.reg(x);
            self.release(x);
            self.span = e.span;
            self.jump(Instr::JAndEqCountK { sense, a, k, off: 0 }, to);
            return;
        }
        // A constant on the left moves to the right: k < x is !(x <= k), k <= x is !(x < k).
        if let (Some(c), None) = (&ca, &cb) {
            let k_idx = self.constant(c.clone());
            let v = self.expr_reg(b);
            let r = self.reg(v);
            self.release(v);
            self.span = e.span;
            let (op, sense) = match op {
                BinOp::Lt => (BinOp::Le, !sense),
                BinOp::Le => (BinOp::Lt, !sense),
                op => (op, sense),
            };
            self.jump(with_const(op, k, sense, r, k_idx), to);
            return;
        }
        let va = self.expr(a);
        let va = self.shield_one(va, a, b);
        let va = self.in_reg(va, a.ty);
        if let Some(c) = cb {
            let k_idx = self.constant(c);
            let r = self.reg(va);
            self.release(va);
            self.span = e.span;
            self.jump(with_const(op, k, sense, r, k_idx), to);
            return;
        }
        let vb = self.expr_reg(b);
        let (ra, rb) = (self.reg(va), self.reg(vb));
        self.release(va);
        self.release(vb);
        self.span = e.span;
        let off = 0;
        let (a, b) = (ra, rb);
        self.jump(
            match (op, k) {
                (BinOp::Lt, kind::INT) => Instr::JLtInt { sense, a, b, off },
                (BinOp::Le, kind::INT) => Instr::JLeInt { sense, a, b, off },
                (_, kind::INT) => Instr::JEqInt { sense, a, b, off },
                (BinOp::Lt, kind::COUNT) => Instr::JLtCount { sense, a, b, off },
                (BinOp::Le, kind::COUNT) => Instr::JLeCount { sense, a, b, off },
                (_, kind::COUNT) => Instr::JEqCount { sense, a, b, off },
                (_, kind::ENUM) => Instr::JEqEnum { sense, a, b, off },
                (BinOp::Lt, _) => Instr::JLtF { sense, a, b, off },
                (BinOp::Le, _) => Instr::JLeF { sense, a, b, off },
                _ => Instr::JEqF { sense, a, b, off },
            },
            to,
        );
    }

    /// Whether a type is a vector.
    pub(super) fn is_vector(&self, ty: tapir_data::types::TypeId) -> bool {
        matches!(self.types().kind(ty), Kind::Vector(_))
    }
}

fn with_const(op: BinOp, kind_: u8, sense: bool, a: u16, k: u16) -> Instr {
    let off = 0;
    match (op, kind_) {
        (BinOp::Lt, kind::INT) => Instr::JLtIntK { sense, a, k, off },
        (BinOp::Le, kind::INT) => Instr::JLeIntK { sense, a, k, off },
        (_, kind::INT) => Instr::JEqIntK { sense, a, k, off },
        (BinOp::Lt, kind::COUNT) => Instr::JLtCountK { sense, a, k, off },
        (BinOp::Le, kind::COUNT) => Instr::JLeCountK { sense, a, k, off },
        (_, kind::COUNT) => Instr::JEqCountK { sense, a, k, off },
        _ => Instr::JEqEnumK { sense, a, k, off },
    }
}
