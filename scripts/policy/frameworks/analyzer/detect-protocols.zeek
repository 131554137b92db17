##! Finds protocols on ports where they do not belong.

@load base/frameworks/notice
@load base/utils/site
@load base/utils/conn-ids
@load base/protocols/conn/removal-hooks

module ProtocolDetector;

export {
	redef enum Notice::Type += {
		## A connection on an unusual port.
		Protocol_Found,
		## A server that answers on an unusual port.
		Server_Found,
	};

	## Which way connections have to go to be fine.
	type dir: enum { NONE, INCOMING, OUTGOING, BOTH };

	## Protocols that are fine at a server and a port; 0.0.0.0 and 0/tcp stand
	## for any.
	option valids: table[AllAnalyzers::Tag, addr, port] of dir = { };

	## Protocols without server notices.
	option suppress_servers: set[AllAnalyzers::Tag] = { };

	## What a connection must have seen to count.
	option minimum_duration = 30secs;
	option minimum_volume = 4000.0;

	const check_interval = 5secs;

	## Tells what was found within the protocol.
	global found_protocol: function(c: connection, atype: AllAnalyzers::Tag, protocol: string);

	## Servers by host, port and analyzer, with the protocols found.
	global servers: table[addr, port, string] of set[string] &read_expire=14days;

	global finalize_protocol_detection: Conn::RemovalHook;
}

# Connections that are watched: analyzers by connection.
global conns: table[conn_id] of set[AllAnalyzers::Tag];

# What was found within the protocol.
global protocols: table[conn_id] of set[string];

function is_valid(id: conn_id, atype: AllAnalyzers::Tag): bool
	{
	local d: dir = NONE;
	local known = F;

	for ( [a, p] in set([id$resp_h, id$resp_p], [0.0.0.0, id$resp_p], [id$resp_h, 0/tcp], [0.0.0.0, 0/tcp]) )
		if ( [atype, a, p] in valids )
			{
			d = valids[atype, a, p];
			known = T;
			break;
			}

	if ( ! known || d == NONE )
		return F;

	if ( d == BOTH )
		return T;

	return Site::is_local_addr(id$resp_h) ? d == INCOMING : d == OUTGOING;
	}

function names(id: conn_id): string
	{
	if ( id !in protocols )
		return "";

	local found: vector of string = vector();

	for ( p in protocols[id] )
		found += p;

	sort(found, strcmp);
	return fmt(" (via %s)", join_string_vec(found, ", "));
	}

function report(c: connection, delayed: bool)
	{
	local id = c$id;

	for ( atype in conns[id] )
		{
		local name = Analyzer::name(atype);
		local text = fmt("%s %s on port %s%s", id_string(id), name, id$resp_p, names(id));
		NOTICE(Notice::Info($note=Protocol_Found, $msg=text, $sub=name, $conn=c, $n=0));

		if ( atype in suppress_servers || [id$resp_h, id$resp_p, name] in servers )
			next;

		servers[id$resp_h, id$resp_p, name] = id in protocols ? protocols[id] : set();
		NOTICE(Notice::Info($note=Server_Found, $msg=fmt("%s: %s server on port %s%s", id$resp_h, name,
			id$resp_p, names(id)), $p=id$resp_p, $sub=name, $conn=c, $src=id$resp_h, $n=0));
		}
	}

event check_connection(c: connection)
	{
	local id = c$id;

	if ( id !in conns )
		return;

	local duration = c$duration;

	if ( duration >= minimum_duration && c$orig$size + c$resp$size + 0.0 >= minimum_volume )
		{
		report(c, T);
		delete conns[id];
		delete protocols[id];
		return;
		}

	if ( connection_exists(id) )
		schedule check_interval { check_connection(c) };
	}

event analyzer_confirmation_info(atype: AllAnalyzers::Tag, info: AnalyzerConfirmationInfo)
	{
	if ( ! info?$c || Analyzer::kind(atype) != "protocol" )
		return;

	local c = info$c;

	if ( is_valid(c$id, atype) )
		return;

	# The port is registered for it.
	if ( c$id$resp_p in Analyzer::registered_ports(atype) )
		return;

	if ( c$id in conns )
		{
		add conns[c$id][atype];
		return;
		}

	conns[c$id] = set(atype);
	Conn::register_removal_hook(c, finalize_protocol_detection);
	schedule check_interval { check_connection(c) };
	}

function found_protocol(c: connection, atype: AllAnalyzers::Tag, protocol: string)
	{
	# The server may be known already.
	local name = Analyzer::name(atype);

	if ( [c$id$resp_h, c$id$resp_p, name] in servers )
		add servers[c$id$resp_h, c$id$resp_p, name][protocol];

	if ( c$id !in protocols )
		protocols[c$id] = set();

	add protocols[c$id][protocol];
	}

hook finalize_protocol_detection(c: connection)
	{
	if ( c$id !in conns )
		return;

	if ( c$duration >= minimum_duration && c$orig$size + c$resp$size + 0.0 >= minimum_volume )
		report(c, F);

	delete conns[c$id];
	delete protocols[c$id];
	}
