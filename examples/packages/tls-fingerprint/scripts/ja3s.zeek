##! Adds `ja3s` to ssl.log: the MD5 of what a server chose (version, cipher, extensions).

@load base/protocols/ssl
@load ./ja3

module JA3_Server;

redef record connection += {
	ja3s_extensions: vector of count &optional;
};

redef record SSL::Info += {
	ja3s: string &optional &log;
};

event ssl_extension(c: connection, is_client: bool, code: count, val: string)
	{
	if ( is_client )
		return;

	if ( ! c?$ja3s_extensions )
		c$ja3s_extensions = vector();

	c$ja3s_extensions += code;
	}

event ssl_server_hello(c: connection, version: count, record_version: count, possible_ts: time, server_random: string,
                       session_id: string, cipher: count, comp_method: count) &priority=-5
	{
	if ( ! c?$ssl )
		return;

	local extensions = c?$ja3s_extensions ? JA3::numbers(c$ja3s_extensions, F) : "";
	c$ssl$ja3s = md5_hash(fmt("%d,%d,%s", version, cipher, extensions));
	delete c$ja3s_extensions;
	}
