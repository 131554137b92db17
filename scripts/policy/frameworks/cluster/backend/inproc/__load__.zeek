##! Joins nodes that run in one process. Whoever starts them, as `tapir --workers` does, gives each its way to the others;
##! topics, greetings and the events about nodes are those of ZeroMQ.

@load ../zeromq/main

# Packets are shared out by their pair of addresses.
redef Cluster::keeps_hosts_together = T;
redef Cluster::workers_reach_workers = T;

event zeek_init() &priority=10
	{
	if ( Cluster::is_enabled() && ! Cluster::init() )
		Reporter::fatal("cannot start the cluster's backend");
	}
