##! Notices about matches of indicators that ask for it.

@load base/frameworks/intel
@load base/frameworks/notice

module Intel;

export {
	redef enum Notice::Type += {
		Intel::Notice
	};

	redef record Intel::MetaData += {
		## Whether a match is a notice.
		do_notice: bool &default=F;
		## The place where it must have been seen.
		if_in: Intel::Where &default=Intel::IN_ANYWHERE;
	};
}

event Intel::match(s: Seen, items: set[Item])
	{
	for ( item in items )
		{
		if ( ! item$meta$do_notice || (item$meta$if_in != Intel::IN_ANYWHERE && s$where != item$meta$if_in) )
			next;

		local n = Notice::Info($note=Intel::Notice,
			$msg=fmt("Intel hit on %s at %s", s$indicator, s$where), $sub=s$indicator);
		local service_str = "";

		if ( s?$conn )
			{
			n$conn = s$conn;

			for ( service in s$conn$service )
				service_str += service + " ";
			}

		if ( s?$f )
			Notice::populate_file_info(s$f, n);

		local body: vector of string = vector(
			fmt("Service: %s", service_str),
			fmt("Intel source: %s", item$meta$source));

		if ( item$meta?$desc )
			body += fmt("Intel description: %s", item$meta$desc);

		if ( item$meta?$url )
			body += fmt("Intel URL: %s", item$meta$url);

		n$email_body_sections = body;
		n$identifier = cat(s$indicator, s$where, item$meta$source);
		NOTICE(n);
		}
	}
