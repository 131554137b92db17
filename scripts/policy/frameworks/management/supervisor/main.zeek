##! Writes what nodes print to files in their folders, and sends the last of it to the agent when a node ends.

@load base/frameworks/broker
@load base/frameworks/cluster/pubsub
@load base/frameworks/supervisor
@load base/utils/paths
@load base/utils/queue
@load policy/frameworks/management/node/config
@load policy/frameworks/management/types
@load ./api
@load ./config

module Management::Supervisor;

# What is kept of one node.
type NodeInfo: record {
	pid: count;
	stdout: Queue::Queue;
	stderr: Queue::Queue;
	stdout_file: file &optional;
	stderr_file: file &optional;
};

global nodes: table[string] of NodeInfo;

function fresh_queue(): Queue::Queue
	{
	return Queue::init(Queue::Settings($max_len=output_max_lines));
	}

# A file in the folder of a node, if it has one.
function open_output(config: ::Supervisor::NodeConfig, name: string): file
	{
	local f = open_for_append(config?$directory ? build_path(config$directory, name) : fmt("%s.%s", config$name, name));
	set_buf(f, F);
	return f;
	}

function info_of(node: string): NodeInfo
	{
	if ( node in nodes )
		return nodes[node];

	local info = NodeInfo($pid=0, $stdout=fresh_queue(), $stderr=fresh_queue());
	local status = ::Supervisor::status(node);

	# Agents and controllers have files of their own.
	if ( node in status$nodes )
		{
		local config = status$nodes[node]$node;

		if ( ! config?$stdout_file && Management::Node::stdout_file != "" )
			info$stdout_file = open_output(config, Management::Node::stdout_file);

		if ( ! config?$stderr_file && Management::Node::stderr_file != "" )
			info$stderr_file = open_output(config, Management::Node::stderr_file);
		}

	nodes[node] = info;
	return info;
	}

function text_of(lines: Queue::Queue): string
	{
	local all: vector of string = vector();
	Queue::get_vector(lines, all);
	return join_string_vec(all, "\n");
	}

hook ::Supervisor::stdout_hook(node: string, msg: string)
	{
	local info = info_of(node);
	Queue::put(info$stdout, msg);

	if ( info?$stdout_file )
		print info$stdout_file, msg;

	if ( ! print_stdout )
		break;
	}

hook ::Supervisor::stderr_hook(node: string, msg: string)
	{
	local info = info_of(node);
	Queue::put(info$stderr, msg);

	if ( info?$stderr_file )
		print info$stderr_file, msg;

	if ( ! print_stderr )
		break;
	}

event ::Supervisor::node_status(node: string, pid: count)
	{
	local info = info_of(node);

	# Another process of the same name: the one before has ended.
	if ( info$pid > 0 && info$pid != pid )
		{
		local outputs = Management::NodeOutputs($stdout=text_of(info$stdout), $stderr=text_of(info$stderr));
		info$stdout = fresh_queue();
		info$stderr = fresh_queue();
		Cluster::publish(topic_prefix, Management::Supervisor::API::notify_node_exit, node, outputs);
		}

	info$pid = pid;
	}
