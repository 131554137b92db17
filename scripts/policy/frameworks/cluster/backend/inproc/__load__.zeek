##! Joins nodes that run in one process. Whoever starts them, as `tapir --workers` does, gives each its way to the others;
##! topics, greetings and the events about nodes are those of ZeroMQ.

@load ../zeromq/main

# A capture ends, and its logs with it: they stay as they are, as those of a node alone do.
redef Log::default_rotation_interval = 0secs;

# Packets are shared out by their pair of addresses.
redef Cluster::keeps_hosts_together = T;
redef Cluster::workers_reach_workers = T;

event zeek_init() &priority=10
	{
	if ( Cluster::is_enabled() && ! Cluster::init() )
		Reporter::fatal("cannot start the cluster's backend");
	}

# A worker whose share is small is no sign of loss here.
@ifdef ( CaptureLoss::minimum_acks )
redef CaptureLoss::minimum_acks = 0;
@endif
