##! What the controller and its agents tell each other. A request of the controller is answered by the response of the same
##! name.

@load base/frameworks/supervisor/control
@load policy/frameworks/management/types

module Management::Agent::API;

export {
	## Changes with what controller and agents have to agree on.
	const version = 1;

	## Makes a configuration that of the cluster. The agent ends what nodes there are, and starts those that the
	## configuration has for its instance; the others' are needed to find them. There is one result for each node.
	##
	## force: do so even if the agent has the configuration of this id already.
	global deploy_request: event(reqid: string, config: Management::Configuration, force: bool &default=F);
	global deploy_response: event(reqid: string, results: Management::ResultVec);

	## Asks for the processes of the instance. The result's data is a Management::NodeStatusVec.
	global get_nodes_request: event(reqid: string);
	global get_nodes_response: event(reqid: string, result: Management::Result);

	## Has nodes of the instance do something, as Management::Node::API::node_dispatch_request says. There is one result
	## for each node.
	global node_dispatch_request: event(reqid: string, action: vector of string, nodes: set[string] &default=set());
	global node_dispatch_response: event(reqid: string, results: Management::ResultVec);

	## The cluster needs this agent.
	global agent_welcome_request: event(reqid: string);
	global agent_welcome_response: event(reqid: string, result: Management::Result);

	## The cluster does without this agent for now: it ends its nodes.
	global agent_standby_request: event(reqid: string);
	global agent_standby_response: event(reqid: string, result: Management::Result);

	## Ends nodes of the instance and starts them again. There is one result for each.
	##
	## nodes: names of nodes; all if empty. Those of other instances are no matter.
	global restart_request: event(reqid: string, nodes: set[string] &default=set());
	global restart_response: event(reqid: string, results: Management::ResultVec);

	## An agent is there.
	##
	## id: of its endpoint.
	##
	## connecting: whether it has connected to the controller, not the other way round.
	global notify_agent_hello: event(instance: string, id: string, connecting: bool, api_version: count);

	## A node is in another state.
	global notify_change: event(instance: string, n: Management::Node, old: Management::State, new: Management::State);

	## Something went wrong, or is worth knowing, perhaps about a node.
	global notify_error: event(instance: string, msg: string, node: string &default="");
	global notify_log: event(instance: string, msg: string, node: string &default="");
}
