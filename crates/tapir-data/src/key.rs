//! Values as keys: hashing, equality and snapshots.
//!
//! Doubles count by bit pattern, records field by field (an unset slot equals an absent one), vectors by element,
//! sets and tables regardless of order, functions and opaque values by identity, patterns by text.

use std::cell::Cell;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use crate::copy::deep_copy;
use crate::table::as_parts;
use crate::value::{Func, Value};

/// Values nested deeper than this add nothing to a hash; cycles end there too.
const HASH_DEPTH_MAX: u32 = 64;

/// Values nested deeper than this are compared without the native stack.
const EQUAL_DEPTH_MAX: u32 = 100;

/// Tables within keys of tables, and so on, that are told apart.
const KEY_DEPTH_MAX: u32 = 20;

/// Feeds the index values of one key to a hasher.
pub fn hash_key<H: Hasher + Clone>(key: &[Value], h: &mut H) {
    for v in key {
        hash_value(v, h);
    }
}

/// Feeds one value to a hasher, consistently with [`values_equal`].
#[inline]
pub fn hash_value<H: Hasher + Clone>(v: &Value, h: &mut H) {
    hash_at(v, h, 0);
}

fn hash_at<H: Hasher + Clone>(v: &Value, h: &mut H, depth: u32) {
    match v {
        Value::Unset => h.write_u8(0xff),
        Value::Bool(b) => h.write_u64(*b as u64),
        Value::Int(n) => h.write_u64(*n as u64),
        Value::Count(n) => h.write_u64(*n),
        Value::Double(d) | Value::Time(d) | Value::Interval(d) => h.write_u64(d.to_bits()),
        Value::Enum(_, n) => h.write_u64(*n as u64),
        Value::Port(p) => h.write_u64((p.proto as u64) << 16 | p.num as u64),
        Value::Addr(a) => h.write_u128(u128::from_ne_bytes(a.0)),
        Value::Subnet(s) => {
            h.write_u128(u128::from_ne_bytes(s.addr.0));
            h.write_u8(s.width);
        }
        Value::Str(s) => s.hash(h),
        Value::Pattern(p) => p.text().hash(h),
        Value::Record(_) | Value::Table(_) | Value::Vector(_) | Value::List(_) if depth > HASH_DEPTH_MAX => {}
        Value::Record(r) => {
            for slot in 0..r.len() {
                // SAFETY: hashing changes no record.
                match unsafe { r.slot_ref(slot) } {
                    None | Some(Value::Unset) => {}
                    Some(v) => {
                        h.write_u32(slot as u32);
                        hash_at(v, h, depth + 1);
                    }
                }
            }
        }
        Value::Table(t) => {
            let mut sum = 0u64;
            for (k, v) in t.entries() {
                let mut one = h.clone();
                for part in as_parts(&k) {
                    hash_at(part, &mut one, depth + 1);
                }
                hash_at(&v, &mut one, depth + 1);
                sum = sum.wrapping_add(one.finish());
            }
            h.write_u64(sum);
        }
        Value::Vector(v) => {
            h.write_u64(v.len() as u64);
            for i in 0..v.len() {
                hash_at(&v.get(i), h, depth + 1);
            }
        }
        Value::Func(f) => h.write_u32(f.id.0),
        Value::File(f) => h.write_usize(Rc::as_ptr(f) as usize),
        Value::Opaque(o) => h.write_usize(Rc::as_ptr(o) as *const u8 as usize),
        Value::Type(t) => h.write_u32(t.0),
        Value::List(l) => {
            for v in l.iter() {
                hash_at(v, h, depth + 1);
            }
        }
    }
}

/// Whether a stored key has the given index values.
#[inline]
pub fn keys_equal(stored: &Value, key: &[Value]) -> bool {
    match (stored, key) {
        (Value::Count(a), [Value::Count(b)]) => a == b,
        (Value::Str(a), [Value::Str(b)]) => a == b,
        (Value::Addr(a), [Value::Addr(b)]) => a == b,
        _ => {
            let parts = as_parts(stored);
            parts.len() == key.len() && parts.iter().zip(key).all(|(a, b)| values_equal(a, b))
        }
    }
}

/// Equality as keys; also that of sets, and of elements in data comparisons.
#[inline]
pub fn values_equal(a: &Value, b: &Value) -> bool {
    equal_at(a, b, 0)
}

