##! Blocks hosts for a short time, watches them after that, and blocks them for
##! longer when they come back.

@load base/frameworks/netcontrol
@load base/frameworks/cluster
@load base/utils/addrs

module NetControl;

export {
	redef enum Log::ID += { CATCH_RELEASE };

	global log_policy_catch_release: Log::PolicyHook;

	type BlockInfo: record {
		block_until: time &optional;
		watch_until: time;
		num_reblocked: count &default=0;
		current_interval: count;
		current_block_id: string;
		location: string &optional;
	};

	## What happens to a host.
	type CatchReleaseActions: enum {
		INFO,
		ADDED,
		DROP_REQUESTED,
		DROPPED,
		UNBLOCK,
		FORGOTTEN,
		SEEN_AGAIN,
	};

	type CatchReleaseInfo: record {
		ts: time &log;
		rule_id: string &log &optional;
		ip: addr &log;
		action: CatchReleaseActions &log;
		block_interval: interval &log &optional;
		watch_interval: interval &log &optional;
		blocked_until: time &log &optional;
		watched_until: time &log &optional;
		num_blocked: count &log &optional;
		location: string &log &optional;
		message: string &log &optional;
		plugin: string &log &optional;
	};

	## Blocks a host, and watches it.
	global drop_address_catch_release: function(a: addr, location: string &default=""): BlockInfo;

	## Takes a block back.
	global unblock_address_catch_release: function(a: addr, reason: string &default=""): bool;

	## To be called when a host does something: blocks it again if it is watched.
	global catch_release_seen: function(a: addr);

	## What is known about a host; *watch_until* is 0 if nothing is.
	global get_catch_release_info: function(a: addr): BlockInfo;

	## A host that is watched went out of the watch.
	global catch_release_forgotten: event(a: addr, bi: BlockInfo);

	## Whether connections of watched hosts, attempts included, are enough to block
	## them again.
	const watch_connections = T &redef;

	## Whether packets from blocked hosts are worth a warning.
	option catch_release_warn_blocked_ip_encountered = F;

	## How long a host is blocked, first, again, and so on. From its block on it is
	## watched as long as it would be blocked the next time.
	const catch_release_intervals: vector of interval = vector(10mins, 1hr, 1day, 7days) &redef;

	## Raised for each record that is written.
	global log_netcontrol_catch_release: event(rec: CatchReleaseInfo);

	# What the nodes of a cluster tell each other.
	global catch_release_add: event(a: addr, location: string);
	global catch_release_delete: event(a: addr, reason: string);
	global catch_release_encountered: event(a: addr);

	global catch_release_block_new: event(a: addr, b: BlockInfo);
	global catch_release_block_delete: event(a: addr);
}

# Hosts that are watched, with what is left of the time.
function per_block_interval(t: table[addr] of BlockInfo, idx: addr): interval
	{
	local rest = t[idx]$watch_until - network_time();

	if ( rest > 0secs )
		return rest;

	local bi = t[idx];
	event NetControl::catch_release_forgotten(idx, bi);
	Log::write(CATCH_RELEASE, CatchReleaseInfo($ts=network_time(), $ip=idx, $action=FORGOTTEN,
	           $num_blocked=bi$num_reblocked));
	return 0secs;
	}

global blocks: table[addr] of BlockInfo = { } &create_expire=1sec &expire_func=per_block_interval;

event zeek_init() &priority=5
	{
	Log::create_stream(NetControl::CATCH_RELEASE, Log::Stream($columns=CatchReleaseInfo,
	                   $ev=log_netcontrol_catch_release, $path="netcontrol_catch_release",
	                   $policy=log_policy_catch_release));
	}

function get_catch_release_info(a: addr): BlockInfo
	{
	if ( a in blocks )
		return blocks[a];

	return BlockInfo($watch_until=double_to_time(0), $current_interval=0, $current_block_id="");
	}

function decides_here(): bool
	{
	return ! Cluster::is_enabled() || Cluster::local_node_type() == Cluster::MANAGER;
	}

function log_action(a: addr, action: CatchReleaseActions, bi: BlockInfo, message: string, plugin: string &default="")
	{
	local rec = CatchReleaseInfo($ts=network_time(), $ip=a, $action=action);

	if ( bi$current_block_id != "" )
		rec$rule_id = bi$current_block_id;

	if ( bi?$block_until )
		{
		rec$blocked_until = bi$block_until;
		rec$block_interval = bi$block_until - network_time();
		}

	if ( time_to_double(bi$watch_until) > 0.0 )
		{
		rec$watched_until = bi$watch_until;
		rec$watch_interval = bi$watch_until - network_time();
		}

	rec$num_blocked = bi$num_reblocked + 1;

	if ( bi?$location && bi$location != "" )
		rec$location = bi$location;

	if ( message != "" )
		rec$message = message;

	if ( plugin != "" )
		rec$plugin = plugin;

	Log::write(CATCH_RELEASE, rec);
	}

