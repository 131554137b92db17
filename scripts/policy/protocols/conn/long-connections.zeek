##! Notices about connections that last long, while they are open, and a log of
##! them: conn_long.log has a line each time that one passes a limit.

@load base/frameworks/notice
@load base/protocols/conn
@load base/protocols/conn/thresholds
@load base/utils/time

module LongConnections;

export {
	redef enum Log::ID += { LOG };

	redef enum Notice::Type += {
		## A connection has passed the first limit.
		Long_Connection,
	};

	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		proto: transport_proto &log;
		## The analyzers that confirmed, as far as they are known by then.
		service: set[string] &log;
		duration: interval &log;
		orig_bytes: count &log;
		resp_bytes: count &log;
	};

	## When a connection is long, and how long it may be from there until it
	## is logged again. Rising.
	const limits: vector of interval = vector(10min, 30min, 1hr, 12hr, 24hr, 3days) &redef;

	## A break leaves a connection alone.
	global watch_policy: hook(c: connection);

	global log_policy: Log::PolicyHook;
	global log_long_connection: event(rec: Info);
}

redef record connection += {
	## How many limits the connection has passed.
	long_limits_passed: count &default=0;
};

event zeek_init() &priority=5
	{
	Log::create_stream(LongConnections::LOG, Log::Stream($columns=Info, $ev=log_long_connection, $path="conn_long",
	                   $policy=log_policy));
	}

function watch(c: connection)
	{
	if ( c$long_limits_passed < |limits| )
		ConnThreshold::set_duration_threshold(c, limits[c$long_limits_passed]);
	}

event new_connection(c: connection)
	{
	if ( |limits| > 0 && hook LongConnections::watch_policy(c) )
		watch(c);
	}

event ConnThreshold::duration_threshold_crossed(c: connection, threshold: interval, is_orig: bool)
	{
	# Others set limits of their own.
	if ( c$long_limits_passed >= |limits| || threshold != limits[c$long_limits_passed] )
		return;

	++c$long_limits_passed;
	Log::write(LongConnections::LOG, Info($ts=network_time(), $uid=c$uid, $id=c$id,
	           $proto=get_port_transport_proto(c$id$resp_p), $service=c$service, $duration=c$duration,
	           $orig_bytes=c$orig$size, $resp_bytes=c$resp$size));

	if ( c$long_limits_passed == 1 )
		NOTICE(Notice::Info($note=Long_Connection, $conn=c, $identifier=c$uid,
		       $msg=fmt("%s has been connected to %s on port %s for %s", c$id$orig_h, c$id$resp_h, c$id$resp_p,
		                duration_to_mins_secs(c$duration))));

	watch(c);
	}
