##! Warns when a capture seems to hold only the control packets of TCP.

module FilteredTraceDetection;

export {
	global enable: bool = T &redef;
}

event zeek_done()
	{
	if ( ! enable || ! reading_traces() || detect_filtered_trace )
		return;

	if ( __saw_only_control() )
		Reporter::warning("The trace file seems to hold only TCP control packets: connections have no data, so nothing beyond conn.log can be expected.");
	}
