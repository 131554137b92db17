##! Connects the nodes of a cluster that uses Broker: everyone to the loggers, workers and proxies to the manager, workers
##! to the proxies. Other backends connect by themselves.

@load ./main
@load base/frameworks/broker

module Cluster;

# Connects to all nodes of a kind.
function connect_peers(node_type: NodeType)
	{
	for ( name, n in nodes )
		{
		if ( n$node_type != node_type || name == node )
			next;

		if ( ! hook connect_node_hook(NamedNode($name=name, $node=n)) )
			next;

		local host = n$zone_id == "" ? cat(n$ip) : fmt("%s%%%s", n$ip, n$zone_id);
		local status = Broker::peer(host, n$p, retry_interval);
		Cluster::log(fmt("initiate peering with %s:%s, retry=%s, status=%s", host, n$p, retry_interval, status));
		}
	}

event zeek_init() &priority=-10
	{
	if ( backend != CLUSTER_BACKEND_BROKER )
		return;

	if ( getenv("ZEEKCTL_CHECK_CONFIG") != "" )
		return;

	local self = nodes[node];

	# Who writes logs hears of all of them where rows do not go to one logger after the other.
	if ( ! enable_round_robin_logging && Log::enable_local_logging )
		Broker::subscribe(Broker::default_log_topic_prefix);

	if ( self$p != 0/unknown )
		{
		local where = self$zone_id == "" ? cat(self$ip) : fmt("%s%%%s", self$ip, self$zone_id);
		Broker::listen(where, self$p, Broker::default_listen_retry);
		Cluster::log(fmt("listening on %s:%s", where, self$p));
		}

	switch ( self$node_type ) {
	case MANAGER:
		connect_peers(LOGGER);
		break;
	case PROXY:
		connect_peers(LOGGER);
		connect_peers(MANAGER);
		break;
	case WORKER:
		connect_peers(LOGGER);
		connect_peers(PROXY);
		connect_peers(MANAGER);
		break;
	default:
		break;
	}
	}

event Broker::peer_added(endpoint: Broker::EndpointInfo, msg: string) &priority=10
	{
	if ( backend == CLUSTER_BACKEND_BROKER )
		Cluster::publish(nodeid_topic(endpoint$id), Cluster::hello, node, Broker::node_id());
	}

event Broker::peer_lost(endpoint: Broker::EndpointInfo, msg: string) &priority=10
	{
	if ( backend == CLUSTER_BACKEND_BROKER && endpoint$id in active_names )
		event Cluster::node_down(active_names[endpoint$id], endpoint$id);
	}
