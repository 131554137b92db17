//! Operations on values of any kind: the slow halves of the generic instructions, vectors element by element,
//! conversions and casts.

use std::rc::Rc;

use tapir_data::key::{same_function, values_equal};
use tapir_data::table::Table;
use tapir_data::text::value_type_text;
use tapir_data::types::{Kind, TypeId, builtin};
use tapir_data::value::{Addr, Port, Proto, Record, Subnet, Value, Vector};
use tapir_script::hir::{BinOp, UnOp};

use crate::code::kind;
use crate::host::{Host, PatternJoin, RtError, Severity};
use crate::vm::Vm;

fn bin_op(op: u8) -> BinOp {
    use BinOp::*;
    const ALL: [BinOp; 18] = [
        Add, Sub, Mul, Div, Mod, BitOr, BitAnd, BitXor, Shl, Shr, SetSub, Mask, Lt, Le, Eq, Ne, VecAnd, VecOr,
    ];
    ALL.iter().copied().find(|o| *o as u8 == op).unwrap_or(Add)
}

fn un_op(op: u8) -> UnOp {
    use UnOp::*;
    [Not, BitNot, Neg, Pos, Size, Copy]
        .into_iter()
        .find(|o| *o as u8 == op)
        .unwrap_or(Pos)
}

fn float_of(v: &Value) -> Option<f64> {
    match v {
        Value::Double(d) | Value::Time(d) | Value::Interval(d) => Some(*d),
        _ => None,
    }
}

/// Containers within containers that one conversion follows.
const COERCE_DEPTH_MAX: u32 = 500;

impl Vm {
    /// A binary operation on two values that are no vectors.
    pub(crate) fn binary(&mut self, host: &mut dyn Host, op: u8, a: &Value, b: &Value) -> Result<Value, RtError> {
        use BinOp::*;
        let op = bin_op(op);
        let v = match (op, a, b) {
            (_, Value::Unset, _) | (_, _, Value::Unset) => return Err(self.detailed_here("value used but not set")),
            (_, Value::Int(x), Value::Int(y)) => self.binary_int(op, *x, *y)?,
            (_, Value::Count(x), Value::Count(y)) => self.binary_count(host, op, *x, *y)?,
            (Shl, Value::Int(x), Value::Count(n)) => {
                if *x < 0 {
                    return Err(self.detailed_here("left shifting a negative number is undefined"));
                }
                Value::Int(x.wrapping_shl(*n as u32))
            }
            (Shr, Value::Int(x), Value::Count(n)) => Value::Int(x.wrapping_shr(*n as u32)),
            (Mask, Value::Addr(x), Value::Count(n)) | (Div, Value::Addr(x), Value::Count(n)) => self.mask(x, *n)?,
            (Mask, Value::Addr(x), Value::Int(n)) => self.mask(x, *n as u64)?,
            (Add, Value::Str(x), Value::Str(y)) => {
                let mut s = x.to_vec();
                s.extend_from_slice(y);
                Value::Str(s.into())
            }
            (Lt, Value::Str(x), Value::Str(y)) => Value::Bool(x < y),
            (Le, Value::Str(x), Value::Str(y)) => Value::Bool(x <= y),
            (Lt, Value::Addr(x), Value::Addr(y)) => Value::Bool(x < y),
            (Le, Value::Addr(x), Value::Addr(y)) => Value::Bool(x <= y),
            (Lt, Value::Port(x), Value::Port(y)) => Value::Bool(x < y),
            (Le, Value::Port(x), Value::Port(y)) => Value::Bool(x <= y),
            (Lt, Value::Enum(_, x), Value::Enum(_, y)) => Value::Bool(x < y),
            (Le, Value::Enum(_, x), Value::Enum(_, y)) => Value::Bool(x <= y),
            (Eq, Value::Pattern(p), Value::Str(s)) | (Eq, Value::Str(s), Value::Pattern(p)) => {
                Value::Bool(p.matches_exactly(s))
            }
            (Ne, Value::Pattern(p), Value::Str(s)) | (Ne, Value::Str(s), Value::Pattern(p)) => {
                Value::Bool(!p.matches_exactly(s))
            }
            // `!=` on two patterns is what `==` is in the reference as well.
            (Eq | Ne, Value::Pattern(p), Value::Pattern(q)) => Value::Bool(p.text() == q.text()),
            (BitOr, Value::Pattern(p), Value::Pattern(q)) => self.join(host, p, q, PatternJoin::Or)?,
            (BitAnd, Value::Pattern(p), Value::Pattern(q)) => self.join(host, p, q, PatternJoin::Concat)?,
            (Eq, Value::Func(f), Value::Func(g)) => Value::Bool(same_function(f, g)),
            (Ne, Value::Func(f), Value::Func(g)) => Value::Bool(!same_function(f, g)),
            (Lt | Le | Eq | Ne | BitOr | BitAnd | SetSub | Sub, Value::Table(s), Value::Table(t)) => {
                self.set_op(op, s, t)
            }
            (Eq, Value::Double(_) | Value::Time(_) | Value::Interval(_), _) => Value::Bool(float_of(a) == float_of(b)),
            (Ne, Value::Double(_) | Value::Time(_) | Value::Interval(_), _) => Value::Bool(float_of(a) != float_of(b)),
            (Eq, a, b) => Value::Bool(values_equal(a, b)),
            (Ne, a, b) => Value::Bool(!values_equal(a, b)),
            (_, a, b) => match (float_of(a), float_of(b)) {
                (Some(x), Some(y)) => self.binary_float(op, a, b, x, y)?,
                _ => {
                    let (x, y) = (value_type_text(self.types(), a), value_type_text(self.types(), b));
                    return Err(self.detailed_here(&format!("operation not defined for {x} and {y}")));
                }
            },
        };
        Ok(v)
    }

