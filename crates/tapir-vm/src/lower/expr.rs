//! Expressions.

use tapir_data::types::{Flavor, FuncType, Kind, TypeId, builtin};
use tapir_data::value::{FuncId, Value};
use tapir_script::hir::{BinOp, Callee, Const, Expr, ExprKind, FunctionKind, LValue, LocalId, UnOp};

use super::{Lower, Opnd};
use crate::code::{CallSite, Instr, LambdaSite, RecordSite, Site, TableSite, enc, kind};

/// Values per instruction of a long constructor.
const CHUNK: usize = 96;

impl<'a> Lower<'a> {
    /// Lowers to wherever the value is found most cheaply.
    pub(super) fn expr(&mut self, e: &Expr) -> Opnd {
        self.lower(e, None)
    }

    /// Lowers into a register.
    pub(super) fn expr_into(&mut self, e: &Expr, dst: u16) {
        let want = self.managed[dst as usize];
        if want == self.managed_type(e.ty) {
            let o = self.lower(e, Some(dst));
            debug_assert!(matches!(o, Opnd::Reg { r, .. } if r == dst));
        } else {
            let v = self.lower(e, None);
            self.span = e.span;
            self.move_to(v, dst, self.kind_of(e.ty));
        }
    }

    /// Lowers to a register, whichever.
    pub(super) fn expr_reg(&mut self, e: &Expr) -> Opnd {
        let v = self.expr(e);
        self.in_reg(v, e.ty)
    }

    pub(super) fn in_reg(&mut self, v: Opnd, ty: TypeId) -> Opnd {
        match v {
            Opnd::Reg { .. } => v,
            _ => {
                let dst = self.tmp_for(ty);
                self.move_to(v, dst, kind::ANY);
                self.temp(dst)
            }
        }
    }

    /// The register of an operand that is one.
    pub(super) fn reg(&mut self, v: Opnd) -> u16 {
        match v {
            Opnd::Reg { r, .. } => r,
            _ => {
                self.fail("a constant stands where a register is needed");
                0
            }
        }
    }

    /// Moves a value into a register and releases where it was.
    pub(super) fn move_to(&mut self, v: Opnd, dst: u16, expected: u8) {
        let want = self.managed[dst as usize];
        match v {
            Opnd::Reg { r, .. } if r == dst => return,
            Opnd::Reg { r, managed, temp } => match (managed, want) {
                (false, false) => {
                    self.emit(Instr::Mov { dst, src: r });
                }
                (true, true) if temp => {
                    self.emit(Instr::TakeM { dst, src: r });
                }
                (_, true) => {
                    self.emit(Instr::MovM { dst, src: r });
                }
                (true, false) => {
                    self.emit(Instr::CheckKind { kind: expected, src: r });
                    self.emit(Instr::Mov { dst, src: r });
                }
            },
            Opnd::Const(k) => {
                self.emit(if want {
                    Instr::LoadKM { dst, k }
                } else {
                    Instr::LoadK { dst, k }
                });
            }
            Opnd::Global(g) => {
                self.emit(Instr::GetGlobal {
                    kind: expected,
                    dst,
                    g: g as u32,
                });
            }
        }
        self.release(v);
    }

    /// Lowers the container of an operation that checks what it gets: a global is used in place.
    pub(super) fn container(&mut self, e: &Expr) -> Opnd {
        if let ExprKind::Global(g) = e.kind
            && g.0 < enc::POOL_INDEX as u32 - 1
            && !self.in_condition
        {
            return Opnd::Global(g.0 as u16);
        }
        self.expr(e)
    }

    /// Lowers operands that are evaluated one after the other; a local that a later one changes is copied first.
    pub(super) fn operands(&mut self, list: &[&Expr]) -> Vec<Opnd> {
        let mut out = Vec::with_capacity(list.len());
        for (i, e) in list.iter().enumerate() {
            let v = self.expr(e);
            out.push(self.shield(v, e.ty, &list[i + 1..]));
        }
        out
    }

    /// Copies a local's register when one of `later` assigns locals.
    fn shield(&mut self, v: Opnd, ty: TypeId, later: &[&Expr]) -> Opnd {
        if let Opnd::Reg { temp: false, .. } = v
            && later.iter().any(|e| assigns(e))
        {
            let dst = self.tmp_for(ty);
            self.move_to(v, dst, kind::ANY);
            return self.temp(dst);
        }
        v
    }

