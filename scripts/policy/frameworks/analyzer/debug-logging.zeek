##! Logs every confirmation, violation and removal of an analyzer.

@load base/frameworks/analyzer
@load base/frameworks/config

module Analyzer::DebugLogging;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;
	type Info: record {
		ts: time &log;
		cause: string &log;
		analyzer_kind: string &log;
		analyzer_name: string &log;
		uid: string &log &optional;
		fuid: string &log &optional;
		id: conn_id &log &optional;
		failure_reason: string &log &optional;
		failure_data: string &log &optional;
	};

	## Switches the log on and off.
	option enable = T;

	## What is logged beside violations.
	option include_confirmations = T;
	option include_disabling = T;

	## Bytes of the data that a violation names.
	option failure_data_max_size = 40;

	## Analyzers that are left out.
	option ignore_analyzers: set[AllAnalyzers::Tag] = { };
}

event zeek_init() &priority=5
	{
	Log::create_stream(LOG, Log::Stream($columns=Info, $path="analyzer_debug", $policy=log_policy,
		$event_groups=set("Analyzer::DebugLogging")));

	local enable_handler = function(id: string, new_value: bool): bool
		{
		if ( new_value )
			Log::enable_stream(LOG);
		else
			Log::disable_stream(LOG);

		return new_value;
		};

	Option::set_change_handler("Analyzer::DebugLogging::enable", enable_handler);

	local confirmations_handler = function(id: string, new_value: bool): bool
		{
		if ( new_value )
			enable_event_group("Analyzer::DebugLogging::include_confirmations");
		else
			disable_event_group("Analyzer::DebugLogging::include_confirmations");

		return new_value;
		};

	Option::set_change_handler("Analyzer::DebugLogging::include_confirmations", confirmations_handler);

	local disabling_handler = function(id: string, new_value: bool): bool
		{
		if ( new_value )
			enable_event_group("Analyzer::DebugLogging::include_disabling");
		else
			disable_event_group("Analyzer::DebugLogging::include_disabling");

		return new_value;
		};

	Option::set_change_handler("Analyzer::DebugLogging::include_disabling", disabling_handler);

	# The handlers see changes only.
	enable_handler("", enable);
	confirmations_handler("", include_confirmations);
	disabling_handler("", include_disabling);
	}

function fill_conn(rec: Info, c: connection)
	{
	rec$id = c$id;
	rec$uid = c$uid;
	}

function fill_file(rec: Info, f: fa_file)
	{
	rec$fuid = f$id;

	# Some connection that carries the file.
	if ( f?$conns )
		for ( cid, c in f$conns )
			{
			fill_conn(rec, c);
			break;
			}
	}

event analyzer_confirmation_info(atype: AllAnalyzers::Tag, info: AnalyzerConfirmationInfo)
	&group="Analyzer::DebugLogging" &group="Analyzer::DebugLogging::include_confirmations"
	{
	if ( atype in ignore_analyzers )
		return;

	local rec = Info($ts=network_time(), $cause="confirmation", $analyzer_kind=Analyzer::kind(atype),
	                 $analyzer_name=Analyzer::name(atype));

	if ( info?$c )
		fill_conn(rec, info$c);

	if ( info?$f )
		fill_file(rec, info$f);

	Log::write(LOG, rec);
	}

event analyzer_violation_info(atype: AllAnalyzers::Tag, info: AnalyzerViolationInfo) &priority=6
	&group="Analyzer::DebugLogging"
	{
	if ( atype in ignore_analyzers )
		return;

	local rec = Info($ts=network_time(), $cause="violation", $analyzer_kind=Analyzer::kind(atype),
	                 $analyzer_name=Analyzer::name(atype), $failure_reason=info$reason);

	if ( info?$c )
		fill_conn(rec, info$c);

	if ( info?$f )
		fill_file(rec, info$f);

	if ( info?$data )
		rec$failure_data = failure_data_max_size > 0 ? info$data[0:failure_data_max_size] : info$data;

	Log::write(LOG, rec);
	}

hook Analyzer::disabling_analyzer(c: connection, atype: AllAnalyzers::Tag, aid: count) &priority=-1000
	&group="Analyzer::DebugLogging" &group="Analyzer::DebugLogging::include_disabling"
	{
	if ( atype in ignore_analyzers )
		return;

	local rec = Info($ts=network_time(), $cause="disabled", $analyzer_kind=Analyzer::kind(atype),
	                 $analyzer_name=Analyzer::name(atype));
	fill_conn(rec, c);
	Log::write(LOG, rec);
	}
