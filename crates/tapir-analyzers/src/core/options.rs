//! The script options that analyzers read, with their default values.

use std::fmt;
use std::rc::Rc;

use tapir_data::value::Addr;

/// Texts that scripts know, as a test of a line.
#[derive(Clone, Default)]
pub struct Texts(Option<Rc<dyn Fn(&[u8]) -> bool>>);

impl Texts {
    /// By a function.
    pub fn new(f: impl Fn(&[u8]) -> bool + 'static) -> Self {
        Texts(Some(Rc::new(f)))
    }

    /// Whether one of them stands in a line.
    pub fn has(&self, line: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|f| f(line))
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Texts(…)" } else { "Texts" })
    }
}

/// What the lines of a login dialogue mean.
#[derive(Clone, Debug, Default)]
pub struct LoginTexts {
    pub direct_prompts: Texts,
    pub failures: Texts,
    pub non_failures: Texts,
    pub successes: Texts,
    pub timeouts: Texts,
    pub skip_authentication: Texts,
}

/// Limits and switches. The engine sets them from script constants by name and on `Option` changes.
#[derive(Clone, Debug)]
pub struct Options {
    pub dpd_buffer_size: u64,
    pub dpd_max_packets: u64,
    pub dpd_match_only_beginning: bool,
    pub dpd_late_match_stop: bool,
    pub dpd_ignore_ports: bool,
    pub max_analyzer_violations: u64,
    pub weird_sampling_threshold: u64,
    pub weird_sampling_rate: u64,
    pub weird_sampling_duration: f64,
    pub dns_max_queries: u64,
    pub dns_skip_all_auth: bool,
    pub dns_skip_all_addl: bool,
    /// Servers whose authority and additional sections are of no interest (`dns_skip_auth`, `dns_skip_addl`).
    pub dns_skip_auth: Vec<Addr>,
    pub dns_skip_addl: Vec<Addr>,
    pub dns_max_compression_chain_depth: u64,
    pub dns_session_timeout: f64,
    pub netbios_ssn_session_timeout: f64,
    /// Seconds until a connection ends that no analyzer knows; 0 for never.
    pub non_analyzed_lifetime: f64,
    pub http_entity_data_delivery_size: u64,
    pub skip_http_data: bool,
    /// `HTTP::upgrade_analyzers`: protocol in lower case, analyzer name.
    pub http_upgrade_analyzers: Vec<(String, String)>,
    pub truncate_http_uri: i64,
    pub mime_segment_length: u64,
    pub mime_segment_overlap_length: u64,
    pub mime_max_depth: u64,
    pub mime_max_header_bytes: u64,
    pub http_max_chunk_header_lines: u64,
    pub ftp_max_command_length: u64,
    pub smtp_max_bdat_chunk: u64,
    pub smtp_bdat_max_line_length: u64,
    pub smtp_enable_rfc822_msg_file_analysis: bool,
    pub irc_max_line_length: u64,
    pub pop3_max_pending_commands: u64,
    pub pop3_max_unknown_client_commands: u64,
    pub ssh_max_packet_length: u64,
    pub ssh_max_string_length: u64,
    pub ssh_max_kexinit: MaxKexinit,
    pub ssl_max_alerts_per_record: u64,
    pub dtls_max_version_errors: u64,
    pub dtls_max_reported_version_errors: u64,
    pub mqtt_max_payload_size: u64,
    pub websocket_max_control_frame_size: u64,
    pub websocket_payload_chunk_size: u64,
    pub smb_max_dce_rpc_analyzers: u64,
    pub smb_max_pending_messages: u64,
    pub smb_max_andx_depth: u64,
    /// `SMB::pipe_filenames`: names under which pipes are opened.
    pub smb_pipe_filenames: Vec<String>,
    pub dce_rpc_max_cmd_reassembly: u64,
    pub dce_rpc_max_frag_data: u64,
    pub flowbuffer_capacity_max: u64,
    pub finger_max_line_length: u64,
    pub redis_max_value_size: u64,
    pub redis_max_aggregate_elements: u64,
    pub ldap_max_filter_depth: u64,
    pub asn1_max_depth: u64,
    pub quic_max_short_events: Vec<u64>,
    pub quic_max_history_length: u64,
    pub quic_max_discarded_packet_events: i64,
    pub rpc_max_pending_calls: u64,
    pub rpc_timeout: f64,
    pub nfs_return_data: bool,
    pub nfs_return_data_first_only: bool,
    pub nfs_return_data_max: u64,
    pub ncp_max_frame_size: u64,
    pub gnutella_max_header_length: u64,
    pub gnutella_max_line_length: u64,
    pub login: LoginTexts,
}

