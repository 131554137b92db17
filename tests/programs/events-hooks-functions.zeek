global ev: event(a: count, b: string, c: double);
global ev: event(c: double, a: count);
global ev: event(b: string);
event ev(a: count, b: string, c: double) { print "full", a, b, c; a = 100; }
event ev(x: count, y: string, z: double) &priority=5 { print "renamed", x, y, z; }
event ev(c: double, a: count) { print "alt", c, a; }
event ev(b: string) &priority=-5 { print "b only", b; }
global h: hook(n: count);
hook h(n: count) &priority=1 { print "h1", n; if ( n == 2 ) break; }
hook h(n: count) { print "h0", n; if ( n == 3 ) return; print "h0 end"; }
global deff: function(a: count, b: string &default="dd", c: bool &default=T): string;
function deff(a: count, b: string, c: bool): string { return fmt("%d %s %s", a, b, c); }
function fib(n: count): count { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
function mk(): function(): count { local n = 0; return function[n](): count { return ++n; }; }
function anyf(x: any): string { return type_name(x); }
event grp() &group="g1" { print "g1"; }
event grp() &group="g2" { print "g2"; }
event grp() { print "none"; }
global grp: event();
redef exit_only_after_terminate = F;
function noret(x: count): count { if ( x > 1 ) return 5; }
type Op: function(a: count, b: count): count;
global ops: table[string] of Op = { ["add"] = function(a: count, b: count): count { return a + b; } };
event redefd() { print "never"; }
redef event redefd() { print "redefined"; }
global redefd: event();
global hv: hook(x: count);
event zeek_init()
	{
	event ev(1, "s", 2.5);
	print hook h(1), hook h(2), hook h(3);
	print deff(1), deff(1, "x"), deff(1, "x", F);
	print fib(15);
	local f = mk(); local g = mk(); print f(), f(), g(), f();
	local f2 = copy(f); print f2(), f(), f2();
	print anyf(f), anyf(set("a")), anyf([$a=1, $b="x"]), anyf(vector()), anyf(/x/), anyf(1.5), anyf(count);
	disable_event_group("g1"); event grp();
	print ops["add"](1, 2);
	noret(0);
	local z = noret(2); print z;
	event redefd();
	local tt: table[string] of count &default=7; print tt["x"], "x" in tt;
	local td: table[count] of string &default=function(c: count): string { return fmt("d%d", c); }; print td[5];
	local ti: table[count] of vector of count &default_insert=vector(); ti[1] += 5; print ti;
	print "b", hook hv(1);
	local i = 0;
	while ( T ) { ++i; if ( i == 2 ) next; if ( i > 4 ) break; print "w", i; }
	for ( [k] in set("x") ) print k;
	for ( _, v in table(["k"] = "v") ) print v;
	assert i == 5, "msg";
	schedule 1sec { grp() };
	local s1 = set(1, 2); s1 += { 5 }; s1 -= { 1 }; print s1; add s1[9]; delete s1[2]; print |s1|;
	print cat(1, "a", T, 1.5, 80/tcp), cat_sep("|", "-", "a", "", 5), string_cat("a", "b");
	print fmt("%5d|%-5d|%05d|%x|%s|%.3f|%e|%g|%%", 42, 42, 42, 255, set(1), 3.14159, 12345.678, 0.0001);
	print fmt("%10s|%-10s|", "abc", "abc"), fmt("%D", double_to_time(0.0)), fmt("%T", double_to_time(1.5));
	}
event zeek_done() { print "done", zeek_is_terminating(); }
