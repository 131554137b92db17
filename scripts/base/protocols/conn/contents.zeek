##! Writes the payload of both directions of chosen TCP connections to files.

@load base/utils/files

module Conn;

export {
	## First part of the names of the files that contents are written to.
	option extraction_prefix = "contents";

	## Whether the contents of every connection are written.
	option default_extract = F;
}

redef record connection += {
	extract_orig: bool &default=Conn::default_extract;
	extract_resp: bool &default=Conn::default_extract;
};

event connection_established(c: connection) &priority=-5
	{
	if ( c$extract_orig )
		{
		local orig_file = open(generate_extraction_filename(extraction_prefix, c, "orig.dat"));
		set_contents_file(c$id, CONTENTS_ORIG, orig_file);
		}

	if ( c$extract_resp )
		{
		local resp_file = open(generate_extraction_filename(extraction_prefix, c, "resp.dat"));
		set_contents_file(c$id, CONTENTS_RESP, resp_file);
		}
	}
