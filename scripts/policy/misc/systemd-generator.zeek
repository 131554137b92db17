##! What nodes that systemd runs need: logs are rotated into a queue that an archiver
##! empties.

@load base/frameworks/logging
@load base/frameworks/cluster

redef Log::enable_remote_logging = F;
redef Log::default_rotation_interval = 1hr;
redef Log::default_mail_alarms_interval = 24hr;
redef Log::default_rotation_dir = "../log-queue";
redef LogAscii::enable_leftover_log_rotation = T;

module GLOBAL;

export {
	## What the names of rotated logs carry.
	global archiver_log_metadata: table[string] of string &redef;

	## The metadata as a part of a name.
	global archiver_encode_log_metadata: function(tbl: table[string] of string): string;

	## The name of a rotated log.
	global archiver_rotation_format_func: function(ri: Log::RotationFmtInfo): Log::RotationPath;
}

function archiver_encode_log_metadata(tbl: table[string] of string): string
	{
	local text = "";

	for ( k, v in tbl )
		{
		if ( v == "" )
			next;

		# Commas part the entries.
		text += fmt("%s%s=%s", text == "" ? "" : ",", k, v);
		}

	return text == "" ? "" : text + "__";
	}

function archiver_rotation_format_func(ri: Log::RotationFmtInfo): Log::RotationPath
	{
	local open_str = strftime(Log::default_rotation_date_format, ri$open);
	local close_str = strftime(Log::default_rotation_date_format, ri$close);
	local base = fmt("%s__%s__%s__%s", ri$path, open_str, close_str,
	                 archiver_encode_log_metadata(archiver_log_metadata));
	return Log::RotationPath($dir=Log::default_rotation_dir, $file_basename=base);
	}

redef Log::rotation_format_func = archiver_rotation_format_func;
