##! Writes dnp3.log: functions that were asked for and answered.

@load base/protocols/conn/removal-hooks
@load ./consts

module DNP3;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;
	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		fc_request: string &log &optional;
		fc_reply: string &log &optional;
		iin: count &log &optional;
	};

	## Raised for each record that is written to dnp3.log.
	global log_dnp3: event(rec: Info);

	const ports: set[port] = { 20000/tcp, 20000/udp } &redef;
	global finalize_dnp3: Conn::RemovalHook;
}

redef record connection += {
	dnp3: Info &optional;
};

redef likely_server_ports += { ports };

event zeek_init() &priority=5
	{
	Log::create_stream(DNP3::LOG, Log::Stream($columns=Info, $ev=log_dnp3, $path="dnp3", $policy=log_policy));
	Analyzer::register_for_ports(Analyzer::ANALYZER_DNP3_TCP, ports);
	}

function set_session(c: connection)
	{
	if ( c?$dnp3 )
		return;

	c$dnp3 = Info($ts=network_time(), $uid=c$uid, $id=c$id);
	Conn::register_removal_hook(c, finalize_dnp3);
	}

event dnp3_application_request_header(c: connection, is_orig: bool, application: count, fc: count)
	{
	set_session(c);
	c$dnp3$ts = network_time();
	c$dnp3$fc_request = function_codes[fc];
	}

event dnp3_application_response_header(c: connection, is_orig: bool, application: count, fc: count, iin: count)
	{
	set_session(c);
	c$dnp3$ts = network_time();
	c$dnp3$fc_reply = function_codes[fc];
	c$dnp3$iin = iin;
	Log::write(DNP3::LOG, c$dnp3);
	delete c$dnp3;
	}

hook finalize_dnp3(c: connection)
	{
	if ( c?$dnp3 )
		{
		Log::write(DNP3::LOG, c$dnp3);
		delete c$dnp3;
		}
	}
