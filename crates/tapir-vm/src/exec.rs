//! The dispatch loop.
//!
//! One call of `Vm::execute` runs one body and every script function that it calls directly; hooks, events, function
//! values given to built-ins and defaults come back in through `execute`. Errors leave the loop as `Err` and unwind
//! the frames of this call.
//!
//! Invariants behind the unsafe code here:
//! - `base` points to the frame's first register and is taken anew after everything that may run script code, because
//!   the stack may have moved then; the stack always has room for `n_regs` registers of the running code.
//! - Every slot of the stack holds a valid value at any time; slots above the running frame hold no heap values.
//! - A register that the compiler made a scalar register holds scalars only, so it is written without dropping.
//! - `pc` stays within `code.instrs`: jumps were patched to bound labels, and every body ends in a return.

use std::hash::Hasher;
use std::ptr;
use std::rc::Rc;

use smallvec::SmallVec;
use tapir_data::key::{hash_value, values_equal};
use tapir_data::table::TableIter;
use tapir_data::types::{DefaultId, TypeId};
use tapir_data::value::{Func, FuncId, Str, Value, Vector};

use crate::code::{Code, Instr, Site, SwitchSite, enc, kind};
use crate::host::{CallCtx, Host, RtError, Severity};
use crate::vm::Vm;

/// Where a suspended body goes on.
pub(crate) struct Frame {
    pub code: *const Code,
    pub pc: *const Instr,
    pub base: usize,
    pub dst: u16,
    /// Loops of the frames below.
    pub iters: u32,
}

/// A running `for` loop.
pub(crate) enum Iter {
    Table(TableIter),
    Vector(Rc<Vector>, usize),
    Str(Str, usize),
}

/// Arguments on their way.
pub(crate) type Args = SmallVec<[Value; 6]>;

/// A value that the compiler knows to be of a kind.
macro_rules! scalar_access {
    ($name:ident, $ty:ty, $($pat:pat => $val:expr),+) => {
        #[inline(always)]
        pub(crate) fn $name(v: &Value) -> $ty {
            match v {
                $($pat => $val,)+
                _ => {
                    debug_assert!(false, "register of another kind: {}", kind::of(v));
                    // SAFETY: typed registers hold values of their kind; see the invariants of `code::Code`.
                    unsafe { std::hint::unreachable_unchecked() }
                }
            }
        }
    };
}

scalar_access!(int, i64, Value::Int(n) => *n);
scalar_access!(count, u64, Value::Count(n) => *n);
scalar_access!(dbl, f64, Value::Double(d) => *d);
scalar_access!(float, f64, Value::Double(d) => *d, Value::Time(d) => *d, Value::Interval(d) => *d);
scalar_access!(boolean, bool, Value::Bool(b) => *b);
scalar_access!(enum_of, i64, Value::Enum(_, n) => *n);

#[inline(always)]
fn make_float(k: u8, d: f64) -> Value {
    match k {
        kind::TIME => Value::Time(d),
        kind::INTERVAL => Value::Interval(d),
        _ => Value::Double(d),
    }
}

/// A clone that copies scalars bit by bit.
#[inline(always)]
fn dup(v: &Value) -> Value {
    if kind::of(v) < kind::STR {
        // SAFETY: scalars own nothing.
        unsafe { ptr::read(v) }
    } else {
        v.clone()
    }
}

/// Copies a value bit by bit, in words of the size in which scalars are written: a wider load behind two narrower
/// stores would have to wait for both.
///
/// # Safety
/// Both point to values; the old content of `to` owns nothing, and `from` is a scalar or gives up what it owns.
#[inline(always)]
unsafe fn copy_words(from: *const Value, to: *mut Value) {
    type Word = std::mem::MaybeUninit<u64>;
    // SAFETY: a value is three aligned words.
    unsafe {
        let (from, to) = (from as *const Word, to as *mut Word);
        let (a, b, c) = (
            from.read_volatile(),
            from.add(1).read_volatile(),
            from.add(2).read_volatile(),
        );
        to.write_volatile(a);
        to.add(1).write_volatile(b);
        to.add(2).write_volatile(c);
    }
}

/// Writes a number: the tag as a whole word, then the number.
///
/// # Safety
/// `to` points to a value that owns nothing; values of kind `k` have their number in the second word.
#[inline(always)]
unsafe fn put_word(to: *mut Value, k: u8, n: u64) {
    // SAFETY: the layout is fixed by `repr(u8)`: tag in byte 0, a 64-bit number at offset 8.
    unsafe {
        (to as *mut u64).write(k as u64);
        (to as *mut u64).add(1).write(n);
    }
}

/// Overwrites a register with a copy of a value.
///
/// # Safety
/// As for [`assign`]; `from` is not what `at` owns.
#[inline(always)]
unsafe fn assign_dup(at: *mut Value, from: &Value) {
    // SAFETY: scalars are copied, the rest is cloned before the old content goes.
    unsafe {
        if kind::of(from) < kind::STR {
            if kind::of(&*at) >= kind::STR {
                // The old content may own what `from` lies in: copy first.
                let v = ptr::read(from);
                ptr::drop_in_place(at);
                ptr::write(at, v);
            } else {
                copy_words(from, at);
            }
        } else {
            let v = from.clone();
            assign(at, v);
        }
    }
}

const _: () = assert!(std::mem::size_of::<Value>() == 24);

/// Overwrites a register whose old content may be a heap value.
///
/// # Safety
/// `at` points to a valid value that nothing refers to.
#[inline(always)]
unsafe fn assign(at: *mut Value, v: Value) {
    // SAFETY: the old value is valid and dropped once, dropping runs no script code.
    unsafe {
        if kind::of(&*at) >= kind::STR {
            ptr::drop_in_place(at);
        }
        ptr::write(at, v);
    }
}

impl Vm {
    /// Runs a body whose parameters lie at `base`, which must be the first free slot of the stack.
    pub(crate) fn execute(&mut self, host: &mut dyn Host, code: &Rc<Code>, base: usize) -> Result<Value, RtError> {
        let code: *const Code = Rc::as_ptr(code);
        // SAFETY: compiled code is kept by the machine's caches or by the caller for as long as it runs.
        let code = unsafe { &*code };
        if self.frames.capacity() < self.max_depth + 2 {
            self.frames.reserve(self.max_depth + 2 - self.frames.len());
        }
        self.frames.push(Frame {
            code: self.cur_code,
            pc: self.pc,
            base: self.cur_base,
            dst: enc::NONE,
            iters: self.iters.len() as u32,
        });
        let depth = self.frames.len();
        // What the loop needs rarely lives in the machine, so that what it needs always fits into registers.
        let outer = (self.host, self.entry_depth);
        // SAFETY: only the lifetime changes; the pointer is used while `host` is borrowed by this call, and what was
        // there before comes back at its end.
        self.host =
            unsafe { std::mem::transmute::<*mut (dyn Host + '_), *mut (dyn Host + 'static)>(ptr::from_mut(host)) };
        self.entry_depth = depth;
        self.cur_code = code;
        self.cur_base = base;
        self.pc = code.instrs.as_ptr();
        let result = if depth > self.max_depth {
            Err(self.too_deep())
        } else {
            // SAFETY: the caller made room and placed the parameters; see the module's invariants.
            unsafe { self.dispatch() }
        };
        if result.is_err() {
            self.unwind(depth);
        }
        (self.host, self.entry_depth) = outer;
        result
    }

    #[cold]
    fn unwind(&mut self, depth: usize) {
        while self.frames.len() >= depth {
            // SAFETY: the current frame's registers lie on the stack.
            unsafe { self.leave() };
        }
    }

    /// Makes room for a frame.
    #[inline]
    pub(crate) fn reserve(&mut self, end: usize) {
        if end > self.stack.len() {
            self.grow_stack(end);
        }
    }

    #[cold]
    fn grow_stack(&mut self, end: usize) {
        let len = (end + 256).max(self.stack.len() * 2);
        self.stack.resize(len, Value::Unset);
    }

