//! One stream of bytes read by several, each at its own pace: for captures that come through a pipe.
//!
//! Who is ahead reads the stream; what it has read waits until the last one has it. How far ahead one may be is bounded,
//! and so is the memory.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes read at once.
const CHUNK: usize = 256 << 10;
/// Chunks that may wait for somebody, 16 MB.
const CHUNKS: usize = 64;
/// How long to wait for others before looking whether the run is to stop.
const WAIT: Duration = Duration::from_millis(100);

struct State {
    /// The stream; absent while somebody reads it.
    input: Option<Box<dyn Read + Send>>,
    waiting: VecDeque<Arc<Vec<u8>>>,
    /// The number of the first chunk that waits.
    first: u64,
    /// The number of the chunk that each reader takes next; `None` when it takes no more.
    next: Vec<Option<u64>>,
    /// The stream has come to its end, or failed with this error.
    ended: Option<Option<(io::ErrorKind, String)>>,
}

impl State {
    /// Forgets what all have taken.
    fn forget(&mut self) {
        let all_have = self.next.iter().flatten().min().copied().unwrap_or(u64::MAX);
        while self.first < all_have && self.waiting.pop_front().is_some() {
            self.first += 1;
        }
    }
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One reader's view of the stream.
pub struct TeeReader {
    shared: Arc<Shared>,
    me: usize,
    chunk: Arc<Vec<u8>>,
    /// How much of the chunk was given out.
    given: usize,
}

/// Lets `n` readers each read the whole stream. One that goes too far ahead waits for the others, so all of them must be
/// read or dropped.
pub fn tee(input: Box<dyn Read + Send>, n: usize) -> Vec<TeeReader> {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            input: Some(input),
            waiting: VecDeque::new(),
            first: 0,
            next: vec![Some(0); n],
            ended: None,
        }),
        changed: Condvar::new(),
    });
    let reader = |me| TeeReader {
        shared: shared.clone(),
        me,
        chunk: Arc::default(),
        given: 0,
    };
    (0..n).map(reader).collect()
}

impl TeeReader {
    /// Takes the next chunk, reading it if nobody has; false at the end of the stream.
    fn advance(&mut self) -> io::Result<bool> {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        loop {
            let number = state.next[self.me].unwrap_or(u64::MAX);
            let there = usize::try_from(number - state.first).ok();
            if let Some(chunk) = there.and_then(|i| state.waiting.get(i)) {
                self.chunk = chunk.clone();
                self.given = 0;
                state.next[self.me] = Some(number + 1);
                state.forget();
                shared.changed.notify_all();
                return Ok(true);
            }
            match &state.ended {
                Some(None) => return Ok(false),
                Some(Some((kind, text))) => return Err(io::Error::new(*kind, text.clone())),
                None => {}
            }
            if crate::signals::stop_requested() {
                return Ok(false);
            }
            let room = state.waiting.len() < CHUNKS;
            match if room { state.input.take() } else { None } {
                Some(mut input) => {
                    drop(state);
                    let mut chunk = vec![0; CHUNK];
                    let got = input.read(&mut chunk);
                    state = shared.lock();
                    state.input = Some(input);
                    match got {
                        Ok(0) => state.ended = Some(None),
                        Ok(n) => {
                            chunk.truncate(n);
                            chunk.shrink_to_fit();
                            state.waiting.push_back(Arc::new(chunk));
                        }
                        Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                        Err(e) => state.ended = Some(Some((e.kind(), e.to_string()))),
                    }
                    shared.changed.notify_all();
                }
                None => {
                    let waited = shared.changed.wait_timeout(state, WAIT);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }
}

impl Read for TeeReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.chunk.len() && !self.advance()? {
            return Ok(0);
        }
        let rest = &self.chunk[self.given..];
        let n = rest.len().min(out.len());
        out[..n].copy_from_slice(&rest[..n]);
        self.given += n;
        Ok(n)
    }
}

impl Drop for TeeReader {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.next[self.me] = None;
        state.forget();
        drop(state);
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives numbered bytes, some at a time, and then fails or ends.
    struct Numbers {
        left: usize,
        fails: bool,
    }

    impl Read for Numbers {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.left == 0 && self.fails {
                return Err(io::Error::other("torn"));
            }
            let n = out.len().min(self.left).min(100_001);
            for (i, b) in out[..n].iter_mut().enumerate() {
                *b = ((self.left - i) % 251) as u8;
            }
            self.left -= n;
            Ok(n)
        }
    }

    /// Far more than may wait.
    const ALL: usize = 3 * CHUNK * CHUNKS;

    fn sum_of(mut r: TeeReader) -> (usize, u64, Option<String>) {
        let (mut n, mut sum) = (0, 0u64);
        let mut buf = vec![0; 70_000];
        loop {
            match r.read(&mut buf) {
                Ok(0) => return (n, sum, None),
                Ok(k) => {
                    sum = buf[..k].iter().fold(sum, |s, b| s.rotate_left(1) ^ u64::from(*b));
                    n += k;
                }
                Err(e) => return (n, sum, Some(e.to_string())),
            }
        }
    }

    #[test]
    fn all_get_everything_and_nobody_runs_away() {
        for fails in [false, true] {
            let readers = tee(Box::new(Numbers { left: ALL, fails }), 3);
            let shared = readers[0].shared.clone();
            let threads: Vec<_> = readers
                .into_iter()
                .map(|r| std::thread::spawn(move || sum_of(r)))
                .collect();
            let seen: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
            assert_eq!(seen[0].0, ALL);
            assert_eq!(seen[0].2.is_some(), fails);
            assert!(seen.iter().all(|s| *s == seen[0]));
            assert!(shared.lock().waiting.is_empty());
        }
    }

    #[test]
    fn nobody_waits_for_one_that_is_gone() {
        let mut readers = tee(
            Box::new(Numbers {
                left: ALL,
                fails: false,
            }),
            2,
        );
        let mut gone = readers.remove(1);
        gone.read_exact(&mut [0; 10]).unwrap();
        let other = std::thread::spawn({
            let r = readers.remove(0);
            move || sum_of(r)
        });
        while gone.shared.lock().waiting.len() < CHUNKS {
            std::thread::yield_now();
        }
        drop(gone);
        assert_eq!(other.join().unwrap().0, ALL);
    }
}
