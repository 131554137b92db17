//! Captures taken apart, damaged and put together again.
//!
//! Knows packets as bytes with a time and a link type, and where IP and its payload begin; nothing of protocols.
//! Everything is decided by the generator's seed.

use std::path::{Path, PathBuf};

use tapir_packet::{Weirds, open_capture};

/// A small generator of pseudo-random numbers (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 for an empty range.
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.next() % n as u64) as usize }
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// One packet, owned.
#[derive(Clone, Debug)]
pub struct Packet {
    pub sec: u32,
    pub usec: u32,
    pub wire: u32,
    pub link: u32,
    pub data: Vec<u8>,
}

/// All captures below a folder, in a stable order.
pub fn captures(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(dir) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else {
            continue;
        };
        for e in entries.flatten() {
            let path = e.path();
            let ext = path.extension().and_then(|x| x.to_str()).unwrap_or("");
            if path.is_dir() {
                open.push(path);
            } else if ["pcap", "pcapng", "trace", "cap"].contains(&ext) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The first packets of a capture; what cannot be read is left out.
pub fn read(path: &Path, limit: usize) -> Vec<Packet> {
    let mut out = Vec::new();
    let Ok(mut source) = open_capture(path) else {
        return out;
    };
    let mut weirds = Weirds::default();
    while let Ok(Some(p)) = source.next_packet(&mut weirds) {
        out.push(Packet {
            sec: p.ts_sec as u32,
            usec: p.ts_usec,
            wire: p.len,
            link: p.link_type,
            data: p.data.to_vec(),
        });
        if out.len() >= limit {
            break;
        }
    }
    out
}

/// The packets as a classic capture of the first packet's link type; packets of others are left out.
pub fn to_pcap(packets: &[Packet]) -> Vec<u8> {
    let link = packets.first().map_or(1, |p| p.link);
    let mut out = Vec::new();
    for v in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 0x0004_0000, link] {
        out.extend(v.to_le_bytes());
    }
    for p in packets.iter().filter(|p| p.link == link) {
        for v in [p.sec, p.usec, p.data.len() as u32, p.wire] {
            out.extend(v.to_le_bytes());
        }
        out.extend(&p.data);
    }
    out
}

/// Where the IP header begins, for the commonest link layers.
fn ip_at(p: &Packet) -> Option<usize> {
    let at = match p.link {
        1 => match p.data.get(12..14)? {
            [0x81, 0x00] => 18,
            _ => 14,
        },
        0 | 108 => 4,
        101 | 12 | 14 => 0,
        113 => 16,
        276 => 20,
        _ => return None,
    };
    matches!(p.data.get(at)? >> 4, 4 | 6).then_some(at)
}

/// Where the payload of TCP or UDP begins.
fn payload_at(p: &Packet) -> Option<usize> {
    let ip = ip_at(p)?;
    let first = *p.data.get(ip)?;
    let (next, l4) = if first >> 4 == 4 {
        (*p.data.get(ip + 9)?, ip + usize::from(first & 15) * 4)
    } else {
        (*p.data.get(ip + 6)?, ip + 40)
    };
    let at = match next {
        6 => l4 + usize::from(p.data.get(l4 + 12)? >> 4) * 4,
        17 => l4 + 8,
        _ => return None,
    };
    (at < p.data.len()).then_some(at)
}

/// Makes the lengths in the IP and UDP headers and on the wire fit the bytes again.
fn mend_lengths(p: &mut Packet) {
    p.wire = p.data.len() as u32;
    let Some(ip) = ip_at(p) else { return };
    let total = p.data.len() - ip;
    let v4 = p.data[ip] >> 4 == 4;
    let (field, value) = if v4 {
        (ip + 2, total)
    } else {
        (ip + 4, total.saturating_sub(40))
    };
    if let Some(b) = p.data.get_mut(field..field + 2) {
        b.copy_from_slice(&(value.min(65_535) as u16).to_be_bytes());
    }
    let (proto, l4) = if v4 {
        (p.data.get(ip + 9).copied(), ip + usize::from(p.data[ip] & 15) * 4)
    } else {
        (p.data.get(ip + 6).copied(), ip + 40)
    };
    if proto == Some(17) {
        let len = p.data.len().saturating_sub(l4).min(65_535) as u16;
        if let Some(b) = p.data.get_mut(l4 + 4..l4 + 6) {
            b.copy_from_slice(&len.to_be_bytes());
        }
    }
}

/// Numbers at which arithmetic likes to go wrong.
const EDGES: &[u64] = &[
    0,
    1,
    2,
    4,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fff0,
    0xffff_ffff,
    u64::MAX,
];

/// Damages one packet from `from` on.
fn damage(r: &mut Random, p: &mut Packet, from: usize) {
    let len = p.data.len();
    if len <= from {
        return;
    }
    let at = from + r.below(len - from);
    match r.below(9) {
        0 | 1 => {
            for _ in 0..=r.below(4) {
                let i = from + r.below(len - from);
                p.data[i] ^= 1 << r.below(8);
            }
        }
        2 => p.data[at] = r.next() as u8,
        3 | 4 => {
            let edge = EDGES[r.below(EDGES.len())];
            let width = [1, 2, 4, 8][r.below(4)].min(len - at);
            let (be, le) = (edge.to_be_bytes(), edge.to_le_bytes());
            let bytes = if r.one_in(2) { &be[8 - width..] } else { &le[..width] };
            p.data[at..at + width].copy_from_slice(bytes);
        }
        5 => {
            p.data.truncate(at);
            if !r.one_in(3) {
                mend_lengths(p);
            }
        }
        6 => {
            let n = (1 + r.below(16)).min(len - at);
            p.data.drain(at..at + n);
            mend_lengths(p);
        }
        7 => {
            let most = if r.one_in(20) { 30_000 } else { 64 };
            let n = 1 + r.below(most);
            let fill = r.next() as u8;
            let random = r.one_in(2);
            let more: Vec<u8> = (0..n).map(|_| if random { r.next() as u8 } else { fill }).collect();
            p.data.splice(at..at, more);
            mend_lengths(p);
        }
        _ => {
            let n = (1 + r.below(32)).min(len - at);
            let copy = p.data[at..at + n].to_vec();
            p.data.splice(at..at, copy);
            mend_lengths(p);
        }
    }
}

/// Packets of several captures mixed and damaged. Keeps the order in time within what the damage leaves of it.
pub fn mutate(r: &mut Random, parts: &[Vec<Packet>]) -> Vec<Packet> {
    let link = parts.iter().flatten().next().map_or(1, |p| p.link);
    let mut parts: Vec<Vec<Packet>> = parts.to_vec();
    parts.iter_mut().for_each(|p| p.retain(|p| p.link == link));
    let mut out: Vec<Packet> = if r.one_in(2) {
        // One after another, on one clock, so that the packets of all meet in time.
        let mut out = Vec::new();
        for part in &mut parts {
            let begin = part.first().map_or(0, |p| p.sec);
            for mut p in part.drain(..) {
                p.sec = p.sec.wrapping_sub(begin).wrapping_add(1_700_000_000);
                out.push(p);
            }
        }
        out.sort_by_key(|p| (p.sec, p.usec));
        out
    } else {
        parts.into_iter().flatten().collect()
    };
    // Payloads carried over to the headers of other packets.
    for _ in 0..r.below(1 + out.len() / 8) {
        let (a, b) = (r.below(out.len()), r.below(out.len()));
        if let (Some(from), Some(to)) = (payload_at(&out[a]), payload_at(&out[b])) {
            let body = out[a].data[from..].to_vec();
            let keep = if r.one_in(2) {
                to
            } else {
                to + r.below(out[b].data.len() - to)
            };
            out[b].data.truncate(keep);
            out[b].data.extend(body);
            mend_lengths(&mut out[b]);
        }
    }
    let density = [3, 6, 15, 40][r.below(4)];
    for p in &mut out {
        if r.one_in(density) {
            let from = match r.below(10) {
                0 => 0,
                1 | 2 => ip_at(p).unwrap_or(0),
                _ => payload_at(p).unwrap_or(0),
            };
            for _ in 0..=r.below(3) {
                damage(r, p, from);
            }
        }
    }
    for _ in 0..r.below(1 + out.len() / 10) {
        let n = out.len();
        if n < 2 {
            break;
        }
        let (a, b) = (r.below(n), r.below(n));
        match r.below(6) {
            0 => {
                let p = out[a].clone();
                out.insert(b, p);
            }
            1 => out.swap(a, (a + 1 + r.below(4)).min(n - 1)),
            2 => {
                out.remove(a);
            }
            3 => {
                let p = out.remove(a);
                out.insert(b.min(n - 2), p);
            }
            4 if r.one_in(4) => out[a].sec = r.next() as u32,
            _ => {
                let jump = r.below(4000) as u32;
                for p in &mut out[a..] {
                    p.sec = p.sec.saturating_add(jump);
                }
            }
        }
    }
    out.retain(|p| p.data.len() <= 200_000);
    out
}