    /// Drops the running frame's heap values and makes its caller the running frame.
    ///
    /// # Safety
    /// `cur_code` and `cur_base` describe a frame on the stack.
    #[inline(always)]
    unsafe fn leave(&mut self) -> Frame {
        // SAFETY: `cur_code` lives as long as it runs, its registers lie on the stack.
        unsafe {
            let code = &*self.cur_code;
            let base = self.stack.as_mut_ptr().add(self.cur_base);
            for &(from, to) in &code.managed {
                for r in from..to {
                    assign(base.add(r as usize), Value::Unset);
                }
            }
        }
        debug_assert!(!self.frames.is_empty());
        // SAFETY: the running frame was pushed before it ran.
        let frame = unsafe { self.frames.pop().unwrap_unchecked() };
        if self.iters.len() > frame.iters as usize {
            self.iters.truncate(frame.iters as usize);
        }
        self.cur_code = frame.code;
        self.cur_base = frame.base;
        self.pc = frame.pc;
        frame
    }

    #[cold]
    pub(crate) fn too_deep(&mut self) -> RtError {
        let text = format!("maximum recursion depth {} exceeded", self.max_depth);
        self.located(Severity::RuntimeError, text)
    }

    /// Every so often: steps and memory within their limits?
    #[cold]
    fn out_of_fuel(&mut self) -> Result<(), RtError> {
        const CHUNK: u64 = 1 << 20;
        self.fuel = CHUNK;
        self.steps += CHUNK;
        if self.steps > self.limits.steps_max {
            self.steps = 0;
            return Err(self.located(
                Severity::RuntimeError,
                format!("execution limit of {} steps exceeded", self.limits.steps_max),
            ));
        }
        self.check_memory()
    }

