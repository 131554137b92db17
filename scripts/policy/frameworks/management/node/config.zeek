##! Settings of managed nodes.

module Management::Node;

export {
	## The topic of all that agents and their nodes tell each other.
	const node_topic = "zeek/management/node" &redef;

	## Files in a node's folder for what it prints; none where empty.
	const stdout_file = "stdout" &redef;
	const stderr_file = "stderr" &redef;
}
