##! Finds the finger protocol.

module Finger;

export {
	const ports: set[port] = { 79/tcp } &redef;

	## Longer lines end the analysis.
	option max_line_length: count = 1024;
}

redef likely_server_ports += { ports };

event zeek_init() &priority=5
	{
	Analyzer::register_for_ports(Analyzer::ANALYZER_FINGER, ports);
	}
