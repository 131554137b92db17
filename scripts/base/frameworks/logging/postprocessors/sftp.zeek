##! Copies rotated logs to other machines with sftp.

module Log;

export {
	type SFTPDestination: record {
		user: string;
		host: string;
		host_port: count &default=22;
		path: string;
	};

	## Where the logs of a writer and path go.
	global sftp_destinations: table[Writer, string] of set[SFTPDestination];

	## The time stamp in remote file names.
	const sftp_rotation_date_format: string = "%Y-%m-%d-%H-%M-%S" &redef;

	## A postprocessor that uploads a file everywhere it belongs and removes it here.
	global sftp_postprocessor: function(info: Log::RotationInfo): bool;
}

function sftp_postprocessor(info: Log::RotationInfo): bool
	{
	if ( reading_traces() || [info$writer, info$path] !in sftp_destinations )
		return T;

	local local_name = safe_shell_quote(info$fname);
	local command = "";

	for ( d in sftp_destinations[info$writer, info$path] )
		{
		local target = fmt("%s/%s.%s.log", d$path, info$path, strftime(sftp_rotation_date_format, info$open));
		command += fmt("echo put %s %s | sftp -P %d %s@%s;", local_name, safe_shell_quote(target), d$host_port,
		               d$user, d$host);
		}

	system(fmt("%s /bin/rm %s", command, local_name));
	return T;
	}
