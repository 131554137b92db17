##! What agents and their nodes tell each other.

@load policy/frameworks/management/types

module Management::Node::API;

export {
	## Has nodes do something.
	##
	## reqid: comes back in the response.
	##
	## action: what to do, by name, with arguments. There is "get_id_value" with the name of a global.
	##
	## nodes: the nodes that are meant; all if empty.
	global node_dispatch_request: event(reqid: string, action: vector of string, nodes: set[string] &default=set());

	## The response of one node.
	global node_dispatch_response: event(reqid: string, result: Management::Result);

	## A node is up and can be reached.
	global notify_node_hello: event(node: string);
}
