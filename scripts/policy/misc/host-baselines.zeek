##! What each host of the site usually does, learned from its connections, and notices when it does something else:
##! which services it offers and uses, how many peers it has and how many bytes go out and come in per period.
##!
##! Only ended connections are looked at; periods in which a host has none do not count. In a cluster each node has
##! baselines of its own, of the connections it sees.

@load base/frameworks/cluster
@load base/frameworks/notice
@load base/frameworks/storage/sync
@load base/utils/site
@load policy/frameworks/storage/backend/sqlite

module HostBaselines;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;

	redef enum Notice::Type += {
		## A host answers on a port that it did not answer on before.
		New_Service,
		## A host uses a service that it did not use before.
		New_Service_Used,
		## A host has far more peers than usual.
		Unusual_Peers,
		## A host sends far more than usual.
		Unusual_Bytes_Out,
		## A host receives far more than usual.
		Unusual_Bytes_In,
		## There are more hosts than *max_hosts*; the others have no baseline.
		Too_Many_Hosts,
	};

	## A quantity per period: its mean and variance.
	type Quantity: record {
		mean: double &default=0.0;
		variance: double &default=0.0;
	};

	## What is known of a host.
	type Baseline: record {
		## When the host was first and last seen.
		first_seen: time;
		last_seen: time;
		## Periods learned from.
		periods: count &default=0;
		bytes_out: Quantity &default=Quantity();
		bytes_in: Quantity &default=Quantity();
		peers: Quantity &default=Quantity();
		## Ports the host answers on and ports it uses elsewhere, with the time of the last connection.
		offers: table[port] of time &default=table();
		uses: table[port] of time &default=table();
	};

	## A line of the log: a period of a host.
	type Info: record {
		## When the period ended.
		ts: time &log;
		host: addr &log;
		## How long it was.
		duration: interval &log;
		## Whether the host is still being learned, so that nothing is noticed.
		learning: bool &log;
		## Periods learned from before this one.
		periods: count &log;
		conns: count &log;
		bytes_out: count &log;
		bytes_out_mean: double &log;
		bytes_out_sd: double &log;
		bytes_in: count &log;
		bytes_in_mean: double &log;
		bytes_in_sd: double &log;
		peers: count &log;
		peers_mean: double &log;
		peers_sd: double &log;
		## How many services the host is known to offer and to use.
		offers: count &log;
		uses: count &log;
		## The notices of the period.
		deviations: set[Notice::Type] &log;
	};

	## Which hosts have a baseline.
	const monitored: function(h: addr): bool = function(h: addr): bool { return Site::is_local_addr(h); } &redef;

	## Length of the periods whose bytes and peers are compared.
	const period = 1hr &redef;

	## For how long a host is only learned, from its first connection on …
	option learning_period = 1day;

	## … and the periods that are needed before its bytes and peers are judged.
	option min_periods = 12;

	## How far back the baseline reaches: older periods lose their weight, and services not seen for so long are new again.
	option window = 14days;

	## A value is unusual that is this many standard deviations above the mean …
	option deviations = 4.0;

	## … and this many times the mean …
	option factor = 2.0;

	## … and no less than this.
	option min_bytes_out = 1000000;
	option min_bytes_in = 10000000;
	option min_peers = 20;

	## Ports that are no service to notice, offered or used.
	option ignored_ports: set[port] = { };

	## Whether bytes and peers count when the peer is monitored too.
	option count_local_peers = T;

	## Whether every period of a host is logged, or those with a deviation only.
	option log_all = T;

	## How many hosts are kept, and for how long after their last period. Hosts gone from here come back from the database.
	option max_hosts = 10000;
	const keep_hosts = 7days &redef;

	## How many services of a host are kept. One that uses or offers more is no longer judged by new ones.
	option max_services = 100;

	## How many peers are told apart in a period.
	option max_peers = 5000;

	## SQLite database that the baselines are kept in from run to run; empty for none. A host is read when it is
	## first seen, and written at the end of each of its periods.
	option database_path = "";

	## The baseline of a host as far as it is in memory was changed by a period.
	global learned: event(h: addr, b: Baseline);
}

# The period that a host is in.
type Current: record {
	start: time;
	conns: count &default=0;
	bytes_out: count &default=0;
	bytes_in: count &default=0;
	peers: set[addr] &default=set();
	deviations: set[Notice::Type] &default=set();
};

global finish_idle: function(t: table[addr] of Current, h: addr): interval;

global baselines: table[addr] of Baseline &write_expire=keep_hosts;
global current: table[addr] of Current &create_expire=period &expire_func=finish_idle;

