//! Link layers: from the first captured byte to an IP header, an ARP packet, or something unknown.
//!
//! One loop walks header after header; each step names the next layer by the identifier that stands in the header.
//! References: IEEE 802.1Q, 802.1ah, 802.11, 802.2; RFC 2516 (PPPoE), 3032 (MPLS), 1661 (PPP); LINKTYPE pages of
//! tcpdump.org for NULL, SLL, SLL2, NFLOG, PPI.

use smallvec::SmallVec;

use crate::bytes::{be16, be32, head, le16, le32, tail};
use crate::dispatch::{self, Dispatch, key};
use crate::types::Weirds;

/// A layer that packets pass through, with the name that events and weirds show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Layer {
    Root,
    Ethernet,
    Vlan,
    Vntag,
    Mpls,
    Pbb,
    Pppoe,
    Ppp,
    PppSerial,
    Llc,
    Snap,
    Novell8023,
    LinuxSll,
    LinuxSll2,
    Null,
    Nflog,
    Fddi,
    Ieee80211,
    Radiotap,
    Arp,
    Ip,
    IpTunnel,
    Gre,
    Icmp,
    Igmp,
    Tcp,
    Udp,
    Vxlan,
    Geneve,
    Ayiya,
    Teredo,
    Gtpv1,
    UnknownIpTransport,
    Skip,
}

impl Layer {
    /// All layers, in the order of their numbers.
    pub const ALL: &[Layer] = &[
        Layer::Root,
        Layer::Ethernet,
        Layer::Vlan,
        Layer::Vntag,
        Layer::Mpls,
        Layer::Pbb,
        Layer::Pppoe,
        Layer::Ppp,
        Layer::PppSerial,
        Layer::Llc,
        Layer::Snap,
        Layer::Novell8023,
        Layer::LinuxSll,
        Layer::LinuxSll2,
        Layer::Null,
        Layer::Nflog,
        Layer::Fddi,
        Layer::Ieee80211,
        Layer::Radiotap,
        Layer::Arp,
        Layer::Ip,
        Layer::IpTunnel,
        Layer::Gre,
        Layer::Icmp,
        Layer::Igmp,
        Layer::Tcp,
        Layer::Udp,
        Layer::Vxlan,
        Layer::Geneve,
        Layer::Ayiya,
        Layer::Teredo,
        Layer::Gtpv1,
        Layer::UnknownIpTransport,
        Layer::Skip,
    ];

    /// The layer with a canonical name.
    pub fn named(name: &str) -> Option<Layer> {
        Layer::ALL.iter().copied().find(|l| l.name() == name)
    }

    /// The canonical name.
    pub fn name(self) -> &'static str {
        match self {
            Layer::Root => "ROOT",
            Layer::Ethernet => "ETHERNET",
            Layer::Vlan => "VLAN",
            Layer::Vntag => "VNTAG",
            Layer::Mpls => "MPLS",
            Layer::Pbb => "PBB",
            Layer::Pppoe => "PPPOE",
            Layer::Ppp => "PPP",
            Layer::PppSerial => "PPPSERIAL",
            Layer::Llc => "LLC",
            Layer::Snap => "SNAP",
            Layer::Novell8023 => "NOVELL_802_3",
            Layer::LinuxSll => "LINUXSLL",
            Layer::LinuxSll2 => "LINUXSLL2",
            Layer::Null => "NULL",
            Layer::Nflog => "NFLOG",
            Layer::Fddi => "FDDI",
            Layer::Ieee80211 => "IEEE802_11",
            Layer::Radiotap => "IEEE802_11_RADIO",
            Layer::Arp => "ARP",
            Layer::Ip => "IP",
            Layer::IpTunnel => "IPTUNNEL",
            Layer::Gre => "GRE",
            Layer::Icmp => "ICMP",
            Layer::Igmp => "IGMP",
            Layer::Tcp => "TCP",
            Layer::Udp => "UDP",
            Layer::Vxlan => "VXLAN",
            Layer::Geneve => "GENEVE",
            Layer::Ayiya => "AYIYA",
            Layer::Teredo => "TEREDO",
            Layer::Gtpv1 => "GTPV1",
            Layer::UnknownIpTransport => "UNKNOWN_IP_TRANSPORT",
            Layer::Skip => "SKIP",
        }
    }
}

/// How deep layers may nest at most, whatever the option says.
const STACK_MAX: usize = 64;

/// The layers that a packet went through, outermost first.
#[derive(Clone, Copy, Debug)]
pub struct LayerStack {
    items: [Layer; STACK_MAX],
    len: usize,
    limit: usize,
}

