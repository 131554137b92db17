//! A connection: what both endpoints did, counted and remembered. The layers above keep theirs in the extension.

use std::rc::Rc;

use smallvec::SmallVec;
use tapir_packet::Ip;
use tapir_packet::link::VlanTag;
use tapir_packet::tunnel::UdpTunnel;

use crate::key::ConnTuple;
use crate::reassembly::Reassembler;
use crate::thresholds::Thresholds;
use crate::uid::Uid;

/// Names a connection in its table; stays unique after the connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// The transport of a connection; the number is that of port types in scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Transport {
    Unknown = 0,
    Tcp = 1,
    Udp = 2,
    Icmp = 3,
}

/// States of a TCP endpoint with the numbers that scripts see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum TcpState {
    #[default]
    Inactive = 0,
    SynSent = 1,
    SynAckSent = 2,
    Partial = 3,
    Established = 4,
    Closed = 5,
    Reset = 6,
}

impl TcpState {
    pub(crate) fn is_handshake(self) -> bool {
        matches!(self, TcpState::Inactive | TcpState::SynSent | TcpState::SynAckSent)
    }
}

/// Kinds of tunnels as `Tunnel::Type` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TunnelKind {
    None,
    Ip,
    Ayiya,
    Teredo,
    Socks,
    Gtpv1,
    Http,
    Gre,
    Vxlan,
    Geneve,
}

/// One encapsulation that a packet came in.
#[derive(Clone, Copy, Debug)]
pub struct EncapEntry {
    /// Originator and responder of the tunnel.
    pub src: Ip,
    pub dst: Ip,
    pub sport: u16,
    pub dport: u16,
    pub transport: Transport,
    /// The IP protocol number of what carries the tunnel.
    pub ip_proto: u8,
    pub kind: TunnelKind,
    pub uid: Uid,
}

impl EncapEntry {
    /// Whether two entries mean the same tunnel; direction does not matter where packets of a pair share it.
    pub fn same(&self, o: &EncapEntry) -> bool {
        if self.kind != o.kind {
            return false;
        }
        let straight = (self.src, self.sport, self.dst, self.dport) == (o.src, o.sport, o.dst, o.dport);
        let crossed = (self.src, self.sport, self.dst, self.dport) == (o.dst, o.dport, o.src, o.sport);
        let either_way = matches!(self.kind, TunnelKind::Ip | TunnelKind::Gre | TunnelKind::Vxlan);
        self.uid == o.uid && (straight || (either_way && crossed))
    }
}

/// One side of a connection.
#[derive(Debug, Default)]
pub struct Endpoint {
    pub addr: Ip,
    /// TCP and UDP: the port; ICMP: type or code.
    pub port: u16,
    /// The link-layer address, if its first packet had one.
    pub l2: Option<[u8; 6]>,
    pub flow_label: u32,
    /// Valid packets and the sum of their IP lengths.
    pub pkts: u64,
    pub ip_bytes: u64,
    /// UDP and ICMP: payload bytes. For TCP see [`Endpoint::size`].
    pub(crate) payload_bytes: u64,
    /// UDP, ICMP: has sent something.
    pub active: bool,

    pub state: TcpState,
    pub prev_state: TcpState,
    pub(crate) start_seq: u32,
    pub(crate) last_seq: u32,
    pub(crate) ack_seq: u32,
    pub(crate) last_wraps: u32,
    pub(crate) ack_wraps: u32,
    /// Received and sent window scales are only in force when both sides gave one.
    pub(crate) window_scale: Option<u8>,
    pub(crate) window: u32,
    pub(crate) window_seq: u32,
    pub(crate) window_ack: u32,
    /// FIN was seen; see [`Rare::fin_seq`].
    pub fin_seen: bool,
    /// Closing was carried out.
    pub(crate) closed: bool,
    /// Closing waits for data.
    pub(crate) close_wanted: Option<bool>,
    /// Data sent after the SYN.
    pub(crate) last_packet_time: f64,
    /// Once-only letters of the history, and what the repeatable ones last stood for.
    pub(crate) letters: u16,
    pub(crate) rare: Option<Box<Rare>>,
    /// Somebody has seen a gap in this side's data.
    pub had_gap: bool,
    pub(crate) reassembler: Option<Box<Reassembler>>,
}

