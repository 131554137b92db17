//! Clusters: how nodes reach each other and what travels between them.
//!
//! [`Backend`] is what a node needs; events travel in the envelope of [`tapir_data::broker::event::EventMessage`], logs as
//! [`LogBatch`]. Must not know: the VM, flows, packets, files.
#![deny(unsafe_code)]

pub mod backend;

pub use backend::{Backend, Counters, Incoming, LogBatch, Refused};
