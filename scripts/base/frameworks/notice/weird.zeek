##! Unusual or exceptional activity that the engine and scripts come across, in weird.log.

@load base/frameworks/notice/main
@load base/utils/conn-ids
@load base/utils/site

module Weird;

export {
	redef enum Log::ID += { LOG };

	redef enum Notice::Type += {
		## Something unusual that a site wants to hear about.
		Activity,
	};

	type Info: record {
		ts: time &log;
		uid: string &log &optional;
		id: conn_id &log &optional;
		conn: connection &optional;
		name: string &log;
		## More about it.
		addl: string &log &optional;
		## Whether a notice was raised.
		notice: bool &log &default=F;
		peer: string &log &default=peer_description;
		## Which analyzer reported it.
		source: string &log &optional;
		## Equal ones are recognized by this and the name.
		identifier: string &optional;
	};

	type Action: enum {
		ACTION_UNSPECIFIED,
		ACTION_IGNORE,
		ACTION_LOG,
		ACTION_LOG_ONCE,
		ACTION_LOG_PER_CONN,
		ACTION_LOG_PER_ORIG,
		ACTION_NOTICE,
		ACTION_NOTICE_ONCE,
		ACTION_NOTICE_PER_CONN,
		ACTION_NOTICE_PER_ORIG,
	};

	## What to do; everything that is not here is logged.
	const actions: table[string] of Action = {
		["unsolicited_SYN_response"] = ACTION_IGNORE,
		["FIN_after_reset"] = ACTION_IGNORE,
		["spontaneous_FIN"] = ACTION_IGNORE,
		["spontaneous_RST"] = ACTION_IGNORE,

		["bad_ICMP_checksum"] = ACTION_LOG_PER_ORIG,
		["bad_TCP_checksum"] = ACTION_LOG_PER_ORIG,
		["bad_UDP_checksum"] = ACTION_LOG_PER_ORIG,
		["bad_IP_checksum"] = ACTION_LOG_PER_ORIG,
		["connection_originator_SYN_ack"] = ACTION_LOG_PER_ORIG,
		["SYN_with_data"] = ACTION_LOG_PER_ORIG,
		["UDP_datagram_length_mismatch"] = ACTION_LOG_PER_ORIG,
		["excessively_small_fragment"] = ACTION_LOG_PER_ORIG,
		["fragment_inconsistency"] = ACTION_LOG_PER_ORIG,
		["fragment_overlap"] = ACTION_LOG_PER_ORIG,
		["fragment_size_inconsistency"] = ACTION_LOG_PER_ORIG,
		["bad_RPC"] = ACTION_LOG_PER_ORIG,
		["excess_RPC"] = ACTION_LOG_PER_ORIG,
		["originator_RPC_reply"] = ACTION_LOG_PER_ORIG,
		["partial_RPC"] = ACTION_LOG_PER_ORIG,
		["responder_RPC_call"] = ACTION_LOG_PER_ORIG,
		["DNS_label_forward_compress_offset"] = ACTION_LOG_PER_ORIG,
		["DNS_label_len_gt_name_len"] = ACTION_LOG_PER_ORIG,
		["DNS_label_len_gt_pkt"] = ACTION_LOG_PER_ORIG,
		["DNS_label_too_long"] = ACTION_LOG_PER_ORIG,
		["SSH_max_packet_length_exceeded"] = ACTION_LOG_PER_ORIG,
		["SSH_max_string_length_exceeded"] = ACTION_LOG_PER_ORIG,

		["simultaneous_open"] = ACTION_LOG_PER_CONN,
		["FTP_max_command_length_exceeded"] = ACTION_LOG_PER_CONN,
		["FTP_too_many_pending_commands"] = ACTION_LOG_PER_CONN,
		["FTP_user_too_long"] = ACTION_LOG_PER_CONN,
		["FTP_reply_msg_too_long"] = ACTION_LOG_PER_CONN,
		["FTP_arg_too_long"] = ACTION_LOG_PER_CONN,
		["FTP_password_too_long"] = ACTION_LOG_PER_CONN,
		["smtp_mail_transaction_invalid"] = ACTION_LOG_PER_CONN,
		["smtp_excessive_invalid_mail_transactions"] = ACTION_LOG_PER_CONN,
		["smb_tree_connect_andx_response_without_tree"] = ACTION_LOG_PER_CONN,

		["FIN_storm"] = ACTION_NOTICE_PER_ORIG,
		["SYN_after_partial"] = ACTION_NOTICE_PER_ORIG,
		["successful_RPC_reply_to_invalid_request"] = ACTION_NOTICE_PER_ORIG,
	} &default=ACTION_LOG &redef;

	## Originators for which a weird does not matter.
	option ignore_hosts: set[addr, string] = {} &redef;

	## Weirds that are logged again and again.
	option weird_do_not_ignore_repeats: set[string] = {
		"bad_IP_checksum",
		"bad_TCP_checksum",
		"bad_UDP_checksum",
		"bad_ICMP_checksum",
	} &redef;

	## Those logged lately, by name and identifier.
	global weird_ignore: set[string, string] &create_expire=10min &redef;

	## Those that had their one log line or notice, by name and what they are counted for.
	global did_log: set[string, string] &create_expire=1day &redef;
	global did_notice: set[string, string] &create_expire=1day &redef;

	global weird: function(w: Weird::Info);
	global log_weird: event(rec: Info);
	global log_policy: Log::PolicyHook;
}

