##! Teredo.

@load base/packet-protocols/main
@load base/protocols/conn/removal-hooks

module PacketAnalyzer::TEREDO;

export {
	## Forgets what is known of a tunnel when its connection goes.
	global finalize_teredo: Conn::RemovalHook;

	## What takes payload that no identifier leads to.
	const default_analyzer: PacketAnalyzer::Tag = PacketAnalyzer::ANALYZER_IP &redef;
	const teredo_ports: set[port] = { 3544/udp } &redef;
}

redef likely_server_ports += teredo_ports;

event zeek_init() &priority=20
	{
	PacketAnalyzer::register_for_ports(PacketAnalyzer::ANALYZER_UDP, PacketAnalyzer::ANALYZER_TEREDO, teredo_ports);
	PacketAnalyzer::register_protocol_detection(PacketAnalyzer::ANALYZER_UDP, PacketAnalyzer::ANALYZER_TEREDO);
	}

event new_teredo_state(c: connection) &priority=5
	{
	Conn::register_removal_hook(c, finalize_teredo);
	}

hook finalize_teredo(c: connection)
	{
	remove_teredo_connection(c$id);
	}
