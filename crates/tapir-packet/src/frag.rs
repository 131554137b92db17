//! Reassembly of IP fragments: keyed by addresses and identification, bounded in time, number and bytes.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;

use crate::ip::{IpPacket, proto};
use crate::types::{Ip, Weirds};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Key {
    src: Ip,
    dst: Ip,
    id: u32,
}

struct Piece {
    start: usize,
    data: Vec<u8>,
}

impl Piece {
    fn end(&self) -> usize {
        self.start + self.data.len()
    }
}

struct Datagram {
    /// The header of the first fragment that arrived, without its fragment header.
    header: Vec<u8>,
    /// What the first arrived fragment says its protocol (v4) or next header (v6) and header length are.
    proto: u8,
    unfragmentable_len: usize,
    /// The protocol that the fragment at offset zero names.
    first_proto: Option<u8>,
    /// Sorted, not overlapping.
    pieces: Vec<Piece>,
    /// Where the datagram ends, once a last fragment came.
    size: Option<usize>,
    started: u64,
}

/// Limits of reassembly.
#[derive(Clone, Copy, Debug)]
pub struct FragOptions {
    /// `frag_timeout`, seconds.
    pub timeout: f64,
    /// Datagrams in progress at most; the oldest is dropped for a new one.
    pub datagrams_max: usize,
    /// Bytes in all of them at most.
    pub bytes_max: usize,
}

impl Default for FragOptions {
    fn default() -> Self {
        FragOptions {
            timeout: 300.0,
            datagrams_max: 65_536,
            bytes_max: 256 << 20,
        }
    }
}

/// All datagrams in progress.
pub struct FragTable<S> {
    table: HashMap<Key, Datagram, S>,
    /// In order of arrival of the first fragment, which is the order of expiry.
    order: VecDeque<(f64, Key, u64)>,
    bytes: usize,
    serial: u64,
    pub options: FragOptions,
}

impl<S: BuildHasher> FragTable<S> {
    /// An empty table whose hash function is the caller's, seeded.
    pub fn new(options: FragOptions, hasher: S) -> Self {
        FragTable {
            table: HashMap::with_hasher(hasher),
            order: VecDeque::new(),
            bytes: 0,
            serial: 0,
            options,
        }
    }

