##! VXLAN.

@load base/packet-protocols/main

module PacketAnalyzer::VXLAN;

export {
	## What takes payload that no identifier leads to.
	const default_analyzer: PacketAnalyzer::Tag = PacketAnalyzer::ANALYZER_ETHERNET &redef;
	const vxlan_ports: set[port] = { 4789/udp } &redef;
}

redef likely_server_ports += vxlan_ports;

event zeek_init() &priority=20
	{
	PacketAnalyzer::register_for_ports(PacketAnalyzer::ANALYZER_UDP, PacketAnalyzer::ANALYZER_VXLAN, vxlan_ports);
	}
