##! Tells of connections that last long while they are still open.
##!
##!     tapir -C -r tests/captures/long.pcap examples/detections/long-connection.zeek LongConnection::duration=3sec

@load base/frameworks/notice
@load base/protocols/conn/thresholds

module LongConnection;

export {
	redef enum Notice::Type += { Found };

	## How long is long.
	const duration = 10min &redef;
}

event new_connection(c: connection)
	{
	ConnThreshold::set_duration_threshold(c, duration);
	}

event ConnThreshold::duration_threshold_crossed(c: connection, threshold: interval, is_orig: bool)
	{
	NOTICE([$note=Found, $msg=fmt("%s has been connected to %s for %s", c$id$orig_h, c$id$resp_h, duration), $conn=c,
	        $identifier=c$uid]);
	}
