##! Records and kinds of the cluster framework that native code does not need.

module Cluster;

export {
	## One process in the layout of a cluster.
	type Node: record {
		node_type: NodeType;
		ip: addr;
		## The zone of a link-local address.
		zone_id: string &default="";
		p: port &default=0/unknown;
		## The name of its manager.
		manager: string &optional;
		## Unique for the running process; set while it is up.
		id: string &optional;
		metrics_port: port &optional;
	};

	type NamedNode: record {
		name: string;
		node: Node;
	};
}
