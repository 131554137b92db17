##! Adds the community id of the connection to conn.log.

@load base/protocols/conn

module CommunityID;

export {
	## Mixed into the id, to tell networks apart.
	option seed = 0;

	## Whether the id is in Base64.
	option do_base64 = T;

	redef record Conn::Info += {
		community_id: string &optional &log;
	};
}

event new_connection(c: connection)
	{
	c$conn$community_id = community_id_v1(c$id, CommunityID::seed, CommunityID::do_base64);
	}
