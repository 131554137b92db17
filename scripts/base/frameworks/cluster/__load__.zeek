# Types first, then what this process is in the cluster, if it is in one.
@load ./types
@load ./main
@load ./pools
@load ./pubsub
@load ./telemetry
@load ./broker-stores
@load ./publish-on-change

@if ( Supervisor::is_supervised() )
@load ./supervisor
@endif

@if ( Cluster::is_enabled() )

redef peer_description = Cluster::node;

@if ( ! Supervisor::is_supervised() )
@load cluster-layout
@endif

@if ( Cluster::node in Cluster::nodes )

@load ./setup-connections
@load ./setup-subscriptions

@if ( Cluster::has_one_program )
@load ./nodes/together
@else

@if ( Cluster::local_node_type() == Cluster::MANAGER )
@load ./nodes/manager
@endif

@if ( Cluster::local_node_type() == Cluster::LOGGER )
@load ./nodes/logger
@endif

@if ( Cluster::local_node_type() == Cluster::PROXY )
@load ./nodes/proxy
@endif

@if ( Cluster::local_node_type() == Cluster::WORKER )
@load ./nodes/worker
@endif

@endif
@endif
@endif
