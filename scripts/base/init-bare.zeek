##! The types, constants and settings that every script can rely on, also in bare mode.
##!
##! Native code reads most of what is declared here; field order is part of the interface.

module GLOBAL;

type IPAddrAnonymization: enum {
	KEEP_ORIG_ADDR,
	SEQUENTIALLY_NUMBERED,
	RANDOM_MD5,
	PREFIX_PRESERVING_A50,
	PREFIX_PRESERVING_MD5,
	RANDOM_SHA256,
	PREFIX_PRESERVING_SHA256,
};

type IPAddrAnonymizationClass: enum { ORIG_ADDR, RESP_ADDR, OTHER_ADDR };

type PcapFilterID: enum { None };

type TableChange: enum { TABLE_ELEMENT_NEW, TABLE_ELEMENT_CHANGED, TABLE_ELEMENT_REMOVED, TABLE_ELEMENT_EXPIRED };

type icmp6_mldv2_group_type: enum {
	MLDV2_MODE_IS_INCLUDE = 1,
	MLDV2_MODE_IS_EXCLUDE = 2,
	MLDV2_CHANGE_TO_INCLUDE_MODE = 3,
	MLDV2_CHANGE_TO_EXCLUDE_MODE = 4,
	MLDV2_ALLOW_NEW_SOURCES = 5,
	MLDV2_BLOCK_OLD_SOURCES = 6,
};

type layer3_proto: enum { L3_IPV4, L3_IPV6, L3_ARP, L3_UNKNOWN };

type link_encap: enum { LINK_ETHERNET, LINK_UNKNOWN };

type pkt_profile_modes: enum {
	PKT_PROFILE_MODE_NONE,
	PKT_PROFILE_MODE_SECS,
	PKT_PROFILE_MODE_PKTS,
	PKT_PROFILE_MODE_BYTES,
};

type rpc_status: enum {
	RPC_SUCCESS,
	RPC_PROG_UNAVAIL,
	RPC_PROG_MISMATCH,
	RPC_PROC_UNAVAIL,
	RPC_GARBAGE_ARGS,
	RPC_SYSTEM_ERR,
	RPC_TIMEOUT,
	RPC_VERS_MISMATCH,
	RPC_AUTH_ERROR,
	RPC_UNKNOWN_ERROR,
};

type transport_proto: enum { unknown_transport, tcp, udp, icmp };

# ---- Constants ----

