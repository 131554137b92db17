##! Warns when a capture seems to hold only the control packets of TCP.

module FilteredTraceDetection;

export {
	global enable: bool = T &redef;
}

global saw_tcp_with_data = F;
global saw_other = F;
global saw_tcp = F;

event zeek_init()
	{
	if ( ! enable || ! reading_traces() || detect_filtered_trace )
		disable_event_group("FilteredTraceDetection");
	}

# One connection with data settles it.
event connection_state_remove(c: connection) &group="FilteredTraceDetection"
	{
	if ( get_port_transport_proto(c$id$orig_p) != tcp )
		saw_other = T;
	else
		{
		saw_tcp = T;

		if ( /[Dd]/ in c$history )
			saw_tcp_with_data = T;
		}

	if ( saw_other || saw_tcp_with_data )
		disable_event_group("FilteredTraceDetection");
	}

event zeek_done()
	{
	if ( ! enable || ! reading_traces() || detect_filtered_trace )
		return;

	if ( saw_tcp && ! saw_other && ! saw_tcp_with_data )
		Reporter::warning("The trace file seems to hold only TCP control packets: connections have no data, so nothing beyond conn.log can be expected.");
	}
