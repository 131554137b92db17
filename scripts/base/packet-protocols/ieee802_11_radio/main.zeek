##! Wireless frames with radio information.

module PacketAnalyzer::IEEE802_11_RADIO;

event zeek_init() &priority=20
	{
	PacketAnalyzer::register_packet_analyzer(PacketAnalyzer::ANALYZER_IEEE802_11_RADIO, 105, PacketAnalyzer::ANALYZER_IEEE802_11);
	}
