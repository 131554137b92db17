//! Protocols in lines: the stream is split, each line handed to the protocol, the last one at the end of the stream, and
//! what comes after a switch to TLS goes to children.
//!
//! A protocol says what it makes of a line ([`LineProtocol`]); [`Dialogue`] is its analyzer.

use crate::core::{Analyzer, Command, Cx};
use crate::util::lines::{Lines, Piece};
use crate::util::nvt::{self, Nvt};

/// Who gets what follows a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Next {
    /// The protocol itself.
    #[default]
    Line,
    /// The children, from either side.
    Children,
    /// Nobody: the protocol has given up.
    Nobody,
}

/// What splits a direction into lines.
pub trait Splitter: 'static {
    /// The next piece of `data` from `*at` on; `None` when it is used up.
    fn next(&mut self, data: &[u8], at: &mut usize) -> Option<Piece>;
    /// Takes a begun line out.
    fn flush(&mut self) -> Option<Vec<u8>>;
    /// Drops a begun line.
    fn clear(&mut self);
    /// Says something odd.
    fn weird(cx: &mut Cx, name: &'static str);
    /// Passes over the rest of a line's end; says how many bytes it was.
    fn skip_lf(&mut self, _data: &[u8]) -> usize {
        0
    }
}

impl Splitter for Lines {
    fn next(&mut self, data: &[u8], at: &mut usize) -> Option<Piece> {
        Lines::next(self, data, at)
    }

    fn flush(&mut self) -> Option<Vec<u8>> {
        Lines::flush(self)
    }

    fn clear(&mut self) {
        Lines::clear(self);
    }

    fn weird(cx: &mut Cx, name: &'static str) {
        cx.line_weird(name);
    }

    fn skip_lf(&mut self, data: &[u8]) -> usize {
        Lines::skip_lf(self, data)
    }
}

/// What telnet says between the lines is passed over.
impl Splitter for Nvt {
    fn next(&mut self, data: &[u8], at: &mut usize) -> Option<Piece> {
        loop {
            match Nvt::next(self, data, at)? {
                nvt::Piece::Line(l) => return Some(Piece::Line(l)),
                nvt::Piece::Weird(w) => return Some(Piece::Weird(w)),
                nvt::Piece::Option(..) | nvt::Piece::Sub(_) | nvt::Piece::Unended => {}
            }
        }
    }

    fn flush(&mut self) -> Option<Vec<u8>> {
        Nvt::flush(self)
    }

    fn clear(&mut self) {
        Nvt::clear(self);
    }

    fn weird(cx: &mut Cx, name: &'static str) {
        cx.weird_from(name, "", "NVT");
    }
}

/// A protocol in lines.
pub trait LineProtocol: Default + 'static {
    /// What splits the stream.
    type Lines: Splitter;

    /// Whether what stands behind the last line's end, when the stream is over, counts as a line.
    const UNENDED_COUNTS: bool = true;

    /// A splitter for one direction.
    fn lines() -> Self::Lines;

    /// A line without its end.
    fn line(&mut self, cx: &mut Cx, is_orig: bool, line: &[u8]) -> Next;

    /// Data is about to be split: what a splitter needs to know before each piece.
    fn before(&mut self, _cx: &Cx, _is_orig: bool, _lines: &mut Self::Lines) {}

    /// A stretch that is not in lines, where [`before`](Self::before) asked for one.
    fn plain(&mut self, _cx: &mut Cx, _data: &[u8]) {}

    /// Bytes between lines were never seen; a begun line is dropped.
    fn gap(&mut self, _cx: &mut Cx, _is_orig: bool, _len: u64) -> Next {
        Next::Line
    }

    /// The connection is removed.
    fn done(&mut self, _cx: &mut Cx) {}

    /// Originator and responder were exchanged.
    fn flip(&mut self) {}

    /// A built-in function asks for something.
    fn command(&mut self, _cmd: &Command) {}
}

/// The analyzer of a protocol in lines.
pub struct Dialogue<P: LineProtocol> {
    protocol: P,
    lines: [P::Lines; 2],
    next: Next,
}

impl<P: LineProtocol> Default for Dialogue<P> {
    fn default() -> Self {
        Dialogue {
            protocol: P::default(),
            lines: [P::lines(), P::lines()],
            next: Next::Line,
        }
    }
}

impl<P: LineProtocol> Analyzer for Dialogue<P> {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let lines = &mut self.lines[is_orig as usize];
        let mut at = 0;
        while self.next == Next::Line {
            self.protocol.before(cx, is_orig, lines);
            match lines.next(data, &mut at) {
                Some(Piece::Line(l)) => self.next = self.protocol.line(cx, is_orig, &l),
                Some(Piece::Plain(from, to)) => self.protocol.plain(cx, &data[from..to]),
                Some(Piece::Weird(w)) => P::Lines::weird(cx, w),
                None => return,
            }
        }
        if self.next == Next::Children {
            // The line feed of the last line may have been cut off.
            at += lines.skip_lf(&data[at..]);
            cx.forward(is_orig, &data[at..]);
        }
    }

    fn gap(&mut self, cx: &mut Cx, is_orig: bool, seq: u64, len: u64) {
        match self.next {
            Next::Children => cx.forward_gap(is_orig, seq, len),
            Next::Line => {
                self.next = self.protocol.gap(cx, is_orig, len);
                self.lines[is_orig as usize].clear();
            }
            Next::Nobody => {}
        }
    }

    fn eof(&mut self, cx: &mut Cx, is_orig: bool) {
        match self.next {
            Next::Children => cx.forward_eof(is_orig),
            Next::Line if P::UNENDED_COUNTS => {
                if let Some(l) = self.lines[is_orig as usize].flush() {
                    self.next = self.protocol.line(cx, is_orig, &l);
                }
            }
            _ => {}
        }
    }

    fn done(&mut self, cx: &mut Cx) {
        self.protocol.done(cx);
    }

    fn command(&mut self, _cx: &mut Cx, cmd: &Command) {
        self.protocol.command(cmd);
    }

    fn flip(&mut self) {
        self.lines.swap(0, 1);
        self.protocol.flip();
    }
}
