//! Tests of rules on the headers of a packet.

use std::net::IpAddr;

use crate::rules::{Cmp, HeaderTest, Proto};

/// The headers of one packet.
#[derive(Clone, Copy, Debug)]
pub struct PacketFacts<'a> {
    pub src: IpAddr,
    pub dst: IpAddr,
    /// The IP protocol of the payload, behind extension headers.
    pub proto: u8,
    /// From the first byte of the IP header.
    pub ip: &'a [u8],
    /// From the first byte behind the IP header.
    pub payload: &'a [u8],
}

/// Whether a test holds for a packet.
pub fn test_header(test: &HeaderTest, p: &PacketFacts) -> bool {
    match test {
        HeaderTest::Address { source, negated, nets } => {
            let addr = if *source { p.src } else { p.dst };
            nets.iter().any(|n| in_net(addr, n.0, n.1)) != *negated
        }
        HeaderTest::IpProto { cmp, values } => test_values(*cmp, u64::from(p.proto), values),
        HeaderTest::Port { source, cmp, values } => {
            let at = if *source { 0 } else { 2 };
            match p.payload.get(at..at + 2) {
                Some(b) => test_values(*cmp, u64::from(u16::from_be_bytes([b[0], b[1]])), values),
                None => false,
            }
        }
        HeaderTest::Field {
            proto,
            offset,
            size,
            mask,
            cmp,
            values,
        } => {
            let v4 = p.ip.first().is_some_and(|b| b >> 4 == 4);
            let header = match proto {
                Proto::Ip if v4 => p.ip,
                Proto::Ip6 if !v4 => p.ip,
                Proto::Icmp if p.proto == 1 => p.payload,
                Proto::Icmp6 if p.proto == 58 => p.payload,
                Proto::Tcp if p.proto == 6 => p.payload,
                Proto::Udp if p.proto == 17 => p.payload,
                _ => return false,
            };
            let at = *offset as usize;
            match header.get(at..at + usize::from(*size)) {
                Some(b) => {
                    let v = b.iter().fold(0u64, |v, b| v << 8 | u64::from(*b));
                    test_values(*cmp, v & mask.unwrap_or(u64::MAX), values)
                }
                None => false,
            }
        }
    }
}

fn test_values(cmp: Cmp, v: u64, values: &[(u64, u64)]) -> bool {
    match cmp {
        Cmp::Eq => values.iter().any(|r| r.0 <= v && v <= r.1),
        Cmp::Ne => values.iter().all(|r| v < r.0 || v > r.1),
        Cmp::Lt | Cmp::Le => values.iter().any(|r| cmp.test(v, r.0)),
        Cmp::Gt | Cmp::Ge => values.iter().any(|r| cmp.test(v, r.1)),
    }
}

fn in_net(addr: IpAddr, net: IpAddr, len: u8) -> bool {
    match (addr, net) {
        (IpAddr::V4(a), IpAddr::V4(n)) => {
            let host = if len >= 32 { 0 } else { u32::MAX >> len };
            u32::from(a) | host == u32::from(n) | host
        }
        (IpAddr::V6(a), IpAddr::V6(n)) => {
            let host = if len >= 128 { 0 } else { u128::MAX >> len };
            u128::from(a) | host == u128::from(n) | host
        }
        _ => false,
    }
}
