//! Statements.

use tapir_data::key::hash_value;
use tapir_data::types::Kind;
use tapir_script::hir::{
    Body, EventTarget, Expr, ExprKind, For, LValue, Local, Program, Stmt, StmtKind, Switch, TypeSwitch, When,
};
use tapir_script::symbol::FastMap;

use super::{Ctl, Flow, Lower, Opnd};
use crate::code::{Instr, Site, SwitchSite, WhenSite, enc, kind};

impl Lower<'_> {
    pub(super) fn block(&mut self, stmts: &[Stmt]) {
        for s in stmts {
            self.stmt(s);
        }
    }

    fn stmt(&mut self, s: &Stmt) {
        let outer = self.span;
        self.span = s.span;
        let start = self.instrs.len() as u32;
        let calls = self.n_calls;
        self.stmt_kind(s);
        if self.n_calls != calls && !matches!(s.kind, StmtKind::Return(_) | StmtKind::Block(_)) {
            let end = self.instrs.len() as u32;
            let after = self.label();
            self.bind(after);
            self.nil.push((start, end, after));
        }
        self.span = outer;
    }

    fn stmt_kind(&mut self, s: &Stmt) {
        match &s.kind {
            StmtKind::Null => {}
            StmtKind::Block(list) => self.block(list),
            StmtKind::Expr(e) => {
                self.discard = true;
                match &e.kind {
                    ExprKind::Incr(_) | ExprKind::Decr(_) | ExprKind::Assign(..) | ExprKind::Call(..) => {
                        self.effect_discarding(e)
                    }
                    _ => {
                        self.discard = false;
                        self.effect(e)
                    }
                }
                self.discard = false;
            }
            StmtKind::Print(list) => {
                let exprs: Vec<&Expr> = list.iter().collect();
                let vals = self.operands(&exprs);
                let args: Vec<u16> = vals.iter().map(|&v| self.borrow(v)).collect();
                self.release_all(&vals);
                let site = self.site(Site::Types(list.iter().map(|e| e.ty).collect()));
                self.span = s.span;
                self.emit(Instr::Print {
                    n: args.len() as u16,
                    site,
                });
                self.emit_args(&args);
            }
            StmtKind::InitLocal(l, e, attrs) => {
                let ty = self.locals[l.0 as usize].ty;
                self.assign(&LValue::Local(*l), e);
                if let Some(a) = self.attrs_site(attrs, ty) {
                    let site = self.site(Site::Attrs(a));
                    self.emit(Instr::SetAttrs {
                        ea: l.0 as u16 | enc::CLONE,
                        site,
                    });
                }
            }
            StmtKind::Event(target, args) => {
                let sig = match target {
                    EventTarget::Func(f) => Some(&self.prog.functions[f.0 as usize].sig),
                    EventTarget::Global(g) => match self.types().kind(self.prog.globals[g.0 as usize].ty) {
                        Kind::Func(sig) => Some(sig),
                        _ => None,
                    },
                };
                let (eargs, vals) = self.arguments(args, sig);
                self.release_all(&vals);
                self.span = s.span;
                let n = eargs.len() as u8;
                match target {
                    EventTarget::Func(f) => self.emit(Instr::Raise { n, func: f.0 }),
                    EventTarget::Global(g) => self.emit(Instr::RaiseGlobal { n, g: g.0 }),
                };
                self.emit_args(&eargs);
            }
            StmtKind::If(c, yes, no) => {
                let (other, end) = (self.label(), self.label());
                self.cond(c, other, false);
                let before = self.assigned.clone();
                self.stmt(yes);
                let after_yes = std::mem::replace(&mut self.assigned, before);
                match no {
                    Some(no) => {
                        self.jump(Instr::Jmp { off: 0 }, end);
                        self.bind(other);
                        self.stmt(no);
                        // Where the first branch never arrives here, the second decides; keep it simple and
                        // take what both set.
                        for (a, b) in self.assigned.iter_mut().zip(after_yes) {
                            *a &= b;
                        }
                    }
                    None => self.bind(other),
                }
                self.bind(end);
            }
            StmtKind::While(c, body) => self.while_loop(c, body),
            StmtKind::For(f) => self.for_loop(f),
            StmtKind::Switch(sw) => self.switch(sw),
            StmtKind::TypeSwitch(sw) => self.type_switch(sw),
            StmtKind::Next => match self.ctl.last() {
                Some(Ctl::Loop { next, .. } | Ctl::Switch { next, .. }) => {
                    let next = *next;
                    self.jump(Instr::Jmp { off: 0 }, next);
                }
                None => self.fail("next outside of a loop"),
            },
            StmtKind::Break => match self.ctl.last() {
                Some(Ctl::Loop { exit, .. } | Ctl::Switch { exit, .. }) => {
                    let exit = *exit;
                    self.jump(Instr::Jmp { off: 0 }, exit);
                }
                None if self.flow == Flow::Hook => {
                    let v = self.const_opnd(tapir_data::value::Value::Bool(false));
                    let esrc = self.borrow(v);
                    self.release(v);
                    self.emit(Instr::Ret { esrc });
                }
                None => {
                    self.emit(Instr::RetNone);
                }
            },
            StmtKind::Fallthrough => {
                let to = self.ctl.iter().rev().find_map(|c| match c {
                    Ctl::Switch { next, .. } => Some(*next),
                    Ctl::Loop { .. } => None,
                });
                match to {
                    Some(next) => self.jump(Instr::Jmp { off: 0 }, next),
                    None => self.fail("fallthrough outside of a switch"),
                }
            }
            StmtKind::Return(e) => self.ret(e.as_ref(), s),
            StmtKind::Add(lv) => self.add(lv),
            StmtKind::Delete(lv) => self.delete(lv),
            StmtKind::When(w) => self.when(w, s),
            StmtKind::Assert(assert) => {
                let end = self.label();
                let v = self.expr(&assert.cond);
                let v = self.in_reg(v, assert.cond.ty);
                let a = self.reg(v);
                self.jump(Instr::AssertCheck { a, off: 0 }, end);
                let m = assert.message.as_ref().map(|m| self.expr(m));
                let emsg = match m {
                    Some(m) => self.borrow(m),
                    None => enc::NONE,
                };
                let site = self.site(Site::Text(assert.text.clone()));
                self.span = s.span;
                self.emit(Instr::Assert { a, emsg, site });
                if let Some(m) = m {
                    self.release(m);
                }
                self.release(v);
                self.bind(end);
            }
        }
    }

    fn effect_discarding(&mut self, e: &Expr) {
        let keep = std::mem::replace(&mut self.span, e.span);
        let v = match &e.kind {
            ExprKind::Incr(lv) => self.step(lv, false),
            ExprKind::Decr(lv) => self.step(lv, true),
            ExprKind::Assign(lv, v) => {
                self.discard = false;
                if self.field_bump(lv, v) {
                    self.span = keep;
                    return;
                }
                self.assign(lv, v)
            }
            _ => {
                self.discard = false;
                self.effect(e);
                self.span = keep;
                return;
            }
        };
        self.release(v);
        self.span = keep;
    }

    fn ret(&mut self, e: Option<&Expr>, s: &Stmt) {
        let Some(e) = e else {
            self.emit(Instr::RetNone);
            return;
        };
        if self.flow != Flow::Yields {
            // The value of a hook or event body is not used.
            self.effect(e);
            self.emit(Instr::RetNone);
            return;
        }
        let start = self.instrs.len() as u32;
        let calls = self.n_calls;
        let v = self.expr(e);
        self.span = s.span;
        match v {
            Opnd::Reg { r, managed: false, .. } => self.emit(Instr::RetS { src: r }),
            v => {
                let esrc = self.consume(v);
                self.emit(Instr::Ret { esrc })
            }
        };
        self.release(v);
        if calls != self.n_calls {
            let end = self.instrs.len() as u32;
            let nil = self.label();
            self.bind(nil);
            self.nil.push((start, end, nil));
            self.emit(Instr::RetNone);
        }
    }

    fn while_loop(&mut self, c: &Expr, body: &Stmt) {
        // Longer conditions are not worth a second copy behind the body.
        const SHORT: usize = 4;
        let (top, start, next, exit) = (self.label(), self.label(), self.label(), self.label());
        self.bind(top);
        let top_pc = self.instrs.len();
        let set_at_top = self.assigned.clone();
        let calls = self.n_calls;
        self.cond(c, exit, false);
        let body_pc = self.instrs.len();
        let again = (1..=SHORT).contains(&(body_pc - top_pc)) && self.n_calls == calls && !self.in_condition;
        self.bind(start);
        let before = self.assigned.clone();
        self.ctl.push(Ctl::Loop { exit, next });
        self.stmt(body);
        self.ctl.pop();
        // `++i` as the last step of a loop whose whole test is `i < n`: both and the jump back are one instruction.
        let jumped_to_end = self.labels_bound_here() || self.fixups.iter().any(|f| f.1 == next) || {
            let end = self.instrs.len() as u32;
            self.nil.iter().any(|n| self.labels[n.2] == Some(end))
        };
        self.bind(next);
        if body_pc == top_pc + 1
            && !jumped_to_end
            && self.instrs.len() > body_pc
            && let (Some(test), Some(last)) = (self.instrs.get(top_pc), self.instrs.last())
            && let Some(fused) = fuse_loop(*test, *last, &self.consts)
        {
            let pc = self.instrs.len() - 1;
            self.instrs[pc] = fused;
            self.fixups.push((pc as u32, start));
        } else if again {
            // The test once more, the other way round: one jump per round instead of two.
            self.assigned = set_at_top;
            self.cond(c, start, true);
        } else {
            self.jump(Instr::Loop { off: 0 }, top);
        }
        self.assigned = before;
        self.bind(exit);
    }

    /// Whether a label is bound to the next instruction, so that the last one must stay as it is.
    fn labels_bound_here(&self) -> bool {
        let here = self.instrs.len() as u32;
        self.labels.contains(&Some(here))
    }

    fn for_loop(&mut self, f: &For) {
        let span = self.span;
        let over = self.expr(&f.over);
        let ea = self.borrow(over);
        self.emit(Instr::Iter { ea });
        self.release(over);
        let (top, next, exit) = (self.label(), self.label(), self.label());
        let (key_types, value_type) = match self.types().kind(f.over.ty) {
            Kind::Table { index, yields } => (index.clone(), *yields),
            Kind::Vector(t) => (vec![tapir_data::types::builtin::COUNT], Some(*t)),
            _ => (vec![tapir_data::types::builtin::STRING], None),
        };
        let val = f.value.map_or(enc::NONE, |l| l.0 as u16);
        let mut step = None;
        if let [key] = f.keys[..] {
            // Bodies of one key are entered from below: the step jumps back to them.
            let kind = match key {
                Some(_) if key_types.len() == 1 => self.kind_of(key_types[0]),
                _ => kind::ANY,
            };
            let over_vector = self.is_vector(f.over.ty) && key.is_none_or(|l| !self.locals[l.0 as usize].managed);
            let key = key.map_or(enc::NONE, |l| l.0 as u16);
            step = Some(if over_vector {
                let kind = value_type.map_or(kind::ANY, |t| self.kind_of(t));
                Instr::VecNext { kind, key, val, off: 0 }
            } else {
                Instr::IterNext { kind, key, val, off: 0 }
            });
            self.jump(Instr::Jmp { off: 0 }, next);
            self.bind(top);
        } else {
            self.bind(top);
            let keys: Vec<u16> = f.keys.iter().map(|k| k.map_or(enc::NONE, |l| l.0 as u16)).collect();
            self.jump(
                Instr::IterNextN {
                    n: keys.len() as u16,
                    val,
                    off: 0,
                },
                exit,
            );
            self.emit_args(&keys);
            for (k, t) in f.keys.iter().zip(&key_types) {
                if let Some(l) = k
                    && !self.managed_type(*t)
                {
                    let kind = self.kind_of(*t);
                    self.emit(Instr::CheckKind { kind, src: l.0 as u16 });
                }
            }
        }
        if let (Some(l), Some(t)) = (f.value, value_type)
            && !self.managed_type(t)
            && !matches!(step, Some(Instr::VecNext { .. }))
        {
            let kind = self.kind_of(t);
            self.emit(Instr::CheckKind { kind, src: l.0 as u16 });
        }
        let before = self.assigned.clone();
        for l in f.keys.iter().flatten().chain(&f.value) {
            self.wrote_local(*l, true);
        }
        self.ctl.push(Ctl::Loop { exit, next });
        self.stmt(&f.body);
        self.ctl.pop();
        self.assigned = before;
        self.bind(next);
        self.span = span;
        self.jump(step.unwrap_or(Instr::Loop { off: 0 }), top);
        self.bind(exit);
        self.emit(Instr::IterPop);
    }

    fn switch(&mut self, sw: &Switch) {
        let v = self.expr(&sw.on);
        let ea = self.borrow(v);
        let blocks: Vec<_> = sw.blocks.iter().map(|_| self.label()).collect();
        let exit = self.label();
        let mut labels = Vec::new();
        for (c, b) in &sw.labels {
            let value = self.const_value(c);
            labels.push((value, blocks[*b as usize] as u32));
        }
        let mut index: FastMap<u64, Vec<u32>> = FastMap::default();
        if labels.len() > 8 {
            for (i, (v, _)) in labels.iter().enumerate() {
                let mut h = std::collections::hash_map::DefaultHasher::new();
                hash_value(v, &mut h);
                index.entry(std::hash::Hasher::finish(&h)).or_default().push(i as u32);
            }
        }
        let default = sw.default.map_or(exit, |d| blocks[d as usize]) as u32;
        let site = self.site(Site::Switch(SwitchSite {
            labels,
            index,
            types: Vec::new(),
            default,
        }));
        self.span = sw.on.span;
        self.emit(Instr::Switch { ea, site });
        self.release(v);
        self.blocks(&sw.blocks, &blocks, exit);
    }

    fn blocks(&mut self, blocks: &[Stmt], labels: &[usize], exit: usize) {
        let before = self.assigned.clone();
        for (i, b) in blocks.iter().enumerate() {
            self.bind(labels[i]);
            let next = labels.get(i + 1).copied().unwrap_or(exit);
            self.assigned = before.clone();
            self.ctl.push(Ctl::Switch { exit, next });
            self.stmt(b);
            self.ctl.pop();
        }
        self.assigned = before;
        self.bind(exit);
    }

    fn type_switch(&mut self, sw: &TypeSwitch) {
        let v = self.expr(&sw.on);
        let hold = self.tmp(true);
        self.move_to(v, hold, kind::ANY);
        let blocks: Vec<_> = sw.blocks.iter().map(|_| self.label()).collect();
        let exit = self.label();
        let types = sw
            .labels
            .iter()
            .map(|(t, l, b)| (*t, l.map_or(enc::NONE, |l| l.0 as u16), blocks[*b as usize] as u32))
            .collect();
        let default = sw.default.map_or(exit, |d| blocks[d as usize]) as u32;
        let site = self.site(Site::Switch(SwitchSite {
            labels: Vec::new(),
            index: FastMap::default(),
            types,
            default,
        }));
        self.span = sw.on.span;
        self.emit(Instr::Switch {
            ea: hold | enc::CLONE,
            site,
        });
        let t = self.temp(hold);
        self.release(t);
        let before = self.assigned.clone();
        for (i, b) in sw.blocks.iter().enumerate() {
            self.bind(blocks[i]);
            let next = blocks.get(i + 1).copied().unwrap_or(exit);
            self.assigned = before.clone();
            for (_, l, target) in &sw.labels {
                if *target as usize == i
                    && let Some(l) = l
                {
                    self.assigned[l.0 as usize] = true;
                }
            }
            self.ctl.push(Ctl::Switch { exit, next });
            self.stmt(b);
            self.ctl.pop();
        }
        self.assigned = before;
        self.bind(exit);
    }

    fn when(&mut self, w: &When, s: &Stmt) {
        let exprs: Vec<&Expr> = w.captures.iter().map(|c| &c.0).collect();
        for e in &exprs {
            if let ExprKind::Local(l) = e.kind
                && !self.assigned[l.0 as usize]
            {
                // Captured without a value: it is asked for when it is used.
                self.maybe_unset[l.0 as usize] = true;
                self.assigned[l.0 as usize] = true;
            }
        }
        let vals = self.operands(&exprs);
        let args: Vec<u16> = vals.iter().map(|&v| self.borrow(v)).collect();
        let timeout = w.timeout.as_ref().map(|t| self.expr(t));
        let etimeout = match timeout {
            Some(t) => self.borrow(t),
            None => enc::NONE,
        };
        self.release_all(&vals);
        if let Some(t) = timeout {
            self.release(t);
        }
        let parts = [Some(&w.cond), Some(&w.body), w.timeout_body.as_ref()];
        let prog = self.prog;
        fn known<'p>(prog: &'p Program, b: &'p Body) -> &'p [Local] {
            prog.parts(b).map_or(&[][..], |parts| &parts.locals)
        }
        let longest = parts
            .into_iter()
            .flatten()
            .map(|b| known(prog, b))
            .max_by_key(|l| l.len());
        let longest = longest.unwrap_or_default();
        let n = w.captures.len();
        let flow = if w.is_return { Flow::Yields } else { Flow::Nothing };
        // Slots that a shorter part does not know have the type that the longest knows.
        let locals_of = |b| {
            let locals = known(prog, b);
            let mut all: Vec<Local> = Vec::new();
            for (i, l) in longest.iter().enumerate() {
                let own = locals.get(i).unwrap_or(l);
                all.push(Local {
                    name: own.name.clone(),
                    ty: own.ty,
                    create_at_entry: own.create_at_entry && i < locals.len(),
                });
            }
            all
        };
        let compiled = (|| {
            let cond = super::when_part(
                self.vm,
                self.host,
                self.prog,
                &w.cond,
                Some(&w.cond_expr),
                &locals_of(&w.cond),
                n,
                Flow::Yields,
            )?;
            let body = super::when_part(
                self.vm,
                self.host,
                self.prog,
                &w.body,
                None,
                &locals_of(&w.body),
                n,
                flow,
            )?;
            let timeout = match &w.timeout_body {
                Some(b) => Some(super::when_part(
                    self.vm,
                    self.host,
                    self.prog,
                    b,
                    None,
                    &locals_of(b),
                    n,
                    flow,
                )?),
                None => None,
            };
            Ok::<_, String>(WhenSite {
                cond: cond.into(),
                body: body.into(),
                timeout: timeout.map(Into::into),
                n_slots: longest.len() as u16,
                deep: w.captures.iter().map(|c| c.1).collect(),
                is_return: w.is_return,
                globals: w.globals.clone(),
            })
        })();
        let site = match compiled {
            Ok(site) => self.site(Site::When(Box::new(site))),
            Err(why) => {
                self.fail(why);
                return;
            }
        };
        self.span = s.span;
        self.emit(Instr::When {
            n: args.len() as u16,
            site,
            etimeout,
        });
        self.emit_args(&args);
    }
}

