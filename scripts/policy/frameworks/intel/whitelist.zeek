##! Keeps indicators that are known to be fine out of intel.log.

@load base/frameworks/intel

module Intel;

export {
	redef record Intel::MetaData += {
		whitelist: bool &default=F;
	};
}

hook Intel::extend_match(info: Info, s: Seen, items: set[Item]) &priority=9
	{
	local whitelisted: set[string] = set();

	for ( item in items )
		if ( item$meta$whitelist )
			add whitelisted[item$indicator];

	if ( |whitelisted| == 0 )
		return;

	# One entry is enough for the indicator.
	for ( other in items )
		if ( other$indicator in whitelisted )
			break;

	break;
	}
