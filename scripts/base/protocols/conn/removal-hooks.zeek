##! Per-connection finalizers: scripts that keep state on a connection register
##! a hook here instead of handling the removal of every connection.

module Conn;

export {
	## A hook that runs once, when the connection leaves the connection table.
	type RemovalHook: hook(c: connection);

	## Has *hk* run when *c* goes away. Returns F if it was registered before.
	global register_removal_hook: function(c: connection, hk: RemovalHook): bool;

	## Takes a finalizer back. Returns F if it was not registered.
	global unregister_removal_hook: function(c: connection, hk: RemovalHook): bool;
}

redef record connection += {
	removal_hooks: set[Conn::RemovalHook] &optional;
};

function register_removal_hook(c: connection, hk: Conn::RemovalHook): bool
	{
	if ( ! c?$removal_hooks )
		c$removal_hooks = set();
	else if ( hk in c$removal_hooks )
		return F;

	add c$removal_hooks[hk];
	return T;
	}

function unregister_removal_hook(c: connection, hk: Conn::RemovalHook): bool
	{
	if ( ! c?$removal_hooks || hk !in c$removal_hooks )
		return F;

	delete c$removal_hooks[hk];
	return T;
	}

# After what most scripts do at the end, before conn.log is written.
event connection_state_remove(c: connection) &priority=-3
	{
	if ( c?$removal_hooks )
		{
		for ( hk in c$removal_hooks )
			hook hk(c);

		delete c$removal_hooks;
		}
	}
