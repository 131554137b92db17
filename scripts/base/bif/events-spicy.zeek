##! Events raised by native code: spicy.

module Spicy;

export {
	global max_file_depth_exceeded: event(f: fa_file, args: Files::AnalyzerArgs, limit: count);
}
