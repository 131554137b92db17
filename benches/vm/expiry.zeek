# A table that expires: entries come, are refreshed, and go.
global expired = 0;
function gone(t: table[count] of count, k: count): interval
	{
	++expired;
	return 0sec;
	}
global t: table[count] of count &create_expire=5sec &expire_func=gone;
global round = 0;
event tick()
	{
	local i = 0;
	while ( i < 5000 )
		{
		t[round * 5000 + i] = i;
		++i;
		}
	++round;
	if ( round < 200 )
		schedule 1sec { tick() };
	}
event zeek_init() { schedule 1sec { tick() }; }
event zeek_done() { print round, expired; }
