##! Leaves out connections of other protocols than TCP, UDP and ICMP.

@load base/protocols/conn

redef record Conn::Info$ip_proto -= { &log };

event zeek_init() &priority=5
	{
	PacketAnalyzer::__disable_analyzer(PacketAnalyzer::ANALYZER_UNKNOWN_IP_TRANSPORT);
	}
