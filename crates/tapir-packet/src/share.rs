//! Which of several workers a packet is for.
//!
//! Packets are shared out by the unordered pair of addresses of the outermost IP header. Everything that belongs
//! together stays together that way without any state: both directions of a flow, fragments, the packets within a
//! tunnel and the tunnel's own flow, ICMP errors and the exchange that they belong to, data channels between the hosts
//! of a control channel, and the parts of one file that several connections carry. The price is that one pair of hosts
//! is never more than one worker's work.

use std::sync::atomic::{AtomicU16, Ordering};

use crate::bytes::u8_at;
use crate::ip::{self, IpOptions, proto};
use crate::link::{self, LayerStack, Link, LinkInfo};
use crate::source::RawPacket;
use crate::types::{Ip, Weirds};

/// Shares packets out. It keeps nothing but room to work in: equal packets always get the same share.
#[derive(Debug)]
pub struct Sharer {
    n: usize,
    stack: LayerStack,
    weirds: Weirds,
}

/// Tunnels deeper than this are of no interest here: only the outermost IP header counts.
const LAYERS: usize = 16;

impl Sharer {
    /// For `n` workers; none counts as one.
    pub fn new(n: usize) -> Self {
        Sharer {
            n: n.max(1),
            stack: LayerStack::new(LAYERS),
            weirds: Weirds::default(),
        }
    }

    /// The worker that a packet is for, from 0. What has no IP addresses is for the first.
    pub fn share(&mut self, raw: &RawPacket<'_>) -> usize {
        if self.n == 1 {
            return 0;
        }
        let pair = self.pair(raw);
        pair.map_or(0, |(a, b)| share_of_pair(&a, &b, self.n))
    }

    /// Where a packet's pair of addresses stands among [`Claims`]; 0 when it has none.
    #[inline]
    pub fn home(&mut self, raw: &RawPacket<'_>) -> u16 {
        let home = |(a, b)| (hash_of_pair(&a, &b) >> (64 - CLAIM_BITS)) as u16 + 1;
        self.pair(raw).map_or(0, home)
    }

    #[inline]
    fn pair(&mut self, raw: &RawPacket<'_>) -> Option<(Ip, Ip)> {
        plain_pair(raw).or_else(|| self.decoded_pair(raw))
    }

    fn decoded_pair(&mut self, raw: &RawPacket<'_>) -> Option<(Ip, Ip)> {
        let layer = link::layer_of_link_type(raw.link_type);
        let mut info = LinkInfo::default();
        self.stack.clear();
        let outcome = link::decode(
            layer,
            raw.data,
            raw.len as usize,
            &mut info,
            &mut self.stack,
            &mut self.weirds,
        );
        let pair = match outcome {
            Link::Ip { data, wire } => self.of_ip(data, wire),
            Link::Arp { data } => of_arp(data),
            Link::Aggregate(frames) => frames.first().and_then(|(_, data)| self.of_ip(data, data.len())),
            Link::Unknown { .. } | Link::Nothing => None,
        };
        self.weirds.drain();
        pair
    }

    fn of_ip(&mut self, data: &[u8], wire: usize) -> Option<(Ip, Ip)> {
        match u8_at(data, 0)? >> 4 {
            4 => Some((Ip::from_slice(data.get(12..16)?), Ip::from_slice(data.get(16..20)?))),
            6 => {
                let plain = matches!(
                    u8_at(data, 6)?,
                    proto::TCP | proto::UDP | proto::ICMPV6 | proto::FRAGMENT
                );
                if !plain {
                    // Routing headers and home addresses tell who really talks.
                    let found = ip::decode(data, wire, IpOptions::default(), &mut self.weirds);
                    if let Some(p) = found {
                        return Some((p.src, p.dst));
                    }
                }
                Some((Ip::from_slice(data.get(8..24)?), Ip::from_slice(data.get(24..40)?)))
            }
            _ => None,
        }
    }
}

/// Shares packets out as a [`Sharer`] does, but evenly: a pair of addresses that comes up for the first time goes to the
/// worker that had least to do so far, and stays there. For who sees all packets, and alone.
#[derive(Debug)]
pub struct Balance {
    sharer: Sharer,
    /// For each value of the hash's upper bits the worker, from 1; 0 when there is none yet.
    homes: Vec<u16>,
    /// What each worker had to do.
    loads: Vec<u64>,
}

/// Bits of a hash that tell pairs of addresses apart here: enough for an even share, few enough for a table that stays in
/// the processor's nearest cache.
const HOME_BITS: u32 = 12;
/// What a packet costs besides its bytes, in bytes.
const PACKET_COST: u64 = 512;

impl Balance {
    /// For `n` workers; none counts as one.
    pub fn new(n: usize) -> Self {
        let n = n.clamp(1, usize::from(u16::MAX));
        Balance {
            sharer: Sharer::new(n),
            homes: vec![0; if n > 1 { 1 << HOME_BITS } else { 0 }],
            loads: vec![0; n],
        }
    }

