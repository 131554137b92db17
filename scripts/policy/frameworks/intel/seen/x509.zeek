##! What certificates name.

@load base/frameworks/intel
@load base/files/x509
@load ./where-locations

module Intel;

export {
	## Whether alternative names are looked at.
	option enable_x509_ext_subject_alternative_name = T;
}

event x509_ext_subject_alternative_name(f: fa_file, ext: X509::SubjectAlternativeName) &group="Intel::DOMAIN"
	{
	if ( ! enable_x509_ext_subject_alternative_name || ! ext?$dns )
		return;

	for ( i, name in ext$dns )
		Intel::seen(Intel::Seen($indicator=name, $indicator_type=Intel::DOMAIN, $f=f, $where=X509::IN_CERT));
	}

event x509_certificate(f: fa_file, cert_ref: opaque of x509, cert: X509::Certificate) &group="Intel::EMAIL"
	{
	# The address is a part of the subject.
	if ( /[eE]mailAddress=/ !in cert$subject )
		return;

	local email = sub(cert$subject, /^.*[eE]mailAddress=/, "");
	email = sub(email, /,.*$/, "");
	Intel::seen(Intel::Seen($indicator=email, $indicator_type=Intel::EMAIL, $f=f, $where=X509::IN_CERT));
	}

event x509_certificate(f: fa_file, cert_ref: opaque of x509, cert: X509::Certificate) &group="Intel::DOMAIN"
	{
	if ( cert?$cn )
		Intel::seen(Intel::Seen($indicator=cert$cn, $indicator_type=Intel::DOMAIN, $f=f, $where=X509::IN_CERT));
	}

event file_hash(f: fa_file, kind: string, hash: string) &group="Intel::CERT_HASH"
	{
	if ( f?$info && f$info?$x509 )
		Intel::seen(Intel::Seen($indicator=hash, $indicator_type=Intel::CERT_HASH, $f=f, $where=X509::IN_CERT));
	}
