# Nested counting loops.
event zeek_init()
	{
	local sum = 0;
	local i = 0;
	while ( i < 7000 )
		{
		local j = 0;
		while ( j < 7000 )
			{
			if ( j == i )
				sum += 1;
			++j;
			}
		++i;
		}
	print sum;
	}
