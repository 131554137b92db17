##! Follows TLS handshakes and writes ssl.log.

@load base/frameworks/notice/weird
@load base/protocols/conn/removal-hooks
@load ./consts

module SSL;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;

	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		version_num: count &optional;
		version: string &log &optional;
		cipher: string &log &optional;
		curve: string &log &optional;
		server_name: string &log &optional;
		session_id: string &optional;
		resumed: bool &log &default=F;
		client_ticket_empty_session_seen: bool &default=F;
		client_key_exchange_seen: bool &default=F;
		client_psk_seen: bool &default=F;
		last_alert: string &log &optional;
		next_protocol: string &log &optional;
		analyzer_id: count &optional;
		established: bool &log &default=F;
		logged: bool &default=F;
		hrr_seen: bool &default=F;
		ssl_history: string &log &default="";
		delay_tokens: set[string] &optional;
	};

	## Trusted roots by their subjects, as DER.
	const root_certs: table[string] of string = { } &redef;

	## What is known of a certificate transparency log.
	type CTInfo: record {
		description: string;
		operator: string;
		key: string;
		maximum_merge_delay: count;
		url: string;
	};

	## Certificate transparency logs by their id.
	option ct_logs: table[string] of CTInfo = { };

	## Whether the analyzer is dropped when the handshake is done.
	option disable_analyzer_after_detection = T;

	## Letters that *ssl_history* may have.
	option max_ssl_history_length = 100;

	## Holds the log entry back until the token is returned.
	global delay_log: function(info: Info, token: string);

	## Returns a token.
	global undelay_log: function(info: Info, token: string);

	const ssl_ports: set[port] = {
		443/tcp, 465/tcp, 5223/tcp, 563/tcp, 585/tcp, 614/tcp, 636/tcp, 989/tcp, 990/tcp,
		992/tcp, 993/tcp, 995/tcp
	} &redef;
	const dtls_ports: set[port] = { 443/udp } &redef;

	## Raised for each record that is written to ssl.log.
	global log_ssl: event(rec: Info);

	## Runs once per connection when everything about the handshake is known.
	global ssl_finishing: hook(c: connection);
	global finalize_ssl: Conn::RemovalHook;
}

redef record connection += {
	ssl: SSL::Info &optional;
};

redef likely_server_ports += { ssl_ports, dtls_ports };

# SHA-256 of "HelloRetryRequest": the random value that marks such a hello.
const hello_retry_random = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c";

const no_session_id = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";

# Letters of the history for handshake messages.
const handshake_letters: table[count] of string = {
	[HELLO_REQUEST] = "h",
	[HELLO_VERIFY_REQUEST] = "v",
	[SESSION_TICKET] = "t",
	[HELLO_RETRY_REQUEST] = "j",
	[ENCRYPTED_EXTENSIONS] = "o",
	[CERTIFICATE] = "x",
	[SERVER_KEY_EXCHANGE] = "k",
	[CERTIFICATE_REQUEST] = "r",
	[SERVER_HELLO_DONE] = "n",
	[CERTIFICATE_VERIFY] = "y",
	[CLIENT_KEY_EXCHANGE] = "g",
	[FINISHED] = "f",
	[CERTIFICATE_URL] = "w",
	[CERTIFICATE_STATUS] = "u",
	[SUPPLEMENTAL_DATA] = "a",
	[KEY_UPDATE] = "p",
};

event zeek_init() &priority=6
	{
	Log::create_stream(SSL::LOG, Log::Stream($columns=Info, $ev=log_ssl, $path="ssl", $policy=log_policy));
	Analyzer::register_for_ports(Analyzer::ANALYZER_SSL, ssl_ports);
	Analyzer::register_for_ports(Analyzer::ANALYZER_DTLS, dtls_ports);
	}

function set_session(c: connection)
	{
	if ( c?$ssl )
		return;

	c$ssl = Info($ts=network_time(), $uid=c$uid, $id=c$id);
	Conn::register_removal_hook(c, finalize_ssl);
	}

function add_letter(c: connection, is_client: bool, letter: string)
	{
	local rec = c$ssl;

	if ( |rec$ssl_history| >= max_ssl_history_length )
		return;

	rec$ssl_history += is_client ? to_upper(letter) : letter;
	}