const CONTENTS_BOTH: count = 3;
const CONTENTS_NONE: count = 0;
const CONTENTS_ORIG: count = 1;
const CONTENTS_RESP: count = 2;
const DNS_ADDL: count = 3;
const DNS_ANS: count = 1;
const DNS_AUTH: count = 2;
const DNS_PREREQUISITE: count = 4;
const DNS_QUERY: count = 0;
const DNS_UPDATE: count = 5;
const ENDIAN_BIG: count = 2;
const ENDIAN_CONFUSED: count = 3;
const ENDIAN_LITTLE: count = 1;
const ENDIAN_UNKNOWN: count = 0;
const ICMP_UNREACH_ADMIN_PROHIB: count = 13;
const ICMP_UNREACH_HOST: count = 1;
const ICMP_UNREACH_NEEDFRAG: count = 4;
const ICMP_UNREACH_NET: count = 0;
const ICMP_UNREACH_PORT: count = 3;
const ICMP_UNREACH_PROTOCOL: count = 2;
const IPPROTO_AH: count = 51;
const IPPROTO_DSTOPTS: count = 60;
const IPPROTO_ESP: count = 50;
const IPPROTO_FRAGMENT: count = 44;
const IPPROTO_HOPOPTS: count = 0;
const IPPROTO_ICMP: count = 1;
const IPPROTO_ICMPV6: count = 58;
const IPPROTO_IGMP: count = 2;
const IPPROTO_IP: count = 0;
const IPPROTO_IPIP: count = 4;
const IPPROTO_IPV6: count = 41;
const IPPROTO_MOBILITY: count = 135;
const IPPROTO_NONE: count = 59;
const IPPROTO_RAW: count = 255;
const IPPROTO_ROUTING: count = 43;
const IPPROTO_TCP: count = 6;
const IPPROTO_UDP: count = 17;
const LOGIN_STATE_AUTHENTICATE: count = 0;
const LOGIN_STATE_CONFUSED: count = 3;
const LOGIN_STATE_LOGGED_IN: count = 1;
const LOGIN_STATE_SKIP: count = 2;
const RPC_status: table[rpc_status] of string = { [RPC_AUTH_ERROR] = "auth error", [RPC_GARBAGE_ARGS] = "garbage args", [RPC_PROC_UNAVAIL] = "proc unavail", [RPC_PROG_MISMATCH] = "mismatch", [RPC_PROG_UNAVAIL] = "prog unavail", [RPC_SUCCESS] = "ok", [RPC_SYSTEM_ERR] = "system err", [RPC_TIMEOUT] = "timeout", [RPC_UNKNOWN_ERROR] = "unknown" };
const TCP_CLOSED: count = 5;
const TCP_ESTABLISHED: count = 4;
const TCP_INACTIVE: count = 0;
const TCP_PARTIAL: count = 3;
const TCP_RESET: count = 6;
const TCP_SYN_ACK_SENT: count = 2;
const TCP_SYN_SENT: count = 1;
const TH_ACK: count = 16;
const TH_FIN: count = 1;
const TH_FLAGS: count = 63;
const TH_PUSH: count = 8;
const TH_RST: count = 4;
const TH_SYN: count = 2;
const TH_URG: count = 32;
const UDP_ACTIVE: count = 1;
const UDP_INACTIVE: count = 0;
const allow_network_time_forward: bool = T &redef;
const bits_per_uid: count = 96 &redef;
const cmd_line_bpf_filter: string = "" &redef;
const detect_filtered_trace: bool = F &redef;
const digest_salt: string = "Please change this value." &redef;
const dns_session_timeout: interval = 10sec &redef;
const dpd_buffer_size: count = 1024 &redef;
const dpd_ignore_ports: bool = F &redef;
const dpd_late_match_stop: bool = F &redef;
const dpd_match_only_beginning: bool = T &redef;
const dpd_max_packets: count = 100 &redef;
const dpd_reassemble_first_packets: bool = T &redef;
const exit_only_after_terminate: bool = F &redef;
const expensive_profiling_multiple: count = 0 &redef;
const frag_timeout: interval = 5min &redef;
# Datagrams that wait for fragments, and the bytes that they hold, at most; beyond, the oldest go.
const frag_max_datagrams: count = 65536 &redef;
const frag_max_bytes: count = 268435456 &redef;
const global_hash_seed: string = "" &redef;
const icmp_inactivity_timeout: interval = 1min &redef;
const ignore_checksums: bool = F &redef;
## Whether TCP keep-alives are left out of the retransmissions that `conn_stats` tells: segments that repeat the last byte
## which was acknowledged (RFC 9293, section 3.8.4).
const ignore_keep_alive_rexmit: bool = F &redef;
## Has no effect here: packets and messages are waited for with the system's own means.
const io_poll_interval_default: count = 100 &redef;
## Has no effect here, as `io_poll_interval_default`.
const io_poll_interval_live: count = 10 &redef;
const log_rotate_base_time: string = "0:00" &redef;
const max_analyzer_violations: count = 1000 &redef;
# Connections at most; beyond, those that are idle for longest make room. 0: no limit.
const max_connections: count = 1000000 &redef;
const max_find_all_string_length: int = 10000 &redef;
const max_timer_expires: count = 300 &redef;
const mmdb_asn_db: string = "GeoLite2-ASN.mmdb" &redef;
const mmdb_city_db: string = "GeoLite2-City.mmdb" &redef;
const mmdb_country_db: string = "GeoLite2-Country.mmdb" &redef;
const mmdb_dir: string = "" &redef;
const mmdb_dir_fallbacks: vector of string = vector("/usr/share/GeoIP", "/var/lib/GeoIP", "/usr/local/share/GeoIP", "/usr/local/var/GeoIP") &redef;
const mmdb_stale_check_interval: interval = 5min &redef;
## A session of NetBIOS over datagrams ends when it was silent for so long.
const netbios_ssn_session_timeout: interval = 15sec &redef;
## A TCP or UDP connection ends as after a timeout when it is so old and no analyzer knows its application; 0 for never.
const non_analyzed_lifetime: interval = 0sec &redef;
const packet_filter_default: bool = F &redef;
const packet_source_inactivity_timeout: interval = 100msec &redef;
const partial_connection_ok: bool = T &redef;
const peer_description: string = "zeek" &redef;
## After how many seconds of network time, packets or bytes the next line is written to `pkt_profile_file`.
const pkt_profile_freq: double = 0.0 &redef;
## What `pkt_profile_freq` counts.
const pkt_profile_mode: pkt_profile_modes = PKT_PROFILE_MODE_NONE &redef;
## How often `misc/profiling` writes.
const profiling_interval: interval = 0sec &redef;
## Whether `-w` writes all packets that are analysed, each before its analysis. Otherwise a packet is written after it, and those of
## connections that `set_record_packets` names are not.
const record_all_packets: bool = F &redef;
const report_gaps_for_partial: bool = F &redef;
const rpc_max_pending_calls: count = 1000 &redef;
const rpc_timeout: interval = 24sec &redef;
## For scripts that are to behave otherwise in a test; nothing else asks for it.
const running_under_test: bool = F &redef;
## Has no effect here: patterns of signatures are matched all at once.
const sig_max_group_size: count = 50 &redef;
const skip_http_data: bool = F &redef;
const table_expire_delay: interval = 10msec &redef;
const table_expire_interval: interval = 10sec &redef;
const table_incremental_step: count = 5000 &redef;
const tcp_SYN_ack_ok: bool = T &redef;
const tcp_SYN_timeout: interval = 5sec &redef;
const tcp_attempt_delay: interval = 5sec &redef;
const tcp_close_delay: interval = 5sec &redef;
const tcp_connection_linger: interval = 5sec &redef;
const tcp_content_deliver_all_orig: bool = F &redef;
const tcp_content_deliver_all_resp: bool = F &redef;
const tcp_content_delivery_ports_orig: table[port] of bool = {} &redef;
const tcp_content_delivery_ports_resp: table[port] of bool = {} &redef;
const tcp_excessive_data_without_further_acks: count = 10485760 &redef;
const tcp_inactivity_timeout: interval = 5min &redef;
const tcp_match_undelivered: bool = T &redef;
const tcp_max_above_hole_without_any_acks: count = 16384 &redef;
const tcp_max_initial_window: count = 16384 &redef;
const tcp_max_old_segments: count = 0 &redef;
const tcp_partial_close_delay: interval = 3sec &redef;
const tcp_reset_delay: interval = 5sec &redef;
const tcp_session_timer: interval = 6sec &redef;
const tcp_storm_interarrival_thresh: interval = 1sec &redef;
const tcp_storm_thresh: count = 1000 &redef;
const trace_output_file: string = "";
const truncate_http_URI: int = -1 &redef;
const udp_content_deliver_all_orig: bool = F &redef;
const udp_content_deliver_all_resp: bool = F &redef;
const udp_content_delivery_ports_orig: table[port] of bool = {} &redef;
const udp_content_delivery_ports_resp: table[port] of bool = {} &redef;
const udp_inactivity_timeout: interval = 1min &redef;
const unknown_ip_inactivity_timeout: interval = 1min &redef;
const use_conn_size_analyzer: bool = T &redef;
## Has no effect here: analysis is bounded, and needs no watchdog.
const watchdog_interval: interval = 10sec &redef;
const zeek_script_args: vector of string = vector();

