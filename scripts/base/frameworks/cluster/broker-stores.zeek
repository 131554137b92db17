##! Stores that all nodes of a cluster share through Broker.

@load ./main
@load base/frameworks/broker

module Cluster;

export {
	## The node that keeps stores; by default the manager.
	const default_master_node: string = "" &redef;
	const default_backend: Broker::BackendType = Broker::MEMORY &redef;
	const default_persistent_backend: Broker::BackendType = Broker::SQLITE &redef;
	const default_store_dir: string = "" &redef;

	type StoreInfo: record {
		name: string &optional;
		store: opaque of Broker::Store &optional;
		master_node: string &default=default_master_node;
		master: bool &default=F;
		backend: Broker::BackendType &default=default_backend;
		options: Broker::BackendOptions &default=Broker::BackendOptions();
		clone_resync_interval: interval &default=Broker::default_clone_resync_interval;
		clone_stale_interval: interval &default=Broker::default_clone_stale_interval;
		clone_mutation_buffer_interval: interval &default=Broker::default_clone_mutation_buffer_interval;
	};

	global stores: table[string] of StoreInfo = {} &default=StoreInfo() &redef;

	## Makes a store, or a copy of it on nodes that do not keep it.
	global create_store: function(name: string, persistent: bool &default=F): Cluster::StoreInfo;
}

function create_store(name: string, persistent: bool &default=F): Cluster::StoreInfo
	{
	local info = stores[name];
	info$name = name;

	if ( Cluster::default_store_dir != "" )
		info$options$sqlite$path = fmt("%s/%s.sqlite", default_store_dir, name);

	if ( persistent )
		info$backend = default_persistent_backend;

	local master_name = info$master_node;

	if ( master_name == "" && is_enabled() )
		{
		for ( nname, n in nodes )
			{
			if ( n$node_type == MANAGER )
				master_name = nname;
			}
		}

	if ( ! is_enabled() || master_name == node )
		{
		info$store = Broker::create_master(name, info$backend, info$options);
		info$master = T;
		Cluster::log(fmt("created master store: %s", name));
		}
	else
		{
		info$store = Broker::create_clone(name, info$clone_resync_interval, info$clone_stale_interval,
		                                  info$clone_mutation_buffer_interval);
		info$master = F;
		Cluster::log(fmt("created clone store: %s", name));
		}

	stores[name] = info;
	return info;
	}
