//! The interface between native code and scripts: the event queue and what the build generates from the declarations
//! under `scripts/base/bif` and `scripts/base/init-bare.zeek`.
//!
//! Must not know: who raises an event, who handles it.
#![forbid(unsafe_code)]

pub mod bindings;
pub mod queue;

#[allow(non_snake_case, unused_imports, clippy::all)]
mod generated {
    use crate::bindings::*;
    use crate::queue::{EventId, EventQueue};
    use tapir_data::value::{Addr, Port, Record, Str, Subnet, Value};

    include!(concat!(env!("OUT_DIR"), "/generated.rs"));
}

pub use bindings::{Bindings, IntoStr};
pub use generated::{builtins, enums, events, records, slots, types};
