@load ./main

# Nodes of a cluster share the work.
@load base/frameworks/cluster
@if ( Cluster::is_enabled() )
@load ./cluster
@endif

@load ./files
@load ./input
