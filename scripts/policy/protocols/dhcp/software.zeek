##! Takes software from DHCP messages.

@load base/protocols/dhcp
@load base/frameworks/software

module DHCP;

export {
	redef enum Software::Type += {
		SERVER,
		CLIENT,
	};

	redef record DHCP::Info += {
		client_software: string &log &optional;
		server_software: string &log &optional;
	};
}

event DHCP::aggregate_msgs(ts: time, id: conn_id, uid: string, is_orig: bool, msg: DHCP::Msg,
                           options: DHCP::Options) &priority=5
	{
	if ( ! options?$vendor_class )
		return;

	if ( is_orig )
		log_info$client_software = options$vendor_class;
	else
		log_info$server_software = options$vendor_class;
	}

event DHCP::log_dhcp(rec: DHCP::Info)
	{
	if ( rec?$assigned_addr && rec?$server_addr && (rec?$client_software || rec?$server_software) )
		{
		# A lease was given, so that both addresses are good.
		local id = conn_id($orig_h=rec$assigned_addr, $orig_p=rec$client_port, $resp_h=rec$server_addr,
		                   $resp_p=rec$server_port);

		if ( rec?$client_software )
			Software::found(id, Software::Info($unparsed_version=rec$client_software,
			                $host=rec$assigned_addr, $software_type=DHCP::CLIENT));

		if ( rec?$server_software )
			Software::found(id, Software::Info($unparsed_version=rec$server_software,
			                $host=rec$server_addr, $software_type=DHCP::SERVER));
		}
	}
