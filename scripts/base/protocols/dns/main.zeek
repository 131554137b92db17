##! Pairs DNS queries with their replies and writes dns.log.

@load base/utils/queue
@load base/protocols/conn/removal-hooks
@load ./consts

module DNS;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;
	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		proto: transport_proto &log;
		trans_id: count &log &optional;
		rtt: interval &log &optional;
		query: string &log &optional;
		qclass: count &log &optional;
		qclass_name: string &log &optional;
		qtype: count &log &optional;
		qtype_name: string &log &optional;
		rcode: count &log &optional;
		rcode_name: string &log &optional;
		AA: bool &log &default=F;
		TC: bool &log &default=F;
		RD: bool &log &default=F;
		RA: bool &log &default=F;
		Z: count &log &default=0;
		answers: vector of string &log &optional;
		TTLs: vector of interval &log &optional;
		rejected: bool &log &default=F;
		opcode: count &log &optional;
		opcode_name: string &log &optional;
		total_answers: count &optional;
		total_replies: count &optional;
		saw_query: bool &default=F;
		saw_reply: bool &default=F;
	};

	## Raised for each record that is written to dns.log.
	global log_dns: event(rec: Info);

	## Sees every resource record of a reply. *reply* is its short text for
	## the log; empty if there is nothing to log.
	global do_reply: hook(c: connection, msg: dns_msg, ans: dns_answer, reply: string);

	## Decides to which transaction a message belongs and makes it current.
	global set_session: hook(c: connection, msg: dns_msg, is_query: bool);

	type State: record {
		pending_query: Info &optional;
		pending_queries: table[count] of Queue::Queue &optional;
		pending_replies: table[count] of Queue::Queue &optional;
	};

	## Names asked for in these networks are questions to everyone.
	option multicast_subnets: set[subnet] = { 224.0.0.0/4, [ff00::]/8 };

	## How many messages of one transaction id wait for a partner.
	option max_pending_msgs = 50;

	## How many transaction ids of one connection wait for a partner.
	option max_pending_query_ids = 50;

	const ports: set[port] = { 137/udp, 53/tcp, 53/udp, 5353/udp, 5355/udp } &redef;
	global finalize_dns: Conn::RemovalHook;
}

redef record connection += {
	dns: DNS::Info &optional;
	dns_state: DNS::State &optional;
};

redef likely_server_ports += { ports };

event zeek_init() &priority=5
	{
	Log::create_stream(DNS::LOG, Log::Stream($columns=Info, $ev=log_dns, $path="dns", $policy=log_policy));
	Analyzer::register_for_ports(Analyzer::ANALYZER_DNS, ports);
	}

function fresh(c: connection, trans_id: count): Info
	{
	return Info($ts=network_time(), $uid=c$uid, $id=c$id,
	            $proto=get_port_transport_proto(c$id$resp_p), $trans_id=trans_id);
	}

function flush_queue(q: Queue::Queue)
	{
	local waiting: vector of Info;
	Queue::get_vector(q, waiting);

	for ( i, rec in waiting )
		Log::write(DNS::LOG, rec);

	}

function flush_queues(t: table[count] of Queue::Queue)
	{
	for ( id, q in t )
		flush_queue(q);

	clear_table(t);
	}

function enqueue(t: table[count] of Queue::Queue, id: count, rec: Info)
	{
	if ( id !in t )
		t[id] = Queue::init();
	else if ( Queue::len(t[id]) >= max_pending_msgs )
		{
		event flow_weird("dns_unmatched_msg_quantity", rec$id$orig_h, rec$id$resp_h, "", "");
		flush_queue(t[id]);
		t[id] = Queue::init();
		}

	Queue::put(t[id], rec);
	}

# The oldest record that waits under the id.
function dequeue(t: table[count] of Queue::Queue, id: count): Info
	{
	return Queue::get(t[id]) as Info;
	}

