##! Takes mail programs from the headers of mails.

@load base/frameworks/software/main
@load base/protocols/smtp/main

module SMTP;

export {
	redef enum Software::Type += {
		MAIL_CLIENT,
		MAIL_SERVER,
		WEBMAIL_SERVER,
	};

	redef record Info += {
		## Whether the mail was written in a browser.
		is_webmail: bool &log &default=F;
	};

	## Whose mails are looked at.
	option detect_clients_in_messages_from: Host = LOCAL_HOSTS;

	## User agents that are programs on a web server.
	option webmail_user_agents =
		/^iPlanet Messenger/ |
		/^Sun Java\(tm\) System Messenger Express/ |
		/\(IMP\)/ |
		/^SquirrelMail/ |
		/^NeoMail/ |
		/ZimbraWebClient/;
}

event mime_one_header(c: connection, h: mime_header_rec) &priority=4
	{
	if ( ! c?$smtp )
		return;

	if ( h$name == "USER-AGENT" && webmail_user_agents in c$smtp$user_agent )
		c$smtp$is_webmail = T;
	}

event log_smtp(rec: Info)
	{
	# The header says what the writer used, not the relays.
	if ( ! rec?$user_agent )
		return;

	local s_type = MAIL_CLIENT;
	local client_ip: addr;

	if ( rec$is_webmail )
		{
		s_type = WEBMAIL_SERVER;

		# The host that the header was made on.
		client_ip = rec?$path && |rec$path| > 0 ? rec$path[|rec$path| - 1] : rec$id$orig_h;
		}
	else
		{
		if ( rec?$x_originating_ip )
			client_ip = rec$x_originating_ip;
		else if ( rec?$path && |rec$path| > 0 )
			client_ip = rec$path[|rec$path| - 1];
		else
			client_ip = rec$id$orig_h;
		}

	if ( addr_matches_host(rec$id$orig_h, detect_clients_in_messages_from) )
		Software::found(rec$id, Software::Info($unparsed_version=rec$user_agent, $host=client_ip,
		                $software_type=s_type));
	}
