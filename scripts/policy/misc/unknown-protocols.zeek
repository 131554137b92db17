##! Writes unknown_protocols.log: packets that no analyzer takes.

@load base/frameworks/notice

module UnknownProtocol;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;
	type Info: record {
		ts: time &log;
		analyzer: string &log;
		protocol_id: string &log;
		protocol_id_num: count;
		first_bytes: string &log;
		analyzer_history: vector of string &log;
	};
}

event zeek_init() &priority=5
	{
	Log::create_stream(LOG, Log::Stream($columns=Info, $path="unknown_protocols", $policy=log_policy));
	}

event unknown_protocol(analyzer_name: string, protocol: count, first_bytes: string, analyzer_history: string_vec)
	{
	Log::write(LOG, Info($ts=network_time(), $analyzer=analyzer_name, $protocol_id=fmt("0x%x", protocol),
	           $protocol_id_num=protocol, $first_bytes=bytestring_to_hexstr(first_bytes),
	           $analyzer_history=analyzer_history));
	}
