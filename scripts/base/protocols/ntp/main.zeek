##! Writes ntp.log, and the logs of control and private messages.

@load ./consts

module NTP;

export {
	redef enum Log::ID += { LOG, CONTROL_LOG, PRIVATE_LOG };

	global log_policy: Log::PolicyHook;
	global log_policy_control: Log::PolicyHook;
	global log_policy_private: Log::PolicyHook;

	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		version: count &log;
		mode: count &log;
		stratum: count &log;
		poll: interval &log;
		precision: interval &log;
		root_delay: interval &log;
		root_disp: interval &log;
		ref_id: string &log;
		ref_time: time &log;
		org_time: time &log;
		rec_time: time &log;
		xmt_time: time &log;
		num_exts: count &log &default=0;
	};

	type ControlInfo: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		version: count &log;
		mode: count &log;
		op_code: count &log;
		sequence: count &log;
		status: count &log;
		association_id: count &log;
		resp_bit: bool &log;
		err_bit: bool &log;
		more_bit: bool &log;
		data: string &log &optional;
		key_id: count &log &optional;
		crypto_checksum: string &log &optional;
	};

	type PrivateInfo: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		version: count &log;
		mode: count &log;
		req_code: count &log;
		sequence: count &log;
		implementation: count &log;
		auth_bit: bool &log;
		err: count &log;
		data: string &log &optional;
	};

	const ports: set[port] = { 123/udp } &redef;

	## Raised for each record that is written to the logs.
	global log_ntp: event(rec: Info);
	global log_ntp_control: event(rec: ControlInfo);
	global log_ntp_private: event(rec: PrivateInfo);
}

redef record connection += {
	ntp: NTP::Info &optional;
	ntp_control: NTP::ControlInfo &optional;
	ntp_private: NTP::PrivateInfo &optional;
};

redef likely_server_ports += { ports };

event zeek_init() &priority=5
	{
	Analyzer::register_for_ports(Analyzer::ANALYZER_NTP, ports);
	Log::create_stream(NTP::LOG, Log::Stream($columns=Info, $ev=log_ntp, $path="ntp", $policy=log_policy));
	Log::create_stream(NTP::CONTROL_LOG, Log::Stream($columns=ControlInfo, $ev=log_ntp_control,
	                   $path="ntp_control", $policy=log_policy_control));
	Log::create_stream(NTP::PRIVATE_LOG, Log::Stream($columns=PrivateInfo, $ev=log_ntp_private,
	                   $path="ntp_private", $policy=log_policy_private));
	}

event ntp_message(c: connection, is_orig: bool, msg: NTP::Message) &priority=5
	{
	if ( msg?$std_msg )
		{
		local s = msg$std_msg;
		local id = "";

		# What the field means hangs on the stratum.
		if ( s?$kiss_code )
			id = s$kiss_code;
		else if ( s?$ref_id )
			id = s$ref_id;
		else if ( s?$ref_addr )
			id = cat(s$ref_addr);

		c$ntp = Info($ts=network_time(), $uid=c$uid, $id=c$id, $version=msg$version, $mode=msg$mode,
		             $stratum=s$stratum, $poll=s$poll, $precision=s$precision, $root_delay=s$root_delay,
		             $root_disp=s$root_disp, $ref_id=id, $ref_time=s$ref_time, $org_time=s$org_time,
		             $rec_time=s$rec_time, $xmt_time=s$xmt_time, $num_exts=s$num_exts);
		}

	if ( msg?$control_msg )
		{
		local m = msg$control_msg;
		local ctl = ControlInfo($ts=network_time(), $uid=c$uid, $id=c$id, $version=msg$version,
		                        $mode=msg$mode, $op_code=m$op_code, $sequence=m$sequence,
		                        $status=m$status, $association_id=m$association_id,
		                        $resp_bit=m$resp_bit, $err_bit=m$err_bit, $more_bit=m$more_bit);

		if ( m?$data )
			ctl$data = m$data;

		if ( m?$key_id )
			ctl$key_id = m$key_id;

		if ( m?$crypto_checksum )
			ctl$crypto_checksum = m$crypto_checksum;

		c$ntp_control = ctl;
		}

	if ( msg?$mode7_msg )
		{
		local p = msg$mode7_msg;
		local priv = PrivateInfo($ts=network_time(), $uid=c$uid, $id=c$id, $version=msg$version,
		                         $mode=msg$mode, $req_code=p$req_code, $sequence=p$sequence,
		                         $implementation=p$implementation, $auth_bit=p$auth_bit, $err=p$err);

		if ( p?$data )
			priv$data = p$data;

		c$ntp_private = priv;
		}
	}

event ntp_message(c: connection, is_orig: bool, msg: NTP::Message) &priority=-5
	{
	if ( msg?$std_msg && c?$ntp )
		Log::write(NTP::LOG, c$ntp);

	if ( msg?$control_msg && c?$ntp_control )
		Log::write(NTP::CONTROL_LOG, c$ntp_control);

	if ( msg?$mode7_msg && c?$ntp_private )
		Log::write(NTP::PRIVATE_LOG, c$ntp_private);
	}
