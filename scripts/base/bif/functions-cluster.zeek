##! Built-in functions: cluster.

module Cluster::Backend::ZeroMQ;

export {
	global spawn_zmq_proxy_thread: function(): bool;
	global generate_keypair: function(): table_string_of_string;
}

module Cluster;

export {
	global publish: function(va_args: any): bool;
	global make_event: function(va_args: any): Cluster::Event;
	global __subscribe: function(topic_prefix: string): bool;
	global __unsubscribe: function(topic_prefix: string): bool;
	global publish_rr: function(va_args: any): bool;
	global publish_hrw: function(va_args: any): bool;
	global __listen_websocket: function(options: Cluster::WebSocketServerOptions): bool;
	global set_table_change_infos_forward_topic: function(topic: string);
	global apply_table_change_infos: function(tcheader: Cluster::TableChangeHeader, table_change_infos: Cluster::TableChangeInfos): bool;
	global __publish_table: function(topic: string, table_val: any, batch_size: count): bool;
}

module Cluster::Backend;

export {
	global __init: function(nid: string): bool;
}
