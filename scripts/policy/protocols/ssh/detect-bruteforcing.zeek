##! Notices about hosts that guess passwords of SSH servers.

@load base/protocols/ssh
@load base/frameworks/sumstats
@load base/frameworks/notice
@load base/frameworks/intel

module SSH;

export {
	redef enum Notice::Type += {
		## A host made too many attempts.
		Password_Guessing,
		## A host that did logged in.
		Login_By_Password_Guesser,
	};

	redef enum Intel::Where += {
		## A log-in that succeeded.
		SUCCESSFUL_LOGIN,
	};

	## How many attempts are too many …
	const password_guesses_limit = 30.0 &redef;

	## … within this time.
	const guessing_timeout = 30mins &redef;

	## Guessers, and the servers where they may.
	const ignore_guessers: table[subnet] of subnet = { } &redef;
}

event zeek_init()
	{
	local r1 = SumStats::Reducer($stream="ssh.login.failure", $apply=set(SumStats::SUM, SumStats::SAMPLE),
	                             $num_samples=5);
	SumStats::create(SumStats::SumStat(
		$name="detect-ssh-bruteforcing",
		$epoch=guessing_timeout,
		$reducers=set(r1),
		$threshold_val(key: SumStats::Key, result: SumStats::Result): double =
			{
			return result["ssh.login.failure"]$sum;
			},
		$threshold=password_guesses_limit,
		$threshold_crossed(key: SumStats::Key, result: SumStats::Result) =
			{
			local r = result["ssh.login.failure"];
			local servers = "";

			for ( i, s in r$samples )
				if ( s?$str )
					servers += fmt("%s%s", i == 0 ? " " : ", ", s$str);

			NOTICE(Notice::Info($note=Password_Guessing, $src=key$host, $identifier=cat(key$host),
			       $msg=fmt("%s appears to be guessing SSH passwords (seen in %d connections).", key$host, r$num),
			       $sub=fmt("Sampled servers: %s", servers)));
			}));
	}

event ssh_auth_successful(c: connection, auth_method_none: bool)
	{
	Intel::seen(Intel::Seen($host=c$id$orig_h, $conn=c, $where=SSH::SUCCESSFUL_LOGIN));
	}

event ssh_auth_failed(c: connection)
	{
	local id = c$id;

	# Such pairs may fail as often as they like.
	if ( id$orig_h in ignore_guessers && id$resp_h in ignore_guessers[id$orig_h] )
		return;

	SumStats::observe("ssh.login.failure", SumStats::Key($host=id$orig_h),
	                  SumStats::Observation($str=cat(id$resp_h)));
	}
