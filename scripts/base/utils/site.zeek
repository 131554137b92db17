##! The site that is watched: its networks, domains, neighbours and administrators.

@load ./patterns

module Site;

export {
	## Address space that is not routed on the Internet.
	option private_address_space: set[subnet] = {
		0.0.0.0/8,
		10.0.0.0/8,
		100.64.0.0/10,
		127.0.0.0/8,
		169.254.0.0/16,
		172.16.0.0/12,
		192.0.0.0/24,
		192.0.2.0/24,
		192.168.0.0/16,
		198.18.0.0/15,
		198.51.100.0/24,
		203.0.113.0/24,
		224.0.0.0/24,
		239.0.0.0/8,
		240.0.0.0/4,
		255.255.255.255/32,
		# The same as 6to4.
		[2002::]/24,
		[2002:a00::]/24,
		[2002:6440::]/26,
		[2002:7f00::]/24,
		[2002:a9fe::]/32,
		[2002:ac10::]/28,
		[2002:c000::]/40,
		[2002:c000:200::]/40,
		[2002:c0a8::]/32,
		[2002:c612::]/31,
		[2002:c633:6400::]/40,
		[2002:cb00:7100::]/40,
		[2002:e000::]/40,
		[2002:ef00::]/24,
		[2002:f000::]/20,
		[2002:ffff:ffff::]/48,
		[::]/128,
		[::1]/128,
		[64:ff9b:1::]/48,
		[100::]/64,
		[2001::]/23,
		[2001:2::]/48,
		[2001:db8::]/32,
		[fc00::]/7,
		[fe80::]/10,
		[fec0::]/10,
	} &redef;

	## The networks of the site. At start the private address space joins them unless told otherwise.
	option local_nets: set[subnet] = {} &redef;

	## Each local network by itself, to find the one that an address is in.
	global local_nets_table: table[subnet] of subnet = table();

	## Whether the private address space counts as local.
	const private_address_space_is_local: bool = T &redef;

	## Networks close to the site.
	option neighbor_nets: set[subnet] = {} &redef;

	## Who is responsible for a network, as e-mail addresses.
	option local_admins: table[subnet] of set[string] = {} &redef;

	## Domains of the site and of its neighbours.
	option local_zones: set[string] = {} &redef;
	option neighbor_zones: set[string] = {} &redef;

	global is_local_addr: function(a: addr): bool;
	global is_neighbor_addr: function(a: addr): bool;
	global is_private_addr: function(a: addr): bool;
	global is_local_name: function(name: string): bool;
	global is_neighbor_name: function(name: string): bool;

	## The administrators of all networks that an address is in, separated by commas.
	global get_emails: function(a: addr): string;
}

# The private address space as far as it has been merged into the local networks.
global merged_private: set[subnet] = set();

global local_zone_suffix: pattern = /NO_ZONES/;
global neighbor_zone_suffix: pattern = /NO_ZONES/;
const zone_template = "(^\\.?|\\.)(~~)$";

function is_local_addr(a: addr): bool
	{
	return a in local_nets;
	}

function is_neighbor_addr(a: addr): bool
	{
	return a in neighbor_nets;
	}

function is_private_addr(a: addr): bool
	{
	return a in private_address_space;
	}

function is_local_name(name: string): bool
	{
	return |local_zones| > 0 && local_zone_suffix in name;
	}

function is_neighbor_name(name: string): bool
	{
	return |neighbor_zones| > 0 && neighbor_zone_suffix in name;
	}

function get_emails(a: addr): string
	{
	local out: set[string] = set();

	for ( _, net in matching_subnets(addr_to_subnet(a), local_admins) )
		{
		for ( who in local_admins[net] )
			add out[who];
		}

	return join_string_set(out, ", ");
	}

function fill_local_nets_table(nets: set[subnet])
	{
	local t: table[subnet] of subnet = table();

	for ( net in nets )
		t[net] = net;

	local_nets_table = t;
	}

function update_local_nets(id: string, new_value: set[subnet]): set[subnet]
	{
	local nets = private_address_space_is_local ? new_value | merged_private : new_value;
	fill_local_nets_table(nets);
	return nets;
	}

function update_private_address_space(id: string, new_value: set[subnet]): set[subnet]
	{
	if ( private_address_space_is_local )
		{
		local own = local_nets - merged_private;
		merged_private = new_value;
		Option::set("Site::local_nets", own);
		}

	return new_value;
	}

function update_local_zones(id: string, new_value: set[string]): set[string]
	{
	local_zone_suffix = set_to_regex(new_value, zone_template);
	return new_value;
	}

function update_neighbor_zones(id: string, new_value: set[string]): set[string]
	{
	neighbor_zone_suffix = set_to_regex(new_value, zone_template);
	return new_value;
	}

event zeek_init() &priority=10
	{
	if ( private_address_space_is_local )
		{
		merged_private = private_address_space;
		Option::set("Site::local_nets", local_nets | merged_private, "<skip-config-log>");
		}

	fill_local_nets_table(local_nets);
	Option::set_change_handler("Site::local_nets", update_local_nets, 5);
	Option::set_change_handler("Site::private_address_space", update_private_address_space, 5);

	if ( |local_zones| > 0 )
		update_local_zones("", local_zones);

	if ( |neighbor_zones| > 0 )
		update_neighbor_zones("", neighbor_zones);

	Option::set_change_handler("Site::local_zones", update_local_zones, 5);
	Option::set_change_handler("Site::neighbor_zones", update_neighbor_zones, 5);
	}
