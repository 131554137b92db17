//! What the flow layer tells: one trait, statically dispatched, all methods optional.
//!
//! Every method that concerns a connection also gets the table, from which that connection is taken out for the time
//! of the call: `table.conn(id)` gives `None` for it. Methods are called in the order in which events are to be queued.

use tapir_packet::arp::ArpPacket;
use tapir_packet::link::{Layer, LinkInfo};
use tapir_packet::tunnel::{Gtp, Teredo};
use tapir_packet::{Ip, IpPacket};

use crate::conn::{Conn, EncapEntry};
use crate::table::FlowTable;

/// A decoded packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub ts: f64,
    pub ip: &'a IpPacket<'a>,
    pub link: &'a LinkInfo,
    /// The tunnels that it came in, outermost first.
    pub encap: &'a [EncapEntry],
}

/// A TCP segment.
#[derive(Clone, Copy, Debug)]
pub struct TcpPacket<'a> {
    pub is_orig: bool,
    /// The flag byte: FIN is bit 0, URG bit 5.
    pub flags: u8,
    /// Relative numbers; the acknowledgement is 0 if there is none.
    pub seq: u64,
    pub ack: u64,
    /// Payload according to the IP header.
    pub len: u64,
    /// Payload as far as captured.
    pub payload: &'a [u8],
    /// The header with options.
    pub header: &'a [u8],
}

/// Bits of [`TcpPacket::flags`].
pub mod flag {
    pub const FIN: u8 = 1;
    pub const SYN: u8 = 2;
    pub const RST: u8 = 4;
    pub const PSH: u8 = 8;
    pub const ACK: u8 = 16;
    pub const URG: u8 = 32;
}

/// The letters of TCP flags in the order in which scripts see them.
pub fn flag_letters(flags: u8) -> String {
    let order = [
        (flag::SYN, 'S'),
        (flag::FIN, 'F'),
        (flag::RST, 'R'),
        (flag::ACK, 'A'),
        (flag::PSH, 'P'),
        (flag::URG, 'U'),
    ];
    order
        .iter()
        .filter(|(bit, _)| flags & bit != 0)
        .map(|(_, c)| *c)
        .collect()
}

/// What a SYN says, for `connection_SYN_packet`.
#[derive(Clone, Copy, Debug)]
pub struct SynPacket {
    pub is_orig: bool,
    pub dont_fragment: bool,
    pub ttl: u8,
    /// Length of the IP datagram.
    pub size: u64,
    pub window: u32,
    pub window_scale: Option<u8>,
    pub mss: u32,
    pub sack_ok: bool,
    pub ts_val: u32,
    pub ts_echo: u32,
}

/// An ICMP packet of either version.
#[derive(Clone, Copy, Debug)]
pub struct IcmpPacket<'a> {
    pub is_orig: bool,
    pub v6: bool,
    pub kind: u8,
    pub code: u8,
    /// IP payload minus 8.
    pub len: u64,
    pub ttl: u8,
    /// The captured message with its header.
    pub data: &'a [u8],
}

/// Things whose count is reported at 10, 100, 1000…
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultipleKind {
    ChecksumErrors,
    Retransmissions,
    ZeroWindows,
    Gaps,
}

/// Receives what the flow layer sees.
#[allow(unused_variables)]
pub trait FlowSink<X: Default>: Sized {
    // ---- Weirds ----

    /// Something odd that belongs to no flow.
    fn on_net_weird(&mut self, t: &mut FlowTable<X>, name: &str, addl: &str, source: &str) {}
    /// Something odd about packets of a pair of addresses.
    fn on_flow_weird(&mut self, t: &mut FlowTable<X>, name: &str, src: Ip, dst: Ip, addl: &str, source: &str) {}
    /// Something odd about a connection.
    fn on_conn_weird(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, name: &str, addl: &str, source: &str) {}

    // ---- Packets ----

