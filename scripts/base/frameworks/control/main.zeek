##! Controlling a running process from outside: the events, and the settings of a controller.

module Control;

export {
	## Topics of requests and responses begin with this.
	const topic_prefix: string = "zeek/control";

	## Accept controllers over the network?
	const controllee_listen: bool = T &redef;

	## Which process to control.
	const host: addr = 0.0.0.0 &redef;
	const host_port: port = 0/tcp &redef;

	## The zone of a link-local address, as `eth0` (RFC 4007).
	const zone_id: string = "" &redef;

	## What to ask it.
	const cmd: string = "" &redef;
	const arg: string = "" &redef;

	const commands: set[string] = {
		"id_value",
		"peer_status",
		"net_stats",
		"configuration_update",
		"shutdown",
	} &redef;

	## Variables that a configuration update does not send.
	const ignore_ids: set[string] = set();

	global id_value_request: event(id: string);
	global id_value_response: event(id: string, val: string);
	global peer_status_request: event();
	global peer_status_response: event(s: string);
	global net_stats_request: event();
	global net_stats_response: event(s: string);
	global configuration_update_request: event();

	## Raised when a configuration update has arrived.
	global configuration_update: event();
	global configuration_update_response: event();
	global shutdown_request: event();
	global shutdown_response: event();
}

event terminate_event() &is_used
	{
	terminate();
	}
