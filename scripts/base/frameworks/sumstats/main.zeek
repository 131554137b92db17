##! Summary statistics: observations by key, calculations over them, and thresholds, for intervals of time.

@load base/frameworks/cluster

module SumStats;

export {
	## Kinds of calculations. Each plugin adds its own.
	type Calculation: enum {
		PLACEHOLDER,
	};

	## What is counted.
	type Key: record {
		str: string &optional;
		host: addr &optional;
	};

	## One observation.
	type Observation: record {
		num: count &optional;
		dbl: double &optional;
		str: string &optional;
	};

	## What to make of the observations of a stream.
	type Reducer: record {
		stream: string;
		apply: set[SumStats::Calculation];
		## Whether an observation counts.
		pred: function(key: SumStats::Key, obs: SumStats::Observation): bool &optional;
		## Makes one key of several.
		normalize_key: function(key: SumStats::Key): Key &optional;
		## The statistic this belongs to, and all calculations in order. Set by the framework.
		ssname: string &optional;
		calc_funcs: vector of Calculation &optional;
	};

	## The results for one stream and key. Plugins add their fields.
	type ResultVal: record {
		begin: time;
		end: time;
		num: count &default=0;
	};

	## Results by stream, and these by key.
	type Result: table[string] of ResultVal;
	type ResultTable: table[Key] of Result;

	type SumStat: record {
		name: string;
		## How long an interval is; 0 for intervals that `next_epoch` ends.
		epoch: interval;
		reducers: set[Reducer];
		## The value that thresholds are about.
		threshold_val: function(key: SumStats::Key, result: SumStats::Result): double &optional;
		threshold: double &optional;
		threshold_series: vector of double &optional;
		threshold_crossed: function(key: SumStats::Key, result: SumStats::Result) &optional;
		## Called for each key at the end of an interval, and once after that.
		epoch_result: function(ts: time, key: SumStats::Key, result: SumStats::Result) &optional;
		epoch_finished: function(ts: time) &optional;
	};

	global create: function(ss: SumStats::SumStat);
	global observe: function(id: string, orig_key: SumStats::Key, obs: SumStats::Observation);

	## The current results for a key; to be called in the condition of a `when`.
	global request_key: function(ss_name: string, key: Key): Result;

	## Ends an interval of a statistic without a length of its own.
	global next_epoch: function(ss_name: string): bool;

	global key2str: function(key: SumStats::Key): string;
}

type ObserveFunc: function(r: Reducer, val: double, obs: Observation, rv: ResultVal);

# How far the thresholds of a key have been crossed.
type Thresholding: record {
	is_threshold_crossed: bool &default=F;
	threshold_series_index: count &default=0;
};

# Everything about a statistic, by its name.
global stats_store: table[string] of SumStat = table();

# Reducers by statistic and by stream.
global stat_reducers: table[string] of vector of Reducer = table();
global reducer_store: table[string] of vector of Reducer = table();

# Results of the interval that runs.
global result_store: table[string] of ResultTable = table();
global threshold_tracker: table[string] of table[Key] of Thresholding = table();

# How each calculation takes observations, and which others it needs first.
global calc_store: table[Calculation] of ObserveFunc = table();
global calc_deps: table[Calculation] of vector of Calculation = table();

# Sets the fields of a new result, and merges two.
global init_resultval_hook: hook(r: Reducer, rv: ResultVal);
global compose_resultvals_hook: hook(result: ResultVal, rv1: ResultVal, rv2: ResultVal);

# An observation has changed a result; differs between a cluster and a single process.
global data_added: function(ss: SumStat, key: Key, result: Result);

# Ends an interval.
global finish_epoch: event(ss: SumStat);

function register_observe_plugin(calc: Calculation, func: ObserveFunc) &is_used
	{
	calc_store[calc] = func;
	}

function add_observe_plugin_dependency(calc: Calculation, depends_on: Calculation) &is_used
	{
	if ( calc !in calc_deps )
		calc_deps[calc] = vector();

	calc_deps[calc] += depends_on;
	}

function key2str(key: SumStats::Key): string
	{
	local out = "";

	if ( key?$host )
		out = fmt("%shost=%s", out, key$host);

	if ( key?$str )
		out = fmt("%s%sstr=%s", out, |out| == 0 ? "" : ", ", key$str);

	return fmt("sumstats_key(%s)", out);
	}

function init_resultval(r: Reducer): ResultVal
	{
	local rv = ResultVal($begin=network_time(), $end=network_time());
	hook init_resultval_hook(r, rv);
	return rv;
	}

function compose_resultvals(rv1: ResultVal, rv2: ResultVal): ResultVal &is_used
	{
	local out = ResultVal($begin=rv1$begin < rv2$begin ? rv1$begin : rv2$begin,
	                      $end=rv1$end > rv2$end ? rv1$end : rv2$end,
	                      $num=rv1$num + rv2$num);
	hook compose_resultvals_hook(out, rv1, rv2);
	return out;
	}

function compose_results(r1: Result, r2: Result): Result &is_used
	{
	local out: Result = table();

	for ( id, rv in r1 )
		out[id] = rv;

	for ( id2, rv2 in r2 )
		out[id2] = id2 in r1 ? compose_resultvals(r1[id2], rv2) : rv2;

	return out;
	}

function reset(ss: SumStat)
	{
	result_store[ss$name] = table();

	if ( ss?$threshold || ss?$threshold_series )
		threshold_tracker[ss$name] = table();
	}

