##! Options from files.

@load ./main
@load base/frameworks/cluster
@load base/frameworks/input

module Config;

export {
	## Files with options, read again whenever they change.
	const config_files: set[string] = {} &redef;

	## Reads a file with options once.
	global read_config: function(filename: string);
}

# The reader raises events of its own; this is only what a stream must have.
type EventFields: record {
	option_name: string;
	option_nv: string;
};

event config_line(description: Input::EventDescription, tpe: Input::Event, p: EventFields)
	{
	}

event zeek_init() &priority=5
	{
	if ( Cluster::is_enabled() && Cluster::local_node_type() != Cluster::MANAGER )
		return;

	for ( fi in config_files )
		Input::add_event(Input::EventDescription($reader=Input::READER_CONFIG, $mode=Input::REREAD, $source=fi,
		                                         $name=cat("config-", fi), $fields=EventFields, $ev=config_line));
	}

event InputConfig::new_value(name: string, source: string, id: string, value: any)
	{
	if ( /^config-/ !in name )
		return;

	Config::set_value(id, value, source);
	}

event Input::end_of_data(name: string, source: string)
	{
	if ( /^config-oneshot-/ in name )
		Input::remove(name);
	}

function read_config(filename: string)
	{
	if ( Cluster::is_enabled() && Cluster::local_node_type() != Cluster::MANAGER )
		return;

	Input::add_event(Input::EventDescription($reader=Input::READER_CONFIG, $mode=Input::MANUAL, $source=filename,
	                                         $name=cat("config-oneshot-", filename), $fields=EventFields, $ev=config_line));
	}
