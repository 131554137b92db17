##! Adds `ja3` to ssl.log: the MD5 of what a client offers (version, ciphers, extensions, groups and point formats, each a
##! list of numbers joined by dashes, the lists joined by commas), without the values that are only there to be ignored.

@load base/protocols/ssl

module JA3;

export {
	## Values that clients put in at random.
	const grease: set[count] = {
		2570, 6682, 10794, 14906, 19018, 23130, 27242, 31354, 35466, 39578, 43690, 47802, 51914, 56026, 60138, 64250
	};

	## Whether to log what the fingerprint was made of, too.
	option log_text = F;

	type Client: record {
		extensions: vector of count &default=vector();
		groups: vector of count &default=vector();
		point_formats: vector of count &default=vector();
	};

	## Numbers joined by dashes.
	global numbers: function(v: vector of count, skip_grease: bool &default=T): string;
}

redef record connection += {
	ja3_client: Client &optional;
};

redef record SSL::Info += {
	ja3: string &optional &log;
	ja3_text: string &optional &log;
};

function numbers(v: vector of count, skip_grease: bool): string
	{
	local parts: vector of string;

	for ( i in v )
		if ( ! skip_grease || v[i] !in grease )
			parts += cat(v[i]);

	return join_string_vec(parts, "-");
	}

function client(c: connection): Client
	{
	if ( ! c?$ja3_client )
		c$ja3_client = Client();

	return c$ja3_client;
	}

event ssl_extension(c: connection, is_client: bool, code: count, val: string)
	{
	if ( is_client )
		client(c)$extensions += code;
	}

event ssl_extension_elliptic_curves(c: connection, is_client: bool, curves: index_vec)
	{
	if ( is_client )
		client(c)$groups = curves;
	}

event ssl_extension_ec_point_formats(c: connection, is_client: bool, point_formats: index_vec)
	{
	if ( is_client )
		client(c)$point_formats = point_formats;
	}

event ssl_client_hello(c: connection, version: count, record_version: count, possible_ts: time, client_random: string,
                       session_id: string, ciphers: index_vec, comp_methods: index_vec) &priority=-5
	{
	if ( ! c?$ssl )
		return;

	local seen = client(c);
	local text = join_string_vec(vector(cat(version), numbers(ciphers), numbers(seen$extensions), numbers(seen$groups),
	                                    numbers(seen$point_formats, F)), ",");
	c$ssl$ja3 = md5_hash(text);

	if ( log_text )
		c$ssl$ja3_text = text;

	delete c$ja3_client;
	}
