##! Validates signed certificate timestamps, and adds how many are good to ssl.log.

@load base/protocols/ssl
@load protocols/ssl/validate-certs

redef SSL::ssl_store_valid_chain = T;

module SSL;

export {
	## Where a timestamp was found.
	type SctSource: enum {
		SCT_X509_EXT,
		SCT_TLS_EXT,
		SCT_OCSP_EXT,
	};

	type SctInfo: record {
		version: count;
		logid: string;
		timestamp: count;
		sig_alg: count;
		hash_alg: count;
		signature: string;
		source: SctSource;
		valid: bool &optional;
	};

	redef record Info += {
		valid_scts: count &optional;
		invalid_scts: count &optional;
		valid_ct_logs: count &log &optional;
		valid_ct_operators: count &log &optional;
		valid_ct_operators_list: set[string] &optional;
		ct_proofs: vector of SctInfo &default=vector();
	};
}

# Results by log, timestamp and certificate.
global recently_validated_scts: table[string] of bool = table() &read_expire=5mins &redef;

event zeek_init()
	{
	Files::register_for_mime_type(Files::ANALYZER_OCSP_REPLY, "application/ocsp-response");
	}

event ssl_extension_signed_certificate_timestamp(c: connection, is_client: bool, version: count, logid: string,
                                                 timestamp: count,
                                                 signature_and_hashalgorithm: SSL::SignatureAndHashAlgorithm,
                                                 signature: string) &priority=5
	{
	set_session(c);
	c$ssl$ct_proofs += SctInfo($version=version, $logid=logid, $timestamp=timestamp,
	                           $sig_alg=signature_and_hashalgorithm$SignatureAlgorithm,
	                           $hash_alg=signature_and_hashalgorithm$HashAlgorithm, $signature=signature,
	                           $source=SCT_TLS_EXT);
	}

event x509_ocsp_ext_signed_certificate_timestamp(f: fa_file, version: count, logid: string, timestamp: count,
                                                 hash_algorithm: count, signature_algorithm: count,
                                                 signature: string) &priority=5
	{
	local source = f?$info && f$info?$x509 ? SCT_X509_EXT : SCT_OCSP_EXT;

	if ( ! f?$conns )
		return;

	for ( cid, c in f$conns )
		if ( c?$ssl )
			c$ssl$ct_proofs += SctInfo($version=version, $logid=logid, $timestamp=timestamp,
			                           $sig_alg=signature_algorithm, $hash_alg=hash_algorithm,
			                           $signature=signature, $source=source);
	}

hook ssl_finishing(c: connection) &priority=19
	{
	local rec = c$ssl;

	if ( ! rec?$cert_chain || |rec$ct_proofs| == 0 || |rec$cert_chain| == 0 || ! rec$cert_chain[0]?$x509 )
		return;

	local cert = rec$cert_chain[0]$x509$handle;
	local logs: set[string] = set();
	local operators: set[string] = set();
	local good = 0;
	local bad = 0;

	# Embedded timestamps are over the issuer's key as well.
	local issuer_key = "";

	if ( rec?$valid_chain && |rec$valid_chain| >= 2 )
		issuer_key = x509_spki_hash(rec$valid_chain[1], 4);

	for ( i, proof in rec$ct_proofs )
		{
		if ( proof$logid !in ct_logs )
			{
			++bad;
			proof$valid = F;
			next;
			}

		local log = ct_logs[proof$logid];
		local key = cat(rec$cert_chain[0]$x509$fingerprint, proof$logid, proof$timestamp, proof$signature);
		local valid = F;

		if ( key in recently_validated_scts )
			valid = recently_validated_scts[key];
		else
			{
			if ( proof$source == SCT_X509_EXT )
				valid = issuer_key != "" && sct_verify(cert, proof$logid, log$key, proof$signature,
				                                       proof$timestamp, proof$hash_alg, issuer_key);
			else
				valid = sct_verify(cert, proof$logid, log$key, proof$signature, proof$timestamp,
				                   proof$hash_alg);

			recently_validated_scts[key] = valid;
			}

		proof$valid = valid;

		if ( valid )
			{
			++good;
			add logs[proof$logid];
			add operators[log$operator];
			}
		else
			++bad;
		}

	rec$valid_scts = good;
	rec$invalid_scts = bad;
	rec$valid_ct_logs = |logs|;
	rec$valid_ct_operators = |operators|;
	rec$valid_ct_operators_list = operators;
	}
