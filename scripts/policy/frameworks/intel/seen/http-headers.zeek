##! What headers of requests name.

@load base/frameworks/intel
@load base/protocols/http/utils
@load base/utils/addrs
@load ./where-locations

module Intel;

event http_header(c: connection, is_orig: bool, name: string, value: string) &group="Intel::ADDR"
	{
	if ( ! is_orig )
		return;

	if ( name == "HOST" )
		{
		if ( is_valid_ip(value) )
			Intel::seen(Intel::Seen($host=to_addr(value), $indicator_type=Intel::ADDR, $conn=c,
			            $where=HTTP::IN_HOST_HEADER));
		}
	else if ( name == "X-FORWARDED-FOR" )
		{
		for ( i, ip in extract_ip_addresses(value) )
			Intel::seen(Intel::Seen($host=to_addr(ip), $indicator_type=Intel::ADDR, $conn=c,
			            $where=HTTP::IN_X_FORWARDED_FOR_HEADER));
		}
	}

event http_header(c: connection, is_orig: bool, name: string, value: string) &group="Intel::DOMAIN"
	{
	if ( is_orig && name == "HOST" && ! is_valid_ip(value) )
		# The port says nothing.
		Intel::seen(Intel::Seen($indicator=split_string1(value, /:/)[0], $indicator_type=Intel::DOMAIN, $conn=c,
		            $where=HTTP::IN_HOST_HEADER));
	}

event http_header(c: connection, is_orig: bool, name: string, value: string) &group="Intel::URL"
	{
	if ( is_orig && name == "REFERER" )
		Intel::seen(Intel::Seen($indicator=sub(value, /^.*:\/\//, ""), $indicator_type=Intel::URL, $conn=c,
		            $where=HTTP::IN_REFERRER_HEADER));
	}

event http_header(c: connection, is_orig: bool, name: string, value: string) &group="Intel::SOFTWARE"
	{
	if ( is_orig && name == "USER-AGENT" )
		Intel::seen(Intel::Seen($indicator=value, $indicator_type=Intel::SOFTWARE, $conn=c,
		            $where=HTTP::IN_USER_AGENT_HEADER));
	}
