##! Follows mail transactions and writes smtp.log.

@load base/utils/addrs
@load base/utils/directions-and-hosts
@load base/utils/email
@load base/protocols/conn/removal-hooks

module SMTP;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;

	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		trans_depth: count &log;
		helo: string &log &optional;
		mailfrom: string &log &optional;
		rcptto: set[string] &log &optional;
		date: string &log &optional;
		from: string &log &optional;
		to: set[string] &log &optional;
		cc: set[string] &log &optional;
		reply_to: string &log &optional;
		msg_id: string &log &optional;
		in_reply_to: string &log &optional;
		subject: string &log &optional;
		x_originating_ip: addr &log &optional;
		first_received: string &log &optional;
		second_received: string &log &optional;
		last_reply: string &log &optional;
		path: vector of addr &log &optional;
		user_agent: string &log &optional;
		tls: bool &log &default=F;
		process_received_from: bool &default=T;
		has_client_activity: bool &default=F;
		process_smtp_headers: bool &default=T;
	};

	type State: record {
		helo: string &optional;
		messages_transferred: count &default=0;
		pending_messages: set[Info] &optional;
		trans_mail_from_seen: bool &default=F;
		trans_rcpt_to_seen: bool &default=F;
		invalid_transactions: count &default=0;
		bdat_last_observed: bool &default=F;
		analyzer_id: count &optional;
	};

	## Whose mails have the path of relays written.
	option mail_path_capture: Host = ALL_HOSTS;

	## Text for people about a message.
	global describe: function(rec: Info): string;

	const ports: set[port] = { 25/tcp, 587/tcp } &redef;

	## Raised for each record that is written to smtp.log.
	global log_smtp: event(rec: Info);

	## Whether the order of commands is checked …
	option mail_transaction_validation = T;

	## … and how many errors end the analysis.
	option max_invalid_mail_transactions = 25;

	global finalize_smtp: Conn::RemovalHook;
}

redef record connection += {
	smtp: SMTP::Info &optional;
	smtp_state: SMTP::State &optional;
};

redef likely_server_ports += { ports };

event zeek_init() &priority=5
	{
	Log::create_stream(SMTP::LOG, Log::Stream($columns=SMTP::Info, $ev=log_smtp, $path="smtp", $policy=log_policy));
	Analyzer::register_for_ports(Analyzer::ANALYZER_SMTP, ports);
	}

function fresh(c: connection): Info
	{
	local rec = Info($ts=network_time(), $uid=c$uid, $id=c$id,
	                 $trans_depth=c$smtp_state$messages_transferred + 1);

	if ( c$smtp_state?$helo )
		rec$helo = c$smtp_state$helo;

	# The last hop is the one seen here.
	rec$path = vector(c$id$resp_h, c$id$orig_h);

	return rec;
	}

function set_session(c: connection)
	{
	if ( ! c?$smtp_state )
		{
		c$smtp_state = State();
		Conn::register_removal_hook(c, finalize_smtp);
		}

	if ( ! c?$smtp )
		c$smtp = fresh(c);
	}

function write_message(c: connection)
	{
	if ( c$smtp$has_client_activity )
		Log::write(SMTP::LOG, c$smtp);
	}

# A command that does not fit into the transaction.
function invalid_transaction(c: connection, why: string)
	{
	local st = c$smtp_state;
	++st$invalid_transactions;
	Reporter::conn_weird("smtp_mail_transaction_invalid", c, why, "SMTP");

	if ( st$invalid_transactions > max_invalid_mail_transactions && st?$analyzer_id )
		{
		Reporter::conn_weird("smtp_excessive_invalid_mail_transactions", c, "", "SMTP");

		if ( disable_analyzer(c$id, st$analyzer_id) )
			delete st$analyzer_id;
		}
	}

event smtp_request(c: connection, is_orig: bool, command: string, arg: string) &priority=5
	{
	set_session(c);
	local upper = to_upper(command);
	local st = c$smtp_state;

	switch ( upper )
		{
		case "HELO", "EHLO":
			st$helo = arg;
			c$smtp$helo = arg;
			break;

		case "RCPT":
			if ( /^[tT][oO]:/ !in arg )
				break;

			if ( mail_transaction_validation && ! st$trans_mail_from_seen )
				invalid_transaction(c, "rcpt to missing mail from");

			st$trans_rcpt_to_seen = T;

			if ( ! c$smtp?$rcptto )
				c$smtp$rcptto = set();

			if ( |c$smtp$rcptto| < max_rcptto_addresses )
				{
				local to = split_string1(arg, /:[[:blank:]]*/)[1];
				local found = extract_email_addrs_vec(to);

				add c$smtp$rcptto[|found| > 0 ? found[0] : to];
				}

			c$smtp$has_client_activity = T;
			break;

		case "MAIL":
			if ( /^[fF][rR][oO][mM]:/ !in arg )
				break;

			# The next message begins.
			if ( c$smtp$has_client_activity )
				{
				write_message(c);
				c$smtp = fresh(c);
				}

			st$trans_mail_from_seen = T;
			st$trans_rcpt_to_seen = F;

			local from = split_string1(arg, /:[[:blank:]]*/)[1];
			local senders = extract_email_addrs_vec(from);
			c$smtp$mailfrom = |senders| > 0 ? senders[0] : from;
			c$smtp$has_client_activity = T;
			break;

		case "DATA", "BDAT":
			if ( mail_transaction_validation && upper == "DATA" && ! st$trans_rcpt_to_seen )
				invalid_transaction(c, "data missing rcpt to");

			if ( upper == "BDAT" )
				st$bdat_last_observed = / +[lL][aA][sS][tT] *$/ in arg;

			c$smtp$has_client_activity = T;
			break;

		case "RSET":
			st$trans_mail_from_seen = F;
			st$trans_rcpt_to_seen = F;
			break;
		}
	}

