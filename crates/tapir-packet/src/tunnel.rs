//! Headers of tunnels: GRE (RFC 2784, 2890, 2637, ERSPAN), VXLAN (RFC 7348), GENEVE (RFC 8926), AYIYA, Teredo
//! (RFC 4380, 6081) and GTPv1-U/C (3GPP TS 29.060, 29.281). Each function reads one header and says what is inside.

use crate::bytes::{be16, be32, tail, u8_at};
use crate::link::Layer;
use crate::types::Ip;

/// What a GRE packet carries.
#[derive(Debug)]
pub struct Gre<'a> {
    pub version: u8,
    /// The layer of the inner packet.
    pub inner: Layer,
    pub data: &'a [u8],
    /// Bytes before the inner packet.
    pub skipped: usize,
}

/// Why a GRE packet is not followed: a weird with details.
pub type GreWeird = (&'static str, String);

/// Reads a GRE header with the further headers of ERSPAN and PPTP.
///
/// # Errors
///
/// The weird to raise.
pub fn gre(data: &[u8]) -> Result<Gre<'_>, GreWeird> {
    let weird = |name| (name, String::new());
    let (Some(flags), Some(kind)) = (be16(data, 0), be16(data, 2)) else {
        return Err(weird("truncated_GRE"));
    };
    let version = (flags & 7) as u8;
    if version > 1 {
        return Err(("unknown_gre_version", format!("version={version}")));
    }
    let mut skip = 4;
    if flags & 0x8000 != 0 {
        skip += 4;
    }
    if flags & 0x2000 != 0 {
        skip += 4;
    }
    if flags & 0x1000 != 0 {
        skip += 4;
    }
    if version == 1 && flags & 0x0080 != 0 {
        skip += 4;
    }
    let mut inner = Layer::Ip;
    if version == 0 {
        match kind {
            0x6558 => {
                inner = Layer::Ethernet;
                if data.len() < skip + 14 {
                    return Err(weird("truncated_GRE"));
                }
            }
            0x88be => {
                inner = Layer::Ethernet;
                if flags & 0x1000 != 0 {
                    skip += 8;
                }
                if data.len() < skip + 14 {
                    return Err(weird("truncated_GRE"));
                }
            }
            0x22eb => {
                inner = Layer::Ethernet;
                let Some(last) = u8_at(data, skip + 11) else {
                    return Err(weird("truncated_GRE"));
                };
                skip += 12;
                if last & 1 != 0 {
                    skip += 8;
                }
                if data.len() < skip + 14 {
                    return Err(weird("truncated_GRE"));
                }
            }
            0x8200..=0x8370 | 0x9000 if kind == 0x9000 || kind & 0xf == 0 => inner = Layer::Ieee80211,
            _ => {}
        }
    } else if kind != 0x880b {
        return Err(("egre_protocol_type", format!("proto={kind}")));
    }
    if flags & 0x4000 != 0 {
        return Err(weird("gre_routing"));
    }
    if flags & 0x0078 != 0 {
        return Err(weird("unknown_gre_flags"));
    }
    if version == 1 {
        let Some(&first) = data.get(skip) else {
            return Err(weird("truncated_GRE"));
        };
        // PPP with or without address and control, with a protocol of one or two bytes.
        let at = if first == 0xff && data.get(skip + 1) == Some(&3) {
            skip + 2
        } else {
            skip
        };
        let (proto, n) = match u8_at(data, at) {
            Some(p) if p & 1 != 0 => (u16::from(p), 1),
            _ => match be16(data, at) {
                Some(p) => (p, 2),
                None => return Err(weird("truncated_GRE")),
            },
        };
        if proto != 0x0021 && proto != 0x0057 {
            return Err(weird("non_ip_packet_in_encap"));
        }
        skip = at + n;
    }
    if data.len() <= skip {
        return Err(weird("truncated_GRE"));
    }
    Ok(Gre {
        version,
        inner,
        data: tail(data, skip),
        skipped: skip,
    })
}

/// Tunnels over UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum UdpTunnel {
    Vxlan = 0,
    Geneve = 1,
    Ayiya = 2,
    Teredo = 3,
    Gtpv1 = 4,
    Gre = 5,
}

impl UdpTunnel {
    /// The tunnel that a layer is.
    pub fn of_layer(layer: Layer) -> Option<Self> {
        Some(match layer {
            Layer::Vxlan => UdpTunnel::Vxlan,
            Layer::Geneve => UdpTunnel::Geneve,
            Layer::Ayiya => UdpTunnel::Ayiya,
            Layer::Teredo => UdpTunnel::Teredo,
            Layer::Gtpv1 => UdpTunnel::Gtpv1,
            Layer::Gre => UdpTunnel::Gre,
            _ => return None,
        })
    }

    /// The layer of this tunnel.
    pub fn layer(self) -> Layer {
        match self {
            UdpTunnel::Vxlan => Layer::Vxlan,
            UdpTunnel::Geneve => Layer::Geneve,
            UdpTunnel::Ayiya => Layer::Ayiya,
            UdpTunnel::Teredo => Layer::Teredo,
            UdpTunnel::Gtpv1 => Layer::Gtpv1,
            UdpTunnel::Gre => Layer::Gre,
        }
    }
}

