//! The interface between scripts and Rust: the event queue and what the build script generates from the
//! declarations under `scripts/base/bif`.
//!
//! Must not know: who handles an event, how scripts run, or what a packet is.

pub mod queue;
