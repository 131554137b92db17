##! Starts the forwarder where it belongs, and connects this node to its cluster.

@load ./main

module Cluster::Backend::ZeroMQ;

# Whether this start is only to check a configuration.
function only_checks(): bool
	{
	return getenv("ZEEKCTL_CHECK_CONFIG") != "" || getenv("ZEEKCTL_DISABLE_LISTEN") != "";
	}

# Rows go to all loggers of the layout, except from those that write them.
event zeek_init() &priority=100
	{
	if ( ! Cluster::is_enabled() || listen_log_endpoint != "" || Cluster::local_node_type() == Cluster::LOGGER )
		return;

	for ( _, n in Cluster::nodes )
		{
		local writes = n$node_type == Cluster::LOGGER ||
		               (n$node_type == Cluster::MANAGER && Cluster::manager_is_logger);

		if ( writes && port_to_count(n$p) > 0 )
			connect_log_endpoints += endpoint_of(n);
		}
	}

event zeek_init() &priority=10
	{
	if ( ! Cluster::is_enabled() || only_checks() )
		return;

	if ( run_proxy_thread && ! Cluster::Backend::ZeroMQ::spawn_zmq_proxy_thread() )
		Reporter::fatal("cannot start the forwarder of the cluster's events");

	if ( ! Cluster::init() )
		Reporter::fatal("cannot start the cluster's backend");
	}