    /// # Safety
    /// See the module's invariants.
    #[allow(unused_assignments)]
    unsafe fn dispatch(&mut self) -> Result<Value, RtError> {
        macro_rules! host {
            () => {{
                let p = self.host;
                &mut *p
            }};
        }
        // The running code. Its lifetime is that of the caches that keep it.
        macro_rules! code {
            () => {
                (&*self.cur_code)
            };
        }
        // SAFETY: the invariants at the head of this file hold for everything below.
        unsafe {
            let mut base: *mut Value = self.stack.as_mut_ptr().add(self.cur_base);
            let mut consts: *const Value = code!().consts.as_ptr();
            let mut pc: *const Instr = code!().instrs.as_ptr();
            for &r in &code!().clear {
                *base.add(r as usize) = Value::Unset;
            }

            macro_rules! reg {
                ($r:expr) => {
                    &*base.add($r as usize)
                };
            }
            macro_rules! konst {
                ($k:expr) => {
                    &*consts.add($k as usize)
                };
            }
            // Writes a scalar register.
            macro_rules! put {
                ($dst:expr, $v:expr) => {{
                    let v = $v;
                    ptr::write(base.add($dst as usize), v)
                }};
            }
            macro_rules! put_int {
                ($dst:expr, $v:expr) => {{
                    let v: i64 = $v;
                    put_word(base.add($dst as usize), kind::INT, v as u64)
                }};
            }
            macro_rules! put_count {
                ($dst:expr, $v:expr) => {{
                    let v: u64 = $v;
                    put_word(base.add($dst as usize), kind::COUNT, v)
                }};
            }
            macro_rules! put_dbl {
                ($dst:expr, $v:expr) => {{
                    let v: f64 = $v;
                    put_word(base.add($dst as usize), kind::DOUBLE, v.to_bits())
                }};
            }
            // Writes any register with a copy of what stands elsewhere.
            macro_rules! set_dup {
                ($dst:expr, $v:expr) => {{
                    let v: &Value = $v;
                    assign_dup(base.add($dst as usize), v)
                }};
            }
            // Fetches an encoded operand into a slot that owns nothing.
            macro_rules! fetch_to {
                ($to:expr, $e:expr) => {{
                    let e: u16 = $e;
                    let to: *mut Value = $to;
                    match e & enc::MODE {
                        enc::SCALAR => copy_words(base.add(e as usize), to),
                        enc::TAKE => {
                            let from = base.add((e & enc::INDEX) as usize);
                            copy_words(from, to);
                            ptr::write(from, Value::Unset);
                        }
                        _ => {
                            let from: &Value = peek!(e);
                            if kind::of(from) < kind::STR {
                                copy_words(from, to);
                            } else {
                                ptr::write(to, from.clone());
                            }
                        }
                    }
                }};
            }
            // Writes any register.
            macro_rules! set {
                ($dst:expr, $v:expr) => {{
                    let v = $v;
                    assign(base.add($dst as usize), v);
                }};
            }
            macro_rules! reload {
                () => {
                    base = self.stack.as_mut_ptr().add(self.cur_base)
                };
            }
            macro_rules! jump {
                ($off:expr) => {
                    pc = pc.offset($off as isize)
                };
            }
            macro_rules! peek {
                ($e:expr) => {{
                    let e: u16 = $e;
                    if e < enc::POOL {
                        &*base.add((e & enc::INDEX) as usize)
                    } else if e & enc::GLOBAL_BIT == 0 {
                        &*consts.add((e & enc::POOL_INDEX) as usize)
                    } else {
                        &*self.globals.as_ptr().add((e & enc::POOL_INDEX) as usize)
                    }
                }};
            }
            macro_rules! fetch {
                ($e:expr) => {{
                    let e: u16 = $e;
                    match e & enc::MODE {
                        enc::SCALAR => ptr::read(base.add(e as usize)),
                        enc::CLONE => dup(&*base.add((e & enc::INDEX) as usize)),
                        enc::TAKE => std::mem::take(&mut *base.add((e & enc::INDEX) as usize)),
                        _ => dup(peek!(e)),
                    }
                }};
            }
            macro_rules! tri {
                ($r:expr) => {
                    match $r {
                        Ok(v) => v,
                        Err(e) => return Err(self.with_location(e)),
                    }
                };
            }
            macro_rules! fail {
                ($e:expr) => {{
                    self.pc = pc;
                    let e = $e;
                    return Err(e);
                }};
            }
            // The statement that wanted a value gets none: go on behind it.
            macro_rules! nil {
                () => {{
                    let at = pc.offset_from(code!().instrs.as_ptr()) as usize - 1;
                    match code!().nil_target(at) {
                        Some(t) => pc = code!().instrs.as_ptr().add(t as usize),
                        None => pc = RETURN_NONE.as_ptr(),
                    }
                }};
            }
            // Collects `n` encoded arguments from the words that follow.
            macro_rules! args {
                ($n:expr) => {{
                    let n = $n as usize;
                    let mut list = Args::new();
                    let mut left = n;
                    while left > 0 {
                        let Instr::Args { a, b, c } = *pc else {
                            std::hint::unreachable_unchecked()
                        };
                        pc = pc.add(1);
                        list.push(fetch!(a));
                        if left > 1 {
                            list.push(fetch!(b));
                        }
                        if left > 2 {
                            list.push(fetch!(c));
                        }
                        left = left.saturating_sub(3);
                    }
                    list
                }};
            }
            // The type that follows.
            macro_rules! ext {
                () => {{
                    let Instr::Ext { v } = *pc else {
                        std::hint::unreachable_unchecked()
                    };
                    pc = pc.add(1);
                    TypeId(v)
                }};
            }
            // Leaves the running body with a value.
            macro_rules! ret {
                ($v:expr) => {{
                    let v: Value = $v;
                    let frame = self.leave();
                    if self.frames.len() < self.entry_depth {
                        return Ok(v);
                    }
                    reload!();
                    consts = code!().consts.as_ptr();
                    pc = frame.pc;
                    if frame.dst != enc::NONE {
                        if let Value::Unset = v {
                            // `pc` is behind the argument words; any of them belongs to the same statement.
                            nil!();
                        } else {
                            set!(frame.dst, v);
                        }
                    }
                }};
            }
            macro_rules! compare {
                ($sense:expr, $cond:expr, $off:expr) => {
                    if ($cond) == $sense {
                        jump!($off);
                    }
                };
            }
            macro_rules! step {
                () => {
                    self.fuel -= 1;
                    if self.fuel == 0 {
                        self.pc = pc;
                        tri!(self.out_of_fuel());
                    }
                };
            }

            loop {
                let instr = *pc;
                pc = pc.add(1);
                match instr {
                    Instr::Args { .. } | Instr::Ext { .. } => std::hint::unreachable_unchecked(),

                    // ---- moves ----
                    Instr::Mov { dst, src } => {
                        copy_words(base.add(src as usize), base.add(dst as usize));
                    }
                    Instr::MovM { dst, src } => set_dup!(dst, reg!(src)),
                    Instr::TakeM { dst, src } => set!(dst, std::mem::take(&mut *base.add(src as usize))),
                    Instr::LoadK { dst, k } => {
                        copy_words(consts.add(k as usize), base.add(dst as usize));
                    }
                    Instr::LoadKM { dst, k } => set!(dst, (konst!(k)).clone()),
                    Instr::LoadBool { v, dst } => put!(dst, Value::Bool(v)),
                    Instr::Clear { dst } => set!(dst, Value::Unset),
                    Instr::CheckSet { src } => {
                        if let Value::Unset = reg!(src) {
                            fail!(self.unset_error(pc));
                        }
                    }
                    Instr::CheckKind { kind, src } => {
                        if !kind::fits(kind, reg!(src)) {
                            let v = dup(reg!(src));
                            set!(src, Value::Unset);
                            fail!(self.kind_error(pc, kind, &v));
                        }
                    }
                    Instr::GetGlobal { kind, dst, g } => {
                        let v = &*self.globals.as_ptr().add(g as usize);
                        if !kind::fits(kind, v) {
                            let v = v.clone();
                            fail!(self.kind_error(pc, kind, &v));
                        }
                        set_dup!(dst, v);
                    }
                    Instr::SetGlobal { esrc, g } => {
                        let v = fetch!(esrc);
                        let slot = &mut *self.globals.as_mut_ptr().add(g as usize);
                        let old = std::mem::replace(slot, v);
                        drop(old);
                        if self.watching {
                            self.global_changed(g);
                        }
                    }
                    Instr::LoadCapture { dst, clos, idx } => {
                        if let Value::Func(f) = reg!(clos) {
                            // Nothing holds the cell's borrow while code runs; the copy is made before anything is
                            // dropped.
                            match (&*f.captures.as_ptr()).get(idx as usize) {
                                Some(v) => set_dup!(dst, v),
                                None => set!(dst, Value::Unset),
                            }
                        }
                    }
                    Instr::StoreCapture { clos, idx, esrc } => {
                        let v = fetch!(esrc);
                        if let Value::Func(f) = reg!(clos) {
                            let old = f
                                .captures
                                .borrow_mut()
                                .get_mut(idx as usize)
                                .map(|c| std::mem::replace(c, v));
                            drop(old);
                        }
                    }

                    // ---- integers ----
                    Instr::AddInt { dst, a, b } => put_int!(dst, int(reg!(a)).wrapping_add(int(reg!(b)))),
                    Instr::SubInt { dst, a, b } => put_int!(dst, int(reg!(a)).wrapping_sub(int(reg!(b)))),
                    Instr::MulInt { dst, a, b } => put_int!(dst, int(reg!(a)).wrapping_mul(int(reg!(b)))),
                    Instr::AddIntK { dst, a, k } => put_int!(dst, int(reg!(a)).wrapping_add(int(konst!(k)))),
                    Instr::SubIntK { dst, a, k } => put_int!(dst, int(reg!(a)).wrapping_sub(int(konst!(k)))),
                    Instr::MulIntK { dst, a, k } => put_int!(dst, int(reg!(a)).wrapping_mul(int(konst!(k)))),
                    Instr::DivInt { dst, a, b } => {
                        let d = int(reg!(b));
                        if d == 0 {
                            fail!(self.detailed(pc, "division by zero"));
                        }
                        put_int!(dst, int(reg!(a)).wrapping_div(d));
                    }
                    Instr::ModInt { dst, a, b } => {
                        let d = int(reg!(b));
                        if d == 0 {
                            fail!(self.detailed(pc, "modulo by zero"));
                        }
                        put_int!(dst, int(reg!(a)).wrapping_rem(d));
                    }
                    Instr::NegInt { dst, a } => put_int!(dst, int(reg!(a)).wrapping_neg()),
                    Instr::AddCount { dst, a, b } => {
                        put_count!(dst, count(reg!(a)).wrapping_add(count(reg!(b))))
                    }
                    Instr::AddCountK { dst, a, k } => {
                        put_count!(dst, count(reg!(a)).wrapping_add(count(konst!(k))))
                    }
                    Instr::SubCount { dst, a, b } => {
                        let (x, y) = (count(reg!(a)), count(reg!(b)));
                        put_count!(dst, x.wrapping_sub(y));
                        if x < y {
                            self.pc = pc;
                            self.count_underflow(host!());
                            reload!();
                        }
                    }
                    Instr::SubCountK { dst, a, k } => {
                        let (x, y) = (count(reg!(a)), count(konst!(k)));
                        put_count!(dst, x.wrapping_sub(y));
                        if x < y {
                            self.pc = pc;
                            self.count_underflow(host!());
                            reload!();
                        }
                    }
                    Instr::MulCount { dst, a, b } => {
                        put_count!(dst, count(reg!(a)).wrapping_mul(count(reg!(b))))
                    }
                    Instr::MulCountK { dst, a, k } => {
                        put_count!(dst, count(reg!(a)).wrapping_mul(count(konst!(k))))
                    }
                    Instr::DivCount { dst, a, b } => {
                        let d = count(reg!(b));
                        if d == 0 {
                            fail!(self.detailed(pc, "division by zero"));
                        }
                        put_count!(dst, count(reg!(a)) / d);
                    }
                    Instr::DivCountK { dst, a, k } => {
                        let d = count(konst!(k));
                        if d == 0 {
                            fail!(self.detailed(pc, "division by zero"));
                        }
                        put_count!(dst, count(reg!(a)) / d);
                    }
                    Instr::ModCount { dst, a, b } => {
                        let d = count(reg!(b));
                        if d == 0 {
                            fail!(self.detailed(pc, "modulo by zero"));
                        }
                        put_count!(dst, count(reg!(a)) % d);
                    }
                    Instr::ModCountK { dst, a, k } => {
                        let d = count(konst!(k));
                        if d == 0 {
                            fail!(self.detailed(pc, "modulo by zero"));
                        }
                        put_count!(dst, count(reg!(a)) % d);
                    }
                    Instr::AndCount { dst, a, b } => put_count!(dst, count(reg!(a)) & count(reg!(b))),
                    Instr::OrCount { dst, a, b } => put_count!(dst, count(reg!(a)) | count(reg!(b))),
                    Instr::XorCount { dst, a, b } => put_count!(dst, count(reg!(a)) ^ count(reg!(b))),
                    Instr::ShlCount { dst, a, b } => {
                        put_count!(dst, count(reg!(a)).wrapping_shl(count(reg!(b)) as u32))
                    }
                    Instr::ShrCount { dst, a, b } => {
                        put_count!(dst, count(reg!(a)).wrapping_shr(count(reg!(b)) as u32))
                    }

                    // ---- floating point ----
                    Instr::AddDbl { dst, a, b } => put_dbl!(dst, dbl(reg!(a)) + dbl(reg!(b))),
                    Instr::SubDbl { dst, a, b } => put_dbl!(dst, dbl(reg!(a)) - dbl(reg!(b))),
                    Instr::MulDbl { dst, a, b } => put_dbl!(dst, dbl(reg!(a)) * dbl(reg!(b))),
                    Instr::DivDbl { dst, a, b } => {
                        let d = dbl(reg!(b));
                        if d == 0.0 {
                            fail!(self.detailed(pc, "division by zero"));
                        }
                        put_dbl!(dst, dbl(reg!(a)) / d);
                    }
                    Instr::AddDblK { dst, a, k } => put_dbl!(dst, dbl(reg!(a)) + dbl(konst!(k))),
                    Instr::SubDblK { dst, a, k } => put_dbl!(dst, dbl(reg!(a)) - dbl(konst!(k))),
                    Instr::MulDblK { dst, a, k } => put_dbl!(dst, dbl(reg!(a)) * dbl(konst!(k))),
                    Instr::DivDblK { dst, a, k } => {
                        let d = dbl(konst!(k));
                        if d == 0.0 {
                            fail!(self.detailed(pc, "division by zero"));
                        }
                        put_dbl!(dst, dbl(reg!(a)) / d);
                    }
                    Instr::AddF { kind, dst, a, b } => put!(dst, make_float(kind, float(reg!(a)) + float(reg!(b)))),
                    Instr::SubF { kind, dst, a, b } => put!(dst, make_float(kind, float(reg!(a)) - float(reg!(b)))),
                    Instr::MulF { kind, dst, a, b } => put!(dst, make_float(kind, float(reg!(a)) * float(reg!(b)))),
                    Instr::DivF { kind, dst, a, b } => {
                        let d = float(reg!(b));
                        if d == 0.0 {
                            fail!(self.detailed(pc, "division by zero"));
                        }
                        put!(dst, make_float(kind, float(reg!(a)) / d));
                    }
                    Instr::NegF { kind, dst, a } => put!(dst, make_float(kind, -float(reg!(a)))),
                    Instr::Not { dst, a } => put!(dst, Value::Bool(!boolean(reg!(a)))),
                    Instr::CountToInt { dst, a } => put_int!(dst, count(reg!(a)) as i64),
                    Instr::CountToDbl { dst, a } => put_dbl!(dst, count(reg!(a)) as f64),
                    Instr::IntToDbl { dst, a } => put_dbl!(dst, int(reg!(a)) as f64),

                    // ---- jumps ----
                    Instr::Jmp { off } => jump!(off),
                    Instr::Loop { off } => {
                        jump!(off);
                        step!();
                    }
                    Instr::JBool { sense, a, off } => compare!(sense, boolean(reg!(a)), off),
                    Instr::JLtInt { sense, a, b, off } => compare!(sense, int(reg!(a)) < int(reg!(b)), off),
                    Instr::JLeInt { sense, a, b, off } => compare!(sense, int(reg!(a)) <= int(reg!(b)), off),
                    Instr::JEqInt { sense, a, b, off } => compare!(sense, int(reg!(a)) == int(reg!(b)), off),
                    Instr::JLtIntK { sense, a, k, off } => compare!(sense, int(reg!(a)) < int(konst!(k)), off),
                    Instr::JLeIntK { sense, a, k, off } => compare!(sense, int(reg!(a)) <= int(konst!(k)), off),
                    Instr::JEqIntK { sense, a, k, off } => compare!(sense, int(reg!(a)) == int(konst!(k)), off),
                    Instr::JLtCount { sense, a, b, off } => compare!(sense, count(reg!(a)) < count(reg!(b)), off),
                    Instr::JLeCount { sense, a, b, off } => compare!(sense, count(reg!(a)) <= count(reg!(b)), off),
                    Instr::JEqCount { sense, a, b, off } => compare!(sense, count(reg!(a)) == count(reg!(b)), off),
                    Instr::JLtCountK { sense, a, k, off } => compare!(sense, count(reg!(a)) < count(konst!(k)), off),
                    Instr::JLeCountK { sense, a, k, off } => compare!(sense, count(reg!(a)) <= count(konst!(k)), off),
                    Instr::JEqCountK { sense, a, k, off } => compare!(sense, count(reg!(a)) == count(konst!(k)), off),
                    Instr::JLtF { sense, a, b, off } => compare!(sense, float(reg!(a)) < float(reg!(b)), off),
                    Instr::JLeF { sense, a, b, off } => compare!(sense, float(reg!(a)) <= float(reg!(b)), off),
                    Instr::JEqF { sense, a, b, off } => compare!(sense, float(reg!(a)) == float(reg!(b)), off),
                    Instr::JEqEnum { sense, a, b, off } => compare!(sense, enum_of(reg!(a)) == enum_of(reg!(b)), off),
                    Instr::JEqEnumK { sense, a, k, off } => {
                        compare!(sense, enum_of(reg!(a)) == enum_of(konst!(k)), off)
                    }
                    Instr::JEqVal { sense, ea, eb, off } => {
                        compare!(sense, values_equal(peek!(ea), peek!(eb)), off)
                    }
                    Instr::IncLoopCount { a, b, off } => {
                        let n = count(reg!(a)).wrapping_add(1);
                        put_count!(a, n);
                        if n < count(reg!(b)) {
                            jump!(off);
                            step!();
                        }
                    }
                    Instr::IncLoopCountK { a, k, off } => {
                        let n = count(reg!(a)).wrapping_add(1);
                        put_count!(a, n);
                        if n < count(konst!(k)) {
                            jump!(off);
                            step!();
                        }
                    }
                    Instr::IncLoopInt { a, b, off } => {
                        let n = int(reg!(a)).wrapping_add(1);
                        put_int!(a, n);
                        if n < int(reg!(b)) {
                            jump!(off);
                            step!();
                        }
                    }
                    Instr::IncLoopIntK { a, k, off } => {
                        let n = int(reg!(a)).wrapping_add(1);
                        put_int!(a, n);
                        if n < int(konst!(k)) {
                            jump!(off);
                            step!();
                        }
                    }
                    Instr::JHas { sense, erec, slot, off } => {
                        let Value::Record(r) = peek!(erec) else {
                            fail!(self.unset_error(pc));
                        };
                        let has = r.has(slot as usize) || self.field_has_default(r, slot);
                        compare!(sense, has, off);
                    }
                    Instr::JIn1 { sense, et, ek, off } => {
                        let (t, k) = (peek!(et), peek!(ek));
                        let found = match t {
                            Value::Table(t) if t.is_plain() && self.plain_key(k) => t.find1(k).is_some(),
                            _ => {
                                let (t, k) = (t.clone(), k.clone());
                                self.pc = pc;
                                let found = tri!(self.contains(host!(), &t, std::slice::from_ref(&k)));
                                reload!();
                                found
                            }
                        };
                        compare!(sense, found, off);
                    }

                    // ---- records ----
                    Instr::GetField { kind, dst, erec, slot } => {
                        let Value::Record(r) = peek!(erec) else {
                            fail!(self.unset_error(pc));
                        };
                        match r.slot_ref(slot as usize) {
                            Some(v) if kind::fits(kind, v) => set_dup!(dst, v),
                            _ => {
                                let r = r.clone();
                                self.pc = pc;
                                let v = tri!(self.field_slow(host!(), &r, slot, kind));
                                reload!();
                                set!(dst, v);
                            }
                        }
                    }
                    Instr::GetField2 {
                        slot1,
                        dst,
                        erec,
                        slot2,
                        kind,
                    } => {
                        let Value::Record(outer) = peek!(erec) else {
                            fail!(self.unset_error(pc));
                        };
                        match outer.slot_ref(slot1 as usize) {
                            Some(Value::Record(r)) => match r.slot_ref(slot2 as usize) {
                                Some(v) if kind::fits(kind, v) => set_dup!(dst, v),
                                _ => {
                                    let r = r.clone();
                                    self.pc = pc;
                                    let v = tri!(self.field_slow(host!(), &r, slot2 as u16, kind));
                                    reload!();
                                    set!(dst, v);
                                }
                            },
                            _ => {
                                let outer = outer.clone();
                                self.pc = pc;
                                let r = tri!(self.field_slow(host!(), &outer, slot1 as u16, kind::RECORD));
                                reload!();
                                let Value::Record(r) = r else {
                                    fail!(self.unset_error(pc));
                                };
                                let v = r.get(slot2 as usize);
                                if kind::fits(kind, &v) {
                                    set!(dst, v);
                                } else {
                                    let v = tri!(self.field_slow(host!(), &r, slot2 as u16, kind));
                                    reload!();
                                    set!(dst, v);
                                }
                            }
                        }
                    }
                    Instr::SetField { erec, slot, esrc } => {
                        let v = fetch!(esrc);
                        let Value::Record(r) = peek!(erec) else {
                            fail!(self.unset_error(pc));
                        };
                        if self.watching {
                            let r = r.clone();
                            r.set(slot as usize, v);
                            self.changed(Rc::as_ptr(&r) as *const u8);
                        } else {
                            r.set(slot as usize, v);
                        }
                    }
                    Instr::DelField { erec, slot } => {
                        let Value::Record(r) = peek!(erec) else {
                            fail!(self.unset_error(pc));
                        };
                        let r = r.clone();
                        r.set(slot as usize, Value::Unset);
                        if self.watching {
                            self.changed(Rc::as_ptr(&r) as *const u8);
                        }
                    }
                    Instr::NewRecord { dst, site, n } => {
                        let args = args!(n);
                        let Site::Record(site) = &code!().sites[site as usize] else {
                            std::hint::unreachable_unchecked()
                        };
                        self.pc = pc;
                        let r = tri!(self.new_record(host!(), site, args));
                        reload!();
                        set!(dst, Value::Record(r));
                    }

                    // ---- tables ----
                    Instr::TGet1 { kind, dst, et, ek } => {
                        let (t, k) = (peek!(et), peek!(ek));
                        let hit = match t {
                            Value::Table(t) if t.is_plain() && self.plain_key(k) => {
                                t.find1(k).and_then(|pos| t.value_ref(pos))
                            }
                            _ => None,
                        };
                        match hit {
                            Some(v) if kind::fits(kind, v) => set_dup!(dst, v),
                            _ => {
                                let (t, k) = (t.clone(), dup(k));
                                self.pc = pc;
                                let v = tri!(self.index(host!(), &t, std::slice::from_ref(&k), kind));
                                reload!();
                                set!(dst, v);
                            }
                        }
                    }
                    Instr::TGetN { kind, dst, et, n } => {
                        let keys = args!(n);
                        let t = peek!(et).clone();
                        self.pc = pc;
                        let v = tri!(self.index(host!(), &t, &keys, kind));
                        reload!();
                        set!(dst, v);
                    }
                    Instr::InN { dst, et, n } => {
                        let keys = args!(n);
                        let t = peek!(et).clone();
                        self.pc = pc;
                        let found = tri!(self.contains(host!(), &t, &keys));
                        reload!();
                        set!(dst, Value::Bool(found));
                    }
                    Instr::TSet1 { et, ek, esrc } => {
                        let v = fetch!(esrc);
                        let (t, k) = (peek!(et), peek!(ek));
                        match t {
                            Value::Table(t) if t.is_plain() && !self.watching && self.plain_key(k) => {
                                // An overwrite keeps its place and drops the old value after it.
                                match t.find1(k) {
                                    Some(pos) => drop(t.set_value_at(pos, v)),
                                    None if !t.iterating() => {
                                        drop(t.insert(std::slice::from_ref(k), v, 0.0));
                                    }
                                    None => {
                                        let (t, k) = (t.clone(), dup(k));
                                        self.pc = pc;
                                        tri!(self.table_set(host!(), &t, std::slice::from_ref(&k), v));
                                        reload!();
                                    }
                                }
                            }
                            Value::Table(t) => {
                                let (t, k) = (t.clone(), dup(k));
                                self.pc = pc;
                                tri!(self.table_set(host!(), &t, std::slice::from_ref(&k), v));
                                reload!();
                            }
                            _ => fail!(self.unset_error(pc)),
                        }
                    }
                    Instr::TSetN { et, esrc, n } => {
                        let v = fetch!(esrc);
                        let keys = args!(n);
                        let Value::Table(t) = peek!(et).clone() else {
                            fail!(self.unset_error(pc));
                        };
                        self.pc = pc;
                        tri!(self.table_set(host!(), &t, &keys, v));
                        reload!();
                    }
                    Instr::TBump1 { sub, et, ek, ed } => {
                        let (t, k, d) = (peek!(et), peek!(ek), peek!(ed));
                        let hit = match t {
                            Value::Table(t) if t.is_plain() && !self.watching => t.find1(k).map(|pos| (t, pos)),
                            _ => None,
                        };
                        let old = match hit {
                            Some((t, pos)) => t.value_ref(pos),
                            None => None,
                        };
                        match (hit, old, d) {
                            (Some((t, pos)), Some(Value::Count(n)), Value::Count(d)) if !sub || n >= d => {
                                let n = if sub { n.wrapping_sub(*d) } else { n.wrapping_add(*d) };
                                t.set_value_at(pos, Value::Count(n));
                            }
                            (Some((t, pos)), Some(Value::Int(n)), Value::Int(d)) => {
                                let n = if sub { n.wrapping_sub(*d) } else { n.wrapping_add(*d) };
                                t.set_value_at(pos, Value::Int(n));
                            }
                            _ => {
                                let (t, k, d) = (t.clone(), dup(k), dup(d));
                                self.pc = pc;
                                tri!(self.bump(host!(), &t, &k, &d, sub));
                                reload!();
                            }
                        }
                    }
                    Instr::Add1 { et, ek } => {
                        let (t, k) = (peek!(et), peek!(ek));
                        match t {
                            Value::Table(t)
                                if t.is_plain() && !self.watching && !t.iterating() && kind::of(k) != kind::RECORD =>
                            {
                                t.insert(std::slice::from_ref(k), Value::Unset, 0.0);
                            }
                            _ => {
                                let (t, k) = (t.clone(), dup(k));
                                self.pc = pc;
                                tri!(self.add_member(host!(), &t, std::slice::from_ref(&k)));
                                reload!();
                            }
                        }
                    }
                    Instr::AddN { et, n } => {
                        let keys = args!(n);
                        let t = peek!(et).clone();
                        self.pc = pc;
                        tri!(self.add_member(host!(), &t, &keys));
                        reload!();
                    }
                    Instr::Del1 { et, ek } => {
                        let (t, k) = (peek!(et).clone(), dup(peek!(ek)));
                        self.pc = pc;
                        tri!(self.delete_member(host!(), &t, std::slice::from_ref(&k)));
                        reload!();
                    }
                    Instr::DelN { et, n } => {
                        let keys = args!(n);
                        let t = peek!(et).clone();
                        self.pc = pc;
                        tri!(self.delete_member(host!(), &t, &keys));
                        reload!();
                    }
                    Instr::ClearAll { ea } => {
                        let v = peek!(ea).clone();
                        self.pc = pc;
                        tri!(self.clear_all(&v));
                    }
                    Instr::NewTable { dst, site, n } => {
                        let args = args!(n);
                        let Site::Table(site) = &code!().sites[site as usize] else {
                            std::hint::unreachable_unchecked()
                        };
                        let table = match reg!(dst) {
                            Value::Table(t) if site.append => t.clone(),
                            _ => {
                                let t = self.new_table(site.ty, site.attrs.clone());
                                set!(dst, Value::Table(t.clone()));
                                t
                            }
                        };
                        let width = site.width as usize;
                        let per_entry = width + !site.is_set as usize;
                        let mut rest = args;
                        self.pc = pc;
                        while rest.len() >= per_entry && per_entry > 0 {
                            let tail: Args = rest.drain(per_entry..).collect();
                            let value = if site.is_set {
                                Value::Unset
                            } else {
                                rest.pop().unwrap_or_default()
                            };
                            for k in &rest {
                                if kind::of(k) == kind::RECORD {
                                    tri!(self.materialize(host!(), k));
                                }
                            }
                            table.insert(&rest, value, self.now);
                            rest = tail;
                        }
                        reload!();
                    }

                    // ---- vectors and strings ----
                    Instr::VGet { kind, dst, ev, i } => {
                        let Value::Vector(v) = peek!(ev) else {
                            fail!(self.unset_error(pc));
                        };
                        let idx = match reg!(i) {
                            Value::Count(n) => *n as usize,
                            Value::Int(n) if *n >= 0 => *n as usize,
                            Value::Int(n) => (v.len() as i64).wrapping_add(*n) as usize,
                            _ => usize::MAX,
                        };
                        match v.item_ref(idx) {
                            Some(x) if kind::fits(kind, x) => set_dup!(dst, x),
                            Some(x) if kind::of(x) != kind::UNSET => {
                                let x = x.clone();
                                fail!(self.kind_error(pc, kind, &x));
                            }
                            _ => fail!(self.detailed(pc, "no such index")),
                        }
                    }
                    Instr::VSet { ev, i, esrc } => {
                        let x = fetch!(esrc);
                        let Value::Vector(v) = peek!(ev) else {
                            fail!(self.unset_error(pc));
                        };
                        let idx = match reg!(i) {
                            Value::Count(n) => *n,
                            Value::Int(n) if *n >= 0 => *n as u64,
                            _ => {
                                fail!(self.detailed(pc, "negative vector index in assignment"));
                            }
                        };
                        if idx as usize > v.len() {
                            self.pc = pc;
                            tri!(self.vector_room(idx));
                        }
                        v.set(idx as usize, x);
                        if self.watching {
                            let at = Rc::as_ptr(v) as *const u8;
                            self.changed(at);
                        }
                    }
                    Instr::VPush { ev, esrc } => {
                        let x = fetch!(esrc);
                        let Value::Vector(v) = peek!(ev) else {
                            fail!(self.unset_error(pc));
                        };
                        v.push(x);
                        if self.watching {
                            let at = Rc::as_ptr(v) as *const u8;
                            self.changed(at);
                        }
                    }
                    Instr::NewVector { dst, site, n } => {
                        let args = args!(n);
                        let Site::Type(ty) = &code!().sites[site as usize] else {
                            std::hint::unreachable_unchecked()
                        };
                        set!(dst, Value::Vector(Vector::new(*ty, args.into_vec())));
                    }
                    Instr::Concat { dst, ea, eb } => {
                        let (Value::Str(a), Value::Str(b)) = (peek!(ea), peek!(eb)) else {
                            fail!(self.unset_error(pc));
                        };
                        let len = a.len() + b.len();
                        if len > 4096 {
                            self.pc = pc;
                            tri!(self.charge(len));
                        }
                        let s = concat(a, b);
                        set!(dst, Value::Str(s));
                    }
                    Instr::ConcatN { dst, n } => {
                        let mut left = n as usize;
                        let mut all: SmallVec<[u8; 256]> = SmallVec::new();
                        while left > 0 {
                            let Instr::Args { a, b, c } = *pc else {
                                std::hint::unreachable_unchecked()
                            };
                            pc = pc.add(1);
                            for e in [a, b, c].into_iter().take(left) {
                                let Value::Str(s) = peek!(e) else {
                                    fail!(self.unset_error(pc));
                                };
                                all.extend_from_slice(s);
                            }
                            left = left.saturating_sub(3);
                        }
                        if all.len() > 4096 {
                            self.pc = pc;
                            tri!(self.charge(all.len()));
                        }
                        set!(dst, Value::Str(Rc::from(&all[..])));
                    }
                    Instr::Slice { dst, ev, elo } => {
                        let (v, bounds) = (peek!(ev).clone(), peek!(elo).clone());
                        self.pc = pc;
                        let r = tri!(self.slice(&v, &bounds));
                        set!(dst, r);
                    }
                    Instr::SetSlice { ev, elo, esrc } => {
                        let (v, bounds, x) = (peek!(ev).clone(), peek!(elo).clone(), fetch!(esrc));
                        self.pc = pc;
                        tri!(self.set_slice(&v, &bounds, &x));
                    }
                    Instr::SIndex { dst, es, i } => {
                        let (s, i) = (peek!(es), reg!(i));
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
                                set!(dst, Value::Str(one));
                            }
                            (Value::Vector(v), Value::Vector(w)) => {
                                let (v, w) = (v.clone(), w.clone());
                                self.pc = pc;
                                let r = tri!(self.pick(&v, &w));
                                set!(dst, r);
                            }
                            _ => fail!(self.unset_error(pc)),
                        }
                    }
                    Instr::Size { dst, ea } => {
                        let v = peek!(ea);
                        let n = match v {
                            Value::Vector(v) => Value::Count(v.len() as u64),
                            Value::Str(s) => Value::Count(s.len() as u64),
                            Value::Table(t) => Value::Count(t.len() as u64),
                            v => {
                                let v = v.clone();
                                self.pc = pc;
                                tri!(self.size_of_value(&v))
                            }
                        };
                        set!(dst, n);
                    }

                    // ---- generic ----
                    Instr::Bin { op, dst, ea, eb } => {
                        let (a, b) = (peek!(ea).clone(), peek!(eb).clone());
                        self.pc = pc;
                        let v = tri!(self.binary(host!(), op, &a, &b));
                        reload!();
                        set!(dst, v);
                    }
                    Instr::BinVec { op, dst, ea, eb } => {
                        let (a, b) = (peek!(ea).clone(), peek!(eb).clone());
                        let ty = ext!();
                        self.pc = pc;
                        let v = tri!(self.binary_vector(host!(), op, &a, &b, ty));
                        reload!();
                        set!(dst, v);
                    }
                    Instr::Un { op, dst, ea } => {
                        let a = peek!(ea).clone();
                        self.pc = pc;
                        let v = tri!(self.unary(host!(), op, &a));
                        reload!();
                        set!(dst, v);
                    }
                    Instr::CheckElement { ea } => {
                        let a = peek!(ea).clone();
                        let ty = ext!();
                        self.pc = pc;
                        tri!(self.check_element(&a, ty));
                    }
                    Instr::UnVec { op, dst, ea } => {
                        let a = peek!(ea).clone();
                        let ty = ext!();
                        self.pc = pc;
                        let v = tri!(self.unary(host!(), op, &a));
                        reload!();
                        let v = match v {
                            Value::Vector(v) if v.ty != ty => Value::Vector(Vector::new(ty, v.to_vec())),
                            v => v,
                        };
                        set!(dst, v);
                    }
                    Instr::CondVec { dst, ea, eb } => {
                        let (m, a, b) = ((reg!(dst)).clone(), peek!(ea).clone(), peek!(eb).clone());
                        self.pc = pc;
                        let v = tri!(self.cond_vector(&m, &a, &b));
                        set!(dst, v);
                    }
                    Instr::AddAssign { dst, ea, eb } => {
                        let (a, b) = (peek!(ea).clone(), peek!(eb).clone());
                        self.pc = pc;
                        let v = tri!(self.add_assign(host!(), &a, &b));
                        reload!();
                        set!(dst, v);
                    }
                    Instr::SubAssign { dst, ea, eb } => {
                        let (a, b) = (peek!(ea).clone(), peek!(eb).clone());
                        self.pc = pc;
                        let v = tri!(self.sub_assign(host!(), &a, &b));
                        reload!();
                        set!(dst, v);
                    }
                    Instr::NewList { dst, n } => {
                        let mut left = n as usize;
                        let mut list: Vec<Value> = Vec::with_capacity(left);
                        while left > 0 {
                            let Instr::Args { a, b, c } = *pc else {
                                std::hint::unreachable_unchecked()
                            };
                            pc = pc.add(1);
                            for e in [a, b, c].into_iter().take(left) {
                                list.push(if e == enc::NONE { Value::Unset } else { fetch!(e) });
                            }
                            left = left.saturating_sub(3);
                        }
                        set!(dst, Value::List(list.into()));
                    }
                    Instr::ListItem { kind, dst, el, idx } => {
                        let item = match peek!(el) {
                            Value::List(l) => l.get(idx as usize).cloned().unwrap_or_default(),
                            Value::Vector(v) => v.get(idx as usize),
                            _ => Value::Unset,
                        };
                        if !kind::fits(kind, &item) {
                            fail!(self.kind_error(pc, kind, &item));
                        }
                        set!(dst, item);
                    }
                    Instr::Coerce { dst, ea } => {
                        let v = peek!(ea).clone();
                        let ty = ext!();
                        self.pc = pc;
                        let v = tri!(self.coerce(host!(), &v, ty));
                        reload!();
                        if let Value::Unset = v {
                            nil!();
                        } else {
                            set!(dst, v);
                        }
                    }
                    Instr::Cast { dst, ea } => {
                        let v = peek!(ea).clone();
                        let ty = ext!();
                        self.pc = pc;
                        let v = tri!(self.cast(host!(), &v, ty));
                        reload!();
                        set!(dst, v);
                    }
                    Instr::CanCast { dst, ea } => {
                        let v = peek!(ea).clone();
                        let ty = ext!();
                        self.pc = pc;
                        let ok = self.can_cast(host!(), &v, ty);
                        set!(dst, Value::Bool(ok));
                    }
                    Instr::Is { dst, ea } => {
                        let ty = TypeId(match *pc {
                            Instr::Ext { v } => v,
                            _ => std::hint::unreachable_unchecked(),
                        });
                        pc = pc.add(1);
                        let ok = self.value_is(peek!(ea), ty);
                        set!(dst, Value::Bool(ok));
                    }
                    Instr::SetAttrs { ea, site } => {
                        if let (Value::Table(t), Site::Attrs(a)) = (peek!(ea), &code!().sites[site as usize]) {
                            let (t, a) = (t.clone(), a.clone());
                            self.add_attrs(&t, &a);
                        }
                    }

                    // ---- loops ----
                    Instr::Iter { ea } => {
                        let it = match peek!(ea) {
                            Value::Table(t) => Iter::Table(t.iter()),
                            Value::Vector(v) => Iter::Vector(v.clone(), 0),
                            Value::Str(s) => Iter::Str(s.clone(), 0),
                            _ => fail!(self.unset_error(pc)),
                        };
                        self.iters.push(it);
                    }
                    Instr::IterNext { kind, key, val, off } => {
                        let next = match self.iters.last_mut() {
                            Some(Iter::Table(it)) => it.next_entry(),
                            Some(Iter::Vector(v, i)) => loop {
                                match v.item_ref(*i) {
                                    None => break None,
                                    Some(Value::Unset) => *i += 1,
                                    Some(x) => {
                                        let k = *i as u64;
                                        *i += 1;
                                        break Some((
                                            Value::Count(k),
                                            if val == enc::NONE { Value::Unset } else { dup(x) },
                                        ));
                                    }
                                }
                            },
                            Some(Iter::Str(s, i)) => match s.get(*i) {
                                None => None,
                                Some(&b) => {
                                    *i += 1;
                                    Some((Value::Str(Rc::from([b])), Value::Unset))
                                }
                            },
                            None => None,
                        };
                        match next {
                            None => jump!(off),
                            Some((k, v)) => {
                                if key != enc::NONE {
                                    if !kind::fits(kind, &k) {
                                        fail!(self.kind_error(pc, kind, &k));
                                    }
                                    set!(key, loop_key(k));
                                }
                                if val != enc::NONE {
                                    set!(val, v);
                                }
                            }
                        }
                    }
                    Instr::IterNextN { n, val, off } => {
                        let next = match self.iters.last_mut() {
                            Some(Iter::Table(it)) => it.next_entry(),
                            _ => None,
                        };
                        match next {
                            None => jump!(off),
                            Some((k, v)) => {
                                let parts: &[Value] = tapir_data::table::as_parts(&k);
                                let mut i = 0;
                                let n = n as usize;
                                while i < n {
                                    let Instr::Args { a, b, c } = *pc else {
                                        std::hint::unreachable_unchecked()
                                    };
                                    pc = pc.add(1);
                                    for r in [a, b, c].into_iter().take(n - i) {
                                        if r != enc::NONE {
                                            let part = parts.get(i).cloned().unwrap_or_default();
                                            set!(r, loop_key(part));
                                        }
                                        i += 1;
                                    }
                                }
                                if val != enc::NONE {
                                    set!(val, v);
                                }
                            }
                        }
                    }
                    Instr::IterPop => {
                        self.iters.pop();
                    }
                    Instr::Switch { ea, site } => {
                        let Site::Switch(s) = &code!().sites[site as usize] else {
                            std::hint::unreachable_unchecked()
                        };
                        let target = if s.types.is_empty() {
                            find_case(s, peek!(ea))
                        } else {
                            let v = peek!(ea).clone();
                            let mut target = s.default;
                            for &(ty, r, t) in &s.types {
                                if self.value_is(&v, ty) {
                                    if r != enc::NONE {
                                        set!(r, v);
                                    }
                                    target = t;
                                    break;
                                }
                            }
                            target
                        };
                        pc = code!().instrs.as_ptr().add(target as usize);
                    }

                    // ---- calls ----
                    Instr::Call { dst, func } => {
                        let callee: *const Code = match *self.entries.get_unchecked(func as usize) {
                            p if !p.is_null() => p,
                            _ => {
                                self.pc = pc;
                                let p = tri!(self.compile_function(host!(), FuncId(func)));
                                reload!();
                                p
                            }
                        };
                        let callee = &*callee;
                        let new_base = self.cur_base + code!().n_regs as usize;
                        let end = new_base + callee.n_regs as usize;
                        if end > self.stack.len() {
                            self.reserve(end);
                            reload!();
                        }
                        if self.frames.len() >= self.max_depth {
                            fail!(self.too_deep());
                        }
                        let args = base.add(code!().n_regs as usize);
                        let n = callee.n_params as usize;
                        let mut i = 0;
                        if n == 1 {
                            let Instr::Args { a, .. } = *pc else {
                                std::hint::unreachable_unchecked()
                            };
                            pc = pc.add(1);
                            fetch_to!(args, a);
                            i = 1;
                        }
                        while i < n {
                            let Instr::Args { a, b, c } = *pc else {
                                std::hint::unreachable_unchecked()
                            };
                            pc = pc.add(1);
                            // Slots above the frame hold no heap values, so nothing is lost by writing over them.
                            fetch_to!(args.add(i), a);
                            if i + 1 < n {
                                fetch_to!(args.add(i + 1), b);
                            }
                            if i + 2 < n {
                                fetch_to!(args.add(i + 2), c);
                            }
                            i += 3;
                        }
                        // Room for `max_depth` frames was made at entry.
                        let depth_now = self.frames.len();
                        self.frames.as_mut_ptr().add(depth_now).write(Frame {
                            code: self.cur_code,
                            pc,
                            base: self.cur_base,
                            dst,
                            iters: self.iters.len() as u32,
                        });
                        self.frames.set_len(depth_now + 1);
                        self.cur_code = callee;
                        self.cur_base = new_base;
                        base = args;
                        consts = code!().consts.as_ptr();
                        pc = code!().instrs.as_ptr();
                        for &r in &code!().clear {
                            *base.add(r as usize) = Value::Unset;
                        }
                        step!();
                    }
                    Instr::CallBuiltin { n, dst, site } => {
                        let args = args!(n);
                        let Site::Call(s) = &code!().sites[site as usize] else {
                            std::hint::unreachable_unchecked()
                        };
                        self.pc = pc;
                        let f = match self.builtins.get_unchecked(s.func.0 as usize) {
                            Some(f) => *f,
                            None => tri!(self.find_builtin(s.func)),
                        };
                        let host_ptr = self.host;
                        let r = f(
                            &mut CallCtx {
                                vm: self,
                                host: &mut *host_ptr,
                                arg_types: &s.arg_types,
                                result_type: s.result,
                            },
                            &args,
                        );
                        reload!();
                        let v = tri!(r);
                        drop(args);
                        if dst != enc::NONE {
                            if kind::fits(s.result_kind, &v) {
                                set!(dst, v);
                            } else if let Value::Unset = v {
                                nil!();
                            } else {
                                fail!(self.result_error(pc, s.func, s.result_kind, &v));
                            }
                        }
                    }
                    Instr::CallValue { n, dst, ef, site } => {
                        if let Value::Func(f) = peek!(ef)
                            && let Some(&p) = self.entries.get(f.id.0 as usize)
                            && !p.is_null()
                            && (*p).n_params == n as u16
                            && (*p).param_map.is_none()
                            && self.frames.len() < self.max_depth
                        {
                            // A compiled script function: no detour over the native stack.
                            let callee = &*p;
                            let f = f.clone();
                            let new_base = self.cur_base + code!().n_regs as usize;
                            let end = new_base + callee.n_regs as usize;
                            if end > self.stack.len() {
                                self.reserve(end);
                                reload!();
                            }
                            let args = base.add(code!().n_regs as usize);
                            let n = n as usize;
                            let mut i = 0;
                            while i < n {
                                let Instr::Args { a, b, c } = *pc else {
                                    std::hint::unreachable_unchecked()
                                };
                                pc = pc.add(1);
                                fetch_to!(args.add(i), a);
                                if i + 1 < n {
                                    fetch_to!(args.add(i + 1), b);
                                }
                                if i + 2 < n {
                                    fetch_to!(args.add(i + 2), c);
                                }
                                i += 3;
                            }
                            if callee.closure_reg != enc::NONE {
                                assign(args.add(callee.closure_reg as usize), Value::Func(f));
                            }
                            let depth_now = self.frames.len();
                            self.frames.as_mut_ptr().add(depth_now).write(Frame {
                                code: self.cur_code,
                                pc,
                                base: self.cur_base,
                                dst,
                                iters: self.iters.len() as u32,
                            });
                            self.frames.set_len(depth_now + 1);
                            self.cur_code = callee;
                            self.cur_base = new_base;
                            base = args;
                            consts = code!().consts.as_ptr();
                            pc = code!().instrs.as_ptr();
                            for &r in &code!().clear {
                                *base.add(r as usize) = Value::Unset;
                            }
                            step!();
                            continue;
                        }
                        let args = args!(n);
                        let Site::Call(s) = &code!().sites[site as usize] else {
                            std::hint::unreachable_unchecked()
                        };
                        let Value::Func(f) = peek!(ef) else {
                            fail!(self.unset_error(pc));
                        };
                        let f: Rc<Func> = f.clone();
                        self.pc = pc;
                        step!();
                        let r = self.call_func(host!(), &f, &args, &s.arg_types);
                        reload!();
                        let v = tri!(r);
                        if dst != enc::NONE {
                            if kind::fits(s.result_kind, &v) {
                                set!(dst, v);
                            } else if let Value::Unset = v {
                                nil!();
                            } else {
                                fail!(self.result_error(pc, f.id, s.result_kind, &v));
                            }
                        }
                    }
                    Instr::HookCall { n, dst, func } => {
                        let args = args!(n);
                        self.pc = pc;
                        let r = self.run_hook(host!(), FuncId(func), &args);
                        reload!();
                        let v = tri!(r);
                        if dst != enc::NONE {
                            set!(dst, Value::Bool(v));
                        }
                    }
                    Instr::HookValue { n, dst, ef, .. } => {
                        let args = args!(n);
                        let Value::Func(f) = peek!(ef) else {
                            fail!(self.unset_error(pc));
                        };
                        let f = f.id;
                        self.pc = pc;
                        let r = self.run_hook(host!(), f, &args);
                        reload!();
                        let v = tri!(r);
                        if dst != enc::NONE {
                            set!(dst, Value::Bool(v));
                        }
                    }
                    Instr::Raise { n, func } => {
                        let args = args!(n);
                        self.raise_func(FuncId(func), args.into_vec());
                    }
                    Instr::RaiseGlobal { n, g } => {
                        let args = args!(n);
                        self.raise_global(g, args.into_vec());
                    }
                    Instr::JTerminating { off } => {
                        if self.terminating {
                            jump!(off);
                        }
                    }
                    Instr::Schedule { n, dst, ewhen, site } => {
                        let args = args!(n);
                        let Site::Schedule(f) = &code!().sites[site as usize] else {
                            std::hint::unreachable_unchecked()
                        };
                        let at = match peek!(ewhen) {
                            Value::Time(t) => *t,
                            Value::Interval(d) => self.now + *d,
                            _ => fail!(self.unset_error(pc)),
                        };
                        self.schedule_event(at, *f, args.into_vec());
                        let _ = dst;
                    }
                    Instr::Lambda { dst, site, n } => {
                        let args = args!(n);
                        let Site::Lambda(s) = &code!().sites[site as usize] else {
                            std::hint::unreachable_unchecked()
                        };
                        let f = self.make_closure(s, args.into_vec());
                        set!(dst, f);
                    }
                    Instr::Print { n, site } => {
                        let args = args!(n);
                        let _ = site;
                        self.pc = pc;
                        tri!(self.print(host!(), &args));
                        reload!();
                    }
                    Instr::Ret { esrc } => {
                        ret!(fetch!(esrc));
                    }
                    Instr::RetS { src } => {
                        let from = base.add(src as usize);
                        let frame = self.leave();
                        if self.frames.len() < self.entry_depth {
                            return Ok(ptr::read(from));
                        }
                        reload!();
                        consts = code!().consts.as_ptr();
                        pc = frame.pc;
                        if frame.dst != enc::NONE {
                            // The frame is gone, its scalar is still where it was.
                            assign_dup(base.add(frame.dst as usize), &*from);
                        }
                    }
                    Instr::RetNone => ret!(Value::Unset),
                    Instr::RetMissing => {
                        self.pc = pc;
                        self.missing_return(host!());
                        ret!(Value::Unset);
                    }

                    Instr::Default { dst, id } => {
                        self.pc = pc;
                        let v = tri!(self.parameter_default(host!(), DefaultId(id)));
                        reload!();
                        set!(dst, v);
                    }

                    // ---- when, assert ----
                    Instr::When { n, site, etimeout } => {
                        let args = args!(n);
                        let timeout = if etimeout == enc::NONE {
                            None
                        } else {
                            Some(dup(peek!(etimeout)))
                        };
                        let Site::When(s) = &code!().sites[site as usize] else {
                            std::hint::unreachable_unchecked()
                        };
                        self.pc = pc;
                        let s: *const crate::code::WhenSite = &**s;
                        tri!(self.start_when(host!(), &*s, args.into_vec(), timeout));
                        reload!();
                    }
                    Instr::Watch { ea } => {
                        let at = match peek!(ea) {
                            Value::Record(r) => Some(Rc::as_ptr(r) as *const u8),
                            Value::Table(t) => Some(Rc::as_ptr(t) as *const u8),
                            Value::Vector(v) => Some(Rc::as_ptr(v) as *const u8),
                            _ => None,
                        };
                        if let Some(at) = at {
                            let v = peek!(ea).clone();
                            self.watch(at, v);
                        }
                    }
                    Instr::StoreTrigger { idx, esrc } => {
                        let v = fetch!(esrc);
                        self.store_trigger(idx, v);
                    }
                    Instr::CacheCheck { dst, key, off } => {
                        if let Some(v) = self.cached_answer(key) {
                            set!(dst, v);
                            jump!(off);
                        }
                    }
                    Instr::SetCall { key } => self.call_key = key,
                    Instr::AssertCheck { a, off } => {
                        if boolean(reg!(a)) && !self.wants_assertion_results() {
                            jump!(off);
                        }
                    }
                    Instr::Assert { a, emsg, site } => {
                        let ok = boolean(reg!(a));
                        let msg = if emsg == enc::NONE {
                            Value::Unset
                        } else {
                            peek!(emsg).clone()
                        };
                        let Site::Text(text) = &code!().sites[site as usize] else {
                            std::hint::unreachable_unchecked()
                        };
                        self.pc = pc;
                        let r = self.assertion(host!(), ok, text, msg);
                        reload!();
                        tri!(r);
                    }
                }
            }
        }
    }
}

