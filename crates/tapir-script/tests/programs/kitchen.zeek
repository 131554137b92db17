# Uses most of the language; the robustness test mangles it.
module Kitchen;

export {
	type Color: enum { RED = 1, GREEN = 0x2, BLUE = 7 };
	type Shape: enum { SQUARE, ROUND &deprecated="be square" };
	type Item: record {
		name: string &log;
		tags: set[string] &default=set();
		price: double &optional;
		color: Shape &default=SQUARE;
		on_sale: function(i: count): bool &optional;
	} &log;
	option limit: count = 10;
	const words: table[string, count] of vector of string = { ["a", 1] = vector("x"), [["b", "c"], 2] = vector() } &redef;
	global sold: event(item: Item, n: count &default=1);
	global sold: event(n: count);
	global policy: hook(item: Item);
	global total: function(items: vector of Item, scale: double &default=1.0): double;
}

redef enum Shape += { OVAL };
redef record Item += { stock: count &default=0; };
redef record Item$stock += { &log };
redef words += { ["d", 3] = vector("y", "z") };

global seen: table[addr] of set[port] &create_expire=5min &default=function(a: addr): set[port] { return set(); };
global nets: set[subnet] = { 10.0.0.0/8, [2001:db8::]/32 } &ordered;
global pat = /foo|"bar"/i | /x[^\/a-z]{2,3}/s;

function total(items: vector of Item, scale: double): double
	{
	local sum = 0.0;
	for ( i, item in items )
		{
		if ( ! item?$price || i > limit )
			next;
		sum += item$price * scale;
		}
	return sum;
	}

hook policy(item: Item) &priority=-5 &group="shop"
	{
	if ( |item$tags| == 0 && item$name !in set("a", "b") )
		break;
	}

event Kitchen::sold(n: count) &priority=3
	{
	print fmt("%d of %s", n, "many"), n is string;
	}

event zeek_init()
	{
	local items: vector of Item;
	local a = Item($name="apple", $price=1.5, $on_sale(i: count) = { return i % 2 == 0; });
	items += a;
	items[1] = [$name="pear", $tags=set("x")];
	local f = function[a, copy items](k: string &default="z"): string { return a$name + k + cat(|items|); };
	print f(), f("!"), total(items), total(items, 2.0), items[0:1], a$name[1:], a is Item;
	switch a$name[0] {
	case "a", "b":
		print T ? "yes" : "no";
		fallthrough;
	case "c":
		break;
	default:
		return;
	}
	local x: any = 5;
	switch ( x ) {
	case type count as c: print c + 1; break;
	case type string, type addr: break;
	}
	for ( [w, n], v in words )
		print w, n, v, [w, n] in words;
	for ( _ in words )
		;
	while ( |items| < 3 )
		items += Item($name=cat(|items|));
	add nets[192.168.0.0/16];
	delete nets[10.0.0.0/8];
	delete a$price;
	seen[1.2.3.4] = { 80/tcp, 53/udp };
	when [a] ( |seen| > 3 && a$stock == 0 )
		{
		print "done", a;
		}
	timeout 3 sec
		{
		print -1.5e3, +2, ~0x0f, 1 << 3 | 5 & 6 ^ 1, 3 days - 2hrs;
		}
	schedule 1 min { Kitchen::sold(a, 2) };
	event Kitchen::sold(a);
	if ( hook policy(a) )
		print pat in "foo", pat == "x", copy(a), |-3|, 1.0 / 3, 10.1.2.3/16, 1.2.3.4 in 1.2.0.0/16;
	else if ( 2 <= limit && ! F )
		--a$stock;
	assert |items| >= 3, fmt("%s", items);
	[w, n] = ["k", 1];
	items[0:1] = vector();
@if ( T )
	print @DIR, @FILENAME;
@else
	print nothing;
@endif
@ifdef ( Kitchen )
	local last = seen[5.6.7.8];
@endif
	}

print "top", limit;
local at_top = 1;
