##! The agent: has the supervisor start and end the nodes that the controller wants, and speaks for them. It runs in a
##! process of its own, which ./boot starts.

@load base/frameworks/broker
@load base/frameworks/cluster
@load base/utils/paths
@load policy/frameworks/management
@load policy/frameworks/management/node/api
@load policy/frameworks/management/node/config
@load policy/frameworks/management/supervisor/api
@load policy/frameworks/management/supervisor/config
@load ./api
@load ./config

module Management::Agent::Runtime;

export {
	## A question to the supervisor.
	type SupervisorState: record {
		## The node that it is about.
		node: string &default="";
		status: Supervisor::Status &optional;
		restart_result: bool &optional;
	};

	## A deployment.
	type DeployState: record {
		## Nodes that have not reported yet.
		nodes_pending: set[string];
	};

	## Something that nodes are to do.
	type NodeDispatchState: record {
		action: vector of string;
		## Nodes that have not answered yet.
		requests: set[string] &default=set();
	};

	## Nodes that are to start again.
	type RestartState: record {
		## Requests that the supervisor has not answered yet.
		requests: set[string] &default=set();
	};

	redef record Management::Request::Request += {
		supervisor_state_agent: SupervisorState &optional;
		deploy_state_agent: DeployState &optional;
		node_dispatch_state_agent: NodeDispatchState &optional;
		restart_state_agent: RestartState &optional;
	};

	## Moves rotated logs to the archive, now if wanted and then again and again.
	global trigger_log_archival: event(run_archival: bool &default=T);
}

redef Management::role = Management::AGENT;

# The controller waits longer, so that it hears why something failed.
redef Management::Request::timeout_interval = 5sec;

# Requests are given up soon after their time.
redef table_expire_interval = 2sec;

# The configuration of the cluster, if the agent has got one.
global config_id = "";

# Whether the supervisor has answered.
global has_supervisor = F;

# Nodes of this instance, and how they are.
global nodes: table[string] of Management::Node;

# What nodes had printed that ended by themselves.
global outputs: table[string] of Management::NodeOutputs;

# The deployment that is going on.
global deploying = "";

function agent_topic(): string
	{
	return fmt("%s/%s", Management::Agent::topic_prefix, Management::Agent::get_name());
	}

function set_state(name: string, state: Management::State)
	{
	if ( name !in nodes )
		return;

	local old = nodes[name]$state;

	if ( old == state )
		return;

	nodes[name]$state = state;
	Management::Log::debug(fmt("node %s: %s", name, state));
	Cluster::publish(agent_topic(), Management::Agent::API::notify_change, Management::Agent::get_name(), nodes[name], old, state);
	}

function result(reqid: string): Management::Result
	{
	return Management::Result($reqid=reqid, $instance=Management::Agent::get_name());
	}

# ---- The supervisor.

function ask_supervisor(parent: string, node: string): Management::Request::Request
	{
	local req = Management::Request::create();
	req$parent_id = parent;
	req$supervisor_state_agent = SupervisorState($node=node);
	return req;
	}

# Asks for all nodes; `then` is called when the answer is there.
function with_status(parent: string, then: function(req: Management::Request::Request))
	{
	local req = ask_supervisor(parent, "");
	req$finish = then;
	Cluster::publish(SupervisorControl::topic_prefix, SupervisorControl::status_request, req$id, "");
	}

event SupervisorControl::status_response(reqid: string, result: Supervisor::Status)
	{
	local req = Management::Request::lookup(reqid);

	if ( Management::Request::is_null(req) || ! req?$supervisor_state_agent )
		return;

	req$supervisor_state_agent$status = result;
	Management::Request::finish(reqid);
	}

# Ends all nodes of the cluster among those that the supervisor has.
function destroy_nodes(status: Supervisor::Status)
	{
	for ( name, ns in status$nodes )
		{
		# Agents and controllers are in no cluster.
		if ( |ns$node$cluster| == 0 )
			next;

		Management::Log::info(fmt("ending node %s", name));
		local req = ask_supervisor("", name);
		Cluster::publish(SupervisorControl::topic_prefix, SupervisorControl::destroy_request, req$id, name);
		}

	for ( n in nodes )
		set_state(n, Management::STOPPED);

	nodes = table();
	outputs = table();
	}

event SupervisorControl::destroy_response(reqid: string, result: bool)
	{
	Management::Request::finish(reqid);
	}

# ---- Deployments.

