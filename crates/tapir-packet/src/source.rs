//! Where packets come from: the [`Source`] trait, the errors of sources, and opening a capture by its content.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use crate::pcap::PcapReader;
use crate::pcapng::PcapngReader;
use crate::together::Cut;
use crate::types::Weirds;

/// A packet as its source gives it.
#[derive(Clone, Copy, Debug)]
pub struct RawPacket<'a> {
    /// Seconds and microseconds since the epoch; finer stamps are cut.
    pub ts_sec: i64,
    pub ts_usec: u32,
    /// Length on the wire.
    pub len: u32,
    /// The captured bytes.
    pub data: &'a [u8],
    /// The link type (LINKTYPE_… number).
    pub link_type: u32,
}

impl RawPacket<'_> {
    /// The time stamp as scripts see it.
    #[inline]
    pub fn ts(&self) -> f64 {
        self.ts_sec as f64 + f64::from(self.ts_usec) / 1e6
    }
}

/// Why a source gives no more packets.
#[derive(Debug)]
pub enum SourceError {
    /// The operating system failed.
    Io { what: String, error: io::Error },
    /// The file is no capture that we can read.
    Format { what: String, detail: String },
    /// The capture breaks off in the middle; everything before was delivered.
    Truncated { what: String, detail: String },
}

/// For several readers of one source; of the system's error its kind and text.
impl Clone for SourceError {
    fn clone(&self) -> Self {
        match self {
            SourceError::Io { what, error } => SourceError::Io {
                what: what.clone(),
                error: io::Error::new(error.kind(), error.to_string()),
            },
            SourceError::Format { what, detail } => SourceError::Format {
                what: what.clone(),
                detail: detail.clone(),
            },
            SourceError::Truncated { what, detail } => SourceError::Truncated {
                what: what.clone(),
                detail: detail.clone(),
            },
        }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceError::Io { what, error } => write!(f, "cannot read {what}: {error}"),
            SourceError::Format { what, detail } => write!(f, "cannot read {what}: {detail}"),
            SourceError::Truncated { what, detail } => write!(f, "{what} is truncated: {detail}"),
        }
    }
}

impl std::error::Error for SourceError {}

/// A place that packets come from.
pub trait Source {
    /// The next packet; `None` at the end of a file, or when a live source has nothing at the moment.
    ///
    /// # Errors
    ///
    /// Where the source breaks; what came before was delivered. After an error there are no more packets.
    fn next_packet(&mut self, weirds: &mut Weirds) -> Result<Option<RawPacket<'_>>, SourceError>;

    /// Whether this source watches a network instead of reading a file.
    fn is_live(&self) -> bool {
        false
    }

    /// Whether the next packet is not at hand: a file or a pipe must be read for it first, which may take its time.
    fn would_wait(&self) -> bool {
        false
    }

    /// Waits until a live source may have packets, at most for `timeout`. Files never make one wait.
    fn wait(&mut self, timeout: Duration) {
        let _ = timeout;
    }

    /// The link type of all packets, if the source has one.
    fn link_type(&self) -> Option<u32> {
        None
    }

    /// What the source is called in messages: the path or the interface.
    fn name(&self) -> &str;

    /// Packets seen and dropped by the system, for live sources.
    fn statistics(&mut self) -> SourceStats {
        SourceStats::default()
    }
}

/// A source whose packets stand in a buffer that may be taken away with them.
pub(crate) trait Buffered: Source {
    fn buffer(&mut self) -> &mut PacketBuffer;

    /// Cuts what is at hand, and one packet at least, into packets. Gives how the source ended, if it did.
    fn cut(&mut self, into: &mut Cut<'_>) -> Option<Result<(), SourceError>> {
        into.packets_of(self)
    }
}

/// What the system counted for a live source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SourceStats {
    pub received: u64,
    pub dropped: u64,
}

/// Opens a capture; `-` is standard input. The first four bytes decide between pcap and pcapng.
///
/// # Errors
///
/// When the file cannot be opened or is no capture.
pub fn open_capture(path: &Path) -> Result<Box<dyn Source + Send>, SourceError> {
    read_capture(open_input(path)?, path.display().to_string())
}

/// Opens a file to read it from its beginning to its end; `-` is standard input.
///
/// # Errors
///
/// When there is no such file, or it may not be read.
pub fn open_input(path: &Path) -> Result<Box<dyn Read + Send>, SourceError> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(io::stdin()));
    }
    Ok(Box::new(open_file(path)?))
}

/// Opens a file to read it.
pub(crate) fn open_file(path: &Path) -> Result<File, SourceError> {
    File::open(path).map_err(|error| SourceError::Io {
        what: path.display().to_string(),
        error,
    })
}

