##! What becomes of matches of signatures: log lines, notices and counts, in signatures.log.

@load base/frameworks/notice

module Signatures;

export {
	redef enum Log::ID += { LOG };

	redef enum Notice::Type += {
		## A signature that is worth an alarm.
		Sensitive_Signature,
		## One host triggered several signatures.
		Multiple_Signatures,
		## One signature hit several hosts.
		Multiple_Sig_Responders,
		## A signature reached a count on a host.
		Count_Signature,
		## A summary of what a host triggered.
		Signature_Summary,
	};

	type Action: enum {
		SIG_IGNORE,
		## Count for scans, but log nothing.
		SIG_QUIET,
		SIG_LOG,
		## Log, but do not count for scans.
		SIG_FILE_BUT_NO_SCAN,
		SIG_ALARM,
		SIG_ALARM_PER_ORIG,
		SIG_ALARM_ONCE,
		## Alarm when counts per responder reach thresholds.
		SIG_COUNT_PER_RESP,
		## A summary per originator after some time.
		SIG_SUMMARY,
	};

	type Info: record {
		ts: time &log;
		uid: string &log &optional;
		src_addr: addr &log &optional;
		src_port: port &log &optional;
		dst_addr: addr &log &optional;
		dst_port: port &log &optional;
		note: Notice::Type &log;
		sig_id: string &log &optional;
		event_msg: string &log &optional;
		## The data that matched, or more about the counts.
		sub_msg: string &log &optional;
		sig_count: count &log &optional;
		host_count: count &log &optional;
	};

	global actions: table[string] of Action = {
		["unspecified"] = SIG_IGNORE,
	} &default=SIG_ALARM &redef;

	## Signatures of which nothing is made here: others handle their matches.
	option ignored_ids: pattern = /NO_DEFAULT_MATCHES/ &redef;

	## Numbers of hosts and of signatures that raise notices.
	const horiz_scan_thresholds: set[count] = { 5, 10, 50, 100, 500, 1000 } &redef;
	const vert_scan_thresholds: set[count] = { 5, 10, 50, 100, 500, 1000 } &redef;
	const count_thresholds: set[count] = { 5, 10, 50, 100, 500, 1000, 10000, 1000000 } &redef;

	option summary_interval: interval = 1day &redef;

	global log_signature: event(rec: Info);
	global log_policy: Log::PolicyHook;
}

# Responders of an originator and a signature, and signatures of an originator and a responder.
global horiz_table: table[addr, string] of set[addr] = {} &read_expire=1hr;
global vert_table: table[addr, addr] of set[string] = {} &read_expire=1hr;
global last_hthresh: table[addr, string] of count = {} &default=0 &read_expire=1hr;
global last_vthresh: table[addr, addr] of count = {} &default=0 &read_expire=1hr;
global count_per_resp: table[addr, string] of count = {} &default=0 &read_expire=1hr;
global count_per_orig: table[addr, string] of count = {} &default=0 &read_expire=1hr;
global did_sig_log: set[string] = {} &read_expire=1hr;

event zeek_init() &priority=5
	{
	Log::create_stream(Signatures::LOG, Log::Stream($columns=Info, $path="signatures", $ev=log_signature, $policy=log_policy));
	}

# Whether a signature has had its one alarm; from now on it has.
function has_signature_matched(id: string, orig: addr, resp: addr): bool
	{
	local key = fmt("%s %s %s", id, orig, resp);

	if ( key in did_sig_log )
		return T;

	add did_sig_log[key];
	return F;
	}

event sig_summary(orig: addr, id: string, msg: string)
	{
	NOTICE(Notice::Info($note=Signature_Summary, $src=orig, $msg=fmt("%s: %s", orig, msg),
	                    $n=count_per_orig[orig, id]));
	}

