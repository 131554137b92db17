//! Walks a filter over a packet. Whatever a test would read beyond the captured bytes makes it false.

use super::{Dir, Expr, Leaf, Node, Op, Proto, Relation, Shift, Test};
use crate::bytes::{be16, be32, u8_at};
use crate::source::RawPacket;
use crate::types::Ip;

pub(super) fn node(n: &Node, p: &RawPacket<'_>) -> bool {
    match n {
        Node::And(a, b) => node(a, p) && node(b, p),
        Node::Or(a, b) => node(a, p) || node(b, p),
        Node::Not(a) => !node(a, p),
        Node::Leaf(l) => leaf(l, p).unwrap_or(false),
    }
}

/// Where the network layer starts and what it is.
#[derive(Clone, Copy)]
struct Layers {
    ether_type: u16,
    at: usize,
    /// Behind an MPLS label there is no Ethernet type.
    labelled: bool,
}

fn layers(p: &RawPacket<'_>, shifts: &[Shift]) -> Option<Layers> {
    let d = p.data;
    let by_version = |at: usize| {
        Some(match u8_at(d, at)? >> 4 {
            4 => 0x0800,
            6 => 0x86dd,
            _ => 0,
        })
    };
    let (mut ether_type, mut at) = match p.link_type {
        1 => (be16(d, 12)?, 14),
        113 => (be16(d, 14)?, 16),
        276 => (be16(d, 0)?, 20),
        0 | 108 => (by_version(4)?, 4),
        9 => match d {
            [0xff, 0x03, ..] => (ppp_type(be16(d, 2)?), 4),
            _ => (ppp_type(be16(d, 0)?), 2),
        },
        50 => (ppp_type(be16(d, 2)?), 4),
        10 => (be16(d, 19)?, 21),
        _ => (by_version(0)?, 0),
    };
    let mut labelled = false;
    for s in shifts {
        match s {
            Shift::Vlan => {
                if !is_vlan(ether_type) {
                    return None;
                }
                ether_type = be16(d, at + 2)?;
                at += 4;
            }
            Shift::Mpls => {
                if ether_type != 0x8847 && !labelled {
                    return None;
                }
                at += 4;
                labelled = true;
                ether_type = by_version(at)?;
            }
            Shift::Pppoe => {
                if ether_type != 0x8864 {
                    return None;
                }
                ether_type = ppp_type(be16(d, at + 6)?);
                at += 8;
            }
        }
    }
    Some(Layers {
        ether_type,
        at,
        labelled,
    })
}

fn is_vlan(t: u16) -> bool {
    matches!(t, 0x8100 | 0x88a8 | 0x9100)
}

fn ppp_type(t: u16) -> u16 {
    match t {
        0x0021 => 0x0800,
        0x0057 => 0x86dd,
        _ => 0,
    }
}

impl Layers {
    fn is_v4(&self) -> bool {
        self.ether_type == 0x0800
    }

    fn is_v6(&self) -> bool {
        self.ether_type == 0x86dd
    }

    /// Whether the IP protocol is `number`; behind an IPv6 fragment header, too.
    fn ip_proto(&self, d: &[u8], number: u8) -> Option<bool> {
        if self.is_v4() {
            return Some(u8_at(d, self.at + 9)? == number);
        }
        if self.is_v6() {
            let next = u8_at(d, self.at + 6)?;
            return Some(next == number || (next == 44 && u8_at(d, self.at + 40)? == number));
        }
        None
    }

    /// Where the transport header starts, if this is not a later fragment.
    fn transport(&self, d: &[u8]) -> Option<usize> {
        if self.is_v4() {
            if be16(d, self.at + 6)? & 0x1fff != 0 {
                return None;
            }
            return Some(self.at + usize::from(u8_at(d, self.at)? & 0xf) * 4);
        }
        self.is_v6().then_some(self.at + 40)
    }

    fn addresses(&self, d: &[u8], proto: Option<Proto>) -> Option<(Ip, Ip)> {
        let v4 = |at: usize| d.get(at..at + 4).map(Ip::from_slice);
        let v6 = |at: usize| d.get(at..at + 16).map(Ip::from_slice);
        let wanted = |p: Proto| proto.is_none() || proto == Some(p);
        match self.ether_type {
            0x0800 if wanted(Proto::Ip) => Some((v4(self.at + 12)?, v4(self.at + 16)?)),
            0x86dd if wanted(Proto::Ip6) => Some((v6(self.at + 8)?, v6(self.at + 24)?)),
            0x0806 if wanted(Proto::Arp) => Some((v4(self.at + 14)?, v4(self.at + 24)?)),
            0x8035 if wanted(Proto::Rarp) => Some((v4(self.at + 14)?, v4(self.at + 24)?)),
            _ => None,
        }
    }
}

fn directed<T>(dir: Dir, pair: (T, T), ok: impl Fn(&T) -> bool) -> bool {
    match dir {
        Dir::Src => ok(&pair.0),
        Dir::Dst => ok(&pair.1),
        Dir::Either => ok(&pair.0) || ok(&pair.1),
        Dir::Both => ok(&pair.0) && ok(&pair.1),
    }
}

