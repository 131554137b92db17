//! A short queue of messages to one node of a process.
//!
//! Each side sleeps seldom and long: the sender, once it had to wait, goes on only when half of the queue is free, so that
//! it takes the processor from the nodes a few times and not for each message. Others may nudge the node that waits here,
//! so that it needs no clock to look after them.

use std::collections::VecDeque;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tapir_packet::Batch;

/// What a node is sent.
#[derive(Debug)]
pub enum Message {
    /// Packets to analyse.
    Packets(Batch),
    /// The times of packets that others analyse, up to the one of a number.
    Times(Vec<f64>, u64),
    /// Whether other nodes' messages waited here. The answer comes when they are handled.
    Question(Sender<bool>),
    /// All whom this node waited for are here.
    Go,
}

/// What the two ends share.
#[derive(Debug)]
struct Line {
    state: Mutex<State>,
    /// The node waits here.
    arrived: Condvar,
    /// The reader waits here.
    room: Condvar,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Message>,
    /// Batchs that are done with, for the reader to fill again.
    used: Vec<Batch>,
    /// Whether somebody wants the node to look after something else.
    nudged: bool,
    node_sleeps: bool,
    heeds_nudges: bool,
    reader_sleeps: bool,
    no_reader: bool,
    no_node: bool,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is consistent between any two statements that may panic: there are none.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new queue for at most `limit` messages.
pub fn line(limit: usize) -> (Inlet, Feed) {
    let line = Arc::new(Line {
        state: Mutex::default(),
        arrived: Condvar::new(),
        room: Condvar::new(),
        limit,
    });
    (Inlet(line.clone()), Feed(line))
}

/// The reader's end.
#[derive(Debug)]
pub struct Inlet(Arc<Line>);

impl Inlet {
    /// Puts a message in, waiting for room. False when nobody takes any.
    pub fn send(&self, message: Message) -> bool {
        let line = &*self.0;
        let mut state = line.lock();
        if state.waiting.len() >= line.limit {
            state.reader_sleeps = true;
            state = line
                .room
                .wait_while(state, |s| s.waiting.len() > line.limit / 2 && !s.no_node)
                .unwrap_or_else(PoisonError::into_inner);
            state.reader_sleeps = false;
        }
        self.put(state, message)
    }

    /// Whether a message would be taken without waiting.
    #[cfg(target_os = "linux")]
    pub fn has_room(&self) -> bool {
        self.0.lock().waiting.len() < self.0.limit
    }

    fn put(&self, mut state: MutexGuard<'_, State>, message: Message) -> bool {
        if state.no_node {
            return false;
        }
        state.waiting.push_back(message);
        if state.node_sleeps {
            self.0.arrived.notify_one();
        }
        true
    }

    /// An empty batch, with the memory of one that is done with if there is one.
    pub fn spare(&self) -> Batch {
        self.0.lock().used.pop().unwrap_or_default()
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.0.lock().no_reader = true;
        self.0.arrived.notify_all();
    }
}

/// What a node found in its queue.
#[derive(Debug)]
pub enum Taken {
    Message(Message),
    /// Nothing came in time, or the node was nudged.
    Nothing,
    /// Nothing will come any more.
    End,
}

/// The node's end.
#[derive(Debug)]
pub struct Feed(Arc<Line>);

impl Feed {
    /// Takes a message if one is there.
    pub fn take(&self) -> Taken {
        self.taken(self.0.lock())
    }

    /// Waits for a message or a nudge, at most for a while.
    pub fn wait(&self, at_most: Duration) -> Taken {
        self.rest(at_most, true)
    }

    /// Waits for a message, at most for a while; nudges must wait as well.
    pub fn doze(&self, at_most: Duration) -> Taken {
        self.rest(at_most, false)
    }

    fn rest(&self, at_most: Duration, heeds_nudges: bool) -> Taken {
        let mut state = self.0.lock();
        if state.waiting.is_empty() {
            state.node_sleeps = true;
            state.heeds_nudges = heeds_nudges;
            let idle = |s: &mut State| s.waiting.is_empty() && !(s.nudged && heeds_nudges) && !s.no_reader;
            let waited = self.0.arrived.wait_timeout_while(state, at_most, idle);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.node_sleeps = false;
            state.nudged = false;
        }
        self.taken(state)
    }

    fn taken(&self, mut state: MutexGuard<'_, State>) -> Taken {
        match state.waiting.pop_front() {
            Some(message) => {
                if state.reader_sleeps && state.waiting.len() <= self.0.limit / 2 {
                    self.0.room.notify_one();
                }
                Taken::Message(message)
            }
            None if state.no_reader => Taken::End,
            None => Taken::Nothing,
        }
    }

    /// Gives a batch back that is done with, so that its memory is used again.
    pub fn recycle(&self, mut batch: Batch) {
        batch.clear();
        self.0.lock().used.push(batch);
    }

    /// What ends the node's waiting, for others to call.
    pub fn nudge(&self) -> Box<dyn Fn() + Send> {
        let line = self.0.clone();
        Box::new(move || {
            let mut state = line.lock();
            state.nudged = true;
            if state.node_sleeps && state.heeds_nudges {
                line.arrived.notify_one();
            }
        })
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.no_node = true;
        // Questions that wait here get no answer, which their asker notices.
        state.waiting.clear();
        self.0.room.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_makes_the_reader_wait_until_half_is_taken() {
        let (inlet, outlet) = line(4);
        let reader = std::thread::spawn(move || (0..100).all(|_| inlet.send(Message::Go)));
        let mut n = 0;
        loop {
            match outlet.wait(Duration::from_secs(60)) {
                Taken::Message(_) => {
                    n += 1;
                    assert!(outlet.0.lock().waiting.len() <= 4);
                }
                Taken::Nothing => {}
                Taken::End => break,
            }
        }
        assert_eq!(n, 100);
        assert!(reader.join().unwrap());
    }

    #[test]
    fn a_node_that_is_gone_holds_nobody_up() {
        let (inlet, outlet) = line(1);
        assert!(inlet.send(Message::Go));
        let reader = std::thread::spawn(move || inlet.send(Message::Go));
        drop(outlet);
        assert!(!reader.join().unwrap());
    }

    #[test]
    fn a_nudge_ends_the_wait_whenever_it_comes() {
        let (_inlet, outlet) = line(1);
        let nudge = outlet.nudge();
        nudge();
        assert!(matches!(outlet.wait(Duration::from_secs(600)), Taken::Nothing));
        let other = std::thread::spawn(nudge);
        assert!(matches!(outlet.wait(Duration::from_secs(600)), Taken::Nothing));
        other.join().unwrap();
    }
}
