##! Adds the name of the IP protocol to conn.log.

@load base/protocols/conn
@load base/packet-protocols/ip

module Conn;

redef record Conn::Info += {
	ip_proto_name: string &log &optional;
};

event new_connection(c: connection) &priority=5
	{
	local n = c$id$proto;

	# The number stands for "not known".
	if ( n != 65535 && n in IP::protocol_names )
		c$conn$ip_proto_name = IP::protocol_names[n];
	}
