##! Writes files to disk.

@load base/frameworks/files
@load base/utils/paths

module FileExtract;

export {
	## Where files without a path of their own go.
	const prefix = "./extract_files/" &redef;

	redef record Files::Info += {
		## Name under which the file was written.
		extracted: string &log &optional;
		## Whether the limit was reached, and at which size.
		extracted_cutoff: bool &log &optional;
		extracted_size: count &log &optional;
	};

	## Changes the limit of a file that is being written.
	global set_limit: function(f: fa_file, args: Files::AnalyzerArgs, n: count): bool;
}

function set_limit(f: fa_file, args: Files::AnalyzerArgs, n: count): bool
	{
	return __set_limit(f$id, args, n);
	}

function prepare(f: fa_file, args: Files::AnalyzerArgs)
	{
	if ( ! args?$extract_filename )
		args$extract_filename = cat("extract-", f$last_active, "-", f$source, "-", f$id);

	f$info$extracted = args$extract_filename;
	args$extract_filename = build_path_compressed(prefix, args$extract_filename);
	f$info$extracted_cutoff = F;
	mkdir(prefix);
	}

event file_extraction_limit(f: fa_file, args: Files::AnalyzerArgs, limit: count, len: count) &priority=10
	{
	f$info$extracted_cutoff = T;
	f$info$extracted_size = limit;
	}

event zeek_init() &priority=10
	{
	Files::register_analyzer_add_callback(Files::ANALYZER_EXTRACT, prepare);
	}
