##! Follows FTP sessions and writes ftp.log; expects the data connections.

@load ./info
@load ./utils
@load ./utils-commands
@load base/utils/paths
@load base/utils/numbers
@load base/utils/addrs
@load base/frameworks/analyzer
@load base/frameworks/cluster
@load base/protocols/conn/removal-hooks

module FTP;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;

	## Commands whose replies are logged.
	option logged_commands: set[string] = { "ACCT", "APPE", "DELE", "EPRT", "EPSV", "PASV", "PORT", "RETR", "STOR", "STOU" };

	## Whether a session without any of them has its last command logged.
	option log_at_least_one_command = T;

	## Users whose passwords are no secret.
	option guest_ids: set[string] = { "anonymous", "ftp", "ftpuser", "guest" };

	const ports: set[port] = { 21/tcp, 2811/tcp } &redef;

	## A reply code by its digits.
	type ReplyCode: record {
		x: count;
		y: count;
		z: count;
	};

	global parse_ftp_reply_code: function(code: count): ReplyCode;

	## Raised for each record that is written to ftp.log.
	global log_ftp: event(rec: Info);

	## Limits for what is kept of a session.
	option max_user_length = 128;
	option max_password_length = 128;
	option max_arg_length = 4096;
	option max_reply_msg_length = 4096;

	option max_pending_commands = 20;
	option max_expected_data_channels = 100000;

	global finalize_ftp: Conn::RemovalHook;

	## Finalizer of data connections.
	global finalize_ftp_data: hook(c: connection);

	redef record Info += {
		logged_command_seen: bool &default=F;
		## The file that the command transferred.
		fuid: string &optional &log;
	};
}

module GLOBAL;

export {
	## Tell the workers of a cluster which data connections belong to whose session.
	global sync_add_expected_data: event(s: FTP::Info, chan: FTP::ExpectedDataChannel);
	global sync_remove_expected_data: event(resp_h: addr, resp_p: port);
}

module FTP;

redef likely_server_ports += { ports };

# Data connections that sessions announced.
global ftp_data_expected: table[addr, port] of Info &read_expire=5mins;

# Commands whose argument is a file.
const file_cmds = {
	"APPE", "CWD", "DELE", "MKD", "RETR", "RMD", "RNFR", "RNTO", "STOR", "STOU", "REST", "SIZE", "MDTM"
};

event zeek_init() &priority=5
	{
	Log::create_stream(FTP::LOG, Log::Stream($columns=Info, $ev=log_ftp, $path="ftp", $policy=log_policy));
	Analyzer::register_for_ports(Analyzer::ANALYZER_FTP, ports);
	}

function parse_ftp_reply_code(code: count): ReplyCode
	{
	return ReplyCode($x=code / 100, $y=(code / 10) % 10, $z=code % 10);
	}

function set_session(c: connection)
	{
	if ( c?$ftp )
		return;

	c$ftp = Info($ts=network_time(), $uid=c$uid, $id=c$id, $capture_password=default_capture_password);
	Conn::register_removal_hook(c, finalize_ftp);

	# The server speaks first, so that its greeting has something to answer.
	add_pending_cmd(c$ftp$pending_commands, ++c$ftp$command_seq, "<init>", "");
	}

function too_long(c: connection, s: string, max: count, weird: string): bool
	{
	if ( |s| <= max )
		return F;

	Reporter::conn_weird(weird, c, cat(|s|), "FTP");
	return T;
	}

# Cuts what is about to be logged.
function shorten(c: connection, rec: Info)
	{
	if ( too_long(c, rec$user, max_user_length, "FTP_user_too_long") )
		rec$user = rec$user[:max_user_length];

	if ( rec?$password && too_long(c, rec$password, max_password_length, "FTP_password_too_long") )
		rec$password = rec$password[:max_password_length];

	if ( rec?$arg && too_long(c, rec$arg, max_arg_length, "FTP_arg_too_long") )
		rec$arg = rec$arg[:max_arg_length];

	if ( rec?$reply_msg && too_long(c, rec$reply_msg, max_reply_msg_length, "FTP_reply_msg_too_long") )
		rec$reply_msg = rec$reply_msg[:max_reply_msg_length];
	}

# Writes the command that is over; the next one has begun.
function write_message(c: connection, rec: Info)
	{
	local ca = rec$cmdarg;
	rec$ts = ca$ts;
	rec$command = ca$cmd;

	rec$arg = ca$arg;

	if ( ca$cmd in file_cmds )
		rec$arg = build_url_ftp(rec);
	else if ( ca$arg == "" )
		delete rec$arg;

	shorten(c, rec);

	if ( rec?$password && ! rec$capture_password && to_lower(rec$user) !in guest_ids )
		{
		rec$password = "<hidden>";

		if ( ca$cmd == "PASS" )
			rec$arg = "<hidden>";
		}

	rec$logged_command_seen = T;
	Log::write(FTP::LOG, rec);
	}