fn equal_at(a: &Value, b: &Value, depth: u32) -> bool {
    use Value::*;
    if depth > EQUAL_DEPTH_MAX && matches!(a, Record(_) | Table(_) | Vector(_) | List(_)) {
        return equal_deep(a, b);
    }
    let depth = depth + 1;
    match (a, b) {
        (Unset, Unset) => true,
        (Bool(a), Bool(b)) => a == b,
        (Int(a), Int(b)) => a == b,
        (Count(a), Count(b)) => a == b,
        (Double(a), Double(b)) | (Time(a), Time(b)) | (Interval(a), Interval(b)) => a.to_bits() == b.to_bits(),
        (Enum(_, a), Enum(_, b)) => a == b,
        (Port(a), Port(b)) => a == b,
        (Addr(a), Addr(b)) => a == b,
        (Subnet(a), Subnet(b)) => a == b,
        (Str(a), Str(b)) => a == b,
        (Pattern(a), Pattern(b)) => a.text() == b.text(),
        (Record(a), Record(b)) => {
            if Rc::ptr_eq(a, b) {
                return true;
            }
            // SAFETY: comparing changes no record.
            (0..a.len().max(b.len())).all(|i| match unsafe { (a.slot_ref(i), b.slot_ref(i)) } {
                (Some(x), Some(y)) => equal_at(x, y, depth),
                (Some(x), None) | (None, Some(x)) => matches!(x, Value::Unset),
                (None, None) => true,
            })
        }
        (Table(a), Table(b)) => {
            if Rc::ptr_eq(a, b) {
                return true;
            }
            a.len() == b.len()
                && a.entries()
                    .iter()
                    .all(|(k, v)| b.get_key(k).is_some_and(|other| equal_at(v, &other, depth)))
        }
        (Vector(a), Vector(b)) => {
            if Rc::ptr_eq(a, b) {
                return true;
            }
            a.len() == b.len() && (0..a.len()).all(|i| equal_at(&a.get(i), &b.get(i), depth))
        }
        (Func(a), Func(b)) => same_function(a, b),
        (File(a), File(b)) => Rc::ptr_eq(a, b),
        (Opaque(a), Opaque(b)) => Rc::ptr_eq(a, b),
        (Type(a), Type(b)) => a == b,
        (List(a), List(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| equal_at(a, b, depth)),
        _ => false,
    }
}

/// Equality of deeply nested values, and of such that hold themselves: two values are equal unless a way into both
/// shows a difference.
#[cold]
fn equal_deep(a: &Value, b: &Value) -> bool {
    thread_local! {
        static KEYS: Cell<u32> = const { Cell::new(0) };
    }
    let mut met: HashSet<(*const u8, *const u8)> = HashSet::new();
    let mut todo = vec![(a.clone(), b.clone())];
    while let Some(pair) = todo.pop() {
        match &pair {
            (Value::Record(a), Value::Record(b)) => {
                if Rc::ptr_eq(a, b) || !met.insert((Rc::as_ptr(a).cast(), Rc::as_ptr(b).cast())) {
                    continue;
                }
                todo.extend((0..a.len().max(b.len())).map(|i| (a.get(i), b.get(i))));
            }
            (Value::Vector(a), Value::Vector(b)) => {
                if a.len() != b.len() {
                    return false;
                }
                if Rc::ptr_eq(a, b) || !met.insert((Rc::as_ptr(a).cast(), Rc::as_ptr(b).cast())) {
                    continue;
                }
                todo.extend((0..a.len()).map(|i| (a.get(i), b.get(i))));
            }
            (Value::List(a), Value::List(b)) => {
                if a.len() != b.len() {
                    return false;
                }
                todo.extend(a.iter().cloned().zip(b.iter().cloned()));
            }
            (Value::Table(a), Value::Table(b)) => {
                if a.len() != b.len() || KEYS.get() > KEY_DEPTH_MAX {
                    return false;
                }
                if Rc::ptr_eq(a, b) || !met.insert((Rc::as_ptr(a).cast(), Rc::as_ptr(b).cast())) {
                    continue;
                }
                for (k, v) in a.entries() {
                    KEYS.set(KEYS.get() + 1);
                    let other = b.get_key(&k);
                    KEYS.set(KEYS.get() - 1);
                    match other {
                        Some(other) => todo.push((v, other)),
                        None => return false,
                    }
                }
            }
            (a, b) => {
                if !equal_at(a, b, 0) {
                    return false;
                }
            }
        }
    }
    true
}

/// Identity of functions: one allocation, or the same function without captures.
pub fn same_function(a: &Rc<Func>, b: &Rc<Func>) -> bool {
    Rc::ptr_eq(a, b)
        || (a.id == b.id && a.captures.borrow().is_empty() && b.captures.borrow().is_empty() && !a.fresh && !b.fresh)
}

/// A value that later changes through references cannot reach.
#[inline]
pub fn snapshot(v: &Value) -> Value {
    match v {
        Value::Record(_) | Value::Table(_) | Value::Vector(_) => deep_copy(v),
        Value::List(l) => Value::List(l.iter().map(snapshot).collect()),
        v => v.clone(),
    }
}
