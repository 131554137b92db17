//! Messages of ICMPv6 that have an inner structure: neighbour discovery (RFC 4861) and multicast listeners
//! (RFC 2710, 3810). What is wrong with them is told whether or not somebody asks for their content.

use tapir_packet::Ip;
use tapir_packet::bytes::{be16, be32, tail, u8_at};

/// An option of a neighbour discovery message.
#[derive(Clone, Copy, Debug)]
pub struct NdOption<'a> {
    pub kind: u8,
    /// In units of eight bytes.
    pub len: u8,
    /// What follows type and length.
    pub body: &'a [u8],
}

/// A record of an MLDv2 report.
#[derive(Clone, Debug)]
pub struct GroupRecord<'a> {
    pub kind: u8,
    pub aux_len: u8,
    pub n_sources: u16,
    pub group: Ip,
    pub sources: Vec<Ip>,
    pub aux: &'a [u8],
}

/// Where the options of a message start, counted from the ICMP header; `None` if it has none.
pub fn options_offset(kind: u8) -> Option<usize> {
    match kind {
        133 => Some(8),
        134 => Some(16),
        135 | 136 => Some(24),
        137 => Some(40),
        _ => None,
    }
}

/// The options from `offset` on, and the weird if they break off.
pub fn nd_options(message: &[u8], offset: usize) -> (Vec<NdOption<'_>>, Option<&'static str>) {
    let mut options = Vec::new();
    let mut rest = tail(message, offset);
    while !rest.is_empty() {
        let [kind, len, ..] = *rest else {
            return (options, Some("truncated_ICMPv6_ND_options"));
        };
        if len == 0 {
            return (options, Some("zero_length_ICMPv6_ND_option"));
        }
        let Some(body) = rest.get(2..usize::from(len) * 8) else {
            return (options, Some("truncated_ICMPv6_ND_options"));
        };
        options.push(NdOption { kind, len, body });
        rest = tail(rest, usize::from(len) * 8);
    }
    (options, None)
}

/// The group of an MLDv1 message.
pub fn mld1_group(message: &[u8]) -> Option<Ip> {
    message.get(8..24).map(Ip::from_slice)
}

/// The records of an MLDv2 report, and the weird if they break off.
pub fn mld2_records(message: &[u8]) -> (Vec<GroupRecord<'_>>, Option<&'static str>) {
    let Some(n) = be16(message, 6) else {
        return (Vec::new(), Some("truncated_ICMPv6_MLDv2"));
    };
    let mut records = Vec::new();
    let mut at = 8;
    for _ in 0..n {
        let record = (|| {
            let (kind, aux_len, n_sources) = (u8_at(message, at)?, u8_at(message, at + 1)?, be16(message, at + 2)?);
            let group = Ip::from_slice(message.get(at + 4..at + 20)?);
            let sources_end = at + 20 + usize::from(n_sources) * 16;
            let sources = message
                .get(at + 20..sources_end)?
                .chunks_exact(16)
                .map(Ip::from_slice)
                .collect();
            let aux_end = sources_end + usize::from(aux_len) * 4;
            let aux = message.get(sources_end..aux_end)?;
            Some((
                GroupRecord {
                    kind,
                    aux_len,
                    n_sources,
                    group,
                    sources,
                    aux,
                },
                aux_end,
            ))
        })();
        match record {
            Some((record, end)) => {
                records.push(record);
                at = end;
            }
            None => return (records, Some("truncated_ICMPv6_MLDv2_record")),
        }
    }
    (records, None)
}

/// What is wrong with a message: name, details, and whether it belongs to the connection.
pub(crate) fn oddities(message: &[u8], with_nd: bool) -> Vec<(&'static str, String, bool)> {
    let Some(&kind) = message.first() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    match kind {
        131 | 132 => {
            if message.len() < 24 {
                found.push(("truncated_ICMPv6_MLDv1", String::new(), true));
            }
        }
        143 => found.extend(mld2_records(message).1.map(|name| (name, String::new(), true))),
        _ if !with_nd => {}
        _ => {
            if let Some(offset) = options_offset(kind) {
                let name = match kind {
                    134 => "icmp6_ra_bad_opt_offset",
                    135 => "icmp6_ns_bad_opt_offset",
                    136 => "icmp6_na_bad_opt_offset",
                    _ => "icmp6_redirect_bad_opt_offset",
                };
                if message.len() < offset {
                    let addl = format!("{} (length {})", offset - 8, message.len().saturating_sub(8));
                    found.push((name, addl, false));
                } else {
                    found.extend(nd_options(message, offset).1.map(|name| (name, String::new(), true)));
                }
            }
        }
    }
    found
}

/// What an ICMP error of either version quotes: the packet that caused it.
#[derive(Clone, Debug)]
pub struct Quoted {
    pub src: Ip,
    pub dst: Ip,
    pub sport: u16,
    pub dport: u16,
    /// Zero if not even a header is there.
    pub proto: u8,
    pub len: u64,
    pub frag_offset: u64,
    pub bad_hdr_len: bool,
    pub bad_checksum: bool,
    pub more_fragments: bool,
    pub dont_fragment: bool,
}

/// Reads a quoted packet.
pub fn quoted(data: &[u8], v6: bool) -> Quoted {
    let none = if v6 { Ip::default() } else { Ip::v4([0; 4]) };
    let mut q = Quoted {
        src: none,
        dst: none,
        sport: 0,
        dport: 0,
        proto: 0,
        len: 0,
        frag_offset: 0,
        bad_hdr_len: true,
        bad_checksum: !v6,
        more_fragments: false,
        dont_fragment: false,
    };
    let mut unheard = tapir_packet::Weirds::default();
    let options = tapir_packet::ip::IpOptions::default();
    let right_version = data.first().is_some_and(|b| b >> 4 == if v6 { 6 } else { 4 });
    // Quotes are cut, so nothing is said about lengths on the wire.
    let Some(ip) = right_version
        .then(|| tapir_packet::ip::decode(data, usize::MAX, options, &mut unheard))
        .flatten()
    else {
        return q;
    };
    q.bad_hdr_len = false;
    q.bad_checksum = !v6 && !tapir_packet::ip::header_checksum_valid(&ip);
    (q.src, q.dst) = (ip.src, ip.dst);
    q.proto = ip.proto;
    q.len = ip.total_len as u64;
    q.frag_offset = ip.frag_offset as u64;
    q.more_fragments = ip.more_fragments;
    q.dont_fragment = ip.dont_fragment;
    match crate::icmp::quoted_ports(ip.proto, ip.payload()) {
        Some((sport, dport)) => (q.sport, q.dport) = (sport, dport),
        None => q.bad_hdr_len = true,
    }
    q
}

/// The first 32-bit number after the ICMP header's fixed first word, as used by errors.
pub fn second_word(message: &[u8]) -> u32 {
    be32(message, 4).unwrap_or(0)
}
