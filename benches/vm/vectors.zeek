# Vectors: a sieve, sums, appending.
event zeek_init()
	{
	local n = 2000000;
	local sieve: vector of bool;
	local i = 0;
	while ( i <= n )
		{
		sieve += T;
		++i;
		}
	i = 2;
	while ( i * i <= n )
		{
		if ( sieve[i] )
			{
			local j = i * i;
			while ( j <= n )
				{
				sieve[j] = F;
				j += i;
				}
			}
		++i;
		}
	local primes: vector of count;
	i = 2;
	while ( i <= n )
		{
		if ( sieve[i] )
			primes += i;
		++i;
		}
	local sum = 0;
	local r = 0;
	while ( r < 20 )
		{
		for ( k, p in primes )
			sum += p;
		++r;
		}
	print |primes|, sum;
	}
