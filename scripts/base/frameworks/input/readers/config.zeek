##! Settings of the reader of files with options.

module InputConfig;

export {
	const set_separator: string = Input::set_separator &redef;

	## What stands for an empty container, besides nothing at all.
	const empty_field: string = "" &redef;
	const fail_on_file_problem: bool = F &redef;

	## An option in a file has a new value.
	global new_value: event(name: string, source: string, id: string, value: any);
}
