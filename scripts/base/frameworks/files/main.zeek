##! Files on the network: their analyzers, and files.log.

@load base/frameworks/analyzer
@load base/frameworks/logging
@load base/utils/site

module Files;

export {
	redef enum Log::ID += { LOG };

	type Info: record {
		## When the file was first seen.
		ts: time &log;
		fuid: string &log;
		## Each connection that transferred the file has a line of its own.
		uid: string &log &optional;
		id: conn_id &log &optional;
		## Where the file comes from: a protocol, or an input stream.
		source: string &log &optional;
		## How deep in a message or a series of requests.
		depth: count &default=0 &log;
		analyzers: set[string] &default=string_set() &log;
		mime_type: string &log &optional;
		filename: string &log &optional;
		duration: interval &log &default=0secs;
		## Whether the data came from the local network.
		local_orig: bool &log &optional;
		is_orig: bool &log &optional;
		seen_bytes: count &log &default=0;
		total_bytes: count &log &optional;
		missing_bytes: count &log &default=0;
		overflow_bytes: count &log &default=0;
		timedout: bool &log &default=F;
		parent_fuid: string &log &optional;
	};

	## Put together what arrives out of order.
	option enable_reassembler: bool = T &redef;

	## How much of a file may wait for a gap to be filled.
	const reassembly_buffer_size: count = 524288 &redef;

	## Attach analyzers to the MIME types they are registered for.
	const analyze_by_mime_type_automatically: bool = T &redef;

	## File analyzers that are not used.
	const disable: table[Files::Tag] of bool = {} &redef;

	## What a protocol knows about its files.
	type ProtoRegistration: record {
		## Text that is equal for all data of one file.
		get_file_handle: function(c: connection, is_orig: bool): string;
		## Text that describes a file for humans.
		describe: function(f: fa_file): string &default=function(f: fa_file): string { return ""; };
	};

	global file_exists: function(fuid: string): bool;
	global lookup_file: function(fuid: string): fa_file;
	global enable_reassembly: function(f: fa_file);
	global disable_reassembly: function(f: fa_file);
	global set_reassembly_buffer_size: function(f: fa_file, max: count);
	global set_timeout_interval: function(f: fa_file, t: interval): bool;
	global enable_analyzer: function(tag: Files::Tag): bool;
	global disable_analyzer: function(tag: Files::Tag): bool;
	global analyzer_enabled: function(tag: Files::Tag): bool;
	global add_analyzer: function(f: fa_file, tag: Files::Tag, args: AnalyzerArgs &default=AnalyzerArgs()): bool;
	global remove_analyzer: function(f: fa_file, tag: Files::Tag, args: AnalyzerArgs &default=AnalyzerArgs()): bool;
	global stop: function(f: fa_file): bool;
	global analyzer_name: function(tag: Files::Tag): string;
	global describe: function(f: fa_file): string;
	global register_protocol: function(tag: Analyzer::Tag, reg: ProtoRegistration): bool;
	global register_analyzer_add_callback: function(tag: Files::Tag, callback: function(f: fa_file, args: AnalyzerArgs));
	global register_for_mime_types: function(tag: Files::Tag, mime_types: set[string]): bool;
	global register_for_mime_type: function(tag: Files::Tag, mt: string): bool;
	global registered_mime_types: function(tag: Files::Tag): set[string];
	global all_registered_mime_types: function(): table[Files::Tag] of set[string];

	global log_files: event(rec: Info);
	global log_policy: Log::PolicyHook;
}

redef record fa_file += {
	info: Info &optional;
};

global registered_protocols: table[Analyzer::Tag] of ProtoRegistration = table();
global mime_types: table[Files::Tag] of set[string] = table();
global mime_type_to_analyzers: table[string] of set[Files::Tag] = table();
global add_callbacks: table[Files::Tag] of vector of function(f: fa_file, args: AnalyzerArgs) = table();

event zeek_init() &priority=5
	{
	Log::create_stream(Files::LOG, Log::Stream($columns=Info, $ev=log_files, $path="files", $policy=log_policy));
	}

# Takes over what native code knows by now.
function set_info(f: fa_file)
	{
	if ( ! f?$info )
		{
		f$info = Info($ts=f$last_active, $fuid=f$id);

		if ( f?$source )
			f$info$source = f$source;

		if ( f?$is_orig )
			f$info$is_orig = f$is_orig;
		}

	local info = f$info;

	if ( f?$parent_id )
		info$parent_fuid = f$parent_id;

	if ( f?$is_orig )
		info$is_orig = f$is_orig;

	info$duration = f$last_active - info$ts;
	info$seen_bytes = f$seen_bytes;

	if ( f?$total_bytes )
		info$total_bytes = f$total_bytes;

	info$missing_bytes = f$missing_bytes;
	info$overflow_bytes = f$overflow_bytes;
	}

function file_exists(fuid: string): bool
	{
	return __file_exists(fuid);
	}

function lookup_file(fuid: string): fa_file
	{
	return __lookup_file(fuid);
	}

function set_timeout_interval(f: fa_file, t: interval): bool
	{
	return __set_timeout_interval(f$id, t);
	}

function enable_reassembly(f: fa_file)
	{
	__enable_reassembly(f$id);
	}

function disable_reassembly(f: fa_file)
	{
	__disable_reassembly(f$id);
	}