# Puts a calculation behind those it needs.
function add_calc(calcs: vector of Calculation, calc: Calculation)
	{
	for ( _, have in calcs )
		{
		if ( have == calc )
			return;
		}

	if ( calc in calc_deps )
		{
		for ( _, dep in calc_deps[calc] )
			add_calc(calcs, dep);
		}

	calcs += calc;
	}

# Adds empty results for streams without observations.
function fill_result(ss: SumStat, result: Result)
	{
	for ( _, r in stat_reducers[ss$name] )
		{
		if ( r$stream !in result )
			result[r$stream] = init_resultval(r);
		}
	}

# Whether observations of this node are for the manager alone.
function observes_for_manager(): bool
	{
	return Cluster::acts_as_one && Cluster::is_enabled() && Cluster::local_node_type() != Cluster::MANAGER;
	}

function create(ss: SumStat)
	{
	if ( (ss?$threshold || ss?$threshold_series) && ! ss?$threshold_val )
		Reporter::error(fmt("summary statistic %s has a threshold but no threshold_val", ss$name));

	# Functions for threshold values may ask for every result.
	stats_store[ss$name] = ss;
	stat_reducers[ss$name] = vector();
	reset(ss);

	for ( reducer in ss$reducers )
		{
		reducer$ssname = ss$name;
		reducer$calc_funcs = vector();

		for ( calc in reducer$apply )
			add_calc(reducer$calc_funcs, calc);

		if ( reducer$stream !in reducer_store )
			reducer_store[reducer$stream] = vector();

		reducer_store[reducer$stream] += reducer;
		stat_reducers[ss$name] += reducer;
		}

	if ( ss$epoch != 0sec && ! observes_for_manager() )
		schedule ss$epoch { SumStats::finish_epoch(ss) };
	}

# Whether nothing can come of another observation for a key.
function exhausted(ss: SumStat, key: Key): bool
	{
	if ( ss?$epoch_result || ss$name !in threshold_tracker || key !in threshold_tracker[ss$name] )
		return F;

	local t = threshold_tracker[ss$name][key];

	if ( ss?$threshold )
		return t$is_threshold_crossed;

	return ss?$threshold_series && t$threshold_series_index >= |ss$threshold_series|;
	}

# An observation counts for one of the reducers of a statistic.
function observed(ss: SumStat, r: Reducer, key: Key, obs: Observation)
	{
	if ( exhausted(ss, key) )
		return;

	local val = 1.0;

	if ( obs?$num )
		val = obs$num;
	else if ( obs?$dbl )
		val = obs$dbl;

	local results = result_store[ss$name];

	if ( key !in results )
		results[key] = table();

	local result = results[key];

	if ( r$stream !in result )
		result[r$stream] = init_resultval(r);

	local rv = result[r$stream];
	++rv$num;
	rv$end = network_time();

	for ( _, calc in r$calc_funcs )
		calc_store[calc](r, val, obs, rv);

	data_added(ss, key, result);
	}

@if ( Cluster::acts_as_one )

event SumStats::observed_elsewhere(ss_name: string, reducer: count, key: Key, obs: Observation)
	{
	if ( ss_name in stat_reducers && reducer < |stat_reducers[ss_name]| )
		observed(stats_store[ss_name], stat_reducers[ss_name][reducer], key, obs);
	}

function tell_manager(r: Reducer, key: Key, obs: Observation)
	{
	for ( i, mine in stat_reducers[r$ssname] )
		{
		if ( same_object(mine, r) )
			Cluster::publish(Cluster::manager_topic, SumStats::observed_elsewhere, r$ssname, i, key, obs);
		}
	}

@endif

function observe(id: string, orig_key: Key, obs: Observation)
	{
	if ( id !in reducer_store )
		return;

	for ( _, r in reducer_store[id] )
		{
		local key = r?$normalize_key ? r$normalize_key(copy(orig_key)) : orig_key;

		if ( r?$pred && ! r$pred(key, obs) )
			next;

@if ( Cluster::acts_as_one )
		if ( observes_for_manager() )
			{
			tell_manager(r, key, obs);
			next;
			}
@endif

		observed(stats_store[r$ssname], r, key, obs);
		}
	}

# Whether a value, scaled by what this process sees of all, reaches the next threshold.
function check_thresholds(ss: SumStat, key: Key, result: Result, modify_pct: double): bool &is_used
	{
	if ( ! (ss?$threshold || ss?$threshold_series || ss?$threshold_crossed) || ! ss?$threshold_val )
		return F;

	fill_result(ss, result);

	local watch = ss$threshold_val(key, result);

	if ( modify_pct < 1.0 && modify_pct > 0.0 )
		watch = watch / modify_pct;

	local t_map = threshold_tracker[ss$name];

	if ( key !in t_map )
		t_map[key] = Thresholding();

	local t = t_map[key];

	if ( ss?$threshold && ! t$is_threshold_crossed && watch >= ss$threshold )
		return T;

	return ss?$threshold_series && t$threshold_series_index < |ss$threshold_series| &&
	       watch >= ss$threshold_series[t$threshold_series_index];
	}

function threshold_crossed(ss: SumStat, key: Key, result: Result) &is_used
	{
	if ( ! ss?$threshold_crossed )
		return;

	fill_result(ss, result);
	ss$threshold_crossed(key, result);

	local t_map = threshold_tracker[ss$name];

	if ( key !in t_map )
		t_map[key] = Thresholding();

	local t = t_map[key];
	t$is_threshold_crossed = T;

	# The next one of a series is above the value that was reached.
	if ( ss?$threshold_series )
		{
		local watch = ss$threshold_val(key, result);

		while ( t$threshold_series_index < |ss$threshold_series| &&
		        watch >= ss$threshold_series[t$threshold_series_index] )
			++t$threshold_series_index;
		}
	}
