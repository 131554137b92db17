##! Collects what is known of certificates and writes x509.log.

@load base/frameworks/files
@load base/frameworks/cluster
@load base/files/hash

module X509;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;

	## Whether certificates are written to files.log as well.
	option log_x509_in_files_log = F;

	## Digest that certificates are known by.
	global hash_function: function(cert: string): string = sha256_hash &redef;

	## What makes two certificates the same in x509.log.
	type LogCertHash: record {
		fingerprint: string;
		host_cert: bool;
		client_cert: bool;
	};

	type Info: record {
		ts: time &log;
		fingerprint: string &log;
		certificate: X509::Certificate &log;
		handle: opaque of x509;
		extensions: vector of X509::Extension &default=vector();
		san: X509::SubjectAlternativeName &optional &log;
		basic_constraints: X509::BasicConstraints &optional &log;
		extensions_cache: vector of any &default=vector();
		host_cert: bool &log &default=F;
		client_cert: bool &log &default=F;
		deduplication_index: LogCertHash &optional;
	};

	## Time after which a certificate is logged again.
	option relog_known_certificates_after = 1day;

	## How many certificates are remembered for this.
	option known_log_certs_maximum_size = 1000000;

	## Certificates that were logged.
	global known_log_certs: set[LogCertHash] &create_expire=relog_known_certificates_after;

	## Whether nodes of a cluster tell each other about logged certificates.
	const known_log_certs_enable_publish = T &redef;

	## Whether a node that comes up is told about them.
	const known_log_certs_enable_node_up_publish = T &redef;

	global known_log_certs_use_broker: bool = T;

	## Sets *deduplication_index* of the record. A break keeps the certificate
	## from being logged.
	global create_deduplication_index: hook(c: Info);

	## Limits for what goes into the log.
	const default_max_field_string_bytes = 4096 &redef;
	const default_max_field_container_elements = 500 &redef;
	const default_max_total_container_elements = 1500 &redef;

	## Raised for each record that is written to x509.log.
	global log_x509: event(rec: Info);
}

redef record Files::Info += {
	x509: X509::Info &optional;
};

# The first certificate of a chain has the type of a user's certificate, the
# others that of an authority's; one that was met elsewhere is a pkix-cert.
const mime_types = set("application/x-x509-user-cert", "application/x-x509-ca-cert", "application/pkix-cert");

# Shares known certificates among the nodes of a cluster.
global known_log_certs_add: event(certs: set[LogCertHash]);

event known_log_certs_add(certs: set[LogCertHash])
	{
	for ( h in certs )
		if ( |known_log_certs| < known_log_certs_maximum_size )
			add known_log_certs[h];
	}

event zeek_init() &priority=5
	{
	Log::create_stream(X509::LOG, Log::Stream($columns=Info, $ev=log_x509, $path="x509", $policy=log_policy,
		$max_field_string_bytes=default_max_field_string_bytes,
		$max_field_container_elements=default_max_field_container_elements,
		$max_total_container_elements=default_max_total_container_elements));

	Files::register_for_mime_types(Files::ANALYZER_X509, mime_types);
	Files::register_for_mime_types(Files::ANALYZER_MD5, mime_types);
	Files::register_for_mime_types(Files::ANALYZER_SHA1, mime_types);
	Files::register_for_mime_types(Files::ANALYZER_SHA256, mime_types);
	}

hook Files::log_policy(rec: Files::Info, id: Log::ID, filter: Log::Filter) &priority=5
	{
	# What should be a certificate but does not parse is none of that log's business either.
	if ( ! log_x509_in_files_log && (rec?$x509 || (rec?$mime_type && rec$mime_type in mime_types)) )
		break;
	}

hook create_deduplication_index(c: X509::Info)
	{
	c$deduplication_index = LogCertHash($fingerprint=c$fingerprint, $host_cert=c$host_cert,
	                                    $client_cert=c$client_cert);
	}

event x509_certificate(f: fa_file, cert_ref: opaque of x509, cert: X509::Certificate) &priority=5
	{
	local rec = Info($ts=f$info$ts, $fingerprint=hash_function(x509_get_certificate_string(cert_ref)),
	                 $certificate=cert, $handle=cert_ref);
	f$info$x509 = rec;

	if ( f$info?$mime_type && f$info$mime_type == "application/x-x509-user-cert" )
		rec$host_cert = T;

	if ( f?$is_orig && f$is_orig )
		rec$client_cert = T;
	}

event x509_extension(f: fa_file, ext: X509::Extension) &priority=5
	{
	if ( f$info?$x509 )
		f$info$x509$extensions += ext;
	}

event x509_ext_basic_constraints(f: fa_file, ext: X509::BasicConstraints) &priority=5
	{
	if ( f$info?$x509 )
		f$info$x509$basic_constraints = ext;
	}

event x509_ext_subject_alternative_name(f: fa_file, ext: X509::SubjectAlternativeName) &priority=5
	{
	if ( f$info?$x509 )
		f$info$x509$san = ext;
	}

@if ( Cluster::is_enabled() && Cluster::acts_as_one )

event X509::certificate_elsewhere(rec: X509::Info)
	{
	if ( rec$deduplication_index in known_log_certs )
		return;

	if ( |known_log_certs| < known_log_certs_maximum_size )
		add known_log_certs[rec$deduplication_index];

	Log::write(X509::LOG, rec);
	}

@endif

event file_state_remove(f: fa_file) &priority=5
	{
	if ( ! f$info?$x509 )
		return;

	local rec = f$info$x509;

	if ( ! hook create_deduplication_index(rec) )
		return;

	if ( rec?$deduplication_index )
		{
		local key = rec$deduplication_index;

		if ( key in known_log_certs )
			return;

		if ( |known_log_certs| < known_log_certs_maximum_size )
			add known_log_certs[key];

@if ( Cluster::is_enabled() && Cluster::acts_as_one )
		# Who was the first is the manager's affair.
		Cluster::publish(Cluster::manager_topic, X509::certificate_elsewhere, rec);
		return;
@endif

		if ( known_log_certs_enable_publish && Cluster::is_enabled() )
			Cluster::publish(Cluster::worker_topic, known_log_certs_add, set(key));
		}

	Log::write(X509::LOG, rec);
	}

event Cluster::node_up(name: string, id: string)
	{
	if ( known_log_certs_enable_node_up_publish && known_log_certs_enable_publish &&
	     Cluster::is_enabled() && Cluster::local_node_type() == Cluster::PROXY )
		Cluster::publish(Cluster::node_topic(name), known_log_certs_add, known_log_certs);
	}
