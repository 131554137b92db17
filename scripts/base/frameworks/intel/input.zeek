##! Intelligence data from files.

@load ./main
@load base/utils/paths

module Intel;

export {
	## The files to read, again whenever they change.
	const read_files: set[string] = {} &redef;

	## Stands before relative names.
	const path_prefix: string = "" &redef;

	global read_entry: event(desc: Input::EventDescription, tpe: Input::Event, item: Intel::Item);
	global read_error: event(desc: Input::EventDescription, message: string, level: Reporter::Level);
}

event Intel::read_entry(desc: Input::EventDescription, tpe: Input::Event, item: Intel::Item)
	{
	Intel::insert(item);
	}

event Intel::read_error(desc: Input::EventDescription, message: string, level: Reporter::Level)
	{
	}

event zeek_init() &priority=5
	{
	if ( Cluster::is_enabled() && Cluster::local_node_type() != Cluster::MANAGER )
		return;

	for ( a_file in read_files )
		{
		local path = a_file;

		if ( path_prefix != "" && a_file[0] != "/" )
			path = build_path(path_prefix, a_file);

		Input::add_event(Input::EventDescription($source=path, $reader=Input::READER_ASCII, $mode=Input::REREAD,
		                                         $name=cat("intel-", a_file), $fields=Intel::Item, $ev=Intel::read_entry,
		                                         $error_ev=Intel::read_error));
		}
	}
