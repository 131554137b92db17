##! Small helpers around requests.

@load base/utils/addrs
@load ./main

module HTTP;

export {
	## The names left of the "=" in a list such as a query string or cookies.
	global extract_keys: function(data: string, kv_splitter: pattern): string_vec;

	## The URL of a request without and with the scheme.
	global build_url: function(rec: Info): string;
	global build_url_http: function(rec: Info): string;

	## Short text for people.
	global describe: function(rec: Info): string;
}

function extract_keys(data: string, kv_splitter: pattern): string_vec
	{
	local keys: string_vec = vector();

	for ( i, part in split_string(data, kv_splitter) )
		{
		local kv = split_string1(part, /=/);

		if ( |kv| == 2 )
			keys += kv[0];
		}

	return keys;
	}

function build_url(rec: Info): string
	{
	local uri = rec?$uri ? rec$uri : "/<missed_request>";

	# A proxy is asked with a full URL.
	if ( /^[[:alpha:]][[:alnum:]+.-]*:\/\// in uri )
		return sub(uri, /^[[:alpha:]][[:alnum:]+.-]*:\/\//, "");

	local host = rec?$host ? rec$host : addr_to_uri(rec$id$resp_h);
	local p = port_to_count(rec$id$resp_p);

	if ( p != 80 )
		host = fmt("%s:%d", host, p);

	return host + uri;
	}

function build_url_http(rec: Info): string
	{
	return fmt("http://%s", build_url(rec));
	}

function describe(rec: Info): string
	{
	return build_url_http(rec);
	}