/// A VXLAN header.
#[derive(Debug)]
pub struct Vxlan<'a> {
    pub vni: u32,
    pub inner: &'a [u8],
}

/// Reads a VXLAN header.
///
/// # Errors
///
/// The reason of the analyzer violation.
pub fn vxlan(data: &[u8]) -> Result<Vxlan<'_>, &'static str> {
    let (Some(flags), Some(vni)) = (u8_at(data, 0), be32(data, 4)) else {
        return Err("VXLAN header truncation");
    };
    if flags & 0x08 == 0 {
        return Err("VXLAN 'I' flag not set");
    }
    Ok(Vxlan {
        vni: vni >> 8,
        inner: tail(data, 8),
    })
}

/// A GENEVE header.
#[derive(Debug)]
pub struct Geneve<'a> {
    pub vni: u32,
    pub proto: u16,
    pub options: &'a [u8],
    pub inner: &'a [u8],
}

/// What may be wrong with a GENEVE header.
#[derive(Debug, PartialEq, Eq)]
pub enum GeneveError {
    Violation(&'static str),
    BadVersion(u8),
}

/// Reads a GENEVE header.
///
/// # Errors
///
/// What is wrong with it.
pub fn geneve(data: &[u8]) -> Result<Geneve<'_>, GeneveError> {
    let (Some(first), Some(proto), Some(vni)) = (u8_at(data, 0), be16(data, 2), be32(data, 4)) else {
        return Err(GeneveError::Violation("GENEVE header truncation"));
    };
    if first >> 6 != 0 {
        return Err(GeneveError::BadVersion(first >> 6));
    }
    let len = 8 + usize::from(first & 0x3f) * 4;
    let Some(options) = data.get(8..len) else {
        return Err(GeneveError::Violation("GENEVE option header truncation"));
    };
    Ok(Geneve {
        vni: vni >> 8,
        proto,
        options,
        inner: tail(data, len),
    })
}

/// An option of a GENEVE header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneveOption<'a> {
    pub class: u16,
    pub critical: bool,
    pub kind: u8,
    pub data: &'a [u8],
}

/// The options of a GENEVE header; those behind a broken one are not reached.
pub fn geneve_options(mut data: &[u8]) -> impl Iterator<Item = GeneveOption<'_>> {
    std::iter::from_fn(move || {
        let (class, kind, len) = (be16(data, 0)?, u8_at(data, 2)?, u8_at(data, 3)?);
        let end = 4 + usize::from(len & 0x1f) * 4;
        let value = data.get(4..end)?;
        data = &data[end..];
        Some(GeneveOption {
            class,
            critical: kind & 0x80 != 0,
            kind: kind & 0x7f,
            data: value,
        })
    })
}

/// Reads an AYIYA header; gives the next header and the inner packet.
///
/// # Errors
///
/// The reason of the analyzer violation.
pub fn ayiya(data: &[u8]) -> Result<Option<(u8, &[u8])>, &'static str> {
    let [b0, b1, b2, next, ..] = *data else {
        return Err("AYIYA header truncated");
    };
    let identity_len = 1usize << (b0 >> 4);
    let signature_len = usize::from(b1 >> 4) * 4;
    let opcode = b2 & 0x0f;
    let len = 8 + identity_len + signature_len;
    if data.len() < len {
        return Err("AYIYA header truncated");
    }
    if opcode != 1 {
        return Ok(None);
    }
    if next != 4 && next != 41 {
        return Err("AYIYA payload protocol");
    }
    Ok(Some((next, tail(data, len))))
}

/// Whether a packet on a port of its own looks like AYIYA.
pub fn detect_ayiya(data: &[u8]) -> bool {
    data.len() >= 8 && data[1] == 0x52 && data[2] == 0x11
}

/// The parts of a Teredo packet before the IPv6 header.
#[derive(Clone, Debug, Default)]
pub struct Teredo<'a> {
    /// Client identifier, authentication value, nonce, confirmation.
    pub auth: Option<(&'a [u8], &'a [u8], u64, u8)>,
    /// Port and address of the origin.
    pub origin: Option<(u16, Ip)>,
    pub inner: &'a [u8],
}

/// What is wrong with a Teredo header: a weird.
pub fn teredo(mut data: &[u8]) -> Result<Teredo<'_>, &'static str> {
    let mut t = Teredo::default();
    if be16(data, 0) == Some(1) {
        let (Some(id_len), Some(value_len)) = (u8_at(data, 2), u8_at(data, 3)) else {
            return Err("truncated_Teredo_authentication");
        };
        let (id_len, value_len) = (usize::from(id_len), usize::from(value_len));
        let total = 4 + id_len + value_len + 8 + 1;
        let Some(h) = data.get(..total) else {
            return Err("truncated_Teredo_authentication");
        };
        let at = 4 + id_len + value_len;
        let nonce = u64::from(be32(h, at).unwrap_or(0)) << 32 | u64::from(be32(h, at + 4).unwrap_or(0));
        t.auth = Some((&h[4..4 + id_len], &h[4 + id_len..at], nonce, h[at + 8]));
        data = tail(data, total);
    }
    if be16(data, 0) == Some(0) {
        let Some(h) = data.get(..8) else {
            return Err("truncated_Teredo_origin_indication");
        };
        let port = u16::from_be_bytes([h[2], h[3]]) ^ 0xffff;
        t.origin = Some((port, Ip::v4([!h[4], !h[5], !h[6], !h[7]])));
        data = tail(data, 8);
    }
    match data {
        [] | [_] => Err("truncated_Teredo"),
        [first, ..] if first >> 4 != 6 => Err(""),
        _ if data.len() < 40 => Err("truncated_IPv6_in_Teredo"),
        _ => {
            t.inner = data;
            Ok(t)
        }
    }
}