function finish_deploy(req: Management::Request::Request)
	{
	if ( deploying == req$id )
		deploying = "";

	Management::Log::info(fmt("tx deploy_response %s", Management::result_vec_to_string(req$results)));
	Cluster::publish(agent_topic(), Management::Agent::API::deploy_response, req$id, req$results);
	}

# Notes what has become of a node that is being deployed.
function note_deployed(req: Management::Request::Request, res: Management::Result)
	{
	req$results += res;
	delete req$deploy_state_agent$nodes_pending[res$node];

	if ( |req$deploy_state_agent$nodes_pending| == 0 )
		Management::Request::finish(req$id);
	}

# The cluster as its nodes have to know it.
function layout(config: Management::Configuration): table[string] of Supervisor::ClusterEndpoint
	{
	local hosts: table[string] of addr;
	local out: table[string] of Supervisor::ClusterEndpoint;

	# An instance that connects by itself may not know its address; on one host that is no matter.
	for ( inst in config$instances )
		hosts[inst$name] = inst$host == 0.0.0.0 || inst$host == [::] ? 127.0.0.1 : inst$host;

	for ( n in config$nodes )
		{
		local ep = Supervisor::ClusterEndpoint($role=n$role, $host=n$instance in hosts ? hosts[n$instance] : 127.0.0.1,
		                                       $p=n?$p ? n$p : 0/unknown);

		if ( n?$interface )
			ep$interface = n$interface;

		if ( n?$metrics_port )
			ep$metrics_port = n$metrics_port;

		out[n$name] = ep;
		}

	return out;
	}

function node_dir(name: string): string
	{
	local relative = build_path("nodes", name);
	# The supervisor's folder is where testers look.
	return getenv("ZEEK_MANAGEMENT_TESTING") == "" ? build_path(Management::get_state_dir(), relative) : relative;
	}

function start_node(reqid: string, n: Management::Node, cluster: table[string] of Supervisor::ClusterEndpoint)
	{
	local nc = Supervisor::NodeConfig($name=n$name, $cluster=cluster, $env=n$env, $directory=node_dir(n$name));
	nc$addl_user_scripts += "policy/frameworks/management/node";

	if ( n?$scripts )
		{
		for ( _, s in n$scripts )
			nc$addl_user_scripts += s;
		}

	# As on a command line.
	if ( n?$options )
		{
		for ( o in n$options )
			nc$addl_user_scripts += fmt("%s=%s", o$name, o$value);
		}

	if ( n?$interface )
		nc$interface = n$interface;

	if ( n?$cpu_affinity )
		nc$cpu_affinity = n$cpu_affinity;

	Management::Log::info(fmt("starting node %s", n$name));
	local req = ask_supervisor(reqid, n$name);
	Cluster::publish(SupervisorControl::topic_prefix, SupervisorControl::create_request, req$id, nc);
	}

global wanted: Management::Configuration = Management::Configuration($id="");

function deploy_with_status(sreq: Management::Request::Request)
	{
	local req = Management::Request::lookup(sreq$parent_id);

	if ( Management::Request::is_null(req) )
		return;

	destroy_nodes(sreq$supervisor_state_agent$status);
	local cluster = layout(wanted);

	for ( n in wanted$nodes )
		{
		if ( n$instance != Management::Agent::get_name() )
			next;

		local mine: Management::Node = copy(n);
		mine$state = Management::PENDING;
		nodes[n$name] = mine;
		add req$deploy_state_agent$nodes_pending[n$name];
		}

	for ( name, node in nodes )
		start_node(req$id, node, cluster);

	if ( |nodes| == 0 )
		Management::Request::finish(req$id);
	}

event SupervisorControl::create_response(reqid: string, result: string)
	{
	local sreq = Management::Request::lookup(reqid);

	if ( Management::Request::is_null(sreq) || ! sreq?$supervisor_state_agent )
		return;

	local name = sreq$supervisor_state_agent$node;
	Management::Request::finish(reqid);

	if ( result == "" )
		return;

	Management::Log::error(fmt("node %s cannot be started: %s", name, result));
	set_state(name, Management::FAILED);
	local req = Management::Request::lookup(sreq$parent_id);

	if ( ! Management::Request::is_null(req) && name in req$deploy_state_agent$nodes_pending )
		note_deployed(req, Management::Result($reqid=req$id, $success=F, $instance=Management::Agent::get_name(),
		                                      $node=name, $error=result));
	}

