##! Detects hosts that try many UDP ports of another host, and writes them to a log of their own.
##!
##!     tapir -C -r tests/captures/udp-scan.pcap examples/detections/udp-scan.zeek

@load base/frameworks/notice

module UDPScan;

export {
	redef enum Log::ID += { LOG };
	redef enum Notice::Type += { Scan };

	## Different ports of one target that make a scan.
	const port_threshold = 25 &redef;
	## Ports that were tried longer ago than this do not count.
	const interval_seen = 5min &redef;

	type Info: record {
		ts: time &log;
		scanner: addr &log;
		target: addr &log;
		ports: count &log;
	};

	global log_udp_scan: event(rec: Info);
}

global tried: table[addr, addr] of set[port] &create_expire=interval_seen;

event zeek_init()
	{
	Log::create_stream(LOG, [$columns=Info, $ev=log_udp_scan, $path="udp_scan"]);
	}

event new_connection(c: connection)
	{
	if ( get_port_transport_proto(c$id$resp_p) != udp )
		return;

	local key_orig = c$id$orig_h;
	local key_resp = c$id$resp_h;

	if ( [key_orig, key_resp] !in tried )
		tried[key_orig, key_resp] = set();

	local ports = tried[key_orig, key_resp];

	if ( c$id$resp_p in ports )
		return;

	add ports[c$id$resp_p];

	if ( |ports| != port_threshold )
		return;

	Log::write(LOG, Info($ts=network_time(), $scanner=key_orig, $target=key_resp, $ports=|ports|));
	NOTICE([$note=Scan, $msg=fmt("%s tried %d UDP ports of %s", key_orig, |ports|, key_resp), $src=key_orig, $dst=key_resp,
	        $identifier=cat(key_orig, key_resp)]);
	}