/// The fused form of a loop's test (which leaves the loop if it is false) and its last step.
fn fuse_loop(test: Instr, last: Instr, consts: &[tapir_data::value::Value]) -> Option<Instr> {
    use Instr::*;
    use tapir_data::value::Value;
    let off = 0;
    let stepped = match last {
        AddCountK { dst, a, k } if dst == a && matches!(consts[k as usize], Value::Count(1)) => dst,
        AddIntK { dst, a, k } if dst == a && matches!(consts[k as usize], Value::Int(1)) => dst,
        _ => return None,
    };
    let counts = matches!(last, AddCountK { .. });
    let fused = match test {
        JLtCount { sense: false, a, b, .. } => IncLoopCount { a, b, off },
        JLtCountK { sense: false, a, k, .. } => IncLoopCountK { a, k, off },
        JLtInt { sense: false, a, b, .. } => IncLoopInt { a, b, off },
        JLtIntK { sense: false, a, k, .. } => IncLoopIntK { a, k, off },
        JLeCount { sense: false, a, b, .. } => IncLoopLeCount { a, b, off },
        JLeCountK { sense: false, a, k, .. } => IncLoopLeCountK { a, k, off },
        JLeInt { sense: false, a, b, .. } => IncLoopLeInt { a, b, off },
        JLeIntK { sense: false, a, k, .. } => IncLoopLeIntK { a, k, off },
        _ => return None,
    };
    match test {
        JLtCount { a, .. } | JLtCountK { a, .. } | JLeCount { a, .. } | JLeCountK { a, .. } => counts && a == stepped,
        JLtInt { a, .. } | JLtIntK { a, .. } | JLeInt { a, .. } | JLeIntK { a, .. } => !counts && a == stepped,
        _ => false,
    }
    .then_some(fused)
}
