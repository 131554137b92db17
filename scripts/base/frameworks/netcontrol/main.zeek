##! Rules for network devices: adding and removing them, and netcontrol.log.

@load ./plugin
@load base/utils/site
@load base/frameworks/logging

module NetControl;

export {
	redef enum Log::ID += { LOG };

	## The time to activate plugins, and the time from which rules are accepted.
	global init: event();
	global init_done: event();

	## Starts using a plugin; greater priorities are asked first.
	global activate: function(p: PluginState, priority: int);
	global plugin_activated: function(p: PluginState);

	global drop_connection: function(c: conn_id, t: interval, location: string &default=""): string;
	global drop_address: function(a: addr, t: interval, location: string &default=""): string;
	global shunt_flow: function(f: flow_id, t: interval, location: string &default=""): string;
	global whitelist_address: function(a: addr, t: interval, location: string &default=""): string;
	global whitelist_subnet: function(s: subnet, t: interval, location: string &default=""): string;
	global redirect_flow: function(f: flow_id, out_port: count, t: interval, location: string &default=""): string;

	## Leaves a host nothing but a name server and a server that tells its user why.
	global quarantine_host: function(infected: addr, dns: addr, quarantine: addr, t: interval, location: string &default=""): vector of string;

	## Removes all rules.
	global clear: function();

	## Adds a rule; gives its id, or an empty string if no plugin takes it.
	global add_rule: function(r: Rule): string;
	global remove_rule: function(id: string, reason: string &default=""): bool;

	## Forgets a rule, whatever the devices say.
	global delete_rule: function(id: string, reason: string &default=""): bool;

	## Rules about an address or a network.
	global find_rules_addr: function(ip: addr): vector of Rule;
	global find_rules_subnet: function(sn: subnet): vector of Rule;

	## What devices say about rules.
	global rule_added: event(r: Rule, p: PluginState, msg: string &default="");
	global rule_exists: event(r: Rule, p: PluginState, msg: string &default="");
	global rule_removed: event(r: Rule, p: PluginState, msg: string &default="");
	global rule_timeout: event(r: Rule, i: FlowInfo, p: PluginState);
	global rule_error: event(r: Rule, p: PluginState, msg: string &default="");

	## The first and the last thing that is heard of a rule.
	global rule_new: event(r: Rule);
	global rule_destroyed: event(r: Rule);

	## May change a rule before it is added; breaking keeps it out.
	global rule_policy: hook(r: Rule);
	global rule_added_policy: hook(r: Rule, p: PluginState, exists: bool, msg: string);

	type InfoCategory: enum {
		MESSAGE,
		ERROR,
		RULE,
	};

	type InfoState: enum {
		REQUESTED,
		SUCCEEDED,
		EXISTS,
		FAILED,
		REMOVED,
		TIMEOUT,
	};

	type Info: record {
		ts: time &log;
		rule_id: string &log &optional;
		category: InfoCategory &log &optional;
		cmd: string &log &optional;
		state: InfoState &log &optional;
		action: string &log &optional;
		target: TargetType &log &optional;
		entity_type: string &log &optional;
		entity: string &log &optional;
		mod: string &log &optional;
		msg: string &log &optional;
		priority: int &log &optional;
		expire: interval &log &optional;
		location: string &log &optional;
		plugin: string &log &optional;
	};

	global log_netcontrol: event(rec: Info);
	global log_policy: Log::PolicyHook;
}

# Plugins by priority and by number.
global plugins: vector of PluginState = vector();
global plugin_ids: table[count] of PluginState = table();

# Rules by id, by what they are about, and by network.
global rules: table[string] of Rule = table();
global rule_entities: table[Entity, RuleType] of Rule = table();
global rules_by_subnets: table[subnet] of set[string] = table();

global plugin_counter: count = 1;
global rule_counter: count = 1;
global plugins_waiting = 0;
global initialized = F;

# Whether all who have plugins were asked for them.
global all_asked = F;

event zeek_init() &priority=5
	{
	Log::create_stream(NetControl::LOG, Log::Stream($columns=Info, $ev=log_netcontrol, $path="netcontrol", $policy=log_policy));
	}

function entity_to_info(info: Info, e: Entity)
	{
	info$entity_type = cat(e$ty);

	switch ( e$ty ) {
	case ADDRESS:
		info$entity = fmt("%s", e$ip);
		break;
	case CONNECTION:
		info$entity = fmt("%s/%d<->%s/%d", e$conn$orig_h, e$conn$orig_p, e$conn$resp_h, e$conn$resp_p);
		break;
	case FLOW:
		local f = e$flow;
		info$entity = fmt("%s/%s->%s/%s%s%s", f?$src_h ? cat(f$src_h) : "*", f?$src_p ? fmt("%d", f$src_p) : "*",
		                  f?$dst_h ? cat(f$dst_h) : "*", f?$dst_p ? fmt("%d", f$dst_p) : "*",
		                  f?$src_m ? fmt(" (%s", f$src_m) : (f?$dst_m ? " (*" : ""),
		                  f?$dst_m ? fmt("->%s)", f$dst_m) : (f?$src_m ? "->*)" : ""));
		break;
	case MAC:
		info$entity = e$mac;
		break;
	}
	}

