##! Writes capture_loss.log: how much of the TCP traffic was acknowledged without
##! having been seen.

@load base/frameworks/cluster
@load base/frameworks/notice

module CaptureLoss;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;

	redef enum Notice::Type += {
		## More is missing than *too_much_loss*.
		Too_Much_Loss,
		## There was hardly any TCP to measure by.
		Too_Little_Traffic,
	};

	type Info: record {
		ts: time &log;
		ts_delta: interval &log;
		peer: string &log;
		gaps: count &log;
		acks: count &log;
		percent_lost: double &log;
	};

	## Time between two lines …
	option watch_interval = 15mins;

	## … and before the first one.
	option initial_watch_interval = 1min;

	## Loss above which a notice is raised, as a part of one.
	option too_much_loss = 0.1;

	## Acknowledgements below which a notice is raised.
	option minimum_acks = 1;
}

function report(now: time, ts_delta: interval, acks: count, gaps: count)
	{
	local percent = acks == 0 ? 0.0 : (100 * (gaps * 1.0)) / (acks * 1.0);

	if ( percent >= too_much_loss * 100 )
		NOTICE(Notice::Info($note=Too_Much_Loss,
		       $msg=fmt("The capture loss script detected an estimated loss rate above %.3f%%", percent)));

	if ( acks < minimum_acks )
		NOTICE(Notice::Info($note=Too_Little_Traffic,
		       $msg=fmt("Only observed %d TCP ACKs and was expecting at least %d.", acks, minimum_acks)));

	Log::write(LOG, Info($ts=now, $ts_delta=ts_delta, $peer=peer_description, $acks=acks,
	           $gaps=gaps, $percent_lost=percent));
	}

@if ( Cluster::is_enabled() && Cluster::acts_as_one )

# What workers have measured at one moment, together. Their clocks are the same.
type Sum: record {
	now: time;
	ts_delta: interval;
	acks: count &default=0;
	gaps: count &default=0;
	workers: count &default=0;
};

# By their number: there may be several at one moment.
global sums: table[count] of Sum &ordered;
global measurements = 0;

# Times are plain numbers here: those that no message can express are in captures, too.
event CaptureLoss::measured(n: count, now: double, ts_delta: double, acks: count, gaps: count)
	{
	if ( n !in sums )
		sums[n] = Sum($now=double_to_time(now), $ts_delta=double_to_interval(ts_delta));

	local sum = sums[n];
	sum$acks += acks;
	sum$gaps += gaps;

	if ( ++sum$workers == Cluster::get_node_count(Cluster::WORKER) )
		{
		report(sum$now, sum$ts_delta, sum$acks, sum$gaps);
		delete sums[n];
		}
	}

# A worker may have ended early.
event zeek_done()
	{
	for ( n, sum in sums )
		report(sum$now, sum$ts_delta, sum$acks, sum$gaps);
	}

@endif

event CaptureLoss::take_measurement(last_ts: time, last_acks: count, last_gaps: count)
	{
	local now = network_time();

	local g = get_gap_stats();
	local acks = g$ack_events - last_acks;
	local gaps = g$gap_events - last_gaps;

	# Time had not begun then: what is there now is what later measurements are
	# compared to.
	if ( time_to_double(last_ts) <= 1.0 )
		{
		schedule watch_interval { CaptureLoss::take_measurement(now, g$ack_events, g$gap_events) };
		return;
		}

@if ( Cluster::is_enabled() && Cluster::acts_as_one )
	Cluster::publish(Cluster::manager_topic, CaptureLoss::measured, ++measurements, time_to_double(now),
	                 interval_to_double(now - last_ts), acks, gaps);
@else
	report(now, now - last_ts, acks, gaps);
@endif

	schedule watch_interval { CaptureLoss::take_measurement(now, g$ack_events, g$gap_events) };
	}

event zeek_init() &priority=5
	{
	Log::create_stream(LOG, Log::Stream($columns=Info, $path="capture_loss", $policy=log_policy));
	}

event network_time_init()
	{
	# Nodes of a cluster that see no packets have nothing to lose.
	if ( Cluster::is_enabled() && Cluster::local_node_type() != Cluster::WORKER )
		return;

	local g = get_gap_stats();

	# A capture of any length gives a first value.
	schedule initial_watch_interval { CaptureLoss::take_measurement(network_time(), g$ack_events, g$gap_events) };
	}
