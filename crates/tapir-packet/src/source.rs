//! Where packets come from: the [`Source`] trait, the errors of sources, and opening a capture by its content.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use crate::pcap::PcapReader;
use crate::pcapng::PcapngReader;
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

    /// Waits until a live source may have packets, at most for `timeout`. Files never make one wait.
    fn wait(&mut self, timeout: Duration) {
        let _ = timeout;
    }

    /// What the source is called in messages: the path or the interface.
    fn name(&self) -> &str;

    /// Packets seen and dropped by the system, for live sources.
    fn statistics(&mut self) -> SourceStats {
        SourceStats::default()
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
pub fn open_capture(path: &Path) -> Result<Box<dyn Source>, SourceError> {
    let name = path.display().to_string();
    let input: Box<dyn Read> = if name == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| SourceError::Io {
            what: name.clone(),
            error,
        })?)
    };
    read_capture(input, name)
}

/// Reads a capture from anything readable; `name` stands in messages.
///
/// # Errors
///
/// When the first bytes are not those of a capture.
pub fn read_capture(input: Box<dyn Read>, name: String) -> Result<Box<dyn Source>, SourceError> {
    let mut input = PacketBuffer::new(BufReader::with_capacity(1 << 18, input));
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

/// Reads exact amounts from a stream into one reused buffer.
pub(crate) struct PacketBuffer {
    input: BufReader<Box<dyn Read>>,
    buf: Vec<u8>,
}

/// What [`PacketBuffer::take`] found.
pub(crate) enum Take<'a> {
    Bytes(&'a [u8]),
    /// Nothing at all was left.
    End,
    /// Only this many bytes were left.
    Short(usize),
}

impl PacketBuffer {
    pub(crate) fn new(input: BufReader<Box<dyn Read>>) -> Self {
        PacketBuffer { input, buf: Vec::new() }
    }

    /// Takes `n` bytes; the slice is valid until the next call.
    pub(crate) fn take(&mut self, n: usize, what: &str) -> Result<Take<'_>, SourceError> {
        if self.buf.len() < n {
            self.buf.resize(n, 0);
        }
        let mut got = 0;
        while got < n {
            match self.input.read(&mut self.buf[got..n]) {
                Ok(0) => break,
                Ok(k) => got += k,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(SourceError::Io {
                        what: what.to_owned(),
                        error,
                    });
                }
            }
        }
        Ok(if got == n {
            Take::Bytes(&self.buf[..n])
        } else if got == 0 {
            Take::End
        } else {
            Take::Short(got)
        })
    }

    /// The bytes of the last [`take`](Self::take), up to `n`.
    pub(crate) fn last(&self, n: usize) -> &[u8] {
        &self.buf[..n.min(self.buf.len())]
    }
}
