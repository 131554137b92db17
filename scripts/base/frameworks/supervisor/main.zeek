##! Answers requests to the supervisor.

@load ./api
@load ./control
@load base/frameworks/broker

@if ( Supervisor::is_supervisor() )
@load base/frameworks/cluster

# Requests come from peers.
event zeek_init() &priority=10
	{
	# Scripts may listen themselves.
	Cluster::subscribe(SupervisorControl::topic_prefix);

	if ( SupervisorControl::enable_listen )
		Broker::listen(Broker::default_listen_address == "" ? "127.0.0.1" : Broker::default_listen_address);
	}

@endif

event SupervisorControl::stop_request()
	{
	if ( Supervisor::is_supervisor() )
		terminate();
	}

event SupervisorControl::status_request(reqid: string, node: string)
	{
	if ( Supervisor::is_supervisor() )
		Broker::publish(SupervisorControl::topic_prefix + fmt("/status_response/%s", reqid),
		                SupervisorControl::status_response, reqid, Supervisor::status(node));
	}

event SupervisorControl::create_request(reqid: string, node: Supervisor::NodeConfig)
	{
	if ( Supervisor::is_supervisor() )
		Broker::publish(SupervisorControl::topic_prefix + fmt("/create_response/%s", reqid),
		                SupervisorControl::create_response, reqid, Supervisor::create(node));
	}

event SupervisorControl::destroy_request(reqid: string, node: string)
	{
	if ( Supervisor::is_supervisor() )
		Broker::publish(SupervisorControl::topic_prefix + fmt("/destroy_response/%s", reqid),
		                SupervisorControl::destroy_response, reqid, Supervisor::destroy(node));
	}

event SupervisorControl::restart_request(reqid: string, node: string)
	{
	if ( Supervisor::is_supervisor() )
		Broker::publish(SupervisorControl::topic_prefix + fmt("/restart_response/%s", reqid),
		                SupervisorControl::restart_response, reqid, Supervisor::restart(node));
	}

event Supervisor::node_status(node: string, pid: count)
	{
	if ( Supervisor::is_supervisor() )
		Broker::publish(SupervisorControl::topic_prefix + "/node_status", SupervisorControl::node_status, node, pid);
	}