    fn binary_int(&mut self, op: BinOp, x: i64, y: i64) -> Result<Value, RtError> {
        use BinOp::*;
        Ok(match op {
            Add => Value::Int(x.wrapping_add(y)),
            Sub => Value::Int(x.wrapping_sub(y)),
            Mul => Value::Int(x.wrapping_mul(y)),
            Div if y == 0 => return Err(self.detailed_here("division by zero")),
            Mod if y == 0 => return Err(self.detailed_here("modulo by zero")),
            Div => Value::Int(x.wrapping_div(y)),
            Mod => Value::Int(x.wrapping_rem(y)),
            BitOr => Value::Int(x | y),
            BitAnd => Value::Int(x & y),
            BitXor => Value::Int(x ^ y),
            Shl if x < 0 => return Err(self.detailed_here("left shifting a negative number is undefined")),
            Shl => Value::Int(x.wrapping_shl(y as u32)),
            Shr => Value::Int(x.wrapping_shr(y as u32)),
            Lt => Value::Bool(x < y),
            Le => Value::Bool(x <= y),
            Eq => Value::Bool(x == y),
            Ne => Value::Bool(x != y),
            SetSub | Mask | VecAnd | VecOr => return Err(self.detailed_here("operation not defined for int")),
        })
    }

    fn binary_count(&mut self, host: &mut dyn Host, op: BinOp, x: u64, y: u64) -> Result<Value, RtError> {
        use BinOp::*;
        Ok(match op {
            Add => Value::Count(x.wrapping_add(y)),
            Sub => {
                if x < y {
                    self.count_underflow(host);
                }
                Value::Count(x.wrapping_sub(y))
            }
            Mul => Value::Count(x.wrapping_mul(y)),
            Div if y == 0 => return Err(self.detailed_here("division by zero")),
            Mod if y == 0 => return Err(self.detailed_here("modulo by zero")),
            Div => Value::Count(x / y),
            Mod => Value::Count(x % y),
            BitOr => Value::Count(x | y),
            BitAnd => Value::Count(x & y),
            BitXor => Value::Count(x ^ y),
            Shl => Value::Count(x.wrapping_shl(y as u32)),
            Shr => Value::Count(x.wrapping_shr(y as u32)),
            Lt => Value::Bool(x < y),
            Le => Value::Bool(x <= y),
            Eq => Value::Bool(x == y),
            Ne => Value::Bool(x != y),
            SetSub | Mask | VecAnd | VecOr => return Err(self.detailed_here("operation not defined for count")),
        })
    }