    /// The worker that a packet is for, from 0. What has no IP addresses is for the first.
    #[inline]
    pub fn share(&mut self, raw: &RawPacket<'_>) -> usize {
        if self.homes.is_empty() {
            return 0;
        }
        let worker = match self.sharer.pair(raw) {
            Some((a, b)) => {
                let home = &mut self.homes[(hash_of_pair(&a, &b) >> (64 - HOME_BITS)) as usize];
                if *home == 0 {
                    let least = self.loads.iter().enumerate().min_by_key(|(_, load)| **load);
                    *home = least.map_or(0, |(i, _)| i) as u16 + 1;
                }
                usize::from(*home - 1)
            }
            None => 0,
        };
        self.loads[worker] += PACKET_COST + raw.data.len() as u64;
        worker
    }
}

/// Which of several readers of the same packets each pair of addresses belongs to: the first that came across it. Who has
/// less to do is ahead of the others, and so comes first.
#[derive(Debug)]
pub struct Claims {
    /// For each value of the hash's upper bits the reader, from 1; 0 when there is none yet.
    homes: Box<[AtomicU16]>,
}

impl Claims {
    /// Nothing belongs to anybody yet.
    pub fn new() -> Self {
        Claims {
            homes: (0..1 << CLAIM_BITS).map(|_| AtomicU16::new(0)).collect(),
        }
    }

    /// Whether packets of a [home](Sharer::home) are for a reader, by its number from 0, and for nobody else. What belongs to
    /// nobody yet is the reader's from now on.
    #[inline]
    pub fn is_for(&self, home: u16, reader: u16) -> bool {
        let Some(home) = usize::from(home).checked_sub(1).and_then(|i| self.homes.get(i)) else {
            return reader == 0;
        };
        let me = reader.saturating_add(1);
        // Nothing but the number itself goes from one thread to another here.
        let owner = match home.load(Ordering::Relaxed) {
            0 => home
                .compare_exchange(0, me, Ordering::Relaxed, Ordering::Relaxed)
                .map_or_else(|owner| owner, |_| me),
            owner => owner,
        };
        owner == me
    }
}

impl Default for Claims {
    fn default() -> Self {
        Self::new()
    }
}

/// Bits of a hash that tell pairs of addresses apart in [`Claims`]; fewer than a home has.
const CLAIM_BITS: u32 = 14;

/// IPv4 right in an Ethernet frame, which most packets are: what the long way would find, at a glance.
#[inline]
fn plain_pair(raw: &RawPacket<'_>) -> Option<(Ip, Ip)> {
    const ETHERNET: u32 = 1;
    let head: &[u8; 34] = raw.data.first_chunk()?;
    if raw.link_type != ETHERNET || head[12..14] != [0x08, 0x00] || head[14] >> 4 != 4 {
        return None;
    }
    Some((Ip::from_slice(&head[26..30]), Ip::from_slice(&head[30..34])))
}

/// Sender's and target's protocol address of ARP over IPv4 (RFC 826).
fn of_arp(data: &[u8]) -> Option<(Ip, Ip)> {
    let hardware = usize::from(u8_at(data, 4)?);
    if u8_at(data, 5)? != 4 {
        return None;
    }
    let sender = 8 + hardware;
    let target = sender + 4 + hardware;
    Some((
        Ip::from_slice(data.get(sender..sender + 4)?),
        Ip::from_slice(data.get(target..target + 4)?),
    ))
}

fn fold(v: u128) -> u64 {
    (v as u64) ^ ((v >> 64) as u64)
}

/// The worker, from 0, of a pair of addresses in either order.
pub fn share_of_pair(a: &Ip, b: &Ip, n: usize) -> usize {
    // The upper bits of a product are the best mixed ones; this takes them without a division.
    ((u128::from(hash_of_pair(a, b)) * n as u128) >> 64) as usize
}

