##! Adds what relays say to dhcp.log.

@load base/protocols/dhcp

module DHCP;

export {
	redef record DHCP::Info += {
		circuit_id: string &log &optional;
		agent_remote_id: string &log &optional;
		subscriber_id: string &log &optional;
	};
}

event DHCP::aggregate_msgs(ts: time, id: conn_id, uid: string, is_orig: bool, msg: DHCP::Msg,
                           options: DHCP::Options)
	{
	if ( ! options?$sub_opt )
		return;

	for ( i, o in options$sub_opt )
		{
		switch ( o$code )
			{
			case 1:
				log_info$circuit_id = o$value;
				break;

			case 2:
				log_info$agent_remote_id = o$value;
				break;

			case 6:
				log_info$subscriber_id = o$value;
				break;
			}
		}
	}
