@load ./consts
@load ./types
@load ./main
@load ./plugins

# The manager of a cluster talks to switches.
@load base/frameworks/cluster
@if ( Cluster::is_enabled() )
@load ./cluster
@else
@load ./non-cluster
@endif
