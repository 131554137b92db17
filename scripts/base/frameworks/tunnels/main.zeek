##! Tunnels that are in use, and tunnel.log.

@load base/protocols/conn/removal-hooks
@load base/frameworks/logging

module Tunnel;

export {
	redef enum Log::ID += { LOG };

	type Action: enum {
		## The first connection inside was seen.
		DISCOVER,
		## The outer connection ended.
		CLOSE,
		## No connection inside for some time.
		EXPIRE,
	};

	type Info: record {
		ts: time &log;
		uid: string &log &optional;
		## The endpoints; ports are 0 where the tunnel has none.
		id: conn_id &log;
		tunnel_type: Tunnel::Type &log;
		action: Action &log;
	};

	## After how long without a new connection inside a tunnel counts as gone.
	const expiration_interval: interval = 1hr &redef;

	global log_policy: Log::PolicyHook;

	## Notes all tunnels around a connection.
	global register_all: function(ecv: EncapsulatingConnVector);

	## Notes a tunnel.
	global register: function(ec: Tunnel::EncapsulatingConn);

	global expire: function(t: table[conn_id] of Info, idx: conn_id): interval;

	## Notes the end of a tunnel.
	global close: function(tunnel: Info, action: Action);

	## Tunnels in use.
	global active: table[conn_id] of Info = {} &read_expire=expiration_interval &expire_func=expire;

	global finalize_tunnel: Conn::RemovalHook;
}

event zeek_init() &priority=5
	{
	Log::create_stream(Tunnel::LOG, Log::Stream($columns=Info, $path="tunnel", $policy=log_policy));
	}

function register_all(ecv: EncapsulatingConnVector)
	{
	for ( _, ec in ecv )
		{
		# Reading the entry keeps it from expiring.
		if ( ec$cid in active )
			next;

		register(ec);

		# Tunnels over UDP end with their connection.
		if ( connection_exists(ec$cid) )
			Conn::register_removal_hook(lookup_connection(ec$cid), finalize_tunnel);
		}
	}

function register(ec: Tunnel::EncapsulatingConn)
	{
	if ( ec$cid in active )
		return;

	local tunnel = Info($ts=network_time(), $id=ec$cid, $action=DISCOVER, $tunnel_type=ec$tunnel_type);

	if ( ec?$uid )
		tunnel$uid = ec$uid;

	active[ec$cid] = tunnel;
	Log::write(LOG, tunnel);
	}

function close(tunnel: Info, action: Action)
	{
	tunnel$action = action;
	tunnel$ts = network_time();
	Log::write(LOG, tunnel);
	delete active[tunnel$id];
	}

function expire(t: table[conn_id] of Info, idx: conn_id): interval
	{
	close(t[idx], EXPIRE);
	return 0sec;
	}

event new_connection(c: connection) &priority=5
	{
	if ( c?$tunnel )
		register_all(c$tunnel);
	}

event tunnel_changed(c: connection, e: EncapsulatingConnVector) &priority=5
	{
	register_all(e);
	}

hook finalize_tunnel(c: connection)
	{
	if ( c$id in active )
		close(active[c$id], CLOSE);
	}