function delay_log(info: Info, token: string)
	{
	if ( ! info?$delay_tokens )
		info$delay_tokens = set();

	add info$delay_tokens[token];
	}

function undelay_log(info: Info, token: string)
	{
	if ( info?$delay_tokens )
		delete info$delay_tokens[token];
	}

function log_record(info: Info)
	{
	if ( info$logged )
		return;

	if ( ! info?$delay_tokens || |info$delay_tokens| == 0 )
		{
		info$logged = T;
		Log::write(SSL::LOG, info);
		return;
		}

	when [info] ( |info$delay_tokens| == 0 )
		{
		log_record(info);
		}
	timeout 15secs
		{
		# Whoever took a token forgot to return it.
		delete info$delay_tokens;
		log_record(info);
		}
	}

function finish(c: connection, remove_analyzer: bool)
	{
	log_record(c$ssl);

	if ( remove_analyzer && disable_analyzer_after_detection && c$ssl?$analyzer_id )
		{
		disable_analyzer(c$id, c$ssl$analyzer_id);
		delete c$ssl$analyzer_id;
		}
	}

event ssl_client_hello(c: connection, version: count, record_version: count, possible_ts: time,
                       client_random: string, session_id: string, ciphers: index_vec,
                       comp_methods: index_vec) &priority=5
	{
	set_session(c);
	add_letter(c, T, "c");

	if ( |session_id| > 0 && session_id != no_session_id )
		{
		c$ssl$session_id = bytestring_to_hexstr(session_id);
		c$ssl$client_ticket_empty_session_seen = F;
		}
	}

event ssl_server_hello(c: connection, version: count, record_version: count, possible_ts: time,
                       server_random: string, session_id: string, cipher: count,
                       comp_method: count) &priority=5
	{
	set_session(c);
	local rec = c$ssl;

	# As recorded: the request to try again has a fixed random value, with or
	# without the part that used to be a time.
	if ( server_random == hello_retry_random || server_random == hello_retry_random[4:] )
		{
		rec$hrr_seen = T;
		add_letter(c, F, "j");
		}
	else
		add_letter(c, F, "s");

	# An extension that names the version comes first and counts more.
	if ( ! rec?$version_num )
		{
		rec$version_num = version;
		rec$version = version_strings[version];
		}

	rec$cipher = cipher_desc[cipher];

	if ( rec?$session_id && |session_id| > 0 && rec$session_id == bytestring_to_hexstr(session_id) &&
	     rec$version_num / 0xff != 0x7f && rec$version_num != TLSv13 && rec$version_num != DTLSv13 )
		rec$resumed = T;
	}

event ssl_extension_supported_versions(c: connection, is_client: bool, versions: index_vec) &priority=5
	{
	if ( is_client || |versions| != 1 )
		return;

	set_session(c);
	c$ssl$version_num = versions[0];
	c$ssl$version = version_strings[versions[0]];
	}

event ssl_ecdh_server_params(c: connection, curve: count, point: string) &priority=5
	{
	set_session(c);
	c$ssl$curve = ec_curves[curve];
	}

event ssl_extension_key_share(c: connection, is_client: bool, curves: index_vec) &priority=5
	{
	if ( is_client || |curves| != 1 )
		return;

	set_session(c);
	c$ssl$curve = ec_curves[curves[0]];
	}

event ssl_extension_server_name(c: connection, is_client: bool, names: string_vec) &priority=5
	{
	set_session(c);

	if ( ! is_client || |names| == 0 )
		return;

	c$ssl$server_name = names[0];

	if ( |names| > 1 )
		Reporter::conn_weird("SSL_many_server_names", c, cat(names));
	}

event ssl_extension_application_layer_protocol_negotiation(c: connection, is_client: bool,
                                                           protocols: string_vec) &priority=5
	{
	set_session(c);

	if ( ! is_client && |protocols| > 0 )
		c$ssl$next_protocol = protocols[0];
	}

event ssl_extension(c: connection, is_client: bool, code: count, val: string) &priority=5
	{
	set_session(c);

	if ( code == SSL_EXTENSION_PRE_SHARED_KEY )
		{
		# Without an offer of the client there is nothing to resume.
		if ( is_client )
			c$ssl$client_psk_seen = T;
		else if ( c$ssl$client_psk_seen )
			c$ssl$resumed = T;
		}
	else if ( is_client && code == SSL_EXTENSION_SESSIONTICKET_TLS && |val| > 0 )
		c$ssl$client_ticket_empty_session_seen = T;
	}

