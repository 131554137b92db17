# Floating point: points of the Mandelbrot set.
event zeek_init()
	{
	local inside = 0;
	local py = 0;
	while ( py < 300 )
		{
		local px = 0;
		local y0 = py / 150.0 - 1.0;
		while ( px < 300 )
			{
			local x0 = px / 100.0 - 2.0;
			local x = 0.0;
			local y = 0.0;
			local k = 0;
			while ( k < 200 && x * x + y * y < 4.0 )
				{
				local t = x * x - y * y + x0;
				y = 2.0 * x * y + y0;
				x = t;
				++k;
				}
			if ( k == 200 )
				++inside;
			++px;
			}
		++py;
		}
	print inside;
	}