# What was known of the command does not belong to the next one.
function forget_command(rec: Info)
	{
	delete rec$mime_type;
	delete rec$file_size;
	delete rec$data_channel;
	delete rec$fuid;
	}

# The replies to a command are complete.
function end_command(c: connection, rec: Info)
	{
	remove_pending_cmd(rec$pending_commands, rec$cmdarg);

	if ( rec$cmdarg$cmd in logged_commands )
		write_message(c, rec);

	forget_command(rec);
	delete rec$cmdarg;
	}

@if ( Cluster::is_enabled() )

# Whether a channel's packets go to another worker than those of the session that announced it.
function is_elsewhere(session: conn_id, orig_h: addr, resp_h: addr): bool
	{
	if ( ! Cluster::keeps_hosts_together )
		return T;

	return ! ((orig_h == session$orig_h && resp_h == session$resp_h) ||
	          (orig_h == session$resp_h && resp_h == session$orig_h));
	}

# What other workers need of a session to tell of its files.
function minimal_info(s: Info): Info
	{
	local rec = Info($ts=s$ts, $uid=s$uid, $id=s$id, $user=s$user, $capture_password=s$capture_password,
	                 $cwd=s$cwd, $passive=s$passive);

	if ( s?$password && (s$capture_password || to_lower(s$user) in guest_ids) )
		rec$password = s$password;

	if ( s?$cmdarg )
		rec$cmdarg = s$cmdarg;

	return rec;
	}

event sync_add_expected_data(s: FTP::Info, chan: FTP::ExpectedDataChannel)
	{
	if ( Cluster::passes_on() )
		{
		Cluster::publish(Cluster::worker_topic, sync_add_expected_data, s, chan);
		return;
		}

	# The worker that has the session hears of it as well, and knows more.
	if ( [chan$resp_h, chan$resp_p] in ftp_data_expected || |ftp_data_expected| >= max_expected_data_channels )
		return;

	ftp_data_expected[chan$resp_h, chan$resp_p] = s;
	Analyzer::schedule_analyzer(chan$orig_h, chan$resp_h, chan$resp_p, Analyzer::ANALYZER_FTP_DATA, 5mins);
	}

event sync_remove_expected_data(resp_h: addr, resp_p: port)
	{
	if ( Cluster::passes_on() )
		Cluster::publish(Cluster::worker_topic, sync_remove_expected_data, resp_h, resp_p);
	else
		delete ftp_data_expected[resp_h, resp_p];
	}

@endif

function expect_data_channel(c: connection, chan: ExpectedDataChannel)
	{
	c$ftp$passive = chan$passive;
	c$ftp$data_channel = chan;

	if ( |ftp_data_expected| >= max_expected_data_channels )
		{
		Reporter::conn_weird("FTP_too_many_expected_data_channels", c, cat(max_expected_data_channels), "FTP");
		return;
		}

	ftp_data_expected[chan$resp_h, chan$resp_p] = c$ftp;
	Analyzer::schedule_analyzer(chan$orig_h, chan$resp_h, chan$resp_p, Analyzer::ANALYZER_FTP_DATA, 5mins);

	# Another worker may be the one that sees the data.
	@if ( Cluster::is_enabled() )
		if ( is_elsewhere(c$id, chan$orig_h, chan$resp_h) )
			Cluster::publish(Cluster::way_to_workers("FTP"), sync_add_expected_data, minimal_info(c$ftp), chan);
	@endif
	}

event ftp_request(c: connection, command: string, arg: string) &priority=5
	{
	set_session(c);
	local rec = c$ftp;

	# All replies to the command before are in.
	if ( rec?$cmdarg && rec?$reply_code )
		end_command(c, rec);

	if ( |rec$pending_commands| >= max_pending_commands )
		{
		Reporter::conn_weird("FTP_too_many_pending_commands", c, cat(|rec$pending_commands|), "FTP");

		# Makes room: what has waited longest gets no reply any more.
		local oldest = 0;

		for ( n, waiting in rec$pending_commands )
			if ( oldest == 0 || n < oldest )
				oldest = n;

		delete rec$pending_commands[oldest];
		}

	rec$cmdarg = add_pending_cmd(rec$pending_commands, ++rec$command_seq, command, arg);

	switch ( command )
		{
		case "USER":
			rec$user = arg;
			break;

		case "PASS":
			rec$password = arg;
			break;

		case "PORT", "EPRT":
			local pd = command == "PORT" ? parse_ftp_port(arg) : parse_eftp_port(arg);

			if ( pd$valid )
				expect_data_channel(c, ExpectedDataChannel($passive=F, $orig_h=c$id$resp_h,
				                                           $resp_h=pd$h, $resp_p=pd$p));
			break;
		}
	}