/// Numbers that an endpoint without trouble does not have until it closes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rare {
    /// Where the FIN stands.
    pub fin_seq: u64,
    pub fin_count: u16,
    pub rst_count: u16,
    pub last_syn: u32,
    pub last_fin: u32,
    pub last_rst: u32,
    pub checksum_errors: u32,
    pub retransmissions: u32,
    pub zero_windows: u32,
    pub gaps: u32,
    pub segments: SegmentStats,
}

/// What was counted of an endpoint's segments where somebody wants to know ([`crate::Wants::segment_stats`]). Only segments
/// count that take up sequence numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentStats {
    /// They bring nothing beyond what was sent before, and so many bytes.
    pub retransmitted: u32,
    pub retransmitted_bytes: u64,
    /// They begin where the one before ended.
    pub in_order: u32,
    /// They begin elsewhere and bring something new.
    pub out_of_order: u32,
    /// The segment before once more, a part of those that are retransmitted.
    pub replicated: u32,
    /// The first sequence number and the length of the segment before.
    pub(crate) before: Option<(u32, u32)>,
}

impl Endpoint {
    /// Whether something was noted with a bit of [`letter`].
    pub(crate) fn once(&self, bit: u16) -> bool {
        self.letters & bit != 0
    }

    /// The rare numbers as they are.
    pub(crate) fn rare(&self) -> Rare {
        self.rare.as_deref().copied().unwrap_or_default()
    }

    /// What was counted of segments.
    pub fn segments(&self) -> SegmentStats {
        self.rare().segments
    }

    /// The rare numbers to change one.
    pub(crate) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The highest sequence number sent, relative to the first.
    pub fn last_rel(&self) -> u64 {
        ((u64::from(self.last_wraps) << 32) + u64::from(self.last_seq)).wrapping_sub(u64::from(self.start_seq))
    }

    /// The highest acknowledgement of this side's data, relative to its first sequence number.
    pub fn ack_rel(&self) -> u64 {
        ((u64::from(self.ack_wraps) << 32) + u64::from(self.ack_seq)).wrapping_sub(u64::from(self.start_seq))
    }
}

/// A connection with the extension `X` of the layers above.
#[derive(Debug)]
pub struct Conn<X> {
    pub id: ConnId,
    pub orig: Endpoint,
    pub resp: Endpoint,
    pub transport: Transport,
    /// The IP protocol number.
    pub ip_proto: u8,
    pub start_time: f64,
    pub last_time: f64,
    /// Seconds without packets until removal; change it with `FlowTable::set_inactivity_timeout`.
    pub(crate) inactivity_timeout: f64,
    /// When the inactivity timer in force is due; 0 if none is.
    pub(crate) inactivity_due: f64,
    pub(crate) history: SmallVec<[u8; 16]>,
    pub(crate) limit_noted: bool,
    /// Any weird was raised for it; the layers above set it for theirs.
    pub weird_seen: bool,
    /// Packets are neither looked at nor counted any more (`skip_further_processing`).
    pub skip: bool,
    /// Packets are not written to the file for those that are analysed (`set_record_packets`).
    pub unrecorded: bool,
    pub(crate) uid: Option<Uid>,
    pub(crate) timer_generation: u16,
    pub(crate) app_timers: u16,
    /// How many connections there were before it.
    pub(crate) serial: u32,
    pub(crate) first_ack_told: bool,
    pub(crate) finish_told: bool,
    /// Something final was reported: finished, rejected, reset or attempted.
    pub(crate) outcome_told: bool,
    pub(crate) is_partial: bool,
    /// TCP: data goes through reassembly, which is not so from the start without `Options::reassemble`.
    pub(crate) reassembling: bool,
    /// Valid TCP packets so far, at most two.
    pub(crate) seen_packets: u8,
    pub(crate) flipped_once: bool,
    /// A mark that the layers above set as they like; 0 in a new connection.
    pub mark: u8,
    pub thresholds: Option<Box<Thresholds>>,
    pub(crate) seldom: Option<Box<Seldom>>,
    /// What the layers above keep.
    pub ext: X,
}

