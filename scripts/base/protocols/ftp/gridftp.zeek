##! Finds the data channels of GridFTP: TLS sessions with client certificates and
##! without encryption that move a lot of data. They are not worth following.

@load base/protocols/conn
@load base/protocols/ssl
@load base/frameworks/notice
@load ./info
@load ./main

module GridFTP;

export {
	## Bytes that make a candidate a data channel.
	option size_threshold = 1073741824;

	## Time after which a candidate is let go.
	option max_time = 2mins;

	## Whether the rest of a data channel is skipped.
	option skip_data = T;

	## Raised when a data channel was found.
	global data_channel_detected: event(c: connection);

	## Whether a connection is a candidate at all.
	global data_channel_initial_criteria: function(c: connection): bool &redef;
}

redef record FTP::Info += {
	last_auth_requested: string &optional;
};

event ftp_request(c: connection, command: string, arg: string) &priority=4
	{
	if ( command == "AUTH" && c?$ftp )
		c$ftp$last_auth_requested = arg;
	}

event ssl_established(c: connection) &priority=4
	{
	# The control connection authenticates with GSSAPI over TLS.
	if ( c?$ftp && c$ftp?$last_auth_requested && /GSSAPI/ in c$ftp$last_auth_requested )
		add c$service["gridftp"];
	}

function watch_size(c: connection, cnt: count): interval
	{
	if ( c$orig$size > size_threshold || c$resp$size > size_threshold )
		{
		add c$service["gridftp-data"];
		event GridFTP::data_channel_detected(c);

		if ( skip_data )
			skip_further_processing(c$id);

		return -1sec;
		}

	# Looks rarely at what is slow.
	local wait = 1sec * (cnt + 1);

	if ( network_time() - c$start_time + wait > max_time )
		return -1sec;

	return wait;
	}

function data_channel_initial_criteria(c: connection): bool
	{
	return c?$ssl && c$ssl?$client_subject && c$ssl?$subject && c$ssl?$cipher && /WITH_NULL/ in c$ssl$cipher;
	}

event ssl_established(c: connection) &priority=-3
	{
	# Once per connection, while its handshake is fresh.
	if ( data_channel_initial_criteria(c) )
		ConnPolling::watch(c, watch_size, 0, 0secs);
	}
