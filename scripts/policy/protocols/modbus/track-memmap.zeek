##! Writes modbus_register_change.log: registers of slaves whose values changed.

@load base/protocols/modbus
@load base/utils/directions-and-hosts

module Modbus;

export {
	redef enum Log::ID += { Modbus::REGISTER_CHANGE_LOG };

	global log_policy_register_change: Log::PolicyHook;

	## Whose registers are tracked.
	option track_memmap: Host = ALL_HOSTS;

	type MemmapInfo: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		register: count &log;
		old_val: count &log;
		new_val: count &log;
		delta: interval &log;
	};

	type RegisterValue: record {
		last_set: time;
		value: count;
	};

	## Registers of one slave.
	type Registers: table[count] of RegisterValue;

	## Registers by slave.
	global device_registers: table[addr] of Registers;

	## Raised when a register changed.
	global changed_register: event(c: connection, register: count, old_val: count, new_val: count, delta: interval);
}

redef record Modbus::Info += {
	## The first register that was asked for.
	track_address: count &default=0;
};

event zeek_init() &priority=5
	{
	Log::create_stream(Modbus::REGISTER_CHANGE_LOG, Log::Stream($columns=MemmapInfo,
	                   $path="modbus_register_change", $policy=log_policy_register_change));
	}

event modbus_read_holding_registers_request(c: connection, headers: ModbusHeaders, start_address: count,
                                            quantity: count)
	{
	c$modbus$track_address = start_address + 1;
	}

event modbus_read_holding_registers_response(c: connection, headers: ModbusHeaders, registers: ModbusRegisters)
	{
	local slave = c$id$resp_h;

	if ( ! addr_matches_host(slave, track_memmap) )
		return;

	if ( slave !in device_registers )
		device_registers[slave] = table();

	local known = device_registers[slave];
	local n = c$modbus$track_address;

	for ( i, value in registers )
		{
		if ( n in known )
			{
			local old = known[n];

			if ( old$value != value )
				{
				local delta = network_time() - old$last_set;
				event Modbus::changed_register(c, n, old$value, value, delta);
				old$last_set = network_time();
				old$value = value;
				}
			}
		else
			known[n] = RegisterValue($last_set=network_time(), $value=value);

		++n;
		}
	}

event Modbus::changed_register(c: connection, register: count, old_val: count, new_val: count,
                               delta: interval) &priority=-5
	{
	Log::write(Modbus::REGISTER_CHANGE_LOG, MemmapInfo($ts=network_time(), $uid=c$uid, $id=c$id,
	           $register=register, $old_val=old_val, $new_val=new_val, $delta=delta));
	}
