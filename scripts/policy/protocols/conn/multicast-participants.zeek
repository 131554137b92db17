##! Writes multicast_participants.log: who belonged to the group that a connection
##! went to, as IGMP told.

@load base/protocols/conn
@load base/packet-protocols/igmp

module Conn;

export {
	redef enum Log::ID += { MULTICAST_PARTICIPANTS_LOG };

	type MulticastParticipantsInfo: record {
		ts: time &log;
		## The connection.
		cid: string &log;
		orig_h: addr &log;
		group_addr: addr &log;
		group_p: port &log;
		## Members of the group while it went on.
		participants: set[addr] &log;
	};

	## Limits for what is remembered.
	const max_igmp_groups = 500 &redef;
	const max_igmp_sources_per_group = 500 &redef;

	global log_policy_multicast: Log::PolicyHook;

	## Raised for each record that is written.
	global log_multicast: event(rec: Conn::MulticastParticipantsInfo);
}

redef record connection += {
	multicast_srcs: set[addr] &optional;
};

# Members by group.
global igmp_groups: table[addr] of set[addr] &write_expire=5min;

const multicast_nets = { 224.0.0.0/4, [ff00::]/8 };

event zeek_init() &priority=5
	{
	Log::create_stream(Conn::MULTICAST_PARTICIPANTS_LOG, Log::Stream($columns=MulticastParticipantsInfo,
	                   $ev=log_multicast, $path="multicast_participants", $policy=log_policy_multicast));
	}

function joined(source: addr, group_addr: addr)
	{
	if ( group_addr !in igmp_groups )
		{
		if ( |igmp_groups| >= max_igmp_groups )
			return;

		igmp_groups[group_addr] = set();
		}

	if ( |igmp_groups[group_addr]| < max_igmp_sources_per_group )
		add igmp_groups[group_addr][source];
	}

event IGMP::membership_report_v1(source: addr, group_addr: addr)
	{
	joined(source, group_addr);
	}

event IGMP::membership_report_v2(source: addr, group_addr: addr)
	{
	joined(source, group_addr);
	}

event IGMP::membership_report_v3(source: addr, groups: vector of IGMP::Group)
	{
	for ( i, g in groups )
		joined(source, g$multicast_addr);
	}

event IGMP::leave_group(source: addr, group_addr: addr)
	{
	if ( group_addr in igmp_groups )
		delete igmp_groups[group_addr][source];
	}

event new_connection(c: connection)
	{
	if ( c$id$resp_h in multicast_nets && c$id$resp_h in igmp_groups )
		c$multicast_srcs = copy(igmp_groups[c$id$resp_h]);
	}

event connection_state_remove(c: connection)
	{
	local group = c$id$resp_h;

	if ( group !in multicast_nets )
		return;

	local members: set[addr] = c?$multicast_srcs ? c$multicast_srcs : set();

	if ( group in igmp_groups )
		members = members | igmp_groups[group];

	if ( |members| == 0 )
		return;

	Log::write(Conn::MULTICAST_PARTICIPANTS_LOG, MulticastParticipantsInfo($ts=c$start_time, $cid=c$uid,
	           $orig_h=c$id$orig_h, $group_addr=group, $group_p=c$id$resp_p, $participants=members));
	}
