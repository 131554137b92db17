##! Follows HTTP requests and replies, also pipelined ones, and writes http.log.

@load base/utils/numbers
@load base/utils/files
@load base/frameworks/tunnels
@load base/protocols/conn/removal-hooks

module HTTP;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;

	## Marks that scripts put on a request.
	type Tags: enum {
		EMPTY,
	};

	## Whether passwords of basic authentication are logged.
	option default_capture_password = F;

	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		trans_depth: count &log;
		method: string &log &optional;
		host: string &log &optional;
		uri: string &log &optional;
		referrer: string &log &optional;
		version: string &log &optional;
		user_agent: string &log &optional;
		origin: string &log &optional;
		request_body_len: count &log &default=0;
		response_body_len: count &log &default=0;
		status_code: count &log &optional;
		status_msg: string &log &optional;
		info_code: count &log &optional;
		info_msg: string &log &optional;
		tags: set[Tags] &log;
		username: string &log &optional;
		password: string &log &optional;
		capture_password: bool &default=F;
		proxied: set[string] &log &optional;
		range_request: bool &default=F;
	};

	type State: record {
		pending: table[count] of Info;
		current_request: count &default=0;
		current_response: count &default=0;
		trans_depth: count &default=0;
	};

	## Request headers that show a proxy.
	option proxy_headers: set[string] = {
		"CLIENT-IP", "FORWARDED", "PROXY-CONNECTION", "VIA", "X-FORWARDED-FOR",
		"X-FORWARDED-FROM", "XROXY-CONNECTION"
	};

	const ports: set[port] = { 1080/tcp, 3128/tcp, 631/tcp, 80/tcp, 8000/tcp, 8080/tcp, 81/tcp, 8888/tcp } &redef;

	## What goes on after a switch of protocols, by the name of the protocol in lower case.
	const upgrade_analyzers: table[string] of Analyzer::Tag = {
		["websocket"] = Analyzer::ANALYZER_WEBSOCKET,
	} &redef;

	## Methods that pass without a weird.
	option http_methods: set[string] = {
		"BMOVE", "CONNECT", "COPY", "DELETE", "GET", "HEAD", "LOCK", "MKCOL", "MOVE",
		"OPTIONS", "POLL", "POST", "PROPFIND", "PROPPATCH", "PUT", "QUERY", "REPORT", "SEARCH",
		"SUBSCRIBE", "TRACE", "UNLOCK"
	};

	## Requests of a connection that may wait for a reply.
	option max_pending_requests = 100;

	## Bytes that a string in the log may have; 0 means no limit.
	const default_max_field_string_bytes = 0 &redef;

	## Raised for each record that is written to http.log.
	global log_http: event(rec: Info);

	global finalize_http: Conn::RemovalHook;
}

redef record connection += {
	http: HTTP::Info &optional;
	http_state: HTTP::State &optional;
};

redef likely_server_ports += { ports };

event zeek_init() &priority=5
	{
	Log::create_stream(HTTP::LOG, Log::Stream($columns=Info, $ev=log_http, $path="http", $policy=log_policy,
	                   $max_field_string_bytes=default_max_field_string_bytes));
	Analyzer::register_for_ports(Analyzer::ANALYZER_HTTP, ports);
	}

function fresh(c: connection): Info
	{
	local st = c$http_state;
	local depth = ++st$trans_depth;

	return Info($ts=network_time(), $uid=c$uid, $id=c$id, $trans_depth=depth,
	            $capture_password=default_capture_password);
	}

function state_of(c: connection): State
	{
	if ( ! c?$http_state )
		{
		c$http_state = State();
		Conn::register_removal_hook(c, finalize_http);
		}

	return c$http_state;
	}

# Makes the transaction that the direction is at the current one.
function set_state(c: connection, is_orig: bool)
	{
	local st = c?$http_state ? c$http_state : state_of(c);
	local n = is_orig ? st$current_request : st$current_response;

	if ( n in st$pending )
		{
		c$http = st$pending[n];
		return;
		}

	c$http = fresh(c);
	st$pending[n] = c$http;
	}

