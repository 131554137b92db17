//! What peers say to each other over a connection.
//!
//! Both begin with [`MAGIC`]. A frame is its kind in one byte, the length of the rest in four (big-endian), the rest. Nothing
//! is trusted: lengths are bounded, what does not decode ends the connection.

use std::io::{Error, ErrorKind, Read, Result};

use tapir_data::broker::event::EventMessage;

use crate::backend::LogBatch;
use crate::logwire;
use crate::serializer::EventSerializer;

/// The first bytes of a connection; the last is the version.
pub const MAGIC: &[u8; 10] = b"TAPIRPEER\x01";

/// The longest frame.
const FRAME_MAX: usize = 64 << 20;
/// The longest topic.
const TOPIC_MAX: usize = 64 << 10;

/// One thing that a peer says.
#[derive(Debug, PartialEq)]
pub enum Frame {
    /// The first: its id.
    Hello(String),
    Subscribe(Vec<u8>),
    Unsubscribe(Vec<u8>),
    /// What it subscribed to before the connection is said.
    Ready,
    Event {
        topic: Vec<u8>,
        event: EventMessage,
    },
    Logs(LogBatch),
    /// It is still there.
    Alive,
}

mod kind {
    pub const HELLO: u8 = 0;
    pub const SUBSCRIBE: u8 = 1;
    pub const UNSUBSCRIBE: u8 = 2;
    pub const READY: u8 = 3;
    pub const EVENT: u8 = 4;
    pub const LOGS: u8 = 5;
    pub const ALIVE: u8 = 6;
}

fn frame(kind: u8, out: &mut Vec<u8>, rest: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    let at = out.len();
    out.extend([0; 4]);
    rest(out);
    let n = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&n.to_be_bytes());
}

/// Appends a frame.
pub fn encode(f: &Frame, out: &mut Vec<u8>) {
    match f {
        Frame::Hello(id) => frame(kind::HELLO, out, |o| o.extend_from_slice(id.as_bytes())),
        Frame::Subscribe(prefix) => frame(kind::SUBSCRIBE, out, |o| o.extend_from_slice(prefix)),
        Frame::Unsubscribe(prefix) => frame(kind::UNSUBSCRIBE, out, |o| o.extend_from_slice(prefix)),
        Frame::Ready => frame(kind::READY, out, |_| {}),
        Frame::Event { topic, event } => frame(kind::EVENT, out, |o| {
            o.extend((topic.len() as u32).to_be_bytes());
            o.extend_from_slice(topic);
            EventSerializer::BrokerBinV1.encode(event, o);
        }),
        Frame::Logs(batch) => {
            let start = out.len();
            let mut fits = true;
            frame(kind::LOGS, out, |o| fits = logwire::encode(batch, o).is_ok());
            // Rows that are not of this program's making: nobody would take them.
            if !fits {
                out.truncate(start);
            }
        }
        Frame::Alive => frame(kind::ALIVE, out, |_| {}),
    }
}

fn bad(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidData, why.into())
}

/// Reads the first bytes of a connection.
///
/// # Errors
/// The peer speaks otherwise, or not at all.
pub fn read_magic(from: &mut impl Read) -> Result<()> {
    let mut got = [0; MAGIC.len()];
    from.read_exact(&mut got)?;
    match got == *MAGIC {
        true => Ok(()),
        false => Err(bad("the other end is no peer of this kind")),
    }
}

fn topic(bytes: &[u8]) -> Result<Vec<u8>> {
    match bytes.len() <= TOPIC_MAX {
        true => Ok(bytes.to_vec()),
        false => Err(bad("a topic is too long")),
    }
}

/// Reads a frame. `buffer` is for its use.
///
/// # Errors
/// The connection's, or that what came is no frame.
pub fn read(from: &mut impl Read, buffer: &mut Vec<u8>) -> Result<Frame> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let [k, a, b, c, d] = head;
    let n = u32::from_be_bytes([a, b, c, d]) as usize;
    if n > FRAME_MAX {
        return Err(bad(format!("a message of {n} bytes is too long")));
    }
    buffer.clear();
    // As much as came, not as much as was announced.
    if from.take(n as u64).read_to_end(buffer)? != n {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let rest = &buffer[..];
    match k {
        kind::HELLO => {
            let id = String::from_utf8(topic(rest)?).map_err(|_| bad("the peer's id is no text"))?;
            Ok(Frame::Hello(id))
        }
        kind::SUBSCRIBE => Ok(Frame::Subscribe(topic(rest)?)),
        kind::UNSUBSCRIBE => Ok(Frame::Unsubscribe(topic(rest)?)),
        kind::READY => Ok(Frame::Ready),
        kind::EVENT => {
            let (len, rest) = rest.split_first_chunk::<4>().ok_or_else(|| bad("an event is cut"))?;
            let len = u32::from_be_bytes(*len) as usize;
            let (t, event) = rest.split_at_checked(len).ok_or_else(|| bad("an event is cut"))?;
            let event = EventSerializer::BrokerBinV1.decode(event).map_err(bad)?;
            Ok(Frame::Event {
                topic: topic(t)?,
                event,
            })
        }
        kind::LOGS => Ok(Frame::Logs(logwire::decode(rest).map_err(bad)?)),
        kind::ALIVE => Ok(Frame::Alive),
        other => Err(bad(format!("{other} is no kind of message"))),
    }
}
