##! Follows SSH sessions up to the log-in and writes ssh.log.

@load base/utils/directions-and-hosts
@load base/protocols/conn/removal-hooks

module SSH;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;
	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		version: count &log &optional;
		auth_success: bool &log &optional;
		auth_attempts: count &log &default=0;
		direction: Direction &log &optional;
		client: string &log &optional;
		server: string &log &optional;
		cipher_alg: string &log &optional;
		mac_alg: string &log &optional;
		compression_alg: string &log &optional;
		kex_alg: string &log &optional;
		host_key_alg: string &log &optional;
		host_key_fingerprint: string &log &optional;
		logged: bool &default=F;
		capabilities: Capabilities &optional;
		analyzer_id: count &optional;
	};

	## Algorithms that compress.
	option compression_algorithms: set[string] = { "zlib", "zlib@openssh.com" };

	## Whether the analyzer is dropped when the log-in is over.
	option disable_analyzer_after_detection = T;

	const ports: set[port] = { 22/tcp } &redef;

	## Raised for each record that is written to ssh.log.
	global log_ssh: event(rec: Info);
	global finalize_ssh: Conn::RemovalHook;
}

module GLOBAL;

export {
	## Raised at the end of a connection whose last log-in attempt failed.
	global ssh_auth_failed: event(c: connection);

	## Raised when it is known how the log-in ended.
	global ssh_auth_result: event(c: connection, result: bool, auth_attempts: count);
}

module SSH;

redef record connection += {
	ssh: SSH::Info &optional;
};

redef likely_server_ports += { ports };

event zeek_init() &priority=5
	{
	Analyzer::register_for_ports(Analyzer::ANALYZER_SSH, ports);
	Log::create_stream(SSH::LOG, Log::Stream($columns=Info, $ev=log_ssh, $path="ssh", $policy=log_policy));
	}

function set_session(c: connection)
	{
	if ( c?$ssh )
		return;

	local rec = Info($ts=network_time(), $uid=c$uid, $id=c$id);
	c$ssh = rec;
	Conn::register_removal_hook(c, finalize_ssh);

	# Between two local or two remote hosts there is no direction.
	local from_here = Site::is_local_addr(c$id$orig_h);

	if ( from_here != Site::is_local_addr(c$id$resp_h) )
		rec$direction = from_here ? OUTBOUND : INBOUND;
	}

function set_version(c: connection)
	{
	local rec = c$ssh;

	if ( ! rec?$client || ! rec?$server )
		return;

	# A party of version 1.99 speaks both, the other one decides.
	if ( (/^[sS][sS][hH]-1\./ in rec$client && /^[sS][sS][hH]-1\.99-/ !in rec$client) ||
	     (/^[sS][sS][hH]-1\./ in rec$server && /^[sS][sS][hH]-1\.99-/ !in rec$server) )
		rec$version = 1;
	else
		rec$version = 2;
	}

event ssh_server_version(c: connection, version: string) &priority=5
	{
	set_session(c);
	c$ssh$server = version;
	set_version(c);
	}

event ssh_client_version(c: connection, version: string) &priority=5
	{
	set_session(c);
	c$ssh$client = version;
	set_version(c);
	}

event ssh_auth_attempted(c: connection, authenticated: bool) &priority=5
	{
	if ( ! c?$ssh )
		return;

	local rec = c$ssh;

	# The sizes of compressed packets tell nothing.
	if ( (rec?$auth_success && rec$auth_success) ||
	     (rec?$compression_alg && rec$compression_alg in compression_algorithms) )
		return;

	rec$auth_success = authenticated;
	++rec$auth_attempts;

	if ( authenticated && disable_analyzer_after_detection && rec?$analyzer_id )
		disable_analyzer(c$id, rec$analyzer_id);
	}

function write_log(c: connection)
	{
	local rec = c$ssh;

	if ( rec$logged || (! rec?$client && ! rec?$server) )
		return;

	rec$logged = T;
	Log::write(SSH::LOG, rec);
	}

event ssh_auth_attempted(c: connection, authenticated: bool) &priority=-5
	{
	if ( authenticated && c?$ssh && c$ssh?$auth_success && c$ssh$auth_success && ! c$ssh$logged )
		{
		event ssh_auth_result(c, T, c$ssh$auth_attempts);
		write_log(c);
		}
	}

# The first algorithm of the client that the server has as well.
function chosen(client: vector of string, server: vector of string): string
	{
	for ( i, mine in client )
		for ( j, theirs in server )
			if ( mine == theirs )
				return mine;

	return "Algorithm negotiation failed";
	}

function chosen_both_ways(client: Algorithm_Prefs, server: Algorithm_Prefs): string
	{
	local up = client?$client_to_server && server?$client_to_server ?
		chosen(client$client_to_server, server$client_to_server) : "";
	local down = client?$server_to_client && server?$server_to_client ?
		chosen(client$server_to_client, server$server_to_client) : "";

	return up == down ? up : fmt("To server: %s, to client: %s", up, down);
	}

event ssh_capabilities(c: connection, cookie: string, capabilities: Capabilities)
	{
	if ( ! c?$ssh )
		return;

	local rec = c$ssh;

	if ( ! rec?$capabilities )
		{
		rec$capabilities = capabilities;
		return;
		}

	if ( rec$capabilities$is_server == capabilities$is_server )
		return;

	local client = capabilities$is_server ? rec$capabilities : capabilities;
	local server = capabilities$is_server ? capabilities : rec$capabilities;

	rec$cipher_alg = chosen_both_ways(client$encryption_algorithms, server$encryption_algorithms);
	rec$mac_alg = chosen_both_ways(client$mac_algorithms, server$mac_algorithms);
	rec$compression_alg = chosen_both_ways(client$compression_algorithms, server$compression_algorithms);
	rec$kex_alg = chosen(client$kex_algorithms, server$kex_algorithms);
	rec$host_key_alg = chosen(client$server_host_key_algorithms, server$server_host_key_algorithms);
	}

event ssh_server_host_key_fingerprint(c: connection, fingerprint: string) &priority=5
	{
	if ( c?$ssh )
		c$ssh$host_key_fingerprint = fingerprint;
	}

event connection_flipped(c: connection) &priority=5
	{
	if ( c?$ssh )
		c$ssh$id = c$id;
	}

hook finalize_ssh(c: connection)
	{
	if ( ! c?$ssh || c$ssh$logged || (! c$ssh?$client && ! c$ssh?$server) )
		return;

	if ( c$ssh?$auth_success )
		{
		if ( c$ssh$auth_success )
			event ssh_auth_result(c, T, c$ssh$auth_attempts);
		else
			event ssh_auth_failed(c);
		}

	write_log(c);
	}

event ssh_auth_failed(c: connection) &priority=-5
	{
	if ( c?$ssh )
		event ssh_auth_result(c, F, c$ssh$auth_attempts);
	}

event analyzer_confirmation_info(atype: AllAnalyzers::Tag, info: AnalyzerConfirmationInfo) &priority=20
	{
	if ( atype == Analyzer::ANALYZER_SSH )
		{
		set_session(info$c);
		info$c$ssh$analyzer_id = info$aid;
		}
	}
