##! What is different where the nodes of one process watch an interface. Loaded before scripts that may change it.

# Names in scripts that come later do not get in the way of what is loaded here already.
@load ../zeromq/main

# As a node alone does, unless it is told otherwise.
redef Log::default_rotation_interval = 0secs;
redef Log::default_rotation_postprocessor_cmd = "";
redef Log::default_mail_alarms_interval = 0secs;