function waits(t: table[count] of Queue::Queue, id: count): bool
	{
	return id in t && Queue::len(t[id]) > 0;
	}

# The transaction that a query begins, or goes with.
function for_query(c: connection, id: count): Info
	{
	local st = c$dns_state;

	if ( waits(st$pending_replies, id) )
		return dequeue(st$pending_replies, id);

	local rec = fresh(c, id);

	# The usual case, one query at a time, needs no queue.
	if ( ! st?$pending_query )
		{
		st$pending_query = rec;
		return rec;
		}

	if ( id !in st$pending_queries && |st$pending_queries| >= max_pending_query_ids )
		{
		event conn_weird("dns_unmatched_query_id_quantity", c, "", "");
		flush_queues(st$pending_queries);
		}

	enqueue(st$pending_queries, id, rec);
	return rec;
	}

# The transaction that a reply goes with.
function for_reply(c: connection, id: count): Info
	{
	local st = c$dns_state;
	local rec: Info;

	if ( st?$pending_query && st$pending_query$trans_id == id )
		{
		rec = st$pending_query;
		delete st$pending_query;

		if ( waits(st$pending_queries, id) )
			st$pending_query = dequeue(st$pending_queries, id);

		return rec;
		}

	if ( waits(st$pending_queries, id) )
		return dequeue(st$pending_queries, id);

	rec = fresh(c, id);

	if ( id !in st$pending_replies && |st$pending_replies| >= max_pending_query_ids )
		{
		event conn_weird("dns_unmatched_reply_id_quantity", c, "", "");
		flush_queues(st$pending_replies);
		}

	enqueue(st$pending_replies, id, rec);
	return rec;
	}

hook set_session(c: connection, msg: dns_msg, is_query: bool) &priority=5
	{
	if ( ! c?$dns_state )
		{
		c$dns_state = State($pending_queries=table(), $pending_replies=table());
		Conn::register_removal_hook(c, finalize_dns);
		}

	local rec: Info;

	if ( c$id$resp_h in multicast_subnets )
		{
		# Everybody asks and answers here under the same id.
		rec = fresh(c, msg$id);
		enqueue(is_query ? c$dns_state$pending_queries : c$dns_state$pending_replies, msg$id, rec);
		}
	else
		rec = is_query ? for_query(c, msg$id) : for_reply(c, msg$id);

	c$dns = rec;

	if ( ! is_query )
		{
		rec$rcode = msg$rcode;
		rec$rcode_name = base_errors[msg$rcode];

		if ( ! rec?$total_answers )
			rec$total_answers = msg$num_answers;

		if ( ! rec?$total_replies )
			rec$total_replies = msg$num_answers + msg$num_addl + msg$num_auth;
		}

	rec$opcode = msg$opcode;
	rec$opcode_name = msg$is_netbios ? netbios_opcodes[msg$opcode] : opcodes[msg$opcode];
	}

event dns_message(c: connection, is_orig: bool, msg: dns_msg, len: count) &priority=5
	{
	hook set_session(c, msg, ! msg$QR);
	}

hook do_reply(c: connection, msg: dns_msg, ans: dns_answer, reply: string) &priority=5
	{
	if ( ! msg$QR || ! c?$dns )
		return;

	local rec = c$dns;
	rec$AA = msg$AA;
	rec$RA = msg$RA;

	if ( ! rec?$rtt )
		{
		local rtt = network_time() - rec$ts;

		# No time passed if only the reply was seen.
		if ( rtt > 0secs )
			rec$rtt = rtt;
		}

	if ( reply == "" )
		return;

	local text = reply;

	if ( ans$answer_type == DNS_UPDATE )
		{
		# Records of an update are added, unless they stand for a deletion.
		if ( ans$qclass != ANY && ans$qclass != NONE )
			text = fmt("add: %s %s %s", query_types[ans$qtype], ans$query, reply);
		}
	else if ( ans$answer_type != DNS_ANS && ans$answer_type != DNS_PREREQUISITE )
		return;

	if ( ! rec?$query )
		rec$query = ans$query;

	if ( ! rec?$answers )
		{
		rec$answers = vector();
		rec$TTLs = vector();
		}

	rec$answers += text;
	rec$TTLs += ans$TTL;
	}

