##! Raises an event and a notice when a known malicious string crosses the network.
##!
##!     tapir -C -r tests/captures/marker.pcap examples/detections/malicious-string.zeek

@load base/frameworks/notice
@load-sigs ./malicious-string.sig

module MaliciousString;

export {
	redef enum Notice::Type += {
		## A known malicious string was seen in a TCP connection.
		Found,
	};

	## Raised for each connection in which the string was found.
	global found: event(c: connection, data: string);
}

event signature_match(state: signature_state, msg: string, data: string)
	{
	if ( state$sig_id != "malicious-marker" )
		return;

	event MaliciousString::found(state$conn, data);
	NOTICE([$note=Found, $msg=fmt("%s sent %s", state$conn$id$orig_h, msg), $sub=data, $conn=state$conn]);
	}
