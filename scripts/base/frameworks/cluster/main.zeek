##! Which node of a cluster this process is, which others there are, and how to reach them.

@load ./types
@load base/frameworks/control

module Cluster;

export {
	redef enum Log::ID += { LOG };

	## The name of this node; empty outside a cluster.
	const node: string = getenv("CLUSTER_NODE") &redef;

	## The layout: all nodes by name.
	const nodes: table[string] of Node = {} &redef;

	## Whether the manager also is the logger.
	const manager_is_logger: bool = T &redef;

	## Whether all packets between two hosts go to the same worker, whatever their ports: workers need not tell each other
	## of connections that belong together then.
	const keeps_hosts_together: bool = F &redef;

	## Whether workers reach each other without a proxy or the manager passing on what they say.
	const workers_reach_workers: bool = F &redef;

	## Whether the nodes read one capture together: what a node alone would say once is said once, by the manager, which hears
	## of everything in the order of the capture.
	const acts_as_one: bool = F &redef;

	## Whether all nodes are to load the same, as those of one process do, which have one program between them then.
	const has_one_program: bool = F &redef;

	## How nodes talk to each other, and how events and logs are encoded for it.
	const backend: BackendTag = CLUSTER_BACKEND_NONE &redef;
	const event_serializer: EventSerializerTag = EVENT_SERIALIZER_BROKER_BIN_V1 &redef;
	## There is but one form of rows on their way.
	const log_serializer: LogSerializerTag = LOG_SERIALIZER_ZEEK_BIN_V1 &redef;

	## Topics that all nodes of a kind listen to.
	const logger_topic: string = "zeek/cluster/logger" &redef;
	const manager_topic: string = "zeek/cluster/manager" &redef;
	const proxy_topic: string = "zeek/cluster/proxy" &redef;
	const worker_topic: string = "zeek/cluster/worker" &redef;

	## All of these together reach every node.
	const broadcast_topics: set[string] = { logger_topic, manager_topic, proxy_topic, worker_topic } &redef;

	## Topics of one node begin with these.
	const node_topic_prefix: string = "zeek/cluster/node/" &redef;
	const nodeid_topic_prefix: string = "zeek/cluster/nodeid/" &redef;

	## With Broker, rows go to one logger after the other. Otherwise `Broker::log_topic` says where they go: unless it is redefined,
	## to every logger.
	const enable_round_robin_logging: bool = T &redef;

	## How long to wait before connecting again.
	const retry_interval: interval = 1sec &redef;

	type Info: record {
		ts: time;
		node: string;
		message: string;
	} &log;

	global is_enabled: function(): bool;
	global local_node_type: function(): NodeType;
	global local_node_metrics_port: function(): port;
	global get_node_count: function(node_type: NodeType): count;

	## How many nodes of a kind are up.
	global get_active_node_count: function(node_type: NodeType): count;

	## The topic of one node, by its name or its id. Backends may bring their own.
	global node_topic: function(name: string): string = function(name: string): string
		{ return fmt("%s%s/", node_topic_prefix, name); } &redef;
	global nodeid_topic: function(id: string): string = function(id: string): string
		{ return fmt("%s%s/", nodeid_topic_prefix, id); } &redef;

	## The id of this process.
	global node_id: function(): string = function(): string
		{ return backend == CLUSTER_BACKEND_BROKER ? Broker::__node_id() : ""; } &redef;

	global nodeid_to_node: function(id: string): NamedNode;

	## Forgets the process behind a name, for backends that see another one before they miss the old. `node_down` is theirs to raise.
	global forget_process: function(name: string);

	## A node presents itself.
	global hello: event(name: string, id: string);
	global node_up: event(name: string, id: string);
	global node_down: event(name: string, id: string);

	## Writes a line to cluster.log.
	global log: function(msg: string);

	## Starts the backend.
	global init: function(): bool;

	global subscribe: function(topic: string): bool;
	global unsubscribe: function(topic: string): bool;

	## See topics that are subscribed to.
	global on_subscribe: hook(topic: string);
	global on_unsubscribe: hook(topic: string);

	## Breaking keeps this node from connecting to another.
	global connect_node_hook: hook(connectee: NamedNode);

	## Accepts WebSocket clients.
	global listen_websocket: function(options: WebSocketServerOptions): bool;

	global log_policy: Log::PolicyHook;
}

# Names of nodes that are up, by their id, and their ids by kind.
global active_names: table[string] of string = table();
global active_ids: table[NodeType] of set[string] = table();

function is_enabled(): bool
	{
	return node != "";
	}

