##! Subscribes a node to the topics of its kind and its own.

@load ./main

module Cluster;

event zeek_init() &priority=-10
	{
	switch ( local_node_type() ) {
	case LOGGER:
		subscribe(logger_topic);
		break;
	case MANAGER:
		subscribe(manager_topic);

		if ( manager_is_logger )
			subscribe(logger_topic);

		break;
	case PROXY:
		subscribe(proxy_topic);
		break;
	case WORKER:
		subscribe(worker_topic);
		break;
	default:
		break;
	}

	subscribe(nodeid_topic(node_id()));
	subscribe(node_topic(node));
	subscribe("zeek/table/");

	# Controllers reach a node here.
	subscribe(fmt("%s/%s", Control::topic_prefix, node));
	}
