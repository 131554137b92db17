##! Writes stats.log with figures about the load.

@load base/frameworks/notice
@load base/frameworks/telemetry
@load base/utils/time

module Stats;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;

	## Time between two lines.
	option report_interval = 5mins;

	type Info: record {
		ts: time &log;
		peer: string &log;
		mem: count &log;
		pkts_proc: count &log;
		bytes_recv: count &log;
		pkts_dropped: count &log &optional;
		pkts_link: count &log &optional;
		pkt_lag: interval &log &optional;
		pkts_filtered: count &log &optional;
		events_proc: count &log;
		events_queued: count &log;
		active_tcp_conns: count &log;
		active_udp_conns: count &log;
		active_icmp_conns: count &log;
		tcp_conns: count &log;
		udp_conns: count &log;
		icmp_conns: count &log;
		timers: count &log;
		active_timers: count &log;
		files: count &log;
		active_files: count &log;
		dns_requests: count &log;
		active_dns_requests: count &log;
		reassem_tcp_size: count &log;
		reassem_file_size: count &log;
		reassem_frag_size: count &log;
		reassem_unknown_size: count &log;
	};

	## Raised for each record that is written to stats.log.
	global log_stats: event(rec: Info);
}

event zeek_init() &priority=5
	{
	Log::create_stream(Stats::LOG, Log::Stream($columns=Info, $ev=log_stats, $path="stats", $policy=log_policy));
	}

module GLOBAL;

export {
	## Takes the figures once more; the arguments are those of the last time.
	global check_stats: event(then: time, last_ns: NetStats, last_cs: ConnStats, last_ps: ProcStats,
	                          last_es: EventStats, last_rs: ReassemblerStats, last_ts: TimerStats,
	                          last_fs: FileAnalysisStats, last_ds: DNSStats);
}

module Stats;

event check_stats(then: time, last_ns: NetStats, last_cs: ConnStats, last_ps: ProcStats, last_es: EventStats,
                  last_rs: ReassemblerStats, last_ts: TimerStats, last_fs: FileAnalysisStats, last_ds: DNSStats)
	{
	local nettime = network_time();
	local ns = get_net_stats();
	local cs = get_conn_stats();
	local ps = get_proc_stats();
	local es = get_event_stats();
	local rs = get_reassembler_stats();
	local ts = get_timer_stats();
	local fs = get_file_analysis_stats();
	local ds = get_dns_stats();

	local rec = Info($ts=nettime, $peer=peer_description, $mem=ps$mem / 1048576,
		$pkts_proc=ns$pkts_recvd - last_ns$pkts_recvd, $bytes_recv=ns$bytes_recvd - last_ns$bytes_recvd,
		$active_tcp_conns=cs$num_tcp_conns, $tcp_conns=cs$cumulative_tcp_conns - last_cs$cumulative_tcp_conns,
		$active_udp_conns=cs$num_udp_conns, $udp_conns=cs$cumulative_udp_conns - last_cs$cumulative_udp_conns,
		$active_icmp_conns=cs$num_icmp_conns, $icmp_conns=cs$cumulative_icmp_conns - last_cs$cumulative_icmp_conns,
		$reassem_tcp_size=rs$tcp_size, $reassem_file_size=rs$file_size, $reassem_frag_size=rs$frag_size,
		$reassem_unknown_size=rs$unknown_size, $events_proc=es$dispatched - last_es$dispatched,
		$events_queued=es$queued - last_es$queued, $timers=ts$cumulative - last_ts$cumulative,
		$active_timers=ts$current, $files=fs$cumulative - last_fs$cumulative, $active_files=fs$current,
		$dns_requests=ds$requests - last_ds$requests, $active_dns_requests=ds$pending);

	# What a capture on disk has no use for.
	if ( reading_live_traffic() )
		{
		rec$pkt_lag = get_packet_lag();
		rec$pkts_dropped = ns$pkts_dropped - last_ns$pkts_dropped;
		rec$pkts_link = ns$pkts_link - last_ns$pkts_link;

		if ( ns?$pkts_filtered && last_ns?$pkts_filtered )
			rec$pkts_filtered = ns$pkts_filtered - last_ns$pkts_filtered;
		}

	Log::write(Stats::LOG, rec);

	if ( zeek_is_terminating() )
		# Nothing comes after this.
		return;

	schedule report_interval { check_stats(nettime, ns, cs, ps, es, rs, ts, fs, ds) };
	}

event zeek_init()
	{
	schedule report_interval { check_stats(network_time(), get_net_stats(), get_conn_stats(), get_proc_stats(),
		get_event_stats(), get_reassembler_stats(), get_timer_stats(), get_file_analysis_stats(),
		get_dns_stats()) };
	}

# The same figures as metrics. What a capture on disk has no use for is registered on live traffic only.
function net_counter(name: string, unit: string, help: string): Telemetry::Counter
	{
	local family = Telemetry::register_counter_family(Telemetry::MetricOpts($prefix="zeek", $name=name, $unit=unit, $help_text=help));
	return Telemetry::counter_with(family);
	}

function net_gauge(name: string, help: string): Telemetry::Gauge
	{
	local family = Telemetry::register_gauge_family(Telemetry::MetricOpts($prefix="zeek", $name=name, $unit="seconds", $help_text=help));
	return Telemetry::gauge_with(family);
	}

global received_bytes = net_counter("net_received", "bytes", "Number of bytes received");
global received_packets = net_counter("net_received_packets", "1", "Number of packets received");
global timestamp = net_gauge("net_timestamp", "Time of the last packet, in seconds since the epoch");
global dropped_packets: Telemetry::Counter;
global link_packets: Telemetry::Counter;
global filtered_packets: Telemetry::Counter;
global packet_lag: Telemetry::Gauge;
global on_network = F;

event zeek_init()
	{
	if ( ! reading_live_traffic() )
		return;

	dropped_packets = net_counter("net_dropped_packets", "1", "Number of packets that were lost before they were looked at");
	link_packets = net_counter("net_link_packets", "1", "Number of packets seen on the link");
	filtered_packets = net_counter("net_filtered_packets", "1", "Number of packets that the capture filter kept back");
	packet_lag = net_gauge("net_packet_lag", "How far packets are behind the wall clock");
	on_network = T;
	}

hook Telemetry::sync()
	{
	local ns = get_net_stats();
	Telemetry::counter_set(received_bytes, ns$bytes_recvd);
	Telemetry::counter_set(received_packets, ns$pkts_recvd);
	Telemetry::gauge_set(timestamp, time_to_double(network_time()));

	if ( ! on_network )
		return;

	Telemetry::counter_set(dropped_packets, ns$pkts_dropped);
	Telemetry::counter_set(link_packets, ns$pkts_link);
	Telemetry::counter_set(filtered_packets, ns?$pkts_filtered ? ns$pkts_filtered : 0);
	Telemetry::gauge_set(packet_lag, interval_to_double(get_packet_lag()));
	}
