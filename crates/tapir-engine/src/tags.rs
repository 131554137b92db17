//! Enumerators of analyzers by name.

use std::collections::HashMap;

use tapir_analyzers::core::Tag;
use tapir_analyzers::registry;
use tapir_data::types::{Kind, TypeId};
use tapir_data::value::Value;
use tapir_script::hir::Ident;
use tapir_vm::Vm;

/// An enumerator of `AllAnalyzers::Tag` by its name without module and `ANALYZER_`; `Unset` when there is none.
pub fn all_analyzers(vm: &Vm, name: &str) -> Value {
    enumerator(vm, "AllAnalyzers::Tag", &format!("AllAnalyzers::ANALYZER_{name}"))
        .or_else(|| enumerator(vm, "AllAnalyzers::Tag", &format!("AllAnalyzers::{name}")))
        .unwrap_or_default()
}

fn enumerator(vm: &Vm, ty: &str, name: &str) -> Option<Value> {
    let Some(Ident::Type(t)) = vm.program().names.get(ty) else {
        return None;
    };
    let Kind::Enum(e) = vm.types().kind(*t) else {
        return None;
    };
    vm.types().enums[e.0 as usize]
        .by_name
        .get(name)
        .map(|n| Value::Enum(*t, *n))
}

/// The values of `Analyzer::Tag` in the order of the registry.
pub fn protocol_values(vm: &Vm) -> Vec<Value> {
    registry::PROTOCOLS
        .iter()
        .map(|p| enumerator(vm, "Analyzer::Tag", &format!("Analyzer::ANALYZER_{}", p.name)).unwrap_or_default())
        .collect()
}

/// The values of `PacketAnalyzer::Tag` by name.
pub fn packet_values(vm: &Vm) -> HashMap<String, Value> {
    let Some(Ident::Type(t)) = vm.program().names.get("PacketAnalyzer::Tag") else {
        return HashMap::new();
    };
    let Kind::Enum(e) = vm.types().kind(*t) else {
        return HashMap::new();
    };
    vm.types().enums[e.0 as usize]
        .items
        .iter()
        .filter_map(|(n, v)| {
            let short = n.strip_prefix("PacketAnalyzer::ANALYZER_")?;
            Some((short.to_string(), Value::Enum(*t, *v)))
        })
        .collect()
}

/// How many fields a record type has.
pub fn record_fields(vm: &Vm, record: &str) -> Option<usize> {
    let Some(Ident::Type(t)) = vm.program().names.get(record) else {
        return None;
    };
    let Kind::Record(r) = vm.types().kind(*t) else {
        return None;
    };
    Some(vm.types().layout(*r).fields.len())
}

/// A type by its name.
pub fn type_named(vm: &Vm, name: &str) -> Option<TypeId> {
    match vm.program().names.get(name) {
        Some(Ident::Type(t)) => Some(*t),
        _ => None,
    }
}

/// Where a record type has a field, if it has it.
pub fn record_slot(vm: &Vm, record: &str, field: &str) -> Option<usize> {
    let Some(Ident::Type(t)) = vm.program().names.get(record) else {
        return None;
    };
    let Kind::Record(r) = vm.types().kind(*t) else {
        return None;
    };
    let slot = vm.types().layout(*r).by_name.get(field);
    slot.map(|n| *n as usize)
}

/// A tag's value, `Unset` for protocols that scripts do not know.
pub fn value(values: &[Value], tag: Tag) -> Value {
    values.get(tag.0 as usize).cloned().unwrap_or_default()
}
