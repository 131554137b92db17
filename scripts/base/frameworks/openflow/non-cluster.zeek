##! Controllers of a single process.

@load ./main

module OpenFlow;

function flow_mod(controller: Controller, match: ofp_match, flow_mod: ofp_flow_mod): bool
	{
	return controller?$flow_mod && controller$flow_mod(controller$state, match, flow_mod);
	}

function flow_clear(controller: Controller): bool
	{
	return controller?$flow_clear && controller$flow_clear(controller$state);
	}

function register_controller(tpe: OpenFlow::Plugin, name: string, controller: Controller)
	{
	register_controller_impl(tpe, name, controller);
	}

function unregister_controller(controller: Controller)
	{
	unregister_controller_impl(controller);
	}

function lookup_controller(name: string): vector of Controller
	{
	return lookup_controller_impl(name);
	}