# ---- Settings that can change at run time ----

option default_file_bof_buffer_size: count = 4096 &redef;
option default_file_timeout_interval: interval = 2min &redef;
option ignore_checksums_nets: set[subnet] = {} &redef;
option udp_content_delivery_ports_use_resp: bool = F &redef;
option udp_content_ports: set[port] = {} &redef;

const likely_server_ports: set[port] = {} &redef;

# ---- Records and containers ----

type conn_id_ctx: record {
};

type conn_id: record {
	orig_h: addr &log;
	orig_p: port &log;
	resp_h: addr &log;
	resp_p: port &log;
	proto: count &default=65535;
	ctx: conn_id_ctx &default=conn_id_ctx() &log;
};

type endpoint: record {
	size: count;
	state: count;
	num_pkts: count &optional;
	num_bytes_ip: count &optional;
	flow_label: count;
	l2_addr: string &optional;
};

module Tunnel;

export {
	type Type: enum { NONE, IP, AYIYA, TEREDO, SOCKS, GTPv1, HTTP, GRE, VXLAN, GENEVE };

	type EncapsulatingConn: record {
		cid: conn_id &log;
		tunnel_type: Type &log;
		uid: string &optional &log;
	};
}

module GLOBAL;

type connection: record {
	id: conn_id;
	orig: endpoint;
	resp: endpoint;
	start_time: time;
	duration: interval;
	service: set[string];
	history: string;
	uid: string;
	tunnel: vector of Tunnel::EncapsulatingConn &optional;
	vlan: int &optional;
	inner_vlan: int &optional;
};

type fa_file: record {
	id: string;
	parent_id: string &optional;
	source: string;
	is_orig: bool &optional;
	conns: table[conn_id] of connection &optional;
	last_active: time;
	seen_bytes: count &default=0;
	total_bytes: count &optional;
	missing_bytes: count &default=0;
	overflow_bytes: count &default=0;
	timeout_interval: interval &default=default_file_timeout_interval;
	bof_buffer_size: count &default=default_file_bof_buffer_size;
	bof_buffer: string &optional;
};

type AnalyzerConfirmationInfo: record {
	c: connection &optional;
	f: fa_file &optional;
	aid: count &optional;
};

type AnalyzerViolationInfo: record {
	reason: string;
	c: connection &optional;
	f: fa_file &optional;
	aid: count &optional;
	data: string &optional;
};

type call_argument: record {
	name: string;
	type_name: string;
	default_val: any &optional;
	value: any &optional;
};

type BacktraceElement: record {
	function_name: string;
	function_args: vector of call_argument;
	file_location: string &optional;
	line_location: count &optional;
};

type BrokerPeeringStats: record {
	num_queued: count;
	max_queued_recently: count;
	num_overflows: count;
};

type BrokerStats: record {
	num_peers: count;
	num_stores: count;
	num_pending_queries: count;
	num_events_incoming: count;
	num_events_outgoing: count;
	num_logs_incoming: count;
	num_logs_outgoing: count;
	num_ids_incoming: count;
	num_ids_outgoing: count;
};

type ConnStats: record {
	total_conns: count;
	current_conns: count;
	sess_current_conns: count;
	num_packets: count;
	num_fragments: count;
	max_fragments: count;
	num_tcp_conns: count;
	max_tcp_conns: count;
	cumulative_tcp_conns: count;
	num_udp_conns: count;
	max_udp_conns: count;
	cumulative_udp_conns: count;
	num_icmp_conns: count;
	max_icmp_conns: count;
	cumulative_icmp_conns: count;
	num_packets_unprocessed: count;
	killed_by_inactivity: count;
};

type DNSStats: record {
	requests: count;
	successful: count;
	failed: count;
	pending: count;
	cached_hosts: count;
	cached_addresses: count;
	cached_texts: count;
	cached_total: count;
};

type EventNameCounter: record {
	name: string &log;
	times_called: count &log;
};

type EventStats: record {
	queued: count;
	dispatched: count;
};

type FileAnalysisStats: record {
	current: count;
	max: count;
	cumulative: count;
};

type GapStats: record {
	ack_events: count;
	ack_bytes: count;
	gap_events: count;
	gap_bytes: count;
};

type MatcherStats: record {
	matchers: count;
	nfa_states: count;
	dfa_states: count;
	computed: count;
	mem: count;
	hits: count;
	misses: count;
};

type ModbusFileRecordRequest: record {
	ref_type: count;
	file_num: count;
	record_num: count;
	record_len: count;
};

type ModbusFileRecordResponse: record {
	file_len: count;
	ref_type: count;
	record_data: string;
};

type ModbusFileReference: record {
	ref_type: count;
	file_num: count;
	record_num: count;
	record_len: count;
	record_data: string;
};

type ModbusHeaders: record {
	tid: count;
	pid: count;
	uid: count;
	function_code: count;
	len: count;
};

type NetStats: record {
	pkts_recvd: count &default=0;
	pkts_dropped: count &default=0;
	pkts_link: count &default=0;
	bytes_recvd: count &default=0;
	pkts_filtered: count &optional;
};

type PacketSource: record {
	live: bool;
	path: string;
	link_type: int;
	netmask: count;
};

type PatternMatchResult: record {
	matched: bool;
	str: string;
	off: count;
};

type PluginComponent: record {
	name: string;
	canonical_name: string;
	tag: string;
	enabled: bool;
};

