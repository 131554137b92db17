##! Directions of connections and kinds of hosts, relative to the local networks.

@load ./site

type Direction: enum {
	## The responder is local, the originator is not.
	INBOUND,
	## The originator is local, the responder is not.
	OUTBOUND,
	## Either of the two.
	BIDIRECTIONAL,
	## Never.
	NO_DIRECTION,
};

type Host: enum { LOCAL_HOSTS, REMOTE_HOSTS, ALL_HOSTS, NO_HOSTS };

global id_matches_direction: function(id: conn_id, d: Direction): bool;
global addr_matches_host: function(ip: addr, h: Host): bool;

function id_matches_direction(id: conn_id, d: Direction): bool
	{
	if ( d == NO_DIRECTION )
		return F;

	local from_here = Site::is_local_addr(id$orig_h);
	local to_here = Site::is_local_addr(id$resp_h);

	if ( d == BIDIRECTIONAL )
		return from_here != to_here;

	return d == INBOUND ? to_here && ! from_here : from_here && ! to_here;
	}

function addr_matches_host(ip: addr, h: Host): bool
	{
	if ( h == ALL_HOSTS || h == NO_HOSTS )
		return h == ALL_HOSTS;

	return Site::is_local_addr(ip) == (h == LOCAL_HOSTS);
	}
