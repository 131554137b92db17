##! Takes software from the versions of SSH.

@load base/frameworks/software

module SSH;

export {
	redef enum Software::Type += {
		SERVER,
		CLIENT,
	};
}

# What comes behind the version of the protocol.
function software_of(version: string): string
	{
	return sub(version, /^[sS][sS][hH]-[0-9]+\.[0-9]+-/, "");
	}

event ssh_client_version(c: connection, version: string) &priority=4
	{
	Software::found(c$id, Software::Info($unparsed_version=software_of(version), $host=c$id$orig_h,
	                $software_type=SSH::CLIENT));
	}

event ssh_server_version(c: connection, version: string) &priority=4
	{
	Software::found(c$id, Software::Info($unparsed_version=software_of(version), $host=c$id$resp_h,
	                $host_p=c$id$resp_p, $software_type=SSH::SERVER));
	}
