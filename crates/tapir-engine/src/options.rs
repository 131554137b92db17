//! Script options to native settings: read once after the scripts were loaded, and again when an option changes.

use tapir_analyzers::core::Options as AnalyzerOptions;
use tapir_analyzers::core::options::Texts;
use tapir_data::value::{Addr, Proto, Value};
use tapir_files::manager::Options as FileOptions;
use tapir_flow::{Ip, Options as FlowOptions, Wants};
use tapir_interface::events;
use tapir_interface::queue::EventQueue;
use tapir_packet::Layer;
use tapir_signatures::pattern::Pattern;
use tapir_vm::Vm;

use crate::contents::{Contents, PortTable};
use crate::globals::{count, flag, int, keys, seconds};
use crate::host::EngineHost;
use crate::weirds::Sampler;

macro_rules! read {
    ($vm:expr, $get:ident, $($target:expr => $name:literal),* $(,)?) => {
        $(if let Some(v) = $get($vm, $name) { $target = v as _; })*
    };
}

/// What the reporter shows on standard error.
pub fn reporter(vm: &Vm, host: &mut EngineHost) {
    read!(vm, flag,
        host.infos_to_stderr => "Reporter::info_to_stderr",
        host.warnings_to_stderr => "Reporter::warnings_to_stderr",
        host.errors_to_stderr => "Reporter::errors_to_stderr",
    );
}

/// Settings of the flow layer.
pub fn flow(vm: &Vm, o: &mut FlowOptions) {
    read!(vm, flag,
        o.ignore_checksums => "ignore_checksums",
        o.reassemble => "dpd_reassemble_first_packets",
        o.partial_connection_ok => "partial_connection_ok",
        o.tcp_syn_ack_ok => "tcp_SYN_ack_ok",
        o.tcp_match_undelivered => "tcp_match_undelivered",
        o.ignore_keep_alive_rexmit => "ignore_keep_alive_rexmit",
        o.detect_filtered_trace => "detect_filtered_trace",
        o.report_gaps_for_partial => "report_gaps_for_partial",
        o.tunnel_validate_vxlan_checksums => "Tunnel::validate_vxlan_checksums",
        o.tunnel_delay_teredo_confirmation => "Tunnel::delay_teredo_confirmation",
        o.tunnel_delay_gtp_confirmation => "Tunnel::delay_gtp_confirmation",
    );
    read!(vm, seconds,
        o.tcp_syn_timeout => "tcp_SYN_timeout",
        o.tcp_session_timer => "tcp_session_timer",
        o.tcp_connection_linger => "tcp_connection_linger",
        o.tcp_attempt_delay => "tcp_attempt_delay",
        o.tcp_close_delay => "tcp_close_delay",
        o.tcp_reset_delay => "tcp_reset_delay",
        o.tcp_partial_close_delay => "tcp_partial_close_delay",
        o.tcp_storm_interarrival_thresh => "tcp_storm_interarrival_thresh",
        o.tcp_inactivity_timeout => "tcp_inactivity_timeout",
        o.udp_inactivity_timeout => "udp_inactivity_timeout",
        o.icmp_inactivity_timeout => "icmp_inactivity_timeout",
        o.unknown_ip_inactivity_timeout => "unknown_ip_inactivity_timeout",
        o.connection_status_update_interval => "connection_status_update_interval",
        o.tunnel_ip_tunnel_timeout => "Tunnel::ip_tunnel_timeout",
        o.frag.timeout => "frag_timeout",
    );
    read!(vm, count,
        o.tcp_storm_thresh => "tcp_storm_thresh",
        o.tcp_max_initial_window => "tcp_max_initial_window",
        o.tcp_max_above_hole_without_any_acks => "tcp_max_above_hole_without_any_acks",
        o.tcp_excessive_data_without_further_acks => "tcp_excessive_data_without_further_acks",
        o.tcp_max_old_segments => "tcp_max_old_segments",
        o.max_timer_expires => "max_timer_expires",
        o.max_connections => "max_connections",
        o.max_ip_tunnels => "Tunnel::max_ip_tunnels",
        o.frag.datagrams_max => "frag_max_datagrams",
        o.frag.bytes_max => "frag_max_bytes",
        o.max_analyzer_depth => "PacketAnalyzer::max_depth",
        o.tunnel_max_depth => "Tunnel::max_depth",
        o.tunnel_max_changes_per_connection => "Tunnel::max_changes_per_connection",
    );
    o.ignore_checksums_nets = keys(vm, "ignore_checksums_nets")
        .into_iter()
        .filter_map(|k| match k {
            Value::Subnet(s) => Some((Ip(s.addr.0), s.width)),
            _ => None,
        })
        .collect();
    let unknown = &mut o.unknown_protocols;
    read!(vm, count,
        unknown.threshold => "UnknownProtocol::sampling_threshold",
        unknown.rate => "UnknownProtocol::sampling_rate",
        unknown.first_bytes => "UnknownProtocol::first_bytes_count",
    );
    read!(vm, seconds, unknown.duration => "UnknownProtocol::sampling_duration");
    o.dispatch.skip_bytes = count(vm, "PacketAnalyzer::SKIP::skip_bytes").unwrap_or(0) as usize;
    for (module, parent) in DEFAULT_CHILDREN {
        let name = crate::globals::string(vm, &format!("PacketAnalyzer::{module}::default_analyzer"));
        if let Some(name) = name {
            let short = name.rsplit("::ANALYZER_").next().unwrap_or_default();
            o.dispatch.set_default(*parent, Layer::named(short));
        }
    }
    likely_server_ports(vm, o);
    o.generic_packet_thresholds = keys(vm, "ConnThreshold::generic_packet_thresholds")
        .into_iter()
        .filter_map(|k| match k {
            Value::Count(n) => Some(n),
            _ => None,
        })
        .collect();
    o.generic_packet_thresholds.sort_unstable();
    o.key_with_vlan = crate::globals::string(vm, "ConnKey::factory").is_some_and(|f| f.contains("VLAN"));
}

