##! Finds attempts to read the memory of servers through TLS heartbeats.

@load base/protocols/ssl
@load base/frameworks/notice

module Heartbleed;

export {
	redef enum Notice::Type += {
		## A request asks for more than it sends.
		SSL_Heartbeat_Attack,
		## The server fell for it.
		SSL_Heartbeat_Attack_Success,
		## Requests and responses differ in size.
		SSL_Heartbeat_Odd_Length,
		## Many requests without as many responses.
		SSL_Heartbeat_Many_Requests,
	};
}

# Heartbeats come after the handshake.
redef SSL::disable_analyzer_after_detection = F;

redef record SSL::Info += {
	last_originator_heartbeat_request_size: count &optional;
	last_responder_heartbeat_request_size: count &optional;
	originator_heartbeats: count &default=0;
	responder_heartbeats: count &default=0;
	# Unencrypted ones were found before the handshake was over.
	heartbleed_detected: bool &default=F;
	enc_appdata_packages: count &default=0;
	enc_appdata_bytes: count &default=0;
};

type min_length: record {
	cipher: pattern;
	min_length: count;
};

# The shortest heartbeat with each kind of cipher.
global min_lengths: vector of min_length = vector();
global min_lengths_tls11: vector of min_length = vector();

module GLOBAL;

export {
	## Raised for each encrypted heartbeat.
	global ssl_encrypted_heartbeat: event(c: connection, is_client: bool, length: count);
}

module Heartbleed;

event zeek_init()
	{
	# One byte of type, two of length, sixteen of padding, and what the cipher adds.
	min_lengths_tls11 += min_length($cipher=/_AES_256_GCM_SHA384$/, $min_length=43);
	min_lengths_tls11 += min_length($cipher=/_AES_128_GCM_SHA256$/, $min_length=43);
	min_lengths_tls11 += min_length($cipher=/_256_CBC_SHA384$/, $min_length=96);
	min_lengths_tls11 += min_length($cipher=/_256_CBC_SHA256$/, $min_length=80);
	min_lengths_tls11 += min_length($cipher=/_256_CBC_SHA$/, $min_length=64);
	min_lengths_tls11 += min_length($cipher=/_128_CBC_SHA256$/, $min_length=80);
	min_lengths_tls11 += min_length($cipher=/_128_CBC_SHA$/, $min_length=64);
	min_lengths_tls11 += min_length($cipher=/_3DES_EDE_CBC_SHA$/, $min_length=48);
	min_lengths_tls11 += min_length($cipher=/_SEED_CBC_SHA$/, $min_length=64);
	min_lengths_tls11 += min_length($cipher=/_IDEA_CBC_SHA$/, $min_length=48);
	min_lengths_tls11 += min_length($cipher=/_DES_CBC_SHA$/, $min_length=48);
	min_lengths_tls11 += min_length($cipher=/_DES40_CBC_SHA$/, $min_length=48);
	min_lengths_tls11 += min_length($cipher=/_RC4_128_SHA$/, $min_length=39);
	min_lengths_tls11 += min_length($cipher=/_RC4_128_MD5$/, $min_length=35);
	min_lengths_tls11 += min_length($cipher=/_RC4_40_MD5$/, $min_length=35);
	min_lengths_tls11 += min_length($cipher=/_RC2_CBC_40_MD5$/, $min_length=48);
	min_lengths += min_length($cipher=/_256_CBC_SHA$/, $min_length=48);
	min_lengths += min_length($cipher=/_128_CBC_SHA$/, $min_length=48);
	min_lengths += min_length($cipher=/_3DES_EDE_CBC_SHA$/, $min_length=40);
	min_lengths += min_length($cipher=/_SEED_CBC_SHA$/, $min_length=48);
	min_lengths += min_length($cipher=/_IDEA_CBC_SHA$/, $min_length=40);
	min_lengths += min_length($cipher=/_DES_CBC_SHA$/, $min_length=40);
	min_lengths += min_length($cipher=/_DES40_CBC_SHA$/, $min_length=40);
	min_lengths += min_length($cipher=/_RC4_128_SHA$/, $min_length=39);
	min_lengths += min_length($cipher=/_RC4_128_MD5$/, $min_length=35);
	min_lengths += min_length($cipher=/_RC4_40_MD5$/, $min_length=35);
	min_lengths += min_length($cipher=/_RC2_CBC_40_MD5$/, $min_length=40);
	}

event ssl_heartbeat(c: connection, is_client: bool, length: count, heartbeat_type: count,
                    payload_length: count, payload: string)
	{
	if ( ! c?$ssl )
		return;

	if ( heartbeat_type == 1 )
		{
		local checklen: count = payload_length + 3 + 16;

		if ( checklen > length )
			{
			c$ssl$heartbleed_detected = T;
			NOTICE(Notice::Info($note=SSL_Heartbeat_Attack,
			       $msg=fmt("An TLS heartbleed attack was detected! Record length %d. Payload length %d", length,
			                payload_length),
			       $conn=c, $identifier=cat(c$uid, length, payload_length)));
			}
		else if ( is_client )
			{
			NOTICE(Notice::Info($note=SSL_Heartbeat_Attack,
			       $msg=fmt("Heartbeat request before encryption. Probable Scan without exploit attempt. Message length: %d. Payload length: %d",
			                length, payload_length),
			       $conn=c, $n=length, $identifier=cat(c$uid, length)));
			}
		}

	if ( heartbeat_type == 2 && c$ssl$heartbleed_detected )
		NOTICE(Notice::Info($note=SSL_Heartbeat_Attack_Success,
		       $msg=fmt("An TLS heartbleed attack detected before was probably exploited. Message length: %d. Payload length: %d",
		                length, payload_length),
		       $conn=c, $identifier=c$uid));
	}

