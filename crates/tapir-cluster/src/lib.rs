//! Clusters: how nodes reach each other and what travels between them.
//!
//! [`Backend`] is what a node needs; events travel in the envelope of [`tapir_data::broker::event::EventMessage`], logs as
//! [`LogBatch`]. [`inproc`] joins the nodes of one process, [`zeromq`] and [`peering`] those of
//! many; [`websocket`] lets in programs of any language. Must not know: the VM, flows, packets, files.
#![deny(unsafe_code)]

pub mod backend;
pub mod ident;
pub mod inbox;
pub mod inproc;
mod interest;
pub mod logwire;
pub mod meter;
pub mod peering;
pub mod serializer;
mod wake;
pub mod websocket;
pub mod zeromq;

pub use backend::{
    Backend, ClientFactory, Counters, ForwarderCounters, Incoming, LogBatch, PeerChange, PeerNews, Refused,
    SideCounters,
};
pub use inbox::{BufferStats, Inbox, InboxLimits, Overflow};
pub use inproc::{Hub, HubConfig};
pub use meter::{Flow, Meter, Sizes};
pub use serializer::EventSerializer;
