//! What the threads of one process hand to their nodes: packets of an interface, the time, and when to go on.
//!
//! Workers of a capture read it themselves, side by side ([`convoy`]); packets of an interface come from one thread that
//! watches it ([`live`]).

mod convoy;
mod line;
#[cfg(target_os = "linux")]
mod live;
mod progress;

pub use convoy::{Guide, Pause, Seat};
pub use line::{Feed, Message, Taken};
#[cfg(target_os = "linux")]
pub use live::{LiveDispatcher, Losses};
pub use progress::{GONE, Progress};

use line::Inlet;

/// Who leads the nodes of a process, as far as their ends go.
pub trait Ends {
    /// Tells the workers that nothing more comes.
    fn end_workers(&mut self);

    /// The ways to the other nodes.
    fn others(&mut self) -> &mut [Option<Inlet>];

    /// Tells one of the other nodes, by its number, that nothing more comes.
    fn end_other(&mut self, i: usize) {
        if let Some(queue) = self.others().get_mut(i) {
            *queue = None;
        }
    }
}
