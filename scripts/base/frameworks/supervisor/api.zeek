##! Creating and looking after node processes.

module Supervisor;

export {
	## Status of one node, or of all.
	global status: function(node: string &default=""): Status;

	## Starts a node; gives an empty string, or why it failed.
	global create: function(node: NodeConfig): string;

	## Ends a node, or all.
	global destroy: function(node: string &default=""): bool;

	## Ends a node, or all, and starts it again.
	global restart: function(node: string &default=""): bool;

	## Is this process a supervisor?
	global is_supervisor: function(): bool;

	## Has this process been started by one?
	global is_supervised: function(): bool;

	## How this node was configured.
	global node: function(): NodeConfig;

	## Lines that nodes print. Breaking keeps the supervisor from printing them as well.
	global stdout_hook: hook(node: string, msg: string);
	global stderr_hook: hook(node: string, msg: string);

	## A node has been started.
	global node_status: event(node: string, pid: count);
}

function status(node: string &default=""): Status
	{
	return __status(node);
	}

function create(node: NodeConfig): string
	{
	return __create(node);
	}

function destroy(node: string &default=""): bool
	{
	return __destroy(node);
	}

function restart(node: string &default=""): bool
	{
	return __restart(node);
	}

function is_supervisor(): bool
	{
	return __is_supervisor();
	}

function is_supervised(): bool
	{
	return __is_supervised();
	}

function node(): NodeConfig
	{
	return __node();
	}
