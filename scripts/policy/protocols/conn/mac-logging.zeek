##! Adds the link-layer addresses to conn.log.

@load base/protocols/conn

redef record Conn::Info += {
	orig_l2_addr: string &log &optional;
	resp_l2_addr: string &log &optional;
};

event connection_state_remove(c: connection)
	{
	if ( c$orig?$l2_addr )
		c$conn$orig_l2_addr = c$orig$l2_addr;

	if ( c$resp?$l2_addr )
		c$conn$resp_l2_addr = c$resp$l2_addr;
	}
