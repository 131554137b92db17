##! Raw IPX frames.

module PacketAnalyzer::NOVELL_802_3;