type ProcStats: record {
	debug: bool;
	start_time: time;
	real_time: interval;
	user_time: interval;
	system_time: interval;
	mem: count;
	minor_faults: count;
	major_faults: count;
	num_swap: count;
	blocking_input: count;
	blocking_output: count;
	num_context: count;
};

type ReassemblerStats: record {
	file_size: count;
	frag_size: count;
	tcp_size: count;
	unknown_size: count;
};

type ReporterStats: record {
	weirds: count;
	weirds_by_type: table[string] of count;
};

type SYN_packet: record {
	is_orig: bool;
	DF: bool;
	ttl: count;
	size: count;
	win_size: count;
	win_scale: int;
	MSS: count;
	SACK_OK: bool;
	TSval: count &optional;
	TSecr: count &optional;
};

type ThreadStats: record {
	num_threads: count;
};

type TimerStats: record {
	current: count;
	max: count;
	cumulative: count;
};

type bittorrent_benc_value: record {
	i: int &optional;
	s: string &optional;
	d: string &optional;
	l: string &optional;
};

type bittorrent_peer: record {
	h: addr;
	p: port;
};

type dns_answer: record {
	answer_type: count;
	query: string;
	qtype: count;
	qclass: count;
	TTL: interval;
};

type dns_binds_rr: record {
	query: string;
	answer_type: count;
	algorithm: count;
	key_id: count;
	removal_flag: count;
	complete_flag: count;
	is_query: count;
};

type dns_dnskey_rr: record {
	query: string;
	answer_type: count;
	flags: count;
	protocol: count;
	algorithm: count;
	public_key: string;
	is_query: count;
};

type dns_ds_rr: record {
	query: string;
	answer_type: count;
	key_tag: count;
	algorithm: count;
	digest_type: count;
	digest_val: string;
	is_query: count;
};

type dns_edns_additional: record {
	query: string;
	qtype: count;
	t: count;
	payload_size: count;
	extended_rcode: count;
	version: count;
	z_field: count;
	TTL: interval;
	is_query: count;
};

type dns_edns_cookie: record {
	client_cookie: string;
	server_cookie: string &default="";
};

type dns_edns_ecs: record {
	family: string;
	source_prefix_len: count;
	scope_prefix_len: count;
	address: addr;
};

type dns_edns_tcp_keepalive: record {
	keepalive_timeout_omitted: bool;
	keepalive_timeout: count;
};

type dns_loc_rr: record {
	query: string;
	answer_type: count;
	version: count;
	size: count;
	horiz_pre: count;
	vert_pre: count;
	latitude: count;
	longitude: count;
	altitude: count;
	is_query: count;
};

type dns_mapping: record {
	creation_time: time;
	req_host: string;
	req_addr: addr;
	valid: bool;
	hostname: string;
	addrs: set[addr];
};

type dns_msg: record {
	id: count;
	opcode: count;
	rcode: count;
	QR: bool;
	AA: bool;
	TC: bool;
	RD: bool;
	RA: bool;
	Z: count;
	AD: bool;
	CD: bool;
	num_queries: count;
	num_answers: count;
	num_auth: count;
	num_addl: count;
	is_netbios: bool;
};

type dns_naptr_rr: record {
	order: count;
	preference: count;
	flags: string;
	service: string;
	regexp: string;
	replacement: string;
};

type dns_nsec3_rr: record {
	query: string;
	answer_type: count;
	nsec_flags: count;
	nsec_hash_algo: count;
	nsec_iter: count;
	nsec_salt_len: count;
	nsec_salt: string;
	nsec_hlen: count;
	nsec_hash: string;
	bitmaps: vector of string;
	is_query: count;
};

type dns_nsec3param_rr: record {
	query: string;
	answer_type: count;
	nsec_flags: count;
	nsec_hash_algo: count;
	nsec_iter: count;
	nsec_salt_len: count;
	nsec_salt: string;
	is_query: count;
};

type dns_rrsig_rr: record {
	query: string;
	answer_type: count;
	type_covered: count;
	algorithm: count;
	labels: count;
	orig_ttl: interval;
	sig_exp: time;
	sig_incep: time;
	key_tag: count;
	signer_name: string;
	signature: string;
	is_query: count;
};

type dns_soa: record {
	mname: string;
	rname: string;
	serial: count;
	refresh: interval;
	retry: interval;
	expire: interval;
	minimum: interval;
};

type dns_svcb_param: record {
	key: count;
	mandatory: vector of count &optional;
	alpn: vector of string &optional;
	p: count &optional;
	hint: vector of addr &optional;
	ech: string &optional;
	raw: string &optional;
};

type dns_svcb_rr: record {
	svc_priority: count;
	target_name: string;
	svc_params: vector of dns_svcb_param &optional;
};

type dns_tkey: record {
	query: string;
	qtype: count;
	alg_name: string;
	inception: time;
	expiration: time;
	mode: count;
	rr_error: count;
	key_data: string;
	is_query: count;
};

type dns_tsig_additional: record {
	query: string;
	qtype: count;
	alg_name: string;
	sig: string;
	time_signed: time;
	fudge: time;
	orig_id: count;
	rr_error: count;
	is_query: count;
};

type endpoint_stats: record {
	num_pkts: count;
	num_rxmit: count;
	num_rxmit_bytes: count;
	num_in_order: count;
	num_OO: count;
	num_repl: count;
	endian_type: count;
};

type entropy_test_result: record {
	entropy: double;
	chi_square: double;
	mean: double;
	monte_carlo_pi: double;
	serial_correlation: double;
};

type mime_match: record {
	strength: int;
	mime: string;
};

type fa_metadata: record {
	mime_type: string &optional;
	mime_types: vector of mime_match &optional;
	inferred: bool &default=T;
};

