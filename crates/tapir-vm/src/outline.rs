//! Instructions that the dispatch loop leaves to functions of their own: what takes long anyway, and the rare half of
//! what is quick as a rule. Kept apart so that the loop stays small enough for its state to live in registers.
//!
//! The invariants are those of `exec`. In here `self.pc` is the position behind the instruction (and moves over the
//! words that follow it); whoever calls takes position and base anew when one of these returns.

use std::ptr;
use std::rc::Rc;

use tapir_data::types::TypeId;
use tapir_data::value::{Captures, FuncId, Str, Value, Vector};

use crate::code::{Code, Instr, Site, enc, kind};
use crate::exec::{Args, Iter, RETURN_NONE, assign, assign_dup, concat, dup, loop_key};
use crate::host::{CallCtx, Host, RtError};
use crate::vm::Vm;

macro_rules! tri {
    ($vm:ident, $r:expr) => {
        match $r {
            Ok(v) => v,
            Err(e) => return Err($vm.with_location(e)),
        }
    };
}

macro_rules! fail {
    ($e:expr) => {{
        let e = $e;
        return Err(e);
    }};
}

pub(crate) use {fail, tri};

/// Access to the running frame.
///
/// # Safety
/// All of these: `cur_code`, `cur_base` and `pc` describe a running frame, and operands are those of its code. What a
/// look gives back may be used until the register, constant or global is written.
impl Vm {
    #[inline(always)]
    pub(crate) unsafe fn code<'a>(&self) -> &'a Code {
        // SAFETY: running code is kept by the machine's caches or by the caller of `execute`.
        unsafe { &*self.cur_code }
    }

    /// The host that the running body was given.
    #[inline(always)]
    pub(crate) unsafe fn host_mut<'a>(&self) -> &'a mut (dyn Host + 'static) {
        // SAFETY: `execute` put it there and borrows it for as long as the body runs.
        unsafe { &mut *self.host }
    }

    #[inline(always)]
    pub(crate) unsafe fn at(&mut self, r: u16) -> *mut Value {
        // SAFETY: registers of the running frame lie on the stack.
        unsafe { self.stack.as_mut_ptr().add(self.cur_base + r as usize) }
    }

    #[inline(always)]
    pub(crate) unsafe fn reg<'a>(&self, r: u16) -> &'a Value {
        // SAFETY: as for `at`.
        unsafe { &*self.stack.as_ptr().add(self.cur_base + r as usize) }
    }

    #[inline(always)]
    pub(crate) unsafe fn peek<'a>(&self, e: u16) -> &'a Value {
        // SAFETY: as for `at`; constants and globals have the indices that the compiler gave out.
        unsafe {
            if e < enc::POOL {
                self.reg(e & enc::INDEX)
            } else if e & enc::GLOBAL_BIT == 0 {
                &*self.code().consts.as_ptr().add((e & enc::POOL_INDEX) as usize)
            } else {
                &*self.globals.as_ptr().add((e & enc::POOL_INDEX) as usize)
            }
        }
    }

    #[inline(always)]
    pub(crate) unsafe fn fetch(&mut self, e: u16) -> Value {
        // SAFETY: as for `peek`; scalar registers own nothing.
        unsafe {
            match e & enc::MODE {
                enc::SCALAR => ptr::read(self.reg(e)),
                enc::TAKE => std::mem::take(&mut *self.at(e & enc::INDEX)),
                _ => dup(self.peek(e)),
            }
        }
    }

    /// Writes any register.
    #[inline(always)]
    pub(crate) unsafe fn set_reg(&mut self, r: u16, v: Value) {
        // SAFETY: as for `at`.
        unsafe { assign(self.at(r), v) }
    }

    #[inline(always)]
    pub(crate) unsafe fn jump(&mut self, off: i16) {
        // SAFETY: jumps were patched to bound labels.
        self.pc = unsafe { self.pc.offset(off as isize) };
    }

