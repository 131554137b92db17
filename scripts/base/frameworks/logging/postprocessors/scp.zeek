##! Copies rotated logs to other machines with scp.

module Log;

export {
	type SCPDestination: record {
		user: string;
		host: string;
		path: string;
	};

	## Where the logs of a writer and path go.
	global scp_destinations: table[Writer, string] of set[SCPDestination];

	## The time stamp in remote file names.
	const scp_rotation_date_format: string = "%Y-%m-%d-%H-%M-%S" &redef;

	## A postprocessor that uploads a file everywhere it belongs and removes it here.
	global scp_postprocessor: function(info: Log::RotationInfo): bool;
}

function scp_postprocessor(info: Log::RotationInfo): bool
	{
	if ( reading_traces() || [info$writer, info$path] !in scp_destinations )
		return T;

	local local_name = safe_shell_quote(info$fname);
	local command = "";

	for ( d in scp_destinations[info$writer, info$path] )
		{
		local target = fmt("%s/%s.%s.log", d$path, info$path, strftime(scp_rotation_date_format, info$open));
		command += fmt("scp %s %s@%s:%s;", local_name, d$user, d$host, safe_shell_quote(target));
		}

	system(fmt("%s /bin/rm %s", command, local_name));
	return T;
	}
