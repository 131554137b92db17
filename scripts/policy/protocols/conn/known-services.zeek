##! Writes known_services.log: services that local servers offer, once a day.

@load base/utils/directions-and-hosts
@load base/frameworks/cluster
@load base/frameworks/storage/async
@load base/frameworks/storage/sync
@load policy/frameworks/storage/backend/sqlite

module Known;

export {
	redef enum Log::ID += { SERVICES_LOG };

	global log_policy_services: Log::PolicyHook;
	type ServicesInfo: record {
		ts: time &log;
		host: addr &log;
		port_num: port &log;
		port_proto: transport_proto &log;
		service: set[string] &log;
	};

	## Whether the services are kept in a store that the nodes of a cluster share.
	const use_service_store = F &redef;

	## Whether they are kept over restarts.
	const enable_services_persistence = F &redef;

	## Whose servers are tracked.
	option service_tracking: Host = LOCAL_HOSTS;

	## Whether an UDP server must have answered.
	option service_udp_requires_response = T;

	## What the stores hold.
	type AddrPortServTriplet: record {
		host: addr;
		p: port;
		serv: string;
	};

	## The shared store.
	global service_broker_store: Cluster::StoreInfo;
	const service_store_name = "zeek/known/services" &redef;
	const service_store_expiry = 1day &redef;
	option service_store_timeout = 15secs;

	## The store on disk.
	global service_store_backend: opaque of Storage::BackendHandle;

	## The table in the database, unless the options of the backend name one.
	const service_store_prefix = "zeekknownservices" &redef;
	const service_store_backend_type: Storage::Backend = Storage::STORAGE_BACKEND_SQLITE &redef;
	const service_store_backend_options = Storage::BackendOptions($sqlite=Storage::Backend::SQLite::Options(
		$database_path="/known/services.sqlite", $table_name="zeekknownservices")) &redef;

	## Services by server and port; empty for one that nobody recognised.
	global services: table[addr, port] of set[string] &create_expire=1day;

	## Raised for each record that is written to known_services.log.
	global log_known_services: event(rec: ServicesInfo);
}

redef record connection += {
	# Whether the service was taken from the analyzers already.
	known_services_done: bool &default=F;
};

module GLOBAL;

export {
	## Raised when a service was seen that may be new.
	global known_service_add: event(info: Known::ServicesInfo);

	## Raised some time after a connection whose service nobody recognised.
	global service_info_commit: event(info: Known::ServicesInfo);
}

module Known;

event zeek_init()
	{
	if ( Known::enable_services_persistence )
		{
		local options = copy(service_store_backend_options);

		if ( options?$sqlite && options$sqlite$table_name == "zeekknownservices" )
			options$sqlite$table_name = service_store_prefix;

		local r = Storage::Sync::open_backend(service_store_backend_type, options,
		                                      AddrPortServTriplet, bool);

		if ( r$code == Storage::SUCCESS )
			service_store_backend = r$value;
		else
			Reporter::error(fmt("cannot open the store of known services: %s", r?$error_str ? r$error_str : ""));
		}
	else if ( Known::use_service_store )
		service_broker_store = Cluster::create_store(service_store_name);
	}

event zeek_init() &priority=5
	{
	Log::create_stream(Known::SERVICES_LOG, Log::Stream($columns=ServicesInfo, $ev=log_known_services,
	                   $path="known_services", $policy=log_policy_services));
	}

# What a record is remembered by: its services, or that there was none.
function service_keys(info: ServicesInfo): set[string]
	{
	if ( |info$service| > 0 )
		return info$service;

	return set("");
	}

# Leaves the services of the record that were not seen before, if it is new.
function new_services(info: ServicesInfo): bool
	{
	local keys = service_keys(info);

	if ( [info$host, info$port_num] !in services )
		{
		services[info$host, info$port_num] = copy(keys);
		return T;
		}

	local known = services[info$host, info$port_num];
	local fresh: set[string] = set();

	for ( t in keys )
		if ( t !in known )
			{
			add known[t];
			add fresh[t];
			}

	if ( |fresh| == 0 )
		return F;

	if ( |info$service| > 0 )
		info$service = fresh;

	return T;
	}

function log_service(info: ServicesInfo, service: string)
	{
	local names: set[string] = set();

	if ( service != "" )
		add names[service];

	Log::write(Known::SERVICES_LOG, ServicesInfo($ts=info$ts, $host=info$host, $port_num=info$port_num,
	           $port_proto=info$port_proto, $service=names));
	}

