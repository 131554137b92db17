##! The capture filter: put together from what scripts and sites want, installed, and kept in packet_filter.log.

@load base/frameworks/notice
@load base/frameworks/analyzer
@load ./utils

module PacketFilter;

export {
	redef enum Log::ID += { LOG };

	redef enum Notice::Type += {
		## The filter has a mistake.
		Compile_Failure,
		## The capture did not take the filter.
		Install_Failure,
		## Making the filter took longer than `max_filter_compile_time`.
		Too_Long_To_Compile_Filter,
		## The capture lost packets.
		Dropped_Packets,
	};

	type Info: record {
		ts: time &log;
		node: string &log &optional;
		filter: string &log;
		## The first filter of this run?
		init: bool &log &default=F;
		success: bool &log &default=T;
		failure_reason: string &log &optional;
	};

	## What to capture if nothing else is said.
	const default_capture_filter: string = "ip or not ip" &redef;

	## Passes always, whatever else is excluded.
	const unrestricted_filter: string = "" &redef;

	## Restricts everything that is captured.
	const restricted_filter: string = "" &redef;

	const max_filter_compile_time: interval = 100msec &redef;

	## Capture only the ports that analyzers are registered for.
	const enable_auto_protocol_capture_filters: bool = F &redef;

	## Something that adds to the filter whenever it is made.
	type FilterPlugin: record {
		func: function();
	};

	global register_filter_plugin: function(fp: FilterPlugin);

	## Makes the filter anew and installs it.
	global install: function(): bool;

	## Excludes what a filter matches, for good or for a time.
	global exclude: function(filter_id: string, filter: string): bool;
	global exclude_for: function(filter_id: string, filter: string, span: interval): bool;
	global remove_exclude: function(filter_id: string): bool;

	## The filter in use.
	global current_filter: string = "<not set yet>";

	global log_policy: Log::PolicyHook;
}

redef enum PcapFilterID += {
	DefaultPcapFilter,
	FilterTester,
};

# Which node installs the filter.
global node_name = peer_description;

# Excluded traffic, by identifier.
global dynamic_restrict_filters: table[string] of string = table();
global filter_plugins: vector of FilterPlugin = vector();
global filter_changed = F;
global installed_before = F;

event zeek_init() &priority=5
	{
	Log::create_stream(PacketFilter::LOG, Log::Stream($columns=Info, $path="packet_filter", $policy=log_policy));

	# Nothing would come through these.
	if ( unrestricted_filter == "" && |capture_filters| == 0 && ! enable_auto_protocol_capture_filters )
		capture_filters["default"] = default_capture_filter;

	install();
	}

# Filters that changed are installed once in a while.
event filter_change_tracking()
	{
	if ( filter_changed )
		install();

	schedule 5min { filter_change_tracking() };
	}

event zeek_init() &priority=-5
	{
	if ( reading_live_traffic() )
		schedule 5min { filter_change_tracking() };
	}

event remove_dynamic_filter(filter_id: string)
	{
	if ( filter_id in dynamic_restrict_filters )
		{
		delete dynamic_restrict_filters[filter_id];
		install();
		}
	}

function test_filter(filter: string): bool
	{
	if ( Pcap::precompile_pcap_filter(FilterTester, filter) )
		return T;

	Reporter::error(fmt("bad capture filter '%s'", filter));
	return F;
	}

function register_filter_plugin(fp: FilterPlugin)
	{
	filter_plugins += fp;
	}

function exclude(filter_id: string, filter: string): bool
	{
	if ( ! test_filter(filter) )
		return F;

	dynamic_restrict_filters[filter_id] = filter;
	install();
	return T;
	}

function exclude_for(filter_id: string, filter: string, span: interval): bool
	{
	if ( ! exclude(filter_id, filter) )
		return F;

	schedule span { remove_dynamic_filter(filter_id) };
	return T;
	}

function remove_exclude(filter_id: string): bool
	{
	if ( filter_id !in dynamic_restrict_filters )
		return F;

	delete dynamic_restrict_filters[filter_id];
	install();
	return T;
	}

function build(): string
	{
	if ( cmd_line_bpf_filter != "" )
		return cmd_line_bpf_filter;

	for ( _, plugin in filter_plugins )
		plugin$func();

	local cfilter = "";

	if ( |capture_filters| == 0 && ! enable_auto_protocol_capture_filters )
		cfilter = default_capture_filter;

	for ( _, cf in capture_filters )
		cfilter = combine_filters(cfilter, "or", cf);

	if ( enable_auto_protocol_capture_filters )
		cfilter = combine_filters(cfilter, "or", Analyzer::get_bpf());

	local rfilter = "";

	for ( _, rf in restrict_filters )
		rfilter = combine_filters(rfilter, "and", rf);

	for ( _, df in dynamic_restrict_filters )
		rfilter = combine_filters(rfilter, "and", fmt("not (%s)", df));

	if ( restricted_filter != "" )
		rfilter = combine_filters(rfilter, "and", restricted_filter);

	local filter = combine_filters(cfilter, "and", rfilter);

	if ( unrestricted_filter != "" )
		filter = combine_filters(unrestricted_filter, "or", filter);

	return filter;
	}

# Whether this node tells of filters: where several act as one all have the same.
function tells_of_filters(): bool
	{
@ifdef ( Cluster::acts_as_one )
	return ! Cluster::acts_as_one || Cluster::local_node_type() == Cluster::MANAGER;
@else
	return T;
@endif
	}

function failed(rec: Info, note: Notice::Type, msg: string)
	{
	rec$success = F;
	local why = Pcap::error();

	if ( why != "" )
		rec$failure_reason = why;

	if ( tells_of_filters() )
		NOTICE(Notice::Info($note=note, $msg=msg, $sub=rec$filter));
	}

function install(): bool
	{
	filter_changed = F;
	current_filter = build();

	local rec = Info($ts=network_time(), $node=node_name, $filter=current_filter, $init=! installed_before);

	# Before the first packet there is no network time.
	if ( rec$ts == double_to_time(0.0) )
		rec$ts = current_time();

	installed_before = T;

	local started = current_time();
	local ok = T;

	if ( ! Pcap::precompile_pcap_filter(DefaultPcapFilter, current_filter) )
		{
		ok = F;
		failed(rec, Compile_Failure, "Compiling packet filter failed");
		}
	else
		{
		local taken = current_time() - started;

		if ( taken > max_filter_compile_time )
			NOTICE(Notice::Info($note=Too_Long_To_Compile_Filter,
			                    $msg=fmt("A BPF filter took longer than %.1f seconds to compile", taken)));

		if ( ! Pcap::install_pcap_filter(DefaultPcapFilter) )
			{
			ok = F;
			failed(rec, Install_Failure, "Installing packet filter failed");
			}
		}

	if ( tells_of_filters() )
		Log::write(PacketFilter::LOG, rec);

	return ok;
	}
