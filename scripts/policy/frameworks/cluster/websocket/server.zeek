##! Lets programs take part in a cluster through the WebSocket API of the manager. The address can be given with the
##! environment variables `ZEEK_WEBSOCKET_LISTEN_ADDRESS` and `ZEEK_WEBSOCKET_LISTEN_PORT`. The cluster's messages are carried
##! by ZeroMQ.

@load base/frameworks/cluster
@load policy/frameworks/cluster/backend/zeromq

module Cluster;

function websocket_address(): addr
	{
	local text = getenv("ZEEK_WEBSOCKET_LISTEN_ADDRESS");
	return text == "" ? 127.0.0.1 : to_addr(text);
	}

function websocket_port(): port
	{
	local text = getenv("ZEEK_WEBSOCKET_LISTEN_PORT");

	if ( text == "" )
		return 27759/tcp;

	return to_port(/\// in text ? text : text + "/tcp");
	}

event zeek_init()
	{
	if ( ! is_enabled() || local_node_type() == MANAGER )
		listen_websocket(WebSocketServerOptions($listen_addr=websocket_address(), $listen_port=websocket_port()));
	}
