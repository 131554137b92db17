##! The running version, and versions in general.

module Version;

export {
	type VersionDescription: record {
		## All in one number: 90001 is 9.0.1.
		version_number: count;
		major: count;
		minor: count;
		patch: count;
		## Commits since the last version.
		commit: count;
		## A beta or a release candidate.
		beta: bool;
		debug: bool;
		## What a site added.
		localversion: string;
		version_string: string;
	};

	## Takes a version string apart; all zero if it is none.
	global parse: function(version_string: string): VersionDescription;

	## Whether the running version is this one or a later one.
	global at_least: function(version_string: string): bool;
}

function parse(version_string: string): VersionDescription
	{
	local v = VersionDescription($version_number=0, $major=0, $minor=0, $patch=0, $commit=0, $beta=F, $debug=F,
	                             $localversion="", $version_string=version_string);

	if ( /^[0-9]+\.[0-9]+(\.[0-9]+)?(-.*)?$/ != version_string )
		{
		Reporter::error(fmt("version string %s has no known form", version_string));
		return v;
		}

	local parts = split_string1(version_string, /-/);
	local numbers = split_string(parts[0], /\./);
	v$major = to_count(numbers[0]);
	v$minor = to_count(numbers[1]);

	if ( |numbers| > 2 )
		v$patch = to_count(numbers[2]);

	v$version_number = v$major * 10000 + v$minor * 100 + v$patch;

	if ( |parts| < 2 )
		return v;

	local rest = parts[1];

	if ( /-debug$/ in rest || rest == "debug" )
		{
		v$debug = T;
		rest = sub(rest, /-?debug$/, "");
		}

	v$beta = /^(beta|rc)[0-9]*/ in rest;

	local dotted = find_first(rest, /\.[0-9]+/);

	if ( dotted != "" )
		v$commit = to_count(dotted[1:]);

	if ( "-" in rest )
		v$localversion = split_string1(rest, /-/)[1];

	return v;
	}

export {
	## The running version.
	const info: VersionDescription = parse(zeek_version());
	const number: count = info$version_number;
}

function at_least(version_string: string): bool
	{
	return parse(version_string)$version_number <= number;
	}
