##! Sends one command to a process that listens for them, prints the answer and
##! ends.

@load base/frameworks/control
@load base/frameworks/broker

module Control;

# How long the process may take to answer before the user hears that it does not.
const patience = 5sec;

global found = F;

function place(): string
	{
	return zone_id == "" ? cat(host) : fmt("%s%%%s", host, zone_id);
	}

event Control::not_found()
	{
	# The clock of a capture tells nothing about how long somebody has waited.
	if ( ! found && ! zeek_is_terminating() && ! reading_traces() )
		Reporter::warning(fmt("there is no connection to %s, port %s, so far; trying on (Control::host, Control::host_port%s)",
		                      place(), host_port, zone_id == "" ? "" : ", Control::zone_id"));
	}

event zeek_init() &priority=5
	{
	if ( cmd !in commands )
		{
		Reporter::error(fmt("there is no command '%s'", cmd));
		terminate();
		return;
		}

	Broker::subscribe(Control::topic_prefix);
	Broker::peer(place(), host_port);
	schedule patience { Control::not_found() };
	}

event Broker::peer_added(endpoint: Broker::EndpointInfo, msg: string)
	{
	found = T;

	switch ( cmd )
		{
		case "id_value":
			if ( arg == "" )
				{
				Reporter::error("id_value needs the name of a variable in Control::arg");
				terminate();
				}
			else
				Broker::publish(Control::topic_prefix + "/id_value_request", Control::id_value_request, arg);
			break;

		case "peer_status":
			Broker::publish(Control::topic_prefix + "/peer_status_request", Control::peer_status_request);
			break;

		case "net_stats":
			Broker::publish(Control::topic_prefix + "/net_stats_request", Control::net_stats_request);
			break;

		case "configuration_update":
			Broker::publish(Control::topic_prefix + "/configuration_update_request",
			                Control::configuration_update_request);
			break;

		case "shutdown":
			Broker::publish(Control::topic_prefix + "/shutdown_request", Control::shutdown_request);
			break;
		}
	}

event Control::id_value_response(id: string, val: string)
	{
	print val;
	terminate();
	}

event Control::peer_status_response(s: string)
	{
	print s;
	terminate();
	}

event Control::net_stats_response(s: string)
	{
	print s;
	terminate();
	}

event Control::configuration_update_response()
	{
	terminate();
	}

event Control::shutdown_response()
	{
	terminate();
	}
