##! Controllers in a cluster: the manager has the connections, other nodes send it what they want.

@load ./main
@load base/frameworks/cluster

module OpenFlow;

export {
	## Wishes of other nodes.
	global cluster_flow_mod: event(name: string, match: ofp_match, flow_mod: ofp_flow_mod);
	global cluster_flow_clear: event(name: string);
}

function is_manager(): bool
	{
	return Cluster::local_node_type() == Cluster::MANAGER;
	}

function flow_mod(controller: Controller, match: ofp_match, flow_mod: ofp_flow_mod): bool
	{
	if ( ! controller?$flow_mod )
		return F;

	if ( is_manager() )
		return controller$flow_mod(controller$state, match, flow_mod);

	Cluster::publish(Cluster::manager_topic, OpenFlow::cluster_flow_mod, controller$state$_name, match, flow_mod);
	return T;
	}

function flow_clear(controller: Controller): bool
	{
	if ( ! controller?$flow_clear )
		return F;

	if ( is_manager() )
		return controller$flow_clear(controller$state);

	Cluster::publish(Cluster::manager_topic, OpenFlow::cluster_flow_clear, controller$state$_name);
	return T;
	}

function register_controller(tpe: OpenFlow::Plugin, name: string, controller: Controller)
	{
	if ( is_manager() )
		{
		register_controller_impl(tpe, name, controller);
		return;
		}

	# Other nodes only have to know its name.
	controller$state$_plugin = tpe;
	controller$state$_name = cat(tpe, name);
	name_to_controller[controller$state$_name] = controller;
	}

function unregister_controller(controller: Controller)
	{
	unregister_controller_impl(controller);
	}

function lookup_controller(name: string): vector of Controller
	{
	return lookup_controller_impl(name);
	}

event OpenFlow::cluster_flow_mod(name: string, match: ofp_match, flow_mod: ofp_flow_mod)
	{
	if ( ! is_manager() )
		return;

	if ( name in name_to_controller )
		OpenFlow::flow_mod(name_to_controller[name], match, flow_mod);
	else
		Reporter::error(fmt("there is no OpenFlow controller %s", name));
	}

event OpenFlow::cluster_flow_clear(name: string)
	{
	if ( ! is_manager() )
		return;

	if ( name in name_to_controller )
		OpenFlow::flow_clear(name_to_controller[name]);
	else
		Reporter::error(fmt("there is no OpenFlow controller %s", name));
	}
