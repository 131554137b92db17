##! Keeps the messages of the engine and of scripts in reporter.log.

module Reporter;

export {
	redef enum Log::ID += { LOG };

	type Info: record {
		## Network time of the message.
		ts: time &log;
		level: Level &log;
		message: string &log;
		## File and line in script code, or empty.
		location: string &log &optional;
	};

	global log_policy: Log::PolicyHook;
}

event zeek_init() &priority=5
	{
	Log::create_stream(LOG, Log::Stream($columns=Info, $path="reporter", $policy=log_policy));
	}

event reporter_info(t: time, msg: string, location: string) &priority=-5
	{
	Log::write(LOG, Info($ts=t, $level=INFO, $message=msg, $location=location));
	}

event reporter_warning(t: time, msg: string, location: string) &priority=-5
	{
	Log::write(LOG, Info($ts=t, $level=WARNING, $message=msg, $location=location));
	}

event reporter_error(t: time, msg: string, location: string) &priority=-5
	{
	Log::write(LOG, Info($ts=t, $level=ERROR, $message=msg, $location=location));
	}
