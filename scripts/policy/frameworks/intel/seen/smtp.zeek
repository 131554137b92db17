##! What headers of mails name.

@load base/frameworks/intel
@load base/protocols/smtp
@load base/utils/email
@load ./where-locations

module Intel;

event mime_end_entity(c: connection) &group="Intel::ADDR"
	{
	if ( ! c?$smtp )
		return;

	if ( c$smtp?$path )
		for ( i, a in c$smtp$path )
			Intel::seen(Intel::Seen($host=a, $conn=c, $where=SMTP::IN_RECEIVED_HEADER));

	if ( c$smtp?$x_originating_ip )
		Intel::seen(Intel::Seen($host=c$smtp$x_originating_ip, $conn=c,
		            $where=SMTP::IN_X_ORIGINATING_IP_HEADER));
	}

event mime_end_entity(c: connection) &group="Intel::SOFTWARE"
	{
	if ( c?$smtp && c$smtp?$user_agent )
		Intel::seen(Intel::Seen($indicator=c$smtp$user_agent, $indicator_type=Intel::SOFTWARE, $conn=c,
		            $where=SMTP::IN_HEADER));
	}

# All addresses in a text.
function seen_emails(c: connection, text: string, where: Intel::Where)
	{
	for ( i, email in extract_email_addrs_vec(text) )
		Intel::seen(Intel::Seen($indicator=email, $indicator_type=Intel::EMAIL, $conn=c, $where=where));
	}

event mime_end_entity(c: connection) &group="Intel::EMAIL"
	{
	if ( ! c?$smtp )
		return;

	local s = c$smtp;

	if ( s?$mailfrom )
		seen_emails(c, s$mailfrom, SMTP::IN_MAIL_FROM);

	if ( s?$rcptto )
		for ( rcpt in s$rcptto )
			seen_emails(c, rcpt, SMTP::IN_RCPT_TO);

	if ( s?$from )
		seen_emails(c, s$from, SMTP::IN_FROM);

	if ( s?$to )
		for ( to in s$to )
			seen_emails(c, to, SMTP::IN_TO);

	if ( s?$cc )
		for ( copied in s$cc )
			seen_emails(c, copied, SMTP::IN_CC);

	if ( s?$reply_to )
		seen_emails(c, s$reply_to, SMTP::IN_REPLY_TO);
	}
