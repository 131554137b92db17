##! A plugin that hands rules to an access list daemon, through Broker.

@load ../plugin
@load ../main
@load base/frameworks/broker

module NetControl;

export {
	## A rule as the daemon wants it.
	type AclRule: record {
		command: string;
		cookie: count;
		arg: string;
		comment: string &optional;
	};

	type AcldConfig: record {
		acld_topic: string;
		acld_host: addr;
		acld_port: port;
		## Which targets the daemon takes.
		monitor: bool &default=F;
		forward: bool &default=T;
		check_pred: function(p: PluginState, r: Rule): bool &optional;
	};

	redef record PluginState += {
		acld_config: AcldConfig &optional;
		acld_id: count &optional;
	};

	global create_acld: function(config: AcldConfig): PluginState;

	## May change what is sent; breaking keeps it from being sent.
	global acld_rule_policy: hook(p: PluginState, r: Rule, ar: AclRule);

	# To the daemon.
	global acld_add_rule: event(id: count, r: Rule, ar: AclRule);
	global acld_remove_rule: event(id: count, r: Rule, ar: AclRule);

	# From the daemon.
	global acld_rule_added: event(id: count, r: Rule, msg: string);
	global acld_rule_removed: event(id: count, r: Rule, msg: string);
	global acld_rule_exists: event(id: count, r: Rule, msg: string);
	global acld_rule_error: event(id: count, r: Rule, msg: string);
}

global acld_peers: table[port, string] of PluginState = table();
global acld_plugins: table[count] of PluginState = table();
global acld_next_id: count = 0;

function acld_answer(id: count, r: Rule, what: string): bool
	{
	if ( id in acld_plugins )
		return T;

	Reporter::error(fmt("answer (%s) about rule %s from an unknown daemon %d", what, r$id, id));
	return F;
	}

event NetControl::acld_rule_added(id: count, r: Rule, msg: string)
	{
	if ( acld_answer(id, r, "added") )
		event NetControl::rule_added(r, acld_plugins[id], msg);
	}

event NetControl::acld_rule_exists(id: count, r: Rule, msg: string)
	{
	if ( acld_answer(id, r, "exists") )
		event NetControl::rule_exists(r, acld_plugins[id], msg);
	}

event NetControl::acld_rule_removed(id: count, r: Rule, msg: string)
	{
	if ( acld_answer(id, r, "removed") )
		event NetControl::rule_removed(r, acld_plugins[id], msg);
	}

event NetControl::acld_rule_error(id: count, r: Rule, msg: string)
	{
	if ( acld_answer(id, r, "error") )
		event NetControl::rule_error(r, acld_plugins[id], msg);
	}

function acld_name(p: PluginState): string
	{
	return fmt("Acld-%s", p$acld_config$acld_topic);
	}

# The opposite of a command.
const acld_add_to_remove: table[string] of string = {
	["drop"] = "restore",
	["addwhitelist"] = "remwhitelist",
	["blockhosthost"] = "restorehosthost",
	["droptcpport"] = "restoretcpport",
	["dropudpport"] = "restoreudpport",
	["droptcpdsthostport"] = "restoretcpdsthostport",
	["dropudpdsthostport"] = "restoreudpdsthostport",
	["permittcpdsthostport"] = "unpermittcpdsthostport",
	["permitudpdsthostport"] = "unpermitudpdsthostport",
	["nullzero"] = "nonullzero",
};

# The command for a rule; its text is empty if there is none.
function acld_command(r: Rule): AclRule
	{
	local command = "";
	local arg = "";
	local e = r$entity;

	if ( e$ty == ADDRESS )
		{
		if ( r$ty == DROP )
			command = "drop";
		else if ( r$ty == WHITELIST )
			command = "addwhitelist";

		arg = cat(e$ip);
		}
	else if ( e$ty == FLOW && r$ty == DROP )
		{
		local f = e$flow;

		if ( f?$src_h && f?$dst_h && ! f?$src_p && ! f?$dst_p )
			{
			command = "blockhosthost";
			arg = fmt("%s %s", subnet_to_addr(f$src_h), subnet_to_addr(f$dst_h));
			}
		else if ( f?$dst_p && ! f?$src_p && ! f?$src_h )
			{
			local proto = is_tcp_port(f$dst_p) ? "tcp" : "udp";

			if ( f?$dst_h )
				{
				command = fmt("drop%sdsthostport", proto);
				arg = fmt("%s %d", subnet_to_addr(f$dst_h), f$dst_p);
				}
			else
				{
				command = fmt("drop%sport", proto);
				arg = fmt("%d", f$dst_p);
				}
			}
		}

	return AclRule($command=command, $cookie=r$cid, $arg=arg);
	}

function acld_takes(p: PluginState, r: Rule): bool
	{
	local c = p$acld_config;

	if ( c?$check_pred )
		return c$check_pred(p, r);

	return r$target == MONITOR ? c$monitor : c$forward;
	}

function acld_add_rule_fun(p: PluginState, r: Rule): bool
	{
	if ( ! acld_takes(p, r) )
		return F;

	local ar = acld_command(r);

	if ( ar$command == "" )
		return F;

	if ( r?$location )
		ar$comment = r$location;

	if ( ! hook NetControl::acld_rule_policy(p, r, ar) )
		return F;

	Broker::publish(p$acld_config$acld_topic, NetControl::acld_add_rule, p$acld_id, r, ar);
	return T;
	}

function acld_remove_rule_fun(p: PluginState, r: Rule, reason: string): bool
	{
	if ( ! acld_takes(p, r) )
		return F;

	local ar = acld_command(r);

	if ( ar$command !in acld_add_to_remove )
		return F;

	ar$command = acld_add_to_remove[ar$command];

	if ( reason != "" )
		ar$comment = reason;

	Broker::publish(p$acld_config$acld_topic, NetControl::acld_remove_rule, p$acld_id, r, ar);
	return T;
	}

function acld_init(p: PluginState)
	{
	Broker::subscribe(p$acld_config$acld_topic);
	Broker::peer(cat(p$acld_config$acld_host), p$acld_config$acld_port);
	}

event Broker::peer_added(endpoint: Broker::EndpointInfo, msg: string)
	{
	if ( ! endpoint?$network )
		return;

	local where = endpoint$network;

	if ( [where$bound_port, where$address] !in acld_peers )
		return;

	local p = acld_peers[where$bound_port, where$address];

	if ( ! p$_activated )
		plugin_activated(p);
	}

const acld_plugin = Plugin($name=acld_name, $can_expire=F, $add_rule=acld_add_rule_fun,
                           $remove_rule=acld_remove_rule_fun, $init=acld_init);

function create_acld(config: AcldConfig): PluginState
	{
	local p = PluginState($acld_config=config, $acld_id=acld_next_id, $plugin=acld_plugin);
	acld_plugins[acld_next_id] = p;
	acld_peers[config$acld_port, cat(config$acld_host)] = p;
	++acld_next_id;
	return p;
	}
