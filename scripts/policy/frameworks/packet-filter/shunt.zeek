##! Leaves connections and pairs of hosts to the packet filter.

@load base/frameworks/notice
@load base/frameworks/packet-filter

module PacketFilter;

export {
	## How many filters may be added this way.
	const max_bpf_shunts = 100 &redef;

	## Leaves the rest of a TCP connection out.
	global shunt_conn: function(id: conn_id): bool;

	## Leaves a pair of hosts out, until it is taken back.
	global shunt_host_pair: function(id: conn_id): bool;
	global unshunt_host_pair: function(id: conn_id): bool;
	global force_unshunt_host_pair: function(id: conn_id): bool;

	## What is left out.
	global current_shunted_conns: function(): set[conn_id];
	global current_shunted_host_pairs: function(): set[conn_id];

	redef enum Notice::Type += {
		## There is no room for another one.
		No_More_Conn_Shunts_Available,
		## The connection is not one that the filter can leave out.
		Cannot_BPF_Shunt_Conn,
	};
}

global shunted_conns: set[conn_id];
global shunted_host_pairs: set[conn_id];

function shunt_filters()
	{
	local filter = "";

	for ( id in shunted_conns )
		{
		local op = port_to_count(id$orig_p);
		local rp = port_to_count(id$resp_p);

		# Packets that open and close connections are still of interest.
		local one = fmt("host %s and port %d and host %s and port %d and not (tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0)",
		                id$orig_h, op, id$resp_h, rp);
		filter = combine_filters(filter, "and", "not (" + one + ")");
		}

	for ( pair in shunted_host_pairs )
		filter = combine_filters(filter, "and", fmt("not (host %s and host %s)", pair$orig_h, pair$resp_h));

	if ( filter != "" )
		PacketFilter::exclude("conn_shunt_filters", fmt("not (%s)", filter));
	}

event zeek_init() &priority=5
	{
	register_filter_plugin(FilterPlugin($func=shunt_filters));
	}

function current_shunted_conns(): set[conn_id]
	{
	return shunted_conns;
	}

function current_shunted_host_pairs(): set[conn_id]
	{
	return shunted_host_pairs;
	}

function have_room(): bool
	{
	if ( |shunted_conns| + |shunted_host_pairs| < max_bpf_shunts )
		return T;

	NOTICE(Notice::Info($note=No_More_Conn_Shunts_Available,
	       $msg=fmt("%d BPF shunts are in place and no more will be added until space clears.", max_bpf_shunts)));
	return F;
	}

function shunt_conn(id: conn_id): bool
	{
	if ( is_v6_addr(id$orig_h) )
		{
		NOTICE(Notice::Info($note=Cannot_BPF_Shunt_Conn,
		       $msg="IPv6 connections can't be shunted with BPF due to limitations in BPF",
		       $sub="ipv6_conn", $id=id, $identifier=cat(id)));
		return F;
		}

	if ( id in shunted_conns )
		return T;

	if ( ! have_room() )
		return F;

	add shunted_conns[id];
	install();
	return T;
	}

function pair_of(id: conn_id): conn_id
	{
	return conn_id($orig_h=id$orig_h, $orig_p=0/tcp, $resp_h=id$resp_h, $resp_p=0/tcp);
	}

# How many connections asked for each pair.
global pair_users: table[conn_id] of count &default=0;

function shunt_host_pair(id: conn_id): bool
	{
	local pair = pair_of(id);

	if ( pair in shunted_host_pairs )
		{
		++pair_users[pair];
		return T;
		}

	if ( ! have_room() )
		return F;

	add shunted_host_pairs[pair];
	pair_users[pair] = 1;
	install();
	return T;
	}

function unshunt_host_pair(id: conn_id): bool
	{
	local pair = pair_of(id);

	if ( pair !in shunted_host_pairs )
		return F;

	# Others may still need it.
	if ( --pair_users[pair] == 0 )
		{
		delete pair_users[pair];
		delete shunted_host_pairs[pair];
		install();
		}

	return T;
	}

function force_unshunt_host_pair(id: conn_id): bool
	{
	local pair = pair_of(id);

	if ( pair !in shunted_host_pairs )
		return F;

	delete pair_users[pair];
	delete shunted_host_pairs[pair];
	install();
	return T;
	}

event connection_state_remove(c: connection) &priority=-5
	{
	if ( c$id !in shunted_conns )
		return;

	delete shunted_conns[c$id];
	install();
	}
