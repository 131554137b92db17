##! Lets this process be asked and told things over the control framework.

@load base/frameworks/control
@load base/frameworks/broker
@load base/frameworks/cluster

module Control;

event zeek_init() &priority=-10
	{
	Cluster::subscribe(Control::topic_prefix);

	# Clusters that do without peerings carry questions by themselves.
	local peers = ! Cluster::is_enabled() || Cluster::backend == Cluster::CLUSTER_BACKEND_BROKER;

	if ( Control::controllee_listen && peers )
		Broker::listen();
	}

# Answers go where those who asked one node can tell them apart.
function answer_topic(response: string): string
	{
	local topic = fmt("%s/%s", Control::topic_prefix, response);
	return Cluster::node == "" ? topic : fmt("%s/%s", topic, Cluster::node);
	}

event Control::id_value_request(id: string)
	{
	Cluster::publish(answer_topic("id_value_response"), Control::id_value_response, id, cat(lookup_ID(id)));
	}

event Control::peer_status_request()
	{
	local status = "";

	for ( _, p in Broker::peers() )
		{
		local peer = p$peer;

		if ( peer?$network )
			status += fmt("%.6f peer=%s host=%s status=%s\n", network_time(), peer$id,
			              peer$network$address, p$status);
		}

	for ( name, n in Cluster::nodes )
		{
		if ( n?$id )
			status += fmt("%.6f peer=%s host=%s status=up\n", network_time(), name, n$ip);
		}

	Cluster::publish(answer_topic("peer_status_response"), Control::peer_status_response, status);
	}

event Control::net_stats_request()
	{
	local ns = get_net_stats();
	local text = fmt("%.6f recvd=%d dropped=%d link=%d\n", network_time(), ns$pkts_recvd, ns$pkts_dropped,
	                 ns$pkts_link);
	Cluster::publish(answer_topic("net_stats_response"), Control::net_stats_response, text);
	}

event Control::configuration_update_request()
	{
	event Control::configuration_update();
	Cluster::publish(answer_topic("configuration_update_response"), Control::configuration_update_response);
	}

event Control::shutdown_request()
	{
	Cluster::publish(answer_topic("shutdown_response"), Control::shutdown_response);

	# Time for the answer to leave.
	event terminate_event();
	}
