##! Metrics: counters, gauges and histograms of scripts, and a look at all there are.

@load ./options
@load base/frameworks/cluster/main

module Telemetry;

export {
	type labels_vector: vector of string;


	type CounterFamily: record {
		__family: opaque of counter_metric_family;
		__labels: vector of string;
	};

	type Counter: record {
		__metric: opaque of counter_metric;
	};

	type GaugeFamily: record {
		__family: opaque of gauge_metric_family;
		__labels: vector of string;
	};

	type Gauge: record {
		__metric: opaque of gauge_metric;
	};

	type HistogramFamily: record {
		__family: opaque of histogram_metric_family;
		__labels: vector of string;
	};

	type Histogram: record {
		__metric: opaque of histogram_metric;
	};



	## Runs before metrics are collected: the time to bring them up to date.
	global sync: hook();

	global register_counter_family: function(opts: MetricOpts): CounterFamily;
	global counter_with: function(cf: CounterFamily, label_values: labels_vector &default=vector()): Counter;
	global counter_inc: function(c: Counter, amount: double &default=1.0): bool;
	global counter_set: function(c: Counter, value: double): bool;
	global counter_family_inc: function(cf: CounterFamily, label_values: labels_vector &default=vector(), amount: double &default=1.0): bool;
	global counter_family_set: function(cf: CounterFamily, label_values: labels_vector, value: double): bool;

	global register_gauge_family: function(opts: MetricOpts): GaugeFamily;
	global gauge_with: function(gf: GaugeFamily, label_values: labels_vector &default=vector()): Gauge;
	global gauge_inc: function(g: Gauge, amount: double &default=1.0): bool;
	global gauge_dec: function(g: Gauge, amount: double &default=1.0): bool;
	global gauge_set: function(g: Gauge, value: double): bool;
	global gauge_family_inc: function(gf: GaugeFamily, label_values: labels_vector &default=vector(), value: double &default=1.0): bool;
	global gauge_family_dec: function(gf: GaugeFamily, label_values: labels_vector &default=vector(), value: double &default=1.0): bool;
	global gauge_family_set: function(gf: GaugeFamily, label_values: labels_vector, value: double): bool;

	global register_histogram_family: function(opts: MetricOpts): HistogramFamily;
	global histogram_with: function(hf: HistogramFamily, label_values: labels_vector &default=vector()): Histogram;
	global histogram_observe: function(h: Histogram, measurement: double): bool;
	global histogram_family_observe: function(hf: HistogramFamily, label_values: labels_vector, measurement: double): bool;

	## All metrics whose names match; ``*`` matches anything.
	global collect_metrics: function(prefix: string &default="*", name: string &default="*"): vector of Metric;
	global collect_histogram_metrics: function(prefix: string &default="*", name: string &default="*"): vector of HistogramMetric;
}

# Native code wants labels by name.
function make_labels(keys: vector of string, values: labels_vector): table[string] of string
	{
	local labels: table[string] of string = table();

	for ( i, key in keys )
		{
		if ( i < |values| )
			labels[key] = values[i];
		}

	return labels;
	}

function register_counter_family(opts: MetricOpts): CounterFamily
	{
	local family = Telemetry::__counter_family(opts$prefix, opts$name, opts$label_names, opts?$help_text ? opts$help_text : "Zeek Script Metric",
	                                         opts?$unit ? opts$unit : "");
	return CounterFamily($__family=family, $__labels=opts$label_names);
	}

function counter_with(cf: CounterFamily, label_values: labels_vector &default=vector()): Counter
	{
	if ( |cf$__labels| != |label_values| )
		{
		Reporter::error(fmt("invalid label values: expected %d, got %d", |cf$__labels|, |label_values|));

		# Wrong use is counted as well, by the labels that were expected.
		local wrong_use = Telemetry::__counter_family("zeek", "telemetry_counter_usage_error", vector("usage_error"),
		                                         "Number of wrong uses of counter metrics");
		local wrong: table[string] of string = { ["usage_error"] = join_string_vec(cf$__labels, ",") };
		return Counter($__metric=Telemetry::__counter_metric_get_or_add(wrong_use, wrong));
		}

	return Counter($__metric=Telemetry::__counter_metric_get_or_add(cf$__family, make_labels(cf$__labels, label_values)));
	}

function counter_inc(c: Counter, amount: double &default=1.0): bool
	{
	return Telemetry::__counter_inc(c$__metric, amount);
	}

function counter_set(c: Counter, value: double): bool
	{
	local now = Telemetry::__counter_value(c$__metric);

	if ( value < now )
		{
		Reporter::error(fmt("a counter cannot go back from %s to %s", now, value));
		return F;
		}

	return counter_inc(c, value - now);
	}

function counter_family_inc(cf: CounterFamily, label_values: labels_vector &default=vector(), amount: double &default=1.0): bool
	{
	return counter_inc(counter_with(cf, label_values), amount);
	}

function counter_family_set(cf: CounterFamily, label_values: labels_vector, value: double): bool
	{
	return counter_set(counter_with(cf, label_values), value);
	}

