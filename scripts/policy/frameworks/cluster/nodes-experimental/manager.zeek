##! The manager's part: counts the nodes that are connected.

@load base/frameworks/cluster
@load ../experimental

module Cluster::Experimental;

# Nodes that told that they are connected.
global complete: set[string] = set();
global started = F;

# All processes that are to be connected.
function nodes_to_come(): count
	{
	local n = 0;

	for ( _, node in Cluster::nodes )
		{
		if ( node$node_type != Cluster::CONTROL && node$node_type != Cluster::NONE )
			++n;
		}

	return n;
	}

event Cluster::Experimental::node_fully_connected(name: string, id: string, resending: bool)
	{
	# Nodes that were complete before have started already, under a manager that is gone.
	if ( resending )
		started = T;

	add complete[name];

	if ( started || |complete| < nodes_to_come() )
		return;

	started = T;
	Cluster::log("cluster connected");
	event Cluster::Experimental::cluster_started();
	Cluster::publish(cluster_started_topic, Cluster::Experimental::cluster_started);
	}
