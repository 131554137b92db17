##! Settings that controllers, agents and nodes share.

@load base/misc/installation
@load base/frameworks/cluster
@load base/utils/paths
@load ./types

module Management;

export {
	## What this process is. The main script of each kind says so.
	const role = NONE &redef;

	## Where controllers and agents listen that have no address of their own.
	const default_address = "0.0.0.0" &redef;

	## How long to wait before a peer is tried again.
	const connect_retry = 1sec &redef;

	## Below this folder rotated logs wait. Empty is that of the installation; `get_spool_dir` knows. The variable
	## ZEEK_MANAGEMENT_SPOOL_DIR of the environment sets it.
	const spool_dir = getenv("ZEEK_MANAGEMENT_SPOOL_DIR") &redef;

	## Below this folder nodes work and remember things. Empty is that of the installation; `get_state_dir` knows. The
	## variable ZEEK_MANAGEMENT_STATE_DIR of the environment sets it.
	const state_dir = getenv("ZEEK_MANAGEMENT_STATE_DIR") &redef;

	global get_spool_dir: function(): string;
	global get_state_dir: function(): string;
}

# Nodes and their managers connect to each other directly.
redef Cluster::backend = Cluster::CLUSTER_BACKEND_BROKER;

function get_spool_dir(): string
	{
	return spool_dir == "" ? Installation::spool_dir : spool_dir;
	}

function get_state_dir(): string
	{
	return state_dir == "" ? Installation::state_dir : state_dir;
	}
