##! Adds to rdp.log whether the session went on in TLS.

@load base/protocols/rdp
@load base/protocols/ssl

module RDP;

export {
	redef record RDP::Info += {
		ssl: bool &log &default=F;
	};
}

event ssl_client_hello(c: connection, version: count, record_version: count, possible_ts: time,
                       client_random: string, session_id: string, ciphers: index_vec,
                       comp_methods: index_vec) &priority=-5
	{
	if ( c?$rdp )
		c$rdp$ssl = T;
	}

event ssl_server_hello(c: connection, version: count, record_version: count, possible_ts: time,
                       server_random: string, session_id: string, cipher: count,
                       comp_method: count) &priority=-5
	{
	if ( c?$rdp )
		c$rdp$ssl = T;
	}
