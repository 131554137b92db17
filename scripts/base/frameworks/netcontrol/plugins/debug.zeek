##! A plugin that only prints what it is asked for.

@load ../plugin
@load ../main

module NetControl;

export {
	## A plugin that takes rules if `do_something` is T.
	global create_debug: function(do_something: bool, name: string &default=""): PluginState;

	## Plugins that answer each rule with an error, or say that it exists.
	global create_debug_error: function(name: string): PluginState;
	global create_debug_exists: function(name: string): PluginState;
}

function debug_name(p: PluginState): string
	{
	return fmt("Debug-%s", p$config["name"] == "" ? (p$config["all"] == "1" ? "All" : "None") : p$config["name"]);
	}

function debug_print(p: PluginState, msg: string)
	{
	print fmt("netcontrol debug (%s): %s", debug_name(p), msg);
	}

function debug_init(p: PluginState)
	{
	debug_print(p, "init");
	plugin_activated(p);
	}

function debug_done(p: PluginState)
	{
	debug_print(p, "init");
	}

function debug_add_rule(p: PluginState, r: Rule): bool
	{
	debug_print(p, fmt("add_rule: %s", r));

	if ( p$config["all"] != "1" )
		return F;

	switch ( p$config["answer"] ) {
	case "error":
		event NetControl::rule_error(r, p, "");
		break;
	case "exists":
		event NetControl::rule_exists(r, p, "");
		break;
	default:
		event NetControl::rule_added(r, p, "");
		break;
	}

	return T;
	}

function debug_remove_rule(p: PluginState, r: Rule, reason: string): bool
	{
	debug_print(p, fmt("remove_rule%s: %s", reason == "" ? "" : fmt(" (%s)", reason), r));
	event NetControl::rule_removed(r, p, "");
	return T;
	}

const debug_plugin = Plugin($name=debug_name, $can_expire=F, $init=debug_init, $done=debug_done,
                            $add_rule=debug_add_rule, $remove_rule=debug_remove_rule);

function make_debug(take: bool, name: string, answer: string): PluginState
	{
	local p = PluginState($plugin=debug_plugin);
	p$config["all"] = take ? "1" : "0";
	p$config["name"] = name;
	p$config["answer"] = answer;
	return p;
	}

function create_debug(do_something: bool, name: string &default=""): PluginState
	{
	return make_debug(do_something, name, "added");
	}

function create_debug_error(name: string): PluginState
	{
	return make_debug(T, name, "error");
	}

function create_debug_exists(name: string): PluginState
	{
	return make_debug(T, name, "exists");
	}
