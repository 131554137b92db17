##! Notices about hosts that use DNS as nobody should: they ask for many names
##! that do not exist, as programs do that make names up, or for many long names
##! below one domain, as tunnels do.

@load base/frameworks/notice
@load base/frameworks/sumstats
@load base/protocols/dns

module DNS;

export {
	redef enum Notice::Type += {
		## A host asked for many names that do not exist.
		Many_Unknown_Names,
		## A host asked for many long names below one domain.
		Possible_Tunnel,
	};

	## How many different unknown names are too many …
	const unknown_names_threshold = 50.0 &redef;

	## How many different long names below one domain are too many …
	const tunnel_names_threshold = 50.0 &redef;

	## … within this time.
	const anomalies_interval = 5mins &redef;

	## Names of at least so many bytes below their domain are long.
	const tunnel_name_length = 40 &redef;

	## Domains below which names may be long, as those of blocklists.
	const anomalies_ignored: set[string] = { "in-addr.arpa", "ip6.arpa" } &redef;

	## A break keeps a query from counting.
	global anomalies_policy: hook(c: connection, query: string);
}

# The last two labels of a name.
function base_domain(name: string): string
	{
	local labels = split_string(name, /\./);
	local n = |labels|;
	return n < 2 ? name : fmt("%s.%s", labels[n - 2], labels[n - 1]);
	}

event zeek_init() &priority=5
	{
	local unknown = SumStats::Reducer($stream="dns.unknown-names", $apply=set(SumStats::UNIQUE),
	                                  $unique_max=double_to_count(unknown_names_threshold + 2));
	SumStats::create(SumStats::SumStat(
		$name="dns-unknown-names",
		$epoch=anomalies_interval,
		$reducers=set(unknown),
		$threshold_val(key: SumStats::Key, result: SumStats::Result): double =
			{
			return result["dns.unknown-names"]$unique + 0.0;
			},
		$threshold=unknown_names_threshold,
		$threshold_crossed(key: SumStats::Key, result: SumStats::Result) =
			{
			NOTICE(Notice::Info($note=Many_Unknown_Names, $src=key$host, $identifier=cat(key$host),
			       $msg=fmt("%s asked for %d names that do not exist", key$host,
			                result["dns.unknown-names"]$unique)));
			}));

	local long = SumStats::Reducer($stream="dns.long-names", $apply=set(SumStats::UNIQUE),
	                               $unique_max=double_to_count(tunnel_names_threshold + 2));
	SumStats::create(SumStats::SumStat(
		$name="dns-long-names",
		$epoch=anomalies_interval,
		$reducers=set(long),
		$threshold_val(key: SumStats::Key, result: SumStats::Result): double =
			{
			return result["dns.long-names"]$unique + 0.0;
			},
		$threshold=tunnel_names_threshold,
		$threshold_crossed(key: SumStats::Key, result: SumStats::Result) =
			{
			NOTICE(Notice::Info($note=Possible_Tunnel, $src=key$host, $sub=key$str,
			       $identifier=cat(key$host, key$str),
			       $msg=fmt("%s asked for %d long names below %s", key$host, result["dns.long-names"]$unique,
			                key$str)));
			}));
	}

event dns_message(c: connection, is_orig: bool, msg: dns_msg, len: count) &priority=-3
	{
	if ( is_orig || ! c?$dns || ! c$dns?$query || msg$rcode != 3 )
		return;

	if ( hook DNS::anomalies_policy(c, c$dns$query) )
		SumStats::observe("dns.unknown-names", SumStats::Key($host=c$id$orig_h),
		                  SumStats::Observation($str=c$dns$query));
	}

event dns_request(c: connection, msg: dns_msg, query: string, qtype: count, qclass: count) &priority=-3
	{
	local domain = base_domain(query);

	if ( |query| < |domain| + tunnel_name_length || domain in anomalies_ignored )
		return;

	if ( hook DNS::anomalies_policy(c, query) )
		SumStats::observe("dns.long-names", SumStats::Key($host=c$id$orig_h, $str=domain),
		                  SumStats::Observation($str=query));
	}
