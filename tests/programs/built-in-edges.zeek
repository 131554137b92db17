# Edges of built-in functions: widths of what cannot be formatted, numbers and ports as C reads them, digests of records,
# JSON into keys, values without a type.

type Inner: record { a: count; b: string &optional; };
type Outer: record { name: string; inner: Inner &default=Inner($a=7); };
type Outers: set[Outer];
type Pairs: set[count, string];
type Counts: table[string] of count;

function result(r: from_json_result): string
	{
	return r$valid ? to_json(r$v) : (r?$err ? r$err : "no text");
	}

# Errors that are reported here leave the exit status alone.
event zeek_done() &priority=5
	{
	for ( _, f in vector("[%5d]", "[%-5x]", "[%7.1f]", "[%3T]", "[%4z]", "[%5.3d]", "[%05.3d]") )
		print f, fmt(f, "text"), fmt(f, 7);
	print fmt("[%012x] [%-12x]", 10.0.0.1, 10.0.0.1);
	print fmt("%D %s", double_to_time(-0.5), strftime("%T", double_to_time(-0.5)));

	for ( _, p in vector("80/tcp", " 80/tcp", "80:udp", "/icmp", "65535/icmp", "80 /tcp", "8x/tcp", "80/unknown") )
		print p, to_port(p);
	for ( _, a in vector(" 1.2.3.4", "1. 2.+3.-0", "1.2 .3.4", "1.-2.3.4") )
		print a, is_valid_ip(a);
	for ( _, d in vector("0x1p-1", "0x1p++1", "nan(1_a)", "nan(a b)") )
		print d, to_double(d);
	print remask_addr(10.0.0.1, 0.0.0.6, 128), remask_addr(10.0.0.1, 0.0.0.6, 129);
	}

event zeek_done()
	{
	# The name of the record does not matter, those of its fields do.
	print md5_hash(Inner($a=1)) == md5_hash([$a=1]), md5_hash(Inner($a=1)) == md5_hash([$a=1, $b="x"]), md5_hash(Inner($a=1, $b="x")) == md5_hash([$a=1, $b="x"]);
	print fnv1a64(Inner($a=1, $b="x")), fnv1a64([$a=1, $c="x"]), fnv1a32(vector(Inner($a=1)));

	print result(from_json("[{\"name\": \"n\"}]", Outers));
	print result(from_json("[[1, \"a\", 3]]", Pairs)), result(from_json("[[1]]", Pairs));
	print result(from_json("{\"a\": null, \"b\": 1}", Counts));
	for ( _, p in vector("\"65535/tcp\"", "\"65535/icmp\"", "{\"port\": 65536, \"proto\": \"udp\"}", "{\"port\": \"1\", \"proto\": 6}", "{\"port\": 1, \"proto\": 6}") )
		print p, result(from_json(p, port));
	for ( _, i in vector("\"1 hr 2 mins\"", "\"1 hr 2\"", "\"1 hr \"", "\"\"", "5") )
		print i, result(from_json(i, interval));
	print result(from_json("\"//\"", pattern)), result(from_json("5", any));

	print to_json(set()), to_json(table()), to_json(vector());
	print type_name(vector()), type_name(set());
	print has_module_events("GLOBAL"), has_module_events("");
	print |hexdump(string_fill(17, "a"))|;
	print string_to_pattern("\xff", F), |cat(string_to_pattern("\xff", F))|;
	local c = conn_id($orig_h=1.2.3.4, $orig_p=5/tcp, $resp_h=5.6.7.8, $resp_p=80/tcp);
	print active_file(get_contents_file(c, CONTENTS_ORIG));
	}
