##! Adds the country of the remote host to ssh.log, and notices about some.

@load base/frameworks/notice
@load base/protocols/ssh

module SSH;

export {
	redef enum Notice::Type += {
		## A log-in from or to a country that is watched.
		Watched_Country_Login,
	};

	redef record Info += {
		remote_location: geo_location &log &optional;
	};

	## Countries that are watched.
	option watched_countries: set[string] = { "RO" };
}

function get_location(c: connection): geo_location
	{
	local loc = lookup_location(c$ssh$direction == OUTBOUND ? c$id$resp_h : c$id$orig_h);
	return loc;
	}

event ssh_auth_attempted(c: connection, authenticated: bool) &priority=3
	{
	if ( ! authenticated || ! c?$ssh || ! c$ssh?$direction )
		return;

	c$ssh$remote_location = get_location(c);

	if ( c$ssh$remote_location?$country_code && c$ssh$remote_location$country_code in watched_countries )
		NOTICE(Notice::Info($note=Watched_Country_Login, $conn=c,
		       $msg=fmt("SSH login %s watched country: %s",
		                c$ssh$direction == OUTBOUND ? "to" : "from", c$ssh$remote_location$country_code)));
	}
