##! URLs and descriptions of FTP sessions.

@load ./info
@load base/utils/addrs
@load base/utils/paths

module FTP;

export {
	## The URL of the file that a command is about, without and with the scheme.
	global build_url: function(rec: Info): string;
	global build_url_ftp: function(rec: Info): string;

	## Text for people.
	global describe: function(rec: Info): string;
}

function build_url(rec: Info): string
	{
	local path = rec?$arg ? rec$arg : "";

	if ( path == "" || path[0] != "/" )
		path = build_path_compressed(rec$cwd, path);

	# Relative directories hang below the unknown start.
	if ( path != "" && path[0] == "/" )
		path = path[1:];

	return fmt("%s/%s", addr_to_uri(rec$id$resp_h), path);
	}

function build_url_ftp(rec: Info): string
	{
	return fmt("ftp://%s", build_url(rec));
	}

function describe(rec: Info): string
	{
	return build_url_ftp(rec);
	}
