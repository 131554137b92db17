##! Adds the authorities that servers want clients' certificates from to ssl.log.

@load base/protocols/ssl

module SSL;

redef record SSL::Info += {
	requested_client_certificate_authorities: vector of string &optional &log;
};

event ssl_certificate_request(c: connection, is_client: bool, certificate_types: index_vec,
                              supported_signature_algorithms: signature_and_hashalgorithm_vec,
                              certificate_authorities: string_vec)
	{
	if ( is_client || |certificate_authorities| == 0 )
		return;

	local names: vector of string = vector();

	for ( i, ca in certificate_authorities )
		names += parse_distinguished_name(ca);

	c$ssl$requested_client_certificate_authorities = names;
	}
