##! Peerings and messages through Broker.

@load base/frameworks/logging

module Broker;

export {
	# How to reach peers, and how to be reached.
	## Those about aggressive, moderate and relaxed polling, and `max_threads` and `scheduler_policy`, have no effect here: peerings
	## need no threads of a library that could be tuned.
	const aggressive_interval: count = 4 &redef;
	const aggressive_polls: count = 5 &redef;
	## What `peering_stats` tells as recent is at most twice as old.
	const buffer_stats_reset_interval: interval = 1min &redef;
	const default_connect_retry: interval = 1sec &redef;
	const default_listen_address: string = "" &redef;
	const default_listen_retry: interval = 1sec &redef;
	const default_log_topic_prefix: string = "zeek/logs/" &redef;
	const default_port: port = 9999/tcp &redef;
	## Has no effect here: peerings are never encrypted.
	const disable_ssl: bool = F &redef;
	const forward_messages: bool = F &redef;
	## How long they wait at most; 0 waits until there are so many.
	const log_batch_interval: interval = 1sec &redef;
	## Rows of a log that are sent together to peers, at most.
	const log_batch_size: count = 400 &redef;
	## This and the next have no effect here: what peerings have to say goes to reporter.log.
	const log_severity_level: Broker::LogSeverityLevel = LOG_WARNING &redef;
	const log_stderr_severity_level: Broker::LogSeverityLevel = LOG_CRITICAL &redef;
	const max_threads: count = 1 &redef;
	const moderate_interval: count = 2 &redef;
	const moderate_polls: count = 5 &redef;
	const moderate_sleep: interval = 16msec &redef;
	## Events that wait for one peer at most; 0 for any number.
	const peer_buffer_size: count = 8192 &redef;
	## What becomes of more: `drop_oldest`, `drop_newest`, or `disconnect`, which ends the peering.
	const peer_overflow_policy: string = "drop_oldest" &redef;
	const relaxed_interval: count = 1 &redef;
	const relaxed_sleep: interval = 64msec &redef;
	const scheduler_policy: string = "sharing" &redef;
	## Peerings cannot be encrypted here: there are none when one of these is set.
	const ssl_cafile: string = "" &redef;
	const ssl_capath: string = "" &redef;
	const ssl_certificate: string = "" &redef;
	const ssl_keyfile: string = "" &redef;
	const ssl_passphrase: string = "" &redef;
	option peer_counts_as_iosource: bool = T &redef;

	## Waits for peers; gives the port, or an unknown one if that failed.
	global listen: function(a: string &default=default_listen_address, p: port &default=default_port, retry: interval &default=default_listen_retry): port;

	## Connects to a peer; an interval of 0 does not try again.
	global peer: function(a: string, p: port &default=default_port, retry: interval &default=default_connect_retry): bool;

	## The topic to which rows of a log go, asked for all those that are sent together. Peers that subscribe to a prefix of it
	## write them. Unless scripts redefine one of these, rows go to the loggers of a cluster in turn
	## (`Cluster::enable_round_robin_logging`).
	global default_log_topic: function(id: Log::ID, path: string): string = function(id: Log::ID, path: string): string
		{ return default_log_topic_prefix + cat(id); } &redef;
	global log_topic: function(id: Log::ID, path: string): string = function(id: Log::ID, path: string): string
		{ return default_log_topic(id, path); } &redef;

	global flush_logs: function(): count;
	global publish_id: function(topic: string, id: string): bool;

	global forward: function(topic_prefix: string): bool;
	global is_outbound_peering: function(a: string, p: port): bool;
	global node_id: function(): string;
	global peering_stats: function(): table[string] of BrokerPeeringStats;
	global peers: function(): vector of Broker::PeerInfo;
	global subscribe: function(topic_prefix: string): bool;
	global unpeer: function(a: string, p: port): bool;
	global unsubscribe: function(topic_prefix: string): bool;
}

event retry_listen(a: string, p: port, retry: interval)
	{
	listen(a, p, retry);
	}

function listen(a: string &default=default_listen_address, p: port &default=default_port, retry: interval &default=default_listen_retry): port
	{
	local bound = __listen(a, p);

	if ( bound == 0/tcp && retry != 0sec )
		schedule retry { retry_listen(a, p, retry) };

	return bound;
	}

function peer(a: string, p: port &default=default_port, retry: interval &default=default_connect_retry): bool
	{
	return retry == 0sec ? __peer_no_retry(a, p) : __peer(a, p, retry);
	}

function flush_logs(): count
	{
	return __flush_logs();
	}

function publish_id(topic: string, id: string): bool
	{
	return __publish_id(topic, id);
	}

function forward(topic_prefix: string): bool
	{
	return __forward(topic_prefix);
	}

function is_outbound_peering(a: string, p: port): bool
	{
	return __is_outbound_peering(a, p);
	}

function node_id(): string
	{
	return __node_id();
	}

function peering_stats(): table[string] of BrokerPeeringStats
	{
	return __peering_stats();
	}

function peers(): vector of Broker::PeerInfo
	{
	return __peers();
	}

function subscribe(topic_prefix: string): bool
	{
	return __subscribe(topic_prefix);
	}

function unpeer(a: string, p: port): bool
	{
	return __unpeer(a, p);
	}

function unsubscribe(topic_prefix: string): bool
	{
	return __unsubscribe(topic_prefix);
	}
