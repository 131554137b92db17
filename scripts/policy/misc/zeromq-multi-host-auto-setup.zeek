##! Takes the addresses of the ZeroMQ backend from the cluster's layout, for clusters of several hosts: the forwarder runs
##! where the manager is, and loggers listen on the addresses and ports that the layout gives them.

@load base/utils/addrs
@load frameworks/cluster/backend/zeromq

module Cluster::Backend::ZeroMQ;

redef ipv6 = T;

function manager_host(): string
	{
	for ( _, n in Cluster::nodes )
		if ( n$node_type == Cluster::MANAGER )
			return addr_to_uri(n$ip);

	return "[::1]";
	}

function is_manager(): bool
	{
	return Cluster::node in Cluster::nodes && Cluster::nodes[Cluster::node]$node_type == Cluster::MANAGER;
	}

function log_endpoint(n: Cluster::Node): string
	{
	return n$node_type == Cluster::LOGGER && n$p != 0/unknown ? fmt("tcp://%s:%d", addr_to_uri(n$ip), n$p) : "";
	}

function own_log_endpoint(): string
	{
	return Cluster::node in Cluster::nodes ? log_endpoint(Cluster::nodes[Cluster::node]) : "";
	}

function all_log_endpoints(): vector of string
	{
	local found: vector of string;

	for ( _, n in Cluster::nodes )
		if ( log_endpoint(n) != "" )
			found += log_endpoint(n);

	return sort(found, strcmp);
	}

redef connect_xpub_endpoint = fmt("tcp://%s:5556", manager_host());
redef connect_xsub_endpoint = fmt("tcp://%s:5555", manager_host());
redef listen_xpub_endpoint = is_manager() ? fmt("tcp://%s:5555", manager_host()) : "";
redef listen_xsub_endpoint = is_manager() ? fmt("tcp://%s:5556", manager_host()) : "";
redef listen_log_endpoint = own_log_endpoint();
redef connect_log_endpoints = all_log_endpoints();