/// Reads a capture from anything readable; `name` stands in messages.
///
/// # Errors
///
/// When the first bytes are not those of a capture.
pub fn read_capture(input: Box<dyn Read + Send>, name: String) -> Result<Box<dyn Source + Send>, SourceError> {
    Ok(read_buffered(input, name)?)
}

/// The same for who wants to have the buffers.
pub(crate) fn read_buffered(
    input: Box<dyn Read + Send>,
    name: String,
) -> Result<Box<dyn Buffered + Send>, SourceError> {
    let mut input = PacketBuffer::new(input);
    let magic = match input.take(4, &name)? {
        Take::Bytes(b) => [b[0], b[1], b[2], b[3]],
        Take::End | Take::Short(_) => {
            return Err(SourceError::Format {
                what: name,
                detail: "the file is too short to be a capture".into(),
            });
        }
    };
    if magic == [0x0a, 0x0d, 0x0d, 0x0a] {
        Ok(Box::new(PcapngReader::new(input, name)?))
    } else {
        Ok(Box::new(PcapReader::new(magic, input, name)?))
    }
}

/// Gives exact amounts of a stream's bytes out of large buffers, without copying them.
pub(crate) struct PacketBuffer {
    input: Box<dyn Read + Send>,
    buf: Vec<u8>,
    /// Where in the stream the buffer begins.
    base: u64,
    /// What was read and not yet taken.
    start: usize,
    end: usize,
    /// Where the bytes of the last [`take`](Self::take) begin.
    taken: usize,
    /// Whether what was taken is to stay where it is until the buffers are given away, and full buffers that do.
    keeps: bool,
    full: Vec<Kept>,
}

/// A buffer with bytes that were taken.
pub(crate) struct Kept {
    pub(crate) bytes: Vec<u8>,
    /// Where they stand in the stream: from the buffer's beginning, so many.
    pub(crate) base: u64,
    pub(crate) n: usize,
}

/// Large enough that system calls do not matter, small enough for the bytes to stay in the processor's cache.
const BUFFER: usize = 256 << 10;

/// What [`PacketBuffer::take`] found.
pub(crate) enum Take<'a> {
    Bytes(&'a [u8]),
    /// Nothing at all was left.
    End,
    /// Only this many bytes were left.
    Short(usize),
}

impl PacketBuffer {
    pub(crate) fn new(input: Box<dyn Read + Send>) -> Self {
        PacketBuffer {
            input,
            buf: vec![0; BUFFER],
            base: 0,
            start: 0,
            end: 0,
            taken: 0,
            keeps: false,
            full: Vec::new(),
        }
    }

    /// What is taken from now on stays where it is until it is [given away](Self::give_away).
    pub(crate) fn keep(&mut self) {
        self.keeps = true;
    }

    /// Where a byte of what was taken last stands: in which of the buffers that would be given away now, and how far from
    /// its beginning.
    #[inline]
    pub(crate) fn place_of(&self, byte: *const u8) -> (usize, usize) {
        (self.full.len(), byte.addr().wrapping_sub(self.buf.as_ptr().addr()))
    }

    /// Goes on in a buffer that somebody lends, which then is given away with what was taken.
    pub(crate) fn borrow(&mut self, buffer: Option<Vec<u8>>) {
        let usual = buffer.filter(|b| b.len() == BUFFER);
        self.begin_in(usual.unwrap_or_default(), BUFFER);
    }

    /// Gives all buffers away that anything was taken of. Only what was not taken yet stays.
    pub(crate) fn give_away(&mut self) -> Vec<Kept> {
        let kept = self.begin_in(Vec::new(), 0);
        self.full.push(kept);
        std::mem::take(&mut self.full)
    }

    /// Goes on in another buffer of some size at least, which begins with what was not taken yet. Gives the one so far.
    fn begin_in(&mut self, mut other: Vec<u8>, least: usize) -> Kept {
        let rest = self.start..self.end;
        if other.len() < rest.len().max(least) {
            other.resize(rest.len().max(least), 0);
        }
        other[..rest.len()].copy_from_slice(&self.buf[rest.clone()]);
        let kept = Kept {
            bytes: std::mem::replace(&mut self.buf, other),
            base: self.base,
            n: self.start,
        };
        self.base += self.start as u64;
        (self.start, self.end, self.taken) = (0, rest.len(), 0);
        kept
    }

