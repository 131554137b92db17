##! The controller: takes configurations from clients, has agents carry them out, and answers for the whole cluster. It runs in
##! a process of its own, which ./boot starts.

@load base/frameworks/broker
@load base/frameworks/cluster
@load base/frameworks/storage
@load policy/frameworks/management
@load policy/frameworks/management/agent/api
@load policy/frameworks/management/agent/config
@load policy/frameworks/storage/backend/sqlite
@load ./api
@load ./config
@load ./validate

module Management::Controller::Runtime;

export {
	## How far a configuration has come.
	type ConfigState: enum {
		## A client has handed it over.
		STAGED,
		## It is complete, and waits for agents.
		READY,
		## It was sent to agents.
		DEPLOYED,
	};

	## A deployment.
	type DeployState: record {
		config: Management::Configuration;
		## No client asked for it: agents came back.
		is_internal: bool &default=F;
		## Requests that agents have not answered yet.
		requests: set[string] &default=set();
	};

	## A question for processes.
	type GetNodesState: record {
		requests: set[string] &default=set();
	};

	## Something that nodes are to do.
	type NodeDispatchState: record {
		action: vector of string;
		requests: set[string] &default=set();
	};

	## Nodes that are to start again.
	type RestartState: record {
		requests: set[string] &default=set();
	};

	## A test of giving up.
	type TestState: record {
	};

	redef record Management::Request::Request += {
		deploy_state: DeployState &optional;
		get_nodes_state: GetNodesState &optional;
		node_dispatch_state: NodeDispatchState &optional;
		restart_state: RestartState &optional;
		test_state: TestState &optional;
	};
}

redef Management::role = Management::CONTROLLER;

# Requests are given up soon after their time.
redef table_expire_interval = 2sec;

global configs: table[ConfigState] of Management::Configuration;

# Agents that are there, and the endpoints that they are behind.
global known: table[string] of Management::Instance;
global endpoints: table[string] of Broker::EndpointInfo;
global names: table[string] of string;

# Those of them that know that the cluster needs them.
global ready: set[string];

# The deployment that is going on.
global deploying = "";

# The agents that requests went to.
global asked: table[string] of string &create_expire=Management::Request::timeout_interval + 10sec;

function agent_topic(name: string): string
	{
	return fmt("%s/%s", Management::Agent::topic_prefix, name);
	}

function ask_agent(parent: string, name: string): Management::Request::Request
	{
	local req = Management::Request::create();
	req$parent_id = parent;
	asked[req$id] = name;
	return req;
	}

# The request that an agent's answer is for. The request to the agent is finished with it.
function parent_of(reqid: string): Management::Request::Request
	{
	local areq = Management::Request::lookup(reqid);

	if ( Management::Request::is_null(areq) || ! areq?$parent_id )
		return Management::Request::null_req;

	Management::Request::finish(reqid);
	return Management::Request::lookup(areq$parent_id);
	}

function failure(reqid: string, why: string): Management::Result
	{
	return Management::Result($reqid=reqid, $success=F, $error=why);
	}

# One failure for each agent that has not answered.
function add_late(req: Management::Request::Request, requests: set[string])
	{
	for ( id in requests )
		{
		local res = failure(req$id, "request timed out");

		if ( id in asked )
			res$instance = asked[id];

		req$results += res;
		}
	}

# Results say which agent they come from.
function add_results(req: Management::Request::Request, reqid: string, results: Management::ResultVec)
	{
	for ( _, r in results )
		{
		r$reqid = req$id;

		if ( ! r?$instance && reqid in asked )
			r$instance = asked[reqid];

		req$results += r;
		}
	}

# ---- What outlives the controller.

global store: opaque of Storage::BackendHandle;
global has_store = F;

# The names under which configurations are kept.
const keys = { [STAGED] = "staged", [READY] = "ready", [DEPLOYED] = "deployed" };

function open_store()
	{
	local options = Storage::BackendOptions();
	options$sqlite = Storage::Backend::SQLite::Options($database_path=Management::Controller::store_name + ".sqlite",
	                                                   $table_name=Management::Controller::store_name);
	local opened = Storage::Sync::open_backend(Storage::STORAGE_BACKEND_SQLITE, options, string, string);

	if ( opened$code != Storage::SUCCESS )
		{
		Management::Log::error(fmt("configurations cannot be kept: %s", opened?$error_str ? opened$error_str : ""));
		return;
		}

	store = opened$value;
	has_store = T;

	for ( state, key in keys )
		{
		local got = Storage::Sync::get(store, key);

		if ( got$code != Storage::SUCCESS )
			next;

		local parsed = from_json(got$value as string, Management::Configuration);

		if ( parsed$valid )
			configs[state] = parsed$v as Management::Configuration;
		else
			Management::Log::error(fmt("the %s configuration cannot be read: %s", key, parsed?$err ? parsed$err : ""));
		}

	# Who had asked for it is gone.
	delete configs[READY];
	}

