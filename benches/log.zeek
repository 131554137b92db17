# Writes conn.log lines from a script as quickly as it can: the time of a run is the price of Log::write.

@load base/protocols/conn

const lines = 1000000 &redef;

event zeek_init()
	{
	local id = conn_id($orig_h=10.20.30.40, $orig_p=49152/tcp, $resp_h=[2001:db8::1], $resp_p=443/tcp, $proto=6);
	local rec = Conn::Info($ts=double_to_time(1700000000.123456), $uid="CHhAvVGS1DHFjwGM9", $id=id, $proto=tcp, $service="ssl",
	                       $duration=1.234567sec, $orig_bytes=1234, $resp_bytes=56789, $conn_state="SF", $local_orig=T,
	                       $local_resp=F, $missed_bytes=0, $history="ShADadFf", $orig_pkts=12, $orig_ip_bytes=1858,
	                       $resp_pkts=48, $resp_ip_bytes=59285, $ip_proto=6);
	local i = 0;

	while ( ++i <= lines )
		Log::write(Conn::LOG, rec);
	}
