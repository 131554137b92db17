##! Validates the certificates of servers against the roots, adds the result to
##! ssl.log, and notices about bad ones.

@load base/frameworks/cluster
@load base/frameworks/notice
@load base/protocols/ssl

module SSL;

export {
	redef enum Notice::Type += {
		## The chain of a server is not valid.
		Invalid_Server_Cert
	};

	redef record Info += {
		validation_status: string &log &optional;
		validation_code: int &optional;
		## The chain as it was validated, if it was.
		valid_chain: vector of opaque of x509 &optional;
	};

	## Results of the last minutes, by chain.
	global recently_validated_certs: table[string] of X509::Result = table() &read_expire=5mins &redef;

	## Whether intermediate certificates are kept, for servers that send none.
	global ssl_cache_intermediate_ca: bool = T &redef;

	## Whether the valid chain is kept in the record.
	global ssl_store_valid_chain: bool = F &redef;

	## Shares intermediate certificates in a cluster.
	global intermediate_add: event(key: string, value: vector of opaque of x509);
	global new_intermediate: event(key: string, value: vector of opaque of x509);
}

# Intermediate certificates by their subjects.
global intermediate_cache: table[string] of vector of opaque of x509;

event zeek_init()
	{
	@if ( Cluster::is_enabled() )
		Cluster::subscribe("zeek/ssl/intermediates");
	@endif
	}

event SSL::intermediate_add(key: string, value: vector of opaque of x509)
	{
	intermediate_cache[key] = value;
	}

event SSL::new_intermediate(key: string, value: vector of opaque of x509)
	{
	if ( key in intermediate_cache )
		return;

	intermediate_cache[key] = value;
	Cluster::publish(Cluster::worker_topic, SSL::intermediate_add, key, value);
	}

function remember(chain: vector of opaque of x509)
	{
	# The server's own certificate and the root are not of interest.
	if ( |chain| < 3 )
		return;

	local inner: vector of opaque of x509 = vector();

	for ( i, c in chain )
		if ( i >= 1 && i <= |chain| - 2 )
			inner += c;

	local key = x509_parse(chain[0])$issuer;

	if ( key in intermediate_cache )
		return;

	intermediate_cache[key] = inner;

	@if ( Cluster::is_enabled() )
		Cluster::publish(Cluster::manager_topic, SSL::new_intermediate, key, inner);
	@endif
	}

function certs_of(c: connection): vector of opaque of x509
	{
	local chain: vector of opaque of x509 = vector();

	for ( i, f in c$ssl$cert_chain )
		if ( f?$x509 )
			chain += f$x509$handle;

	return chain;
	}

hook ssl_finishing(c: connection) &priority=20
	{
	local rec = c$ssl;

	# A certificate without a chain is not looked at.
	if ( ! rec?$cert_chain || |rec$cert_chain| == 0 || ! rec$cert_chain[0]?$x509 )
		return;

	local key = "";

	for ( i, f in rec$cert_chain )
		if ( f?$x509 )
			key += f$x509$fingerprint;

	local result: X509::Result;

	if ( key in recently_validated_certs )
		result = recently_validated_certs[key];
	else
		{
		local chain = certs_of(c);
		result = x509_verify(chain, SSL::root_certs);

		# Perhaps the server left something out that others sent.
		local issuer = rec$cert_chain[0]$x509$certificate$issuer;

		if ( result$result_string != "ok" && ssl_cache_intermediate_ca && issuer in intermediate_cache )
			{
			local longer: vector of opaque of x509 = vector();
			longer += chain[0];

			for ( j, inner in intermediate_cache[issuer] )
				longer += inner;

			local second = x509_verify(longer, SSL::root_certs);

			if ( second$result_string == "ok" )
				result = second;
			}

		if ( result$result_string == "ok" && ssl_cache_intermediate_ca && result?$chain_certs )
			remember(result$chain_certs);

		# A failure is looked at again: what is missing may have been seen by then.
		if ( result$result_string == "ok" )
			recently_validated_certs[key] = result;
		}

	rec$validation_status = result$result_string;
	rec$validation_code = result$result;

	if ( ssl_store_valid_chain && result?$chain_certs )
		rec$valid_chain = result$chain_certs;

	if ( result$result_string != "ok" )
		NOTICE(Notice::Info($note=Invalid_Server_Cert,
		       $msg=fmt("SSL certificate validation failed with (%s)", result$result_string),
		       $sub=rec$cert_chain[0]$x509$certificate$subject, $conn=c, $fuid=rec$cert_chain[0]$fuid,
		       $identifier=cat(c$id$resp_h, c$id$resp_p, key)));
	}
