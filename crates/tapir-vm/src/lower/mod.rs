//! Lowering of one typed body to bytecode.
//!
//! The builder hands out registers by class (scalar or heap), keeps track of which locals are certainly set, and
//! patches jumps. Expressions are lowered in `expr`, conditions in `cond`, statements in `stmt`, targets of
//! assignments in `place`.

mod call;
mod cond;
mod expr;
mod operator;
mod place;
mod stmt;

use std::rc::Rc;
use std::sync::Arc;

use tapir_data::types::{Flavor, Kind, TypeId, Types, builtin};
use tapir_data::value::{FuncId, Value};
use tapir_script::hir::{Attrs, Body, Const, Expr, ExprKind, Function, Local, LocalId, Program, Span, Thunk};
use tapir_script::symbol::FastMap;

use crate::code::{Code, Instr, NilRange, Site, enc, kind};
use crate::host::Host;
use crate::vm::Vm;

/// What the body is, as far as `return` and the end of the body are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// A function that yields a value.
    Yields,
    /// A function or event without a value, top-level code.
    Nothing,
    Hook,
}

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opnd {
    Reg {
        r: u16,
        managed: bool,
        temp: bool,
    },
    Const(u16),
    /// A global as the container of an operation that checks it.
    Global(u16),
}

pub(crate) type Label = usize;

enum Ctl {
    Loop { exit: Label, next: Label },
    Switch { exit: Label, next: Label },
}

#[derive(PartialEq, Eq, Hash)]
enum ConstKey {
    Scalar(u8, u32, u128),
    Str(Rc<[u8]>),
}

struct LocalInfo {
    ty: TypeId,
    managed: bool,
    kind: u8,
    capture: Option<u16>,
}

pub(crate) struct Lower<'a> {
    vm: &'a mut Vm,
    host: &'a mut dyn Host,
    prog: &'a Program,
    flow: Flow,
    /// Lowering a `when` condition: aggregates are watched and calls may be answered later.
    in_condition: bool,
    instrs: Vec<Instr>,
    consts: Vec<Value>,
    const_index: FastMap<ConstKey, u16>,
    sites: Vec<Site>,
    spans: Vec<(u32, Span)>,
    span: Span,
    locals: Vec<LocalInfo>,
    assigned: Vec<bool>,
    /// Locals that some read may find unset; they are cleared at entry.
    maybe_unset: Vec<bool>,
    /// For each register whether it may hold heap values.
    managed: Vec<bool>,
    free: [Vec<u16>; 2],
    labels: Vec<Option<u32>>,
    fixups: Vec<(u32, Label)>,
    nil: Vec<(u32, u32, Label)>,
    ctl: Vec<Ctl>,
    closure_reg: u16,
    /// The value of the expression being lowered is not used.
    discard: bool,
    n_calls: u32,
    n_cache_keys: u16,
    error: Option<String>,
}

impl<'a> Lower<'a> {
    fn new(vm: &'a mut Vm, host: &'a mut dyn Host, prog: &'a Program, flow: Flow) -> Self {
        Lower {
            vm,
            host,
            prog,
            flow,
            in_condition: false,
            instrs: Vec::new(),
            consts: Vec::new(),
            const_index: FastMap::default(),
            sites: Vec::new(),
            spans: Vec::new(),
            span: Span::default(),
            locals: Vec::new(),
            assigned: Vec::new(),
            maybe_unset: Vec::new(),
            managed: Vec::new(),
            free: [Vec::new(), Vec::new()],
            labels: Vec::new(),
            fixups: Vec::new(),
            nil: Vec::new(),
            ctl: Vec::new(),
            closure_reg: enc::NONE,
            discard: false,
            n_calls: 0,
            n_cache_keys: 0,
            error: None,
        }
    }

