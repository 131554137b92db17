##! Settings of the writer of text files: tab-separated values or JSON.
##!
##! A filter's `config` table may override most of them under the same names.

module LogAscii;

export {
	## Write to standard output instead of files.
	const output_to_stdout: bool = F &redef;

	const use_json: bool = F &redef;

	## Rotate at start what an earlier run left behind.
	const enable_leftover_log_rotation: bool = F &redef;

	## Keep valid UTF-8 as it is.
	const enable_utf_8: bool = T &redef;

	## Compression from 1 to 9; 0 writes plain text.
	const gzip_level: count = 0 &redef;
	const gzip_file_extension: string = "gz" &redef;

	const json_timestamps: JSON::TimestampFormat = JSON::TS_EPOCH &redef;
	const json_include_unset_fields: bool = F &redef;
	const json_string_escape_policy: JSON::StringEscapePolicy = JSON::STRING_ESCAPE_POLICY_HEX &redef;

	## Write the header and trailer lines.
	const include_meta: bool = T &redef;
	const meta_prefix: string = "#" &redef;

	const separator: string = Log::separator &redef;
	const set_separator: string = Log::set_separator &redef;
	const empty_field: string = Log::empty_field &redef;
	const unset_field: string = Log::unset_field &redef;
}

function default_rotation_postprocessor_func(info: Log::RotationInfo): bool
	{
	return Log::run_rotation_postprocessor_cmd(info, info$fname);
	}

redef Log::default_rotation_postprocessors += { [Log::WRITER_ASCII] = default_rotation_postprocessor_func };
