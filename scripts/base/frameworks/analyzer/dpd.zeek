##! What confirmations and violations of analyzers do to a connection: its services, and the end of an analyzer.

@load ./main
@load base/protocols/conn/removal-hooks

module DPD;

export {
	## Analyzers whose violations do not end them.
	option ignore_violations: set[Analyzer::Tag] = { Analyzer::ANALYZER_DCE_RPC, Analyzer::ANALYZER_NTLM } &redef;

	## Violations count only as long as a connection has at most so many bytes; 0 for no limit.
	option ignore_violations_after: count = 10240 &redef;

	## Keep services whose analyzer failed and add a second entry with a minus sign.
	option track_removed_services_in_connection: bool = F &redef;
}

redef record connection += {
	## Analyzers that failed on this connection.
	failed_analyzers: set[string] &default=set();
};

event analyzer_confirmation_info(atype: AllAnalyzers::Tag, info: AnalyzerConfirmationInfo) &priority=10
	{
	if ( info?$c && ! is_file_analyzer(atype) )
		add info$c$service[Analyzer::name(atype)];
	}

event analyzer_violation_info(atype: AllAnalyzers::Tag, info: AnalyzerViolationInfo) &priority=5
	{
	if ( ! info?$c || ! info?$aid || ! is_protocol_analyzer(atype) )
		return;

	if ( atype in ignore_violations )
		return;

	local c = info$c;

	if ( ignore_violations_after > 0 && c$orig$size + c$resp$size > ignore_violations_after )
		return;

	# A second violation of one packet finds its analyzer gone, and counts; one that a hook kept does not.
	if ( disable_analyzer(c$id, info$aid, F) || lookup_connection_analyzer_id(c$id, atype) != info$aid )
		event analyzer_failed(network_time(), atype, info);
	}

event analyzer_failed(ts: time, atype: AllAnalyzers::Tag, info: AnalyzerViolationInfo) &priority=-5
	{
	if ( ! info?$c )
		return;

	local c = info$c;
	local name = Analyzer::name(atype);

	if ( name in c$service )
		{
		if ( track_removed_services_in_connection )
			add c$service["-" + name];
		else
			delete c$service[name];
		}

	add c$failed_analyzers[name];
	}