    fn types(&self) -> &'a Types {
        &self.prog.types
    }

    fn kind_of(&self, ty: TypeId) -> u8 {
        kind::of_type(self.types(), ty)
    }

    fn managed_type(&self, ty: TypeId) -> bool {
        !kind::is_scalar(self.kind_of(ty))
    }

    fn fail(&mut self, why: impl Into<String>) {
        if self.error.is_none() {
            self.error = Some(why.into());
        }
    }

    // ---- registers ----

    fn new_reg(&mut self, managed: bool) -> u16 {
        let r = self.managed.len();
        if r >= enc::INDEX as usize {
            self.fail("the function needs too many registers");
            return 0;
        }
        self.managed.push(managed);
        r as u16
    }

    fn tmp(&mut self, managed: bool) -> u16 {
        match self.free[managed as usize].pop() {
            Some(r) => r,
            None => self.new_reg(managed),
        }
    }

    fn tmp_for(&mut self, ty: TypeId) -> u16 {
        let m = self.managed_type(ty);
        self.tmp(m)
    }

    fn release(&mut self, o: Opnd) {
        if let Opnd::Reg { r, managed, temp: true } = o {
            debug_assert!(self.error.is_some() || !self.free[managed as usize].contains(&r));
            self.free[managed as usize].push(r);
        }
    }

    fn release_all(&mut self, list: &[Opnd]) {
        for &o in list {
            self.release(o);
        }
    }

    fn temp(&self, r: u16) -> Opnd {
        Opnd::Reg {
            r,
            managed: self.managed[r as usize],
            temp: true,
        }
    }

    fn is_managed(&self, o: Opnd) -> bool {
        match o {
            Opnd::Reg { managed, .. } => managed,
            _ => true,
        }
    }

    /// Encodes for reading in place.
    fn borrow(&mut self, o: Opnd) -> u16 {
        match o {
            Opnd::Reg { r, managed, .. } => r | if managed { enc::CLONE } else { enc::SCALAR },
            Opnd::Const(k) => enc::POOL | k,
            Opnd::Global(g) => enc::POOL | enc::GLOBAL_BIT | g,
        }
    }

    /// Encodes for taking over: temporaries are moved.
    fn consume(&mut self, o: Opnd) -> u16 {
        match o {
            Opnd::Reg {
                r,
                managed: true,
                temp: true,
            } => r | enc::TAKE,
            o => self.borrow(o),
        }
    }

    // ---- constants ----

    fn constant(&mut self, v: Value) -> u16 {
        let key = match &v {
            Value::Bool(b) => Some(ConstKey::Scalar(kind::BOOL, 0, *b as u128)),
            Value::Int(n) => Some(ConstKey::Scalar(kind::INT, 0, *n as u64 as u128)),
            Value::Count(n) => Some(ConstKey::Scalar(kind::COUNT, 0, *n as u128)),
            Value::Double(d) => Some(ConstKey::Scalar(kind::DOUBLE, 0, d.to_bits() as u128)),
            Value::Time(d) => Some(ConstKey::Scalar(kind::TIME, 0, d.to_bits() as u128)),
            Value::Interval(d) => Some(ConstKey::Scalar(kind::INTERVAL, 0, d.to_bits() as u128)),
            Value::Enum(t, n) => Some(ConstKey::Scalar(kind::ENUM, t.0, *n as u64 as u128)),
            Value::Addr(a) => Some(ConstKey::Scalar(kind::ADDR, 0, u128::from_ne_bytes(a.0))),
            Value::Str(s) => Some(ConstKey::Str(s.clone())),
            _ => None,
        };
        if let Some(k) = &key
            && let Some(&i) = self.const_index.get(k)
        {
            return i;
        }
        let i = self.consts.len();
        if i > u16::MAX as usize {
            self.fail("the function has too many constants");
            return 0;
        }
        self.consts.push(v);
        if let Some(k) = key {
            self.const_index.insert(k, i as u16);
        }
        i as u16
    }

    /// Two constants that lie side by side; gives the index of the first.
    fn constant_pair(&mut self, a: Value, b: Value) -> u16 {
        let i = self.consts.len();
        if i + 1 > u16::MAX as usize {
            self.fail("the function has too many constants");
            return 0;
        }
        self.consts.push(a);
        self.consts.push(b);
        i as u16
    }

    fn const_opnd(&mut self, v: Value) -> Opnd {
        let scalar = kind::is_scalar(kind::of(&v));
        let k = self.constant(v);
        if k < enc::POOL_INDEX {
            return Opnd::Const(k);
        }
        let dst = self.tmp(!scalar);
        self.emit(if scalar {
            Instr::LoadK { dst, k }
        } else {
            Instr::LoadKM { dst, k }
        });
        self.temp(dst)
    }

    fn const_value(&mut self, c: &Const) -> Value {
        match self.vm.constant_value(self.host, c) {
            Ok(v) => v,
            Err(why) => {
                self.fail(why);
                Value::Unset
            }
        }
    }

    /// The constant value of an expression that needs no code.
    fn as_const(&mut self, e: &Expr) -> Option<Value> {
        match &e.kind {
            ExprKind::Const(c) => Some(self.const_value(c)),
            ExprKind::Global(g) => self.vm.frozen_global(*g),
            ExprKind::Func(f) => Some(self.vm.func_value(*f)),
            _ => None,
        }
    }

    // ---- code ----

    fn emit(&mut self, i: Instr) -> usize {
        let pc = self.instrs.len();
        if self.spans.last().is_none_or(|s| s.1 != self.span) {
            self.spans.push((pc as u32, self.span));
        }
        self.instrs.push(i);
        pc
    }

    fn emit_args(&mut self, args: &[u16]) {
        for chunk in args.chunks(3) {
            let at = |i: usize| chunk.get(i).copied().unwrap_or(enc::NONE);
            self.emit(Instr::Args {
                a: at(0),
                b: at(1),
                c: at(2),
            });
        }
    }

    fn site(&mut self, s: Site) -> u16 {
        let i = self.sites.len();
        if i >= u16::MAX as usize {
            self.fail("the function is too large");
            return 0;
        }
        self.sites.push(s);
        i as u16
    }

    fn label(&mut self) -> Label {
        self.labels.push(None);
        self.labels.len() - 1
    }

    fn bind(&mut self, l: Label) {
        self.labels[l] = Some(self.instrs.len() as u32);
    }

    fn jump(&mut self, i: Instr, to: Label) {
        let pc = self.emit(i);
        self.fixups.push((pc as u32, to));
    }

    // ---- locals ----

    fn local_reg(&self, l: LocalId) -> u16 {
        l.0 as u16
    }

    /// Makes sure that a local holds a value before it is read.
    fn need_set(&mut self, l: LocalId) {
        let i = l.0 as usize;
        if !self.assigned[i] {
            self.maybe_unset[i] = true;
            self.emit(Instr::CheckSet { src: l.0 as u16 });
            self.assigned[i] = true;
        }
    }

    /// To be called after code that wrote a local.
    fn wrote_local(&mut self, l: LocalId, certain: bool) {
        let i = l.0 as usize;
        if certain {
            self.assigned[i] = true;
        }
        if let Some(idx) = self.locals[i].capture {
            let r = self.local_reg(l);
            let esrc = r | if self.locals[i].managed {
                enc::CLONE
            } else {
                enc::SCALAR
            };
            self.emit(Instr::StoreCapture {
                clos: self.closure_reg,
                idx,
                esrc,
            });
        }
    }

    fn declare_locals(&mut self, locals: &[Local]) {
        for l in locals {
            let k = self.kind_of(l.ty);
            let managed = !kind::is_scalar(k);
            self.new_reg(managed);
            self.locals.push(LocalInfo {
                ty: l.ty,
                managed,
                kind: k,
                capture: None,
            });
            self.assigned.push(false);
            self.maybe_unset.push(false);
        }
    }

    /// Aggregates without initialiser, made once at entry.
    fn create_aggregates(&mut self, locals: &[Local]) {
        for (i, l) in locals.iter().enumerate() {
            if l.create_at_entry && !self.assigned[i] && self.emit_empty(l.ty, i as u16) {
                self.assigned[i] = true;
            }
        }
    }

    /// Code that makes an empty aggregate; false where the type has none.
    fn emit_empty(&mut self, ty: TypeId, dst: u16) -> bool {
        match self.types().kind(ty) {
            Kind::Table { index, yields } => {
                let site = self.site(Site::Table(crate::code::TableSite {
                    ty,
                    width: index.len() as u16,
                    is_set: yields.is_none(),
                    attrs: None,
                    append: false,
                }));
                self.emit(Instr::NewTable { dst, site, n: 0 });
            }
            Kind::Vector(_) => {
                let site = self.site(Site::Type(ty));
                self.emit(Instr::NewVector { dst, site, n: 0 });
            }
            Kind::Record(_) => {
                let site = self.site(Site::Record(crate::code::RecordSite::new(ty, Vec::new())));
                self.emit(Instr::NewRecord { dst, site, n: 0 });
            }
            _ => return false,
        }
        true
    }

    fn attrs_site(&mut self, attrs: &Attrs, ty: TypeId) -> Option<Rc<tapir_data::table::TableAttrs>> {
        match self.vm.table_attrs(self.host, attrs, ty) {
            Ok(a) => a,
            Err(e) => {
                self.fail(e.to_string());
                None
            }
        }
    }

    // ---- the end ----

    fn finish(
        mut self,
        name: Arc<str>,
        func: Option<FuncId>,
        n_params: u16,
        span: Span,
        result_kind: u8,
        body: Option<Arc<Body>>,
    ) -> Result<Code, String> {
        for (pc, l) in std::mem::take(&mut self.fixups) {
            let Some(target) = self.labels[l] else {
                return Err("a jump has no target".into());
            };
            let off = target as i64 - (pc as i64 + 1);
            if !set_offset(&mut self.instrs[pc as usize], off) {
                return Err("the function is too large".into());
            }
        }
        if let Some(e) = self.error {
            return Err(e);
        }
        for s in &mut self.sites {
            if let Site::Switch(s) = s {
                for t in s
                    .labels
                    .iter_mut()
                    .map(|l| &mut l.1)
                    .chain(s.types.iter_mut().map(|t| &mut t.2))
                    .chain([&mut s.default])
                {
                    *t = self.labels[*t as usize].unwrap_or(0);
                }
            }
        }
        let nil = self
            .nil
            .iter()
            .map(|&(start, end, l)| NilRange {
                start,
                end,
                target: self.labels[l].unwrap_or(end),
            })
            .collect();
        let mut managed: Vec<(u16, u16)> = Vec::new();
        for (r, _) in self.managed.iter().enumerate().filter(|m| *m.1) {
            let r = r as u16;
            match managed.last_mut() {
                Some(last) if last.1 == r => last.1 = r + 1,
                _ => managed.push((r, r + 1)),
            }
        }
        let clear = (n_params as usize..self.locals.len())
            .filter(|&r| self.maybe_unset[r])
            .map(|r| r as u16)
            .collect();
        Ok(Code {
            name,
            func,
            instrs: self.instrs,
            consts: self.consts,
            sites: self.sites,
            n_regs: self.managed.len() as u16,
            n_params,
            closure_reg: self.closure_reg,
            param_map: None,
            managed,
            clear,
            spans: self.spans,
            nil,
            result_kind,
            yields: self.flow == Flow::Yields,
            span,
            body,
        })
    }
}

