//! How long the end of a run waits for names.
//!
//! Must not know: packets, what scripts do with names.

use std::time::{Duration, Instant};

use tapir_builtins::dns;

/// How long a run over a capture that has been read waits for names that scripts have asked for: a second.
///
/// Servers that are awake answer from memory in milliseconds, and after asking others in some hundred; what takes longer is
/// lost, held back by a server that limits how much one client may ask, or so late that no run should wait for it. Whoever
/// wants all answers lets the run stay (`exit_only_after_terminate`).
#[derive(Default)]
pub struct NamePatience {
    begun: Option<Instant>,
}

impl NamePatience {
    const ALL: Duration = Duration::from_secs(1);

    /// Whether to wait on, given how look-ups stand.
    pub fn waits(&mut self, names: dns::Progress, now: Instant) -> bool {
        names.waiting > 0 && now - *self.begun.get_or_insert(now) < Self::ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends() {
        let (start, mut p) = (Instant::now(), NamePatience::default());
        let mut at = |ms: u64, waiting| {
            let names = dns::Progress { waiting, arrived: 1 };
            p.waits(names, start + Duration::from_millis(ms))
        };
        // The second begins when something is waited for, and once.
        assert!(!at(0, 0) && at(500, 1) && at(1499, 2) && !at(1500, 2) && !at(1600, 1));
    }
}
