# What run-time errors quote: the normalised expression that failed, locals with their module, built-ins with their call.
module M;

type R: record { a: count &optional; r: record { b: count &optional; } &optional; };
type K: record { a: count; b: string &default = "b"; c: string &optional; };

global t: table[string] of count;
global tt: table[string, count] of string;
global g: count;
global v = vector(1, 2);
global z = 0;
global never_assigned: function();
global e: event(n: count);

event reporter_error(at: time, msg: string, location: string)
	{
	print msg;
	}

event reporter_warning(at: time, msg: string, location: string)
	{
	print "warning:", msg;
	}

event e(n: count)
	{
	local l: count;
	local r: R = [];
	local s: string;
	local d = 1.5;
	local a: any = "str";
	local k: K;
	local by_record: table[K] of count;
	local keys: set[K];

	if ( n < 27 )
		event e(n + 1);

	switch n {
	case 0: print l; break;
	case 1: ++l; break;
	case 2: l += 1; break;
	case 3: s += "x"; break;
	case 4: t["zz"] += 1; break;
	case 5: ++t["zz"]; break;
	case 6: print t[ "z" + s[0] ]; break;
	case 7: print tt["a", 1]; break;
	case 8: print r$r$b; break;
	case 9: r$a += 1; break;
	case 10: v[7] += 1; break;
	case 11: print 5 > z && d / z > 1; break;
	case 12: print vector(1) + v; break;
	case 13: print a as count; break;
	case 14: if ( 3 < g ) print 1; break;
	case 15: z -= 2; z = 0; break;
	case 16: --z; z = 0; break;
	case 17: never_assigned(); break;
	case 18: print to_count("zz"), to_addr("q"); break;
	case 19: print by_record[k]; break;
	case 20: by_record[k] = 1; break;
	case 21: add keys[k]; print |keys|, k in keys; break;
	case 22: k$a = 1; add keys[k]; by_record[k] = 5; print k in keys, by_record[K($a=1)]; break;
	case 23: print v[-9]; break;
	case 24: print 1.2.3.4 / (z + 40); break;
	case 25: print (l == 1) ? 1 : 2; break;
	case 26: print 7 % z; break;
	case 27: terminate(); break;
	}
	}

event zeek_init()
	{
	schedule 1sec { e(0) };
	}
