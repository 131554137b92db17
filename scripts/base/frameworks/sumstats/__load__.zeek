@load ./main
@load ./plugins

# The cluster version brings the missing functions, or the one for a single process does.
@load base/frameworks/cluster

@if ( Cluster::is_enabled() )
@load ./cluster
@else
@load ./non-cluster
@endif
