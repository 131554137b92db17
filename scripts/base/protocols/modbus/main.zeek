##! Writes modbus.log: requests, responses and exceptions.

@load ./consts

module Modbus;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;
	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		tid: count &log &optional;
		unit: count &log &optional;
		func: string &log &optional;
		pdu_type: string &log &optional;
		exception: string &log &optional;
	};

	## Raised for each record that is written to modbus.log.
	global log_modbus: event(rec: Info);

	const ports: set[port] = { 502/tcp } &redef;
}

redef record connection += {
	modbus: Info &optional;
};

redef likely_server_ports += { ports };

event zeek_init() &priority=5
	{
	Log::create_stream(Modbus::LOG, Log::Stream($columns=Info, $ev=log_modbus, $path="modbus", $policy=log_policy));
	Analyzer::register_for_ports(Analyzer::ANALYZER_MODBUS, ports);
	}

event modbus_message(c: connection, headers: ModbusHeaders, is_orig: bool) &priority=5
	{
	c$modbus = Info($ts=network_time(), $uid=c$uid, $id=c$id, $tid=headers$tid, $unit=headers$uid,
	                $func=function_codes[headers$function_code], $pdu_type=is_orig ? "REQ" : "RESP");
	}

event modbus_message(c: connection, headers: ModbusHeaders, is_orig: bool) &priority=-5
	{
	# Exceptions are written when their reason is known.
	if ( headers$function_code < 0x80 )
		Log::write(Modbus::LOG, c$modbus);
	}

event modbus_exception(c: connection, headers: ModbusHeaders, code: count) &priority=5
	{
	if ( ! c?$modbus )
		return;

	c$modbus$exception = exception_codes[code];
	local fc = headers$function_code % 0x80;

	if ( fc in function_codes )
		c$modbus$func = function_codes[fc] + "_EXCEPTION";
	}

event modbus_exception(c: connection, headers: ModbusHeaders, code: count) &priority=-5
	{
	if ( c?$modbus )
		Log::write(Modbus::LOG, c$modbus);
	}
