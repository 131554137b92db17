##! Takes plug-ins of browsers from what they send.

@load base/frameworks/software
@load base/protocols/http

module HTTP;

export {
	redef record Info += {
		## Whether the server counts visitors with Omniture.
		omniture: bool &default=F;
		## Version of Flash that the client told.
		flash_version: string &optional;
	};

	redef enum Software::Type += {
		BROWSER_PLUGIN
	};
}

event http_header(c: connection, is_orig: bool, original_name: string, name: string, value: string) &priority=3
	{
	if ( is_orig )
		{
		if ( name == "X-FLASH-VERSION" )
			# Groups of the version are parted by commas.
			c$http$flash_version = cat("Flash/", value);
		}
	else if ( name == "SERVER" && /^Omniture/ in value )
		c$http$omniture = T;
	}

event http_message_done(c: connection, is_orig: bool, stat: http_message_stat)
	{
	if ( is_orig )
		{
		if ( c$http?$flash_version )
			{
			Software::found(c$id, Software::Info($unparsed_version=c$http$flash_version, $host=c$id$orig_h,
			                $software_type=BROWSER_PLUGIN));
			delete c$http$flash_version;
			}

		return;
		}

	if ( ! c$http$omniture || ! c$http?$uri )
		return;

	# The plug-ins are listed in a parameter.
	local parts = split_string_all(c$http$uri, /&p=([^&]{5,});&/);

	for ( i, part in parts )
		if ( i % 2 == 1 )
			# Ends with a semicolon before the next parameter.
			for ( j, plugin in split_string(sub(sub(part, /^&p=/, ""), /;&$/, ""), /;/) )
				if ( plugin != "" )
					Software::found(c$id, Software::Info($unparsed_version=plugin, $host=c$id$orig_h,
					                $software_type=BROWSER_PLUGIN));
	}
