##! Raises the events of certificates that are met all the time from memory.

@load ./main

module X509;

export {
	## A timestamp of certificate transparency, as it is kept for the next time.
	type SctInfo: record {
		version: count;
		logid: string;
		timestamp: count;
		hash_alg: count;
		sig_alg: count;
		signature: string;
	};

	## How often a certificate must be met …
	option caching_required_encounters = 10;

	## … within this time to be cached.
	option caching_required_encounters_interval = 1min + 2secs;

	## Size of the cache, and how long an entry is kept at least.
	option certificate_cache_max_entries = 10000;
	option certificate_cache_minimum_eviction_interval = 1min + 2secs;

	## Puts what is known of a cached certificate into the record and raises its events again. The certificate is not
	## parsed; a break in a hook of a higher priority leaves out the events as well.
	global x509_certificate_cache_replay: hook(f: fa_file, e: Info, sha256: string);
}

# Cached certificates, by the digest of their bytes.
global certificate_cache: table[string] of any &read_expire=certificate_cache_minimum_eviction_interval;

# How often certificates were met lately.
global encounters: table[string] of count &create_expire=caching_required_encounters_interval &default=0;

# Timestamps of certificate transparency are not part of the record: they are kept for the next time.
event x509_ocsp_ext_signed_certificate_timestamp(f: fa_file, version: count, logid: string, timestamp: count,
                                                 hash_algorithm: count, signature_algorithm: count,
                                                 signature: string) &priority=5
	{
	if ( f?$info && f$info?$x509 )
		f$info$x509$extensions_cache += SctInfo($version=version, $logid=logid, $timestamp=timestamp,
		                                        $hash_alg=hash_algorithm, $sig_alg=signature_algorithm,
		                                        $signature=signature);
	}

hook x509_certificate_cache_replay(f: fa_file, e: X509::Info, sha256: string) &priority=5
	{
	local rec = Info($ts=f$info$ts, $fingerprint=e$fingerprint, $certificate=e$certificate, $handle=e$handle);
	rec$extensions = e$extensions;
	f$info$x509 = rec;

	if ( e?$san )
		rec$san = e$san;

	if ( e?$basic_constraints )
		rec$basic_constraints = e$basic_constraints;

	if ( f$info?$mime_type && f$info$mime_type == "application/x-x509-user-cert" )
		rec$host_cert = T;

	if ( f?$is_orig && f$is_orig )
		rec$client_cert = T;
	}

# Events that others may handle are raised again, once the record is complete.
hook x509_certificate_cache_replay(f: fa_file, e: X509::Info, sha256: string) &priority=-5
	{
	for ( i, item in e$extensions_cache )
		{
		if ( item is SctInfo )
			{
			local sct = item as SctInfo;
			event x509_ocsp_ext_signed_certificate_timestamp(f, sct$version, sct$logid, sct$timestamp,
			                                                 sct$hash_alg, sct$sig_alg, sct$signature);
			}
		}
	}

hook certificate_cache_hit(f: fa_file, e: any, str: string)
	{
	if ( ! hook x509_certificate_cache_replay(f, e as X509::Info, str) )
		break;
	}

event zeek_init() &priority=5
	{
	x509_set_certificate_cache(certificate_cache);
	x509_set_certificate_cache_hit_callback(certificate_cache_hit);
	}

event file_state_remove(f: fa_file) &priority=5
	{
	if ( ! f$info?$x509 || ! f$info?$sha256 )
		return;

	local key = f$info$sha256;

	if ( key in certificate_cache )
		return;

	if ( ++encounters[key] < caching_required_encounters )
		return;

	delete encounters[key];

	if ( |certificate_cache| < certificate_cache_max_entries )
		certificate_cache[key] = f$info$x509;
	}
