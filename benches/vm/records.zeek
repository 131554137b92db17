# Record fields, nested access, record creation.
type Id: record {
	orig_p: count;
	resp_p: count;
};
type Conn: record {
	id: Id;
	bytes: count &default=0;
	packets: count &default=0;
};
function update(c: Conn, n: count)
	{
	c$bytes += n;
	++c$packets;
	if ( c$id$orig_p == c$id$resp_p )
		c$bytes = 0;
	}
event zeek_init()
	{
	local total = 0;
	local i = 0;
	while ( i < 100000 )
		{
		local c = Conn($id=Id($orig_p=i, $resp_p=80));
		local j = 0;
		while ( j < 40 )
			{
			update(c, j);
			++j;
			}
		total += c$bytes + c$packets;
		++i;
		}
	print total;
	}
