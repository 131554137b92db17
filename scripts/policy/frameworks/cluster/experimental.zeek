##! Tells when all nodes of a cluster have found each other.

@load base/frameworks/cluster

module Cluster::Experimental;

export {
	## Raised on the manager when a node has connected to all it should. The node tells it again to a manager that is new.
	global node_fully_connected: event(name: string, id: string, resending: bool);

	## Raised on every node when the whole cluster is connected.
	global cluster_started: event();

	const cluster_started_topic = "zeek/cluster/experimental/started" &redef;
}

@if ( Cluster::is_enabled() )

@if ( Cluster::has_one_program || Cluster::local_node_type() == Cluster::MANAGER )
@load ./nodes-experimental/manager
@endif

# Nodes that this one has to find, and those that it found.
global expected: set[string] = set();
global found: set[string] = set();

# Whether this node was complete before.
global told = F;

# Whether nodes of one kind connect to those of another. Broker connects in pairs, others connect everybody.
function connects(mine: Cluster::NodeType, theirs: Cluster::NodeType): bool
	{
	if ( theirs == Cluster::CONTROL || theirs == Cluster::NONE )
		return F;

	if ( Cluster::backend != Cluster::CLUSTER_BACKEND_BROKER )
		return T;

	return mine == Cluster::LOGGER || mine == Cluster::MANAGER || mine != theirs;
	}

event zeek_init() &priority=-5
	{
	Cluster::subscribe(cluster_started_topic);

	for ( name, n in Cluster::nodes )
		if ( name != Cluster::node && connects(Cluster::local_node_type(), n$node_type) )
			add expected[name];
	}

event Cluster::node_up(name: string, id: string) &priority=-10
	{
	if ( name !in expected )
		return;

	add found[name];

	if ( |found| < |expected| )
		return;

	if ( ! told )
		Cluster::log("fully connected");

	if ( Cluster::local_node_type() == Cluster::MANAGER )
		event Cluster::Experimental::node_fully_connected(Cluster::node, Cluster::node_id(), told);
	else if ( ! told || Cluster::nodes[name]$node_type == Cluster::MANAGER )
		Cluster::publish(Cluster::manager_topic, Cluster::Experimental::node_fully_connected,
		                 Cluster::node, Cluster::node_id(), told);

	told = T;
	}

event Cluster::node_down(name: string, id: string)
	{
	delete found[name];
	}

@endif
