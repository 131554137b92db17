##! Notices: what scripts found worth telling, and what a site wants done with it.

@load base/frameworks/cluster
@load base/utils/site

module Notice;

export {
	redef enum Log::ID += {
		## All notices that are logged.
		LOG,
		## Those that are alarms.
		ALARM_LOG,
	};

	## Kinds of notices. Scripts add their own.
	type Type: enum {
		## A number of occurrences of something.
		Tally,
	};

	## What can be done with a notice.
	type Action: enum {
		ACTION_NONE,
		ACTION_LOG,
		ACTION_EMAIL,
		## Also put it into the alarm log, which is mailed at intervals.
		ACTION_ALARM,
		## Drop the address, see the netcontrol framework.
		ACTION_DROP,
	};

	type ActionSet: set[Notice::Action];

	## How long equal notices are suppressed unless something else is said.
	option default_suppression_interval: interval = 1hr &redef;

	type Info: record {
		ts: time &log &optional;
		uid: string &log &optional;
		id: conn_id &log &optional;
		conn: connection &optional;
		f: fa_file &optional;
		fuid: string &log &optional;
		file_mime_type: string &log &optional;
		file_desc: string &log &optional;
		proto: transport_proto &log &optional;
		note: Type &log;
		msg: string &log &optional;
		sub: string &log &optional;
		src: addr &log &optional;
		dst: addr &log &optional;
		p: port &log &optional;
		n: count &log &optional;
		peer_name: string &optional;
		peer_descr: string &log &optional;
		actions: ActionSet &log &default=ActionSet();
		email_dest: set[string] &log &default=set();
		## More text for the mail.
		email_body_sections: vector of string &optional;
		## Mail waits until this is empty.
		email_delay_tokens: set[string] &optional;
		## Equal notices are recognized by this.
		identifier: string &optional;
		## For how long equal notices are suppressed; 0 for not at all.
		suppress_for: interval &log &default=default_suppression_interval;
	};

	## What there is to say about a file, without holding on to it.
	type FileInfo: record {
		fuid: string;
		desc: string;
		mime: string &optional;
		cid: conn_id &optional;
		cuid: string &optional;
	};

	option ignored_types: set[Notice::Type] = {} &redef;
	option emailed_types: set[Notice::Type] = {} &redef;
	option alarmed_types: set[Notice::Type] = {} &redef;
	option not_suppressed_types: set[Notice::Type] = {} &redef;

	const type_suppression_intervals: table[Notice::Type] of interval = {} &redef;
	## The program that sends mail.
	option sendmail: string = "/usr/sbin/sendmail" &redef;

	## Who gets mail; empty for nobody.
	const mail_dest: string = "" &redef;
	option mail_from: string = "Zeek <zeek@localhost>" &redef;
	option reply_to: string = "" &redef;
	option mail_subject_prefix: string = "[Zeek]" &redef;
	const max_email_delay: interval = 15sec &redef;

	## Suppressions on their way to the manager wait so long, or until there are so many.
	option suppression_batch_period: interval = 10msec &redef;
	option suppression_batch_max_size: count = 50 &redef;

	global log_policy: Log::PolicyHook;
	global log_policy_alarm: Log::PolicyHook;

	## Decides what is done with a notice.
	global policy: hook(n: Notice::Info);

	## Does it.
	global notice: hook(n: Notice::Info);

	global log_notice: event(rec: Info);
	global begin_suppression: event(ts: time, suppress_for: interval, note: Type, identifier: string);
	global suppressed: event(n: Notice::Info);

	global is_being_suppressed: function(n: Notice::Info): bool;
	global apply_policy: function(n: Notice::Info);
	global email_notice_to: function(n: Info, dest: string, extend: bool);
	global email_headers: function(subject_desc: string, dest: string): string;
	global log_mailing_postprocessor: function(info: Log::RotationInfo): bool;
	global create_file_info: function(f: fa_file): Notice::FileInfo;
	global populate_file_info: function(f: fa_file, n: Notice::Info);
	global populate_file_info2: function(fi: Notice::FileInfo, n: Notice::Info);
}

