//! IP headers of both versions with IPv6 extension headers (RFC 791, 8200, 6275): checks in a fixed order, the first
//! failure drops the packet and names a weird.

use smallvec::SmallVec;

use crate::bytes::{be16, be32, head, tail};
use crate::checksum::Sum;
use crate::types::{Ip, Weirds};

/// One header of an IPv6 chain (the fixed header is not listed): its number, and where it stands in the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtHeader {
    pub id: u8,
    pub offset: u32,
    pub len: u32,
}

/// A checked IP packet; offsets are within `data`.
#[derive(Clone, Debug)]
pub struct IpPacket<'a> {
    /// From the first byte of the IP header, cut to the total length if more was captured.
    pub data: &'a [u8],
    pub version: u8,
    /// Header length with all extension headers.
    pub hdr_len: usize,
    /// Header and payload as the header states it.
    pub total_len: usize,
    /// The length that counters take: zero where offloading left the field zero.
    pub stated_len: usize,
    /// Addresses after routing headers and home address options.
    pub src: Ip,
    pub dst: Ip,
    /// The protocol after the last header.
    pub proto: u8,
    pub ttl: u8,
    pub flow_label: u32,
    pub id: u32,
    pub dont_fragment: bool,
    pub more_fragments: bool,
    /// In bytes.
    pub frag_offset: usize,
    pub exts: SmallVec<[ExtHeader; 2]>,
    /// Put together from fragments.
    pub reassembled: bool,
}

/// Numbers of the protocols that the engine knows.
pub mod proto {
    pub const HOPOPTS: u8 = 0;
    pub const ICMP: u8 = 1;
    pub const IGMP: u8 = 2;
    pub const IPIP: u8 = 4;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const IPV6: u8 = 41;
    pub const ROUTING: u8 = 43;
    pub const FRAGMENT: u8 = 44;
    pub const GRE: u8 = 47;
    pub const ESP: u8 = 50;
    pub const AH: u8 = 51;
    pub const ICMPV6: u8 = 58;
    pub const NONE: u8 = 59;
    pub const DSTOPTS: u8 = 60;
    pub const MOBILITY: u8 = 135;
}

impl<'a> IpPacket<'a> {
    /// The captured bytes after all headers.
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        tail(self.data, self.hdr_len)
    }

    /// How long the payload is according to the header.
    #[inline]
    pub fn payload_len(&self) -> usize {
        self.total_len.saturating_sub(self.hdr_len)
    }

    /// Whether all of the datagram was captured.
    #[inline]
    pub fn is_complete(&self) -> bool {
        self.data.len() >= self.total_len
    }

    /// Whether this is a piece of a larger datagram.
    #[inline]
    pub fn is_fragment(&self) -> bool {
        // Even a datagram in one piece goes through reassembly if it has a fragment header.
        self.more_fragments || self.frag_offset != 0 || self.exts.last().is_some_and(|e| e.id == proto::FRAGMENT)
    }

    /// The addresses that stand in the fixed header.
    pub fn header_addresses(&self) -> (Ip, Ip) {
        header_addresses(self.data)
    }

    /// Type of service, or traffic class.
    pub fn tos(&self) -> u8 {
        if self.version == 4 {
            self.data.get(1).copied().unwrap_or(0)
        } else {
            (be16(self.data, 0).unwrap_or(0) >> 4) as u8
        }
    }

    /// The header chain including the fixed header: how many there are.
    pub fn chain_len(&self) -> usize {
        1 + self.exts.len()
    }
}

fn header_addresses(data: &[u8]) -> (Ip, Ip) {
    match data.first().map(|b| b >> 4) {
        Some(4) => (
            Ip::from_slice(data.get(12..16).unwrap_or(&[])),
            Ip::from_slice(data.get(16..20).unwrap_or(&[])),
        ),
        _ => (
            Ip::from_slice(data.get(8..24).unwrap_or(&[])),
            Ip::from_slice(data.get(24..40).unwrap_or(&[])),
        ),
    }
}

/// How IP packets are judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct IpOptions {
    /// Take packets with a total length of zero (segmentation offloading) at their captured length.
    pub ignore_checksums: bool,
    /// Put together from fragments: what is odd belongs to the pair of addresses.
    pub reassembled: bool,
}

const SOURCE: &str = "IP";