function keep(state: ConfigState)
	{
	if ( ! has_store )
		return;

	local r: Storage::OperationResult;

	if ( state in configs )
		r = Storage::Sync::put(store, Storage::PutArgs($key=keys[state], $value=to_json(configs[state])));
	else
		r = Storage::Sync::erase(store, keys[state]);

	if ( r$code != Storage::SUCCESS && r$code != Storage::KEY_NOT_FOUND )
		Management::Log::error(fmt("the %s configuration cannot be kept: %s", keys[state], r?$error_str ? r$error_str : ""));
	}

# ---- Agents.

# The agents that the cluster needs, or is about to need.
function needed(): set[string]
	{
	local out: set[string];

	if ( READY in configs || DEPLOYED in configs )
		{
		local config = READY in configs ? configs[READY] : configs[DEPLOYED];

		for ( inst in config$instances )
			add out[inst$name];
		}

	return out;
	}

function welcome(name: string)
	{
	local areq = ask_agent("", name);
	Cluster::publish(agent_topic(name), Management::Agent::API::agent_welcome_request, areq$id);
	}

# Tells when nobody is missing.
function look_whether_ready()
	{
	local all = needed();

	for ( name in all )
		{
		if ( name !in ready )
			return;
		}

	if ( |all| > 0 )
		event Management::Controller::API::notify_agents_ready(all);
	}

# Connects to the agents that wait for that.
function connect_to_agents(config: Management::Configuration)
	{
	for ( inst in config$instances )
		{
		if ( inst?$listen_port && ! Broker::is_outbound_peering(cat(inst$host), inst$listen_port) )
			Broker::peer(cat(inst$host), inst$listen_port, Management::connect_retry);
		}
	}

event Broker::peer_added(peer: Broker::EndpointInfo, msg: string) &priority=5
	{
	endpoints[peer$id] = peer;
	}

function forget(id: string)
	{
	delete endpoints[id];

	if ( id !in names )
		return;

	local name = names[id];
	Management::Log::warning(fmt("instance %s is gone", name));
	delete names[id];
	delete known[name];
	delete ready[name];
	}

event Broker::peer_lost(peer: Broker::EndpointInfo, msg: string)
	{
	forget(peer$id);
	}

event Broker::peer_removed(peer: Broker::EndpointInfo, msg: string)
	{
	forget(peer$id);
	}

event Management::Agent::API::notify_agent_hello(instance: string, id: string, connecting: bool, api_version: count)
	{
	if ( api_version != Management::Agent::API::version )
		{
		Management::Log::error(fmt("instance %s speaks version %s of the API, not %s", instance, api_version,
		                           Management::Agent::API::version));
		return;
		}

	if ( instance in known && id !in names )
		{
		for ( other, name in names )
			{
			if ( name == instance )
				{
				Management::Log::error(fmt("there are two agents called %s; the second one is left out", instance));
				return;
				}
			}
		}

	# It says so again with each peer that it gets.
	if ( id in names )
		return;

	local inst = Management::Instance($name=instance, $host=0.0.0.0);

	if ( id in endpoints && endpoints[id]?$network )
		{
		inst$host = to_addr(endpoints[id]$network$address);

		if ( ! connecting )
			inst$listen_port = endpoints[id]$network$bound_port;
		}

	known[instance] = inst;
	names[id] = instance;
	Management::Log::info(fmt("instance %s is there", instance));

	if ( instance in needed() )
		welcome(instance);
	}

event Management::Agent::API::agent_welcome_response(reqid: string, result: Management::Result)
	{
	if ( reqid !in asked )
		return;

	Management::Request::finish(reqid);
	local name = asked[reqid];

	if ( ! result$success || name !in known || name in ready )
		return;

	add ready[name];
	Management::Log::info(fmt("instance %s is ready", name));
	look_whether_ready();
	}

event Management::Agent::API::agent_standby_response(reqid: string, result: Management::Result)
	{
	Management::Request::finish(reqid);
	}

event Management::Agent::API::notify_change(instance: string, n: Management::Node, old: Management::State, new: Management::State)
	{
	Management::Log::info(fmt("instance %s, node %s: %s, was %s", instance, n$name, new, old));
	}

event Management::Agent::API::notify_error(instance: string, msg: string, node: string)
	{
	Management::Log::error(fmt("instance %s%s: %s", instance, node == "" ? "" : fmt(", node %s", node), msg));
	}

