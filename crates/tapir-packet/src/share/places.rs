//! Where packets belong: one of a number of places for each pair of addresses, the same for all who see the same packets.
//!
//! A pair's place is a part of its hash. What tunnels carry makes exceptions: a tunnel goes to the place of flows that it
//! carries and that were there before it, and takes those along that come up for the first time, inside or outside. What was
//! decided is never changed.

use foldhash::HashMap;

use super::inner;
use crate::bytes::u8_at;
use crate::ip::{self, IpOptions, proto};
use crate::link::{self, LayerStack, Link, LinkInfo};
use crate::source::RawPacket;
use crate::types::{Ip, Weirds};

/// Bits of a hash that make a place.
const PLACE_BITS: u32 = 14;
/// How many places there are: enough for an even share, few enough for a table that stays in the processor's nearest cache.
pub const PLACES: usize = 1 << PLACE_BITS;
/// Bits of a hash that tell whether its pair was seen. Two pairs in a million and more are mistaken for each other, and then
/// only a tunnel is.
const SEEN_BITS: u32 = 20;
/// Pairs in tunnels that are kept; those beyond go where they would without any.
const TUNNEL_PAIRS: usize = 1 << 16;
/// Headers below IP are followed no deeper than this.
const LAYERS: usize = 16;

/// Finds places. Memory is bounded, whatever comes.
#[derive(Debug)]
pub struct Places {
    stack: LayerStack,
    weirds: Weirds,
    /// A bit for pairs outside of tunnels that were seen.
    seen: Box<[u64]>,
    /// Pairs at the ends of tunnels and within them, by hash, and a bit for the usual place of each.
    tunnels: HashMap<u64, u16>,
    marked: Box<[u64]>,
}

fn test(bits: &[u64], i: usize) -> bool {
    bits[i >> 6] & 1 << (i & 63) != 0
}

/// Gives whether the bit was set before.
#[inline]
fn set(bits: &mut [u64], i: usize) -> bool {
    let (word, bit) = (&mut bits[i >> 6], 1 << (i & 63));
    let before = *word & bit != 0;
    if !before {
        *word |= bit;
    }
    before
}

/// The usual place of a pair.
fn place(pair: u64) -> usize {
    (pair >> (64 - PLACE_BITS)) as usize
}

/// Where it is noted that a pair was seen.
fn mark(pair: u64) -> usize {
    (pair >> (64 - PLACE_BITS - SEEN_BITS)) as usize & ((1 << SEEN_BITS) - 1)
}

impl Places {
    /// Nothing was seen yet.
    pub fn new() -> Self {
        Places {
            stack: LayerStack::new(LAYERS),
            weirds: Weirds::default(),
            seen: vec![0; 1 << (SEEN_BITS - 6)].into(),
            tunnels: HashMap::default(),
            marked: vec![0; PLACES >> 6].into(),
        }
    }

    /// The place of a packet, unless it has no IP addresses.
    #[inline]
    pub fn of(&mut self, raw: &RawPacket<'_>) -> Option<usize> {
        match plain(raw) {
            Some(pair) => Some(self.of_pair(pair)),
            None => self.decoded(raw),
        }
    }

    /// The place of a pair, by its hash, outside of which nothing is known.
    #[inline]
    fn of_pair(&mut self, pair: u64) -> usize {
        let usual = place(pair);
        if test(&self.marked, usual)
            && let Some(place) = self.tunnels.get(&pair)
        {
            return usize::from(*place);
        }
        set(&mut self.seen, mark(pair));
        usual
    }

    /// The place of a pair for which that was decided.
    fn decided(&self, pair: u64) -> Option<usize> {
        let usual = place(pair);
        if test(&self.marked, usual)
            && let Some(place) = self.tunnels.get(&pair)
        {
            return Some(usize::from(*place));
        }
        test(&self.seen, mark(pair)).then_some(usual)
    }

    /// The place of a packet that takes a closer look.
    fn decoded(&mut self, raw: &RawPacket<'_>) -> Option<usize> {
        let (pair, inside) = self.decoded_pairs(raw);
        let (a, b) = pair?;
        let outside = hash_of_pair(&a, &b);
        let inside = inside.map(|pair| pair.map(|(a, b)| hash_of_pair(&a, &b)));
        let all = || [outside].into_iter().chain(inside.into_iter().flatten());
        if inside[0].is_none() || self.tunnels.len() + all().count() > TUNNEL_PAIRS {
            return Some(self.of_pair(outside));
        }
        let mut chosen = None;
        let mut is_new = false;
        for pair in all() {
            match self.decided(pair) {
                Some(place) => chosen = chosen.or(Some(place)),
                None => is_new = true,
            }
        }
        let chosen = chosen.unwrap_or(place(outside));
        if is_new {
            for pair in all() {
                if self.decided(pair).is_none() {
                    self.tunnels.insert(pair, chosen as u16);
                    set(&mut self.marked, place(pair));
                }
            }
        }
        Some(chosen)
    }

