##! What the cluster backends count about their messages.

module Cluster::Telemetry;

export {
	type Type: enum {
		## Messages by direction.
		INFO,
		## Also by topic and handler.
		VERBOSE,
		## Also their sizes.
		DEBUG,
	};

	## What to count about messages between nodes, and about those of WebSocket clients.
	const core_metrics: set[Type] = { INFO } &redef;
	const websocket_metrics: set[Type] = { INFO } &redef;

	## Topics that are counted under one name.
	const topic_normalizations: table[pattern] of string = {
		[/^zeek\/cluster\/nodeid\/.*/] = "zeek/cluster/nodeid/__normalized__",
	} &ordered &redef;

	const message_size_bounds: vector of double = {
		10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0, 10000.0, 50000.0,
	} &redef;
}