function rule_to_info(info: Info, r: Rule)
	{
	info$action = fmt("%s", r$ty);
	info$target = r$target;
	info$rule_id = r$id;
	info$priority = r$priority;

	if ( r?$expire )
		info$expire = r$expire;

	if ( r?$location && r$location != "" )
		info$location = r$location;

	if ( r$ty == REDIRECT && r?$out_port )
		info$mod = fmt("-> %d", r$out_port);

	if ( r?$mod )
		{
		local m = r$mod;
		info$mod = fmt("Src: %s/%s (%s) Dst: %s/%s (%s)%s", m?$src_h ? cat(m$src_h) : "_", m?$src_p ? cat(m$src_p) : "_",
		               m?$src_m ? m$src_m : "_", m?$dst_h ? cat(m$dst_h) : "_", m?$dst_p ? cat(m$dst_p) : "_",
		               m?$dst_m ? m$dst_m : "_", m?$redirect_port ? fmt(" -> %d", m$redirect_port) : "");
		}

	entity_to_info(info, r$entity);
	}

function log_msg(msg: string, p: PluginState)
	{
	Log::write(LOG, Info($ts=network_time(), $category=MESSAGE, $msg=msg, $plugin=p$plugin$name(p)));
	}

function log_rule(r: Rule, cmd: string, state: InfoState, p: PluginState, msg: string)
	{
	local info = Info($ts=network_time(), $category=RULE, $cmd=cmd, $state=state, $plugin=p$plugin$name(p));

	if ( msg != "" )
		info$msg = msg;

	rule_to_info(info, r);
	Log::write(LOG, info);
	}

function log_rule_error(r: Rule, msg: string, p: PluginState)
	{
	local info = Info($ts=network_time(), $category=ERROR, $msg=msg, $plugin=p$plugin$name(p));
	rule_to_info(info, r);
	Log::write(LOG, info);
	}

function log_rule_no_plugin(r: Rule, state: InfoState, msg: string) &is_used
	{
	local info = Info($ts=network_time(), $category=RULE, $state=state, $msg=msg);
	rule_to_info(info, r);
	Log::write(LOG, info);
	}

function one_host(a: addr): subnet
	{
	return addr_to_subnet(a);
	}

function whitelist_address(a: addr, t: interval, location: string &default=""): string
	{
	return whitelist_subnet(one_host(a), t, location);
	}

function whitelist_subnet(s: subnet, t: interval, location: string &default=""): string
	{
	local e = Entity($ty=ADDRESS, $ip=s);
	return add_rule(Rule($ty=WHITELIST, $priority=whitelist_priority, $target=FORWARD, $entity=e, $expire=t, $location=location));
	}

function flow_entity(f: flow_id): Entity
	{
	return Entity($ty=FLOW, $flow=Flow($src_h=one_host(f$src_h), $src_p=f$src_p, $dst_h=one_host(f$dst_h), $dst_p=f$dst_p));
	}

function redirect_flow(f: flow_id, out_port: count, t: interval, location: string &default=""): string
	{
	return add_rule(Rule($ty=REDIRECT, $target=FORWARD, $entity=flow_entity(f), $expire=t, $location=location, $out_port=out_port));
	}

function quarantine_host(infected: addr, dns: addr, quarantine: addr, t: interval, location: string &default=""): vector of string
	{
	local ids: vector of string = vector();
	local host = one_host(infected);

	# Nothing goes out, ...
	ids += add_rule(Rule($ty=DROP, $target=FORWARD, $entity=Entity($ty=FLOW, $flow=Flow($src_h=host)), $expire=t,
	                     $location=location));

	# ... but questions about names go to one server ...
	ids += add_rule(Rule($ty=MODIFY, $target=FORWARD, $entity=Entity($ty=FLOW, $flow=Flow($src_h=host, $dst_p=53/udp)),
	                     $expire=t, $location=location, $priority=+1, $mod=FlowMod($dst_h=dns)));
	ids += add_rule(Rule($ty=MODIFY, $target=FORWARD,
	                     $entity=Entity($ty=FLOW, $flow=Flow($src_h=one_host(dns), $src_p=53/udp, $dst_h=host)),
	                     $expire=t, $location=location, $priority=+1, $mod=FlowMod($src_h=8.8.8.8)));

	# ... and the web is one server.
	ids += add_rule(Rule($ty=WHITELIST, $target=FORWARD,
	                     $entity=Entity($ty=FLOW, $flow=Flow($src_h=host, $dst_h=one_host(quarantine), $dst_p=80/tcp)),
	                     $expire=t, $location=location, $priority=+5));
	return ids;
	}