# Entries last until the time they hold; the expiration of the table only asks for it.
function suppression_left(t: table[Type, string] of time, note: Type, identifier: string): interval
	{
	local left = t[note, identifier] - network_time();
	return left > 0sec ? left : 0sec;
	}

# Until when equal notices are suppressed.
global suppressing: table[Type, string] of time = {} &create_expire=0sec &expire_func=suppression_left;

function is_being_suppressed(n: Notice::Info): bool
	{
	return n?$identifier && [n$note, n$identifier] in suppressing;
	}

event zeek_init() &priority=5
	{
	Log::create_stream(Notice::LOG, Log::Stream($columns=Info, $ev=log_notice, $path="notice", $policy=log_policy));
	Log::create_stream(Notice::ALARM_LOG, Log::Stream($columns=Notice::Info, $path="notice_alarm", $policy=log_policy_alarm));

	# Mails the alarms of a day.
	if ( ! reading_traces() && mail_dest != "" )
		Log::add_filter(Notice::ALARM_LOG, Log::Filter($name="alarm-mail", $path="alarm-mail", $writer=Log::WRITER_ASCII,
		                                               $interv=24hrs, $postprocessor=log_mailing_postprocessor));
	}

function log_mailing_postprocessor(info: Log::RotationInfo): bool
	{
	if ( ! reading_traces() && mail_dest != "" )
		{
		local headers = email_headers(fmt("Log contents: %s", info$fname), mail_dest);
		local tmpfile = unique_id("/tmp/zeek_mail_");
		local out = open(tmpfile);
		write_file(out, headers);
		close(out);
		system(fmt("/bin/cat %s %s | %s -t -oi && /bin/rm %s", tmpfile, info$fname, sendmail, tmpfile));
		}

	return T;
	}

function email_headers(subject_desc: string, dest: string): string
	{
	local text = fmt("From: %s\nSubject: %s %s\nTo: %s\nUser-Agent: Zeek/%s\n", mail_from, mail_subject_prefix,
	                 subject_desc, dest, zeek_version());

	if ( reply_to != "" )
		text += fmt("Reply-To: %s\n", reply_to);

	return text;
	}

# Comes back to a mail that waits for something.
event delay_sending_email(n: Notice::Info, dest: string, extend: bool)
	{
	email_notice_to(n, dest, extend);
	}

function email_notice_to(n: Notice::Info, dest: string, extend: bool)
	{
	if ( reading_traces() || dest == "" )
		return;

	if ( extend && n?$email_delay_tokens && |n$email_delay_tokens| > 0 )
		{
		# Waiting is over when the last token goes, or after the longest time that a site accepts.
		if ( network_time() < n$ts + max_email_delay )
			{
			schedule 1sec { delay_sending_email(n, dest, extend) };
			return;
			}

		Reporter::warning(fmt("mail about notice %s waited too long for tokens: %s", n$note,
		                      join_string_set(n$email_delay_tokens, ", ")));
		}

	local text = email_headers(fmt("%s", n$note), dest);

	text += "\n";

	if ( n?$msg )
		text += fmt("Message: %s\n", n$msg);

	if ( n?$sub )
		text += fmt("Sub-message: %s\n", n$sub);

	text += "\n";

	if ( n?$file_desc )
		{
		text += fmt("File Description: %s\n", n$file_desc);

		if ( n?$file_mime_type )
			text += fmt("File MIME Type: %s\n", n$file_mime_type);

		text += "\n";
		}

	if ( n?$id )
		{
		text += fmt("Connection: %s:%d -> %s:%d\n", n$id$orig_h, n$id$orig_p, n$id$resp_h, n$id$resp_p);

		if ( n?$uid )
			text += fmt("Connection uid: %s\n", n$uid);
		}
	else if ( n?$src )
		text += fmt("Address: %s\n", n$src);

	if ( extend && n?$email_body_sections && |n$email_body_sections| > 0 )
		{
		text += "\nEmail Extensions\n----------------\n";

		for ( _, section in n$email_body_sections )
			text += fmt("%s\n", section);
		}

	text += "\n\n--\n[Automatically generated]\n\n";
	piped_exec(fmt("%s -t -oi", sendmail), text);
	}

