##! Expects the connections that files are sent over between IRC clients.

@load ./main
@load base/frameworks/cluster
@load base/utils/files
@load base/protocols/conn/removal-hooks

module IRC;

export {
	redef record Info += {
		dcc_file_name: string &log &optional;
		dcc_file_size: count &log &optional;
		dcc_mime_type: string &log &optional;
	};

	## How many transfers may be expected at a time.
	const max_dcc_expected_transfers = 5000 &redef;

	global finalize_irc_data: Conn::RemovalHook;
}

module GLOBAL;

export {
	## Tell the workers of a cluster of transfers that were announced, and of those that are over.
	global dcc_transfer_add: event(host: addr, p: port, info: IRC::Info);
	global dcc_transfer_remove: event(host: addr, p: port);
}

module IRC;

# Transfers that were announced.
global dcc_expected_transfers: table[addr, port] of Info &read_expire=5mins;

@if ( Cluster::is_enabled() )

event dcc_transfer_add(host: addr, p: port, info: IRC::Info)
	{
	if ( Cluster::passes_on() )
		{
		Cluster::publish(Cluster::worker_topic, dcc_transfer_add, host, p, info);
		return;
		}

	if ( [host, p] in dcc_expected_transfers || |dcc_expected_transfers| >= max_dcc_expected_transfers )
		return;

	dcc_expected_transfers[host, p] = info;
	Analyzer::schedule_analyzer(0.0.0.0, host, p, Analyzer::ANALYZER_IRC_DATA, 5min);
	}

event dcc_transfer_remove(host: addr, p: port)
	{
	if ( Cluster::passes_on() )
		Cluster::publish(Cluster::worker_topic, dcc_transfer_remove, host, p);
	else
		delete dcc_expected_transfers[host, p];
	}

@endif

event irc_dcc_message(c: connection, is_orig: bool, prefix: string, target: string, dcc_type: string,
                      argument: string, address: addr, dest_port: count, size: count) &priority=5
	{
	set_session(c);

	if ( dcc_type != "SEND" )
		return;

	if ( |dcc_expected_transfers| >= max_dcc_expected_transfers )
		{
		Reporter::conn_weird("IRC_too_many_dcc_expected_transfers", c, "", "IRC");
		return;
		}

	c$irc$command = "DCC";
	c$irc$dcc_file_name = argument;
	c$irc$dcc_file_size = size;

	local p = count_to_port(dest_port, tcp);
	Analyzer::schedule_analyzer(0.0.0.0, address, p, Analyzer::ANALYZER_IRC_DATA, 5min);
	dcc_expected_transfers[address, p] = copy(c$irc);

	# Another worker may be the one that sees the file.
	@if ( Cluster::is_enabled() )
		Cluster::publish(Cluster::way_to_workers("IRC"), dcc_transfer_add, address, p, c$irc);
	@endif
	}

event scheduled_analyzer_applied(c: connection, a: Analyzer::Tag) &priority=10
	{
	if ( [c$id$resp_h, c$id$resp_p] !in dcc_expected_transfers )
		return;

	add c$service["irc-dcc-data"];
	Conn::register_removal_hook(c, finalize_irc_data);
	}

event file_transferred(c: connection, prefix: string, descr: string, mime_type: string) &priority=-5
	{
	if ( [c$id$resp_h, c$id$resp_p] !in dcc_expected_transfers )
		return;

	local rec = dcc_expected_transfers[c$id$resp_h, c$id$resp_p];
	rec$dcc_mime_type = split_string1(mime_type, /;/)[0];
	Log::write(IRC::LOG, rec);
	}

hook finalize_irc_data(c: connection)
	{
	if ( [c$id$resp_h, c$id$resp_p] !in dcc_expected_transfers )
		return;

	delete dcc_expected_transfers[c$id$resp_h, c$id$resp_p];

	@if ( Cluster::is_enabled() )
		Cluster::publish(Cluster::way_to_workers("IRC"), dcc_transfer_remove, c$id$resp_h, c$id$resp_p);
	@endif
	}
