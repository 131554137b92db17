##! Adds the names of the hosts to notices that are mailed.

@load base/frameworks/notice

module Notice;

hook notice(n: Notice::Info) &priority=10
	{
	if ( ! n?$src && ! n?$dst )
		return;

	# Only mails have room for it.
	if ( ACTION_EMAIL !in n$actions && ACTION_EMAIL_ADMIN !in n$actions )
		return;

	if ( n?$src )
		{
		add n$email_delay_tokens["hostnames-src"];

		when [n] ( local src_name = lookup_addr(n$src) )
			{
			n$email_body_sections += fmt("orig/src hostname: %s", src_name);
			delete n$email_delay_tokens["hostnames-src"];
			}
		}

	if ( n?$dst )
		{
		add n$email_delay_tokens["hostnames-dst"];

		when [n] ( local dst_name = lookup_addr(n$dst) )
			{
			n$email_body_sections += fmt("resp/dst hostname: %s", dst_name);
			delete n$email_delay_tokens["hostnames-dst"];
			}
		}
	}
