##! Assigns keys to sites by highest random weight: a change of sites moves as few keys as possible.

module HashHRW;

export {
	## F if a site with that id is there.
	global add_site: function(pool: Pool, site: Site): bool;

	## F if there is no such site.
	global rem_site: function(pool: Pool, site: Site): bool;

	## The site of a key. The pool must not be empty.
	global get_site: function(pool: Pool, key: any): Site;
}

function add_site(pool: Pool, site: Site): bool
	{
	if ( site$id in pool$sites )
		return F;

	pool$sites[site$id] = site;
	return T;
	}

function rem_site(pool: Pool, site: Site): bool
	{
	if ( site$id !in pool$sites )
		return F;

	delete pool$sites[site$id];
	return T;
	}

function get_site(pool: Pool, key: any): Site
	{
	local digest = fnv1a32(key);
	local best = -1;
	local best_id = 0;

	for ( id in pool$sites )
		{
		local weight: int = hrw_weight(digest, id);

		# The order of sites must not matter.
		if ( weight > best || (weight == best && id > best_id) )
			{
			best = weight;
			best_id = id;
			}
		}

	return pool$sites[best_id];
	}
