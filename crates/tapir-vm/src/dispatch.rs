//! The dispatch loop: what is quick, and what decides where execution goes on. Everything else is in `outline`.
//!
//! Position, base and constants live in registers, which holds as long as nothing in here needs room on the native
//! stack. The invariants are those of `exec`.

use std::hint::cold_path;
use std::ptr;
use std::rc::Rc;

use tapir_data::value::{FuncId, Value, Vector};

use crate::code::{Code, Instr, enc, kind};
use crate::exec::{
    Frame, Iter, assign, assign_dup, boolean, copy_words, count, dbl, dup, enum_of, equal, float, int, make_float,
    put_word, set_slot,
};
use crate::host::RtError;
use crate::outline::vector_index;
use crate::vm::Vm;

impl Vm {
    /// Runs the current frame until it returns.
    ///
    /// # Safety
    /// See the invariants in `exec`.
    #[allow(unused_assignments)]
    pub(crate) unsafe fn dispatch(&mut self) -> Result<Value, RtError> {
        // The running code. Its lifetime is that of the caches that keep it.
        macro_rules! code {
            () => {
                (&*self.cur_code)
            };
        }
        // SAFETY: the invariants at the head of `exec` hold for everything below.
        unsafe {
            let mut base: *mut Value = self.stack.as_mut_ptr().add(self.cur_base);
            let mut consts: *const Value = code!().consts.as_ptr();
            let mut pc: *const Instr = code!().instrs.as_ptr();
            for &r in &code!().clear {
                ptr::write(base.add(r as usize), Value::Unset);
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
            // Runs an instruction that has a function of its own.
            macro_rules! out {
                ($r:expr) => {{
                    // Seldom beside the rest: what must outlive a call is to be saved here, not everywhere.
                    cold_path();
                    self.pc = pc;
                    match $r {
                        Ok(v) => {
                            pc = self.pc;
                            reload!();
                            v
                        }
                        Err(e) => return Err(e),
                    }
                }};
            }
            macro_rules! fail {
                ($e:expr) => {{
                    cold_path();
                    self.pc = pc;
                    let e = $e;
                    return Err(e);
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
                            self.pc = pc;
                            self.nil();
                            pc = self.pc;
                        } else {
                            set!(frame.dst, v);
                        }
                    }
                }};
            }
            macro_rules! step {
                () => {
                    self.fuel -= 1;
                    if self.fuel == 0 {
                        self.pc = pc;
                        self.out_of_fuel()?;
                    }
                };
            }
            // Enters a function: room, arguments, frame. What lies above the frame is no heap value, so nothing is lost
            // by writing over it; room for `max_depth` frames was made when the loop was entered.
            macro_rules! enter {
                ($callee:expr, $dst:expr, |$args:ident| $prepare:block) => {{
                    let callee: &Code = $callee;
                    let n_regs = code!().n_regs as usize;
                    let new_base = self.cur_base + n_regs;
                    let end = new_base + callee.n_regs as usize;
                    if end > self.stack.len() {
                        cold_path();
                        self.reserve(end);
                        reload!();
                    }
                    let $args = base.add(n_regs);
                    $prepare
                    let mut to = $args;
                    let last = $args.add(callee.n_params as usize);
                    while to != last {
                        let Instr::Args { a, b, c } = *pc else {
                            std::hint::unreachable_unchecked()
                        };
                        pc = pc.add(1);
                        fetch_to!(to, a);
                        to = to.add(1);
                        if to == last {
                            break;
                        }
                        fetch_to!(to, b);
                        to = to.add(1);
                        if to == last {
                            break;
                        }
                        fetch_to!(to, c);
                        to = to.add(1);
                    }
                    let depth = self.frames.len();
                    self.frames.as_mut_ptr().add(depth).write(Frame {
                        code: self.cur_code,
                        pc,
                        base: self.cur_base,
                        dst: $dst,
                        iters: self.iters.len() as u32,
                    });
                    self.frames.set_len(depth + 1);
                    self.cur_code = callee;
                    self.cur_base = new_base;
                    base = $args;
                    consts = callee.consts.as_ptr();
                    pc = callee.instrs.as_ptr();
                    for &r in &callee.clear {
                        ptr::write(base.add(r as usize), Value::Unset);
                    }
                    step!();
                }};
            }
            macro_rules! compare {
                ($sense:expr, $cond:expr, $off:expr) => {
                    if ($cond) == $sense {
                        jump!($off);
                        // Backward: the next round of a loop.
                        if $off < 0 {
                            step!();
                        }
                    }
                };
            }

            // `++i` and the jump back to the loop's body, if it goes on. The register keeps its kind.
            macro_rules! inc_loop {
                ($a:expr, $read:ident, $b:expr, $where:ident, $op:tt, $off:expr) => {{
                    let at = base.add($a as usize);
                    let n = $read(&*at).wrapping_add(1);
                    (at as *mut u64).add(1).write(n as u64);
                    if n $op $read($where!($b)) {
                        jump!($off);
                        step!();
                    }
                }};
            }

            loop {
                // Fields are read where they are used: a copy of the whole instruction would take registers.
                let at = pc;
                pc = pc.add(1);
                match *at {
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
                    Instr::LoadKM { dst, k } => set_dup!(dst, konst!(k)),
                    Instr::LoadBool { v, dst } => put!(dst, Value::Bool(v)),
                    Instr::Clear { dst } => set!(dst, Value::Unset),
                    Instr::CheckSet { src } => {
                        if let Value::Unset = reg!(src) {
                            fail!(self.unset_error(pc));
                        }
                    }
                    Instr::CheckKind { kind, src } => {
                        if !kind::fits(kind, reg!(src)) {
                            fail!(self.wrong_register(kind, src));
                        }
                    }
                    Instr::GetGlobal { kind, dst, g } => {
                        let v = &*self.globals.as_ptr().add(g as usize);
                        if !kind::fits(kind, v) {
                            fail!(self.wrong_global(kind, g));
                        }
                        set_dup!(dst, v);
                    }
                    Instr::SetGlobal { esrc, g } => {
                        let v = fetch!(esrc);
                        assign(self.globals.as_mut_ptr().add(g as usize), v);
                        if self.watching {
                            self.global_changed(g);
                        }
                    }
                    Instr::LoadCapture { dst, clos, idx } => {
                        cold_path();
                        if let Value::Func(f) = reg!(clos) {
                            // Nothing holds the cell's borrow while code runs; the copy is made before anything is
                            // dropped.
                            match (&*f.captures.as_ptr()).get(idx as usize) {
                                Some(v) => set_dup!(dst, v),
                                None => set!(dst, Value::Unset),
                            }
                        }
                    }

                    // ---- numbers ----
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
                            self.count_underflow(self.host_mut());
                            reload!();
                        }
                    }
                    Instr::SubCountK { dst, a, k } => {
                        let (x, y) = (count(reg!(a)), count(konst!(k)));
                        put_count!(dst, x.wrapping_sub(y));
                        if x < y {
                            self.pc = pc;
                            self.count_underflow(self.host_mut());
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
                    Instr::AndCountK { dst, a, k } => put_count!(dst, count(reg!(a)) & count(konst!(k))),
                    Instr::ShrCountK { dst, a, k } => {
                        put_count!(dst, count(reg!(a)).wrapping_shr(count(konst!(k)) as u32))
                    }
                    Instr::OrCount { dst, a, b } => put_count!(dst, count(reg!(a)) | count(reg!(b))),
                    Instr::XorCount { dst, a, b } => put_count!(dst, count(reg!(a)) ^ count(reg!(b))),
                    Instr::ShlCount { dst, a, b } => {
                        put_count!(dst, count(reg!(a)).wrapping_shl(count(reg!(b)) as u32))
                    }
                    Instr::ShrCount { dst, a, b } => {
                        put_count!(dst, count(reg!(a)).wrapping_shr(count(reg!(b)) as u32))
                    }
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
                    Instr::JAndEqCountK { sense, a, k, off } => {
                        // Mask and value are neighbours.
                        let n = count(reg!(a)) & count(konst!(k));
                        compare!(sense, n == count(&*consts.add(k as usize + 1)), off)
                    }
                    Instr::JLtF { sense, a, b, off } => compare!(sense, float(reg!(a)) < float(reg!(b)), off),
                    Instr::JLeF { sense, a, b, off } => compare!(sense, float(reg!(a)) <= float(reg!(b)), off),
                    Instr::JEqF { sense, a, b, off } => compare!(sense, float(reg!(a)) == float(reg!(b)), off),
                    Instr::JLtFK { sense, a, k, off } => compare!(sense, float(reg!(a)) < float(konst!(k)), off),
                    Instr::JLeFK { sense, a, k, off } => compare!(sense, float(reg!(a)) <= float(konst!(k)), off),
                    Instr::JGtFK { sense, a, k, off } => compare!(sense, float(konst!(k)) < float(reg!(a)), off),
                    Instr::JGeFK { sense, a, k, off } => compare!(sense, float(konst!(k)) <= float(reg!(a)), off),
                    Instr::JEqFK { sense, a, k, off } => compare!(sense, float(reg!(a)) == float(konst!(k)), off),
                    Instr::JEqEnum { sense, a, b, off } => compare!(sense, enum_of(reg!(a)) == enum_of(reg!(b)), off),
                    Instr::JEqEnumK { sense, a, k, off } => {
                        compare!(sense, enum_of(reg!(a)) == enum_of(konst!(k)), off)
                    }
                    Instr::JEqVal { sense, ea, eb, off } => {
                        cold_path();
                        compare!(sense, equal(peek!(ea), peek!(eb)), off)
                    }
                    Instr::IncLoopCount { a, b, off } => inc_loop!(a, count, b, reg, <, off),
                    Instr::IncLoopCountK { a, k, off } => inc_loop!(a, count, k, konst, <, off),
                    Instr::IncLoopInt { a, b, off } => inc_loop!(a, int, b, reg, <, off),
                    Instr::IncLoopIntK { a, k, off } => inc_loop!(a, int, k, konst, <, off),
                    Instr::IncLoopLeCount { a, b, off } => inc_loop!(a, count, b, reg, <=, off),
                    Instr::IncLoopLeCountK { a, k, off } => inc_loop!(a, count, k, konst, <=, off),
                    Instr::IncLoopLeInt { a, b, off } => inc_loop!(a, int, b, reg, <=, off),
                    Instr::IncLoopLeIntK { a, k, off } => inc_loop!(a, int, k, konst, <=, off),
                    Instr::JHas { sense, erec, slot, off } => {
                        cold_path();
                        let has = match peek!(erec) {
                            Value::Record(r) if r.has(slot as usize) => true,
                            _ => out!(self.op_has(erec, slot)),
                        };
                        compare!(sense, has, off);
                    }
                    Instr::JIn1 { sense, et, ek, off } => {
                        cold_path();
                        let k = peek!(ek);
                        let found = match peek!(et) {
                            Value::Table(t) if t.is_plain() && self.plain_key(k) => t.find1(k).is_some(),
                            _ => out!(self.op_in(et, ek)),
                        };
                        compare!(sense, found, off);
                    }
                    Instr::JVBool { sense, ev, i, off } => {
                        cold_path();
                        let yes = match peek!(ev) {
                            Value::Vector(v) => v.item_ref(vector_index(v, reg!(i))),
                            _ => None,
                        };
                        let Some(Value::Bool(yes)) = yes else {
                            fail!(self.vector_error(kind::BOOL, ev, i));
                        };
                        compare!(sense, *yes, off);
                    }

                    // ---- records ----
                    Instr::GetField { kind, dst, erec, slot } => {
                        cold_path();
                        let v = match peek!(erec) {
                            Value::Record(r) => r.slot_ref(slot as usize),
                            _ => None,
                        };
                        match v {
                            Some(v) if kind::fits(kind, v) => set_dup!(dst, v),
                            _ => out!(self.op_field(kind, dst, erec, slot)),
                        }
                    }
                    Instr::GetField2 {
                        slot1,
                        dst,
                        erec,
                        slot2,
                        kind,
                    } => {
                        cold_path();
                        let v = match peek!(erec) {
                            Value::Record(outer) => match outer.slot_ref(slot1 as usize) {
                                Some(Value::Record(r)) => r.slot_ref(slot2 as usize),
                                _ => None,
                            },
                            _ => None,
                        };
                        match v {
                            Some(v) if kind::fits(kind, v) => set_dup!(dst, v),
                            _ => out!(self.op_field2(kind, dst, erec, slot1, slot2)),
                        }
                    }
                    Instr::SetField { erec, slot, esrc } => match peek!(erec) {
                        Value::Record(r) if !self.watching && (slot as usize) < r.len() => {
                            let v = fetch!(esrc);
                            set_slot(r, slot as usize, v);
                        }
                        _ => out!(self.op_set_field(erec, slot, esrc)),
                    },
                    Instr::FBump { sub, erec, slot, ed } => {
                        cold_path();
                        let at = match peek!(erec) {
                            Value::Record(r) if !self.watching => r.slot_mut(slot as usize),
                            _ => None,
                        };
                        match (at, peek!(ed)) {
                            (Some(Value::Count(n)), Value::Count(d)) if !sub || *n >= *d => {
                                *n = if sub { n.wrapping_sub(*d) } else { n.wrapping_add(*d) };
                            }
                            (Some(Value::Int(n)), Value::Int(d)) => {
                                *n = if sub { n.wrapping_sub(*d) } else { n.wrapping_add(*d) };
                            }
                            _ => out!(self.op_field_bump(sub, erec, slot, ed)),
                        }
                    }
                    Instr::NewRecord { dst, site, n } => out!(self.op_new_record(dst, site, n)),

                    // ---- tables ----
                    Instr::TGet1 { kind, dst, et, ek } => {
                        cold_path();
                        let k = peek!(ek);
                        let hit = match peek!(et) {
                            Value::Table(t) if t.is_plain() && self.plain_key(k) => {
                                t.find1(k).and_then(|pos| t.value_ref(pos))
                            }
                            _ => None,
                        };
                        match hit {
                            Some(v) if kind::fits(kind, v) => set_dup!(dst, v),
                            _ => out!(self.op_table_get(kind, dst, et, ek)),
                        }
                    }
                    Instr::TSet1 { et, ek, esrc } => {
                        cold_path();
                        let k = peek!(ek);
                        match peek!(et) {
                            Value::Table(t)
                                if t.is_plain() && !self.watching && !t.iterating() && self.plain_key(k) =>
                            {
                                // An overwrite keeps its place and drops the old value after it.
                                let v = fetch!(esrc);
                                t.put1(k, v);
                            }
                            _ => out!(self.op_table_set(et, ek, esrc)),
                        }
                    }
                    Instr::TBump1 { sub, et, ek, ed } => {
                        cold_path();
                        let at = match peek!(et) {
                            Value::Table(t) if t.is_plain() && !self.watching => {
                                t.find1(peek!(ek)).and_then(|pos| t.value_mut(pos))
                            }
                            _ => None,
                        };
                        match (at, peek!(ed)) {
                            (Some(Value::Count(n)), Value::Count(d)) if !sub || *n >= *d => {
                                *n = if sub { n.wrapping_sub(*d) } else { n.wrapping_add(*d) };
                            }
                            (Some(Value::Int(n)), Value::Int(d)) => {
                                *n = if sub { n.wrapping_sub(*d) } else { n.wrapping_add(*d) };
                            }
                            _ => out!(self.op_table_bump(sub, et, ek, ed)),
                        }
                    }
                    Instr::Add1 { et, ek } => {
                        cold_path();
                        let k = peek!(ek);
                        match peek!(et) {
                            Value::Table(t)
                                if t.is_plain()
                                    && !self.watching
                                    && !t.iterating()
                                    && kind::of(k) != kind::RECORD
                                    && kind::of(k) != kind::UNSET =>
                            {
                                t.put1(k, Value::Unset);
                            }
                            _ => out!(self.op_add(et, ek)),
                        }
                    }

                    // ---- vectors and strings ----
                    Instr::VGet { kind, dst, ev, i } => {
                        cold_path();
                        let x = match peek!(ev) {
                            Value::Vector(v) => v.item_ref(vector_index(v, reg!(i))),
                            _ => None,
                        };
                        match x {
                            Some(x) if kind::fits(kind, x) => set_dup!(dst, x),
                            _ => {
                                self.pc = pc;
                                return Err(self.vector_error(kind, ev, i));
                            }
                        }
                    }
                    Instr::VSet { ev, i, esrc } => {
                        cold_path();
                        let at = match (peek!(ev), reg!(i)) {
                            (Value::Vector(v), Value::Count(i)) if !self.watching => v.item_mut(*i as usize),
                            _ => None,
                        };
                        match at {
                            Some(at) => {
                                let at: *mut Value = at;
                                let x = fetch!(esrc);
                                assign(at, x);
                            }
                            None => out!(self.op_vector_set(ev, i, esrc)),
                        }
                    }
                    Instr::VPush { ev, esrc } => match peek!(ev) {
                        Value::Vector(v) if !self.watching => {
                            let v: *const Vector = Rc::as_ptr(v);
                            let x = fetch!(esrc);
                            (*v).push(x);
                        }
                        _ => out!(self.op_vector_push(ev, esrc)),
                    },
                    Instr::Concat { dst, ea, eb } => out!(self.op_concat(dst, ea, eb)),
                    Instr::ConcatN { dst, n } => out!(self.op_concat_n(dst, n)),
                    Instr::Size { dst, ea } => {
                        cold_path();
                        let n = match peek!(ea) {
                            Value::Vector(v) => Some(v.len()),
                            Value::Str(s) => Some(s.len()),
                            Value::Table(t) => Some(t.len()),
                            _ => None,
                        };
                        match n {
                            Some(n) => set!(dst, Value::Count(n as u64)),
                            None => out!(self.op_size(dst, ea)),
                        }
                    }

                    // ---- loops ----
                    Instr::Iter { ea } => out!(self.op_iter(ea)),
                    Instr::IterNext { kind, key, val, off } => {
                        if out!(self.op_iter_next(kind, key, val)) {
                            jump!(off);
                            step!();
                        }
                    }
                    Instr::VecNext { kind, key, val, off } => {
                        cold_path();
                        let next = match self.iters.last_mut() {
                            Some(Iter::Vector(v, i)) => {
                                let at = *i;
                                *i += 1;
                                v.item_ref(at).map(|x| (at, x))
                            }
                            _ => None,
                        };
                        if let Some((at, x)) = next {
                            if !matches!(x, Value::Unset) {
                                if val != enc::NONE {
                                    if !kind::fits(kind, x) {
                                        let x = ptr::from_ref(x);
                                        fail!(self.wrong_element(kind, x));
                                    }
                                    set_dup!(val, x);
                                }
                                if key != enc::NONE {
                                    put_count!(key, at as u64);
                                }
                                jump!(off);
                            } else {
                                // A hole is passed over.
                                pc = pc.sub(1);
                            }
                            step!();
                        }
                    }
                    Instr::IterPop => out!(self.op_iter_pop()),
                    // ---- calls ----
                    Instr::Call { dst, func } => {
                        cold_path();
                        let callee: *const Code = match *self.entries.get_unchecked(func as usize) {
                            p if !p.is_null() => p,
                            _ => out!(self.compile_function(self.host_mut(), FuncId(func))),
                        };
                        if self.frames.len() >= self.max_depth {
                            fail!(self.too_deep());
                        }
                        enter!(&*callee, dst, |_args| {});
                    }
                    Instr::CallValue { n, dst, ef, site } => {
                        cold_path();
                        if let Value::Func(f) = peek!(ef)
                            && let Some(&p) = self.entries.get(f.id.0 as usize)
                            && !p.is_null()
                            && (*p).n_params == n as u16
                            && (*p).param_map.is_none()
                            && self.frames.len() < self.max_depth
                        {
                            // A compiled script function: no detour over the native stack.
                            let callee = &*p;
                            let f = Rc::as_ptr(f);
                            enter!(callee, dst, |args| {
                                if callee.closure_reg != enc::NONE {
                                    Rc::increment_strong_count(f);
                                    let f = Value::Func(Rc::from_raw(f));
                                    ptr::write(args.add(callee.closure_reg as usize), f);
                                }
                            });
                        } else {
                            out!(self.op_call_value(n, dst, ef, site));
                            step!();
                        }
                    }
                    Instr::CallBuiltin { n, dst, site } => out!(self.op_builtin(n, dst, site)),
                    Instr::Raise { n, func } => {
                        cold_path();
                        self.pc = pc;
                        self.op_raise(n, func);
                        pc = self.pc;
                    }
                    Instr::Lambda { dst, site, n } => {
                        cold_path();
                        self.pc = pc;
                        self.op_lambda(dst, site, n);
                        pc = self.pc;
                    }
                    Instr::Ret { esrc } => {
                        cold_path();
                        ret!(fetch!(esrc));
                    }
                    Instr::RetS { src } => {
                        cold_path();
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
                    Instr::RetNone => {
                        cold_path();
                        ret!(Value::Unset);
                    }
                    Instr::RetMissing => {
                        cold_path();
                        self.pc = pc;
                        self.missing_return(self.host_mut());
                        ret!(Value::Unset);
                    }

                    _ => out!(self.rest(at)),
                }
            }
        }
    }
}
