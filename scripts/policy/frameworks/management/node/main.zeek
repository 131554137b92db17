##! A managed node: reports to its agent and does what that asks for.

@load base/frameworks/broker
@load base/frameworks/cluster
@load policy/frameworks/management
@load policy/frameworks/management/agent/config
@load ./api
@load ./config

redef Management::role = Management::NODE;

module Management::Node;

# Where the agent of this instance is: on the same host.
function agent_place(): Broker::NetworkInfo
	{
	local place = Management::Agent::endpoint_info()$network;

	switch ( place$address ) {
	case "0.0.0.0":
		place$address = "127.0.0.1";
		break;
	case "::":
		place$address = "::1";
		break;
	default:
		break;
	}

	return place;
	}

event Management::Node::API::node_dispatch_request(reqid: string, action: vector of string, nodes: set[string])
	{
	if ( |nodes| > 0 && Cluster::node !in nodes )
		return;

	local res = Management::Result($reqid=reqid, $node=Cluster::node);

	if ( |action| == 2 && action[0] == "get_id_value" )
		{
		local val = lookup_ID(action[1]);

		# It says so in a text where there is none of the name.
		if ( type_name(val) == "string" && val as string == "<unknown id>" && action[1] !in global_ids() )
			{
			res$success = F;
			res$error = fmt("unknown identifier %s", action[1]);
			}
		else
			res$data = to_json(val);
		}
	else
		{
		res$success = F;
		res$error = fmt("unknown action %s", |action| > 0 ? action[0] : "");
		}

	Management::Log::debug(fmt("%s: %s", join_string_vec(action, " "), Management::result_to_string(res)));
	Cluster::publish(node_topic, Management::Node::API::node_dispatch_response, reqid, res);
	}

event Broker::peer_added(peer: Broker::EndpointInfo, msg: string)
	{
	local place = agent_place();

	if ( ! peer?$network || peer$network$address != place$address || peer$network$bound_port != place$bound_port )
		return;

	Cluster::publish(node_topic, Management::Node::API::notify_node_hello, Cluster::node);
	}

event zeek_init()
	{
	local place = agent_place();
	Broker::peer(place$address, place$bound_port, Management::connect_retry);
	Cluster::subscribe(node_topic);
	Management::Log::info(fmt("%s is live", Cluster::node));
	}
