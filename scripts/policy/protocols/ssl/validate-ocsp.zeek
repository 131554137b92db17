##! Validates stapled OCSP responses, and notices about bad ones.

@load base/frameworks/notice
@load base/protocols/ssl

module SSL;

export {
	redef enum Notice::Type += {
		Invalid_Ocsp_Response
	};

	redef record Info += {
		ocsp_status: string &log &optional;
		ocsp_response: string &optional;
	};
}

# Results of the last minutes, by response.
global recently_validated_ocsp: table[string] of string = table() &read_expire=5mins &redef;

event ssl_stapled_ocsp(c: connection, is_client: bool, response: string) &priority=3
	{
	set_session(c);

	if ( ! c$ssl?$ocsp_response )
		c$ssl$ocsp_response = response;
	}

hook ssl_finishing(c: connection) &priority=19
	{
	local rec = c$ssl;

	if ( ! rec?$ocsp_response || ! rec?$cert_chain || |rec$cert_chain| == 0 || ! rec$cert_chain[0]?$x509 )
		return;

	local chain: vector of opaque of x509 = vector();

	for ( i, f in rec$cert_chain )
		if ( f?$x509 )
			chain += f$x509$handle;

	local key = cat(md5_hash(rec$ocsp_response), rec$cert_chain[0]$x509$fingerprint);

	if ( key in recently_validated_ocsp )
		rec$ocsp_status = recently_validated_ocsp[key];
	else
		{
		rec$ocsp_status = x509_ocsp_verify(chain, rec$ocsp_response, SSL::root_certs)$result_string;
		recently_validated_ocsp[key] = rec$ocsp_status;
		}

	if ( rec$ocsp_status != "good" )
		NOTICE(Notice::Info($note=Invalid_Ocsp_Response,
		       $msg=fmt("OCSP response validation failed with (%s)", rec$ocsp_status),
		       $sub=rec$cert_chain[0]$x509$certificate$subject, $conn=c,
		       $identifier=cat(c$id$resp_h, c$id$resp_p, key)));
	}
