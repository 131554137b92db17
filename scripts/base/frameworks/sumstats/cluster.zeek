##! Summary statistics of a cluster: workers observe, the manager collects and decides.

@load base/frameworks/cluster
@load ./main

module SumStats;

export {
	## A worker that has reached this part of a threshold asks the manager to look at all workers.
	const cluster_request_global_view_percent = 0.2 &redef;

	## How many results the manager asks for at once.
	const max_outstanding_global_views = 10 &redef;

	# From the manager to workers.
	global cluster_ss_request: event(uid: string, ss_name: string, cleanup: bool);
	global get_a_key: event(uid: string, ss_name: string, cleanup: bool);
	global cluster_get_result: event(uid: string, ss_name: string, key: Key, cleanup: bool);
	global cluster_threshold_crossed: event(ss_name: string, key: SumStats::Key, thold_index: Thresholding);

	# From workers to the manager.
	global send_a_key: event(uid: string, ss_name: string, key: Key);
	global send_no_key: event(uid: string, ss_name: string);
	global cluster_send_result: event(uid: string, ss_name: string, key: Key, result: Result, cleanup: bool);
	global cluster_key_intermediate_response: event(ss_name: string, key: SumStats::Key);
}

# An exchange that gets stuck is forgotten after this time.
const exchange_timeout = 1min;

@if ( Cluster::local_node_type() != Cluster::MANAGER )

# The manager knows of these keys already.
global recent_global_view_keys: set[string, Key] = {} &create_expire=1min;

# Snapshots of results, by request.
global sending_results: table[string] of ResultTable = {} &read_expire=exchange_timeout;

function data_added(ss: SumStat, key: Key, result: Result)
	{
	if ( [ss$name, key] in recent_global_view_keys )
		return;

	if ( check_thresholds(ss, key, result, cluster_request_global_view_percent) )
		{
		Cluster::publish(Cluster::manager_topic, SumStats::cluster_key_intermediate_response, ss$name, key);
		add recent_global_view_keys[ss$name, key];
		}
	}

event SumStats::cluster_ss_request(uid: string, ss_name: string, cleanup: bool)
	{
	sending_results[uid] = ss_name in result_store ? result_store[ss_name] : table();

	if ( cleanup && ss_name in stats_store )
		reset(stats_store[ss_name]);
	}

event SumStats::get_a_key(uid: string, ss_name: string, cleanup: bool)
	{
	if ( uid in sending_results )
		{
		for ( key in sending_results[uid] )
			{
			Cluster::publish(Cluster::manager_topic, SumStats::send_a_key, uid, ss_name, key);
			return;
			}
		}
	else if ( ! cleanup && ss_name in result_store )
		{
		for ( key2 in result_store[ss_name] )
			{
			Cluster::publish(Cluster::manager_topic, SumStats::send_a_key, uid, ss_name, key2);
			return;
			}
		}

	Cluster::publish(Cluster::manager_topic, SumStats::send_no_key, uid, ss_name);
	}

event SumStats::cluster_get_result(uid: string, ss_name: string, key: Key, cleanup: bool)
	{
	local empty: Result = table();

	if ( cleanup )
		{
		# Of a snapshot each result is sent once.
		if ( uid in sending_results && key in sending_results[uid] )
			{
			Cluster::publish(Cluster::manager_topic, SumStats::cluster_send_result, uid, ss_name, key,
			                 sending_results[uid][key], cleanup);
			delete sending_results[uid][key];
			}
		else
			Cluster::publish(Cluster::manager_topic, SumStats::cluster_send_result, uid, ss_name, key, empty, cleanup);
		}
	else if ( ss_name in result_store && key in result_store[ss_name] )
		Cluster::publish(Cluster::manager_topic, SumStats::cluster_send_result, uid, ss_name, key,
		                 result_store[ss_name][key], cleanup);
	else
		Cluster::publish(Cluster::manager_topic, SumStats::cluster_send_result, uid, ss_name, key, empty, cleanup);
	}

event SumStats::cluster_threshold_crossed(ss_name: string, key: SumStats::Key, thold_index: Thresholding)
	{
	if ( ss_name !in threshold_tracker )
		return;

	threshold_tracker[ss_name][key] = thold_index;
	}

# Intervals end when the manager says so.
event SumStats::finish_epoch(ss: SumStat)
	{
	}

function request_key(ss_name: string, key: Key): Result
	{
	# Only the manager can ask everybody.
	return when ( T )
		{
		return table();
		}
	}

function next_epoch(ss_name: string): bool
	{
	return F;
	}

@else

# What has been collected, and how many workers have answered, by request.
global stats_keys: table[string] of set[Key] = {} &read_expire=exchange_timeout;
global key_requests: table[string] of Result = {} &create_expire=exchange_timeout;
global done_with: table[string] of count = {} &default=0 &read_expire=exchange_timeout;
global outstanding_global_views: table[string] of set[string] = {} &read_expire=exchange_timeout;

# Results that `request_key` waits for.
global requested_results: table[string] of Result = {} &create_expire=exchange_timeout;

function data_added(ss: SumStat, key: Key, result: Result)
	{
	# Observations of the manager itself have no other workers to ask.
	if ( check_thresholds(ss, key, result, 1.0) )
		threshold_crossed(ss, key, result);
	}

function workers(): count
	{
	return Cluster::get_active_node_count(Cluster::WORKER);
	}

function epoch_done(ss: SumStat)
	{
	if ( ss$name in threshold_tracker )
		threshold_tracker[ss$name] = table();

	if ( ss?$epoch_finished )
		ss$epoch_finished(network_time());
	}

