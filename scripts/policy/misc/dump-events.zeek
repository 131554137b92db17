##! Prints the events that are raised, with their arguments.

module DumpEvents;

export {
	## Whether arguments are printed.
	option include_args = T;

	## Events that are printed.
	option include = /.*/;

	## Whether events without a handler are printed as well.
	const dump_all_events = F &redef;

	## Whether the output is in JSON.
	option use_json = F;
}

event zeek_init() &priority=999
	{
	if ( dump_all_events )
		generate_all_events();
	}

# One line per event.
function print_json(name: string, args: call_argument_vector)
	{
	local parts: table[string] of any = table();
	local line = fmt("{\"ts\":%.6f,\"name\":%s", time_to_double(network_time()), to_json(name));

	if ( include_args )
		{
		line += ",\"args\":{";
		local first = T;

		for ( i, a in args )
			{
			if ( ! first )
				line += ",";

			first = F;
			line += fmt("%s:%s", to_json(a$name), a?$value ? to_json(cat(a$value)) : "null");
			}

		line += "}";
		}

	print line + "}";
	}

event new_event(name: string, args: call_argument_vector)
	{
	if ( include !in name )
		return;

	if ( use_json )
		{
		print_json(name, args);
		return;
		}

	print fmt("%17.6f %s", network_time(), name);

	if ( ! include_args || |args| == 0 )
		return;

	for ( i, a in args )
		{
		local proto = fmt("%s: %s", a$name, a$type_name);

		if ( a?$value )
			print fmt("                  [%d] %-18s = %s", i, proto, a$value);
		else
			print fmt("                  | %-18s = %s [default]", proto, a?$default_val ? cat(a$default_val) : "");
		}

	print "";
	}