type flow_id: record {
	src_h: addr &log;
	src_p: port &log;
	dst_h: addr &log;
	dst_p: port &log;
};

type from_json_result: record {
	v: any &optional;
	valid: bool;
	err: string &optional;
};

type ftp_port: record {
	h: addr;
	p: port;
	valid: bool;
};

type geo_autonomous_system: record {
	number: count &optional &log;
	organization: string &optional &log;
};

type geo_location: record {
	country_code: string &optional &log;
	region: string &optional &log;
	city: string &optional &log;
	latitude: double &optional &log;
	longitude: double &optional &log;
};

type gtp_rai: record {
	mcc: count;
	mnc: count;
	lac: count;
	rac: count;
};

type gtp_end_user_addr: record {
	pdp_type_org: count;
	pdp_type_num: count;
	pdp_ip: addr &optional;
	pdp_other_addr: string &optional;
};

type gtp_gsn_addr: record {
	ip: addr &optional;
	other: string &optional;
};

type gtp_qos_profile: record {
	priority: count;
	data: string;
};

type gtp_private_extension: record {
	id: count;
	value: string;
};

type gtp_create_pdp_ctx_request_elements: record {
	imsi: count &optional;
	rai: gtp_rai &optional;
	recovery: count &optional;
	select_mode: count &optional;
	data1: count;
	cp: count &optional;
	nsapi: count;
	linked_nsapi: count &optional;
	charge_character: count &optional;
	trace_ref: count &optional;
	trace_type: count &optional;
	end_user_addr: gtp_end_user_addr &optional;
	ap_name: string &optional;
	opts: string &optional;
	signal_addr: gtp_gsn_addr;
	user_addr: gtp_gsn_addr;
	msisdn: string &optional;
	qos_prof: gtp_qos_profile;
	tft: string &optional;
	trigger_id: string &optional;
	omc_id: string &optional;
	ext: gtp_private_extension &optional;
};

type gtp_create_pdp_ctx_response_elements: record {
	cause: count;
	reorder_req: bool &optional;
	recovery: count &optional;
	data1: count &optional;
	cp: count &optional;
	charging_id: count &optional;
	end_user_addr: gtp_end_user_addr &optional;
	opts: string &optional;
	cp_addr: gtp_gsn_addr &optional;
	user_addr: gtp_gsn_addr &optional;
	qos_prof: gtp_qos_profile &optional;
	charge_gateway: addr &optional;
	ext: gtp_private_extension &optional;
};

type gtp_delete_pdp_ctx_request_elements: record {
	teardown_ind: bool &optional;
	nsapi: count;
	ext: gtp_private_extension &optional;
};

type gtp_delete_pdp_ctx_response_elements: record {
	cause: count;
	ext: gtp_private_extension &optional;
};

type gtp_update_pdp_ctx_request_elements: record {
	imsi: count &optional;
	rai: gtp_rai &optional;
	recovery: count &optional;
	data1: count;
	cp: count &optional;
	nsapi: count;
	trace_ref: count &optional;
	trace_type: count &optional;
	cp_addr: gtp_gsn_addr;
	user_addr: gtp_gsn_addr;
	qos_prof: gtp_qos_profile;
	tft: string &optional;
	trigger_id: string &optional;
	omc_id: string &optional;
	ext: gtp_private_extension &optional;
	end_user_addr: gtp_end_user_addr &optional;
};

type gtp_update_pdp_ctx_response_elements: record {
	cause: count;
	recovery: count &optional;
	data1: count &optional;
	cp: count &optional;
	charging_id: count &optional;
	cp_addr: gtp_gsn_addr &optional;
	user_addr: gtp_gsn_addr &optional;
	qos_prof: gtp_qos_profile &optional;
	charge_gateway: addr &optional;
	ext: gtp_private_extension &optional;
};

type gtpv1_hdr: record {
	version: count;
	pt_flag: bool;
	rsv: bool;
	e_flag: bool;
	s_flag: bool;
	pn_flag: bool;
	msg_type: count;
	length: count;
	teid: count;
	seq: count &optional;
	n_pdu: count &optional;
	next_type: count &optional;
};

type http_message_stat: record {
	start: time;
	interrupted: bool;
	finish_msg: string;
	body_length: count;
	content_gap_length: count;
	header_length: count;
};

type http_stats_rec: record {
	num_requests: count;
	num_replies: count;
	request_version: double;
	reply_version: double;
};

type icmp6_mldv2_mar: record {
	group_type: icmp6_mldv2_group_type;
	aux_data_len: count;
	num_sources: count;
	multicast_addr: addr;
	sources: vector of addr;
	aux_data: string &optional;
};

type icmp6_nd_prefix_info: record {
	prefix_len: count;
	L_flag: bool;
	A_flag: bool;
	valid_lifetime: interval;
	preferred_lifetime: interval;
	prefix: addr;
};

type icmp_context: record {
	id: conn_id;
	len: count;
	proto: count;
	frag_offset: count;
	bad_hdr_len: bool;
	bad_checksum: bool;
	MF: bool;
	DF: bool;
};

type icmp6_nd_option: record {
	otype: count;
	len: count;
	link_address: string &optional;
	prefix: icmp6_nd_prefix_info &optional;
	redirect: icmp_context &optional;
	mtu: count &optional;
	payload: string &optional;
};

type icmp_hdr: record {
	icmp_type: count;
};

type icmp_info: record {
	v6: bool;
	itype: count;
	icode: count;
	len: count;
	ttl: count;
};

type ip4_hdr: record {
	hl: count;
	tos: count;
	len: count;
	id: count;
	DF: bool;
	MF: bool;
	offset: count;
	ttl: count;
	p: count;
	sum: count;
	src: addr;
	dst: addr;
};

