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

	## Give the keys or the secret of a session, by the client's random value as *ssl_client_hello* has it.
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
	line: string;
};

const stream_name = "tls-keylog-file";

event line_read(description: Input::EventDescription, tpe: Input::Event, line: string)
	{
	# Other kinds of secrets are of no use here.
	local words = split_string(line, /[ \t]+/);

	if ( |words| != 3 || words[0] != "CLIENT_RANDOM" )
		return;

	local random = hexstr_to_bytestring(words[1]);

	# Events have the random value without the time that it begins with.
	if ( |random| == 32 )
		secrets[random[4:]] = hexstr_to_bytestring(words[2]);
	}

event zeek_init()
	{
	if ( keylog_file == "" )
		return;

	if ( reading_traces() && file_size(keylog_file) < 0 )
		{
		Reporter::warning(fmt("the key log %s cannot be read: nothing will be decrypted", keylog_file));
		return;
		}

	Input::add_event(Input::EventDescription($source=keylog_file, $name=stream_name, $reader=Input::READER_RAW,
		$fields=Line, $want_record=F, $ev=SSL::line_read, $mode=reading_traces() ? Input::MANUAL : Input::STREAM));

	# Packets wait for the secrets that belong to them.
	if ( reading_traces() )
		suspend_processing();
	}

event Input::end_of_data(name: string, source: string)
	{
	if ( name == stream_name && reading_traces() )
		continue_processing();
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
