##! Settings of the reader of text files. A stream's `config` table may override the separators.

module InputAscii;

export {
	const separator: string = Input::separator &redef;
	const set_separator: string = Input::set_separator &redef;
	const empty_field: string = Input::empty_field &redef;
	const unset_field: string = Input::unset_field &redef;

	## End a stream at a bad line, or when its file is missing or broken, instead of going on.
	const fail_on_invalid_lines: bool = F &redef;
	const fail_on_file_problem: bool = F &redef;

	## Stands before relative names of files.
	const path_prefix: string = "" &redef;
}
