##! A controller that a program elsewhere provides, through Broker.

@load base/frameworks/openflow/main
@load base/frameworks/broker

module OpenFlow;

export {
	redef enum Plugin += {
		BROKER,
	};

	## Makes a controller and connects to the program.
	global broker_new: function(name: string, host: addr, host_port: port, topic: string, dpid: count): OpenFlow::Controller;

	redef record ControllerState += {
		broker_host: addr &optional;
		broker_port: port &optional;
		broker_dpid: count &optional;
		broker_topic: string &optional;
	};

	# To the program.
	global broker_flow_mod: event(name: string, dpid: count, match: ofp_match, flow_mod: ofp_flow_mod);
	global broker_flow_clear: event(name: string, dpid: count);
}

global broker_controllers: table[port, string] of Controller = table();

function broker_describe(state: ControllerState): string
	{
	return fmt("Broker-%s:%d-%d", state$broker_host, state$broker_port, state$broker_dpid);
	}

function broker_flow_mod_fun(state: ControllerState, match: ofp_match, flow_mod: OpenFlow::ofp_flow_mod): bool
	{
	Broker::publish(state$broker_topic, OpenFlow::broker_flow_mod, state$_name, state$broker_dpid, match, flow_mod);
	return T;
	}

function broker_flow_clear_fun(state: ControllerState): bool
	{
	Broker::publish(state$broker_topic, OpenFlow::broker_flow_clear, state$_name, state$broker_dpid);
	return T;
	}

function broker_init(state: ControllerState)
	{
	Broker::subscribe(state$broker_topic);
	Broker::peer(cat(state$broker_host), state$broker_port);
	}

event Broker::peer_added(endpoint: Broker::EndpointInfo, msg: string)
	{
	if ( ! endpoint?$network )
		return;

	local where = endpoint$network;

	if ( [where$bound_port, where$address] in broker_controllers )
		controller_init_done(broker_controllers[where$bound_port, where$address]);
	}

function broker_new(name: string, host: addr, host_port: port, topic: string, dpid: count): OpenFlow::Controller
	{
	local c = OpenFlow::Controller($state=OpenFlow::ControllerState($broker_host=host, $broker_port=host_port,
	                                                                $broker_dpid=dpid, $broker_topic=topic),
	                               $flow_mod=broker_flow_mod_fun, $flow_clear=broker_flow_clear_fun,
	                               $describe=broker_describe, $supports_flow_removed=T, $init=broker_init);
	broker_controllers[host_port, cat(host)] = c;
	register_controller(OpenFlow::BROKER, name, c);
	return c;
	}