hook Notice::policy(n: Notice::Info) &priority=10
	{
	if ( n$note in ignored_types )
		break;

	if ( n$note in not_suppressed_types )
		n$suppress_for = 0sec;

	if ( n$note in alarmed_types )
		add n$actions[ACTION_ALARM];

	if ( n$note in emailed_types )
		add n$actions[ACTION_EMAIL];

	if ( n$note in type_suppression_intervals )
		n$suppress_for = type_suppression_intervals[n$note];

	# Every notice that is not ignored is logged.
	add n$actions[ACTION_LOG];
	}

hook Notice::notice(n: Notice::Info)
	{
	if ( ACTION_EMAIL in n$actions && mail_dest != "" )
		add n$email_dest[mail_dest];
	}

hook Notice::notice(n: Notice::Info) &priority=-5
	{
	for ( dest in n$email_dest )
		email_notice_to(n, dest, T);

	if ( ACTION_LOG in n$actions )
		Log::write(Notice::LOG, n);

	if ( ACTION_ALARM in n$actions )
		Log::write(Notice::ALARM_LOG, n);

	if ( n?$identifier && n$suppress_for != 0sec )
		{
		suppressing[n$note, n$identifier] = n$ts + n$suppress_for;
		event Notice::begin_suppression(n$ts, n$suppress_for, n$note, n$identifier);

@if ( Cluster::is_enabled() && Cluster::acts_as_one )
		# Who knows of it need not tell the manager of the next ones.
		Cluster::publish(Cluster::worker_topic, Notice::begin_suppression, n$ts, n$suppress_for, n$note, n$identifier);
		Cluster::publish(Cluster::proxy_topic, Notice::begin_suppression, n$ts, n$suppress_for, n$note, n$identifier);
@endif
		}
	}

event Notice::begin_suppression(ts: time, suppress_for: interval, note: Type, identifier: string) &priority=-5
	{
	suppressing[note, identifier] = ts + suppress_for;
	}

function create_file_info(f: fa_file): Notice::FileInfo
	{
	local fi = Notice::FileInfo($fuid=f$id, $desc=Files::describe(f));

	if ( f?$info && f$info?$mime_type )
		fi$mime = f$info$mime_type;

	if ( f?$conns && |f$conns| == 1 )
		{
		for ( id, c in f$conns )
			{
			fi$cid = id;
			fi$cuid = c$uid;
			}
		}

	return fi;
	}

function populate_file_info(f: fa_file, n: Notice::Info)
	{
	populate_file_info2(create_file_info(f), n);
	}

function populate_file_info2(fi: Notice::FileInfo, n: Notice::Info)
	{
	if ( ! n?$fuid )
		n$fuid = fi$fuid;

	if ( ! n?$file_mime_type && fi?$mime )
		n$file_mime_type = fi$mime;

	n$file_desc = fi$desc;

	if ( ! n?$id && fi?$cid )
		n$id = fi$cid;

	if ( ! n?$uid && fi?$cuid )
		n$uid = fi$cuid;
	}

# Fills what can be derived from other fields, and runs the policy.
function apply_policy(n: Notice::Info)
	{
	if ( ! n?$ts )
		n$ts = network_time();

	if ( n?$f )
		populate_file_info(n$f, n);

	if ( n?$conn )
		{
		if ( ! n?$id )
			n$id = n$conn$id;

		if ( ! n?$uid )
			n$uid = n$conn$uid;
		}

	if ( n?$id )
		{
		if ( ! n?$src )
			n$src = n$id$orig_h;

		if ( ! n?$dst )
			n$dst = n$id$resp_h;

		if ( ! n?$p )
			n$p = n$id$resp_p;
		}

	if ( n?$p )
		n$proto = get_port_transport_proto(n$p);

	if ( Cluster::is_enabled() )
		{
		n$peer_name = Cluster::node;
		n$peer_descr = Cluster::node;
		}

	# Whoever has something for a mail finds a place for it.
	if ( ! n?$email_body_sections )
		n$email_body_sections = vector();

	if ( ! n?$email_delay_tokens )
		n$email_delay_tokens = set();

	hook Notice::policy(n);
	}

