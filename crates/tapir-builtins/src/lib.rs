//! Built-ins that need nothing but values: conversions, strings, formats, mathematics, hashes, containers, JSON,
//! probabilistic structures, introspection, files and processes of the operating system.
//!
//! One file per family, each with a table of script names. Must not know: packets, logs, the cluster.
#![forbid(unsafe_code)]

mod align;
pub mod base64;
mod brokerdata;
mod containers;
mod convert;
pub mod dns;
mod entropy;
pub mod files;
mod format;
pub mod geo;
mod glob;
mod hash;
mod hash_state;
mod json;
mod math;
mod misc;
pub mod netparse;
mod nettext;
mod opaque_data;
pub mod os;
mod prob;
pub mod random;
mod reflect;
mod runtime;
mod search;
mod strings;
mod time;
pub mod util;
mod weird;
pub mod x509;

pub use opaque_data::from_data as opaque_from_data;
pub use runtime::{event_call, metadata_type};
pub use tapir_vm::Registry;

/// Adds every built-in of this crate.
pub fn register(registry: &mut Registry) {
    for family in [
        align::FAMILY,
        base64::FAMILY,
        brokerdata::FAMILY,
        containers::FAMILY,
        convert::FAMILY,
        dns::FAMILY,
        entropy::FAMILY,
        files::FAMILY,
        format::FAMILY,
        geo::FAMILY,
        glob::FAMILY,
        hash::FAMILY,
        json::FAMILY,
        math::FAMILY,
        misc::FAMILY,
        nettext::FAMILY,
        os::FAMILY,
        prob::FAMILY,
        random::FAMILY,
        reflect::FAMILY,
        runtime::FAMILY,
        search::FAMILY,
        strings::FAMILY,
        time::FAMILY,
        x509::FAMILY,
    ] {
        registry.add_all(family);
    }
}
