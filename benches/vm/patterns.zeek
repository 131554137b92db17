# Pattern search and exact match.
event zeek_init()
	{
	local lines = vector("GET /index.html HTTP/1.1", "POST /login.php?user=admin HTTP/1.0",
	    "HEAD /robots.txt HTTP/1.1", "nothing of interest here");
	local found = 0;
	local i = 0;
	while ( i < 1000000 )
		{
		local l = lines[i % 4];
		if ( /[a-z]+\.php\?/ in l )
			++found;
		if ( /HTTP\/1\.[01]$/ in l )
			++found;
		++i;
		}
	print found;
	}