/// Ports that servers are likely to listen on; scripts add to them until packets flow.
pub fn likely_server_ports(vm: &Vm, o: &mut FlowOptions) {
    o.likely_server_ports = keys(vm, "likely_server_ports")
        .into_iter()
        .filter_map(|k| match k {
            Value::Port(p) => Some((p.num, p.proto == Proto::Tcp)),
            _ => None,
        })
        .collect();
}

/// Layers whose default child scripts may choose, by the module that has the option.
const DEFAULT_CHILDREN: &[(&str, Layer)] = &[
    ("ROOT", Layer::Root),
    ("IP", Layer::Ip),
    ("FDDI", Layer::Fddi),
    ("MPLS", Layer::Mpls),
    ("PBB", Layer::Pbb),
    ("SKIP", Layer::Skip),
];

/// Limits and switches of the analyzers.
pub fn analyzers(vm: &Vm, o: &mut AnalyzerOptions) {
    read!(vm, count,
        o.dpd_buffer_size => "dpd_buffer_size",
        o.dpd_max_packets => "dpd_max_packets",
        o.max_analyzer_violations => "max_analyzer_violations",
        o.weird_sampling_threshold => "Weird::sampling_threshold",
        o.weird_sampling_rate => "Weird::sampling_rate",
        o.dns_max_queries => "dns_max_queries",
        o.dns_max_compression_chain_depth => "dns_max_compression_chain_depth",
        o.http_entity_data_delivery_size => "http_entity_data_delivery_size",
        o.mime_segment_length => "mime_segment_length",
        o.mime_segment_overlap_length => "mime_segment_overlap_length",
        o.mime_max_depth => "MIME::max_depth",
        o.ftp_max_command_length => "FTP::max_command_length",
        o.smtp_bdat_max_line_length => "SMTP::bdat_max_line_length",
        o.irc_max_line_length => "IRC::max_line_length",
        o.pop3_max_pending_commands => "POP3::max_pending_commands",
        o.pop3_max_unknown_client_commands => "POP3::max_unknown_client_commands",
        o.ssh_max_packet_length => "SSH::max_packet_length",
        o.ssh_max_string_length => "SSH::max_string_length",
        o.ssh_max_kexinit.kex => "SSH::max_kexinit_kex_algorithms",
        o.ssh_max_kexinit.hostkey => "SSH::max_kexinit_hostkey_algorithms",
        o.ssh_max_kexinit.encryption => "SSH::max_kexinit_encryption_algorithms",
        o.ssh_max_kexinit.mac => "SSH::max_kexinit_mac_algorithms",
        o.ssh_max_kexinit.compression => "SSH::max_kexinit_compression_algorithms",
        o.ssh_max_kexinit.languages => "SSH::max_kexinit_languages",
        o.ssl_max_alerts_per_record => "SSL::max_alerts_per_record",
        o.dtls_max_version_errors => "SSL::dtls_max_version_errors",
        o.dtls_max_reported_version_errors => "SSL::dtls_max_reported_version_errors",
        o.mqtt_max_payload_size => "MQTT::max_payload_size",
        o.redis_max_value_size => "Redis::max_value_size",
        o.redis_max_aggregate_elements => "Redis::max_aggregate_elements",
        o.finger_max_line_length => "Finger::max_line_length",
        o.websocket_payload_chunk_size => "WebSocket::payload_chunk_size",
        o.smb_max_dce_rpc_analyzers => "SMB::max_dce_rpc_analyzers",
        o.smb_max_andx_depth => "SMB::max_andx_depth",
        o.smb_max_pending_messages => "SMB::max_pending_messages",
        o.dce_rpc_max_cmd_reassembly => "DCE_RPC::max_cmd_reassembly",
        o.dce_rpc_max_frag_data => "DCE_RPC::max_frag_data",
        o.flowbuffer_capacity_max => "BinPAC::flowbuffer_capacity_max",
        o.mime_max_header_bytes => "MIME::max_header_bytes",
        o.websocket_max_control_frame_size => "WebSocket::max_control_frame_size",
        o.rpc_max_pending_calls => "rpc_max_pending_calls",
        o.nfs_return_data_max => "NFS3::return_data_max",
        o.ncp_max_frame_size => "NCP::max_frame_size",
        o.gnutella_max_header_length => "Gnutella::max_header_length",
        o.gnutella_max_line_length => "Gnutella::max_line_length",
    );
    let addresses = |name| -> Vec<Addr> {
        let addr = |k| match k {
            Value::Addr(a) => Some(a),
            _ => None,
        };
        keys(vm, name).into_iter().filter_map(addr).collect()
    };
    o.dns_skip_auth = addresses("dns_skip_auth");
    o.dns_skip_addl = addresses("dns_skip_addl");
    read!(vm, flag,
        o.nfs_return_data => "NFS3::return_data",
        o.nfs_return_data_first_only => "NFS3::return_data_first_only",
        o.dpd_match_only_beginning => "dpd_match_only_beginning",
        o.dpd_late_match_stop => "dpd_late_match_stop",
        o.dpd_ignore_ports => "dpd_ignore_ports",
        o.dns_skip_all_auth => "dns_skip_all_auth",
        o.dns_skip_all_addl => "dns_skip_all_addl",
        o.skip_http_data => "skip_http_data",
        o.smtp_enable_rfc822_msg_file_analysis => "SMTP::enable_rfc822_msg_file_analysis",
    );
    read!(vm, seconds,
        o.weird_sampling_duration => "Weird::sampling_duration",
        o.dns_session_timeout => "dns_session_timeout",
        o.netbios_ssn_session_timeout => "netbios_ssn_session_timeout",
        o.non_analyzed_lifetime => "non_analyzed_lifetime",
        o.rpc_timeout => "rpc_timeout",
    );
    read!(vm, int,
        o.truncate_http_uri => "truncate_http_URI",
        o.quic_max_discarded_packet_events => "QUIC::max_discarded_packet_events",
    );
    if let Some(Value::Table(t)) = vm.global_value("HTTP::upgrade_analyzers") {
        o.http_upgrade_analyzers = t
            .entries()
            .into_iter()
            .filter_map(|(k, v)| upgrade(vm, &k, &v))
            .collect();
    }
    let l = &mut o.login;
    for (texts, name) in [
        (&mut l.direct_prompts, "direct_login_prompts"),
        (&mut l.failures, "login_failure_msgs"),
        (&mut l.non_failures, "login_non_failure_msgs"),
        (&mut l.successes, "login_success_msgs"),
        (&mut l.timeouts, "login_timeouts"),
        (&mut l.skip_authentication, "skip_authentication"),
    ] {
        *texts = patterns(vm, name);
    }
    o.smb_pipe_filenames = keys(vm, "SMB::pipe_filenames")
        .into_iter()
        .filter_map(|k| match k {
            Value::Str(s) => Some(String::from_utf8_lossy(&s).into_owned()),
            _ => None,
        })
        .collect();
}

