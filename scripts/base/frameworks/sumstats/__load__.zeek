@load ./main
@load ./plugins

# The cluster version brings the missing functions, or the one for a single process does.
@load base/frameworks/cluster

# Nodes that read a capture together tell the manager of all observations, which makes of them what a node alone would.
@if ( Cluster::is_enabled() && ! Cluster::acts_as_one )
@load ./cluster
@else
@load ./non-cluster
@endif
