##! Mails alarms as readable text instead of log lines.

@load base/frameworks/cluster
@load ../main

module Notice;

export {
	const pretty_print_alarms: bool = T &redef;

	## Who gets the text; if empty, those who get other mail.
	const mail_dest_pretty_printed: string = "" &redef;

	## Alarms about other networks than these come in a section of their own.
	global flag_nets: set[subnet] = {} &redef;

	## Send mail also from captures and without a destination; for tests.
	global force_email_summaries: bool = F &redef;

	## Writes one alarm; sites may bring their own.
	global pretty_print_alarm: function(out: file, n: Info) &redef;
}

global pp_alarms: file;
global pp_alarms_open = F;
const pp_alarms_name = "alarm-mail.txt";

function wanted(): bool
	{
	if ( force_email_summaries )
		return T;

	return pretty_print_alarms && ! reading_traces() && (mail_dest != "" || mail_dest_pretty_printed != "");
	}

function destination(): string
	{
	return mail_dest_pretty_printed != "" ? mail_dest_pretty_printed : mail_dest;
	}

function open_text()
	{
	if ( ! pp_alarms_open )
		{
		pp_alarms = open(pp_alarms_name);
		pp_alarms_open = T;
		}
	}

function mail_text(info: Log::RotationInfo): bool
	{
	if ( ! pp_alarms_open )
		return T;

	close(pp_alarms);
	pp_alarms_open = F;

	local headers = email_headers(fmt("Alarm summary from %s-%s", strftime("%H:%M:%S", info$open),
	                                  strftime("%H:%M:%S", info$close)), destination());
	local header_name = unique_id("/tmp/zeek_mail_");
	local out = open(header_name);
	write_file(out, headers + "\n");
	close(out);
	system(fmt("/bin/cat %s %s | %s -t -oi && /bin/rm -f %s %s", header_name, pp_alarms_name, sendmail, header_name,
	           pp_alarms_name));
	return T;
	}

event zeek_init()
	{
	if ( ! wanted() )
		return;

	# No log file, only a rotation that tells when to send what has come together.
	Log::add_filter(Notice::ALARM_LOG, Log::Filter($name="alarm-mail", $writer=Log::WRITER_NONE,
	                                               $interv=Log::default_mail_alarms_interval, $postprocessor=mail_text));
	}

hook notice(n: Notice::Info) &priority=-5
	{
	if ( ! wanted() || ACTION_ALARM !in n$actions )
		return;

	open_text();
	pretty_print_alarm(pp_alarms, n);
	}

function flagged(n: Notice::Info): bool
	{
	if ( |flag_nets| == 0 )
		return F;

	return (n?$src && n$src in flag_nets) || (n?$dst && n$dst in flag_nets);
	}

function pretty_print_alarm(out: file, n: Info)
	{
	local mark = flagged(n) ? ">>" : "  ";
	local who = "";

	if ( n?$id )
		who = fmt("%s:%d -> %s:%d", n$id$orig_h, n$id$orig_p, n$id$resp_h, n$id$resp_p);
	else if ( n?$src && n?$dst )
		who = fmt("%s -> %s%s", n$src, n$dst, n?$p ? fmt(" %s", n$p) : "");
	else if ( n?$src )
		who = fmt("%s", n$src);

	local uid = n?$uid ? fmt(" (uid %s)", n$uid) : "";
	write_file(out, fmt("%s %D %s %s%s\n", mark, n$ts, n$note, who, uid));

	if ( n?$msg )
		write_file(out, fmt("   %s\n", n$msg));

	if ( n?$sub )
		write_file(out, fmt("   %s\n", n$sub));

	if ( n?$fuid )
		write_file(out, fmt("   file %s%s\n", n$fuid, n?$file_desc ? fmt(" %s", n$file_desc) : ""));

	write_file(out, "\n");
	}
