//! Script globals that native code reads by name, outside hot paths.

use tapir_data::value::Value;
use tapir_vm::{CallCtx, Vm};

/// The value of a global during a built-in's call; `Unset` when there is none.
pub fn get(cx: &CallCtx<'_>, name: &str) -> Value {
    cx.vm.global_value(name).unwrap_or_default()
}

/// A global as a count.
pub fn count(vm: &Vm, name: &str) -> Option<u64> {
    match vm.global_value(name)? {
        Value::Count(n) => Some(n),
        Value::Int(n) => u64::try_from(n).ok(),
        _ => None,
    }
}

/// A global as an integer.
pub fn int(vm: &Vm, name: &str) -> Option<i64> {
    match vm.global_value(name)? {
        Value::Int(n) => Some(n),
        Value::Count(n) => i64::try_from(n).ok(),
        _ => None,
    }
}

/// A global as a truth value.
pub fn flag(vm: &Vm, name: &str) -> Option<bool> {
    match vm.global_value(name)? {
        Value::Bool(b) => Some(b),
        _ => None,
    }
}

/// A global interval or double in seconds.
pub fn seconds(vm: &Vm, name: &str) -> Option<f64> {
    match vm.global_value(name)? {
        Value::Interval(s) | Value::Double(s) | Value::Time(s) => Some(s),
        Value::Count(n) => Some(n as f64),
        Value::Int(n) => Some(n as f64),
        _ => None,
    }
}

/// A global string, or the name of an enumerator.
pub fn string(vm: &Vm, name: &str) -> Option<String> {
    match vm.global_value(name)? {
        Value::Str(s) => Some(String::from_utf8_lossy(&s).into_owned()),
        Value::Enum(ty, n) => Some(tapir_data::text::enum_text(vm.types(), ty, n).to_string()),
        _ => None,
    }
}

/// The keys of a global set or table.
pub fn keys(vm: &Vm, name: &str) -> Vec<Value> {
    match vm.global_value(name) {
        Some(Value::Table(t)) => t.keys(),
        _ => Vec::new(),
    }
}
