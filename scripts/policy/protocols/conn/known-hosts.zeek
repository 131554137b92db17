##! Writes known_hosts.log: hosts that completed a handshake, once a day.

@load base/frameworks/cluster
@load base/frameworks/storage/async
@load base/frameworks/storage/sync
@load policy/frameworks/storage/backend/sqlite
@load base/utils/directions-and-hosts

module Known;

export {
	redef enum Log::ID += { HOSTS_LOG };

	global log_policy_hosts: Log::PolicyHook;
	type HostsInfo: record {
		ts: time &log;
		host: addr &log;
	};

	## Whether the hosts are kept in a store that the nodes of a cluster share.
	const use_host_store = F &redef;

	## Whether they are kept over restarts.
	const enable_hosts_persistence = F &redef;

	## Whose hosts are tracked.
	option host_tracking: Host = LOCAL_HOSTS;

	## The shared store.
	global host_broker_store: Cluster::StoreInfo;
	const host_store_name = "zeek/known/hosts" &redef;
	const host_store_expiry = 1day &redef;
	option host_store_timeout = 15secs;

	## The store on disk.
	global host_store_backend: opaque of Storage::BackendHandle;

	## The table in the database, unless the options of the backend name one.
	const host_store_prefix = "zeekknownhosts" &redef;
	const host_store_backend_type: Storage::Backend = Storage::STORAGE_BACKEND_SQLITE &redef;
	const host_store_backend_options = Storage::BackendOptions($sqlite=Storage::Backend::SQLite::Options(
		$database_path="/known/hosts.sqlite", $table_name="zeekknownhosts")) &redef;

	## Hosts that were logged; with a store, those that it was asked about.
	global hosts: set[addr] &create_expire=1day &redef;

	## Raised for each record that is written to known_hosts.log.
	global log_known_hosts: event(rec: HostsInfo);
}

module GLOBAL;

export {
	## Raised when a host was seen that may be new.
	global known_host_add: event(info: Known::HostsInfo);
}

module Known;

event zeek_init()
	{
	if ( Known::enable_hosts_persistence )
		{
		local options = copy(host_store_backend_options);

		if ( options?$sqlite && options$sqlite$table_name == "zeekknownhosts" )
			options$sqlite$table_name = host_store_prefix;

		local r = Storage::Sync::open_backend(host_store_backend_type, options, addr, bool);

		if ( r$code == Storage::SUCCESS )
			host_store_backend = r$value;
		else
			Reporter::error(fmt("cannot open the store of known hosts: %s", r?$error_str ? r$error_str : ""));
		}
	else if ( Known::use_host_store )
		host_broker_store = Cluster::create_store(host_store_name);
	}

event zeek_init() &priority=5
	{
	Log::create_stream(Known::HOSTS_LOG, Log::Stream($columns=HostsInfo, $ev=log_known_hosts,
	                   $path="known_hosts", $policy=log_policy_hosts));
	}

# Asks the store on disk.
function host_via_storage(info: HostsInfo)
	{
	when [info] ( local r = Storage::Async::put(host_store_backend, Storage::PutArgs($key=info$host,
	              $value=T, $overwrite=F, $expire_time=host_store_expiry)) )
		{
		if ( r$code == Storage::SUCCESS )
			Log::write(Known::HOSTS_LOG, info);
		else if ( r$code != Storage::KEY_EXISTS )
			Reporter::error(fmt("the store of known hosts failed: %s", r?$error_str ? r$error_str : ""));
		}
	timeout host_store_timeout
		{
		# Better twice than not at all.
		Log::write(Known::HOSTS_LOG, info);
		}
	}

# Asks the shared store.
function host_via_broker(info: HostsInfo)
	{
	when [info] ( local r = Broker::put_unique(host_broker_store$store, info$host, T, host_store_expiry) )
		{
		if ( r$status == Broker::SUCCESS )
			{
			if ( r$result as bool )
				Log::write(Known::HOSTS_LOG, info);
			}
		else
			Reporter::error(fmt("the store %s failed", host_store_name));
		}
	timeout host_store_timeout
		{
		Log::write(Known::HOSTS_LOG, info);
		}
	}

event known_host_add(info: HostsInfo)
	{
	if ( use_host_store || enable_hosts_persistence || info$host in hosts )
		return;

	add hosts[info$host];

	if ( ! Cluster::is_enabled() || Cluster::local_node_type() == Cluster::PROXY )
		Log::write(Known::HOSTS_LOG, info);
	}

event Cluster::node_up(name: string, id: string)
	{
	if ( use_host_store || Cluster::local_node_type() != Cluster::WORKER )
		return;

	# The keys may go to another proxy now, so that every host is told again.
	clear_table(hosts);
	}

event Cluster::node_down(name: string, id: string)
	{
	if ( ! use_host_store && Cluster::local_node_type() == Cluster::WORKER )
		clear_table(hosts);
	}

function found_host(host: addr)
	{
	if ( ! addr_matches_host(host, host_tracking) || host in hosts )
		return;

	local info = HostsInfo($ts=network_time(), $host=host);

	if ( enable_hosts_persistence )
		{
		add hosts[host];
		host_via_storage(info);
		}
	else if ( use_host_store )
		{
		add hosts[host];
		host_via_broker(info);
		}
	else
		{
		@if ( Cluster::is_enabled() )
			Cluster::publish_hrw(Cluster::proxy_pool, host, known_host_add, info);
		@endif
		event known_host_add(info);
		}
	}

event connection_established(c: connection) &priority=5
	{
	# A half that was not seen proves nothing.
	if ( c$orig$state != TCP_ESTABLISHED || c$resp$state != TCP_ESTABLISHED )
		return;

	found_host(c$id$orig_h);
	found_host(c$id$resp_h);
	}
