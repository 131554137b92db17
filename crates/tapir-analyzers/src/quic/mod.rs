//! QUIC versions 1 and 2 (RFC 9000, 9001, 9369): headers, and the TLS handshake within Initial packets.

mod keys;

use std::collections::BTreeMap;

use crate::core::tree::NodeIx;
use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::util::cursor::Cursor;
use crate::util::grammar;
use keys::{Keys, V2};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Initial,
    ZeroRtt,
    Handshake,
    Retry,
}

/// Handshake bytes beyond this are not collected.
const MAX_CRYPTO: u64 = 1 << 17;

#[derive(Default)]
struct Side {
    /// CRYPTO data by offset, and how far it was handed on.
    crypto: BTreeMap<u64, Vec<u8>>,
    /// Bytes in the pieces, which may overlap.
    held: usize,
    done: u64,
    stream: Vec<u8>,
    /// The side's hello was handed on: its further Initial packets tell nothing new.
    hello: bool,
    shorts: u64,
}

/// The analyzer.
#[derive(Default)]
pub struct Quic {
    keys: Option<[Keys; 2]>,
    /// The version and the connection id that the keys are of.
    keyed_by: (u32, Vec<u8>),
    after_retry: bool,
    sides: [Side; 2],
    ssl: Option<NodeIx>,
    decrypted: u64,
    discarded: u64,
    stopped: bool,
}

fn varint(c: &mut Cursor) -> Option<u64> {
    let first = c.peek()?;
    Some(match first >> 6 {
        0 => c.u8()? as u64,
        1 => c.u16()? as u64 & 0x3fff,
        2 => c.u32()? as u64 & 0x3fff_ffff,
        _ => c.u64()? & 0x3fff_ffff_ffff_ffff,
    })
}

impl Quic {
    fn fail(&mut self, cx: &mut Cx, why: &str) {
        cx.violation(why);
        self.stopped = true;
    }

