##! Settings of a logger.

# Logs end here.
redef Log::enable_local_logging = T;
redef Log::enable_remote_logging = F;
redef Log::default_rotation_interval = 1hr;
redef Log::default_mail_alarms_interval = 24hrs;
redef Log::default_rotation_postprocessor_cmd = "archive-log";

@if ( Supervisor::is_supervised() )

# Rotated logs wait in a queue directory, under names that tell an archiver all it needs.
redef Log::default_rotation_postprocessor_cmd = "";
redef Log::default_rotation_dir = "log-queue";
redef LogAscii::enable_leftover_log_rotation = T;

redef Log::rotation_format_func = function(ri: Log::RotationFmtInfo): Log::RotationPath
	{
	local stamp = Log::default_rotation_date_format;
	local suffix = Cluster::get_node_count(Cluster::LOGGER) > 1 ? fmt("log_suffix=%s__", Cluster::node) : "";
	return Log::RotationPath($file_basename=fmt("%s__%s__%s__%s", ri$path, strftime(stamp, ri$open),
	                                            strftime(stamp, ri$close), suffix));
	};

@endif
