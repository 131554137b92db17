//! Operating nodes as processes: what a cluster consists of, the script that tells it to the nodes, starting them,
//! watching over them and ending them in order.
//!
//! Must not know: how a node works inside. All it uses of it is the command line.
#![forbid(unsafe_code)]

pub mod command;
pub mod layout;
pub mod process;
pub mod supervise;

pub use layout::{Layout, Member, Role};
pub use supervise::{Outcome, Supervisor};