# Asks one of the stores about each service.
function service_via_store(info: ServicesInfo)
	{
	for ( s in copy(service_keys(info)) )
		{
		local key = AddrPortServTriplet($host=info$host, $p=info$port_num, $serv=s);

		if ( enable_services_persistence )
			{
			when [info, s, key] ( local r = Storage::Async::put(service_store_backend,
			     Storage::PutArgs($key=key, $value=T, $overwrite=F, $expire_time=service_store_expiry)) )
				{
				if ( r$code == Storage::SUCCESS )
					log_service(info, s);
				else if ( r$code != Storage::KEY_EXISTS )
					Reporter::error(fmt("the store of known services failed: %s",
					                    r?$error_str ? r$error_str : ""));
				}
			timeout service_store_timeout
				{
				log_service(info, s);
				}
			}
		else
			{
			when [info, s, key] ( local b = Broker::put_unique(service_broker_store$store, key, T,
			     service_store_expiry) )
				{
				if ( b$status == Broker::SUCCESS )
					{
					if ( b$result as bool )
						log_service(info, s);
					}
				else
					Reporter::error(fmt("the store %s failed", service_store_name));
				}
			timeout service_store_timeout
				{
				log_service(info, s);
				}
			}
		}
	}

event known_service_add(info: ServicesInfo)
	{
	if ( use_service_store || enable_services_persistence || ! new_services(info) )
		return;

	if ( ! Cluster::is_enabled() || Cluster::local_node_type() == Cluster::PROXY )
		Log::write(Known::SERVICES_LOG, info);
	}

event Cluster::node_up(name: string, id: string)
	{
	if ( ! use_service_store && Cluster::local_node_type() == Cluster::WORKER )
		clear_table(services);
	}

event Cluster::node_down(name: string, id: string)
	{
	if ( ! use_service_store && Cluster::local_node_type() == Cluster::WORKER )
		clear_table(services);
	}

event service_info_commit(info: ServicesInfo)
	{
	if ( use_service_store || enable_services_persistence )
		{
		if ( new_services(info) )
			service_via_store(info);

		return;
		}

	# What is known here is known at the proxy as well.
	if ( [info$host, info$port_num] in services )
		{
		local missing = F;

		for ( s in service_keys(info) )
			if ( s !in services[info$host, info$port_num] )
				missing = T;

		if ( ! missing )
			return;
		}

	@if ( Cluster::is_enabled() )
		Cluster::publish_hrw(Cluster::proxy_pool, cat(info$host, info$port_num), known_service_add, info);
	@endif
	event known_service_add(info);
	}

# Whether the server takes part at all.
function has_active_service(c: connection): bool
	{
	local proto = get_port_transport_proto(c$id$resp_p);

	if ( proto == tcp )
		# It sent something; a reset only tells of a service that had accepted the connection.
		return c$resp$state == TCP_RESET ? "h" in c$history : c$resp$state != TCP_INACTIVE;

	if ( proto == udp )
		return ! service_udp_requires_response || c$resp$size > 0;

	return F;
	}

function known_services_done(c: connection)
	{
	local id = c$id;

	# Data connections of FTP are services of the moment.
	if ( ! addr_matches_host(id$resp_h, service_tracking) || "ftp-data" in c$service || ! has_active_service(c) )
		return;

	# A name service that only asks.
	if ( "DNS" in c$service && c$resp$size == 0 )
		return;

	c$known_services_done = T;
	local names: set[string] = set();

	for ( s in c$service )
		# Services that failed are marked.
		if ( s[0] != "-" )
			add names[s];

	local info = ServicesInfo($ts=network_time(), $host=id$resp_h, $port_num=id$resp_p,
	                          $port_proto=get_port_transport_proto(id$resp_p), $service=names);

	# A later connection may tell what nobody recognised.
	if ( |names| == 0 )
		schedule 5min { service_info_commit(info) };
	else
		event service_info_commit(info);
	}

event analyzer_confirmation_info(atype: AllAnalyzers::Tag, info: AnalyzerConfirmationInfo) &priority=-5
	{
	if ( info?$c )
		known_services_done(info$c);
	}

# Connections that no analyzer knew.
event connection_state_remove(c: connection) &priority=-5
	{
	if ( c$known_services_done )
		return;

	known_services_done(c);
	}
