##! Writes traceroute.log: hosts that send packets which die on the way, to learn
##! the way.

@load base/frameworks/signatures
@load base/frameworks/notice
@load base/frameworks/sumstats
@load-sigs ./detect-low-ttls.sig

redef Signatures::ignored_ids += /traceroute-detector.*/;

module Traceroute;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;

	redef enum Notice::Type += {
		Detected
	};

	## Whether packets with a low TTL must have been seen from the host.
	const require_low_ttl_packets = T &redef;

	## How many routers must have answered …
	const icmp_time_exceeded_threshold = 3.0 &redef;

	## … within this time.
	const icmp_time_exceeded_interval = 3mins &redef;

	type Info: record {
		ts: time &log;
		src: addr &log;
		dst: addr &log;
		proto: string &log;
	};

	## Raised for each record that is written to traceroute.log.
	global log_traceroute: event(rec: Info);
}

event zeek_init() &priority=5
	{
	Log::create_stream(Traceroute::LOG, Log::Stream($columns=Info, $ev=log_traceroute, $path="traceroute",
	                   $policy=log_policy));

	local r1 = SumStats::Reducer($stream="traceroute.time_exceeded", $apply=set(SumStats::UNIQUE));
	local r2 = SumStats::Reducer($stream="traceroute.low_ttl_packet", $apply=set(SumStats::SUM));

	SumStats::create(SumStats::SumStat(
		$name="traceroute-detection",
		$epoch=icmp_time_exceeded_interval,
		$reducers=set(r1, r2),
		$threshold_val(key: SumStats::Key, result: SumStats::Result): double =
			{
			# Without packets that had to die there is nothing.
			if ( require_low_ttl_packets && result["traceroute.low_ttl_packet"]$sum == 0 )
				return 0.0;

			return result["traceroute.time_exceeded"]$unique + 0.0;
			},
		$threshold=icmp_time_exceeded_threshold,
		$threshold_crossed(key: SumStats::Key, result: SumStats::Result) =
			{
			local parts = split_string(key$str, /-/);
			local dst = parts[0];
			local proto = parts[1];

			Log::write(LOG, Info($ts=network_time(), $src=key$host, $dst=to_addr(dst), $proto=proto));
			NOTICE(Notice::Info($note=Traceroute::Detected,
			       $msg=fmt("%s seems to be running traceroute using %s", key$host, proto),
			       $src=key$host, $identifier=cat(key$host, proto)));
			}));
	}

event signature_match(state: signature_state, msg: string, data: string)
	{
	if ( /^traceroute-detector/ !in state$sig_id )
		return;

	local id = state$conn$id;
	SumStats::observe("traceroute.low_ttl_packet",
	                  SumStats::Key($host=id$orig_h, $str=cat(id$resp_h, "-", get_port_transport_proto(id$resp_p))),
	                  SumStats::Observation($num=1));
	}

event icmp_time_exceeded(c: connection, info: icmp_info, code: count, context: icmp_context)
	{
	SumStats::observe("traceroute.time_exceeded",
	                  SumStats::Key($host=context$id$orig_h,
	                      $str=cat(context$id$resp_h, "-", get_port_transport_proto(context$id$resp_p))),
	                  SumStats::Observation($str=cat(c$id$orig_h)));
	}
