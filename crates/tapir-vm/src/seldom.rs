//! Instructions that are rare, or take so long that a second look at their code makes no difference.
//!
//! As in `outline`, whose means of access they use, `self.pc` is the position behind the instruction.

use std::rc::Rc;

use tapir_data::types::{DefaultId, TypeId};
use tapir_data::value::{FuncId, Value, Vector};

use crate::code::{Instr, Site, enc, kind};
use crate::exec::Iter;
use crate::exec::{Args, boolean, dup, find_case, loop_key};
use crate::host::RtError;
use crate::outline::{fail, tri};
use crate::vm::Vm;

impl Vm {
    /// Runs one instruction that the dispatch loop does not know.
    ///
    /// # Safety
    /// See `outline`.
    #[inline(never)]
    pub(crate) unsafe fn rest(&mut self, instr: *const Instr) -> Result<(), RtError> {
        macro_rules! host {
            () => {
                self.host_mut()
            };
        }
        // SAFETY: see the head of this block.
        unsafe {
            match *instr {
                Instr::StoreCapture { clos, idx, esrc } => {
                    let v = self.fetch(esrc);
                    if let Value::Func(f) = self.reg(clos) {
                        let old = f
                            .captures
                            .borrow_mut()
                            .get_mut(idx as usize)
                            .map(|c| std::mem::replace(c, v));
                        drop(old);
                    }
                }

                Instr::TGetN { kind, dst, et, n } => {
                    let keys = self.args(n);
                    let t = self.peek(et).clone();
                    let v = tri!(self, self.index(host!(), &t, &keys, kind));
                    self.set_reg(dst, v);
                }
                Instr::InN { dst, et, n } => {
                    let keys = self.args(n);
                    let t = self.peek(et).clone();
                    let found = tri!(self, self.contains(host!(), &t, &keys));
                    self.set_reg(dst, Value::Bool(found));
                }
                Instr::TSetN { et, esrc, n } => {
                    let v = self.fetch(esrc);
                    let keys = self.args(n);
                    let Value::Table(t) = self.peek(et).clone() else {
                        fail!(self.unset_error(self.pc));
                    };
                    tri!(self, self.table_set(host!(), &t, &keys, v));
                }
                Instr::AddN { et, n } => {
                    let keys = self.args(n);
                    let t = self.peek(et).clone();
                    tri!(self, self.add_member(host!(), &t, &keys));
                }
                Instr::Del1 { et, ek } => {
                    let (t, k) = (self.peek(et).clone(), dup(self.peek(ek)));
                    tri!(self, self.delete_member(host!(), &t, std::slice::from_ref(&k)));
                }
                Instr::DelN { et, n } => {
                    let keys = self.args(n);
                    let t = self.peek(et).clone();
                    tri!(self, self.delete_member(host!(), &t, &keys));
                }
                Instr::ClearAll { ea } => {
                    let v = self.peek(ea).clone();
                    tri!(self, self.clear_all(&v));
                }
                Instr::NewTable { dst, site, n } => {
                    let args = self.args(n);
                    let Site::Table(site) = &self.code().sites[site as usize] else {
                        std::hint::unreachable_unchecked()
                    };
                    let table = match self.reg(dst) {
                        Value::Table(t) if site.append => t.clone(),
                        _ => {
                            let t = self.new_table(site.ty, site.attrs.clone());
                            self.set_reg(dst, Value::Table(t.clone()));
                            t
                        }
                    };
                    let width = site.width as usize;
                    let per_entry = width + !site.is_set as usize;
                    let mut rest = args;
                    while rest.len() >= per_entry && per_entry > 0 {
                        let tail: Args = rest.drain(per_entry..).collect();
                        let value = if site.is_set {
                            Value::Unset
                        } else {
                            rest.pop().unwrap_or_default()
                        };
                        for k in &rest {
                            if kind::of(k) == kind::RECORD {
                                tri!(self, self.materialize(host!(), k));
                            }
                        }
                        table.insert(&rest, value, self.now);
                        rest = tail;
                    }
                }

                Instr::NewVector { dst, site, n } => {
                    let args = self.args(n);
                    let Site::Type(ty) = &self.code().sites[site as usize] else {
                        std::hint::unreachable_unchecked()
                    };
                    self.set_reg(dst, Value::Vector(Vector::new(*ty, args.into_vec())));
                }
                Instr::Slice { dst, ev, elo } => {
                    let (v, bounds) = (self.peek(ev).clone(), self.peek(elo).clone());
                    let r = tri!(self, self.slice(&v, &bounds));
                    self.set_reg(dst, r);
                }
                Instr::SetSlice { ev, elo, esrc } => {
                    let (v, bounds, x) = (self.peek(ev).clone(), self.peek(elo).clone(), self.fetch(esrc));
                    tri!(self, self.set_slice(&v, &bounds, &x));
                }
                Instr::SIndex { dst, es, i } => {
                    let (s, i) = (self.peek(es), self.reg(i));
                    match (s, i) {
                        (Value::Str(s), Value::Count(_) | Value::Int(_)) => {
                            let idx = match i {
                                Value::Count(n) => *n as usize,
                                Value::Int(n) if *n >= 0 => *n as usize,
                                Value::Int(n) => (s.len() as i64).wrapping_add(*n) as usize,
                                _ => usize::MAX,
                            };
                            let one = match s.get(idx) {
                                Some(&b) => self.byte_string(b),
                                None => self.empty_str.clone(),
                            };
                            self.set_reg(dst, Value::Str(one));
                        }
                        (Value::Vector(v), Value::Vector(w)) => {
                            let (v, w) = (v.clone(), w.clone());
                            let r = tri!(self, self.pick(&v, &w));
                            self.set_reg(dst, r);
                        }
                        _ => fail!(self.unset_error(self.pc)),
                    }
                }
                Instr::Bin { op, dst, ea, eb } => {
                    let (a, b) = (self.peek(ea).clone(), self.peek(eb).clone());
                    let v = tri!(self, self.binary(host!(), op, &a, &b));
                    self.set_reg(dst, v);
                }
                Instr::BinVec { op, dst, ea, eb } => {
                    let (a, b) = (self.peek(ea).clone(), self.peek(eb).clone());
                    let ty = self.ext();
                    let v = tri!(self, self.binary_vector(host!(), op, &a, &b, ty));
                    self.set_reg(dst, v);
                }
                Instr::Un { op, dst, ea } => {
                    let a = self.peek(ea).clone();
                    let v = tri!(self, self.unary(host!(), op, &a));
                    self.set_reg(dst, v);
                }
                Instr::UnVec { op, dst, ea } => {
                    let a = self.peek(ea).clone();
                    let ty = self.ext();
                    let v = tri!(self, self.unary(host!(), op, &a));
                    let v = match v {
                        Value::Vector(v) if v.ty != ty => Value::Vector(Vector::new(ty, v.to_vec())),
                        v => v,
                    };
                    self.set_reg(dst, v);
                }
                Instr::CheckElement { ea } => {
                    let a = self.peek(ea).clone();
                    let ty = self.ext();
                    tri!(self, self.check_element(&a, ty));
                }
                Instr::CondVec { dst, ea, eb } => {
                    let (m, a, b) = ((self.reg(dst)).clone(), self.peek(ea).clone(), self.peek(eb).clone());
                    let v = tri!(self, self.cond_vector(&m, &a, &b));
                    self.set_reg(dst, v);
                }
                Instr::AddAssign { dst, ea, eb } => {
                    let (a, b) = (self.peek(ea).clone(), self.peek(eb).clone());
                    let v = tri!(self, self.add_assign(host!(), &a, &b));
                    self.set_reg(dst, v);
                }
                Instr::SubAssign { dst, ea, eb } => {
                    let (a, b) = (self.peek(ea).clone(), self.peek(eb).clone());
                    let v = tri!(self, self.sub_assign(host!(), &a, &b));
                    self.set_reg(dst, v);
                }
                Instr::NewList { dst, n } => {
                    let mut left = n as usize;
                    let mut list: Vec<Value> = Vec::with_capacity(left);
                    while left > 0 {
                        let Instr::Args { a, b, c } = *self.pc else {
                            std::hint::unreachable_unchecked()
                        };
                        self.pc = self.pc.add(1);
                        for e in [a, b, c].into_iter().take(left) {
                            list.push(if e == enc::NONE { Value::Unset } else { self.fetch(e) });
                        }
                        left = left.saturating_sub(3);
                    }
                    self.set_reg(dst, Value::List(list.into()));
                }
                Instr::ListItem { kind, dst, el, idx } => {
                    let item = match self.peek(el) {
                        Value::List(l) => l.get(idx as usize).cloned().unwrap_or_default(),
                        Value::Vector(v) => v.get(idx as usize),
                        _ => Value::Unset,
                    };
                    if !kind::fits(kind, &item) {
                        fail!(self.kind_error(self.pc, kind, &item));
                    }
                    self.set_reg(dst, item);
                }
                Instr::Coerce { dst, ea } => {
                    let v = self.peek(ea).clone();
                    let ty = self.ext();
                    let v = tri!(self, self.coerce(host!(), &v, ty));
                    if let Value::Unset = v {
                        self.nil();
                    } else {
                        self.set_reg(dst, v);
                    }
                }
                Instr::Cast { dst, ea } => {
                    let v = self.peek(ea).clone();
                    let ty = self.ext();
                    let v = tri!(self, self.cast(host!(), &v, ty));
                    self.set_reg(dst, v);
                }
                Instr::CanCast { dst, ea } => {
                    let v = self.peek(ea).clone();
                    let ty = self.ext();
                    let ok = self.can_cast(host!(), &v, ty);
                    self.set_reg(dst, Value::Bool(ok));
                }
                Instr::Is { dst, ea } => {
                    let ty = TypeId(match *self.pc {
                        Instr::Ext { v } => v,
                        _ => std::hint::unreachable_unchecked(),
                    });
                    self.pc = self.pc.add(1);
                    let ok = self.value_is(self.peek(ea), ty);
                    self.set_reg(dst, Value::Bool(ok));
                }
                Instr::SetAttrs { ea, site } => {
                    if let (Value::Table(t), Site::Attrs(a)) = (self.peek(ea), &self.code().sites[site as usize]) {
                        let (t, a) = (t.clone(), a.clone());
                        self.add_attrs(&t, &a);
                    }
                }

                Instr::DelField { erec, slot } => {
                    let Value::Record(r) = self.peek(erec) else {
                        fail!(self.unset_error(self.pc));
                    };
                    let r = r.clone();
                    r.set(slot as usize, Value::Unset);
                    if self.watching {
                        self.changed(Rc::as_ptr(&r) as *const u8);
                    }
                }
                Instr::IterNextN { n, val, off } => {
                    let next = match self.iters.last_mut() {
                        Some(Iter::Table(it)) => it.next_entry(),
                        _ => None,
                    };
                    match next {
                        None => self.jump(off),
                        Some((k, v)) => {
                            let parts: &[Value] = tapir_data::table::as_parts(&k);
                            let mut i = 0;
                            let n = n as usize;
                            while i < n {
                                let Instr::Args { a, b, c } = *self.pc else {
                                    std::hint::unreachable_unchecked()
                                };
                                self.pc = self.pc.add(1);
                                for r in [a, b, c].into_iter().take(n - i) {
                                    if r != enc::NONE {
                                        let part = parts.get(i).cloned().unwrap_or_default();
                                        self.set_reg(r, loop_key(part));
                                    }
                                    i += 1;
                                }
                            }
                            if val != enc::NONE {
                                self.set_reg(val, v);
                            }
                        }
                    }
                }
                Instr::Switch { ea, site } => {
                    let Site::Switch(s) = &self.code().sites[site as usize] else {
                        std::hint::unreachable_unchecked()
                    };
                    let target = if s.types.is_empty() {
                        find_case(s, self.peek(ea))
                    } else {
                        let v = self.peek(ea).clone();
                        let mut target = s.default;
                        for &(ty, r, t) in &s.types {
                            if self.value_is(&v, ty) {
                                if r != enc::NONE {
                                    self.set_reg(r, v);
                                }
                                target = t;
                                break;
                            }
                        }
                        target
                    };
                    self.pc = self.code().instrs.as_ptr().add(target as usize);
                }

                Instr::HookCall { n, dst, func } => {
                    let args = self.args(n);
                    let r = self.run_hook(host!(), FuncId(func), &args);
                    let v = tri!(self, r);
                    if dst != enc::NONE {
                        self.set_reg(dst, Value::Bool(v));
                    }
                }
                Instr::HookValue { n, dst, ef, .. } => {
                    let args = self.args(n);
                    let Value::Func(f) = self.peek(ef) else {
                        fail!(self.unset_error(self.pc));
                    };
                    let f = f.id;
                    let r = self.run_hook(host!(), f, &args);
                    let v = tri!(self, r);
                    if dst != enc::NONE {
                        self.set_reg(dst, Value::Bool(v));
                    }
                }
                Instr::RaiseGlobal { n, g } => {
                    let args = self.args(n);
                    self.raise_global(g, args.into_vec());
                }
                Instr::Schedule { n, dst, ewhen, site } => {
                    let args = self.args(n);
                    let Site::Schedule(f) = &self.code().sites[site as usize] else {
                        std::hint::unreachable_unchecked()
                    };
                    let at = match self.peek(ewhen) {
                        Value::Time(t) => *t,
                        Value::Interval(d) => self.now + *d,
                        _ => fail!(self.unset_error(self.pc)),
                    };
                    self.schedule_event(at, *f, args.into_vec());
                    let _ = dst;
                }
                Instr::Print { n, site } => {
                    let args = self.args(n);
                    let _ = site;
                    tri!(self, self.print(host!(), &args));
                }
                Instr::Default { dst, id } => {
                    let v = tri!(self, self.parameter_default(host!(), DefaultId(id)));
                    self.set_reg(dst, v);
                }

                Instr::When { n, site, etimeout } => {
                    let args = self.args(n);
                    let timeout = if etimeout == enc::NONE {
                        None
                    } else {
                        Some(dup(self.peek(etimeout)))
                    };
                    let Site::When(s) = &self.code().sites[site as usize] else {
                        std::hint::unreachable_unchecked()
                    };
                    let s: *const crate::code::WhenSite = &**s;
                    tri!(self, self.start_when(host!(), &*s, args.into_vec(), timeout));
                }
                Instr::Watch { ea } => {
                    let at = match self.peek(ea) {
                        Value::Record(r) => Some(Rc::as_ptr(r) as *const u8),
                        Value::Table(t) => Some(Rc::as_ptr(t) as *const u8),
                        Value::Vector(v) => Some(Rc::as_ptr(v) as *const u8),
                        _ => None,
                    };
                    if let Some(at) = at {
                        let v = self.peek(ea).clone();
                        self.watch(at, v);
                    }
                }
                Instr::StoreTrigger { idx, esrc } => {
                    let v = self.fetch(esrc);
                    self.store_trigger(idx, v);
                }
                Instr::CacheCheck { dst, key, off } => {
                    if let Some(v) = self.cached_answer(key) {
                        self.set_reg(dst, v);
                        self.jump(off);
                    }
                }
                Instr::SetCall { key } => self.call_key = key,
                Instr::AssertCheck { a, off } => {
                    if boolean(self.reg(a)) && !self.wants_assertion_results() {
                        self.jump(off);
                    }
                }
                Instr::JTerminating { off } => {
                    if self.terminating {
                        self.jump(off);
                    }
                }
                Instr::Assert { a, emsg, site } => {
                    let ok = boolean(self.reg(a));
                    let msg = if emsg == enc::NONE {
                        Value::Unset
                    } else {
                        self.peek(emsg).clone()
                    };
                    let Site::Text(text) = &self.code().sites[site as usize] else {
                        std::hint::unreachable_unchecked()
                    };
                    let r = self.assertion(host!(), ok, text, msg);
                    tri!(self, r);
                }
                _ => std::hint::unreachable_unchecked(),
            }
        }
        Ok(())
    }
}
