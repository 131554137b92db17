##! Writes postgresql.log: the start of sessions, queries, and what came of them.

@load base/protocols/conn/removal-hooks
@load ./consts

module PostgreSQL;

export {
	redef enum Log::ID += { LOG };

	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		user: string &log &optional;
		database: string &log &optional;
		application_name: string &log &optional;
		frontend: string &log &optional;
		frontend_arg: string &log &optional;
		backend: string &log &optional;
		backend_arg: string &log &optional;
		success: bool &log &optional;
		rows: count &log &optional;
	};

	type Version: record {
		major: count;
		minor: count;
	};

	type State: record {
		version: Version &optional;
		user: string &optional;
		database: string &optional;
		application_name: string &optional;
		rows: count &optional;
		errors: vector of string;
	};

	const ports: set[port] = { 5432/tcp } &redef;

	## Raised for each record that is written to postgresql.log.
	global log_postgresql: event(rec: Info);
	global finalize_postgresql: Conn::RemovalHook;
}

redef record connection += {
	postgresql: Info &optional;
	postgresql_state: State &optional;
};

redef likely_server_ports += { ports };

event zeek_init() &priority=5
	{
	Analyzer::register_for_ports(Analyzer::ANALYZER_POSTGRESQL, ports);
	Log::create_stream(PostgreSQL::LOG, Log::Stream($columns=Info, $ev=log_postgresql, $path="postgresql"));
	}

function set_session(c: connection)
	{
	if ( ! c?$postgresql_state )
		{
		c$postgresql_state = State();
		Conn::register_removal_hook(c, finalize_postgresql);
		}

	if ( c?$postgresql )
		return;

	local rec = Info($ts=network_time(), $uid=c$uid, $id=c$id);
	local st = c$postgresql_state;

	if ( st?$user )
		rec$user = st$user;

	if ( st?$database )
		rec$database = st$database;

	if ( st?$application_name )
		rec$application_name = st$application_name;

	c$postgresql = rec;
	}

function write_log(c: connection)
	{
	if ( c?$postgresql )
		{
		Log::write(PostgreSQL::LOG, c$postgresql);
		delete c$postgresql;
		}
	}

function add_backend(rec: Info, what: string)
	{
	rec$backend = rec?$backend ? rec$backend + "," + what : what;
	}

function add_backend_arg(rec: Info, what: string)
	{
	rec$backend_arg = rec?$backend_arg ? rec$backend_arg + "," + what : what;
	}

event PostgreSQL::startup_parameter(c: connection, name: string, value: string)
	{
	set_session(c);

	switch ( name )
		{
		case "user":
			c$postgresql_state$user = value;
			c$postgresql$user = value;
			break;

		case "database":
			c$postgresql_state$database = value;
			c$postgresql$database = value;
			break;

		case "application_name":
			c$postgresql_state$application_name = value;
			c$postgresql$application_name = value;
			break;
		}
	}

event PostgreSQL::startup_message(c: connection, major: count, minor: count)
	{
	set_session(c);
	c$postgresql_state$version = Version($major=major, $minor=minor);
	c$postgresql$frontend = "startup";
	}

event PostgreSQL::ssl_request(c: connection)
	{
	set_session(c);
	c$postgresql$frontend = "ssl_request";
	}

event PostgreSQL::ssl_reply(c: connection, b: string)
	{
	if ( ! c?$postgresql )
		return;

	c$postgresql$backend = "ssl_reply";
	c$postgresql$backend_arg = b;
	c$postgresql$success = b == "S";
	write_log(c);
	}

event PostgreSQL::authentication_request(c: connection, identifier: count, data: string)
	{
	set_session(c);
	add_backend(c$postgresql, "auth_request");
	add_backend_arg(c$postgresql, auth_ids[identifier]);
	}

event PostgreSQL::authentication_ok(c: connection)
	{
	set_session(c);

	# How it went there matters no more.
	c$postgresql$backend = "auth_ok";
	c$postgresql$success = T;
	}

event PostgreSQL::terminate(c: connection)
	{
	write_log(c);
	set_session(c);
	c$postgresql$frontend = "terminate";
	write_log(c);
	}

event PostgreSQL::simple_query(c: connection, query: string)
	{
	set_session(c);
	c$postgresql$frontend = "simple_query";
	c$postgresql$frontend_arg = query;
	c$postgresql_state$rows = 0;
	}

event PostgreSQL::data_row(c: connection, column_values: count)
	{
	if ( c?$postgresql_state && c$postgresql_state?$rows )
		++c$postgresql_state$rows;
	}

event PostgreSQL::error_response_identified_field(c: connection, code: string, value: string)
	{
	set_session(c);
	c$postgresql_state$errors += fmt("%s=%s", error_ids[code], value);
	}

event PostgreSQL::notice_response_identified_field(c: connection, code: string, value: string)
	{
	set_session(c);
	add_backend_arg(c$postgresql, fmt("%s=%s", error_ids[code], value));
	}

event PostgreSQL::error_response(c: connection)
	{
	set_session(c);
	local rec = c$postgresql;
	local st = c$postgresql_state;

	add_backend(rec, "error");

	if ( |st$errors| > 0 )
		add_backend_arg(rec, join_string_vec(st$errors, ","));

	st$errors = vector();
	rec$success = F;
	write_log(c);
	delete st$rows;
	}

event PostgreSQL::ready_for_query(c: connection, transaction_status: string)
	{
	if ( ! c?$postgresql )
		return;

	local st = c$postgresql_state;
	c$postgresql$success = T;

	if ( st?$rows )
		{
		c$postgresql$rows = st$rows;
		delete st$rows;
		}

	write_log(c);
	}

hook finalize_postgresql(c: connection)
	{
	write_log(c);
	}
