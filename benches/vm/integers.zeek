# Integer arithmetic: lengths of Collatz sequences.
event zeek_init()
	{
	local best = 0;
	local best_at = 0;
	local i = 1;
	while ( i < 300000 )
		{
		local n = i;
		local len = 0;
		while ( n != 1 )
			{
			if ( n % 2 == 0 )
				n = n / 2;
			else
				n = 3 * n + 1;
			++len;
			}
		if ( len > best )
			{
			best = len;
			best_at = i;
			}
		++i;
		}
	print best, best_at;
	}
