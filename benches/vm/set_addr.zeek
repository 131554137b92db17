# A set and a table with address keys.
event zeek_init()
	{
	local hosts: vector of addr;
	local i = 0;
	while ( i < 4096 )
		{
		hosts[i] = count_to_v4_addr(167772160 + i * 3);
		++i;
		}
	local seen: set[addr];
	local hits: table[addr] of count;
	local fresh = 0;
	i = 0;
	while ( i < 4000000 )
		{
		local a = hosts[(i * 31) % 4096];
		if ( a !in seen )
			{
			add seen[a];
			hits[a] = 0;
			++fresh;
			}
		hits[a] += 1;
		++i;
		}
	print fresh, |seen|, hits[10.0.0.0];
	}
