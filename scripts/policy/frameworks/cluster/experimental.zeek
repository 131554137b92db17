##! Tells when all nodes of a cluster have found each other.

@load base/frameworks/cluster

module Cluster::Experimental;

export {
	## Raised on the manager when a node has connected to all it should.
	global node_fully_connected: event(name: string, id: string, resending: bool);

	## Raised on every node when the whole cluster is connected.
	global cluster_started: event();

	const cluster_started_topic = "zeek/cluster/experimental/started" &redef;
}

@if ( Cluster::is_enabled() && Cluster::local_node_type() == Cluster::MANAGER )
@load ./nodes-experimental/manager
@endif

# Nodes that this one has to find, and those that it found.
global expected: set[string] = set();
global found: set[string] = set();

# Whether one type of node connects to the other.
function connects(mine: Cluster::NodeType, theirs: Cluster::NodeType): bool
	{
	if ( mine == Cluster::LOGGER || mine == Cluster::MANAGER )
		return T;

	if ( mine == theirs )
		return F;

	return T;
	}

event zeek_init() &priority=-5
	{
	if ( ! Cluster::is_enabled() )
		return;

	Cluster::subscribe(cluster_started_topic);

	for ( name, n in Cluster::nodes )
		if ( name != Cluster::node && connects(Cluster::local_node_type(), n$node_type) )
			add expected[name];
	}

event Cluster::node_up(name: string, id: string) &priority=-10
	{
	if ( name !in expected )
		return;

	local before = |found|;
	add found[name];

	# The manager itself counts as well.
	if ( |found| == |expected| && Cluster::local_node_type() != Cluster::MANAGER )
		Cluster::publish(Cluster::manager_topic, Cluster::Experimental::node_fully_connected,
		                 Cluster::node, Cluster::node_id(), before == |found|);
	else if ( |found| == |expected| )
		event Cluster::Experimental::node_fully_connected(Cluster::node, "", F);
	}

event Cluster::node_down(name: string, id: string)
	{
	delete found[name];
	}
