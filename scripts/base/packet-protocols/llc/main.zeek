##! Frames with a logical link control header.

module PacketAnalyzer::LLC;