/// What connections without VLANs, outside of tunnels and without tunnels inside, do not have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seldom {
    pub vlan: Option<VlanTag>,
    pub inner_vlan: Option<VlanTag>,
    /// The VLANs of the key, if they are part of it.
    pub key_vlans: Option<(u16, u16)>,
    /// The encapsulation of the latest packet, outermost first.
    pub encap: Option<Rc<[EncapEntry]>>,
    pub tunnel_changes: u32,
    /// Tunnel analyzers that have confirmed or given up, by bit.
    pub tunnel_confirmed: u8,
    pub tunnel_violated: u8,
    /// Tunnel analyzers that keep state for it.
    pub tunnel_state: u8,
    /// Both directions of Teredo.
    pub teredo_seen: u8,
}

pub(crate) mod letter {
    pub const SYN: u16 = 1;
    pub const FIN: u16 = 2;
    pub const RST: u16 = 4;
    pub const DATA: u16 = 8;
    pub const ACK: u16 = 16;
    pub const INCONSISTENT: u16 = 32;
    pub const MULTI: u16 = 64;

    // What else was once, though no letter tells of it.
    /// A SYN of this side was seen.
    pub const SYN_SEEN: u16 = 0x0800;
    /// The window is known.
    pub const WINDOW: u16 = 0x1000;
    /// The end of the data was reported.
    pub const EOF_TOLD: u16 = 0x2000;
    /// The first packet was shown.
    pub const FIRST_TOLD: u16 = 0x4000;
}

impl<X> Conn<X> {
    /// The side: originator if `is_orig`.
    #[inline]
    pub fn end(&self, is_orig: bool) -> &Endpoint {
        if is_orig { &self.orig } else { &self.resp }
    }

    #[inline]
    pub(crate) fn end_mut(&mut self, is_orig: bool) -> &mut Endpoint {
        if is_orig { &mut self.orig } else { &mut self.resp }
    }

    /// What seldom is there, to change it.
    pub(crate) fn seldom_mut(&mut self) -> &mut Seldom {
        self.seldom.get_or_insert_default()
    }

    /// The outer VLAN of the first packet.
    pub fn vlan(&self) -> Option<VlanTag> {
        self.seldom.as_ref()?.vlan
    }

    /// The inner VLAN of the first packet.
    pub fn inner_vlan(&self) -> Option<VlanTag> {
        self.seldom.as_ref()?.inner_vlan
    }

    /// The encapsulation of the latest packet, outermost first, if it had any.
    pub fn encap(&self) -> Option<&[EncapEntry]> {
        self.seldom.as_ref()?.encap.as_deref()
    }

    /// Whether a tunnel analyzer has given up.
    pub(crate) fn tunnel_violated(&self, kind: UdpTunnel) -> bool {
        self.seldom
            .as_ref()
            .is_some_and(|s| s.tunnel_violated & 1 << (kind as u8) != 0)
    }

    /// Whether a tunnel analyzer has confirmed.
    pub(crate) fn tunnel_confirmed(&self, kind: UdpTunnel) -> bool {
        self.seldom
            .as_ref()
            .is_some_and(|s| s.tunnel_confirmed & 1 << (kind as u8) != 0)
    }

    /// The unique identifier, if one was given out; `FlowTable::uid` makes one when needed.
    pub fn uid(&self) -> Option<Uid> {
        self.uid
    }

    /// The history string.
    pub fn history(&self) -> &[u8] {
        &self.history
    }

    /// Last minus first packet time.
    pub fn duration(&self) -> f64 {
        self.last_time - self.start_time
    }

    /// The inactivity timeout in seconds.
    pub fn inactivity_timeout(&self) -> f64 {
        self.inactivity_timeout
    }

    /// Payload bytes of a side: for TCP by sequence numbers, so that it includes what was not seen.
    pub fn size(&self, is_orig: bool) -> u64 {
        let (e, peer) = (self.end(is_orig), self.end(!is_orig));
        if self.transport != Transport::Tcp {
            return e.payload_bytes;
        }
        if e.prev_state == TcpState::SynSent
            && e.state == TcpState::Reset
            && peer.state == TcpState::Inactive
            && e.ack_seq != e.start_seq
        {
            return 0;
        }
        let mut size = e.last_rel().max(e.ack_rel());
        // Positions before the start show as huge numbers; nothing was sent then.
        if e.state == TcpState::Inactive && !e.once(letter::SYN_SEEN) && size > u64::MAX / 2 {
            return 0;
        }
        size = size.saturating_sub(1);
        if e.fin_seen {
            size = size.saturating_sub(1);
        }
        size
    }

