##! Writes telemetry.log and telemetry_histogram.log: the metrics of the process.

@load base/frameworks/telemetry

module Telemetry;

export {
	redef enum Log::ID += { LOG, LOG_HISTOGRAM };

	## Time between two readings.
	option log_interval = 1min;

	## Prefixes of metrics that are written; empty for all.
	option log_prefixes: set[string] = { "process", "zeek" };

	type Info: record {
		ts: time &log;
		peer: string &log;
		metric_type: string &log;
		name: string &log;
		labels: vector of string &log;
		label_values: vector of string &log;
		value: double &log;
	};

	type HistogramInfo: record {
		ts: time &log;
		peer: string &log;
		name: string &log;
		labels: vector of string &log;
		label_values: vector of string &log;
		bounds: vector of double &log;
		values: vector of double &log;
		sum: double &log;
		observations: double &log;
	};

	global log_policy: Log::PolicyHook;
	global log_policy_histogram: Log::PolicyHook;

	## Raised for each record that is written.
	global log_telemetry: event(rec: Info);
	global log_telemetry_histogram: event(rec: HistogramInfo);
}

# Reads all metrics that are wanted.
function do_log()
	{
	local ts = network_time();
	local wanted = |log_prefixes| == 0 ? set("*") : log_prefixes;

	for ( prefix in wanted )
		{
		for ( i, m in Telemetry::collect_metrics(prefix, "*") )
			{
			local t = cat(m$opts$metric_type);
			local rec = Info($ts=ts, $peer=peer_description,
				$metric_type=to_lower(gsub(sub(t, /^.*::/, ""), /(INT_|DOUBLE_)/, "")),
				$name=m$opts$name, $labels=m$label_names, $label_values=m$label_values, $value=m$value);
			Log::write(LOG, rec);
			}

		for ( j, h in Telemetry::collect_histogram_metrics(prefix, "*") )
			{
			local hrec = HistogramInfo($ts=ts, $peer=peer_description, $name=h$opts$name,
				$labels=h$label_names, $label_values=h$label_values, $bounds=h$opts$bounds,
				$values=h$values, $sum=h$sum, $observations=h$observations);
			Log::write(LOG_HISTOGRAM, hrec);
			}
		}
	}

event Telemetry::log()
	{
	schedule log_interval { Telemetry::log() };
	do_log();
	}

event zeek_init() &priority=5
	{
	Log::create_stream(LOG, Log::Stream($columns=Info, $ev=log_telemetry, $path="telemetry", $policy=log_policy));
	Log::create_stream(LOG_HISTOGRAM, Log::Stream($columns=HistogramInfo, $ev=log_telemetry_histogram,
	                   $path="telemetry_histogram", $policy=log_policy_histogram));
	schedule log_interval { Telemetry::log() };
	}

event zeek_done()
	{
	# What happened since the last reading.
	do_log();
	}
