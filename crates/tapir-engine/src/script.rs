//! Small helpers for native code that deals with script functions as values.

use tapir_data::types::Flavor;
use tapir_data::value::Value;
use tapir_interface::queue::EventId;
use tapir_vm::Vm;

/// A named function, event or hook as a value.
pub fn function(vm: &mut Vm, name: &str) -> Option<Value> {
    match vm.func_id(name) {
        Some(id) => Some(vm.func_value(id)),
        // With `&redef` it is a variable that holds the function.
        None => vm.global_value(name).filter(|v| matches!(v, Value::Func(_))),
    }
}

/// Whether a hook or event value has any body that would run.
pub fn has_bodies(vm: &mut Vm, f: &Value) -> bool {
    match f {
        Value::Func(f) => vm.is_handled(f.id),
        _ => false,
    }
}

/// Whether an event given as a value would be queued.
pub fn is_wanted(vm: &mut Vm, event: &Value) -> bool {
    match event {
        Value::Func(f) => vm.event_id(f.id).is_some_and(|id| vm.queue().wants(id)),
        _ => false,
    }
}

/// Queues an event given as a value.
pub fn raise_value(vm: &mut Vm, event: &Value, args: Vec<Value>) {
    if let Value::Func(f) = event {
        vm.raise_func(f.id, args);
    }
}

/// An event's id and number of parameters.
pub fn event_by_name(vm: &Vm, name: &str) -> Option<(EventId, usize)> {
    let f = vm.func_id(name)?;
    let sig = &vm.program().functions[f.0 as usize].sig;
    if sig.flavor != Flavor::Event {
        return None;
    }
    Some((vm.event_id(f)?, sig.params.len()))
}

/// An enumerator by its name.
pub fn enumerator(vm: &Vm, name: &str) -> Option<Value> {
    match vm.program().names.get(name) {
        Some(tapir_script::hir::Ident::Enumerator(ty, n)) => Some(Value::Enum(*ty, *n)),
        _ => None,
    }
}
