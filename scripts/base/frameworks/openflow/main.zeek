##! Entries in OpenFlow switches, through controllers.

@load ./consts
@load ./types

module OpenFlow;

export {
	## Adds, changes or removes entries.
	global flow_mod: function(controller: Controller, match: ofp_match, flow_mod: ofp_flow_mod): bool;

	## Removes all entries.
	global flow_clear: function(controller: Controller): bool;

	## The match for a connection, or for its other direction.
	global match_conn: function(id: conn_id, reverse: bool &default=F): ofp_match;

	## Marks a number as belonging to this group, so that entries of others are told apart.
	global generate_cookie: function(cookie: count &default=0): count;
	global get_cookie_uid: function(cookie: count): count;
	global get_cookie_gid: function(cookie: count): count;

	## What switches say.
	global flow_mod_success: event(name: string, match: ofp_match, flow_mod: ofp_flow_mod, msg: string &default="");
	global flow_mod_failure: event(name: string, match: ofp_match, flow_mod: ofp_flow_mod, msg: string &default="");
	global flow_removed: event(name: string, match: ofp_match, cookie: count, priority: count, reason: count,
	                           duration_sec: count, idle_timeout: count, packet_count: count, byte_count: count);

	global controller_activated: event(name: string, controller: Controller);

	global register_controller: function(tpe: OpenFlow::Plugin, name: string, controller: Controller);
	global unregister_controller: function(controller: Controller);

	## For plugins: the controller is ready.
	global controller_init_done: function(controller: Controller);

	## The controller of that name: one element, or none.
	global lookup_controller: function(name: string): vector of Controller;
}

global name_to_controller: table[string] of Controller = table();

# A cookie is a fixed beginning, a group of 8 bits and a number of 32 bits.
const cookie_magic = 0x0000040000000000;
const cookie_group = 0x0000000100000000;
const cookie_groups = 0x100;

function match_conn(id: conn_id, reverse: bool &default=F): ofp_match
	{
	local orig_h = reverse ? id$resp_h : id$orig_h;
	local orig_p = reverse ? id$resp_p : id$orig_p;
	local resp_h = reverse ? id$orig_h : id$resp_h;
	local resp_p = reverse ? id$orig_p : id$resp_p;

	local proto = get_port_transport_proto(orig_p);
	local number = proto == tcp ? IP_TCP : (proto == udp ? IP_UDP : IP_ICMP);

	return ofp_match($dl_type=is_v4_addr(orig_h) ? ETH_IPv4 : ETH_IPv6, $nw_proto=number,
	                 $nw_src=addr_to_subnet(orig_h), $tp_src=port_to_count(orig_p),
	                 $nw_dst=addr_to_subnet(resp_h), $tp_dst=port_to_count(resp_p));
	}

function generate_cookie(cookie: count &default=0): count
	{
	return cookie_magic + cookie % cookie_group;
	}

function is_valid_cookie(cookie: count): bool
	{
	if ( cookie / (cookie_group * cookie_groups) == cookie_magic / (cookie_group * cookie_groups) )
		return T;

	Reporter::error(fmt("cookie %d is not one of ours", cookie));
	return F;
	}

function get_cookie_uid(cookie: count): count
	{
	return is_valid_cookie(cookie) ? cookie % cookie_group : INVALID_COOKIE;
	}

function get_cookie_gid(cookie: count): count
	{
	return is_valid_cookie(cookie) ? (cookie / cookie_group) % cookie_groups : INVALID_COOKIE;
	}

function controller_init_done(controller: Controller)
	{
	if ( ! controller$state?$_name || controller$state$_name !in name_to_controller )
		{
		Reporter::error("an OpenFlow controller that was never registered says it is ready");
		return;
		}

	controller$state$_activated = T;
	event OpenFlow::controller_activated(controller$state$_name, controller);
	}

function register_controller_impl(tpe: OpenFlow::Plugin, name: string, controller: Controller) &is_used
	{
	if ( controller$state?$_name )
		{
		Reporter::error(fmt("OpenFlow controller %s is registered already", controller$state$_name));
		return;
		}

	controller$state$_plugin = tpe;
	controller$state$_name = cat(tpe, name);
	name_to_controller[controller$state$_name] = controller;

	if ( controller?$init )
		controller$init(controller$state);
	else
		controller_init_done(controller);
	}

function unregister_controller_impl(controller: Controller) &is_used
	{
	delete name_to_controller[controller$state$_name];
	controller$state$_activated = F;
	}

function lookup_controller_impl(name: string): vector of Controller &is_used
	{
	local found: vector of Controller = vector();

	if ( name in name_to_controller )
		found += name_to_controller[name];

	return found;
	}
