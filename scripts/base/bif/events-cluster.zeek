##! Events raised by native code: cluster.

module Cluster::Backend;

export {
	global error: event(tag: string, message: string);
}

module Cluster;

export {
	global websocket_client_added: event(endpoint: Cluster::EndpointInfo, subscriptions: string_vec);
	global websocket_client_lost: event(endpoint: Cluster::EndpointInfo, code: count, reason: string);
}
