##! Notices about connections whose content is not complete or not the same when it
##! is sent again.

@load base/frameworks/notice

module Conn;

export {
	redef enum Notice::Type += {
		## Data that was sent again differs.
		Retransmission_Inconsistency,
		## Data is missing.
		Content_Gap,
	};
}

event rexmit_inconsistency(c: connection, t1: string, t2: string, tcp_flags: string)
	{
	NOTICE(Notice::Info($note=Retransmission_Inconsistency, $conn=c,
	       $msg=fmt("%s rexmit inconsistency (%s) (%s) [%s]", id_string(c$id), t1, t2, tcp_flags),
	       $identifier=cat(c$id)));
	}

event content_gap(c: connection, is_orig: bool, seq: count, length: count)
	{
	NOTICE(Notice::Info($note=Content_Gap, $conn=c,
	       $msg=fmt("%s content gap (%s %d/%d)%s", id_string(c$id), is_orig ? ">" : "<", seq, length, "")));
	}
