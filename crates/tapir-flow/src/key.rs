//! Connection keys: both endpoints in a canonical order, protocol, and VLANs where they count.

use tapir_packet::Ip;

use crate::conn::Transport;

/// A key as bytes: addresses, ports in network order, protocol in host order, VLANs. Its byte order is the order of
/// removal at the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub(crate) [u8; 42]);

/// A flow as a packet shows it: source first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnTuple {
    pub src: Ip,
    pub dst: Ip,
    pub sport: u16,
    pub dport: u16,
    pub transport: Transport,
    /// The IP protocol number.
    pub ip_proto: u8,
    /// Source and destination are not to be exchanged (ICMP without a counterpart).
    pub one_way: bool,
    pub vlans: Option<(u16, u16)>,
}

impl ConnTuple {
    /// The tuple of a connection that is looked up by its identification in scripts.
    ///
    /// Ports of ICMP are type and code; whether they have a counterpart follows from them.
    pub fn lookup(src: Ip, sport: u16, dst: Ip, dport: u16, transport: Transport, ip_proto: u8) -> Self {
        let one_way = transport == Transport::Icmp && !crate::icmp::is_two_way(sport, dport, ip_proto == 58);
        ConnTuple {
            src,
            dst,
            sport,
            dport,
            transport,
            ip_proto,
            one_way,
            vlans: None,
        }
    }

    /// The key that both directions share.
    pub fn key(&self) -> Key {
        // Ports compare as they lie in memory in network order, on a little-endian machine.
        let swap = !self.one_way && (self.src, self.sport.swap_bytes()) > (self.dst, self.dport.swap_bytes());
        let (a, ap, b, bp) = if swap {
            (&self.dst, self.dport, &self.src, self.sport)
        } else {
            (&self.src, self.sport, &self.dst, self.dport)
        };
        let mut k = [0; 42];
        k[..16].copy_from_slice(&a.0);
        k[16..32].copy_from_slice(&b.0);
        k[32..34].copy_from_slice(&ap.to_be_bytes());
        k[34..36].copy_from_slice(&bp.to_be_bytes());
        k[36..38].copy_from_slice(&u16::from(self.ip_proto).to_le_bytes());
        if let Some((outer, inner)) = self.vlans {
            k[38..40].copy_from_slice(&outer.to_le_bytes());
            k[40..42].copy_from_slice(&inner.to_le_bytes());
        }
        Key(k)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_share_a_key() {
        let (a, b) = (Ip::v4([10, 0, 0, 1]), Ip::v4([10, 0, 0, 2]));
        let there = ConnTuple::lookup(a, 1000, b, 80, Transport::Tcp, 6);
        let back = ConnTuple::lookup(b, 80, a, 1000, Transport::Tcp, 6);
        assert!(there.key() == back.key());
        let same_host = ConnTuple::lookup(a, 1000, a, 80, Transport::Tcp, 6);
        let same_back = ConnTuple::lookup(a, 80, a, 1000, Transport::Tcp, 6);
        assert!(same_host.key() == same_back.key());
        assert!(there.key() != ConnTuple::lookup(a, 1000, b, 80, Transport::Udp, 17).key());
    }
}