# There is nothing to log about it, but it begins a session as every message of a handshake does.
event ssl_dh_server_params(c: connection, p: string, q: string, Ys: string) &priority=5
	{
	set_session(c);
	}

event ssl_handshake_message(c: connection, is_client: bool, msg_type: count, length: count) &priority=5
	{
	set_session(c);
	local rec = c$ssl;

	if ( msg_type == CLIENT_KEY_EXCHANGE && is_client )
		rec$client_key_exchange_seen = T;

	# Hellos have their letter already, also those of old versions that are no
	# handshake messages.
	if ( msg_type == CLIENT_HELLO || msg_type == SERVER_HELLO )
		return;

	add_letter(c, is_client, msg_type in handshake_letters ? handshake_letters[msg_type] : "z");
	}

event ssl_change_cipher_spec(c: connection, is_client: bool) &priority=5
	{
	set_session(c);
	local rec = c$ssl;

	if ( is_client && rec$client_ticket_empty_session_seen && ! rec$client_key_exchange_seen )
		rec$resumed = T;

	add_letter(c, is_client, "i");
	}

event ssl_alert(c: connection, is_client: bool, level: count, desc: count) &priority=5
	{
	set_session(c);
	c$ssl$last_alert = alert_descriptions[desc];
	add_letter(c, is_client, "l");
	}

event ssl_heartbeat(c: connection, is_client: bool, length: count, heartbeat_type: count,
                    payload_length: count, payload: string) &priority=5
	{
	set_session(c);
	add_letter(c, is_client, "b");
	}

event ssl_plaintext_data(c: connection, is_client: bool, record_version: count, content_type: count,
                         length: count) &priority=5
	{
	set_session(c);

	switch ( content_type )
		{
		case ALERT, HANDSHAKE, CHANGE_CIPHER_SPEC, HEARTBEAT, V2_ERROR, V2_CLIENT_HELLO,
		     V2_CLIENT_MASTER_KEY, V2_SERVER_HELLO:
			return;
		}

	add_letter(c, is_client, content_type == APPLICATION_DATA ? "d" : "q");
	}

event ssl_connection_flipped(c: connection) &priority=5
	{
	set_session(c);
	c$ssl$id = c$id;
	add_letter(c, F, "^");
	}

event ssl_established(c: connection) &priority=20
	{
	# A connection seen from its middle has no session yet.
	set_session(c);
	hook ssl_finishing(c);
	}

event ssl_established(c: connection) &priority=7
	{
	set_session(c);
	c$ssl$established = T;
	}

event ssl_established(c: connection) &priority=-5
	{
	finish(c, T);
	}

hook finalize_ssl(c: connection)
	{
	if ( ! c?$ssl )
		return;

	if ( ! c$ssl$established )
		hook ssl_finishing(c);

	finish(c, F);
	}

event analyzer_confirmation_info(atype: AllAnalyzers::Tag, info: AnalyzerConfirmationInfo) &priority=5
	{
	if ( atype != Analyzer::ANALYZER_SSL && atype != Analyzer::ANALYZER_DTLS )
		return;

	set_session(info$c);
	info$c$ssl$analyzer_id = info$aid;
	}

event analyzer_violation_info(atype: AllAnalyzers::Tag, info: AnalyzerViolationInfo) &priority=5
	{
	# What was understood so far is all that there will be.
	if ( (atype == Analyzer::ANALYZER_SSL || atype == Analyzer::ANALYZER_DTLS) && info?$c && info$c?$ssl )
		{
		if ( ! info$c$ssl$established && ! info$c$ssl$logged )
			hook ssl_finishing(info$c);

		finish(info$c, F);
		}
	}

event analyzer_failed(ts: time, atype: AllAnalyzers::Tag, info: AnalyzerViolationInfo) &priority=5
	{
	if ( atype != Analyzer::ANALYZER_SSL && atype != Analyzer::ANALYZER_DTLS )
		return;

	if ( info?$c && info$c?$ssl && info$c$ssl?$analyzer_id )
		# The framework took the analyzer away already.
		delete info$c$ssl$analyzer_id;
	}
