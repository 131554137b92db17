##! Names of files.

@load base/frameworks/intel
@load ./where-locations

module Intel;

event file_new(f: fa_file) &group="Intel::FILE_NAME"
	{
	# SMB tells names in events of its own.
	if ( f$source != "SMB" && f?$info && f$info?$filename )
		Intel::seen(Intel::Seen($indicator=f$info$filename, $indicator_type=Intel::FILE_NAME, $f=f,
		            $where=Files::IN_NAME));
	}
