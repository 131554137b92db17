##! AYIYA.

@load base/packet-protocols/main

module PacketAnalyzer::AYIYA;

export {
	const ayiya_ports: set[port] = { 5072/udp } &redef;
}

redef likely_server_ports += ayiya_ports;

event zeek_init() &priority=20
	{
	PacketAnalyzer::register_for_ports(PacketAnalyzer::ANALYZER_UDP, PacketAnalyzer::ANALYZER_AYIYA, ayiya_ports);
	PacketAnalyzer::register_protocol_detection(PacketAnalyzer::ANALYZER_UDP, PacketAnalyzer::ANALYZER_AYIYA);
	}
