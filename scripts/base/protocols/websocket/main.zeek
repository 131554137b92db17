##! Notes what was agreed on when HTTP connections became WebSockets, and writes
##! websocket.log.

@load base/protocols/http
@load ./consts

module WebSocket;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;
	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		host: string &log &optional;
		uri: string &log &optional;
		user_agent: string &log &optional;
		subprotocol: string &log &optional;
		client_protocols: vector of string &log &optional;
		server_extensions: vector of string &log &optional;
		client_extensions: vector of string &log &optional;
		client_key: string &optional;
		server_accept: string &optional;
	};

	## Chooses what looks at the content of the frames. A break leaves the
	## content alone.
	global configure_analyzer: hook(c: connection, aid: count, config: AnalyzerConfig);

	## Raised for each record that is written to websocket.log.
	global log_websocket: event(rec: Info);
}

redef record connection += {
	websocket: Info &optional;
};

event zeek_init() &priority=5
	{
	Log::create_stream(WebSocket::LOG, Log::Stream($columns=Info, $ev=log_websocket, $path="websocket",
	                   $policy=log_policy));
	}

function set_session(c: connection)
	{
	if ( ! c?$websocket )
		c$websocket = Info($ts=network_time(), $uid=c$uid, $id=c$id);
	}

function elements(value: string): vector of string
	{
	return split_string(value, /[[:space:]]*,[[:space:]]*/);
	}

function joined(have: vector of string, more: vector of string): vector of string
	{
	local all: vector of string = vector();
	all += have;
	all += more;
	return all;
	}

event http_header(c: connection, is_orig: bool, original_name: string, name: string, value: string)
	{
	if ( ! starts_with(name, "SEC-WEBSOCKET-") )
		return;

	set_session(c);
	local ws = c$websocket;

	switch ( name )
		{
		case "SEC-WEBSOCKET-PROTOCOL":
			if ( is_orig )
				ws$client_protocols = ws?$client_protocols ?
					joined(ws$client_protocols, elements(value)) : elements(value);
			else
				ws$subprotocol = value;
			break;

		case "SEC-WEBSOCKET-EXTENSIONS":
			if ( is_orig )
				ws$client_extensions = ws?$client_extensions ?
					joined(ws$client_extensions, elements(value)) : elements(value);
			else
				ws$server_extensions = ws?$server_extensions ?
					joined(ws$server_extensions, elements(value)) : elements(value);
			break;

		case "SEC-WEBSOCKET-KEY":
			if ( is_orig )
				ws$client_key = value;
			break;

		case "SEC-WEBSOCKET-ACCEPT":
			if ( ! is_orig )
				ws$server_accept = value;
			break;
		}
	}

event http_request(c: connection, method: string, original_URI: string, unescaped_URI: string, version: string)
	{
	# A new attempt; nothing of the last one counts.
	if ( c?$websocket )
		delete c$websocket;
	}

# Whether the server knew the client's key.
function right_key(ws: Info): bool
	{
	if ( ! ws?$client_key || ! ws?$server_accept )
		return F;

	local digest = hexstr_to_bytestring(sha1_hash(ws$client_key + HANDSHAKE_GUID));
	return encode_base64(digest) == ws$server_accept;
	}

event websocket_established(c: connection, aid: count) &priority=5
	{
	if ( ! c?$websocket )
		{
		Reporter::conn_weird("websocket_established_unexpected", c, "", "WebSocket");
		return;
		}

	local ws = c$websocket;
	ws$ts = network_time();

	if ( ! ws?$client_key )
		Reporter::conn_weird("websocket_missing_key_header", c, "", "WebSocket");

	if ( ! ws?$server_accept )
		Reporter::conn_weird("websocket_missing_accept_header", c, "", "WebSocket");

	if ( ws?$client_key && ws?$server_accept && ! right_key(ws) )
		Reporter::conn_weird("websocket_wrong_accept_header", c,
		                     fmt("expected=%s, found=%s",
		                         encode_base64(hexstr_to_bytestring(sha1_hash(ws$client_key + HANDSHAKE_GUID))),
		                         ws$server_accept), "WebSocket");

	if ( c?$http )
		{
		if ( c$http?$host )
			ws$host = c$http$host;

		if ( c$http?$uri )
			ws$uri = c$http$uri;

		if ( c$http?$user_agent )
			ws$user_agent = c$http$user_agent;
		}

	local config = AnalyzerConfig($use_dpd=use_dpd_default);

	if ( ws?$subprotocol )
		config$subprotocol = ws$subprotocol;

	if ( ws?$server_extensions )
		config$server_extensions = ws$server_extensions;

	if ( hook configure_analyzer(c, aid, config) )
		__configure_analyzer(c, aid, config);
	}

event websocket_established(c: connection, aid: count) &priority=-5
	{
	if ( c?$websocket )
		Log::write(WebSocket::LOG, c$websocket);
	}
