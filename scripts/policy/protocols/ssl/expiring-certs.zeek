##! Notices about certificates of local servers that are or will soon be out of date.

@load base/protocols/ssl
@load base/files/x509
@load base/frameworks/notice
@load base/utils/directions-and-hosts

module SSL;

export {
	redef enum Notice::Type += {
		Certificate_Expired,
		Certificate_Expires_Soon,
		Certificate_Not_Valid_Yet,
	};

	## Whose servers are looked at.
	option notify_certs_expiration: Host = LOCAL_HOSTS;

	## How long before the end a notice is raised.
	option notify_when_cert_expiring_in = 30days;
}

event ssl_established(c: connection) &priority=3
	{
	if ( ! c$ssl?$cert_chain || |c$ssl$cert_chain| == 0 || ! c$ssl$cert_chain[0]?$x509 )
		return;

	if ( ! addr_matches_host(c$id$resp_h, notify_certs_expiration) )
		return;

	local x = c$ssl$cert_chain[0]$x509;
	local cert = x$certificate;
	local now = network_time();
	local n = Notice::Info($note=Certificate_Expired, $conn=c, $suppress_for=1day,
	                       $identifier=cat(c$id$resp_h, c$id$resp_p, x$fingerprint), $fuid=c$ssl$cert_chain[0]$fuid);

	if ( cert$not_valid_before > now )
		{
		n$note = Certificate_Not_Valid_Yet;
		n$msg = fmt("Certificate %s isn't valid until %T", cert$subject, cert$not_valid_before);
		}
	else if ( cert$not_valid_after < now )
		n$msg = fmt("Certificate %s expired at %T", cert$subject, cert$not_valid_after);
	else if ( cert$not_valid_after - notify_when_cert_expiring_in < now )
		{
		n$note = Certificate_Expires_Soon;
		n$msg = fmt("Certificate %s is going to expire at %T", cert$subject, cert$not_valid_after);
		}
	else
		return;

	NOTICE(n);
	}
