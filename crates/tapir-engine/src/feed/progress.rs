//! How far the threads of a process have come, for those who must not run ahead of them, or collect what they say in the order
//! of the capture and not in that of processors.
//!
//! Each says up to which mark it has done everything: a packet of a capture, by its number. Waking costs more than many
//! packets: only who has come as far as somebody waits for wakes anybody.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The mark of one who holds nobody up any more.
pub const GONE: u64 = u64::MAX;

/// A mark on a cache line of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Mark(AtomicU64);

/// What a member waits for: until the first so many have come to a mark.
#[derive(Debug)]
struct Awaited {
    mark: AtomicU64,
    n: AtomicUsize,
}

/// What the members of a group know of each other.
#[derive(Debug, Default)]
pub struct Progress {
    done: Vec<Mark>,
    /// What each waits for.
    awaited: Vec<Awaited>,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Progress {
    /// For `n` members.
    pub fn new(n: usize) -> Self {
        Progress {
            done: (0..n).map(|_| Mark(AtomicU64::new(0))).collect(),
            awaited: (0..n)
                .map(|_| Awaited {
                    mark: AtomicU64::new(GONE),
                    n: AtomicUsize::new(0),
                })
                .collect(),
            ..Progress::default()
        }
    }

    /// Member `i` has done everything up to a mark; marks do not go back.
    pub fn reached(&self, i: usize, mark: u64) {
        let Some(done) = self.done.get(i) else { return };
        let before = done.0.fetch_max(mark, Ordering::SeqCst);
        // Only the last one of those who are waited for wakes anybody.
        let is_last = |a: &Awaited| {
            let awaited = a.mark.load(Ordering::SeqCst);
            before < awaited && awaited <= mark && self.has_come(a.n.load(Ordering::SeqCst), awaited)
        };
        if self.awaited.iter().any(is_last) {
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.changed.notify_all();
        }
    }

    /// The first member that is not gone.
    pub fn first_there(&self) -> Option<usize> {
        self.done.iter().position(|m| m.0.load(Ordering::SeqCst) != GONE)
    }

    /// Whether the first `n` members have all come as far as a mark.
    pub fn has_come(&self, n: usize, mark: u64) -> bool {
        self.done.iter().take(n).all(|m| m.0.load(Ordering::SeqCst) >= mark)
    }

    /// Member `i` waits until the first `n` have all come as far as a mark, for a while. Gives whether they have.
    pub fn wait(&self, i: usize, n: usize, mark: u64, at_most: Duration) -> bool {
        if self.has_come(n, mark) {
            return true;
        }
        let Some(awaited) = self.awaited.get(i) else {
            return true;
        };
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.n.store(n, Ordering::SeqCst);
        awaited.mark.store(mark, Ordering::SeqCst);
        // Who comes that far after this look takes the lock before it wakes us.
        let waited = self
            .changed
            .wait_timeout_while(guard, at_most, |()| !self.has_come(n, mark));
        awaited.mark.store(GONE, Ordering::SeqCst);
        drop(waited);
        self.has_come(n, mark)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn who_waits_hears_of_the_last_one() {
        let progress = Arc::new(Progress::new(3));
        assert!(progress.wait(0, 0, 5, Duration::ZERO));
        assert!(!progress.wait(2, 2, 1, Duration::ZERO));
        let threads: Vec<_> = (0..2)
            .map(|i| {
                let progress = progress.clone();
                std::thread::spawn(move || (1..=1000).for_each(|t| progress.reached(i, t)))
            })
            .collect();
        for t in [1, 500, 1000] {
            while !progress.wait(2, 2, t, Duration::from_secs(30)) {}
        }
        threads.into_iter().for_each(|t| t.join().unwrap());
        // Marks do not go back, and who has ended holds nobody up.
        progress.reached(0, 3);
        assert!(progress.wait(2, 2, 1000, Duration::ZERO));
        progress.reached(0, GONE);
        assert_eq!(progress.first_there(), Some(1));
        progress.reached(1, GONE);
        assert!(progress.wait(2, 2, 1 << 40, Duration::ZERO));
    }
}