    fn binary_float(&mut self, op: BinOp, a: &Value, b: &Value, x: f64, y: f64) -> Result<Value, RtError> {
        use BinOp::*;
        let tagged = |d: f64| match (op, a, b) {
            (Sub, Value::Time(_), Value::Time(_)) => Value::Interval(d),
            (Div, Value::Interval(_), Value::Interval(_)) => Value::Double(d),
            (_, Value::Time(_), _) | (_, _, Value::Time(_)) => Value::Time(d),
            (_, Value::Interval(_), _) | (_, _, Value::Interval(_)) => Value::Interval(d),
            _ => Value::Double(d),
        };
        Ok(match op {
            Add => tagged(x + y),
            Sub => tagged(x - y),
            Mul => tagged(x * y),
            Div if y == 0.0 => return Err(self.detailed_here("division by zero")),
            Div => tagged(x / y),
            Mod if y == 0.0 => return Err(self.detailed_here("modulo by zero")),
            Mod => tagged(x % y),
            Lt => Value::Bool(x < y),
            Le => Value::Bool(x <= y),
            Eq => Value::Bool(x == y),
            Ne => Value::Bool(x != y),
            _ => return Err(self.detailed_here("operation not defined for floating point")),
        })
    }

    fn join(
        &mut self,
        host: &mut dyn Host,
        p: &Rc<dyn tapir_data::value::PatternObject>,
        q: &Rc<dyn tapir_data::value::PatternObject>,
        how: PatternJoin,
    ) -> Result<Value, RtError> {
        match host.join_patterns(p, q, how) {
            Ok(p) => Ok(Value::Pattern(p)),
            Err(why) => Err(self.detailed_here(&why)),
        }
    }

    fn set_op(&mut self, op: BinOp, s: &Rc<Table>, t: &Rc<Table>) -> Value {
        use BinOp::*;
        let subset = |a: &Table, b: &Table| a.len() <= b.len() && a.keys().iter().all(|k| b.get_key(k).is_some());
        match op {
            Lt => Value::Bool(s.len() < t.len() && subset(s, t)),
            Le => Value::Bool(subset(s, t)),
            Eq => Value::Bool(values_equal(&Value::Table(s.clone()), &Value::Table(t.clone()))),
            Ne => Value::Bool(!values_equal(&Value::Table(s.clone()), &Value::Table(t.clone()))),
            _ => {
                let out = Table::new(s.ty);
                for (k, v) in s.entries() {
                    let there = t.get_key(&k).is_some();
                    let take = match op {
                        BitOr => true,
                        BitAnd => there,
                        _ => !there,
                    };
                    if take {
                        out.insert_key(&k, v, self.now);
                    }
                }
                if op == BitOr {
                    for (k, v) in t.entries() {
                        if out.get_key(&k).is_none() {
                            out.insert_key(&k, v, self.now);
                        }
                    }
                }
                Value::Table(out)
            }
        }
    }

    /// An operation on two vectors, element by element; holes stay holes.
    pub(crate) fn binary_vector(
        &mut self,
        host: &mut dyn Host,
        op: u8,
        a: &Value,
        b: &Value,
        ty: TypeId,
    ) -> Result<Value, RtError> {
        let (Value::Vector(x), Value::Vector(y)) = (a, b) else {
            if matches!(a, Value::Unset) || matches!(b, Value::Unset) {
                return Err(self.detailed_here("value used but not set"));
            }
            return Err(self.detailed_here("cannot mix vector and scalar operands"));
        };
        if x.len() != y.len() {
            return Err(self.detailed_here("vector operands are of different sizes"));
        }
        let mut out = Vec::with_capacity(x.len());
        for i in 0..x.len() {
            let (p, q) = (x.get(i), y.get(i));
            let v = match (bin_op(op), &p, &q) {
                (_, Value::Unset, _) | (_, _, Value::Unset) => Value::Unset,
                (BinOp::VecAnd, Value::Bool(p), Value::Bool(q)) => Value::Bool(*p && *q),
                (BinOp::VecOr, Value::Bool(p), Value::Bool(q)) => Value::Bool(*p || *q),
                (_, Value::Vector(_), Value::Vector(_)) => self.binary_vector(host, op, &p, &q, ty)?,
                _ => self.binary(host, op, &p, &q)?,
            };
            out.push(v);
        }
        Ok(Value::Vector(Vector::new(ty, out)))
    }

