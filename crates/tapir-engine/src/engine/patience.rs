//! How long the end of a run waits for names.
//!
//! Must not know: packets, what scripts do with names.

use std::time::{Duration, Instant};

use tapir_builtins::dns;

/// How long a run over a capture that has been read waits for names that scripts have asked for.
///
/// Servers that are awake answer from memory in milliseconds, and ask others in some hundred: a second without any answer
/// means that the rest is lost, or so late that no run should wait for it. Three seconds are enough for thousands of
/// answers.
#[derive(Default)]
pub struct NamePatience {
    begun: Option<Instant>,
    latest: Option<Instant>,
}

impl NamePatience {
    const QUIET: Duration = Duration::from_secs(1);
    const ALL: Duration = Duration::from_secs(3);

    /// Whether to wait on, given what has just come.
    pub fn waits(&mut self, names: dns::Progress, now: Instant) -> bool {
        let begun = *self.begun.get_or_insert(now);
        if names.arrived > 0 {
            self.latest = Some(now);
        }
        let latest = self.latest.unwrap_or(begun);
        now - begun < Self::ALL && now - latest < Self::QUIET
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends() {
        let (start, mut p) = (Instant::now(), NamePatience::default());
        let mut at = |ms: u64, arrived| {
            let names = dns::Progress { waiting: 1, arrived };
            p.waits(names, start + Duration::from_millis(ms))
        };
        assert!(at(0, 0) && at(900, 0) && at(950, 1) && at(1900, 0));
        // Quiet for too long, and then for longer than all may take.
        assert!(!at(1950, 0) && at(2000, 1) && at(2900, 3) && !at(3000, 3));
    }
}
