##! Writes rdp.log: what client and server told about themselves.

@load base/frameworks/notice/weird
@load base/protocols/conn/removal-hooks
@load ./consts

# Looks again after the interval; belongs to no module.
global check_record: event(c: connection);

module RDP;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;

	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		cookie: string &log &optional;
		result: string &log &optional;
		security_protocol: string &log &optional;
		client_channels: vector of string &log &optional;
		keyboard_layout: string &log &optional;
		client_build: string &log &optional;
		client_name: string &log &optional;
		client_dig_product_id: string &log &optional;
		desktop_width: count &log &optional;
		desktop_height: count &log &optional;
		requested_color_depth: string &log &optional;
		cert_type: string &log &optional;
		cert_count: count &log &default=0;
		cert_permanent: bool &log &optional;
		encryption_level: string &log &optional;
		encryption_method: string &log &optional;
		analyzer_id: count &optional;
		done: bool &default=F;
	};

	## Whether the analyzer is dropped when everything was seen.
	option disable_analyzer_after_detection = F;

	## Time after which what is known is written.
	option rdp_check_interval = 10secs;

	## Raised for each record that is written to rdp.log.
	global log_rdp: event(rec: Info);

	const rdp_ports: set[port] = { 3389/tcp } &redef;
	const rdpeudp_ports: set[port] = { 3389/udp } &redef;
	global finalize_rdp: Conn::RemovalHook;
}

redef record connection += {
	rdp: Info &optional;
};

redef likely_server_ports += { rdp_ports, rdpeudp_ports };

event zeek_init() &priority=5
	{
	Log::create_stream(RDP::LOG, Log::Stream($columns=RDP::Info, $ev=log_rdp, $path="rdp", $policy=log_policy));
	Analyzer::register_for_ports(Analyzer::ANALYZER_RDP, rdp_ports);
	Analyzer::register_for_ports(Analyzer::ANALYZER_RDPEUDP, rdpeudp_ports);
	}

function write_log(c: connection)
	{
	local rec = c$rdp;

	if ( rec$done )
		return;

	# Without these it is only some connection to the port.
	if ( rec?$cookie || rec?$keyboard_layout || rec?$result )
		{
		rec$done = T;
		Log::write(RDP::LOG, rec);
		}
	}

event check_record(c: connection)
	{
	if ( c$rdp$done )
		return;

	if ( network_time() - c$rdp$ts <= rdp_check_interval )
		{
		schedule rdp_check_interval { check_record(c) };
		return;
		}

	write_log(c);

	if ( disable_analyzer_after_detection && c$rdp?$analyzer_id && connection_exists(c$id) )
		{
		disable_analyzer(c$id, c$rdp$analyzer_id);
		delete c$rdp$analyzer_id;
		}
	}

function set_session(c: connection)
	{
	if ( c?$rdp )
		return;

	c$rdp = Info($ts=network_time(), $id=c$id, $uid=c$uid);
	Conn::register_removal_hook(c, finalize_rdp);
	schedule rdp_check_interval { check_record(c) };
	}

event rdp_connect_request(c: connection, cookie: string, flags: count) &priority=5
	{
	set_session(c);
	c$rdp$cookie = cookie;
	}

event rdp_begin_encryption(c: connection, security_protocol: count) &priority=5
	{
	set_session(c);

	if ( ! c$rdp?$result )
		c$rdp$result = "encrypted";

	c$rdp$security_protocol = security_protocols[security_protocol];
	}

event rdp_negotiation_response(c: connection, security_protocol: count, flags: count) &priority=5
	{
	set_session(c);
	c$rdp$security_protocol = security_protocols[security_protocol];
	}

event rdp_negotiation_failure(c: connection, failure_code: count, flags: count) &priority=5
	{
	set_session(c);
	c$rdp$result = failure_codes[failure_code];
	}

event rdp_client_core_data(c: connection, data: RDP::ClientCoreData) &priority=5
	{
	set_session(c);
	local rec = c$rdp;
	rec$keyboard_layout = languages[data$keyboard_layout];
	rec$client_build = builds[data$client_build];
	rec$client_name = gsub(data$client_name, /\x00/, "");
	rec$desktop_width = data$desktop_width;
	rec$desktop_height = data$desktop_height;

	if ( data?$dig_product_id )
		rec$client_dig_product_id = gsub(data$dig_product_id, /\x00/, "");

	if ( data?$ec_flags && data$ec_flags$want_32bpp_session )
		rec$requested_color_depth = "32bit";
	else if ( data?$high_color_depth )
		rec$requested_color_depth = high_color_depths[data$high_color_depth];
	}

event rdp_client_network_data(c: connection, channels: RDP::ClientChannelList) &priority=5
	{
	set_session(c);
	local rec = c$rdp;

	if ( ! rec?$client_channels )
		rec$client_channels = vector();

	for ( i, channel in channels )
		# Names are padded.
		rec$client_channels += gsub(channel$name, /\x00+$/, "");
	}

event rdp_gcc_server_create_response(c: connection, result: count) &priority=5
	{
	set_session(c);
	c$rdp$result = results[result];
	}

event rdp_server_security(c: connection, encryption_method: count, encryption_level: count) &priority=5
	{
	set_session(c);
	c$rdp$encryption_method = encryption_methods[encryption_method];
	c$rdp$encryption_level = encryption_levels[encryption_level];
	}

event rdp_server_certificate(c: connection, cert_type: count, permanently_issued: bool) &priority=5
	{
	set_session(c);
	c$rdp$cert_type = cert_types[cert_type];

	# Chains of X.509 certificates are counted below.
	if ( c$rdp$cert_type == "RSA" )
		++c$rdp$cert_count;

	c$rdp$cert_permanent = permanently_issued;
	}

event file_over_new_connection(f: fa_file, c: connection, is_orig: bool) &priority=5
	{
	if ( c?$rdp && f$source == "RDP" )
		# Nothing else of RDP is a file.
		++c$rdp$cert_count;
	}

event analyzer_confirmation_info(atype: AllAnalyzers::Tag, info: AnalyzerConfirmationInfo) &priority=5
	{
	if ( atype == Analyzer::ANALYZER_RDP )
		{
		set_session(info$c);
		info$c$rdp$analyzer_id = info$aid;
		}
	}

event analyzer_failed(ts: time, atype: AllAnalyzers::Tag, info: AnalyzerViolationInfo) &priority=5
	{
	if ( atype == Analyzer::ANALYZER_RDP && info?$c && info$c?$rdp )
		write_log(info$c);
	}

hook finalize_rdp(c: connection)
	{
	if ( c?$rdp )
		write_log(c);
	}
