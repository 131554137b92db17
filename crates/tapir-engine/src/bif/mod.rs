//! Built-ins that need the engine: connections, analyzers, logs, files, packets, reporter, and so on.

mod analyzers;
mod cluster;
pub(crate) use cluster::stores as cluster_stores;
pub(crate) mod conn_log;
mod connections;
mod files;
mod input;
mod logging;
pub mod misc;
pub(crate) mod node;
mod packet_analyzers;
mod pcap;
mod reporter;
mod signatures;
mod stats;
mod storage;
mod telemetry;

pub(crate) use node::ZEEK_VERSION;

pub(crate) use stats::process_figures;
use tapir_data::value::{Str, Value};
use tapir_vm::Registry;

/// Adds the engine's built-ins.
pub fn register(r: &mut Registry) {
    logging::register(r);
    connections::register(r);
    conn_log::register(r);
    analyzers::register(r);
    files::register(r);
    node::register(r);
    crate::supervisor::register(r);
    misc::register(r);
    packet_analyzers::register(r);
    pcap::register(r);
    storage::register(r);
    telemetry::register(r);
    input::register(r);
    cluster::register(r);
    stats::register(r);
    reporter::register(r);
    signatures::register(r);
}

pub(crate) fn text(v: Option<&Value>) -> String {
    match v {
        Some(Value::Str(s)) => String::from_utf8_lossy(s).into_owned(),
        _ => String::new(),
    }
}

pub(crate) fn bytes(v: Option<&Value>) -> Str {
    match v {
        Some(Value::Str(s)) => s.clone(),
        _ => Str::from(&b""[..]),
    }
}

pub(crate) fn truth(v: Option<&Value>) -> bool {
    matches!(v, Some(Value::Bool(true)))
}

pub(crate) fn number(v: Option<&Value>) -> u64 {
    match v {
        Some(Value::Count(n)) => *n,
        Some(Value::Int(n)) => *n as u64,
        Some(Value::Enum(_, n)) => *n as u64,
        _ => 0,
    }
}

pub(crate) fn seconds(v: Option<&Value>) -> f64 {
    match v {
        Some(Value::Interval(s) | Value::Time(s) | Value::Double(s)) => *s,
        _ => 0.0,
    }
}