event Management::Agent::API::deploy_request(reqid: string, config: Management::Configuration, force: bool)
	{
	Management::Log::info(fmt("rx deploy_request %s (configuration %s%s)", reqid, config$id, force ? ", forced" : ""));

	# The controller knows what it wants: an earlier deployment is over.
	local before = Management::Request::lookup(deploying);

	if ( ! Management::Request::is_null(before) )
		{
		local over = result(deploying);
		over$success = F;
		over$error = "another deployment has begun";
		before$results += over;
		Management::Request::finish(deploying);
		}

	if ( ! force && config$id == config_id )
		{
		local same: Management::ResultVec = vector();

		for ( name in nodes )
			{
			local res = result(reqid);
			res$node = name;
			same += res;
			}

		Cluster::publish(agent_topic(), Management::Agent::API::deploy_response, reqid, same);
		return;
		}

	config_id = config$id;
	wanted = config;
	deploying = reqid;
	local req = Management::Request::create(reqid);
	req$deploy_state_agent = DeployState($nodes_pending=set());
	req$finish = finish_deploy;
	with_status(reqid, deploy_with_status);
	}

event Management::Node::API::notify_node_hello(node: string)
	{
	Management::Log::info(fmt("rx notify_node_hello %s", node));
	set_state(node, Management::RUNNING);

	if ( deploying == "" )
		return;

	local req = Management::Request::lookup(deploying);

	if ( Management::Request::is_null(req) || node !in req$deploy_state_agent$nodes_pending )
		return;

	local res = result(req$id);
	res$node = node;
	note_deployed(req, res);
	}

event Management::Supervisor::API::notify_node_exit(node: string, outputs: Management::NodeOutputs)
	{
	if ( node !in nodes )
		return;

	Management::Agent::Runtime::outputs[node] = outputs;

	# Who was told to start again has not failed.
	if ( nodes[node]$state == Management::RUNNING )
		{
		set_state(node, Management::CRASHED);
		Management::Log::error(fmt("node %s has ended and is started again", node));
		Cluster::publish(agent_topic(), Management::Agent::API::notify_error, Management::Agent::get_name(),
		                 "node has ended and is started again", node);
		}
	}

# ---- What nodes there are.

function tell_nodes(sreq: Management::Request::Request)
	{
	local req = Management::Request::lookup(sreq$parent_id);

	if ( Management::Request::is_null(req) )
		return;

	local all: Management::NodeStatusVec = vector();

	for ( name, ns in sreq$supervisor_state_agent$status$nodes )
		{
		local cns = Management::NodeStatus($node=name, $state=Management::PENDING);

		if ( ns?$pid )
			cns$pid = ns$pid;

		if ( name == Management::Agent::get_name() )
			cns$mgmt_role = Management::AGENT;
		else if ( name == Management::Controller::get_name() )
			cns$mgmt_role = Management::CONTROLLER;

		# These are there as soon as there is a process.
		if ( cns$mgmt_role != Management::NONE && ns?$pid )
			cns$state = Management::RUNNING;

		if ( name in nodes )
			cns$state = nodes[name]$state;

		if ( name in ns$node$cluster )
			{
			local ep = ns$node$cluster[name];
			cns$cluster_role = ep$role;

			if ( ep$p != 0/unknown )
				cns$p = ep$p;

			if ( ep?$metrics_port )
				cns$metrics_port = ep$metrics_port;
			}

		all += cns;
		}

	sort(all, function(a: Management::NodeStatus, b: Management::NodeStatus): int
		{ return strcmp(a$node, b$node); });

	local res = result(req$id);
	res$data = all;
	Management::Request::finish(req$id);
	Cluster::publish(agent_topic(), Management::Agent::API::get_nodes_response, req$id, res);
	}

event Management::Agent::API::get_nodes_request(reqid: string)
	{
	Management::Request::create(reqid);
	with_status(reqid, tell_nodes);
	}

# ---- What nodes are to do.

# Names of those among the given nodes that are of this instance; of all if none is given.
function own_nodes(given: set[string]): set[string]
	{
	local out: set[string];

	for ( name in nodes )
		{
		if ( |given| == 0 || name in given )
			add out[name];
		}

	return out;
	}

function finish_dispatch(req: Management::Request::Request)
	{
	Cluster::publish(agent_topic(), Management::Agent::API::node_dispatch_response, req$id, req$results);
	}

