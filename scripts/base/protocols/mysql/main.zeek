##! Writes mysql.log: commands and what came of them.

@load base/protocols/conn/removal-hooks
@load ./consts

module MySQL;

export {
	redef enum Log::ID += { mysql::LOG };

	global log_policy: Log::PolicyHook;
	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		cmd: string &log;
		arg: string &log;
		success: bool &log &optional;
		rows: count &log &optional;
		response: string &log &optional;
	};

	## Raised for each record that is written to mysql.log.
	global log_mysql: event(rec: Info);
	global finalize_mysql: Conn::RemovalHook;

	const ports: set[port] = { 1434/tcp, 3306/tcp } &redef;
}

redef record connection += {
	mysql: Info &optional;
};

redef likely_server_ports += { ports };

event zeek_init() &priority=5
	{
	Log::create_stream(mysql::LOG, Log::Stream($columns=Info, $ev=log_mysql, $path="mysql", $policy=log_policy));
	Analyzer::register_for_ports(Analyzer::ANALYZER_MYSQL, ports);
	}

function start(c: connection, cmd: string, arg: string)
	{
	# The command before got no answer.
	if ( c?$mysql )
		Log::write(mysql::LOG, c$mysql);

	c$mysql = Info($ts=network_time(), $uid=c$uid, $id=c$id, $cmd=cmd, $arg=arg);
	Conn::register_removal_hook(c, finalize_mysql);
	}

event mysql_handshake(c: connection, username: string) &priority=5
	{
	start(c, "login", username);
	}

event mysql_command_request(c: connection, command: count, arg: string) &priority=5
	{
	start(c, commands[command], sub(arg, /\x00$/, ""));
	}

# How the two agree on who is there is not logged; handled so that the events are raised for whoever watches them all.
event mysql_auth_switch_request(c: connection, name: string, data: string) &priority=5
	{
	}

event mysql_auth_more_data(c: connection, is_orig: bool, data: string) &priority=5
	{
	}

event mysql_change_user(c: connection, username: string) &priority=5
	{
	if ( c?$mysql )
		c$mysql$arg = username;
	}

event mysql_command_request(c: connection, command: count, arg: string) &priority=-5
	{
	# Nobody answers these.
	if ( c?$mysql && c$mysql?$cmd && c$mysql$cmd == "quit" )
		{
		Log::write(mysql::LOG, c$mysql);
		delete c$mysql;
		}
	}

event mysql_error(c: connection, code: count, msg: string) &priority=5
	{
	if ( c?$mysql )
		{
		c$mysql$success = F;
		c$mysql$response = msg;
		}
	}

event mysql_error(c: connection, code: count, msg: string) &priority=-5
	{
	if ( c?$mysql )
		{
		Log::write(mysql::LOG, c$mysql);
		delete c$mysql;
		}
	}

event mysql_ok(c: connection, affected_rows: count) &priority=5
	{
	if ( c?$mysql )
		{
		c$mysql$success = T;
		c$mysql$rows = affected_rows;
		}
	}

event mysql_ok(c: connection, affected_rows: count) &priority=-5
	{
	if ( c?$mysql )
		{
		Log::write(mysql::LOG, c$mysql);
		delete c$mysql;
		}
	}

event mysql_eof(c: connection, is_intermediate: bool) &priority=-5
	{
	if ( is_intermediate || ! c?$mysql )
		return;

	# Rows of a result are not counted.
	c$mysql$success = T;
	c$mysql$rows = 0;
	Log::write(mysql::LOG, c$mysql);
	delete c$mysql;
	}

hook finalize_mysql(c: connection)
	{
	if ( c?$mysql )
		{
		Log::write(mysql::LOG, c$mysql);
		delete c$mysql;
		}
	}