    fn dst(&mut self, want: Option<u16>, ty: TypeId) -> u16 {
        match want {
            Some(d) => d,
            None => self.tmp_for(ty),
        }
    }

    fn result(&mut self, dst: u16, want: Option<u16>) -> Opnd {
        Opnd::Reg {
            r: dst,
            managed: self.managed[dst as usize],
            temp: want.is_none(),
        }
    }

    fn give(&mut self, v: Opnd, want: Option<u16>, ty: TypeId) -> Opnd {
        match want {
            Some(dst) => {
                let k = self.kind_of(ty);
                self.move_to(v, dst, k);
                self.result(dst, want)
            }
            None => v,
        }
    }

    fn lower(&mut self, e: &Expr, want: Option<u16>) -> Opnd {
        let outer = self.span;
        self.span = e.span;
        let v = self.lower_kind(e, want);
        if self.in_condition
            && matches!(
                self.types().kind(e.ty),
                Kind::Table { .. } | Kind::Vector(_) | Kind::Record(_)
            )
        {
            let ea = self.borrow(v);
            self.emit(Instr::Watch { ea });
        }
        self.span = outer;
        v
    }

    fn lower_kind(&mut self, e: &Expr, want: Option<u16>) -> Opnd {
        let ty = e.ty;
        let span = e.span;
        match &e.kind {
            ExprKind::Const(c) => {
                let v = self.const_value(c);
                let v = self.const_opnd(v);
                self.give(v, want, ty)
            }
            ExprKind::Local(l) => {
                self.need_set(*l);
                let r = self.local_reg(*l);
                let managed = self.managed[r as usize];
                let v = Opnd::Reg {
                    r,
                    managed,
                    temp: false,
                };
                if managed && !self.managed_type(ty) && want.is_none() {
                    let dst = self.tmp(false);
                    let k = self.kind_of(ty);
                    self.move_to(v, dst, k);
                    return self.temp(dst);
                }
                self.give(v, want, ty)
            }
            ExprKind::Global(g) => {
                if let Some(v) = self.vm.frozen_global(*g) {
                    let v = self.const_opnd(v);
                    return self.give(v, want, ty);
                }
                let dst = self.dst(want, ty);
                let k = self.kind_of(ty);
                self.emit(Instr::GetGlobal { kind: k, dst, g: g.0 });
                self.result(dst, want)
            }
            ExprKind::Func(f) => {
                let v = self.vm.func_value(*f);
                let v = self.const_opnd(v);
                self.give(v, want, ty)
            }
            ExprKind::Unary(op, a) => self.unary(*op, a, ty, want, span),
            ExprKind::Binary(op, a, b) => self.binary(e, *op, a, b, want),
            ExprKind::And(..) | ExprKind::Or(..) | ExprKind::HasField(..) => self.bool_value(e, want),
            ExprKind::In(idx, c) => self.membership(e, idx, c, want),
            ExprKind::Cond(c, a, b) => self.conditional(c, a, b, ty, want),
            ExprKind::Field(a, slot) => self.field(a, *slot, ty, want, span),
            ExprKind::Index(a, idx) => self.index(a, idx, ty, want, span),
            ExprKind::Slice(a, lo, hi) => {
                let base = self.expr(a);
                let (bounds, elo) = self.bounds(lo.as_deref(), hi.as_deref());
                let ev = self.borrow(base);
                self.release(bounds);
                self.release(base);
                let dst = self.dst(want, ty);
                self.span = span;
                self.emit(Instr::Slice { dst, ev, elo });
                self.result(dst, want)
            }
            ExprKind::Call(callee, args) => self.call(callee, args, ty, want, span, false),
            ExprKind::HookCall(callee, args) => self.hook_call(callee, args, ty, want, span),
            ExprKind::Assign(lv, value) => {
                let v = self.assign(lv, value);
                self.give(v, want, ty)
            }
            ExprKind::AddAssign(lv, value) => {
                let v = self.add_assign(lv, value, false);
                self.give(v, want, ty)
            }
            ExprKind::SubAssign(lv, value) => {
                let v = self.add_assign(lv, value, true);
                self.give(v, want, ty)
            }
            ExprKind::Incr(lv) => {
                let v = self.step(lv, false);
                self.give(v, want, ty)
            }
            ExprKind::Decr(lv) => {
                let v = self.step(lv, true);
                self.give(v, want, ty)
            }
            ExprKind::Record(fields) if self.vm.record_plan(ty).eager && !fields.is_empty() => {
                // Defaults that call functions are evaluated before what was given, also for the same field.
                let hold = self.tmp(true);
                let site = self.site(Site::Record(RecordSite::new(ty, Vec::new())));
                self.emit(Instr::NewRecord { dst: hold, site, n: 0 });
                for (slot, v) in fields {
                    let is_vector =
                        matches!(self.types().kind(v.ty), Kind::Vector(_)) && !matches!(v.kind, ExprKind::Vector(_));
                    let mut val = self.expr(v);
                    if is_vector {
                        let (bounds, elo) = self.bounds(None, None);
                        let ev = self.borrow(val);
                        self.release_all(&[bounds, val]);
                        let dst = self.tmp(true);
                        self.emit(Instr::Slice { dst, ev, elo });
                        val = self.temp(dst);
                    }
                    let esrc = self.consume(val);
                    self.release(val);
                    self.emit(Instr::SetField {
                        erec: hold | enc::CLONE,
                        slot: *slot as u16,
                        esrc,
                    });
                }
                let v = self.temp(hold);
                self.give(v, want, ty)
            }
            ExprKind::Record(fields) => {
                let list: Vec<&Expr> = fields.iter().map(|f| &f.1).collect();
                let vals = self.operands(&list);
                let slots = fields
                    .iter()
                    .map(|(slot, v)| {
                        let is_vector = matches!(self.types().kind(v.ty), Kind::Vector(_));
                        (*slot as u16, is_vector && !matches!(v.kind, ExprKind::Vector(_)))
                    })
                    .collect();
                let args: Vec<u16> = vals.iter().map(|&v| self.consume(v)).collect();
                self.release_all(&vals);
                let dst = self.dst(want, ty);
                let site = self.site(Site::Record(RecordSite::new(ty, slots)));
                self.span = span;
                self.emit(Instr::NewRecord {
                    dst,
                    site,
                    n: args.len() as u16,
                });
                self.emit_args(&args);
                self.result(dst, want)
            }
            ExprKind::Table(entries, attrs) => {
                let width = entries.first().map_or(1, |e| e.0.len());
                let attrs = self.attrs_site(attrs, ty);
                self.constructor(
                    entries.iter().map(|(k, v)| k.iter().chain([v]).collect()).collect(),
                    width,
                    false,
                    attrs,
                    ty,
                    want,
                )
            }
            ExprKind::Set(entries, attrs) => {
                let width = entries.first().map_or(1, |e| e.len());
                let attrs = self.attrs_site(attrs, ty);
                self.constructor(
                    entries.iter().map(|k| k.iter().collect()).collect(),
                    width,
                    true,
                    attrs,
                    ty,
                    want,
                )
            }
            ExprKind::Vector(items) => {
                let site = self.site(Site::Type(ty));
                let hold = self.tmp(true);
                let mut first = true;
                for chunk in items.chunks(CHUNK).chain(items.is_empty().then_some(&[][..])) {
                    let list: Vec<&Expr> = chunk.iter().collect();
                    let vals = self.operands(&list);
                    let args: Vec<u16> = vals.iter().map(|&v| self.consume(v)).collect();
                    self.release_all(&vals);
                    self.span = span;
                    if first {
                        self.emit(Instr::NewVector {
                            dst: hold,
                            site,
                            n: args.len() as u16,
                        });
                        self.emit_args(&args);
                        first = false;
                    } else {
                        for esrc in args {
                            self.emit(Instr::VPush {
                                ev: hold | enc::CLONE,
                                esrc,
                            });
                        }
                    }
                }
                let v = self.temp(hold);
                self.give(v, want, ty)
            }
            ExprKind::List(items) => {
                let list: Vec<&Expr> = items.iter().collect();
                let vals = self.operands(&list);
                let args: Vec<u16> = vals.iter().map(|&v| self.consume(v)).collect();
                self.release_all(&vals);
                let dst = self.dst(want, ty);
                self.span = span;
                self.emit(Instr::NewList {
                    dst,
                    n: args.len() as u16,
                });
                self.emit_args(&args);
                self.result(dst, want)
            }
            ExprKind::Lambda(l) => {
                let mut args = Vec::new();
                for (local, _) in &l.captures {
                    let r = self.local_reg(*local);
                    args.push(
                        r | if self.managed[r as usize] {
                            enc::CLONE
                        } else {
                            enc::SCALAR
                        },
                    );
                    if !self.assigned[local.0 as usize] {
                        self.maybe_unset[local.0 as usize] = true;
                    }
                }
                let dst = self.dst(want, ty);
                let site = self.site(Site::Lambda(LambdaSite {
                    func: l.func,
                    ty,
                    deep: l.captures.iter().map(|c| c.1).collect(),
                }));
                self.emit(Instr::Lambda {
                    dst,
                    site,
                    n: args.len() as u16,
                });
                self.emit_args(&args);
                self.result(dst, want)
            }
            ExprKind::Schedule(when, func, args) => {
                let skip = self.label();
                self.jump(Instr::JTerminating { off: 0 }, skip);
                let at = self.expr(when);
                let at = self.shield(at, when.ty, &args.iter().collect::<Vec<_>>());
                let sig = &self.prog.functions[func.0 as usize].sig;
                let (eargs, vals) = self.arguments(args, Some(sig));
                let ewhen = self.borrow(at);
                self.release(at);
                self.release_all(&vals);
                let dst = self.dst(want, ty);
                let site = self.site(Site::Schedule(*func));
                self.span = span;
                self.emit(Instr::Schedule {
                    n: eargs.len() as u8,
                    dst,
                    ewhen,
                    site,
                });
                self.emit_args(&eargs);
                self.bind(skip);
                self.result(dst, want)
            }
            ExprKind::Coerce(a) => self.coerce(a, ty, want, span),
            ExprKind::Cast(a) => self.with_type(a, ty, ty, want, span, |dst, ea| Instr::Cast { dst, ea }),
            ExprKind::CanCast(a, t) => self.with_type(a, *t, ty, want, span, |dst, ea| Instr::CanCast { dst, ea }),
            ExprKind::Is(a, t) => self.with_type(a, *t, ty, want, span, |dst, ea| Instr::Is { dst, ea }),
            ExprKind::WhenLocal(l, a) => {
                let r = self.local_reg(*l);
                self.expr_into(a, r);
                self.wrote_local(*l, true);
                let managed = self.managed[r as usize];
                self.emit(Instr::StoreTrigger {
                    idx: r,
                    esrc: r | if managed { enc::CLONE } else { enc::SCALAR },
                });
                let v = self.const_opnd(tapir_data::value::Value::Bool(true));
                self.give(v, want, ty)
            }
        }
    }