function register_gauge_family(opts: MetricOpts): GaugeFamily
	{
	local family = Telemetry::__gauge_family(opts$prefix, opts$name, opts$label_names, opts?$help_text ? opts$help_text : "Zeek Script Metric",
	                                         opts?$unit ? opts$unit : "");
	return GaugeFamily($__family=family, $__labels=opts$label_names);
	}

function gauge_with(gf: GaugeFamily, label_values: labels_vector &default=vector()): Gauge
	{
	if ( |gf$__labels| != |label_values| )
		{
		Reporter::error(fmt("invalid label values: expected %d, got %d", |gf$__labels|, |label_values|));

		# Wrong use is counted as well, by the labels that were expected.
		local wrong_use = Telemetry::__gauge_family("zeek", "telemetry_gauge_usage_error", vector("usage_error"),
		                                         "Number of wrong uses of gauge metrics");
		local wrong: table[string] of string = { ["usage_error"] = join_string_vec(gf$__labels, ",") };
		return Gauge($__metric=Telemetry::__gauge_metric_get_or_add(wrong_use, wrong));
		}

	return Gauge($__metric=Telemetry::__gauge_metric_get_or_add(gf$__family, make_labels(gf$__labels, label_values)));
	}

function gauge_inc(g: Gauge, amount: double &default=1.0): bool
	{
	return Telemetry::__gauge_inc(g$__metric, amount);
	}

function gauge_dec(g: Gauge, amount: double &default=1.0): bool
	{
	return Telemetry::__gauge_dec(g$__metric, amount);
	}

function gauge_set(g: Gauge, value: double): bool
	{
	local now = Telemetry::__gauge_value(g$__metric);
	return value < now ? gauge_dec(g, now - value) : gauge_inc(g, value - now);
	}

function gauge_family_dec(gf: GaugeFamily, label_values: labels_vector &default=vector(), value: double &default=1.0): bool
	{
	return gauge_dec(gauge_with(gf, label_values), value);
	}

function gauge_family_inc(gf: GaugeFamily, label_values: labels_vector &default=vector(), value: double &default=1.0): bool
	{
	return gauge_inc(gauge_with(gf, label_values), value);
	}

function gauge_family_set(gf: GaugeFamily, label_values: labels_vector, value: double): bool
	{
	return gauge_set(gauge_with(gf, label_values), value);
	}

function register_histogram_family(opts: MetricOpts): HistogramFamily
	{
	local family = Telemetry::__histogram_family(opts$prefix, opts$name, opts$label_names, opts?$bounds ? opts$bounds : vector(1.0, 10.0, 100.0), opts?$help_text ? opts$help_text : "Zeek Script Metric",
	                                         opts?$unit ? opts$unit : "");
	return HistogramFamily($__family=family, $__labels=opts$label_names);
	}

function histogram_with(hf: HistogramFamily, label_values: labels_vector &default=vector()): Histogram
	{
	if ( |hf$__labels| != |label_values| )
		{
		Reporter::error(fmt("invalid label values: expected %d, got %d", |hf$__labels|, |label_values|));

		# Wrong use is counted as well, by the labels that were expected.
		local wrong_use = Telemetry::__histogram_family("zeek", "telemetry_histogram_usage_error", vector("usage_error"), vector(1.0, 10.0, 100.0),
		                                         "Number of wrong uses of histogram metrics");
		local wrong: table[string] of string = { ["usage_error"] = join_string_vec(hf$__labels, ",") };
		return Histogram($__metric=Telemetry::__histogram_metric_get_or_add(wrong_use, wrong));
		}

	return Histogram($__metric=Telemetry::__histogram_metric_get_or_add(hf$__family, make_labels(hf$__labels, label_values)));
	}

function histogram_observe(h: Histogram, measurement: double): bool
	{
	return Telemetry::__histogram_observe(h$__metric, measurement);
	}

function histogram_family_observe(hf: HistogramFamily, label_values: labels_vector, measurement: double): bool
	{
	return histogram_observe(histogram_with(hf, label_values), measurement);
	}

function collect_metrics(prefix: string &default="*", name: string &default="*"): vector of Metric
	{
	local out: vector of Metric = vector();

	for ( _, m in Telemetry::__collect_metrics(prefix, name) )
		out += m as Metric;

	return out;
	}

function collect_histogram_metrics(prefix: string &default="*", name: string &default="*"): vector of HistogramMetric
	{
	local out: vector of HistogramMetric = vector();

	for ( _, m in Telemetry::__collect_histogram_metrics(prefix, name) )
		out += m as HistogramMetric;

	return out;
	}

event zeek_init() &priority=5
	{
	local p = Telemetry::metrics_port;

	# Nodes of a cluster have ports in the layout.
	if ( Cluster::is_enabled() && Cluster::local_node_metrics_port() != 0/unknown )
		p = Cluster::local_node_metrics_port();

	# Nobody asks a process that only looks at scripts or at a capture, beside the nodes that have the ports.
	if ( p == 0/unknown || getenv("ZEEKCTL_DISABLE_LISTEN") != "" )
		return;

	local where = metrics_address == "" ? "0.0.0.0" : metrics_address;
	Telemetry::listen_prometheus(where, p, ! Cluster::is_enabled() || Cluster::local_node_type() == Cluster::MANAGER);
	}
