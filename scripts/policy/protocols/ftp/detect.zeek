##! A notice when a server runs a program for a client.

@load base/frameworks/notice
@load base/protocols/ftp

module FTP;

export {
	redef enum Notice::Type += {
		## SITE EXEC succeeded.
		Site_Exec_Success
	};
}

event ftp_reply(c: connection, code: count, msg: string, cont_resp: bool) &priority=3
	{
	# Replies that begin with 2 say that the command was done.
	if ( code < 200 || code > 299 || ! c?$ftp || ! c$ftp?$cmdarg )
		return;

	local ca = c$ftp$cmdarg;

	if ( ca$cmd == "SITE" && /[Ee][Xx][Ee][Cc]/ in ca$arg )
		NOTICE(Notice::Info($note=Site_Exec_Success, $conn=c,
		       $msg=fmt("FTP command: %s %s", ca$cmd, ca$arg)));
	}
