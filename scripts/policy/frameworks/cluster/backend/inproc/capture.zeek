##! What is different where the nodes of one process read a capture. Loaded before scripts that may change it.

# Names in scripts that come later do not get in the way of what is loaded here already.
@load ../zeromq/main

# A capture ends, and its logs with it: they stay as they are, as those of a node alone do.
redef Log::default_rotation_interval = 0secs;
redef Log::default_rotation_postprocessor_cmd = "";
redef Log::default_mail_alarms_interval = 0secs;
