##! Decrypts TLS 1.2 sessions whose secrets are known, from a file or from events.

@load base/frameworks/input
@load base/frameworks/notice
@load base/protocols/ssl

module SSL;

export {
	## A file in the format of NSS key logs.
	const keylog_file = getenv("ZEEK_TLS_KEYLOG_FILE") &redef;

	## How long secrets are kept.
	const secret_expiration = 5mins &redef;

	## Give the keys or the secret of a session, by the client's random value.
	global add_keys: event(client_random: string, keys: string);
	global add_secret: event(client_random: string, secrets: string);
}

# Decryption goes on behind the handshake.
redef SSL::disable_analyzer_after_detection = F;

redef record SSL::Info += {
	client_random: string &optional;
};

global secrets: table[string] of string = { } &read_expire=secret_expiration &redef;
global keys: table[string] of string = { } &read_expire=secret_expiration &redef;

type Line: record {
	kind: string;
	client_random: string;
	secret: string;
};

event line_read(description: Input::EventDescription, tpe: Input::Event, l: SSL::Line)
	{
	# Other kinds of secrets are of no use here.
	if ( l$kind == "CLIENT_RANDOM" )
		secrets[l$client_random] = l$secret;
	}

event zeek_init()
	{
	if ( keylog_file == "" )
		return;

	Input::add_event(Input::EventDescription($source=keylog_file, $name="tls-keylog-file", $fields=Line,
		$want_record=T, $ev=SSL::line_read, $config=table(["separator"] = " ")));
	}

event SSL::add_keys(client_random: string, keys: string)
	{
	SSL::keys[client_random] = keys;
	}

event SSL::add_secret(client_random: string, secrets: string)
	{
	SSL::secrets[client_random] = secrets;
	}

event ssl_client_hello(c: connection, version: count, record_version: count, possible_ts: time,
                       client_random: string, session_id: string, ciphers: index_vec, comp_methods: index_vec)
	{
	c$ssl$client_random = client_random;

	if ( client_random in keys )
		set_keys(c, keys[client_random]);
	else if ( client_random in secrets )
		set_secret(c, secrets[client_random]);
	}

event ssl_change_cipher_spec(c: connection, is_client: bool)
	{
	# The secret may have come meanwhile.
	if ( ! c$ssl?$client_random )
		return;

	if ( c$ssl$client_random in keys )
		set_keys(c, keys[c$ssl$client_random]);
	else if ( c$ssl$client_random in secrets )
		set_secret(c, secrets[c$ssl$client_random]);
	}
