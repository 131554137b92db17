##! URLs in text, and their parts.

module GLOBAL;

export {
	const url_regex: pattern = /^([a-zA-Z\-]{3,5}):\/\/(-\.)?([^[:blank:]\/?\.#-]+\.?)+(\/[^[:blank:]]*)?/ &redef;

	type URI: record {
		scheme: string &optional;
		netlocation: string;
		portnum: count &optional;
		path: string;
		## The last part of the path, the text before its first dot and the text after it.
		file_name: string &optional;
		file_base: string &optional;
		file_ext: string &optional;
		params: table[string] of string &optional;
	};

	global find_all_urls: function(s: string): string_set;
	global find_all_urls_without_scheme: function(s: string): string_set;
	global decompose_uri: function(uri: string): URI;
}

# As above, but anywhere.
const url_in_text = /([a-zA-Z\-]{3,5}):\/\/(-\.)?([^[:blank:]\/?\.#-]+\.?)+(\/[^[:blank:]]*)?/;

function find_all_urls(s: string): string_set
	{
	return find_all(s, url_in_text);
	}

function find_all_urls_without_scheme(s: string): string_set
	{
	local out: string_set = set();

	for ( url in find_all_urls(s) )
		add out[sub(url, /^[a-zA-Z\-]{3,5}:\/\//, "")];

	return out;
	}

function decompose_uri(uri: string): URI
	{
	local u = URI($netlocation="", $path="/");
	local rest = uri;

	if ( "?" in rest )
		{
		local query = split_string1(rest, /\?/);
		rest = query[0];
		u$params = table();

		for ( _, p in split_string(query[1], /&/) )
			{
			local kv = split_string1(p, /=/);

			if ( |kv| == 2 )
				u$params[kv[0]] = kv[1];
			}
		}

	if ( "://" in rest )
		{
		local s = split_string1(rest, /:\/\//);
		u$scheme = s[0];
		rest = s[1];
		}

	if ( "/" in rest )
		{
		local slash = split_string1(rest, /\//);
		rest = slash[0];
		u$path = "/" + slash[1];

		local name = sub(slash[1], /^.*\//, "");

		if ( name != "" )
			{
			u$file_name = name;
			local dot = split_string1(name, /\./);
			u$file_base = dot[0];

			if ( |dot| == 2 )
				u$file_ext = dot[1];
			}
		}

	if ( /:[0-9]*$/ in rest && /^\[[^\]]*$/ !in rest )
		{

		if ( ! ends_with(rest, ":") )
			u$portnum = to_count(sub(rest, /^.*:/, ""));

		rest = sub(rest, /:[0-9]*$/, "");
		}

	u$netlocation = rest;
	return u;
	}