    /// The operand words that follow, one after the other.
    #[inline(always)]
    pub(crate) unsafe fn each_operand(&mut self, n: usize, mut f: impl FnMut(&mut Self, u16)) {
        let mut left = n;
        while left > 0 {
            // SAFETY: the compiler put as many words behind the instruction as it has operands.
            let Instr::Args { a, b, c } = (unsafe { *self.pc }) else {
                // SAFETY: as above.
                unsafe { std::hint::unreachable_unchecked() }
            };
            // SAFETY: as above.
            self.pc = unsafe { self.pc.add(1) };
            f(self, a);
            if left > 1 {
                f(self, b);
            }
            if left > 2 {
                f(self, c);
            }
            left = left.saturating_sub(3);
        }
    }

    /// Collects encoded arguments.
    #[inline(always)]
    pub(crate) unsafe fn args(&mut self, n: impl Into<usize>) -> Args {
        let mut list = Args::new();
        // SAFETY: see the head of this block.
        unsafe { self.each_operand(n.into(), |vm, e| list.push(vm.fetch(e))) };
        list
    }

    /// As `args`, for those that are kept.
    #[inline(always)]
    pub(crate) unsafe fn args_vec(&mut self, n: impl Into<usize>) -> Vec<Value> {
        let n = n.into();
        let mut list = Vec::with_capacity(n);
        // SAFETY: see the head of this block.
        unsafe { self.each_operand(n, |vm, e| list.push(vm.fetch(e))) };
        list
    }

    /// The type that follows.
    #[inline(always)]
    pub(crate) unsafe fn ext(&mut self) -> TypeId {
        // SAFETY: the compiler put the word there.
        unsafe {
            let Instr::Ext { v } = *self.pc else {
                std::hint::unreachable_unchecked()
            };
            self.pc = self.pc.add(1);
            TypeId(v)
        }
    }

    /// The statement that wanted a value gets none: go on behind it.
    #[cold]
    pub(crate) unsafe fn nil(&mut self) {
        // SAFETY: `pc` lies behind an instruction of the running code.
        unsafe {
            let code = self.code();
            let at = self.pc.offset_from(code.instrs.as_ptr()) as usize - 1;
            self.pc = match code.nil_target(at) {
                Some(t) => code.instrs.as_ptr().add(t as usize),
                None => RETURN_NONE.as_ptr(),
            };
        }
    }
}

/// The instructions.
///
/// # Safety
/// As above.
impl Vm {
    #[inline(never)]
    pub(crate) unsafe fn op_new_record(&mut self, dst: u16, site: u16, n: u16) -> Result<(), RtError> {
        // SAFETY: see the head of this block.
        unsafe {
            let Site::Record(site) = &self.code().sites[site as usize] else {
                std::hint::unreachable_unchecked()
            };
            let mut slots = self.default_slots(site);
            let mut i = 0;
            self.each_operand(n as usize, |vm, e| {
                let (slot, copy_vector) = site.slots[i];
                i += 1;
                let v = match vm.fetch(e) {
                    // The reference gives the record a vector of its own here.
                    Value::Vector(x) if copy_vector => Value::Vector(Vector::new(x.ty, x.to_vec())),
                    v => v,
                };
                slots[slot as usize] = v;
            });
            let r = tri!(self, self.finish_record(self.host_mut(), site.ty, slots));
            self.set_reg(dst, Value::Record(r));
        }
        Ok(())
    }

    #[inline(never)]
    pub(crate) unsafe fn op_builtin(&mut self, n: u8, dst: u16, site: u16) -> Result<(), RtError> {
        // SAFETY: see the head of this block.
        unsafe {
            let args = self.args(n);
            let Site::Call(s) = &self.code().sites[site as usize] else {
                std::hint::unreachable_unchecked()
            };
            let f = match self.builtins.get_unchecked(s.func.0 as usize) {
                Some(f) => *f,
                None => tri!(self, self.find_builtin(s.func)),
            };
            let host = self.host_mut();
            let r = f(
                &mut CallCtx {
                    vm: self,
                    host,
                    arg_types: &s.arg_types,
                    result_type: s.result,
                },
                &args,
            );
            let v = tri!(self, r);
            if let Value::Str(s) = &v {
                tri!(self, self.charge(s.len()));
            }
            if dst != enc::NONE {
                if kind::fits(s.result_kind, &v) {
                    self.set_reg(dst, v);
                } else if let Value::Unset = v {
                    self.nil();
                } else {
                    fail!(self.result_error(self.pc, s.func, s.result_kind, &v));
                }
            }
        }
        Ok(())
    }

