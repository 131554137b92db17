##! Puts the messages of a transaction together and writes dhcp.log.

@load base/frameworks/cluster
@load ./consts

module DHCP;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;
	type Info: record {
		ts: time &log;
		uids: set[string] &log;
		client_addr: addr &log &optional;
		server_addr: addr &log &optional;
		client_port: port &optional;
		server_port: port &optional;
		mac: string &log &optional;
		host_name: string &log &optional;
		client_fqdn: string &log &optional;
		domain: string &log &optional;
		requested_addr: addr &log &optional;
		assigned_addr: addr &log &optional;
		lease_time: interval &log &optional;
		client_message: string &log &optional;
		server_message: string &log &optional;
		msg_types: vector of string &log &default=vector();
		duration: interval &log &default=0secs;
		client_chaddr: string &optional;
		last_message_ts: time &optional;
	};

	## How long a transaction may be quiet before it is written.
	option max_txid_watch_time = 30secs;

	## Limits of one log entry.
	option max_uids_per_log_entry = 10;
	option max_msg_types_per_log_entry = 50;

	## How many transactions are followed at a time.
	option max_tracked_transactions = 100000;

	## The record that handlers of *aggregate_msgs* work on.
	global log_info: Info;

	## Distributes one message. Handlers with a priority between 1000 and
	## -1000 put what they need into *log_info*.
	global aggregate_msgs: event(ts: time, id: conn_id, uid: string, is_orig: bool, msg: Msg, options: Options);

	## Raised for each record that is written to dhcp.log.
	global log_dhcp: event(rec: Info);

	const server_ports: set[port] = { 4011/udp, 67/udp } &redef;
	const client_ports: set[port] = { 68/udp } &redef;
}

redef record connection += {
	dhcp: Info &optional;
};


redef likely_server_ports += { 67/udp, 4011/udp };

function finish_transaction(t: table[count] of Info, xid: count): interval
	{
	local rec = t[xid];

	# The transaction is still going on.
	if ( ! zeek_is_terminating() && network_time() - rec$last_message_ts < max_txid_watch_time )
		return max_txid_watch_time - (network_time() - rec$last_message_ts);

	Log::write(DHCP::LOG, rec);
	return 0secs;
	}

# Transactions by their ids. In a cluster the manager's table is the one in use.
global transactions: table[count] of Info = table()
	&ordered &create_expire=max_txid_watch_time &expire_func=finish_transaction;

event zeek_init() &priority=5
	{
	Log::create_stream(DHCP::LOG, Log::Stream($columns=Info, $ev=log_dhcp, $path="dhcp", $policy=log_policy));
	Analyzer::register_for_ports(Analyzer::ANALYZER_DHCP, server_ports, client_ports);
	}

event dhcp_message(c: connection, is_orig: bool, msg: DHCP::Msg, options: DHCP::Options) &priority=5
	{
	if ( Cluster::is_enabled() && Cluster::local_node_type() != Cluster::MANAGER )
		Cluster::publish(Cluster::manager_topic, DHCP::aggregate_msgs, network_time(), c$id, c$uid,
		                 is_orig, msg, options);
	else
		event DHCP::aggregate_msgs(network_time(), c$id, c$uid, is_orig, msg, options);
	}

event aggregate_msgs(ts: time, id: conn_id, uid: string, is_orig: bool, msg: DHCP::Msg,
                     options: DHCP::Options) &priority=1000
	{
	local xid = msg$xid;

	if ( xid !in transactions )
		{
		if ( |transactions| >= max_tracked_transactions )
			{
			# The one that began first has to go.
			for ( old, rec in transactions )
				{
				Log::write(DHCP::LOG, rec);
				delete transactions[old];
				break;
				}
			}

		transactions[xid] = Info($ts=ts, $uids=set(uid));
		}

	log_info = transactions[xid];
	}

event aggregate_msgs(ts: time, id: conn_id, uid: string, is_orig: bool, msg: DHCP::Msg,
                     options: DHCP::Options) &priority=5
	{
	local rec = log_info;

	add rec$uids[uid];
	rec$duration = ts - rec$ts;
	rec$last_message_ts = ts;
	rec$msg_types += message_types[msg$m_type];
	rec$client_chaddr = msg$chaddr;

	if ( ! rec?$mac )
		rec$mac = msg$chaddr;

	# Which side sent it: the ports and the first packet may mislead.
	if ( msg$op == 1 )
		{
		rec$client_port = is_orig ? id$orig_p : id$resp_p;

		local sender = is_orig ? id$orig_h : id$resp_h;

		if ( sender != 0.0.0.0 )
			rec$client_addr = sender;

		if ( options?$host_name )
			rec$host_name = options$host_name;

		if ( options?$client_fqdn )
			rec$client_fqdn = options$client_fqdn$domain_name;

		# By which address the client is known, which need not be that of the interface. The kind is Ethernet.
		if ( options?$client_id && options$client_id$hwtype == 1 )
			rec$mac = options$client_id$hwaddr;

		if ( options?$addr_request )
			rec$requested_addr = options$addr_request;

		if ( options?$message )
			rec$client_message = options$message;
		}
	else
		{
		rec$server_port = is_orig ? id$orig_p : id$resp_p;

		if ( msg$yiaddr != 0.0.0.0 )
			{
			rec$assigned_addr = msg$yiaddr;

			if ( options?$serv_addr )
				rec$server_addr = options$serv_addr;

			if ( ! rec?$client_addr )
				rec$client_addr = msg$yiaddr;
			}

		if ( options?$domain_name )
			rec$domain = options$domain_name;

		if ( options?$lease )
			rec$lease_time = options$lease;

		if ( options?$message )
			rec$server_message = options$message;
		}
	}

event aggregate_msgs(ts: time, id: conn_id, uid: string, is_orig: bool, msg: DHCP::Msg,
                     options: DHCP::Options) &priority=-1000
	{
	if ( |log_info$uids| < max_uids_per_log_entry && |log_info$msg_types| < max_msg_types_per_log_entry )
		return;

	Log::write(DHCP::LOG, log_info);
	delete transactions[msg$xid];
	}

event zeek_done() &priority=5
	{
	for ( xid, rec in transactions )
		Log::write(DHCP::LOG, rec);
	}
