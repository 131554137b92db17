//! Operating nodes as processes: what a cluster consists of, the script that tells it to the nodes, starting them,
//! watching over them and ending them in order; and what the commands that do so have in common, such as guessing which
//! word was meant and names of files that nobody has yet.
//!
//! Must not know: how a node works inside. All it uses of it is the command line.
#![forbid(unsafe_code)]

/// Says something on standard error. Whoever reads it may be gone; nodes are looked after all the same.
macro_rules! tell {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

pub mod command;
pub mod files;
pub mod layout;
pub mod process;
pub mod supervise;
pub mod words;

pub use layout::{Layout, Member, Role};
pub use supervise::{Outcome, Supervisor};
