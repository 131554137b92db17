# A table with string keys.
event zeek_init()
	{
	local names: vector of string;
	local i = 0;
	while ( i < 1000 )
		{
		names[i] = "host-" + cat(i) + ".example.org";
		++i;
		}
	local t: table[string] of count;
	i = 0;
	while ( i < 4000000 )
		{
		local n = names[(i * 7) % 1000];
		if ( n !in t )
			t[n] = 0;
		t[n] += 1;
		++i;
		}
	print |t|, t["host-7.example.org"];
	}