event SumStats::finish_epoch(ss: SumStat)
	{
	if ( network_time() > double_to_time(0.0) )
		{
		local uid = unique_id("");
		stats_keys[uid] = set();
		Cluster::publish(Cluster::worker_topic, SumStats::cluster_ss_request, uid, ss$name, T);

		if ( workers() == 0 )
			epoch_done(ss);
		else
			{
			done_with[uid] = 0;
			Cluster::publish(Cluster::worker_topic, SumStats::get_a_key, uid, ss$name, T);
			}
		}

	# Thresholds that were crossed stay crossed until the last results of the interval have come in.
	result_store[ss$name] = table();

	if ( ss$epoch != 0sec )
		schedule ss$epoch { SumStats::finish_epoch(ss) };
	}

# All workers have sent their part of a result.
function handle_end_of_result_collection(uid: string, ss_name: string, key: Key, cleanup: bool)
	{
	if ( uid !in key_requests )
		return;

	local ss = stats_store[ss_name];
	local result = key_requests[uid];

	if ( check_thresholds(ss, key, result, 1.0) )
		{
		threshold_crossed(ss, key, result);
		Cluster::publish(Cluster::worker_topic, SumStats::cluster_threshold_crossed, ss_name, key,
		                 threshold_tracker[ss_name][key]);
		}

	if ( cleanup )
		{
		if ( ss?$epoch_result && |result| > 0 )
			{
			fill_result(ss, result);
			ss$epoch_result(network_time(), key, result);
			}
		}
	else if ( ss_name in outstanding_global_views )
		delete outstanding_global_views[ss_name][uid];

	requested_results[uid] = result;
	delete key_requests[uid];
	delete done_with[uid];
	}

function request_all_current(uid: string, ss_name: string, cleanup: bool)
	{
	# Keys come one by one; when there are no more, the interval is over.
	if ( uid in stats_keys && |stats_keys[uid]| > 0 )
		{
		local key: Key;

		for ( k in stats_keys[uid] )
			{
			key = k;
			break;
			}

		delete stats_keys[uid][key];
		done_with[uid] = 0;
		key_requests[uid] = table();
		Cluster::publish(Cluster::worker_topic, SumStats::cluster_get_result, uid, ss_name, key, cleanup);
		return;
		}

	delete stats_keys[uid];
	delete done_with[uid];
	epoch_done(stats_store[ss_name]);
	}

event SumStats::send_no_key(uid: string, ss_name: string)
	{
	if ( uid !in done_with )
		done_with[uid] = 0;

	++done_with[uid];

	if ( done_with[uid] == workers() )
		{
		delete done_with[uid];

		if ( uid in stats_keys && |stats_keys[uid]| > 0 )
			request_all_current(uid, ss_name, T);
		else
			{
			delete stats_keys[uid];
			epoch_done(stats_store[ss_name]);
			}
		}
	}

event SumStats::send_a_key(uid: string, ss_name: string, key: Key)
	{
	if ( uid !in stats_keys )
		{
		Reporter::warning(fmt("manager received key with expired request %s for %s", uid, ss_name));
		return;
		}

	add stats_keys[uid][key];
	++done_with[uid];

	if ( done_with[uid] == workers() )
		{
		delete done_with[uid];
		request_all_current(uid, ss_name, T);
		}
	}

event SumStats::cluster_send_result(uid: string, ss_name: string, key: Key, result: Result, cleanup: bool)
	{
	if ( uid !in key_requests )
		{
		# An answer that came too late, or one that nobody asked for.
		Reporter::warning(fmt("manager received result with expired request %s for %s", uid, ss_name));
		return;
		}

	key_requests[uid] = compose_results(key_requests[uid], result);
	++done_with[uid];

	if ( done_with[uid] < workers() )
		return;

	handle_end_of_result_collection(uid, ss_name, key, cleanup);

	if ( cleanup )
		{
		done_with[uid] = 0;

		# Workers may have more keys.
		if ( uid in stats_keys && |stats_keys[uid]| > 0 )
			request_all_current(uid, ss_name, T);
		else
			Cluster::publish(Cluster::worker_topic, SumStats::get_a_key, uid, ss_name, T);
		}
	}

event SumStats::cluster_key_intermediate_response(ss_name: string, key: Key)
	{
	if ( ss_name in outstanding_global_views && |outstanding_global_views[ss_name]| > max_outstanding_global_views )
		return;

	if ( ss_name !in outstanding_global_views )
		outstanding_global_views[ss_name] = set();

	local uid = unique_id("");
	add outstanding_global_views[ss_name][uid];
	done_with[uid] = 0;
	key_requests[uid] = table();
	Cluster::publish(Cluster::worker_topic, SumStats::cluster_get_result, uid, ss_name, key, F);
	}

function request_key(ss_name: string, key: Key): Result
	{
	local uid = unique_id("");
	done_with[uid] = 0;
	key_requests[uid] = table();
	Cluster::publish(Cluster::worker_topic, SumStats::cluster_get_result, uid, ss_name, key, F);

	return when [uid, ss_name, key] ( uid in requested_results )
		{
		local result = requested_results[uid];
		delete requested_results[uid];
		return result;
		}
	timeout 1.1min
		{
		Reporter::warning(fmt("request for key %s of %s timed out", key2str(key), ss_name));
		return table();
		}
	}

function next_epoch(ss_name: string): bool
	{
	if ( ss_name !in stats_store || stats_store[ss_name]$epoch != 0sec )
		return F;

	event SumStats::finish_epoch(stats_store[ss_name]);
	return T;
	}

@endif