    /// Takes `n` bytes; the slice is valid until the next call.
    #[inline]
    pub(crate) fn take(&mut self, n: usize, what: &str) -> Result<Take<'_>, SourceError> {
        if self.end - self.start < n {
            self.fill(n, what)?;
        }
        let got = n.min(self.end - self.start);
        self.taken = self.start;
        self.start += got;
        Ok(if got == n {
            Take::Bytes(&self.buf[self.taken..self.start])
        } else if got == 0 {
            Take::End
        } else {
            Take::Short(got)
        })
    }

    /// Reads until at least `n` bytes wait to be taken, or the stream ends.
    #[cold]
    fn fill(&mut self, n: usize, what: &str) -> Result<(), SourceError> {
        if !self.keeps {
            self.buf.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.base += self.start as u64;
            (self.start, self.taken) = (0, 0);
        } else if self.start > 0 && self.start + n > self.buf.len() {
            let kept = self.begin_in(Vec::new(), BUFFER);
            self.full.push(kept);
        }
        let n = self.start + n;
        let buf = &mut self.buf;
        while self.end < n {
            if self.end == buf.len() {
                // A length that no packet has may be claimed; memory comes with the bytes, not with the claim.
                buf.resize(n.min(buf.len() * 2).max(BUFFER), 0);
            }
            match self.input.read(&mut buf[self.end..]) {
                Ok(0) => break,
                Ok(k) => self.end += k,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(SourceError::Io {
                        what: what.to_owned(),
                        error,
                    });
                }
            }
        }
        Ok(())
    }

    /// What can be taken without reading.
    #[inline]
    pub(crate) fn at_hand(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }

    /// Takes `n` bytes behind a head, both of which must be at hand.
    #[inline]
    pub(crate) fn take_behind(&mut self, head: usize, n: usize) -> &[u8] {
        self.taken = self.start + head;
        self.start = self.taken + n;
        &self.buf[self.taken..self.start]
    }

    /// The bytes of the last [`take`](Self::take), up to `n`.
    #[inline]
    pub(crate) fn last(&self, n: usize) -> &[u8] {
        &self.buf[self.taken..self.start.min(self.taken + n)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time, as pipes may.
    struct Trickle(Vec<u8>, usize);

    impl Read for Trickle {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let n = out.len().min(7919).min(self.0.len() - self.1);
            out[..n].copy_from_slice(&self.0[self.1..self.1 + n]);
            self.1 += n;
            Ok(n)
        }
    }

    #[test]
    fn amounts_of_all_sizes_come_whole_and_in_order() {
        let all: Vec<u8> = (0..3 * BUFFER + 11).map(|i| (i % 251) as u8).collect();
        let mut b = PacketBuffer::new(Box::new(Trickle(all.clone(), 0)));
        let (mut at, mut n) = (0, 1);
        loop {
            match b.take(n, "x").unwrap() {
                Take::Bytes(bytes) => assert_eq!(bytes, &all[at..at + n]),
                Take::End => break assert_eq!(at, all.len()),
                Take::Short(k) => break assert_eq!(at + k, all.len()),
            }
            assert_eq!(b.last(n), &all[at..at + n]);
            at += n;
            n = (n * 3 / 2 + 1) % (2 * BUFFER);
        }
    }

    #[test]
    fn what_is_kept_stays_until_it_is_given_away() {
        let all: Vec<u8> = (0..20 * BUFFER + 11).map(|i| (i % 251) as u8).collect();
        let mut b = PacketBuffer::new(Box::new(Trickle(all.clone(), 0)));
        b.keep();
        let (mut at, mut n, mut ended) = (0, 1, false);
        let mut spare = None;
        while !ended {
            let mut taken = Vec::new();
            b.borrow(spare.take());
            for _ in 0..at % 50 + 1 {
                let Take::Bytes(bytes) = b.take(n, "x").unwrap() else {
                    ended = true;
                    break;
                };
                let first = bytes.as_ptr();
                taken.push((b.place_of(first), at, n));
                at += n;
                n = (n * 3 / 2 + 1) % (2 * BUFFER);
            }
            let kept = b.give_away();
            for ((buffer, start), at, n) in taken {
                let of = &kept[buffer];
                assert_eq!(of.bytes[start..start + n], all[at..at + n]);
                assert!(of.base as usize + start == at && start + n <= of.n);
            }
            assert!(kept.iter().all(|k| k.bytes.len() <= 2 * BUFFER) && b.buf.len() <= 2 * BUFFER);
            spare = kept.into_iter().next_back().map(|k| k.bytes);
        }
        assert!(at > 10 * BUFFER);
    }

    #[test]
    fn a_claim_takes_no_memory_by_itself() {
        let mut b = PacketBuffer::new(Box::new(Trickle(vec![1; 100], 0)));
        assert!(matches!(b.take(1 << 27, "x").unwrap(), Take::Short(100)));
        assert!(b.buf.len() <= 2 * BUFFER);
    }
}
