##! Takes browsers and servers from HTTP headers.

@load base/frameworks/software
@load base/protocols/http

module HTTP;

export {
	redef enum Software::Type += {
		## The server itself …
		SERVER,
		## … and what makes its pages.
		APPSERVER,
		BROWSER,
	};

	## User agents that are not taken.
	option ignored_user_agents = /NO_DEFAULT/;
}

event http_header(c: connection, is_orig: bool, original_name: string, name: string, value: string) &priority=2
	{
	if ( is_orig )
		{
		if ( name == "USER-AGENT" && ignored_user_agents !in value )
			Software::found(c$id, Software::Info($unparsed_version=value, $host=c$id$orig_h,
			                $software_type=BROWSER));

		return;
		}

	switch ( name )
		{
		case "SERVER":
			Software::found(c$id, Software::Info($unparsed_version=value, $host=c$id$resp_h,
			                $host_p=c$id$resp_p, $software_type=SERVER));
			break;

		case "X-POWERED-BY":
			Software::found(c$id, Software::Info($unparsed_version=value, $host=c$id$resp_h,
			                $host_p=c$id$resp_p, $software_type=APPSERVER));
			break;

		case "MICROSOFTSHAREPOINTTEAMSERVICES":
			Software::found(c$id, Software::Info($unparsed_version=cat("SharePoint/", value),
			                $host=c$id$resp_h, $host_p=c$id$resp_p, $software_type=APPSERVER));
			break;
		}
	}
