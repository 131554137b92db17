##! Warns when a capture seems to hold only the control packets of TCP.

@load base/frameworks/cluster

module FilteredTraceDetection;

export {
	global enable: bool = T &redef;
}

function warn()
	{
	Reporter::warning("The trace file seems to hold only TCP control packets: connections have no data, so nothing beyond conn.log can be expected.");
	}

@if ( Cluster::is_enabled() && Cluster::acts_as_one )

# Whether workers have seen such packets, and whether any has seen others.
global only_control = F;
global more = F;

event FilteredTraceDetection::seen(control: bool)
	{
	if ( control )
		only_control = T;
	else
		more = T;
	}

@endif

event zeek_done()
	{
	if ( ! enable || ! reading_traces() || detect_filtered_trace )
		return;

@if ( Cluster::is_enabled() && Cluster::acts_as_one )
	if ( Cluster::local_node_type() == Cluster::WORKER )
		{
		local s = get_conn_stats();

		# Who has seen nothing has no opinion.
		if ( s$cumulative_tcp_conns + s$cumulative_udp_conns + s$cumulative_icmp_conns > 0 )
			Cluster::publish(Cluster::manager_topic, FilteredTraceDetection::seen, __saw_only_control());
		}
	else if ( only_control && ! more )
		warn();
@else
	if ( __saw_only_control() )
		warn();
@endif
	}
