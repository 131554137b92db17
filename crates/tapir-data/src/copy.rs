//! Deep copies.
//!
//! Sharing inside the copied value is kept: two references to one record become two references to one copy, and a
//! cycle becomes a cycle. Files and opaque values that refuse to be copied stay shared; functions are duplicated
//! with their captures, so that a copy is not equal to the original.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::table::{Table, as_parts};
use crate::value::{Func, Record, Value, Vector};

/// A deep copy of a value.
pub fn deep_copy(v: &Value) -> Value {
    match v {
        Value::Record(_) | Value::Table(_) | Value::Vector(_) | Value::List(_) => copy_into(v, &mut HashMap::new()),
        Value::Func(f) => Value::Func(copy_function(f, &mut HashMap::new())),
        Value::Opaque(o) => Value::Opaque(o.deep_copy().unwrap_or_else(|| o.clone())),
        Value::Pattern(p) => Value::Pattern(p.deep_copy().unwrap_or_else(|| p.clone())),
        v => v.clone(),
    }
}

type Seen = HashMap<*const u8, Value>;

fn copy_function(f: &Rc<Func>, seen: &mut Seen) -> Rc<Func> {
    let captures = f.captures.borrow().clone();
    Rc::new(Func {
        id: f.id,
        ty: f.ty,
        captures: RefCell::new(captures.iter().map(|c| copy_into(c, seen)).collect()),
        fresh: true,
    })
}

fn copy_into(v: &Value, seen: &mut Seen) -> Value {
    match v {
        Value::Record(r) => {
            let at = Rc::as_ptr(r) as *const u8;
            if let Some(done) = seen.get(&at) {
                return done.clone();
            }
            let new = Record::new(r.ty, Vec::with_capacity(r.len()));
            seen.insert(at, Value::Record(new.clone()));
            for slot in 0..r.len() {
                new.set(slot, copy_into(&r.get(slot), seen));
            }
            Value::Record(new)
        }
        Value::Vector(old) => {
            let at = Rc::as_ptr(old) as *const u8;
            if let Some(done) = seen.get(&at) {
                return done.clone();
            }
            let new = Vector::new(old.ty, Vec::with_capacity(old.len()));
            seen.insert(at, Value::Vector(new.clone()));
            for item in old.to_vec() {
                new.push(copy_into(&item, seen));
            }
            Value::Vector(new)
        }
        Value::Table(old) => {
            let at = Rc::as_ptr(old) as *const u8;
            if let Some(done) = seen.get(&at) {
                return done.clone();
            }
            let new = Table::with_attrs(old.ty, old.attrs());
            seen.insert(at, Value::Table(new.clone()));
            let mut pos = 0;
            while let Some(p) = old.position_from(pos) {
                pos = p + 1;
                if let Some(key) = old.key_at(p) {
                    // A stored key is a snapshot already; inserting takes another one.
                    new.insert(as_parts(&key), copy_into(&old.value_at(p), seen), old.time_at(p));
                }
            }
            Value::Table(new)
        }
        Value::List(l) => Value::List(l.iter().map(|v| copy_into(v, seen)).collect()),
        Value::Func(f) => {
            let at = Rc::as_ptr(f) as *const u8;
            if let Some(done) = seen.get(&at) {
                return done.clone();
            }
            let new = Value::Func(copy_function(f, seen));
            seen.insert(at, new.clone());
            new
        }
        Value::Opaque(_) | Value::Pattern(_) => deep_copy(v),
        v => v.clone(),
    }
}
