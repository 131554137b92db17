##! Mails a notice to those who are responsible for the hosts in it.

@load ../main
@load base/utils/site

module Notice;

export {
	redef enum Action += {
		## Send mail to the administrators of source and destination, see `Site::local_admins`.
		ACTION_EMAIL_ADMIN,
	};
}

hook notice(n: Notice::Info)
	{
	if ( ACTION_EMAIL_ADMIN !in n$actions || |Site::local_admins| == 0 )
		return;

	local dest = "";

	if ( n?$src )
		dest = Site::get_emails(n$src);

	if ( n?$dst )
		{
		local more = Site::get_emails(n$dst);

		if ( more != "" )
			dest = dest == "" ? more : fmt("%s, %s", dest, more);
		}

	if ( dest != "" )
		add n$email_dest[dest];
	}
