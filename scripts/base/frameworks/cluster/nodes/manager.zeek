##! Settings of the manager, which also is the logger where there is no other.

@if ( Cluster::manager_is_logger )
redef Log::enable_local_logging = T;
redef Log::enable_remote_logging = F;
redef Log::default_rotation_interval = 1hr;
redef Log::default_rotation_postprocessor_cmd = "archive-log";
@else
redef Log::enable_local_logging = F;
redef Log::enable_remote_logging = T;
redef Log::default_rotation_interval = 24hrs;
redef Log::default_rotation_postprocessor_cmd = "delete-log";
@endif

redef Log::default_mail_alarms_interval = 24hrs;
