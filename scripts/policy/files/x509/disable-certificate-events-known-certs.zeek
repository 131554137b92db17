##! Raises no certificate events for certificates that are logged already. Scripts
##! that need them for a connection set *always_raise_x509_events*.

@load base/files/x509
@load base/protocols/ssl

module X509;

export {
	redef record SSL::Info += {
		always_raise_x509_events: bool &default=F;
	};

	redef record X509::Info += {
		always_raise_x509_events: bool &default=F;
	};
}

redef X509::certificate_cache_max_entries = 100000;
redef X509::caching_required_encounters = 1;
redef X509::caching_required_encounters_interval = 1day;
redef X509::certificate_cache_minimum_eviction_interval = 1day;

hook X509::x509_certificate_cache_replay(f: fa_file, e: X509::Info, sha256: string) &priority=10
	{
	# Runs ahead of the replay: some connection wants to see everything.
	if ( e$always_raise_x509_events )
		break;

	for ( cid, c in f$conns )
		if ( c?$ssl && c$ssl$always_raise_x509_events )
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
