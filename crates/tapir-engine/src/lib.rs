//! One node: packets in, scripts run, logs out.
//!
//! Wires all other crates together: loads scripts, resolves what native code needs from them, implements the built-ins that
//! need connections, analyzers, files or logs, and runs the main loop. Knows everything; nothing knows it.
#![forbid(unsafe_code)]

pub mod bif;
pub mod cluster;
pub mod config;
pub mod contents;
pub mod core;
mod dry;
mod dump;
pub mod embedded;
pub mod engine;
pub mod feed;
pub mod files;
pub mod globals;
pub mod host;
mod idle;
pub mod input;
pub mod lazy;
pub mod load;
pub mod logs;
mod metrics;
pub mod net;
pub mod node;
pub mod options;
pub mod parallel;
pub mod patterns;
mod script;
pub mod seeds;
pub mod sigs;
pub mod sink;
mod storage;
pub mod stores;
pub mod supervisor;
pub mod tags;
pub mod telemetry;
mod watch;
pub mod weirds;

pub use engine::{run, run_with};
