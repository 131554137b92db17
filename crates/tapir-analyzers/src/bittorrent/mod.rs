//! The peer protocol of BitTorrent (BEP 3, with the port message of BEP 5), and what peers ask trackers.

mod benc;
mod tracker;

pub use tracker::Tracker;

use tapir_data::value::{Port, Proto};

use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::util::cursor::Cursor;

const GREETING: &[u8] = b"\x13BitTorrent protocol";
/// Greeting, reserved bytes, hash, identifier.
const HANDSHAKE: usize = 68;
/// Other messages than pieces are at most so long.
const MAX_MESSAGE: u32 = 1 << 20;
/// Index and offset before the data of a piece.
const PIECE_HEAD: u32 = 9;

#[derive(Default)]
struct Side {
    buf: Vec<u8>,
    shaken: bool,
    /// Bytes of a piece's data that are still to come.
    skip: u64,
}

/// The analyzer.
#[derive(Default)]
pub struct BitTorrent {
    sides: [Side; 2],
    stopped: bool,
}

impl BitTorrent {
    fn weird(&mut self, cx: &mut Cx, is_orig: bool, msg: &str) {
        raise!(cx, bittorrent_peer_weird, is_orig, msg);
        cx.violation(msg);
        self.stopped = true;
        self.sides = Default::default();
    }

    /// Takes one message from the buffer; gives what it used, or nothing when it is not whole yet.
    fn message(&mut self, cx: &mut Cx, is_orig: bool, b: &[u8]) -> Option<usize> {
        let d = is_orig as usize;
        if !self.sides[d].shaken {
            let n = b.len().min(GREETING.len());
            if b[..n] != GREETING[..n] {
                self.weird(cx, is_orig, "not a BitTorrent handshake");
                return None;
            }
            let h = b.get(..HANDSHAKE)?;
            self.sides[d].shaken = true;
            if self.sides.iter().all(|s| s.shaken) {
                cx.confirm();
            }
            raise!(
                cx,
                bittorrent_peer_handshake,
                is_orig,
                &h[20..28],
                &h[28..48],
                &h[48..68]
            );
            return Some(HANDSHAKE);
        }
        let mut c = Cursor::new(b);
        let len = c.u32()?;
        if len == 0 {
            raise!(cx, bittorrent_peer_keep_alive, is_orig);
            return Some(4);
        }
        let id = c.u8()?;
        if id == 7 && len >= PIECE_HEAD {
            let (index, begin) = (c.n32()?, c.n32()?);
            let n = u64::from(len - PIECE_HEAD);
            self.sides[d].skip = n;
            raise!(cx, bittorrent_peer_piece, is_orig, index, begin, n);
            return Some(13);
        }
        if len > MAX_MESSAGE {
            self.weird(cx, is_orig, "BitTorrent message too long");
            return None;
        }
        let body = c.take(len as usize - 1)?;
        if said(cx, is_orig, id, body).is_none() {
            let msg = format!("BitTorrent message {id} is malformed");
            raise!(cx, bittorrent_peer_weird, is_orig, msg.as_str());
        }
        Some(4 + len as usize)
    }
}

/// A message other than a piece.
fn said(cx: &mut Cx, is_orig: bool, id: u8, body: &[u8]) -> Option<()> {
    let mut c = Cursor::new(body);
    match id {
        0 => {
            raise!(cx, bittorrent_peer_choke, is_orig);
        }
        1 => {
            raise!(cx, bittorrent_peer_unchoke, is_orig);
        }
        2 => {
            raise!(cx, bittorrent_peer_interested, is_orig);
        }
        3 => {
            raise!(cx, bittorrent_peer_not_interested, is_orig);
        }
        4 => {
            let index = c.n32()?;
            raise!(cx, bittorrent_peer_have, is_orig, index);
        }
        5 => {
            raise!(cx, bittorrent_peer_bitfield, is_orig, body);
        }
        6 => {
            let (index, begin, len) = (c.n32()?, c.n32()?, c.n32()?);
            raise!(cx, bittorrent_peer_request, is_orig, index, begin, len);
        }
        8 => {
            let (index, begin, len) = (c.n32()?, c.n32()?, c.n32()?);
            raise!(cx, bittorrent_peer_cancel, is_orig, index, begin, len);
        }
        9 => {
            let num = c.u16()?;
            let port = Port { proto: Proto::Tcp, num };
            raise!(cx, bittorrent_peer_port, is_orig, port);
        }
        _ => {
            raise!(cx, bittorrent_peer_unknown, is_orig, u64::from(id), body);
        }
    }
    Some(())
}

impl Analyzer for BitTorrent {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let d = is_orig as usize;
        let mut data = data;
        if self.stopped {
            return;
        }
        let mut buf = std::mem::take(&mut self.sides[d].buf);
        loop {
            let skip = (data.len() as u64).min(self.sides[d].skip) as usize;
            if buf.is_empty() && skip > 0 {
                self.sides[d].skip -= skip as u64;
                data = &data[skip..];
            }
            buf.extend_from_slice(data);
            data = &[];
            let mut used = 0;
            while self.sides[d].skip == 0
                && used < buf.len()
                && let Some(n) = self.message(cx, is_orig, &buf[used..])
            {
                used += n;
            }
            if self.stopped {
                return;
            }
            buf.drain(..used);
            let n = (buf.len() as u64).min(self.sides[d].skip);
            if n == 0 {
                break;
            }
            self.sides[d].skip -= n;
            buf.drain(..n as usize);
        }
        self.sides[d].buf = buf;
    }

    fn gap(&mut self, cx: &mut Cx, is_orig: bool, _seq: u64, len: u64) {
        let s = &mut self.sides[is_orig as usize];
        if s.skip >= len {
            s.skip -= len;
        } else {
            self.weird(cx, is_orig, "a message of BitTorrent was lost");
        }
    }

    fn flip(&mut self) {
        self.sides.swap(0, 1);
    }
}