    #[allow(clippy::only_used_in_recursion)]
    pub(crate) fn unary(&mut self, host: &mut dyn Host, op: u8, a: &Value) -> Result<Value, RtError> {
        let v = match (un_op(op), a) {
            (UnOp::Copy, v) => {
                let c = tapir_data::copy::deep_copy(v);
                if let Value::Table(t) = &c
                    && t.attrs().is_some_and(|a| a.expires())
                {
                    self.register_expiry(t);
                }
                c
            }
            (_, Value::Unset) => return Err(self.detailed_here("value used but not set")),
            (UnOp::Size, v) => self.size_of_value(v)?,
            (o, Value::Vector(v)) => {
                let mut out = Vec::with_capacity(v.len());
                for x in v.to_vec() {
                    out.push(match x {
                        Value::Unset => Value::Unset,
                        x => self.unary(host, o as u8, &x)?,
                    });
                }
                Value::Vector(Vector::new(v.ty, out))
            }
            (UnOp::Not, Value::Bool(b)) => Value::Bool(!b),
            (UnOp::Not, Value::Int(n)) => Value::Bool(*n == 0),
            (UnOp::Not, Value::Count(n)) => Value::Bool(*n == 0),
            (UnOp::BitNot, Value::Count(n)) => Value::Count(!n),
            (UnOp::BitNot, Value::Int(n)) => Value::Int(!n),
            (UnOp::Neg, Value::Int(n)) => Value::Int(n.wrapping_neg()),
            (UnOp::Neg, Value::Count(n)) => Value::Int((*n as i64).wrapping_neg()),
            (UnOp::Neg, Value::Double(d)) => Value::Double(-d),
            (UnOp::Neg, Value::Interval(d)) => Value::Interval(-d),
            (UnOp::Pos, Value::Count(n)) => Value::Int(*n as i64),
            (UnOp::Pos, v) => v.clone(),
            (_, v) => {
                let t = value_type_text(self.types(), v);
                return Err(self.detailed_here(&format!("operation not defined for {t}")));
            }
        };
        Ok(v)
    }

    /// The value as an element of a vector of the given type; an error names the type otherwise.
    pub(crate) fn check_element(&mut self, v: &Value, ty: TypeId) -> Result<(), RtError> {
        if self.value_is(v, ty) {
            return Ok(());
        }
        let shown = tapir_data::text::render(self, v, tapir_data::text::Style::Message);
        let text = format!(
            "vector index assignment failed for invalid type '{}', value: {}",
            value_type_text(self.types(), v),
            String::from_utf8_lossy(&shown)
        );
        Err(self.located(Severity::RuntimeError, text))
    }

    /// `|v|`.
    pub(crate) fn size_of_value(&mut self, v: &Value) -> Result<Value, RtError> {
        Ok(match v {
            Value::Unset => return Err(self.detailed_here("value used but not set")),
            Value::Int(n) => Value::Count(n.unsigned_abs()),
            Value::Count(n) => Value::Count(*n),
            Value::Double(d) | Value::Interval(d) | Value::Time(d) => Value::Double(d.abs()),
            Value::Bool(b) => Value::Count(*b as u64),
            Value::Enum(_, n) => Value::Int(*n),
            Value::Str(s) => Value::Count(s.len() as u64),
            Value::Vector(v) => Value::Count(v.len() as u64),
            Value::Table(t) => Value::Count(t.len() as u64),
            Value::Record(r) => Value::Count(self.types().record(r.ty).map_or(0, |t| t.fields.len()) as u64),
            Value::Func(f) => Value::Count(match self.types().kind(f.ty) {
                Kind::Func(sig) => sig.params.len() as u64,
                _ => 0,
            }),
            Value::Addr(a) => Value::Count(if a.is_v4() { 32 } else { 128 }),
            Value::Subnet(s) => Value::Double(2f64.powi(128 - s.width as i32)),
            Value::Port(p) => Value::Count((p.proto as u64) << 16 | p.num as u64),
            Value::List(l) => Value::Count(l.len() as u64),
            Value::Pattern(_) | Value::Opaque(_) | Value::Type(_) => Value::Count(0),
            Value::File(_) => Value::Double(0.0),
        })
    }