/// A protocol that connections of HTTP may switch to, with the analyzer for it.
fn upgrade(vm: &Vm, protocol: &Value, tag: &Value) -> Option<(String, String)> {
    let (Value::Str(protocol), Value::Enum(ty, n)) = (protocol, tag) else {
        return None;
    };
    let name = tapir_data::text::enum_text(vm.types(), *ty, *n);
    let short = name.split("ANALYZER_").last().unwrap_or_default();
    Some((
        String::from_utf8_lossy(protocol).to_ascii_lowercase(),
        short.to_string(),
    ))
}

/// The strings of a set as regular expressions, one of which is to be found in a line. What is none stands for itself.
fn patterns(vm: &Vm, name: &str) -> Texts {
    let texts: Vec<Pattern> = keys(vm, name)
        .into_iter()
        .filter_map(|k| match k {
            Value::Str(s) => Some(Pattern::compile(&s, false, false).unwrap_or_else(|_| Pattern::literal(&s))),
            _ => None,
        })
        .collect();
    if texts.is_empty() {
        return Texts::default();
    }
    Texts::new(move |line| texts.iter().any(|p| p.matches_within(line)))
}

/// Settings of file analysis, for files that are new from now on.
pub fn files(vm: &Vm) -> FileOptions {
    let mut o = FileOptions::default();
    read!(vm, seconds, o.timeout_interval => "default_file_timeout_interval");
    read!(vm, count,
        o.bof_buffer_size => "default_file_bof_buffer_size",
        o.extract_limit => "FileExtract::default_limit",
    );
    read!(vm, flag, o.extract_limit_includes_missing => "FileExtract::default_limit_includes_missing");
    o
}