type ip6_ah: record {
	nxt: count;
	len: count;
	rsv: count;
	spi: count;
	seq: count &optional;
	data: string &optional;
};

type ip6_option: record {
	otype: count;
	len: count;
	data: string;
};

type ip6_dstopts: record {
	nxt: count;
	len: count;
	options: vector of ip6_option;
};

type ip6_esp: record {
	spi: count;
	seq: count;
};

type ip6_hopopts: record {
	nxt: count;
	len: count;
	options: vector of ip6_option;
};

type ip6_routing: record {
	nxt: count;
	len: count;
	rtype: count;
	segleft: count;
	data: string;
};

type ip6_fragment: record {
	nxt: count;
	rsv1: count;
	offset: count;
	rsv2: count;
	more: bool;
	id: count;
};

type ip6_mobility_brr: record {
	rsv: count;
	options: vector of ip6_option;
};

type ip6_mobility_hoti: record {
	rsv: count;
	cookie: count;
	options: vector of ip6_option;
};

type ip6_mobility_coti: record {
	rsv: count;
	cookie: count;
	options: vector of ip6_option;
};

type ip6_mobility_hot: record {
	nonce_idx: count;
	cookie: count;
	token: count;
	options: vector of ip6_option;
};

type ip6_mobility_cot: record {
	nonce_idx: count;
	cookie: count;
	token: count;
	options: vector of ip6_option;
};

type ip6_mobility_bu: record {
	seq: count;
	a: bool;
	h: bool;
	l: bool;
	k: bool;
	life: count;
	options: vector of ip6_option;
};

type ip6_mobility_back: record {
	status: count;
	k: bool;
	seq: count;
	life: count;
	options: vector of ip6_option;
};

type ip6_mobility_be: record {
	status: count;
	hoa: addr;
	options: vector of ip6_option;
};

type ip6_mobility_msg: record {
	id: count;
	brr: ip6_mobility_brr &optional;
	hoti: ip6_mobility_hoti &optional;
	coti: ip6_mobility_coti &optional;
	hot: ip6_mobility_hot &optional;
	cot: ip6_mobility_cot &optional;
	bu: ip6_mobility_bu &optional;
	back: ip6_mobility_back &optional;
	be: ip6_mobility_be &optional;
};

type ip6_mobility_hdr: record {
	nxt: count;
	len: count;
	mh_type: count;
	rsv: count;
	chksum: count;
	msg: ip6_mobility_msg;
};

type ip6_ext_hdr: record {
	id: count;
	hopopts: ip6_hopopts &optional;
	dstopts: ip6_dstopts &optional;
	routing: ip6_routing &optional;
	fragment: ip6_fragment &optional;
	ah: ip6_ah &optional;
	esp: ip6_esp &optional;
	mobility: ip6_mobility_hdr &optional;
};

type ip6_hdr: record {
	class: count;
	flow: count;
	len: count;
	nxt: count;
	hlim: count;
	src: addr;
	dst: addr;
	exts: vector of ip6_ext_hdr;
};

type irc_join_info: record {
	nick: string;
	channel: string;
	password: string;
	usermode: string;
};

type l2_hdr: record {
	encap: link_encap;
	len: count;
	cap_len: count;
	src: string &optional;
	dst: string &optional;
	vlan: count &optional;
	vlan_pcp: count &optional;
	vlan_dei: bool &optional;
	inner_vlan: count &optional;
	inner_vlan_pcp: count &optional;
	inner_vlan_dei: bool &optional;
	eth_type: count &optional;
	proto: layer3_proto;
};

type mime_header_rec: record {
	original_name: string;
	name: string;
	value: string;
};

type pcap_packet: record {
	ts_sec: count;
	ts_usec: count;
	caplen: count;
	len: count;
	data: string;
	link_type: link_encap;
};

type tcp_hdr: record {
	sport: port;
	dport: port;
	seq: count;
	ack: count;
	hl: count;
	dl: count;
	reserved: count;
	flags: count;
	win: count;
};

type udp_hdr: record {
	sport: port;
	dport: port;
	ulen: count;
};

type pkt_hdr: record {
	ip: ip4_hdr &optional;
	ip6: ip6_hdr &optional;
	tcp: tcp_hdr &optional;
	udp: udp_hdr &optional;
	icmp: icmp_hdr &optional;
};

type pm_callit_request: record {
	program: count;
	version: count;
	proc: count;
	arg_size: count;
};

type pm_mapping: record {
	program: count;
	version: count;
	p: port;
};

type pm_port_request: record {
	program: count;
	version: count;
	is_tcp: bool;
};

type raw_pkt_hdr: record {
	l2: l2_hdr;
	ip: ip4_hdr &optional;
	ip6: ip6_hdr &optional;
	tcp: tcp_hdr &optional;
	udp: udp_hdr &optional;
	icmp: icmp_hdr &optional;
};

type record_field: record {
	type_name: string;
	log: bool;
	value: any &optional;
	default_val: any &optional;
	optional: bool;
};

type rotate_info: record {
	old_name: string;
	new_name: string;
	open: time;
	close: time;
};

type script_id_attr: record {
	name: string;
	expr: string &optional;
};

type script_id: record {
	type_name: string;
	exported: bool;
	constant: bool;
	enum_constant: bool;
	option_value: bool;
	redefinable: bool;
	broker_backend: bool;
	value: any &optional;
	attributes: vector of script_id_attr &optional;
};

type signature_state: record {
	sig_id: string;
	conn: connection;
	is_orig: bool;
	payload_size: count;
};

type sw_align: record {
	str: string;
	index: count;
};

type sw_params: record {
	min_strlen: count &default=3;
	sw_variant: count &default=0;
};

