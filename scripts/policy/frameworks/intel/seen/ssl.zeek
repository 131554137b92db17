##! Names that clients ask TLS servers for.

@load base/frameworks/intel
@load base/protocols/ssl
@load ./where-locations

module Intel;

event ssl_extension_server_name(c: connection, is_client: bool, names: string_vec) &group="Intel::DOMAIN"
	{
	if ( is_client && c?$ssl && c$ssl?$server_name )
		Intel::seen(Intel::Seen($indicator=c$ssl$server_name, $indicator_type=Intel::DOMAIN, $conn=c,
		            $where=SSL::IN_SERVER_NAME));
	}
