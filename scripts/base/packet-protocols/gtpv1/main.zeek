##! GTP version 1.

@load base/packet-protocols/main
@load base/protocols/conn/removal-hooks

module PacketAnalyzer::GTPV1;

export {
	## Forgets what is known of a tunnel when its connection goes.
	global finalize_gtpv1: Conn::RemovalHook;

	## What takes payload that no identifier leads to.
	const default_analyzer: PacketAnalyzer::Tag = PacketAnalyzer::ANALYZER_IP &redef;
	const gtpv1_ports: set[port] = { 2152/udp, 2123/udp } &redef;
}

redef likely_server_ports += gtpv1_ports;

event zeek_init() &priority=20
	{
	PacketAnalyzer::register_for_ports(PacketAnalyzer::ANALYZER_UDP, PacketAnalyzer::ANALYZER_GTPV1, gtpv1_ports);
	}

event new_gtpv1_state(c: connection) &priority=5
	{
	Conn::register_removal_hook(c, finalize_gtpv1);
	}

hook finalize_gtpv1(c: connection)
	{
	remove_gtpv1_connection(c$id);
	}