event ssl_encrypted_heartbeat(c: connection, is_client: bool, length: count)
	{
	if ( ! c?$ssl )
		return;

	if ( is_client )
		++c$ssl$originator_heartbeats;
	else
		++c$ssl$responder_heartbeats;

	local diff = network_time() - c$start_time;

	# Nothing of use happens in the first minute.
	if ( diff < 1min && is_client )
		NOTICE(Notice::Info($note=SSL_Heartbeat_Attack,
		       $msg=fmt("Heartbeat request of length %d within the first minute of the connection", length),
		       $conn=c, $n=length, $identifier=fmt("%s%s%d", c$uid, "early", is_client ? 1 : 0)));

	if ( c$ssl$originator_heartbeats > c$ssl$responder_heartbeats + 3 )
		NOTICE(Notice::Info($note=SSL_Heartbeat_Many_Requests,
		       $msg=fmt("More than 3 heartbeat requests without replies from server. Possible attack. Client count: %d, server count: %d",
		                c$ssl$originator_heartbeats, c$ssl$responder_heartbeats),
		       $conn=c, $n=(c$ssl$originator_heartbeats - c$ssl$responder_heartbeats),
		       $identifier=fmt("%s%d", c$uid, c$ssl$responder_heartbeats / 1000)));

	if ( c$ssl$responder_heartbeats > c$ssl$originator_heartbeats + 3 )
		NOTICE(Notice::Info($note=SSL_Heartbeat_Many_Requests,
		       $msg=fmt("Server is sending more heartbeat responses than requests were seen. Possible attack. Client count: %d, server count: %d",
		                c$ssl$originator_heartbeats, c$ssl$responder_heartbeats),
		       $conn=c, $n=(c$ssl$originator_heartbeats - c$ssl$responder_heartbeats),
		       $identifier=fmt("%s%d", c$uid, c$ssl$responder_heartbeats / 1000)));

	if ( is_client && c$ssl?$cipher )
		{
		local lengths = c$ssl?$version && (c$ssl$version == "TLSv11" || c$ssl$version == "TLSv12") ?
			min_lengths_tls11 : min_lengths;

		for ( i, m in lengths )
			if ( m$cipher in c$ssl$cipher )
				{
				if ( length < m$min_length )
					NOTICE(Notice::Info($note=SSL_Heartbeat_Attack,
					       $msg=fmt("Heartbeat message smaller than minimum required length. Probable attack. Message length: %d. Required length: %d. Cipher: %s. Cipher match: %s",
					                length, m$min_length, c$ssl$cipher, m$cipher),
					       $conn=c, $n=length, $identifier=fmt("%s-weak-%d", c$uid, length)));
				break;
				}
		}

	if ( is_client )
		{
		if ( c$ssl?$last_responder_heartbeat_request_size )
			# The server asked; this is the answer.
			delete c$ssl$last_responder_heartbeat_request_size;
		else
			c$ssl$last_originator_heartbeat_request_size = length;
		}
	else if ( c$ssl?$last_originator_heartbeat_request_size )
		{
		if ( c$ssl$last_originator_heartbeat_request_size < length )
			NOTICE(Notice::Info($note=SSL_Heartbeat_Attack_Success,
			       $msg=fmt("An encrypted TLS heartbleed attack was probably detected! First packet client record length %d, first packet server record length %d. Time: %f",
			                c$ssl$last_originator_heartbeat_request_size, length, diff),
			       $conn=c, $identifier=c$uid));
		else if ( c$ssl$last_originator_heartbeat_request_size != length )
			NOTICE(Notice::Info($note=SSL_Heartbeat_Odd_Length,
			       $msg=fmt("Heartbeat responses of another size than the request. Request %d, response %d",
			                c$ssl$last_originator_heartbeat_request_size, length),
			       $conn=c, $identifier=c$uid));

		delete c$ssl$last_originator_heartbeat_request_size;
		}
	else
		c$ssl$last_responder_heartbeat_request_size = length;
	}

event ssl_encrypted_data(c: connection, is_client: bool, record_version: count, content_type: count, length: count)
	{
	if ( ! c?$ssl )
		return;

	if ( content_type == SSL::HEARTBEAT )
		event ssl_encrypted_heartbeat(c, is_client, length);
	else if ( content_type == SSL::APPLICATION_DATA && length > 0 )
		{
		++c$ssl$enc_appdata_packages;
		c$ssl$enc_appdata_bytes += length;
		}
	}