/// Writes a jump's offset; false where it does not fit.
fn set_offset(i: &mut Instr, to: i64) -> bool {
    use Instr::*;
    match i {
        Jmp { off } | Loop { off } => match i32::try_from(to) {
            Ok(v) => {
                *off = v;
                true
            }
            Err(_) => false,
        },
        JBool { off, .. }
        | JLtInt { off, .. }
        | JLeInt { off, .. }
        | JEqInt { off, .. }
        | JLtIntK { off, .. }
        | JLeIntK { off, .. }
        | JEqIntK { off, .. }
        | JLtCount { off, .. }
        | JLeCount { off, .. }
        | JEqCount { off, .. }
        | JLtCountK { off, .. }
        | JLeCountK { off, .. }
        | JEqCountK { off, .. }
        | JAndEqCountK { off, .. }
        | JLtF { off, .. }
        | JLeF { off, .. }
        | JEqF { off, .. }
        | JLtFK { off, .. }
        | JLeFK { off, .. }
        | JGtFK { off, .. }
        | JGeFK { off, .. }
        | JEqFK { off, .. }
        | JEqEnum { off, .. }
        | JEqEnumK { off, .. }
        | JEqVal { off, .. }
        | JHas { off, .. }
        | JIn1 { off, .. }
        | IncLoopCount { off, .. }
        | IncLoopCountK { off, .. }
        | IncLoopInt { off, .. }
        | IncLoopIntK { off, .. }
        | IncLoopLeCount { off, .. }
        | IncLoopLeCountK { off, .. }
        | IncLoopLeInt { off, .. }
        | IncLoopLeIntK { off, .. }
        | JVBool { off, .. }
        | IterNext { off, .. }
        | VecNext { off, .. }
        | IterNextN { off, .. }
        | CacheCheck { off, .. }
        | AssertCheck { off, .. }
        | JTerminating { off } => match i16::try_from(to) {
            Ok(v) => {
                *off = v;
                true
            }
            Err(_) => false,
        },
        _ => false,
    }
}

