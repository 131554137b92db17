//! How far the nodes of a process have come, so that those who collect what others say hear it in the order of the
//! capture, and not in that of processors.
//!
//! A node says up to which time it has done everything. Who collects waits until all that it hears have come as far as
//! the times it is told. Waking costs more than many packets: only who was waited for wakes anybody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Times of nodes, which are never negative: their bits are in the same order as they are.
#[derive(Debug, Default)]
pub struct Progress {
    done: Vec<AtomicU64>,
    /// What each node waits for.
    awaited: Vec<AtomicU64>,
    lock: Mutex<()>,
    changed: Condvar,
}

fn bits(time: f64) -> u64 {
    time.max(0.0).to_bits()
}

impl Progress {
    /// For `n` nodes.
    pub fn new(n: usize) -> Self {
        Progress {
            done: (0..n).map(|_| AtomicU64::new(0)).collect(),
            awaited: (0..n).map(|_| AtomicU64::new(u64::MAX)).collect(),
            ..Progress::default()
        }
    }

    /// Node `i` has done everything up to a time. Who has ended has done everything for ever.
    pub fn reached(&self, i: usize, time: f64) {
        let Some(done) = self.done.get(i) else { return };
        let time = bits(time);
        done.fetch_max(time, Ordering::SeqCst);
        if self.awaited.iter().any(|t| t.load(Ordering::SeqCst) <= time) {
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.changed.notify_all();
        }
    }

    fn has_come(&self, n: usize, time: u64) -> bool {
        self.done.iter().take(n).all(|t| t.load(Ordering::SeqCst) >= time)
    }

    /// Waits until all nodes below `i` have come as far as a time, for a while. Gives whether they have.
    pub fn wait(&self, i: usize, time: f64, at_most: Duration) -> bool {
        let time = bits(time);
        if self.has_come(i, time) {
            return true;
        }
        let Some(awaited) = self.awaited.get(i) else {
            return true;
        };
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.store(time, Ordering::SeqCst);
        // Who comes that far after this look takes the lock before it wakes us.
        let waited = self
            .changed
            .wait_timeout_while(guard, at_most, |()| !self.has_come(i, time));
        awaited.store(u64::MAX, Ordering::SeqCst);
        drop(waited);
        self.has_come(i, time)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn who_waits_hears_of_the_last_one() {
        let progress = Arc::new(Progress::new(3));
        assert!(progress.wait(0, 5.0, Duration::ZERO));
        assert!(!progress.wait(2, 1.0, Duration::ZERO));
        let threads: Vec<_> = (0..2)
            .map(|i| {
                let progress = progress.clone();
                std::thread::spawn(move || (1..=1000).for_each(|t| progress.reached(i, f64::from(t))))
            })
            .collect();
        for t in [1.0, 500.5, 1000.0] {
            while !progress.wait(2, t, Duration::from_secs(30)) {}
        }
        threads.into_iter().for_each(|t| t.join().unwrap());
        // Time does not go back, and who has ended holds nobody up.
        progress.reached(0, 3.0);
        assert!(progress.wait(2, 1000.0, Duration::ZERO));
        progress.reached(0, f64::INFINITY);
        progress.reached(1, f64::INFINITY);
        assert!(progress.wait(2, 1e12, Duration::ZERO));
    }
}
