##! What happens to peerings, in broker.log.

@load ./main

module Broker;

export {
	redef enum Log::ID += { LOG };

	type Type: enum {
		STATUS,
		ERROR,
		CRITICAL_EVENT,
		ERROR_EVENT,
		WARNING_EVENT,
		INFO_EVENT,
		VERBOSE_EVENT,
		DEBUG_EVENT,
	};

	type Info: record {
		ts: time &log;
		ty: Type &log;
		## What happened, by a short name.
		ev: string &log;
		peer: NetworkInfo &log &optional;
		message: string &log &optional;
	};

	global log_policy: Log::PolicyHook;
}

event zeek_init() &priority=5
	{
	Log::create_stream(Broker::LOG, Log::Stream($columns=Info, $path="broker", $policy=log_policy));
	}

function log_status(ev: string, endpoint: EndpointInfo, msg: string)
	{
	local rec = Info($ts=network_time(), $ty=STATUS, $ev=ev, $message=msg);

	if ( endpoint?$network )
		rec$peer = endpoint$network;

	Log::write(Broker::LOG, rec);
	}

event Broker::peer_added(endpoint: EndpointInfo, msg: string)
	{
	log_status("peer-added", endpoint, msg);
	}

event Broker::peer_removed(endpoint: EndpointInfo, msg: string)
	{
	log_status("peer-removed", endpoint, msg);
	}

event Broker::peer_lost(endpoint: EndpointInfo, msg: string)
	{
	log_status("connection-terminated", endpoint, msg);
	}

event Broker::error(code: ErrorCode, msg: string)
	{
	local name = to_lower(subst_string(sub(cat(code), /^Broker::/, ""), "_", "-"));
	Log::write(Broker::LOG, Info($ts=network_time(), $ty=ERROR, $ev=name, $message=msg));
	Reporter::error(fmt("Broker error (%s): %s", code, msg));
	}

event Broker::internal_log_event(lvl: LogSeverityLevel, id: string, description: string)
	{
	local kinds: table[LogSeverityLevel] of Type = {
		[LOG_CRITICAL] = CRITICAL_EVENT,
		[LOG_ERROR] = ERROR_EVENT,
		[LOG_WARNING] = WARNING_EVENT,
		[LOG_INFO] = INFO_EVENT,
		[LOG_VERBOSE] = VERBOSE_EVENT,
		[LOG_DEBUG] = DEBUG_EVENT,
	};

	Log::write(Broker::LOG, Info($ts=network_time(), $ty=kinds[lvl], $ev=id, $message=description));
	}
