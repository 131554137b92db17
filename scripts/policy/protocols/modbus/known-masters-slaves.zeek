##! Writes known_modbus.log: masters and slaves, once a day.

@load base/frameworks/cluster
@load base/protocols/modbus

module Known;

export {
	redef enum Log::ID += { MODBUS_LOG };

	global log_policy_modbus: Log::PolicyHook;

	type ModbusDeviceType: enum {
		MODBUS_MASTER,
		MODBUS_SLAVE,
	};

	type ModbusInfo: record {
		ts: time &log;
		host: addr &log;
		device_type: ModbusDeviceType &log;
	};

	## What was logged.
	global modbus_nodes: set[addr, ModbusDeviceType] &create_expire=1day &redef;

	## Raised for each record that is written to known_modbus.log.
	global log_known_modbus: event(rec: ModbusInfo);
}

event zeek_init() &priority=5
	{
	Log::create_stream(Known::MODBUS_LOG, Log::Stream($columns=ModbusInfo, $ev=log_known_modbus,
	                   $path="known_modbus", $policy=log_policy_modbus));
	}

@if ( Cluster::is_enabled() && Cluster::acts_as_one )

event Known::modbus_elsewhere(rec: ModbusInfo)
	{
	if ( [rec$host, rec$device_type] in modbus_nodes )
		return;

	add modbus_nodes[rec$host, rec$device_type];
	Log::write(MODBUS_LOG, rec);
	}

@endif

function found_modbus(host: addr, t: ModbusDeviceType)
	{
	if ( [host, t] in modbus_nodes )
		return;

	add modbus_nodes[host, t];
	local rec = ModbusInfo($ts=network_time(), $host=host, $device_type=t);

@if ( Cluster::is_enabled() && Cluster::acts_as_one )
	Cluster::publish(Cluster::manager_topic, Known::modbus_elsewhere, rec);
@else
	Log::write(MODBUS_LOG, rec);
@endif
	}

event modbus_message(c: connection, headers: ModbusHeaders, is_orig: bool)
	{
	found_modbus(c$id$orig_h, MODBUS_MASTER);
	found_modbus(c$id$resp_h, MODBUS_SLAVE);
	}