# Writes what is pending in the order of the requests.
function flush_pending(st: State)
	{
	local numbers: vector of count = vector();

	for ( n in st$pending )
		if ( n > 0 )
			numbers += n;

	sort(numbers);

	for ( i, m in numbers )
		Log::write(HTTP::LOG, st$pending[m]);

	st$pending = table();
	}

event http_request(c: connection, method: string, original_URI: string, unescaped_URI: string,
                   version: string) &priority=5
	{
	local st = state_of(c);

	if ( |st$pending| > max_pending_requests )
		{
		Reporter::conn_weird("HTTP_excessive_pipelining", c);
		flush_pending(st);
		st$current_request = 0;
		st$current_response = 0;
		}

	++st$current_request;

	# A reply that nobody asked for took the place of this request.
	if ( st$current_response >= st$current_request )
		{
		Reporter::conn_weird("HTTP_response_before_request", c);
		st$current_request = st$current_response + 1;
		}

	set_state(c, T);
	c$http$method = method;
	c$http$uri = unescaped_URI;

	if ( method !in http_methods )
		Reporter::conn_weird("unknown_HTTP_method", c, method);
	}

event http_reply(c: connection, version: string, code: count, reason: string) &priority=5
	{
	local st = state_of(c);
	local n = st$current_response;

	# After an informational reply the real one belongs to the same request.
	if ( n !in st$pending || ! st$pending[n]?$status_code ||
	     st$pending[n]$status_code < 100 || st$pending[n]$status_code > 199 )
		++st$current_response;

	set_state(c, F);

	local rec = c$http;
	rec$version = version;
	rec$status_code = code;
	rec$status_msg = reason;

	if ( code >= 100 && code <= 199 )
		{
		rec$info_code = code;
		rec$info_msg = reason;
		}

	if ( code == 200 && rec?$method && rec$method == "CONNECT" )
		{
		local tid = copy(c$id);
		tid$orig_p = 0/tcp;
		Tunnel::register(Tunnel::EncapsulatingConn($cid=tid, $tunnel_type=Tunnel::HTTP));
		}
	}

event http_header(c: connection, is_orig: bool, original_name: string, name: string, value: string) &priority=5
	{
	set_state(c, is_orig);

	if ( ! is_orig )
		return;

	local rec = c$http;

	switch ( name )
		{
		case "REFERER":
			rec$referrer = value;
			break;

		case "HOST":
			rec$host = value;
			break;

		case "RANGE":
			rec$range_request = T;
			break;

		case "ORIGIN":
			rec$origin = value;
			break;

		case "USER-AGENT":
			rec$user_agent = value;
			break;

		case "AUTHORIZATION", "PROXY-AUTHORIZATION":
			if ( /^[bB][aA][sS][iI][cC] / in value )
				{
				local plain = decode_base64_conn(c$id, sub(value, /[bB][aA][sS][iI][cC][[:blank:]]+/, ""));
				local up = split_string1(plain, /:/);

				if ( |up| > 1 )
					{
					rec$username = up[0];

					if ( rec$capture_password )
						rec$password = up[1];
					}
				else
					{
					rec$username = fmt("<problem-decoding> (%s)", value);

					if ( rec$capture_password )
						rec$password = plain;
					}
				}
			break;
		}

	if ( name in proxy_headers )
		{
		if ( ! rec?$proxied )
			rec$proxied = set();

		add rec$proxied[fmt("%s -> %s", name, value)];
		}
	}

event http_message_done(c: connection, is_orig: bool, stat: http_message_stat) &priority=5
	{
	set_state(c, is_orig);

	if ( is_orig )
		c$http$request_body_len = stat$body_length;
	else
		c$http$response_body_len = stat$body_length;
	}

event http_message_done(c: connection, is_orig: bool, stat: http_message_stat) &priority=-5
	{
	if ( is_orig )
		return;

	local rec = c$http;

	if ( rec?$status_code && rec$status_code >= 100 && rec$status_code <= 199 )
		return;

	Log::write(HTTP::LOG, rec);
	delete c$http_state$pending[c$http_state$current_response];
	}

hook finalize_http(c: connection)
	{
	if ( c?$http_state )
		flush_pending(c$http_state);
	}