    pub(crate) fn cond_vector(&mut self, m: &Value, a: &Value, b: &Value) -> Result<Value, RtError> {
        let (Value::Vector(m), Value::Vector(x), Value::Vector(y)) = (m, a, b) else {
            return Err(self.detailed_here("value used but not set"));
        };
        if m.len() != x.len() || m.len() != y.len() {
            return Err(self.detailed_here("vector operands are of different sizes"));
        }
        let out = (0..m.len())
            .map(|i| match m.get(i) {
                Value::Bool(true) => x.get(i),
                Value::Bool(false) => y.get(i),
                _ => Value::Unset,
            })
            .collect();
        Ok(Value::Vector(Vector::new(x.ty, out)))
    }

    /// `a += b`: changes containers and patterns in place, gives the new value.
    pub(crate) fn add_assign(&mut self, host: &mut dyn Host, a: &Value, b: &Value) -> Result<Value, RtError> {
        match (a, b) {
            (Value::Unset, _) => return Err(self.detailed_here("value used but not set")),
            (Value::Table(t), Value::Table(other)) => {
                let is_set = matches!(self.types().kind(t.ty), Kind::Table { yields: None, .. });
                for (k, v) in other.entries() {
                    let parts: Vec<Value> = tapir_data::table::as_parts(&k).to_vec();
                    if is_set {
                        self.add_member(host, a, &parts)?;
                    } else {
                        self.table_set(host, t, &parts, v)?;
                    }
                }
            }
            (Value::Vector(v), Value::Vector(other)) => {
                for x in other.to_vec() {
                    v.push(x);
                }
                if self.watching {
                    self.changed(Rc::as_ptr(v) as *const u8);
                }
            }
            (Value::Vector(v), x) => v.push(x.clone()),
            (Value::Pattern(p), Value::Pattern(q)) => {
                if let Err(why) = host.extend_pattern(p, q) {
                    return Err(self.detailed_here(&why));
                }
            }
            _ => return self.binary(host, BinOp::Add as u8, a, b),
        }
        Ok(a.clone())
    }

    /// `a -= b`.
    pub(crate) fn sub_assign(&mut self, host: &mut dyn Host, a: &Value, b: &Value) -> Result<Value, RtError> {
        match (a, b) {
            (Value::Unset, _) => return Err(self.detailed_here("value used but not set")),
            (Value::Table(_), Value::Table(other)) => {
                for k in other.keys() {
                    let parts: Vec<Value> = tapir_data::table::as_parts(&k).to_vec();
                    self.delete_member(host, a, &parts)?;
                }
            }
            _ => return self.binary(host, BinOp::Sub as u8, a, b),
        }
        Ok(a.clone())
    }

    /// An implicit conversion. `Unset` comes back after an error that only skips the statement.
    pub fn coerce(&mut self, host: &mut dyn Host, v: &Value, to: TypeId) -> Result<Value, RtError> {
        if !matches!(v, Value::Record(_) | Value::Table(_) | Value::Vector(_)) {
            return self.converted(host, v, to);
        }
        if self.coercing > COERCE_DEPTH_MAX {
            return Err(self.detailed_here("the value is nested too deeply to be converted"));
        }
        self.coercing += 1;
        let converted = self.converted(host, v, to);
        self.coercing -= 1;
        converted
    }

