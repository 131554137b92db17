##! Warns when a handler exists for a section of the message that is skipped.

module DNS;

event zeek_init() &priority=20
	{
	if ( ! dns_skip_all_addl && ! dns_skip_all_auth )
		return;

	if ( dns_skip_all_addl && is_event_handled("dns_TSIG_addl") )
		Reporter::warning("dns_TSIG_addl is handled, but dns_skip_all_addl is T: the event will not be raised");

	if ( dns_skip_all_addl && is_event_handled("dns_EDNS_addl") )
		Reporter::warning("dns_EDNS_addl is handled, but dns_skip_all_addl is T: the event will not be raised");
	}
