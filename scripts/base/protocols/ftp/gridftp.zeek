##! Finds the data channels of GridFTP: TLS sessions with client certificates and
##! without encryption that move a lot of data. They are not worth following.

@load base/protocols/conn
@load base/protocols/ssl
@load base/frameworks/notice
@load ./info
@load ./main

# Raised when a candidate did not prove to be a data channel in time.
global gridftp_possibility_timeout: event(c: connection);

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

function data_channel_initial_criteria(c: connection): bool
	{
	return c?$ssl && c$ssl?$client_subject && c$ssl?$subject && c$ssl?$cipher && /WITH_NULL/ in c$ssl$cipher;
	}

event ssl_established(c: connection) &priority=-3
	{
	# Once per connection, while its handshake is fresh.
	if ( ! data_channel_initial_criteria(c) )
		return;

	ConnThreshold::set_bytes_threshold(c, size_threshold, T);
	ConnThreshold::set_bytes_threshold(c, size_threshold, F);
	schedule max_time { gridftp_possibility_timeout(c) };
	}

event ConnThreshold::bytes_threshold_crossed(c: connection, threshold: count, is_orig: bool)
	{
	if ( threshold < size_threshold || "gridftp-data" in c$service || ! data_channel_initial_criteria(c) )
		return;

	add c$service["gridftp-data"];
	event GridFTP::data_channel_detected(c);

	if ( skip_data )
		skip_further_processing(c$id);
	}

# What was slow for so long carries no bulk data.
event gridftp_possibility_timeout(c: connection)
	{
	# Others may have the same ends by now.
	if ( ! connection_exists(c$id) || lookup_connection(c$id)$uid != c$uid )
		return;

	ConnThreshold::delete_bytes_threshold(c, size_threshold, T);
	ConnThreshold::delete_bytes_threshold(c, size_threshold, F);
	}
