##! Events raised by native code: broker.

module Broker;

export {
	global internal_log_event: event(lvl: Broker::LogSeverityLevel, id: string, description: string);
	global peer_added: event(endpoint: Broker::EndpointInfo, msg: string);
	global peer_removed: event(endpoint: Broker::EndpointInfo, msg: string);
	global peer_lost: event(endpoint: Broker::EndpointInfo, msg: string);
	global endpoint_discovered: event(endpoint: Broker::EndpointInfo, msg: string);
	global endpoint_unreachable: event(endpoint: Broker::EndpointInfo, msg: string);
	global status: event(endpoint: Broker::EndpointInfo, msg: string);
	global error: event(code: Broker::ErrorCode, msg: string);
}
