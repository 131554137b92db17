##! Adapts the capture filter to clusters.

@load base/frameworks/cluster
@load ./main

module PacketFilter;

# Nodes tell which of them installed a filter.
event zeek_init() &priority=10
	{
	if ( Cluster::is_enabled() )
		node_name = Cluster::node;
	}
