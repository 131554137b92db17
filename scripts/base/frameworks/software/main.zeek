##! The software that hosts use, and software.log.

@load base/utils/directions-and-hosts
@load base/utils/numbers
@load base/frameworks/cluster

module Software;

export {
	redef enum Log::ID += { LOG };

	## Kinds of software. Scripts add their own.
	type Type: enum {
		UNKNOWN,
	};

	type Version: record {
		major: count &optional;
		minor: count &optional;
		minor2: count &optional;
		minor3: count &optional;
		## What is more than numbers.
		addl: string &optional;
	} &log;

	type Info: record {
		ts: time &log &optional;
		host: addr &log;
		## The port of a server.
		host_p: port &log &optional;
		software_type: Type &log &default=UNKNOWN;
		name: string &log &optional;
		version: Version &log &optional;
		## The text that name and version were taken from.
		unparsed_version: string &log &optional;
		## Log it, whatever is known already.
		force_log: bool &default=F;
	};

	## Hosts whose software is of interest.
	option asset_tracking: Host = LOCAL_HOSTS &redef;

	## Notes software; T if the host is of interest.
	global found: function(id: conn_id, info: Info): bool;

	## -1, 0 or 1, for an earlier, the same or a later version.
	global cmp_versions: function(v1: Version, v2: Version): int;

	## One name for software that has several.
	global alternate_names: table[string] of string = {
		["Flash Player"] = "Flash",
	} &default=function(a: string): string { return a; };

	type SoftwareSet: table[string] of Info;

	## The versions of one name that a host showed, and the latest.
	type Set: record {
		versions: set[string];
		last: Info &optional;
	};

	type SoftwareSets: table[string] of Set;

	## Beyond so many versions of a name a host starts anew.
	const max_software_cache_size: count = 20 &redef;

	## How long text that was taken apart is remembered.
	const parse_cache_interval: interval = 65sec &redef;

	## How long the same text of the same host is not looked at again.
	const found_cache_interval: interval = 10min &redef;

	## The latest software of each host.
	global tracked: table[addr] of SoftwareSet = {} &create_expire=1day;

	## All of it.
	global tracked_software: table[addr] of SoftwareSets = {} &create_expire=1day;

	## Software that is new on a host, or in a new version.
	global register: event(info: Info);
	global version_change: event(old: Info, new: Info);

	global log_software: event(rec: Info);
	global log_policy: Log::PolicyHook;
}

type Description: record {
	name: string;
	version: Version;
	unparsed_version: string;
};

global parse_cache: table[string] of Description = {} &read_expire=parse_cache_interval;

# Text that was found on a host lately.
global found_cache: set[addr, string] = {} &create_expire=found_cache_interval;

# Software that a node found, on its way to where it is kept.
global new: event(info: Info);

event zeek_init() &priority=5
	{
	Log::create_stream(Software::LOG, Log::Stream($columns=Info, $ev=log_software, $path="software", $policy=log_policy));
	}

# The numbers of a version as they stand in a text.
function set_numbers(v: Version, text: string)
	{
	local n = find_all_ordered(text, /[0-9]+/);

	if ( |n| > 0 )
		v$major = to_count(n[0]);

	if ( |n| > 1 )
		v$minor = to_count(n[1]);

	if ( |n| > 2 )
		v$minor2 = to_count(n[2]);

	if ( |n| > 3 )
		v$minor3 = to_count(n[3]);
	}

function description(name: string, numbers: string, unparsed: string): Description
	{
	local v = Version();
	set_numbers(v, numbers);
	return Description($name=alternate_names[name], $version=v, $unparsed_version=unparsed);
	}

