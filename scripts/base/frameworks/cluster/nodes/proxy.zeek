##! Settings of a proxy.

# Logs go to a logger.
redef Log::enable_local_logging = F;
redef Log::enable_remote_logging = T;
redef Log::default_rotation_interval = 24hrs;
redef Log::default_rotation_postprocessor_cmd = "delete-log";