    /// After a packet was looked at (`Wants::raw_packet`).
    fn on_raw_packet(&mut self, t: &mut FlowTable<X>, raw: &tapir_packet::RawPacket<'_>) {}
    /// No connection and no ARP came of a packet (`Wants::packet_not_processed`).
    fn on_packet_not_processed(&mut self, t: &mut FlowTable<X>, raw: &tapir_packet::RawPacket<'_>) {}
    /// Whether dynamic filters drop the packet (`Wants::packet_filter`).
    fn drop_packet(&mut self, t: &mut FlowTable<X>, ip: &IpPacket<'_>) -> bool {
        false
    }
    /// Whether a discarder wants the packet ignored (`Wants::discarders`).
    fn discard(&mut self, t: &mut FlowTable<X>, ip: &IpPacket<'_>) -> bool {
        false
    }
    /// A layer has no child for an identifier; `data` starts after its header.
    fn on_unknown_protocol(&mut self, t: &mut FlowTable<X>, layer: Layer, id: u32, data: &[u8], layers: &[Layer]) {}
    fn on_arp(&mut self, t: &mut FlowTable<X>, arp: &ArpPacket) {}
    fn on_bad_arp(&mut self, t: &mut FlowTable<X>, arp: &ArpPacket, explanation: &str) {}
    /// An IPv6 packet with ESP.
    fn on_esp(&mut self, t: &mut FlowTable<X>, ip: &IpPacket<'_>) {}
    /// An IPv6 packet with a mobility header.
    fn on_mobile_ipv6(&mut self, t: &mut FlowTable<X>, ip: &IpPacket<'_>) {}
    /// An IGMP packet; it has no connection. `valid`: its checksum is right.
    fn on_igmp(&mut self, t: &mut FlowTable<X>, p: &Packet<'_>, valid: bool) {}

    // ---- Life of a connection ----

    /// The roles of the endpoints were exchanged.
    fn on_flipped(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>) {}
    /// A connection was made; its first packet follows.
    fn on_new_connection(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, p: &Packet<'_>) {}
    fn on_flow_label_changed(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, is_orig: bool, old: u32, new: u32) {}
    /// `Wants::ipv6_ext_headers`.
    fn on_ipv6_ext_headers(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, p: &Packet<'_>) {}
    /// `Wants::new_packet`.
    fn on_new_packet(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, is_orig: bool, p: &Packet<'_>) {}
    /// `Wants::packet_contents`: what follows the transport header.
    fn on_packet_contents(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, contents: &[u8]) {}
    /// The first packet of a direction, where header conditions of signatures are tested (`Wants::first_packet`).
    fn on_first_packet(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, is_orig: bool, p: &Packet<'_>) {}
    /// Whether an idle connection may go (`Wants::timing_out`).
    fn connection_timing_out(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>) -> bool {
        true
    }
    fn on_timeout(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>) {}
    fn on_status_update(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>) {}
    /// A new connection takes the key of this one.
    fn on_reused(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>) {}
    /// The connection goes: end analyzers, queue `connection_state_remove`. The extension is dropped afterwards.
    fn on_remove(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>) {}
    /// A timer set with `FlowTable::schedule_app_timer` is due; `at_end` when the input has ended.
    fn on_app_timer(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, tag: u8, at_end: bool) -> AppTimer {
        AppTimer::Keep
    }

    // ---- TCP ----

    fn on_syn_packet(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, syn: &SynPacket) {}
    fn on_first_ack(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>) {}
    fn on_attempt(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>) {}
    fn on_established(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>) {}
    fn on_partial(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>) {}
    fn on_rejected(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>) {}
    fn on_reset(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>) {}
    /// A side that had closed resets the connection while its peer is not done.
    fn on_late_reset(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>) {}
    fn on_finished(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>) {}
    fn on_half_finished(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>) {}
    fn on_partial_close(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>) {}
    fn on_pending(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>) {}
    /// A side has ended and all of its data was delivered.
    fn on_eof(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, is_orig: bool) {}
    /// `Wants::tcp_packet`.
    fn on_tcp_packet(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, p: &TcpPacket<'_>) {}
    /// `Wants::tcp_options`: all options of a segment as bytes.
    fn on_tcp_options(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, is_orig: bool, options: &[u8]) {}
    /// Whether somebody needs the data of a connection in order; asked with each segment until it is so, when
    /// [`Options::reassemble`](crate::Options) is off.
    fn reassembles(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>) -> bool {
        false
    }
    /// In-order data of a side; `seq` is relative, the first byte has 1. Of a connection that is not reassembled, data
    /// in the order of the packets.
    fn on_stream_data(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, is_orig: bool, seq: u64, data: &[u8]) {}
    /// Data that will never come: what follows starts after it.
    fn on_gap(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, is_orig: bool, seq: u64, len: u64) {}
    /// The gap counts as content (`content_gap`); called before [`FlowSink::on_gap`].
    fn on_content_gap(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, is_orig: bool, seq: u64, len: u64) {}
    /// Data left in the buffer when the connection goes, for signatures (`tcp_match_undelivered`).
    fn on_undelivered(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, is_orig: bool, seq: u64, data: &[u8]) {}
    /// `Wants::rexmit_inconsistency`: bytes differ from those that came first.
    fn on_rexmit_inconsistency(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, old: &[u8], new: &[u8], flags: u8) {}
    /// `Wants::tcp_rexmit`.
    fn on_rexmit(
        &mut self,
        t: &mut FlowTable<X>,
        c: &mut Conn<X>,
        is_orig: bool,
        seq: u64,
        len: u64,
        in_flight: u64,
        window: u64,
    ) {
    }
    /// Something was counted the tenth, hundredth, … time.
    fn on_multiple(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, kind: MultipleKind, is_orig: bool, n: u64) {}

    // ---- UDP and ICMP ----

    /// A datagram, before tunnels look at it (`udp_contents`, `udp_request`, `udp_reply`).
    fn on_udp_packet(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, is_orig: bool, payload: &[u8]) {}
    /// A datagram for application analyzers; `len` is its length on the wire.
    fn on_udp_data(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, is_orig: bool, payload: &[u8], len: u64) {}
    fn on_icmp(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, icmp: &IcmpPacket<'_>, p: &Packet<'_>) {}
    /// A packet was counted and all of its children have run (end of a packet's own events).
    fn on_packet_done(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, is_orig: bool, p: &Packet<'_>) {}

    // ---- Thresholds ----

    fn on_bytes_threshold(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, threshold: u64, is_orig: bool) {}
    fn on_packets_threshold(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, threshold: u64, is_orig: bool) {}
    fn on_duration_threshold(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, threshold: f64, is_orig: bool) {}
    fn on_generic_packet_threshold(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, threshold: u64) {}

    // ---- Tunnels ----

    /// Packets of the connection come in another encapsulation; `c.encap` is the new one.
    fn on_tunnel_changed(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>) {}
    /// A tunnel analyzer begins to keep state for the connection (GTPv1 and Teredo).
    fn on_tunnel_state(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, layer: Layer) {}
    /// A tunnel analyzer is sure; once per connection and analyzer.
    fn on_tunnel_confirmed(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, layer: Layer) {}
    /// A tunnel analyzer gives up; once per connection and analyzer.
    fn on_tunnel_violation(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, layer: Layer, reason: &str, data: &[u8]) {}
    fn on_vxlan(&mut self, t: &mut FlowTable<X>, outer: &mut Conn<X>, inner: &IpPacket<'_>, vni: u32) {}
    fn on_geneve(&mut self, t: &mut FlowTable<X>, outer: &mut Conn<X>, inner: &IpPacket<'_>, vni: u32, options: &[u8]) {
    }
    /// `teredo_packet` or, if the inner packet has nothing in it, `teredo_bubble`; origin and authentication too.
    fn on_teredo(&mut self, t: &mut FlowTable<X>, outer: &mut Conn<X>, header: &Teredo<'_>, inner: &IpPacket<'_>) {}
    /// Any GTPv1 message.
    fn on_gtp(&mut self, t: &mut FlowTable<X>, c: &mut Conn<X>, is_orig: bool, gtp: &Gtp<'_>) {}
    /// A GTPv1 message with a user packet; after [`FlowSink::on_gtp`].
    fn on_gtp_packet(&mut self, t: &mut FlowTable<X>, outer: &mut Conn<X>, gtp: &Gtp<'_>, inner: &IpPacket<'_>) {}
}

/// What becomes of a connection whose application timer was due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AppTimer {
    Keep,
    /// Report a timeout and remove the connection.
    TimeOut,
    /// Keep it and come back at this time.
    Again(f64),
}
