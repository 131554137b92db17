##! Adds the services that turned out not to be to conn.log.

@load base/protocols/conn

module Conn;

redef record Conn::Info += {
	failed_service: set[string] &log &optional &ordered;
};

event analyzer_failed(ts: time, atype: AllAnalyzers::Tag, info: AnalyzerViolationInfo)
	{
	if ( ! info?$c || ! info$c?$conn )
		return;

	local c = info$c;
	local name = Analyzer::name(atype);

	# Runs before the framework takes the name out.
	if ( name !in c$service && name !in c$failed_analyzers )
		return;

	if ( ! c$conn?$failed_service )
		c$conn$failed_service = set() &ordered;

	add c$conn$failed_service[to_lower(name)];
	}