event dns_end(c: connection, msg: dns_msg) &priority=5
	{
	if ( ! c?$dns )
		return;

	if ( msg$QR )
		c$dns$saw_reply = T;
	else
		c$dns$saw_query = T;
	}

event dns_end(c: connection, msg: dns_msg) &priority=-5
	{
	if ( c?$dns && c$dns$saw_reply && c$dns$saw_query )
		{
		Log::write(DNS::LOG, c$dns);
		delete c$dns;
		}
	}

event dns_request(c: connection, msg: dns_msg, query: string, qtype: count, qclass: count,
                  original_query: string) &priority=5
	{
	if ( ! c?$dns )
		return;

	local rec = c$dns;
	rec$RD = msg$RD;
	rec$TC = msg$TC;
	rec$Z = msg$Z;
	rec$qclass = qclass;
	rec$qclass_name = classes[qclass];
	rec$qtype = qtype;
	rec$qtype_name = query_types[qtype];

	if ( msg$is_netbios )
		{
		# The number of SRV asks for the status of a node there (RFC 1002, section 4.2.17).
		if ( qtype == 33 )
			rec$qtype_name = "NBSTAT";

		local name = decode_netbios_name(query);

		if ( name != "" )
			query = name;

		}

	rec$query = query;
	}

event dns_unknown_reply(c: connection, msg: dns_msg, ans: dns_answer) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, fmt("<unknown type=%s>", ans$qtype));
	}

event dns_A_reply(c: connection, msg: dns_msg, ans: dns_answer, a: addr) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, cat(a));
	}

event dns_AAAA_reply(c: connection, msg: dns_msg, ans: dns_answer, a: addr) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, cat(a));
	}

event dns_A6_reply(c: connection, msg: dns_msg, ans: dns_answer, a: addr) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, cat(a));
	}

function txt_strings(tag: string, strs: string_vec): string
	{
	local text = "";

	for ( i, s in strs )
		{
		if ( text != "" )
			text += " ";

		text += fmt("%s %d %s", tag, |s|, s);
		}

	return text;
	}

event dns_TXT_reply(c: connection, msg: dns_msg, ans: dns_answer, strs: string_vec) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, txt_strings("TXT", strs));
	}

event dns_SPF_reply(c: connection, msg: dns_msg, ans: dns_answer, strs: string_vec) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, txt_strings("SPF", strs));
	}

event dns_NS_reply(c: connection, msg: dns_msg, ans: dns_answer, name: string) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, name);
	}

event dns_CNAME_reply(c: connection, msg: dns_msg, ans: dns_answer, name: string) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, name);
	}

event dns_PTR_reply(c: connection, msg: dns_msg, ans: dns_answer, name: string) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, name);
	}

event dns_MX_reply(c: connection, msg: dns_msg, ans: dns_answer, name: string, preference: count) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, name);
	}

event dns_SOA_reply(c: connection, msg: dns_msg, ans: dns_answer, soa: dns_soa) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, soa$mname);
	}

event dns_WKS_reply(c: connection, msg: dns_msg, ans: dns_answer) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, "");
	}

event dns_SRV_reply(c: connection, msg: dns_msg, ans: dns_answer, target: string, priority: count,
                    weight: count, p: count) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, target);
	}

event dns_NAPTR_reply(c: connection, msg: dns_msg, ans: dns_answer, naptr: dns_naptr_rr) &priority=5
	{
	local text = fmt("NAPTR %d %d %s %s", naptr$order, naptr$preference, naptr$flags, naptr$service);

	if ( naptr$regexp != "" )
		text += " " + naptr$regexp;

	hook DNS::do_reply(c, msg, ans, text + " " + naptr$replacement);
	}

