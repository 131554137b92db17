##! GRE, also over UDP.

@load base/packet-protocols/main

module PacketAnalyzer::GRE;

export {
	## What takes payload that no identifier leads to.
	const default_analyzer: PacketAnalyzer::Tag = PacketAnalyzer::ANALYZER_IPTUNNEL &redef;
	const gre_ports: set[port] = { 4754/udp } &redef;
}

redef likely_server_ports += gre_ports;

event zeek_init() &priority=20
	{
	PacketAnalyzer::register_for_ports(PacketAnalyzer::ANALYZER_UDP, PacketAnalyzer::ANALYZER_GRE, gre_ports);
	}
