##! Leaves out connections of other protocols than TCP, UDP and ICMP.

@load base/protocols/conn

redef record Conn::Info$ip_proto -= { &log };

hook Conn::log_policy(rec: Conn::Info, id: Log::ID, filter: Log::Filter)
	{
	if ( rec$proto == unknown_transport )
		break;
	}
