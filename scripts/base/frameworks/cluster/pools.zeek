##! Pools of nodes that share work, by hashing or in turn.

@load ./main
@load base/frameworks/broker/main
@load base/utils/hash_hrw

module Cluster;

export {
	## The topics that a pool's members listen to, and which nodes are members.
	global proxy_pool_spec: PoolSpec = PoolSpec($topic="zeek/cluster/pool/proxy", $node_type=Cluster::PROXY) &redef;
	global worker_pool_spec: PoolSpec = PoolSpec($topic="zeek/cluster/pool/worker", $node_type=Cluster::WORKER) &redef;
	global logger_pool_spec: PoolSpec = PoolSpec($topic="zeek/cluster/pool/logger", $node_type=Cluster::LOGGER) &redef;

	global proxy_pool: Pool;
	global worker_pool: Pool;
	global logger_pool: Pool;

	## Makes a pool; only while scripts are loaded or in early `zeek_init` handlers.
	global register_pool: function(spec: PoolSpec): Pool;

	## The topic of the member that a key belongs to; empty if nobody is alive.
	global hrw_topic: function(pool: Pool, key: any): string;

	## The topic of the member whose turn it is, by key.
	global rr_topic: function(pool: Pool, key: string &default=""): string;

	## The topic of the logger whose turn it is.
	global rr_log_topic: function(id: Log::ID, path: string): string;

	## Where a worker publishes what all workers are to hear, perhaps through somebody
	## who reaches them, whose turn it is by key.
	global way_to_workers: function(key: string): string;

	## Whether this node has no connections of its own, and so passes on to workers
	## what comes by that way.
	global passes_on: function(): bool;
}

global registered_pools: vector of Pool = vector();

function register_pool(spec: PoolSpec): Pool
	{
	local pool = Pool($spec=spec);
	registered_pools += pool;
	return pool;
	}

function hrw_topic(pool: Pool, key: any): string
	{
	if ( |pool$hrw_pool$sites| == 0 )
		return "";

	local site = HashHRW::get_site(pool$hrw_pool, key);
	local pn = site$user_data as PoolNode;
	return pn$topic;
	}

function rr_topic(pool: Pool, key: string &default=""): string
	{
	local n: int = |pool$node_list|;

	if ( n == 0 )
		return "";

	if ( key !in pool$rr_key_seq )
		pool$rr_key_seq[key] = +0;

	local i = +0;

	while ( i < n )
		{
		local at = pool$rr_key_seq[key];
		pool$rr_key_seq[key] = (at + 1) % n;
		local pn = pool$node_list[at];

		if ( pn$alive )
			return pn$topic;

		++i;
		}

	return "";
	}

function rr_log_topic(id: Log::ID, path: string): string
	{
	local topic = rr_topic(logger_pool, "Cluster::rr_log_topic");
	return topic == "" ? Broker::default_log_topic(id, path) : topic;
	}

function way_to_workers(key: string): string
	{
	if ( workers_reach_workers )
		return worker_topic;

	local proxy = rr_topic(proxy_pool, key);
	return proxy == "" ? manager_topic : proxy;
	}

function passes_on(): bool
	{
	local here = local_node_type();
	return here == PROXY || here == MANAGER;
	}

# A number for a member that all nodes compute alike.
function site_id_in_pool(pool: Pool, name: string): count
	{
	local taken: set[count] = set();

	for ( _, pn in pool$nodes )
		add taken[pn$site_id];

	local i = 0;
	local digest = fnv1a32(fmt("%s.%d", name, i));

	while ( digest in taken )
		{
		++i;
		digest = fnv1a32(fmt("%s.%d", name, i));
		}

	return digest;
	}

function add_member(pool: Pool, name: string)
	{
	local pn = PoolNode($name=name, $alias=name, $site_id=site_id_in_pool(pool, name), $alive=Cluster::node == name,
	                    $topic=node_topic(name));
	pool$nodes[name] = pn;
	pool$node_list += pn;

	if ( pn$alive )
		++pool$alive_count;
	}

function set_alive(pool: Pool, name: string, alive: bool)
	{
	if ( name !in pool$nodes )
		return;

	local pn = pool$nodes[name];
	local site = HashHRW::Site($id=pn$site_id, $user_data=pn);

	if ( alive )
		HashHRW::add_site(pool$hrw_pool, site);
	else
		HashHRW::rem_site(pool$hrw_pool, site);

	if ( pn$alive == alive )
		return;

	pn$alive = alive;

	if ( alive )
		++pool$alive_count;
	else
		--pool$alive_count;
	}

event Cluster::node_up(name: string, id: string)
	{
	for ( _, pool in registered_pools )
		set_alive(pool, name, T);
	}

event Cluster::node_down(name: string, id: string)
	{
	for ( _, pool in registered_pools )
		set_alive(pool, name, F);
	}

# Nodes of a kind, sorted by name. The manager may be a logger as well.
function eligible_names(node_type: NodeType): string_vec
	{
	local names: string_vec = vector();

	for ( name, n in nodes )
		{
		if ( n$node_type == node_type )
			names += name;
		}

	sort(names, strcmp);

	if ( node_type == Cluster::LOGGER && manager_is_logger )
		{
		for ( mname, m in nodes )
			{
			if ( m$node_type == Cluster::MANAGER )
				names += mname;
			}
		}

	return names;
	}

event zeek_init() &priority=10
	{
	worker_pool = register_pool(worker_pool_spec);
	proxy_pool = register_pool(proxy_pool_spec);
	logger_pool = register_pool(logger_pool_spec);
	}

event zeek_init() &priority=-5
	{
	if ( ! is_enabled() )
		return;

	# Every node must come to the same distribution.
	sort(registered_pools, function(a: Pool, b: Pool): int { return strcmp(a$spec$topic, b$spec$topic); });

	for ( _, kind in vector(Cluster::LOGGER, Cluster::MANAGER, Cluster::PROXY, Cluster::WORKER) )
		{
		local names = eligible_names(kind);
		local next_name = 0;

		# Exclusive pools take their nodes first.
		for ( _, pool in registered_pools )
			{
			if ( pool$spec$node_type != kind || ! pool$spec$exclusive )
				next;

			if ( ! pool$spec?$max_nodes )
				{
				Reporter::error(fmt("exclusive pool %s needs a maximum number of nodes", pool$spec$topic));
				next;
				}

			while ( |pool$node_list| < pool$spec$max_nodes && next_name < |names| )
				{
				add_member(pool, names[next_name]);
				++next_name;
				}
			}

		# The others share the rest, in turn where they want only some.
		local first_shared = next_name;
		local at = first_shared;

		for ( _, spool in registered_pools )
			{
			if ( spool$spec$node_type != kind || spool$spec$exclusive || first_shared >= |names| )
				next;

			local wanted = spool$spec?$max_nodes ? spool$spec$max_nodes : |names| - first_shared;
			local start = spool$spec?$max_nodes ? at : first_shared;
			local i = 0;

			while ( i < wanted && i < |names| - first_shared )
				{
				add_member(spool, names[first_shared + (start - first_shared + i) % (|names| - first_shared)]);
				++i;
				}

			if ( spool$spec?$max_nodes )
				at = first_shared + (start - first_shared + i) % (|names| - first_shared);
			}
		}

	for ( _, rpool in registered_pools )
		{
		if ( Cluster::node in rpool$nodes )
			Cluster::subscribe(rpool$spec$topic);
		}
	}
