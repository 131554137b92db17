##! Writes kerberos.log: requests for tickets and what came of them.

@load ./consts
@load base/protocols/conn/removal-hooks

module KRB;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;

	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		request_type: string &log &optional;
		client: string &log &optional;
		service: string &log &optional;
		success: bool &log &optional;
		error_code: count &optional;
		error_msg: string &log &optional;
		from: time &log &optional;
		till: time &log &optional;
		cipher: string &log &optional;
		forwardable: bool &log &optional;
		renewable: bool &log &optional;
		logged: bool &default=F;
	};

	## Errors that are part of a normal exchange.
	option ignored_errors: set[string] = { "NEEDED_PREAUTH", "Need to use PA-ENC-TIMESTAMP/PA-PK-AS-REQ" };

	## Raised for each record that is written to kerberos.log.
	global log_krb: event(rec: Info);

	const tcp_ports: set[port] = { 88/tcp } &redef;
	const udp_ports: set[port] = { 88/udp } &redef;
	global finalize_krb: Conn::RemovalHook;
}

redef record connection += {
	krb: Info &optional;
};

redef likely_server_ports += { tcp_ports, udp_ports };

event zeek_init() &priority=5
	{
	Analyzer::register_for_ports(Analyzer::ANALYZER_KRB, udp_ports);
	Analyzer::register_for_ports(Analyzer::ANALYZER_KRB_TCP, tcp_ports);
	if ( KRB::keytab != "" )
		Reporter::warning("tickets are not decrypted: KRB::keytab has no effect");

	Log::create_stream(KRB::LOG, Log::Stream($columns=Info, $ev=log_krb, $path="kerberos", $policy=log_policy));
	}

function set_session(c: connection): bool
	{
	if ( ! c?$krb )
		{
		c$krb = Info($ts=network_time(), $uid=c$uid, $id=c$id);
		Conn::register_removal_hook(c, finalize_krb);
		}

	return c$krb$logged;
	}

function do_log(c: connection)
	{
	if ( c?$krb && ! c$krb$logged )
		{
		Log::write(KRB::LOG, c$krb);
		c$krb$logged = T;
		}
	}

event krb_error(c: connection, msg: Error_Msg) &priority=5
	{
	if ( set_session(c) )
		return;

	local rec = c$krb;

	if ( msg?$error_text && msg$error_text in ignored_errors )
		{
		delete c$krb;
		return;
		}

	if ( ! rec?$client && (msg?$client_name || msg?$client_realm) )
		rec$client = fmt("%s%s", msg?$client_name ? msg$client_name + "/" : "",
		                 msg?$client_realm ? msg$client_realm : "");

	if ( msg?$service_name )
		rec$service = msg$service_name;

	rec$success = F;
	rec$error_code = msg$error_code;

	if ( msg?$error_text )
		rec$error_msg = msg$error_text;
	else if ( msg$error_code in error_msg )
		rec$error_msg = error_msg[msg$error_code];
	}

event krb_error(c: connection, msg: Error_Msg) &priority=-5
	{
	do_log(c);
	}

# What requests for both kinds of tickets have.
function note_request(c: connection, kind: string, msg: KDC_Request)
	{
	local rec = c$krb;
	rec$request_type = kind;

	if ( msg?$service_name )
		rec$service = msg$service_name;

	if ( msg?$from )
		rec$from = msg$from;

	if ( msg?$till )
		rec$till = msg$till;

	if ( msg?$kdc_options )
		{
		rec$forwardable = msg$kdc_options$forwardable;
		rec$renewable = msg$kdc_options$renewable;
		}
	}

event krb_as_request(c: connection, msg: KDC_Request) &priority=5
	{
	# Another request replaces one that was answered.
	if ( set_session(c) )
		{
		delete c$krb;
		set_session(c);
		}

	c$krb$client = fmt("%s/%s", msg?$client_name ? msg$client_name : "",
	                   msg?$service_realm ? msg$service_realm : "");
	note_request(c, "AS", msg);
	}

event krb_tgs_request(c: connection, msg: KDC_Request) &priority=5
	{
	if ( set_session(c) )
		{
		delete c$krb;
		set_session(c);
		}

	note_request(c, "TGS", msg);
	}

function note_response(c: connection, kind: string, msg: KDC_Response)
	{
	local rec = c$krb;

	if ( ! rec?$request_type )
		rec$request_type = kind;

	if ( ! rec?$client )
		rec$client = fmt("%s/%s", msg$client_name, msg?$client_realm ? msg$client_realm : "");

	rec$service = msg$ticket$service_name;
	rec$cipher = cipher_name[msg$ticket$cipher];
	rec$success = T;
	}

event krb_as_response(c: connection, msg: KDC_Response) &priority=5
	{
	if ( ! set_session(c) )
		note_response(c, "AS", msg);
	}

event krb_as_response(c: connection, msg: KDC_Response) &priority=-5
	{
	do_log(c);
	}

event krb_ap_request(c: connection, ticket: KRB::Ticket, opts: KRB::AP_Options, in_kdc_padata: bool) &priority=5
	{
	# Part of a request that is reported itself.
	if ( in_kdc_padata )
		return;

	if ( set_session(c) )
		return;

	local rec = c$krb;
	rec$request_type = "AP";
	rec$service = ticket$service_name;
	rec$cipher = cipher_name[ticket$cipher];
	rec$client = fmt("/%s", ticket$realm);
	}

event krb_ap_response(c: connection) &priority=5
	{
	if ( ! set_session(c) )
		c$krb$success = T;
	}

event krb_ap_response(c: connection) &priority=-5
	{
	do_log(c);
	}

event krb_tgs_response(c: connection, msg: KDC_Response) &priority=5
	{
	if ( ! set_session(c) )
		note_response(c, "TGS", msg);
	}

event krb_tgs_response(c: connection, msg: KDC_Response) &priority=-5
	{
	do_log(c);
	}

hook finalize_krb(c: connection)
	{
	do_log(c);
	}
