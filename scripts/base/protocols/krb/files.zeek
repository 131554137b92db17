##! The certificates of PKINIT.

@load base/frameworks/files
@load base/files/x509
@load base/utils/conn-ids
@load ./main

module KRB;

export {
	redef record Info += {
		client_cert: Files::Info &optional;
		client_cert_subject: string &log &optional;
		client_cert_fuid: string &log &optional;
		server_cert: Files::Info &optional;
		server_cert_subject: string &log &optional;
		server_cert_fuid: string &log &optional;
	};

	## Names the file that a certificate is.
	global get_file_handle: function(c: connection, is_orig: bool): string;

	## Describes a certificate.
	global describe_file: function(f: fa_file): string;
}

function get_file_handle(c: connection, is_orig: bool): string
	{
	# The analyzer makes the ids itself.
	return "";
	}

function describe_file(f: fa_file): string
	{
	if ( f$source != "KRB_TCP" && f$source != "KRB" )
		return "";

	if ( ! f?$info || ! f$info?$x509 )
		return "";

	local cert = f$info$x509$certificate;
	return cat("Serial: ", cert$serial, " Subject: ", cert$subject, " Issuer: ", cert$issuer);
	}

event zeek_init() &priority=5
	{
	local reg = Files::ProtoRegistration($get_file_handle=KRB::get_file_handle, $describe=KRB::describe_file);
	Files::register_protocol(Analyzer::ANALYZER_KRB_TCP, reg);
	Files::register_protocol(Analyzer::ANALYZER_KRB, reg);
	}

event file_over_new_connection(f: fa_file, c: connection, is_orig: bool) &priority=5
	{
	if ( f$source != "KRB_TCP" && f$source != "KRB" )
		return;

	set_session(c);

	if ( is_orig )
		{
		c$krb$client_cert = f$info;
		c$krb$client_cert_fuid = f$id;
		}
	else
		{
		c$krb$server_cert = f$info;
		c$krb$server_cert_fuid = f$id;
		}
	}

function fill_in_subjects(c: connection)
	{
	if ( ! c?$krb )
		return;

	local rec = c$krb;

	if ( rec?$client_cert && rec$client_cert?$x509 )
		rec$client_cert_subject = rec$client_cert$x509$certificate$subject;

	if ( rec?$server_cert && rec$server_cert?$x509 )
		rec$server_cert_subject = rec$server_cert$x509$certificate$subject;
	}

event krb_error(c: connection, msg: Error_Msg)
	{
	fill_in_subjects(c);
	}

event krb_as_response(c: connection, msg: KDC_Response)
	{
	fill_in_subjects(c);
	}

event krb_tgs_response(c: connection, msg: KDC_Response)
	{
	fill_in_subjects(c);
	}

event krb_ap_response(c: connection)
	{
	fill_in_subjects(c);
	}

hook finalize_krb(c: connection) &priority=5
	{
	fill_in_subjects(c);
	}
