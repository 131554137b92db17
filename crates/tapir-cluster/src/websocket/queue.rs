//! The places in the queue that all clients of a server share.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::wake;

/// How many messages of clients the node has yet to handle, and who waits for a place.
#[derive(Debug)]
pub struct Places {
    limit: usize,
    state: Mutex<State>,
    /// Times that a client found no place, once per tenth of a second.
    blocks: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    waiting: Vec<Arc<OwnedFd>>,
}

impl Places {
    /// So many places, at least one.
    pub fn new(limit: usize) -> Self {
        Places {
            limit: limit.max(1),
            state: Mutex::default(),
            blocks: AtomicU64::new(0),
        }
    }

    /// All of them.
    pub fn limit(&self) -> usize {
        self.limit
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, given back when dropped. Without one, `waiter` is signalled as soon as there is.
    pub fn take(self: &Arc<Self>, waiter: &Arc<OwnedFd>) -> Option<Place> {
        let mut state = self.lock();
        if state.used < self.limit {
            state.used += 1;
            return Some(Place(self.clone()));
        }
        if !state.waiting.iter().any(|w| Arc::ptr_eq(w, waiter)) {
            state.waiting.push(waiter.clone());
        }
        None
    }

    /// Counts a tenth of a second of waiting.
    pub fn count_block(&self) {
        self.blocks.fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted.
    pub fn blocks(&self) -> u64 {
        self.blocks.load(Ordering::Relaxed)
    }
}

/// A place in the queue.
#[derive(Debug)]
pub struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.used -= 1;
        state.waiting.drain(..).for_each(|w| wake::signal(&w));
    }
}
