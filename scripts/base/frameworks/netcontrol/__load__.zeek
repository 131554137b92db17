@load ./types
@load ./main
@load ./plugins
@load ./drop
@load ./shunt

# The manager of a cluster decides.
@load base/frameworks/cluster
@if ( Cluster::is_enabled() )
@load ./cluster
@else
@load ./non-cluster
@endif
