##! Names of files.

@load ./addrs

## A name for a file taken from a connection, with a prefix and a suffix if they are not empty.
global generate_extraction_filename: function(prefix: string, c: connection, suffix: string): string;

## The file name in the value of a Content-Disposition header.
global extract_filename_from_content_disposition: function(data: string): string;

function generate_extraction_filename(prefix: string, c: connection, suffix: string): string
	{
	local name = fmt("%s:%d-%s:%d", addr_to_uri(c$id$orig_h), c$id$orig_p, addr_to_uri(c$id$resp_h), c$id$resp_p);

	if ( prefix != "" )
		name = fmt("%s_%s", prefix, name);

	if ( suffix != "" )
		name = fmt("%s_%s", name, suffix);

	return name;
	}

function extract_filename_from_content_disposition(data: string): string
	{
	local plain = /^.*[nN][aA][mM][eE][[:blank:]]*=[[:blank:]]*/;
	local extended = /^.*[nN][aA][mM][eE][[:blank:]]*\*[[:blank:]]*=[[:blank:]]*[^']*'[^']*'/;

	if ( extended in data )
		return unescape_URI(sub(sub(data, extended, ""), /[[:blank:]]*;.*$/, ""));

	local value = sub(data, plain, "");

	if ( |value| > 0 && value[0] == "\"" )
		return sub(value[1:], /\".*$/, "");

	return sub(value, /[[:blank:]]*;.*$/, "");
	}
