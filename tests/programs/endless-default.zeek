# fails
# A default that holds a record of its own type again has no end.
type D: record { a: count; };
redef record D += { d: D &default = D($a=1); };

event reporter_error(at: time, msg: string, location: string)
	{
	print msg;
	}

event zeek_init() &priority=1
	{
	local d = D($a=2);
	print d$d$d$a;
	}

event zeek_init()
	{
	print D($a=2);
	}