event Management::Agent::API::node_dispatch_request(reqid: string, action: vector of string, nodes: set[string])
	{
	Management::Log::info(fmt("rx node_dispatch_request %s %s", reqid, join_string_vec(action, " ")));
	local mine = own_nodes(nodes);
	local req = Management::Request::create(reqid);
	req$node_dispatch_state_agent = NodeDispatchState($action=action, $requests=mine);
	req$finish = finish_dispatch;

	if ( |mine| == 0 )
		Management::Request::finish(reqid);
	else
		Cluster::publish(Management::Node::node_topic, Management::Node::API::node_dispatch_request, reqid, action, copy(mine));
	}

event Management::Node::API::node_dispatch_response(reqid: string, result: Management::Result)
	{
	local req = Management::Request::lookup(reqid);

	if ( Management::Request::is_null(req) || ! req?$node_dispatch_state_agent || ! result?$node )
		return;

	local left = req$node_dispatch_state_agent$requests;

	if ( result$node !in left )
		return;

	result$instance = Management::Agent::get_name();
	req$results += result;
	delete left[result$node];

	if ( |left| == 0 )
		Management::Request::finish(reqid);
	}

# ---- Starting nodes again.

function finish_restart(req: Management::Request::Request)
	{
	Cluster::publish(agent_topic(), Management::Agent::API::restart_response, req$id, req$results);
	}

event Management::Agent::API::restart_request(reqid: string, nodes: set[string])
	{
	Management::Log::info(fmt("rx restart_request %s", reqid));
	local mine = own_nodes(nodes);
	local req = Management::Request::create(reqid);
	req$restart_state_agent = RestartState();
	req$finish = finish_restart;

	for ( name in mine )
		{
		local sreq = ask_supervisor(reqid, name);
		add req$restart_state_agent$requests[sreq$id];
		set_state(name, Management::PENDING);
		Cluster::publish(SupervisorControl::topic_prefix, SupervisorControl::restart_request, sreq$id, name);
		}

	if ( |mine| == 0 )
		Management::Request::finish(reqid);
	}

event SupervisorControl::restart_response(reqid: string, result: bool)
	{
	local sreq = Management::Request::lookup(reqid);

	if ( Management::Request::is_null(sreq) || ! sreq?$supervisor_state_agent )
		return;

	sreq$supervisor_state_agent$restart_result = result;
	Management::Request::finish(reqid);
	local req = Management::Request::lookup(sreq$parent_id);

	if ( Management::Request::is_null(req) || ! req?$restart_state_agent )
		return;

	local res = Management::Result($reqid=req$id, $success=result, $instance=Management::Agent::get_name(),
	                               $node=sreq$supervisor_state_agent$node);

	if ( ! result )
		res$error = "the supervisor has no such node";

	req$results += res;
	delete req$restart_state_agent$requests[reqid];

	if ( |req$restart_state_agent$requests| == 0 )
		Management::Request::finish(req$id);
	}

# ---- Whether the agent is needed.

event Management::Agent::API::agent_welcome_request(reqid: string)
	{
	Management::Log::info(fmt("rx agent_welcome_request %s", reqid));
	Cluster::publish(agent_topic(), Management::Agent::API::agent_welcome_response, reqid, result(reqid));
	}

function stand_by(sreq: Management::Request::Request)
	{
	destroy_nodes(sreq$supervisor_state_agent$status);
	local res = result(sreq$parent_id);
	Cluster::publish(agent_topic(), Management::Agent::API::agent_standby_response, res$reqid, res);
	}

event Management::Agent::API::agent_standby_request(reqid: string)
	{
	Management::Log::info(fmt("rx agent_standby_request %s", reqid));
	config_id = "";
	with_status(reqid, stand_by);
	}

# ---- Archiving logs.

# The command line that archives what waits. Where there is no command for it that says so on standard error.
function archive_line(): string
	{
	local queue = safe_shell_quote(Log::default_rotation_dir);
	local folders = fmt("%s %s", queue, safe_shell_quote(Management::Agent::archive_dir));

	if ( Management::Agent::archive_cmd != "" )
		return fmt("%s -1 %s", safe_shell_quote(Management::Agent::archive_cmd), folders);

	return fmt("if command -v zeek-archiver >/dev/null; then zeek-archiver -1 %s; " +
	           "elif command -v tapirctl >/dev/null; then tapirctl archiver -1 %s; " +
	           "else echo there is no zeek-archiver and no tapirctl: rotated logs stay in %s; fi",
	           folders, folders, queue);
	}