    /// What scripts see as `state` of an endpoint.
    pub fn state_number(&self, is_orig: bool) -> u64 {
        let e = self.end(is_orig);
        match self.transport {
            Transport::Tcp => e.state as u64,
            _ => u64::from(e.active),
        }
    }

    /// Whether the connection was first seen in the middle.
    pub fn is_partial(&self) -> bool {
        self.orig.state == TcpState::Partial || self.resp.state == TcpState::Partial || self.is_partial
    }

    /// Whether all data of a side went through reassembly without a gap and nothing was given up.
    pub fn had_gap(&self, is_orig: bool) -> bool {
        self.end(is_orig).had_gap
    }

    /// The flow as the originator's packets show it.
    pub fn tuple(&self) -> ConnTuple {
        ConnTuple {
            src: self.orig.addr,
            dst: self.resp.addr,
            sport: self.orig.port,
            dport: self.resp.port,
            transport: self.transport,
            ip_proto: self.ip_proto,
            one_way: self.transport == Transport::Icmp
                && !crate::icmp::is_two_way(self.orig.port, self.resp.port, self.ip_proto == 58),
            vlans: self.seldom.as_ref().and_then(|s| s.key_vlans),
        }
    }

    /// The highest sequence number sent, as `get_orig_seq` and `get_resp_seq` give it; 0 if there was none, and
    /// for everything but TCP.
    pub fn sequence(&self, is_orig: bool) -> u64 {
        let e = self.end(is_orig);
        if self.transport == Transport::Tcp && e.last_rel() > 0 {
            u64::from(e.last_seq)
        } else {
            0
        }
    }

    /// Appends a letter to the history.
    pub(crate) fn note(&mut self, c: u8) {
        // The letters that can repeat without bound are the scaled ones and those for changed numbers.
        if self.history.len() < HISTORY_MAX {
            self.history.push(c);
        }
    }

    /// Notes that a limit cut off part of the analysis (history `X`), once.
    pub fn note_limit(&mut self) {
        if !self.limit_noted {
            self.limit_noted = true;
            self.note(b'X');
        }
    }

    /// Appends a letter for a side once; says whether it was new.
    pub(crate) fn note_once(&mut self, is_orig: bool, bit: u16, upper: u8) -> bool {
        let e = self.end_mut(is_orig);
        if e.letters & bit != 0 {
            return false;
        }
        e.letters |= bit;
        self.note(cased(upper, is_orig));
        true
    }

    /// Forgets what a tunnel analyzer knows of the connection; says whether there was something.
    pub fn forget_tunnel(&mut self, kind: UdpTunnel) -> bool {
        let bit = 1 << (kind as u8);
        let Some(s) = &mut self.seldom else { return false };
        let had = s.tunnel_state & bit != 0;
        s.tunnel_state &= !bit;
        s.tunnel_confirmed &= !bit;
        s.tunnel_violated &= !bit;
        had
    }

    /// Whether a tunnel analyzer keeps state for the connection.
    pub fn has_tunnel(&self, kind: UdpTunnel) -> bool {
        self.seldom
            .as_ref()
            .is_some_and(|s| s.tunnel_state & 1 << (kind as u8) != 0)
    }

    /// Exchanges the roles of the endpoints. The caller reports it.
    pub(crate) fn swap_roles(&mut self) {
        std::mem::swap(&mut self.orig, &mut self.resp);
        if self.transport == Transport::Udp {
            // Who has sent how much was counted before anybody knew better, and stays as counted.
            std::mem::swap(&mut self.orig.active, &mut self.resp.active);
            std::mem::swap(&mut self.orig.payload_bytes, &mut self.resp.payload_bytes);
            let swapped = (self.orig.letters ^ self.resp.letters) & letter::DATA;
            self.orig.letters ^= swapped;
            self.resp.letters ^= swapped;
        }
        if let Some(t) = self.thresholds.as_deref_mut() {
            t.swap_roles();
        }
        self.note(b'^');
    }
}

/// Longer histories are of no use and could be grown by the sender at will.
const HISTORY_MAX: usize = 4096;

pub(crate) fn cased(upper: u8, is_orig: bool) -> u8 {
    if is_orig { upper } else { upper.to_ascii_lowercase() }
}
