# Tables and sets whose initial values are constants alone, and those whose are not.
type Kind: enum { A, B };
type Pair: record { a: count &default=1; b: string &optional; };

const one: table[count] of string = { [1] = "a", [2] = "b", [1] = "c" };
const two: table[string, count] of double = { ["x", 1] = 1.5, ["y", 2] = 2.0 } &default=7.5;
const pairs: set[string, count] = { ["x", 1], ["y", 2], ["x", 1] };
const listed = set(["p", 3], ["q", 4]);
const nested: table[string] of set[count] = { ["n"] = set(1, 2), ["m"] = set() };
const vectors: table[count] of vector of count = { [1] = vector(1, 2, 3) };
const kinds: set[Kind] = { A, B };
const nets: table[subnet] of string = { [10.0.0.0/8] = "ten", [10.1.0.0/16] = "ten one" };
const patterns: table[count] of pattern = { [1] = /a+b/ };
const ports = { 80/tcp, 53/udp };
const deep: vector of vector of string = vector(vector("a"), vector("b", "c"));
const not_constant: table[count] of string = { [1 + 1] = cat("a", 1) };
const records: table[string] of Pair = { ["r"] = [$a=2], ["s"] = Pair() };
global grows: table[count] of count = { [1] = 1 } &redef;
redef grows += { [2] = 2, [3] = 3 };
redef grows -= { [1] = 1 };

event zeek_init()
	{
	print one, |one|;
	print two["x", 1], two["z", 9], |two|;
	print ["x", 1] in pairs, ["x", 2] in pairs, |pairs|;
	print listed, ["q", 4] in listed;
	print nested, |nested["m"]|;
	vectors[1] += 4;
	print vectors;
	print A in kinds, kinds;
	print nets[10.1.2.3], nets[10.2.2.3];
	print patterns[1] == "aab";
	print ports, 53/udp in ports;
	print deep, deep[1][1];
	print not_constant, records;
	print grows;
	}
