//! Clusters: how nodes reach each other and what travels between them.
//!
//! [`Backend`] is what a node needs; events travel in the envelope of [`tapir_data::broker::event::EventMessage`], logs as
//! [`LogBatch`]. [`inproc`] joins the nodes of one process, [`zeromq`] those of many. Must not know: the VM, flows, packets,
//! files.
#![deny(unsafe_code)]

pub mod backend;
pub mod ident;
pub mod inbox;
pub mod inproc;
pub mod logwire;
pub mod serializer;
pub mod zeromq;

pub use backend::{Backend, Counters, ForwarderCounters, Incoming, LogBatch, Refused, SideCounters};
pub use inbox::{Inbox, InboxLimits};
pub use inproc::{Hub, HubConfig};
pub use serializer::EventSerializer;
