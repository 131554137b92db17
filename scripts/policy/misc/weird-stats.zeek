##! Writes weird_stats.log: how often each weird occurred.

@load base/frameworks/sumstats
@load base/frameworks/notice/weird

module WeirdStats;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;

	## Time between two counts.
	const weird_stat_interval = 15mins &redef;

	type Info: record {
		ts: time &log;
		name: string &log;
		num_seen: count &log;
	};

	## Raised for each record that is written to weird_stats.log.
	global log_weird_stats: event(rec: Info);
}

# What was counted up to the last time, with the time of it.
type Counts: record {
	ts: time;
	counts: table[string] of count;
};

global this_epoch_weirds: table[string] of double &default=0.0;
global last: table[string] of count &default=0;

function epoch_results(ts: time, key: SumStats::Key, result: SumStats::Result)
	{
	if ( "weirds.encountered" in result )
		this_epoch_weirds[key$str] = result["weirds.encountered"]$sum;
	}

function epoch_finished(ts: time)
	{
	for ( n, v in this_epoch_weirds )
		Log::write(LOG, Info($ts=ts, $name=n, $num_seen=double_to_count(v)));

	clear_table(this_epoch_weirds);
	}

# Counts are kept by the reporter; the differences are added up.
function observe_weird_stats()
	{
	local rs = get_reporter_stats();

	for ( n, v in rs$weirds_by_type )
		{
		local more = v - last[n];

		if ( more > 0 )
			SumStats::observe("weirds.encountered", SumStats::Key($str=n), SumStats::Observation($dbl=more + 0.0));

		last[n] = v;
		}
	}

event zeek_init() &priority=5
	{
	Log::create_stream(WeirdStats::LOG, Log::Stream($columns=Info, $ev=log_weird_stats, $path="weird_stats",
	                   $policy=log_policy));

	local r1 = SumStats::Reducer($stream="weirds.encountered", $apply=set(SumStats::SUM));
	SumStats::create(SumStats::SumStat($name="weirds.statistics", $epoch=weird_stat_interval, $reducers=set(r1),
	                 $epoch_result=epoch_results, $epoch_finished=epoch_finished));
	}

event WeirdStats::observe()
	{
	observe_weird_stats();
	schedule weird_stat_interval { WeirdStats::observe() };
	}

event zeek_init()
	{
	schedule weird_stat_interval { WeirdStats::observe() };
	}

event zeek_done() &priority=10
	{
	observe_weird_stats();
	}
