//! Whether somebody who is asked has fallen silent, and when to try again.
//!
//! Must not know: who is asked, and what.

use std::time::{Duration, Instant};

/// So many time-outs without an answer in between are silence.
const TIMEOUTS: u32 = 5;
/// How often it is tried whether that is still so.
const PROBE_EVERY: Duration = Duration::from_secs(5);

#[derive(Default)]
pub struct Silence {
    timeouts: u32,
    next_probe: Option<Instant>,
}

impl Silence {
    /// Whether asking is in vain for now.
    pub fn is_silent(&self, now: Instant) -> bool {
        self.next_probe.is_some_and(|t| now < t)
    }

    /// Notes that somebody asks: of a silent one only one for a while. Gives whether it is such a probe.
    pub fn begin_try(&mut self, now: Instant) -> bool {
        let is_due = self.next_probe.is_some_and(|t| now >= t);
        if is_due {
            self.next_probe = Some(now + PROBE_EVERY);
        }
        is_due
    }

    pub fn timed_out(&mut self, now: Instant) {
        self.timeouts = self.timeouts.saturating_add(1);
        if self.timeouts >= TIMEOUTS {
            self.next_probe.get_or_insert(now + PROBE_EVERY);
        }
    }

    pub fn answered(&mut self) {
        *self = Silence::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_probe_at_a_time() {
        let (mut s, now) = (Silence::default(), Instant::now());
        for _ in 0..TIMEOUTS {
            assert!(!s.is_silent(now) && !s.begin_try(now));
            s.timed_out(now);
        }
        assert!(s.is_silent(now));
        let later = now + PROBE_EVERY;
        assert!(!s.is_silent(later));
        assert!(s.begin_try(later));
        assert!(s.is_silent(later) && !s.begin_try(later));
        s.timed_out(later);
        assert!(s.is_silent(later) && !s.is_silent(later + PROBE_EVERY));
        s.answered();
        assert!(!s.is_silent(later) && !s.begin_try(later));
    }
}