function set_reassembly_buffer_size(f: fa_file, max: count)
	{
	__set_reassembly_buffer(f$id, max);
	}

function enable_analyzer(tag: Files::Tag): bool
	{
	return __enable_analyzer(tag);
	}

function disable_analyzer(tag: Files::Tag): bool
	{
	return __disable_analyzer(tag);
	}

function analyzer_enabled(tag: Files::Tag): bool
	{
	return __analyzer_enabled(tag);
	}

function add_analyzer(f: fa_file, tag: Files::Tag, args: AnalyzerArgs &default=AnalyzerArgs()): bool
	{
	if ( tag in disable && disable[tag] )
		return F;

	set_info(f);

	if ( tag in add_callbacks )
		{
		for ( _, callback in add_callbacks[tag] )
			callback(f, args);
		}

	if ( ! __add_analyzer(f$id, tag, args) )
		{
		Reporter::warning(fmt("analyzer %s was not added to file %s", tag, f$id));
		return F;
		}

	add f$info$analyzers[__analyzer_name(tag)];
	return T;
	}

function remove_analyzer(f: fa_file, tag: Files::Tag, args: AnalyzerArgs &default=AnalyzerArgs()): bool
	{
	return __remove_analyzer(f$id, tag, args);
	}

function stop(f: fa_file): bool
	{
	return __stop(f$id);
	}

function analyzer_name(tag: Files::Tag): string
	{
	return __analyzer_name(tag);
	}

function register_protocol(tag: Analyzer::Tag, reg: ProtoRegistration): bool
	{
	local is_new = tag !in registered_protocols;
	registered_protocols[tag] = reg;
	return is_new;
	}

function register_analyzer_add_callback(tag: Files::Tag, callback: function(f: fa_file, args: AnalyzerArgs))
	{
	if ( tag !in add_callbacks )
		add_callbacks[tag] = vector();

	add_callbacks[tag] += callback;
	}

function register_for_mime_types(tag: Files::Tag, mime_types: set[string]): bool
	{
	local all_done = T;

	for ( mt in mime_types )
		{
		if ( ! register_for_mime_type(tag, mt) )
			all_done = F;
		}

	return all_done;
	}

function register_for_mime_type(tag: Files::Tag, mt: string): bool
	{
	if ( tag !in mime_types )
		mime_types[tag] = set();

	if ( mt !in mime_type_to_analyzers )
		mime_type_to_analyzers[mt] = set();

	add mime_types[tag][mt];
	add mime_type_to_analyzers[mt][tag];
	return T;
	}

function registered_mime_types(tag: Files::Tag): set[string]
	{
	return tag in mime_types ? mime_types[tag] : set();
	}

function all_registered_mime_types(): table[Files::Tag] of set[string]
	{
	return mime_types;
	}

function describe(f: fa_file): string
	{
	if ( ! Analyzer::has_tag(f$source) )
		return "";

	local tag = Analyzer::get_tag(f$source);

	if ( tag !in registered_protocols )
		return "";

	return registered_protocols[tag]$describe(f);
	}

# Protocols whose files have no handle of their own, told once.
global without_handler: set[Analyzer::Tag];

event get_file_handle(tag: Analyzer::Tag, c: connection, is_orig: bool) &priority=5
	{
	if ( tag in registered_protocols )
		{
		set_file_handle(registered_protocols[tag]$get_file_handle(c, is_orig));
		return;
		}

	if ( tag !in without_handler )
		{
		add without_handler[tag];
		Reporter::warning(fmt("get_file_handle() handler missing for %s", tag));
		}

	set_file_handle(fmt("%s-fallback-%s", tag, c$uid));
	}

event file_new(f: fa_file) &priority=10
	{
	set_info(f);

	if ( enable_reassembler )
		{
		enable_reassembly(f);
		set_reassembly_buffer_size(f, reassembly_buffer_size);
		}
	}

event file_over_new_connection(f: fa_file, c: connection, is_orig: bool) &priority=10
	{
	set_info(f);
	local info = f$info;

	# Later connections get their lines when the file goes.
	if ( ! info?$uid )
		{
		info$uid = c$uid;
		info$id = c$id;
		info$is_orig = is_orig;
		}

	if ( |Site::local_nets| > 0 )
		info$local_orig = Site::is_local_addr(is_orig ? c$id$orig_h : c$id$resp_h);
	}

event file_sniff(f: fa_file, meta: fa_metadata) &priority=10
	{
	set_info(f);

	if ( ! meta?$mime_type )
		return;

	f$info$mime_type = meta$mime_type;

	if ( ! analyze_by_mime_type_automatically || meta$mime_type !in mime_type_to_analyzers )
		return;

	for ( tag in mime_type_to_analyzers[meta$mime_type] )
		add_analyzer(f, tag);
	}

event file_timeout(f: fa_file) &priority=5
	{
	set_info(f);
	f$info$timedout = T;
	}

event file_state_remove(f: fa_file) &priority=10
	{
	set_info(f);
	}

event file_state_remove(f: fa_file) &priority=-10
	{
	if ( ! f?$conns || |f$conns| == 0 )
		{
		Log::write(Files::LOG, f$info);
		return;
		}

	# One line for each connection.
	local n = |f$conns|;

	for ( id, c in f$conns )
		{
		local info = n == 1 ? f$info : copy(f$info);
		info$uid = c$uid;
		info$id = id;
		Log::write(Files::LOG, info);
		}
	}
