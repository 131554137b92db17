//! ARP (RFC 826): requests, replies, and what is wrong with them.

use crate::bytes::{be16, head, tail};
use crate::types::Ip;

/// A well-formed request or reply over Ethernet and IPv4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArpPacket {
    pub is_request: bool,
    /// Addresses of the frame.
    pub mac_src: [u8; 6],
    pub mac_dst: [u8; 6],
    pub sender_ip: Ip,
    pub sender_mac: [u8; 6],
    pub target_ip: Ip,
    pub target_mac: [u8; 6],
}

/// What came of an ARP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArpOutcome {
    Ok(ArpPacket),
    /// The captured bytes end within the packet (weird `truncated_ARP`).
    Truncated,
    /// Something that must not be: the addresses as far as they make sense, and an explanation.
    Bad {
        packet: ArpPacket,
        explanation: String,
    },
    /// Reverse ARP and others that raise nothing.
    Ignored,
}

/// Reads an ARP packet; the frame's addresses come from the link layer.
pub fn decode(data: &[u8], mac_src: Option<[u8; 6]>, mac_dst: Option<[u8; 6]>) -> ArpOutcome {
    let (Some(hrd), Some(pro), Some(op)) = (be16(data, 0), be16(data, 2), be16(data, 6)) else {
        return ArpOutcome::Truncated;
    };
    let (hln, pln) = (usize::from(data[4]), usize::from(data[5]));
    if data.len() < 8 + 2 * hln + 2 * pln {
        return ArpOutcome::Truncated;
    }
    let sha = &data[8..8 + hln];
    let spa = &data[8 + hln..8 + hln + pln];
    let tha = &tail(data, 8 + hln + pln)[..hln];
    let tpa = &tail(data, 8 + 2 * hln + pln)[..pln];
    let mac = |b: &[u8]| {
        let mut m = [0; 6];
        let b = head(b, 6);
        m[..b.len()].copy_from_slice(b);
        m
    };
    let ip = |b: &[u8]| match *b {
        [a, b, c, d, ..] => Ip::v4([a, b, c, d]),
        _ => Ip::v4([0; 4]),
    };
    let mut packet = ArpPacket {
        is_request: op == 1,
        mac_src: mac_src.unwrap_or_default(),
        mac_dst: mac_dst.unwrap_or_default(),
        sender_ip: ip(spa),
        sender_mac: mac(sha),
        target_ip: ip(tpa),
        target_mac: mac(tha),
    };
    let explanation = match hrd {
        1 if hln != 6 => Some(format!("corrupt-arp-header (hrd={hrd}, hln={hln})")),
        1 => None,
        _ => Some(format!("unknown-arp-hw-address (hrd={hrd})")),
    };
    let explanation = explanation.or_else(|| match pro {
        0x0800 if pln != 4 => Some(format!("corrupt-arp-header (pro={pro}, pln={pln})")),
        0x0800 => None,
        _ => Some(format!("unknown-arp-proto-address (pro={pro})")),
    });
    if let Some(explanation) = explanation {
        return ArpOutcome::Bad { packet, explanation };
    }
    match op {
        1 | 2 => {
            if mac_src.is_some_and(|m| m != packet.sender_mac) {
                return ArpOutcome::Bad {
                    packet,
                    explanation: "weird-arp-sha".to_owned(),
                };
            }
            packet.is_request = op == 1;
            ArpOutcome::Ok(packet)
        }
        3 | 4 | 8 | 9 => ArpOutcome::Bad {
            packet,
            explanation: format!("unimplemented-arp-opcode ({op})"),
        },
        _ => ArpOutcome::Bad {
            packet,
            explanation: format!("invalid-arp-opcode (opcode={op})"),
        },
    }
}
