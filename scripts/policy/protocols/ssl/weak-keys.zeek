##! Notices about short keys, old versions and weak ciphers of servers.

@load base/protocols/ssl
@load base/frameworks/notice
@load base/utils/directions-and-hosts

module SSL;

export {
	redef enum Notice::Type += {
		Weak_Key,
		Old_Version,
		Weak_Cipher,
	};

	## Whose servers are looked at.
	option notify_weak_keys: Host = LOCAL_HOSTS;

	## The shortest key in bits.
	option notify_minimal_key_length = 2048;

	## Whether the key exchange may be weaker than the certificate.
	option notify_dh_length_shorter_cert_length = T;

	## The oldest version.
	option tls_minimum_version = 769;

	## Ciphers that are weak.
	option unsafe_ciphers_regex = /(_EXPORT_)|(_RC4_)/;
}

event ssl_established(c: connection) &priority=3
	{
	# Keys of certificates.
	if ( ! c$ssl?$cert_chain || |c$ssl$cert_chain| == 0 || ! c$ssl$cert_chain[0]?$x509 )
		return;

	if ( ! addr_matches_host(c$id$resp_h, notify_weak_keys) )
		return;

	local x = c$ssl$cert_chain[0]$x509;
	local cert = x$certificate;

	if ( ! cert?$key_type || ! cert?$key_length )
		return;

	# Elliptic curves do with shorter ones.
	if ( cert$key_type != "dsa" && cert$key_type != "rsa" )
		return;

	if ( cert$key_length < notify_minimal_key_length )
		NOTICE(Notice::Info($note=Weak_Key, $conn=c, $suppress_for=1day,
		       $msg=fmt("Host uses weak certificate with %d bit key", cert$key_length),
		       $identifier=cat(c$id$resp_h, c$id$resp_p, x$fingerprint, cert$key_length)));
	}

event ssl_server_hello(c: connection, version: count, record_version: count, possible_ts: time,
                       server_random: string, session_id: string, cipher: count,
                       comp_method: count) &priority=3
	{
	if ( ! addr_matches_host(c$id$resp_h, notify_weak_keys) )
		return;

	# DTLS counts the other way and is left alone.
	if ( version < tls_minimum_version && version < 0x8000 )
		{
		local name = version_strings[version];
		NOTICE(Notice::Info($note=Old_Version, $conn=c, $suppress_for=1day,
		       $msg=fmt("Host uses protocol version %s which is lower than the safe minimum %s", name,
		                version_strings[tls_minimum_version]),
		       $identifier=cat(c$id$resp_h, c$id$resp_p, version)));
		}

	if ( c$ssl?$cipher && unsafe_ciphers_regex in c$ssl$cipher )
		NOTICE(Notice::Info($note=Weak_Cipher, $conn=c, $suppress_for=1day,
		       $msg=fmt("Host established connection using unsafe cipher suite %s", c$ssl$cipher),
		       $identifier=cat(c$id$resp_h, c$id$resp_p, c$ssl$cipher)));
	}

event ssl_dh_server_params(c: connection, p: string, q: string, Ys: string) &priority=3
	{
	if ( ! addr_matches_host(c$id$resp_h, notify_weak_keys) )
		return;

	local length = |p| * 8;

	if ( length < notify_minimal_key_length )
		NOTICE(Notice::Info($note=Weak_Key, $conn=c, $suppress_for=1day,
		       $msg=fmt("Host uses weak DH parameters with %d key bits", length),
		       $identifier=cat(c$id$resp_h, c$id$resp_p, length)));

	if ( ! notify_dh_length_shorter_cert_length || ! c?$ssl || ! c$ssl?$cert_chain ||
	     |c$ssl$cert_chain| == 0 || ! c$ssl$cert_chain[0]?$x509 )
		return;

	local cert = c$ssl$cert_chain[0]$x509$certificate;

	if ( cert?$key_type && cert$key_type == "rsa" && cert?$key_length && cert$key_length > length )
		NOTICE(Notice::Info($note=Weak_Key, $conn=c, $suppress_for=1day,
		       $msg=fmt("DH key length of %d bits is smaller certificate key length of %d bits", length,
		                cert$key_length),
		       $identifier=cat(c$id$resp_h, c$id$resp_p, length)));
	}
