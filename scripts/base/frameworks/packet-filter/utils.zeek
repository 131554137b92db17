##! Building blocks of capture filters.

module PacketFilter;

export {
	## A filter for a port.
	global port_to_bpf: function(p: port): string;

	## Joins two filters; an empty one is left out.
	global combine_filters: function(lfilter: string, op: string, rfilter: string): string;

	## A filter that passes one of `num_parts` parts of all address pairs.
	global sampling_filter: function(num_parts: count, this_part: count): string;
}

function port_to_bpf(p: port): string
	{
	local proto = get_port_transport_proto(p);

	if ( proto == tcp || proto == udp )
		return fmt("%s port %d", proto, p);

	return fmt("port %d", p);
	}

function combine_filters(lfilter: string, op: string, rfilter: string): string
	{
	if ( lfilter == "" )
		return rfilter;

	if ( rfilter == "" )
		return lfilter;

	return fmt("(%s) %s (%s)", lfilter, op, rfilter);
	}

function sampling_filter(num_parts: count, this_part: count): string
	{
	# The last bits of both addresses decide, so both directions of a connection stay together.
	local v4 = fmt("ip and ((ip[14:2]+ip[18:2]) - (%d*((ip[14:2]+ip[18:2])/%d)) == %d)", num_parts, num_parts, this_part);
	local v6 = fmt("ip6 and ((ip6[22:2]+ip6[38:2]) - (%d*((ip6[22:2]+ip6[38:2])/%d)) == %d)", num_parts, num_parts, this_part);

	# The same with a VLAN tag.
	return fmt("(%s) or (%s) or (vlan and ((%s) or (%s)))", v4, v6, v4, v6);
	}