# What browsers say about themselves: most names in it are there for compatibility.
function parse_mozilla(unparsed: string): Description
	{
	if ( /Opera [0-9.]+$/ in unparsed )
		return description("Opera", find_first(unparsed, /Opera [0-9.]+$/), unparsed);

	if ( /^Opera\// in unparsed )
		{
		# Later ones keep an old number in front, for servers that stumble over two digits.
		local mini = find_first(unparsed, /Opera Mini\/[0-9]+(\.[0-9]+)*/);
		local full = find_first(unparsed, /(Version|^Opera)\/[0-9]+(\.[0-9]+)*$/);
		local shown = mini != "" ? mini : (full != "" ? full : find_first(unparsed, /^Opera\/[0-9]+(\.[0-9]+)*/));

		return description(mini != "" ? "Opera Mini" : "Opera", sub(shown, /^.*\//, ""), unparsed);
		}

	if ( / MSIE |Trident\// in unparsed )
		{
		# The engine tells the version even when a page wants another one.
		local engine = find_first(unparsed, /Trident\/[0-9]+/);

		if ( engine != "" )
			{
			local generation = extract_count(engine);

			if ( generation >= 4 && generation <= 7 )
				return description("MSIE", fmt("%d.0", generation + 4), unparsed);
			}

		return description("MSIE", find_first(unparsed, /MSIE [0-9]+(\.[0-9]+)*/), unparsed);
		}

	if ( /Version\/[^ ]+ .*Safari\// in unparsed )
		return description("Safari", sub(find_first(unparsed, /Version\/[0-9]+(\.[0-9]+)*/), /^.*\//, ""), unparsed);

	for ( _, candidate in vector("Edge", "Firefox", "Netscape", "Thunderbird", "Chrome", "AdobeAIR", "Flash Player", "Safari") )
		{
		local pat = string_to_pattern(fmt("%s/[0-9]+(\\.[0-9]+)*", candidate), F);
		local hit = find_first(unparsed, pat);

		if ( hit != "" )
			return description(candidate, sub(hit, /^.*\//, ""), unparsed);
		}

	return Description($name="<unknown browser>", $version=Version(), $unparsed_version=unparsed);
	}

# What stands behind the numbers: the first word, or what is in brackets.
function additional(rest: string): string
	{
	local text = lstrip(rest, "\t -_.,/");

	if ( text == "" )
		return "";

	if ( text[0] in "([{" )
		{
		local inside = sub(text[1:], /[)\]};, ].*$/, "");
		return sub(inside, /_[a-zA-Z].*$/, "");
		}

	return sub(text, /[\-._, ;(\[{)\]}].*$/, "");
	}

function parse(text: string): Description
	{
	if ( text in parse_cache )
		return parse_cache[text];

	local d: Description;
	local unparsed = unescape_URI(text);

	if ( /^(Mozilla|Opera)\/[0-9]+\./ in unparsed )
		d = parse_mozilla(unparsed);
	else
		{
		# A name, something between, then numbers with something between them.
		local parts = split_string_n(unparsed, /[ \/_\-]?[(\[]?v?[0-9]+([\-._,][0-9]+)+|[ \/_\-][(\[]?v?[0-9]+/, T, 1);

		if ( |parts| == 3 && parts[0] != "" )
			{
			d = description(strip(parts[0]), parts[1], text);

			local more = additional(sub(parts[2], /^[)\]]/, ""));

			if ( more != "" )
				d$version$addl = more;
			}
		else
			d = Description($name=alternate_names[strip(unparsed)], $version=Version(), $unparsed_version=text);

		}

	d$unparsed_version = text;
	parse_cache[text] = d;
	return d;
	}

function cmp_optional(a: bool, av: count, b: bool, bv: count): int
	{
	if ( a && b )
		return av == bv ? +0 : (av < bv ? -1 : +1);

	return a == b ? +0 : (b ? -1 : +1);
	}

function cmp_versions(v1: Version, v2: Version): int
	{
	local c = cmp_optional(v1?$major, v1?$major ? v1$major : 0, v2?$major, v2?$major ? v2$major : 0);

	if ( c != 0 )
		return c;

	c = cmp_optional(v1?$minor, v1?$minor ? v1$minor : 0, v2?$minor, v2?$minor ? v2$minor : 0);

	if ( c != 0 )
		return c;

	c = cmp_optional(v1?$minor2, v1?$minor2 ? v1$minor2 : 0, v2?$minor2, v2?$minor2 ? v2$minor2 : 0);

	if ( c != 0 )
		return c;

	c = cmp_optional(v1?$minor3, v1?$minor3 ? v1$minor3 : 0, v2?$minor3, v2?$minor3 ? v2$minor3 : 0);

	if ( c != 0 )
		return c;

	if ( v1?$addl && v2?$addl )
		return strcmp(v1$addl, v2$addl);

	return v1?$addl == v2?$addl ? +0 : (v2?$addl ? -1 : +1);
	}

# A version as people write it: numbers up to the last one known, and what follows them after a dash.
function version_text(v: Version): string
	{
	local text = cat(v?$major ? v$major : 0);

	if ( v?$minor )
		text += cat(".", v$minor);

	if ( v?$minor2 )
		text += cat(".", v$minor2);

	if ( v?$minor3 )
		text += cat(".", v$minor3);

	return v?$addl && v$addl != "" ? text + "-" + v$addl : text;
	}

event Software::new(info: Info)
	{
	if ( info?$name && ! info?$version )
		info$version = Version();
	else if ( ! info?$version )
		{
		local d = parse(info$unparsed_version);
		info$name = d$name;
		info$version = d$version;
		}

	event Software::register(info);
	}

event Software::register(info: Info)
	{
	local name = info$name;

	if ( info$host !in tracked )
		tracked[info$host] = SoftwareSet();

	if ( info$host !in tracked_software )
		tracked_software[info$host] = SoftwareSets();

	local sets = tracked_software[info$host];

	if ( name !in sets )
		sets[name] = Set();

	local known = sets[name];
	local version = version_text(info$version);
	local is_new = version !in known$versions;

	if ( known?$last && cmp_versions(known$last$version, info$version) != 0 )
		{
		event Software::version_change(known$last, info);

		if ( |known$versions| >= max_software_cache_size )
			known$versions = set();
		}

	known$last = info;
	tracked[info$host][name] = info;
	add known$versions[version];

	if ( is_new || info$force_log )
		Log::write(Software::LOG, info);
	}

function found(id: conn_id, info: Info): bool
	{
	if ( ! info$force_log && ! addr_matches_host(info$host, asset_tracking) )
		return F;

	if ( ! info?$ts )
		info$ts = network_time();

	if ( info?$version )
		{
		if ( ! info?$unparsed_version )
			info$unparsed_version = version_text(info$version);
		}
	else if ( ! info?$unparsed_version )
		{
		Reporter::error("unable to track software without a version or a text to take it from");
		return F;
		}

	if ( ! info$force_log )
		{
		local text = info?$name ? info$name + "/" + info$unparsed_version : info$unparsed_version;

		if ( [info$host, text] in found_cache )
			return T;

		add found_cache[info$host, text];
		}

	if ( Cluster::is_enabled() )
		Cluster::publish_hrw(Cluster::proxy_pool, info$host, Software::new, info);
	else
		event Software::new(info);

	return T;
	}
