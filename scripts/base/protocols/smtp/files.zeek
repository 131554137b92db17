##! Gives attachments to the file analysis.

@load base/frameworks/files
@load base/utils/conn-ids
@load ./main
@load ./entities

module SMTP;

export {
	redef record Info += {
		fuids: vector of string &log &default=vector();
		rfc822_msg_fuid: string &optional;
	};

	## Names the file that a part is.
	global get_file_handle: function(c: connection, is_orig: bool): string;

	## Describes a file by its message.
	global describe_file: function(f: fa_file): string;
}

function get_file_handle(c: connection, is_orig: bool): string
	{
	return cat(Analyzer::ANALYZER_SMTP, c$start_time, c?$smtp ? c$smtp$trans_depth : 0,
	           c?$smtp_state ? c$smtp_state$mime_depth : 0);
	}

function describe_file(f: fa_file): string
	{
	if ( f$source != "SMTP" || ! f?$conns )
		return "";

	for ( cid, c in f$conns )
		if ( c?$smtp )
			return describe(c$smtp);

	return "";
	}

event zeek_init() &priority=5
	{
	Files::register_protocol(Analyzer::ANALYZER_SMTP, Files::ProtoRegistration(
		$get_file_handle=SMTP::get_file_handle, $describe=SMTP::describe_file));
	}

event file_over_new_connection(f: fa_file, c: connection, is_orig: bool) &priority=5
	{
	if ( f$source != "SMTP" || ! c?$smtp )
		return;

	if ( c$smtp?$entity && c$smtp$entity?$filename )
		f$info$filename = c$smtp$entity$filename;

	f$info$depth = c$smtp_state$mime_depth;
	c$smtp$fuids += f$id;
	}
