# String building: short pieces joined to keys, and a string that grows.
event zeek_init()
	{
	local total = 0;
	local i = 0;
	local parts = vector("alpha", "beta", "gamma", "delta");
	while ( i < 3000000 )
		{
		local s = parts[i % 4] + "-" + parts[(i + 1) % 4] + "/";
		total += |s|;
		++i;
		}
	local r = 0;
	while ( r < 200 )
		{
		local grow = "";
		i = 0;
		while ( i < 2000 )
			{
			grow += "xy";
			++i;
			}
		total += |grow|;
		++r;
		}
	print total;
	}