# Blocks for the interval that the host has come to.
function block(a: addr, bi: BlockInfo)
	{
	local n = bi$current_interval;
	local block_for = catch_release_intervals[n];
	local watch_for = n + 1 < |catch_release_intervals| ? catch_release_intervals[n + 1] : block_for;

	bi$block_until = network_time() + block_for;
	bi$watch_until = network_time() + watch_for;
	bi$current_block_id = drop_address(a, block_for, bi?$location ? bi$location : "");
	blocks[a] = bi;

	log_action(a, DROP_REQUESTED, bi, "");
	Cluster::publish(Cluster::worker_topic, NetControl::catch_release_block_new, a, bi);
	}

function drop_address_catch_release(a: addr, location: string &default=""): BlockInfo
	{
	local bi: BlockInfo;

	if ( a in blocks )
		{
		log_action(a, INFO, blocks[a], "Already blocked using catch-and-release - ignoring duplicate");
		return blocks[a];
		}

	bi = BlockInfo($watch_until=network_time() + catch_release_intervals[0], $current_interval=0,
	               $current_block_id="");

	if ( location != "" )
		bi$location = location;

	if ( decides_here() )
		block(a, bi);
	else
		{
		blocks[a] = bi;
		Cluster::publish(Cluster::manager_topic, NetControl::catch_release_add, a, location);
		}

	return bi;
	}

function unblock_address_catch_release(a: addr, reason: string &default=""): bool
	{
	if ( a !in blocks )
		return F;

	if ( ! decides_here() )
		{
		Cluster::publish(Cluster::manager_topic, NetControl::catch_release_delete, a, reason);
		return T;
		}

	local bi = blocks[a];

	if ( bi?$block_until && bi$block_until > network_time() && bi$current_block_id != "" )
		remove_rule(bi$current_block_id, reason);

	log_action(a, UNBLOCK, bi, reason);
	delete blocks[a];
	Cluster::publish(Cluster::worker_topic, NetControl::catch_release_block_delete, a);
	return T;
	}

function catch_release_seen(a: addr)
	{
	if ( a !in blocks )
		return;

	local bi = blocks[a];

	if ( bi?$block_until && bi$block_until > network_time() )
		{
		# The block does not work, or it is too young.
		if ( catch_release_warn_blocked_ip_encountered )
			log_action(a, INFO, bi, "Block seen while in rule_entities. No action taken.");

		return;
		}

	if ( ! decides_here() )
		{
		Cluster::publish(Cluster::manager_topic, NetControl::catch_release_encountered, a);
		return;
		}

	log_action(a, SEEN_AGAIN, bi, "");

	if ( bi$current_interval + 1 < |catch_release_intervals| )
		++bi$current_interval;

	++bi$num_reblocked;
	block(a, bi);
	}

event NetControl::catch_release_add(a: addr, location: string)
	{
	drop_address_catch_release(a, location);
	}

event NetControl::catch_release_delete(a: addr, reason: string)
	{
	unblock_address_catch_release(a, reason);
	}

event NetControl::catch_release_encountered(a: addr)
	{
	catch_release_seen(a);
	}

event NetControl::catch_release_block_new(a: addr, b: BlockInfo)
	{
	blocks[a] = b;
	}

event NetControl::catch_release_block_delete(a: addr)
	{
	delete blocks[a];
	}

event rule_added(r: Rule, p: PluginState, msg: string &default="")
	{
	if ( ! r?$entity || r$entity$ty != ADDRESS )
		return;

	local a = subnet_to_addr(r$entity$ip);

	if ( a in blocks && blocks[a]$current_block_id == r$id )
		log_action(a, DROPPED, blocks[a], msg, p$plugin$name(p));
	}

function watched(c: connection)
	{
	if ( watch_connections )
		catch_release_seen(c$id$orig_h);
	}

event new_connection(c: connection)
	{
	watched(c);
	}

event connection_established(c: connection)
	{
	watched(c);
	}

event partial_connection(c: connection)
	{
	watched(c);
	}

event connection_attempt(c: connection)
	{
	watched(c);
	}

event connection_rejected(c: connection)
	{
	watched(c);
	}

event connection_reset(c: connection)
	{
	watched(c);
	}

event connection_pending(c: connection)
	{
	watched(c);
	}
