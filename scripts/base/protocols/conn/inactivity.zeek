##! Longer inactivity timeouts for protocols that are quiet by nature.

module Conn;

export {
	## Timeouts that apply once an analyzer has confirmed the protocol.
	option analyzer_inactivity_timeouts: table[AllAnalyzers::Tag] of interval = { [Analyzer::ANALYZER_FTP] = 1hr, [Analyzer::ANALYZER_SSH] = 1hr };

	## Timeouts by responder port, for what no analyzer recognises.
	option port_inactivity_timeouts: table[port] of interval = { [21/tcp] = 1hr, [22/tcp] = 1hr, [23/tcp] = 1hr, [513/tcp] = 1hr };
}

event analyzer_confirmation_info(atype: AllAnalyzers::Tag, info: AnalyzerConfirmationInfo)
	{
	if ( info?$c && atype in analyzer_inactivity_timeouts )
		set_inactivity_timeout(info$c$id, analyzer_inactivity_timeouts[atype]);
	}

event connection_established(c: connection)
	{
	local p = c$id$resp_p;

	# Where only one side was seen to open, the server may stand on the other.
	if ( c$orig$state == TCP_INACTIVE && c$id$orig_p in likely_server_ports )
		p = c$id$orig_p;

	if ( p in port_inactivity_timeouts )
		set_inactivity_timeout(c$id, port_inactivity_timeouts[p]);
	}