/// Reads the headers of an IP packet that starts at `data`, `wire` bytes of which were on the wire.
///
/// Header checksums are not looked at here; see [`header_checksum_valid`].
pub fn decode<'a>(data: &'a [u8], wire: usize, options: IpOptions, weirds: &mut Weirds) -> Option<IpPacket<'a>> {
    weirds.flow = None;
    let Some(&first) = data.first() else {
        weirds.push("truncated_IP", SOURCE);
        return None;
    };
    if data.len() < 20 {
        weirds.push("truncated_IP", SOURCE);
        return None;
    }
    match first >> 4 {
        4 => decode_v4(data, wire, options, weirds),
        6 if data.len() < 40 => {
            weirds.push("truncated_IP", SOURCE);
            None
        }
        6 => decode_v6(data, wire, options, weirds),
        _ => {
            weirds.push("unknown_ip_version", SOURCE);
            None
        }
    }
}

/// The checks on lengths that both versions share; gives back whether the packet may go on.
fn lengths_ok(data: &[u8], wire: usize, total: usize, hdr: usize, min: usize, weirds: &mut Weirds) -> bool {
    let weird = if wire < total {
        "truncated_IP_len"
    } else if hdr > total {
        "invalid_IP_header_size"
    } else if hdr > data.len() {
        "internally_truncated_header"
    } else if hdr < min {
        if min == 20 {
            "IPv4_min_header_size"
        } else {
            "IPv6_min_header_size"
        }
    } else {
        return true;
    };
    weirds.push(weird, SOURCE);
    false
}

fn decode_v4<'a>(data: &'a [u8], wire: usize, options: IpOptions, weirds: &mut Weirds) -> Option<IpPacket<'a>> {
    let stated_len = usize::from(be16(data, 2)?);
    let mut total = stated_len;
    if total == 0 {
        weirds.push("ip_hdr_len_zero", SOURCE);
        if !options.ignore_checksums {
            return None;
        }
        total = data.len();
    }
    let hdr = usize::from(data[0] & 0xf) * 4;
    if !lengths_ok(data, wire, total, hdr, 20, weirds) {
        return None;
    }
    let (src, dst) = header_addresses(data);
    weirds.flow = Some((src, dst));
    let frag = be16(data, 6)?;
    Some(IpPacket {
        data: head(data, total),
        version: 4,
        hdr_len: hdr,
        total_len: total,
        stated_len,
        src,
        dst,
        proto: data[9],
        ttl: data[8],
        flow_label: 0,
        id: u32::from(be16(data, 4)?),
        dont_fragment: frag & 0x4000 != 0,
        more_fragments: frag & 0x2000 != 0,
        frag_offset: usize::from(frag & 0x1fff) * 8,
        exts: SmallVec::new(),
        reassembled: options.reassembled,
    })
}

