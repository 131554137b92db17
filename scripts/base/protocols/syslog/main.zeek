##! Writes syslog.log, one line per message.

@load ./consts

module Syslog;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;
	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		proto: transport_proto &log;
		facility: string &log;
		severity: string &log;
		message: string &log;
	};

	const ports: set[port] = { 514/udp } &redef;
	const tcp_ports: set[port] = { 514/tcp } &redef;
}

redef record connection += {
	syslog: Info &optional;
};

redef likely_server_ports += { ports, tcp_ports };

event zeek_init() &priority=5
	{
	Log::create_stream(Syslog::LOG, Log::Stream($columns=Info, $path="syslog", $policy=log_policy));
	Analyzer::register_for_ports(Analyzer::ANALYZER_SYSLOG, ports);
	Analyzer::register_for_ports(Analyzer::ANALYZER_SYSLOG_TCP, tcp_ports);
	}

event syslog_message(c: connection, facility: count, severity: count, msg: string) &priority=5
	{
	c$syslog = Info($ts=network_time(), $uid=c$uid, $id=c$id, $proto=get_port_transport_proto(c$id$resp_p),
	                $facility=facility_codes[facility], $severity=severity_codes[severity], $message=msg);
	}

event syslog_message(c: connection, facility: count, severity: count, msg: string) &priority=-5
	{
	Log::write(Syslog::LOG, c$syslog);
	}