    /// The pair of addresses, and those of what a tunnel carries.
    fn decoded_pairs(&mut self, raw: &RawPacket<'_>) -> (Option<(Ip, Ip)>, inner::Pairs) {
        let mut inside = inner::Pairs::default();
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
            Link::Ip { data, wire } => {
                inside = inner::pairs(data, &mut self.stack, &mut self.weirds);
                self.of_ip(data, wire)
            }
            Link::Arp { data } => of_arp(data),
            Link::Aggregate(frames) => frames.first().and_then(|(_, data)| self.of_ip(data, data.len())),
            Link::Unknown { .. } | Link::Nothing => None,
        };
        self.weirds.drain();
        (pair, inside)
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

/// The hash of the pair of addresses of most packets, IP in an Ethernet frame without or with one VLAN tag and no tunnel:
/// what the long way would find, at a glance.
#[inline]
fn plain(raw: &RawPacket<'_>) -> Option<u64> {
    const ETHERNET: u32 = 1;
    if raw.link_type != ETHERNET {
        return None;
    }
    let tag = if raw.data.get(12..14)? == [0x81, 0x00] { 4 } else { 0 };
    let (head, rest) = raw.data.get(12 + tag..)?.split_first_chunk::<22>()?;
    let ([kind @ .., version], protocol) = ([head[0], head[1], head[2]], |at: usize| head[2 + at]);
    match (kind, version) {
        // With options in the header the ports are elsewhere.
        ([0x08, 0x00], 0x45) if !inner::may_be_tunnel(protocol(9), rest) => {
            let [_, from, to] = head[10..].as_chunks::<4>().0 else {
                return None;
            };
            Some(hash_of_ipv4(u32::from_be_bytes(*from), u32::from_be_bytes(*to)))
        }
        ([0x86, 0xdd], 0x60..=0x6f) if matches!(protocol(6), proto::TCP | proto::UDP | proto::ICMPV6) => {
            let payload = rest
                .get(20..)
                .filter(|payload| !inner::may_be_tunnel(protocol(6), payload));
            let (addresses, _) = payload.and(raw.data.get(22 + tag..))?.split_first_chunk::<32>()?;
            let (from, to) = addresses.split_at(16);
            Some(hash_of_pair(&Ip::from_slice(from), &Ip::from_slice(to)))
        }
        _ => None,
    }
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

/// A number for a pair of addresses in either order.
#[inline]
fn hash_of_pair(a: &Ip, b: &Ip) -> u64 {
    let (a, b) = (u128::from_be_bytes(a.0), u128::from_be_bytes(b.0));
    // Symmetric in both; then mixed, since neighbouring addresses differ in few bits.
    mixed(fold(a ^ b), fold(a.wrapping_add(b)))
}

/// The same for two IPv4 addresses, which otherwise stand in IPv6 ones (`::ffff:0:0/96`).
#[inline]
fn hash_of_ipv4(a: u32, b: u32) -> u64 {
    const BOTH_MAPPED: u64 = 2 * 0xffff_0000_0000;
    mixed(u64::from(a ^ b), BOTH_MAPPED + u64::from(a) + u64::from(b))
}

#[inline]
fn mixed(x: u64, y: u64) -> u64 {
    let hash = fold(u128::from(x ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93);
    fold(u128::from(hash ^ y) * 0xa076_1d64_78bd_642f)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{frame, packet, tunneled};
    use super::*;

    const A: [u8; 4] = [10, 0, 0, 1];
    const B: [u8; 4] = [10, 0, 0, 2];

    /// Ends of a tunnel.
    fn ends(i: u8) -> ([u8; 4], [u8; 4]) {
        ([192, 0, 2, i], [198, 51, 100, i])
    }

    fn of(places: &mut Places, data: &[u8]) -> usize {
        places.of(&packet(data)).expect("it has addresses")
    }

    #[test]
    fn a_flow_in_two_tunnels_and_outside_has_one_place() {
        for outside_first in [true, false] {
            let mut places = Places::new();
            let plain = frame(A, B, 0, &[0; 20]);
            let mut found = Vec::new();
            if outside_first {
                found.push(of(&mut places, &plain));
            }
            for i in 1..20 {
                let (x, y) = ends(i);
                found.push(of(&mut places, &tunneled(x, y, A, B)));
                found.push(of(&mut places, &tunneled(y, x, B, A)));
                // The tunnel itself, whatever else is in it.
                found.push(of(&mut places, &frame(x, y, 0, &[0; 20])));
                found.push(of(&mut places, &tunneled(x, y, A, [10, 0, 1, i])));
                found.push(of(&mut places, &frame([10, 0, 1, i], A, 0, &[0; 20])));
            }
            found.push(of(&mut places, &plain));
            found.dedup();
            assert_eq!(found.len(), 1, "{found:?}");
        }
    }

    #[test]
    fn a_tunnel_behind_a_routing_header_has_the_place_of_its_flow() {
        let address = |last: u8| [0xfc, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
        let ip6 = |next: u8, from: u8, to: u8, rest: &[u8]| {
            let mut p = vec![0x60, 0, 0, 0, 0, rest.len() as u8, next, 64];
            p.extend([address(from), address(to)].concat());
            p.extend(rest);
            p
        };
        let framed = |packet: Vec<u8>| [&[0; 12][..], &[0x86, 0xdd], &packet].concat();
        let mut places = Places::new();
        for i in 0..20 {
            let flow = ip6(6, 100 + i, 200, &[0; 20]);
            // Segment routing with one segment (RFC 8754), which carries IPv6.
            let mut routed = vec![41, 2, 4, 0, 0, 0, 0, 0];
            routed.extend(address(50 + i));
            routed.extend(ip6(6, 200, 100 + i, &[0; 20]));
            let before = of(&mut places, &framed(flow.clone()));
            assert_eq!(of(&mut places, &framed(ip6(43, 1 + i, 50 + i, &routed))), before);
        }
    }

    #[test]
    fn tunnels_of_a_teredo_client_have_one_place() {
        let mut places = Places::new();
        let client = [192, 168, 2, 16];
        let teredo = |relay: [u8; 4], from: u8, to: u8| {
            let mut udp = vec![0x0e, 0xd5, 0x0d, 0xd8, 0, 48, 0, 0, 0x60, 0, 0, 0, 0, 0, 59, 21];
            udp.extend([0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, from]);
            udp.extend([0x20, 1, 0x48, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, to]);
            frame(client, relay, 0, &udp)
        };
        let first = of(&mut places, &teredo([65, 55, 158, 80], 1, 1));
        for relay in 1..20 {
            // It comes up for the first time, and goes on in a tunnel that was there before.
            assert_eq!(of(&mut places, &teredo([83, 170, 1, relay], 1, relay)), first);
            assert_eq!(of(&mut places, &teredo([65, 55, 158, 80], 1, relay)), first);
        }
    }

    #[test]
    fn what_was_decided_stays() {
        let mut places = Places::new();
        let plain = frame(A, B, 0, &[0; 20]);
        let (x, y) = ends(1);
        let before = (of(&mut places, &plain), of(&mut places, &frame(x, y, 0, &[0; 20])));
        assert_ne!(before.0, before.1, "take other addresses");
        assert_eq!(of(&mut places, &tunneled(x, y, A, B)), before.1);
        assert_eq!(of(&mut places, &plain), before.0);
    }

    #[test]
    fn pairs_in_tunnels_do_not_fill_the_memory() {
        let mut places = Places::new();
        for i in 0..2 * TUNNEL_PAIRS {
            let [_, b, c, d] = (i as u32).to_be_bytes();
            of(&mut places, &tunneled(A, B, [10, b, c, d], [10, d, c, b]));
        }
        assert!(places.tunnels.len() <= TUNNEL_PAIRS);
    }

    #[test]
    fn a_glance_finds_what_decoding_finds() {
        let mut s = Places::new();
        let mut six = vec![0; 12];
        six.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, proto::UDP, 64]);
        six.extend((1..=32).chain([0; 20]));
        for whole in [frame([10, 1, 2, 3], [255, 8, 8, 8], 0, &[0; 8]), six] {
            let mut tagged = whole.clone();
            tagged.splice(12..12, [0x81, 0x00, 0x00, 0x05]);
            for whole in [whole, tagged] {
                assert!(plain(&packet(&whole)).is_some());
                for at in 0..60.min(whole.len()) {
                    for byte in 0..=255 {
                        let mut odd = whole.clone();
                        odd[at] = byte;
                        for len in [20, 33, 34, 37, 38, 53, 54, 58, odd.len()] {
                            let p = packet(&odd[..len.min(odd.len())]);
                            let Some(pair) = plain(&p) else { continue };
                            let (decoded, inside) = s.decoded_pairs(&p);
                            let decoded = decoded.map(|(a, b)| hash_of_pair(&a, &b));
                            assert_eq!(Some(pair), decoded, "byte {at} is {byte}, {len} bytes");
                            assert!(inside[0].is_none(), "byte {at} is {byte}, {len} bytes");
                        }
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
                let pair = hash_of_pair(&Ip::v4([10, 0, net, host]), &Ip::v4([10, 0, 0, 1]));
                counts[place(pair) * 4 / PLACES] += 1;
            }
        }
        assert!(counts.iter().all(|&c| c > 850 && c < 1200), "{counts:?}");
    }

    #[test]
    fn what_breaks_off_has_a_place_or_none() {
        let mut s = Places::new();
        for whole in [frame([10, 1, 2, 3], [8, 8, 8, 8], 0, &[0; 8]), tunneled(A, B, B, A)] {
            for n in 0..whole.len() {
                assert!(s.of(&packet(&whole[..n])).is_none_or(|p| p < PLACES));
            }
        }
    }
}