/// Compiles one body of a function, event or hook.
pub(crate) fn body(
    vm: &mut Vm,
    host: &mut dyn Host,
    prog: &Program,
    func: FuncId,
    f: &Function,
    body: &Arc<Body>,
) -> Result<Code, String> {
    let flow = match f.sig.flavor {
        Flavor::Hook => Flow::Hook,
        Flavor::Event => Flow::Nothing,
        Flavor::Function if f.sig.yields == builtin::VOID => Flow::Nothing,
        Flavor::Function => Flow::Yields,
    };
    let parts = prog.parts(body)?;
    let n_params = if body.params.is_empty() {
        f.sig.params.len().min(parts.locals.len())
    } else {
        body.params.len()
    };
    let result_kind = if flow == Flow::Yields {
        kind::of_type(&prog.types, f.sig.yields)
    } else {
        kind::ANY
    };
    let mut l = Lower::new(vm, host, prog, flow);
    l.span = body.span;
    l.declare_locals(&parts.locals);
    l.assigned[..n_params].fill(true);
    if !body.captures.is_empty() {
        let clos = l.new_reg(true);
        l.closure_reg = clos;
        for (idx, &local) in body.captures.iter().enumerate() {
            let i = local.0 as usize;
            l.locals[i].capture = Some(idx as u16);
            l.emit(Instr::LoadCapture {
                dst: local.0 as u16,
                clos,
                idx: idx as u16,
            });
        }
    }
    let own: Vec<bool> = l.assigned.clone();
    for &c in &body.captures {
        // A captured aggregate is not made anew; whether it holds a value is asked when it is read.
        l.assigned[c.0 as usize] = true;
    }
    l.create_aggregates(&parts.locals);
    for &c in &body.captures {
        l.assigned[c.0 as usize] = own[c.0 as usize];
    }
    l.block(&parts.stmts);
    l.span = body.span;
    l.emit(if flow == Flow::Yields {
        Instr::RetMissing
    } else {
        Instr::RetNone
    });
    let mut code = l.finish(
        f.name.clone(),
        Some(func),
        n_params as u16,
        body.span,
        result_kind,
        Some(body.clone()),
    )?;
    if body.params.iter().enumerate().any(|(i, &p)| p as usize != i)
        || (f.sig.flavor != Flavor::Function && body.params.len() != f.sig.params.len())
    {
        code.param_map = Some(body.params.clone());
    }
    Ok(code)
}