/// How many names of each list of an SSH key exchange are told of (`SSH::max_kexinit_…`).
#[derive(Clone, Debug)]
pub struct MaxKexinit {
    pub kex: u64,
    pub hostkey: u64,
    pub encryption: u64,
    pub mac: u64,
    pub compression: u64,
    pub languages: u64,
}

impl Default for MaxKexinit {
    fn default() -> Self {
        MaxKexinit {
            kex: 100,
            hostkey: 100,
            encryption: 100,
            mac: 100,
            compression: 100,
            languages: 100,
        }
    }
}

impl MaxKexinit {
    /// The limits of the ten lists, in their order on the wire.
    pub fn lists(&self) -> [u64; 10] {
        let (e, m, c, l) = (self.encryption, self.mac, self.compression, self.languages);
        [self.kex, self.hostkey, e, e, m, m, c, c, l, l]
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            dpd_buffer_size: 1024,
            dpd_max_packets: 100,
            dpd_match_only_beginning: true,
            dpd_late_match_stop: false,
            dpd_ignore_ports: false,
            max_analyzer_violations: 1000,
            weird_sampling_threshold: 25,
            weird_sampling_rate: 1000,
            weird_sampling_duration: 600.0,
            dns_max_queries: 25,
            dns_skip_all_auth: true,
            dns_skip_all_addl: true,
            dns_skip_auth: Vec::new(),
            dns_skip_addl: Vec::new(),
            dns_max_compression_chain_depth: 20,
            dns_session_timeout: 10.0,
            netbios_ssn_session_timeout: 15.0,
            non_analyzed_lifetime: 0.0,
            http_entity_data_delivery_size: 1500,
            skip_http_data: false,
            http_upgrade_analyzers: vec![("websocket".into(), "WEBSOCKET".into())],
            truncate_http_uri: -1,
            mime_segment_length: 1024,
            mime_segment_overlap_length: 0,
            mime_max_depth: 100,
            mime_max_header_bytes: 65536,
            http_max_chunk_header_lines: 1024,
            ftp_max_command_length: 100,
            smtp_max_bdat_chunk: u64::MAX,
            smtp_bdat_max_line_length: 4096,
            smtp_enable_rfc822_msg_file_analysis: false,
            irc_max_line_length: 512,
            pop3_max_pending_commands: 10,
            pop3_max_unknown_client_commands: 10,
            ssh_max_packet_length: 8_388_608,
            ssh_max_string_length: 2_097_152,
            ssh_max_kexinit: MaxKexinit::default(),
            ssl_max_alerts_per_record: 10,
            dtls_max_version_errors: 10,
            dtls_max_reported_version_errors: 1,
            mqtt_max_payload_size: 100,
            websocket_max_control_frame_size: 125,
            websocket_payload_chunk_size: 8192,
            smb_max_dce_rpc_analyzers: 1000,
            smb_max_pending_messages: 1000,
            smb_max_andx_depth: 10,
            smb_pipe_filenames: [
                "MsFteWds", "lsarpc", "netdfs", "samr", "spoolss", "srvsvc", "winreg", "wkssvc",
            ]
            .map(String::from)
            .to_vec(),
            dce_rpc_max_cmd_reassembly: 20,
            dce_rpc_max_frag_data: 30_000,
            flowbuffer_capacity_max: 10 * 1024 * 1024,
            finger_max_line_length: 1024,
            redis_max_value_size: 250,
            redis_max_aggregate_elements: 20_000,
            ldap_max_filter_depth: 100,
            asn1_max_depth: 100,
            quic_max_short_events: vec![10, 100, 1000],
            quic_max_history_length: 100,
            quic_max_discarded_packet_events: 100,
            rpc_max_pending_calls: 1000,
            rpc_timeout: 24.0,
            nfs_return_data: false,
            nfs_return_data_first_only: true,
            nfs_return_data_max: 512,
            ncp_max_frame_size: 65536,
            gnutella_max_header_length: 32768,
            gnutella_max_line_length: 8192,
            login: LoginTexts::default(),
        }
    }
}
