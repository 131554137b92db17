##! Events raised by native code: extract.

global file_extraction_limit: event(f: fa_file, args: Files::AnalyzerArgs, limit: count, len: count);
