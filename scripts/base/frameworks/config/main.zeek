##! Options that change at run time, on one node or on all of a cluster, and config.log.

@load base/frameworks/cluster

module Config;

export {
	redef enum Log::ID += { LOG };

	type Info: record {
		ts: time &log;
		id: string &log;
		old_value: string &log;
		new_value: string &log;
		## Where the change comes from, such as a file name.
		location: string &optional &log;
	};

	## Gives an option a new value, on all nodes of a cluster.
	global set_value: function(ID: string, val: any, location: string &default=""): bool;

	global log_config: event(rec: Info);
	global log_policy: Log::PolicyHook;
}

# A change on its way between nodes.
global cluster_set_option: event(ID: string, val: any, location: string);

type CachedValue: record {
	val: any;
	location: string;
};

# What has been changed so far, for nodes that come later. Kept by the manager.
global option_cache: table[string] of CachedValue = table();

# The location of changes that are not logged.
const skip_log_location = "<skip-config-log>";

event zeek_init() &priority=5
	{
	Log::create_stream(LOG, Log::Stream($columns=Info, $ev=log_config, $path="config", $policy=log_policy));
	}

function set_value(ID: string, val: any, location: string &default=""): bool
	{
	if ( ! Option::set(ID, val, location) )
		return F;

	if ( ! Cluster::is_enabled() )
		return T;

	if ( Cluster::local_node_type() == Cluster::MANAGER )
		{
		option_cache[ID] = CachedValue($val=val, $location=location);

		for ( topic in Cluster::broadcast_topics )
			Cluster::publish(topic, Config::cluster_set_option, ID, val, location);
		}
	else
		Cluster::publish(Cluster::manager_topic, Config::cluster_set_option, ID, val, location);

	return T;
	}

event Config::cluster_set_option(ID: string, val: any, location: string)
	{
	if ( Cluster::local_node_type() != Cluster::MANAGER )
		{
		Option::set(ID, val, location);
		return;
		}

	option_cache[ID] = CachedValue($val=val, $location=location);
	Option::set(ID, val, location);

	for ( topic in Cluster::broadcast_topics )
		Cluster::publish(topic, Config::cluster_set_option, ID, val, location);
	}

event Cluster::node_up(name: string, id: string) &priority=-10
	{
	if ( Cluster::local_node_type() != Cluster::MANAGER )
		return;

	for ( ID, cached in option_cache )
		Cluster::publish(Cluster::node_topic(name), Config::cluster_set_option, ID, cached$val, cached$location);
	}

# Containers as their elements with commas between them; anything else as text.
function format_value(value: any): string
	{
	local tn = type_name(value);

	if ( (/^set\[/ in tn && "," !in tn) || /^vector of/ in tn )
		{
		local parts: string_vec = vector();

		if ( /^set/ in tn )
			{
			for ( _, e in Option::any_set_to_any_vec(value) )
				parts += cat(e);
			}
		else
			{
			for ( _, v in (value as any_vec) )
				parts += cat(v);
			}

		return join_string_vec(parts, ",");
		}

	return cat(value);
	}

function config_option_changed(ID: string, new_value: any, location: string): any
	{
	if ( location == skip_log_location )
		return new_value;

	local rec = Info($ts=network_time(), $id=ID, $old_value=format_value(lookup_ID(ID)), $new_value=format_value(new_value));

	if ( location != "" )
		rec$location = location;

	Log::write(LOG, rec);
	return new_value;
	}

event zeek_init() &priority=10
	{
	# Only one node of a cluster logs.
	if ( Cluster::is_enabled() && Cluster::local_node_type() != Cluster::MANAGER )
		return;

	for ( opt in global_options() )
		Option::set_change_handler(opt, config_option_changed, -100);
	}
