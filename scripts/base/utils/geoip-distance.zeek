##! Distances between addresses on the map.

## Miles between two addresses, or -1 if a location is unknown.
global haversine_distance_ip: function(a1: addr, a2: addr): double;

function haversine_distance_ip(a1: addr, a2: addr): double
	{
	local l1 = lookup_location(a1);
	local l2 = lookup_location(a2);

	if ( l1?$latitude && l1?$longitude && l2?$latitude && l2?$longitude )
		return haversine_distance(l1$latitude, l1$longitude, l2$latitude, l2$longitude);

	return -1.0;
	}
