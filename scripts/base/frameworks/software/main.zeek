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

# How a browser tells its name among those that are there for compatibility.
type Browser: record {
	# Only then it is this one.
	mark: pattern;
	# The stretch with the version, which has the name in it as well unless it is given.
	stretch: pattern;
	name: string &optional;
};

# The first that fits.
const browsers: vector of Browser = {
	[$mark=/Edge\//, $stretch=/Edge\/[0-9.]*/, $name="Edge"],
	[$mark=/Version\/.*Safari\//, $stretch=/Version\/[0-9.]*/, $name="Safari"],
	[$mark=/(Firefox|Netscape|Thunderbird)\//, $stretch=/(Firefox|Netscape|Thunderbird)\/[0-9.]*/],
	[$mark=/Chrome\/.*Safari\//, $stretch=/Chrome\/[0-9.]*/, $name="Chrome"],
	[$mark=/^Opera\/.*Opera Mini\/.*Version\//, $stretch=/Version\/[0-9.]*/, $name="Opera Mini"],
	[$mark=/^Opera\/.*Opera Mini\//, $stretch=/Opera Mini\/[0-9.]*/, $name="Opera Mini"],
	[$mark=/^Opera\/.*Opera Mobi\//, $stretch=/Version\/[0-9.]*/, $name="Opera Mobi"],
	[$mark=/^Opera\//, $stretch=/Version\/[0-9.]*/, $name="Opera"],
	[$mark=/AdobeAIR\//, $stretch=/AdobeAIR\/[0-9.]*/, $name="AdobeAIR"],
	[$mark=/AppleWebKit\//, $stretch=/AppleWebKit\/[0-9.]*/, $name="Unspecified WebKit"],
	[$mark=/ Java\/[0-9]\./, $stretch=/Java\/[0-9._]*/, $name="Java"],
};

# A number where there is one.
function number(parts: vector of string, i: count): count
	{
	return i < |parts| ? extract_count(parts[i]) : 0;
	}

# The numbers of a version, which stand between dots and their likes. A fifth is no number but goes with what follows.
function numbered(text: string): Version
	{
	local v = Version();
	local n = split_string_n(text, /[\-._,\[({ ]/, F, 4);

	if ( |n| > 0 && n[0] != "" )
		v$major = number(n, 0);

	if ( |n| > 1 && n[1] != "" )
		v$minor = number(n, 1);

	if ( |n| > 2 && n[2] != "" )
		v$minor2 = number(n, 2);

	if ( |n| > 3 && n[3] != "" )
		v$minor3 = number(n, 3);

	if ( |n| > 4 && n[4] != "" )
		v$addl = strip(n[4]);

	return v;
	}

# What stands behind the numbers: all that is in brackets, or the first word.
function additional(rest: string): string
	{
	if ( /^[[:blank:]]*\([a-zA-Z0-9\-._[:blank:]]*\)/ in rest )
		return split_string_n(rest, /[()]/, F, 2)[1];

	# Further on it says nothing of the version any more.
	for ( i, word in split_string_n(rest, /[\-._,;\[\](){} ]/, F, 3) )
		if ( i < 3 && word != "" )
			return strip(word);

	return strip(rest);
	}

# A name, then numbers with something between them, of which two at least are no letters.
function parse_plain(text: string): Description
	{
	local plain = unescape_URI(gsub(text, /\\x/, "%"));
	local parts = split_string_n(plain, /\/?( [(])?v?[0-9\-._, ]{2,}/, T, 1);
	local name = strip(/([\/\-_]|( [(v]+))$/ in parts[0] ? sub(parts[0], /([\/\-_]|( [(v]+))/, "") : parts[0]);
	local v = Version();

	if ( |parts| > 1 )
		{
		v = numbered(strip(sub(strip(parts[1]), /^\(?[\/\-._v(]/, "")));

		if ( ! v?$addl && |parts| > 2 && parts[2] != "" && parts[2] != ")" )
			v$addl = additional(parts[2]);
		}

	return Description($name=alternate_names[name], $version=v, $unparsed_version=text);
	}

function parse_mozilla(text: string): Description
	{
	local name = "<unknown browser>";
	local v = Version();
	local opera = find_last(text, /Opera [0-9.]*$/);

	if ( opera != "" )
		{
		name = "Opera";
		v = parse_plain(opera)$version;
		}
	else if ( / MSIE |Trident\// in text )
		{
		name = "MSIE";

		# The engine tells the version even when a page wants another one.
		local engine = find_first(text, /Trident\/[4-7]\.0/);

		if ( engine != "" )
			v = Version($major=extract_count(engine) + 4, $minor=0);
		else
			{
			local ie = find_first(text, /MSIE [0-9]{1,2}\.*[0-9]*b?[0-9]*/);

			if ( ie != "" )
				v = parse_plain(ie)$version;
			}
		}
	else
		{
		for ( _, b in browsers )
			{
			if ( b$mark !in text )
				next;

			local found_in = parse_plain(find_first(text, b$stretch));
			name = b?$name ? b$name : found_in$name;
			v = found_in$version;

			if ( name == "Safari" && / Mobile\/?.* Safari/ in text )
				v$addl = "Mobile";

			break;
			}
		}

	return Description($name=alternate_names[name], $version=v, $unparsed_version=text);
	}

function parse(text: string): Description
	{
	if ( text in parse_cache )
		return parse_cache[text];

	local d: Description;

	if ( /^(Mozilla|Opera)\/[0-9]+\./ in text )
		d = parse_mozilla(text);
	else if ( /A\/[0-9.]*\/Google\/Pixel/ in text )
		d = Description($name="Android (Google Pixel)", $unparsed_version=text,
		                $version=parse_plain(sub(find_first(text, /A\/[0-9.]*/), /^A\//, ""))$version);
	else
		d = parse_plain(text);

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

# One text for a version; unset numbers stay empty.
function version_text(v: Version): string
	{
	return fmt("%s.%s.%s.%s-%s", v?$major ? cat(v$major) : "", v?$minor ? cat(v$minor) : "", v?$minor2 ? cat(v$minor2) : "",
	           v?$minor3 ? cat(v$minor3) : "", v?$addl ? v$addl : "");
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
