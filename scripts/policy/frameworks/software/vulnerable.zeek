##! Notices about software that is known to be vulnerable.

@load base/frameworks/control
@load base/frameworks/notice
@load base/frameworks/software

module Software;

export {
	redef enum Notice::Type += {
		Vulnerable_Version,
	};

	type VulnerableVersionRange: record {
		min: Version &optional;
		max: Version;
	};

	## Vulnerable versions by the name of the software.
	const vulnerable_versions: table[string] of set[VulnerableVersionRange] = table() &redef;

	## A name in DNS whose records tell more of them.
	option vulnerable_versions_update_endpoint = "";

	## How often the records are looked at.
	option vulnerable_versions_update_interval = 1hr;
}

module GLOBAL;

export {
	## Asks for the next record.
	global grab_vulnerable_versions: event(i: count);
}

module Software;

# All that is known, from the table and from DNS.
global internal_vulnerable_versions: table[string] of set[VulnerableVersionRange];

function decode_ranges(txt: string): bool
	{
	# name=…,min=…,max=…
	local parts: table[string] of string = table();

	for ( i, part in split_string(txt, /,[[:blank:]]*/) )
		{
		local kv = split_string1(part, /=/);

		if ( |kv| == 2 )
			parts[kv[0]] = kv[1];
		}

	if ( "name" !in parts || "max" !in parts )
		return F;

	local vvr = VulnerableVersionRange($max=Software::parse(parts["max"])$version);

	if ( "min" in parts )
		vvr$min = Software::parse(parts["min"])$version;

	if ( parts["name"] !in internal_vulnerable_versions )
		internal_vulnerable_versions[parts["name"]] = set();

	add internal_vulnerable_versions[parts["name"]][vvr];
	return T;
	}

event grab_vulnerable_versions(i: count)
	{
	if ( vulnerable_versions_update_endpoint == "" )
		{
		schedule vulnerable_versions_update_interval { grab_vulnerable_versions(1) };
		return;
		}

	local name = cat(i, ".", vulnerable_versions_update_endpoint);

	when [i, name] ( local result = lookup_hostname_txt(name) )
		{
		# The last record is followed by one that makes no sense.
		if ( result != "<???>" && decode_ranges(result) )
			event grab_vulnerable_versions(i + 1);
		else
			schedule vulnerable_versions_update_interval { grab_vulnerable_versions(1) };
		}
	timeout 5secs
		{
		schedule vulnerable_versions_update_interval { grab_vulnerable_versions(1) };
		}
	}

function update_vulnerable_sw()
	{
	internal_vulnerable_versions = table();

	for ( name, ranges in vulnerable_versions )
		internal_vulnerable_versions[name] = copy(ranges);

	event grab_vulnerable_versions(1);
	}

event zeek_init()
	{
	update_vulnerable_sw();
	}

event Control::configuration_update()
	{
	update_vulnerable_sw();
	}

event log_software(rec: Info)
	{
	if ( ! rec?$name || ! rec?$version || rec$name !in internal_vulnerable_versions )
		return;

	for ( range in internal_vulnerable_versions[rec$name] )
		{
		if ( cmp_versions(rec$version, range$max) > 0 )
			next;

		if ( range?$min && cmp_versions(rec$version, range$min) < 0 )
			next;

		NOTICE(Notice::Info($note=Vulnerable_Version, $src=rec$host,
		       $msg=fmt("%s is running %s which is vulnerable.", rec$host, fmt("%s %s", rec$name, version_text(rec$version))),
		       $sub=fmt("%s %s", rec$name, version_text(rec$version))));
		}
	}
