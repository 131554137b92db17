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

# Before the notice is logged.
hook notice(n: Notice::Info) &priority=-4
	{
	if ( ACTION_DROP !in n$actions || ! n?$src )
		return;

	# A host that is watched already was blocked before.
	if ( NetControl::get_catch_release_info(n$src)$watch_until != double_to_time(0) )
		n$dropped = T;
	else
		{
		local info = NetControl::drop_address_catch_release(n$src, cat("ACTION_DROP: ", n?$msg));
		n$dropped = info$watch_until != double_to_time(0);
		}
	}