event ftp_reply(c: connection, code: count, msg: string, cont_resp: bool) &priority=5
	{
	set_session(c);
	local rec = c$ftp;

	# Lines in between have no code that would tell what they belong to.
	if ( cont_resp )
		return;

	rec$cmdarg = get_pending_cmd(rec$pending_commands, code, msg);
	rec$reply_code = code;
	rec$reply_msg = msg;

	local cmd = rec$cmdarg$cmd;

	switch ( code )
		{
		case 150:
			if ( cmd == "RETR" )
				rec$file_size = extract_count(find_first(msg, /[0-9]+[ ]+/));
			break;

		case 213:
			if ( cmd == "SIZE" && /^[0-9]+[[:space:]]*$/ in msg )
				rec$file_size = extract_count(msg);
			break;

		case 227, 229:
			if ( cmd != "PASV" && cmd != "EPSV" )
				break;

			local data = code == 227 ? parse_ftp_pasv(msg) : parse_ftp_epsv(msg);

			if ( ! data$valid )
				break;

			# The extended form leaves the address out.
			if ( code == 229 && data$h == [::] )
				data$h = c$id$resp_h;

			expect_data_channel(c, ExpectedDataChannel($passive=T, $orig_h=c$id$orig_h,
			                                           $resp_h=data$h, $resp_p=data$p));
			break;

		case 250:
			if ( rec$cmdarg$cwd_consumed )
				break;

			if ( cmd == "CWD" )
				{
				rec$cmdarg$cwd_consumed = T;
				local dir = rec$cmdarg$arg;

				if ( dir != "" && dir[0] == "/" )
					rec$cwd = dir;
				else
					rec$cwd = build_path_compressed(rec$cwd, dir);
				}
			else if ( cmd == "CDUP" )
				{
				rec$cmdarg$cwd_consumed = T;
				rec$cwd = build_path_compressed(rec$cwd, "/..");
				}
			break;

		case 257:
			if ( cmd == "PWD" || cmd == "XPWD" )
				{
				local path = extract_path(msg);

				if ( path != "" )
					rec$cwd = path;
				}
			break;
		}
	}

event ftp_reply(c: connection, code: count, msg: string, cont_resp: bool) &priority=-5
	{
	if ( cont_resp || (code >= 100 && code <= 199) )
		return;

	# With more commands waiting nothing else is to come for this one. A greeting
	# that nobody saw does not count.
	local waiting = |c$ftp$pending_commands|;

	if ( 1 in c$ftp$pending_commands && c$ftp$cmdarg$seq != 1 )
		--waiting;

	if ( waiting > 1 )
		end_command(c, c$ftp);
	}

event ftp_starttls(c: connection) &priority=5
	{
	# What follows cannot be read; no answer to the command will come.
	set_session(c);
	}

event scheduled_analyzer_applied(c: connection, a: Analyzer::Tag) &priority=10
	{
	if ( a != Analyzer::ANALYZER_FTP_DATA )
		return;

	add c$service["ftp-data"];
	Conn::register_removal_hook(c, finalize_ftp_data);
	}

event file_transferred(c: connection, prefix: string, descr: string, mime_type: string) &priority=5
	{
	local id = c$id;

	if ( [id$resp_h, id$resp_p] in ftp_data_expected )
		ftp_data_expected[id$resp_h, id$resp_p]$mime_type = split_string1(mime_type, /;/)[0];
	}

event connection_reused(c: connection) &priority=5
	{
	if ( "ftp-data" in c$service )
		c$ftp_data_reuse = T;
	}

hook finalize_ftp_data(c: connection)
	{
	if ( c$ftp_data_reuse || [c$id$resp_h, c$id$resp_p] !in ftp_data_expected )
		return;

	@if ( Cluster::is_enabled() )
	local session = ftp_data_expected[c$id$resp_h, c$id$resp_p]$id;
	@endif

	delete ftp_data_expected[c$id$resp_h, c$id$resp_p];

	@if ( Cluster::is_enabled() )
		if ( is_elsewhere(session, c$id$orig_h, c$id$resp_h) )
			Cluster::publish(Cluster::way_to_workers("FTP"), sync_remove_expected_data, c$id$resp_h, c$id$resp_p);
	@endif
	}

hook finalize_ftp(c: connection)
	{
	if ( ! c?$ftp )
		return;

	local rec = c$ftp;

	if ( ! rec?$cmdarg )
		return;

	if ( rec$cmdarg$cmd in logged_commands || (log_at_least_one_command && ! rec$logged_command_seen) )
		write_message(c, rec);
	}
