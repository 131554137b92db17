##! Adds the protocols that signatures recognised too late for their analyzers to
##! conn.log.

@load base/protocols/conn

module Conn;

redef dpd_match_only_beginning = F;
redef dpd_late_match_stop = T;

redef record Conn::Info += {
	speculative_service: string &log &optional;
};

redef record connection += {
	speculative_service: set[string] &default=string_set();
};

event protocol_late_match(c: connection, atype: Analyzer::Tag)
	{
	add c$speculative_service[Analyzer::name(atype)];
	}

event connection_state_remove(c: connection)
	{
	local text = "";

	for ( s in c$speculative_service )
		text = text == "" ? s : text + "," + s;

	if ( text != "" )
		c$conn$speculative_service = to_lower(text);
	}