/// Compiles statements that stand outside functions.
pub(crate) fn top_level(vm: &mut Vm, host: &mut dyn Host, prog: &Program, body: &Body) -> Result<Code, String> {
    let parts = prog.parts(body)?;
    let mut l = Lower::new(vm, host, prog, Flow::Nothing);
    l.declare_locals(&parts.locals);
    l.create_aggregates(&parts.locals);
    l.block(&parts.stmts);
    l.emit(Instr::RetNone);
    l.finish("".into(), None, 0, body.span, kind::ANY, None)
}

/// Compiles an expression with a frame of its own.
pub(crate) fn thunk(vm: &mut Vm, host: &mut dyn Host, prog: &Program, t: &Thunk) -> Result<Code, String> {
    let mut l = Lower::new(vm, host, prog, Flow::Yields);
    l.span = t.expr.span;
    for _ in 0..t.n_slots {
        l.new_reg(true);
        l.locals.push(LocalInfo {
            ty: builtin::ANY,
            managed: true,
            kind: kind::ANY,
            capture: None,
        });
        l.assigned.push(false);
        l.maybe_unset.push(false);
    }
    let start = l.instrs.len() as u32;
    let v = l.expr(&t.expr);
    let esrc = l.consume(v);
    l.emit(Instr::Ret { esrc });
    let end = l.instrs.len() as u32;
    let nil = l.label();
    l.bind(nil);
    l.nil.push((start, end, nil));
    l.emit(Instr::RetNone);
    let k = l.kind_of(t.expr.ty);
    l.finish("<init>".into(), None, 0, t.expr.span, k, None)
}

