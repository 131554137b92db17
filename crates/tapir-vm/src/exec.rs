//! Frames: how a body is entered and left, and how registers are written. The loop itself is in `dispatch`.
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
use tapir_data::value::{Record, Str, Value, Vector};

use crate::code::{Code, Instr, SwitchSite, enc, kind};
use crate::host::{Host, RtError, Severity};
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
pub(crate) fn make_float(k: u8, d: f64) -> Value {
    match k {
        kind::TIME => Value::Time(d),
        kind::INTERVAL => Value::Interval(d),
        _ => Value::Double(d),
    }
}

/// A clone that copies scalars bit by bit.
#[inline(always)]
pub(crate) fn dup(v: &Value) -> Value {
    if kind::of(v) < kind::STR {
        // SAFETY: scalars own nothing.
        unsafe { ptr::read(v) }
    } else {
        v.share()
    }
}

/// Copies a value bit by bit, in words of the size in which scalars are written: a wider load behind two narrower
/// stores would have to wait for both.
///
/// # Safety
/// Both point to values; the old content of `to` owns nothing, and `from` is a scalar or gives up what it owns.
#[inline(always)]
pub(crate) unsafe fn copy_words(from: *const Value, to: *mut Value) {
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
pub(crate) unsafe fn put_word(to: *mut Value, k: u8, n: u64) {
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
pub(crate) unsafe fn assign_dup(at: *mut Value, from: &Value) {
    // SAFETY: scalars are copied, the rest is cloned before the old content goes.
    unsafe {
        if kind::of(from) < kind::STR {
            if kind::of(&*at) >= kind::STR {
                // The old content may own what `from` lies in: copy first.
                assign(at, ptr::read(from));
            } else {
                copy_words(from, at);
            }
        } else {
            let v = from.share();
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
pub(crate) unsafe fn assign(at: *mut Value, v: Value) {
    // SAFETY: the old value is valid and dropped once, after the new one took its place.
    unsafe {
        if kind::of(&*at) >= kind::STR {
            let old = ptr::read(at);
            ptr::write(at, v);
            old.give_up();
        } else {
            ptr::write(at, v);
        }
    }
}

/// Stores a record's field.
///
/// # Safety
/// Nothing else looks at the record.
#[inline(always)]
pub(crate) unsafe fn set_slot(r: &Record, slot: usize, v: Value) {
    // SAFETY: as the caller says; the reference ends before the old value goes.
    unsafe {
        match r.slot_mut(slot) {
            Some(at) => {
                let at: *mut Value = at;
                assign(at, v);
            }
            None => r.set(slot, v),
        }
    }
}

/// Equality of values, the frequent kinds first.
#[inline(always)]
pub(crate) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Str(a), Value::Str(b)) => a.len() == b.len() && (Rc::ptr_eq(a, b) || a == b),
        (Value::Addr(a), Value::Addr(b)) => a == b,
        (Value::Port(a), Value::Port(b)) => a == b,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        _ => values_equal(a, b),
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
        let watched = self.watcher.is_some().then(|| {
            self.watched(code, None);
            std::time::Instant::now()
        });
        let result = if depth > self.max_depth {
            Err(self.too_deep())
        } else {
            // SAFETY: the caller made room and placed the parameters; see the module's invariants.
            unsafe { self.dispatch() }
        };
        if result.is_err() {
            self.unwind(depth);
        }
        if let Some(begun) = watched {
            self.watched(code, Some(begun.elapsed()));
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
    pub(crate) unsafe fn leave(&mut self) -> Frame {
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
    pub(crate) fn out_of_fuel(&mut self) -> Result<(), RtError> {
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
}

/// A key that a loop variable takes: references are copies, so that the table's own key stays as it is.
#[inline]
pub(crate) fn loop_key(k: Value) -> Value {
    match k {
        Value::Record(_) | Value::Vector(_) | Value::Table(_) => tapir_data::copy::deep_copy(&k),
        k => k,
    }
}

pub(crate) static RETURN_NONE: [Instr; 1] = [Instr::RetNone];

/// Two strings as one, allocated once.
pub(crate) fn concat(a: &[u8], b: &[u8]) -> Str {
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

pub(crate) fn find_case(s: &SwitchSite, v: &Value) -> u32 {
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
