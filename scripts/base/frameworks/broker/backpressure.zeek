##! Tells when a peer that could not keep up was let go.

@load ./main
@load base/frameworks/cluster/main

module Broker;

event Broker::peer_removed(endpoint: EndpointInfo, msg: string)
	{
	if ( ! endpoint?$network || "caf::sec::backpressure_overflow" !in msg )
		return;

	local n = Cluster::nodeid_to_node(endpoint$id);
	local whom = n$name == "" ? endpoint$id : n$name;
	local foreign = n$name == "" ? "non-cluster peer " : "";

	Cluster::log(fmt("removed due to backpressure overflow: %s%s:%s (%s)", foreign, endpoint$network$address,
	                 endpoint$network$bound_port, whom));
	}
