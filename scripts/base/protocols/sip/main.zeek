##! Follows SIP requests and responses and writes sip.log.

@load base/utils/numbers
@load base/utils/files
@load base/protocols/conn/removal-hooks

module SIP;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;
	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		trans_depth: count &log;
		method: string &log &optional;
		uri: string &log &optional;
		date: string &log &optional;
		request_from: string &log &optional;
		request_to: string &log &optional;
		response_from: string &log &optional;
		response_to: string &log &optional;
		reply_to: string &log &optional;
		call_id: string &log &optional;
		seq: string &log &optional;
		subject: string &log &optional;
		request_path: vector of string &log &optional;
		response_path: vector of string &log &optional;
		user_agent: string &log &optional;
		status_code: count &log &optional;
		status_msg: string &log &optional;
		warning: string &log &optional;
		request_body_len: count &log &optional;
		response_body_len: count &log &optional;
		content_type: string &log &optional;
	};

	type State: record {
		pending: table[count] of Info;
		current_request: count &default=0;
		current_response: count &default=0;
	};

	## Methods that pass without a weird.
	option sip_methods: set[string] = { "ACK", "BYE", "CANCEL", "INVITE", "NOTIFY", "OPTIONS", "REGISTER", "SUBSCRIBE" };

	const ports: set[port] = { 5060/udp } &redef;

	## Limits for the paths.
	const max_request_path_length = 100 &redef;
	const max_response_path_length = 100 &redef;

	## Raised for each record that is written to sip.log.
	global log_sip: event(rec: Info);
	global finalize_sip: Conn::RemovalHook;
}

redef record connection += {
	sip: Info &optional;
	sip_state: State &optional;
};

redef likely_server_ports += { ports };

event zeek_init() &priority=5
	{
	Log::create_stream(SIP::LOG, Log::Stream($columns=Info, $ev=log_sip, $path="sip", $policy=log_policy));
	Analyzer::register_for_ports(Analyzer::ANALYZER_SIP, ports);
	}

function fresh(c: connection): Info
	{
	return Info($ts=network_time(), $uid=c$uid, $id=c$id, $trans_depth=c$sip_state$current_request,
	            $request_path=vector(), $response_path=vector());
	}

function set_state(c: connection, is_request: bool)
	{
	if ( ! c?$sip_state )
		{
		c$sip_state = State();
		Conn::register_removal_hook(c, finalize_sip);
		}

	local st = c$sip_state;
	local n = is_request ? st$current_request : st$current_response;

	if ( n !in st$pending )
		st$pending[n] = fresh(c);

	c$sip = st$pending[n];
	}

function flush_pending(c: connection)
	{
	if ( ! c?$sip_state )
		return;

	for ( n, rec in c$sip_state$pending )
		if ( rec?$method || rec?$status_code )
			Log::write(SIP::LOG, rec);

	c$sip_state$pending = table();
	}

event sip_request(c: connection, method: string, original_URI: string, version: string) &priority=5
	{
	set_state(c, T);
	c$sip$method = method;
	c$sip$uri = original_URI;

	if ( method !in sip_methods )
		Reporter::conn_weird("unknown_SIP_method", c, method);
	}

event sip_reply(c: connection, version: string, code: count, reason: string) &priority=5
	{
	set_state(c, F);

	if ( c$sip_state$current_response !in c$sip_state$pending &&
	     (code < 100 || code > 199) )
		++c$sip_state$current_response;

	c$sip$status_code = code;
	c$sip$status_msg = reason;
	}

event sip_header(c: connection, is_request: bool, name: string, value: string) &priority=5
	{
	set_state(c, is_request);
	local rec = c$sip;

	if ( is_request )
		{
		switch ( name )
			{
			case "CALL-ID":
				rec$call_id = value;
				break;

			case "CONTENT-LENGTH", "L":
				if ( /^[0-9]+$/ in value )
					rec$request_body_len = to_count(value);
				else
					Reporter::conn_weird("invalid_SIP_request_body_len", c, value);
				break;

			case "CSEQ":
				rec$seq = value;
				break;

			case "DATE":
				rec$date = value;
				break;

			case "FROM", "F":
				rec$request_from = split_string1(value, /;[ ]?tag=/)[0];
				break;

			case "REPLY-TO":
				rec$reply_to = value;
				break;

			case "SUBJECT", "S":
				rec$subject = value;
				break;

			case "TO", "T":
				rec$request_to = value;
				break;

			case "USER-AGENT":
				rec$user_agent = value;
				break;

			case "VIA", "V":
				if ( |rec$request_path| < max_request_path_length )
					rec$request_path += split_string1(value, /;[ ]?branch/)[0];
				break;
			}
		}
	else
		{
		switch ( name )
			{
			case "CONTENT-LENGTH", "L":
				if ( /^[0-9]+$/ in value )
					rec$response_body_len = to_count(value);
				else
					Reporter::conn_weird("invalid_SIP_response_body_len", c, value);
				break;

			case "CONTENT-TYPE", "C":
				rec$content_type = value;
				break;

			case "WARNING":
				rec$warning = value;
				break;

			case "FROM", "F":
				rec$response_from = split_string1(value, /;[ ]?tag=/)[0];
				break;

			case "TO", "T":
				rec$response_to = value;
				break;

			case "VIA", "V":
				if ( |rec$response_path| < max_response_path_length )
					rec$response_path += split_string1(value, /;[ ]?branch/)[0];
				break;
			}
		}
	}

event sip_end_entity(c: connection, is_request: bool) &priority=5
	{
	set_state(c, is_request);
	}

event sip_end_entity(c: connection, is_request: bool) &priority=-5
	{
	if ( is_request )
		return;

	Log::write(SIP::LOG, c$sip);

	# After a provisional response the real one is still to come.
	if ( c$sip?$status_code && c$sip$status_code >= 100 && c$sip$status_code <= 199 )
		return;

	delete c$sip;
	delete c$sip_state$pending[c$sip_state$current_response];
	}

hook finalize_sip(c: connection)
	{
	flush_pending(c);
	}
