##! Writes one line per connection to conn.log.

@load base/utils/site
@load ./removal-hooks

module Conn;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;
	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		proto: transport_proto &log;
		service: string &log &optional;
		duration: interval &log &optional;
		orig_bytes: count &log &optional;
		resp_bytes: count &log &optional;
		conn_state: string &log &optional;
		local_orig: bool &log &optional;
		local_resp: bool &log &optional;
		missed_bytes: count &log &default=0;
		history: string &log &optional;
		orig_pkts: count &log &optional;
		orig_ip_bytes: count &log &optional;
		resp_pkts: count &log &optional;
		resp_ip_bytes: count &log &optional;
		tunnel_parents: set[string] &log &optional;
		ip_proto: count &log &optional;
	};

	## Raised for each record that is written to conn.log.
	global log_conn: event(rec: Info);
}

redef record connection += {
	conn: Conn::Info &optional;
};

event zeek_init() &priority=5
	{
	Log::create_stream(Conn::LOG, Log::Stream($columns=Info, $ev=log_conn, $path="conn", $policy=log_policy));
	}

function note_tunnel(c: connection, e: EncapsulatingConnVector)
	{
	if ( |e| == 0 )
		return;

	local inner = e[|e| - 1];

	if ( ! inner?$uid )
		return;

	if ( ! c$conn?$tunnel_parents )
		c$conn$tunnel_parents = set();

	add c$conn$tunnel_parents[inner$uid];
	}

## Brings the record of a connection up to date. Scripts that log connections which have not ended
## call it through this module, with T for all that is known by now.
function set_conn(c: connection, eoc: bool) &is_used
	{
	if ( eoc )
		__finish_record(c);
	else
		__begin_record(c);
	}

event new_connection(c: connection) &priority=100
	{
	__begin_record(c);

	if ( c?$tunnel )
		note_tunnel(c, c$tunnel);
	}

event content_gap(c: connection, is_orig: bool, seq: count, length: count) &priority=5
	{
	__begin_record(c);
	c$conn$missed_bytes += length;
	}

event tunnel_changed(c: connection, e: EncapsulatingConnVector) &priority=5
	{
	__begin_record(c);
	note_tunnel(c, e);
	}

event connection_flipped(c: connection) &priority=5
	{
	if ( c?$conn )
		c$conn$id = c$id;
	}

# The engine knows what these two do, and leaves the record of a connection out that nobody else wants to see.
event connection_state_remove(c: connection) &priority=5
	{
	__finish_record(c);
	}

event connection_state_remove(c: connection) &priority=-5
	{
	Log::write(Conn::LOG, c$conn);
	}
