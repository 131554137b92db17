##! Notices when a mail server refuses mail because of a blocklist.

@load base/frameworks/notice
@load base/protocols/smtp

module SMTP;

export {
	redef enum Notice::Type += {
		## An error message named a blocklist.
		Blocklist_Error_Message,
		## It named the host that sent the mail.
		Blocklist_Blocked_Host,
	};

	## Names of blocklists in error messages.
	option blocklist_error_messages =
		/spamhaus\.org\// |
		/sophos\.com\/security\// |
		/spamcop\.net\/bl/ |
		/cbl\.abuseat\.org\// |
		/sorbs\.net\// |
		/bsn\.borderware\.com\// |
		/mail-abuse\.com\// |
		/b\.barracudacentral\.com\// |
		/psbl\.surriel\.com\// |
		/antispam\.imp\.ch\// |
		/dyndns\.com\/.*spam/ |
		/rbl\.knology\.net\// |
		/intercept\.datapacket\.net\// |
		/uceprotect\.net\// |
		/hostkarma\.junkemailfilter\.com\//;
}

event smtp_reply(c: connection, is_orig: bool, code: count, cmd: string, msg: string, cont_resp: bool) &priority=3
	{
	if ( code < 400 || code == 421 || blocklist_error_messages !in msg )
		return;

	local note = Blocklist_Error_Message;
	local text = fmt("%s received an error message mentioning an SMTP blocklist", c$id$orig_h);

	# Is it about the sender?
	local ips = extract_ip_addresses(msg);

	if ( |ips| > 0 && to_addr(ips[0]) == c$id$orig_h )
		{
		note = Blocklist_Blocked_Host;
		text = fmt("%s is on an SMTP blocklist", c$id$orig_h);
		}

	NOTICE(Notice::Info($note=note, $conn=c, $msg=text, $sub=msg, $identifier=cat(c$id$orig_h)));
	}
