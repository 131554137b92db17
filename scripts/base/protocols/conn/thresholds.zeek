##! Any number of size and duration thresholds on one connection, on top of the
##! single current threshold of each kind that the connection itself watches.

module ConnThreshold;

export {
	type Thresholds: record {
		orig_byte: set[count] &default=set();
		resp_byte: set[count] &default=set();
		orig_packet: set[count] &default=set();
		resp_packet: set[count] &default=set();
		duration: set[interval] &default=set();
	};

	## Numbers of packets of both directions together at which every connection raises
	## *conn_generic_packet_threshold_crossed*.
	const generic_packet_thresholds: set[count] = {} &redef;

	global set_bytes_threshold: function(c: connection, threshold: count, is_orig: bool): bool;
	global set_packets_threshold: function(c: connection, threshold: count, is_orig: bool): bool;
	global set_duration_threshold: function(c: connection, threshold: interval): bool;

	global delete_bytes_threshold: function(c: connection, threshold: count, is_orig: bool): bool;
	global delete_packets_threshold: function(c: connection, threshold: count, is_orig: bool): bool;
	global delete_duration_threshold: function(c: connection, threshold: interval): bool;

	global bytes_threshold_crossed: event(c: connection, threshold: count, is_orig: bool);
	global packets_threshold_crossed: event(c: connection, threshold: count, is_orig: bool);
	global duration_threshold_crossed: event(c: connection, threshold: interval, is_orig: bool);
}

redef record connection += {
	thresholds: ConnThreshold::Thresholds &optional;
};

# The smallest element, or 0, which stands for "no threshold".
function smallest(s: set[count]): count
	{
	local m = 0;

	for ( v in s )
		if ( m == 0 || v < m )
			m = v;

	return m;
	}

function shortest(s: set[interval]): interval
	{
	local m = 0secs;

	for ( v in s )
		if ( m == 0secs || v < m )
			m = v;

	return m;
	}

function state_of(c: connection): Thresholds
	{
	if ( ! c?$thresholds )
		c$thresholds = Thresholds();

	return c$thresholds;
	}

function arm_bytes(c: connection, is_orig: bool): bool
	{
	local t = c$thresholds;
	return set_current_conn_bytes_threshold(c$id, smallest(is_orig ? t$orig_byte : t$resp_byte), is_orig);
	}

function arm_packets(c: connection, is_orig: bool): bool
	{
	local t = c$thresholds;
	return set_current_conn_packets_threshold(c$id, smallest(is_orig ? t$orig_packet : t$resp_packet), is_orig);
	}

function arm_duration(c: connection): bool
	{
	return set_current_conn_duration_threshold(c$id, shortest(c$thresholds$duration));
	}

function set_bytes_threshold(c: connection, threshold: count, is_orig: bool): bool
	{
	local t = state_of(c);

	if ( is_orig )
		add t$orig_byte[threshold];
	else
		add t$resp_byte[threshold];

	return arm_bytes(c, is_orig);
	}

function set_packets_threshold(c: connection, threshold: count, is_orig: bool): bool
	{
	local t = state_of(c);

	if ( is_orig )
		add t$orig_packet[threshold];
	else
		add t$resp_packet[threshold];

	return arm_packets(c, is_orig);
	}

function set_duration_threshold(c: connection, threshold: interval): bool
	{
	local t = state_of(c);
	add t$duration[threshold];
	return arm_duration(c);
	}

function delete_bytes_threshold(c: connection, threshold: count, is_orig: bool): bool
	{
	local t = state_of(c);
	local s = is_orig ? t$orig_byte : t$resp_byte;

	if ( threshold !in s )
		return F;

	delete s[threshold];
	arm_bytes(c, is_orig);
	return T;
	}

function delete_packets_threshold(c: connection, threshold: count, is_orig: bool): bool
	{
	local t = state_of(c);
	local s = is_orig ? t$orig_packet : t$resp_packet;

	if ( threshold !in s )
		return F;

	delete s[threshold];
	arm_packets(c, is_orig);
	return T;
	}

function delete_duration_threshold(c: connection, threshold: interval): bool
	{
	local t = state_of(c);

	if ( threshold !in t$duration )
		return F;

	delete t$duration[threshold];
	arm_duration(c);
	return T;
	}

# Takes everything up to the limit out of the set.
function take_crossed(s: set[count], limit: count): vector of count
	{
	local crossed: vector of count = vector();

	for ( v in s )
		if ( v <= limit )
			crossed += v;

	for ( i, w in crossed )
		delete s[w];

	return crossed;
	}

event conn_bytes_threshold_crossed(c: connection, threshold: count, is_orig: bool) &priority=5
	{
	if ( ! c?$thresholds )
		return;

	local t = c$thresholds;
	local crossed = take_crossed(is_orig ? t$orig_byte : t$resp_byte, threshold);

	for ( i, v in crossed )
		event ConnThreshold::bytes_threshold_crossed(c, v, is_orig);

	arm_bytes(c, is_orig);
	}

event conn_packets_threshold_crossed(c: connection, threshold: count, is_orig: bool) &priority=5
	{
	if ( ! c?$thresholds )
		return;

	local t = c$thresholds;
	local crossed = take_crossed(is_orig ? t$orig_packet : t$resp_packet, threshold);

	for ( i, v in crossed )
		event ConnThreshold::packets_threshold_crossed(c, v, is_orig);

	arm_packets(c, is_orig);
	}

event conn_duration_threshold_crossed(c: connection, threshold: interval, is_orig: bool) &priority=5
	{
	if ( ! c?$thresholds )
		return;

	local crossed: vector of interval = vector();

	for ( v in c$thresholds$duration )
		if ( v <= threshold )
			crossed += v;

	for ( i, w in crossed )
		{
		delete c$thresholds$duration[w];
		event ConnThreshold::duration_threshold_crossed(c, w, is_orig);
		}

	arm_duration(c);
	}
