//! Protocols whose units stand one behind another in a stream: bytes are kept until a unit is whole, a gap ends what can
//! be followed, and what comes after a switch to another protocol goes to children.
//!
//! A protocol says what one unit is ([`Units`]); [`Stream`] is its analyzer. Units are read where the segment lies:
//! only what is unfinished is copied.

use crate::core::{Analyzer, Cx};

/// What a protocol made of the bytes at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many are dealt with; another unit may begin behind them.
    Used(usize),
    /// The unit is not all here.
    More,
    /// So many are dealt with; all that comes behind them, from either side, is the children's.
    HandOver(usize),
    /// Nothing more can be made of the connection.
    Stop,
}

/// What follows the bytes that were never seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterGap {
    /// Nobody knows where a unit begins any more.
    Stop,
    /// The next data of this side is taken to begin with a unit.
    Resume,
    /// What comes is taken to go on where the last data ended.
    Ignore,
}

impl Step {
    /// Says what is wrong, and stops.
    pub fn refuse(cx: &mut Cx, why: &str) -> Step {
        cx.violation(why);
        Step::Stop
    }

    /// Says what is wrong, and lets go of all that is at hand: the next data may begin with a unit. Who stops after
    /// the first that is wrong is decided by scripts, which bear with it in a connection that was good for long.
    pub fn let_go(cx: &mut Cx, why: &str, data: &[u8]) -> Step {
        cx.violation(why);
        Step::Used(data.len())
    }
}

/// A protocol of units.
pub trait Units: Default + 'static {
    /// So many bytes of an unfinished unit are kept; with more the connection is not followed any further.
    const MAX: usize = 17 << 20;

    /// Whether a connection is only looked at if its beginning was seen.
    const FROM_START: bool = false;

    /// Deals with what stands at the start of `data`, which holds at least a byte.
    fn unit(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) -> Step;

    /// Deals with a datagram; `None` for a protocol that takes it as a part of a stream.
    fn datagram(&mut self, _cx: &mut Cx, _is_orig: bool, _data: &[u8]) -> Option<Step> {
        None
    }

    /// Bytes were never seen.
    fn gap(&mut self, _is_orig: bool) -> AfterGap {
        AfterGap::Stop
    }

    /// A side says nothing more.
    fn ended(&mut self, _cx: &mut Cx, _is_orig: bool) {}

    /// Originator and responder were exchanged.
    fn flip(&mut self) {}
}

/// Who gets what comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Goes {
    #[default]
    Here,
    ToChildren,
    Nowhere,
}

/// The analyzer of a protocol of units.
#[derive(Default)]
pub struct Stream<P> {
    protocol: P,
    /// What there is of an unfinished unit.
    kept: [Vec<u8>; 2],
    goes: Goes,
}

impl<P: Units> Stream<P> {
    fn stop(&mut self) {
        self.goes = Goes::Nowhere;
        self.kept = Default::default();
    }

    /// Deals with all units in `data`; gives the number of bytes that are dealt with.
    fn units(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) -> usize {
        let mut at = 0;
        while at < data.len() {
            match self.protocol.unit(cx, is_orig, &data[at..]) {
                Step::Used(n) => at += n,
                Step::More if data.len() - at <= P::MAX => break,
                Step::HandOver(n) => {
                    self.goes = Goes::ToChildren;
                    self.kept = Default::default();
                    cx.forward(is_orig, &data[at + n..]);
                    return data.len();
                }
                Step::More | Step::Stop => {
                    self.stop();
                    return data.len();
                }
            }
        }
        at
    }
}

impl<P: Units> Analyzer for Stream<P> {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        match self.goes {
            Goes::Here if P::FROM_START && cx.conn.partial => return,
            Goes::Here => {}
            Goes::ToChildren => return cx.forward(is_orig, data),
            Goes::Nowhere => return,
        }
        let d = is_orig as usize;
        let mut kept = std::mem::take(&mut self.kept[d]);
        if kept.is_empty() {
            let used = self.units(cx, is_orig, data);
            kept.extend_from_slice(&data[used..]);
        } else {
            kept.extend_from_slice(data);
            let used = self.units(cx, is_orig, &kept);
            kept.drain(..used);
        }
        self.kept[d] = kept;
    }

    fn packet(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if self.goes == Goes::Nowhere {
            return;
        }
        match self.protocol.datagram(cx, is_orig, data) {
            None => self.deliver(cx, is_orig, data),
            Some(Step::Stop) => self.stop(),
            Some(_) => {}
        }
    }

    fn gap(&mut self, cx: &mut Cx, is_orig: bool, seq: u64, len: u64) {
        match self.goes {
            Goes::Here => match self.protocol.gap(is_orig) {
                AfterGap::Stop => self.stop(),
                AfterGap::Resume => self.kept[is_orig as usize] = Vec::new(),
                AfterGap::Ignore => {}
            },
            Goes::ToChildren => cx.forward_gap(is_orig, seq, len),
            Goes::Nowhere => {}
        }
    }

    fn eof(&mut self, cx: &mut Cx, is_orig: bool) {
        if self.goes == Goes::Here {
            self.protocol.ended(cx, is_orig);
        }
        cx.forward_eof(is_orig);
    }

    fn reset(&mut self, cx: &mut Cx) {
        self.done(cx);
    }

    fn done(&mut self, cx: &mut Cx) {
        if self.goes == Goes::Here {
            self.protocol.ended(cx, true);
            self.protocol.ended(cx, false);
        }
    }

    fn flip(&mut self) {
        self.kept.swap(0, 1);
        self.protocol.flip();
    }
}