    #[inline(never)]
    pub(crate) unsafe fn op_concat(&mut self, dst: u16, ea: u16, eb: u16) -> Result<(), RtError> {
        // SAFETY: see the head of this block.
        unsafe {
            let (Value::Str(a), Value::Str(b)) = (self.peek(ea), self.peek(eb)) else {
                fail!(self.unset_error(self.pc));
            };
            tri!(self, self.charge(a.len() + b.len()));
            let s = concat(a, b);
            self.set_reg(dst, Value::Str(s));
        }
        Ok(())
    }

    #[inline(never)]
    pub(crate) unsafe fn op_concat_n(&mut self, dst: u16, n: u16) -> Result<(), RtError> {
        // SAFETY: see the head of this block. The parts are looked at twice: for their length and to copy them.
        unsafe {
            let words = self.pc;
            let mut len = 0usize;
            let mut all_set = true;
            self.each_operand(n as usize, |vm, e| match vm.peek(e) {
                Value::Str(s) => len += s.len(),
                _ => all_set = false,
            });
            if !all_set {
                fail!(self.unset_error(self.pc));
            }
            tri!(self, self.charge(len));
            let mut out: Rc<[std::mem::MaybeUninit<u8>]> = Rc::new_uninit_slice(len);
            if let Some(buf) = Rc::get_mut(&mut out) {
                let mut to = buf.as_mut_ptr() as *mut u8;
                self.pc = words;
                self.each_operand(n as usize, |vm, e| {
                    if let Value::Str(s) = vm.peek(e) {
                        copy_bytes(s.as_ptr(), to, s.len());
                        to = to.add(s.len());
                    }
                });
            }
            // All of it was written: nothing changed the parts since they were measured.
            let s: Str = out.assume_init();
            self.set_reg(dst, Value::Str(s));
        }
        Ok(())
    }

    #[inline(never)]
    pub(crate) unsafe fn op_lambda(&mut self, dst: u16, site: u16, n: u16) {
        // SAFETY: see the head of this block.
        unsafe {
            let mut captures = Captures::new();
            self.each_operand(n as usize, |vm, e| captures.push(vm.fetch(e)));
            let Site::Lambda(s) = &self.code().sites[site as usize] else {
                std::hint::unreachable_unchecked()
            };
            let f = self.make_closure(s, captures);
            self.set_reg(dst, f);
        }
    }

    #[inline(never)]
    pub(crate) unsafe fn op_raise(&mut self, n: u8, func: u32) {
        // SAFETY: see the head of this block.
        unsafe {
            let args = self.args_vec(n);
            self.raise_func(FuncId(func), args);
        }
    }

    #[inline(never)]
    pub(crate) unsafe fn op_iter(&mut self, ea: u16) -> Result<(), RtError> {
        // SAFETY: see the head of this block.
        unsafe {
            let it = match self.peek(ea) {
                Value::Table(t) => Iter::Table(t.iter()),
                Value::Vector(v) => Iter::Vector(v.clone(), 0),
                Value::Str(s) => Iter::Str(s.clone(), 0),
                _ => fail!(self.unset_error(self.pc)),
            };
            self.iters.push(it);
        }
        Ok(())
    }

