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

# An endpoint that sent nothing yet, or that was picked up in the middle.
function silent(state: count): bool
	{
	return state == TCP_INACTIVE || state == TCP_PARTIAL;
	}

function tcp_state(c: connection): string
	{
	local os = c$orig$state;
	local rs = c$resp$state;

	if ( rs == TCP_RESET )
		{
		if ( os == TCP_SYN_SENT || os == TCP_SYN_ACK_SENT ||
		     (os == TCP_RESET && c$orig$size == 0 && c$resp$size == 0) )
			return "REJ";

		return silent(os) ? "RSTRH" : "RSTR";
		}

	if ( os == TCP_RESET )
		{
		if ( ! silent(rs) )
			return "RSTO";

		# A lone SYN followed by nothing of substance before the reset.
		return /\^?S[^HAFGIQ]*R.*/ == c$history ? "RSTOS0" : "OTH";
		}

	if ( os == TCP_CLOSED )
		{
		if ( rs == TCP_CLOSED )
			return "SF";

		return silent(rs) ? "SH" : "S2";
		}

	if ( rs == TCP_CLOSED )
		return silent(os) ? "SHR" : "S3";

	if ( os == TCP_SYN_SENT && rs == TCP_INACTIVE )
		return "S0";

	if ( os == TCP_ESTABLISHED && rs == TCP_ESTABLISHED )
		return "S1";

	return "OTH";
	}

function udp_state(c: connection): string
	{
	if ( c$orig$state == UDP_ACTIVE )
		return c$resp$state == UDP_ACTIVE ? "SF" : "S0";

	return c$resp$state == UDP_ACTIVE ? "SHR" : "OTH";
	}

function service_names(c: connection): string
	{
	local names = "";

	for ( s in c$service )
		names = names == "" ? s : names + "," + s;

	return to_lower(names);
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

function start_record(c: connection)
	{
	local rec = Conn::Info($ts=c$start_time, $uid=c$uid, $id=c$id,
	                       $proto=get_port_transport_proto(c$id$resp_p));
	c$conn = rec;

	if ( c?$tunnel )
		note_tunnel(c, c$tunnel);
	}

function finish_record(c: connection)
	{
	if ( ! c?$conn )
		start_record(c);

	local rec = c$conn;
	rec$id = c$id;

	if ( |Site::local_nets| > 0 )
		{
		rec$local_orig = Site::is_local_addr(c$id$orig_h);
		rec$local_resp = Site::is_local_addr(c$id$resp_h);
		}

	if ( c$duration > 0secs )
		{
		rec$duration = c$duration;
		rec$orig_bytes = c$orig$size;
		rec$resp_bytes = c$resp$size;
		}

	if ( c$orig?$num_pkts )
		{
		rec$orig_pkts = c$orig$num_pkts;
		rec$orig_ip_bytes = c$orig$num_bytes_ip;
		rec$resp_pkts = c$resp$num_pkts;
		rec$resp_ip_bytes = c$resp$num_bytes_ip;
		}

	if ( |c$service| > 0 )
		rec$service = service_names(c);

	local proto = rec$proto;
	rec$conn_state = proto == tcp ? tcp_state(c) : (proto == udp ? udp_state(c) : "OTH");

	if ( c$history != "" )
		rec$history = c$history;

	if ( c$id?$proto )
		rec$ip_proto = c$id$proto;
	}

event new_connection(c: connection) &priority=100
	{
	if ( ! c?$conn )
		start_record(c);
	}

event content_gap(c: connection, is_orig: bool, seq: count, length: count) &priority=5
	{
	if ( ! c?$conn )
		start_record(c);

	c$conn$missed_bytes += length;
	}

event tunnel_changed(c: connection, e: EncapsulatingConnVector) &priority=5
	{
	if ( ! c?$conn )
		start_record(c);

	note_tunnel(c, e);
	}

event connection_flipped(c: connection) &priority=5
	{
	if ( c?$conn )
		c$conn$id = c$id;
	}

event connection_state_remove(c: connection) &priority=5
	{
	finish_record(c);
	}

event connection_state_remove(c: connection) &priority=-5
	{
	Log::write(Conn::LOG, c$conn);
	}
