##! Ties packet analyzers to ports.

module PacketAnalyzer;

export {
	## Ties ports of a transport analyzer to another packet analyzer. Server ports also become likely server ports.
	global register_for_ports: function(parent: PacketAnalyzer::Tag, child: PacketAnalyzer::Tag, server_ports: set[port],
	                                    non_server_ports: set[port] &default=set()): bool;
	global register_for_port: function(parent: PacketAnalyzer::Tag, child: PacketAnalyzer::Tag, p: port): bool;
}

function register_for_ports(parent: PacketAnalyzer::Tag, child: PacketAnalyzer::Tag, server_ports: set[port],
                            non_server_ports: set[port] &default=set()): bool
	{
	local all_done = T;

	for ( p in server_ports )
		{
		add likely_server_ports[p];

		if ( ! register_for_port(parent, child, p) )
			all_done = F;
		}

	for ( q in non_server_ports )
		{
		if ( ! register_for_port(parent, child, q) )
			all_done = F;
		}

	return all_done;
	}

function register_for_port(parent: PacketAnalyzer::Tag, child: PacketAnalyzer::Tag, p: port): bool
	{
	return register_packet_analyzer(parent, port_to_count(p), child);
	}
