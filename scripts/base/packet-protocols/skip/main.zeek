##! Skips a fixed number of bytes.

module PacketAnalyzer::SKIP;

export {
	## What takes payload that no identifier leads to.
	const default_analyzer: PacketAnalyzer::Tag = PacketAnalyzer::ANALYZER_IP &redef;
	const skip_bytes: count = 0 &redef;
}