@if ( Cluster::is_enabled() && Cluster::acts_as_one )

export {
	## Has the manager decide about a notice.
	global tell_manager: function(n: Notice::Info);
}

# Of notices that workers want suppressed the manager sees all, and lets the first one pass.
event Notice::raised_elsewhere(n: Notice::Info)
	{
	if ( is_being_suppressed(n) )
		event Notice::suppressed(n);
	else
		hook Notice::notice(n);
	}

function tell_manager(n: Notice::Info)
	{
	# Connections and files do not travel; what the log has of them was taken from them already.
	local has_conn = n?$conn;
	local has_file = n?$f;
	local c: connection;
	local f: fa_file;

	if ( has_conn )
		c = n$conn;

	if ( has_file )
		f = n$f;

	delete n$conn;
	delete n$f;
	Cluster::publish(Cluster::manager_topic, Notice::raised_elsewhere, n);

	# Whoever has raised it may go on with it.
	if ( has_conn )
		n$conn = c;

	if ( has_file )
		n$f = f;
	}

@endif

@if ( Cluster::is_enabled() && ! Cluster::acts_as_one )

# One suppression on its way: when it began, for how long, and of what.
type Suppression: record {
	ts: time;
	suppress_for: interval;
	note: Type;
	identifier: string;
};

type SuppressionBatch: record {
	ts: time;
	## Did it come through the manager?
	forwarded: bool;
	entries: vector of Suppression;
};

export {
	global suppression_batch_internal: event(batch: SuppressionBatch);
}

@if ( Cluster::local_node_type() == Cluster::MANAGER )

event Notice::suppression_batch_internal(batch: SuppressionBatch)
	{
	for ( _, s in batch$entries )
		event Notice::begin_suppression(s$ts, s$suppress_for, s$note, s$identifier);

	batch$forwarded = T;
	Cluster::publish(Cluster::worker_topic, suppression_batch_internal, batch);
	Cluster::publish(Cluster::proxy_topic, suppression_batch_internal, batch);
	}

@else

global own_batch: vector of Suppression = vector();
global last_batch: time = double_to_time(0.0);

# Suppressions that came from elsewhere are not sent again.
global foreign: set[Type, string] = set();

function send_batch()
	{
	if ( |own_batch| == 0 )
		return;

	Cluster::publish(Cluster::manager_topic, suppression_batch_internal,
	                 SuppressionBatch($ts=network_time(), $forwarded=F, $entries=own_batch));
	own_batch = vector();
	last_batch = network_time();
	}

event suppression_batch_timer()
	{
	send_batch();
	}

event Notice::suppression_batch_internal(batch: SuppressionBatch)
	{
	if ( ! batch$forwarded )
		return;

	for ( _, s in batch$entries )
		{
		add foreign[s$note, s$identifier];
		event Notice::begin_suppression(s$ts, s$suppress_for, s$note, s$identifier);
		}
	}

event Notice::begin_suppression(ts: time, suppress_for: interval, note: Type, identifier: string)
	{
	if ( [note, identifier] in foreign )
		{
		delete foreign[note, identifier];
		return;
		}

	local waiting = |own_batch| > 0;
	own_batch += Suppression($ts=ts, $suppress_for=suppress_for, $note=note, $identifier=identifier);

	# After a quiet time there is no reason to wait.
	if ( |own_batch| >= suppression_batch_max_size || network_time() - last_batch > suppression_batch_period )
		send_batch();
	else if ( ! waiting )
		schedule suppression_batch_period { suppression_batch_timer() };
	}

@endif
@endif

module GLOBAL;

export {
	## Raises a notice.
	global NOTICE: function(n: Notice::Info);
}

function NOTICE(n: Notice::Info)
	{
	if ( Notice::is_being_suppressed(n) )
		{
		event Notice::suppressed(n);
		return;
		}

	Notice::apply_policy(n);

@if ( Cluster::is_enabled() && Cluster::acts_as_one )
	if ( n?$identifier && n$suppress_for != 0sec && Cluster::local_node_type() != Cluster::MANAGER )
		{
		Notice::tell_manager(n);
		return;
		}
@endif

	hook Notice::notice(n);
	}