global database: opaque of Storage::BackendHandle;
global is_open = F;

# There is no room for another host, as has been told.
global full = F;
global complained = F;

# A database that fails is told of once: it would fail for each host.
function complain(what: string, r: Storage::OperationResult)
	{
	if ( complained )
		return;

	complained = T;
	Reporter::warning(fmt("host baselines: cannot %s %s: %s%s", what, database_path, r$code,
	                      r?$error_str ? fmt(" (%s)", r$error_str) : ""));
	}

function load(h: addr): Baseline
	{
	if ( is_open )
		{
		local r = Storage::Sync::get(database, h);

		if ( r$code == Storage::SUCCESS && r?$value )
			return r$value as Baseline;

		if ( r$code != Storage::KEY_NOT_FOUND )
			complain("read from", r);
		}

	return Baseline($first_seen=network_time(), $last_seen=network_time());
	}

function save(h: addr, b: Baseline)
	{
	if ( ! is_open )
		return;

	local r = Storage::Sync::put(database, Storage::PutArgs($key=h, $value=b, $expire_time=window));

	if ( r$code != Storage::SUCCESS )
		complain("write to", r);
	}

function is_learned(b: Baseline): bool
	{
	return network_time() - b$first_seen >= learning_period;
	}

function limit(q: Quantity, least: count): double
	{
	local l = q$mean + deviations * sqrt(q$variance);

	if ( l < q$mean * factor )
		l = q$mean * factor;

	return l < least ? least + 0.0 : l;
	}

# Takes in a value with the weight of one period of the n that count.
function learn(q: Quantity, x: double, n: double)
	{
	local d = x - q$mean;
	q$mean += d / n;
	q$variance = (1.0 - 1.0 / n) * (q$variance + d * d / n);
	}

function judge(h: addr, cur: Current, note: Notice::Type, what: string, x: count, q: Quantity, least: count)
	{
	local most = limit(q, least);

	if ( x <= most )
		return;

	add cur$deviations[note];
	NOTICE(Notice::Info($note=note, $src=h, $n=x, $identifier=cat(h),
	       $msg=fmt("%s %s: %d in %s, usually %.0f", h, what, x, period, q$mean),
	       $sub=fmt("mean %.1f, standard deviation %.1f, limit %.1f", q$mean, sqrt(q$variance), most)));
	}

# An outlier is learned as the limit that it is above: it moves the baseline, but does not become the usual at once.
function capped(x: count, judged: bool, most: double): double
	{
	return judged && x > most ? most : x + 0.0;
	}

function forget_old(services: table[port] of time)
	{
	local old: set[port] = set();

	for ( p, seen in services )
		if ( network_time() - seen > window )
			add old[p];

	for ( p in old )
		delete services[p];
	}

# The end of a period. What is cut short by the end of the run is judged in a capture, but not learned.
function finish(h: addr, cur: Current, whole: bool)
	{
	if ( h !in baselines )
		return;

	local b = baselines[h];
	local peers = |cur$peers|;
	local judged = is_learned(b) && b$periods >= min_periods && (whole || reading_traces());

	if ( judged )
		{
		judge(h, cur, Unusual_Bytes_Out, "sends unusually much", cur$bytes_out, b$bytes_out, min_bytes_out);
		judge(h, cur, Unusual_Bytes_In, "receives unusually much", cur$bytes_in, b$bytes_in, min_bytes_in);
		judge(h, cur, Unusual_Peers, "has unusually many peers", peers, b$peers, min_peers);
		}

	if ( log_all || |cur$deviations| > 0 )
		Log::write(LOG, Info($ts=network_time(), $host=h, $duration=network_time() - cur$start,
		           $learning=! is_learned(b) || b$periods < min_periods, $periods=b$periods, $conns=cur$conns,
		           $bytes_out=cur$bytes_out, $bytes_out_mean=b$bytes_out$mean, $bytes_out_sd=sqrt(b$bytes_out$variance),
		           $bytes_in=cur$bytes_in, $bytes_in_mean=b$bytes_in$mean, $bytes_in_sd=sqrt(b$bytes_in$variance),
		           $peers=peers, $peers_mean=b$peers$mean, $peers_sd=sqrt(b$peers$variance),
		           $offers=|b$offers|, $uses=|b$uses|, $deviations=cur$deviations));

	if ( whole )
		{
		++b$periods;
		local n = b$periods + 0.0;

		if ( n > window / period )
			n = window / period;

		if ( n < 1.0 )
			n = 1.0;

		learn(b$bytes_out, capped(cur$bytes_out, judged, limit(b$bytes_out, min_bytes_out)), n);
		learn(b$bytes_in, capped(cur$bytes_in, judged, limit(b$bytes_in, min_bytes_in)), n);
		learn(b$peers, capped(peers, judged, limit(b$peers, min_peers)), n);
		}

	forget_old(b$offers);
	forget_old(b$uses);
	baselines[h] = b;
	save(h, b);
	event HostBaselines::learned(h, b);
	}

