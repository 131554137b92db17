##! Writes stats.log with figures about the load.

@load base/frameworks/notice
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
