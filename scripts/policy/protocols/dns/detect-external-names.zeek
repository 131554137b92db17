##! A notice when a name that is none of the site's leads to a host of the site.

@load base/frameworks/notice
@load base/utils/site
@load base/protocols/dns

module DNS;

export {
	redef enum Notice::Type += {
		## A name that is none of ours has one of our addresses.
		External_Name
	};

	## Servers that are not asked seriously.
	option skip_resp_host_port_pairs: set[addr, port] = {
		[[ff02::fb], 5353/udp],
		[224.0.0.251, 5353/udp],
	};
}

function check_external(c: connection, query: string, a: addr)
	{
	if ( |Site::local_zones| == 0 || [c$id$resp_h, c$id$resp_p] in skip_resp_host_port_pairs )
		return;

	if ( Site::is_local_addr(a) && ! Site::is_local_name(query) )
		NOTICE(Notice::Info($note=External_Name, $msg=fmt("%s is pointing to a local host - %s.", query, a),
		       $conn=c, $identifier=cat(a, query)));
	}

event dns_A_reply(c: connection, msg: dns_msg, ans: dns_answer, a: addr) &priority=-3
	{
	check_external(c, ans$query, a);
	}

event dns_AAAA_reply(c: connection, msg: dns_msg, ans: dns_answer, a: addr) &priority=-3
	{
	check_external(c, ans$query, a);
	}
