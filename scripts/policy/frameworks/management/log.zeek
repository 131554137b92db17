##! management.log, in which controllers, agents and nodes say what they do.

@load base/frameworks/logging
@load ./config

module Management::Log;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;

	type Level: enum {
		DEBUG,
		INFO,
		WARNING,
		ERROR,
	};

	type Info: record {
		ts: time;
		## The name of the process, and what it is.
		node: string;
		level: string;
		role: string;
		message: string;
	} &log;

	## What is below this is not logged.
	global level = INFO &redef;

	global debug: function(message: string);
	global info: function(message: string);
	global warning: function(message: string);
	global error: function(message: string);
}

# Enumerators as they stand in the log.
function bare_name(what: string): string
	{
	return sub(what, /^.*::/, "");
	}

function write(severity: Level, message: string)
	{
	if ( enum_to_int(severity) < enum_to_int(level) )
		return;

	local who = Supervisor::is_supervised() ? Supervisor::node()$name : gethostname();
	Log::write(LOG, Info($ts=current_time(), $node=who, $level=bare_name(cat(severity)),
	                     $role=bare_name(cat(Management::role)), $message=message));
	}

function debug(message: string)
	{
	write(DEBUG, message);
	}

function info(message: string)
	{
	write(INFO, message);
	}

function warning(message: string)
	{
	write(WARNING, message);
	}

function error(message: string)
	{
	write(ERROR, message);
	}

event zeek_init() &priority=5
	{
	Log::create_stream(LOG, Log::Stream($columns=Info, $path="management", $policy=log_policy));
	}