fn decode_v6<'a>(data: &'a [u8], wire: usize, options: IpOptions, weirds: &mut Weirds) -> Option<IpPacket<'a>> {
    let total = 40 + usize::from(be16(data, 4)?);
    let cut = head(data, total);
    let (src, dst) = header_addresses(data);
    let mut p = IpPacket {
        data: cut,
        version: 6,
        hdr_len: 40,
        total_len: total,
        stated_len: total,
        src,
        dst,
        proto: data[6],
        ttl: data[7],
        flow_label: be32(data, 0)? & 0xf_ffff,
        id: 0,
        dont_fragment: false,
        more_fragments: false,
        frag_offset: 0,
        exts: SmallVec::new(),
        reassembled: options.reassembled,
    };
    if wire < total {
        weirds.push("truncated_IP_len", SOURCE);
        return None;
    }
    let mut noted: SmallVec<[(&'static str, String); 2]> = SmallVec::new();
    let known = options.reassembled.then_some((src, dst));
    // What lies behind the stated end still tells about the headers.
    let result = walk_chain(data, &mut p, &mut noted);
    // What the chain says belongs to the pair of the addresses in effect.
    weirds.flow = Some((p.src, p.dst));
    for (name, addl) in noted {
        weirds.push_addl(name, addl, "");
    }
    if let Err(wanted) = result {
        weirds.flow = known;
        lengths_ok(data, wire, total, wanted, 40, weirds);
        return None;
    }
    if p.hdr_len > total {
        weirds.flow = known;
        weirds.push("invalid_IP_header_size", SOURCE);
        return None;
    }
    Some(p)
}

/// Whether a number names a header of the chain rather than a protocol above IP.
fn is_extension(next: u8) -> bool {
    matches!(
        next,
        proto::HOPOPTS | proto::ROUTING | proto::DSTOPTS | proto::FRAGMENT | proto::AH | proto::MOBILITY | proto::ESP
    )
}

/// Walks the extension headers. An error tells how long the headers would have to be for the chain to fit.
fn walk_chain(
    data: &[u8],
    p: &mut IpPacket<'_>,
    noted: &mut SmallVec<[(&'static str, String); 2]>,
) -> Result<(), usize> {
    let mut at = 40;
    let mut next = p.proto;
    let mut routed = false;
    let mut home = false;
    while is_extension(next) {
        let Some(h) = data.get(at..at + 8) else {
            return Err(at + 8);
        };
        let len = match next {
            proto::FRAGMENT | proto::ESP => 8,
            proto::AH => (usize::from(h[1]) + 2) * 4,
            _ => (usize::from(h[1]) + 1) * 8,
        };
        let this = next;
        // An encrypted or mobility header ends the chain and counts as a header only as far as it is fixed.
        let Some(body) = data.get(at..at + len) else {
            return Err(at + len);
        };
        p.exts.push(ExtHeader {
            id: this,
            offset: at as u32,
            len: len as u32,
        });
        match this {
            proto::ESP => {
                p.hdr_len = at + 8;
                p.proto = proto::ESP;
                return Ok(());
            }
            proto::MOBILITY => {
                p.hdr_len = at + len;
                p.proto = proto::MOBILITY;
                return Ok(());
            }
            proto::FRAGMENT => {
                let v = be16(body, 2).unwrap_or(0);
                p.frag_offset = usize::from(v & 0xfff8);
                p.more_fragments = v & 1 != 0;
                p.id = be32(body, 4).unwrap_or(0);
                at += len;
                p.hdr_len = at;
                p.proto = body[0];
                return Ok(());
            }
            proto::ROUTING => {
                if routed {
                    noted.push(("multiple_routing_headers", String::new()));
                }
                routing(p, body, routed, noted);
                routed = true;
            }
            proto::DSTOPTS => home_address(p, body, &mut home, noted),
            _ => {}
        }
        next = body[0];
        at += len;
        p.hdr_len = at;
        p.proto = next;
    }
    p.hdr_len = at;
    p.proto = next;
    Ok(())
}

fn routing(p: &mut IpPacket<'_>, body: &[u8], again: bool, noted: &mut SmallVec<[(&'static str, String); 2]>) {
    let (hdr_ext_len, kind, segments_left) = (usize::from(body[1]), body[2], body[3]);
    let last = body
        .len()
        .checked_sub(16)
        .filter(|at| *at >= 8)
        .map(|at| Ip::from_slice(&body[at..]));
    match kind {
        0 => {
            if segments_left > 0 && hdr_ext_len >= 2 && !again {
                if hdr_ext_len % 2 == 0 {
                    if let Some(last) = last {
                        p.dst = last;
                    }
                } else {
                    noted.push(("odd_routing0_len", String::new()));
                }
            }
            noted.push(("routing0_hdr", String::new()));
        }
        2 => {
            if hdr_ext_len == 2 {
                if let (true, false, Some(last)) = (segments_left > 0, again, last) {
                    p.dst = last;
                }
            } else {
                noted.push(("bad_routing2_len", String::new()));
            }
        }
        other => noted.push(("unknown_routing_type", other.to_string())),
    }
}

fn home_address(p: &mut IpPacket<'_>, body: &[u8], seen: &mut bool, noted: &mut SmallVec<[(&'static str, String); 2]>) {
    let mut at = 2;
    while at < body.len() {
        let kind = body[at];
        if kind == 0 {
            at += 1;
            continue;
        }
        let Some(&len) = body.get(at + 1) else {
            noted.push(("bad_ipv6_dest_opt_len", String::new()));
            return;
        };
        let len = usize::from(len);
        let Some(value) = body.get(at + 2..at + 2 + len) else {
            noted.push(("bad_ipv6_dest_opt_len", String::new()));
            return;
        };
        if kind == 201 {
            if len != 16 {
                noted.push(("bad_home_addr_len", String::new()));
            } else if *seen {
                noted.push(("multiple_home_addr_opts", String::new()));
            } else {
                p.src = Ip::from_slice(value);
                *seen = true;
            }
        }
        at += 2 + len;
    }
}

/// Whether the header checksum of an IPv4 packet is right; IPv6 has none.
pub fn header_checksum_valid(p: &IpPacket<'_>) -> bool {
    p.version != 4 || Sum::default().add_bytes(head(p.data, p.hdr_len)).is_valid()
}