function check_init()
	{
	if ( all_asked && ! initialized && plugins_waiting == 0 )
		{
		initialized = T;

		if ( |plugins| > 0 )
			Log::write(LOG, Info($ts=network_time(), $category=MESSAGE, $msg="plugin initialization done"));

		event NetControl::init_done();
		}
	}

function plugin_activated(p: PluginState)
	{
	if ( p?$_id && p$_id in plugin_ids )
		plugin_ids[p$_id]$_activated = T;

	p$_activated = T;
	log_msg("activation finished", p);

	if ( plugins_waiting > 0 )
		--plugins_waiting;

	check_init();
	}

function activate_impl(p: PluginState, priority: int) &is_used
	{
	p$_priority = priority;
	plugins += p;
	sort(plugins, function(a: PluginState, b: PluginState): int { return b$_priority - a$_priority; });

	p$_id = plugin_counter;
	plugin_ids[plugin_counter] = p;
	++plugin_counter;

	# Plugins that have something to set up tell when they are done.
	if ( p$plugin?$init )
		{
		++plugins_waiting;
		log_msg(fmt("activating plugin with priority %d", priority), p);
		p$plugin$init(p);
		}
	else
		{
		++plugins_waiting;
		plugin_activated(p);
		}
	}

event zeek_init() &priority=-5
	{
	event NetControl::init();
	}

event NetControl::init() &priority=-20
	{
	all_asked = T;
	check_init();
	}

function subnets_of(e: Entity): vector of subnet
	{
	local out: vector of subnet = vector();

	switch ( e$ty ) {
	case ADDRESS:
		out += e$ip;
		break;
	case CONNECTION:
		out += one_host(e$conn$orig_h);
		out += one_host(e$conn$resp_h);
		break;
	case FLOW:
		if ( e$flow?$src_h )
			out += e$flow$src_h;

		if ( e$flow?$dst_h )
			out += e$flow$dst_h;

		break;
	default:
		break;
	}

	return out;
	}

function add_subnet_entry(r: Rule) &is_used
	{
	for ( _, net in subnets_of(r$entity) )
		{
		if ( ! check_subnet(net, rules_by_subnets) )
			rules_by_subnets[net] = set();

		add rules_by_subnets[net][r$id];
		}
	}

function remove_subnet_entry(r: Rule)
	{
	for ( _, net in subnets_of(r$entity) )
		{
		if ( ! check_subnet(net, rules_by_subnets) )
			next;

		local ids = rules_by_subnets[net];
		delete ids[r$id];

		if ( |ids| == 0 )
			delete rules_by_subnets[net];
		}
	}

function find_rules_subnet(sn: subnet): vector of Rule
	{
	local out: vector of Rule = vector();

	for ( _, net in matching_subnets(sn, rules_by_subnets) )
		{
		for ( id in rules_by_subnets[net] )
			{
			if ( id in rules )
				out += rules[id];
			}
		}

	return out;
	}

function find_rules_addr(ip: addr): vector of Rule
	{
	return find_rules_subnet(addr_to_subnet(ip));
	}

# Offers a rule to the plugins, those with the greatest priority first.
function add_rule_impl(r: Rule): string &is_used
	{
	if ( ! hook NetControl::rule_policy(r) )
		return "";

	r$cid = ++rule_counter;

	if ( r$id == "" )
		r$id = cat(r$cid);

	# The same thing twice.
	if ( [r$entity, r$ty] in rule_entities )
		{
		log_rule_no_plugin(r, FAILED, "discarded duplicate insertion");
		return "";
		}

	local accepted = F;
	local priority = +0;

	for ( _, p in plugins )
		{
		if ( ! p$_activated )
			next;

		# Others of the same priority get the rule as well.
		if ( accepted && p$_priority < priority )
			break;

		if ( ! p$plugin?$add_rule || ! p$plugin$add_rule(p, r) )
			next;

		accepted = T;
		priority = p$_priority;
		log_rule(r, "ADD", REQUESTED, p, "");
		add r$_plugin_ids[p$_id];
		}

	if ( ! accepted )
		{
		log_rule_no_plugin(r, FAILED, "not supported");
		return "";
		}

	rules[r$id] = r;
	rule_entities[r$entity, r$ty] = r;
	add_subnet_entry(r);
	event NetControl::rule_new(r);
	return r$id;
	}

