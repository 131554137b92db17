##! Growing counters that are reported at certain values only.

module GLOBAL;

export {
	const default_notice_thresholds: vector of count = { 30, 100, 1000, 10000, 100000, 1000000, 10000000 } &redef;

	type TrackCount: record {
		## The counter.
		n: count &default=0;
		## How many thresholds have been crossed.
		index: count &default=0;
	};

	global new_track_count: function(): TrackCount;

	## T if the counter has reached the next threshold; counts as crossed then.
	global check_threshold: function(v: vector of count, tracker: TrackCount): bool;
	global default_check_threshold: function(tracker: TrackCount): bool;
}

function new_track_count(): TrackCount
	{
	return TrackCount();
	}

function check_threshold(v: vector of count, tracker: TrackCount): bool
	{
	if ( tracker$index >= |v| || tracker$n < v[tracker$index] )
		return F;

	++tracker$index;
	return T;
	}

function default_check_threshold(tracker: TrackCount): bool
	{
	return check_threshold(default_notice_thresholds, tracker);
	}
