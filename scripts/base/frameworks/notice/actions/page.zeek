##! Sends a notice to a pager by mail.

@load ../main

module Notice;

export {
	redef enum Action += {
		## Send mail to `mail_page_dest`.
		ACTION_PAGE,
	};

	option mail_page_dest: string = "" &redef;
}

hook notice(n: Notice::Info)
	{
	if ( ACTION_PAGE in n$actions && mail_page_dest != "" )
		add n$email_dest[mail_page_dest];
	}