/// Sampling of weirds.
pub fn sampling(vm: &Vm, s: &mut Sampler) {
    read!(vm, count,
        s.threshold => "Weird::sampling_threshold",
        s.rate => "Weird::sampling_rate",
    );
    read!(vm, seconds, s.duration => "Weird::sampling_duration");
    let names = |name| {
        keys(vm, name)
            .into_iter()
            .filter_map(|k| match k {
                Value::Str(s) => Some(s.to_vec()),
                _ => None,
            })
            .collect()
    };
    s.whitelist = names("Weird::sampling_whitelist");
    s.global_list = names("Weird::sampling_global_list");
}

/// Which connections' contents scripts want as events.
pub fn contents(vm: &Vm) -> Contents {
    let table = |name: &str| PortTable::from_value(vm.global_value(name));
    let all = |name: &str| flag(vm, name).unwrap_or(false);
    let mut c = Contents::default();
    c.tcp.ports = [
        table("tcp_content_delivery_ports_orig"),
        table("tcp_content_delivery_ports_resp"),
    ];
    c.tcp.all = [all("tcp_content_deliver_all_orig"), all("tcp_content_deliver_all_resp")];
    c.udp.ports = [
        table("udp_content_delivery_ports_orig"),
        table("udp_content_delivery_ports_resp"),
    ];
    c.udp.all = [all("udp_content_deliver_all_orig"), all("udp_content_deliver_all_resp")];
    c.udp.any = PortTable::from_value(vm.global_value("udp_content_ports"));
    c.udp_use_resp = all("udp_content_delivery_ports_use_resp");
    c
}

/// What of the costly callbacks somebody listens to.
pub fn wants(q: &EventQueue, old: &Wants) -> Wants {
    Wants {
        raw_packet: q.wants(events::RAW_PACKET),
        packet_not_processed: q.wants(events::PACKET_NOT_PROCESSED),
        new_packet: q.wants(events::NEW_PACKET),
        packet_contents: q.wants(events::PACKET_CONTENTS),
        ipv6_ext_headers: q.wants(events::IPV6_EXT_HEADERS),
        tcp_packet: q.wants(events::TCP_PACKET),
        tcp_options: q.wants(events::TCP_OPTION) || q.wants(events::TCP_OPTIONS),
        tcp_rexmit: q.wants(events::TCP_REXMIT),
        segment_stats: q.wants(events::CONN_STATS),
        rexmit_inconsistency: q.wants(events::REXMIT_INCONSISTENCY),
        icmp6_nd: q.wants(events::ICMP_ROUTER_SOLICITATION)
            || q.wants(events::ICMP_ROUTER_ADVERTISEMENT)
            || q.wants(events::ICMP_NEIGHBOR_SOLICITATION)
            || q.wants(events::ICMP_NEIGHBOR_ADVERTISEMENT)
            || q.wants(events::ICMP_REDIRECT),
        connection_reset_timer: q.wants(events::CONNECTION_RESET),
        connection_partial_close: q.wants(events::CONNECTION_PARTIAL_CLOSE),
        ..*old
    }
}
