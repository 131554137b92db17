##! Pairs Redis commands with their replies and writes redis.log.

@load base/protocols/conn/removal-hooks

module Redis;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;
	const ports: set[port] = { 6379/tcp } &redef;
	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		cmd: Command &log;
		success: bool &log &optional;
		reply: ReplyData &log &optional;
	};

	type NoReplyRange: record {
		begin: count;
		end: count &optional;
	};

	type State: record {
		pending: table[count] of Info;
		current_command: count &default=0;
		current_reply: count &default=0;
		no_reply_ranges: vector of NoReplyRange;
		skip_commands: set[count];
		violation: bool &default=F;
		subscribed_mode: bool &default=F;
		resp_version: RESPVersion &default=RESP2;
	};

	## Commands that are answered out of band only.
	global no_response_commands: set[Redis::RedisCommand] = {
		Redis::RedisCommand_PSUBSCRIBE,
		Redis::RedisCommand_PUNSUBSCRIBE,
		Redis::RedisCommand_SSUBSCRIBE,
		Redis::RedisCommand_SUBSCRIBE,
		Redis::RedisCommand_SUNSUBSCRIBE,
		Redis::RedisCommand_UNSUBSCRIBE,
	};

	## Commands after which the server pushes messages …
	global enter_subscribed_mode: set[Redis::RedisCommand] = {
		Redis::RedisCommand_PSUBSCRIBE,
		Redis::RedisCommand_SSUBSCRIBE,
		Redis::RedisCommand_SUBSCRIBE,
	};

	## … and after which it stops.
	global exit_subscribed_mode: set[Redis::RedisCommand] = {
		Redis::RedisCommand_RESET,
		Redis::RedisCommand_QUIT,
	};

	## Commands of a connection that may wait for a reply.
	option max_pending_commands = 10000;

	## Raised for each record that is written to redis.log.
	global log_redis: event(rec: Info);

	global finalize_redis: Conn::RemovalHook;
}

redef record connection += {
	redis: Info &optional;
	redis_state: State &optional;
};

redef likely_server_ports += { ports };

event zeek_init() &priority=5
	{
	Analyzer::register_for_ports(Analyzer::ANALYZER_REDIS, ports);
	Log::create_stream(Redis::LOG, Log::Stream($columns=Info, $ev=log_redis, $path="redis", $policy=log_policy));
	}

function state_of(c: connection): State
	{
	if ( ! c?$redis_state )
		{
		c$redis_state = State();
		Conn::register_removal_hook(c, finalize_redis);
		}

	return c$redis_state;
	}

function flush_pending(st: State)
	{
	local numbers: vector of count = vector();

	for ( n in st$pending )
		numbers += n;

	sort(numbers);

	for ( i, m in numbers )
		Log::write(Redis::LOG, st$pending[m]);

	st$pending = table();
	}

# CLIENT REPLY ON, OFF and SKIP say which commands have no reply.
function note_reply_mode(st: State, cmd: Command)
	{
	if ( |cmd$raw| < 3 || to_upper(cmd$raw[0]) != "CLIENT" || to_upper(cmd$raw[1]) != "REPLY" )
		return;

	local ranges = st$no_reply_ranges;
	local last = |ranges|;

	switch ( to_upper(cmd$raw[2]) )
		{
		case "ON":
			# The answer to this one is there.
			if ( last > 0 && ! ranges[last - 1]?$end )
				ranges[last - 1]$end = st$current_command;
			break;

		case "OFF":
			if ( last == 0 || ranges[last - 1]?$end )
				st$no_reply_ranges += NoReplyRange($begin=st$current_command);
			break;

		case "SKIP":
			if ( last == 0 || ranges[last - 1]?$end )
				st$no_reply_ranges += NoReplyRange($begin=st$current_command, $end=st$current_command + 2);
			break;
		}
	}

function has_reply(st: State, n: count): bool
	{
	if ( n in st$skip_commands )
		return F;

	for ( i, r in st$no_reply_ranges )
		if ( n >= r$begin && (! r?$end || n < r$end) )
			return F;

	return T;
	}

event Redis::command(c: connection, cmd: Command)
	{
	local st = state_of(c);

	if ( |st$pending| >= max_pending_commands )
		{
		Reporter::limit_reached_weird("Redis_excessive_pipelining", c, |st$pending| + 1, max_pending_commands, "REDIS");
		flush_pending(st);
		st$current_reply = st$current_command;
		}

	++st$current_command;
	local n = st$current_command;

	if ( cmd?$known )
		{
		if ( cmd$known in no_response_commands || (st$subscribed_mode && st$resp_version == RESP2 &&
		     cmd$known !in exit_subscribed_mode) )
			add st$skip_commands[n];

		if ( cmd$known in enter_subscribed_mode )
			st$subscribed_mode = T;
		else if ( cmd$known in exit_subscribed_mode )
			st$subscribed_mode = F;
		}

	note_reply_mode(st, cmd);

	c$redis = Info($ts=network_time(), $uid=c$uid, $id=c$id, $cmd=cmd);
	st$pending[n] = c$redis;
	}

event Redis::hello_command(c: connection, hello: HelloCommand)
	{
	local st = state_of(c);

	if ( hello?$requested_resp_version && hello$requested_resp_version == "3" )
		st$resp_version = RESP3;
	}

# Gives an answer to the command that it belongs to.
function answered(c: connection, data: ReplyData, success: bool)
	{
	local st = state_of(c);

	++st$current_reply;

	while ( st$current_reply <= st$current_command && ! has_reply(st, st$current_reply) )
		{
		# Nothing more will be known of it.
		if ( st$current_reply in st$pending )
			{
			Log::write(Redis::LOG, st$pending[st$current_reply]);
			delete st$pending[st$current_reply];
			}

		delete st$skip_commands[st$current_reply];
		++st$current_reply;
		}

	local n = st$current_reply;

	if ( n !in st$pending )
		{
		# A reply to nothing.
		--st$current_reply;
		return;
		}

	c$redis = st$pending[n];
	c$redis$reply = data;
	c$redis$success = success;
	Log::write(Redis::LOG, c$redis);
	delete st$pending[n];
	}

event Redis::reply(c: connection, data: ReplyData)
	{
	answered(c, data, T);
	}

event Redis::error(c: connection, data: ReplyData)
	{
	answered(c, data, F);
	}

event analyzer_failed(ts: time, atype: AllAnalyzers::Tag, info: AnalyzerViolationInfo)
	{
	if ( atype == Analyzer::ANALYZER_REDIS && info?$c && info$c?$redis_state )
		info$c$redis_state$violation = T;
	}

hook finalize_redis(c: connection)
	{
	if ( ! c?$redis_state )
		return;

	# What came before a violation was no command.
	if ( ! c$redis_state$violation )
		flush_pending(c$redis_state);

	delete c$redis_state$pending[0];
	}
