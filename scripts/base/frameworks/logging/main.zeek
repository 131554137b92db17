##! Log streams and their filters: everything between a script's record and the native writers.

module Log;

export {
	## Runs for every record before any filter; breaking vetoes the record.
	type StreamPolicyHook: hook(rec: any, id: ID);

	## One redirected `print`.
	type PrintLogInfo: record {
		ts: time &log;
		vals: string_vec &log;
	};

	## Raised for each record of the print log.
	global log_print: event(rec: PrintLogInfo);

	## The time stamp in the names of rotated files.
	const default_rotation_date_format: string = "%Y-%m-%d-%H-%M-%S" &redef;

	## Shell command to run for each rotated file.
	const default_rotation_postprocessor_cmd: string = "" &redef;

	## Environment of that command: each entry is passed as ``ZEEK_ARG_<KEY>``.
	option default_rotation_postprocessor_cmd_env: table[string] of string = {} &redef;

	## What to do with a rotated file of a writer whose filter has no postprocessor.
	const default_rotation_postprocessors: table[Writer] of function(info: RotationInfo): bool = {} &redef;

	## How often alarms are mailed.
	const default_mail_alarms_interval: interval = 0sec &redef;

	## What `get_filter` returns for an unknown filter.
	const no_filter: Filter = Filter($name="<not found>");

	## Streams that are enabled.
	global active_streams: table[ID] of Stream = table();

	## Sees every record of every stream.
	global log_stream_policy: StreamPolicyHook;

	global create_stream: function(id: ID, stream: Stream): bool;
	global remove_stream: function(id: ID): bool;
	global enable_stream: function(id: ID): bool;
	global disable_stream: function(id: ID): bool;
	global add_filter: function(id: ID, filter: Filter): bool;
	global remove_filter: function(id: ID, name: string): bool;
	global get_filter_names: function(id: ID): set[string];
	global get_filter: function(id: ID, name: string): Filter;
	global write: function(id: ID, columns: any): bool;
	global set_buf: function(id: ID, buffered: bool): bool;
	global flush: function(id: ID): bool;
	global add_default_filter: function(id: ID): bool;
	global remove_default_filter: function(id: ID): bool;
	global run_rotation_postprocessor_cmd: function(info: RotationInfo, npath: string): bool;
	global default_path_func: function(id: ID, path: string, rec: any): string;
	global empty_post_delay_cb: function(rec: any, id: ID): bool;
	global delay: function(id: ID, rec: any, post_delay_cb: PostDelayCallback &default=empty_post_delay_cb): DelayToken;
	global delay_finish: function(id: ID, rec: any, token: DelayToken): bool;
	global set_max_delay_interval: function(id: ID, max_delay: interval): bool;
	global set_max_delay_queue_size: function(id: ID, max_size: count): bool;
	global get_delay_queue_size: function(id: ID): int;
}

export {
	## The default postprocessor of the ASCII writer; defined with the writer.
	global LogAscii::default_rotation_postprocessor_func: function(info: Log::RotationInfo): bool;
}

# Every stream that exists, also disabled ones, and every filter by stream and name.
global streams: table[ID] of Stream;
global filters: table[ID, string] of Filter;

function plain_ascii_rotation(ri: RotationFmtInfo): bool
	{
	if ( ri$writer != WRITER_ASCII )
		return F;

	if ( WRITER_ASCII !in default_rotation_postprocessors ||
	     default_rotation_postprocessors[WRITER_ASCII] != LogAscii::default_rotation_postprocessor_func )
		return F;

	return ! ri?$postprocessor || ri$postprocessor == LogAscii::default_rotation_postprocessor_func;
	}

export {
	## Where a rotated file goes and what it is called.
	global rotation_format_func: function(ri: RotationFmtInfo): RotationPath = function(ri: RotationFmtInfo): RotationPath
		{
		if ( plain_ascii_rotation(ri) )
			return RotationPath($file_basename=fmt("%s.%s", ri$path, strftime(default_rotation_date_format, ri$open)));

		return RotationPath($file_basename=fmt("%s-%s", ri$path, strftime("%y-%m-%d_%H.%M.%S", ri$open)));
		} &redef;
}

# CamelCase to snake_case: a border is a character that is no capital before a capital with a small letter after it.
function snake_case(name: string): string
	{
	local out = "";
	local n = |name|;
	local i = 0;

	while ( i < n )
		{
		if ( i > 0 && i + 1 < n && /[A-Z]/ == name[i] && /[a-z]/ == name[i + 1] && /[^A-Z]/ == name[i - 1] )
			out += "_";

		out += name[i];
		++i;
		}

	return to_lower(out);
	}

