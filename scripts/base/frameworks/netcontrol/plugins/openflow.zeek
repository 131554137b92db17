##! A plugin that turns rules into entries of OpenFlow switches.

@load ../plugin
@load ../main
@load base/frameworks/openflow

module NetControl;

export {
	type OfConfig: record {
		## Which targets the switch takes.
		monitor: bool &default=T;
		forward: bool &default=T;
		## Remove entries that have not been used for so many seconds.
		idle_timeout: count &default=0;
		table_id: count &optional;
		## Added to the priorities of rules.
		priority_offset: int &default=+0;
		check_pred: function(p: PluginState, r: Rule): bool &optional;
		match_pred: function(p: PluginState, e: Entity, m: vector of OpenFlow::ofp_match): vector of OpenFlow::ofp_match &optional;
		flow_mod_pred: function(p: PluginState, r: Rule, m: OpenFlow::ofp_flow_mod): OpenFlow::ofp_flow_mod &optional;
	};

	redef record PluginState += {
		of_controller: OpenFlow::Controller &optional;
		of_config: OfConfig &optional;
	};

	## Answers of a switch that belong to a rule.
	type OfTable: record {
		p: PluginState;
		r: Rule;
		## How many entries are still to be confirmed, and what the switch counted.
		c: count &default=0;
		packet_count: count &default=0;
		byte_count: count &default=0;
		duration_sec: double &default=0.0;
	};

	## How long to wait for answers, and how long entries are remembered.
	const openflow_message_timeout: interval = 20sec &redef;
	const openflow_flow_timeout: interval = 24hrs &redef;

	global create_openflow: function(controller: OpenFlow::Controller, config: OfConfig &default=[]): PluginState;
}

# Entries that wait for an answer, by cookie and command, and those that are in a switch.
global of_messages: table[count, OpenFlow::ofp_flow_mod_command] of OfTable = {} &create_expire=openflow_message_timeout;
global of_flows: table[count] of OfTable = {} &create_expire=openflow_flow_timeout;

function openflow_name(p: PluginState): string
	{
	return fmt("Openflow-%s", p$of_controller$describe(p$of_controller$state));
	}

function openflow_check_rule(p: PluginState, r: Rule): bool
	{
	local c = p$of_config;

	if ( c?$check_pred )
		return c$check_pred(p, r);

	return r$target == MONITOR ? c$monitor : c$forward;
	}

# The kind of Ethernet frames an address is in.
function ethernet_type(s: subnet): count
	{
	return is_v4_subnet(s) ? OpenFlow::ETH_IPv4 : OpenFlow::ETH_IPv6;
	}

function protocol_number(p: port): count
	{
	local proto = get_port_transport_proto(p);
	return proto == tcp ? OpenFlow::IP_TCP : (proto == udp ? OpenFlow::IP_UDP : OpenFlow::IP_ICMP);
	}

# What a switch has to match; several entries where a rule is for both directions.
function entity_to_match(p: PluginState, e: Entity): vector of OpenFlow::ofp_match
	{
	local v: vector of OpenFlow::ofp_match = vector();

	if ( e$ty == CONNECTION )
		{
		v += OpenFlow::match_conn(e$conn);
		v += OpenFlow::match_conn(e$conn, T);
		}
	else if ( e$ty == MAC )
		{
		v += OpenFlow::ofp_match($dl_src=e$mac);
		v += OpenFlow::ofp_match($dl_dst=e$mac);
		}
	else if ( e$ty == ADDRESS )
		{
		local eth = ethernet_type(e$ip);
		v += OpenFlow::ofp_match($dl_type=eth, $nw_src=e$ip);
		v += OpenFlow::ofp_match($dl_type=eth, $nw_dst=e$ip);
		}
	else
		{
		local f = e$flow;
		local m = OpenFlow::ofp_match();

		if ( f?$src_m )
			m$dl_src = f$src_m;

		if ( f?$dst_m )
			m$dl_dst = f$dst_m;

		if ( f?$src_h )
			{
			m$dl_type = ethernet_type(f$src_h);
			m$nw_src = f$src_h;
			}

		if ( f?$dst_h )
			{
			m$dl_type = ethernet_type(f$dst_h);
			m$nw_dst = f$dst_h;
			}

		if ( f?$src_p )
			{
			m$nw_proto = protocol_number(f$src_p);
			m$tp_src = port_to_count(f$src_p);
			}

		if ( f?$dst_p )
			{
			m$nw_proto = protocol_number(f$dst_p);
			m$tp_dst = port_to_count(f$dst_p);
			}

		v += m;
		}

	if ( p$of_config?$match_pred )
		return p$of_config$match_pred(p, e, v);

	return v;
	}

function rule_to_flow_mod(p: PluginState, r: Rule): OpenFlow::ofp_flow_mod
	{
	local c = p$of_config;
	local cookie = OpenFlow::generate_cookie(r$cid * 2);
	local fm = OpenFlow::ofp_flow_mod($cookie=cookie, $command=OpenFlow::OFPFC_ADD, $idle_timeout=c$idle_timeout,
	                                  $priority=int_to_count(r$priority + c$priority_offset),
	                                  $flags=OpenFlow::OFPFF_SEND_FLOW_REM);

	if ( r?$expire )
		fm$hard_timeout = double_to_count(interval_to_double(r$expire));

	if ( c?$table_id )
		fm$table_id = c$table_id;

	switch ( r$ty ) {
	case DROP:
		# An entry without actions drops.
		break;
	case WHITELIST:
		fm$actions$out_ports = vector(OpenFlow::OFPP_NORMAL);
		break;
	case MODIFY:
		local m = r$mod;

		if ( m?$src_h )
			fm$actions$nw_src = m$src_h;

		if ( m?$dst_h )
			fm$actions$nw_dst = m$dst_h;

		if ( m?$src_m )
			fm$actions$dl_src = m$src_m;

		if ( m?$dst_m )
			fm$actions$dl_dst = m$dst_m;

		if ( m?$src_p )
			fm$actions$tp_src = m$src_p;

		if ( m?$dst_p )
			fm$actions$tp_dst = m$dst_p;

		fm$actions$out_ports = vector(m?$redirect_port ? m$redirect_port : OpenFlow::OFPP_NORMAL);
		break;
	case REDIRECT:
		fm$actions$out_ports = vector(r$out_port);
		break;
	}

	if ( c?$flow_mod_pred )
		return c$flow_mod_pred(p, r, fm);

	return fm;
	}

