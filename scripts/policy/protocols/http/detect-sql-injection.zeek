##! Finds SQL in the URIs of requests, and notices about who sends and who gets many.

@load base/frameworks/notice
@load base/frameworks/sumstats
@load base/protocols/http

module HTTP;

export {
	redef enum Notice::Type += {
		## A host that sends many such requests.
		SQL_Injection_Attacker,
		## A host that gets many.
		SQL_Injection_Victim,
	};

	redef enum Tags += {
		## The URI looks like an attempt to inject SQL.
		URI_SQLI,
	};

	## How many requests are too many …
	const sqli_requests_threshold = 50.0 &redef;

	## … within this time.
	const sqli_requests_interval = 5mins &redef;

	## What such a URI looks like: a parameter whose value closes a string or a
	## number and goes on in SQL.
	const match_sql_injection_uri =
		/[\?&][^[:blank:]\x00-\x1f\|\+]+?=[\-[:alnum:]%]+([[:blank:]\x00-\x1f\+]|\/\*.*?\*\/)*'?([[:blank:]\x00-\x1f\+]|\/\*.*?\*\/|\)?;)+.*?(having|union|exec|select|delete|drop|declare|create|insert)([[:blank:]\x00-\x1f\+]|\/\*.*?\*\/)+/i |
		/[\?&][^[:blank:]\x00-\x1f\|\+]+?=[\-0-9%]+([[:blank:]\x00-\x1f\+]|\/\*.*?\*\/)*'?([[:blank:]\x00-\x1f\+]|\/\*.*?\*\/|\)?;)+(x?or|n?and)([[:blank:]\x00-\x1f\+]|\/\*.*?\*\/)+'?(([^a-zA-Z&]+)?=|exists)/i |
		/[\?&][^[:blank:]\x00-\x1f\+]+?=[\-0-9%]*([[:blank:]\x00-\x1f\+]|\/\*.*?\*\/)*'([[:blank:]\x00-\x1f]|\/\*.*?\*\/)*(-|=|\+|\|\|)([[:blank:]\x00-\x1f\+]|\/\*.*?\*\/)*([0-9]|\(?convert|cast)/i |
		/[\?&][^[:blank:]\x00-\x1f\|\+]+?=([[:blank:]\x00-\x1f\+]|\/\*.*?\*\/)*'([[:blank:]\x00-\x1f\+]|\/\*.*?\*\/|;)*(x?or|n?and|having|union|exec|select|delete|drop|declare|create|regexp|insert)([[:blank:]\x00-\x1f\+]|\/\*.*?\*\/|[\[(])+[a-zA-Z&]{2,}/i |
		/[\?&][^[:blank:]\x00-\x1f\+]+?=[^\.]*?(char|ascii|substring|truncate|version|length)\(/i |
		/\/\*![[:digit:]]{5}.*?\*\// &redef;

	## A break keeps a request from being looked at.
	global sqli_policy: hook(c: connection, method: string, unescaped_URI: string);
}

redef record SumStats::Observation += {
	uid: string &optional;
};

# Some connections that the notice names.
function with_samples(o: vector of SumStats::Observation): string
	{
	local text = "";

	for ( i, s in o )
		{
		if ( i == 0 )
			text = "Samples: ";
		else
			text += ", ";

		text += s?$str ? s$str : "";
		}

	return text;
	}

event zeek_init() &priority=3
	{
	# Gathers both ends the same way.
	local r1 = SumStats::Reducer($stream="http.sqli.attacker", $apply=set(SumStats::SUM, SumStats::SAMPLE),
	                             $num_samples=5);
	SumStats::create(SumStats::SumStat(
		$name="detect-sqli-attackers",
		$epoch=sqli_requests_interval,
		$reducers=set(r1),
		$threshold_val(key: SumStats::Key, result: SumStats::Result): double =
			{
			return result["http.sqli.attacker"]$sum;
			},
		$threshold=sqli_requests_threshold,
		$threshold_crossed(key: SumStats::Key, result: SumStats::Result) =
			{
			local r = result["http.sqli.attacker"];
			NOTICE(Notice::Info($note=SQL_Injection_Attacker,
			       $msg="An SQL injection attacker was discovered!",
			       $email_body_sections=vector(with_samples(r$samples)), $src=key$host,
			       $identifier=cat(key$host)));
			}));

	local r2 = SumStats::Reducer($stream="http.sqli.victim", $apply=set(SumStats::SUM, SumStats::SAMPLE),
	                             $num_samples=5);
	SumStats::create(SumStats::SumStat(
		$name="detect-sqli-victims",
		$epoch=sqli_requests_interval,
		$reducers=set(r2),
		$threshold_val(key: SumStats::Key, result: SumStats::Result): double =
			{
			return result["http.sqli.victim"]$sum;
			},
		$threshold=sqli_requests_threshold,
		$threshold_crossed(key: SumStats::Key, result: SumStats::Result) =
			{
			local r = result["http.sqli.victim"];
			NOTICE(Notice::Info($note=SQL_Injection_Victim,
			       $msg="An SQL injection victim was discovered!",
			       $email_body_sections=vector(with_samples(r$samples)), $src=key$host,
			       $identifier=cat(key$host)));
			}));
	}

event http_request(c: connection, method: string, original_URI: string, unescaped_URI: string,
                   version: string) &priority=3
	{
	if ( ! hook HTTP::sqli_policy(c, method, unescaped_URI) )
		return;

	if ( match_sql_injection_uri !in unescaped_URI )
		return;

	add c$http$tags[URI_SQLI];
	SumStats::observe("http.sqli.attacker", SumStats::Key($host=c$id$orig_h),
	                  SumStats::Observation($str=original_URI, $uid=c$uid));
	SumStats::observe("http.sqli.victim", SumStats::Key($host=c$id$resp_h),
	                  SumStats::Observation($str=original_URI, $uid=c$uid));
	}
