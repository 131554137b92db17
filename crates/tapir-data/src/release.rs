//! Giving up values that hold values that hold values: without this, the native stack would have to be as deep as the
//! deepest value that a script builds.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::value::Value;

/// So many containers are given up one within the other; what lies deeper waits.
const DEPTH_MAX: u32 = 200;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static WAITING: RefCell<Vec<Value>> = const { RefCell::new(Vec::new()) };
}

/// Whether giving up the value gives up others in turn.
fn is_last_container(v: &Value) -> bool {
    match v {
        Value::Vector(x) => Rc::strong_count(x) == 1,
        Value::Record(x) => Rc::strong_count(x) == 1,
        Value::Table(x) => Rc::strong_count(x) == 1,
        Value::List(x) => Rc::strong_count(x) == 1,
        _ => false,
    }
}

/// Empties a container that is given up.
#[inline]
pub(crate) fn release(items: &mut Vec<Value>) {
    for i in 0..items.len() {
        let v = &mut items[i];
        if v.is_immediate() {
            continue;
        }
        if is_last_container(v) {
            return release_nested(std::mem::take(items));
        }
        std::mem::take(v).give_up();
    }
    // SAFETY: what is left owns nothing.
    unsafe { items.set_len(0) };
}

#[cold]
fn release_nested(items: Vec<Value>) {
    // While the thread ends its variables are gone; then the values go the plain way.
    let depth = DEPTH.try_with(Cell::get).unwrap_or(0);
    if depth >= DEPTH_MAX {
        let _ = WAITING.try_with(|w| w.borrow_mut().extend(items));
        return;
    }
    let _ = DEPTH.try_with(|d| d.set(depth + 1));
    drop(items);
    if depth == 0 {
        while let Some(v) = WAITING.try_with(|w| w.borrow_mut().pop()).ok().flatten() {
            drop(v);
        }
    }
    let _ = DEPTH.try_with(|d| d.set(depth));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::builtin;
    use crate::value::Vector;

    #[test]
    fn deep_values_need_no_deep_stack() {
        let work = || {
            let mut v = Value::Count(1);
            for _ in 0..1_000_000 {
                v = Value::Vector(Vector::new(builtin::ANY, vec![v]));
            }
            drop(v);
        };
        let small = std::thread::Builder::new().stack_size(256 << 10).spawn(work);
        assert!(small.unwrap().join().is_ok());
    }
}
