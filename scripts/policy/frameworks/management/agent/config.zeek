##! Settings of the agent.

@load base/frameworks/broker
@load base/misc/installation
@load policy/frameworks/management
@load policy/frameworks/management/controller/config

module Management::Agent;

export {
	## Its name, which is that of the instance. Empty is the variable ZEEK_AGENT_NAME of the environment, else "agent-" and
	## the host's name.
	const name = getenv("ZEEK_AGENT_NAME") &redef;

	## Files in its folder for what it prints; none where empty.
	const stdout_file = "stdout" &redef;
	const stderr_file = "stderr" &redef;

	## Where it listens for its nodes, and for the controller if that connects. Empty is Management::default_address.
	const listen_address = getenv("ZEEK_AGENT_ADDR") &redef;

	## The port for that, as a text. Empty is default_port.
	const listen_port = getenv("ZEEK_AGENT_PORT") &redef;
	const default_port = 2151/tcp &redef;

	## Move rotated logs to the archive from time to time; 0 is each time that logs are rotated.
	const archive_logs = T &redef;
	const archive_interval = 0sec &redef;

	## The command for that, which is run as `COMMAND -1 QUEUE ARCHIVE`. Empty is zeek-archiver, or where there
	## is none `tapirctl archiver`.
	const archive_cmd = "" &redef;

	## The archive.
	const archive_dir = Installation::log_dir &redef;

	## The topic of what this agent and the controller tell each other is this, a slash and the agent's name.
	const topic_prefix = "zeek/management/agent" &redef;

	## Where the controller is. With the address 0.0.0.0 the agent waits for it to connect.
	const controller = Broker::NetworkInfo($address="127.0.0.1", $bound_port=Management::Controller::network_info()$bound_port) &redef;

	## The same where the controller's own settings were changed later, as from the command line.
	global controller_info: function(): Broker::NetworkInfo;

	## The folder it works in. Empty is one of its name below that for all nodes.
	const directory = "" &redef;

	## Its effective name.
	global get_name: function(): string;

	## This instance as controllers know it.
	global instance: function(): Management::Instance;

	## Where nodes and controllers find the agent.
	global endpoint_info: function(): Broker::EndpointInfo;
}

function get_name(): string
	{
	return name == "" ? fmt("agent-%s", gethostname()) : name;
	}

# The controller's port when its place was determined.
const port_before = Management::Controller::network_info()$bound_port;

function controller_info(): Broker::NetworkInfo
	{
	if ( controller$bound_port != port_before )
		return controller;

	return Broker::NetworkInfo($address=controller$address,
	                           $bound_port=Management::Controller::network_info()$bound_port);
	}

function endpoint_info(): Broker::EndpointInfo
	{
	local ni = Broker::NetworkInfo($address=listen_address == "" ? Management::default_address : listen_address,
	                               $bound_port=default_port);

	if ( listen_port != "" )
		ni$bound_port = "/" in listen_port ? to_port(listen_port) : count_to_port(to_count(listen_port), tcp);

	return Broker::EndpointInfo($id=get_name(), $network=ni);
	}

function instance(): Management::Instance
	{
	local ni = endpoint_info()$network;
	local inst = Management::Instance($name=get_name(), $host=to_addr(ni$address));

	if ( controller$address == "0.0.0.0" )
		inst$listen_port = ni$bound_port;

	return inst;
	}