    fn with_type(
        &mut self,
        a: &Expr,
        target: TypeId,
        ty: TypeId,
        want: Option<u16>,
        span: tapir_script::hir::Span,
        make: fn(u16, u16) -> Instr,
    ) -> Opnd {
        let v = self.expr(a);
        let ea = self.borrow(v);
        self.release(v);
        let dst = self.dst(want, ty);
        self.span = span;
        self.emit(make(dst, ea));
        self.emit(Instr::Ext { v: target.0 });
        self.result(dst, want)
    }

    /// Bounds of a slice: a list of two, each may be unset. The operand to release and its encoding.
    pub(super) fn bounds(&mut self, lo: Option<&Expr>, hi: Option<&Expr>) -> (Opnd, u16) {
        let mut args = Vec::new();
        let mut vals = Vec::new();
        for b in [lo, hi] {
            match b {
                Some(e) => {
                    let v = self.expr(e);
                    args.push(self.borrow(v));
                    vals.push(v);
                }
                None => args.push(enc::NONE),
            }
        }
        self.release_all(&vals);
        let dst = self.tmp(true);
        self.emit(Instr::NewList { dst, n: 2 });
        self.emit_args(&args);
        let v = self.temp(dst);
        (v, dst | enc::CLONE)
    }

    fn constructor(
        &mut self,
        entries: Vec<Vec<&Expr>>,
        width: usize,
        is_set: bool,
        attrs: Option<std::rc::Rc<tapir_data::table::TableAttrs>>,
        ty: TypeId,
        want: Option<u16>,
    ) -> Opnd {
        let span = self.span;
        let width = match self.types().kind(ty) {
            Kind::Table { index, .. } => index.len(),
            _ => width,
        };
        let per_entry = width + !is_set as usize;
        let hold = self.tmp(true);
        let mut append = false;
        let no_entries = entries.is_empty();
        for chunk in entries
            .chunks((CHUNK / per_entry).max(1))
            .chain(no_entries.then_some(&[][..]))
        {
            let mut args = Vec::new();
            let mut vals = Vec::new();
            for entry in chunk {
                for (i, e) in entry.iter().enumerate() {
                    // A composite key given as one list value.
                    if i == 0
                        && entry.len() == 1 + !is_set as usize
                        && width > 1
                        && let ExprKind::List(parts) = &e.kind
                    {
                        for p in parts {
                            let v = self.expr(p);
                            args.push(self.consume(v));
                            vals.push(v);
                        }
                        continue;
                    }
                    let v = self.expr(e);
                    args.push(self.consume(v));
                    vals.push(v);
                }
            }
            self.release_all(&vals);
            let site = self.site(Site::Table(TableSite {
                ty,
                width: width as u16,
                is_set,
                attrs: attrs.clone(),
                append,
            }));
            self.span = span;
            self.emit(Instr::NewTable {
                dst: hold,
                site,
                n: args.len() as u16,
            });
            self.emit_args(&args);
            append = true;
        }
        let v = self.temp(hold);
        self.give(v, want, ty)
    }

