##! Notices when the path of a mail begins at a suspicious place.

@load base/frameworks/notice/main
@load base/protocols/smtp/main

module SMTP;

export {
	redef enum Notice::Type += {
		Suspicious_Origination
	};

	## Countries …
	option suspicious_origination_countries: set[string] = { };

	## … and networks that are suspicious.
	option suspicious_origination_networks: set[subnet] = { };
}

event log_smtp(rec: Info)
	{
	local ip: addr;

	if ( rec?$x_originating_ip )
		ip = rec$x_originating_ip;
	else if ( rec?$path && |rec$path| > 0 )
		ip = rec$path[|rec$path| - 1];
	else
		return;

	if ( |suspicious_origination_countries| > 0 )
		{
		local loc = lookup_location(ip);

		if ( loc?$country_code && loc$country_code in suspicious_origination_countries )
			NOTICE(Notice::Info($note=Suspicious_Origination,
			       $msg=fmt("An email originated from %s (%s).", loc$country_code, ip), $id=rec$id));
		}

	if ( ip in suspicious_origination_networks )
		NOTICE(Notice::Info($note=Suspicious_Origination,
		       $msg=fmt("An email originated from %s.", ip), $id=rec$id));
	}
