##! What the supervisor tells its agent.

@load policy/frameworks/management/types

module Management::Supervisor::API;

export {
	## A node has ended and was started again.
	##
	## node: its name.
	##
	## outputs: the last that it had printed.
	global notify_node_exit: event(node: string, outputs: Management::NodeOutputs);
}
