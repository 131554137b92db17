##! Leaves the operation out of dns.log.

@load base/protocols/dns

redef record DNS::Info$opcode -= { &log };
redef record DNS::Info$opcode_name -= { &log };

# Only queries are logged then, as they always were.
hook DNS::log_policy(rec: DNS::Info, id: Log::ID, filter: Log::Filter)
	{
	if ( rec?$opcode && rec$opcode != DNS::DNS_OP_QUERY )
		break;
	}
