##! Switching analyzers on and off, tying them to ports, and asking about them.

@load base/frameworks/packet-filter/utils

## An analyzer gave up on a connection or file.
global analyzer_failed: event(ts: time, atype: AllAnalyzers::Tag, info: AnalyzerViolationInfo);

module Analyzer;

export {
	## Turn every analyzer off; scripts may turn some on again.
	global disable_all: bool = F &redef;

	## Analyzers that are off from the start.
	global disabled_analyzers: set[AllAnalyzers::Tag] = { AllAnalyzers::ANALYZER_ANALYZER_TCPSTATS } &redef;

	## Analyzers that stay on although no script uses their events.
	global requested_analyzers: set[AllAnalyzers::Tag] = {} &redef;

	## The ports of each analyzer.
	global ports: table[AllAnalyzers::Tag] of set[port] = table();

	## Runs before an analyzer is taken off a connection; a break keeps it.
	global disabling_analyzer: hook(c: connection, atype: AllAnalyzers::Tag, aid: count) &redef;

	global enable_analyzer: function(tag: AllAnalyzers::Tag): bool;
	global disable_analyzer: function(tag: AllAnalyzers::Tag): bool;

	## Ties ports to an analyzer. Ports that servers listen on also become likely server ports.
	global register_for_ports: function(tag: Analyzer::Tag, server_ports: set[port], non_server_ports: set[port] &default=set()): bool;
	global register_for_port: function(tag: Analyzer::Tag, p: port): bool;
	global registered_ports: function(tag: AllAnalyzers::Tag): set[port];
	global all_registered_ports: function(): table[AllAnalyzers::Tag] of set[port];

	global name: function(atype: AllAnalyzers::Tag): string;

	## One of protocol, packet and file.
	global kind: function(atype: AllAnalyzers::Tag): string;
	global has_tag: function(name: string): bool;
	global get_tag: function(name: string): AllAnalyzers::Tag;

	## Attaches an analyzer to a connection that is expected within a time.
	global schedule_analyzer: function(orig: addr, resp: addr, resp_p: port, analyzer: Analyzer::Tag, tout: interval): bool;

	## A capture filter for the ports of one analyzer, and of all.
	global analyzer_to_bpf: function(tag: Analyzer::Tag): string;
	global get_bpf: function(): string;

}

event zeek_init() &priority=5
	{
	if ( disable_all )
		__disable_all_analyzers();

	for ( tag in disabled_analyzers )
		disable_analyzer(tag);

	for ( wanted in requested_analyzers )
		enable_analyzer(wanted);
	}

function enable_analyzer(tag: AllAnalyzers::Tag): bool
	{
	if ( is_packet_analyzer(tag) )
		return PacketAnalyzer::__enable_analyzer(tag);

	if ( is_file_analyzer(tag) )
		return Files::__enable_analyzer(tag);

	return __enable_analyzer(tag);
	}

function disable_analyzer(tag: AllAnalyzers::Tag): bool
	{
	if ( is_packet_analyzer(tag) )
		return PacketAnalyzer::__disable_analyzer(tag);

	if ( is_file_analyzer(tag) )
		return Files::__disable_analyzer(tag);

	return __disable_analyzer(tag);
	}

function register_for_ports(tag: Analyzer::Tag, server_ports: set[port], non_server_ports: set[port] &default=set()): bool
	{
	local all_done = T;

	for ( p in server_ports )
		{
		add likely_server_ports[p];

		if ( ! register_for_port(tag, p) )
			all_done = F;
		}

	for ( q in non_server_ports )
		{
		if ( ! register_for_port(tag, q) )
			all_done = F;
		}

	return all_done;
	}

function register_for_port(tag: Analyzer::Tag, p: port): bool
	{
	if ( ! __register_for_port(tag, p) )
		return F;

	if ( tag !in ports )
		ports[tag] = set();

	add ports[tag][p];
	return T;
	}

function registered_ports(tag: AllAnalyzers::Tag): set[port]
	{
	return tag in ports ? ports[tag] : set();
	}

function all_registered_ports(): table[AllAnalyzers::Tag] of set[port]
	{
	return ports;
	}

function name(atype: AllAnalyzers::Tag): string
	{
	return __name(atype);
	}

function kind(atype: AllAnalyzers::Tag): string
	{
	if ( is_protocol_analyzer(atype) )
		return "protocol";

	if ( is_packet_analyzer(atype) )
		return "packet";

	if ( is_file_analyzer(atype) )
		return "file";

	Reporter::warning(fmt("no kind of analyzer has tag %s", atype));
	return "unknown";
	}

function has_tag(name: string): bool
	{
	return __has_tag(name);
	}

function get_tag(name: string): AllAnalyzers::Tag
	{
	return __tag(name);
	}

function schedule_analyzer(orig: addr, resp: addr, resp_p: port, analyzer: Analyzer::Tag, tout: interval): bool
	{
	return __schedule_analyzer(orig, resp, resp_p, analyzer, tout);
	}

function analyzer_to_bpf(tag: Analyzer::Tag): string
	{
	local filter = "";

	if ( tag in ports )
		{
		for ( p in ports[tag] )
			filter = PacketFilter::combine_filters(filter, "or", PacketFilter::port_to_bpf(p));
		}

	return filter;
	}

function get_bpf(): string
	{
	local filter = "";

	for ( _, all_ports in ports )
		{
		for ( p in all_ports )
			filter = PacketFilter::combine_filters(filter, "or", PacketFilter::port_to_bpf(p));
		}

	return filter;
	}