/// Compiles a part of a `when` statement over the shared frame of `n_slots` values.
pub(crate) fn when_part(
    vm: &mut Vm,
    host: &mut dyn Host,
    prog: &Program,
    body: &Arc<Body>,
    cond: Option<&Expr>,
    locals: &[Local],
    n_captures: usize,
    flow: Flow,
) -> Result<Code, String> {
    let parts = prog.parts(body)?;
    let mut l = Lower::new(vm, host, prog, flow);
    l.declare_locals(locals);
    let n = locals.len();
    l.assigned[..n_captures.min(n)].fill(true);
    if let Some(e) = cond {
        l.in_condition = true;
        l.span = e.span;
        l.block(&parts.stmts);
        let v = l.expr(e);
        let esrc = l.consume(v);
        l.emit(Instr::Ret { esrc });
        let end = l.instrs.len() as u32;
        let nil = l.label();
        l.bind(nil);
        l.nil.push((0, end, nil));
        l.emit(Instr::RetNone);
        return l.finish("<when>".into(), None, n as u16, e.span, kind::BOOL, None);
    }
    // Aggregates of the body itself come to life at entry, what the condition stored is there already.
    for (i, local) in locals.iter().enumerate().skip(n_captures) {
        if local.create_at_entry {
            l.emit_empty_unless_set(local.ty, i as u16);
        }
    }
    l.block(&parts.stmts);
    l.emit(if flow == Flow::Yields {
        Instr::RetMissing
    } else {
        Instr::RetNone
    });
    l.finish(
        "<when>".into(),
        None,
        n as u16,
        body.span,
        kind::ANY,
        Some(body.clone()),
    )
}

impl Lower<'_> {
    fn emit_empty_unless_set(&mut self, ty: TypeId, reg: u16) {
        // The frame arrives with what the condition stored; a slot that it did not use is unset.
        let dst = self.tmp(true);
        if self.emit_empty(ty, dst) {
            self.emit(Instr::TakeM { dst: reg, src: dst });
            self.assigned[reg as usize] = true;
        }
        let t = self.temp(dst);
        self.release(t);
    }
}