impl LayerStack {
    /// An empty stack that holds at most `limit` layers (`PacketAnalyzer::max_depth`).
    pub fn new(limit: usize) -> Self {
        LayerStack {
            items: [Layer::Root; STACK_MAX],
            len: 0,
            limit: limit.min(STACK_MAX),
        }
    }

    /// Adds a layer; false when the limit is reached.
    #[inline]
    pub fn push(&mut self, layer: Layer) -> bool {
        if self.len >= self.limit {
            return false;
        }
        self.items[self.len] = layer;
        self.len += 1;
        true
    }

    /// Forgets all layers.
    #[inline]
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// The layers, outermost first.
    pub fn layers(&self) -> &[Layer] {
        &self.items[..self.len]
    }

    /// The innermost layer.
    pub fn top(&self) -> Layer {
        self.layers().last().copied().unwrap_or(Layer::Root)
    }
}

/// A VLAN tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VlanTag {
    pub id: u16,
    pub priority: u8,
    pub drop_eligible: bool,
}

/// What a packet carries above its link layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum L3 {
    #[default]
    Unknown,
    V4,
    V6,
    Arp,
}

/// What the link layer says about a packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkInfo {
    pub link_type: u32,
    pub src: Option<[u8; 6]>,
    pub dst: Option<[u8; 6]>,
    pub vlan: Option<VlanTag>,
    pub inner_vlan: Option<VlanTag>,
    pub eth_type: Option<u16>,
    pub l3: L3,
    /// The last PPPoE session number.
    pub pppoe_session: Option<u16>,
}

/// Where the walk through the link layers ended.
#[derive(Debug)]
pub enum Link<'a> {
    /// At an IP header; `wire` is how many bytes were on the wire from there on.
    Ip {
        data: &'a [u8],
        wire: usize,
    },
    Arp {
        data: &'a [u8],
    },
    /// `layer` has no child for the identifier.
    Unknown {
        layer: Layer,
        id: u32,
        data: &'a [u8],
    },
    /// Frames of a wireless aggregate, each with its Ethernet type.
    Aggregate(SmallVec<[(u16, &'a [u8]); 4]>),
    /// Nowhere: a weird tells why, or the packet is of no interest.
    Nothing,
}

/// The layer that a capture's link type starts with.
pub fn layer_of_link_type(link_type: u32) -> Layer {
    dispatch::standard().child(Layer::Root, link_type).unwrap_or(Layer::Ip)
}

fn mac(b: &[u8], at: usize) -> Option<[u8; 6]> {
    b.get(at..at + 6)?.try_into().ok()
}

/// Walks from `start` to the network layer.
///
/// `wire` is the length on the wire from `data` on; `info` and `stack` are filled on the way.
pub fn decode<'a>(
    start: Layer,
    data: &'a [u8],
    wire: usize,
    info: &mut LinkInfo,
    stack: &mut LayerStack,
    weirds: &mut Weirds,
) -> Link<'a> {
    decode_with(dispatch::standard(), start, data, wire, info, stack, weirds)
}

