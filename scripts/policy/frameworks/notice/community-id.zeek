##! Adds the community id of the connection to notice.log.

@load base/frameworks/notice
@load policy/protocols/conn/community-id-logging

module CommunityID::Notice;

export {
	## Whether the id is added.
	option enabled = T;

	redef record Notice::Info += {
		community_id: string &optional &log;
	};
}

hook Notice::notice(n: Notice::Info) &priority=10
	{
	if ( ! CommunityID::Notice::enabled )
		return;

	if ( n?$conn && n$conn?$conn && n$conn$conn?$community_id )
		n$community_id = n$conn$conn$community_id;
	else if ( n?$id )
		n$community_id = community_id_v1(n$id, CommunityID::seed, CommunityID::do_base64);
	}
