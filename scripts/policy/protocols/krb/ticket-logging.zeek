##! Adds the digests of tickets to kerberos.log.

@load base/protocols/krb

module KRB;

redef record Info += {
	## The ticket that was shown …
	auth_ticket_sha256: string &log &optional;
	## … and the one that was given.
	new_ticket_sha256: string &log &optional;
};

event krb_ap_request(c: connection, ticket: KRB::Ticket, opts: KRB::AP_Options)
	{
	if ( c?$krb && ticket?$ciphertext )
		c$krb$auth_ticket_sha256 = sha256_hash(ticket$ciphertext);
	}

event krb_as_response(c: connection, msg: KDC_Response)
	{
	if ( c?$krb && msg$ticket?$ciphertext )
		c$krb$new_ticket_sha256 = sha256_hash(msg$ticket$ciphertext);
	}

event krb_tgs_response(c: connection, msg: KDC_Response)
	{
	if ( c?$krb && msg$ticket?$ciphertext )
		c$krb$new_ticket_sha256 = sha256_hash(msg$ticket$ciphertext);
	}