    fn converted(&mut self, host: &mut dyn Host, v: &Value, to: TypeId) -> Result<Value, RtError> {
        let want = self.types().kind(to).clone();
        let v = match (v, &want) {
            (Value::Unset, _) => Value::Unset,
            (v, Kind::Any) => v.clone(),
            (Value::Int(n), Kind::Count) => {
                if *n < 0 {
                    return Ok(self.overflow(
                        host,
                        "overflow promoting from signed/double to unsigned arithmetic value",
                    ));
                }
                Value::Count(*n as u64)
            }
            (Value::Count(n), Kind::Int) => {
                if *n > i64::MAX as u64 {
                    return Ok(self.overflow(
                        host,
                        "overflow promoting from unsigned/double to signed arithmetic value",
                    ));
                }
                Value::Int(*n as i64)
            }
            (Value::Double(d), Kind::Int) => {
                if !(d.trunc() >= -9_223_372_036_854_775_808.0 && d.trunc() < 9_223_372_036_854_775_808.0) {
                    return Ok(self.overflow(
                        host,
                        "overflow promoting from unsigned/double to signed arithmetic value",
                    ));
                }
                Value::Int(d.trunc() as i64)
            }
            (Value::Double(d), Kind::Count) => {
                if !(d.trunc() >= 0.0 && d.trunc() < 18_446_744_073_709_551_616.0) {
                    return Ok(self.overflow(
                        host,
                        "overflow promoting from signed/double to unsigned arithmetic value",
                    ));
                }
                Value::Count(d.trunc() as u64)
            }
            (Value::Int(n), Kind::Double) => Value::Double(*n as f64),
            (Value::Count(n), Kind::Double) => Value::Double(*n as f64),
            (Value::Int(n), Kind::Time) => Value::Time(*n as f64),
            (Value::Count(n), Kind::Time) => Value::Time(*n as f64),
            (Value::Double(n), Kind::Time) => Value::Time(*n),
            (Value::Int(n), Kind::Interval) => Value::Interval(*n as f64),
            (Value::Count(n), Kind::Interval) => Value::Interval(*n as f64),
            (Value::Double(n), Kind::Interval) => Value::Interval(*n),
            (Value::Enum(t, _), Kind::Enum(_)) if self.types().same(*t, to) => v.clone(),
            (Value::Enum(_, n), Kind::Enum(_)) => Value::Enum(to, *n),
            (Value::Enum(_, n), Kind::Int) => Value::Int(*n),
            (Value::Enum(_, n), Kind::Count) => Value::Count(*n as u64),
            (Value::Record(r), Kind::Record(_)) => {
                if self.types().same(r.ty, to) {
                    v.clone()
                } else {
                    self.coerce_record(host, r, to)?
                }
            }
            (Value::Table(t), Kind::Table { index, yields }) => {
                if t.ty == to || self.types().same(t.ty, to) {
                    v.clone()
                } else if t.is_empty() {
                    Value::Table(self.new_table(to, t.attrs()))
                } else {
                    // Entries of another type: each is converted.
                    let out = self.new_table(to, t.attrs());
                    for (k, x) in t.entries() {
                        let mut parts = Vec::new();
                        for (p, ty) in tapir_data::table::as_parts(&k).iter().zip(index) {
                            parts.push(self.coerce(host, p, *ty)?);
                        }
                        let x = match yields {
                            Some(y) => self.coerce(host, &x, *y)?,
                            None => Value::Unset,
                        };
                        out.insert(&parts, x, self.now);
                    }
                    Value::Table(out)
                }
            }
            (Value::Vector(x), Kind::Vector(elem)) => {
                if x.ty == to || self.types().same(x.ty, to) {
                    v.clone()
                } else if x.len() == 0 {
                    Value::Vector(Vector::new(to, Vec::new()))
                } else {
                    let mut out = Vec::with_capacity(x.len());
                    for e in x.to_vec() {
                        out.push(self.coerce(host, &e, *elem)?);
                    }
                    Value::Vector(Vector::new(to, out))
                }
            }
            // An empty constructor may take any container's type.
            (Value::Vector(x), Kind::Table { .. }) if x.len() == 0 => Value::Table(self.new_table(to, None)),
            (Value::Table(x), Kind::Vector(_)) if x.is_empty() => Value::Vector(Vector::new(to, Vec::new())),
            (Value::List(l), Kind::Table { .. }) if l.is_empty() => Value::Table(self.new_table(to, None)),
            (Value::List(l), Kind::Vector(_)) if l.is_empty() => Value::Vector(Vector::new(to, Vec::new())),
            (v, _) if kind::fits(kind::of_type(self.types(), to), v) => v.clone(),
            (v, _) => {
                let (a, b) = (value_type_text(self.types(), v), self.type_name(to));
                return Err(self.cast_error(&a, &b));
            }
        };
        Ok(v)
    }

    fn cast_error(&mut self, from: &str, to: &str) -> RtError {
        self.detailed_here(&format!("invalid cast of value with type '{from}' to type '{to}'"))
    }

    #[cold]
    fn overflow(&mut self, host: &mut dyn Host, text: &str) -> Value {
        let location = self.location();
        self.report(host, Severity::Error, text.into(), location);
        Value::Unset
    }