event signature_match(state: signature_state, msg: string, data: string)
	{
	local sig_id = state$sig_id;
	local action = actions[sig_id];

	if ( action == SIG_IGNORE || ignored_ids in sig_id )
		return;

	local id = state$conn$id;
	local src_addr = state$is_orig ? id$orig_h : id$resp_h;
	local src_port = state$is_orig ? id$orig_p : id$resp_p;
	local dst_addr = state$is_orig ? id$resp_h : id$orig_h;
	local dst_port = state$is_orig ? id$resp_p : id$orig_p;

	# Long data does not help anybody.
	local excerpt = |data| > 140 ? fmt("%s...", data[0:140]) : data;
	local event_msg = fmt("%s: %s", src_addr, msg);

	if ( action != SIG_QUIET && action != SIG_COUNT_PER_RESP )
		Log::write(Signatures::LOG, Info($ts=network_time(), $note=Sensitive_Signature, $uid=state$conn$uid,
		                                 $src_addr=src_addr, $src_port=src_port, $dst_addr=dst_addr, $dst_port=dst_port,
		                                 $event_msg=event_msg, $sig_id=sig_id, $sub_msg=excerpt));

	local alarm = F;

	if ( action == SIG_COUNT_PER_RESP )
		{
		local n = ++count_per_resp[dst_addr, sig_id];

		if ( n in count_thresholds )
			NOTICE(Notice::Info($note=Count_Signature, $conn=state$conn, $msg=msg, $n=n,
			                    $sub=fmt("%d matches of signature %s on host %s", n, sig_id, dst_addr)));
		}
	else if ( action == SIG_ALARM || action == SIG_LOG || action == SIG_ALARM_PER_ORIG || action == SIG_ALARM_ONCE )
		{
		if ( action == SIG_ALARM )
			alarm = T;
		else if ( action == SIG_ALARM_PER_ORIG )
			alarm = ! has_signature_matched(sig_id, state$conn$id$orig_h, 0.0.0.0);
		else if ( action == SIG_ALARM_ONCE )
			alarm = ! has_signature_matched(sig_id, 0.0.0.0, 0.0.0.0);
		}
	else if ( action == SIG_SUMMARY )
		{
		# The first match of an originator starts the clock.
		if ( ++count_per_orig[id$orig_h, sig_id] == 1 )
			schedule summary_interval { sig_summary(id$orig_h, sig_id, msg) };
		}

	if ( alarm )
		NOTICE(Notice::Info($note=Sensitive_Signature, $conn=state$conn, $src=src_addr, $dst=dst_addr,
		                    $msg=fmt("%s: %s", src_addr, msg), $sub=excerpt));

	if ( action == SIG_FILE_BUT_NO_SCAN || action == SIG_SUMMARY )
		return;

	local orig = id$orig_h;
	local resp = id$resp_h;

	if ( [orig, sig_id] !in horiz_table )
		horiz_table[orig, sig_id] = set();

	add horiz_table[orig, sig_id][resp];

	if ( [orig, resp] !in vert_table )
		vert_table[orig, resp] = set();

	add vert_table[orig, resp][sig_id];

	local hcount = |horiz_table[orig, sig_id]|;
	local vcount = |vert_table[orig, resp]|;

	if ( hcount in horiz_scan_thresholds && hcount != last_hthresh[orig, sig_id] )
		{
		local horz_msg = fmt("%s has triggered signature %s on %d hosts", orig, sig_id, hcount);

		Log::write(Signatures::LOG, Info($ts=network_time(), $note=Multiple_Sig_Responders, $src_addr=orig, $sig_id=sig_id,
		                                 $event_msg=msg, $host_count=hcount, $sub_msg=horz_msg));

		NOTICE(Notice::Info($note=Multiple_Sig_Responders, $src=orig, $msg=msg, $n=hcount, $sub=horz_msg));
		last_hthresh[orig, sig_id] = hcount;
		}

	if ( vcount in vert_scan_thresholds && vcount != last_vthresh[orig, resp] )
		{
		local vert_msg = fmt("%s has triggered %d different signatures on host %s", orig, vcount, resp);

		Log::write(Signatures::LOG, Info($ts=network_time(), $note=Multiple_Signatures, $src_addr=orig, $dst_addr=resp,
		                                 $sig_id=sig_id, $sig_count=vcount,
		                                 $event_msg=fmt("%s different signatures triggered", vcount), $sub_msg=vert_msg));

		NOTICE(Notice::Info($note=Multiple_Signatures, $src=orig, $dst=resp, $msg=fmt("%s different signatures triggered", vcount),
		                    $n=vcount, $sub=vert_msg));
		last_vthresh[orig, resp] = vcount;
		}
	}
