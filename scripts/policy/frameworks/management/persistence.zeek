##! Where logs and what is remembered go. With the variable ZEEK_MANAGEMENT_TESTING in the environment both stay in the
##! folder of each process, and nothing is rotated.

@load base/frameworks/logging
@load base/frameworks/broker
@load ./config

module Management;

@if ( getenv("ZEEK_MANAGEMENT_TESTING") == "" )

# Agents take rotated logs from here.
redef Log::default_rotation_dir = build_path(get_spool_dir(), "log-queue");

@if ( Supervisor::is_supervised() )

redef Broker::table_store_db_directory = build_path(get_state_dir(), "stores");
redef Cluster::default_store_dir = build_path(get_state_dir(), "stores");

@endif

@if ( ! Cluster::is_enabled() && ( Supervisor::is_supervised() || Supervisor::is_supervisor() ) )

# Controllers, agents and supervisors have no logger: they do for themselves what loggers do for clusters. Names tell whose
# log it is, for they all share the queue.
redef Log::enable_local_logging = T;
redef Log::enable_remote_logging = F;
redef Log::default_rotation_interval = 1hr;
redef LogAscii::enable_leftover_log_rotation = T;

redef Log::rotation_format_func = function(ri: Log::RotationFmtInfo): Log::RotationPath
	{
	local stamp = Log::default_rotation_date_format;
	local who = Supervisor::is_supervised() ? Supervisor::node()$name : "supervisor";
	local base = fmt("%s__%s__%s__log_suffix=%s__", ri$path, strftime(stamp, ri$open), strftime(stamp, ri$close), who);
	return Log::RotationPath($file_basename=base, $dir=Log::default_rotation_dir);
	};

@endif
@endif

@if ( Supervisor::is_supervised() || Supervisor::is_supervisor() )

# Nobody but the archive command touches rotated logs.
redef Log::default_rotation_postprocessor_cmd = "";

@endif
