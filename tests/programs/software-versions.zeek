# What is made of the texts by which software names itself.

@load base/frameworks/software

module Software;

function text(v: Version): string
	{
	local numbers = "";

	for ( _, n in vector(v?$major ? cat(v$major) : "-", v?$minor ? cat(v$minor) : "-",
	                     v?$minor2 ? cat(v$minor2) : "-", v?$minor3 ? cat(v$minor3) : "-") )
		numbers += n + " ";

	return numbers + (v?$addl ? v$addl : "-");
	}

event zeek_init()
	{
	for ( _, shown in vector("ProFTPD 1.3.5rc3 Server (Debian)", "wu-2.6.1-lab[BETA-2](3)", "wu-2.6.2(1)",
	                         "Java1.6.0_13", "Wget/1.9+cvs-dev (Red Hat modified)", "Wget/1.11.4 (Red Hat modified)",
	                         "The Bat! (v3.00.9) Home", "The Bat! (3.0.2 RC1) Home", "Flash%20Player/11,2,202,238",
	                         "Windows-Update-Agent/10.0.10011.16384 Client-Protocol/2.0", "OpenSSH_6.6.1p1 Debian-4~bpo70+1",
	                         "Jetty(6.1.26)", "iPhone Mail (9A405)", "lighttpd/1.4.28-devel-3M", "PutFTP",
	                         "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; en) Opera 8.54",
	                         "Opera/9.80 (X11; Linux i686; U; en) Presto/2.10 Version/11.62",
	                         "Opera/9.64 (Windows NT 5.1; U; en) Presto/2.1.1",
	                         "Mozilla/5.0 (Windows NT 6.3; Trident/7.0; rv:11.0) like Gecko",
	                         "Mozilla/5.0 (Macintosh) AppleWebKit/534.57.2 (KHTML, like Gecko) Version/5.1.7 Safari/534.57.2",
	                         "Mozilla/5.0 (compatible; somebot/2.1)") )
		{
		local d = parse(shown);
		print fmt("%s: %s %s", shown, d$name, text(d$version));
		}

	terminate();
	}
