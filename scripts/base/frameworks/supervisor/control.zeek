##! Requests to a supervisor from elsewhere, and its responses.

@load ./api

module SupervisorControl;

export {
	## Topics begin with this.
	const topic_prefix: string = "zeek/supervisor" &redef;

	## Take requests over the network? Peers reach the supervisor at `Broker::default_listen_address`, or 127.0.0.1 if that
	## is empty, and `Broker::default_port`. Clients of the WebSocket API may ask as well where `Cluster::listen_websocket`
	## lets them in.
	const enable_listen: bool = F &redef;

	global stop_request: event();
	global status_request: event(reqid: string, node: string);
	global status_response: event(reqid: string, result: Supervisor::Status);
	global create_request: event(reqid: string, node: Supervisor::NodeConfig);
	global create_response: event(reqid: string, result: string);
	global destroy_request: event(reqid: string, node: string);
	global destroy_response: event(reqid: string, result: bool);
	global restart_request: event(reqid: string, node: string);
	global restart_response: event(reqid: string, result: bool);
	global node_status: event(node: string, pid: count);
}
