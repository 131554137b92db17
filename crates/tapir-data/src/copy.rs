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
        Value::Record(_) | Value::Table(_) | Value::Vector(_) | Value::List(_) | Value::Func(_) => {
            let mut copying = Copying::default();
            let copy = copying.shell(v);
            while let Some((old, new)) = copying.todo.pop() {
                copying.fill(&old, &new);
            }
            copy
        }
        Value::Opaque(o) => Value::Opaque(o.deep_copy().unwrap_or_else(|| o.clone())),
        Value::Pattern(p) => Value::Pattern(p.deep_copy().unwrap_or_else(|| p.clone())),
        v => v.clone(),
    }
}

/// A copy in the making. What is inside of what waits in a list, so that values may be nested as deep as they like.
#[derive(Default)]
struct Copying {
    /// Originals that were met, with their copies.
    seen: HashMap<*const u8, Value>,
    /// Copies that are still empty.
    todo: Vec<(Value, Value)>,
}

impl Copying {
    /// The copy of a value; containers are empty at first.
    fn shell(&mut self, v: &Value) -> Value {
        let (at, new): (*const u8, Value) = match v {
            Value::Record(r) => (
                Rc::as_ptr(r) as *const u8,
                Value::Record(Record::new(r.ty, Vec::with_capacity(r.len()))),
            ),
            Value::Vector(x) => (
                Rc::as_ptr(x) as *const u8,
                Value::Vector(Vector::new(x.ty, Vec::with_capacity(x.len()))),
            ),
            Value::Table(t) => (
                Rc::as_ptr(t) as *const u8,
                Value::Table(Table::with_attrs(t.ty, t.attrs())),
            ),
            Value::Func(f) => {
                let copy = Func {
                    id: f.id,
                    ty: f.ty,
                    captures: RefCell::default(),
                    fresh: true,
                };
                (Rc::as_ptr(f) as *const u8, Value::Func(Rc::new(copy)))
            }
            Value::List(l) => return Value::List(l.iter().map(|v| self.shell(v)).collect()),
            Value::Opaque(_) | Value::Pattern(_) => return deep_copy(v),
            v => return v.clone(),
        };
        if let Some(done) = self.seen.get(&at) {
            return done.clone();
        }
        self.seen.insert(at, new.clone());
        self.todo.push((v.clone(), new.clone()));
        new
    }

    fn fill(&mut self, old: &Value, new: &Value) {
        match (old, new) {
            (Value::Record(old), Value::Record(new)) => {
                for slot in 0..old.len() {
                    new.set(slot, self.shell(&old.get(slot)));
                }
            }
            (Value::Vector(old), Value::Vector(new)) => {
                for item in old.to_vec() {
                    new.push(self.shell(&item));
                }
            }
            (Value::Table(old), Value::Table(new)) => {
                let mut pos = 0;
                while let Some(p) = old.position_from(pos) {
                    pos = p + 1;
                    if let Some(key) = old.key_at(p) {
                        // A stored key is a snapshot already; inserting takes another one.
                        new.insert(as_parts(&key), self.shell(&old.value_at(p)), old.time_at(p));
                    }
                }
            }
            (Value::Func(old), Value::Func(new)) => {
                let captures = old.captures.borrow().clone();
                let copies = captures.iter().map(|c| self.shell(c)).collect();
                *new.captures.borrow_mut() = copies;
            }
            _ => {}
        }
    }
}
