##! Names of files on shares.

@load base/frameworks/intel
@load base/protocols/smb
@load ./where-locations

module Intel;

event file_new(f: fa_file) &group="Intel::FILE_NAME"
	{
	if ( f$source != "SMB" || ! f?$conns )
		return;

	for ( cid, c in f$conns )
		{
		if ( ! c?$smb_state || ! c$smb_state?$current_file || ! c$smb_state$current_file?$name )
			next;

		local parts = split_string(c$smb_state$current_file$name, /\\/);
		Intel::seen(Intel::Seen($indicator=parts[|parts| - 1], $indicator_type=Intel::FILE_NAME, $f=f, $conn=c,
		            $where=SMB::IN_FILE_NAME));
		}
	}
