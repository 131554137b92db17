//! Opaque values that other nodes have sent, by the names that the network has for their kinds.

use tapir_data::broker::Data;
use tapir_data::value::Value;
use tapir_vm::{Host, Vm};

use crate::{entropy, glob, hash, prob};

/// A value of this crate's; `None` when it is of another kind, damaged, or of no use here.
pub fn from_data(vm: &mut Vm, host: &mut dyn Host, name: &str, d: &Data) -> Option<Value> {
    match name {
        entropy::WIRE => entropy::from_data(d),
        glob::WIRE => glob::from_data(d),
        _ => hash::from_data(name, d).or_else(|| prob::wire::from_data(vm, host, name, d)),
    }
}
