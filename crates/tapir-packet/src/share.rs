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

use crate::bytes::{be16, u8_at};
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

/// Kinds of traffic that [`Claims`] tells apart.
const KINDS: usize = 256;

/// Shares packets out among several readers of the same packets. Pairs of addresses that come up go to the readers in turns,
/// for each kind of traffic by itself: some kinds make much more work than others. Who begins changes from kind to kind, since
/// the first of a kind makes most work.
#[derive(Debug)]
pub struct Claims {
    places: Places,
    /// For each place the reader, from 1; 0 when there is none yet.
    homes: Vec<u16>,
    /// For each kind of traffic whose turn it is, if it has come up.
    turns: [Option<usize>; KINDS],
    /// Kinds that have come up.
    n_kinds: usize,
}

impl Claims {
    /// Nothing belongs to anybody yet.
    pub fn new() -> Self {
        Claims {
            places: Places::new(),
            homes: vec![0; PLACES],
            turns: [None; KINDS],
            n_kinds: 0,
        }
    }

    /// The reader whom a packet is for, from 0. What belonged to nobody is shared out among those that are able to take it;
    /// what has no IP addresses is for the first.
    #[inline]
    pub fn owner(&mut self, raw: &RawPacket<'_>, able: &[u16]) -> u16 {
        let Some(home) = self.places.of(raw).and_then(|place| self.homes.get_mut(place)) else {
            return 0;
        };
        if *home == 0 {
            let turn = self.turns[kind(raw)].get_or_insert_with(|| {
                self.n_kinds += 1;
                self.n_kinds - 1
            });
            let reader = able.get(*turn % able.len().max(1)).copied().unwrap_or(0);
            *turn += 1;
            *home = reader.saturating_add(1);
        }
        *home - 1
    }
}

/// What kind of traffic a packet looks like: by the protocol, and the lower one of the ports. Only for an even share.
fn kind(raw: &RawPacket<'_>) -> usize {
    /// IPv4 without options, right in an Ethernet frame.
    const PORTS: usize = 34;
    const PROTOCOL: usize = 23;
    let port = |at| be16(raw.data, at).unwrap_or(0);
    let port = usize::from(port(PORTS).min(port(PORTS + 2)));
    (port ^ port >> 8 ^ usize::from(u8_at(raw.data, PROTOCOL).unwrap_or(0))) % KINDS
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
    fn what_somebody_has_stays_his_and_each_kind_is_shared_evenly() {
        let mut claims = Claims::new();
        let mut owners = std::collections::HashMap::new();
        for i in 0..20_000u32 {
            let (x, y) = ([10, 0, (i % 7) as u8, (i % 200) as u8], [192, 168, 1, 7]);
            let (x, y) = if i.is_multiple_of(3) { (y, x) } else { (x, y) };
            // One pair in ten is of a kind of its own, with its port on either side.
            let mut ports = [0xc0, 0, 0, 80 + u8::from(i % 10 == 0)];
            ports.rotate_right((i % 2 * 2) as usize);
            let owner = claims.owner(&packet(&frame(x, y, 0, &ports)), &[0, 1, 2]);
            assert_eq!(*owners.entry(i % 1400).or_insert(owner), owner);
        }
        for reader in 0..3 {
            let has = |rare: bool| {
                owners
                    .iter()
                    .filter(|(i, o)| **o == reader && (**i % 10 == 0) == rare)
                    .count()
            };
            // Pairs at one place make it a little uneven.
            assert!(
                (400..=440).contains(&has(false)) && (42..=52).contains(&has(true)),
                "{} {}",
                has(false),
                has(true)
            );
        }
        let another =
            |claims: &mut Claims, i| claims.owner(&packet(&frame([10, 1, 0, i], [10, 2, 0, 1], 0, &[])), &[2]);
        assert!(
            (0..100).filter(|i| another(&mut claims, *i) == 2).count() > 80,
            "only one is able"
        );
        assert_eq!(claims.owner(&packet(&[]), &[2]), 0);
    }

    #[test]
    fn what_is_in_a_tunnel_and_outside_of_it_has_one_owner() {
        let mut claims = Claims::new();
        for i in 0..200u8 {
            let (inside, other) = ([10, 0, 0, i], [10, 0, 1, i % 7]);
            let mut owner = |data: &[u8]| claims.owner(&packet(data), &[0, 1, 2]);
            owner(&frame([172, 16, 0, i], [172, 16, 1, 1], 0, &[0; 20]));
            let tunnel = tunneled([192, 0, 2, i % 5], [198, 51, 100, i % 11], inside, other);
            let in_tunnel = owner(&tunnel);
            assert_eq!(owner(&frame(inside, other, 0, &[0; 20])), in_tunnel);
        }
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