/// As [`decode`], with a table of layers of one's own.
pub fn decode_with<'a>(
    table: &Dispatch,
    start: Layer,
    data: &'a [u8],
    wire: usize,
    info: &mut LinkInfo,
    stack: &mut LayerStack,
    weirds: &mut Weirds,
) -> Link<'a> {
    let (mut layer, mut data, mut wire) = (start, data, wire);
    loop {
        if !stack.push(layer) {
            weirds.push("max_packet_analyzer_depth_exceeded", stack.top().name());
            return Link::Nothing;
        }
        let step = match layer {
            Layer::Ip => {
                info.l3 = match data.first().map(|b| b >> 4) {
                    Some(4) => L3::V4,
                    Some(6) => L3::V6,
                    _ => L3::Unknown,
                };
                return Link::Ip { data, wire };
            }
            Layer::Arp => {
                info.l3 = L3::Arp;
                return Link::Arp { data };
            }
            Layer::Ethernet => ethernet(data, info),
            Layer::Vlan => vlan(data, info, weirds),
            Layer::Vntag => fixed(data, 6, "truncated_vntag_header", |d| {
                be16(d, 4).map(|id| Some(u32::from(id)))
            }),
            Layer::Mpls => mpls(data),
            Layer::Pbb => fixed(data, 18, "truncated_PBB_header", |_| Some(None)).with_skip(4),
            Layer::Pppoe => pppoe(data, info, weirds),
            Layer::Ppp => ppp(data),
            Layer::PppSerial => fixed(data, 4, "truncated_ppp_serial_header", |d| {
                be16(d, 2).map(|id| Some(u32::from(id)))
            }),
            Layer::Llc => match data.get(2) {
                None => Step::Weird("truncated_llc_header"),
                Some(control) => {
                    let len = if control & 3 == 3 { 3 } else { 4 };
                    Step::next(u32::from(data[0]), len)
                }
            },
            Layer::Snap => snap(data),
            Layer::LinuxSll => sll(data, 16, "truncated_Linux_SLL_header", 6, 14, info),
            Layer::LinuxSll2 => sll(data, 20, "truncated_Linux_SLL2_header", 12, 0, info),
            Layer::Null => match le32(data, 0) {
                None => Step::Weird("null_analyzer_failed"),
                Some(family) => Step::next(family, 4),
            },
            Layer::Nflog => nflog(data, weirds),
            Layer::Fddi => {
                if data.len() <= 21 {
                    Step::Weird("FDDI_analyzer_failed")
                } else {
                    Step::by_default(21)
                }
            }
            Layer::Radiotap => match le16(data, 2) {
                Some(len) if data.len() > usize::from(len) && len >= 4 => Step::next(105, usize::from(len)),
                _ => Step::Weird("truncated_radiotap_header"),
            },
            Layer::Ieee80211 => match ieee80211(data, info, weirds) {
                Wireless::Step(s) => s,
                Wireless::Aggregate(frames) => return Link::Aggregate(frames),
            },
            Layer::Skip if table.skip_bytes > data.len() => Step::Weird("skip_bad_length"),
            Layer::Skip => Step::by_default(table.skip_bytes),
            // Scripts can put the tunnels that datagrams carry anywhere, but their state is that of a connection.
            Layer::Vxlan => Step::Weird("vxlan_missing_connection"),
            Layer::Geneve => Step::Weird("geneve_missing_connection"),
            Layer::Ayiya => Step::Weird("ayiya_missing_connection"),
            Layer::Teredo => Step::Weird("teredo_missing_connection"),
            Layer::Gtpv1 => Step::Weird("gtpv1_missing_connection"),
            _ => Step::NoChild,
        };
        match step {
            Step::Next { id, skip, cut } => {
                data = tail(data, skip);
                wire = wire.saturating_sub(skip);
                if let Some(cut) = cut {
                    data = head(data, cut);
                }
                let child = match id {
                    Some(id) => table.child(layer, id),
                    None => table.default_of(layer),
                };
                match (child, id) {
                    (Some(next), _) if !table.is_enabled(next) => return Link::Nothing,
                    (Some(next), _) => layer = next,
                    (None, Some(id)) => return Link::Unknown { layer, id, data },
                    (None, None) => {
                        weirds.push("no_suitable_analyzer_found", layer.name());
                        return Link::Nothing;
                    }
                }
            }
            Step::Weird(name) => {
                weirds.push(name, layer.name());
                return Link::Nothing;
            }
            Step::NoChild => {
                weirds.push("no_suitable_analyzer_found", layer.name());
                return Link::Nothing;
            }
            Step::Quiet => return Link::Nothing,
        }
    }
}

/// What a single link layer says.
enum Step {
    /// Go on after `skip` bytes, using at most `cut` bytes of what follows; without an identifier, with the default.
    Next {
        id: Option<u32>,
        skip: usize,
        cut: Option<usize>,
    },
    Weird(&'static str),
    NoChild,
    Quiet,
}

impl Step {
    fn with_skip(self, n: usize) -> Self {
        match self {
            Step::Next { id, cut, .. } => Step::Next { id, skip: n, cut },
            other => other,
        }
    }

    fn next(id: u32, skip: usize) -> Self {
        Step::Next {
            id: Some(id),
            skip,
            cut: None,
        }
    }

