##! GTP version 1.

@load base/packet-protocols/main

module PacketAnalyzer::GTPV1;

export {
	## What takes payload that no identifier leads to.
	const default_analyzer: PacketAnalyzer::Tag = PacketAnalyzer::ANALYZER_IP &redef;
	const gtpv1_ports: set[port] = { 2152/udp, 2123/udp } &redef;
}

redef likely_server_ports += gtpv1_ports;

event zeek_init() &priority=20
	{
	PacketAnalyzer::register_for_ports(PacketAnalyzer::ANALYZER_UDP, PacketAnalyzer::ANALYZER_GTPV1, gtpv1_ports);
	}
