##! What is dropped, in netcontrol_drop.log.

@load ./main

module NetControl;

export {
	redef enum Log::ID += { DROP_LOG };

	type DropInfo: record {
		ts: time &log;
		rule_id: string &log;
		orig_h: addr &log;
		orig_p: port &log &optional;
		resp_h: addr &log &optional;
		resp_p: port &log &optional;
		expire: interval &log;
		location: string &log &optional;
	};

	## May change a rule before it is added; breaking keeps it out.
	global NetControl::drop_rule_policy: hook(r: Rule);

	global log_netcontrol_drop: event(rec: DropInfo);
	global log_policy_drop: Log::PolicyHook;
}

event zeek_init() &priority=5
	{
	Log::create_stream(NetControl::DROP_LOG, Log::Stream($columns=DropInfo, $ev=log_netcontrol_drop, $path="netcontrol_drop", $policy=log_policy_drop));
	}

function add_drop_rule(r: Rule, t: interval, location: string): string
	{
	if ( ! hook NetControl::drop_rule_policy(r) )
		return "";

	local id = add_rule(r);

	if ( id == "" )
		return "";

	local info: DropInfo;

	if ( r$entity$ty == CONNECTION )
		{
		local c = r$entity$conn;
		info = DropInfo($ts=network_time(), $rule_id=id, $orig_h=c$orig_h, $orig_p=c$orig_p, $resp_h=c$resp_h,
		                $resp_p=c$resp_p, $expire=t);
		}
	else
		info = DropInfo($ts=network_time(), $rule_id=id, $orig_h=subnet_to_addr(r$entity$ip), $expire=t);

	if ( location != "" )
		info$location = location;

	Log::write(DROP_LOG, info);
	return id;
	}

function drop_connection(c: conn_id, t: interval, location: string &default=""): string
	{
	return add_drop_rule(Rule($ty=DROP, $target=FORWARD, $entity=Entity($ty=CONNECTION, $conn=c), $expire=t,
	                          $location=location), t, location);
	}

function drop_address(a: addr, t: interval, location: string &default=""): string
	{
	return add_drop_rule(Rule($ty=DROP, $target=FORWARD, $entity=Entity($ty=ADDRESS, $ip=addr_to_subnet(a)), $expire=t,
	                          $location=location), t, location);
	}
