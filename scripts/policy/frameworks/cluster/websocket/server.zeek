##! Lets programs take part in a cluster through the WebSocket API of the manager.

@load base/frameworks/cluster

event zeek_init()
	{
	if ( ! Cluster::is_enabled() || Cluster::local_node_type() == Cluster::MANAGER )
		Cluster::listen_websocket(Cluster::WebSocketServerOptions($listen_addr=127.0.0.1, $listen_port=27759/tcp));
	}
