##! Raises no events of certificates that are met all the time, when a TLS server has sent one before to a client that asked
##! for the same name. Connections that set *always_raise_x509_events* have all events. What needs the events of each connection
##! does not work with this.

@load base/files/x509
@load base/protocols/ssl

module X509;

export {
	redef record SSL::Info += {
		## Raise the events of the certificates of this connection.
		always_raise_x509_events: bool &optional &default=F;
	};

	redef record X509::Info += {
		## Raise the events of this certificate.
		always_raise_x509_events: bool &optional &default=F;
	};
}

redef X509::certificate_cache_max_entries = 100000;

# Servers, the names that were asked for, and the digests of the certificates that they sent.
global sent: set[addr, string, string] &create_expire=1day;

# Ahead of the replay, which a break prevents. The certificate is not parsed then either.
hook X509::x509_certificate_cache_replay(f: fa_file, e: X509::Info, sha256: string) &priority=10
	{
	if ( e$always_raise_x509_events || ! f?$conns )
		return;

	local known = |f$conns| > 0;

	for ( _, c in f$conns )
		{
		if ( ! c?$ssl || c$ssl$always_raise_x509_events )
			return;

		local name = c$ssl?$server_name ? c$ssl$server_name : "";

		if ( [c$id$resp_h, name, sha256] in sent )
			next;

		known = F;

		if ( |sent| < certificate_cache_max_entries )
			add sent[c$id$resp_h, name, sha256];
		}

	if ( known )
		break;
	}

event ssl_established(c: connection) &priority=3
	{
	if ( ! c$ssl$always_raise_x509_events || ! c$ssl?$cert_chain )
		return;

	for ( i, f in c$ssl$cert_chain )
		if ( f?$x509 )
			f$x509$always_raise_x509_events = T;
	}