type sw_substring: record {
	str: string;
	aligns: vector of sw_align;
	new: bool;
};

type teredo_auth: record {
	id: string;
	value: string;
	nonce: count;
	confirm: count;
};

type teredo_origin: record {
	p: port;
	a: addr;
};

type teredo_hdr: record {
	auth: teredo_auth &optional;
	origin: teredo_origin &optional;
	hdr: pkt_hdr;
};
type string_array: table[count] of string;
type string_set: set[string];
type string_vec: vector of string;
type index_vec: vector of count;
type double_vec: vector of double;
type addr_set: set[addr];
type addr_vec: vector of addr;
type subnet_set: set[subnet];
type subnet_vec: vector of subnet;
type any_vec: vector of any;
type any_set_table: table[string] of any;
type count_set: set[count];
type int_vec: vector of int;
type bool_vec: vector of bool;
type interval_set: set[interval];
type string_any_table: table[string] of any;
type table_string_of_string: table[string] of string;
type table_string_of_count: table[string] of count;
type string_mapper: function(s: string): string;
type id_table: table[string] of script_id;
type record_field_table: table[string] of record_field;

module FileExtract;

export {
	## Bytes after which an extracted file is cut; 0 for no limit.
	option default_limit: count = 104857600 &redef;

	## Whether missing bytes count.
	option default_limit_includes_missing: bool = T &redef;
}

module Files;

export {
	type Tag: enum {
		ANALYZER_DATA_EVENT = 2000,
		ANALYZER_ENTROPY = 2001,
		ANALYZER_EXTRACT = 2002,
		ANALYZER_MD5 = 2003,
		ANALYZER_OCSP_REPLY = 2004,
		ANALYZER_OCSP_REQUEST = 2005,
		ANALYZER_PE = 2006,
		ANALYZER_SHA1 = 2007,
		ANALYZER_SHA224 = 2008,
		ANALYZER_SHA256 = 2009,
		ANALYZER_SHA384 = 2010,
		ANALYZER_SHA512 = 2011,
		ANALYZER_X509 = 2012,
		ANALYZER_ZIP = 2013,
	};
}

module GLOBAL;

type files_tag_set: set[Files::Tag];
type mime_matches: vector of mime_match;
type call_argument_vector: vector of call_argument;
type Backtrace: vector of BacktraceElement;
type EncapsulatingConnVector: vector of Tunnel::EncapsulatingConn;
type EventNameStats: vector of EventNameCounter;
type BrokerPeeringStatsTable: table[string] of BrokerPeeringStats;
type ModbusCoils: vector of bool;
type ModbusRegisters: vector of count;
type ModbusFileRecordRequests: vector of ModbusFileRecordRequest;
type ModbusFileRecordResponses: vector of ModbusFileRecordResponse;
type ModbusFileReferences: vector of ModbusFileReference;
type bittorrent_peer_set: set[bittorrent_peer];
type bittorrent_benc_dir: table[string] of bittorrent_benc_value;
type bt_tracker_headers: table[string] of string;

module EventMetadata;

export {
	type ID: enum { NETWORK_TIMESTAMP = 1 };

	type Entry: record {
		id: ID;
		val: any;
	};
}

module GLOBAL;

type event_metadata_vec: vector of EventMetadata::Entry;

module PacketAnalyzer::Geneve;

export {
	type Option: record {
		class: count;
		critical: bool;
		typ: count;
		data: string;
	};
}

module GLOBAL;

type geneve_options_vec: vector of PacketAnalyzer::Geneve::Option;
type geneve_options_vec_vec: vector of geneve_options_vec;
type icmp6_mldv2_mar_vec: vector of icmp6_mldv2_mar;
type icmp6_nd_options: vector of icmp6_nd_option;
type irc_join_list: set[irc_join_info];
type mime_header_list: table[count] of mime_header_rec;
type plugin_component_vec: vector of PluginComponent;
type pm_mappings: table[count] of pm_mapping;

module SSL;

export {
	## Messages of DTLS with a version that does not exist before the analysis ends, and how many of them are told of.
	const dtls_max_version_errors: count = 10 &redef;
	const dtls_max_reported_version_errors: count = 1 &redef;

	## More alerts in one record are skipped.
	const max_alerts_per_record: count = 10 &redef;

	type PSKIdentity: record {
		identity: string;
		obfuscated_ticket_age: count;
	};
}

module GLOBAL;

type psk_identity_vec: vector of SSL::PSKIdentity;

module SSL;

export {
	type SignatureAndHashAlgorithm: record {
		HashAlgorithm: count;
		SignatureAlgorithm: count;
	};
}

module GLOBAL;

type signature_and_hashalgorithm_vec: vector of SSL::SignatureAndHashAlgorithm;
type string_any_file_hook: hook(f: fa_file, e: any, str: string);
type sw_align_vec: vector of sw_align;
type sw_substring_vec: vector of sw_substring;
type var_sizes: table[string] of count;
type x509_opaque_vector: vector of opaque of x509;

@load base/bif/types-frameworks
@load base/bif/types-protocols
@load base/bif/functions-core

# Redefinitions of the two lists below add to them, separated by a blank.

function add_interface(iold: string, inew: string): string
	{
	return iold == "" ? inew : fmt("%s %s", iold, inew);
	}

function add_signature_file(sold: string, snew: string): string
	{
	return sold == "" ? snew : fmt("%s %s", sold, snew);
	}

# ---- Variables ----