event Management::Agent::API::notify_log(instance: string, msg: string, node: string)
	{
	Management::Log::info(fmt("instance %s%s: %s", instance, node == "" ? "" : fmt(", node %s", node), msg));
	}

event Management::Controller::API::get_instances_request(reqid: string)
	{
	Management::Log::info(fmt("rx get_instances_request %s", reqid));
	local all: Management::InstanceVec = vector();

	for ( _, inst in known )
		all += inst;

	sort(all, function(a: Management::Instance, b: Management::Instance): int
		{ return strcmp(a$name, b$name); });

	local res = Management::Result($reqid=reqid, $data=all);
	Cluster::publish(Management::Controller::topic, Management::Controller::API::get_instances_response, reqid, res);
	}

# ---- Configurations.

event Management::Controller::API::stage_configuration_request(reqid: string, config: Management::Configuration)
	{
	Management::Log::info(fmt("rx stage_configuration_request %s (configuration %s)", reqid, config$id));
	local results: Management::ResultVec = vector();
	local complete = with_instances(config);

	for ( _, problem in problems_of(complete) )
		results += failure(reqid, problem);

	if ( |results| == 0 )
		{
		configs[STAGED] = complete;
		keep(STAGED);
		results += Management::Result($reqid=reqid, $data=config$id);
		}

	Management::Log::info(fmt("tx stage_configuration_response %s", Management::result_vec_to_string(results)));
	Cluster::publish(Management::Controller::topic, Management::Controller::API::stage_configuration_response, reqid, results);
	}

event Management::Controller::API::get_configuration_request(reqid: string, deployed: bool)
	{
	Management::Log::info(fmt("rx get_configuration_request %s", reqid));
	local state = deployed ? DEPLOYED : STAGED;
	local res = state in configs ? Management::Result($reqid=reqid, $data=configs[state]) :
	            failure(reqid, fmt("no configuration is %s", keys[state]));
	Cluster::publish(Management::Controller::topic, Management::Controller::API::get_configuration_response, reqid, res);
	}

# ---- Deployments.

function finish_deploy(req: Management::Request::Request)
	{
	if ( deploying == req$id )
		deploying = "";

	if ( READY in configs )
		{
		delete configs[READY];
		keep(READY);
		}

	if ( req$deploy_state$is_internal )
		{
		Management::Log::info(fmt("deployed again: %s", Management::result_vec_to_string(req$results)));
		return;
		}

	req$results += Management::Result($reqid=req$id, $data=req$deploy_state$config$id);
	Management::Log::info(fmt("tx deploy_response %s", Management::result_vec_to_string(req$results)));
	Cluster::publish(Management::Controller::topic, Management::Controller::API::deploy_response, req$id, req$results);
	}

# Has all agents carry out a configuration.
function send_out(req: Management::Request::Request)
	{
	local config = req$deploy_state$config;

	# It is the attempt that counts.
	configs[DEPLOYED] = config;
	delete configs[READY];
	keep(DEPLOYED);
	keep(READY);

	local all = needed();

	# What was running elsewhere is no part of it any more.
	for ( name in known )
		{
		if ( name in all )
			next;

		delete ready[name];
		local sreq = ask_agent("", name);
		Cluster::publish(agent_topic(name), Management::Agent::API::agent_standby_request, sreq$id);
		}

	for ( inst in config$instances )
		{
		local areq = ask_agent(req$id, inst$name);
		add req$deploy_state$requests[areq$id];
		Management::Log::info(fmt("tx deploy_request %s to %s", areq$id, inst$name));
		Cluster::publish(agent_topic(inst$name), Management::Agent::API::deploy_request, areq$id, config,
		                 ! req$deploy_state$is_internal);
		}
	}

# Instances that connect by themselves are where they come from, whatever a client that is on this host thinks.
function with_addresses(config: Management::Configuration): Management::Configuration
	{
	local nowhere = set(0.0.0.0, 127.0.0.1, [::], [::1]);
	local out = copy(config);
	out$instances = set();

	for ( inst in config$instances )
		{
		local i = copy(inst);

		if ( ! i?$listen_port && i$name in known && i$host in nowhere )
			i$host = known[i$name]$host;

		add out$instances[i];
		}

	return out;
	}