/// Whether a packet on a port of its own looks like Teredo.
pub fn detect_teredo(data: &[u8]) -> bool {
    if data.len() < 40 {
        return false;
    }
    if data[0] >> 4 == 6 {
        return data[8..12] == [0x20, 1, 0, 0] || data[24..28] == [0x20, 1, 0, 0];
    }
    let after_auth = if data[0] == 0 && data[1] == 1 {
        let total = 4 + usize::from(data[2]) + usize::from(data[3]) + 9;
        match data.get(total..) {
            Some(rest) if rest.len() >= 40 => rest,
            _ => return false,
        }
    } else {
        data
    };
    let v6 = match after_auth {
        [0, 0, rest @ ..] if rest.len() >= 46 => &rest[6..],
        other if other.len() < data.len() => other,
        _ => return false,
    };
    v6.len() >= 40 && v6[0] >> 4 == 6
}

/// A GTP version 1 header.
#[derive(Clone, Debug)]
pub struct Gtp<'a> {
    pub version: u8,
    pub pt_flag: bool,
    pub reserved: bool,
    pub e_flag: bool,
    pub s_flag: bool,
    pub pn_flag: bool,
    pub msg_type: u8,
    pub length: u16,
    pub teid: u32,
    pub seq: Option<u16>,
    pub n_pdu: Option<u8>,
    pub next_type: Option<u8>,
    /// What follows the header and its extensions.
    pub body: &'a [u8],
}

/// Reads a GTPv1 header.
///
/// # Errors
///
/// The reason of the analyzer violation; empty when the packet is silently of another kind.
pub fn gtp(data: &[u8]) -> Result<Gtp<'_>, &'static str> {
    let [flags, msg_type, ..] = *data else {
        return Err("Truncated GTPv1");
    };
    let (Some(length), Some(teid)) = (be16(data, 2), be32(data, 4)) else {
        return Err("Truncated GTPv1");
    };
    let mut g = Gtp {
        version: flags >> 5,
        pt_flag: flags & 0x10 != 0,
        reserved: flags & 0x08 != 0,
        e_flag: flags & 0x04 != 0,
        s_flag: flags & 0x02 != 0,
        pn_flag: flags & 0x01 != 0,
        msg_type,
        length,
        teid,
        seq: None,
        n_pdu: None,
        next_type: None,
        body: &[],
    };
    if g.version != 1 {
        return Err("GTPv1 bad Version");
    }
    if !g.pt_flag {
        return Err("");
    }
    let mut at = 8;
    if g.e_flag || g.s_flag || g.pn_flag {
        let Some(opt) = data.get(8..12) else {
            return Err("Truncated GTPv1");
        };
        at = 12;
        if g.s_flag {
            g.seq = Some(u16::from_be_bytes([opt[0], opt[1]]));
        }
        if g.pn_flag {
            g.n_pdu = Some(opt[2]);
        }
        if g.e_flag {
            g.next_type = Some(opt[3]);
            let mut next = opt[3];
            while next != 0 {
                let Some(len) = u8_at(data, at).filter(|l| *l > 0) else {
                    return Err("Truncated GTPv1");
                };
                let end = at + usize::from(len) * 4;
                let Some(n) = u8_at(data, end - 1) else {
                    return Err("Truncated GTPv1");
                };
                next = n;
                at = end;
            }
        }
    }
    g.body = tail(data, at);
    Ok(g)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_teredo_header_is_named_by_where_it_ends() {
        let mut whole = vec![0, 1, 1, 1, b'i', b'v', 0, 0, 0, 0, 0, 0, 0, 1, 0];
        whole.extend([0, 0, 0x12, 0x34, 1, 2, 3, 4]);
        whole.push(0x60);
        whole.extend([0; 39]);
        assert!(teredo(&whole).is_ok());
        for n in 0..whole.len() {
            let expected = match n {
                0 | 1 | 15 | 16 | 23 | 24 => "truncated_Teredo",
                2..15 => "truncated_Teredo_authentication",
                17..23 => "truncated_Teredo_origin_indication",
                _ => "truncated_IPv6_in_Teredo",
            };
            assert_eq!(teredo(&whole[..n]).unwrap_err(), expected, "{n} bytes");
        }
        whole[23] = 0x40;
        assert_eq!(teredo(&whole).unwrap_err(), "");
    }
}