const notice_actions: set[Action] = {
	ACTION_NOTICE,
	ACTION_NOTICE_ONCE,
	ACTION_NOTICE_PER_CONN,
	ACTION_NOTICE_PER_ORIG,
};

event zeek_init() &priority=5
	{
	Log::create_stream(LOG, Log::Stream($columns=Info, $ev=log_weird, $path="weird", $policy=log_policy));
	}

# What an action with a limit is counted for.
function limit_key(w: Weird::Info, action: Action, identifier: string): string
	{
	if ( action == ACTION_LOG_PER_CONN || action == ACTION_NOTICE_PER_CONN )
		return identifier;

	if ( (action == ACTION_LOG_PER_ORIG || action == ACTION_NOTICE_PER_ORIG) && w?$id )
		return fmt("%s", w$id$orig_h);

	return "";
	}

function raise_notice(w: Weird::Info)
	{
	local n = Notice::Info($note=Activity, $msg=w$name);

	if ( w?$conn )
		n$conn = w$conn;
	else
		{
		if ( w?$uid )
			n$uid = w$uid;

		if ( w?$id )
			n$id = w$id;
		}

	if ( w?$addl )
		n$sub = w$addl;

	NOTICE(n);
	w$notice = T;
	}

@if ( Cluster::is_enabled() && Cluster::acts_as_one )

# What is counted for more than one connection is the manager's affair.
event Weird::seen_elsewhere(w: Weird::Info)
	{
	weird(w);
	}

# Gives whether the manager does the rest.
function told_manager(w: Weird::Info, action: Action, identifier: string): bool
	{
	if ( Cluster::local_node_type() == Cluster::MANAGER )
		return F;

	local of_conn = action == ACTION_LOG_PER_CONN || action == ACTION_NOTICE_PER_CONN;
	local limited = action != ACTION_LOG && action != ACTION_NOTICE && action != ACTION_UNSPECIFIED;

	if ( identifier != "" && (of_conn || ! limited) )
		return F;

	# What is remembered here of what was said would be forgotten at other moments than
	# what the manager remembers.
	delete w$conn;
	Cluster::publish(Cluster::manager_topic, Weird::seen_elsewhere, w);
	return T;
	}

@endif

function weird(w: Weird::Info)
	{
	local action = actions[w$name];
	local identifier = w?$identifier ? w$identifier : "";

	if ( action == ACTION_IGNORE || [w$name, identifier] in weird_ignore )
		return;

	if ( w?$conn )
		{
		w$uid = w$conn$uid;
		w$id = w$conn$id;
		}

	if ( w?$id && |ignore_hosts| > 0 && [w$id$orig_h, w$name] in ignore_hosts )
		return;

@if ( Cluster::is_enabled() && Cluster::acts_as_one )
	if ( told_manager(w, action, identifier) )
		return;
@endif

	local loud = action in notice_actions;

	if ( action != ACTION_LOG && action != ACTION_NOTICE && action != ACTION_UNSPECIFIED )
		{
		local key = limit_key(w, action, identifier);

		if ( loud )
			{
			if ( [w$name, key] in did_notice )
				return;

			add did_notice[w$name, key];
			}
		else
			{
			if ( [w$name, key] in did_log )
				return;

			add did_log[w$name, key];
			}
		}

	if ( loud )
		raise_notice(w);

	if ( w$name !in weird_do_not_ignore_repeats )
		add weird_ignore[w$name, identifier];

	Log::write(LOG, w);
	}

event conn_weird(name: string, c: connection, addl: string, source: string)
	{
	local w = Weird::Info($ts=network_time(), $name=name, $conn=c, $identifier=id_string(c$id));

	if ( addl != "" )
		w$addl = addl;

	if ( source != "" )
		w$source = source;

	weird(w);
	}

event expired_conn_weird(name: string, id: conn_id, uid: string, addl: string, source: string)
	{
	local w = Weird::Info($ts=network_time(), $name=name, $uid=uid, $id=id, $identifier=id_string(id));

	if ( addl != "" )
		w$addl = addl;

	if ( source != "" )
		w$source = source;

	weird(w);
	}

event flow_weird(name: string, src: addr, dst: addr, addl: string, source: string)
	{
	local id = conn_id($orig_h=src, $orig_p=0/unknown, $resp_h=dst, $resp_p=0/unknown);
	local w = Weird::Info($ts=network_time(), $name=name, $id=id, $identifier=fmt("%s -> %s", src, dst));

	if ( addl != "" )
		w$addl = addl;

	if ( source != "" )
		w$source = source;

	weird(w);
	}

event net_weird(name: string, addl: string, source: string)
	{
	local w = Weird::Info($ts=network_time(), $name=name);

	if ( addl != "" )
		w$addl = addl;

	if ( source != "" )
		w$source = source;

	weird(w);
	}

event file_weird(name: string, f: fa_file, addl: string, source: string)
	{
	local w = Weird::Info($ts=network_time(), $name=name, $addl=f$id);

	if ( addl != "" )
		w$addl = fmt("%s: %s", f$id, addl);

	if ( source != "" )
		w$source = source;

	weird(w);
	}