fn leaf(l: &Leaf, p: &RawPacket<'_>) -> Option<bool> {
    let d = p.data;
    match &l.test {
        Test::Less(n) => return Some(p.len <= *n),
        Test::Greater(n) => return Some(p.len >= *n),
        Test::Compare(a, relation, b) => {
            let (a, b) = (expr(a, l, p)?, expr(b, l, p)?);
            return Some(match relation {
                Relation::Lt => a < b,
                Relation::Le => a <= b,
                Relation::Gt => a > b,
                Relation::Ge => a >= b,
                Relation::Eq => a == b,
                Relation::Ne => a != b,
            });
        }
        Test::Mac { dir, mac } => {
            if p.link_type != 1 {
                return None;
            }
            let (dst, src) = (d.get(0..6)?, d.get(6..12)?);
            return Some(directed(*dir, (src, dst), |m| **m == mac[..]));
        }
        Test::EtherBroadcast => return Some(p.link_type == 1 && d.get(0..6)? == [0xff; 6]),
        Test::EtherMulticast => return Some(p.link_type == 1 && d.first()? & 1 != 0),
        _ => {}
    }
    let n = layers(p, &l.shifts)?;
    Some(match &l.test {
        Test::Proto(proto) => match proto {
            Proto::Ip => n.is_v4(),
            Proto::Ip6 => n.is_v6(),
            Proto::Arp => n.ether_type == 0x0806,
            Proto::Rarp => n.ether_type == 0x8035,
            Proto::Ether => true,
            Proto::Icmp | Proto::Igmp => n.is_v4() && n.ip_proto(d, proto.ip_number()?)?,
            Proto::Icmp6 => n.is_v6() && n.ip_proto(d, 58)?,
            other => n.ip_proto(d, other.ip_number()?)?,
        },
        Test::EtherType(t) => n.ether_type == *t,
        Test::IpProto { version, number } => match version {
            Some(4) => n.is_v4() && n.ip_proto(d, *number)?,
            Some(_) => n.is_v6() && n.ip_proto(d, *number)?,
            None => n.ip_proto(d, *number)?,
        },
        Test::Net { proto, dir, net, len } => {
            let pair = n.addresses(d, *proto)?;
            directed(*dir, pair, |a| a.is_v4() == net.is_v4() && a.in_prefix(net, *len))
        }
        Test::Mask { dir, net, mask } => {
            let pair = n.addresses(d, None)?;
            directed(*dir, pair, |a| {
                a.is_v4() && u32::from_be_bytes([a.0[12], a.0[13], a.0[14], a.0[15]]) & mask == *net
            })
        }
        Test::Port { proto, dir, low, high } => {
            let numbers: &[u8] = match proto {
                Some(Proto::Tcp) => &[6],
                Some(Proto::Udp) => &[17],
                Some(Proto::Sctp) => &[132],
                _ => &[6, 17, 132],
            };
            let number = if n.is_v4() {
                u8_at(d, n.at + 9)?
            } else {
                u8_at(d, n.at + 6)?
            };
            if !numbers.contains(&number) {
                return None;
            }
            let at = n.transport(d)?;
            directed(*dir, (be16(d, at)?, be16(d, at + 2)?), |p| (*low..=*high).contains(p))
        }
        Test::IpBroadcast => n.is_v4() && matches!(be32(d, n.at + 16)?, 0 | 0xffff_ffff),
        Test::IpMulticast => n.is_v4() && u8_at(d, n.at + 16)? >= 224,
        Test::Ip6Multicast => n.is_v6() && u8_at(d, n.at + 24)? == 0xff,
        Test::Vlan(id) => is_vlan(n.ether_type) && id.is_none_or(|id| be16(d, n.at).is_some_and(|t| t & 0xfff == id)),
        Test::Mpls(label) => {
            (n.ether_type == 0x8847 || n.labelled)
                && label.is_none_or(|l| crate::link::mpls_label(crate::bytes::tail(d, n.at)) == Some(l))
        }
        Test::Pppoe(id) => n.ether_type == 0x8864 && id.is_none_or(|id| be16(d, n.at + 2) == Some(id)),
        _ => false,
    })
}

fn expr(e: &Expr, l: &Leaf, p: &RawPacket<'_>) -> Option<u32> {
    Some(match e {
        Expr::Number(n) => *n,
        Expr::Len => p.len,
        Expr::Negate(e) => expr(e, l, p)?.wrapping_neg(),
        Expr::Binary(op, a, b) => {
            let (a, b) = (expr(a, l, p)?, expr(b, l, p)?);
            match op {
                Op::Add => a.wrapping_add(b),
                Op::Sub => a.wrapping_sub(b),
                Op::Mul => a.wrapping_mul(b),
                Op::Div => a.checked_div(b)?,
                Op::Mod => a.checked_rem(b)?,
                Op::And => a & b,
                Op::Or => a | b,
                Op::Xor => a ^ b,
                Op::Shl => a.checked_shl(b).unwrap_or(0),
                Op::Shr => a.checked_shr(b).unwrap_or(0),
            }
        }
        Expr::Load(proto, offset, size) => {
            let d = p.data;
            let start = match proto {
                Proto::Ether => 0,
                _ => {
                    let n = layers(p, &l.shifts)?;
                    match proto {
                        Proto::Ip if n.is_v4() => n.at,
                        Proto::Ip6 if n.is_v6() => n.at,
                        Proto::Arp if n.ether_type == 0x0806 => n.at,
                        Proto::Rarp if n.ether_type == 0x8035 => n.at,
                        Proto::Icmp6 if n.is_v6() && n.ip_proto(d, 58)? => n.transport(d)?,
                        other => {
                            let number = other.ip_number()?;
                            if !n.is_v4() || !n.ip_proto(d, number)? {
                                return None;
                            }
                            n.transport(d)?
                        }
                    }
                }
            };
            let at = start.checked_add(expr(offset, l, p)? as usize)?;
            match size {
                1 => u32::from(u8_at(d, at)?),
                2 => u32::from(be16(d, at)?),
                _ => be32(d, at)?,
            }
        }
    })
}