event Management::Controller::API::notify_agents_ready(instances: set[string])
	{
	local req = Management::Request::lookup(deploying);

	# What a client waits for.
	if ( READY in configs && ! Management::Request::is_null(req) )
		{
		req$deploy_state$config = with_addresses(req$deploy_state$config);
		send_out(req);
		return;
		}

	# After a start of controller or agents: these know whether there is something to do.
	if ( deploying == "" && DEPLOYED in configs )
		{
		local ireq = Management::Request::create();
		ireq$deploy_state = DeployState($config=configs[DEPLOYED], $is_internal=T);
		ireq$finish = finish_deploy;
		deploying = ireq$id;
		send_out(ireq);
		}
	}

event Management::Controller::API::deploy_request(reqid: string)
	{
	Management::Log::info(fmt("rx deploy_request %s", reqid));
	local why = "";
	local before = Management::Request::lookup(deploying);

	# What no client has asked for gives way.
	if ( ! Management::Request::is_null(before) && before$deploy_state$is_internal )
		Management::Request::finish(deploying);
	else if ( ! Management::Request::is_null(before) )
		why = "another deployment is going on";

	if ( why == "" && STAGED !in configs )
		why = "no configuration is staged";

	if ( why != "" )
		{
		Cluster::publish(Management::Controller::topic, Management::Controller::API::deploy_response, reqid,
		                 Management::ResultVec(failure(reqid, why)));
		return;
		}

	local config = with_ports(configs[STAGED]);
	configs[READY] = config;
	keep(READY);
	deploying = reqid;
	local req = Management::Request::create(reqid);
	req$deploy_state = DeployState($config=config);
	req$finish = finish_deploy;
	connect_to_agents(config);

	for ( name in needed() )
		{
		if ( name in known && name !in ready )
			welcome(name);
		}

	look_whether_ready();
	}

event Management::Agent::API::deploy_response(reqid: string, results: Management::ResultVec)
	{
	local req = parent_of(reqid);

	if ( Management::Request::is_null(req) || ! req?$deploy_state )
		return;

	add_results(req, reqid, results);
	delete req$deploy_state$requests[reqid];

	if ( |req$deploy_state$requests| == 0 )
		Management::Request::finish(req$id);
	}

# ---- Processes.

function finish_get_nodes(req: Management::Request::Request)
	{
	Cluster::publish(Management::Controller::topic, Management::Controller::API::get_nodes_response, req$id, req$results);
	}

event Management::Controller::API::get_nodes_request(reqid: string)
	{
	Management::Log::info(fmt("rx get_nodes_request %s", reqid));
	local req = Management::Request::create(reqid);
	req$get_nodes_state = GetNodesState();
	req$finish = finish_get_nodes;

	for ( name in known )
		{
		local areq = ask_agent(reqid, name);
		add req$get_nodes_state$requests[areq$id];
		Cluster::publish(agent_topic(name), Management::Agent::API::get_nodes_request, areq$id);
		}

	if ( |known| == 0 )
		{
		req$results += failure(reqid, "no agents are connected");
		Management::Request::finish(reqid);
		}
	}

event Management::Agent::API::get_nodes_response(reqid: string, result: Management::Result)
	{
	local req = parent_of(reqid);

	if ( Management::Request::is_null(req) || ! req?$get_nodes_state )
		return;

	add_results(req, reqid, Management::ResultVec(result));
	delete req$get_nodes_state$requests[reqid];

	if ( |req$get_nodes_state$requests| == 0 )
		Management::Request::finish(req$id);
	}

# ---- What goes to nodes.

# The nodes that a request is for, by their instance. What cannot be found is noted in the request.
function nodes_by_instance(req: Management::Request::Request, given: set[string]): table[string] of set[string]
	{
	local out: table[string] of set[string];

	if ( DEPLOYED !in configs )
		{
		req$results += failure(req$id, "no configuration is deployed");
		return out;
		}

	local found: set[string];

	for ( n in configs[DEPLOYED]$nodes )
		{
		if ( |given| > 0 && n$name !in given )
			next;

		add found[n$name];

		if ( n$instance !in known )
			{
			local res = failure(req$id, "the node's instance is not connected");
			res$node = n$name;
			res$instance = n$instance;
			req$results += res;
			next;
			}

		if ( n$instance !in out )
			out[n$instance] = set();

		add out[n$instance][n$name];
		}

	for ( name in given )
		{
		if ( name in found )
			next;

		local unknown = failure(req$id, "unknown cluster node");
		unknown$node = name;
		req$results += unknown;
		}

	return out;
	}

function finish_dispatch(req: Management::Request::Request)
	{
	Cluster::publish(Management::Controller::topic, Management::Controller::API::get_id_value_response, req$id, req$results);
	}

