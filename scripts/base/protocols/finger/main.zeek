##! Finds the finger protocol.

module Finger;

export {
	const ports: set[port] = { 79/tcp } &redef;
}

redef likely_server_ports += { ports };

event zeek_init() &priority=5
	{
	Analyzer::register_for_ports(Analyzer::ANALYZER_FINGER, ports);
	}