function openflow_add_rule(p: PluginState, r: Rule): bool
	{
	if ( ! openflow_check_rule(p, r) )
		return F;

	local fm = rule_to_flow_mod(p, r);
	local matches = entity_to_match(p, r$entity);

	for ( i, m in matches )
		{
		if ( OpenFlow::flow_mod(p$of_controller, m, copy(fm)) )
			{
			of_messages[r$cid, fm$command] = OfTable($p=p, $r=r, $c=i + 1);
			of_flows[r$cid] = OfTable($p=p, $r=r, $c=i + 1);
			}
		else
			event NetControl::rule_error(r, p, "Error while executing OpenFlow::flow_mod");

		# Both directions of a rule have a cookie.
		++fm$cookie;
		}

	return T;
	}

function openflow_remove_rule(p: PluginState, r: Rule, reason: string): bool
	{
	if ( ! openflow_check_rule(p, r) )
		return F;

	local fm = OpenFlow::ofp_flow_mod($cookie=OpenFlow::generate_cookie(r$cid * 2), $command=OpenFlow::OFPFC_DELETE);

	# Entries are found by their cookies.
	for ( i in entity_to_match(p, r$entity) )
		{
		if ( ! OpenFlow::flow_mod(p$of_controller, OpenFlow::ofp_match(), copy(fm)) )
			{
			event NetControl::rule_error(r, p, "Error while executing OpenFlow::flow_mod");
			return F;
			}

		of_messages[r$cid, fm$command] = OfTable($p=p, $r=r, $c=i + 1);
		++fm$cookie;
		}

	return T;
	}

# The rule that an entry of a switch belongs to; 0 if it is none of ours.
function rule_of(cookie: count): count
	{
	return OpenFlow::get_cookie_uid(cookie) / 2;
	}

event OpenFlow::flow_mod_success(name: string, match: OpenFlow::ofp_match, flow_mod: OpenFlow::ofp_flow_mod, msg: string) &priority=3
	{
	local id = rule_of(flow_mod$cookie);

	if ( [id, flow_mod$command] !in of_messages )
		return;

	local entry = of_messages[id, flow_mod$command];

	# A rule is there when all its entries are.
	if ( entry$c > 1 )
		{
		--entry$c;
		return;
		}

	delete of_messages[id, flow_mod$command];

	if ( flow_mod$command == OpenFlow::OFPFC_ADD )
		event NetControl::rule_added(entry$r, entry$p, msg);
	else if ( flow_mod$command == OpenFlow::OFPFC_DELETE || flow_mod$command == OpenFlow::OFPFC_DELETE_STRICT )
		{
		# The switch will also tell that the entries are gone.
		delete of_flows[id];
		event NetControl::rule_removed(entry$r, entry$p, msg);
		}
	}

event OpenFlow::flow_mod_failure(name: string, match: OpenFlow::ofp_match, flow_mod: OpenFlow::ofp_flow_mod, msg: string) &priority=3
	{
	local id = rule_of(flow_mod$cookie);

	if ( [id, flow_mod$command] !in of_messages )
		return;

	local entry = of_messages[id, flow_mod$command];
	delete of_messages[id, flow_mod$command];
	event NetControl::rule_error(entry$r, entry$p, msg);
	}

event OpenFlow::flow_removed(name: string, match: OpenFlow::ofp_match, cookie: count, priority: count, reason: count,
                             duration_sec: count, idle_timeout: count, packet_count: count, byte_count: count)
	{
	local id = rule_of(cookie);

	if ( id !in of_flows )
		return;

	local entry = of_flows[id];
	entry$packet_count += packet_count;
	entry$byte_count += byte_count;

	if ( entry$duration_sec < duration_sec )
		entry$duration_sec = duration_sec;

	if ( entry$c > 1 )
		{
		--entry$c;
		return;
		}

	local info = FlowInfo($duration=double_to_interval(entry$duration_sec), $packet_count=entry$packet_count,
	                      $byte_count=entry$byte_count);
	delete of_flows[id];
	event NetControl::rule_timeout(entry$r, info, entry$p);
	}

function openflow_init(p: PluginState)
	{
	if ( p$of_controller$state$_activated )
		plugin_activated(p);
	}

event OpenFlow::controller_activated(name: string, controller: OpenFlow::Controller)
	{
	for ( _, p in plugin_ids )
		{
		if ( p?$of_controller && ! p$_activated && p$of_controller$state$_name == name )
			plugin_activated(p);
		}
	}

const openflow_plugin = Plugin($name=openflow_name, $can_expire=T, $init=openflow_init, $add_rule=openflow_add_rule,
                               $remove_rule=openflow_remove_rule);

function create_openflow(controller: OpenFlow::Controller, config: OfConfig &default=[]): PluginState
	{
	return PluginState($plugin=openflow_plugin, $of_controller=controller, $of_config=config);
	}