event Management::Controller::API::get_id_value_request(reqid: string, id: string, nodes: set[string])
	{
	Management::Log::info(fmt("rx get_id_value_request %s %s", reqid, id));
	local req = Management::Request::create(reqid);
	req$node_dispatch_state = NodeDispatchState($action=vector("get_id_value", id));
	req$finish = finish_dispatch;

	for ( name, some in nodes_by_instance(req, nodes) )
		{
		local areq = ask_agent(reqid, name);
		add req$node_dispatch_state$requests[areq$id];
		Cluster::publish(agent_topic(name), Management::Agent::API::node_dispatch_request, areq$id,
		                 req$node_dispatch_state$action, some);
		}

	if ( |req$node_dispatch_state$requests| == 0 )
		Management::Request::finish(reqid);
	}

event Management::Agent::API::node_dispatch_response(reqid: string, results: Management::ResultVec)
	{
	local req = parent_of(reqid);

	if ( Management::Request::is_null(req) || ! req?$node_dispatch_state )
		return;

	add_results(req, reqid, results);
	delete req$node_dispatch_state$requests[reqid];

	if ( |req$node_dispatch_state$requests| == 0 )
		Management::Request::finish(req$id);
	}

function finish_restart(req: Management::Request::Request)
	{
	Cluster::publish(Management::Controller::topic, Management::Controller::API::restart_response, req$id, req$results);
	}

event Management::Controller::API::restart_request(reqid: string, nodes: set[string])
	{
	Management::Log::info(fmt("rx restart_request %s", reqid));
	local req = Management::Request::create(reqid);
	req$restart_state = RestartState();
	req$finish = finish_restart;

	for ( name, some in nodes_by_instance(req, nodes) )
		{
		local areq = ask_agent(reqid, name);
		add req$restart_state$requests[areq$id];
		Cluster::publish(agent_topic(name), Management::Agent::API::restart_request, areq$id, some);
		}

	if ( |req$restart_state$requests| == 0 )
		Management::Request::finish(reqid);
	}

event Management::Agent::API::restart_response(reqid: string, results: Management::ResultVec)
	{
	local req = parent_of(reqid);

	if ( Management::Request::is_null(req) || ! req?$restart_state )
		return;

	add_results(req, reqid, results);
	delete req$restart_state$requests[reqid];

	if ( |req$restart_state$requests| == 0 )
		Management::Request::finish(req$id);
	}

# ---- What takes too long.

event Management::Controller::API::test_timeout_request(reqid: string, with_state: bool)
	{
	Management::Log::info(fmt("rx test_timeout_request %s %s", reqid, with_state));

	if ( ! with_state )
		return;

	local req = Management::Request::create(reqid);
	req$test_state = TestState();
	}

event Management::Request::request_expired(req: Management::Request::Request)
	{
	Management::Log::error(fmt("timed out: %s", Management::Request::to_string(req)));

	if ( req?$deploy_state )
		{
		# It may have been the agents that were missing.
		if ( READY in configs && deploying == req$id )
			{
			for ( name in needed() )
				{
				if ( name in ready )
					next;

				local missing = failure(req$id, "the instance is not connected");
				missing$instance = name;
				req$results += missing;
				}
			}

		add_late(req, req$deploy_state$requests);
		finish_deploy(req);
		}
	else if ( req?$get_nodes_state )
		{
		add_late(req, req$get_nodes_state$requests);
		finish_get_nodes(req);
		}
	else if ( req?$node_dispatch_state )
		{
		add_late(req, req$node_dispatch_state$requests);
		finish_dispatch(req);
		}
	else if ( req?$restart_state )
		{
		add_late(req, req$restart_state$requests);
		finish_restart(req);
		}
	else if ( req?$test_state )
		Cluster::publish(Management::Controller::topic, Management::Controller::API::test_timeout_response, req$id,
		                 failure(req$id, "request timed out"));
	}

# ---- The start.

event zeek_init()
	{
	open_store();
	Cluster::subscribe(Management::Controller::topic);
	Cluster::subscribe(Management::Agent::topic_prefix + "/");

	local place = Management::Controller::network_info();
	Broker::listen(place$address, place$bound_port, Management::connect_retry);

	local web = Management::Controller::network_info_websocket();
	local options = Cluster::WebSocketServerOptions($listen_addr=to_addr(web$address), $listen_port=web$bound_port,
	                                                $tls_options=Management::Controller::tls_options_websocket);

	if ( ! Cluster::listen_websocket(options) )
		Management::Log::error(fmt("cannot listen for clients on %s:%s", web$address, web$bound_port));

	if ( DEPLOYED in configs )
		connect_to_agents(configs[DEPLOYED]);

	Management::Log::info(fmt("controller is live, waiting for agents on %s:%s and for clients on %s:%s", place$address,
	                          place$bound_port, web$address, web$bound_port));
	}