    /// Handles one packet of a datagram; gives what follows it.
    fn one<'a>(&mut self, cx: &mut Cx, is_orig: bool, b: &'a [u8]) -> Option<&'a [u8]> {
        let first = b[0];
        if first & 0x40 == 0 {
            // Before the first packet that could be read this may be anything.
            if self.decrypted == 0 {
                return None;
            }
            self.discarded += 1;
            let max = cx.sh.opts.quic_max_discarded_packet_events;
            if max < 0 || self.discarded <= max as u64 {
                raise!(cx, quic_discarded_packet, is_orig, self.decrypted);
            }
            return None;
        }
        if first & 0x80 == 0 {
            let s = &mut self.sides[is_orig as usize];
            s.shorts += 1;
            let n = s.shorts;
            if n.is_power_of_two() {
                raise!(cx, quic_short_header_packet_threshold_crossed, is_orig, n);
            }
            return None;
        }
        let mut c = Cursor::new(b);
        c.u8();
        let version = c.u32()?;
        let dcid = c.vec8()?;
        let scid = c.vec8()?;
        // Drafts are told of by name, and nothing more. A server that lists the versions it knows (RFC 9000, section
        // 17.2.1) has 0 for its version, which nobody knows either.
        if version != 1 && version != V2 {
            raise!(cx, quic_unhandled_version, is_orig, version as u64, dcid, scid);
            let why = grammar::at(
                &format!("unhandled QUIC version 0x{version:08x}"),
                "quic/QUIC.spicy:333:13-333:63",
            );
            self.fail(cx, &why);
            return None;
        }
        let kind = match (first >> 4 & 3, version == V2) {
            (0, false) | (1, true) => Kind::Initial,
            (1, false) | (2, true) => Kind::ZeroRtt,
            (2, false) | (3, true) => Kind::Handshake,
            _ => Kind::Retry,
        };
        let v = version as u64;
        if kind == Kind::Retry {
            let rest = c.take_rest();
            let n = rest.len().checked_sub(16)?;
            raise!(cx, quic_retry_packet, is_orig, v, dcid, scid, &rest[..n], &rest[n..]);
            self.after_retry = true;
            // The client begins again, and so does the handshake.
            if let Some(ix) = self.ssl.take() {
                cx.remove(ix);
            }
            self.sides[!is_orig as usize] = Side {
                shorts: self.sides[!is_orig as usize].shorts,
                ..Side::default()
            };
            return None;
        }
        if kind == Kind::Initial {
            let n = varint(&mut c)?;
            c.skip(usize::try_from(n).ok()?)?;
        }
        let len = usize::try_from(varint(&mut c)?).ok()?;
        let pn_at = c.pos();
        c.skip(len)?;
        let packet = &b[..c.pos()];
        match kind {
            Kind::Initial => {
                raise!(cx, quic_initial_packet, is_orig, v, dcid, scid);
                self.initial(cx, is_orig, version, dcid, scid, packet, pn_at);
            }
            Kind::ZeroRtt => {
                raise!(cx, quic_zero_rtt_packet, is_orig, v, dcid, scid);
            }
            Kind::Handshake => {
                raise!(cx, quic_handshake_packet, is_orig, v, dcid, scid);
            }
            Kind::Retry => {}
        }
        Some(c.rest())
    }

    fn initial(
        &mut self,
        cx: &mut Cx,
        is_orig: bool,
        version: u32,
        dcid: &[u8],
        scid: &[u8],
        packet: &[u8],
        pn_at: usize,
    ) {
        if self.sides[is_orig as usize].hello {
            return;
        }
        if is_orig && (self.keys.is_none() || self.after_retry) {
            self.keys = keys::initial(version, dcid);
            self.keyed_by = (version, dcid.to_vec());
            self.after_retry = false;
        } else if self.keys.is_some() && self.keyed_by.0 != version {
            // The server goes on in another version that the client knows (RFC 9368, section 2.3), from the same id.
            self.keys = keys::initial(version, &self.keyed_by.1);
            self.keyed_by.0 = version;
        }
        let Some(k) = self.keys.as_ref() else { return };
        let Some(plain) = k[is_orig as usize].open(packet, pn_at) else {
            self.fail(cx, &grammar::at("decryption failed", "quic/QUIC.spicy:612:21-619:21"));
            return;
        };
        self.decrypted += 1;
        cx.confirm();
        let _ = self.frames(cx, is_orig, version, dcid, scid, &plain);
    }

    fn frames(
        &mut self,
        cx: &mut Cx,
        is_orig: bool,
        version: u32,
        dcid: &[u8],
        scid: &[u8],
        plain: &[u8],
    ) -> Option<()> {
        let mut c = Cursor::new(plain);
        while !c.is_empty() {
            match varint(&mut c)? {
                0 | 1 => {}
                t @ (2 | 3) => {
                    varint(&mut c)?;
                    varint(&mut c)?;
                    let ranges = varint(&mut c)?;
                    varint(&mut c)?;
                    for _ in 0..ranges {
                        varint(&mut c)?;
                        varint(&mut c)?;
                    }
                    if t == 3 {
                        for _ in 0..3 {
                            varint(&mut c)?;
                        }
                    }
                }
                6 => {
                    let off = varint(&mut c)?;
                    let len = varint(&mut c)?;
                    let data = c.take(usize::try_from(len).ok()?)?;
                    self.crypto(cx, is_orig, off, data);
                }
                t @ (0x1c | 0x1d) => {
                    let code = varint(&mut c)?;
                    if t == 0x1c {
                        varint(&mut c)?;
                    }
                    let n = varint(&mut c)?;
                    let reason = c.take(usize::try_from(n).ok()?)?;
                    raise!(
                        cx,
                        quic_connection_close_frame,
                        is_orig,
                        version as u64,
                        dcid,
                        scid,
                        code,
                        reason
                    );
                }
                _ => return None,
            }
        }
        Some(())
    }

    fn crypto(&mut self, cx: &mut Cx, is_orig: bool, off: u64, data: &[u8]) {
        let s = &mut self.sides[is_orig as usize];
        let end = off.saturating_add(data.len() as u64);
        let most = 2 * MAX_CRYPTO as usize;
        if end > MAX_CRYPTO || end <= s.done || s.crypto.len() > 1000 || s.held + data.len() > most {
            return;
        }
        // What is sent again may be cut elsewhere: the longer piece has the shorter one in it.
        let piece = s.crypto.entry(off).or_default();
        if piece.len() < data.len() {
            s.held += data.len() - piece.len();
            *piece = data.to_vec();
        }
        while let Some((&o, _)) = s.crypto.first_key_value() {
            if o > s.done {
                break;
            }
            if let Some((o, d)) = s.crypto.pop_first() {
                s.held -= d.len();
                let skip = (s.done - o) as usize;
                if skip < d.len() {
                    s.stream.extend_from_slice(&d[skip..]);
                    s.done += (d.len() - skip) as u64;
                }
            }
        }
        // Only whole handshake messages go on, as one record each time.
        let mut n = 0;
        while let Some(h) = s.stream.get(n..n + 4) {
            let len = u32::from_be_bytes([0, h[1], h[2], h[3]]) as usize;
            if s.stream.len() < n + 4 + len {
                break;
            }
            n += 4 + len;
        }
        if n == 0 {
            return;
        }
        let msg: Vec<u8> = s.stream.drain(..n).collect();
        s.hello = true;
        if self.ssl.is_none() {
            self.ssl = cx.add_child("SSL");
        }
        if let Some(ix) = self.ssl {
            for part in msg.chunks(65_535) {
                let mut rec = vec![0x16, 3, 3];
                rec.extend_from_slice(&(part.len() as u16).to_be_bytes());
                rec.extend_from_slice(part);
                cx.forward_to(ix, is_orig, &rec);
            }
        }
    }
}

impl Analyzer for Quic {
    fn packet(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let mut rest = data;
        while !rest.is_empty() && !self.stopped {
            match self.one(cx, is_orig, rest) {
                Some(r) => rest = r,
                None => break,
            }
        }
    }

    fn flip(&mut self) {
        self.sides.swap(0, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_length_numbers() {
        let mut c = Cursor::new(&[0x25, 0x7b, 0xbd, 0x9d, 0x7f, 0x3e, 0x7d]);
        assert_eq!(varint(&mut c), Some(37));
        assert_eq!(varint(&mut c), Some(15293));
        assert_eq!(varint(&mut c), Some(494_878_333));
    }

    #[test]
    fn keys_of_the_specification() {
        // RFC 9001, appendix A: the connection id gives keys; a packet of zeros does not open.
        let k = keys::initial(1, &[0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08]).unwrap();
        assert!(k[1].open(&[0xc0; 64], 18).is_none());
    }
}
