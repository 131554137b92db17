//! Targets of assignments.
//!
//! The value is evaluated before the target's parts.

use tapir_data::types::{Kind, TypeId, builtin};
use tapir_data::value::Value;
use tapir_script::hir::{BinOp, Expr, ExprKind, LValue};

use super::expr::{as_local, assigns, key_parts, same_place};
use super::{Lower, Opnd};
use crate::code::{Instr, enc, kind};

/// A place whose parts were evaluated once.
enum Place {
    Field(Opnd, u16, TypeId),
    Table(Opnd, Vec<Opnd>, TypeId),
    Vector(Opnd, Opnd, TypeId),
}

impl Lower<'_> {
    /// The type of what a place holds.
    fn place_type(&self, lv: &LValue) -> TypeId {
        match lv {
            LValue::Local(l) => self.locals[l.0 as usize].ty,
            LValue::Global(g) => self.prog.globals[g.0 as usize].ty,
            LValue::Field(r, slot) => self
                .types()
                .record(r.ty)
                .and_then(|r| r.fields.get(*slot as usize))
                .map_or(builtin::ANY, |f| f.ty),
            LValue::Index(c, _) => match self.types().kind(c.ty) {
                Kind::Table { yields, .. } => yields.unwrap_or(builtin::ANY),
                Kind::Vector(t) => *t,
                Kind::String => builtin::STRING,
                _ => builtin::ANY,
            },
            LValue::Slice(e, ..) | LValue::Whole(e) => e.ty,
            LValue::List(_) => builtin::ANY,
        }
    }

    /// `lv = value`; gives the value back.
    pub(super) fn assign(&mut self, lv: &LValue, value: &Expr) -> Opnd {
        let span = self.span;
        if let Some(l) = as_local(lv) {
            let r = self.local_reg(l);
            let calls = self.n_calls;
            if self.locals[l.0 as usize].managed == self.managed_type(value.ty) || !self.locals[l.0 as usize].managed {
                self.expr_into(value, r);
            } else {
                let v = self.expr(value);
                self.move_to(v, r, kind::ANY);
            }
            self.span = span;
            // A call without a value skips the assignment.
            let certain = calls == self.n_calls;
            self.wrote_local(l, certain);
            return Opnd::Reg {
                r,
                managed: self.managed[r as usize],
                temp: false,
            };
        }
        if self.bump(lv, value) {
            return self.nothing();
        }
        let v = self.expr(value);
        let v = match lv {
            LValue::Index(c, idx) if assigns(c) || idx.iter().any(assigns) => {
                if let Opnd::Reg { temp: false, .. } = v {
                    let dst = self.tmp_for(value.ty);
                    self.move_to(v, dst, kind::ANY);
                    self.temp(dst)
                } else {
                    v
                }
            }
            _ => v,
        };
        self.store(lv, v, span);
        v
    }

    fn nothing(&mut self) -> Opnd {
        let d = self.tmp(true);
        self.temp(d)
    }

    /// `t[k] = t[k] + d` on a table of integers.
    fn bump(&mut self, lv: &LValue, value: &Expr) -> bool {
        let (LValue::Index(c, idx), ExprKind::Binary(op, a, b)) = (lv, &value.kind) else {
            return false;
        };
        let ExprKind::Index(c2, idx2) = &a.kind else {
            return false;
        };
        let parts = key_parts(idx);
        let parts2 = key_parts(idx2);
        if !matches!(op, BinOp::Add | BinOp::Sub)
            || !matches!(self.kind_of(value.ty), kind::COUNT | kind::INT)
            || parts.len() != 1
            || parts2.len() != 1
            || !same_place(c, c2)
            || !same_place(parts[0], parts2[0])
            || assigns(b)
        {
            return false;
        }
        self.bump_code(c, parts[0], Some(b), *op == BinOp::Sub)
    }

    /// `r$f = r$f + d` on an integer field, the result not used.
    pub(super) fn field_bump(&mut self, lv: &LValue, value: &Expr) -> bool {
        let (LValue::Field(r, slot), ExprKind::Binary(BinOp::Add, a, b)) = (lv, &value.kind) else {
            return false;
        };
        let ExprKind::Field(r2, slot2) = &a.kind else {
            return false;
        };
        let k = self.kind_of(self.place_type(lv));
        let kinds = [value.ty, a.ty, b.ty].map(|t| self.kind_of(t));
        // What is added may have no effects: the field is read before it.
        let quiet = match &b.kind {
            ExprKind::Const(_) => true,
            ExprKind::Local(l) => self.assigned[l.0 as usize] && !self.locals[l.0 as usize].managed,
            _ => false,
        };
        if slot != slot2
            || !same_place(r, r2)
            || !quiet
            || !matches!(k, kind::COUNT | kind::INT)
            || kinds != [k; 3]
            || self.in_condition
        {
            return false;
        }
        let base = self.container(r);
        let d = self.expr(b);
        let (erec, ed) = (self.borrow(base), self.borrow(d));
        self.release_all(&[base, d]);
        self.span = a.span;
        self.emit(Instr::FBump {
            sub: false,
            erec,
            slot: *slot as u16,
            ed,
        });
        true
    }

    fn bump_code(&mut self, c: &Expr, key: &Expr, by: Option<&Expr>, sub: bool) -> bool {
        let Kind::Table {
            index,
            yields: Some(yields),
        } = self.types().kind(c.ty)
        else {
            return false;
        };
        let ki = self.kind_of(index[0]);
        if index.len() != 1 || !(kind::is_scalar(ki) && ki != kind::SUBNET || ki == kind::STR) || self.in_condition {
            return false;
        }
        let span = self.span;
        let d = match by {
            Some(e) => self.expr(e),
            None => {
                let one = match self.kind_of(*yields) {
                    kind::INT => Value::Int(1),
                    kind::COUNT => Value::Count(1),
                    _ => return false,
                };
                self.const_opnd(one)
            }
        };
        let base = self.container(c);
        let k = self.expr(key);
        let (et, ek, ed) = (self.borrow(base), self.borrow(k), self.borrow(d));
        self.release_all(&[base, k, d]);
        self.span = span;
        self.emit(Instr::TBump1 { sub, et, ek, ed });
        self.n_calls += 1;
        true
    }

    /// Stores a value that stays with the caller.
    pub(super) fn store(&mut self, lv: &LValue, v: Opnd, span: tapir_script::hir::Span) {
        match lv {
            LValue::Local(l) => {
                let r = self.local_reg(*l);
                let keep = match v {
                    Opnd::Reg { r, managed, .. } => Opnd::Reg {
                        r,
                        managed,
                        temp: false,
                    },
                    v => v,
                };
                let k = self.locals[l.0 as usize].kind;
                self.move_to(keep, r, k);
                self.wrote_local(*l, true);
            }
            LValue::Global(g) => {
                let esrc = self.borrow(v);
                self.span = span;
                self.emit(Instr::SetGlobal { esrc, g: g.0 });
            }
            LValue::List(parts) => {
                let el = self.borrow(v);
                for (i, p) in parts.iter().enumerate() {
                    let ty = self.place_type(p);
                    let dst = self.tmp_for(ty);
                    let kind = self.kind_of(ty);
                    self.emit(Instr::ListItem {
                        kind,
                        dst,
                        el,
                        idx: i as u16,
                    });
                    let t = self.temp(dst);
                    self.store(p, t, span);
                    self.release(t);
                }
            }
            LValue::Slice(e, lo, hi) => {
                let base = self.expr(e);
                let (bounds, elo) = self.bounds(lo.as_deref(), hi.as_deref());
                let (ev, esrc) = (self.borrow(base), self.borrow(v));
                self.release_all(&[bounds, base]);
                self.span = span;
                self.emit(Instr::SetSlice { ev, elo, esrc });
            }
            LValue::Whole(_) => self.fail("a whole value cannot be assigned to"),
            LValue::Field(..) | LValue::Index(..) => {
                let p = self.place(lv);
                self.span = span;
                self.put(&p, v);
                self.drop_place(p);
            }
        }
    }

    fn place(&mut self, lv: &LValue) -> Place {
        let ty = self.place_type(lv);
        match lv {
            LValue::Field(r, slot) => {
                let base = self.container(r);
                Place::Field(base, *slot as u16, ty)
            }
            LValue::Index(c, idx) => {
                let base = self.container(c);
                let parts = key_parts(idx);
                if self.is_vector(c.ty) {
                    let i = self.expr_reg(parts[0]);
                    Place::Vector(base, i, ty)
                } else {
                    if !matches!(self.types().kind(c.ty), Kind::Table { .. }) {
                        self.fail("this value cannot be assigned to by index");
                    }
                    let vals = self.operands(&parts);
                    Place::Table(base, vals, ty)
                }
            }
            _ => {
                self.fail("this expression cannot be assigned to");
                let base = self.nothing();
                Place::Field(base, 0, ty)
            }
        }
    }

    fn drop_place(&mut self, p: Place) {
        match p {
            Place::Field(r, ..) => self.release(r),
            Place::Vector(v, i, _) => self.release_all(&[v, i]),
            Place::Table(t, keys, _) => {
                self.release(t);
                self.release_all(&keys);
            }
        }
    }

    fn put(&mut self, p: &Place, v: Opnd) {
        let esrc = self.borrow(v);
        match p {
            Place::Field(r, slot, _) => {
                let erec = self.borrow(*r);
                self.emit(Instr::SetField {
                    erec,
                    slot: *slot,
                    esrc,
                });
            }
            Place::Vector(vec, i, _) => {
                let (ev, i) = (self.borrow(*vec), self.reg(*i));
                self.emit(Instr::VSet { ev, i, esrc });
            }
            Place::Table(t, keys, _) => {
                let et = self.borrow(*t);
                let keys: Vec<u16> = keys.iter().map(|&k| self.borrow(k)).collect();
                if let [ek] = keys[..] {
                    self.emit(Instr::TSet1 { et, ek, esrc });
                } else {
                    self.emit(Instr::TSetN {
                        et,
                        esrc,
                        n: keys.len() as u16,
                    });
                    self.emit_args(&keys);
                }
            }
        }
    }

    fn fetch(&mut self, p: &Place) -> Opnd {
        match p {
            Place::Field(r, slot, ty) => {
                let (erec, kind, dst) = (self.borrow(*r), self.kind_of(*ty), self.tmp_for(*ty));
                self.emit(Instr::GetField {
                    kind,
                    dst,
                    erec,
                    slot: *slot,
                });
                self.temp(dst)
            }
            Place::Vector(vec, i, ty) => {
                let (ev, i) = (self.borrow(*vec), self.reg(*i));
                let (kind, dst) = (self.kind_of(*ty), self.tmp_for(*ty));
                self.emit(Instr::VGet { kind, dst, ev, i });
                self.temp(dst)
            }
            Place::Table(t, keys, ty) => {
                let et = self.borrow(*t);
                let keys: Vec<u16> = keys.iter().map(|&k| self.borrow(k)).collect();
                let (kind, dst) = (self.kind_of(*ty), self.tmp_for(*ty));
                if let [ek] = keys[..] {
                    self.emit(Instr::TGet1 { kind, dst, et, ek });
                } else {
                    self.emit(Instr::TGetN {
                        kind,
                        dst,
                        et,
                        n: keys.len() as u16,
                    });
                    self.emit_args(&keys);
                }
                self.temp(dst)
            }
        }
    }

    /// `++lv` and `--lv`; gives the new value.
    pub(super) fn step(&mut self, lv: &LValue, down: bool) -> Opnd {
        let span = self.span;
        let ty = self.place_type(lv);
        let k = self.kind_of(ty);
        match lv {
            LValue::Local(l) => {
                self.need_set(*l);
                let r = self.local_reg(*l);
                self.step_reg(r, r, k, down);
                self.wrote_local(*l, true);
                Opnd::Reg {
                    r,
                    managed: self.managed[r as usize],
                    temp: false,
                }
            }
            LValue::Global(g) => {
                let dst = self.tmp_for(ty);
                self.emit(Instr::GetGlobal { kind: k, dst, g: g.0 });
                self.step_reg(dst, dst, k, down);
                let v = self.temp(dst);
                let esrc = self.borrow(v);
                self.emit(Instr::SetGlobal { esrc, g: g.0 });
                v
            }
            LValue::Index(c, idx) if key_parts(idx).len() == 1 && self.bump_code(c, key_parts(idx)[0], None, down) => {
                // The value of the expression is read again only by the rare code that uses it.
                self.expr_index_again(c, idx, ty)
            }
            LValue::Field(r, slot) if self.discard && same_place(r, r) && !self.in_condition => {
                let one = match k {
                    kind::INT => Value::Int(1),
                    _ => Value::Count(1),
                };
                let base = self.container(r);
                let d = self.const_opnd(one);
                let (erec, ed) = (self.borrow(base), self.borrow(d));
                self.release_all(&[base, d]);
                self.span = span;
                self.emit(Instr::FBump {
                    sub: down,
                    erec,
                    slot: *slot as u16,
                    ed,
                });
                self.nothing()
            }
            _ => {
                let p = self.place(lv);
                self.span = span;
                let v = self.fetch(&p);
                let r = self.reg(v);
                self.step_reg(r, r, k, down);
                // The target is evaluated once for reading and once for writing; it shows where that has effects.
                let twice = match lv {
                    LValue::Field(e, _) | LValue::Index(e, _) => !same_place(e, e),
                    _ => false,
                };
                if twice {
                    self.drop_place(p);
                    self.store(lv, v, span);
                } else {
                    self.put(&p, v);
                    self.drop_place(p);
                }
                v
            }
        }
    }

    fn expr_index_again(&mut self, c: &Expr, idx: &[Expr], ty: TypeId) -> Opnd {
        if self.discard {
            return self.nothing();
        }
        let base = self.container(c);
        let k = self.expr(key_parts(idx)[0]);
        let (et, ek) = (self.borrow(base), self.borrow(k));
        self.release_all(&[base, k]);
        let (kind, dst) = (self.kind_of(ty), self.tmp_for(ty));
        self.emit(Instr::TGet1 { kind, dst, et, ek });
        self.temp(dst)
    }

    fn step_reg(&mut self, dst: u16, a: u16, k: u8, down: bool) {
        match k {
            kind::COUNT => {
                let k = self.constant(Value::Count(1));
                self.emit(if down {
                    Instr::SubCountK { dst, a, k }
                } else {
                    Instr::AddCountK { dst, a, k }
                });
            }
            kind::INT => {
                let k = self.constant(Value::Int(1));
                self.emit(if down {
                    Instr::SubIntK { dst, a, k }
                } else {
                    Instr::AddIntK { dst, a, k }
                });
            }
            _ => self.fail("only integers can be incremented"),
        }
    }

    /// `lv += e` and `lv -= e` on containers, strings and patterns; gives the new value.
    pub(super) fn add_assign(&mut self, lv: &LValue, value: &Expr, sub: bool) -> Opnd {
        let span = self.span;
        let ty = self.place_type(lv);
        // Appending a record of another type is an error at run time, not a conversion.
        let value = match &value.kind {
            ExprKind::Coerce(inner)
                if !sub
                    && self.is_vector(ty)
                    && self.kind_of(value.ty) == kind::RECORD
                    && !self.types().same(inner.ty, value.ty) =>
            {
                inner
            }
            // A vector appended to a vector of `any` gives its elements.
            ExprKind::Coerce(inner) if !sub && self.is_vector(ty) && self.is_vector(inner.ty) => inner,
            _ => value,
        };
        let v = self.expr(value);
        let push = !sub
            && match self.types().kind(ty) {
                Kind::Vector(elem) if matches!(self.types().kind(*elem), Kind::Any) => !self.is_vector(value.ty),
                Kind::Vector(elem) => {
                    !self.types().same(ty, value.ty)
                        && (!matches!(self.types().kind(value.ty), Kind::Vector(_) | Kind::Empty)
                            || self.types().same(*elem, value.ty))
                }
                _ => false,
            };
        let check = match self.types().kind(ty) {
            Kind::Vector(elem)
                if push && !self.types().same(*elem, value.ty) && !matches!(self.types().kind(*elem), Kind::Any) =>
            {
                Some(*elem)
            }
            _ => None,
        };
        // Immutable values are stored back, references change in place.
        let store_back = matches!(
            self.kind_of(ty),
            kind::STR | kind::ANY | kind::INT | kind::COUNT | kind::DOUBLE | kind::INTERVAL | kind::TIME
        );
        let v = if let Opnd::Reg { temp: false, .. } = v
            && store_back
            && !matches!(lv, LValue::Local(_) | LValue::Global(_))
        {
            let dst = self.tmp_for(value.ty);
            self.move_to(v, dst, kind::ANY);
            self.temp(dst)
        } else {
            v
        };
        let apply = |l: &mut Self, target: Opnd, dst: u16| {
            let (ea, eb) = (l.borrow(target), l.borrow(v));
            l.span = span;
            if push {
                if let Some(elem) = check {
                    l.emit(Instr::CheckElement { ea: eb });
                    l.emit(Instr::Ext { v: elem.0 });
                }
                let eb = l.consume(v);
                l.emit(Instr::VPush { ev: ea, esrc: eb });
                return;
            }
            l.emit(if sub {
                Instr::SubAssign { dst, ea, eb }
            } else if l.kind_of(ty) == kind::STR {
                Instr::Concat { dst, ea, eb }
            } else {
                Instr::AddAssign { dst, ea, eb }
            });
        };
        match lv {
            LValue::Local(l) => {
                self.need_set(*l);
                let r = self.local_reg(*l);
                let target = Opnd::Reg {
                    r,
                    managed: self.managed[r as usize],
                    temp: false,
                };
                apply(self, target, r);
                self.release(v);
                if store_back {
                    self.wrote_local(*l, true);
                }
                target
            }
            LValue::Global(g) => {
                let dst = self.tmp_for(ty);
                let kind = self.kind_of(ty);
                self.emit(Instr::GetGlobal { kind, dst, g: g.0 });
                let target = self.temp(dst);
                apply(self, target, dst);
                self.release(v);
                if store_back || self.vm_watches_globals() {
                    let esrc = self.borrow(target);
                    self.emit(Instr::SetGlobal { esrc, g: g.0 });
                }
                target
            }
            LValue::Field(..) | LValue::Index(..) => {
                let p = self.place(lv);
                self.span = span;
                let target = self.fetch(&p);
                let r = self.reg(target);
                apply(self, target, r);
                if store_back {
                    self.put(&p, target);
                }
                self.release(v);
                self.drop_place(p);
                target
            }
            LValue::Slice(..) | LValue::List(_) | LValue::Whole(_) => {
                self.fail("this expression cannot be added to");
                v
            }
        }
    }

    fn vm_watches_globals(&self) -> bool {
        false
    }

    /// `add lv`.
    pub(super) fn add(&mut self, lv: &LValue) {
        match lv {
            LValue::Index(c, idx) => self.index_effect(c, idx, true),
            _ => self.fail("only members can be added"),
        }
    }

    fn index_effect(&mut self, c: &Expr, idx: &[Expr], add: bool) {
        let span = self.span;
        let base = self.container(c);
        let parts = key_parts(idx);
        let vals = self.operands(&parts);
        let et = self.borrow(base);
        let keys: Vec<u16> = vals.iter().map(|&k| self.borrow(k)).collect();
        self.release_all(&vals);
        self.release(base);
        self.span = span;
        if let [ek] = keys[..] {
            self.emit(if add {
                Instr::Add1 { et, ek }
            } else {
                Instr::Del1 { et, ek }
            });
            return;
        }
        let n = keys.len() as u16;
        self.emit(if add {
            Instr::AddN { et, n }
        } else {
            Instr::DelN { et, n }
        });
        self.emit_args(&keys);
    }

    /// `delete lv`.
    pub(super) fn delete(&mut self, lv: &LValue) {
        let span = self.span;
        match lv {
            LValue::Index(c, idx) => self.index_effect(c, idx, false),
            LValue::Field(r, slot) => {
                let base = self.container(r);
                let erec = self.borrow(base);
                self.release(base);
                self.span = span;
                self.emit(Instr::DelField {
                    erec,
                    slot: *slot as u16,
                });
            }
            LValue::Whole(e) => {
                let v = self.container(e);
                let ea = self.borrow(v);
                self.release(v);
                self.span = span;
                self.emit(Instr::ClearAll { ea });
            }
            LValue::Local(l) => {
                self.need_set(*l);
                let r = self.local_reg(*l);
                self.emit(Instr::ClearAll { ea: r | enc::CLONE });
            }
            LValue::Global(g) => {
                let dst = self.tmp(true);
                self.emit(Instr::GetGlobal {
                    kind: kind::ANY,
                    dst,
                    g: g.0,
                });
                self.emit(Instr::ClearAll { ea: dst | enc::CLONE });
                let t = self.temp(dst);
                self.release(t);
            }
            _ => self.fail("this cannot be deleted"),
        }
    }
}