    fn by_default(skip: usize) -> Self {
        Step::Next {
            id: None,
            skip,
            cut: None,
        }
    }
}

/// A header of `n` bytes after which something must follow.
fn fixed(data: &[u8], n: usize, weird: &'static str, id: impl Fn(&[u8]) -> Option<Option<u32>>) -> Step {
    if data.len() <= n {
        return Step::Weird(weird);
    }
    match id(data) {
        Some(id) => Step::Next { id, skip: n, cut: None },
        None => Step::Weird(weird),
    }
}

fn ethernet(data: &[u8], info: &mut LinkInfo) -> Step {
    if data.len() <= 16 {
        return Step::Weird("truncated_ethernet_frame");
    }
    let mut skip = 0;
    let mut frame = data;
    // Cisco FabricPath puts a header of the same shape in front.
    if be16(frame, 12) == Some(0x8903) {
        skip = 16;
        if data.len() <= skip + 16 {
            return Step::Weird("truncated_link_header_cfp");
        }
        frame = tail(data, skip);
    }
    info.dst = mac(frame, 0);
    info.src = mac(frame, 6);
    let Some(t) = be16(frame, 12) else {
        return Step::Weird("truncated_ethernet_frame");
    };
    info.eth_type = Some(t);
    by_type_or_length(frame, t, 14, skip, "undefined_ether_type")
}

/// The number behind an Ethernet or VLAN header is a type or a length.
fn by_type_or_length(frame: &[u8], t: u16, header: usize, skip: usize, weird: &'static str) -> Step {
    if t >= 1536 {
        return Step::next(u32::from(t), skip + header);
    }
    if t > 1500 {
        return Step::Weird(weird);
    }
    let body = tail(frame, header);
    let id = match be16(body, 0) {
        Some(0xaaaa) => key::SNAP,
        Some(0xffff) => key::NOVELL,
        _ => key::LLC,
    };
    Step::Next {
        id: Some(id),
        skip: skip + header,
        cut: Some(usize::from(t)),
    }
}

fn vlan(data: &[u8], info: &mut LinkInfo, weirds: &mut Weirds) -> Step {
    if data.len() <= 4 {
        return Step::Weird("truncated_VLAN_header");
    }
    let (Some(tci), Some(t)) = (be16(data, 0), be16(data, 2)) else {
        return Step::Weird("truncated_VLAN_header");
    };
    let tag = VlanTag {
        id: tci & 0xfff,
        priority: (tci >> 13) as u8,
        drop_eligible: tci & 0x1000 != 0,
    };
    if info.vlan.is_none() {
        info.vlan = Some(tag);
    } else {
        if info.inner_vlan.is_some() {
            weirds.push_addl(
                "triple_tagged_vlan_unsupported",
                "inner VLAN tag overwritten",
                Layer::Vlan.name(),
            );
        }
        info.inner_vlan = Some(tag);
    }
    info.eth_type = Some(t);
    by_type_or_length(data, t, 4, 0, "undefined_vlan_protocol")
}

fn mpls(data: &[u8]) -> Step {
    let mut at = 0;
    loop {
        match data.get(at..at + 4) {
            None => return Step::Weird("truncated_link_header"),
            Some(label) => {
                at += 4;
                if label[2] & 1 != 0 {
                    return Step::by_default(at);
                }
            }
        }
    }
}

fn ppp(data: &[u8]) -> Step {
    let skip = match data {
        [0xff, 0x03, ..] => 2,
        [] | [_] => return Step::Weird("truncated_ppp_header"),
        _ => 0,
    };
    match be16(data, skip) {
        None => Step::Weird("truncated_ppp_hdlc_header"),
        Some(id) => Step::next(u32::from(id), skip + 2),
    }
}

fn pppoe(data: &[u8], info: &mut LinkInfo, weirds: &mut Weirds) -> Step {
    if data.len() <= 8 {
        return Step::Weird("truncated_pppoe_header");
    }
    let (Some(session), Some(len), Some(id)) = (be16(data, 2), be16(data, 4), be16(data, 6)) else {
        return Step::Weird("truncated_pppoe_header");
    };
    info.pppoe_session = Some(session);
    let len = usize::from(len);
    let there = data.len() - 6;
    if len < there {
        weirds.push("pppoe_extra_data_after_payload", Layer::Pppoe.name());
    } else if len > there {
        weirds.push("pppoe_truncated_payload", Layer::Pppoe.name());
    }
    Step::Next {
        id: Some(u32::from(id)),
        skip: 8,
        cut: Some(len.saturating_sub(2)),
    }
}

fn snap(data: &[u8]) -> Step {
    let Some(control) = data.get(2) else {
        return Step::Weird("truncated_snap_llc_header");
    };
    let llc = if control & 3 == 3 { 3 } else { 4 };
    let (Some(&o), Some(low), Some(t)) = (data.get(llc), be16(data, llc + 1), be16(data, llc + 3)) else {
        return Step::Weird("truncated_snap_header");
    };
    let oui = u32::from(o) << 16 | u32::from(low);
    let id = oui << 16 | u32::from(t);
    Step::next(id, llc + 5)
}

fn sll(data: &[u8], n: usize, weird: &'static str, mac_at: usize, type_at: usize, info: &mut LinkInfo) -> Step {
    if data.len() < n {
        return Step::Weird(weird);
    }
    let Some(t) = be16(data, type_at) else {
        return Step::Weird(weird);
    };
    info.src = mac(data, mac_at);
    info.dst = Some([0; 6]);
    info.eth_type = Some(t);
    Step::next(u32::from(t), n)
}

fn nflog(data: &[u8], weirds: &mut Weirds) -> Step {
    if data.len() < 4 {
        return Step::Weird("truncated_nflog_header");
    }
    if data[1] != 0 {
        return Step::Weird("unknown_nflog_version");
    }
    let family = data[0];
    let mut at = 4;
    loop {
        let (Some(len), Some(kind)) = (le16(data, at), le16(data, at + 2)) else {
            return Step::Weird("nflog_no_pcap_payload");
        };
        let (len, left) = (usize::from(len), data.len() - at);
        if kind == 9 {
            return Step::next(u32::from(family), at + 4);
        }
        let padded = len.next_multiple_of(4);
        // Below four a record would not even hold its own header, and the walk would not advance.
        if len < 4 || padded > left {
            weirds.push_addl("nflog_bad_tlv_len", format!("({padded} > {left})"), Layer::Nflog.name());
            return Step::Quiet;
        }
        at += padded;
    }
}

enum Wireless<'a> {
    Step(Step),
    Aggregate(SmallVec<[(u16, &'a [u8]); 4]>),
}

const LLC_SNAP: [u8; 6] = [0xaa, 0xaa, 0x03, 0, 0, 0];

fn ieee80211<'a>(data: &'a [u8], info: &mut LinkInfo, weirds: &mut Weirds) -> Wireless<'a> {
    let quiet = Wireless::Step(Step::Quiet);
    let weird = |w| Wireless::Step(Step::Weird(w));
    let [fc0, fc1, ..] = *data else {
        return weird("truncated_802_11_header");
    };
    if fc0 >> 2 & 3 != 2 {
        return quiet;
    }
    let subtype = fc0 >> 4;
    if subtype & 4 != 0 {
        // No data in these.
        return quiet;
    }
    let qos = subtype & 8 != 0;
    let mut len = 24;
    if fc1 & 3 == 3 {
        len += 6;
    }
    if qos {
        if fc1 & 0x40 != 0 {
            return quiet;
        }
        len += 2;
    }
    if data.len() <= len {
        return weird("truncated_802_11_header");
    }
    let (dst_at, src_at) = match fc1 & 3 {
        0 => (4, 10),
        1 => (16, 10),
        2 => (4, 16),
        _ => (16, 24),
    };
    info.dst = mac(data, dst_at);
    info.src = mac(data, src_at);
    if qos && data[len - 2] & 0x80 != 0 {
        return aggregate(tail(data, len), weirds);
    }
    let Some(llc) = data.get(len..len + 8) else {
        return weird("truncated_802_11_llc_header");
    };
    if llc[..6] != LLC_SNAP {
        return quiet;
    }
    let t = u16::from_be_bytes([llc[6], llc[7]]);
    info.eth_type = Some(t);
    Wireless::Step(Step::next(u32::from(t), len + 8))
}

/// The frames of an A-MSDU; each is padded to four bytes.
fn aggregate<'a>(mut data: &'a [u8], weirds: &mut Weirds) -> Wireless<'a> {
    let mut frames = SmallVec::new();
    while !data.is_empty() {
        let Some(len) = be16(data, 12) else {
            weirds.push("truncated_802_11_amsdu_header", Layer::Ieee80211.name());
            break;
        };
        let len = usize::from(len);
        let Some(body) = data.get(14..14 + len) else {
            weirds.push("truncated_802_11_amsdu_packet", Layer::Ieee80211.name());
            break;
        };
        match body.get(..8) {
            Some(llc) if llc[..6] == LLC_SNAP => {
                frames.push((u16::from_be_bytes([llc[6], llc[7]]), &body[8..]));
            }
            _ => weirds.push("invalid_802_11_amsdu_inner_packet", Layer::Ieee80211.name()),
        }
        data = tail(data, (14 + len).next_multiple_of(4));
    }
    Wireless::Aggregate(frames)
}

/// The label at the top of an MPLS stack, for filters.
pub fn mpls_label(data: &[u8]) -> Option<u32> {
    be32(data, 0).map(|v| v >> 12)
}
