# Vectors of vectors, classes that begin with a bracket, empty blocks and flags in printed functions.
function f(n: count)
	{
	if ( n > 1 )
		{ }
	print "x" == /x/is;
	}

event zeek_init()
	{
	local v = vector(vector(1), vector(2));
	v += vector(vector(3), vector(4));
	v += vector(5);
	v += vector();
	local more = vector(6);
	v += vector(more, more);
	v += more;
	v[0] += 7;
	v[0] += vector(8, 9);
	print v;

	print /[]a]+/ == "]a", /[^]a]/ == "]", /[^]a]/ == "b", /[]]/ in "x]";
	print f;
	}
