##! Pairs RADIUS requests with their answers and writes radius.log.

@load base/utils/addrs
@load base/protocols/conn/removal-hooks
@load ./consts

module RADIUS;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;
	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		username: string &log &optional;
		mac: string &log &optional;
		framed_addr: addr &log &optional;
		tunnel_client: string &log &optional;
		connect_info: string &log &optional;
		reply_msg: string &log &optional;
		result: string &log &optional;
		ttl: interval &log &optional;
		logged: bool &default=F;
	};

	## Raised for each record that is written to radius.log.
	global log_radius: event(rec: Info);

	const ports: set[port] = { 1812/udp } &redef;
	global finalize_radius: Conn::RemovalHook;
}

redef record connection += {
	radius: Info &optional;
};

redef likely_server_ports += { ports };

event zeek_init() &priority=5
	{
	Log::create_stream(RADIUS::LOG, Log::Stream($columns=Info, $ev=log_radius, $path="radius", $policy=log_policy));
	Analyzer::register_for_ports(Analyzer::ANALYZER_RADIUS, ports);
	}

# The address that a client is to have.
function note_address(rec: Info, result: RADIUS::Message)
	{
	if ( ! result?$attributes || 8 !in result$attributes )
		return;

	local raw = result$attributes[8][0];

	if ( |raw| == 4 )
		rec$framed_addr = raw_bytes_to_v4_addr(raw);
	}

event radius_message(c: connection, result: RADIUS::Message) &priority=5
	{
	if ( ! c?$radius )
		{
		c$radius = Info($ts=network_time(), $uid=c$uid, $id=c$id);
		Conn::register_removal_hook(c, finalize_radius);
		}

	local rec = c$radius;

	switch ( result$code )
		{
		case 1:
			# Access-Request.
			if ( ! result?$attributes )
				break;

			local a = result$attributes;

			if ( 1 in a && ! rec?$username )
				rec$username = a[1][0];

			if ( 31 in a && ! rec?$mac )
				rec$mac = normalize_mac(a[31][0]);

			if ( 66 in a && ! rec?$tunnel_client )
				rec$tunnel_client = a[66][0];

			if ( 77 in a && ! rec?$connect_info )
				rec$connect_info = a[77][0];
			break;

		case 11:
			# Access-Challenge: the server wants more.
			if ( ! rec?$framed_addr )
				note_address(rec, result);

			if ( result?$attributes && 18 in result$attributes && ! rec?$reply_msg )
				rec$reply_msg = result$attributes[18][0];
			break;

		case 2:
			rec$result = "success";
			break;

		case 3:
			rec$result = "failed";
			break;
		}

	# An answer whose request was not seen has no time to tell of.
	if ( (result$code == 2 || result$code == 3) && rec$ts != network_time() )
		rec$ttl = network_time() - rec$ts;
	}

event radius_message(c: connection, result: RADIUS::Message) &priority=-5
	{
	if ( result$code == 2 || result$code == 3 )
		{
		Log::write(RADIUS::LOG, c$radius);
		delete c$radius;
		}
	}

hook finalize_radius(c: connection)
	{
	if ( c?$radius && ! c$radius$logged )
		{
		c$radius$result = "unknown";
		c$radius$logged = T;
		Log::write(RADIUS::LOG, c$radius);
		}
	}
