# The event queue: raising and handling.
global n = 0;
global total = 0;
event step(i: count, s: string)
	{
	++n;
	total += i + |s|;
	if ( i < 2000000 )
		event step(i + 1, s);
	}
event zeek_init() { event step(0, "payload"); }
event zeek_done() { print n, total; }
