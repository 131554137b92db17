##! Connects handshakes with the certificates that went over them.

@load base/frameworks/files
@load base/files/x509
@load ./main

module SSL;

export {
	## Whether ssl.log has the names in the server's certificate …
	const log_include_server_certificate_subject_issuer = F &redef;

	## … and those in the client's.
	const log_include_client_certificate_subject_issuer = F &redef;

	redef record Info += {
		cert_chain: vector of Files::Info &optional;
		cert_chain_fps: vector of string &log &optional;
		client_cert_chain: vector of Files::Info &optional;
		client_cert_chain_fps: vector of string &log &optional;
		subject: string &log &optional;
		issuer: string &log &optional;
		client_subject: string &log &optional;
		client_issuer: string &log &optional;
		sni_matches_cert: bool &log &optional;
		server_depth: count &default=0;
		client_depth: count &default=0;
	};

	## Names the file that a certificate is.
	global get_file_handle: function(c: connection, is_orig: bool): string;

	## Describes a certificate.
	global describe_file: function(f: fa_file): string;
}

# What certificates of handshakes have as their source.
const file_sources = set("SSL", "DTLS");

function get_file_handle(c: connection, is_orig: bool): string
	{
	# The analyzer makes the ids of certificates itself.
	return "";
	}

function describe_file(f: fa_file): string
	{
	if ( f$source !in file_sources || ! f?$info || ! f$info?$x509 )
		return "";

	local cert = f$info$x509$certificate;

	# Where the certificate came from says more than what is in it.
	for ( cid, c in f$conns )
		if ( c?$ssl )
			return cat(c$id$resp_h, ":", c$id$resp_p);

	return cat("Serial: ", cert$serial, " Subject: ", cert$subject, " Issuer: ", cert$issuer);
	}

event zeek_init() &priority=5
	{
	local reg = Files::ProtoRegistration($get_file_handle=SSL::get_file_handle,
	                                     $describe=SSL::describe_file);
	Files::register_protocol(Analyzer::ANALYZER_SSL, reg);
	Files::register_protocol(Analyzer::ANALYZER_DTLS, reg);

	local filter = Log::get_filter(SSL::LOG, "default");
	local hidden: set[string] = set();

	if ( filter?$exclude )
		hidden = filter$exclude;

	if ( ! log_include_server_certificate_subject_issuer )
		{
		add hidden["subject"];
		add hidden["issuer"];
		}

	if ( ! log_include_client_certificate_subject_issuer )
		{
		add hidden["client_subject"];
		add hidden["client_issuer"];
		}

	if ( |hidden| > 0 )
		{
		filter$exclude = hidden;
		Log::add_filter(SSL::LOG, filter);
		}
	}

event file_over_new_connection(f: fa_file, c: connection, is_orig: bool) &priority=5
	{
	if ( f$source !in file_sources )
		return;

	set_session(c);
	local rec = c$ssl;

	# A side that shows none has an empty chain.
	if ( ! rec?$cert_chain )
		{
		rec$cert_chain = vector();
		rec$client_cert_chain = vector();
		}

	if ( is_orig )
		rec$client_cert_chain += f$info;
	else
		rec$cert_chain += f$info;
	}

function fingerprints(chain: vector of Files::Info): vector of string
	{
	local fps: vector of string = vector();

	for ( i, f in chain )
		if ( f?$x509 )
			fps += f$x509$fingerprint;

	return fps;
	}

hook ssl_finishing(c: connection) &priority=20
	{
	if ( ! c?$ssl )
		return;

	local rec = c$ssl;

	if ( rec?$cert_chain )
		{
		rec$cert_chain_fps = fingerprints(rec$cert_chain);

		if ( |rec$cert_chain| > 0 && rec$cert_chain[0]?$x509 )
			{
			local x = rec$cert_chain[0]$x509;
			rec$subject = x$certificate$subject;
			rec$issuer = x$certificate$issuer;

			if ( rec?$server_name )
				rec$sni_matches_cert = x509_check_cert_hostname(x$handle, rec$server_name) != "";
			}
		}

	if ( rec?$client_cert_chain )
		{
		rec$client_cert_chain_fps = fingerprints(rec$client_cert_chain);

		if ( |rec$client_cert_chain| > 0 && rec$client_cert_chain[0]?$x509 )
			{
			rec$client_subject = rec$client_cert_chain[0]$x509$certificate$subject;
			rec$client_issuer = rec$client_cert_chain[0]$x509$certificate$issuer;
			}
		}
	}
