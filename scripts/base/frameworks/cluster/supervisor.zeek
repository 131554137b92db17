##! Takes the layout of the cluster from the supervisor.

@load ./main
@load base/frameworks/supervisor/api

module Cluster;

# The layout as this framework wants it.
function nodes_from_supervisor(): table[string] of Node
	{
	local out: table[string] of Node = table();
	local conf = Supervisor::node();
	local manager = "";

	for ( name, ep in conf$cluster )
		{
		if ( ep$role == Supervisor::MANAGER )
			manager = name;
		}

	for ( nname, e in conf$cluster )
		{
		local kind = NONE;

		switch ( e$role ) {
		case Supervisor::LOGGER:
			kind = LOGGER;
			break;
		case Supervisor::MANAGER:
			kind = MANAGER;
			break;
		case Supervisor::PROXY:
			kind = PROXY;
			break;
		case Supervisor::WORKER:
			kind = WORKER;
			break;
		default:
			break;
		}

		local n = Node($node_type=kind, $ip=e$host, $p=e$p);

		if ( manager != "" && nname != manager )
			n$manager = manager;

		if ( e?$metrics_port )
			n$metrics_port = e$metrics_port;

		out[nname] = n;
		}

	return out;
	}

redef Cluster::node = |Supervisor::node()$cluster| == 0 ? "" : Supervisor::node()$name;
redef Cluster::nodes += nodes_from_supervisor();

# A logger of its own takes the logs from the manager.
redef Cluster::manager_is_logger = get_node_count(LOGGER) == 0;
