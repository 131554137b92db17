# A table with integer keys: counting, look-ups, removal.
event zeek_init()
	{
	local t: table[count] of count;
	local i = 0;
	local x = 1;
	while ( i < 3000000 )
		{
		x = (x * 1103515245 + 12345) % 2147483648;
		local k = x % 5000;
		if ( k in t )
			t[k] += 1;
		else
			t[k] = 1;
		++i;
		}
	local sum = 0;
	for ( k2, v in t )
		sum += v;
	print |t|, sum;
	}
