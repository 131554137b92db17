##! Adds the names of the hosts to notices that are mailed.

@load base/frameworks/notice

module Notice;

# Notices that wait for a name.
global waiting: table[string] of Notice::Info = table() &create_expire=max_email_delay + 10secs;

hook notice(n: Notice::Info) &priority=10
	{
	if ( ! n?$src && ! n?$dst )
		return;

	# Only mails have room for it.
	if ( ACTION_EMAIL !in n$actions && ACTION_EMAIL_ADMIN !in n$actions )
		return;

	local uid = unique_id("");
	waiting[uid] = n;

	if ( n?$src )
		{
		add n$email_delay_tokens["hostnames-src"];

		when [n, uid] ( local src_name = lookup_addr(n$src) )
			{
			n$email_body_sections += fmt("orig/src hostname: %s", src_name);
			delete n$email_delay_tokens["hostnames-src"];
			}
		}

	if ( n?$dst )
		{
		add n$email_delay_tokens["hostnames-dst"];

		when [n, uid] ( local dst_name = lookup_addr(n$dst) )
			{
			n$email_body_sections += fmt("resp/dst hostname: %s", dst_name);
			delete n$email_delay_tokens["hostnames-dst"];
			}
		}
	}
