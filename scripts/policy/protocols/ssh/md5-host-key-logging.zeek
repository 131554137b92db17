##! Adds the MD5 digest of the host's key to ssh.log.

@load base/protocols/ssh

module SSH;

redef record Info += {
	host_key: string &log &optional;
};

event ssh_server_host_key(c: connection, hash: string) &priority=5
	{
	if ( c?$ssh )
		c$ssh$host_key = hash;
	}