function finish_idle(t: table[addr] of Current, h: addr): interval
	{
	finish(h, t[h], T);
	return 0sec;
	}

# The service is new when it is not among those known of a host that has been learned and has not used too many.
function note_service(h: addr, cur: Current, services: table[port] of time, judged: bool, note: Notice::Type,
                      what: string, c: connection)
	{
	local p = c$id$resp_p;

	if ( p in services )
		{
		services[p] = network_time();
		return;
		}

	if ( p in ignored_ports || |services| >= max_services )
		return;

	services[p] = network_time();

	if ( judged )
		{
		add cur$deviations[note];
		NOTICE(Notice::Info($note=note, $conn=c, $src=h, $p=p, $identifier=cat(h, p),
		       $msg=fmt("%s %s %s for the first time", h, what, p)));
		}
	}

function observe(h: addr, peer: addr, bytes_out: count, bytes_in: count, offers: bool, answered: bool, c: connection)
	{
	if ( h !in baselines )
		{
		if ( |baselines| >= max_hosts )
			{
			if ( ! full )
				NOTICE(Notice::Info($note=Too_Many_Hosts, $identifier="hosts",
				       $msg=fmt("More than %d hosts: the others have no baseline", max_hosts)));

			full = T;
			return;
			}

		full = F;
		baselines[h] = load(h);
		}

	local b = baselines[h];
	b$last_seen = network_time();

	if ( h in current && network_time() - current[h]$start >= period )
		{
		finish(h, current[h], T);
		delete current[h];
		}

	if ( h !in current )
		current[h] = Current($start=network_time());

	local cur = current[h];
	++cur$conns;

	if ( count_local_peers || ! monitored(peer) )
		{
		cur$bytes_out += bytes_out;
		cur$bytes_in += bytes_in;

		if ( |cur$peers| < max_peers )
			add cur$peers[peer];
		}

	if ( ! answered )
		return;

	if ( offers )
		note_service(h, cur, b$offers, is_learned(b), New_Service, "offers", c);
	else
		note_service(h, cur, b$uses, is_learned(b), New_Service_Used, "uses", c);
	}

# Bytes of the IP packets: sizes by sequence numbers can be anything. Without them, the payload.
function volume(e: endpoint): count
	{
	return e?$num_bytes_ip ? e$num_bytes_ip : e$size;
	}

event connection_state_remove(c: connection)
	{
	local id = c$id;
	local orig = monitored(id$orig_h);
	local resp = monitored(id$resp_h);

	if ( ! orig && ! resp )
		return;

	local proto = get_port_transport_proto(id$resp_p);

	if ( proto != tcp && proto != udp )
		return;

	local answered = proto == tcp ? "h" in c$history : c$resp$size > 0;
	local sent = volume(c$orig);
	local received = volume(c$resp);

	if ( orig )
		observe(id$orig_h, id$resp_h, sent, received, F, answered, c);

	# A responder that never says anything may not be there.
	if ( resp && received > 0 )
		observe(id$resp_h, id$orig_h, received, sent, T, answered, c);
	}

event zeek_init() &priority=5
	{
	Log::create_stream(LOG, Log::Stream($columns=Info, $path="host_baselines", $policy=log_policy));

	if ( database_path == "" )
		return;

	# Each node of a cluster has a table of its own.
	local name = "host_baselines";

	if ( Cluster::node != "" )
		name += "_" + gsub(Cluster::node, /[^A-Za-z0-9]/, "_");

	local opts = Storage::BackendOptions($sqlite=Storage::Backend::SQLite::Options($database_path=database_path,
	                                                                               $table_name=name));
	local r = Storage::Sync::open_backend(Storage::STORAGE_BACKEND_SQLITE, opts, addr, Baseline);

	if ( r$code == Storage::SUCCESS )
		{
		database = r$value;
		is_open = T;
		}
	else
		complain("open", r);
	}

event zeek_done() &priority=-5
	{
	for ( h, cur in current )
		finish(h, cur, F);

	if ( is_open )
		{
		is_open = F;
		local r = Storage::Sync::close_backend(database);

		if ( r$code != Storage::SUCCESS )
			complain("close", r);
		}
	}
