##! Asks Team Cymru's malware hash registry about files of risky types.

@load base/frameworks/files
@load base/frameworks/notice
@load frameworks/files/hash-all-files

module TeamCymruMalwareHashRegistry;

export {
	redef enum Notice::Type += {
		## The registry knows the file as malware.
		Match
	};

	## Types of files that are asked about.
	option match_file_types = /application\/x-dosexec/ |
	                          /application\/vnd\.ms-cab-compressed/ |
	                          /application\/pdf/ |
	                          /application\/x-shockwave-flash/ |
	                          /application\/x-java-applet/ |
	                          /application\/jar/ |
	                          /video\/mp4/;

	option match_sub_url = "https://www.virustotal.com/gui/search/%s";
	option notice_threshold = 10;
}

function ask(hash: string, fi: Notice::FileInfo)
	{
	local name = fmt("%s.malware.hash.cymru.com", hash);

	when [hash, fi, name] ( local answer = lookup_hostname_txt(name) )
		{
		# The time of the first sighting and the rate of detection.
		local parts = split_string1(answer, / /);

		if ( |parts| != 2 )
			return;

		local rate = to_count(parts[1]);

		if ( rate < notice_threshold )
			return;

		local seen = double_to_time(to_double(parts[0]));
		local text = fmt("Malware Hash Registry Detection rate: %d%%  Last seen: %s", rate,
		                 strftime("%Y-%m-%d %H:%M:%S", seen));
		local n = Notice::Info($note=Match, $msg=text, $sub=fmt(match_sub_url, hash));
		Notice::populate_file_info2(fi, n);
		NOTICE(n);
		}
	}

event file_hash(f: fa_file, kind: string, hash: string)
	{
	if ( kind == "sha1" && f?$info && f$info?$mime_type && match_file_types in f$info$mime_type )
		ask(hash, Notice::create_file_info(f));
	}
