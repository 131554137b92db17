# Closures: made, kept and called.
function adder(n: count): function(x: count): count
	{
	return function[n](x: count): count { return x + n; };
	}
event zeek_init()
	{
	local sum = 0;
	local i = 0;
	while ( i < 300000 )
		{
		local f = adder(i % 7);
		local j = 0;
		while ( j < 10 )
			{
			sum = f(sum) % 1000003;
			++j;
			}
		++i;
		}
	print sum;
	}
