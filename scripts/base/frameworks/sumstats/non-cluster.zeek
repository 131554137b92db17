##! Summary statistics of a single process.

@load ./main

module SumStats;

# Results are handed out in portions, so that packets do not have to wait.
const results_per_step = 50;
const step_interval = 10msec;

function data_added(ss: SumStat, key: Key, result: Result)
	{
	if ( check_thresholds(ss, key, result, 1.0) )
		threshold_crossed(ss, key, result);
	}

event SumStats::process_epoch_result(ss: SumStat, now: time, data: ResultTable)
	{
	local left = results_per_step;
	local done: vector of Key = vector();

	for ( key, result in data )
		{
		if ( left == 0 )
			break;

		--left;
		fill_result(ss, result);
		ss$epoch_result(now, key, result);
		done += key;
		}

	for ( _, k in done )
		delete data[k];

	if ( |data| > 0 )
		schedule step_interval { SumStats::process_epoch_result(ss, now, data) };
	else if ( ss?$epoch_finished )
		ss$epoch_finished(now);
	}

event SumStats::finish_epoch(ss: SumStat)
	{
	if ( ss$name !in result_store || ! ss?$epoch_result )
		{
		if ( ss?$epoch_finished )
			ss$epoch_finished(network_time());

		return;
		}

	local data = result_store[ss$name];
	local now = network_time();

	if ( |data| > 0 )
		event SumStats::process_epoch_result(ss, now, data);
	else if ( ss?$epoch_finished )
		ss$epoch_finished(now);

	reset(ss);

	if ( ss$epoch != 0sec )
		schedule ss$epoch { SumStats::finish_epoch(ss) };
	}

function request_key(ss_name: string, key: Key): Result
	{
	return when [ss_name, key] ( T )
		{
		if ( ss_name in result_store && key in result_store[ss_name] )
			return result_store[ss_name][key];

		return table();
		}
	}

function next_epoch(ss_name: string): bool
	{
	if ( ss_name !in stats_store )
		return F;

	local ss = stats_store[ss_name];

	if ( ss$epoch != 0sec )
		{
		Reporter::error(fmt("summary statistic %s ends its intervals by itself", ss_name));
		return F;
		}

	event SumStats::finish_epoch(ss);
	return T;
	}

# What has come together until the end is not lost.
event zeek_done()
	{
	for ( name, data in result_store )
		{
		local ss = stats_store[name];

		if ( ss$epoch == 0sec || |data| == 0 )
			next;

		if ( ss?$epoch_result )
			{
			for ( key, result in data )
				{
				fill_result(ss, result);
				ss$epoch_result(network_time(), key, result);
				}
			}

		if ( ss?$epoch_finished )
			ss$epoch_finished(network_time());
		}
	}
