##! Notices about hosts that try many addresses, or many ports of one address,
##! without getting a connection.

@load base/frameworks/notice
@load base/frameworks/sumstats
@load base/utils/time

module Scan;

export {
	redef enum Notice::Type += {
		## A host tried one port of many hosts.
		Address_Scan,
		## A host tried many ports of one host.
		Port_Scan,
	};

	## How many hosts are too many …
	const addr_scan_threshold = 25.0 &redef;

	## … within this time.
	const addr_scan_interval = 5min &redef;

	## How many ports are too many …
	const port_scan_threshold = 15.0 &redef;

	## … within this time.
	const port_scan_interval = 5min &redef;

	## A break keeps an attempt from counting for address scans.
	global addr_scan_policy: hook(scanner: addr, victim: addr, scanned_port: port);

	## A break keeps an attempt from counting for port scans.
	global port_scan_policy: hook(scanner: addr, victim: addr, scanned_port: port);
}

# Which side of the site's border a host is on, for the notice.
function side(a: addr): string
	{
	return Site::is_local_addr(a) ? "local" : "remote";
	}

event zeek_init() &priority=5
	{
	local hosts = SumStats::Reducer($stream="scan.addr.fail", $apply=set(SumStats::UNIQUE),
	                                $unique_max=double_to_count(addr_scan_threshold + 2));
	SumStats::create(SumStats::SumStat(
		$name="addr-scan",
		$epoch=addr_scan_interval,
		$reducers=set(hosts),
		$threshold_val(key: SumStats::Key, result: SumStats::Result): double =
			{
			return result["scan.addr.fail"]$unique + 0.0;
			},
		$threshold=addr_scan_threshold,
		$threshold_crossed(key: SumStats::Key, result: SumStats::Result) =
			{
			local r = result["scan.addr.fail"];
			NOTICE(Notice::Info($note=Address_Scan, $src=key$host, $p=to_port(key$str), $sub=side(key$host),
			                    $msg=fmt("%s scanned at least %d unique hosts on port %s in %s", key$host, r$unique,
			                             key$str, duration_to_mins_secs(r$end - r$begin)),
			                    $identifier=cat(key$host)));
			}));

	local ports = SumStats::Reducer($stream="scan.port.fail", $apply=set(SumStats::UNIQUE),
	                                $unique_max=double_to_count(port_scan_threshold + 2));
	SumStats::create(SumStats::SumStat(
		$name="port-scan",
		$epoch=port_scan_interval,
		$reducers=set(ports),
		$threshold_val(key: SumStats::Key, result: SumStats::Result): double =
			{
			return result["scan.port.fail"]$unique + 0.0;
			},
		$threshold=port_scan_threshold,
		$threshold_crossed(key: SumStats::Key, result: SumStats::Result) =
			{
			local r = result["scan.port.fail"];
			NOTICE(Notice::Info($note=Port_Scan, $src=key$host, $dst=to_addr(key$str), $sub=side(key$host),
			                    $msg=fmt("%s scanned at least %d unique ports of host %s in %s", key$host, r$unique,
			                             key$str, duration_to_mins_secs(r$end - r$begin)),
			                    $identifier=cat(key$host)));
			}));
	}

# `reverse` is for connections whose responder is the one that tries.
function attempt(c: connection, reverse: bool)
	{
	local scanner = reverse ? c$id$resp_h : c$id$orig_h;
	local victim = reverse ? c$id$orig_h : c$id$resp_h;
	local tried = reverse ? c$id$orig_p : c$id$resp_p;

	if ( hook Scan::addr_scan_policy(scanner, victim, tried) )
		SumStats::observe("scan.addr.fail", SumStats::Key($host=scanner, $str=cat(tried)),
		                  SumStats::Observation($str=cat(victim)));

	if ( hook Scan::port_scan_policy(scanner, victim, tried) )
		SumStats::observe("scan.port.fail", SumStats::Key($host=scanner, $str=cat(victim)),
		                  SumStats::Observation($str=cat(tried)));
	}

event connection_attempt(c: connection)
	{
	# Only the answer was seen: it is the other side that tries.
	attempt(c, "H" in c$history);
	}

event connection_rejected(c: connection)
	{
	attempt(c, "s" in c$history);
	}

event connection_reset(c: connection)
	{
	# Half-open scans end connections right after the answer.
	if ( /^(Sr|sR|ShR|sHr)/ in c$history )
		attempt(c, "s" in c$history);
	}