/// A number for a pair of addresses in either order.
fn hash_of_pair(a: &Ip, b: &Ip) -> u64 {
    let (a, b) = (u128::from_be_bytes(a.0), u128::from_be_bytes(b.0));
    // Symmetric in both; then mixed, since neighbouring addresses differ in few bits.
    let (x, y) = (fold(a ^ b), fold(a.wrapping_add(b)));
    let hash = fold(u128::from(x ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93);
    fold(u128::from(hash ^ y) * 0xa076_1d64_78bd_642f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(data: &[u8]) -> RawPacket<'_> {
        RawPacket {
            ts_sec: 0,
            ts_usec: 0,
            len: data.len() as u32,
            data,
            link_type: 1,
        }
    }

    fn frame(src: [u8; 4], dst: [u8; 4], fragment: u16, rest: &[u8]) -> Vec<u8> {
        let mut f = vec![0; 12];
        f.extend([0x08, 0x00, 0x45, 0]);
        f.extend((20 + rest.len() as u16).to_be_bytes());
        f.extend([0, 1]);
        f.extend(fragment.to_be_bytes());
        f.extend([64, 17, 0, 0]);
        f.extend(src);
        f.extend(dst);
        f.extend(rest);
        f
    }

    #[test]
    fn directions_and_fragments_stay_together() {
        for n in 1..9 {
            let mut s = Sharer::new(n);
            for last in 0..50 {
                let (a, b) = ([10, 0, 0, last], [192, 168, 1, 7]);
                let whole = s.share(&packet(&frame(a, b, 0, &[0; 20])));
                assert!(whole < n);
                assert_eq!(whole, s.share(&packet(&frame(b, a, 0, &[1; 9]))));
                assert_eq!(whole, s.share(&packet(&frame(a, b, 0x2001, &[2; 16]))));
            }
        }
    }

    #[test]
    fn pairs_stay_and_work_is_even() {
        let mut b = Balance::new(3);
        let mut homes = std::collections::HashMap::new();
        for i in 0..3000u32 {
            // A few pairs have most of the traffic.
            let (x, y) = ([10, 0, 0, (i % 200) as u8], [192, 168, 1, 7]);
            let len = if i % 200 < 8 { 1400 } else { 20 };
            let (x, y) = if i % 3 == 0 { (y, x) } else { (x, y) };
            let worker = b.share(&packet(&frame(x, y, 0, &vec![0; len])));
            assert_eq!(*homes.entry(i % 200).or_insert(worker), worker);
        }
        let (least, most) = (b.loads.iter().min().unwrap(), b.loads.iter().max().unwrap());
        assert!(most - least < most / 10, "{:?}", b.loads);
        assert_eq!(Balance::new(1).share(&packet(&[])), 0);
    }

    #[test]
    fn each_packet_has_one_owner_wherever_readers_are() {
        let claims = std::sync::Arc::new(Claims::new());
        let readers = (0..3).map(|me| {
            let (claims, mut sharer) = (claims.clone(), Sharer::new(1));
            std::thread::spawn(move || {
                let mine = |i: u32| {
                    let (x, y) = ([10, 0, (i % 7) as u8, (i % 200) as u8], [192, 168, 1, 7]);
                    let (x, y) = if i.is_multiple_of(3) { (y, x) } else { (x, y) };
                    claims.is_for(sharer.home(&packet(&frame(x, y, 0, &[]))), me)
                };
                (0..20_000).map(mine).collect::<Vec<_>>()
            })
        });
        let readers: Vec<_> = readers
            .collect::<Vec<_>>()
            .into_iter()
            .map(|t| t.join().unwrap())
            .collect();
        for i in 0..20_000 {
            assert_eq!(readers.iter().filter(|r| r[i]).count(), 1, "packet {i}");
        }
        assert_eq!(Sharer::new(1).home(&packet(&[])), 0);
        assert!(claims.is_for(0, 0) && !claims.is_for(0, 1));
    }

    #[test]
    fn tagged_frames_go_where_plain_ones_go() {
        let mut s = Sharer::new(5);
        for last in 0..50 {
            let plain = frame([10, 1, 2, last], [8, 8, 8, 8], 0, &[0; 8]);
            let mut tagged = plain.clone();
            tagged.splice(12..12, [0x81, 0x00, 0x00, 0x05]);
            assert_eq!(s.share(&packet(&plain)), s.share(&packet(&tagged)));
        }
    }

    #[test]
    fn a_glance_finds_what_decoding_finds() {
        let mut s = Sharer::new(2);
        let whole = frame([10, 1, 2, 3], [8, 8, 8, 8], 0, &[0; 8]);
        assert!(plain_pair(&packet(&whole)).is_some());
        for at in 0..20 {
            for byte in 0..=255 {
                let mut odd = whole.clone();
                odd[at] = byte;
                for len in [20, 33, 34, odd.len()] {
                    let p = packet(&odd[..len]);
                    if let Some(pair) = plain_pair(&p) {
                        assert_eq!(Some(pair), s.decoded_pair(&p), "byte {at} is {byte}, {len} bytes");
                    }
                }
            }
        }
    }

    #[test]
    fn neighbouring_hosts_spread() {
        let mut counts = [0; 4];
        for host in 0..=255u8 {
            for net in 0..16u8 {
                counts[share_of_pair(&Ip::v4([10, 0, net, host]), &Ip::v4([10, 0, 0, 1]), 4)] += 1;
            }
        }
        assert!(counts.iter().all(|&c| c > 850 && c < 1200), "{counts:?}");
    }

    #[test]
    fn what_breaks_off_is_for_somebody() {
        let mut s = Sharer::new(3);
        let whole = frame([10, 1, 2, 3], [8, 8, 8, 8], 0, &[0; 8]);
        for n in 0..whole.len() {
            assert!(s.share(&packet(&whole[..n])) < 3);
        }
    }
}
