##! Notices about hosts that scan: each failed connection is a try, and tries of different addresses or of different ports
##! of one address add up until they are forgotten.

@load base/frameworks/notice

module Scan;

export {
	redef enum Notice::Type += {
		## Many hosts were tried on one port.
		Address_Scan,
		## Many ports of one host were tried.
		Port_Scan,
	};

	## A host, or a port, that was tried.
	type Attempt: record {
		victim: addr;
		scanned_port: port;
	};

	## Different hosts that make an address scan, by whether the scanner is local.
	option scan_threshold: count = 25;
	option local_scan_threshold: count = 25;

	## Different ports of a host that make a port scan.
	option port_threshold: count = 15;

	## A scanner from which nothing was heard for so long begins anew.
	const scan_timeout = 15min &redef;

	## Bounds what is kept per scanner.
	const max_attempts = 1000 &redef;

	## An attempt as it is counted.
	global tried: event(scanner: addr, attempt: Attempt);

	## A break means that the attempt does not count.
	global scan_policy: hook(scanner: addr, victim: addr, scanned_port: port);
}

type Scanner: record {
	hosts: table[port] of set[addr];
	ports: table[addr] of set[port];
	attempts: count &default=0;
};

global scanners: table[addr] of Scanner = table() &read_expire=scan_timeout;
global reported: set[Notice::Type, addr, string] &create_expire=1day;

event Scan::tried(scanner: addr, attempt: Attempt)
	{
	if ( scanner !in scanners )
		scanners[scanner] = Scanner();

	local s = scanners[scanner];

	if ( s$attempts >= max_attempts )
		return;

	++s$attempts;

	local p = attempt$scanned_port;
	local victim = attempt$victim;

	if ( p !in s$hosts )
		s$hosts[p] = set();

	if ( victim !in s$ports )
		s$ports[victim] = set();

	add s$hosts[p][victim];
	add s$ports[victim][p];

	local limit = Site::is_local_addr(scanner) ? local_scan_threshold : scan_threshold;

	if ( |s$hosts[p]| >= limit && [Address_Scan, scanner, cat(p)] !in reported )
		{
		add reported[Address_Scan, scanner, cat(p)];
		NOTICE([$note=Address_Scan, $src=scanner, $p=p, $identifier=cat(scanner, p),
		        $msg=fmt("%s scanned at least %d unique hosts on port %s", scanner, |s$hosts[p]|, p)]);
		}

	if ( |s$ports[victim]| >= port_threshold && [Port_Scan, scanner, cat(victim)] !in reported )
		{
		add reported[Port_Scan, scanner, cat(victim)];
		NOTICE([$note=Port_Scan, $src=scanner, $dst=victim, $identifier=cat(scanner, victim),
		        $msg=fmt("%s scanned at least %d unique ports of host %s", scanner, |s$ports[victim]|, victim)]);
		}
	}

function failed(c: connection)
	{
	if ( ! c$id?$orig_h || is_icmp_port(c$id$resp_p) )
		return;

	if ( ! hook Scan::scan_policy(c$id$orig_h, c$id$resp_h, c$id$resp_p) )
		return;

	local attempt = Attempt($victim=c$id$resp_h, $scanned_port=c$id$resp_p);

@if ( Cluster::is_enabled() )
	# All tries of a scanner meet on one proxy.
	Cluster::publish_hrw(Cluster::proxy_pool, c$id$orig_h, Scan::tried, c$id$orig_h, attempt);
@else
	event Scan::tried(c$id$orig_h, attempt);
@endif
	}

event connection_attempt(c: connection)
	{
	failed(c);
	}

event connection_rejected(c: connection)
	{
	failed(c);
	}
