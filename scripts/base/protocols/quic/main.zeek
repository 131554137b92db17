##! Follows the set-up of QUIC connections and writes quic.log.

@load base/protocols/conn/removal-hooks
@load base/protocols/ssl
@load ./consts

module QUIC;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;
	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		version: string &log;
		client_initial_dcid: string &log &optional;
		client_scid: string &log &optional;
		server_scid: string &log &optional;
		server_name: string &log &optional;
		client_protocol: string &log &optional;
		history: string &log &default="";
		history_state: vector of string;
		logged: bool &default=F;
	};

	## Letters that *history* may have.
	option max_history_length = 100;

	## So many packets of a connection that cannot be read are told of; all of them where it is negative.
	const max_discarded_packet_events: int = 100 &redef;

	const quic_ports: set[port] = { 443/udp } &redef;
	const doq_ports: set[port] = { 784/udp, 853/udp } &redef;

	## Raised for each record that is written to quic.log.
	global log_quic: event(rec: Info);
	global finalize_quic: Conn::RemovalHook;
}

redef record connection += {
	quic: Info &optional;
};

redef likely_server_ports += { quic_ports };

event zeek_init() &priority=5
	{
	Log::create_stream(QUIC::LOG, Log::Stream($columns=Info, $ev=log_quic, $path="quic", $policy=log_policy));
	Analyzer::register_for_ports(Analyzer::ANALYZER_QUIC, quic_ports, doq_ports);
	}

function set_session(c: connection, version: count)
	{
	if ( c?$quic )
		return;

	c$quic = Info($ts=network_time(), $uid=c$uid, $id=c$id, $version=version_strings[version]);
	Conn::register_removal_hook(c, finalize_quic);
	}

function add_letter(c: connection, is_orig: bool, letter: string)
	{
	local rec = c$quic;

	if ( |rec$history_state| >= max_history_length )
		return;

	rec$history_state += is_orig ? to_upper(letter) : letter;
	}

# The first ids that a side gives count; it may give others later.
function set_conn_ids(c: connection, is_orig: bool, dcid: string, scid: string)
	{
	local rec = c$quic;

	if ( is_orig )
		{
		if ( ! rec?$client_initial_dcid && |dcid| > 0 )
			rec$client_initial_dcid = bytestring_to_hexstr(dcid);

		if ( ! rec?$client_scid )
			rec$client_scid = bytestring_to_hexstr(scid);
		}
	else if ( ! rec?$server_scid )
		rec$server_scid = bytestring_to_hexstr(scid);
	}

function write_log(c: connection)
	{
	local rec = c$quic;

	if ( rec$logged )
		return;

	rec$logged = T;
	rec$history = join_string_vec(rec$history_state, "");
	Log::write(QUIC::LOG, rec);
	}

event QUIC::initial_packet(c: connection, is_orig: bool, version: count, dcid: string, scid: string)
	{
	set_session(c, version);
	add_letter(c, is_orig, "i");
	set_conn_ids(c, is_orig, dcid, scid);
	}

event QUIC::handshake_packet(c: connection, is_orig: bool, version: count, dcid: string, scid: string)
	{
	set_session(c, version);
	add_letter(c, is_orig, "h");
	}

event QUIC::zero_rtt_packet(c: connection, is_orig: bool, version: count, dcid: string, scid: string)
	{
	set_session(c, version);
	add_letter(c, is_orig, "z");
	}

event QUIC::retry_packet(c: connection, is_orig: bool, version: count, dcid: string, scid: string,
                         retry_token: string, integrity_tag: string)
	{
	set_session(c, version);
	add_letter(c, is_orig, "r");

	# What comes after a retry is a connection of its own.
	write_log(c);
	delete c$quic;
	}

event QUIC::connection_close_frame(c: connection, is_orig: bool, version: count, dcid: string, scid: string,
                                   error_code: count, reason_phrase: string)
	{
	set_session(c, version);
	add_letter(c, is_orig, "c");
	}

event QUIC::short_header_packet_threshold_crossed(c: connection, is_orig: bool, threshold: count)
	{
	if ( c?$quic )
		add_letter(c, is_orig, "o");
	}

event QUIC::unhandled_version(c: connection, is_orig: bool, version: count, dcid: string, scid: string)
	{
	set_session(c, version);
	add_letter(c, is_orig, "u");
	set_conn_ids(c, is_orig, dcid, scid);
	}

event QUIC::discarded_packet(c: connection, is_orig: bool, total_decrypted: count)
	{
	if ( c?$quic )
		add_letter(c, is_orig, "x");
	}

event ssl_extension_server_name(c: connection, is_client: bool, names: string_vec) &priority=5
	{
	if ( is_client && c?$quic && |names| > 0 )
		c$quic$server_name = names[0];
	}

event ssl_extension_application_layer_protocol_negotiation(c: connection, is_client: bool,
                                                           protocols: string_vec)
	{
	if ( ! c?$quic || ! is_client || |protocols| == 0 )
		return;

	c$quic$client_protocol = protocols[0];

	if ( |protocols| > 1 )
		Reporter::conn_weird("QUIC_many_protocols", c, cat(protocols));
	}

event ssl_client_hello(c: connection, version: count, record_version: count, possible_ts: time,
                       client_random: string, session_id: string, ciphers: index_vec,
                       comp_methods: index_vec)
	{
	if ( c?$quic )
		add_letter(c, T, "s");
	}

event ssl_server_hello(c: connection, version: count, record_version: count, possible_ts: time,
                       server_random: string, session_id: string, cipher: count,
                       comp_method: count) &priority=-5
	{
	if ( c?$quic )
		add_letter(c, F, "s");
	}

hook finalize_quic(c: connection)
	{
	if ( c?$quic )
		write_log(c);
	}