    /// Datagrams in progress.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Bytes of fragments held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Drops what has waited too long at `now`.
    pub fn expire(&mut self, now: f64) {
        if self.options.timeout == 0.0 {
            return;
        }
        while let Some(&(due, key, serial)) = self.order.front() {
            if due > now && self.table.len() <= self.options.datagrams_max && self.bytes <= self.options.bytes_max {
                break;
            }
            self.order.pop_front();
            if self.table.get(&key).is_some_and(|d| d.started == serial) {
                self.remove(&key);
            }
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Datagram> {
        let d = self.table.remove(key)?;
        self.bytes -= d.pieces.iter().map(|p| p.data.len()).sum::<usize>();
        Some(d)
    }

    /// Takes a wholly captured fragment; gives back the datagram once it is complete.
    pub fn add(&mut self, now: f64, p: &IpPacket<'_>, weirds: &mut Weirds) -> Option<Vec<u8>> {
        self.expire(now);
        let key = Key {
            src: p.src,
            dst: p.dst,
            id: p.id,
        };
        let (frag_hdr_at, unfragmentable_len) = if p.version == 6 {
            let e = p.exts.last().filter(|e| e.id == proto::FRAGMENT)?;
            (e.offset as usize, e.offset as usize)
        } else {
            (p.hdr_len, p.hdr_len)
        };
        let next = p.proto;
        if p.dont_fragment {
            weirds.push("fragment_with_DF", "");
        }
        let payload = p.payload();
        let start = p.frag_offset;
        let end = start + p.payload_len();
        if p.total_len < p.hdr_len {
            weirds.push("fragment_protocol_inconsistency", "");
            return None;
        }
        if p.more_fragments && p.total_len < 64 {
            weirds.push("excessively_small_fragment", "");
        }
        if end > 64_000 {
            weirds.push("excessively_large_fragment", "");
        }
        if end > 65_535 + 60 {
            return None;
        }
        self.serial += 1;
        let serial = self.serial;
        let mut fresh = false;
        let d = self.table.entry(key).or_insert_with(|| {
            fresh = true;
            Datagram {
                header: p.data[..frag_hdr_at].to_vec(),
                proto: next,
                unfragmentable_len,
                first_proto: None,
                pieces: Vec::new(),
                size: None,
                started: serial,
            }
        });
        if fresh {
            self.order.push_back((now + self.options.timeout, key, serial));
        } else if d.proto != next || d.unfragmentable_len != unfragmentable_len {
            weirds.push("fragment_protocol_inconsistency", "");
        }
        if start == 0 {
            d.first_proto.get_or_insert(next);
        }
        if !p.more_fragments {
            match d.size {
                None => {
                    d.size = Some(end);
                    if d.pieces.last().is_some_and(|l| l.end() > end) {
                        weirds.push("fragment_size_inconsistency", "");
                    }
                }
                Some(size) if size != end => {
                    weirds.push("fragment_size_inconsistency", "");
                    d.size = Some(size.max(end));
                }
                Some(_) => {}
            }
        } else if d.size.is_some_and(|size| end > size) {
            weirds.push("fragment_size_inconsistency", "");
            d.size = Some(end);
        }
        let before = d.pieces.len();
        let added = insert(&mut d.pieces, start, payload, weirds);
        debug_assert!(d.pieces.len() >= before);
        self.bytes += added;
        let size = d.size?;
        let mut at = 0;
        for piece in &d.pieces {
            if piece.start != at {
                break;
            }
            at = piece.end();
            if at >= size {
                break;
            }
        }
        if at < size {
            return None;
        }
        if d.pieces.last().is_some_and(|l| l.end() > size) {
            weirds.push("fragment_size_inconsistency", "");
        }
        let d = self.remove(&key)?;
        Some(assemble(d, size, p.version))
    }
}

/// Inserts bytes where no others are yet; gives back how many were new.
fn insert(pieces: &mut Vec<Piece>, start: usize, data: &[u8], weirds: &mut Weirds) -> usize {
    let end = start + data.len();
    let (mut at, mut added, mut i) = (start, 0, 0);
    while at < end {
        // Skip what lies wholly before.
        while i < pieces.len() && pieces[i].end() <= at {
            i += 1;
        }
        let next_start = pieces.get(i).map_or(end, |p| p.start);
        if next_start > at {
            let stop = next_start.min(end);
            let bytes = data[at - start..stop - start].to_vec();
            added += bytes.len();
            pieces.insert(i, Piece { start: at, data: bytes });
            at = stop;
            i += 1;
        } else {
            let old = &pieces[i];
            let stop = old.end().min(end);
            let same = old.data[at - old.start..stop - old.start] == data[at - start..stop - start];
            let weird = if same {
                "fragment_overlap"
            } else {
                "fragment_inconsistency"
            };
            weirds.push(weird, "");
            at = stop;
        }
    }
    added
}

/// Puts header and pieces together and makes the header say what the datagram now is.
fn assemble(d: Datagram, size: usize, version: u8) -> Vec<u8> {
    let mut out = d.header;
    let hdr = out.len();
    for piece in &d.pieces {
        let room = size.saturating_sub(piece.start);
        out.extend_from_slice(&piece.data[..piece.data.len().min(room)]);
    }
    if version == 4 {
        // What does not fit the field wraps, and the checks that follow see it.
        let total = out.len() as u16;
        out[2..4].copy_from_slice(&total.to_be_bytes());
        // No longer a fragment.
        out[6] &= 0x40;
        out[7] = 0;
    } else {
        let len = (out.len() - 40) as u16;
        out[4..6].copy_from_slice(&len.to_be_bytes());
        let next = d.first_proto.unwrap_or(d.proto);
        set_last_next_header(&mut out[..hdr], next);
    }
    out
}

/// The fragment header is gone: the header before it must name what followed.
fn set_last_next_header(header: &mut [u8], next: u8) {
    let mut at = 40;
    let mut field = 6;
    while at + 2 <= header.len() {
        field = at;
        let len = match header.get(at + 1) {
            Some(n) => (usize::from(*n) + 1) * 8,
            None => break,
        };
        at += len;
    }
    if let Some(f) = header.get_mut(field) {
        *f = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::RandomState;

    fn fragment(offset: usize, more: bool, payload: &[u8]) -> Vec<u8> {
        let total = 20 + payload.len();
        let mut v = vec![0x45, 0, (total >> 8) as u8, total as u8, 0, 7];
        let f = (offset / 8) as u16 | if more { 0x2000 } else { 0 };
        v.extend_from_slice(&f.to_be_bytes());
        v.extend_from_slice(&[64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        v.extend_from_slice(payload);
        v
    }

    #[test]
    fn any_order_gives_the_same_datagram() {
        let body: Vec<u8> = (0..200).map(|i| i as u8).collect();
        let parts = [
            fragment(0, true, &body[..80]),
            fragment(80, true, &body[80..160]),
            fragment(160, false, &body[160..]),
        ];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
            let mut t = FragTable::new(FragOptions::default(), RandomState::new());
            let mut w = Weirds::default();
            let mut got = None;
            for i in order {
                let p = crate::ip::decode(&parts[i], parts[i].len(), Default::default(), &mut w).unwrap();
                got = t.add(1.0, &p, &mut w);
            }
            assert_eq!(got.unwrap()[20..], body[..]);
            assert_eq!(t.bytes(), 0);
            assert!(w.is_empty());
        }
    }

    #[test]
    fn old_datagrams_go() {
        let mut t = FragTable::new(
            FragOptions {
                datagrams_max: 10,
                ..FragOptions::default()
            },
            RandomState::new(),
        );
        let mut w = Weirds::default();
        for i in 0..1000u32 {
            let mut f = fragment(0, true, &[1; 80]);
            f[12..16].copy_from_slice(&i.to_be_bytes());
            let p = crate::ip::decode(&f, f.len(), Default::default(), &mut w).unwrap();
            assert!(t.add(1.0, &p, &mut w).is_none());
        }
        assert!(t.len() <= 11);
        t.expire(302.0);
        assert_eq!((t.len(), t.bytes()), (0, 0));
    }
}