event trigger_log_archival(run_archival: bool)
	{
	local pause = Management::Agent::archive_interval;

	if ( pause == 0sec )
		pause = Log::default_rotation_interval;

	if ( pause == 0sec )
		return;

	if ( run_archival )
		{
		Management::Log::debug("archiving rotated logs");
		system(archive_line());
		}

	schedule pause { trigger_log_archival(T) };
	}

# ---- The supervisor and the controller.

# The supervisor is on the same host.
function supervisor_place(): Broker::NetworkInfo
	{
	local address = Broker::default_listen_address == "" ? "127.0.0.1" : Broker::default_listen_address;
	return Broker::NetworkInfo($address=address, $bound_port=Broker::default_port);
	}

function is_supervisor(peer: Broker::EndpointInfo): bool
	{
	local place = supervisor_place();
	return peer?$network && peer$network$address == place$address && peer$network$bound_port == place$bound_port;
	}

function say_hello()
	{
	Cluster::publish(agent_topic(), Management::Agent::API::notify_agent_hello, Management::Agent::get_name(),
	                 Broker::node_id(), Management::Agent::controller$address != "0.0.0.0",
	                 Management::Agent::API::version);
	}

# The question whether who listens where the supervisor should is that of this agent.
const FIRST_QUESTION = "whether there is a supervisor";

function found_supervisor(sreq: Management::Request::Request)
	{
	has_supervisor = Management::Agent::get_name() in sreq$supervisor_state_agent$status$nodes;

	if ( has_supervisor )
		say_hello();
	else
		Management::Log::error(fmt("the supervisor at %s:%s knows nothing of this agent", supervisor_place()$address,
		                           supervisor_place()$bound_port));
	}

event Broker::peer_added(peer: Broker::EndpointInfo, msg: string)
	{
	if ( is_supervisor(peer) )
		with_status(FIRST_QUESTION, found_supervisor);

	# Controllers hear it, whoever it is that came. Without the supervisor the agent is of no use to them.
	else if ( has_supervisor )
		say_hello();
	}

event Broker::peer_lost(peer: Broker::EndpointInfo, msg: string)
	{
	if ( is_supervisor(peer) )
		has_supervisor = F;
	}

# ---- What takes too long.

event Management::Request::request_expired(req: Management::Request::Request)
	{
	Management::Log::error(fmt("timed out: %s", Management::Request::to_string(req)));
	local late = result(req$id);
	late$success = F;
	late$error = "request timed out";

	if ( req?$deploy_state_agent )
		{
		for ( name in req$deploy_state_agent$nodes_pending )
			{
			local res = result(req$id);
			res$success = F;
			res$node = name;
			res$error = "the node has not reported in time";
			res$data = name in outputs ? outputs[name] : Management::NodeOutputs($stdout="", $stderr="");
			req$results += res;
			}

		req$results += late;
		finish_deploy(req);
		}
	else if ( req?$node_dispatch_state_agent )
		{
		for ( node in req$node_dispatch_state_agent$requests )
			{
			local nres = result(req$id);
			nres$success = F;
			nres$node = node;
			nres$error = "request timed out";
			req$results += nres;
			}

		finish_dispatch(req);
		}
	else if ( req?$restart_state_agent )
		{
		req$results += late;
		finish_restart(req);
		}
	else if ( ! req?$supervisor_state_agent )
		Cluster::publish(agent_topic(), Management::Agent::API::get_nodes_response, req$id, late);
	else if ( req?$parent_id && req$parent_id == FIRST_QUESTION && ! has_supervisor )
		with_status(FIRST_QUESTION, found_supervisor);
	}

# ---- The start.

event zeek_init()
	{
	# Nodes report here.
	local place = Management::Agent::endpoint_info()$network;
	Cluster::subscribe(agent_topic());
	Cluster::subscribe(Management::Node::node_topic);
	Cluster::subscribe(Management::Supervisor::topic_prefix);
	Cluster::subscribe(SupervisorControl::topic_prefix);
	Broker::listen(place$address, place$bound_port, Management::connect_retry);

	local supervisor = supervisor_place();
	Broker::peer(supervisor$address, supervisor$bound_port, Management::connect_retry);

	local its_controller = Management::Agent::controller_info();

	if ( its_controller$address != "0.0.0.0" )
		Broker::peer(its_controller$address, its_controller$bound_port, Management::connect_retry);

	if ( Management::Agent::archive_logs && getenv("ZEEK_MANAGEMENT_TESTING") == "" )
		event trigger_log_archival(F);

	Management::Log::info(fmt("agent is live, waiting for nodes on %s:%s", place$address, place$bound_port));
	}