    fn unary(&mut self, op: UnOp, a: &Expr, ty: TypeId, want: Option<u16>, span: tapir_script::hir::Span) -> Opnd {
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

    fn binary(&mut self, e: &Expr, op: BinOp, a: &Expr, b: &Expr, want: Option<u16>) -> Opnd {
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

    fn conditional(&mut self, c: &Expr, a: &Expr, b: &Expr, ty: TypeId, want: Option<u16>) -> Opnd {
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

    fn field(&mut self, a: &Expr, slot: u32, ty: TypeId, want: Option<u16>, span: tapir_script::hir::Span) -> Opnd {
        let k = self.kind_of(ty);
        if let ExprKind::Field(inner, slot1) = &a.kind
            && *slot1 < 256
            && slot < 256
            && !self.in_condition
            && self.plain_field(inner.ty, *slot1)
        {
            let base = self.container(inner);
            let erec = self.borrow(base);
            self.release(base);
            let dst = self.dst(want, ty);
            self.span = span;
            self.emit(Instr::GetField2 {
                slot1: *slot1 as u8,
                dst,
                erec,
                slot2: slot as u8,
                kind: k,
            });
            return self.result(dst, want);
        }
        let base = self.container(a);
        let erec = self.borrow(base);
        self.release(base);
        let dst = self.dst(want, ty);
        self.span = span;
        self.emit(Instr::GetField {
            kind: k,
            dst,
            erec,
            slot: slot as u16,
        });
        self.result(dst, want)
    }

    /// Whether a record-valued field needs no default when it is unset (so that a fused access reports it well).
    fn plain_field(&self, ty: TypeId, slot: u32) -> bool {
        self.types()
            .record(ty)
            .and_then(|r| r.fields.get(slot as usize))
            .is_some_and(|f| f.default.is_none())
    }

    fn index(&mut self, a: &Expr, idx: &[Expr], ty: TypeId, want: Option<u16>, span: tapir_script::hir::Span) -> Opnd {
        let k = self.kind_of(ty);
        match self.types().kind(a.ty) {
            Kind::Vector(_) => {
                let base = self.container(a);
                let base = self.shield(base, a.ty, &[&idx[0]]);
                let is_vector = matches!(self.types().kind(idx[0].ty), Kind::Vector(_));
                let i = self.expr_reg(&idx[0]);
                let ev = self.borrow(base);
                let ri = self.reg(i);
                self.release(i);
                self.release(base);
                let dst = self.dst(want, ty);
                self.span = span;
                if is_vector {
                    self.emit(Instr::SIndex { dst, es: ev, i: ri });
                } else {
                    self.emit(Instr::VGet {
                        kind: k,
                        dst,
                        ev,
                        i: ri,
                    });
                }
                self.result(dst, want)
            }
            Kind::String => {
                let base = self.expr(a);
                let base = self.shield(base, a.ty, &[&idx[0]]);
                let i = self.expr_reg(&idx[0]);
                let es = self.borrow(base);
                let ri = self.reg(i);
                self.release(i);
                self.release(base);
                let dst = self.dst(want, ty);
                self.span = span;
                self.emit(Instr::SIndex { dst, es, i: ri });
                self.result(dst, want)
            }
            _ => {
                let base = self.container(a);
                let parts = key_parts(idx);
                let later: Vec<&Expr> = parts.clone();
                let base = self.shield(base, a.ty, &later);
                let vals = self.operands(&parts);
                let et = self.borrow(base);
                let args: Vec<u16> = vals.iter().map(|&v| self.borrow(v)).collect();
                self.release_all(&vals);
                self.release(base);
                let dst = self.dst(want, ty);
                self.span = span;
                if let [ek] = args[..] {
                    self.emit(Instr::TGet1 { kind: k, dst, et, ek });
                } else {
                    self.emit(Instr::TGetN {
                        kind: k,
                        dst,
                        et,
                        n: args.len() as u16,
                    });
                    self.emit_args(&args);
                }
                self.result(dst, want)
            }
        }
    }

    fn membership(&mut self, e: &Expr, idx: &[Expr], c: &Expr, want: Option<u16>) -> Opnd {
        let parts = key_parts(idx);
        if parts.len() == 1 {
            return self.bool_value(e, want);
        }
        let vals = self.operands(&parts);
        let base = self.container(c);
        let et = self.borrow(base);
        let args: Vec<u16> = vals.iter().map(|&v| self.borrow(v)).collect();
        self.release_all(&vals);
        self.release(base);
        let dst = self.dst(want, e.ty);
        self.span = e.span;
        self.emit(Instr::InN {
            dst,
            et,
            n: args.len() as u16,
        });
        self.emit_args(&args);
        self.result(dst, want)
    }

    fn coerce(&mut self, a: &Expr, ty: TypeId, want: Option<u16>, span: tapir_script::hir::Span) -> Opnd {
        let (from, to) = (self.kind_of(a.ty), self.kind_of(ty));
        let same_scalar = from == to && kind::is_scalar(to) && from != kind::ENUM;
        let same_heap = from == to
            && (matches!(to, kind::STR | kind::PATTERN | kind::FUNC | kind::FILE | kind::OPAQUE)
                || (to != kind::ANY && self.types().same(a.ty, ty)))
            && !matches!(self.types().kind(a.ty), Kind::Empty);
        if same_scalar || same_heap || matches!(self.types().kind(ty), Kind::Any) {
            // A scalar held as `any` lives in a heap register.
            let v = self.expr(a);
            if !kind::is_scalar(to) && !self.is_managed(v) {
                let dst = self.dst(want, ty);
                self.move_to(v, dst, kind::ANY);
                return self.result(dst, want);
            }
            return self.give(v, want, ty);
        }
        let short: Option<fn(u16, u16) -> Instr> = match (from, to) {
            (kind::COUNT, kind::INT) => Some(|dst, a| Instr::CountToInt { dst, a }),
            (kind::COUNT, kind::DOUBLE) => Some(|dst, a| Instr::CountToDbl { dst, a }),
            (kind::INT, kind::DOUBLE) => Some(|dst, a| Instr::IntToDbl { dst, a }),
            _ => None,
        };
        if let Some(make) = short {
            let v = self.expr_reg(a);
            let r = self.reg(v);
            self.release(v);
            let dst = self.dst(want, ty);
            self.span = span;
            self.emit(make(dst, r));
            return self.result(dst, want);
        }
        // An error here skips the statement, as a call without a value does.
        self.n_calls += 1;
        self.with_type(a, ty, ty, want, span, |dst, ea| Instr::Coerce { dst, ea })
    }

    /// The arguments of a call, encoded, with the operands to release after.
    pub(super) fn arguments(&mut self, args: &[Expr], sig: Option<&FuncType>) -> (Vec<u16>, Vec<Opnd>) {
        let list: Vec<&Expr> = args.iter().collect();
        let mut vals = self.operands(&list);
        for p in sig.map_or(&[][..], |s| &s.params[..]).iter().skip(args.len()) {
            let Some(id) = p.default else { break };
            let prog = self.prog;
            let thunk = prog.default(id);
            let v = match self.as_const(&thunk.expr) {
                Some(v) if self.types().same(thunk.expr.ty, p.ty) => self.const_opnd(v),
                _ => {
                    let dst = self.tmp_for(p.ty);
                    self.emit(Instr::Default { dst, id: id.0 });
                    let kind = self.kind_of(p.ty);
                    self.emit(Instr::CheckKind { kind, src: dst });
                    self.temp(dst)
                }
            };
            vals.push(v);
        }
        let encoded = vals.iter().map(|&v| self.consume(v)).collect();
        (encoded, vals)
    }

    /// The signature through which a call is made.
    fn signature_of(&self, callee: &Callee) -> Option<&'a FuncType> {
        match callee {
            Callee::Func(f) => Some(&self.prog.functions[f.0 as usize].sig),
            Callee::Value(e) => match self.types().kind(e.ty) {
                Kind::Func(sig) => Some(sig),
                _ => None,
            },
        }
    }

    /// A call. `statement`: nobody uses the result.
    pub(super) fn call(
        &mut self,
        callee: &Callee,
        args: &[Expr],
        ty: TypeId,
        want: Option<u16>,
        span: tapir_script::hir::Span,
        statement: bool,
    ) -> Opnd {
        self.n_calls += 1;
        let void = ty == builtin::VOID || statement;
        let hold = if void { None } else { Some(self.dst(want, ty)) };
        let dst = hold.unwrap_or(enc::NONE);
        let cached = if self.in_condition && !void {
            let done = self.label();
            let key = self.n_cache_keys;
            self.n_cache_keys += 1;
            self.jump(Instr::CacheCheck { dst, key, off: 0 }, done);
            Some((key, done))
        } else {
            None
        };
        let callee_value = match callee {
            Callee::Value(f) => {
                let v = self.expr(f);
                let v = self.shield(v, f.ty, &args.iter().collect::<Vec<_>>());
                Some((v, self.borrow(v)))
            }
            Callee::Func(_) => None,
        };
        let (eargs, vals) = self.arguments(args, self.signature_of(callee));
        self.release_all(&vals);
        if let Some((v, _)) = callee_value {
            self.release(v);
        }
        if eargs.len() > 255 {
            self.fail("a call has too many arguments");
        }
        self.span = span;
        if let Some((key, _)) = cached {
            self.emit(Instr::SetCall { key });
        }
        let n = eargs.len() as u8;
        let site = |func: FuncId, l: &mut Self| {
            let result_kind = if void { kind::ANY } else { l.kind_of(ty) };
            l.site(Site::Call(CallSite {
                func,
                arg_types: args
                    .iter()
                    .map(|a| a.ty)
                    .chain(
                        l.signature_of(callee)
                            .into_iter()
                            .flat_map(|s| s.params.iter().skip(args.len()).map(|p| p.ty)),
                    )
                    .collect(),
                result: ty,
                result_kind,
                statement: void,
            }))
        };
        match (callee, callee_value) {
            (Callee::Func(f), _) => {
                let func = &self.prog.functions[f.0 as usize];
                match &func.kind {
                    FunctionKind::Script(_)
                        if func.sig.flavor == Flavor::Function
                            && !func.sig.variadic
                            && func.sig.params.len() == eargs.len() =>
                    {
                        self.emit(Instr::Call { dst, func: f.0 });
                    }
                    FunctionKind::Builtin if func.sig.variadic || func.sig.params.len() <= args.len() => {
                        let site = site(*f, self);
                        self.emit(Instr::CallBuiltin { n, dst, site });
                    }
                    // Missing arguments are filled in at the call.
                    FunctionKind::Script(_) | FunctionKind::Builtin => {
                        let v = self.vm.func_value(*f);
                        let v = self.const_opnd(v);
                        let ef = self.borrow(v);
                        self.release(v);
                        let site = site(*f, self);
                        self.emit(Instr::CallValue { n, dst, ef, site });
                    }
                }
            }
            (Callee::Value(_), Some((_, ef))) => {
                let site = site(FuncId(u32::MAX), self);
                self.emit(Instr::CallValue { n, dst, ef, site });
            }
            _ => {}
        }
        self.emit_args(&eargs);
        if let Some((_, done)) = cached {
            self.bind(done);
        }
        match hold {
            Some(d) => self.result(d, want),
            None => {
                // Nothing to give; whoever asks gets an unset value.
                match want {
                    Some(d) => self.result(d, want),
                    None => {
                        let d = self.tmp(true);
                        if !statement {
                            self.emit(Instr::Clear { dst: d });
                        }
                        self.temp(d)
                    }
                }
            }
        }
    }

    fn hook_call(
        &mut self,
        callee: &Callee,
        args: &[Expr],
        ty: TypeId,
        want: Option<u16>,
        span: tapir_script::hir::Span,
    ) -> Opnd {
        self.n_calls += 1;
        let fv = match callee {
            Callee::Value(f) => {
                let v = self.expr(f);
                Some(self.shield(v, f.ty, &args.iter().collect::<Vec<_>>()))
            }
            Callee::Func(_) => None,
        };
        let (eargs, vals) = self.arguments(args, self.signature_of(callee));
        let ef = fv.map(|v| self.borrow(v));
        self.release_all(&vals);
        if let Some(v) = fv {
            self.release(v);
        }
        let dst = self.dst(want, ty);
        let n = eargs.len() as u8;
        self.span = span;
        match (callee, ef) {
            (Callee::Func(f), _) => {
                self.emit(Instr::HookCall { n, dst, func: f.0 });
            }
            (_, Some(ef)) => {
                self.emit(Instr::HookValue { n, dst, ef, site: 0 });
            }
            _ => {}
        }
        self.emit_args(&eargs);
        self.result(dst, want)
    }

    /// Lowers for its effect.
    pub(super) fn effect(&mut self, e: &Expr) {
        let v = match &e.kind {
            ExprKind::Call(callee, args) => {
                self.span = e.span;
                self.call(callee, args, e.ty, None, e.span, true)
            }
            _ => self.expr(e),
        };
        self.release(v);
    }
}

/// The values of an index list, a composite given as one list taken apart.
pub(super) fn key_parts(idx: &[Expr]) -> Vec<&Expr> {
    if let [one] = idx
        && let ExprKind::List(parts) = &one.kind
    {
        return parts.iter().collect();
    }
    idx.iter().collect()
}

/// Whether evaluating may write a local.
pub(super) fn assigns(e: &Expr) -> bool {
    let any = |l: &[Expr]| l.iter().any(assigns);
    match &e.kind {
        ExprKind::Const(_) | ExprKind::Local(_) | ExprKind::Global(_) | ExprKind::Func(_) | ExprKind::Lambda(_) => {
            false
        }
        ExprKind::Unary(_, a)
        | ExprKind::Field(a, _)
        | ExprKind::HasField(a, _)
        | ExprKind::Coerce(a)
        | ExprKind::Cast(a)
        | ExprKind::CanCast(a, _)
        | ExprKind::Is(a, _) => assigns(a),
        ExprKind::Binary(_, a, b) | ExprKind::And(a, b) | ExprKind::Or(a, b) => assigns(a) || assigns(b),
        ExprKind::Cond(a, b, c) => assigns(a) || assigns(b) || assigns(c),
        ExprKind::Index(a, l) => assigns(a) || any(l),
        ExprKind::In(l, a) => assigns(a) || any(l),
        ExprKind::Slice(a, b, c) => {
            assigns(a) || b.as_deref().is_some_and(assigns) || c.as_deref().is_some_and(assigns)
        }
        ExprKind::Call(c, l) | ExprKind::HookCall(c, l) => any(l) || matches!(c, Callee::Value(v) if assigns(v)),
        ExprKind::Assign(..)
        | ExprKind::AddAssign(..)
        | ExprKind::SubAssign(..)
        | ExprKind::Incr(_)
        | ExprKind::Decr(_)
        | ExprKind::WhenLocal(..) => true,
        ExprKind::Record(l) => l.iter().any(|f| assigns(&f.1)),
        ExprKind::Table(l, _) => l.iter().any(|(k, v)| any(k) || assigns(v)),
        ExprKind::Set(l, _) => l.iter().any(|k| any(k)),
        ExprKind::Vector(l) | ExprKind::List(l) => any(l),
        ExprKind::Schedule(a, _, l) => assigns(a) || any(l),
    }
}

/// Whether two expressions name the same place and evaluating them twice is harmless.
pub(super) fn same_place(a: &Expr, b: &Expr) -> bool {
    match (&a.kind, &b.kind) {
        (ExprKind::Local(x), ExprKind::Local(y)) => x == y,
        (ExprKind::Global(x), ExprKind::Global(y)) => x == y,
        (ExprKind::Const(x), ExprKind::Const(y)) => !matches!(x, Const::Pattern { .. }) && x == y,
        (ExprKind::Field(x, s), ExprKind::Field(y, t)) => s == t && same_place(x, y),
        _ => false,
    }
}

/// The local that a place is.
pub(super) fn as_local(lv: &LValue) -> Option<LocalId> {
    match lv {
        LValue::Local(l) => Some(*l),
        _ => None,
    }
}
