//! Expressions.

use tapir_data::types::{Kind, TypeId};
use tapir_script::hir::{Const, Expr, ExprKind, LValue, LocalId};

use super::{Lower, Opnd};
use crate::code::{Instr, LambdaSite, RecordSite, Site, TableSite, enc, kind};

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
    pub(super) fn shield(&mut self, v: Opnd, ty: TypeId, later: &[&Expr]) -> Opnd {
        if let Opnd::Reg { temp: false, .. } = v
            && later.iter().any(|e| assigns(e))
        {
            let dst = self.tmp_for(ty);
            self.move_to(v, dst, kind::ANY);
            return self.temp(dst);
        }
        v
    }

    pub(super) fn dst(&mut self, want: Option<u16>, ty: TypeId) -> u16 {
        match want {
            Some(d) => d,
            None => self.tmp_for(ty),
        }
    }

    pub(super) fn result(&mut self, dst: u16, want: Option<u16>) -> Opnd {
        Opnd::Reg {
            r: dst,
            managed: self.managed[dst as usize],
            temp: want.is_none(),
        }
    }

    pub(super) fn give(&mut self, v: Opnd, want: Option<u16>, ty: TypeId) -> Opnd {
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
    match &e.kind {
        ExprKind::Assign(..)
        | ExprKind::AddAssign(..)
        | ExprKind::SubAssign(..)
        | ExprKind::Incr(_)
        | ExprKind::Decr(_)
        | ExprKind::WhenLocal(..) => true,
        _ => {
            let mut any = false;
            e.each_child(&mut |child| any = any || assigns(child));
            any
        }
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