function rule_cleanup(r: Rule)
	{
	if ( r$id !in rules || |r$_active_plugin_ids| > 0 )
		return;

	remove_subnet_entry(r);
	delete rule_entities[r$entity, r$ty];
	delete rules[r$id];
	event NetControl::rule_destroyed(r);
	}

function remove_single_rule(r: Rule, p: PluginState, reason: string): bool
	{
	if ( ! p$plugin?$remove_rule || ! p$plugin$remove_rule(p, r, reason) )
		{
		log_rule_error(r, "remove failed", p);
		return F;
		}

	log_rule(r, "REMOVE", REQUESTED, p, reason);
	return T;
	}

function remove_rule_impl(id: string, reason: string): bool &is_used
	{
	if ( id !in rules )
		{
		Reporter::error(fmt("there is no rule %s to remove", id));
		return F;
		}

	local r = rules[id];
	local success = F;

	for ( plugin_id in r$_active_plugin_ids )
		{
		if ( remove_single_rule(r, plugin_ids[plugin_id], reason) )
			success = T;
		}

	return success;
	}

function delete_rule_impl(id: string, reason: string): bool &is_used
	{
	if ( id !in rules )
		{
		Reporter::error(fmt("there is no rule %s to delete", id));
		return F;
		}

	local r = rules[id];

	# Devices are told, but nobody waits for them.
	for ( plugin_id in r$_active_plugin_ids )
		remove_single_rule(r, plugin_ids[plugin_id], reason);

	r$_active_plugin_ids = set();
	rule_cleanup(r);
	return T;
	}

event rule_expire(r: Rule, p: PluginState)
	{
	# What is scheduled comes early at the end: the rules' time is not over.
	if ( zeek_is_terminating() )
		return;

	if ( r$id !in rules || p$_id !in rules[r$id]$_active_plugin_ids )
		return;

	event NetControl::rule_timeout(r, FlowInfo(), p);
	remove_single_rule(r, p, "");
	}

function rule_added_impl(r: Rule, p: PluginState, exists: bool, msg: string)
	{
	if ( r$id !in rules )
		{
		log_rule_error(r, "addition of unknown rule", p);
		return;
		}

	local rule = rules[r$id];

	if ( ! hook NetControl::rule_added_policy(rule, p, exists, msg) )
		{
		log_rule(rule, "ADD", SUCCEEDED, p, "dropped by policy");
		return;
		}

	log_rule(rule, "ADD", exists ? EXISTS : SUCCEEDED, p, msg);
	add rule$_active_plugin_ids[p$_id];
	rule$_added = T;

	# Devices that cannot count time need help.
	if ( rule?$expire && rule$expire > 0sec && ! p$plugin$can_expire )
		schedule rule$expire { rule_expire(rule, p) };
	}

event NetControl::rule_added(r: Rule, p: PluginState, msg: string) &priority=5
	{
	rule_added_impl(r, p, F, msg);
	}

event NetControl::rule_exists(r: Rule, p: PluginState, msg: string) &priority=5
	{
	rule_added_impl(r, p, T, msg);
	}

event NetControl::rule_removed(r: Rule, p: PluginState, msg: string) &priority=-5
	{
	if ( r$id !in rules )
		{
		log_rule_error(r, "removal of non-existing rule", p);
		return;
		}

	local rule = rules[r$id];
	log_rule(rule, "REMOVE", SUCCEEDED, p, msg);
	delete rule$_active_plugin_ids[p$_id];
	rule_cleanup(rule);
	}

event NetControl::rule_timeout(r: Rule, i: FlowInfo, p: PluginState) &priority=-5
	{
	if ( r$id !in rules )
		{
		log_rule_error(r, "timeout of non-existing rule", p);
		return;
		}

	local rule = rules[r$id];
	local msg = "";

	if ( i?$packet_count )
		msg = fmt("Packets: %d", i$packet_count);

	if ( i?$byte_count )
		msg = fmt("%s%sBytes: %d", msg, msg == "" ? "" : " ", i$byte_count);

	log_rule(rule, "EXPIRE", TIMEOUT, p, msg);

	if ( ! p$plugin$can_expire )
		return;

	delete rule$_active_plugin_ids[p$_id];
	rule_cleanup(rule);
	}

event NetControl::rule_error(r: Rule, p: PluginState, msg: string) &priority=-5
	{
	log_rule_error(r, msg, p);

	if ( r$id in rules )
		{
		local rule = rules[r$id];
		delete rule$_active_plugin_ids[p$_id];

		if ( |rule$_active_plugin_ids| == 0 )
			rule_cleanup(rule);
		}
	}

function clear()
	{
	local ids: string_vec = vector();

	for ( id in rules )
		ids += id;

	for ( _, rid in ids )
		remove_rule(rid);
	}
