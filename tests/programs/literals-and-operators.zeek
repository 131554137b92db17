# 1.2 literals
global p_i = /FoO/i;
event zeek_init()
	{
	print 0x1F, 0010, 18446744073709551616, 1e400, 1., .5, 1.5, 1e5, 1E-5, .5e+3;
	print 3min, 1.5 hrs, 10 usecs, 2day, 1 msec, -5 sec, 1sec;
	print 80/tcp, 65535/udp, 255/icmp, 3/unknown;
	print [2001:db8::1], [::1], [::ffff:1.2.3.4], [0x2001:db8::1];
	print 10.0.0.1/8, [2001:db8::1] /32, 10.0.0.1 / 8, [::ffff:1.2.3.4]/120;
	print "\b\f\n\r\t\a\v\\\"\101\x41\x4\q";
	print /a\/b/, /a[\/]b/, /x/is, /x/si, p_i;
	print "foo" == p_i, "xFOOx" == p_i, p_i in "xFOOx";
	print @FILENAME;
	print -9223372036854775808, +5, -0;
	print type_name(-5), type_name(+5), type_name(5), type_name(-5.0), type_name(-5sec);
	print 5 / 2, -5 / 2, 5 % 3, -5 % 3, 5.0 / 2, 7 / 2.0;
	print 1 + -2, 2 - 1, -1 + 1;
	print 1 << 3, 16 >> 2, 0xff & 0x0f, 0xf0 | 0x0f, 0xff ^ 0x0f, ~0;
	print 1 << 3 + 1, (1 << 3) + 1, 1 | 2 == 3;
	print T && F || T, ! T, !0, !5, !-1, ! ! T;
	print 1 < 2, 2 >= 2, 1 != 2;
	print "a" < "b", "abc" < "abd", "a" < "aa", "" < "a";
	print 1.2.3.4 < 1.2.3.5, [::1] < 1.2.3.4, 80/tcp < 80/udp, 80/udp < 1/icmp, 81/tcp > 80/tcp, 1/unknown < 1/tcp;
	print 1sec < 2sec, double_to_time(1.0) < double_to_time(2.0);
	print T ? 1 : 2.5, F ? 1 : 2.5, T ? 1 : -1;
	print 1.2.3.4 in 1.2.3.0/24, "b" in "abc", /b/ in "abc", 2 in vector(1,2,3), 3 in vector(1,2,3), 1 in set(1,2), [1,"a"] in set([1,"a"]);
	print 1.2.3.4 !in 1.2.3.0/24, 1.2.3.4 ! in 1.2.3.0/24;
	print |-5|, |5|, |-1.5|, |"abc"|, |vector(1,2)|, |set(1,2)|, |1.2.3.4|, |[::1]|, |10.0.0.0/8|, |80/tcp|, |80/udp|, |8/icmp|, |T|, |-1sec|, |double_to_time(5.0)|, |/x/|;
	print |[::]/0|, |1.2.3.4/32|, |zeek_init|, |fmt|;
	print 1.2.3.4 / 16, [2001:db8::1] / 64;
	local i = 5; ++i; print i; --i; print i; i += 2; print i; i -= 1; print i;
	print ++i, i;
	local c = 1; c -= 1; print c;
	print 5sec * 2, 2 * 5sec, 5sec / 2, 5sec / 2sec, 5sec + 3sec, 5sec - 8sec, double_to_time(10.0) - double_to_time(4.0), double_to_time(10.0) + 5sec, double_to_time(10.0) - 5sec, 0.5 * 3sec, 3sec / 0.5;
	}
