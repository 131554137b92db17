##! Switches the handlers here off while there are no indicators of their types.

@load base/frameworks/intel
@load ./__load__

module Intel;

export {
	## Whether the handlers are switched.
	const manage_seen_event_groups = T &redef;
}

global indicator_counts: table[Intel::Type] of count &default=0;

event zeek_init() &priority=-10
	{
	if ( ! manage_seen_event_groups )
		return;

	for ( t in enum_names(Intel::Type) )
		{
		local group = sub(t, /^.*::/, "Intel::");

		if ( has_event_group(group) )
			disable_event_group(group);
		}
	}

hook Intel::indicator_inserted(value: string, indicator_type: Intel::Type)
	{
	if ( ! manage_seen_event_groups )
		return;

	++indicator_counts[indicator_type];

	if ( indicator_counts[indicator_type] == 1 )
		{
		local group = cat(indicator_type);

		if ( has_event_group(group) )
			enable_event_group(group);

		# Addresses are looked up in networks as well.
		if ( indicator_type == Intel::SUBNET && has_event_group("Intel::ADDR") )
			enable_event_group("Intel::ADDR");
		}
	}

hook Intel::indicator_removed(value: string, indicator_type: Intel::Type)
	{
	if ( ! manage_seen_event_groups || indicator_counts[indicator_type] == 0 )
		return;

	--indicator_counts[indicator_type];

	if ( indicator_counts[indicator_type] > 0 )
		return;

	# Addresses and networks share their handlers.
	if ( indicator_type == Intel::SUBNET || indicator_type == Intel::ADDR )
		{
		if ( indicator_counts[Intel::SUBNET] == 0 && indicator_counts[Intel::ADDR] == 0 &&
		     has_event_group("Intel::ADDR") )
			disable_event_group("Intel::ADDR");

		return;
		}

	local group = cat(indicator_type);

	if ( has_event_group(group) )
		disable_event_group(group);
	}