/// A key that a loop variable takes: references are copies, so that the table's own key stays as it is.
#[inline]
fn loop_key(k: Value) -> Value {
    match k {
        Value::Record(_) | Value::Vector(_) | Value::Table(_) => tapir_data::copy::deep_copy(&k),
        k => k,
    }
}

static RETURN_NONE: [Instr; 1] = [Instr::RetNone];

/// Two strings as one, allocated once.
fn concat(a: &[u8], b: &[u8]) -> Str {
    let len = a.len() + b.len();
    let mut out: Rc<[std::mem::MaybeUninit<u8>]> = Rc::new_uninit_slice(len);
    if let Some(buf) = Rc::get_mut(&mut out) {
        // SAFETY: the buffer has room for both, and neither overlaps with a fresh allocation.
        unsafe {
            ptr::copy_nonoverlapping(a.as_ptr(), buf.as_mut_ptr() as *mut u8, a.len());
            ptr::copy_nonoverlapping(b.as_ptr(), (buf.as_mut_ptr() as *mut u8).add(a.len()), b.len());
        }
    }
    // SAFETY: both parts were written.
    unsafe { out.assume_init() }
}

fn find_case(s: &SwitchSite, v: &Value) -> u32 {
    let hit = if s.index.is_empty() {
        s.labels.iter().find(|l| case_matches(&l.0, v)).map(|l| l.1)
    } else {
        let mut h = std::collections::hash_map::DefaultHasher::new();
        hash_value(v, &mut h);
        s.index.get(&h.finish()).and_then(|list| {
            list.iter()
                .map(|&i| &s.labels[i as usize])
                .find(|l| case_matches(&l.0, v))
                .map(|l| l.1)
        })
    };
    hit.unwrap_or(s.default)
}

fn case_matches(label: &Value, v: &Value) -> bool {
    values_equal(label, v)
}