function default_path_func(id: ID, path: string, rec: any): string
	{
	if ( path != "" )
		return path;

	local parts = split_string1(fmt("%s", id), /::/);

	if ( |parts| != 2 )
		return to_lower(parts[0]);

	local base = snake_case(parts[0]);

	if ( parts[1] == "LOG" )
		return base;

	return fmt("%s_%s", base, to_lower(sub(parts[1], /_LOG$/, "")));
	}

function run_rotation_postprocessor_cmd(info: RotationInfo, npath: string): bool
	{
	local cmd = default_rotation_postprocessor_cmd;

	if ( cmd == "" )
		return T;

	local stamp = "%y-%m-%d_%H.%M.%S";
	local line = fmt("%s %s %s %s %s %d %s", cmd, safe_shell_quote(npath), safe_shell_quote(info$path),
	                 strftime(stamp, info$open), strftime(stamp, info$close), info$terminating,
	                 to_lower(sub(fmt("%s", info$writer), /^.*WRITER_/, "")));

	system_env(line, default_rotation_postprocessor_cmd_env);
	return T;
	}

function create_stream(id: ID, stream: Stream): bool
	{
	if ( ! __create_stream(id, stream) )
		return F;

	streams[id] = stream;
	active_streams[id] = stream;
	return add_default_filter(id);
	}

function remove_stream(id: ID): bool
	{
	delete active_streams[id];
	delete streams[id];

	for ( name in get_filter_names(id) )
		delete filters[id, name];

	return __remove_stream(id);
	}

function switch_event_groups(stream: Stream, on: bool)
	{
	for ( g in stream$event_groups )
		{
		if ( has_event_group(g) )
			{
			if ( on )
				enable_event_group(g);
			else
				disable_event_group(g);
			}

		if ( has_module_events(g) )
			{
			if ( on )
				enable_module_events(g);
			else
				disable_module_events(g);
			}
		}
	}

function enable_stream(id: ID): bool
	{
	if ( ! __enable_stream(id) )
		return F;

	if ( id in streams )
		{
		active_streams[id] = streams[id];
		switch_event_groups(streams[id], T);
		}

	return T;
	}

function disable_stream(id: ID): bool
	{
	if ( ! __disable_stream(id) )
		return F;

	delete active_streams[id];

	if ( id in streams )
		switch_event_groups(streams[id], F);

	return T;
	}

function add_filter(id: ID, filter: Filter): bool
	{
	if ( id in streams )
		{
		local stream = streams[id];

		if ( ! filter?$path && stream?$path )
			filter$path = stream$path;

		if ( ! filter?$policy && stream?$policy )
			filter$policy = stream$policy;
		}

	if ( ! filter?$path && ! filter?$path_func )
		filter$path_func = default_path_func;

	if ( ! __add_filter(id, filter) )
		return F;

	filters[id, filter$name] = filter;
	return T;
	}

function remove_filter(id: ID, name: string): bool
	{
	delete filters[id, name];
	return __remove_filter(id, name);
	}

function get_filter(id: ID, name: string): Filter
	{
	if ( [id, name] in filters )
		return filters[id, name];

	return no_filter;
	}

function get_filter_names(id: ID): set[string]
	{
	local names: set[string] = set();

	for ( [stream, name] in filters )
		{
		if ( stream == id )
			add names[name];
		}

	return names;
	}

function write(id: ID, columns: any): bool
	{
	return __write(id, columns);
	}

function set_buf(id: ID, buffered: bool): bool
	{
	return __set_buf(id, buffered);
	}

function flush(id: ID): bool
	{
	return __flush(id);
	}

function add_default_filter(id: ID): bool
	{
	return add_filter(id, Filter($name="default"));
	}

function remove_default_filter(id: ID): bool
	{
	return remove_filter(id, "default");
	}

function empty_post_delay_cb(rec: any, id: ID): bool
	{
	return T;
	}

function delay(id: ID, rec: any, post_delay_cb: PostDelayCallback &default=empty_post_delay_cb): DelayToken
	{
	return __delay(id, rec, post_delay_cb);
	}

function delay_finish(id: ID, rec: any, token: DelayToken): bool
	{
	return __delay_finish(id, rec, token);
	}

function set_max_delay_interval(id: ID, max_delay: interval): bool
	{
	return __set_max_delay_interval(id, max_delay);
	}

function set_max_delay_queue_size(id: ID, max_size: count): bool
	{
	return __set_max_delay_queue_size(id, max_size);
	}

function get_delay_queue_size(id: ID): int
	{
	return __get_delay_queue_size(id);
	}

event zeek_init() &priority=5
	{
	if ( print_to_log != REDIRECT_NONE )
		create_stream(PRINTLOG, Stream($columns=PrintLogInfo, $ev=log_print, $path=print_log_path));
	}
