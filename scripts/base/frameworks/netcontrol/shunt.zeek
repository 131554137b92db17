##! Flows that are not monitored any more, in netcontrol_shunt.log.

@load ./main

module NetControl;

export {
	redef enum Log::ID += { SHUNT };

	type ShuntInfo: record {
		ts: time &log;
		rule_id: string &log;
		f: flow_id &log;
		expire: interval &log;
		location: string &log &optional;
	};

	global log_netcontrol_shunt: event(rec: ShuntInfo);
	global log_policy_shunt: Log::PolicyHook;
}

event zeek_init() &priority=5
	{
	Log::create_stream(NetControl::SHUNT, Log::Stream($columns=ShuntInfo, $ev=log_netcontrol_shunt, $path="netcontrol_shunt", $policy=log_policy_shunt));
	}

function shunt_flow(f: flow_id, t: interval, location: string &default=""): string
	{
	local id = add_rule(Rule($ty=DROP, $target=MONITOR, $entity=flow_entity(f), $expire=t, $location=location));

	if ( id == "" )
		return "";

	local info = ShuntInfo($ts=network_time(), $rule_id=id, $f=f, $expire=t);

	if ( location != "" )
		info$location = location;

	Log::write(SHUNT, info);
	return id;
	}
