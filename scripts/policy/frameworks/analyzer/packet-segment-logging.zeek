##! Adds the packet that made an analyzer fail to analyzer.log.

@load base/frameworks/analyzer/logging

module Analyzer::Logging;

export {
	redef record Analyzer::Logging::Info += {
		packet_segment: string &optional &log;
	};

	## Bytes of the packet; a negative value takes all of it.
	option packet_segment_size: int = 255;
}

redef record connection += {
	packet_segment: string &optional &log;
};

event analyzer_violation_info(atype: AllAnalyzers::Tag, info: AnalyzerViolationInfo) &priority=10
	{
	if ( ! info?$c )
		return;

	local p = get_current_packet();

	if ( packet_segment_size < 0 )
		info$c$packet_segment = p$data;
	else if ( |p$data| > packet_segment_size )
		info$c$packet_segment = p$data[0:packet_segment_size];
	else
		info$c$packet_segment = p$data;
	}

hook Analyzer::Logging::log_policy(rec: any, id: Log::ID, filter: Log::Filter) &priority=10
	{
	local r = rec as Analyzer::Logging::Info;

	if ( ! r?$id || r?$packet_segment || ! connection_exists(r$id) )
		return;

	local c = lookup_connection(r$id);

	if ( c?$packet_segment )
		r$packet_segment = c$packet_segment;
	}