function local_node_type(): NodeType
	{
	if ( node == "" || node !in nodes )
		return NONE;

	return nodes[node]$node_type;
	}

function local_node_metrics_port(): port
	{
	if ( node == "" || node !in nodes || ! nodes[node]?$metrics_port )
		return 0/unknown;

	return nodes[node]$metrics_port;
	}

function get_node_count(node_type: NodeType): count
	{
	local n = 0;

	for ( _, nn in nodes )
		{
		if ( nn$node_type == node_type )
			++n;
		}

	return n;
	}

function get_active_node_count(node_type: NodeType): count
	{
	return node_type in active_ids ? |active_ids[node_type]| : 0;
	}

function forget_process(name: string)
	{
	if ( name !in nodes || ! nodes[name]?$id )
		return;

	local n = nodes[name];
	delete active_names[n$id];

	if ( n$node_type in active_ids )
		delete active_ids[n$node_type][n$id];

	delete n$id;
	}

function nodeid_to_node(id: string): NamedNode
	{
	if ( id in active_names )
		{
		local name = active_names[id];

		if ( name in nodes )
			return NamedNode($name=name, $node=nodes[name]);
		}

	return NamedNode($name="", $node=Node($node_type=NONE, $ip=0.0.0.0));
	}

function log(msg: string)
	{
	# A node that has seen no packet yet has no other time.
	local now = network_time() > double_to_time(0.0) ? network_time() : current_time();
	Log::write(Cluster::LOG, Info($ts=now, $node=node, $message=msg));
	}

function init(): bool
	{
	return Cluster::Backend::__init(node_id());
	}

function subscribe(topic: string): bool
	{
	hook on_subscribe(topic);
	return __subscribe(topic);
	}

function unsubscribe(topic: string): bool
	{
	hook on_unsubscribe(topic);
	return __unsubscribe(topic);
	}

function listen_websocket(options: WebSocketServerOptions): bool
	{
	return __listen_websocket(options);
	}

event zeek_init() &priority=5
	{
	Log::create_stream(Cluster::LOG, Log::Stream($columns=Info, $path="cluster", $policy=log_policy));

	if ( is_enabled() && node !in nodes )
		{
		Reporter::error(fmt("node '%s' is not in the cluster layout", node));
		terminate();
		}

	if ( is_enabled() && backend == CLUSTER_BACKEND_NONE )
		Reporter::fatal(fmt("node '%s' has no cluster backend; load one, such as frameworks/cluster/backend/zeromq", node));
	}

event Cluster::hello(name: string, id: string) &priority=10
	{
	if ( name !in nodes )
		{
		Reporter::error(fmt("Got Cluster::hello msg from unexpected node: %s (%s)", name, id));
		return;
		}

	local n = nodes[name];

	if ( n?$id )
		{
		if ( n$id == id )
			return;

		Reporter::error(fmt("Got Cluster::hello msg from duplicate node: %s (id %s, before %s)", name, id, n$id));
		delete active_names[n$id];

		if ( n$node_type in active_ids )
			delete active_ids[n$node_type][n$id];
		}

	local is_new = ! n?$id;
	n$id = id;
	active_names[id] = name;
	Cluster::log(fmt("got hello from %s (%s)", name, id));

	if ( n$node_type !in active_ids )
		active_ids[n$node_type] = set();

	add active_ids[n$node_type][id];

	if ( is_new )
		event Cluster::node_up(name, id);
	}

event Cluster::node_down(name: string, id: string) &priority=10
	{
	delete active_names[id];

	if ( name !in nodes )
		return;

	local n = nodes[name];

	if ( n?$id && n$id == id )
		delete n$id;

	if ( n$node_type in active_ids )
		delete active_ids[n$node_type][id];

	Cluster::log(fmt("node down: %s", name));
	}

# What a client of the WebSocket server is called in cluster.log.
function client_text(endpoint: EndpointInfo): string
	{
	local app = endpoint?$application_name ? fmt(" application_name=%s", endpoint$application_name) : "";
	return fmt("WebSocket client '%s' (%s:%d)%s", endpoint$id, endpoint$network$address, endpoint$network$bound_port, app);
	}

event websocket_client_added(endpoint: EndpointInfo, subscriptions: string_vec)
	{
	Cluster::log(fmt("%s subscribed to %s", client_text(endpoint), subscriptions));
	}

event websocket_client_lost(endpoint: EndpointInfo, code: count, reason: string)
	{
	local why = reason == "" ? "" : fmt(" and reason '%s'", reason);
	Cluster::log(fmt("%s gone with code %d%s", client_text(endpoint), code, why));
	}
