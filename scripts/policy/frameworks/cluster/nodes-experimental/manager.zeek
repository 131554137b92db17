##! The manager's part: counts the nodes that are connected.

@load base/frameworks/cluster
@load ../experimental

module Cluster::Experimental;

# Nodes that told that they are connected.
global complete: set[string] = set();
global started = F;

event Cluster::Experimental::node_fully_connected(name: string, id: string, resending: bool)
	{
	if ( started || ! Cluster::is_enabled() || Cluster::local_node_type() != Cluster::MANAGER )
		return;

	add complete[name];

	if ( |complete| < |Cluster::nodes| )
		return;

	started = T;
	event Cluster::Experimental::cluster_started();
	Cluster::publish(cluster_started_topic, Cluster::Experimental::cluster_started);
	}
