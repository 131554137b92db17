##! A notice about hosts that try many passwords on FTP servers.

@load base/protocols/ftp
@load base/frameworks/sumstats
@load base/utils/time

module FTP;

export {
	redef enum Notice::Type += {
		## A host tried many users or passwords.
		Bruteforcing
	};

	## How many failures are too many …
	const bruteforce_threshold = 20.0 &redef;

	## … within this time.
	const bruteforce_measurement_interval = 15mins &redef;
}

event zeek_init()
	{
	local r1: SumStats::Reducer = SumStats::Reducer($stream="ftp.failed_auth", $apply=set(SumStats::UNIQUE),
		$unique_max=double_to_count(bruteforce_threshold + 2));

	SumStats::create(SumStats::SumStat(
		$name="ftp-detect-bruteforcing",
		$epoch=bruteforce_measurement_interval,
		$reducers=set(r1),
		$threshold_val(key: SumStats::Key, result: SumStats::Result): double =
			{
			return result["ftp.failed_auth"]$num + 0.0;
			},
		$threshold=bruteforce_threshold,
		$threshold_crossed(key: SumStats::Key, result: SumStats::Result) =
			{
			local r = result["ftp.failed_auth"];
			local dur = duration_to_mins_secs(r$end - r$begin);
			local plural = r$unique > 1 ? "s" : "";
			local message = fmt("%s had %d failed logins on %d FTP server%s in %s", key$host, r$num, r$unique,
			                    plural, dur);
			NOTICE(Notice::Info($note=FTP::Bruteforcing, $src=key$host, $msg=message, $identifier=cat(key$host)));
			}));
	}

event ftp_reply(c: connection, code: count, msg: string, cont_resp: bool)
	{
	if ( ! c?$ftp || ! c$ftp?$cmdarg )
		return;

	local cmd = c$ftp$cmdarg$cmd;

	if ( (cmd == "USER" || cmd == "PASS") && FTP::parse_ftp_reply_code(code)$x == 5 )
		SumStats::observe("ftp.failed_auth", SumStats::Key($host=c$id$orig_h),
		                  SumStats::Observation($str=cat(c$id$resp_h)));
	}
