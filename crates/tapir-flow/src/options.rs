//! What can be set: the script options that matter to flows under their own names, and what the caller listens to.

use std::collections::HashSet;

use tapir_packet::Dispatch;
use tapir_packet::frag::FragOptions;
use tapir_packet::types::Ip;

/// All settings of the flow layer. Intervals are in seconds.
#[derive(Clone, Debug)]
pub struct Options {
    pub ignore_checksums: bool,
    /// Networks (as 16-byte addresses with prefix lengths out of 128) whose packets' checksums are not looked at.
    pub ignore_checksums_nets: Vec<(Ip, u8)>,
    pub partial_connection_ok: bool,
    pub tcp_syn_ack_ok: bool,
    pub tcp_syn_timeout: f64,
    pub tcp_session_timer: f64,
    pub tcp_connection_linger: f64,
    pub tcp_attempt_delay: f64,
    pub tcp_close_delay: f64,
    pub tcp_reset_delay: f64,
    pub tcp_partial_close_delay: f64,
    pub tcp_storm_thresh: u32,
    pub tcp_storm_interarrival_thresh: f64,
    pub tcp_max_initial_window: u64,
    pub tcp_max_above_hole_without_any_acks: u64,
    pub tcp_excessive_data_without_further_acks: u64,
    pub tcp_max_old_segments: u64,
    pub tcp_match_undelivered: bool,
    pub ignore_keep_alive_rexmit: bool,
    pub tcp_inactivity_timeout: f64,
    pub udp_inactivity_timeout: f64,
    pub icmp_inactivity_timeout: f64,
    pub unknown_ip_inactivity_timeout: f64,
    /// 0: no status updates.
    pub connection_status_update_interval: f64,
    /// Packets of both directions at which every connection is reported, ascending.
    pub generic_packet_thresholds: Vec<u64>,
    pub detect_filtered_trace: bool,
    pub report_gaps_for_partial: bool,
    /// Reassemble every connection from the first packet (`dpd_reassemble_first_packets`).
    pub reassemble: bool,
    /// Ports (number, is TCP) that servers are likely to listen on.
    pub likely_server_ports: HashSet<(u16, bool), foldhash::fast::RandomState>,
    /// Include VLAN numbers in the key (`ConnKey::CONNKEY_VLAN_FIVETUPLE`).
    pub key_with_vlan: bool,
    pub frag: FragOptions,
    pub max_timer_expires: usize,
    /// `PacketAnalyzer::max_depth`.
    pub max_analyzer_depth: usize,
    /// `Tunnel::max_depth`.
    pub tunnel_max_depth: usize,
    pub tunnel_max_changes_per_connection: u32,
    pub tunnel_ip_tunnel_timeout: f64,
    pub tunnel_validate_vxlan_checksums: bool,
    pub tunnel_delay_teredo_confirmation: bool,
    pub tunnel_delay_gtp_confirmation: bool,
    /// Which layer takes what another one carries, with the tunnels over UDP by the responder's port.
    pub dispatch: Dispatch,
    pub unknown_protocols: UnknownProtocols,
    /// Connections at most; beyond, the one idle for longest of a sample is removed. 0: no limit.
    pub max_connections: usize,
    /// Tunnels of IP in IP and GRE remembered at most.
    pub max_ip_tunnels: usize,
    /// Timers of application analyzers per connection at most.
    pub max_app_timers: u16,
    /// At the end, remove connections in the order of their keys (a fixed seed is set) rather than the newest first.
    pub sorted_removal: bool,
    /// Seed of the hash function of the connection table.
    pub hash_seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            ignore_checksums: false,
            ignore_checksums_nets: Vec::new(),
            partial_connection_ok: true,
            tcp_syn_ack_ok: true,
            tcp_syn_timeout: 5.0,
            tcp_session_timer: 6.0,
            tcp_connection_linger: 5.0,
            tcp_attempt_delay: 5.0,
            tcp_close_delay: 5.0,
            tcp_reset_delay: 5.0,
            tcp_partial_close_delay: 3.0,
            tcp_storm_thresh: 1000,
            tcp_storm_interarrival_thresh: 1.0,
            tcp_max_initial_window: 16_384,
            tcp_max_above_hole_without_any_acks: 16_384,
            tcp_excessive_data_without_further_acks: 10 * 1024 * 1024,
            tcp_max_old_segments: 0,
            tcp_match_undelivered: true,
            ignore_keep_alive_rexmit: false,
            tcp_inactivity_timeout: 300.0,
            udp_inactivity_timeout: 60.0,
            icmp_inactivity_timeout: 60.0,
            unknown_ip_inactivity_timeout: 60.0,
            connection_status_update_interval: 0.0,
            generic_packet_thresholds: Vec::new(),
            detect_filtered_trace: false,
            report_gaps_for_partial: false,
            reassemble: true,
            likely_server_ports: HashSet::default(),
            key_with_vlan: false,
            frag: FragOptions::default(),
            max_timer_expires: 300,
            max_analyzer_depth: 25,
            tunnel_max_depth: 4,
            tunnel_max_changes_per_connection: 5,
            tunnel_ip_tunnel_timeout: 86_400.0,
            tunnel_validate_vxlan_checksums: true,
            tunnel_delay_teredo_confirmation: true,
            tunnel_delay_gtp_confirmation: false,
            dispatch: Dispatch::default(),
            unknown_protocols: UnknownProtocols::default(),
            max_connections: 1_000_000,
            max_ip_tunnels: 65_536,
            max_app_timers: 64,
            sorted_removal: true,
            hash_seed: 0,
        }
    }
}

/// How often an identifier that leads nowhere is reported (`UnknownProtocol::*`).
#[derive(Clone, Copy, Debug)]
pub struct UnknownProtocols {
    /// From this occurrence on only some are reported.
    pub threshold: u64,
    /// One of so many is; 0: none.
    pub rate: u64,
    /// Seconds after which counting begins anew.
    pub duration: f64,
    /// Bytes that are shown.
    pub first_bytes: usize,
}

impl Default for UnknownProtocols {
    fn default() -> Self {
        UnknownProtocols {
            threshold: 3,
            rate: 100_000,
            duration: 3600.0,
            first_bytes: 10,
        }
    }
}

/// Callbacks that cost something per packet, or switch a mechanism on; all off by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wants {
    pub raw_packet: bool,
    pub packet_not_processed: bool,
    pub new_packet: bool,
    pub packet_contents: bool,
    pub ipv6_ext_headers: bool,
    pub tcp_packet: bool,
    /// `tcp_option` or `tcp_options`: also turns on the weirds about malformed options.
    pub tcp_options: bool,
    pub tcp_rexmit: bool,
    /// Count segments as `conn_stats` tells them.
    pub segment_stats: bool,
    /// Keep delivered data until it is acknowledged and compare what comes again.
    pub rexmit_inconsistency: bool,
    /// An event about neighbour discovery: also turns on the weirds about malformed messages.
    pub icmp6_nd: bool,
    pub connection_reset_timer: bool,
    pub connection_partial_close: bool,
    /// Ask [`crate::FlowSink::drop_packet`] before a packet goes on (dynamic packet filters).
    pub packet_filter: bool,
    /// Ask [`crate::FlowSink::discard`] (the `discarder_check_*` functions).
    pub discarders: bool,
    /// Call [`crate::FlowSink::on_first_packet`] for header conditions of signatures.
    pub first_packet: bool,
    /// Of TCP connections, only for the first packet with data.
    pub first_packet_has_data: bool,
    /// Call [`crate::FlowSink::connection_timing_out`].
    pub timing_out: bool,
}
