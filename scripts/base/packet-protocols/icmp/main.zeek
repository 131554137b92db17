##! ICMP.

module PacketAnalyzer::ICMP;