global capture_filters: table[string] of string = {} &redef;
global direct_login_prompts: set[string] = {} &redef;
global discarder_maxlen: count = 128 &redef;
global dns_max_compression_chain_depth: count = 20 &redef;
global dns_max_queries: count = 25 &redef;
global dns_skip_addl: set[addr] = {} &redef;
global dns_skip_all_addl: bool = T &redef;
global dns_skip_all_auth: bool = T &redef;
global dns_skip_auth: set[addr] = {} &redef;
global done_with_network: bool = F;
global http_entity_data_delivery_size: count = 1500 &redef;
global interfaces: string = "" &redef &add_func=add_interface;
global login_failure_msgs: set[string] = {} &redef;
global login_non_failure_msgs: set[string] = {} &redef;
## Has no effect here: logins are recognized without their prompts.
global login_prompts: set[string] = {} &redef;
global login_success_msgs: set[string] = {} &redef;
global login_timeouts: set[string] = {} &redef;
global mime_segment_length: count = 1024 &redef;
global mime_segment_overlap_length: count = 0 &redef;
## Where a line is written every `pkt_profile_freq`: the network time, seconds since the first packet, seconds of processor
## time in user mode and in the kernel, bytes of memory, and how many packets and bytes there were.
global pkt_profile_file: file of string &redef;
global profiling_file: file of string &redef;
global restrict_filters: table[string] of string = {} &redef;
## Filters in the language of captures, and the event that is raised for each packet that one matches, with the filter and the
## packet's headers. They are read at the first packet; what they match is analysed all the same.
global secondary_filters: table[string] of event(filter: string, pkt: pkt_hdr) = {} &redef;
global signature_files: string = "" &redef &add_func=add_signature_file;
global skip_authentication: set[string] = {} &redef;

# Scripts may define these to drop packets before the engine looks at them (T drops).

global discarder_check_ip: function(p: pkt_hdr): bool;
global discarder_check_tcp: function(p: pkt_hdr, d: string): bool;
global discarder_check_udp: function(p: pkt_hdr, d: string): bool;
global discarder_check_icmp: function(p: pkt_hdr): bool;

function from_json_default_key_mapper(s: string): string
	{
	return s;
	}

function max_double(a: double, b: double): double
	{
	return a < b ? b : a;
	}

function min_double(a: double, b: double): double
	{
	return a < b ? a : b;
	}

function max_interval(a: interval, b: interval): interval
	{
	return a < b ? b : a;
	}

function min_interval(a: interval, b: interval): interval
	{
	return a < b ? a : b;
	}

function max_count(a: count, b: count): count
	{
	return a < b ? b : a;
	}

function min_count(a: count, b: count): count
	{
	return a < b ? a : b;
	}

# ---- Native functions and events ----

@load base/bif/functions-analyzers
@load base/bif/functions-anonymization
@load base/bif/functions-broker
@load base/bif/functions-cluster
@load base/bif/functions-connections
@load base/bif/functions-containers
@load base/bif/functions-conversions
@load base/bif/functions-dns
@load base/bif/functions-entropy
@load base/bif/functions-event-groups
@load base/bif/functions-files
@load base/bif/functions-geoip
@load base/bif/functions-hashing
@load base/bif/functions-input
@load base/bif/functions-introspection
@load base/bif/functions-json
@load base/bif/functions-logging
@load base/bif/functions-mathematics
@load base/bif/functions-option
@load base/bif/functions-output
@load base/bif/functions-packet-analyzers
@load base/bif/functions-packet-filters
@load base/bif/functions-packets
@load base/bif/functions-pcap
@load base/bif/functions-probabilistic
@load base/bif/functions-profiling
@load base/bif/functions-reporter
@load base/bif/functions-spicy
@load base/bif/functions-stats
@load base/bif/functions-storage
@load base/bif/functions-strings
@load base/bif/functions-supervisor
@load base/bif/functions-telemetry
@load base/bif/functions-x509
@load base/bif/events-core
@load base/bif/events-arp
@load base/bif/events-bittorrent
@load base/bif/events-broker
@load base/bif/events-cluster
@load base/bif/events-conn-size
@load base/bif/events-dce-rpc
@load base/bif/events-dhcp
@load base/bif/events-dnp3
@load base/bif/events-dns
@load base/bif/events-entropy
@load base/bif/events-extract
@load base/bif/events-file
@load base/bif/events-finger
@load base/bif/events-ftp
@load base/bif/events-geneve
@load base/bif/events-gnutella
@load base/bif/events-gssapi
@load base/bif/events-gtpv1
@load base/bif/events-hash
@load base/bif/events-http
@load base/bif/events-icmp
@load base/bif/events-ident
@load base/bif/events-igmp
@load base/bif/events-imap
@load base/bif/events-irc
@load base/bif/events-krb
@load base/bif/events-ldap
@load base/bif/events-login
@load base/bif/events-mime
@load base/bif/events-modbus
@load base/bif/events-mqtt
@load base/bif/events-mysql
@load base/bif/events-ncp
@load base/bif/events-netbios
@load base/bif/events-ntlm
@load base/bif/events-ntp
@load base/bif/events-pe
@load base/bif/events-pop3
@load base/bif/events-postgresql
@load base/bif/events-quic
@load base/bif/events-radius
@load base/bif/events-rdp
@load base/bif/events-redis
@load base/bif/events-rfb
@load base/bif/events-rpc
@load base/bif/events-sip
@load base/bif/events-smb
@load base/bif/events-smtp
@load base/bif/events-snmp
@load base/bif/events-socks
@load base/bif/events-spicy
@load base/bif/events-ssh
@load base/bif/events-ssl
@load base/bif/events-storage
@load base/bif/events-stream-event
@load base/bif/events-syslog
@load base/bif/events-tcp
@load base/bif/events-teredo
@load base/bif/events-udp
@load base/bif/events-vxlan
@load base/bif/events-websocket
@load base/bif/events-x509
@load base/bif/events-xmpp
@load base/bif/events-zip

event net_done(t: time)
	{
	done_with_network = T;
	}