    /// A record of another type with the fields of the same names.
    fn coerce_record(&mut self, host: &mut dyn Host, r: &Rc<Record>, to: TypeId) -> Result<Value, RtError> {
        let types = &self.prog().types;
        let (Some(from_t), Some(to_t)) = (types.record(r.ty), types.record(to)) else {
            return Ok(Value::Unset);
        };
        let mut slots = Vec::new();
        for (i, f) in to_t.fields.iter().enumerate() {
            let v = match from_t.slot(&f.name) {
                Some(slot) if r.has(slot as usize) => {
                    let x = r.get(slot as usize);
                    self.coerce(host, &x, f.ty)?
                }
                _ => Value::Unset,
            };
            if !matches!(v, Value::Unset) {
                if slots.len() < i {
                    slots.resize(i, Value::Unset);
                }
                slots.push(v);
            }
        }
        let out = Record::new(to, slots);
        self.fill_constant_defaults(&out);
        Ok(Value::Record(out))
    }

    /// Whether a value's type is exactly `ty`.
    pub fn value_is(&self, v: &Value, ty: TypeId) -> bool {
        if matches!(self.types().kind(ty), Kind::Any) {
            return !matches!(v, Value::Unset);
        }
        if let Some(d) = tapir_data::broker::convert::wrapped(self.types(), v) {
            return self.types().same(self.type_of(v), ty)
                || tapir_data::broker::convert::is_of_type(self.types(), &d, ty);
        }
        match v {
            Value::Unset | Value::List(_) => false,
            Value::Opaque(o) => matches!(self.types().kind(ty), Kind::Opaque(n) if **n == *o.type_name()),
            v => {
                let t = self.type_of(v);
                self.types().same_or_any(t, ty)
            }
        }
    }

    /// `v as ty`.
    pub fn cast(&mut self, host: &mut dyn Host, v: &Value, ty: TypeId) -> Result<Value, RtError> {
        if let Value::Unset = v {
            return Err(self.detailed_here("value used but not set"));
        }
        if let Some(v) = self.try_cast(host, v, ty) {
            return Ok(v);
        }
        let (from, to) = (value_type_text(self.types(), v), self.type_name(ty));
        Err(self.cast_error(&from, &to))
    }

    /// `v ?as ty`.
    pub fn can_cast(&mut self, host: &mut dyn Host, v: &Value, ty: TypeId) -> bool {
        !matches!(v, Value::Unset) && self.try_cast(host, v, ty).is_some()
    }