event dns_RRSIG(c: connection, msg: dns_msg, ans: dns_answer, rrsig: dns_rrsig_rr) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, fmt("RRSIG %s %s", rrsig$type_covered,
	                                    rrsig$signer_name == "" ? "<Root>" : rrsig$signer_name));
	}

event dns_DNSKEY(c: connection, msg: dns_msg, ans: dns_answer, dnskey: dns_dnskey_rr) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, fmt("DNSKEY %s", dnskey$algorithm));
	}

event dns_NSEC(c: connection, msg: dns_msg, ans: dns_answer, next_name: string, bitmaps: string_vec) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, fmt("NSEC %s %s", ans$query, next_name));
	}

event dns_NSEC3(c: connection, msg: dns_msg, ans: dns_answer, nsec3: dns_nsec3_rr) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, "NSEC3");
	}

event dns_NSEC3PARAM(c: connection, msg: dns_msg, ans: dns_answer, nsec3param: dns_nsec3param_rr) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, "NSEC3PARAM");
	}

event dns_DS(c: connection, msg: dns_msg, ans: dns_answer, ds: dns_ds_rr) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, fmt("DS %s %s", ds$algorithm, ds$digest_type));
	}

event dns_BINDS(c: connection, msg: dns_msg, ans: dns_answer, binds: dns_binds_rr) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, "BIND9 signing signal");
	}

event dns_SSHFP(c: connection, msg: dns_msg, ans: dns_answer, algo: count, fptype: count,
                fingerprint: string) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, fmt("SSHFP: %s", bytestring_to_hexstr(fingerprint)));
	}

event dns_LOC(c: connection, msg: dns_msg, ans: dns_answer, loc: dns_loc_rr) &priority=5
	{
	hook DNS::do_reply(c, msg, ans, fmt("LOC:  %d %d %d", loc$size, loc$horiz_pre, loc$vert_pre));
	}

# Service bindings are told, but their parameters have no form that would fit a list of answers.
event dns_SVCB(c: connection, msg: dns_msg, ans: dns_answer, svcb: dns_svcb_rr) &priority=5
	{
	}

event dns_HTTPS(c: connection, msg: dns_msg, ans: dns_answer, https: dns_svcb_rr) &priority=5
	{
	}

event dns_rejected(c: connection, msg: dns_msg, query: string, qtype: count, qclass: count,
                   original_query: string) &priority=5
	{
	if ( c?$dns )
		c$dns$rejected = T;
	}

event dns_dynamic_update_pre(c: connection, msg: dns_msg, ans: dns_answer) &priority=5
	{
	# What must hold before the update is made.
	local text: string;

	if ( ans$qclass == NONE )
		text = ans$qtype == ANY ? fmt("NameNotInUse %s", ans$query) :
			fmt("NoRRSet %s %s", query_types[ans$qtype], ans$query);
	else
		text = ans$qtype == ANY ? fmt("NameInUse %s", ans$query) :
			fmt("RRSet %s %s", query_types[ans$qtype], ans$query);

	hook DNS::do_reply(c, msg, ans, "pre: " + text);
	}

event dns_dynamic_update_del(c: connection, msg: dns_msg, ans: dns_answer) &priority=5
	{
	local text: string;

	if ( ans$qclass == ANY )
		text = ans$qtype == ANY ? fmt("Name %s", ans$query) : fmt("RRSet %s", query_types[ans$qtype]);
	else
		text = fmt("RR %s", query_types[ans$qtype]);

	hook DNS::do_reply(c, msg, ans, "del: " + text);
	}

hook finalize_dns(c: connection)
	{
	if ( ! c?$dns_state )
		return;

	local st = c$dns_state;

	# A message that is neither paired nor queued any more has been written.
	if ( st?$pending_query )
		Log::write(DNS::LOG, st$pending_query);

	flush_queues(st$pending_queries);
	flush_queues(st$pending_replies);
	}