event smtp_reply(c: connection, is_orig: bool, code: count, cmd: string, msg: string, cont_resp: bool) &priority=5
	{
	set_session(c);

	# A continuation says less than the line before it.
	c$smtp$last_reply = fmt("%d %s", code, msg);

	switch ( cmd )
		{
		case ".":
			c$smtp$has_client_activity = T;
			break;

		case "STARTTLS":
			if ( code == 220 )
				c$smtp$tls = T;
			break;
		}
	}

event smtp_reply(c: connection, is_orig: bool, code: count, cmd: string, msg: string, cont_resp: bool) &priority=-5
	{
	if ( cmd != "." && ! (cmd == "BDAT" && c$smtp_state$bdat_last_observed) )
		return;

	if ( cont_resp )
		return;

	local st = c$smtp_state;
	write_message(c);
	++st$messages_transferred;
	st$trans_mail_from_seen = F;
	st$trans_rcpt_to_seen = F;
	st$bdat_last_observed = F;
	c$smtp = fresh(c);
	}

event mime_one_header(c: connection, h: mime_header_rec) &priority=5
	{
	if ( ! c?$smtp || ! c$smtp$process_smtp_headers )
		return;

	local rec = c$smtp;

	switch ( h$name )
		{
		case "MESSAGE-ID":
			rec$msg_id = h$value;
			break;

		case "RECEIVED":
			if ( rec?$first_received )
				rec$second_received = rec$first_received;

			rec$first_received = h$value;
			break;

		case "IN-REPLY-TO":
			rec$in_reply_to = h$value;
			break;

		case "SUBJECT":
			rec$subject = h$value;
			break;

		case "FROM":
			rec$from = h$value;
			break;

		case "REPLY-TO":
			rec$reply_to = h$value;
			break;

		case "DATE":
			rec$date = h$value;
			break;

		case "TO":
			if ( ! rec?$to )
				rec$to = set();

			for ( one in split_mime_email_addresses(h$value) )
				if ( |rec$to| < max_to_addresses )
					add rec$to[one];
			break;

		case "CC":
			if ( ! rec?$cc )
				rec$cc = set();

			for ( copied in split_mime_email_addresses(h$value) )
				if ( |rec$cc| < max_cc_addresses )
					add rec$cc[copied];
			break;

		case "X-ORIGINATING-IP":
			local ips = extract_ip_addresses(h$value);

			if ( |ips| > 0 )
				rec$x_originating_ip = to_addr(ips[0]);
			break;

		case "USER-AGENT", "X-MAILER":
			rec$user_agent = h$value;
			break;
		}
	}

# The relays that a message came over, as its headers tell.
event mime_one_header(c: connection, h: mime_header_rec) &priority=3
	{
	if ( h$name != "RECEIVED" || ! c?$smtp || ! c$smtp$process_received_from || ! c$smtp$process_smtp_headers )
		return;

	local rec = c$smtp;
	local from = find_first(h$value, /[fF][rR][oO][mM][^;]*[bB][yY]/);
	local ips = extract_ip_addresses(from == "" ? h$value : from, T);

	if ( |ips| == 0 )
		return;

	local ip = to_addr(ips[|ips| - 1]);

	# Addresses within an organisation say nothing about the way here.
	if ( ! addr_matches_host(ip, mail_path_capture) && ! Site::is_private_addr(ip) )
		rec$process_received_from = F;

	if ( |rec$path| < max_path_length && rec$path[|rec$path| - 1] != ip )
		rec$path += ip;
	}

hook finalize_smtp(c: connection)
	{
	if ( c?$smtp )
		write_message(c);
	}

event smtp_starttls(c: connection) &priority=5
	{
	if ( c?$smtp )
		{
		c$smtp$tls = T;
		c$smtp$has_client_activity = T;
		}
	}

event analyzer_confirmation_info(atype: AllAnalyzers::Tag, info: AnalyzerConfirmationInfo) &priority=5
	{
	if ( atype != Analyzer::ANALYZER_SMTP )
		return;

	set_session(info$c);
	info$c$smtp_state$analyzer_id = info$aid;
	}

function describe(rec: Info): string
	{
	if ( ! rec?$mailfrom || ! rec?$rcptto )
		return "";

	local one = "";

	for ( to in rec$rcptto )
		{
		one = to;
		break;
		}

	local more = |rec$rcptto| > 1 ? fmt(" (plus %d others)", |rec$rcptto| - 1) : "";
	local subject = "";

	if ( rec?$subject )
		subject = ": " + (|rec$subject| > 20 ? rec$subject[:21] + "..." : rec$subject);

	return fmt("%s -> %s%s%s", rec$mailfrom, one, more, subject);
	}
