##! Where metrics can be collected from.

module Telemetry;

export {
	## The address to listen on; empty for all.
	const metrics_address: string = getenv("ZEEK_DEFAULT_LISTEN_ADDRESS") &redef;

	## The port to listen on; an unknown one for none.
	const metrics_port: port = 0/unknown &redef;

	## What the list of endpoints calls this process.
	const metrics_endpoint_name: string = "" &redef;

	## The label that every metric of a cluster node has.
	const metrics_endpoint_label: string = "node" &redef;
}
