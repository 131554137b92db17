##! What is different where the nodes of one process watch an interface. Loaded before scripts that may change it.

# As a node alone does, unless it is told otherwise.
redef Log::default_rotation_interval = 0secs;
