##! A plugin that drops in this process: what its own packet filters can do.

@load ../plugin
@load ../main

module NetControl;

export {
	global create_packetfilter: function(): PluginState;
}

# Only whole addresses, and only of the monitored copy.
function packetfilter_takes(r: Rule): bool
	{
	return r$ty == DROP && r$target == MONITOR &&
	       (r$entity$ty == ADDRESS || r$entity$ty == FLOW && (r$entity$flow?$src_h || r$entity$flow?$dst_h) &&
	        ! r$entity$flow?$src_p && ! r$entity$flow?$dst_p && ! r$entity$flow?$src_m && ! r$entity$flow?$dst_m);
	}

function packetfilter_add_rule(p: PluginState, r: Rule): bool
	{
	if ( ! packetfilter_takes(r) )
		return F;

	local e = r$entity;

	if ( e$ty == ADDRESS )
		{
		install_src_net_filter(e$ip, 0, 1.0);
		install_dst_net_filter(e$ip, 0, 1.0);
		}
	else
		{
		if ( e$flow?$src_h )
			install_src_net_filter(e$flow$src_h, 0, 1.0);

		if ( e$flow?$dst_h )
			install_dst_net_filter(e$flow$dst_h, 0, 1.0);
		}

	event NetControl::rule_added(r, p, "");
	return T;
	}

function packetfilter_remove_rule(p: PluginState, r: Rule, reason: string): bool
	{
	if ( ! packetfilter_takes(r) )
		return F;

	local e = r$entity;

	if ( e$ty == ADDRESS )
		{
		uninstall_src_net_filter(e$ip);
		uninstall_dst_net_filter(e$ip);
		}
	else
		{
		if ( e$flow?$src_h )
			uninstall_src_net_filter(e$flow$src_h);

		if ( e$flow?$dst_h )
			uninstall_dst_net_filter(e$flow$dst_h);
		}

	event NetControl::rule_removed(r, p, "");
	return T;
	}

function packetfilter_name(p: PluginState): string
	{
	return "Packetfilter";
	}

const packetfilter_plugin = Plugin($name=packetfilter_name, $can_expire=F, $add_rule=packetfilter_add_rule,
                                   $remove_rule=packetfilter_remove_rule);

function create_packetfilter(): PluginState
	{
	return PluginState($plugin=packetfilter_plugin);
	}
