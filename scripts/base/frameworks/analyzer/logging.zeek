##! Failures of analyzers in analyzer.log.

@load base/frameworks/logging
@load ./main

module Analyzer::Logging;

export {
	redef enum Log::ID += { LOG };

	type Info: record {
		ts: time &log;
		## One of protocol, packet and file.
		analyzer_kind: string &log;
		analyzer_name: string &log;
		uid: string &log &optional;
		fuid: string &log &optional;
		id: conn_id &log &optional;
		proto: transport_proto &log &optional;
		failure_reason: string &log;
		## The data that the analyzer could not take.
		failure_data: string &log &optional;
	};

	## How much of the data to log; 0 for all.
	option failure_data_max_size: count = 40 &redef;

	global log_analyzer: event(rec: Info);
	global log_policy: Log::PolicyHook;
}

event zeek_init() &priority=5
	{
	Log::create_stream(LOG, Log::Stream($columns=Info, $path="analyzer", $ev=log_analyzer, $policy=log_policy));
	}

function log_failure(ts: time, atype: AllAnalyzers::Tag, info: AnalyzerViolationInfo)
	{
	local rec = Info($ts=ts, $analyzer_kind=Analyzer::kind(atype), $analyzer_name=Analyzer::name(atype),
	                 $failure_reason=info$reason);

	if ( info?$c )
		{
		rec$id = info$c$id;
		rec$uid = info$c$uid;
		rec$proto = get_port_transport_proto(info$c$id$orig_p);
		}

	if ( info?$f )
		{
		rec$fuid = info$f$id;

		# A file of exactly one connection names that as well.
		if ( ! info?$c && info$f?$conns && |info$f$conns| == 1 )
			{
			for ( id, c in info$f$conns )
				{
				rec$id = id;
				rec$uid = c$uid;
				rec$proto = get_port_transport_proto(id$orig_p);
				}
			}
		}

	if ( info?$data )
		{
		if ( failure_data_max_size > 0 && |info$data| > failure_data_max_size )
			rec$failure_data = info$data[0:failure_data_max_size];
		else
			rec$failure_data = info$data;
		}

	Log::write(LOG, rec);
	}

# Protocol analyzers are of interest only if they had claimed the connection before.
event analyzer_failed(ts: time, atype: AllAnalyzers::Tag, info: AnalyzerViolationInfo)
	{
	if ( ! is_protocol_analyzer(atype) || ! info?$c )
		return;

	if ( Analyzer::name(atype) in info$c$service )
		log_failure(ts, atype, info);
	}

event analyzer_violation_info(atype: AllAnalyzers::Tag, info: AnalyzerViolationInfo)
	{
	if ( ! is_protocol_analyzer(atype) )
		log_failure(network_time(), atype, info);
	}
