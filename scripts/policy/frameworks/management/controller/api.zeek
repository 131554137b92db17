##! What clients and the controller tell each other. A request is answered by the response of the same name.

@load policy/frameworks/management/types

module Management::Controller::API;

export {
	## Changes with what controller, agents and clients have to agree on.
	const version = 1;

	## Asks for the agents that are connected. The result's data is a Management::InstanceVec.
	global get_instances_request: event(reqid: string);
	global get_instances_response: event(reqid: string, result: Management::Result);

	## Hands over a configuration. It is checked, and kept until another one comes; `deploy_request` makes it that of the
	## cluster. The data of the only result is the configuration's id, or there is one result for each mistake.
	global stage_configuration_request: event(reqid: string, config: Management::Configuration);
	global stage_configuration_response: event(reqid: string, results: Management::ResultVec);

	## Asks for the configuration that was handed over last, or for the one that was made the cluster's last. The result's
	## data is a Management::Configuration.
	global get_configuration_request: event(reqid: string, deployed: bool);
	global get_configuration_response: event(reqid: string, result: Management::Result);

	## Makes the configuration that was handed over last that of the cluster. There is one result for each node, with a
	## Management::NodeOutputs as data where it failed, one with the configuration's id as data, and one for each problem.
	global deploy_request: event(reqid: string);
	global deploy_response: event(reqid: string, results: Management::ResultVec);

	## Asks for all processes below the agents' supervisors. There is one result for each agent, with a
	## Management::NodeStatusVec as data.
	global get_nodes_request: event(reqid: string);
	global get_nodes_response: event(reqid: string, results: Management::ResultVec);

	## Asks nodes for the value of a global. There is one result for each node, with the value in JSON as data.
	##
	## nodes: names of nodes; all if empty.
	global get_id_value_request: event(reqid: string, id: string, nodes: set[string] &default=set());
	global get_id_value_response: event(reqid: string, results: Management::ResultVec);

	## Ends nodes and starts them again. There is one result for each.
	##
	## nodes: names of nodes; all if empty.
	global restart_request: event(reqid: string, nodes: set[string] &default=set());
	global restart_response: event(reqid: string, results: Management::ResultVec);

	## Does nothing. To see what becomes of requests that take too long: with `with_state` the response comes when the
	## controller gives up, else there is none.
	global test_timeout_request: event(reqid: string, with_state: bool);
	global test_timeout_response: event(reqid: string, result: Management::Result);

	## All agents that the cluster needs are there. Only the controller itself sees this.
	global notify_agents_ready: event(instances: set[string]);
}
