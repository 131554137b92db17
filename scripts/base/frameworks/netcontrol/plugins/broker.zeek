##! A plugin that hands rules to a program elsewhere, through Broker.

@load ../plugin
@load ../main
@load base/frameworks/broker

module NetControl;

export {
	type BrokerConfig: record {
		## Where the program listens; everything is published to this topic.
		topic: string &optional;
		host: addr &optional;
		bport: port &optional;
		## Which targets the program takes.
		monitor: bool &default=T;
		forward: bool &default=T;
		check_pred: function(p: PluginState, r: Rule): bool &optional;
	};

	redef record PluginState += {
		broker_config: BrokerConfig &optional;
		broker_id: count &optional;
	};

	global create_broker: function(config: BrokerConfig, can_expire: bool): PluginState;

	# To the program.
	global broker_add_rule: event(id: count, r: Rule);
	global broker_remove_rule: event(id: count, r: Rule, reason: string);

	# From the program.
	global broker_rule_added: event(id: count, r: Rule, msg: string);
	global broker_rule_removed: event(id: count, r: Rule, msg: string);
	global broker_rule_exists: event(id: count, r: Rule, msg: string);
	global broker_rule_error: event(id: count, r: Rule, msg: string);
	global broker_rule_timeout: event(id: count, r: Rule, i: FlowInfo);
}

global broker_peers: table[port, string] of PluginState = table();
global broker_plugins: table[count] of PluginState = table();
global broker_next_id: count = 0;

function broker_answer(id: count, r: Rule, what: string): bool
	{
	if ( id in broker_plugins )
		return T;

	Reporter::error(fmt("answer (%s) about rule %s from an unknown program %d", what, r$id, id));
	return F;
	}

event NetControl::broker_rule_added(id: count, r: Rule, msg: string)
	{
	if ( broker_answer(id, r, "added") )
		event NetControl::rule_added(r, broker_plugins[id], msg);
	}

event NetControl::broker_rule_exists(id: count, r: Rule, msg: string)
	{
	if ( broker_answer(id, r, "exists") )
		event NetControl::rule_exists(r, broker_plugins[id], msg);
	}

event NetControl::broker_rule_removed(id: count, r: Rule, msg: string)
	{
	if ( broker_answer(id, r, "removed") )
		event NetControl::rule_removed(r, broker_plugins[id], msg);
	}

event NetControl::broker_rule_error(id: count, r: Rule, msg: string)
	{
	if ( broker_answer(id, r, "error") )
		event NetControl::rule_error(r, broker_plugins[id], msg);
	}

event NetControl::broker_rule_timeout(id: count, r: Rule, i: FlowInfo)
	{
	if ( broker_answer(id, r, "timeout") )
		event NetControl::rule_timeout(r, i, broker_plugins[id]);
	}

function broker_name(p: PluginState): string
	{
	return fmt("Broker-%s", p$broker_config$topic);
	}

function broker_takes(p: PluginState, r: Rule): bool
	{
	local c = p$broker_config;

	if ( c?$check_pred )
		return c$check_pred(p, r);

	return r$target == MONITOR ? c$monitor : c$forward;
	}

function broker_add_rule_fun(p: PluginState, r: Rule): bool
	{
	if ( ! broker_takes(p, r) )
		return F;

	Broker::publish(p$broker_config$topic, NetControl::broker_add_rule, p$broker_id, r);
	return T;
	}

function broker_remove_rule_fun(p: PluginState, r: Rule, reason: string): bool
	{
	if ( ! broker_takes(p, r) )
		return F;

	Broker::publish(p$broker_config$topic, NetControl::broker_remove_rule, p$broker_id, r, reason);
	return T;
	}

function broker_init(p: PluginState)
	{
	Broker::subscribe(p$broker_config$topic);
	Broker::peer(cat(p$broker_config$host), p$broker_config$bport);
	}

event Broker::peer_added(endpoint: Broker::EndpointInfo, msg: string)
	{
	if ( ! endpoint?$network )
		return;

	local where = endpoint$network;

	if ( [where$bound_port, where$address] !in broker_peers )
		return;

	local p = broker_peers[where$bound_port, where$address];

	if ( ! p$_activated )
		plugin_activated(p);
	}

const broker_plugin_no_expire = Plugin($name=broker_name, $can_expire=F, $add_rule=broker_add_rule_fun,
                                       $remove_rule=broker_remove_rule_fun, $init=broker_init);
const broker_plugin_can_expire = Plugin($name=broker_name, $can_expire=T, $add_rule=broker_add_rule_fun,
                                        $remove_rule=broker_remove_rule_fun, $init=broker_init);

function create_broker(config: BrokerConfig, can_expire: bool): PluginState
	{
	local p = PluginState($broker_config=config, $broker_id=broker_next_id,
	                      $plugin=can_expire ? broker_plugin_can_expire : broker_plugin_no_expire);
	broker_plugins[broker_next_id] = p;
	broker_peers[config$bport, cat(config$host)] = p;
	++broker_next_id;
	return p;
	}
