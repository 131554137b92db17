##! Settings of nodes that run in one process and have one program: what they load must not depend on what they are.

# Logs go to the manager. When they are rotated says who starts the nodes.
redef Log::enable_local_logging = Cluster::local_node_type() == Cluster::MANAGER;
redef Log::enable_remote_logging = Cluster::local_node_type() != Cluster::MANAGER;
