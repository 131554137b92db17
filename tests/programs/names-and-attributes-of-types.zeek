# The text of types: names inside of containers, attributes of fields and parameters, hooks declared by an alias.

type Name: string;
type Names: vector of Name;
type Hook: hook(n: count);
type Plain: record {
	a: count;
};

global by_name: table[string] of Names;
global deep: table[count] of table[Name] of Names;
global handler: Hook;
hook handler(n: count) { }

function f(a: count, b: string &default="x", c: int &default=0, d: set[count] &default=set(), e: Plain &default=[$a=1]): Name
	{
	return b;
	}

event zeek_init()
	{
	print type_name(by_name), type_name(deep);
	print type_name(handler);
	print type_name(f);
	print type_name(find_str);
	local r: record { a: count &default=4; b: string &optional &log; c: Plain &optional; };
	print type_name(r);
	local known = global_ids();
	print known["by_name"]$type_name, known["handler"]$type_name;
	by_name["x"] = vector("a", "b");
	local v: vector of string = by_name["x"];
	print v, type_name(v);
	}

event file_opened(f: file)
	{
	print "opened", get_file_name(f);
	}

event zeek_init() &priority=-1
	{
	close(open("/dev/null"));
	}

# A list of exactly the fields of a record type is a record without a name; one that has to be converted takes the name.
type Exact: record {
	a: count;
	b: string;
};

type Real: record {
	x: double;
};

event zeek_init() &priority=-2
	{
	local e: Exact = [$a=1, $b="x"];
	local turned: Exact = [$b="x", $a=1];
	local r: Real = [$x=1];
	local same: Real = [$x=1.0];
	print type_name(e), type_name(turned), type_name(r), type_name(same);
	print |type_aliases(e)|, |type_aliases(turned)|, e is Exact;
	local any_e: any = e;
	switch ( any_e ) { case type Exact as x: print x; break; }
	}
