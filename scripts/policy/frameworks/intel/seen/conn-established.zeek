##! Hosts of connections.

@load base/frameworks/intel
@load ./where-locations

module Intel;

event connection_established(c: connection) &group="Intel::ADDR"
	{
	# Once both sides have spoken.
	if ( c$orig$state != TCP_ESTABLISHED || c$resp$state != TCP_ESTABLISHED )
		return;

	Intel::seen(Intel::Seen($host=c$id$orig_h, $conn=c, $where=Conn::IN_ORIG));
	Intel::seen(Intel::Seen($host=c$id$resp_h, $conn=c, $where=Conn::IN_RESP));
	}
