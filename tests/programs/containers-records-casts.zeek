module M;
export { type Color: enum { RED = 1, GREEN = 5, }; }
type R: record { a: count &default=3; b: string &optional; c: set[count]; d: vector of string; };
type S: record { r: R; x: int &default=-1; f: function(a: count): count &optional; };
redef enum Color += { BLUE = 6, PINK = 20 };
global t: table[string, count] of R;
global ts: table[subnet] of string = { [10.0.0.0/8] = "big", [10.1.0.0/16] = "mid", [10.1.2.3/32] = "host", [[2001:db8::]/32] = "six" };
global tp: table[pattern] of string = { [/foo.*/] = "foo", [/.*bar/] = "bar" };
event zeek_init()
	{
	print RED, GREEN, BLUE, PINK, type_name(RED), enum_to_int(PINK), |BLUE|, BLUE as count, RED as int;
	local r = R();
	print r, r?$b, r?$a, |r|;
	r$b = "x"; print r; delete r$b; print r; r$a = 9; delete r$a; print r$a, r?$a, r;
	t["a", 1] = R($a=1); t["b", 2] = [$a=2, $b="bb"];
	print t["b", 2], ["a", 1] in t, ["a", 2] in t, |t|;
	for ( [x, y] in t ) print x, y;
	for ( [x, y], z in t ) print x, y, z$a;
	delete t["a", 1]; print t;
	print ts[10.1.2.3], ts[10.1.2.4], ts[10.2.0.0], 11.0.0.0 in ts, ts[10.1.2.0/24], 10.0.0.0/8 in ts, 10.0.0.0/7 in ts, ts[[2001:db8::5]];
	print tp["foobar"], "foo" in tp, "xyz" in tp, tp["nothing"];
	local s: S = [$r=[$a=5]]; print s;
	s$f = function(a: count): count { return a * 2; };
	print s$f(4);
	local s2: S = [$r=r, $f(a: count): count = { return a + 1; }];
	print s2$f(1), same_object(s2$r, r);
	local v: vector of count; v[3] = 1; print v, |v|, 2 in v, 3 in v;
	for ( i in v ) print "idx", i;
	for ( i, e in v ) print "idx", i, e;
	v += 7; print v; v += vector(8, 9); print v;
	print v[-1], v[3:5], v[:2], v[4:], v[:], v[-2:], v[5:2];
	v[0:2] = vector(100, 200, 300); print v;
	local w = vector(1,2,3,4); w[1:3] = vector(); print w;
	print vector(1,2,3) + vector(4,5,6), vector(1,2) == vector(1,3), vector(1,2) < vector(2,1), -vector(1,2), vector(T,F) && vector(T,T), vector(T,F) || vector(F,F);
	print vector(1,2,3)[vector(0,2)], vector(1,2,3,4)[vector(T,F,T,F)];
	local vv: vector of vector of count; vv += vector(); vv += vector(1); print vv;
	print "abcdef"[0], "abcdef"[-1], "abcdef"[10], "abcdef"[1:3], "abcdef"[:2], "abcdef"[-2:], "abcdef"[3:1], "abcdef"[:];
	for ( ch in "xyz" ) print ch;
	print set(1,2,3) & set(2,3,4), set(1,2) | set(3), set(1,2,3) - set(2), set(1,2) < set(1,2,3), set(1,2) <= set(1,2), set(1,2) == set(2,1), set(1) != set(2);
	print /a/ | /b/, /a/ & /b/, /a/ == /a/;
	local pt = /x/; pt += /y/; print pt;
	local t1: table[count] of count = { [1] = 2, [3] = 4 }; t1 += { [5] = 6 }; t1 -= { [1] = 0 }; print t1;
	local st: set[string, count] = { ["a", 1], ["b", 2] }; print st; for ( [a, b] in st ) print a, b;
	local xp: table[count, string] of bool = { [[1, 2], ["a", "b"]] = T }; print |xp|;
	switch ( RED ) { case RED, GREEN: print "rg"; fallthrough; case BLUE: print "b"; break; default: print "def"; break; }
	local an: any = 5;
	switch ( an ) { case type string: print "str"; break; case type count as cc: print "count", cc; break; }
	print an is count, an is int, an as count, "7" as count, "1.2.3.4" as addr, 5 as double, 2.5 as int, 3.5 as count, 1.2.3.4 as subnet, 10.0.0.0/8 as count, 80/tcp as count, set(1) as vector of count, vector(1,1) as set[count], 1sec as double, 5 as interval, 16909060 as addr, 5 as time;
	print an ?as count, an ?as string, "x" ?as count, "7" ?as count;
	}
