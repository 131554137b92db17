##! Chooses ZeroMQ to carry a cluster's messages, with all its settings. Alone it makes publishing and subscribing possible;
##! ./main adds the events about nodes, ./connect connects when a node starts.

@load base/frameworks/cluster
@load base/utils/addrs

redef Cluster::backend = Cluster::CLUSTER_BACKEND_ZEROMQ;

module Cluster::Backend::ZeroMQ;

export {
	## Where this process sends events to: the forwarder's receiving end. The names are those of the node's own sockets.
	const connect_xpub_endpoint = "tcp://127.0.0.1:5556" &redef;

	## Where it receives events from: the forwarder's sending end.
	const connect_xsub_endpoint = "tcp://127.0.0.1:5555" &redef;

	## The loggers' addresses. Those of the layout are added at the start.
	const connect_log_endpoints: vector of string = vector() &redef;

	## Where a logger listens for rows; empty for a node that does not.
	const listen_log_endpoint: string = "" &redef;

	## Runs the central forwarder in this process; by default the manager does.
	const run_proxy_thread: bool = F &redef;

	## Where the forwarder listens: for receivers of events, and for their senders.
	const listen_xpub_endpoint = "tcp://127.0.0.1:5555" &redef;
	const listen_xsub_endpoint = "tcp://127.0.0.1:5556" &redef;

	## The forwarder waits for a receiver that is behind rather than dropping its messages.
	const listen_xpub_nodrop: bool = T &redef;

	## Threads of the forwarder.
	const proxy_io_threads: count = 2 &redef;

	## A node learns when its messages do not leave fast enough, instead of losing them unseen.
	const connect_xpub_nodrop: bool = T &redef;

	## How many messages wait in each queue; 0 for any number.
	const xpub_sndhwm: int = 1000 &redef;
	const xsub_rcvhwm: int = 1000 &redef;
	const log_sndhwm: int = 1000 &redef;
	const log_rcvhwm: int = 1000 &redef;

	## Sizes of the system's socket buffers; -1 leaves them to the system.
	const xpub_sndbuf: int = -1 &redef;
	const xsub_rcvbuf: int = -1 &redef;
	const log_sndbuf: int = -1 &redef;
	const log_rcvbuf: int = -1 &redef;

	## Queue rows only for loggers that are connected.
	const log_immediate: bool = F &redef;

	## How long messages that wait may keep a process from ending, in milliseconds.
	const linger_ms: int = 500 &redef;

	## Messages taken from a socket before others have their turn.
	const poll_max_messages: count = 100 &redef;

	## How many events wait for the main loop before new ones are dropped; 0 for any number.
	const onloop_queue_hwm: count = 10000 &redef;

	## Use IPv6 as well.
	const ipv6: bool = F &redef;

	## What to tell about on standard error, for those who look for faults: 1 for messages, 2 for subscriptions, 3 for both.
	const debug_flags: count = 0 &redef;

	## Keys of encrypted connections: one pair for all that listen, one for all that connect. Empty ones may come from the
	## environment, `ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_{SERVER,CLIENT}_{PUBLICKEY,SECRETKEY}`.
	const curve_server_publickey: string = "" &redef;
	const curve_server_secretkey: string = "" &redef;
	const curve_client_publickey: string = "" &redef;
	const curve_client_secretkey: string = "" &redef;

	## Topics of single nodes begin with these.
	global node_topic_prefix: string = "zeek.cluster.node" &redef;
	global nodeid_topic_prefix: string = "zeek.cluster.nodeid" &redef;

	## Topics that the backend itself uses.
	const internal_topic_prefix: string = "zeek.zeromq.internal." &redef;

	## How long half a greeting is remembered.
	const hello_expiration: interval = 10sec &redef;

	## Somebody in the cluster subscribes to a topic, or nobody does any more.
	global subscription: event(topic: string);
	global unsubscription: event(topic: string);

	## A node has seen this one's subscription and presents itself.
	global hello: event(name: string, id: string);

	## A connection of this node failed before it was established: the number of libzmq's event, its value, and the address.
	global monitoring_event: event(number: count, value: count, address: string);
}

redef Cluster::logger_topic = "zeek.cluster.logger";
redef Cluster::manager_topic = "zeek.cluster.manager";
redef Cluster::proxy_topic = "zeek.cluster.proxy";
redef Cluster::worker_topic = "zeek.cluster.worker";

redef Cluster::broadcast_topics += {
	"zeek.cluster.logger",
	"zeek.cluster.manager",
	"zeek.cluster.proxy",
	"zeek.cluster.worker",
};

redef Cluster::proxy_pool_spec = Cluster::PoolSpec($topic="zeek.cluster.pool.proxy", $node_type=Cluster::PROXY);
redef Cluster::worker_pool_spec = Cluster::PoolSpec($topic="zeek.cluster.pool.worker", $node_type=Cluster::WORKER);
redef Cluster::logger_pool_spec = Cluster::PoolSpec($topic="zeek.cluster.pool.logger", $node_type=Cluster::LOGGER);

redef Cluster::Telemetry::topic_normalizations += {
	[/^zeek\.cluster\.nodeid\..*/] = "zeek.cluster.nodeid.__normalized__",
};

# New for each start of a process.
global my_node_id = fmt("zeromq_%s_%s_%d_%s", Cluster::node, gethostname(), getpid(), unique_id("N"));

redef Cluster::node_id = function(): string
	{
	return my_node_id;
	};

redef Cluster::node_topic = function(name: string): string
	{
	return fmt("%s.%s.", node_topic_prefix, name);
	};

redef Cluster::nodeid_topic = function(id: string): string
	{
	return fmt("%s.%s.", nodeid_topic_prefix, id);
	};

# The address of a node's own port.
function endpoint_of(n: Cluster::Node): string
	{
	local host = n$zone_id == "" ? cat(n$ip) : fmt("%s%%%s", n$ip, n$zone_id);

	if ( is_v6_addr(n$ip) )
		host = fmt("[%s]", host);

	return fmt("tcp://%s:%d", host, port_to_count(n$p));
	}

# Where this node listens for rows, if it writes those of others.
function log_endpoint_of_this_node(): string
	{
	if ( Cluster::node !in Cluster::nodes )
		return "";

	local n = Cluster::nodes[Cluster::node];
	local writes = n$node_type == Cluster::LOGGER || (n$node_type == Cluster::MANAGER && Cluster::manager_is_logger);
	return writes && port_to_count(n$p) > 0 ? endpoint_of(n) : "";
	}

redef run_proxy_thread = Cluster::local_node_type() == Cluster::MANAGER;
redef listen_log_endpoint = log_endpoint_of_this_node();
