##! Provider backbone bridges.

module PacketAnalyzer::PBB;

export {
	## What takes payload that no identifier leads to.
	const default_analyzer: PacketAnalyzer::Tag = PacketAnalyzer::ANALYZER_ETHERNET &redef;
}
