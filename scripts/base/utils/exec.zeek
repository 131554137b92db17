##! Runs external commands.

@load base/frameworks/input

module Exec;

export {
	type Command: record {
		## The command line for the shell.
		cmd: string;
		## What the command reads on standard input.
		stdin: string &default="";
		## Files that the command writes; their lines are returned and the files removed.
		read_files: set[string] &optional;
		## Names this run.
		uid: string &default=unique_id("");
	};

	type Result: record {
		exit_code: count &default=0;
		## Ended by a signal?
		signal_exit: bool &default=F;
		stdout: vector of string &optional;
		stderr: vector of string &optional;
		files: table[string] of string_vec &optional;
	};

	## Runs a command; to be called in the condition of a `when`.
	global run: function(cmd: Command): Result;
}

type OneLine: record {
	s: string;
	is_stderr: bool;
};

type FileLine: record {
	s: string;
};

# Results under way and those that are complete, by run.
global pending: table[string] of Result = table();
global finished: table[string] of Result = table();

# Open files to read, and the runs they belong to: input stream name to run.
global file_streams: table[string] of string = table();
global file_names: table[string] of string = table();
global files_left: table[string] of count = table();
global commands: table[string] of Command = table();

global line: event(description: Input::EventDescription, tpe: Input::Event, s: string, is_stderr: bool);
global file_line: event(description: Input::EventDescription, tpe: Input::Event, s: string);

event Exec::line(description: Input::EventDescription, tpe: Input::Event, s: string, is_stderr: bool)
	{
	if ( description$name !in pending )
		return;

	local result = pending[description$name];

	if ( is_stderr )
		{
		if ( ! result?$stderr )
			result$stderr = vector(s);
		else
			result$stderr += s;
		}
	else
		{
		if ( ! result?$stdout )
			result$stdout = vector(s);
		else
			result$stdout += s;
		}
	}

event Exec::file_line(description: Input::EventDescription, tpe: Input::Event, s: string)
	{
	local name = description$name;

	if ( name !in file_streams || file_streams[name] !in pending )
		return;

	local result = pending[file_streams[name]];
	local fname = file_names[name];

	if ( ! result?$files )
		result$files = table();

	if ( fname !in result$files )
		result$files[fname] = vector(s);
	else
		result$files[fname] += s;
	}

function finish(uid: string)
	{
	finished[uid] = pending[uid];
	delete pending[uid];
	delete commands[uid];
	delete files_left[uid];
	}

event Input::end_of_data(orig_name: string, source: string)
	{
	if ( orig_name !in file_streams )
		return;

	local uid = file_streams[orig_name];
	local fname = file_names[orig_name];
	delete file_streams[orig_name];
	delete file_names[orig_name];

	Input::remove(orig_name);
	unlink(fname);

	if ( uid in files_left && --files_left[uid] == 0 )
		finish(uid);
	}

event InputRaw::process_finished(name: string, source: string, exit_code: count, signal_exit: bool)
	{
	if ( name !in pending )
		return;

	local result = pending[name];
	result$exit_code = exit_code;
	result$signal_exit = signal_exit;
	Input::remove(name);

	local cmd = commands[name];

	# Only what the command really wrote can be read.
	local names: string_vec = vector();

	if ( cmd?$read_files )
		for ( fname in cmd$read_files )
			{
			if ( file_size(fname) >= 0.0 )
				names += fname;
			}

	if ( |names| == 0 )
		{
		finish(name);
		return;
		}

	files_left[name] = |names|;

	for ( _, f in names )
		{
		local stream = fmt("%s_%s", name, f);
		file_streams[stream] = name;
		file_names[stream] = f;
		Input::add_event(Input::EventDescription($source=f, $name=stream, $reader=Input::READER_RAW, $mode=Input::MANUAL,
		                                         $fields=FileLine, $want_record=F, $ev=Exec::file_line));
		}
	}

function run(cmd: Command): Result
	{
	pending[cmd$uid] = Result();
	commands[cmd$uid] = cmd;

	local config: table[string] of string = { ["stdin"] = cmd$stdin, ["read_stderr"] = "1" };
	Input::add_event(Input::EventDescription($source=fmt("%s |", cmd$cmd), $name=cmd$uid, $reader=Input::READER_RAW,
	                                         $mode=Input::STREAM, $fields=OneLine, $want_record=F, $ev=Exec::line,
	                                         $config=config));

	return when [cmd] ( cmd$uid in finished )
		{
		local result = finished[cmd$uid];
		delete finished[cmd$uid];
		return result;
		}
	}

event zeek_done()
	{
	# Commands that still run end with the process.
	for ( uid in pending )
		Input::remove(uid);
	}
