# Values that hold themselves, and very deep ones: printed, copied, compared, hashed and turned into JSON.
type Node: record { v: count; };
redef record Node += { next_node: Node &optional; kids: vector of Node &optional; };

function ring(n: count): Node
	{
	local first = Node($v=0);
	local last = first;
	local i = 1;
	while ( i < n )
		{
		local more = Node($v=i);
		last$next_node = more;
		last = more;
		++i;
		}
	last$next_node = first;
	return first;
	}

function deep(n: count): vector of any
	{
	local v: vector of any;
	local i = 0;
	while ( i < n )
		{
		local w: vector of any = vector();
		w[0] = v;
		v = w;
		++i;
		}
	return v;
	}

event zeek_init()
	{
	local r = ring(2);
	r$kids = vector(r, r);
	print r;
	print to_json(r);
	print copy(r)$next_node$next_node$v, val_footprint(r);
	print |md5_hash(r)|;

	local s: set[Node];
	add s[ring(3)];
	add s[ring(300)];
	add s[ring(300)];
	add s[ring(301)];
	print |s|, ring(3) in s, ring(4) in s, ring(300) in s, ring(302) in s;

	local v: vector of any;
	v[0] = v;
	v[1] = v;
	print v, to_json(v), |copy(v)|, val_footprint(v), |sha1_hash(v)|;

	local d = deep(50000);
	print |d|, |copy(d)|, |cat(d)| > 0, |to_json(d)| > 0, |md5_hash(d)|, val_footprint(d) > 0;
	}
