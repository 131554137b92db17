##! Times and how to write them.

## The time that stands for "none".
const null_ts: time = double_to_time(0.0);

## A duration as minutes and seconds: ``3m20s``.
global duration_to_mins_secs: function(dur: interval): string;

## How far packets are behind the wall clock; 0 when reading a capture.
global get_packet_lag: function(): interval;

function duration_to_mins_secs(dur: interval): string
	{
	assert dur >= 0sec, "a duration cannot be negative";
	local secs = double_to_count(interval_to_double(dur));
	return fmt("%dm%ds", secs / 60, secs % 60);
	}

function get_packet_lag(): interval
	{
	if ( ! reading_live_traffic() )
		return 0sec;

	local ts = get_current_packet_ts();
	return ts == null_ts ? 0sec : current_time() - ts;
	}
