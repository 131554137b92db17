##! Adds the whole certificate to x509.log, in Base64.

@load base/protocols/ssl
@load base/files/x509

module X509;

redef record X509::Info += {
	cert: string &log &optional;
};

# A certificate is longer than other fields may be.
redef X509::default_max_field_string_bytes = 0;

hook X509::create_deduplication_index(c: X509::Info) &priority=5
	{
	c$cert = encode_base64(x509_get_certificate_string(c$handle));
	}
