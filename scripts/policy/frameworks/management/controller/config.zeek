##! Settings of the controller.

@load base/frameworks/broker
@load base/frameworks/cluster
@load policy/frameworks/management

module Management::Controller;

export {
	## Its name. Empty is the variable ZEEK_CONTROLLER_NAME of the environment, else "controller-" and the host's name.
	const name = getenv("ZEEK_CONTROLLER_NAME") &redef;

	## Files in its folder for what it prints; none where empty.
	const stdout_file = "stdout" &redef;
	const stderr_file = "stderr" &redef;

	## Where it listens for agents. Empty is Management::default_address.
	const listen_address = getenv("ZEEK_CONTROLLER_ADDR") &redef;

	## The port for that, as a text. Empty is default_port.
	const listen_port = getenv("ZEEK_CONTROLLER_PORT") &redef;
	const default_port = 2150/tcp &redef;

	## Where it listens for clients of the WebSocket API, in the same way.
	const listen_address_websocket = getenv("ZEEK_CONTROLLER_WEBSOCKET_ADDR") &redef;
	const listen_port_websocket = getenv("ZEEK_CONTROLLER_WEBSOCKET_PORT") &redef;
	const default_port_websocket = 2149/tcp &redef;

	## Keys and certificates for these clients.
	const tls_options_websocket = Cluster::WebSocketTLSOptions() &redef;

	## Give ports to nodes that others connect to and whose configuration has none, beginning with this one.
	const auto_assign_broker_ports = T &redef;
	const auto_assign_broker_start_port = 2200/tcp &redef;

	## The same for the ports at which nodes show their metrics.
	const auto_assign_metrics_ports = T &redef;
	const auto_assign_metrics_start_port = 9000/tcp &redef;

	## The topic of all that clients and the controller tell each other.
	const topic = "zeek/management/controller" &redef;

	## The folder it works in. Empty is one of its name below that for all nodes.
	const directory = "" &redef;

	## The file in which it remembers configurations has this name.
	const store_name = "controller";

	## Its effective name.
	global get_name: function(): string;

	## Where agents find it.
	global network_info: function(): Broker::NetworkInfo;
	global endpoint_info: function(): Broker::EndpointInfo;

	## Where clients find it.
	global network_info_websocket: function(): Broker::NetworkInfo;
	global endpoint_info_websocket: function(): Broker::EndpointInfo;
}

# An address and a port, from their settings and what to take where these are empty.
function place(address: string, p: string, otherwise: port): Broker::NetworkInfo
	{
	local ni = Broker::NetworkInfo($address=address == "" ? Management::default_address : address, $bound_port=otherwise);

	if ( p != "" )
		ni$bound_port = "/" in p ? to_port(p) : count_to_port(to_count(p), tcp);

	return ni;
	}

function get_name(): string
	{
	return name == "" ? fmt("controller-%s", gethostname()) : name;
	}

function network_info(): Broker::NetworkInfo
	{
	return place(listen_address, listen_port, default_port);
	}

function endpoint_info(): Broker::EndpointInfo
	{
	return Broker::EndpointInfo($id=get_name(), $network=network_info());
	}

function network_info_websocket(): Broker::NetworkInfo
	{
	return place(listen_address_websocket, listen_port_websocket, default_port_websocket);
	}

function endpoint_info_websocket(): Broker::EndpointInfo
	{
	return Broker::EndpointInfo($id=get_name(), $network=network_info_websocket());
	}
