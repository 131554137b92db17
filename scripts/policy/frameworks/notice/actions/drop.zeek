##! Carries out the notice action that blocks a host.

@load base/frameworks/notice/main
@load base/frameworks/netcontrol
@load policy/frameworks/netcontrol/catch-and-release

module Notice;

export {
	redef record Info += {
		## Whether the host was blocked.
		dropped: bool &log &default=F;
	};
}

hook notice(n: Notice::Info) &priority=-5
	{
	if ( ACTION_DROP !in n$actions || ! n?$src )
		return;

	local ci = NetControl::get_catch_release_info(n$src);

	# A host that is known already was blocked before.
	if ( ci$watch_until == double_to_time(0) )
		{
		NetControl::drop_address_catch_release(n$src, cat("Drop: ", n?$msg ? n$msg : ""));
		n$dropped = T;
		}
	else
		n$dropped = T;
	}