    /// Takes the next step of the innermost `for` loop; whether there was one.
    #[inline(never)]
    pub(crate) unsafe fn op_iter_next(&mut self, k: u8, key: u16, val: u16) -> Result<bool, RtError> {
        // SAFETY: see the head of this block. Writing registers changes no table, and the iterator keeps its own alive.
        unsafe {
            let registers = self.stack.as_mut_ptr().add(self.cur_base);
            match self.iters.last_mut() {
                Some(Iter::Table(it)) => {
                    let Some((found, value)) = it.next_ref() else {
                        return Ok(false);
                    };
                    if key != enc::NONE {
                        if !kind::fits(k, found) {
                            let found = found.clone();
                            fail!(self.kind_error(self.pc, k, &found));
                        }
                        if kind::of(found) < kind::PATTERN {
                            assign_dup(registers.add(key as usize), found);
                        } else {
                            assign(registers.add(key as usize), loop_key(found.clone()));
                        }
                    }
                    if val != enc::NONE {
                        assign_dup(registers.add(val as usize), value);
                    }
                }
                Some(Iter::Vector(v, i)) => loop {
                    match v.item_ref(*i) {
                        None => return Ok(false),
                        Some(Value::Unset) => *i += 1,
                        Some(x) => {
                            let at = Value::Count(*i as u64);
                            *i += 1;
                            if val != enc::NONE {
                                assign_dup(registers.add(val as usize), x);
                            }
                            if key != enc::NONE {
                                if !kind::fits(k, &at) {
                                    fail!(self.kind_error(self.pc, k, &at));
                                }
                                assign(registers.add(key as usize), at);
                            }
                            break;
                        }
                    }
                },
                Some(Iter::Str(s, i)) => match s.get(*i) {
                    None => return Ok(false),
                    Some(&b) => {
                        *i += 1;
                        if key != enc::NONE {
                            let one = Value::Str(self.byte_string(b));
                            if !kind::fits(k, &one) {
                                fail!(self.kind_error(self.pc, k, &one));
                            }
                            self.set_reg(key, one);
                        }
                        if val != enc::NONE {
                            self.set_reg(val, Value::Unset);
                        }
                    }
                },
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    #[inline(never)]
    pub(crate) unsafe fn op_in(&mut self, et: u16, ek: u16) -> Result<bool, RtError> {
        // SAFETY: see the head of this block; both are kept for the time of the call.
        unsafe {
            let (t, k) = (self.peek(et).clone(), dup(self.peek(ek)));
            let found = self.contains(self.host_mut(), &t, std::slice::from_ref(&k));
            Ok(tri!(self, found))
        }
    }

    #[inline(never)]
    pub(crate) unsafe fn op_has(&mut self, erec: u16, slot: u16) -> Result<bool, RtError> {
        // SAFETY: see the head of this block.
        unsafe {
            let Value::Record(r) = self.peek(erec) else {
                fail!(self.unset_error(self.pc));
            };
            Ok(r.has(slot as usize) || self.field_has_default(r, slot))
        }
    }

    #[inline(never)]
    pub(crate) unsafe fn op_field(&mut self, k: u8, dst: u16, erec: u16, slot: u16) -> Result<(), RtError> {
        // SAFETY: see the head of this block.
        unsafe {
            let Value::Record(r) = self.peek(erec) else {
                fail!(self.unset_error(self.pc));
            };
            let r = r.clone();
            let v = tri!(self, self.field_slow(self.host_mut(), &r, slot, k));
            self.set_reg(dst, v);
        }
        Ok(())
    }

    #[inline(never)]
    pub(crate) unsafe fn op_field2(&mut self, k: u8, dst: u16, erec: u16, slot1: u8, slot2: u8) -> Result<(), RtError> {
        // SAFETY: see the head of this block.
        unsafe {
            let Value::Record(outer) = self.peek(erec) else {
                fail!(self.unset_error(self.pc));
            };
            let inner = match outer.get(slot1 as usize) {
                Value::Record(r) => r,
                _ => {
                    let outer = outer.clone();
                    let r = tri!(
                        self,
                        self.field_slow(self.host_mut(), &outer, slot1 as u16, kind::RECORD)
                    );
                    let Value::Record(r) = r else {
                        fail!(self.unset_error(self.pc));
                    };
                    r
                }
            };
            let mut v = inner.get(slot2 as usize);
            if !kind::fits(k, &v) {
                v = tri!(self, self.field_slow(self.host_mut(), &inner, slot2 as u16, k));
            }
            self.set_reg(dst, v);
        }
        Ok(())
    }

    /// `r$f = r$f ± d` where the field is unset, the difference negative or somebody watches.
    #[inline(never)]
    pub(crate) unsafe fn op_field_bump(&mut self, sub: bool, erec: u16, slot: u16, ed: u16) -> Result<(), RtError> {
        // SAFETY: see the head of this block.
        unsafe {
            let d = dup(self.peek(ed));
            let Value::Record(r) = self.peek(erec) else {
                fail!(self.unset_error(self.pc));
            };
            let r = r.clone();
            let old = match r.get(slot as usize) {
                v if kind::fits(kind::of(&d), &v) => v,
                _ => tri!(self, self.field_slow(self.host_mut(), &r, slot, kind::of(&d))),
            };
            let new = tri!(self, self.bumped(self.host_mut(), &old, &d, sub));
            r.set(slot as usize, new);
            if self.watching {
                self.changed(Rc::as_ptr(&r) as *const u8);
            }
        }
        Ok(())
    }

    #[inline(never)]
    pub(crate) unsafe fn op_table_get(&mut self, k: u8, dst: u16, et: u16, ek: u16) -> Result<(), RtError> {
        // SAFETY: see the head of this block.
        unsafe {
            let (t, key) = (self.peek(et).clone(), dup(self.peek(ek)));
            let v = tri!(self, self.index(self.host_mut(), &t, std::slice::from_ref(&key), k));
            self.set_reg(dst, v);
        }
        Ok(())
    }

    #[inline(never)]
    pub(crate) unsafe fn op_table_set(&mut self, et: u16, ek: u16, esrc: u16) -> Result<(), RtError> {
        // SAFETY: see the head of this block.
        unsafe {
            let v = self.fetch(esrc);
            let Value::Table(t) = self.peek(et) else {
                fail!(self.unset_error(self.pc));
            };
            let (t, key) = (t.clone(), dup(self.peek(ek)));
            tri!(self, self.table_set(self.host_mut(), &t, std::slice::from_ref(&key), v));
        }
        Ok(())
    }

    #[inline(never)]
    pub(crate) unsafe fn op_table_bump(&mut self, sub: bool, et: u16, ek: u16, ed: u16) -> Result<(), RtError> {
        // SAFETY: see the head of this block.
        unsafe {
            let (t, key, d) = (self.peek(et).clone(), dup(self.peek(ek)), dup(self.peek(ed)));
            tri!(self, self.bump(self.host_mut(), &t, &key, &d, sub));
        }
        Ok(())
    }

    #[inline(never)]
    pub(crate) unsafe fn op_add(&mut self, et: u16, ek: u16) -> Result<(), RtError> {
        // SAFETY: see the head of this block.
        unsafe {
            let (t, key) = (self.peek(et).clone(), dup(self.peek(ek)));
            tri!(self, self.add_member(self.host_mut(), &t, std::slice::from_ref(&key)));
        }
        Ok(())
    }

    /// The error of an access to a vector.
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn vector_error(&mut self, k: u8, ev: u16, i: u16) -> RtError {
        // SAFETY: see the head of this block.
        unsafe {
            let Value::Vector(v) = self.peek(ev) else {
                return self.unset_error(self.pc);
            };
            match v.get(vector_index(v, self.reg(i))) {
                Value::Unset => self.detailed(self.pc, "no such index"),
                x => self.kind_error(self.pc, k, &x),
            }
        }
    }

    #[inline(never)]
    pub(crate) unsafe fn op_vector_set(&mut self, ev: u16, i: u16, esrc: u16) -> Result<(), RtError> {
        // SAFETY: see the head of this block.
        unsafe {
            let x = self.fetch(esrc);
            let Value::Vector(v) = self.peek(ev) else {
                fail!(self.unset_error(self.pc));
            };
            let idx = match self.reg(i) {
                Value::Count(n) => *n,
                Value::Int(n) if *n >= 0 => *n as u64,
                _ => fail!(self.detailed(self.pc, "negative vector index in assignment")),
            };
            if idx as usize > v.len() {
                tri!(self, self.vector_room(idx));
            }
            v.set(idx as usize, x);
            if self.watching {
                self.changed(Rc::as_ptr(v) as *const u8);
            }
        }
        Ok(())
    }

    #[inline(never)]
    pub(crate) unsafe fn op_vector_push(&mut self, ev: u16, esrc: u16) -> Result<(), RtError> {
        // SAFETY: see the head of this block.
        unsafe {
            let x = self.fetch(esrc);
            let Value::Vector(v) = self.peek(ev) else {
                fail!(self.unset_error(self.pc));
            };
            v.push(x);
            if self.watching {
                self.changed(Rc::as_ptr(v) as *const u8);
            }
        }
        Ok(())
    }

    #[inline(never)]
    pub(crate) unsafe fn op_iter_pop(&mut self) -> Result<(), RtError> {
        drop(self.iters.pop());
        Ok(())
    }

    #[inline(never)]
    pub(crate) unsafe fn op_set_field(&mut self, erec: u16, slot: u16, esrc: u16) -> Result<(), RtError> {
        // SAFETY: see the head of this block.
        unsafe {
            let v = self.fetch(esrc);
            let Value::Record(r) = self.peek(erec) else {
                fail!(self.unset_error(self.pc));
            };
            let r = r.clone();
            r.set(slot as usize, v);
            if self.watching {
                self.changed(Rc::as_ptr(&r) as *const u8);
            }
        }
        Ok(())
    }

    /// The error for a register that holds a value of another kind; a scalar register gives it up.
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn wrong_register(&mut self, k: u8, src: u16) -> RtError {
        // SAFETY: see the head of this block.
        unsafe {
            let v = dup(self.reg(src));
            self.set_reg(src, Value::Unset);
            self.kind_error(self.pc, k, &v)
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn wrong_global(&mut self, k: u8, g: u32) -> RtError {
        let v = self.globals[g as usize].clone();
        self.kind_error(self.pc, k, &v)
    }

    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn wrong_element(&mut self, k: u8, v: *const Value) -> RtError {
        // SAFETY: the caller looks at it just now.
        let v = unsafe { (*v).clone() };
        self.kind_error(self.pc, k, &v)
    }

    #[inline(never)]
    pub(crate) unsafe fn op_size(&mut self, dst: u16, ea: u16) -> Result<(), RtError> {
        // SAFETY: see the head of this block.
        unsafe {
            let v = self.peek(ea).clone();
            let n = tri!(self, self.size_of_value(&v));
            self.set_reg(dst, n);
        }
        Ok(())
    }

    /// A call of a function value that the loop does not enter itself.
    #[inline(never)]
    pub(crate) unsafe fn op_call_value(&mut self, n: u8, dst: u16, ef: u16, site: u16) -> Result<(), RtError> {
        // SAFETY: see the head of this block.
        unsafe {
            let args = self.args(n);
            let Site::Call(s) = &self.code().sites[site as usize] else {
                std::hint::unreachable_unchecked()
            };
            let Value::Func(f) = self.peek(ef) else {
                fail!(self.unset_error(self.pc));
            };
            let f = f.clone();
            let r = self.call_func(self.host_mut(), &f, &args, &s.arg_types);
            let v = tri!(self, r);
            if dst != enc::NONE {
                if kind::fits(s.result_kind, &v) {
                    self.set_reg(dst, v);
                } else if let Value::Unset = v {
                    self.nil();
                } else {
                    fail!(self.result_error(self.pc, f.id, s.result_kind, &v));
                }
            }
        }
        Ok(())
    }
}

/// Copies a few bytes; short pieces without the detour over the C library.
///
/// # Safety
/// `len` bytes at `from` may be read, as many at `to` written, and they do not overlap.
#[inline(always)]
unsafe fn copy_bytes(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: each copy lies within the `len` bytes.
    unsafe {
        if (8..=16).contains(&len) {
            let (a, b) = (
                (from as *const u64).read_unaligned(),
                (from.add(len - 8) as *const u64).read_unaligned(),
            );
            (to as *mut u64).write_unaligned(a);
            (to.add(len - 8) as *mut u64).write_unaligned(b);
        } else if len == 1 {
            *to = *from;
        } else {
            ptr::copy_nonoverlapping(from, to, len);
        }
    }
}

/// The position that an index names; negative ones count from the end.
#[inline(always)]
pub(crate) fn vector_index(v: &Vector, i: &Value) -> usize {
    match i {
        Value::Count(n) => *n as usize,
        Value::Int(n) if *n >= 0 => *n as usize,
        Value::Int(n) => (v.len() as i64).wrapping_add(*n) as usize,
        _ => usize::MAX,
    }
}
