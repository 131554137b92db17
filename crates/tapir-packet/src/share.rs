//! Which of several workers a packet is for.
//!
//! Packets are shared out by the unordered pair of addresses of the outermost IP header. Everything that belongs
//! together stays together that way without any state: both directions of a flow, fragments, the packets within a
//! tunnel and the tunnel's own flow, ICMP errors and the exchange that they belong to, data channels between the hosts
//! of a control channel, and the parts of one file that several connections carry. The price is that one pair of hosts
//! is never more than one worker's work.
//!
//! One flow may come in several tunnels, or in one and outside of it. These pairs are kept together as well, as far as nothing
//! else was decided before ([`places`]): who sees all packets, in their order, decides as everybody else who does.

mod inner;
mod places;

use std::sync::atomic::{AtomicU16, Ordering};

use crate::source::RawPacket;

use places::{PLACES, Places};

/// Shares packets out among workers that see all of them: each finds the same shares, without asking the others.
#[derive(Debug)]
pub struct Sharer {
    n: usize,
    places: Places,
}

impl Sharer {
    /// For `n` workers; none counts as one.
    pub fn new(n: usize) -> Self {
        Sharer {
            n: n.max(1),
            places: Places::new(),
        }
    }

    /// The worker that a packet is for, from 0. What has no IP addresses is for the first.
    pub fn share(&mut self, raw: &RawPacket<'_>) -> usize {
        if self.n == 1 {
            return 0;
        }
        self.places.of(raw).map_or(0, |place| place * self.n / PLACES)
    }

    /// Where a packet stands among [`Claims`]; 0 when it has no addresses.
    #[inline]
    pub fn home(&mut self, raw: &RawPacket<'_>) -> u16 {
        self.places.of(raw).map_or(0, |place| place as u16 + 1)
    }
}

/// Shares packets out as a [`Sharer`] does, but evenly: a pair of addresses that comes up for the first time goes to the
/// worker that had least to do so far, and stays there. For who sees all packets, and alone.
#[derive(Debug)]
pub struct Balance {
    places: Places,
    /// For each place the worker, from 1; 0 when there is none yet.
    homes: Vec<u16>,
    /// What each worker had to do.
    loads: Vec<u64>,
}

/// What a packet costs besides its bytes, in bytes.
const PACKET_COST: u64 = 512;

impl Balance {
    /// For `n` workers; none counts as one.
    pub fn new(n: usize) -> Self {
        let n = n.clamp(1, usize::from(u16::MAX));
        Balance {
            places: Places::new(),
            homes: vec![0; if n > 1 { PLACES } else { 0 }],
            loads: vec![0; n],
        }
    }

    /// The worker that a packet is for, from 0. What has no IP addresses is for the first.
    #[inline]
    pub fn share(&mut self, raw: &RawPacket<'_>) -> usize {
        if self.homes.is_empty() {
            return 0;
        }
        let worker = match self.places.of(raw) {
            Some(place) => {
                let home = &mut self.homes[place];
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

/// Which of several readers of the same packets each place belongs to: the first that came across it. Who has less to do is
/// ahead of the others, and so comes first.
#[derive(Debug)]
pub struct Claims {
    /// For each place the reader, from 1; 0 when there is none yet.
    homes: Box<[AtomicU16]>,
}

impl Claims {
    /// Nothing belongs to anybody yet.
    pub fn new() -> Self {
        Claims {
            homes: (0..PLACES).map(|_| AtomicU16::new(0)).collect(),
        }
    }

    /// Whether packets of a [home](Sharer::home) are for a reader, by its number from 0, and for nobody else. What belongs to
    /// nobody yet is the reader's from now on; what has no home is the first one's.
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

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn packet(data: &[u8]) -> RawPacket<'_> {
        RawPacket {
            ts_sec: 0,
            ts_usec: 0,
            len: data.len() as u32,
            data,
            link_type: 1,
        }
    }

    pub(super) fn frame(src: [u8; 4], dst: [u8; 4], fragment: u16, rest: &[u8]) -> Vec<u8> {
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

    /// A packet between two hosts in a tunnel between two others (IP in IP).
    pub(super) fn tunneled(src: [u8; 4], dst: [u8; 4], from: [u8; 4], to: [u8; 4]) -> Vec<u8> {
        let mut f = frame(src, dst, 0, &frame(from, to, 0, &[0; 20])[14..]);
        f[23] = 4;
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
    fn readers_agree_about_tunnels() {
        let claims = Claims::new();
        let mut packets = Vec::new();
        for i in 0..200u8 {
            let (inside, other) = ([10, 0, 0, i], [10, 0, 1, i % 7]);
            packets.push(frame([172, 16, 0, i], [172, 16, 1, 1], 0, &[0; 20]));
            packets.push(tunneled([192, 0, 2, i % 5], [198, 51, 100, i % 11], inside, other));
            packets.push(frame(inside, other, 0, &[0; 20]));
        }
        let mut readers: Vec<_> = (0..3).map(|_| Sharer::new(1)).collect();
        // They take turns being ahead.
        let mut mine = vec![Vec::new(); 3];
        for turn in 0.. {
            let reader = turn % 3;
            let done = mine[reader].len();
            if done == packets.len() && mine.iter().all(|m| m.len() == done) {
                break;
            }
            for data in packets.iter().skip(done).take(7 * (1 + turn % 5)) {
                let is_mine = claims.is_for(readers[reader].home(&packet(data)), reader as u16);
                mine[reader].push(is_mine);
            }
        }
        for i in 0..packets.len() {
            assert_eq!(mine.iter().filter(|m| m[i]).count(), 1, "packet {i}");
        }
        // What is in a tunnel and outside of it is one reader's, except where that was decided before.
        let split = (0..200)
            .filter(|i| mine.iter().any(|m| m[3 * i + 1] != m[3 * i + 2]))
            .count();
        assert_eq!(split, 0);
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
}
