##! Writes known_certs.log: certificates that local servers show, once a day.

@load base/utils/directions-and-hosts
@load base/protocols/ssl
@load base/files/x509
@load base/frameworks/cluster
@load base/frameworks/storage/async
@load base/frameworks/storage/sync
@load policy/frameworks/storage/backend/sqlite

module Known;

export {
	redef enum Log::ID += { CERTS_LOG };

	global log_policy_certs: Log::PolicyHook;
	type CertsInfo: record {
		ts: time &log;
		host: addr &log;
		port_num: port &log &optional;
		subject: string &log &optional;
		issuer_subject: string &log &optional;
		serial: string &log &optional;
	};

	## Whose servers are tracked.
	option cert_tracking: Host = LOCAL_HOSTS;

	## Whether the certificates are kept in a store that the nodes of a cluster share.
	const use_cert_store = F &redef;

	## Whether they are kept over restarts.
	const enable_certs_persistence = F &redef;

	## What the stores hold.
	type AddrCertHashPair: record {
		host: addr;
		hash: string;
	};

	## The shared store.
	global cert_broker_store: Cluster::StoreInfo;
	const cert_store_name = "zeek/known/certs" &redef;
	option cert_store_expiry = 1day;
	option cert_store_timeout = 15secs;

	## The store on disk.
	global cert_store_backend: opaque of Storage::BackendHandle;

	## The table in the database, unless the options of the backend name one.
	const cert_store_prefix = "zeekknowncerts" &redef;
	const cert_store_backend_type: Storage::Backend = Storage::STORAGE_BACKEND_SQLITE &redef;
	const cert_store_backend_options = Storage::BackendOptions($sqlite=Storage::Backend::SQLite::Options(
		$database_path="/known/certs.sqlite", $table_name="zeekknowncerts")) &redef;

	## Certificates that were logged, by server and digest.
	global certs: set[addr, string] &create_expire=1day &redef;

	## Raised for each record that is written to known_certs.log.
	global log_known_certs: event(rec: CertsInfo);
}

module GLOBAL;

export {
	## Raised when a certificate was seen that may be new.
	global known_cert_add: event(info: Known::CertsInfo, hash: string);
}

module Known;

event zeek_init()
	{
	if ( Known::enable_certs_persistence )
		{
		local options = copy(cert_store_backend_options);

		if ( options?$sqlite && options$sqlite$table_name == "zeekknowncerts" )
			options$sqlite$table_name = cert_store_prefix;

		local r = Storage::Sync::open_backend(cert_store_backend_type, options,
		                                      AddrCertHashPair, bool);

		if ( r$code == Storage::SUCCESS )
			cert_store_backend = r$value;
		else
			Reporter::error(fmt("cannot open the store of known certificates: %s", r?$error_str ? r$error_str : ""));
		}
	else if ( Known::use_cert_store )
		cert_broker_store = Cluster::create_store(cert_store_name);
	}

event zeek_init() &priority=5
	{
	Log::create_stream(Known::CERTS_LOG, Log::Stream($columns=CertsInfo, $ev=log_known_certs,
	                   $path="known_certs", $policy=log_policy_certs));
	}

function cert_via_store(info: CertsInfo, hash: string)
	{
	local key = AddrCertHashPair($host=info$host, $hash=hash);

	if ( enable_certs_persistence )
		{
		when [info, key] ( local r = Storage::Async::put(cert_store_backend, Storage::PutArgs($key=key,
		     $value=T, $overwrite=F, $expire_time=cert_store_expiry)) )
			{
			if ( r$code == Storage::SUCCESS )
				Log::write(Known::CERTS_LOG, info);
			else if ( r$code != Storage::KEY_EXISTS )
				Reporter::error(fmt("the store of known certificates failed: %s", r?$error_str ? r$error_str : ""));
			}
		timeout cert_store_timeout
			{
			Log::write(Known::CERTS_LOG, info);
			}
		}
	else
		{
		when [info, key] ( local b = Broker::put_unique(cert_broker_store$store, key, T, cert_store_expiry) )
			{
			if ( b$status == Broker::SUCCESS )
				{
				if ( b$result as bool )
					Log::write(Known::CERTS_LOG, info);
				}
			else
				Reporter::error(fmt("the store %s failed", cert_store_name));
			}
		timeout cert_store_timeout
			{
			Log::write(Known::CERTS_LOG, info);
			}
		}
	}

event known_cert_add(info: CertsInfo, hash: string)
	{
	if ( use_cert_store || enable_certs_persistence || [info$host, hash] in certs )
		return;

	add certs[info$host, hash];

	if ( ! Cluster::is_enabled() || Cluster::local_node_type() == Cluster::PROXY )
		Log::write(Known::CERTS_LOG, info);
	}

event Cluster::node_up(name: string, id: string)
	{
	if ( ! use_cert_store && Cluster::local_node_type() == Cluster::WORKER )
		clear_table(certs);
	}

event Cluster::node_down(name: string, id: string)
	{
	if ( ! use_cert_store && Cluster::local_node_type() == Cluster::WORKER )
		clear_table(certs);
	}

event ssl_established(c: connection) &priority=3
	{
	if ( ! c$ssl?$cert_chain || |c$ssl$cert_chain| == 0 || ! c$ssl$cert_chain[0]?$x509 )
		return;

	local host = c$id$resp_h;

	if ( ! addr_matches_host(host, cert_tracking) )
		return;

	local hash = c$ssl$cert_chain[0]$x509$fingerprint;

	if ( [host, hash] in certs )
		return;

	local cert = c$ssl$cert_chain[0]$x509$certificate;
	local info = CertsInfo($ts=network_time(), $host=host, $port_num=c$id$resp_p, $subject=cert$subject,
	                       $issuer_subject=cert$issuer, $serial=cert$serial);

	if ( use_cert_store || enable_certs_persistence )
		{
		add certs[host, hash];
		cert_via_store(info, hash);
		return;
		}

	@if ( Cluster::is_enabled() )
		Cluster::publish_hrw(Cluster::proxy_pool, cat(host, hash), known_cert_add, info, hash);
	@endif
	event known_cert_add(info, hash);
	}
