##! Adds the id of the PPPoE session to conn.log.

@load base/protocols/conn

module Conn;

redef record Conn::Info += {
	pppoe_session_id: count &log &optional;
};

event new_connection(c: connection)
	{
	local id = PacketAnalyzer::PPPoE::session_id();

	# The largest number stands for "none".
	if ( id != 0xffffffff )
		c$conn$pppoe_session_id = id;
	}