    fn try_cast(&mut self, host: &mut dyn Host, v: &Value, ty: TypeId) -> Option<Value> {
        if let Some(d) = tapir_data::broker::convert::wrapped(self.types(), v)
            && !matches!(self.types().kind(ty), Kind::Any)
            && !self.types().same(self.type_of(v), ty)
        {
            return self.value_from_data(host, &d, ty);
        }
        if self.value_is(v, ty) {
            return Some(v.clone());
        }
        let want = self.types().kind(ty).clone();
        let text = |s: &[u8]| std::str::from_utf8(s).ok().map(|s| s.trim().to_string());
        let v = match (v, &want) {
            (Value::Str(s), Kind::Double) => Value::Double(text(s)?.parse().ok()?),
            (Value::Str(s), Kind::Int) => Value::Int(text(s)?.parse().ok()?),
            (Value::Str(s), Kind::Count) => Value::Count(text(s)?.parse().ok()?),
            (Value::Str(s), Kind::Addr) => Value::Addr(Addr::from(
                text(s)?
                    .trim_matches(|c| c == '[' || c == ']')
                    .parse::<std::net::IpAddr>()
                    .ok()?,
            )),
            (Value::Str(s), Kind::Subnet) => {
                let t = text(s)?;
                let (a, w) = t.split_once('/')?;
                let a = Addr::from(
                    a.trim_matches(|c| c == '[' || c == ']')
                        .parse::<std::net::IpAddr>()
                        .ok()?,
                );
                let w: u8 = w.parse().ok()?;
                let bits = if a.is_v4() { 32 } else { 128 };
                if w > bits {
                    return None;
                }
                Value::Subnet(Subnet::new128(a, w + (128 - bits)))
            }
            (Value::Str(s), Kind::Port) => {
                let t = text(s)?;
                let (n, p) = t.split_once('/')?;
                let proto = match p.to_ascii_lowercase().as_str() {
                    "tcp" => Proto::Tcp,
                    "udp" => Proto::Udp,
                    "icmp" => Proto::Icmp,
                    "unknown" => Proto::Unknown,
                    _ => return None,
                };
                Value::Port(Port {
                    proto,
                    num: n.parse().ok()?,
                })
            }
            (Value::Int(n), Kind::Count) => Value::Count(u64::try_from(*n).ok()?),
            (Value::Int(n), Kind::Double) => Value::Double(*n as f64),
            (Value::Int(n), Kind::Time) => Value::Time(*n as f64),
            (Value::Int(n), Kind::Interval) => Value::Interval(*n as f64),
            (Value::Count(n), Kind::Int) => Value::Int(i64::try_from(*n).ok()?),
            (Value::Count(n), Kind::Double) => Value::Double(*n as f64),
            (Value::Count(n), Kind::Time) => Value::Time(*n as f64),
            (Value::Count(n), Kind::Interval) => Value::Interval(*n as f64),
            (Value::Count(n), Kind::Addr) => Value::Addr(Addr::v4((u32::try_from(*n).ok()?).to_be_bytes())),
            (Value::Double(d), Kind::Int) => {
                let r = d.round_ties_even();
                if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&r) {
                    return None;
                }
                Value::Int(r as i64)
            }
            (Value::Double(d), Kind::Count) => {
                let r = d.round_ties_even();
                if !(0.0..18_446_744_073_709_551_616.0).contains(&r) {
                    return None;
                }
                Value::Count(r as u64)
            }
            (Value::Double(d), Kind::Time) => Value::Time(*d),
            (Value::Double(d), Kind::Interval) => Value::Interval(*d),
            (Value::Enum(_, n), Kind::Int) => Value::Int(*n),
            (Value::Enum(_, n), Kind::Count) => Value::Count(u64::try_from(*n).ok()?),
            (Value::Interval(d) | Value::Time(d), Kind::Double) => Value::Double(*d),
            (Value::Addr(a), Kind::Subnet) => Value::Subnet(Subnet::new128(*a, 128)),
            (Value::Addr(a), Kind::Vector(e)) if *e == builtin::COUNT => {
                let words: Vec<Value> = match a.as_v4() {
                    Some(b) => vec![Value::Count(u32::from_be_bytes(b) as u64)],
                    None => {
                        a.0.chunks(4)
                            .map(|c| Value::Count(u32::from_be_bytes([c[0], c[1], c[2], c[3]]) as u64))
                            .collect()
                    }
                };
                Value::Vector(Vector::new(ty, words))
            }
            (Value::Subnet(s), Kind::Addr) => Value::Addr(s.addr),
            (Value::Subnet(s), Kind::Count) => Value::Count(s.shown_width() as u64),
            (Value::Port(p), Kind::Count) => Value::Count(p.num as u64),
            (Value::Table(t), Kind::Vector(e)) => {
                let Kind::Table { index, yields: None } = self.types().kind(t.ty) else {
                    return None;
                };
                if index.len() != 1 || !self.types().same(index[0], *e) {
                    return None;
                }
                Value::Vector(Vector::new(ty, t.keys()))
            }
            (Value::Vector(x), Kind::Table { index, yields: None }) if index.len() == 1 => {
                let Kind::Vector(e) = self.types().kind(x.ty) else {
                    return None;
                };
                if !self.types().same(*e, index[0]) {
                    return None;
                }
                let t = self.new_table(ty, None);
                for k in x.to_vec() {
                    if !matches!(k, Value::Unset) {
                        t.insert(&[k], Value::Unset, self.now);
                    }
                }
                Value::Table(t)
            }
            (v, _) => return self.foreign_cast(host, v, ty),
        };
        Some(v)
    }

    /// Conversions that built-in types with state of their own bring along (data of the cluster).
    fn foreign_cast(&mut self, host: &mut dyn Host, v: &Value, ty: TypeId) -> Option<Value> {
        let f = self.cast_hook?;
        f(self, host, v, ty)
    }
}
