##! Records and kinds that controllers, agents and clients exchange.

@load base/frameworks/supervisor/control

module Management;

export {
	## What a process has to do with management. Nodes that look at traffic have their kind in the cluster besides.
	type Role: enum {
		NONE,
		AGENT,
		CONTROLLER,
		NODE,
	};

	## A value for one of a node's options, as it would stand in a script.
	type Option: record {
		name: string;
		value: string;
	};

	## All processes below one supervisor, for which an agent speaks.
	type Instance: record {
		## Its agent's name.
		name: string;
		host: addr;
		## Where the controller reaches the agent, if it does not connect by itself.
		listen_port: port &optional;
	};

	type InstanceVec: vector of Instance;

	## How a node is.
	type State: enum {
		## It was started but has not reported yet.
		PENDING,
		RUNNING,
		## Ended because somebody wanted it.
		STOPPED,
		## It cannot be started.
		FAILED,
		## It ended by itself, and is started again.
		CRASHED,
		UNKNOWN,
	};

	## A process of the cluster.
	type Node: record {
		name: string;
		instance: string;
		role: Supervisor::ClusterRole;
		## How it is, or should be.
		state: State;
		## Where others reach it.
		p: port &optional;
		## Scripts beside those of all nodes.
		scripts: vector of string &optional;
		options: set[Option] &optional;
		interface: string &optional;
		## The processor that it keeps to.
		cpu_affinity: int &optional;
		env: table[string] of string &default=table();
		metrics_port: port &optional;
	};

	## A whole cluster.
	type Configuration: record {
		id: string &default=unique_id("");
		instances: set[Instance] &default=set();
		nodes: set[Node] &default=set();
	};

	## What a supervisor knows of a node.
	type NodeStatus: record {
		node: string;
		state: State;
		mgmt_role: Role &default=NONE;
		cluster_role: Supervisor::ClusterRole &default=Supervisor::NONE;
		## Unset while there is no process.
		pid: int &optional;
		p: port &optional;
		metrics_port: port &optional;
	};

	type NodeStatusVec: vector of NodeStatus;

	## The answer to a request, or one of its parts.
	type Result: record {
		reqid: string;
		success: bool &default=T;
		## Whom it is about, where it is about one.
		instance: string &optional;
		data: any &optional;
		error: string &optional;
		node: string &optional;
	};

	type ResultVec: vector of Result;

	## The last that a node has printed.
	type NodeOutputs: record {
		stdout: string;
		stderr: string;
	};

	## Results for people.
	global result_to_string: function(res: Result): string;
	global result_vec_to_string: function(res: ResultVec): string;
}

function result_to_string(res: Result): string
	{
	local text = res$success ? "success" : "error";

	if ( res?$error )
		text = fmt("%s (%s)", text, res$error);

	local about: vector of string = vector();

	if ( res?$instance )
		about += fmt("instance %s", res$instance);

	if ( res?$node )
		about += fmt("node %s", res$node);

	about += fmt("request %s", res$reqid);
	return fmt("%s, %s", text, join_string_vec(about, ", "));
	}

function result_vec_to_string(res: ResultVec): string
	{
	local texts: vector of string = vector();

	for ( _, r in res )
		texts += result_to_string(r);

	return join_string_vec(texts, "; ");
	}
