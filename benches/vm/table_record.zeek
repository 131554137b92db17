# A table whose keys are records.
type Key: record {
	host: addr;
	port_: count;
};
event zeek_init()
	{
	local t: table[Key] of count;
	local i = 0;
	local h = 10.1.2.3;
	while ( i < 1000000 )
		{
		local k = Key($host=h, $port_=i % 1000);
		if ( k in t )
			t[k] += 1;
		else
			t[k] = 1;
		++i;
		}
	print |t|, t[[$host=10.1.2.3, $port_=7]];
	}
