##! Counts the parts of messages and finds the file names that go with them.

@load base/frameworks/files
@load base/utils/strings
@load base/utils/files
@load ./main

module HTTP;

export {
	type Entity: record {
		filename: string &optional;
	};

	## Files per direction that are kept in the log of one request.
	option max_files_orig = 15;
	option max_files_resp = 15;

	## A break lets no more file ids into the record of the request.
	global max_files_policy: hook(f: fa_file, is_orig: bool);

	redef record Info += {
		orig_fuids: vector of string &log &optional;
		orig_filenames: vector of string &log &optional;
		orig_mime_types: vector of string &log &optional;
		resp_fuids: vector of string &log &optional;
		resp_filenames: vector of string &log &optional;
		resp_mime_types: vector of string &log &optional;
		current_entity: Entity &optional;
		orig_mime_depth: count &default=0;
		resp_mime_depth: count &default=0;
	};
}

redef record fa_file += {
	http: HTTP::Info &optional;
};

event http_begin_entity(c: connection, is_orig: bool) &priority=10
	{
	set_state(c, is_orig);

	if ( is_orig )
		++c$http$orig_mime_depth;
	else
		++c$http$resp_mime_depth;

	c$http$current_entity = Entity();
	}

event http_header(c: connection, is_orig: bool, original_name: string, name: string, value: string) &priority=3
	{
	if ( name != "CONTENT-DISPOSITION" && name != "CONTENT-TYPE" )
		return;

	if ( ! c$http?$current_entity )
		return;

	if ( name == "CONTENT-DISPOSITION" )
		{
		if ( /[fF][iI][lL][eE][nN][aA][mM][eE]/ in value )
			c$http$current_entity$filename = extract_filename_from_content_disposition(value);
		}
	else if ( /[nN][aA][mM][eE][[:blank:]]*=/ in value )
		c$http$current_entity$filename = extract_filename_from_content_disposition(value);
	}

event http_end_entity(c: connection, is_orig: bool) &priority=5
	{
	if ( c?$http && c$http?$current_entity )
		delete c$http$current_entity;
	}

hook max_files_policy(f: fa_file, is_orig: bool) &priority=-5
	{
	if ( is_orig )
		{
		if ( f$http?$orig_fuids && |f$http$orig_fuids| >= max_files_orig )
			break;
		}
	else if ( f$http?$resp_fuids && |f$http$resp_fuids| >= max_files_resp )
		break;
	}

event file_over_new_connection(f: fa_file, c: connection, is_orig: bool) &priority=5
	{
	if ( f$source != "HTTP" || ! c?$http )
		return;

	local rec = c$http;
	f$http = rec;

	if ( rec?$current_entity && rec$current_entity?$filename )
		f$info$filename = rec$current_entity$filename;

	if ( ! hook max_files_policy(f, is_orig) )
		return;

	if ( is_orig )
		{
		if ( ! rec?$orig_fuids )
			rec$orig_fuids = vector(f$id);
		else
			rec$orig_fuids += f$id;

		if ( f$info?$filename )
			{
			if ( ! rec?$orig_filenames )
				rec$orig_filenames = vector(f$info$filename);
			else
				rec$orig_filenames += f$info$filename;
			}
		}
	else
		{
		if ( ! rec?$resp_fuids )
			rec$resp_fuids = vector(f$id);
		else
			rec$resp_fuids += f$id;

		if ( f$info?$filename )
			{
			if ( ! rec?$resp_filenames )
				rec$resp_filenames = vector(f$info$filename);
			else
				rec$resp_filenames += f$info$filename;
			}
		}
	}

event file_sniff(f: fa_file, meta: fa_metadata) &priority=5
	{
	if ( ! f?$http || ! f?$is_orig || ! meta?$mime_type )
		return;

	local rec = f$http;

	if ( f$is_orig )
		{
		if ( ! rec?$orig_mime_types )
			rec$orig_mime_types = vector(meta$mime_type);
		else if ( |rec$orig_mime_types| < max_files_orig )
			rec$orig_mime_types += meta$mime_type;
		}
	else
		{
		if ( ! rec?$resp_mime_types )
			rec$resp_mime_types = vector(meta$mime_type);
		else if ( |rec$resp_mime_types| < max_files_resp )
			rec$resp_mime_types += meta$mime_type;
		}
	}
