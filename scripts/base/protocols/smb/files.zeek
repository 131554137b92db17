##! Gives the contents of files to the file analysis.

@load base/frameworks/files
@load ./main

module SMB;

export {
	## Names the file that a request reads or writes.
	global get_file_handle: function(c: connection, is_orig: bool): string;

	## Describes a file by its path.
	global describe_file: function(f: fa_file): string;
}

function get_file_handle(c: connection, is_orig: bool): string
	{
	if ( ! c?$smb_state || ! c$smb_state?$current_file ||
	     (! c$smb_state$current_file?$name && ! c$smb_state$current_file?$path) )
		return "";

	local f = c$smb_state$current_file;
	local path = f?$path ? f$path : "";
	local name = f?$name ? f$name : "";
	local mtime = f?$times ? cat(f$times$modified_raw) : "0";

	return cat(Analyzer::ANALYZER_SMB, c$id$orig_h, c$id$resp_h, path, name, mtime);
	}

function describe_file(f: fa_file): string
	{
	if ( f$source != "SMB" || ! f?$conns )
		return "";

	for ( cid, c in f$conns )
		if ( c?$smb_state && c$smb_state?$current_file && c$smb_state$current_file?$name )
			return c$smb_state$current_file$name;

	return "";
	}

event zeek_init() &priority=5
	{
	Files::register_protocol(Analyzer::ANALYZER_SMB, Files::ProtoRegistration(
		$get_file_handle=SMB::get_file_handle, $describe=SMB::describe_file));
	}

event file_over_new_connection(f: fa_file, c: connection, is_orig: bool) &priority=5
	{
	if ( ! c?$smb_state || ! c$smb_state?$current_file || f$source != "SMB" )
		return;

	local cur = c$smb_state$current_file;

	if ( cur?$name )
		f$info$filename = cur$name;

	cur$fuid = f$id;
	}
